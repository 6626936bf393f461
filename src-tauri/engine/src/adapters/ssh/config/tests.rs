#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::domain::ssh::SshImplementation;

fn places(folder: &std::path::Path, text: &str) -> Places {
    std::fs::write(folder.join("config"), text).unwrap();
    Places {
        home: folder.to_path_buf(),
        user: "operator".to_owned(),
        config: vec![folder.join("config")],
        known_hosts: Vec::new(),
        system_known_hosts: Vec::new(),
        agent: None,
        ssh: "ssh".into(),
        runtime: folder.to_path_buf(),
    }
}

fn look_up(name: &str, text: &str) -> Result<Resolved, Failure> {
    let folder = tempfile::tempdir().unwrap();
    resolve(name, &places(folder.path(), text))
}

fn access(host: &str) -> SshAccess {
    SshAccess {
        host: host.to_owned(),
        port: None,
        user: None,
        implementation: SshImplementation::Russh,
        login: SshLogin::Agent { public_key: None },
        jumps: Vec::new(),
        pins: Vec::new(),
    }
}

#[test]
fn the_first_value_counts_and_patterns_choose_the_block() {
    let text = "Host dock-?\n  HostName=%h.example.com\n  User deploy\n  Port 2222\n\
                Host * !web\n  User other\n  Port 22\n  IdentityFile ~/.ssh/\"a key\"\n";
    let dock = look_up("dock-2", text).unwrap();
    assert_eq!(dock.host_name.as_deref(), Some("dock-2.example.com"));
    assert_eq!((dock.user.as_deref(), dock.port), (Some("deploy"), Some(2222)));
    assert!(dock.is_alias && dock.identity_files[0].ends_with(".ssh/a key"));
    let other = look_up("elsewhere", text).unwrap();
    assert_eq!(other.user.as_deref(), Some("other"));
    assert!(!other.is_alias, "`*` makes no alias");
    assert_eq!(look_up("web", text).unwrap().user, None, "a negated pattern takes out");
}

#[test]
fn what_is_not_understood_is_said_with_its_line() {
    let found = look_up("dock", "Host dock\n  Ciphers aes128-ctr\n  ServerAliveInterval 5\n").unwrap();
    assert_eq!(found.notes.len(), 1, "{:?}", found.notes);
    assert!(found.notes[0].ends_with("config line 2: `ciphers` is not followed."), "{:?}", found.notes);
}

#[test]
fn what_would_lead_elsewhere_is_refused_with_its_line() {
    for (text, said) in [
        ("Host dock\n  ProxyCommand nc %h %p\n", "line 2: `proxycommand`"),
        ("Match exec \"true\"\n  HostName elsewhere\n", "line 2: `hostname` below a `Match`"),
        ("CanonicalizeHostname yes\n", "line 1: `canonicalizehostname`"),
        ("UserKnownHostsFile /dev/null\n", "line 1: `userknownhostsfile`"),
        ("Host dock\n  HostName \"open\n", "line 2: a quote"),
    ] {
        let failure = look_up("dock", text).unwrap_err();
        assert_eq!(failure.code, FailureCode::SshConfiguration);
        let why = failure.why.unwrap();
        assert!(why.contains(said), "{text:?} says {why}");
    }
}

#[test]
fn what_is_about_other_hosts_or_harmless_is_not_refused() {
    for text in [
        "Host other\n  ProxyCommand nc %h %p\n",
        "Match host other\n  ForwardAgent yes\n",
        "ProxyCommand none\n",
        "Match all\n  User deploy\n",
    ] {
        assert!(look_up("dock", text).unwrap().notes.is_empty(), "{text:?}");
    }
}

#[test]
fn includes_are_followed_where_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("more")).unwrap();
    std::fs::write(folder.path().join("more/1.conf"), "Host dock\n  User first\n").unwrap();
    std::fs::write(folder.path().join("more/2.conf"), "Host dock\n  User second\n  Port 2022\n").unwrap();
    let places = places(
        folder.path(),
        "Include more/*.conf\nHost dock\n  User third\nHost other\n  Include more/1.conf\n",
    );
    let dock = resolve("dock", &places).unwrap();
    assert_eq!((dock.user.as_deref(), dock.port), (Some("first"), Some(2022)));
    assert_eq!(
        resolve("other", &places).unwrap().user,
        None,
        "what is included for other hosts stays theirs"
    );
}

#[test]
fn files_that_include_each_other_end_with_a_refusal() {
    let folder = tempfile::tempdir().unwrap();
    let failure = resolve("dock", &places(folder.path(), "Include config\n")).unwrap_err();
    assert!(failure.why.unwrap().contains("too deeply"));
}

#[test]
fn jump_hosts_are_followed_in_order_with_their_own_settings() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(
        folder.path(),
        "Host db\n  ProxyJump two@middle:2200,[::1]:2201\nHost middle\n  HostName 192.0.2.7\n  ProxyJump gate\nHost gate\n  User keeper\n",
    );
    let stops = route(&access("db"), &places).unwrap();
    let way: Vec<String> =
        stops.iter().map(|stop| format!("{}@{}:{}", stop.user, stop.host, stop.port)).collect();
    assert_eq!(way, ["keeper@gate:22", "two@192.0.2.7:2200", "operator@::1:2201", "operator@db:22"]);
}

#[test]
fn a_circle_of_jump_hosts_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path(), "Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n");
    let failure = route(&access("a"), &places).unwrap_err();
    assert!(failure.why.unwrap().contains("circle"));
}

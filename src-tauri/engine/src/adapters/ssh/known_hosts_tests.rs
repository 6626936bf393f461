#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use std::io::Write as _;

const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFfA4xO7OgDwqVrQleTA9+KYh3pe7ZrokAOsAWeUP1K2";

fn book(text: &str, host: &str, port: u16) -> Book {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    read([&file.path().to_path_buf()], host, port, None).unwrap()
}

#[test]
fn names_ports_lists_patterns_and_negations_are_read_as_ssh_reads_them() {
    for (names, host, port, found) in [
        ("dock.example.com", "dock.example.com", 22, true),
        ("dock.example.com", "DOCK.example.com", 22, true),
        ("dock.example.com", "other.example.com", 22, false),
        ("[dock.example.com]:2222", "dock.example.com", 2222, true),
        ("[dock.example.com]:2222", "dock.example.com", 22, false),
        ("[::1]:2222", "::1", 2222, true),
        ("a,b,dock.example.com", "dock.example.com", 22, true),
        ("*.example.com,!dock.example.com", "dock.example.com", 22, false),
        ("*.example.com,!dock.example.com", "web.example.com", 22, true),
    ] {
        let book = book(&format!("# a comment\n\n{names} {ONE} somebody\n"), host, port);
        assert_eq!(!book.keys.is_empty(), found, "{names} for {host}:{port}");
    }
}

#[test]
fn a_hashed_name_is_found_and_only_for_its_host() {
    // What ssh-keygen -H makes of `[127.0.0.1]:22922`, with a fixed salt.
    let salt = BASE64_STANDARD.encode(b"twenty bytes of salt");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, b"twenty bytes of salt");
    let hash = BASE64_STANDARD.encode(ring::hmac::sign(&key, b"[127.0.0.1]:22922"));
    let text = format!("|1|{salt}|{hash} {ONE}\n");
    assert_eq!(book(&text, "127.0.0.1", 22922).keys.len(), 1);
    assert!(book(&text, "127.0.0.1", 22923).keys.is_empty());
    assert!(book(&text, "127.0.0.2", 22922).keys.is_empty());
}

#[test]
fn markers_are_kept_apart_from_keys() {
    let text = format!("@revoked * {ONE}\n@cert-authority *.example.com {ONE}\n@later * {ONE}\n");
    let book = book(&text, "dock.example.com", 22);
    assert!(book.keys.is_empty());
    assert_eq!((book.revoked.len(), book.authorities.len()), (1, 1));
    assert_eq!(book.authorities[0].line, 2);
}

#[test]
fn a_key_under_the_name_without_port_is_kept_apart() {
    let book = book(&format!("dock.example.com {ONE}\n"), "dock.example.com", 2222);
    assert!(book.keys.is_empty());
    assert_eq!(book.bare.len(), 1);
}

#[test]
fn a_revoking_line_that_cannot_be_read_is_not_passed_over() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"@revoked * ssh-ed25519 AAAAbroken\n").unwrap();
    let failure = read([&file.path().to_path_buf()], "dock", 22, None).unwrap_err();
    assert!(failure.why.unwrap().contains("line 1"), "the line is named");
}

#[test]
fn a_missing_file_is_empty() {
    let nowhere = PathBuf::from("/nonexistent/known_hosts");
    assert!(read([&nowhere], "dock", 22, None).unwrap().keys.is_empty());
}

//! Reading configuration files line by line: the first value for a keyword counts.

use super::{Resolved, refused};
use crate::adapters::ssh::{pattern, places::Places};
use crate::domain::{Failure, FailureCode};
use std::path::{Path, PathBuf};

/// Deepest `Include` in an `Include`, as in ssh.
const DEPTH: usize = 16;

/// Keywords that matter to other uses of ssh, or that a line always sets itself.
const OF_NO_MATTER: &[&str] = &[
    "addkeystoagent",
    "batchmode",
    "checkhostip",
    "clearallforwardings",
    "compression",
    "connectionattempts",
    "connecttimeout",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "enableescapecommandline",
    "enablesshkeysign",
    "escapechar",
    "exitonforwardfailure",
    "fingerprinthash",
    "forkafterauthentication",
    "forwardagent",
    "forwardx11",
    "forwardx11timeout",
    "forwardx11trusted",
    "gatewayports",
    "gssapiauthentication",
    "gssapidelegatecredentials",
    "hashknownhosts",
    "ignoreunknown",
    "ipqos",
    "loglevel",
    "logverbose",
    "numberofpasswordprompts",
    "obscurekeystroketiming",
    "passwordauthentication",
    "permitlocalcommand",
    "preferredauthentications",
    "pubkeyauthentication",
    "kbdinteractiveauthentication",
    "challengeresponseauthentication",
    "requesttty",
    "sendenv",
    "serveralivecountmax",
    "serveraliveinterval",
    "sessiontype",
    "setenv",
    "stdinnull",
    "stricthostkeychecking",
    "tag",
    "tcpkeepalive",
    "updatehostkeys",
    "usekeychain",
    "visualhostkey",
    "xauthlocation",
    "localcommand",
    "remotecommand",
    "hostbasedauthentication",
];

/// Keywords that change where a connection goes or what answers there.
const WAY: &[&str] = &[
    "hostname",
    "port",
    "user",
    "proxyjump",
    "proxycommand",
    "hostkeyalias",
    "identityfile",
    "identityagent",
    "identitiesonly",
    "include",
    "canonicalizehostname",
    "canonicaldomains",
    "userknownhostsfile",
    "globalknownhostsfile",
];

/// Whether the lines of a block count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    /// They count.
    Ours,
    /// They are about other hosts.
    Others,
    /// A `Match` that is not evaluated here.
    Unclear,
}

pub(super) struct Reading<'a> {
    name: &'a str,
    places: &'a Places,
    found: Resolved,
}

impl<'a> Reading<'a> {
    pub(super) fn new(name: &'a str, places: &'a Places) -> Self {
        Self { name, places, found: Resolved::default() }
    }

    pub(super) fn finish(mut self) -> Result<Resolved, Failure> {
        if let Some(host) = self.found.host_name.take() {
            self.found.host_name = Some(host.replace("%h", self.name).replace("%%", "%"));
        }
        Ok(self.found)
    }

    pub(super) fn file(&mut self, path: &Path, depth: usize) -> Result<(), Failure> {
        self.lines(path, depth, Block::Ours)
    }

    fn lines(&mut self, path: &Path, depth: usize, outer: Block) -> Result<(), Failure> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                return Err(Failure::new(FailureCode::FileSystem, "Your ssh configuration cannot be read.")
                    .why(format!("{}: {error}", path.display()))
                    .unchanged("No connection was made.")
                    .next("Make the file readable."));
            }
        };
        let mut block = outer;
        for (number, line) in (1u32..).zip(String::from_utf8_lossy(&bytes).lines()) {
            let at = format!("{} line {number}", path.display());
            let words = split(line).ok_or_else(|| refused(format!("{at}: a quote is not closed."), None))?;
            let Some((keyword, values)) = words.split_first() else { continue };
            let keyword = keyword.to_lowercase();
            match keyword.as_str() {
                "host" if outer == Block::Others => {}
                "host" => block = self.host(values),
                "match" if outer == Block::Others => {}
                "match" if values == ["all"] => block = Block::Ours,
                "match" => block = Block::Unclear,
                "include" if block != Block::Unclear => {
                    if depth >= DEPTH {
                        return Err(refused(format!("{at}: files include each other too deeply."), None));
                    }
                    for file in self.included(values) {
                        self.lines(&file, depth + 1, block)?;
                    }
                }
                _ if block == Block::Others => {}
                _ if block == Block::Unclear => self.unclear(&keyword, &at)?,
                _ => self.set(&keyword, values, &at)?,
            }
        }
        Ok(())
    }

    fn host(&mut self, patterns: &[String]) -> Block {
        if !pattern::fits_list(patterns.iter().map(String::as_str), self.name) {
            return Block::Others;
        }
        self.found.is_alias |= patterns
            .iter()
            .any(|one| !one.starts_with('!') && one.contains(|c| c != '*') && pattern::fits(one, self.name));
        Block::Ours
    }

    /// A line below a `Match` whose condition is not evaluated here.
    fn unclear(&mut self, keyword: &str, at: &str) -> Result<(), Failure> {
        if WAY.contains(&keyword) {
            return Err(refused(
                format!(
                    "{at}: `{keyword}` below a `Match` whose condition is not evaluated here may change the way."
                ),
                None,
            ));
        }
        if !OF_NO_MATTER.contains(&keyword) {
            self.found.notes.push(format!("{at}: `{keyword}` below a `Match` is not followed."));
        }
        Ok(())
    }

    fn set(&mut self, keyword: &str, values: &[String], at: &str) -> Result<(), Failure> {
        let value = values.first().map(String::as_str).unwrap_or_default();
        let found = &mut self.found;
        match keyword {
            "hostname" => keep(&mut found.host_name, value),
            "user" => keep(&mut found.user, value),
            "hostkeyalias" => keep(&mut found.host_key_alias, value),
            "identityagent" => keep(&mut found.identity_agent, value),
            "port" if found.port.is_none() => {
                found.port =
                    Some(value.parse().map_err(|_| refused(format!("{at}: `{value}` is no port."), None))?);
            }
            "port" => {}
            "identitiesonly" => found.identities_only |= value.eq_ignore_ascii_case("yes"),
            "identityfile" if value.eq_ignore_ascii_case("none") => {}
            "identityfile" => {
                let path = value
                    .replace("%d", &self.places.home.display().to_string())
                    .replace("%u", &self.places.user)
                    .replace("%h", found.host_name.as_deref().unwrap_or(self.name))
                    .replace("%r", found.user.as_deref().unwrap_or(&self.places.user))
                    .replace("%%", "%");
                found.identity_files.push(self.places.expand(&path));
            }
            "proxyjump" => keep(&mut found.proxy_jump, value),
            "proxycommand" if value.eq_ignore_ascii_case("none") || found.proxy_jump.is_some() => {}
            "canonicalizehostname" if value.eq_ignore_ascii_case("no") => {}
            "proxycommand" | "canonicalizehostname" | "proxyusefdpass" => {
                return Err(refused(format!("{at}: `{keyword}` changes the way to the host."), None));
            }
            "userknownhostsfile" | "globalknownhostsfile" | "revokedhostkeys" | "knownhostscommand" => {
                return Err(refused(format!("{at}: `{keyword}` says where trusted keys are kept."), None));
            }
            _ if OF_NO_MATTER.contains(&keyword) => {}
            _ => found.notes.push(format!("{at}: `{keyword}` is not followed.")),
        }
        Ok(())
    }

    /// Files of an `Include`: relative ones start from the operator's ssh folder; `*` and `?` may stand in
    /// the last part.
    fn included(&self, values: &[String]) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for value in values {
            let path = self.places.expand(value);
            let path = if path.is_absolute() { path } else { self.places.ssh_folder().join(path) };
            let last = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if !last.contains(['*', '?']) {
                files.push(path);
                continue;
            }
            let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
            let mut found: Vec<PathBuf> = std::fs::read_dir(&folder)
                .into_iter()
                .flatten()
                .flatten()
                .filter(|entry| pattern::fits(&last, &entry.file_name().to_string_lossy()))
                .map(|entry| entry.path())
                .filter(|path| path.is_file())
                .collect();
            found.sort();
            files.extend(found);
        }
        files
    }
}

fn keep(place: &mut Option<String>, value: &str) {
    if place.is_none() && !value.is_empty() {
        *place = Some(value.to_owned());
    }
}

/// The words of a line: `Keyword value`, `Keyword=value`, values in double quotes, `#` begins a comment.
fn split(line: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut started) = (false, false);
    for c in line.trim().chars() {
        match c {
            '"' => {
                quoted = !quoted;
                started = true;
            }
            '#' if !quoted && !started => break,
            c if !quoted && (c.is_whitespace() || (c == '=' && words.is_empty())) => {
                if started {
                    words.push(std::mem::take(&mut word));
                    started = false;
                }
            }
            // `Keyword = value`: the sign stands alone.
            '=' if !quoted && !started && words.len() == 1 => {}
            c => {
                word.push(c);
                started = true;
            }
        }
    }
    if started {
        words.push(word);
    }
    (!quoted).then_some(words)
}

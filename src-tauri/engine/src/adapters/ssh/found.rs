//! What this computer has for a login, so that nobody types what can be found: names of the operator's
//! configuration, key files, an agent. Only names and paths; no key is read.

use super::places::Places;
use crate::domain::transport::SshFound;
use std::path::Path;

/// More names than this are not offered.
const MOST: usize = 40;
/// A larger file is no configuration.
const LARGEST_BYTES: u64 = 1024 * 1024;

/// Looks. What cannot be read is not offered.
pub fn found(places: &Places) -> SshFound {
    SshFound {
        aliases: places.config.first().map(|file| aliases(file)).unwrap_or_default(),
        key_files: key_files(places),
        agent: places.agent.as_ref().is_some_and(|agent| agent.exists()),
    }
}

/// The names of the operator's `Host` lines that stand for one host each; included files are not read here.
fn aliases(file: &Path) -> Vec<String> {
    let small = std::fs::metadata(file).is_ok_and(|facts| facts.is_file() && facts.len() <= LARGEST_BYTES);
    let text = if small { std::fs::read_to_string(file).unwrap_or_default() } else { String::new() };
    let mut names: Vec<String> = Vec::new();
    for line in text.lines() {
        let mut words = line.split(|c: char| c.is_whitespace() || c == '=').filter(|word| !word.is_empty());
        if !words.next().is_some_and(|word| word.eq_ignore_ascii_case("host")) {
            continue;
        }
        for word in words {
            let name = word.trim_matches('"');
            let plain = !name.contains(['*', '?', '!']) && !name.chars().any(char::is_control);
            if plain && !names.iter().any(|known| known == name) && names.len() < MOST {
                names.push(name.to_owned());
            }
        }
    }
    names
}

/// Private keys that stand beside their public part in the operator's ssh folder.
fn key_files(places: &Places) -> Vec<String> {
    let folder = places.ssh_folder();
    let Ok(entries) = std::fs::read_dir(&folder) else { return Vec::new() };
    let mut files: Vec<String> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let key = name.strip_suffix(".pub")?.to_owned();
            folder.join(&key).is_file().then(|| folder.join(&key).display().to_string())
        })
        .take(MOST)
        .collect();
    files.sort();
    files
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn names_and_keys_are_found_and_patterns_are_not_names() {
        let home = tempfile::tempdir().unwrap();
        let ssh = home.path().join(".ssh");
        std::fs::create_dir(&ssh).unwrap();
        let config = "Host bastion \"harbour\"\n  User deploy\nhost=inner\nHost *.example.com !x\n# Host no\nHostName y\n";
        std::fs::write(ssh.join("config"), config).unwrap();
        for name in ["id_ed25519", "id_ed25519.pub", "lonely.pub", "known_hosts"] {
            std::fs::write(ssh.join(name), "").unwrap();
        }
        let mut places = Places::of_this_user();
        places.home = home.path().to_path_buf();
        places.config = vec![ssh.join("config")];
        places.agent = None;
        let found = found(&places);
        assert_eq!(found.aliases, ["bastion", "harbour", "inner"]);
        assert_eq!(found.key_files, [ssh.join("id_ed25519").display().to_string()]);
        assert!(!found.agent);
    }
}

//! One direction only: shell -> engine; runner, planner, checks -> domain; adapters import only domain.

use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a source folder").map(|entry| entry.unwrap()) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            // What stands behind the first test module may use anything.
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
            found.push((path, text));
        }
    }
    found
}

fn forbid(folder: &str, words: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = sources(&root.join(folder));
    assert!(!files.is_empty(), "{folder} has sources");
    for (path, text) in files {
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for word in words {
                assert!(!line.contains(word), "{} must not use `{word}`: {line}", path.display());
            }
        }
    }
}

const ENGINE: &str = "src-tauri/engine/src";

#[test]
fn the_domain_imports_nothing_of_ours() {
    forbid(
        &format!("{ENGINE}/domain"),
        &[
            "crate::adapters",
            "crate::runner",
            "crate::planner",
            "crate::checks",
            "crate::engine",
            "sqlx",
            "tokio",
        ],
    );
}

#[test]
fn adapters_import_only_the_domain() {
    forbid(
        &format!("{ENGINE}/adapters"),
        &["crate::runner", "crate::planner", "crate::checks", "crate::engine"],
    );
}

#[test]
fn planning_and_checking_are_pure() {
    for folder in ["planner", "checks"] {
        forbid(
            &format!("{ENGINE}/{folder}"),
            &[
                "crate::adapters",
                "crate::runner",
                "crate::engine",
                "sqlx::",
                "tokio",
                "std::fs",
                "std::net::Tcp",
                "std::net::ToSocketAddrs",
            ],
        );
    }
}

#[test]
fn the_engine_knows_no_window_and_prints_nothing() {
    forbid(ENGINE, &["tauri", "println!", "print!(", "dbg!"]);
}

#[test]
fn the_shell_reaches_only_the_engines_door() {
    forbid(
        "src-tauri/src",
        &[
            "sqlx",
            "drydock_engine::adapters",
            "drydock_engine::runner",
            "drydock_engine::planner",
            "drydock_engine::checks",
        ],
    );
}

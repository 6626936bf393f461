//! The bindings the web UI talks through are generated, and never stale.

#[test]
fn the_committed_bindings_are_what_the_commands_generate() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/ui/src/lib/bindings.ts");
    let generated = drydock_shell::bindings().expect("every type can be written in TypeScript");
    if std::env::var_os("DRYDOCK_WRITE_BINDINGS").is_some() {
        std::fs::write(path, &generated).expect("ui/src/lib can be written");
    }
    let committed = std::fs::read_to_string(path).expect("ui/src/lib/bindings.ts is committed");
    assert!(
        committed == generated,
        "ui/src/lib/bindings.ts is stale; run DRYDOCK_WRITE_BINDINGS=1 cargo test --test shell"
    );
}

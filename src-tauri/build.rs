//! Build script: Tauri's code generation, with the capabilities kept beside the Rust sources.

fn main() {
    let attributes =
        tauri_build::Attributes::new().capabilities_path_pattern("src-tauri/capabilities/**/*.json");
    if let Err(error) = tauri_build::try_build(attributes) {
        println!("cargo::error=tauri build configuration: {error:#}");
        std::process::exit(1);
    }
}

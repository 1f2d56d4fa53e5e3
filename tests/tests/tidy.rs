//! No file of this directory is forgotten.

use std::fs;
use std::path::Path;

#[test]
fn every_file_is_a_module() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let main = fs::read_to_string(dir.join("main.rs")).unwrap();
    let manifest = fs::read_to_string(dir.join("../Cargo.toml")).unwrap();
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let module = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_source = path.extension().is_some_and(|extension| extension == "rs");
        if is_source && module != "main" {
            let is_module = main.lines().any(|line| line == format!("mod {module};"));
            let is_binary = manifest.lines().any(|line| line == format!("name = \"{module}\""));
            assert!(is_module || is_binary, "{module}.rs is not in main.rs");
        }
    }
}

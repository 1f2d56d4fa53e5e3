//! Rules about documents, and about what has to agree with them.

use std::path::Path;

use super::{File, absolute};
use crate::readme::{self, Purpose};

pub(super) fn architecture_names_every_crate(files: &[File]) -> Vec<String> {
    let Some(architecture) = find(files, "ARCHITECTURE.md") else { return vec!["ARCHITECTURE.md is missing".into()] };
    let crates = files.iter().filter_map(|file| file.path.strip_suffix("/Cargo.toml"));
    crates
        .filter(|directory| !architecture.contains(&format!("`{directory}`")))
        .filter(|directory| !architecture.contains(&format!("`{directory}/`")))
        .map(|directory| format!("ARCHITECTURE.md: does not name `{directory}`"))
        .collect()
}

/// Links to files, from the document's own directory; addresses and places within a document are left alone.
pub(super) fn links_resolve(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.has_extension(&["md"])) {
        let directory = Path::new(&file.path).parent().unwrap_or(Path::new(""));
        for (number, line) in file.lines() {
            for target in line.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next()) {
                let is_file = !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:");
                if is_file && !absolute("").join(directory).join(target).exists() {
                    findings.push(format!("{}:{number}: no {target}", file.path));
                }
            }
        }
    }
    findings
}

pub(super) fn readme_equals_what_runs(files: &[File]) -> Vec<String> {
    let snippets = match readme::snippets() {
        Ok(snippets) => snippets,
        Err(error) => return vec![error.to_string()],
    };
    let mut findings = Vec::new();
    if !snippets.iter().any(|snippet| matches!(snippet.purpose, Purpose::Run(_))) {
        findings.push("README.md: has no example that is run".into());
    }
    for snippet in snippets {
        let Purpose::File(path) = snippet.purpose else { continue };
        if find(files, &path) != Some(&snippet.text) {
            findings.push(format!("README.md: the example is not the text of {path}"));
        }
    }
    findings
}

pub(super) fn versions_agree(files: &[File]) -> Vec<String> {
    let wanted = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    let packages = files.iter().filter(|file| file.path.starts_with("npm/") && file.ends_with("package.json"));
    packages
        .filter(|file| file.lines().any(|(_, line)| line.contains("\"version\": ")))
        .filter(|file| !file.lines().any(|(_, line)| line.contains(&wanted)))
        .map(|file| format!("{}: not {wanted}", file.path))
        .collect()
}

fn find<'a>(files: &'a [File], path: &str) -> Option<&'a String> {
    files.iter().find(|file| file.path == path)?.text.as_ref()
}

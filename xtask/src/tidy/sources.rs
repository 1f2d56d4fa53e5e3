//! Rules about source files.

use std::process::Command;

use super::{File, absolute};

/// Crates whose root may not forbid unsafe code, with the attribute that it has instead, if any.
const UNSAFE_ALLOWED: &[(&str, Option<&str>)] = &[("crates/init/", None), ("bindings/", Some("#![deny(unsafe_code)]"))];

/// What must not stay in committed code: the words, split here so that this file is not a finding itself.
const UNFINISHED: &[&str] = &[
    concat!("todo", "!("),
    concat!("unimplemented", "!("),
    concat!("dbg", "!("),
    concat!("#[", "ignore"),
    concat!("FIX", "ME"),
    concat!("TO", "DO"),
    concat!("XX", "X:"),
    concat!("test.", "skip("),
    concat!("it.", "skip("),
    concat!(".", "only("),
];

/// Ways of letting time pass.
const SLEEPS: &[&str] = &[concat!("sleep", "("), concat!("set", "Timeout("), concat!("await", " delay(")];

pub(super) fn unsafe_is_confined(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.ends_with("src/lib.rs") || file.ends_with("src/main.rs")) {
        let allowed = UNSAFE_ALLOWED.iter().find(|(directory, _)| file.path.starts_with(directory));
        let wanted = allowed.map_or(Some("#![forbid(unsafe_code)]"), |(_, attribute)| *attribute);
        if let Some(wanted) = wanted
            && !file.lines().any(|(_, line)| line == wanted)
        {
            findings.push(format!("{}: lacks {wanted}", file.path));
        }
    }
    findings
}

pub(super) fn files_are_short(files: &[File]) -> Vec<String> {
    let sources = files.iter().filter(|file| file.has_extension(&["rs", "ts", "mts", "js", "mjs", "cjs", "sh"]));
    let counted = sources.map(|file| (file, file.lines().count()));
    counted.filter(|(_, lines)| *lines > 500).map(|(file, lines)| format!("{}: {lines} lines", file.path)).collect()
}

pub(super) fn nothing_is_unfinished(files: &[File]) -> Vec<String> {
    find_words(
        files.iter().filter(|file| file.has_extension(&["rs", "ts", "js", "mjs", "cjs", "sh", "toml"])),
        UNFINISHED,
    )
}

pub(super) fn tests_do_not_sleep(files: &[File]) -> Vec<String> {
    let is_test =
        |file: &&File| file.path.contains("tests/") || file.path.contains("/test/") || file.ends_with("tests.rs");
    find_words(
        files.iter().filter(is_test).filter(|file| file.has_extension(&["rs", "ts", "js", "mjs", "cjs"])),
        SLEEPS,
    )
}

/// `tests/NAME.rs` beside `tests/main.rs`, or `tests/NAME/mod.rs`, must appear there as `mod NAME;`.
pub(super) fn every_test_file_is_declared(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for main in files.iter().filter(|file| file.ends_with("tests/main.rs")) {
        let Some(directory) = main.path.strip_suffix("main.rs") else { continue };
        for file in files {
            let Some(name) = file.path.strip_prefix(directory).and_then(|rest| rest.strip_suffix(".rs")) else {
                continue;
            };
            let module = name.strip_suffix("/mod").unwrap_or(name);
            if module == "main" || module.contains('/') {
                continue;
            }
            if !main.lines().any(|(_, line)| line.trim_start_matches("pub ") == format!("mod {module};")) {
                findings.push(format!("{}: not declared in {}", file.path, main.path));
            }
        }
    }
    findings
}

/// An exception is `#[expect(…, reason = …)]`, in one line or several; `allow` only where the lint does not always speak.
pub(super) fn exceptions_have_reasons(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.has_extension(&["rs"])) {
        let text = file.text.as_deref().unwrap_or_default();
        for start in [concat!("[", "expect("), concat!("[", "allow(")] {
            for attribute in text.split(start).skip(1) {
                let attribute = attribute.split(")]").next().unwrap_or_default();
                if !attribute.contains("reason =") {
                    let lint = attribute.lines().next().unwrap_or_default();
                    findings.push(format!("{}: no reason for the exception {lint}", file.path));
                }
            }
        }
    }
    findings
}

pub(super) fn whitespace_is_clean(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    // A snapshot is what a command printed, blanks included.
    for file in files.iter().filter(|file| !file.has_extension(&["snap"])) {
        let Some(text) = &file.text else { continue };
        if !text.is_empty() && (!text.ends_with('\n') || text.ends_with("\n\n")) {
            findings.push(format!("{}: does not end with one line feed", file.path));
        }
        let trailing = file.lines().filter(|(_, line)| line.ends_with([' ', '\t', '\r']));
        findings.extend(trailing.map(|(number, _)| format!("{}:{number}: trailing blank", file.path)));
    }
    findings
}

pub(super) fn scripts_parse(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        let shebang = file.lines().next().map(|(_, line)| line).unwrap_or_default();
        let shell = match shebang {
            "#!/bin/sh" => "sh",
            "#!/usr/bin/env bash" | "#!/bin/bash" => "bash",
            _ if file.has_extension(&["sh"]) => {
                findings.push(format!("{}: no #! line that names sh or bash", file.path));
                continue;
            }
            _ => continue,
        };
        let parsed = Command::new(shell).arg("-n").arg(absolute(&file.path)).output();
        if !parsed.is_ok_and(|output| output.status.success()) {
            findings.push(format!("{}: {shell} -n refuses it", file.path));
        }
    }
    findings
}

fn find_words<'a>(files: impl Iterator<Item = &'a File>, words: &[&str]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        for (number, line) in file.lines() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                findings.push(format!("{}:{number}: {word}", file.path));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.into(), text: Some(text.into()) }
    }

    #[test]
    fn a_crate_root_without_forbid_is_found() {
        let files = [file("crates/a/src/lib.rs", "//! x\n"), file("crates/b/src/lib.rs", "#![forbid(unsafe_code)]\n")];
        assert_eq!(unsafe_is_confined(&files).len(), 1);
    }

    #[test]
    fn a_test_file_that_nothing_declares_is_found() {
        let files = [
            file("tests/tests/main.rs", "mod exec;\nmod support;\n"),
            file("tests/tests/exec.rs", ""),
            file("tests/tests/support/mod.rs", ""),
            file("tests/tests/support/inner.rs", ""),
            file("tests/tests/forgotten.rs", ""),
        ];
        assert_eq!(
            every_test_file_is_declared(&files),
            ["tests/tests/forgotten.rs: not declared in tests/tests/main.rs"]
        );
    }

    #[test]
    fn an_exception_may_span_lines_but_needs_its_reason() {
        let with = file("a.rs", concat!("#[", "expect(\n    clippy::x,\n    reason = \"y\"\n)]\n"));
        let without = file("b.rs", concat!("#[", "expect(clippy::x)]\n"));
        assert!(exceptions_have_reasons(&[with]).is_empty());
        assert_eq!(exceptions_have_reasons(&[without]).len(), 1);
    }

    #[test]
    fn whitespace_at_ends_is_found() {
        assert!(whitespace_is_clean(&[file("a", "x\n"), file("b", "")]).is_empty());
        assert_eq!(whitespace_is_clean(&[file("a", "x \ny"), file("b", "x\n\n")]).len(), 3);
    }
}

//! What people forget, checked over the files that git knows. Each rule is one entry of [`RULES`].

mod docs;
mod sources;

use std::fs;
use std::path::PathBuf;

use xshell::{Shell, cmd};

use crate::{Result, root};

/// A file that git tracks or would track.
pub(crate) struct File {
    /// Its path from the top of the work tree.
    path: String,
    /// Its text; absent for binary files.
    text: Option<String>,
}

/// A rule looks at all files and says what is wrong, one line for each finding.
type Rule = fn(&[File]) -> Vec<String>;

/// Every rule with the words for it.
const RULES: &[(&str, Rule)] = &[
    ("every crate but loopbox-init forbids unsafe code, the bindings deny it", sources::unsafe_is_confined),
    ("a source file has at most 500 lines", sources::files_are_short),
    ("nothing is left undone or switched off", sources::nothing_is_unfinished),
    ("no test lets time pass by sleeping", sources::tests_do_not_sleep),
    ("every file of a test directory is part of its one test binary", sources::every_test_file_is_declared),
    ("every exception from a lint says why", sources::exceptions_have_reasons),
    ("text files end with one line feed and have no trailing blanks", sources::whitespace_is_clean),
    ("shell scripts parse", sources::scripts_parse),
    ("ARCHITECTURE.md names every crate", docs::architecture_names_every_crate),
    ("links between documents lead somewhere", docs::links_resolve),
    ("the examples of README.md are those that CI runs", docs::readme_equals_what_runs),
    ("the npm packages carry the version of the workspace", docs::versions_agree),
];

/// Applies every rule and reports all findings together.
pub(crate) fn run(sh: &Shell) -> Result<()> {
    let files = files(sh)?;
    let mut findings = 0;
    for (words, rule) in RULES {
        for finding in rule(&files) {
            eprintln!("tidy: {finding} ({words})");
            findings += 1;
        }
    }
    println!("tidy: {} rules over {} files, {findings} findings", RULES.len(), files.len());
    if findings == 0 { Ok(()) } else { Err(format!("{findings} findings of tidy").into()) }
}

fn files(sh: &Shell) -> Result<Vec<File>> {
    let list = cmd!(sh, "git ls-files -z --cached --others --exclude-standard").quiet().read()?;
    let paths = list.split('\0').filter(|path| !path.is_empty());
    // What was removed and not yet committed is listed and yet not there.
    let existing = paths.filter(|path| absolute(path).symlink_metadata().is_ok_and(|metadata| metadata.is_file()));
    existing
        .map(|path| Ok(File { path: path.to_owned(), text: String::from_utf8(fs::read(absolute(path))?).ok() }))
        .collect()
}

fn absolute(path: &str) -> PathBuf {
    root().join(path)
}

impl File {
    fn has_extension(&self, extensions: &[&str]) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
    }

    /// The lines with their numbers, from 1.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.as_deref().unwrap_or_default().lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// The last directory and name, as `src/lib.rs`.
    fn ends_with(&self, end: &str) -> bool {
        self.path == end || self.path.ends_with(&format!("/{end}"))
    }
}

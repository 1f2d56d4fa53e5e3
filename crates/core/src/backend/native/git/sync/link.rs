//! The `.git` file of a working tree whose repository is elsewhere.

use std::path::{Path, PathBuf};

use super::super::files::{Content, Seen, look, open_top, read};
use super::super::place::New;
use super::{MAX_TEXT, Sync};
use crate::info::{Finding, FindingCode};

impl Sync {
    /// The `.git` file is a mount inside, which the host takes away without a sound when it replaces the file. So it is
    /// looked at, and is what it was again if it names another directory.
    pub(super) fn check_link(&mut self) {
        let Some((link, git_dir)) = &self.link else { return };
        let (Some(top), Some(name)) = (link.parent(), link.file_name().and_then(|name| name.to_str())) else { return };
        let Ok(top) = open_top(top) else { return };
        let seen = look(&top, name).ok().flatten().map(|stat| Seen::of(&stat));
        if seen.is_some() && seen == self.state.link {
            return;
        }
        let named = match read(&top, name, MAX_TEXT) {
            Ok(Content::File(bytes, _)) => named_by(&bytes, link),
            _ => None,
        };
        if named.as_ref() != Some(git_dir) {
            let content = format!("gitdir: {}\n", git_dir.display());
            let new = New { bytes: content.as_bytes(), mode: 0o644, modified: self.now };
            let (message, link) = match self.placer.link(&top, name, &new) {
                Ok(kept) => (format!("{} named another repository and is as it was again", link.display()), kept),
                Err(error) => (format!("{} names another repository: {error}", link.display()), None),
            };
            let mut finding = Finding::new(FindingCode::Guarded, message);
            (finding.path, finding.quarantine) = (self.link.as_ref().map(|(link, _)| link.clone()), link);
            self.findings.push(finding);
        }
        let seen = look(&top, name).ok().flatten().map(|stat| Seen::of(&stat));
        self.state.link = seen.filter(|seen| seen.is_settled(self.now));
    }
}

/// The directory that the content of a `.git` file names.
fn named_by(bytes: &[u8], link: &Path) -> Option<PathBuf> {
    let path = std::str::from_utf8(bytes).ok()?.trim_end_matches(['\n', '\r']).strip_prefix("gitdir: ")?;
    std::fs::canonicalize(link.parent()?.join(path)).ok()
}

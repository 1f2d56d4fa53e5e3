//! Repositories within a workspace, the workspace's own aside: git obeys their configuration, and runs their hooks,
//! for whoever enters them; also where a directory merely looks like a repository.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, FileType};

use super::super::beneath;
use crate::backend::native::git::danger;

/// A configuration of git's is small; a longer one is suspicious by itself.
const MAX_CONFIG: u64 = 1024 * 1024;
const MAX_HOOKS: usize = 1000;

/// A file that makes git run programs.
#[derive(Debug)]
pub(super) struct Offence {
    /// Its path relative to the workspace.
    pub(super) path: PathBuf,
    /// What is wrong with it.
    pub(super) why: String,
}

/// Whether a directory of these names is one that git takes for a repository.
#[derive(Debug, Default, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a name that was seen")]
pub(super) struct Looks {
    head: bool,
    objects: bool,
    refs: bool,
    common: bool,
}

impl Looks {
    pub(super) fn add(&mut self, name: &[u8]) {
        match name {
            b"HEAD" => self.head = true,
            b"objects" => self.objects = true,
            b"refs" => self.refs = true,
            b"commondir" => self.common = true,
            _ => {}
        }
    }

    pub(super) fn like_a_repository(self) -> bool {
        self.head && (self.common || self.objects && self.refs)
    }
}

/// What is wrong with the repository in that directory, below `top` at `path`.
pub(super) fn offences(top: &OwnedFd, path: &Path) -> Vec<Offence> {
    let mut found = Vec::new();
    for directory in std::iter::once(path.to_owned()).chain(common(top, path)) {
        for config in ["config", "config.worktree"] {
            let path = directory.join(config);
            if let Some(why) = dangerous(top, &path) {
                found.push(Offence { path, why });
            }
        }
        found.extend(hooks(top, &directory.join("hooks")));
    }
    found
}

fn dangerous(top: &OwnedFd, path: &Path) -> Option<String> {
    let stat = beneath::look(top, path)?;
    if beneath::kind(&stat) != FileType::RegularFile {
        return Some("git's configuration is not a file of its own".to_owned());
    }
    if u64::try_from(stat.st_size).unwrap_or(0) > MAX_CONFIG {
        return Some("git's configuration is longer than any".to_owned());
    }
    let Ok(bytes) = beneath::read(top, path, MAX_CONFIG) else {
        return Some("git's configuration cannot be read".to_owned());
    };
    let found = danger(&String::from_utf8_lossy(&bytes)).into_iter().next()?;
    Some(format!("git obeys {} in its line {}", found.key, found.line))
}

fn hooks(top: &OwnedFd, path: &Path) -> Vec<Offence> {
    let Some(stat) = beneath::look(top, path) else { return Vec::new() };
    if beneath::kind(&stat) == FileType::Symlink {
        return vec![Offence { path: path.to_owned(), why: "git runs hooks from where this link leads".to_owned() }];
    }
    let entries = beneath::directory(top, path).ok().and_then(|directory| Dir::new(directory).ok());
    let names = entries.into_iter().flatten().flatten().map(|entry| entry.file_name().to_bytes().to_vec());
    let mut found = Vec::new();
    for name in names.filter(|name| !name.starts_with(b".") && !name.ends_with(b".sample")).take(MAX_HOOKS) {
        let path = path.join(OsStr::from_bytes(&name));
        let Some(stat) = beneath::look(top, &path) else { continue };
        let runs = match beneath::kind(&stat) {
            FileType::RegularFile => stat.st_mode & 0o111 != 0,
            FileType::Symlink => true,
            _ => false,
        };
        if runs {
            found.push(Offence { path, why: "git runs it as a hook".to_owned() });
        }
    }
    found
}

/// Where `commondir` leads within the workspace: configuration and hooks are there.
fn common(top: &OwnedFd, path: &Path) -> Option<PathBuf> {
    let text = beneath::read(top, path.join("commondir"), 4096).ok()?;
    let text = String::from_utf8(text).ok()?;
    resolved(path, Path::new(text.trim_end_matches(['\n', '\r'])))
}

/// A relative path from a directory of the workspace, if it stays within.
fn resolved(from: &Path, path: &Path) -> Option<PathBuf> {
    let mut at = from.to_owned();
    for component in path.components() {
        match component {
            std::path::Component::Normal(name) => at.push(name),
            std::path::Component::ParentDir => {
                if !at.pop() {
                    return None;
                }
            }
            std::path::Component::CurDir => {}
            _ => return None,
        }
    }
    Some(at)
}

/// Whether a `.git` file leads to a repository outside the workspace; what leads to one inside is looked at there.
pub(super) fn leads_outside(top: &OwnedFd, path: &Path) -> Option<String> {
    let text = beneath::read(top, path, 4096).ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let target = text.trim_end_matches(['\n', '\r']).strip_prefix("gitdir: ")?;
    let outside = resolved(path.parent().unwrap_or(Path::new("")), Path::new(target)).is_none();
    outside.then(|| format!("it leads git to {target}, outside the workspace"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_leave_the_workspace_are_noticed() {
        assert_eq!(resolved(Path::new("a/b"), Path::new("../c/./d")), Some("a/c/d".into()));
        for outside in ["../../../x", "/etc"] {
            assert_eq!(resolved(Path::new("a/b"), Path::new(outside)), None, "{outside}");
        }
    }
}

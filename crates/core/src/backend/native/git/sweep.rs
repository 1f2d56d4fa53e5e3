//! Refs and objects are written by both sides directly. A link among them would lead the host's git elsewhere. Git itself
//! makes none, so they are removed.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, FileType};

use super::files::{Seen, look, open_below, open_up};
use super::place::{Area, remove};
use crate::info::{Finding, FindingCode};

/// Directories that both sides write, and whether all below is looked at: below `objects`, git writes new names only.
const TREES: [(&str, bool); 3] = [("objects", false), ("refs", true), ("reftable", false)];

/// More directories than are remembered: where there are more, all are looked at each time.
const MAX_REMEMBERED: usize = 20_000;
/// More names than a repository has.
const MAX_NAMES: usize = 5_000_000;
/// How many links are told one by one.
const MAX_TOLD: usize = 20;

/// Removes links and whatever else is neither a file nor a directory from what changed since; whether anything did.
pub(super) fn sweep(area: &Area, folders: &mut BTreeMap<String, Seen>, now: i64, findings: &mut Vec<Finding>) -> bool {
    let prefix = format!("{}:", area.name);
    let mut pending: Vec<PathBuf> = TREES.iter().map(|(tree, _)| tree.into()).collect();
    pending.extend(folders.keys().filter_map(|key| key.strip_prefix(&prefix)).map(path_of));
    pending.sort();
    pending.dedup();
    pending.reverse();
    let mut sweep = Sweep { area, names: 0, removed: 0, findings };
    let mut changed = false;
    while let Some(path) = pending.pop() {
        let key = format!("{prefix}{}", key_of(&path));
        let there = look(&area.host, &path).ok().flatten();
        let directory = there.filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
        let Some(seen) = directory.map(|stat| Seen::of(&stat)) else {
            changed |= folders.remove(&key).is_some();
            continue;
        };
        if folders.get(&key) == Some(&seen) {
            continue;
        }
        changed = true;
        let all = TREES.iter().any(|(tree, all)| *all && path.starts_with(tree));
        let cleaned = sweep.directory(&path, |inner| {
            if (all || inner == Path::new("objects/pack"))
                && !folders.contains_key(&format!("{prefix}{}", key_of(&inner)))
            {
                pending.push(inner);
            }
        });
        // What could not be looked at, or may have changed since, is looked at again.
        let known = cleaned && seen.is_settled(now);
        folders.insert(key, if known { seen } else { Seen::NEVER });
    }
    sweep.tell_rest();
    if folders.len() > MAX_REMEMBERED {
        folders.clear();
    }
    changed
}

struct Sweep<'a> {
    area: &'a Area,
    names: usize,
    removed: usize,
    findings: &'a mut Vec<Finding>,
}

impl Sweep<'_> {
    /// Leaves nothing but directories, which `found` gets, and files in a directory; whether that could be done.
    fn directory(&mut self, path: &Path, mut found: impl FnMut(PathBuf)) -> bool {
        let opened = self
            .open(path)
            .and_then(|opened| opened.map(|directory| Ok((Dir::read_from(&directory)?, directory))).transpose());
        let (entries, directory) = match opened {
            Ok(Some(opened)) => opened,
            Ok(None) => return false,
            Err(error) => {
                self.tell(path, &format!("cannot be looked through ({error}), and may lead git elsewhere"));
                return false;
            }
        };
        for entry in entries {
            let Ok(entry) = entry else { return false };
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            self.names += 1;
            if self.names == MAX_NAMES {
                self.tell(path, "has more names than are looked at: what is in it may lead git elsewhere");
            }
            if self.names >= MAX_NAMES {
                return false;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => {
                    let stat = look(&directory, name).ok().flatten();
                    stat.map_or(FileType::RegularFile, |stat| FileType::from_raw_mode(stat.st_mode))
                }
                kind => kind,
            };
            match kind {
                FileType::Directory => found(path.join(name)),
                FileType::RegularFile => {}
                _ => self.remove(&directory, path, name),
            }
        }
        true
    }

    fn open(&self, path: &Path) -> io::Result<Option<OwnedFd>> {
        match open_below(&self.area.host, path) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                open_up(&self.area.host, path)?;
                open_below(&self.area.host, path)
            }
            opened => opened,
        }
    }

    fn remove(&mut self, directory: &OwnedFd, path: &Path, name: &OsStr) {
        let removed = match remove(directory, name) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                open_up(&self.area.host, path).and_then(|()| remove(directory, name))
            }
            removed => removed,
        };
        let path = path.join(name);
        match removed {
            Ok(()) => {
                self.removed += 1;
                if self.removed <= MAX_TOLD {
                    self.tell(&path, "led git elsewhere and was removed");
                }
            }
            Err(error) => self.tell(&path, &format!("leads git elsewhere and could not be removed: {error}")),
        }
    }

    fn tell_rest(&mut self) {
        if self.removed > MAX_TOLD {
            let further = self.removed - MAX_TOLD;
            self.tell(Path::new(""), &format!("held {further} further links that led git elsewhere and were removed"));
        }
    }

    fn tell(&mut self, path: &Path, what: &str) {
        let at = self.area.path.join(path);
        let mut finding = Finding::new(FindingCode::Guarded, format!("{} {what}", at.display()));
        finding.path = Some(at);
        self.findings.push(finding);
    }
}

/// What a path is written down as: itself, or where it is not Unicode, a letter for each of its bytes.
fn key_of(path: &Path) -> String {
    let bytes = path.as_os_str().as_bytes();
    path.to_str()
        .map_or_else(|| std::iter::once('\0').chain(bytes.iter().copied().map(char::from)).collect(), str::to_owned)
}

fn path_of(key: &str) -> PathBuf {
    match key.strip_prefix('\0') {
        Some(letters) => {
            OsString::from_vec(letters.chars().filter_map(|letter| u8::try_from(letter).ok()).collect()).into()
        }
        None => key.into(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::files::{now, open_top};
    use super::*;

    struct Git {
        dir: tempfile::TempDir,
        folders: BTreeMap<String, Seen>,
    }

    impl Git {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            for path in ["host/refs/heads", "host/objects/pack", "private"] {
                fs::create_dir_all(dir.path().join(path)).unwrap();
            }
            Self { dir, folders: BTreeMap::new() }
        }

        fn path(&self, path: impl AsRef<Path>) -> PathBuf {
            self.dir.path().join("host").join(path)
        }

        /// What is told; `settled` tells whether everything changed some time ago.
        fn sweep(&mut self, settled: bool) -> Vec<Finding> {
            let top = |name| open_top(&fs::canonicalize(self.dir.path().join(name)).unwrap()).unwrap();
            let area = Area { name: "common", path: self.path(""), host: top("host"), private: top("private") };
            let mut findings = Vec::new();
            let now = if settled { now() + 1_000_000_000 } else { now() };
            sweep(&area, &mut self.folders, now, &mut findings);
            findings
        }
    }

    #[test]
    fn neither_names_nor_depth_hide_a_link() {
        let mut git = Git::new();
        let odd = OsStr::from_bytes(b"x\xff");
        let deep = "d/".repeat(200);
        for parent in [PathBuf::from("refs/tags"), Path::new("refs").join(odd), Path::new("refs/heads").join(&deep)] {
            fs::create_dir_all(git.path(&parent)).unwrap();
            for name in [odd, OsStr::new("link")] {
                symlink("/etc/passwd", git.path(&parent).join(name)).ok();
            }
        }
        git.sweep(true);
        assert!(fs::symlink_metadata(git.path("refs/tags/link")).is_err());
        assert!(fs::symlink_metadata(git.path("refs").join(odd).join(odd)).is_err());
        assert!(fs::symlink_metadata(git.path("refs/heads").join(&deep).join(odd)).is_err());
        symlink("/etc/passwd", git.path("refs").join(odd).join(odd)).unwrap();
        assert_eq!(git.sweep(true).len(), 1, "what has an odd name is remembered");
        assert_eq!(git.sweep(true), []);
    }

    #[test]
    fn what_changed_just_now_is_looked_at_again() {
        let mut git = Git::new();
        git.sweep(true);
        let heads = git.path("refs/heads");
        fs::write(heads.join("file"), "").unwrap();
        git.sweep(false);
        symlink("/etc/passwd", heads.join("link")).unwrap();
        assert_eq!(git.sweep(true).len(), 1);
    }

    #[test]
    fn many_links_are_told_in_a_few_words() {
        let mut git = Git::new();
        for number in 0..100 {
            symlink("/etc/passwd", git.path("refs").join(number.to_string())).unwrap();
        }
        assert_eq!(git.sweep(true).len(), MAX_TOLD + 1);
        assert_eq!(fs::read_dir(git.path("refs")).unwrap().count(), 1);
    }

    #[test]
    fn what_the_inside_closed_is_opened() {
        let mut git = Git::new();
        symlink("/etc/passwd", git.path("refs/heads/link")).unwrap();
        for path in ["refs/heads", "refs"] {
            fs::set_permissions(git.path(path), fs::Permissions::from_mode(0o100)).unwrap();
        }
        assert_eq!(git.sweep(true).len(), 1);
        assert!(fs::symlink_metadata(git.path("refs/heads/link")).is_err());
    }
}

//! Moving things out of a workspace while hostile processes may still run in it, also by root.
//!
//! ```text
//! STATE/quarantine/NAME-ID/        one directory a sandbox; outlives it
//!   findings.jsonl                 what was moved and why, a line each
//!   TIME-RANDOM/PATH               what was moved, under the path that it had
//! ```

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, renameat_with, statat};
use rustix::io::Errno;

use super::beneath;
use super::tree::{self, Copier};
use crate::fs::{make_private_dir, random_hex, read_limited};
use crate::info::{Finding, FindingCode};
use crate::name::SandboxName;
use crate::record::Record;

/// The directory of all quarantines, below the state directory.
pub(crate) const QUARANTINE: &str = "quarantine";
const FINDINGS: &str = "findings.jsonl";
/// What is read of a quarantine's findings.
const MAX_FINDINGS: u64 = 1024 * 1024;
/// A hostile process can put things back as often as it likes.
const ATTEMPTS: usize = 8;
/// Quarantines are removed when nothing was put there for this long.
const KEPT_FOR: Duration = Duration::from_hours(30 * 24);

/// The quarantine of one sandbox.
#[derive(Debug, Clone)]
pub(crate) struct Quarantine {
    dir: PathBuf,
}

impl Quarantine {
    /// That of a sandbox in the state directory `state`. Nothing is made yet.
    pub(crate) fn of(state: &Path, record: &Record) -> Self {
        Self { dir: state.join(QUARANTINE).join(format!("{}-{}", record.name, record.id)) }
    }

    /// Those of every sandbox that had that name.
    pub(crate) fn named(state: &Path, name: &SandboxName) -> Vec<PathBuf> {
        let entries = fs::read_dir(state.join(QUARANTINE)).into_iter().flatten().flatten();
        let is_of = |path: &PathBuf| {
            let file = path.file_name().and_then(|file| file.to_str());
            file.and_then(|file| file.rsplit_once('-')).is_some_and(|(of, _)| of == name.as_str())
        };
        let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_of).collect();
        found.sort();
        found
    }

    /// Moves what is at `path` below `top` here, whatever it is; its new place.
    pub(crate) fn take(&self, top: &OwnedFd, path: &Path) -> io::Result<PathBuf> {
        let parent = beneath::directory(top, path.parent().unwrap_or(Path::new("")))?;
        let name = path.file_name().ok_or(Errno::INVAL)?;
        let mut first = None;
        for _ in 0..ATTEMPTS {
            let place = self.place()?;
            let to = place.join(path);
            make_private_dir(to.parent().unwrap_or(&place)).map_err(io::Error::other)?;
            let target = File::open(to.parent().unwrap_or(&place))?;
            match renameat_with(&parent, name, &target, name, RenameFlags::NOREPLACE) {
                Ok(()) => {}
                Err(Errno::NOENT) => {
                    let _empty = fs::remove_dir_all(&place);
                    break;
                }
                // Another file system, or one without this way of renaming. What is too large to copy gets another name.
                Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS) => {
                    let copied = copy_away(&parent, Path::new(name), &target);
                    if let Err(error) = copied {
                        let _partial = fs::remove_dir_all(&place);
                        return set_aside(&parent, name).map_err(|_| error);
                    }
                }
                // A directory that its owner may not write cannot leave its parent, nor anything one that he may not.
                Err(Errno::ACCESS) => {
                    let _file = open_up(&parent, name);
                    let rename = || renameat_with(&parent, name, &target, name, RenameFlags::NOREPLACE);
                    beneath::with_mode(&parent, 0o300, rename)?;
                }
                Err(errno) => return Err(errno.into()),
            }
            first.get_or_insert(to);
            if statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW).is_err() {
                break;
            }
        }
        first.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// Takes over a private copy of a sandbox that is gone, under the path that it had inside.
    pub(super) fn adopt(&self, copy: &Path, path: &Path) -> io::Result<PathBuf> {
        let to = self.place()?.join(path);
        make_private_dir(to.parent().unwrap_or(&self.dir)).map_err(io::Error::other)?;
        fs::rename(copy, &to)?;
        Ok(to)
    }

    /// Writes down what was found, for `inspect` and for whoever looks here later.
    pub(crate) fn note(&self, finding: &Finding) -> io::Result<()> {
        make_private_dir(&self.dir).map_err(io::Error::other)?;
        let path = self.dir.join(FINDINGS);
        let length = fs::metadata(&path).map_or(0, |metadata| metadata.len());
        if length > MAX_FINDINGS / 2 {
            // Enough is enough: the things themselves are here.
            return Ok(());
        }
        let mut line = serde_json::to_vec(finding)?;
        line.push(b'\n');
        if length + line.len() as u64 > MAX_FINDINGS / 2 {
            let rest = "there are too many findings for all to be written down: look at what is in the quarantine";
            line = serde_json::to_vec(&Finding::new(FindingCode::NotEnforced, rest))?;
            line.resize(line.len().max(usize::try_from(MAX_FINDINGS / 2 - length).unwrap_or_default() + 1), b' ');
            line.push(b'\n');
        }
        File::options().create(true).append(true).mode(0o600).open(&path)?.write_all(&line)
    }

    /// What was written down.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        let bytes = read_limited(&self.dir.join(FINDINGS), MAX_FINDINGS).ok().flatten().unwrap_or_default();
        // The last line may be half-written.
        bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }

    /// A new directory for one thing.
    fn place(&self) -> io::Result<PathBuf> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let suffix = random_hex(4).map_err(io::Error::other)?;
        let place = self.dir.join(format!("{}-{suffix}", now.as_millis()));
        make_private_dir(&place).map_err(io::Error::other)?;
        Ok(place)
    }
}

/// Gives something a name under which nobody obeys it; its new path.
fn set_aside(parent: &OwnedFd, name: &OsStr) -> io::Result<PathBuf> {
    let mut aside = name.to_owned();
    aside.push(format!(".quarantined-{}", random_hex(4).map_err(io::Error::other)?));
    renameat_with(parent, name, parent, &aside, RenameFlags::NOREPLACE)?;
    Ok(fs::read_link(format!("/proc/self/fd/{}", parent.as_raw_fd()))?.join(aside))
}

fn open_up(parent: &OwnedFd, name: &OsStr) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    fs::set_permissions(format!("/proc/self/fd/{}", directory.as_raw_fd()), fs::Permissions::from_mode(0o700))
}

fn copy_away(parent: &OwnedFd, name: &Path, target: &File) -> io::Result<()> {
    let mut copier = Copier::new(None, &[]);
    copier.keep_owner = rustix::process::geteuid().is_root();
    copier.copy(parent, name, target.as_fd(), name.as_os_str())?;
    tree::remove(parent, name.as_os_str())
}

/// Moves quarantines in which nothing was put for long to the trash.
pub(crate) fn discard_old(state: &Path, trash: &Path) {
    for entry in fs::read_dir(state.join(QUARANTINE)).into_iter().flatten().flatten() {
        let changed = fs::metadata(entry.path()).and_then(|metadata| metadata.modified());
        if changed.is_ok_and(|changed| changed + KEPT_FOR < SystemTime::now()) {
            let suffix = random_hex(8).unwrap_or_default();
            // What cannot be moved now is with the next prune.
            let _later = fs::rename(entry.path(), trash.join(format!("quarantine-{suffix}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_that_are_left_out_are_told() {
        let dir = tempfile::tempdir().unwrap();
        let quarantine = Quarantine { dir: dir.path().join("q") };
        for number in 0..6000 {
            let message = format!("{number} {}", "x".repeat(100));
            quarantine.note(&Finding::new(FindingCode::Guarded, message)).unwrap();
        }
        quarantine.note(&Finding::new(FindingCode::Guarded, "y".repeat(2 << 20))).unwrap();
        let told = quarantine.findings();
        assert!(told.len() < 6000 && told.len() > 1000);
        assert!(told.last().is_some_and(|last| last.message.contains("too many findings")));
    }

    #[test]
    fn what_cannot_be_moved_is_obeyed_by_nobody() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".vscode")).unwrap();
        let top = OwnedFd::from(File::open(dir.path()).unwrap());
        let kept = set_aside(&top, ".vscode".as_ref()).unwrap();
        assert!(kept.is_dir() && kept.parent() == fs::canonicalize(dir.path()).ok().as_deref());
        assert!(!dir.path().join(".vscode").exists());
    }
}

//! What stands before guarded paths inside: private copies that the inside may change as it likes.
//!
//! A mount on the host's own file would not do: it comes off without a word when the host renames something over that
//! file, and a program inside that replaces files by renaming could not be used at all.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use loopbox_init::sandbox::{Access, Entry, IdMap};
use rustix::fs::{FileType, Stat};

use super::list::LEFT_OUT;
use super::state::{Shadow, State};
use super::tree::{self, Copier};
use super::{beneath, list};
use crate::backend::native::git;
use crate::error::{Error, Result};
use crate::fs::make_private_dir;
use crate::record::Record;
use crate::registry::SandboxDir;

/// Where the private copies of a sandbox are kept, below its directory.
const COPIES: &str = "guard";

/// Makes and refreshes the private copies of one sandbox.
#[derive(Debug)]
pub(super) struct Shadows<'a> {
    pub(super) dir: &'a SandboxDir,
    pub(super) workspace: &'a Path,
    pub(super) top: &'a OwnedFd,
    /// The host's ids of `agent`, if they are not this process's own.
    pub(super) owner: Option<(u32, u32)>,
}

impl<'a> Shadows<'a> {
    pub(super) fn new(dir: &'a SandboxDir, record: &'a Record, top: &'a OwnedFd) -> Self {
        let owner = record.native.as_ref().and_then(|native| match native.ids {
            IdMap::Range { .. } => Some(native.ids.agent()),
            IdMap::Single { .. } => None,
        });
        Self { dir, workspace: &record.workspace.canonical, top, owner }
    }

    /// What stands before `path` from now on, `before` being what stood there in an earlier run. None where nothing can:
    /// before a link to a directory, or what is no file at all.
    pub(super) fn make(&self, path: &Path, stat: &Stat, before: Option<&Shadow>) -> Result<Option<Shadow>> {
        let source = match beneath::kind(stat) {
            FileType::Directory | FileType::RegularFile => Some(path.to_owned()),
            FileType::Symlink => match self.linked(path) {
                Linked::Directory(_) => return Ok(None),
                Linked::File(target) => Some(target),
                Linked::Elsewhere => None,
            },
            _ => return Ok(None),
        };
        let mut shadow = Shadow {
            path: path.to_owned(),
            copy: None,
            on: beneath::identity(self.top, path),
            host: String::new(),
            inside: String::new(),
        };
        match source.as_ref().map(|source| self.signature(source)).transpose() {
            Ok(host) => shadow.host = host.unwrap_or_default(),
            Err(_) => return Ok(Some(shadow)),
        }
        // What the inside made of its copy is kept over a stop.
        if let Some(before) = before.filter(|before| before.copy.is_some())
            && let Some(inside) = self.inside(before)
            && (inside != before.inside || before.host == shadow.host)
        {
            shadow.copy.clone_from(&before.copy);
            shadow.inside.clone_from(&before.inside);
            return Ok(Some(shadow));
        }
        let name = match before.and_then(|before| before.copy.clone()) {
            Some(name) => name,
            None => crate::fs::random_hex(4)?,
        };
        match self.copy(source.as_deref(), path, &name) {
            Ok(()) => shadow.copy = Some(name),
            // What cannot be copied is shown as it is, and cannot be written.
            Err(_) => return Ok(Some(shadow)),
        }
        shadow.inside = self.inside(&shadow).unwrap_or_default();
        Ok(Some(shadow))
    }

    /// The mounts that put them there.
    pub(super) fn entries(&self, record: &Record, ids: IdMap, shadows: &[&Shadow]) -> Vec<Entry> {
        let part = |path: &Path, target: PathBuf, read_only| Entry::Part {
            top: self.workspace.to_owned(),
            path: path.to_owned(),
            target,
            access: self.access(path, ids, read_only),
        };
        // A mount point does not keep the directories above it from being renamed; being mount points themselves does.
        let above = shadows.iter().flat_map(|shadow| shadow.path.ancestors().skip(1));
        // Those above the repository are mounted already, and would hide it.
        let mounted = git::above(record);
        let above: BTreeSet<&Path> = above.filter(|path| *path != Path::new("") && !mounted.contains(*path)).collect();
        let mut entries = Vec::new();
        for top in tops(record) {
            entries.extend(above.iter().map(|path| part(path, top.join(path), false)));
            entries.extend(shadows.iter().map(|shadow| {
                let target = top.join(&shadow.path);
                match &shadow.copy {
                    Some(copy) => Entry::Bind { source: self.place(copy), target, access: Access::ReadWrite },
                    None => part(&shadow.path, target, true),
                }
            }));
        }
        entries
    }

    /// Brings the host's changes into a copy that the inside left as it was.
    pub(super) fn refresh(&self, shadow: &mut Shadow) {
        let (Some(copy), Some(stat)) = (shadow.copy.clone(), beneath::look(self.top, &shadow.path)) else { return };
        let source = match beneath::kind(&stat) {
            FileType::Symlink => match self.linked(&shadow.path) {
                Linked::File(target) => target,
                _ => return,
            },
            _ => shadow.path.clone(),
        };
        let Ok(host) = self.signature(&source) else { return };
        if host == shadow.host || self.inside(shadow).is_none_or(|inside| inside != shadow.inside) {
            return;
        }
        if self.refill(&source, &copy).is_ok() {
            shadow.host = host;
            shadow.inside = self.inside(shadow).unwrap_or_default();
        }
    }

    /// Whether the inside changed its copy.
    pub(super) fn changed(&self, shadow: &Shadow) -> bool {
        shadow.copy.is_some() && self.inside(shadow).is_none_or(|inside| inside != shadow.inside)
    }

    /// Whether the mount lies on what is there now.
    pub(super) fn is_on(&self, shadow: &Shadow) -> bool {
        shadow.on.is_some() && beneath::identity(self.top, &shadow.path) == shadow.on
    }

    pub(super) fn place(&self, copy: &str) -> PathBuf {
        self.dir.join(COPIES).join(copy)
    }

    /// What a guarded path that is a link leads to.
    pub(super) fn linked(&self, path: &Path) -> Linked {
        // Only names are learnt this way; what is read is read without following any link.
        let Ok(target) = fs::canonicalize(self.workspace.join(path)) else { return Linked::Elsewhere };
        let Ok(target) = target.strip_prefix(self.workspace).map(Path::to_owned) else { return Linked::Elsewhere };
        match beneath::look(self.top, &target).map(|stat| beneath::kind(&stat)) {
            Some(FileType::RegularFile) => Linked::File(target),
            Some(FileType::Directory) if target != Path::new("") => Linked::Directory(target),
            _ => Linked::Elsewhere,
        }
    }

    /// How the host's own is shown: as it is to its own user, idmapped where the sandbox has ids of its own.
    fn access(&self, path: &Path, ids: IdMap, read_only: bool) -> Access {
        match (ids, beneath::look(self.top, path)) {
            (IdMap::Range { .. }, Some(stat)) => Access::OwnedBy { uid: stat.st_uid, gid: stat.st_gid, read_only },
            _ if read_only => Access::ReadOnly,
            _ => Access::ReadWrite,
        }
    }

    fn signature(&self, path: &Path) -> io::Result<String> {
        tree::signature(self.top, path, &left_out(path))
    }

    fn inside(&self, shadow: &Shadow) -> Option<String> {
        let copies = fs::File::open(self.dir.join(COPIES)).ok()?;
        tree::signature(&copies, Path::new(shadow.copy.as_ref()?), &[]).ok()
    }

    /// Makes a copy under that name; an empty file if there is nothing to copy.
    fn copy(&self, source: Option<&Path>, path: &Path, name: &str) -> Result<()> {
        let copies = self.dir.join(COPIES);
        make_private_dir(&copies)?;
        let doing = || format!("copying {}", path.display());
        let copies = fs::File::open(&copies).map_err(|error| Error::io(doing(), error))?;
        let left_out = left_out(path);
        let made = tree::remove(&copies, OsStr::new(name)).and_then(|()| match source {
            Some(source) => Copier::new(self.owner, &left_out).copy(self.top, source, &copies, OsStr::new(name)),
            None => fs::write(self.place(name), ""),
        });
        if made.is_err() {
            let _none = tree::remove(&copies, OsStr::new(name));
        }
        made.map_err(|error| Error::io(doing(), error))
    }

    /// Replaces the contents of a copy, which is mounted and must stay what it is.
    fn refill(&self, source: &Path, copy: &str) -> io::Result<()> {
        let copies = fs::File::open(self.dir.join(COPIES))?;
        let left_out = left_out(source);
        let mut filling = Copier::new(self.owner, &left_out);
        if let Ok(directory) = beneath::directory(&copies, copy) {
            tree::clear(&directory)?;
            return filling.copy_contents(&beneath::directory(self.top, source)?, &directory);
        }
        let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::CLOEXEC;
        let file = rustix::fs::openat(&copies, copy, flags, rustix::fs::Mode::empty())?;
        rustix::fs::ftruncate(&file, 0)?;
        filling.pour(beneath::file(self.top, source)?, &fs::File::from(file))
    }
}

/// Where a link leads, relative to the workspace.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Linked {
    File(PathBuf),
    Directory(PathBuf),
    /// Outside the workspace, or nowhere.
    Elsewhere,
}

/// The places at which the workspace is seen inside.
fn tops(record: &Record) -> impl Iterator<Item = &Path> {
    let workspace = &record.workspace;
    let given = (workspace.given != workspace.canonical).then_some(workspace.given.as_path());
    std::iter::once(workspace.canonical.as_path()).chain(given)
}

fn left_out(path: &Path) -> Vec<PathBuf> {
    LEFT_OUT
        .iter()
        .filter_map(|left_out| Path::new(left_out.path).strip_prefix(path).ok().map(Path::to_owned))
        .collect()
}

/// Adds what the guarded links of a state lead to, and the directory of hooks, to the guarded paths.
pub(super) fn more_paths(shadows: &Shadows<'_>, state: &State, found: &[PathBuf]) -> Vec<PathBuf> {
    let linked = found.iter().filter_map(|path| match shadows.linked(path) {
        Linked::File(target) | Linked::Directory(target) if target != *path => Some(target),
        _ => None,
    });
    let covered = |path: &Path| list::GUARDED.iter().any(|guarded| path.starts_with(guarded.path));
    state.hooks.iter().cloned().chain(linked).filter(|path| !covered(path)).collect()
}

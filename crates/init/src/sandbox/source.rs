//! Where mounts come from. Started by root, mounts are opened before ids are given up and handed on as descriptors;
//! started by an ordinary user, they are opened inside the new user namespace, where that is first allowed.

use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use super::error::{Context, LaunchError};
use super::ids::{Mapping, mapping};
use super::mount;
use super::spec::{Access, Entry, IdMap};

/// The mounts of a sandbox, opened before the new root hides any path of the host, in the order in which they are used.
#[derive(Debug)]
pub(super) struct Sources {
    trees: VecDeque<(PathBuf, OwnedFd)>,
    taken: usize,
}

impl Sources {
    /// Opens everything that `entries` name on the host.
    pub(super) fn open(entries: &[Entry], ids: IdMap) -> Result<Self, LaunchError> {
        let mut opened = Self { trees: VecDeque::new(), taken: 0 };
        let mut mappings = Mappings::default();
        for entry in entries {
            match entry {
                Entry::Bind { source, access, .. } => {
                    opened.add(source, *access, mappings.of_owner(*access, ids)?)?;
                }
                Entry::Part { top, path, access, .. } => {
                    let source = top.join(path);
                    let part = part(top, path).on("opening", &source)?;
                    // A path through /proc/self/fd names the very object that was opened.
                    let tree = mount::clone_tree(Path::new(&format!("/proc/self/fd/{}", part.as_raw_fd())));
                    let tree = tree.on("opening", &source)?;
                    opened.keep(source, tree, *access, mappings.of_owner(*access, ids)?)?;
                }
                Entry::Overlay { lower, layer, .. } => {
                    opened.add(lower, Access::ReadOnly, mappings.of_system(ids)?)?;
                    opened.add(layer, Access::ReadWrite, None)?;
                }
                _ => {}
            }
        }
        Ok(opened)
    }

    /// How many were taken so far.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// The next mount, which must be the one of `source`.
    pub(super) fn take(&mut self, source: &Path) -> Result<OwnedFd, LaunchError> {
        self.taken += 1;
        match self.trees.pop_front() {
            Some((path, tree)) if path == source => Ok(tree),
            _ => Err(LaunchError::other(format!("taking {}", source.display()), "it was not opened in this order")),
        }
    }

    fn add(&mut self, source: &Path, access: Access, users: Option<&OwnedFd>) -> Result<(), LaunchError> {
        let tree = mount::clone_tree(source).on("opening", source)?;
        self.keep(source.to_owned(), tree, access, users)
    }

    fn keep(
        &mut self,
        source: PathBuf,
        tree: OwnedFd,
        access: Access,
        users: Option<&OwnedFd>,
    ) -> Result<(), LaunchError> {
        mount::restrict(tree.as_fd(), access, users.map(AsFd::as_fd)).on("restricting the mount of", &source)?;
        self.trees.push_back((source, tree));
        Ok(())
    }
}

/// Opens what is at `path` below `top`, whoever renames things there meanwhile.
fn part(top: &Path, path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let top = openat2(CWD, top, flags | OFlags::DIRECTORY, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
    openat2(&top, path, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
}

/// The user namespaces of idmapped mounts, each made once.
#[derive(Debug, Default)]
struct Mappings(Vec<((Mapping, Mapping), OwnedFd)>);

impl Mappings {
    /// Shows the owner of a directory of the host's as `agent`.
    fn of_owner(&mut self, access: Access, ids: IdMap) -> Result<Option<&OwnedFd>, LaunchError> {
        let Access::OwnedBy { uid, gid, .. } = access else { return Ok(None) };
        let agent = ids.agent();
        let one = |from, to| Mapping { from, to, count: 1 };
        self.find(one(uid, agent.0), one(gid, agent.1)).map(Some)
    }

    /// Shows the system's files as inner root's, so that package managers may replace them in the layer.
    fn of_system(&mut self, ids: IdMap) -> Result<Option<&OwnedFd>, LaunchError> {
        let IdMap::Range { base, count } = ids else { return Ok(None) };
        let all = Mapping { from: 0, to: base, count };
        self.find(all, all).map(Some)
    }

    fn find(&mut self, uids: Mapping, gids: Mapping) -> Result<&OwnedFd, LaunchError> {
        let known = self.0.iter().position(|(key, _)| *key == (uids, gids));
        let index = known.unwrap_or(self.0.len());
        if known.is_none() {
            self.0.push(((uids, gids), mapping(uids, gids)?));
        }
        Ok(&self.0[index].1)
    }
}

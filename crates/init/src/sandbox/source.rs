//! Where mounts come from. Started by root, mounts are opened before ids are given up and handed on as descriptors;
//! started by an ordinary user, they are opened inside the new user namespace, where that is first allowed.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

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
        let mut system = None;
        for entry in entries {
            match entry {
                Entry::Bind { source, access, .. } => {
                    let users = owner_mapping(*access, ids)?;
                    opened.add(source, *access, users.as_ref())?;
                }
                Entry::Overlay { lower, layer, .. } => {
                    if system.is_none() {
                        system = system_mapping(ids)?;
                    }
                    opened.add(lower, Access::ReadOnly, system.as_ref())?;
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
        mount::restrict(tree.as_fd(), access, users.map(AsFd::as_fd)).on("restricting the mount of", source)?;
        self.trees.push_back((source.to_owned(), tree));
        Ok(())
    }
}

/// Shows the owner of a directory of the host's as `agent`.
fn owner_mapping(access: Access, ids: IdMap) -> Result<Option<OwnedFd>, LaunchError> {
    let Access::OwnedBy { uid, gid, .. } = access else { return Ok(None) };
    let (agent_uid, agent_gid) = ids.agent();
    let one = |from, to| Mapping { from, to, count: 1 };
    mapping(one(uid, agent_uid), one(gid, agent_gid)).map(Some)
}

/// Shows the system's files as inner root's, so that package managers may replace them in the layer.
fn system_mapping(ids: IdMap) -> Result<Option<OwnedFd>, LaunchError> {
    let IdMap::Range { base, count } = ids else { return Ok(None) };
    let all = Mapping { from: 0, to: base, count };
    mapping(all, all).map(Some)
}

//! Where mounts come from. Started by root, everything is opened before ids are given up and handed on as descriptors;
//! started by an ordinary user, it is opened inside the new user namespace, where that is first allowed.

use std::collections::VecDeque;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::error::{Context, LaunchError};
use super::ids::{Mapping, mapping};
use super::mount;
use super::spec::{Access, Entry, IdMap};

/// The mounts of a sandbox, opened on demand or beforehand.
#[derive(Debug)]
pub(super) enum Sources {
    /// Opened where they are needed.
    OnDemand { taken: usize },
    /// Opened by the privileged side, in the order in which they are taken.
    Opened { trees: VecDeque<(PathBuf, OwnedFd)>, taken: usize },
}

impl Sources {
    /// Opens everything while this process still has the host's privileges.
    pub(super) fn open(entries: &[Entry], ids: IdMap) -> Result<Self, LaunchError> {
        let IdMap::Range { base, count } = ids else { return Ok(Self::OnDemand { taken: 0 }) };
        let (agent_uid, agent_gid) = ids.agent();
        let system = Mapping { from: 0, to: base, count };
        let mut lower_users = None;
        let mut trees = VecDeque::new();
        for entry in entries {
            match entry {
                Entry::Bind { source, access: access @ Access::OwnedBy { uid, gid, .. }, .. } => {
                    let users = mapping(
                        Mapping { from: *uid, to: agent_uid, count: 1 },
                        Mapping { from: *gid, to: agent_gid, count: 1 },
                    )?;
                    trees.push_back((source.clone(), open_restricted(source, *access, Some(&users))?));
                }
                Entry::Bind { source, access, .. } => {
                    trees.push_back((source.clone(), open_restricted(source, *access, None)?));
                }
                Entry::Overlay { lower, layer, .. } => {
                    if lower_users.is_none() {
                        lower_users = Some(mapping(system, system)?);
                    }
                    trees.push_back((lower.clone(), open_restricted(lower, Access::ReadOnly, lower_users.as_ref())?));
                    trees.push_back((layer.clone(), open_restricted(layer, Access::ReadWrite, None)?));
                }
                _ => {}
            }
        }
        Ok(Self::Opened { trees, taken: 0 })
    }

    /// How many were taken so far.
    pub(super) fn taken(&self) -> usize {
        match self {
            Self::OnDemand { taken } | Self::Opened { taken, .. } => *taken,
        }
    }

    pub(super) fn take_lower(&mut self, lower: &Path) -> Result<OwnedFd, LaunchError> {
        self.take(lower, Access::ReadOnly)
    }

    /// The next mount, which must be the one of `source`.
    pub(super) fn take(&mut self, source: &Path, access: Access) -> Result<OwnedFd, LaunchError> {
        match self {
            Self::OnDemand { taken } => {
                *taken += 1;
                open_restricted(source, access, None)
            }
            Self::Opened { trees, taken } => {
                *taken += 1;
                match trees.pop_front() {
                    Some((path, tree)) if path == source => Ok(tree),
                    _ => Err(LaunchError::other(format!("taking {}", source.display()), "it was not opened in this order")),
                }
            }
        }
    }
}

fn open_restricted(source: &Path, access: Access, users: Option<&OwnedFd>) -> Result<OwnedFd, LaunchError> {
    let tree = mount::clone_tree(source).on("opening", source)?;
    mount::restrict(tree.as_fd(), access, users.map(AsFd::as_fd)).on("restricting the mount of", source)?;
    Ok(tree)
}

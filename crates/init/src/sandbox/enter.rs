//! Further mounts in a sandbox that runs, by a process from outside that enters its namespaces for this and ends.
//!
//! ```text
//!  supervisor (holds both namespaces)        helper (single-threaded)
//!   hands them out ─────────────────────────▶ enters the user namespace, with a copy of the host's mounts
//!                                             opens the sources
//!                                             enters the mount namespace, and puts them in place
//! ```
//!
//! Started by root, the sources are opened as root, and only the mount namespace is entered. Hostile processes run in
//! there: nothing but mount points is looked at, and no symbolic link is followed on the way to one.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::process::Pid;
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use super::error::{Context, LaunchError};
use super::mount;
use super::source::Sources;
use super::spec::{Entry, IdMap};

/// The namespaces of a sandbox that take mounts.
#[derive(Debug)]
pub struct Namespaces {
    user: OwnedFd,
    mount: OwnedFd,
}

impl Namespaces {
    /// Those of a process that can still be looked at: an init that has not begun.
    pub(super) fn of(init: Pid) -> Result<Self, LaunchError> {
        let open = |kind: &str| {
            let path = format!("/proc/{}/ns/{kind}", init.as_raw_nonzero());
            rustix::fs::open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).on("opening", Path::new(&path))
        };
        Ok(Self { user: open("user")?, mount: open("mnt")? })
    }

    /// As they came from the process that holds them: [`Self::into_fds`].
    pub fn from_fds(fds: [OwnedFd; 2]) -> Self {
        let [user, mount] = fds;
        Self { user, mount }
    }

    /// To be passed on.
    pub fn into_fds(self) -> [OwnedFd; 2] {
        [self.user, self.mount]
    }
}

/// Puts mounts in place in a sandbox that runs. The process must have no other thread; it stays in the namespaces.
pub fn add_mounts(namespaces: &Namespaces, ids: IdMap, entries: &[Entry]) -> Result<(), LaunchError> {
    if let IdMap::Single { .. } = ids {
        move_into_link_name_space(namespaces.user.as_fd(), Some(LinkNameSpaceType::User))
            .step("entering the user namespace")?;
        // SAFETY: only the mount namespace is unshared, which affects no memory and no descriptor.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.step("copying the host's mounts")?;
    }
    let mut sources = Sources::open(entries, ids)?;
    move_into_link_name_space(namespaces.mount.as_fd(), Some(LinkNameSpaceType::Mount))
        .step("entering the mount namespace")?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for entry in entries {
        let (source, target) = match entry {
            Entry::Bind { source, target, .. } => (source.clone(), target),
            Entry::Part { top, path, target, .. } => (top.join(path), target),
            _ => return Err(LaunchError::other("adding a mount", "only parts of the host can be added")),
        };
        let tree = sources.take(&source)?;
        let point = openat2(rustix::fs::CWD, target, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS)
            .on("opening the mount point", target)?;
        mount::attach(tree.as_fd(), point.as_fd()).on("mounting", target)?;
    }
    Ok(())
}

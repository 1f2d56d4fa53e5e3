//! Giving up privileges: what init keeps, and for whom.

use std::os::fd::RawFd;

use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Gid, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets};

use super::spec::{AGENT_ID, IdMap};
use crate::guest::ROOT_CAPABILITIES;

/// Takes the ids that init has from here on: inner root in a range of its own, else `agent`.
pub(super) fn assume_inner_ids(ids: IdMap) -> Result<(), Errno> {
    match ids {
        IdMap::Range { .. } => super::ids::become_ids(0, 0),
        IdMap::Single { .. } => {
            let (uid, gid) = (Uid::from_raw(AGENT_ID), Gid::from_raw(AGENT_ID));
            rustix::thread::set_thread_res_gid(gid, gid, gid)?;
            rustix::thread::set_thread_res_uid(uid, uid, uid)
        }
    }?;
    // A change of ids makes a process dumpable again by the machine's setting.
    hide()
}

/// Keeps only the capabilities that starting commands takes: none where there is one id, those of inner root elsewhere.
pub(super) fn drop_excess(ids: IdMap) -> Result<(), Errno> {
    let keep = match ids {
        IdMap::Single { .. } => CapabilitySet::empty(),
        IdMap::Range { .. } => CapabilitySet::from_bits_retain(ROOT_CAPABILITIES),
    };
    // SETPCAP goes last of all: the bounding set cannot be changed without it.
    for capability in (CapabilitySet::all() - keep).iter() {
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // A capability that this kernel does not know is not there to be dropped.
            Ok(()) | Err(Errno::INVAL) => {}
            Err(errno) => return Err(errno),
        }
    }
    rustix::thread::clear_ambient_capability_set()?;
    let sets = CapabilitySets { effective: keep, permitted: keep, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets)?;
    rustix::thread::set_no_new_privs(true)
}

/// Nobody inside may look into this process, and it leaves no core.
pub(super) fn hide() -> Result<(), Errno> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

/// From here on the sandbox's cgroup looks like the root of the hierarchy.
pub(super) fn own_cgroup_namespace() -> Result<(), Errno> {
    // SAFETY: only the cgroup namespace is unshared, which affects no memory and no descriptor.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWCGROUP) }
}

/// Closes what a careless caller left open for its children: everything but standard input, output and error. To be
/// called before this process has opened anything of its own.
pub fn close_inherited() {
    close_all_but(vec![0, 1, 2]);
}

/// Closes every descriptor but these.
pub(super) fn close_all_but(mut keep: Vec<RawFd>) {
    keep.sort_unstable();
    keep.dedup();
    let mut next: u32 = 0;
    for fd in keep {
        let fd = fd.cast_unsigned();
        if fd > next {
            close_range(next, fd - 1);
        }
        next = fd + 1;
    }
    close_range(next, u32::MAX);
}

fn close_range(first: u32, last: u32) {
    // SAFETY: the caller named every descriptor that anything in this process still owns; kernels without the call
    // (before 5.9) are older than what unprivileged overlays need.
    unsafe {
        libc::syscall(libc::SYS_close_range, first, last, 0);
    }
}

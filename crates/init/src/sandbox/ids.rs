//! User namespaces and their id maps.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;

use super::clone::{Side, exit_now, fork};
use super::error::{Context, LaunchError};
use super::spec::{AGENT_ID, IdMap};

/// Writes the id maps of the new user namespace that `init` is in.
pub(super) fn write_maps(init: Pid, ids: IdMap) -> Result<(), LaunchError> {
    match ids {
        IdMap::Single { uid, gid } => {
            // Without privileges over the host's groups, a map is accepted only once setgroups is given up.
            write(init, "setgroups", "deny")?;
            write(init, "gid_map", &format!("{AGENT_ID} {gid} 1"))?;
            write(init, "uid_map", &format!("{AGENT_ID} {uid} 1"))
        }
        IdMap::Range { base, count } => {
            write(init, "gid_map", &format!("0 {base} {count}"))?;
            write(init, "uid_map", &format!("0 {base} {count}"))
        }
    }
}

/// A user namespace that shows `from` (on disk) as `to` (seen), `count` ids long, for an idmapped mount.
pub(super) fn mapping(uids: Mapping, gids: Mapping) -> Result<OwnedFd, LaunchError> {
    let step = "making the user namespace of an idmapped mount";
    let (wait, hold) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).step(step)?;
    match fork(libc::CLONE_NEWUSER, None).step(step)? {
        Side::Child => {
            drop(hold);
            let _end = rustix::io::read(wait.as_fd(), &mut [0_u8; 1]);
            exit_now(0)
        }
        Side::Parent(child) => {
            let made = write(child, "gid_map", &gids.line())
                .and_then(|()| write(child, "uid_map", &uids.line()))
                .and_then(|()| {
                    let path = format!("/proc/{}/ns/user", child.as_raw_nonzero());
                    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).step(step)
                });
            // The child ends when nobody holds the other end of its pipe any more.
            drop((wait, hold));
            let _reaped = rustix::process::waitpid(Some(child), rustix::process::WaitOptions::empty());
            made
        }
    }
}

/// Ids on disk and what they are seen as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) count: u32,
}

impl Mapping {
    fn line(self) -> String {
        format!("{} {} {}", self.from, self.to, self.count)
    }
}

fn write(pid: Pid, file: &str, line: &str) -> Result<(), LaunchError> {
    let path = format!("/proc/{}/{file}", pid.as_raw_nonzero());
    fs::write(&path, line).step(&format!("writing '{line}' to {file} of the new user namespace"))
}

/// Takes the ids `uid` and `gid` and no others, for good.
pub fn become_ids(uid: u32, gid: u32) -> Result<(), Errno> {
    use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
    let (uid, gid) = (rustix::process::Uid::from_raw(uid), rustix::process::Gid::from_raw(gid));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)
}

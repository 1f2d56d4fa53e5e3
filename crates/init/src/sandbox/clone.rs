//! Making processes: clone3 with namespaces, and the fork that detaches a supervisor from its caller.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;
use rustix::process::Pid;

/// From `linux/sched.h`; the libc crate's constant is too narrow for it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which side of a fork this is.
#[derive(Debug)]
pub(super) enum Side {
    Parent(Pid),
    Child,
}

/// Forks with `CLONE_*` flags, into a cgroup of version 2 if one is given: moving a process there later makes the kernel
/// wait for all processors.
///
/// The caller must be single-threaded; a threaded process gets EINVAL where a user namespace is asked for, and EBUSY
/// from here otherwise.
pub(super) fn fork(flags: libc::c_int, cgroup: Option<BorrowedFd<'_>>) -> Result<Side, Errno> {
    require_single_thread()?;
    // SAFETY: all-zero is a valid clone_args: no stack, no TLS, no flags.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = u64::from(flags.cast_unsigned());
    if flags & libc::CLONE_PARENT == 0 {
        args.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    }
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::from(cgroup.as_raw_fd().cast_unsigned());
    }
    // SAFETY: like fork: no shared memory, no new stack; `args` outlives the call and its size is given. The process
    // has one thread, so the child may use everything the parent could.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) };
    match pid {
        0 => Ok(Side::Child),
        1.. => Ok(Side::Parent(pid_from(pid))),
        _ => Err(last_errno()),
    }
}

/// Leaves the caller's session and process group: the original process exits, its child goes on.
///
/// The caller must be single-threaded, before any runtime exists.
pub fn detach() -> Result<(), Errno> {
    match fork(0, None)? {
        Side::Parent(_) => exit_now(0),
        Side::Child => rustix::process::setsid().map(|_| ()),
    }
}

/// Ends this process at once, without destructors or exit handlers, which belong to the process it was forked from.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit takes any code and does not return.
    unsafe { libc::_exit(code) }
}

fn require_single_thread() -> Result<(), Errno> {
    let threads = std::fs::read_dir("/proc/self/task").map_err(|_| Errno::NOENT)?.count();
    if threads == 1 { Ok(()) } else { Err(Errno::BUSY) }
}

fn pid_from(raw: libc::c_long) -> Pid {
    i32::try_from(raw).ok().and_then(Pid::from_raw).unwrap_or(Pid::INIT)
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)
}

//! What a forked process does until it is the command.
//!
//! Only async-signal-safe calls, no allocation: the process may share its memory with the one that forked it.

use super::command::Command;
use super::identity::Identity;
use super::shared::{Slot, Stage};
use super::signals;
use rustix::process::Rlimit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

/// The status of a process that could not become its command; its slot says why.
const NOT_STARTED: i32 = 125;

/// All that a child needs, made by its parent.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) command: &'a Command,
    pub(super) identity: Identity,
    /// What becomes standard input, output and error; all above 2.
    pub(super) stdio: [RawFd; 3],
    /// Whether they are a terminal, to become the controlling one.
    pub(super) terminal: bool,
    /// The file of a cgroup by which the child joins it, where it is not born there.
    pub(super) join: Option<OwnedFd>,
    pub(super) open_files: Option<Rlimit>,
    /// A signal that the parent handles and the command shall not.
    pub(super) handled: Option<i32>,
    pub(super) slot: &'static Slot,
}

/// Becomes the command, or notes why not and ends.
pub(super) fn become_command(plan: &Plan<'_>) -> ! {
    let (stage, errno) = match prepare(plan) {
        Ok(()) => execute(plan),
        Err(failure) => failure,
    };
    plan.slot.fail(stage, errno);
    end(NOT_STARTED)
}

fn prepare(plan: &Plan<'_>) -> Result<(), (Stage, i32)> {
    let setup = |errno| (Stage::Setup, errno);
    if let Some(procs) = &plan.join {
        // SAFETY: the descriptor is open and the buffer is static. 0 is the writer itself.
        check(unsafe { libc::write(procs.as_raw_fd(), b"0".as_ptr().cast(), 1) } == 1).map_err(setup)?;
    }
    // SAFETY: these take integers only.
    unsafe {
        libc::setsid();
        if plan.terminal {
            check(libc::ioctl(plan.stdio[0], libc::TIOCSCTTY, 0) == 0).map_err(setup)?;
        }
        for (target, &descriptor) in (0..).zip(&plan.stdio) {
            check(libc::dup2(descriptor, target) == target).map_err(setup)?;
        }
        check(libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) == 0).map_err(setup)?;
    }
    if let Some(limit) = plan.open_files {
        restore_open_files(limit);
    }
    plan.identity.put_on().map_err(|errno| (Stage::User, errno))?;
    // SAFETY: the path is a zero-terminated string.
    check(unsafe { libc::chdir(plan.command.work_dir().as_ptr()) } == 0).map_err(|errno| (Stage::WorkDir, errno))?;
    if let Some(signal) = plan.handled {
        // SAFETY: the default action needs no handler.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    signals::unblock_all();
    Ok(())
}

fn restore_open_files(limit: Rlimit) {
    let value = |value: Option<u64>| value.unwrap_or(libc::RLIM_INFINITY);
    let limit = libc::rlimit { rlim_cur: value(limit.current), rlim_max: value(limit.maximum) };
    // SAFETY: the limit is a live local.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) };
}

/// Tries the candidates as a shell would. Ends the process with a shell's codes if none is a program; returns what is
/// the fault of the system or of the caller.
fn execute(plan: &Plan<'_>) -> (Stage, i32) {
    let mut verdict = libc::ENOENT;
    for candidate in plan.command.candidates() {
        // SAFETY: the path is zero-terminated; both lists end with a null pointer, point to zero-terminated strings,
        // and live as long as the command.
        unsafe { libc::execve(candidate.as_ptr(), plan.command.arguments(), plan.command.environment()) };
        match errno() {
            libc::ENOENT | libc::ENOTDIR => {}
            libc::EACCES => verdict = libc::EACCES,
            libc::E2BIG => return (Stage::Arguments, libc::E2BIG),
            errno @ (libc::ENOMEM | libc::EAGAIN) => return (Stage::Memory, errno),
            errno => {
                verdict = errno;
                break;
            }
        }
    }
    let (code, reason) = match verdict {
        libc::ENOENT => (127, b": command not found\n".as_slice()),
        libc::EACCES => (126, b": permission denied\n".as_slice()),
        libc::ENOEXEC => (126, b": exec format error\n".as_slice()),
        _ => (126, b": cannot be executed\n".as_slice()),
    };
    let part = |bytes: &[u8]| libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let line = [part(b"loopbox: "), part(plan.command.name().to_bytes()), part(reason)];
    // SAFETY: the three parts are live and only read; a lost line changes nothing.
    unsafe { libc::writev(2, line.as_ptr(), 3) };
    end(code)
}

/// Ends the process without running anything of the one it was forked from.
pub(super) fn end(code: i32) -> ! {
    // SAFETY: ends the process; nothing follows.
    unsafe { libc::_exit(code) }
}

/// Why the last call failed.
pub(super) fn errno() -> i32 {
    // SAFETY: the location is that of this thread.
    unsafe { *libc::__errno_location() }
}

fn check(success: bool) -> Result<(), i32> {
    if success { Ok(()) } else { Err(errno()) }
}

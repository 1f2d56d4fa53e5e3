//! What a process does from its making until it is the command.
//!
//! It shares its memory, and the C library's per-thread data, with the guest, which goes on meanwhile. So only bare
//! system calls: nothing that allocates, locks, panics or sets `errno`.

use super::command::Command;
use super::identity::Identity;
use super::shared::{Slot, Stage};
use super::signals;
use super::tree::Watch;
use rustix::process::Rlimit;
use std::os::fd::RawFd;
use syscalls::{Errno, Sysno, syscall};

/// The status of a process that could not become its command; its slot says why.
const NOT_STARTED: i32 = 125;

/// All that a child needs, made by its parent. Descriptors are meant as of the child's making: it has its own table.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) command: Command,
    pub(super) identity: Identity,
    /// What becomes standard input, output and error; all above 2.
    pub(super) stdio: [RawFd; 3],
    /// Whether they are a terminal, to become the controlling one.
    pub(super) terminal: bool,
    /// The file of a cgroup by which the child joins it, where it is not born there.
    pub(super) join: Option<RawFd>,
    /// What a process over the command is told, where there is one.
    pub(super) watch: Option<Watch>,
    pub(super) open_files: Option<Rlimit>,
    pub(super) slot: &'static Slot,
}

/// Becomes the command, or notes why not and ends.
pub(super) fn become_command(plan: &Plan) -> ! {
    let (stage, errno) = match prepare(plan) {
        Ok(()) => execute(plan),
        Err(failure) => failure,
    };
    plan.slot.fail(stage, errno);
    end(NOT_STARTED)
}

fn prepare(plan: &Plan) -> Result<(), (Stage, i32)> {
    let setup = |errno: Errno| (Stage::Setup, errno.into_raw());
    // SAFETY: these take integers, and strings that are zero-terminated or of the length given.
    unsafe {
        if let Some(procs) = plan.join {
            // 0 is the writer itself.
            syscall!(Sysno::write, procs, b"0".as_ptr(), 1).map_err(setup)?;
        }
        let _ = syscall!(Sysno::setsid);
        if plan.terminal {
            syscall!(Sysno::ioctl, plan.stdio[0], libc::TIOCSCTTY, 0).map_err(setup)?;
        }
        for (target, &descriptor) in (0..).zip(&plan.stdio) {
            syscall!(Sysno::dup3, descriptor, target, 0).map_err(setup)?;
        }
        syscall!(Sysno::close_range, 3, libc::c_uint::MAX, 0).map_err(setup)?;
        if let Some(limit) = plan.open_files {
            restore_open_files(limit);
        }
        plan.identity.put_on().map_err(|errno| (Stage::User, errno.into_raw()))?;
        syscall!(Sysno::chdir, plan.command.work_dir().as_ptr()).map_err(|errno| (Stage::WorkDir, errno.into_raw()))?;
    }
    if let Some(signal) = plan.watch.and_then(Watch::handled) {
        signals::restore(signal);
    }
    signals::set_mask(signals::NONE);
    Ok(())
}

fn restore_open_files(limit: Rlimit) {
    let value = |value: Option<u64>| value.unwrap_or(u64::MAX);
    let limit = [value(limit.current), value(limit.maximum)];
    // SAFETY: the limit is a live local of the kernel's form: two 64-bit words, all ones for no limit.
    let _ = unsafe { syscall!(Sysno::prlimit64, 0, libc::RLIMIT_NOFILE, limit.as_ptr(), 0) };
}

/// Tries the candidates as a shell would. Ends the process with a shell's codes if none is a program; returns what is
/// the fault of the system or of the caller.
fn execute(plan: &Plan) -> (Stage, i32) {
    let mut verdict = Errno::ENOENT;
    let (arguments, environment) = (plan.command.arguments(), plan.command.environment());
    for candidate in plan.command.candidates() {
        // SAFETY: the path is zero-terminated; both lists end with a null pointer, point to zero-terminated strings,
        // and live as long as the command.
        let failed = unsafe { syscall!(Sysno::execve, candidate.as_ptr(), arguments, environment) };
        match failed.err().unwrap_or(Errno::ENOEXEC) {
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::EACCES => verdict = Errno::EACCES,
            Errno::E2BIG => return (Stage::Arguments, libc::E2BIG),
            errno @ (Errno::ENOMEM | Errno::EAGAIN) => return (Stage::Memory, errno.into_raw()),
            errno => {
                verdict = errno;
                break;
            }
        }
    }
    let (code, reason) = match verdict {
        Errno::ENOENT => (127, b": command not found\n".as_slice()),
        Errno::EACCES => (126, b": permission denied\n".as_slice()),
        Errno::ENOEXEC => (126, b": exec format error\n".as_slice()),
        _ => (126, b": cannot be executed\n".as_slice()),
    };
    let part = |bytes: &[u8]| libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let line = [part(b"loopbox: "), part(plan.command.name().to_bytes()), part(reason)];
    // SAFETY: the three parts are live and only read; a lost line changes nothing.
    let _ = unsafe { syscall!(Sysno::writev, 2, line.as_ptr(), line.len()) };
    end(code)
}

/// Ends the process without running anything of the one that made it.
pub(super) fn end(code: i32) -> ! {
    loop {
        // SAFETY: ends the process; nothing follows.
        let _ = unsafe { syscall!(Sysno::exit_group, code) };
    }
}

//! Making processes.

use super::child::{self, Plan};
use rustix::io::Errno;
use rustix::process::{Pid, getpid};
use std::ffi::{c_int, c_void};
use std::os::fd::{AsRawFd, BorrowedFd};

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
const STACK: usize = 64 * 1024;

/// Forks; `None` in the child. The process must have one thread.
pub(super) fn fork() -> Result<Option<Pid>, Errno> {
    // SAFETY: with one thread, no lock can be held by another across the fork.
    match unsafe { libc::fork() } {
        -1 => Err(Errno::from_raw_os_error(child::errno())),
        pid => Ok(Pid::from_raw(pid)),
    }
}

/// Forks a child that is born in a cgroup; `None` in the child, which must do nothing but async-signal-safe calls.
pub(super) fn fork_into(cgroup: BorrowedFd<'_>) -> Result<Option<Pid>, Errno> {
    // SAFETY: all of its fields are integers, for which zero is valid.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = CLONE_INTO_CGROUP;
    arguments.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    arguments.cgroup = u64::try_from(cgroup.as_raw_fd()).map_err(|_| Errno::BADF)?;
    // SAFETY: without CLONE_VM this is a fork: the child has its own copy of the memory and the stack.
    let pid = unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<libc::clone_args>()) };
    match i32::try_from(pid) {
        Ok(-1) | Err(_) => Err(Errno::from_raw_os_error(child::errno())),
        Ok(pid) => Ok(Pid::from_raw(pid)),
    }
}

/// Starts the command of `plan` while this process waits: the child borrows its memory until it has its own.
///
/// For a process that has nothing else to do: whoever may signal the child can hold up the parent.
pub(super) fn lend(plan: &Plan<'_>) -> Result<Pid, Errno> {
    extern "C" fn enter(plan: *mut c_void) -> c_int {
        // SAFETY: lend passes a live plan, and waits until the child no longer needs it.
        let plan = unsafe { &*plan.cast::<Plan<'_>>().cast_const() };
        // Noted here and not by the parent, which goes on only some time after the command has begun to speak: whoever
        // heard it may signal it.
        plan.slot.set_main(getpid().as_raw_nonzero().get());
        child::become_command(plan)
    }
    let mut stack = vec![0_u128; STACK / size_of::<u128>()];
    let plan: *const Plan<'_> = plan;
    // SAFETY: the child runs on its own stack, which grows down from the aligned end of a live allocation; CLONE_VFORK
    // holds this process until the child has ended or entered its program, so stack and plan outlive its use of them.
    let pid = unsafe {
        let top = stack.as_mut_ptr().add(stack.len());
        libc::clone(enter, top.cast(), libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD, plan.cast_mut().cast())
    };
    match pid {
        -1 => Err(Errno::from_raw_os_error(child::errno())),
        pid => Pid::from_raw(pid).ok_or(Errno::CHILD),
    }
}

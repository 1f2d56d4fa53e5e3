//! The system calls that make a process.

use rustix::io::Errno;
use rustix::process::Pid;
use std::ffi::{c_int, c_long, c_void};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// `clone3` with a stack, for which the C library has no function. Returns in the parent only, what the kernel returns.
///
/// # Safety
///
/// The arguments name a stack that nobody else uses until the child has ended or entered its program.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn clone_onto_stack(
    arguments: &libc::clone_args,
    entry: extern "C" fn(*mut c_void) -> !,
    argument: *mut c_void,
) -> c_long {
    let result: c_long;
    // SAFETY: the parent changes what it says it changes. The child begins with the same registers but an empty stack,
    // whose end is aligned as a call needs it, and never comes back.
    unsafe {
        std::arch::asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp", // the outermost frame
            "mov rdi, rdx",
            "call r8",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") ptr::from_ref(arguments),
            in("rsi") size_of::<libc::clone_args>(),
            in("rdx") argument,
            in("r8") entry,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    result
}

/// As for `x86_64`.
///
/// # Safety
///
/// As there.
#[cfg(target_arch = "aarch64")]
pub(super) unsafe fn clone_onto_stack(
    arguments: &libc::clone_args,
    entry: extern "C" fn(*mut c_void) -> !,
    argument: *mut c_void,
) -> c_long {
    let result: c_long;
    // SAFETY: as for x86_64.
    unsafe {
        std::arch::asm!(
            "svc 0",
            "cbnz x0, 2f",
            "mov x29, xzr", // the outermost frame
            "mov x30, xzr",
            "mov x0, x2",
            "blr x3",
            "brk 1",
            "2:",
            in("x8") libc::SYS_clone3,
            inlateout("x0") ptr::from_ref(arguments) => result,
            in("x1") size_of::<libc::clone_args>(),
            in("x2") argument,
            in("x3") entry,
        );
    }
    result
}

/// Elsewhere children are forked.
///
/// # Safety
///
/// Does nothing.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) unsafe fn clone_onto_stack(
    _arguments: &libc::clone_args,
    _entry: extern "C" fn(*mut c_void) -> !,
    _argument: *mut c_void,
) -> c_long {
    -c_long::from(libc::ENOSYS)
}

/// Forks; `None` in the child. The process must have one thread.
pub(super) fn fork(cgroup: Option<BorrowedFd<'_>>) -> Result<Option<Pid>, Errno> {
    let pid = match cgroup {
        Some(_) => {
            let arguments = arguments(cgroup)?;
            // SAFETY: without CLONE_VM this is a fork: the child has its own copy of the memory and the stack.
            unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of::<libc::clone_args>()) }
        }
        // SAFETY: with one thread, no lock can be held by another across the fork.
        None => unsafe { libc::fork() }.into(),
    };
    if pid == 0 { Ok(None) } else { child_of(pid).map(Some) }
}

/// What a function of the C library returned.
pub(super) fn child_of(pid: c_long) -> Result<Pid, Errno> {
    match c_int::try_from(pid) {
        Ok(pid @ 1..) => Pid::from_raw(pid).ok_or(Errno::CHILD),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::CHILD)),
    }
}

pub(super) fn arguments(cgroup: Option<BorrowedFd<'_>>) -> Result<libc::clone_args, Errno> {
    // SAFETY: all of its fields are integers, for which zero is valid.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    if let Some(cgroup) = cgroup {
        arguments.flags = CLONE_INTO_CGROUP;
        arguments.cgroup = u64::try_from(cgroup.as_raw_fd()).map_err(|_| Errno::BADF)?;
    }
    Ok(arguments)
}

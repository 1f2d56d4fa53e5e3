//! The system calls that make a process.

use rustix::io::Errno;
use rustix::process::Pid;
use std::ffi::{c_int, c_long, c_void};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// `clone3` with a stack, for which the C library has no function, and with the guest's key in the arguments that it
/// ignores. Returns in the parent only, what the kernel returns.
///
/// # Safety
///
/// The arguments name a stack that nobody else uses until the child has ended or entered its program.
#[cfg(target_arch = "x86_64")]
pub(super) unsafe fn clone_onto_stack(
    arguments: &libc::clone_args,
    key: [u64; 4],
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
            "mov rdi, r12",
            "call r13",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => result,
            in("rdi") ptr::from_ref(arguments),
            in("rsi") size_of::<libc::clone_args>(),
            in("rdx") key[0],
            in("r10") key[1],
            in("r8") key[2],
            in("r9") key[3],
            in("r12") argument,
            in("r13") entry,
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
    key: [u64; 4],
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
            "mov x0, x20",
            "blr x21",
            "brk 1",
            "2:",
            in("x8") libc::SYS_clone3,
            inlateout("x0") ptr::from_ref(arguments) => result,
            in("x1") size_of::<libc::clone_args>(),
            in("x2") key[0],
            in("x3") key[1],
            in("x4") key[2],
            in("x5") key[3],
            in("x20") argument,
            in("x21") entry,
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
    _key: [u64; 4],
    _entry: extern "C" fn(*mut c_void) -> !,
    _argument: *mut c_void,
) -> c_long {
    -c_long::from(libc::ENOSYS)
}

/// Forks; `None` in the child. The process must have one thread.
pub(super) fn fork(cgroup: Option<BorrowedFd<'_>>, key: [u64; 4]) -> Result<Option<Pid>, Errno> {
    let pid = match cgroup {
        Some(_) => {
            let arguments = arguments(cgroup)?;
            // SAFETY: without CLONE_VM this is a fork: the child has its own copy of the memory and the stack.
            unsafe {
                let size = size_of::<libc::clone_args>();
                libc::syscall(libc::SYS_clone3, &raw const arguments, size, key[0], key[1], key[2], key[3])
            }
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

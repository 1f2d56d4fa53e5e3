//! Making processes.
//!
//! ```text
//!   guest ──── start ────────────────────────────▶ goes on at once
//!     └─ child on a stack of its loan ── execve ──▶ the kernel clears the word of the stack
//!                └─ (over a watched command) lend: a second child on the second stack, waited for
//! ```
//!
//! A fork copies the page tables of the guest, and both processes fault on what they write next: that can take longer
//! than the rest of a start. So a child runs in the guest's memory until it enters its program. The guest does not wait
//! for it as `vfork` would: whoever may stop the child could stop the guest. It keeps stack and plan until the kernel
//! says by a word in memory that the child no longer uses them, however that came.

use super::child::{self, Plan};
use super::signals;
use rustix::io::Errno;
use rustix::process::{Pid, getpid};
use std::collections::VecDeque;
use std::ffi::{c_int, c_long, c_void};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicI32, Ordering};

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// What one process may use of its stack.
const STACK: usize = 64 * 1024;

/// Below a stack nothing may be touched; as large as the largest page.
const GUARD: usize = 64 * 1024;

/// Stacks that are kept for the next child.
const SPARE: usize = 32;

/// How many loans are looked at again for each new one.
const REVISITS: usize = 2;

/// Makes children that borrow the memory of this process.
#[derive(Debug)]
pub(super) struct Lender {
    lends: bool,
    spare: Vec<[Stack; 2]>,
    /// What children may still use: never freed before [`Loan::is_over`], be it that this is dropped.
    lent: VecDeque<NonNull<Loan>>,
}

/// What a child does, which must not return.
pub(super) type Entry = fn(&Loan) -> !;

/// What a child, and the one that it may make in turn, use of the guest's memory.
#[derive(Debug)]
pub(super) struct Loan {
    pub(super) plan: Plan,
    entry: Entry,
    stacks: [Stack; 2],
    /// For each stack the process on it: set by the kernel before that begins, and cleared when it has ended or entered
    /// its program.
    holders: [AtomicI32; 2],
}

/// Which of the stacks of a loan.
#[derive(Debug, Clone, Copy)]
enum Seat {
    Child = 0,
    Grandchild = 1,
}

impl Lender {
    /// `lends` is false for children that do more than bare system calls.
    pub(super) fn new(lends: bool) -> Lender {
        Lender { lends: lends && is_kept_secret(), spare: Vec::new(), lent: VecDeque::new() }
    }

    /// Makes a child that does `entry`, born in `cgroup` if there is one. Every signal is blocked in it.
    pub(super) fn start(&mut self, plan: Plan, entry: Entry, cgroup: Option<BorrowedFd<'_>>) -> Result<Pid, Errno> {
        self.take_back();
        let stacks = match self.spare.pop() {
            Some(stacks) => stacks,
            None => [Stack::new()?, Stack::new()?],
        };
        let loan = Box::new(Loan { plan, entry, stacks, holders: [const { AtomicI32::new(0) }; 2] });
        let before = signals::set_mask(signals::ALL);
        let started = self.start_with(loan, cgroup);
        signals::set_mask(before);
        started
    }

    fn start_with(&mut self, loan: Box<Loan>, cgroup: Option<BorrowedFd<'_>>) -> Result<Pid, Errno> {
        let loan = NonNull::from(Box::leak(loan));
        let mut started = Err(Errno::NOSYS);
        if self.lends {
            // SAFETY: the loan is freed by take_back only.
            let lent = unsafe { loan.as_ref() };
            started = begin(lent, Seat::Child, 0, cgroup, enter);
        }
        self.lent.push_back(loan);
        // Where it may not be lent to, or the kernel or a filter of system calls does not know how.
        if started == Err(Errno::NOSYS) {
            return match fork(cgroup)? {
                Some(pid) => Ok(pid),
                // SAFETY: as above, and this is a copy of it.
                None => unsafe { (loan.as_ref().entry)(loan.as_ref()) },
            };
        }
        started
    }

    /// Frees what is no longer used.
    fn take_back(&mut self) {
        for _ in 0..REVISITS {
            let Some(loan) = self.lent.pop_front() else { return };
            // SAFETY: what is in `lent` was leaked by start_with and is not freed.
            if !unsafe { loan.as_ref() }.is_over() {
                self.lent.push_back(loan);
                continue;
            }
            // SAFETY: as above; and no process uses it any more.
            let loan = unsafe { Box::from_raw(loan.as_ptr()) };
            if self.spare.len() < SPARE {
                self.spare.push(loan.stacks);
            }
        }
    }
}

impl Loan {
    /// The order matters: a child that is gone makes no grandchild.
    fn is_over(&self) -> bool {
        self.holders.iter().all(|holder| holder.load(Ordering::Acquire) == 0)
    }
}

/// Starts the command of `loan` while this process waits.
///
/// For a process that has nothing else to do: whoever may signal the child can hold up the parent. Bare system calls
/// only, unless this process was forked.
pub(super) fn lend(loan: &Loan) -> Result<Pid, Errno> {
    match begin(loan, Seat::Grandchild, libc::CLONE_VFORK, None, enter_command) {
        Err(Errno::NOSYS) => lend_as_before(loan),
        started => started,
    }
}

/// For the child of a fork, where the new call is not known.
fn lend_as_before(loan: &Loan) -> Result<Pid, Errno> {
    extern "C" fn enter(loan: *mut c_void) -> c_int {
        enter_command(loan)
    }
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the child runs on its own stack; CLONE_VFORK holds this process until it has ended or entered its
    // program, so that stack and plan outlive its use of them.
    let pid = unsafe { libc::clone(enter, loan.stacks[1].top(), flags, ptr::from_ref(loan).cast_mut().cast()) };
    child_of(pid.into())
}

extern "C" fn enter(loan: *mut c_void) -> ! {
    // SAFETY: begin passes a loan that is not freed while this process runs on its stack.
    let loan = unsafe { &*loan.cast::<Loan>().cast_const() };
    (loan.entry)(loan)
}

extern "C" fn enter_command(loan: *mut c_void) -> ! {
    // SAFETY: as in enter.
    let loan = unsafe { &*loan.cast::<Loan>().cast_const() };
    // Noted here and not by the parent, which goes on only some time after the command has begun to speak: whoever
    // heard it may signal it.
    loan.plan.slot.set_main(getpid().as_raw_nonzero().get());
    child::become_command(&loan.plan)
}

/// Makes a process in this memory, on a stack of `loan`.
fn begin(
    loan: &Loan,
    seat: Seat,
    flags: c_int,
    cgroup: Option<BorrowedFd<'_>>,
    entry: extern "C" fn(*mut c_void) -> !,
) -> Result<Pid, Errno> {
    let flags = flags | libc::CLONE_VM | libc::CLONE_PARENT_SETTID | libc::CLONE_CHILD_CLEARTID;
    let holder = loan.holders[seat as usize].as_ptr() as u64;
    let mut arguments = arguments(cgroup)?;
    arguments.flags |= u64::from(flags.cast_unsigned());
    arguments.parent_tid = holder;
    arguments.child_tid = holder;
    arguments.stack = loan.stacks[seat as usize].bottom() as u64;
    arguments.stack_size = STACK as u64;
    let argument = ptr::from_ref(loan).cast_mut().cast();
    // SAFETY: the stack is free, or the holder of this seat would be known; the loan lives until it is again.
    let pid = unsafe { clone_onto_stack(&arguments, entry, argument) };
    match pid {
        1.. => c_int::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::CHILD),
        _ => Err(c_int::try_from(-pid).map_or(Errno::INVAL, Errno::from_raw_os_error)),
    }
}

/// `clone3` with a stack, for which the C library has no function. Returns in the parent only, what the kernel returns.
///
/// # Safety
///
/// The arguments name a stack that nobody else uses until the child has ended or entered its program.
#[cfg(target_arch = "x86_64")]
unsafe fn clone_onto_stack(
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
unsafe fn clone_onto_stack(
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
unsafe fn clone_onto_stack(
    _arguments: &libc::clone_args,
    _entry: extern "C" fn(*mut c_void) -> !,
    _argument: *mut c_void,
) -> c_long {
    -c_long::from(libc::ENOSYS)
}

/// Forks; `None` in the child. The process must have one thread.
fn fork(cgroup: Option<BorrowedFd<'_>>) -> Result<Option<Pid>, Errno> {
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
fn child_of(pid: c_long) -> Result<Pid, Errno> {
    match c_int::try_from(pid) {
        Ok(pid @ 1..) => Pid::from_raw(pid).ok_or(Errno::CHILD),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::CHILD)),
    }
}

fn arguments(cgroup: Option<BorrowedFd<'_>>) -> Result<libc::clone_args, Errno> {
    // SAFETY: all of its fields are integers, for which zero is valid.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    if let Some(cgroup) = cgroup {
        arguments.flags = CLONE_INTO_CGROUP;
        arguments.cgroup = u64::try_from(cgroup.as_raw_fd()).map_err(|_| Errno::BADF)?;
    }
    Ok(arguments)
}

/// Whether nobody may look into a process that has changed its user in memory of ours.
///
/// By that the kernel makes the memory as dumpable as `suid_dumpable` says. At 1 the new user could trace the child, and
/// with it the guest; at 2 it cannot, but before Linux 5.16 the core dump of a child ended all that shared its memory.
fn is_kept_secret() -> bool {
    let dumpable = std::fs::read_to_string("/proc/sys/fs/suid_dumpable").unwrap_or_default();
    let uname = rustix::system::uname();
    let mut release = uname.release().to_str().unwrap_or_default().split('.').map(str::parse::<u32>);
    match dumpable.trim() {
        "0" => true,
        "2" => {
            matches!((release.next(), release.next()), (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= (5, 16))
        }
        _ => false,
    }
}

/// A stack with a guard below.
#[derive(Debug)]
struct Stack {
    base: NonNull<c_void>,
}

impl Stack {
    fn new() -> Result<Stack, Errno> {
        // SAFETY: an anonymous mapping at an address of the kernel's choosing touches no memory in use, and the guard
        // is a part of it.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
            let base = libc::mmap(ptr::null_mut(), GUARD + STACK, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
            let base = NonNull::new(base).filter(|_| base != libc::MAP_FAILED).ok_or(Errno::NOMEM)?;
            let stack = Stack { base };
            if libc::mprotect(base.as_ptr(), GUARD, libc::PROT_NONE) == 0 { Ok(stack) } else { Err(Errno::NOMEM) }
        }
    }

    /// The lowest address that may be used.
    fn bottom(&self) -> *mut c_void {
        self.base.as_ptr().wrapping_byte_add(GUARD)
    }

    fn top(&self) -> *mut c_void {
        self.bottom().wrapping_byte_add(STACK)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: mapped by new, and used by nobody: it is not part of a loan that is not over.
        unsafe { libc::munmap(self.base.as_ptr(), GUARD + STACK) };
    }
}

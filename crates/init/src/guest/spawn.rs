//! Making processes.
//!
//! ```text
//!   guest ──── start ────────────────────────────▶ goes on at once
//!     └─ child on a stack of its loan ── execve ──▶ the kernel clears the word of the stack
//!                └─ (over a watched command) lend: a second child on the second stack
//! ```
//!
//! A fork copies the page tables of the guest, and both processes fault on what they write next: that can take longer
//! than the rest of a start. So a child runs in the guest's memory until it enters its program. The guest does not wait
//! for it as `vfork` would: whoever may stop the child could stop the guest. It keeps stack and plan until the kernel
//! says by a word in memory that the child no longer uses them, however that came.

mod clone;
mod key;
mod stack;

pub use key::CloneKey;

use super::child::{self, Plan};
use super::signals;
use clone::{child_of, clone_onto_stack, fork};
use rustix::io::Errno;
use rustix::process::{Pid, getpid};
use stack::Stack;
use std::collections::VecDeque;
use std::ffi::{c_int, c_void};
use std::os::fd::BorrowedFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicI32, Ordering};

/// Stacks that are kept for the next child.
const SPARE: usize = 32;

/// How many loans are looked at again for each new one.
const REVISITS: usize = 2;

/// Makes children that borrow the memory of this process.
#[derive(Debug)]
pub(super) struct Lender {
    lends: bool,
    key: [u64; 4],
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
    key: [u64; 4],
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
    /// `lends` is false for children that do more than bare system calls. `key` is what a filter of system calls asks for.
    pub(super) fn new(lends: bool, key: Option<CloneKey>) -> Lender {
        let key = key.map_or([0; 4], |key| key.words());
        Lender { lends: lends && is_kept_secret(), key, spare: Vec::new(), lent: VecDeque::new() }
    }

    /// Makes a child that does `entry`, born in `cgroup` if there is one. Every signal is blocked in it.
    pub(super) fn start(&mut self, plan: Plan, entry: Entry, cgroup: Option<BorrowedFd<'_>>) -> Result<Pid, Errno> {
        self.take_back();
        let stacks = match self.spare.pop() {
            Some(stacks) => stacks,
            None => [Stack::new()?, Stack::new()?],
        };
        let key = self.key;
        let loan = Box::new(Loan { plan, entry, key, stacks, holders: [const { AtomicI32::new(0) }; 2] });
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
            started = begin(lent, Seat::Child, cgroup, enter);
        }
        self.lent.push_back(loan);
        // Where it may not be lent to, or the kernel or a filter of system calls does not know how.
        if started == Err(Errno::NOSYS) {
            return match fork(cgroup, self.key)? {
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

/// Starts the command of `loan`, in the child that [`Lender::start`] made. Bare system calls only, unless this process
/// was forked; then it must keep the loan.
pub(super) fn lend(loan: &Loan) -> Result<Pid, Errno> {
    match begin(loan, Seat::Grandchild, None, enter_command) {
        Err(Errno::NOSYS) => lend_as_before(loan),
        started => started,
    }
}

/// For the child of a fork, where the new call is not known.
fn lend_as_before(loan: &Loan) -> Result<Pid, Errno> {
    extern "C" fn enter(loan: *mut c_void) -> c_int {
        enter_command(loan)
    }
    let stack = loan.stacks[Seat::Grandchild as usize].top();
    let argument = ptr::from_ref(loan).cast_mut().cast();
    // SAFETY: the child runs on its own stack, which a forked process has for itself and keeps.
    let pid = unsafe { libc::clone(enter, stack, libc::CLONE_VM | libc::SIGCHLD, argument) };
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
    cgroup: Option<BorrowedFd<'_>>,
    entry: extern "C" fn(*mut c_void) -> !,
) -> Result<Pid, Errno> {
    let flags = libc::CLONE_VM | libc::CLONE_PARENT_SETTID | libc::CLONE_CHILD_CLEARTID;
    let holder = loan.holders[seat as usize].as_ptr() as u64;
    let mut arguments = clone::arguments(cgroup)?;
    arguments.flags |= u64::from(flags.cast_unsigned());
    arguments.parent_tid = holder;
    arguments.child_tid = holder;
    arguments.stack = loan.stacks[seat as usize].bottom() as u64;
    arguments.stack_size = stack::SIZE as u64;
    let argument = ptr::from_ref(loan).cast_mut().cast();
    // SAFETY: the stack is free, or the holder of this seat would be known; the loan lives until it is again.
    let pid = unsafe { clone_onto_stack(&arguments, loan.key, entry, argument) };
    match pid {
        1.. => c_int::try_from(pid).ok().and_then(Pid::from_raw).ok_or(Errno::CHILD),
        _ => Err(c_int::try_from(-pid).map_or(Errno::INVAL, Errno::from_raw_os_error)),
    }
}

/// Whether nobody may look into a process that has changed its user in memory of ours.
///
/// By that the kernel makes the memory as dumpable as `suid_dumpable` says. At 1 the new user could trace the child, and
/// with it the guest; at 2 it cannot, but before Linux 5.16 the core dump of a child ended all that shared its memory.
fn is_kept_secret() -> bool {
    let dumpable = std::fs::read_to_string("/proc/sys/fs/suid_dumpable").unwrap_or_default();
    match dumpable.trim() {
        "0" => true,
        "2" => crate::kernel::is_at_least(5, 16),
        _ => false,
    }
}

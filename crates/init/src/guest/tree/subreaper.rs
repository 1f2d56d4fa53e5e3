//! Without cgroups: a process over each command, to which the orphans among its descendants fall.
//!
//! ```text
//!   guest ─┬─ watcher ── command ── …        all that the command starts descends from its watcher,
//!          └─ watcher ─┬─ command            whatever it does with sessions and double forks
//!                      └─ orphan of it
//! ```
//!
//! The watcher notes the end of the command in the exec's slot, and ends when it has no children left. It keeps the
//! guest's user, blocks every signal and cannot be traced. Where that user is the agent's too, a command can still kill
//! its watcher. Then all that was below falls to the guest, which knows by that what to kill.

use super::super::shared::{Slot, Stage};
use super::super::spawn::{self, Loan};
use super::super::{child, signals};
use super::procfs;
use crate::protocol::Status;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, getppid, kill_process, set_parent_process_death_signal, waitid,
};
use std::ffi::c_int;
use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use syscalls::{Errno, Sysno, syscall};

/// Tells a watcher that its guest is gone.
const GUEST_GONE: Signal = Signal::USR1;

/// Where a watcher keeps the guest's event counter; it has nothing else open beyond standard error.
const BELL: RawFd = 3;

/// What a watcher is told by its guest.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Watch {
    /// An event counter of the guest, for the end of the command.
    pub(in super::super) bell: RawFd,
    /// The guest, if a watcher has to end its tree when that is gone. PID 1 takes everything with it anyway.
    pub(in super::super) follow: Option<Pid>,
}

impl Watch {
    /// Whether bare system calls are all that a watcher does, so that it may share the guest's memory.
    pub(super) fn is_simple(self) -> bool {
        self.follow.is_none()
    }

    /// A signal that the watcher handles and the command shall not.
    pub(in super::super) fn handled(self) -> Option<i32> {
        self.follow.map(|_| GUEST_GONE.as_raw())
    }
}

/// Goes on as the watcher of a command. Every signal is blocked.
pub(super) fn watch_over(loan: &Loan) -> ! {
    let slot = loan.plan.slot;
    let Some(Watch { bell, follow }) = loan.plan.watch else { child::end(1) };
    if let Some(guest) = follow {
        follow_guest(guest, slot);
    }
    // SAFETY: takes integers only. It cannot fail.
    let _ = unsafe { syscall!(Sysno::prctl, libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
    match spawn::lend(loan) {
        Ok(main) => {
            keep_only(bell);
            if follow.is_some() {
                signals::set_mask(signals::all_but(GUEST_GONE.as_raw()));
            }
            watch(main, slot)
        }
        Err(errno) => {
            slot.fail(Stage::Fork, errno.raw_os_error());
            child::end(1)
        }
    }
}

/// Notes and tells the end of `main`, and reaps until nothing is left.
fn watch(main: Pid, slot: &Slot) -> ! {
    loop {
        // A process stays a zombie until its end is noted: nobody may signal its pid after that.
        let Some((pid, status)) = next_end() else { child::end(0) };
        if pid == main {
            slot.end(status);
            // At once, although the guest would hear of the end of this process, too: that takes as long again.
            ring();
        }
        let _ = wait_for(libc::P_PID, pid.as_raw_nonzero().get(), libc::WEXITED);
    }
}

/// Asks every descendant of `watcher` to end.
pub(super) fn terminate(watcher: Pid) {
    for pid in procfs::descendants(watcher) {
        let _ = kill_process(pid, Signal::TERM);
    }
}

/// Kills every descendant of `watcher`, which ends by that.
pub(super) fn kill(watcher: Pid) {
    let _ = kill_process(watcher, Signal::CONT);
    procfs::kill_below(watcher, &|_| true);
}

/// Kills the children of this process that are not `known`, and their descendants; whether there were any.
pub(super) fn kill_orphans(known: &dyn Fn(Pid) -> bool) -> bool {
    procfs::kill_below(getpid(), &|pid| !known(pid))
}

/// The slot of this watcher's exec, for its signal handler.
static WATCHED: AtomicPtr<Slot> = AtomicPtr::new(ptr::null_mut());

/// Arranges for [`GUEST_GONE`], which has to be blocked.
fn follow_guest(guest: Pid, slot: &'static Slot) {
    WATCHED.store(ptr::from_ref(slot).cast_mut(), Ordering::Release);
    signals::handle(GUEST_GONE.as_raw(), guest_is_gone);
    let _ = set_parent_process_death_signal(Some(GUEST_GONE));
    if getppid() != Some(guest) {
        let _ = kill_process(getpid(), GUEST_GONE);
    }
}

/// Kills what is watched over, unless the command ended by itself. Runs as a signal handler, but only ever inside
/// [`watch`] of a process with its own memory, which holds no lock and allocates nothing: so this may.
extern "C" fn guest_is_gone(_signal: c_int) {
    // SAFETY: the pointer is null or that of a slot, which stays mapped and is only ever read through.
    let released = unsafe { WATCHED.load(Ordering::Acquire).as_ref() }.is_some_and(Slot::is_released);
    while !released && has_children() {
        procfs::kill_below(getpid(), &|_| true);
        while let Ok(Some(_)) = waitid(WaitId::All, WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {}
    }
    child::end(0)
}

/// Waits for the next child to end, and leaves it a zombie; `None` if there are no children.
fn next_end() -> Option<(Pid, Status)> {
    loop {
        let info = match wait_for(libc::P_ALL, 0, libc::WEXITED | libc::WNOWAIT) {
            Ok(info) => info,
            Err(Errno::EINTR) => continue,
            Err(_) => return None,
        };
        // SAFETY: the record is that of a child.
        let (pid, value) = unsafe { (info.si_pid(), info.si_status()) };
        let status = match info.si_code {
            libc::CLD_EXITED => Status::Exited(u8::try_from(value & 0xff).unwrap_or(u8::MAX)),
            _ => Status::Signaled(value),
        };
        return Some((Pid::from_raw(pid)?, status));
    }
}

fn has_children() -> bool {
    !matches!(wait_for(libc::P_ALL, 0, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT), Err(Errno::ECHILD))
}

fn wait_for(which: libc::idtype_t, id: i32, options: c_int) -> Result<libc::siginfo_t, Errno> {
    // SAFETY: a zeroed siginfo is valid, and a live local for the kernel to fill; it wants no resource usage.
    unsafe {
        let mut info: libc::siginfo_t = std::mem::zeroed();
        syscall!(Sysno::waitid, which, id, &raw mut info, options, 0).map(|_| info)
    }
}

/// Closes everything but standard input, output and error, which are the guest's, and the bell.
fn keep_only(bell: RawFd) {
    // SAFETY: these take integers only. No owner of a descriptor in this process's own table is used again.
    unsafe {
        let _ = syscall!(Sysno::dup3, bell, BELL, 0);
        let _ = syscall!(Sysno::close_range, BELL + 1, libc::c_uint::MAX, 0);
    }
}

fn ring() {
    let one = 1_u64.to_ne_bytes();
    // SAFETY: the buffer is a live local. If the guest has no such descriptor any more, it does not listen either.
    let _ = unsafe { syscall!(Sysno::write, BELL, one.as_ptr(), one.len()) };
}

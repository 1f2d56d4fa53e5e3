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

use super::super::child::{self, Plan};
use super::super::shared::{Slot, Stage};
use super::super::{signals, spawn};
use super::procfs;
use crate::protocol::Status;
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpid, getppid, kill_process, set_child_subreaper,
    set_parent_process_death_signal, waitid,
};
use std::ffi::c_int;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Tells a watcher that its guest is gone.
const GUEST_GONE: Signal = Signal::USR1;

/// Where a watcher keeps the guest's event counter; it has nothing else open beyond standard error.
const BELL: RawFd = 3;

/// Makes watchers.
#[derive(Debug)]
pub(in super::super) struct Watch {
    /// An event counter of the guest: a watcher that stays has something to tell.
    pub(in super::super) bell: Rc<OwnedFd>,
    /// The guest, if a watcher has to end its tree when that is gone. PID 1 takes everything with it anyway.
    pub(in super::super) follow: Option<Pid>,
}

impl Watch {
    /// Goes on as the watcher of a command. This is a fork of the guest with one thread, which may use its memory.
    pub(super) fn over(&self, plan: &mut Plan<'_>) -> ! {
        signals::block_all();
        if let Some(guest) = self.follow {
            follow(guest, plan.slot);
            plan.handled = Some(GUEST_GONE.as_raw());
        }
        let started = set_child_subreaper(Some(getpid())).and_then(|()| spawn::lend(plan));
        match started {
            Ok(main) => {
                keep_only(self.bell.as_raw_fd());
                if self.follow.is_some() {
                    signals::unblock(GUEST_GONE.as_raw());
                }
                watch(main, plan.slot)
            }
            Err(errno) => {
                plan.slot.fail(Stage::Fork, errno.raw_os_error());
                child::end(1)
            }
        }
    }
}

/// Notes the end of `main`, and reaps until nothing is left.
fn watch(main: Pid, slot: &Slot) -> ! {
    loop {
        // A process stays a zombie until its end is noted: nobody may signal its pid after that.
        let Some((pid, status)) = next_end() else { child::end(0) };
        if pid == main {
            slot.end(status);
        }
        let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED);
        if pid == main && has_children() {
            ring();
        }
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
fn follow(guest: Pid, slot: &'static Slot) {
    WATCHED.store(ptr::from_ref(slot).cast_mut(), Ordering::Release);
    signals::handle(GUEST_GONE.as_raw(), guest_is_gone);
    let _ = set_parent_process_death_signal(Some(GUEST_GONE));
    if getppid() != Some(guest) {
        let _ = kill_process(getpid(), GUEST_GONE);
    }
}

/// Kills what is watched over, unless the command ended by itself. Runs as a signal handler, but only ever inside [`watch`], which holds no lock and
/// allocates nothing: so this may.
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
        // SAFETY: a zeroed siginfo is valid, and waitid fills it before it returns 0 here. Its accessors may be used
        // because the record is that of a child.
        unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            if libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED | libc::WNOWAIT) == 0 {
                let status = match info.si_code {
                    libc::CLD_EXITED => Status::Exited(u8::try_from(info.si_status() & 0xff).unwrap_or(u8::MAX)),
                    _ => Status::Signaled(info.si_status()),
                };
                return Some((Pid::from_raw(info.si_pid())?, status));
            }
        }
        if child::errno() != libc::EINTR {
            return None;
        }
    }
}

fn has_children() -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::All, look), Err(Errno::CHILD))
}

/// Closes everything but standard input, output and error, which are the guest's, and the bell.
fn keep_only(bell: RawFd) {
    // SAFETY: these take integers only. No owner of a descriptor of this forked process is used again.
    unsafe {
        libc::dup2(bell, BELL);
        libc::syscall(libc::SYS_close_range, BELL + 1, libc::c_uint::MAX, 0);
    }
}

fn ring() {
    let one = 1_u64.to_ne_bytes();
    // SAFETY: the buffer is a live local. If the guest has no such descriptor any more, it does not listen either.
    unsafe { libc::write(BELL, one.as_ptr().cast(), one.len()) };
}

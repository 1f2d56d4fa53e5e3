//! Signals of the guest itself: the death of children as something to read.

use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use syscalls::{Sysno, syscall};

/// Signals that are read from a descriptor instead of interrupting.
#[derive(Debug)]
pub(super) struct Signals {
    descriptor: OwnedFd,
}

/// What was read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Arrived {
    /// A signal other than `SIGCHLD`: the guest shall end.
    pub(super) end: bool,
}

impl Signals {
    /// Takes `SIGCHLD` and `ending` as readable events.
    ///
    /// `SIGPIPE` is blocked, and every signal gets its default action: an ignored one would be inherited by commands, a
    /// blocked one is unblocked before they begin, and a handler could run in a child that shares our memory.
    pub(super) fn take(ending: &[i32]) -> Result<Signals, Errno> {
        restore_all();
        // SAFETY: the set is initialised by sigemptyset before it is read; all pointers are to live locals.
        unsafe {
            let mut set = MaybeUninit::<libc::sigset_t>::uninit();
            libc::sigemptyset(set.as_mut_ptr());
            let mut set = set.assume_init();
            libc::sigaddset(&raw mut set, libc::SIGCHLD);
            for &signal in ending {
                libc::sigaddset(&raw mut set, signal);
            }
            let descriptor = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
            if descriptor < 0 {
                return Err(last_errno());
            }
            let descriptor = OwnedFd::from_raw_fd(descriptor);
            libc::sigaddset(&raw mut set, libc::SIGPIPE);
            if libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) != 0 {
                return Err(last_errno());
            }
            Ok(Signals { descriptor })
        }
    }

    /// Takes what has arrived.
    pub(super) fn read(&self) -> Arrived {
        const RECORD: usize = size_of::<libc::signalfd_siginfo>();
        let mut arrived = Arrived::default();
        let mut buffer = [0; 8 * RECORD];
        if let Ok(length) = rustix::io::read(&self.descriptor, &mut buffer) {
            for record in buffer[..length].chunks_exact(RECORD) {
                // The number of the signal is the first field of a record.
                let number = record.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes));
                arrived.end |= number != libc::SIGCHLD.cast_unsigned();
            }
        }
        arrived
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// The mask that lets every signal through.
pub(super) const NONE: u64 = 0;

/// The mask that blocks every signal that can be blocked.
pub(super) const ALL: u64 = u64::MAX;

/// Every signal but one.
pub(super) const fn all_but(signal: i32) -> u64 {
    !(1 << (signal - 1))
}

/// Sets the mask of blocked signals, and gives the one before; by a bare system call.
pub(super) fn set_mask(mask: u64) -> u64 {
    let mut before = NONE;
    // SAFETY: both sets are live locals, of the 8 bytes that the kernel's have.
    let _ = unsafe { syscall!(Sysno::rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, &raw mut before, 8) };
    before
}

/// Installs a handler.
pub(super) fn handle(signal: i32, handler: extern "C" fn(i32)) {
    // SAFETY: the handler has the signature that the flags ask for; a zeroed sigaction has an empty mask.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as libc::sighandler_t;
        libc::sigaction(signal, &raw const action, ptr::null_mut());
    }
}

/// Gives a signal its default action; by a bare system call.
pub(super) fn restore(signal: i32) {
    // A zeroed structure asks for the default action. The kernel's has at most four words on 64-bit machines.
    let default = [0_usize; 4];
    // SAFETY: the structure is a live local, and 8 is the size of its set.
    let _ = unsafe { syscall!(Sysno::rt_sigaction, signal, default.as_ptr(), 0, 8) };
}

/// Asks the kernel itself: the C library does not let its own two signals be looked at, but they are inherited too.
fn restore_all() {
    const HIGHEST: i32 = 64;
    (1..=HIGHEST).for_each(restore);
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

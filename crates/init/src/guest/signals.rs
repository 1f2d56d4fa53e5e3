//! Signals of the guest itself: the death of children as something to read.

use rustix::io::Errno;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

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
    /// `SIGPIPE` is blocked, and every ignored signal gets its default action: an ignored one would be inherited by
    /// commands, a blocked one is unblocked before they begin.
    pub(super) fn take(ending: &[i32]) -> Result<Signals, Errno> {
        restore_ignored();
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

/// Blocks every signal that can be blocked.
pub(super) fn block_all() {
    // SAFETY: the set is initialised by sigfillset before it is read.
    unsafe {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigfillset(set.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), ptr::null_mut());
    }
}

/// Lets every signal through; async-signal-safe.
pub(super) fn unblock_all() {
    // SAFETY: the set is initialised by sigemptyset before it is read.
    unsafe {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), ptr::null_mut());
    }
}

/// Lets one signal through.
pub(super) fn unblock(signal: i32) {
    // SAFETY: the set is initialised by sigemptyset before it is used.
    unsafe {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        libc::sigprocmask(libc::SIG_UNBLOCK, set.as_ptr(), ptr::null_mut());
    }
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

/// Asks the kernel itself: the C library does not let its own two signals be looked at, but they are inherited too.
fn restore_ignored() {
    const HIGHEST: i32 = 64;
    // The handler is the first word of the kernel's structure; a zeroed one asks for the default action.
    let default = [0_usize; 4];
    for signal in 1..=HIGHEST {
        let mut before = [0_usize; 4];
        // SAFETY: the kernel's structure has at most four words on 64-bit machines, and 8 is the size of its set.
        unsafe {
            let looked = libc::syscall(libc::SYS_rt_sigaction, signal, ptr::null::<usize>(), before.as_mut_ptr(), 8);
            if looked == 0 && before[0] == libc::SIG_IGN {
                libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), ptr::null_mut::<usize>(), 8);
            }
        }
    }
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}

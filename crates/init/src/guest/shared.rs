//! Memory that the guest shares with the processes it forks, until they enter their program.
//!
//! A child that cannot enter its program, and a process that watches over a command, say so here: a store, instead of
//! a pipe to make, poll, read and close for each exec. Entering the program drops the mapping.

use crate::protocol::{EXEC_LIMIT, Status};
use rustix::io::Errno;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

/// What one exec's processes have told.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Slot {
    /// A [`Note`]: its tag above, its value in the low half.
    note: AtomicU64,
    /// The process that is or will be the command, where another one is its parent.
    main: AtomicI32,
    /// The command ended by itself: what it left behind may outlive the guest.
    released: AtomicBool,
}

/// Where a child failed before it became the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Setup = 3,
    User = 4,
    WorkDir = 5,
    Arguments = 6,
    Memory = 7,
    Fork = 8,
}

/// What a slot says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Note {
    Nothing,
    Ended(Status),
    Failed(Stage, i32),
}

impl Slot {
    pub(super) fn note(&self) -> Note {
        let word = self.note.load(Ordering::Acquire);
        let low = u32::try_from(word & u64::from(u32::MAX)).unwrap_or(0).cast_signed();
        match word >> 32 {
            1 => Note::Ended(Status::Exited(u8::try_from(low).unwrap_or(u8::MAX))),
            2 => Note::Ended(Status::Signaled(low)),
            3 => Note::Failed(Stage::Setup, low),
            4 => Note::Failed(Stage::User, low),
            5 => Note::Failed(Stage::WorkDir, low),
            6 => Note::Failed(Stage::Arguments, low),
            7 => Note::Failed(Stage::Memory, low),
            8 => Note::Failed(Stage::Fork, low),
            _ => Note::Nothing,
        }
    }

    /// Notes a failure; async-signal-safe.
    pub(super) fn fail(&self, stage: Stage, errno: i32) {
        self.note.store(word(stage as u64, errno), Ordering::Release);
    }

    /// Notes the end of the main process, unless a failure explains it already.
    pub(super) fn end(&self, status: Status) {
        let word = match status {
            Status::Exited(code) => word(1, i32::from(code)),
            Status::Signaled(signal) => word(2, signal),
        };
        let _ = self.note.compare_exchange(0, word, Ordering::AcqRel, Ordering::Acquire);
    }

    pub(super) fn main(&self) -> i32 {
        self.main.load(Ordering::Acquire)
    }

    pub(super) fn set_main(&self, pid: i32) {
        self.main.store(pid, Ordering::Release);
    }

    pub(super) fn is_released(&self) -> bool {
        self.released.load(Ordering::Acquire)
    }

    pub(super) fn release(&self) {
        self.released.store(true, Ordering::Release);
    }

    fn clear(&self) {
        self.released.store(false, Ordering::Release);
        self.note.store(0, Ordering::Release);
        self.main.store(0, Ordering::Release);
    }
}

fn word(tag: u64, value: i32) -> u64 {
    tag << 32 | u64::from(value.cast_unsigned())
}

/// One slot for every exec that can be alive.
#[derive(Debug)]
pub(super) struct Slots {
    base: NonNull<Slot>,
    free: Vec<usize>,
}

impl Slots {
    pub(super) fn new() -> Result<Slots, Errno> {
        // SAFETY: an anonymous mapping at an address of the kernel's choosing touches no memory in use.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                EXEC_LIMIT * size_of::<Slot>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(Errno::NOMEM);
        }
        let base = NonNull::new(base.cast()).ok_or(Errno::NOMEM)?;
        Ok(Slots { base, free: (0..EXEC_LIMIT).rev().collect() })
    }

    /// Takes a clear slot, if one is left.
    pub(super) fn take(&mut self) -> Option<usize> {
        let index = self.free.pop()?;
        self.slot(index).clear();
        Some(index)
    }

    /// Gives a slot back.
    pub(super) fn give(&mut self, index: usize) {
        self.free.push(index);
    }

    pub(super) fn slot(&self, index: usize) -> &'static Slot {
        assert!(index < EXEC_LIMIT, "slots are indexed by what take returned");
        // SAFETY: the mapping holds EXEC_LIMIT zeroed slots, is aligned to a page, and is never unmapped; a zeroed
        // slot is a valid one, and its fields are atomic, so that sharing it between processes is sound.
        unsafe { self.base.add(index).as_ref() }
    }
}

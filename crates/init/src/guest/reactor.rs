//! One place to wait for everything.

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// Descriptors that are waited for, each with a key of the caller's.
pub(super) struct Reactor {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Reactor {
    pub(super) fn new() -> Result<Reactor, Errno> {
        Ok(Reactor { epoll: epoll::create(CreateFlags::CLOEXEC)?, events: Vec::with_capacity(256) })
    }

    pub(super) fn add(&self, source: impl AsFd, key: u64, interest: EventFlags) -> Result<(), Errno> {
        epoll::add(&self.epoll, source, EventData::new_u64(key), interest)
    }

    pub(super) fn modify(&self, source: impl AsFd, key: u64, interest: EventFlags) -> Result<(), Errno> {
        epoll::modify(&self.epoll, source, EventData::new_u64(key), interest)
    }

    /// Must come before the descriptor is closed if a forked process may still hold it.
    pub(super) fn remove(&self, source: impl AsFd) {
        let _ = epoll::delete(&self.epoll, source);
    }

    /// The keys of what is ready, waiting until `deadline` if nothing is.
    pub(super) fn wait(&mut self, deadline: Option<Instant>) -> Result<Vec<(u64, EventFlags)>, Errno> {
        let timeout = deadline.map(|deadline| timespec(deadline.saturating_duration_since(Instant::now())));
        self.events.clear();
        match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(self.events.iter().map(|event| (event.data.u64(), event.flags)).collect()),
            Err(errno) => Err(errno),
        }
    }
}

/// For the kernel.
pub(super) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

//! A cgroup for each exec, and a few empty ones in stock: to make and remove one costs more than to start a process.

use super::super::child::{self, Plan};
use super::super::spawn::{Lender, Loan};
use super::{cgroup2, freezer};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use std::cell::Cell;
use std::collections::VecDeque;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Empty groups that are kept for the next exec.
const STOCK: usize = 8;

/// How many groups that once held leftover processes are looked at again for each new exec.
const REVISITS: usize = 2;

/// How deep groups made by commands themselves are followed.
const DEPTH: usize = 8;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Which kind of cgroup it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mechanism {
    Cgroup2,
    Freezer,
}

/// The cgroups of a guest.
#[derive(Debug)]
pub(in super::super) struct Groups {
    parent: OwnedFd,
    mechanism: Mechanism,
    made: u64,
    empty: Vec<Group>,
    left: VecDeque<Group>,
}

/// The cgroup of one exec.
#[derive(Debug)]
pub(in super::super) struct Group {
    name: String,
    directory: OwnedFd,
    mechanism: Mechanism,
    /// The file that tells whether anything is inside, where it may stay open.
    events: Option<OwnedFd>,
    /// It was killed by `cgroup.kill`. Linux 6.18 kills whatever is born there later, too: it takes the count of kills
    /// of the cgroup of the parent, and compares it with that of the cgroup of the child.
    spoiled: Cell<bool>,
}

impl Groups {
    pub(super) fn new(parent: OwnedFd, mechanism: Mechanism) -> Groups {
        Groups { parent, mechanism, made: 0, empty: Vec::new(), left: VecDeque::new() }
    }

    /// An empty group.
    pub(super) fn obtain(&mut self) -> Result<Group, Errno> {
        for _ in 0..REVISITS {
            if let Some(group) = self.left.pop_front() {
                self.retire(group);
            }
        }
        match self.empty.pop() {
            Some(group) => Ok(group),
            None => self.make(),
        }
    }

    /// Keeps, removes or remembers the group of an exec that is over.
    pub(super) fn retire(&mut self, group: Group) {
        if group.is_populated() {
            self.left.push_back(group);
        } else if self.empty.len() < STOCK && !group.spoiled.get() {
            self.empty.push(group);
        } else {
            // Not fatal: an empty group that stays goes with the sandbox.
            let _ = unlinkat(&self.parent, group.name, AtFlags::REMOVEDIR);
        }
    }

    fn make(&mut self) -> Result<Group, Errno> {
        let name = loop {
            self.made += 1;
            let name = format!("exec-{}", self.made);
            match mkdirat(&self.parent, &name, Mode::RWXU) {
                Ok(()) => break name,
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        };
        let directory = openat(&self.parent, &name, DIRECTORY, Mode::empty())?;
        let events = match self.mechanism {
            Mechanism::Cgroup2 => Some(open_file(directory.as_fd(), "cgroup.events")?),
            Mechanism::Freezer => None,
        };
        Ok(Group { name, directory, mechanism: self.mechanism, events, spoiled: Cell::new(false) })
    }
}

impl Group {
    /// Starts the command of `plan` inside the group, or with the means to join it.
    pub(super) fn start(&self, lender: &mut Lender, plan: Plan) -> Result<Pid, Errno> {
        let entry = |loan: &Loan| -> ! { child::become_command(&loan.plan) };
        match self.mechanism {
            Mechanism::Cgroup2 => lender.start(plan, entry, Some(self.directory.as_fd())),
            Mechanism::Freezer => {
                let procs = openat(&self.directory, "cgroup.procs", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
                lender.start(Plan { join: Some(procs.as_raw_fd()), ..plan }, entry, None)
            }
        }
    }

    pub(super) fn is_populated(&self) -> bool {
        let mut buffer = [0; 256];
        let read = match &self.events {
            Some(events) => {
                rustix::io::pread(events, &mut buffer, 0).map(|length| cgroup2::is_populated(&buffer[..length]))
            }
            // Opened each time: cgroups v1 show an open file the members of a second ago, again and again.
            None => open_file(self.directory.as_fd(), "cgroup.procs")
                .and_then(|procs| rustix::io::read(&procs, &mut buffer))
                .map(|length| length > 0),
        };
        // Removed under us: nothing can be in it.
        read.unwrap_or_else(|errno| !matches!(errno, Errno::NODEV | Errno::NOENT))
    }

    pub(super) fn signal(&self, signal: Signal) {
        signal_members(self.directory.as_fd(), signal, DEPTH);
    }

    pub(super) fn kill(&self) {
        match self.mechanism {
            Mechanism::Cgroup2 => {
                self.spoiled.set(true);
                cgroup2::kill(self.directory.as_fd(), || self.signal(Signal::KILL));
            }
            Mechanism::Freezer => freezer::kill(self.directory.as_fd(), || self.signal(Signal::KILL)),
        }
    }
}

fn open_file(directory: BorrowedFd<'_>, file: &str) -> Result<OwnedFd, Errno> {
    openat(directory, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// Writes to a file of a group.
pub(super) fn write(directory: BorrowedFd<'_>, file: &str, value: &[u8]) -> Result<(), Errno> {
    let file = openat(directory, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(&file, value).map(drop)
}

fn signal_members(directory: BorrowedFd<'_>, signal: Signal, depth: usize) {
    for pid in members(directory) {
        let _ = kill_process(pid, signal);
    }
    let Some(depth) = depth.checked_sub(1) else { return };
    let Ok(entries) = openat(directory, ".", DIRECTORY, Mode::empty()).and_then(Dir::new) else { return };
    for entry in entries.flatten() {
        let is_group = entry.file_type() == FileType::Directory && !entry.file_name().to_bytes().starts_with(b".");
        if is_group && let Ok(below) = openat(directory, entry.file_name(), DIRECTORY, Mode::empty()) {
            signal_members(below.as_fd(), signal, depth);
        }
    }
}

fn members(directory: BorrowedFd<'_>) -> Vec<Pid> {
    let mut text = Vec::new();
    if let Ok(procs) = open_file(directory, "cgroup.procs") {
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = rustix::io::read(&procs, &mut buffer) {
            text.extend_from_slice(&buffer[..length]);
        }
    }
    // A process of another PID namespace is listed as 0, and is not ours to signal.
    text.split(|&byte| byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok()?.parse().ok())
        .filter_map(Pid::from_raw)
        .collect()
}

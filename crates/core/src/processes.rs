//! Processes of the host, as /proc tells them.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::record::ProcessId;

/// A process in a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ProcessInfo {
    /// Its id on the host.
    pub pid: u32,
    /// Its id inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inner_pid: Option<u32>,
    /// The id of its parent on the host.
    pub parent: u32,
    /// One letter, as `ps` shows it: R, S, D, Z, T.
    pub state: char,
    /// Its command line, control characters replaced.
    pub command: String,
}

impl ProcessId {
    /// Identifies a process that runs now.
    pub(crate) fn observe(pid: u32) -> Result<Self> {
        let gone = || Error::io(format!("looking at process {pid}"), io::Error::from(io::ErrorKind::NotFound));
        let stat = Stat::read(pid).ok_or_else(gone)?;
        Ok(Self { pid, start_time: stat.start_time, boot_id: boot_id()? })
    }

    /// A handle of the process, if it still is the one that was identified.
    pub(crate) fn open(&self) -> Result<Option<OwnedFd>> {
        if boot_id()? != self.boot_id {
            return Ok(None);
        }
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return Ok(None) };
        let pidfd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(Errno::SRCH) => return Ok(None),
            Err(errno) => return Err(Error::io(format!("opening process {pid:?}"), errno)),
        };
        // Looked at after opening: the number cannot be given to another process in between.
        let same = Stat::read(self.pid).is_some_and(|stat| stat.start_time == self.start_time && stat.state != 'Z');
        Ok(same.then_some(pidfd))
    }
}

/// Ends a process at once. It may be gone already.
pub(crate) fn kill(pidfd: &OwnedFd) -> Result<()> {
    match pidfd_send_signal(pidfd, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(Error::io("ending a process of the sandbox", errno)),
    }
}

/// Waits until a process is dead, and for PID 1 of a namespace that is everything in it.
pub(crate) fn wait(pidfd: &OwnedFd, at_most: Duration) -> Result<()> {
    let deadline = Instant::now() + at_most;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        let mut fds = [PollFd::from_borrowed_fd(pidfd.as_fd(), PollFlags::IN)];
        match poll(&mut fds, Some(&timeout)) {
            Ok(0) => {
                return Err(Error::io(
                    "waiting for a process of the sandbox to die",
                    io::Error::from(io::ErrorKind::TimedOut),
                ));
            }
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::io("waiting for a process of the sandbox to die", errno)),
        }
    }
}

/// The process with that id and everything below it. Orphans inside are children of the sandbox's PID 1, so this is
/// complete for a sandbox's init.
pub(crate) fn tree(root: u32) -> Vec<ProcessInfo> {
    let mut children: BTreeMap<u32, Vec<Stat>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(stat) = pid.and_then(Stat::read) {
            children.entry(stat.parent).or_default().push(stat);
        }
    }
    let mut found: Vec<Stat> = Stat::read(root).into_iter().collect();
    let mut next = 0;
    while let Some(stat) = found.get(next) {
        let below = children.remove(&stat.pid).unwrap_or_default();
        found.extend(below);
        next += 1;
    }
    found.into_iter().map(Stat::describe).collect()
}

struct Stat {
    pid: u32,
    parent: u32,
    state: char,
    name: String,
    start_time: u64,
}

impl Stat {
    fn read(pid: u32) -> Option<Self> {
        let bytes = fs::read(format!("/proc/{pid}/stat")).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        // The name is in parentheses and may hold anything, also parentheses.
        let (before, after) = text.rsplit_once(") ")?;
        let name = before.split_once(" (")?.1.to_owned();
        let fields: Vec<&str> = after.split(' ').collect();
        Some(Self {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            state: fields.first()?.chars().next()?,
            name,
            start_time: fields.get(19)?.parse().ok()?,
        })
    }

    fn describe(self) -> ProcessInfo {
        let command = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).trim_end_matches('\0').replace('\0', " ");
        let command = if command.is_empty() { format!("[{}]", self.name) } else { command };
        ProcessInfo {
            pid: self.pid,
            inner_pid: inner_pid(self.pid),
            parent: self.parent,
            state: self.state,
            // A process chooses its own command line: keep it from steering the operator's terminal.
            command: command.chars().take(4096).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect(),
        }
    }
}

fn inner_pid(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    let mut ids = line.split_whitespace();
    ids.next()?;
    ids.next_back()?.parse().ok()
}

fn boot_id() -> Result<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_err(|error| Error::io("reading the boot id", error))?;
    Ok(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_a_later_one_with_its_number() {
        let me = ProcessId::observe(std::process::id()).unwrap();
        assert!(me.open().unwrap().is_some());
        let later = ProcessId { start_time: me.start_time + 1, ..me.clone() };
        assert!(later.open().unwrap().is_none());
        let before_reboot = ProcessId { boot_id: "another".into(), ..me };
        assert!(before_reboot.open().unwrap().is_none());
    }

    #[test]
    fn a_tree_holds_its_root_and_its_children() {
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pids: Vec<u32> = tree(std::process::id()).into_iter().map(|process| process.pid).collect();
        assert_eq!(pids.first(), Some(&std::process::id()));
        assert!(pids.contains(&child.id()));
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}

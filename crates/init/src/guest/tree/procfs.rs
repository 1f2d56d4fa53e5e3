//! The processes of this PID namespace and their parents, read from `/proc`.

use rustix::fs::{Mode, OFlags, RawDir, openat};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::{HashMap, HashSet};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

/// How often a tree is looked at again because it has grown meanwhile. Stopped processes do not fork, so a tree that
/// still grows after this many is left to the next attempt.
const PASSES: usize = 64;

/// Processes with their parents.
#[derive(Debug, Default)]
struct Table {
    children: HashMap<Pid, Vec<Pid>>,
}

impl Table {
    fn read() -> Table {
        let mut table = Table::default();
        let Ok(proc) = rustix::fs::open(c"/proc", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        else {
            return table;
        };
        let mut buffer = [MaybeUninit::uninit(); 16 * 1024];
        let mut entries = RawDir::new(&proc, &mut buffer);
        while let Some(Ok(entry)) = entries.next() {
            let name = entry.file_name().to_str().ok();
            let pid = name.and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            if let Some((pid, parent)) = pid.and_then(|pid| Some((pid, parent(&proc, pid)?))) {
                table.children.entry(parent).or_default().push(pid);
            }
        }
        table
    }

    fn children(&self, pid: Pid) -> &[Pid] {
        self.children.get(&pid).map_or(&[], Vec::as_slice)
    }

    /// All that descends from `roots`, and they themselves.
    fn closure(&self, roots: impl Iterator<Item = Pid>) -> HashSet<Pid> {
        let mut found: HashSet<Pid> = HashSet::new();
        let mut open: Vec<Pid> = roots.collect();
        while let Some(pid) = open.pop() {
            if found.insert(pid) {
                open.extend_from_slice(self.children(pid));
            }
        }
        found
    }
}

/// The living descendants of `ancestor`.
pub(super) fn descendants(ancestor: Pid) -> HashSet<Pid> {
    let table = Table::read();
    table.closure(table.children(ancestor).iter().copied())
}

/// Stops and then kills the children of `ancestor` that are `chosen`, with all that descends from them; whether there
/// were any.
pub(super) fn kill_below(ancestor: Pid, chosen: &dyn Fn(Pid) -> bool) -> bool {
    let mut stopped: HashSet<Pid> = HashSet::new();
    for _ in 0..PASSES {
        let table = Table::read();
        let found = table.closure(table.children(ancestor).iter().copied().filter(|&pid| chosen(pid)));
        let before = stopped.len();
        for pid in found {
            if stopped.insert(pid) {
                let _ = kill_process(pid, Signal::STOP);
            }
        }
        if stopped.len() == before {
            break;
        }
    }
    for &pid in &stopped {
        let _ = kill_process(pid, Signal::KILL);
    }
    !stopped.is_empty()
}

/// The parent of a process that is not a zombie.
fn parent(proc: &OwnedFd, pid: Pid) -> Option<Pid> {
    let path = format!("{}/stat", pid.as_raw_nonzero());
    let stat = openat(proc, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut buffer = [0; 512];
    let length = rustix::io::read(&stat, &mut buffer).ok()?;
    let (state, parent) = state_and_parent(&buffer[..length])?;
    (state != b'Z').then_some(parent)
}

/// Reads `PID (NAME) STATE PARENT …`, where the name may hold anything.
fn state_and_parent(stat: &[u8]) -> Option<(u8, Pid)> {
    let end_of_name = stat.iter().rposition(|&byte| byte == b')')?;
    let mut fields = stat[end_of_name + 1..].split(|&byte| byte == b' ').skip(1);
    let state = *fields.next()?.first()?;
    let parent = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    Some((state, Pid::from_raw(parent)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_cannot_pretend_to_be_fields() {
        let parsed = state_and_parent(b"12 (a) R 1 (b) S 7 12 12 0 -1");
        assert_eq!(parsed.map(|(state, pid)| (state, pid.as_raw_nonzero().get())), Some((b'S', 7)));
    }

    #[test]
    fn what_is_no_stat_has_no_parent() {
        for text in [b"".as_slice(), b"12 (a", b"12 (a)", b"12 (a) S", b"12 (a) S x", b"12 (a) S 0 0"] {
            assert_eq!(state_and_parent(text), None);
        }
    }
}

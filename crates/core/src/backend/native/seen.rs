//! What a sandbox sees of its limits: the sizes of what is kept in memory, and its own cgroup where programs look.

use std::path::{Path, PathBuf};

use loopbox_init::sandbox::Entry;

use super::limits::{self, LimitCgroup};
use crate::limits::Limits;
use crate::record::NativeRecord;

/// Where hierarchies are mounted.
const CGROUPS: &str = "/sys/fs/cgroup";

/// File systems in memory: the part of the memory that each may fill, and why. Together they leave some.
const IN_MEMORY: [(&str, u64, &str); 3] = [
    ("/tmp", 2, "a half, as is usual: builds unpack and link there"),
    ("/dev/shm", 4, "a quarter: browsers share what they show"),
    ("/run", 8, "an eighth: sockets and small files"),
];

/// Gives the file systems in memory their sizes: a part of the memory that the sandbox may use, and no more than its
/// limit on disk space.
pub(super) fn size_in_memory(entries: &mut [Entry], limits: &Limits) {
    let machine = rustix::system::sysinfo();
    let machine = machine.totalram.saturating_mul(u64::from(machine.mem_unit));
    let memory = limits.memory_bytes.map_or(machine, |limit| limit.min(machine));
    for entry in entries {
        if let Entry::Tmpfs { target, size, .. } = entry
            && let Some((_, part, _reason)) = IN_MEMORY.iter().find(|(path, ..)| target == Path::new(path))
        {
            *size = Some((memory / part).min(limits.disk_bytes.unwrap_or(u64::MAX)));
        }
    }
}

/// The sandbox's own cgroup, read-only, where libuv, the JVM and others look for the limits that they are under. One
/// without limits would tell them nothing.
pub(super) fn cgroups(native: &NativeRecord) -> Vec<Entry> {
    let mut entries = Vec::new();
    for LimitCgroup { controller, hierarchy, .. } in &native.limit_cgroups {
        let target = PathBuf::from(CGROUPS).join(controller.name());
        entries.push(Entry::Cgroup { target, controller: Some(hierarchy.clone()) });
    }
    if entries.is_empty() && limits::is_unified(native) {
        entries.push(Entry::Cgroup { target: CGROUPS.into(), controller: None });
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sized(limits: &Limits) -> Vec<(String, Option<u64>)> {
        let tmpfs = |target: &str| Entry::Tmpfs { target: target.into(), mode: 0o755, size: None };
        let mut entries = ["/tmp", "/run", "/dev/shm", "/other"].map(tmpfs);
        size_in_memory(&mut entries, limits);
        let size = |entry: Entry| match entry {
            Entry::Tmpfs { target, size, .. } => (target.display().to_string(), size),
            _ => unreachable!(),
        };
        entries.into_iter().map(size).collect()
    }

    #[test]
    fn what_is_kept_in_memory_leaves_room_for_what_runs() {
        let limits = Limits { memory_bytes: Some(64 << 20), ..Limits::default() };
        let sizes = [("/tmp", Some(32 << 20)), ("/run", Some(8 << 20)), ("/dev/shm", Some(16 << 20)), ("/other", None)];
        assert_eq!(sized(&limits), sizes.map(|(path, size)| (path.to_owned(), size)));
        assert!(sized(&Limits::default())[..3].iter().all(|(_, size)| size.is_some_and(|size| size > 1 << 20)));
    }

    #[test]
    fn a_limit_on_disk_space_is_one_on_each_of_them() {
        let limits = Limits { disk_bytes: Some(1 << 20), ..Limits::default() };
        assert!(sized(&limits)[..3].iter().all(|(_, size)| *size == Some(1 << 20)));
    }
}

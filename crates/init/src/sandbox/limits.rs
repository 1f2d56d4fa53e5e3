//! What a sandbox may use up, as far as the kernel counts it for a process: processes, CPUs.

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::CpuSet;

use crate::kernel;

/// Whether the kernel counts processes for each user namespace. Before Linux 5.14 it counts those of a user everywhere,
/// so that a sandbox's limit would be used up by its caller.
pub(super) fn processes_are_counted() -> bool {
    kernel::is_at_least(5, 14)
}

/// Limits the processes and threads, for good.
///
/// A user namespace made after that has the limit as a whole, whatever the ids inside; the processes of its maker's id
/// elsewhere count, too. Set inside a namespace, it holds for the current id there.
pub(super) fn limit_processes(count: u64) -> Result<(), Errno> {
    let allowed = getrlimit(Resource::Nproc).maximum.unwrap_or(u64::MAX);
    let count = Some(count.min(allowed)).filter(|&count| count != u64::MAX);
    setrlimit(Resource::Nproc, Rlimit { current: count, maximum: count })
}

/// Gives up what a caller may have been allowed: to go before all others.
pub(super) fn renounce_priorities() -> Result<(), Errno> {
    for resource in [Resource::Nice, Resource::Rtprio] {
        setrlimit(resource, Rlimit { current: Some(0), maximum: Some(0) })?;
    }
    Ok(())
}

/// Runs on these CPUs only, and all that is started from here.
pub(super) fn keep_to_cpus(cpus: &[u32]) -> Result<(), Errno> {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        let cpu = usize::try_from(cpu).ok().filter(|&cpu| cpu < CpuSet::MAX_CPU).ok_or(Errno::INVAL)?;
        set.set(cpu);
    }
    rustix::thread::sched_setaffinity(None, &set)
}

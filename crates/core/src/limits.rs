//! Resource limits: what may be asked for, and what stands behind each.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Below this not even a shell starts reliably.
const MIN_MEMORY: u64 = 16 << 20;

/// The kernel hands out processor time in slices; below this a command stands still for seconds.
const MIN_CPUS: f64 = 0.05;

/// A command with a pipe or two, beside the sandbox's own init.
const MIN_PIDS: u64 = 8;

/// The kernel counts processes in a signed number of 32 bits.
const MAX_PIDS: u64 = i32::MAX as u64;

/// A file system smaller than this is mostly its own bookkeeping.
const MIN_DISK: u64 = 32 << 20;

/// Resource limits of a sandbox; what is absent is not limited.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Limits {
    /// Memory of all processes together, with what they keep in `/tmp`, `/run` and `/dev/shm`, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// CPUs, also fractions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    /// Number of processes and threads; 4,096 if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u64>,
    /// Private disk space (the home and the changes to system directories together), in bytes. `/tmp`, `/run` and
    /// `/dev/shm` may each hold as much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<u64>,
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// These limits with those that are given; what is left out stays.
    pub(crate) fn updated(&self, given: &Self) -> Self {
        Self {
            memory_bytes: given.memory_bytes.or(self.memory_bytes),
            cpus: given.cpus.or(self.cpus),
            pids: given.pids.or(self.pids),
            disk_bytes: given.disk_bytes.or(self.disk_bytes),
        }
    }

    /// Refuses values under which no command could run, on whatever machine.
    pub(crate) fn check(&self) -> Result<()> {
        let too_low = |field: &str, value: String, least: &str| {
            Error::invalid(field, value, &format!("is below {least}, with which no command could run"))
                .with_hint(format!("give at least {least}, or leave the limit out"))
        };
        if let Some(bytes) = self.memory_bytes.filter(|bytes| *bytes < MIN_MEMORY) {
            return Err(too_low("limits.memoryBytes", bytes.to_string(), "16 MiB (16777216)"));
        }
        // Written so that NaN, which is neither above nor below anything, is refused.
        if let Some(cpus) = self.cpus.filter(|cpus| !(cpus.is_finite() && *cpus >= MIN_CPUS)) {
            return Err(too_low("limits.cpus", cpus.to_string(), "0.05"));
        }
        if let Some(pids) = self.pids.filter(|pids| *pids < MIN_PIDS) {
            return Err(too_low("limits.pids", pids.to_string(), "8"));
        }
        if let Some(pids) = self.pids.filter(|pids| *pids > MAX_PIDS) {
            return Err(Error::invalid("limits.pids", pids, "is more than the kernel counts")
                .with_hint("leave the limit out for 4,096, or give what the work needs"));
        }
        if let Some(bytes) = self.disk_bytes.filter(|bytes| *bytes < MIN_DISK) {
            return Err(too_low("limits.diskBytes", bytes.to_string(), "32 MiB (33554432)"));
        }
        Ok(())
    }
}

/// By what each limit of a sandbox is enforced; what is not limited has nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LimitedBy {
    /// Memory.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub memory: Vec<LimitMeans>,
    /// CPUs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cpus: Vec<LimitMeans>,
    /// Processes and threads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pids: Vec<LimitMeans>,
    /// Private disk space.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disk: Vec<LimitMeans>,
}

/// A mechanism of the kernel that enforces a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum LimitMeans {
    /// A cgroup of version 2.
    CgroupV2,
    /// A cgroup of version 1.
    CgroupV1,
    /// The processors that commands may run on, which they cannot change.
    Affinity,
    /// `RLIMIT_NPROC`, counted for the sandbox alone.
    Rlimit,
    /// A file system of that size, in a file.
    Image,
    /// The size of a file system in memory.
    Tmpfs,
}

impl LimitMeans {
    /// Its name as people read it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CgroupV2 => "cgroup 2",
            Self::CgroupV1 => "cgroup 1",
            Self::Affinity => "affinity",
            Self::Rlimit => "rlimit",
            Self::Image => "disk image",
            Self::Tmpfs => "tmpfs",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn values_that_no_command_could_run_with_are_refused_by_name() {
        let limits = Limits::default;
        let refused = [
            ("limits.memoryBytes", Limits { memory_bytes: Some(0), ..limits() }),
            ("limits.memoryBytes", Limits { memory_bytes: Some(MIN_MEMORY - 1), ..limits() }),
            ("limits.cpus", Limits { cpus: Some(0.0), ..limits() }),
            ("limits.cpus", Limits { cpus: Some(-1.0), ..limits() }),
            ("limits.cpus", Limits { cpus: Some(f64::NAN), ..limits() }),
            ("limits.cpus", Limits { cpus: Some(f64::INFINITY), ..limits() }),
            ("limits.pids", Limits { pids: Some(0), ..limits() }),
            ("limits.pids", Limits { pids: Some(1 << 31), ..limits() }),
            ("limits.diskBytes", Limits { disk_bytes: Some(0), ..limits() }),
        ];
        for (field, limits) in refused {
            let error = limits.check().unwrap_err();
            assert_eq!(error.code(), ErrorCode::InvalidArgument, "{limits:?}");
            assert!(error.message().starts_with(&format!("{field}: ")) && error.hint().is_some(), "{limits:?}");
        }
        let least = Limits {
            memory_bytes: Some(MIN_MEMORY),
            cpus: Some(MIN_CPUS),
            pids: Some(MIN_PIDS),
            disk_bytes: Some(MIN_DISK),
        };
        least.check().unwrap();
        limits().check().unwrap();
    }

    #[test]
    fn limits_that_are_left_out_stay() {
        let had = Limits { memory_bytes: Some(1), cpus: Some(2.0), ..Limits::default() };
        let given = Limits { cpus: Some(1.0), pids: Some(9), ..Limits::default() };
        let now = had.updated(&given);
        assert_eq!(now, Limits { memory_bytes: Some(1), cpus: Some(1.0), pids: Some(9), disk_bytes: None });
    }
}

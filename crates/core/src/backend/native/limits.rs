//! Resource limits: which of them can be had here, and how each is put into force.
//!
//! ```text
//! memory   cgroup (version 2, or as root version 1)
//! cpus     cgroup quota where there is one, and the whole CPUs that it comes to by affinity, so that `nproc` tells it
//! pids     RLIMIT_NPROC, which Linux counts for each user namespace from 5.14; a cgroup of version 2 as well
//! disk     as root: a file system in a file (disk.rs); and the size of what is kept in memory
//! ```
//!
//! What was asked for and cannot be had is refused; nothing is limited by half. `RLIMIT_AS` is not used for memory: it
//! counts what programs reserve, and JavaScript and wasm engines reserve far more than they use.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use loopbox_init::sandbox::{Cgroup, CgroupVersion};
use serde::{Deserialize, Serialize};

use super::cgroup::{self, Controllers, Hierarchies, Hierarchy};
use super::{cpus, disk};
use crate::capabilities::LimitCapabilities;
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{LimitMeans, LimitedBy, Limits};
use crate::name::SandboxName;
use crate::record::NativeRecord;

/// What an ordinary user does to get a cgroup with controllers.
pub(super) const DELEGATE: &str = "start loopbox where systemd has delegated cgroups: `systemd-run --user --scope -p Delegate=yes COMMAND`, or as root";

/// The length in microseconds over which a CPU quota holds, the kernel's default.
const PERIOD_US: f64 = 100_000.0;

/// A cgroup of version 1 that holds a limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LimitCgroup {
    pub(crate) controller: Controller,
    /// All controllers of its hierarchy, as they are named when it is mounted.
    pub(crate) hierarchy: String,
    pub(crate) dir: PathBuf,
}

/// A controller of version 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Controller {
    Memory,
    Cpu,
}

impl Controller {
    /// Its name, which is also where it is mounted below `/sys/fs/cgroup`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
        }
    }
}

/// Which limits can be set here.
pub(super) fn capabilities(found: &Hierarchies, privileged: bool) -> LimitCapabilities {
    LimitCapabilities {
        memory: found.unified.memory || found.memory.is_some(),
        cpus: true,
        cpu_fractions: found.unified.cpu || found.cpu.is_some(),
        pids: found.unified.pids || counts_processes(),
        disk: privileged && disk::missing().is_none(),
    }
}

/// What [`plan`] chooses.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Cgroups of version 1 to make.
    pub(super) cgroups: Vec<LimitCgroup>,
    /// CPUs to keep to.
    pub(super) cpus: Vec<u32>,
}

/// Chooses what puts the limits into force, for the sandbox whose cgroups are called `cgroup` and whose id is `id`.
/// What cannot be had is refused.
pub(super) fn plan(
    limits: &Limits,
    found: &Hierarchies,
    privileged: bool,
    (cgroup, id): (&str, &str),
    state: &Path,
) -> Result<Plan> {
    let can = capabilities(found, privileged);
    let mut plan = Plan::default();
    let version_1 = |controller, hierarchy: &Option<Hierarchy>| {
        hierarchy.as_ref().map(|Hierarchy { dir, controllers }| LimitCgroup {
            controller,
            hierarchy: controllers.clone(),
            dir: dir.join(cgroup),
        })
    };
    if limits.memory_bytes.is_some() {
        if !can.memory {
            return Err(Error::unsupported("limits.memoryBytes: there is no cgroup to set it on").with_hint(DELEGATE));
        }
        plan.cgroups.extend(version_1(Controller::Memory, &found.memory).filter(|_| !found.unified.memory));
    }
    if let Some(limit) = limits.cpus {
        let allowed = cpus::allowed()?;
        let whole = cpus::whole(limit.min(1e6));
        if whole > allowed.len() {
            let why = format!("is more than the {} CPUs that there are", allowed.len());
            return Err(Error::invalid("limits.cpus", limit, &why).with_hint("leave the limit out to use all of them"));
        }
        if limit.fract() != 0.0 && !can.cpu_fractions {
            let what = format!("limits.cpus: {limit}: without a cgroup only whole CPUs can be limited");
            return Err(Error::unsupported(what).with_hint(format!("give a whole number, or {DELEGATE}")));
        }
        plan.cgroups.extend(version_1(Controller::Cpu, &found.cpu).filter(|_| !found.unified.cpu));
        plan.cpus = cpus::choose(whole, &allowed, state, id)?;
    }
    if limits.pids.is_some() && !can.pids {
        return Err(Error::unsupported("limits.pids: Linux counts the processes of a sandbox from 5.14 on")
            .with_hint("leave the limit out, or update the kernel"));
    }
    if limits.disk_bytes.is_some() {
        if !privileged {
            let why =
                "limits.diskBytes: nothing enforces it for an ordinary user: file systems in files are mounted by root";
            return Err(Error::unsupported(why).with_hint(
                "leave the limit out and keep the state directory on a file system of its own or under a quota, or run loopbox as root",
            ));
        }
        if let Some(error) = disk::missing() {
            return Err(error);
        }
    }
    Ok(plan)
}

/// Makes the cgroups of version 1, and puts the limits into force. The sandbox's own cgroup exists.
pub(super) fn enforce(limits: &Limits, native: &NativeRecord) -> Result<()> {
    for group in &native.limit_cgroups {
        // They stay root's: what is inside joins them and has no say in them.
        fs::create_dir_all(&group.dir)
            .map_err(|error| Error::io(format!("making cgroup {}", group.dir.display()), error))?;
    }
    let unified = unified(native);
    let own = |wanted: bool, controller| wanted && of_version_1(native, controller).is_none() && unified.is_some();
    let wanted = Controllers {
        memory: own(limits.memory_bytes.is_some(), Controller::Memory),
        cpu: own(limits.cpus.is_some(), Controller::Cpu) && has(native, "cpu"),
        pids: limits.pids.is_some() && has(native, "pids"),
    };
    if let Some(dir) = unified {
        cgroup::enable(dir, wanted)?;
    }
    let files = files(limits, native, wanted);
    files.iter().try_for_each(Setting::write)
}

/// A file of a cgroup and what is to be in it.
#[derive(Debug, PartialEq, Eq)]
struct Setting {
    file: PathBuf,
    value: String,
    /// Whether a kernel without it is fine: what counts swap is a choice of who boots the machine.
    optional: bool,
}

impl Setting {
    fn write(&self) -> Result<()> {
        match fs::write(&self.file, &self.value) {
            Err(error) if self.optional && is_absent(&error) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                // Version 1 does not go below what is in use; version 2 does, and kills.
                Err(Error::invalid("limits.memoryBytes", &self.value, "is less than what the sandbox uses now")
                    .with_hint("end what uses it, remove files from /tmp, /run and /dev/shm, or give more"))
            }
            Err(error) => Err(Error::io(format!("writing '{}' to {}", self.value, self.file.display()), error)),
            Ok(()) => Ok(()),
        }
    }
}

/// A file that is not there cannot be made in a cgroup.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied)
}

/// What is to be written where, in this order.
fn files(limits: &Limits, native: &NativeRecord, of_unified: Controllers) -> Vec<Setting> {
    let mut settings = Vec::new();
    let mut set = |dir: &Path, file: &str, value: String, optional| {
        settings.push(Setting { file: dir.join(file), value, optional });
    };
    if let Some(bytes) = limits.memory_bytes {
        if let Some(dir) = of_version_1(native, Controller::Memory) {
            // With swap it may not be lower than without: it is lifted first, and set last.
            set(dir, "memory.memsw.limit_in_bytes", "-1".into(), true);
            set(dir, "memory.limit_in_bytes", bytes.to_string(), false);
            set(dir, "memory.memsw.limit_in_bytes", bytes.to_string(), true);
        } else if let Some(dir) = unified(native).filter(|_| of_unified.memory) {
            set(dir, "memory.swap.max", "0".into(), true);
            set(dir, "memory.max", bytes.to_string(), false);
        }
    }
    if let Some(cpus) = limits.cpus {
        let quota = format!("{:.0}", cpus * PERIOD_US);
        let period = format!("{PERIOD_US:.0}");
        if let Some(dir) = of_version_1(native, Controller::Cpu) {
            set(dir, "cpu.cfs_period_us", period, false);
            set(dir, "cpu.cfs_quota_us", quota, false);
        } else if let Some(dir) = unified(native).filter(|_| of_unified.cpu) {
            set(dir, "cpu.max", format!("{quota} {period}"), false);
        }
    }
    if let (Some(pids), Some(dir)) = (limits.pids, unified(native).filter(|_| of_unified.pids)) {
        set(dir, "pids.max", pids.to_string(), false);
    }
    settings
}

/// Whether other limits can be put into force without a restart; if not, the error names the first that cannot.
pub(super) fn check_change(
    name: &SandboxName,
    native: &NativeRecord,
    from: &Limits,
    to: &Limits,
    running: bool,
) -> Result<()> {
    let refuse = |field: &str, why: &str, remedy: String| {
        let what = format!("a sandbox named '{name}' exists and differs in {field}: {why}");
        Err(Error::new(ErrorCode::SandboxExists, what).with_hint(remedy))
    };
    if from.disk_bytes != to.disk_bytes {
        let remedy = format!("remove it first (`loopbox rm {name}`), or choose another name");
        return refuse("limits.diskBytes", "the size of its disk was chosen when it was made", remedy);
    }
    if !running {
        return Ok(());
    }
    let stop = || format!("`loopbox stop {name}` first: the next start takes it");
    if from.pids != to.pids {
        return refuse("limits.pids", "the number of processes cannot be changed while they run", stop());
    }
    let memory_here = of_version_1(native, Controller::Memory).is_some() || has(native, "memory");
    if from.memory_bytes != to.memory_bytes && !memory_here {
        return refuse("limits.memoryBytes", "it runs in no cgroup that could hold it", stop());
    }
    if let Some(cpus) = to.cpus.filter(|_| from.cpus != to.cpus) {
        let quota = of_version_1(native, Controller::Cpu).is_some() || has(native, "cpu");
        let enough = native.cpus.is_empty() || cpus::whole(cpus) <= native.cpus.len();
        if !quota || !enough {
            return refuse("limits.cpus", "it is kept to certain CPUs while it runs", stop());
        }
    }
    Ok(())
}

/// By what the limits are enforced.
pub(super) fn means(limits: &Limits, native: &NativeRecord) -> LimitedBy {
    let cgroup = |controller, name| {
        if of_version_1(native, controller).is_some() {
            Some(LimitMeans::CgroupV1)
        } else {
            has(native, name).then_some(LimitMeans::CgroupV2)
        }
    };
    let mut by = LimitedBy::default();
    if limits.memory_bytes.is_some() {
        by.memory.extend(cgroup(Controller::Memory, "memory"));
    }
    if limits.cpus.is_some() {
        by.cpus.extend(cgroup(Controller::Cpu, "cpu"));
        by.cpus.extend((!native.cpus.is_empty()).then_some(LimitMeans::Affinity));
    }
    by.pids.extend(counts_processes().then_some(LimitMeans::Rlimit));
    by.pids.extend((limits.pids.is_some() && has(native, "pids")).then_some(LimitMeans::CgroupV2));
    if limits.disk_bytes.is_some() {
        by.disk = vec![LimitMeans::Image, LimitMeans::Tmpfs];
    }
    by
}

/// Where the kernel tells how many processes it killed because the limit on memory was reached.
pub(super) fn memory_events(limits: &Limits, native: &NativeRecord) -> Option<PathBuf> {
    limits.memory_bytes?;
    match of_version_1(native, Controller::Memory) {
        Some(dir) => Some(dir.join("memory.oom_control")),
        None => unified(native).map(|dir| dir.join("memory.events")),
    }
}

/// Whether memory that is swapped out escapes the limit on a sandbox that runs.
pub(super) fn swaps(limits: &Limits, native: &NativeRecord) -> bool {
    let counted = match (of_version_1(native, Controller::Memory), unified(native)) {
        (Some(dir), _) => dir.join("memory.memsw.limit_in_bytes"),
        (None, Some(dir)) => dir.join("memory.swap.max"),
        (None, None) => return false,
    };
    limits.memory_bytes.is_some() && counted.parent().is_some_and(Path::exists) && !counted.exists()
}

fn of_version_1(native: &NativeRecord, controller: Controller) -> Option<&Path> {
    native.limit_cgroups.iter().find(|group| group.controller == controller).map(|group| group.dir.as_path())
}

fn unified(native: &NativeRecord) -> Option<&Path> {
    let is_unified = |cgroup: &&Cgroup| cgroup.version == CgroupVersion::V2;
    native.cgroup.as_ref().filter(is_unified).map(|cgroup| cgroup.dir.as_path())
}

/// Whether the sandbox's own cgroup is in a unified hierarchy that limits something.
pub(super) fn is_unified(native: &NativeRecord) -> bool {
    ["memory", "cpu", "pids"].iter().any(|controller| has(native, controller))
}

/// Whether the sandbox's own cgroup is in a hierarchy with that controller: it is told by the one two levels up, which
/// is there also while the sandbox does not run.
fn has(native: &NativeRecord, controller: &str) -> bool {
    let top = unified(native).and_then(|dir| dir.ancestors().nth(2));
    let names = top.and_then(|top| fs::read_to_string(top.join("cgroup.controllers")).ok()).unwrap_or_default();
    names.split_whitespace().any(|name| name == controller)
}

/// Whether `RLIMIT_NPROC` counts the processes of each user namespace apart.
fn counts_processes() -> bool {
    let uname = rustix::system::uname();
    let release = uname.release().to_string_lossy();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0_u32));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)) >= (5, 14)
}

#[cfg(test)]
mod tests {
    use loopbox_init::sandbox::IdMap;

    use super::*;

    /// Hierarchies as plain files, as far as they are read and written here.
    struct Machine {
        top: tempfile::TempDir,
    }

    impl Machine {
        fn new(controllers: &str) -> Self {
            let machine = Self { top: tempfile::tempdir().unwrap() };
            for dir in ["unified", "unified/loopbox", "unified/loopbox/s-1", "memory/loopbox", "cpu/loopbox"] {
                fs::create_dir_all(machine.path(dir)).unwrap();
            }
            fs::write(machine.path("unified/cgroup.controllers"), controllers).unwrap();
            machine
        }

        fn path(&self, below: &str) -> PathBuf {
            self.top.path().join(below)
        }

        fn read(&self, file: &str) -> String {
            fs::read_to_string(self.path(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
        }

        fn unified(&self) -> Hierarchies {
            let tree = Some(Cgroup { dir: self.path("unified/loopbox"), version: CgroupVersion::V2 });
            let unified = Controllers { memory: true, cpu: true, pids: true };
            Hierarchies { tree, unified, ..Hierarchies::default() }
        }

        fn hybrid(&self) -> Hierarchies {
            let hierarchy = |name: &str, controllers: &str| {
                Some(Hierarchy { dir: self.path(name).join("loopbox"), controllers: controllers.into() })
            };
            let (memory, cpu) = (hierarchy("memory", "memory"), hierarchy("cpu", "cpu,cpuacct"));
            Hierarchies { unified: Controllers::default(), memory, cpu, ..self.unified() }
        }

        fn plan(&self, limits: &Limits, found: &Hierarchies) -> Result<NativeRecord> {
            let plan = plan(limits, found, true, ("s-1", "1"), self.top.path())?;
            Ok(NativeRecord {
                ids: IdMap::Single { uid: 1, gid: 1 },
                cgroup: found.tree.as_ref().map(|tree| Cgroup { dir: tree.dir.join("s-1"), version: tree.version }),
                limit_cgroups: plan.cgroups,
                cpus: plan.cpus,
                git: None,
            })
        }
    }

    fn half() -> Limits {
        Limits { memory_bytes: Some(64 << 20), cpus: Some(0.5), pids: Some(100), ..Limits::default() }
    }

    fn name() -> SandboxName {
        SandboxName::parse("box").unwrap()
    }

    #[test]
    fn the_unified_hierarchy_takes_every_limit() {
        let machine = Machine::new("cpu memory pids\n");
        let native = machine.plan(&half(), &machine.unified()).unwrap();
        assert_eq!(native.limit_cgroups, []);
        enforce(&half(), &native).unwrap();
        let own = |file: &str| machine.read(&format!("unified/loopbox/s-1/{file}"));
        assert_eq!(own("memory.max"), "67108864");
        assert_eq!(own("memory.swap.max"), "0");
        assert_eq!(own("cpu.max"), "50000 100000");
        assert_eq!(own("pids.max"), "100");
        assert_eq!(machine.read("unified/loopbox/cgroup.subtree_control"), "+memory +cpu +pids");
        let by = means(&half(), &native);
        assert_eq!(by.memory, [LimitMeans::CgroupV2]);
        assert_eq!(by.cpus.first(), Some(&LimitMeans::CgroupV2));
        let events = memory_events(&half(), &native).unwrap();
        assert!(events.ends_with("unified/loopbox/s-1/memory.events"));
    }

    #[test]
    fn a_hybrid_machine_takes_them_in_groups_of_their_own_which_the_plan_names() {
        let machine = Machine::new("\n");
        let native = machine.plan(&half(), &machine.hybrid()).unwrap();
        let dirs: Vec<_> = native.limit_cgroups.iter().map(|group| group.dir.clone()).collect();
        assert_eq!(dirs, [machine.path("memory/loopbox/s-1"), machine.path("cpu/loopbox/s-1")]);
        assert!(dirs.iter().all(|dir| !dir.exists()));
        enforce(&half(), &native).unwrap();
        assert_eq!(machine.read("memory/loopbox/s-1/memory.limit_in_bytes"), "67108864");
        assert_eq!(machine.read("memory/loopbox/s-1/memory.memsw.limit_in_bytes"), "67108864");
        assert_eq!(machine.read("cpu/loopbox/s-1/cpu.cfs_quota_us"), "50000");
        assert!(!machine.path("unified/loopbox/s-1/memory.max").exists());
        assert_eq!(means(&half(), &native).memory, [LimitMeans::CgroupV1]);
        assert!(memory_events(&half(), &native).unwrap().ends_with("memory/loopbox/s-1/memory.oom_control"));
        assert_eq!(memory_events(&Limits::default(), &native), None);
    }

    #[test]
    fn what_cannot_be_had_is_refused_with_what_to_do() {
        let machine = Machine::new("");
        let refused = |limits: Limits| machine.plan(&limits, &Hierarchies::default()).unwrap_err();
        let error = refused(Limits { memory_bytes: Some(64 << 20), ..Limits::default() });
        assert_eq!(error.code(), ErrorCode::Unsupported);
        assert!(error.hint().unwrap().contains("systemd-run --user --scope -p Delegate=yes"));
        let error = refused(Limits { cpus: Some(0.5), ..Limits::default() });
        assert_eq!(error.code(), ErrorCode::Unsupported);
        assert!(error.hint().unwrap().starts_with("give a whole number"));
        let error = refused(Limits { cpus: Some(1e9), ..Limits::default() });
        assert_eq!(error.code(), ErrorCode::InvalidArgument);
        let whole = machine.plan(&Limits { cpus: Some(1.0), ..Limits::default() }, &Hierarchies::default()).unwrap();
        assert_eq!(whole.limit_cgroups, []);
        let disk = Limits { disk_bytes: Some(1 << 30), ..Limits::default() };
        let error = plan(&disk, &Hierarchies::default(), false, ("s-1", "1"), machine.top.path()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported);
    }

    #[test]
    fn a_sandbox_that_runs_takes_what_its_cgroup_can_hold() {
        let machine = Machine::new("cpu memory pids\n");
        let native = machine.plan(&Limits::default(), &machine.unified()).unwrap();
        let check = |to: &Limits, running| check_change(&name(), &native, &Limits::default(), to, running);
        check(&Limits { memory_bytes: Some(1 << 30), cpus: Some(0.5), ..Limits::default() }, true).unwrap();
        let pids = Limits { pids: Some(9), ..Limits::default() };
        let error = check(&pids, true).unwrap_err();
        assert_eq!(error.code(), ErrorCode::SandboxExists);
        assert!(error.message().contains("limits.pids") && error.hint().unwrap().contains("loopbox stop box"));
        check(&pids, false).unwrap();
        let error = check(&Limits { disk_bytes: Some(1 << 30), ..Limits::default() }, false).unwrap_err();
        assert!(error.message().contains("limits.diskBytes") && error.hint().unwrap().contains("loopbox rm box"));
    }

    #[test]
    fn a_sandbox_that_runs_outside_of_a_cgroup_is_to_be_stopped_first() {
        let machine = Machine::new("\n");
        let one = Limits { cpus: Some(1.0), ..Limits::default() };
        let native = NativeRecord { cpus: vec![0], ..machine.plan(&one, &machine.hybrid()).unwrap() };
        let check = |to: &Limits| check_change(&name(), &native, &one, to, true);
        let error = check(&Limits { memory_bytes: Some(1 << 30), ..one.clone() }).unwrap_err();
        assert!(error.message().contains("limits.memoryBytes"));
        check(&Limits { cpus: Some(0.5), ..one.clone() }).unwrap();
        let error = check(&Limits { cpus: Some(2.0), ..one.clone() }).unwrap_err();
        assert!(error.message().contains("limits.cpus") && error.hint().unwrap().contains("loopbox stop"));
    }

    #[test]
    fn swap_that_is_not_counted_is_known() {
        let machine = Machine::new("\n");
        let native = machine.plan(&half(), &machine.hybrid()).unwrap();
        assert!(!swaps(&half(), &native));
        fs::create_dir_all(machine.path("memory/loopbox/s-1")).unwrap();
        assert!(swaps(&half(), &native));
        enforce(&half(), &native).unwrap();
        assert!(!swaps(&half(), &native));
    }
}

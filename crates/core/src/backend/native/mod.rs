//! The native backend: Linux namespaces, no daemon, no image.
//!
//! `start` runs the helper executable as a supervisor, detached from its caller; the supervisor makes the namespaces
//! and starts loopbox-init in them as PID 1. `exec` connects to init's socket and passes pipes. Nothing of it needs the
//! process that made the sandbox.

mod accounts;
mod cgroup;
mod cpus;
mod disk;
mod env;
mod etc;
mod exec;
pub(crate) mod git;
mod ground;
mod ids;
mod launch;
mod layout;
mod limits;
mod once;
mod packages;
mod seen;
mod stubs;

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use async_trait::async_trait;
use loopbox_egress::NetworkPolicy;
use loopbox_init::sandbox::{Cgroup, CgroupVersion, Confinement, IdMap, SandboxSpec};

pub(crate) use launch::{Answer, Instructions, helper as find_helper};
pub(crate) use limits::LimitCgroup;

use cgroup::Hierarchies;
use ground::Ground;

use super::{Backend, StartContext};
use crate::agent::AgentProfile;
use crate::capabilities::{Capabilities, Isolation, TreeKill};
use crate::config::Config;
use crate::error::{Error, ErrorCode, Result};
use crate::exec::{Exec, ExecRequest};
use crate::fs::{Lock, make_private_dir, random_hex};
use crate::guard;
use crate::in_use::InUse;
use crate::limits::{LimitedBy, Limits};
use crate::options::Settings;
use crate::processes::{kill, wait};
use crate::record::{NativeRecord, Record};
use crate::registry::SandboxDir;
use crate::supervisor::control;

/// A process that was sent SIGKILL and lives on after this is stuck in the kernel.
const DEAD_WITHIN: Duration = Duration::from_secs(10);

/// Processes and threads of a sandbox that was not given a limit: more than any build needs, fewer than hurt the machine.
const DEFAULT_PROCESSES: u64 = 4096;

/// Namespaces made by this process's helper.
#[derive(Debug)]
pub(crate) struct Native {
    state: PathBuf,
    hierarchies: OnceLock<Hierarchies>,
    privileged: bool,
    digest_checked: OnceLock<()>,
}

/// Where a sandbox's processes are put.
struct Placement {
    cgroup: Option<Cgroup>,
    limit_cgroups: Vec<LimitCgroup>,
    cpus: Vec<u32>,
}

impl Native {
    pub(crate) fn new(state: PathBuf) -> Self {
        let privileged = rustix::process::geteuid().is_root();
        Self { state, hierarchies: OnceLock::new(), privileged, digest_checked: OnceLock::new() }
    }

    /// What sandboxes of this state directory have claimed outside of it or of their own directories.
    pub(crate) fn claims(&self) -> Claims {
        let mut cgroups = Vec::new();
        let found = self.hierarchies();
        let tree = found.tree.as_ref().map(|tree| &tree.dir);
        let limits = [&found.memory, &found.cpu].into_iter().flatten().map(|hierarchy| &hierarchy.dir);
        for parent in tree.into_iter().chain(limits) {
            for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
                let id = entry.file_name().to_string_lossy().into_owned();
                // Cgroups of other state directories are not ours; ours are named `STATE-ID`.
                if let Some(owner) = id.strip_prefix(&self.cgroup_prefix()) {
                    cgroups.push((entry.path(), owner.to_owned()));
                }
            }
        }
        Claims { ids: ids::claimed(&self.state), cgroups }
    }

    /// Ends what runs of a sandbox that has no readable record.
    pub(crate) fn stop_unrecorded(dir: &SandboxDir) -> Result<()> {
        end_processes(dir)
    }

    /// What of this machine's cgroups can be used.
    fn hierarchies(&self) -> &Hierarchies {
        self.hierarchies.get_or_init(Hierarchies::find)
    }

    /// The cgroups and CPUs of the sandbox for this caller: an ordinary user's depend on where he is.
    fn place(&self, record: &Record) -> Result<Placement> {
        let found = self.hierarchies();
        let name = format!("{}{}", self.cgroup_prefix(), record.id);
        let limits = &record.settings.limits;
        let plan = limits::plan(limits, found, self.privileged, (&name, &record.id), &self.state)?;
        let cgroup = found.tree.as_ref().map(|tree| Cgroup { dir: tree.dir.join(&name), version: tree.version });
        Ok(Placement { cgroup, limit_cgroups: plan.cgroups, cpus: plan.cpus })
    }

    fn cgroup_prefix(&self) -> String {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(self.state.as_os_str().as_encoded_bytes());
        format!("{}-", crate::fs::to_hex(&digest[..4]))
    }

    fn helper(&self, config: &Config) -> Result<PathBuf> {
        let helper = launch::helper(config)?;
        if let Some(expected) = &config.helper_sha256
            && self.digest_checked.get().is_none()
        {
            launch::check_digest(&helper, expected)?;
            let _already = self.digest_checked.set(());
        }
        Ok(helper)
    }
}

/// Claims and their owners, the ids of sandboxes.
#[derive(Debug)]
pub(crate) struct Claims {
    ids: Vec<(PathBuf, String)>,
    cgroups: Vec<(PathBuf, String)>,
}

impl Claims {
    /// Gives back those whose owners are gone.
    pub(crate) fn release_orphans(&self, lives: impl Fn(&str) -> bool) {
        for (path, _) in self.ids.iter().filter(|(_, owner)| !lives(owner)) {
            let _absent = fs::remove_file(path);
        }
        for (cgroup, _) in self.cgroups.iter().filter(|(_, owner)| !lives(owner)) {
            // Empty once all is dead.
            let _busy = cgroup::remove(cgroup, Duration::ZERO);
        }
    }
}

#[async_trait]
impl Backend for Native {
    fn capabilities(&self) -> Capabilities {
        let tree_kill = match self.hierarchies().tree.as_ref().map(|tree| tree.version) {
            Some(CgroupVersion::V2) => TreeKill::CgroupV2,
            Some(CgroupVersion::FreezerV1) => TreeKill::FreezerV1,
            None => TreeKill::SubReaper,
        };
        Capabilities {
            isolation: Isolation::Namespaces,
            tree_kill,
            egress: true,
            stop_start: true,
            tty: true,
            root_user: self.privileged,
            detach: true,
            limits: limits::capabilities(self.hierarchies(), self.privileged),
            live_policy: true,
        }
    }

    fn plan(&self, record: &mut Record) -> Result<()> {
        let Placement { cgroup, limit_cgroups, cpus } = self.place(record)?;
        let ids = if self.privileged {
            ids::claim(&self.state, &record.id)?
        } else {
            let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
            IdMap::Single { uid, gid }
        };
        record.native =
            Some(NativeRecord { ids, cgroup, limit_cgroups, cpus, git: git::find(&record.workspace.canonical) });
        Ok(())
    }

    fn renew(&self, record: &mut Record) -> Result<bool> {
        let placement = self.place(record)?;
        let Some(native) = &mut record.native else { return Ok(false) };
        let before = native.clone();
        native.cgroup = placement.cgroup;
        native.limit_cgroups = placement.limit_cgroups;
        native.cpus = placement.cpus;
        Ok(*native != before)
    }

    fn check_limits(&self, record: &Record, limits: &Limits, running: bool) -> Result<()> {
        limits::check_change(&record.name, native(record)?, &record.settings.limits, limits, running)?;
        let changed =
            Record { settings: Settings { limits: limits.clone(), ..record.settings.clone() }, ..record.clone() };
        self.place(&changed).map(|_| ())
    }

    fn apply_limits(&self, record: &Record) -> Result<()> {
        limits::enforce(&record.settings.limits, native(record)?)
    }

    fn limited_by(&self, record: &Record) -> LimitedBy {
        record.native.as_ref().map(|native| limits::means(&record.settings.limits, native)).unwrap_or_default()
    }

    fn swaps(&self, record: &Record) -> bool {
        record.native.as_ref().is_some_and(|native| limits::swaps(&record.settings.limits, native))
    }

    fn start(&self, context: &StartContext<'_>) -> Result<()> {
        let StartContext { dir, record, config, events } = context;
        let native = native(record)?;
        let helper = self.helper(config)?;
        let files = disk::private(dir, record);
        prepare_files(dir, &files, record, native.ids)?;
        require_layers(&files.join("layer"))?;
        let ground = layout::has_root(native.ids).then(|| Ground::of(&self.state)).transpose()?;
        let disk = disk::of(dir, record);
        if let Some((disk, bytes)) = disk.as_ref().zip(record.settings.limits.disk_bytes) {
            disk::make(disk, bytes)?;
        }
        loopbox_init::failpoint!(config, "create.files-made");
        if let Some(cgroup) = &native.cgroup {
            let owner = match native.ids {
                IdMap::Range { base, .. } => base,
                IdMap::Single { uid, .. } => uid,
            };
            cgroup::make(cgroup, owner)?;
        }
        limits::enforce(&record.settings.limits, native)?;
        loopbox_init::failpoint!(config, "create.cgroup-made");
        let mut entries = layout::entries(&files, record, native.ids, ground.as_ref());
        seen::size_in_memory(&mut entries, &record.settings.limits);
        entries.extend(seen::cgroups(native));
        git::prepare(dir, record)?;
        entries.extend(git::entries(dir, record, native.ids));
        entries.extend(guard::prepare(dir, record, native.ids, &helper)?);
        loopbox_init::failpoint!(config, "create.guarded");
        let spec = SandboxSpec {
            hostname: record.name.to_string(),
            ids: native.ids,
            entries,
            listeners: vec![env::PROXY],
            cgroup: native.cgroup.clone(),
            join: native.limit_cgroups.iter().map(|group| group.dir.clone()).collect(),
            confinement: Confinement {
                nesting: record.settings.nesting,
                processes: record.settings.limits.pids.or(Some(DEFAULT_PROCESSES)),
                cpus: native.cpus.clone(),
            },
            #[cfg(feature = "failpoints")]
            failpoint: config.failpoint.clone(),
        };
        let instructions = Instructions {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: record.name.to_string(),
            dir: dir.path().to_owned(),
            events: events.to_path_buf(),
            spec,
            token: random_hex(32)?,
            policy: record.settings.network.clone(),
            disk,
            memory_events: limits::memory_events(&record.settings.limits, native),
            env: env::base(record),
            ttl_ms: record.settings.ttl_ms,
            supervisor_id: ids::supervisor(native.ids),
        };
        let started = launch::start(&helper, dir, &instructions)?;
        loopbox_init::failpoint!(config, "create.started");
        started.commit(dir)
    }

    fn is_running(&self, dir: &SandboxDir) -> Result<bool> {
        // Nobody can use one that is not written down. While one dies, a socket is gone before the last process is.
        Ok(dir.is_alive()?
            && dir.runtime()?.is_some()
            && control::accepts(&dir.run(), "init.sock")
            && control::accepts(&dir.run(), "control.sock"))
    }

    fn stop(&self, dir: &SandboxDir, record: &Record) -> Result<()> {
        end_processes(dir)?;
        if let Some(native) = &record.native {
            let limits = native.limit_cgroups.iter().map(|group| &group.dir);
            for dir in native.cgroup.iter().map(|cgroup| &cgroup.dir).chain(limits) {
                cgroup::remove(dir, DEAD_WITHIN)?;
            }
        }
        dir.remove_runtime();
        Ok(())
    }

    fn release(&self, record: &Record) {
        ids::release(&self.state, &record.id, record.native.as_ref().map(|native| native.ids));
    }

    fn pids(&self, dir: &SandboxDir) -> Result<Vec<u32>> {
        let Some(runtime) = dir.runtime()? else { return Ok(Vec::new()) };
        if !dir.is_alive()? {
            return Ok(Vec::new());
        }
        let inside = crate::processes::tree(runtime.init.pid);
        Ok(std::iter::once(runtime.supervisor.pid).chain(inside.into_iter().map(|process| process.pid)).collect())
    }

    async fn exec(&self, dir: &SandboxDir, record: &Record, request: ExecRequest) -> Result<Exec> {
        exec::start(dir, record, request).await
    }

    async fn set_network(&self, dir: &SandboxDir, policy: &NetworkPolicy) -> Result<()> {
        control::set_network(&dir.run(), policy).await
    }

    async fn exec_detached(
        &self,
        dir: &SandboxDir,
        record: &Record,
        request: ExecRequest,
        id: &str,
        in_use: InUse,
    ) -> Result<()> {
        exec::start_detached(dir, record, request, id, in_use).await
    }
}

fn end_processes(dir: &SandboxDir) -> Result<()> {
    if let Some(runtime) = dir.runtime()? {
        // The supervisor first, so that it does not report as a death what was asked for; init follows it.
        let processes = [runtime.supervisor.open()?, runtime.init.open()?];
        for pidfd in processes.iter().flatten() {
            kill(pidfd)?;
        }
        for pidfd in processes.iter().flatten() {
            wait(pidfd, DEAD_WITHIN)?;
        }
    }
    if dir.is_alive()? {
        // A supervisor that was being started by a caller who died ends by itself as soon as it notices. One that runs
        // and is not written down, since runtime.json was damaged, is known by its socket.
        if let Some(supervisor) = control::supervisor(&dir.run()) {
            kill(&supervisor)?;
        }
        drop(Lock::acquire_within(&dir.join("launch"), DEAD_WITHIN)?);
    }
    Ok(())
}

fn native(record: &Record) -> Result<&NativeRecord> {
    record.native.as_ref().ok_or_else(|| {
        Error::new(ErrorCode::Io, format!("the record of '{}' lacks what the native backend wrote", record.name))
            .with_hint("`loopbox rm -f NAME` removes a sandbox whose record is damaged")
    })
}

/// Makes the directories that belong to the sandbox itself, owned by the ids that will use them: in `own` those of the
/// supervisor, in `dir` those that are seen inside.
fn prepare_files(own: &SandboxDir, dir: &SandboxDir, record: &Record, ids: IdMap) -> Result<()> {
    let (root, agent) = match ids {
        IdMap::Range { base, .. } => (Some(base), Some(ids.agent().0)),
        IdMap::Single { .. } => (None, None),
    };
    let supervisor = ids::supervisor(ids);
    make_private_dir(&dir.join("layer"))?;
    for path in layout::layered(ids) {
        once::make(&layout::layer(dir, &path), 0o755, root, |layer| {
            ["upper", "work"].iter().try_for_each(|part| layer.dir(part, 0o755))?;
            if layout::has_root(ids) { packages::fill_layer(&path, layer) } else { Ok(()) }
        })?;
    }
    if layout::has_root(ids) {
        once::make(&dir.join("layer").join("opt"), 0o755, root, |_| Ok(()))?;
        // For all to pass: the host's tools and the workspace may lie below the host's /root.
        once::make(&dir.join("layer").join("root"), 0o755, root, |_| Ok(()))?;
    } else {
        once::make(&dir.join("layer").join("var"), 0o755, root, |var| {
            let parts = [("lib", 0o755), ("cache", 0o755), ("log", 0o755), ("tmp", 0o1777)];
            parts.into_iter().try_for_each(|(part, mode)| var.dir(part, mode))
        })?;
    }
    make_owned(&own.run(), 0o700, supervisor)?;
    make_owned(&own.logs(), 0o700, supervisor)?;
    once::make(&dir.join("home"), 0o700, agent, |home| seed(home, record))
}

/// An overlay cannot have its layers on another one. It keeps its notes in extended attributes: where there are none it
/// can be mounted, and then fails to remove directories.
fn require_layers(layer: &Path) -> Result<()> {
    use rustix::fs::{XattrFlags, removexattr, setxattr};
    const NAME: &str = "user.loopbox";
    // From linux/magic.h.
    const OVERLAYFS_SUPER_MAGIC: i64 = 0x794c_7630;
    if rustix::fs::statfs(layer).is_ok_and(|stat| stat.f_type == OVERLAYFS_SUPER_MAGIC) {
        let what =
            format!("{} lies on an overlay, such as the root of a container, which can hold no other", layer.display());
        return Err(Error::new(ErrorCode::BackendUnavailable, what)
            .with_hint("set LOOPBOX_STATE_DIR to a directory on ext4, xfs or btrfs, such as a volume"));
    }
    setxattr(layer, NAME, b"", XattrFlags::empty()).and_then(|()| removexattr(layer, NAME)).map_err(|errno| {
        let what = format!("the file system of {} has no extended attributes, which an overlay needs", layer.display());
        Error::new(ErrorCode::BackendUnavailable, what)
            .with_source(std::io::Error::from(errno))
            .with_hint("set LOOPBOX_STATE_DIR to a directory on ext4, xfs or btrfs")
    })
}

/// Writes the files with which the agent's first-run questions are answered.
fn seed(home: &once::Filling, record: &Record) -> std::io::Result<()> {
    let Some(profile) = AgentProfile::find(record.agent.as_str()) else { return Ok(()) };
    // JSON's escapes are also those of TOML's basic strings, for everything that a path can hold.
    let quoted = serde_json::to_string(&record.workspace.canonical.to_string_lossy()).unwrap_or_default();
    for seed in profile.seeds {
        let content = seed.content.replace("{workspace}", quoted.trim_matches('"'));
        home.parents(seed.path.as_ref(), 0o700)?;
        home.file(seed.path, content.as_bytes(), 0o600)?;
    }
    Ok(())
}

fn make_owned(path: &Path, mode: u32, owner: Option<u32>) -> Result<()> {
    make_private_dir(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .and_then(|()| chown(path, owner, owner))
        .map_err(|error| Error::io(format!("preparing {}", path.display()), error))
}

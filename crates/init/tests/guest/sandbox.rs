//! Whole sandboxes to run commands in, made from a description.

use crate::client::{GuestError, GuestExec, connect_exec};
use crate::support::{Outcome, TOKEN, example};
use loopbox_init::protocol::Start;
use loopbox_init::sandbox::{Access, Confinement, Enforced, Entry, IdMap, SandboxSpec};
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// Where the hostile program is inside.
pub(crate) const PROBE: &str = "/opt/probe";

/// A sandbox of its own, which ends with this.
pub(crate) struct Sandbox {
    process: Child,
    directory: TempDir,
    /// The owner that pipes for its commands need.
    owner: Option<(u32, u32)>,
    pub(crate) enforced: Enforced,
}

impl Sandbox {
    pub(crate) fn new(confinement: &Confinement) -> Sandbox {
        Sandbox::with(confinement, |_| {})
    }

    pub(crate) fn with(confinement: &Confinement, change: impl FnOnce(&mut SandboxSpec)) -> Sandbox {
        let directory = tempfile::Builder::new().prefix("lb").tempdir().unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let home = directory.path().join("home");
        std::fs::create_dir(&home).unwrap();
        let mut spec = spec(&home, confinement);
        change(&mut spec);
        let (socket, file) = (directory.path().join("socket"), directory.path().join("spec"));
        std::fs::write(&file, serde_json::to_vec(&spec).unwrap()).unwrap();
        let mut process = Command::new(example("native_sandbox"))
            .args([&socket, &file])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let enforced = serde_json::from_str(&line).expect("a sandbox that serves");
        let owner = rustix::process::getuid().is_root().then(|| spec.ids.agent());
        Sandbox { process, directory, owner, enforced }
    }

    pub(crate) async fn start(&self, start: Start) -> Result<GuestExec, GuestError> {
        connect_exec(&self.directory.path().join("socket"), TOKEN, start, self.owner).await
    }

    pub(crate) async fn run(&self, start: Start) -> Outcome {
        Outcome::of(self.start(start).await.unwrap()).await
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}

fn spec(home: &Path, confinement: &Confinement) -> SandboxSpec {
    static SANDBOXES: AtomicU32 = AtomicU32::new(0);
    let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
    let ids = if uid.is_root() {
        let number = std::process::id() % 1000 * 16 + SANDBOXES.fetch_add(1, Ordering::Relaxed);
        IdMap::Range { base: 1_000_000_000 + number * 65_536, count: 65_536 }
    } else {
        IdMap::Single { uid: uid.as_raw(), gid: gid.as_raw() }
    };
    // Fields for fault tests have a default only here.
    serde_json::from_value(serde_json::json!({
        "hostname": "test",
        "ids": ids,
        "entries": entries(home, ids),
        "listeners": [],
        "cgroup": null,
        "confinement": confinement,
    }))
    .unwrap()
}

fn entries(home: &Path, ids: IdMap) -> Vec<Entry> {
    let bind =
        |source: &Path, target: &str, access| Entry::Bind { source: source.to_owned(), target: target.into(), access };
    let mut entries = Vec::new();
    for path in ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc"] {
        let source = PathBuf::from(path);
        if let Ok(to) = std::fs::read_link(&source) {
            entries.push(Entry::Symlink { target: source, to });
        } else if source.is_dir() {
            entries.push(bind(&source, path, Access::ReadOnly));
        }
    }
    entries.push(Entry::Tmpfs { target: "/dev".into(), mode: 0o755, size: None });
    for device in ["/dev/null", "/dev/zero", "/dev/urandom", "/dev/tty"] {
        entries.push(bind(Path::new(device), device, Access::Device));
    }
    entries.push(Entry::Devpts);
    entries.push(Entry::Symlink { target: "/dev/ptmx".into(), to: "pts/ptmx".into() });
    entries.push(Entry::Symlink { target: "/dev/fd".into(), to: "/proc/self/fd".into() });
    entries.push(Entry::Symlink { target: "/dev/stdout".into(), to: "/proc/self/fd/1".into() });
    entries.push(Entry::Tmpfs { target: "/dev/shm".into(), mode: 0o1777, size: None });
    entries.push(Entry::Tmpfs { target: "/tmp".into(), mode: 0o1777, size: None });
    entries.push(Entry::Dir { target: "/mnt".into(), mode: 0o755 });
    entries.push(Entry::Proc);
    let metadata = std::fs::metadata(home).unwrap();
    let access = match ids {
        IdMap::Range { .. } => Access::OwnedBy { uid: metadata.uid(), gid: metadata.gid(), read_only: false },
        IdMap::Single { .. } => Access::ReadWrite,
    };
    entries.push(bind(home, "/home/agent", access));
    entries.push(bind(&example("probe"), PROBE, Access::ReadOnly));
    entries
}

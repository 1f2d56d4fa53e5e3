//! Guests to run commands in.

use crate::client::{GuestError, GuestExec, GuestExit, connect_exec};
use loopbox_init::protocol::{Start, Status};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;

pub(crate) const TOKEN: [u8; 32] = [7; 32];

/// A guest of its own, which ends with this.
pub(crate) struct Guest {
    process: Child,
    directory: TempDir,
    cgroup: Option<PathBuf>,
}

/// How a guest holds its trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tree {
    SubReaper,
    Cgroup2,
    Freezer,
}

impl Tree {
    /// The ones that this machine and user can have.
    pub(crate) fn all() -> Vec<Tree> {
        [Tree::SubReaper, Tree::Cgroup2, Tree::Freezer]
            .into_iter()
            .filter(|tree| tree.make_cgroup("probe").is_ok())
            .collect()
    }

    fn root(self) -> Option<&'static Path> {
        let candidates: &[&str] = match self {
            Tree::SubReaper => return None,
            Tree::Cgroup2 => &["/sys/fs/cgroup/unified", "/sys/fs/cgroup"],
            Tree::Freezer => &["/sys/fs/cgroup/freezer"],
        };
        let file = if self == Tree::Cgroup2 { "cgroup.controllers" } else { "cgroup.procs" };
        Some(
            candidates.iter().map(Path::new).find(|path| path.join(file).exists()).unwrap_or(Path::new("/nonexistent")),
        )
    }

    fn make_cgroup(self, name: &str) -> std::io::Result<Option<PathBuf>> {
        let Some(root) = self.root() else { return Ok(None) };
        let path = root.join(format!("loopbox-test-{}-{name}", std::process::id()));
        std::fs::create_dir(&path)?;
        if name == "probe" {
            std::fs::remove_dir(&path)?;
        }
        Ok(Some(path))
    }
}

/// An executable that was built with the tests.
pub(crate) fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().join("examples").join(name)
}

impl Guest {
    pub(crate) fn new(tree: Tree) -> Guest {
        let directory = tempfile::Builder::new().prefix("lb").tempdir().unwrap();
        let name = directory.path().file_name().unwrap().to_str().unwrap();
        let cgroup = tree.make_cgroup(name).unwrap();
        let control = match (tree, &cgroup) {
            (Tree::Cgroup2, Some(path)) => format!("cgroup2={}", path.display()),
            (Tree::Freezer, Some(path)) => format!("freezer={}", path.display()),
            _ => "subreaper".to_owned(),
        };
        let mut process = Command::new(example("native_guest"))
            .arg(directory.path().join("socket"))
            .arg(control)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0];
        process.stdout.take().unwrap().read_exact(&mut ready).unwrap();
        Guest { process, directory, cgroup }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    pub(crate) async fn start(&self, start: Start) -> Result<GuestExec, GuestError> {
        connect_exec(&self.socket(), TOKEN, start, owner()).await
    }

    pub(crate) async fn run(&self, start: Start) -> Outcome {
        Outcome::of(self.start(start).await.unwrap()).await
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
        if let Some(cgroup) = &self.cgroup {
            remove_cgroup(cgroup);
        }
    }
}

/// The kernel may take a moment to see that the killed are gone.
fn remove_cgroup(path: &Path) {
    for _ in 0..1000 {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            let _ = std::fs::remove_dir(entry.path());
        }
        if std::fs::remove_dir(path).is_ok() {
            return;
        }
        std::thread::yield_now();
    }
}

/// The owner that pipes need: root's guest runs commands as 1000.
pub(crate) fn owner() -> Option<(u32, u32)> {
    rustix::process::getuid().is_root().then_some((1000, 1000))
}

/// A command of which everything is known.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) exit: GuestExit,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Outcome {
    pub(crate) async fn of(mut exec: GuestExec) -> Outcome {
        Outcome::try_of(&mut exec).await.unwrap()
    }

    pub(crate) async fn try_of(exec: &mut GuestExec) -> Result<Outcome, GuestError> {
        let (mut stdout, mut stderr) = (exec.stdout.take().unwrap(), exec.stderr.take().unwrap());
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let (a, b, exit) = tokio::join!(stdout.read_to_end(&mut out), stderr.read_to_end(&mut err), exec.wait());
        a.unwrap();
        b.unwrap();
        Ok(Outcome { exit: exit?, stdout: out, stderr: err })
    }

    pub(crate) fn code(&self) -> i32 {
        match self.exit.status {
            Status::Exited(code) => i32::from(code),
            Status::Signaled(signal) => 128 + signal,
        }
    }

    pub(crate) fn out(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    pub(crate) fn err(&self) -> &str {
        std::str::from_utf8(&self.stderr).unwrap()
    }
}

pub(crate) fn sh(script: &str) -> Start {
    Start::new(["/bin/sh", "-c", script]).env("PATH", "/usr/local/bin:/usr/bin:/bin")
}

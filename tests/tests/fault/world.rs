//! A state directory, a workspace and a helper of a test's own, and everything by which leftovers are found.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use loopbox_core::{AgentName, BackendId, Config, CreateRequest, ExecRequest, Loopbox, SandboxName, SandboxState};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// The executable of the calls under test.
pub(super) const DRIVER: &str = env!("CARGO_BIN_EXE_fault-driver");

/// What is killed is dead within this time, unless the machine is stuck.
const SOON: Duration = Duration::from_secs(10);

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// With an answer.
    Well(Value),
    /// With an error of this code.
    Failed { code: String, message: String, hint: String },
    /// By SIGKILL.
    Killed,
}

pub(super) struct World {
    dir: TempDir,
    pub(super) name: SandboxName,
    pub(super) loopbox: Loopbox,
    mounts: Vec<String>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// A world whose directory is made in `parent`.
    pub(super) fn below(parent: &Path) -> Self {
        let dir = tempfile::Builder::new().prefix("fault-").tempdir_in(parent).unwrap();
        // The name by which the helper is called is this world's own, so that its processes are known by it.
        std::os::unix::fs::symlink(DRIVER, helper(&dir)).unwrap();
        fs::create_dir(dir.path().join("workspace")).unwrap();
        let mut config = Config::new(dir.path().join("state"));
        config.helper = Some(helper(&dir));
        config.backend = Some(BackendId::Native);
        let loopbox = Loopbox::new(config).unwrap();
        Self { dir, name: SandboxName::parse("victim").unwrap(), loopbox, mounts: mounts() }
    }

    pub(super) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub(super) fn sandbox(&self) -> PathBuf {
        self.state().join("sandboxes").join(self.name.as_str())
    }

    pub(super) fn request(&self) -> CreateRequest {
        let shell = AgentName::parse("shell").unwrap();
        CreateRequest::new(self.name.clone(), shell, self.dir.path().join("workspace"))
    }

    pub(super) async fn create(&self) {
        self.loopbox.create(self.request()).await.unwrap();
    }

    /// What a script inside writes, without the last line's end.
    pub(super) async fn sh(&self, script: &str) -> String {
        let exec = self.loopbox.exec(&self.name, ExecRequest::new(["bash", "-c", script])).await.unwrap();
        let output = exec.output().await.unwrap();
        assert_eq!(output.exit_code, 0, "{script}: {}", output.text());
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// The command line of a call by a process of its own.
    pub(super) fn call(&self, verb: &str, failpoint: &str) -> Command {
        let mut command = Command::new(DRIVER);
        command.arg(verb).args(self.arguments()).arg(failpoint);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What every call of the driver is told: state, helper, workspace, name.
    pub(super) fn arguments(&self) -> [PathBuf; 4] {
        let dir = self.dir.path();
        [self.state(), helper(&self.dir), dir.join("workspace"), self.name.as_str().into()]
    }

    /// Makes a call in a process of its own that meets `failpoint`.
    pub(super) fn drive(&self, verb: &str, failpoint: &str) -> Ended {
        ended(&self.call(verb, failpoint).output().unwrap())
    }

    /// Supervisors, inits and sweepers of this world that live. Those that are dying are waited for.
    pub(super) fn processes(&self) -> Vec<Process> {
        let helper = helper(&self.dir);
        let name = helper.file_name().unwrap().to_string_lossy();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let Ok(status) = fs::read_to_string(entry.path().join("status")) else { continue };
            let field = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default().trim();
            if field("Name:") != name {
                continue;
            }
            let command = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let words: Vec<_> = command.split(|&byte| byte == 0).collect();
            let part = match (words.get(2), field("NSpid:").split_whitespace().nth(1)) {
                // Without cgroups, init has a process over each command.
                (Some(_), Some(inner)) if inner != "1" => "reaper".to_owned(),
                (Some(_), Some(_)) => "init".to_owned(),
                (Some(word), None) => String::from_utf8_lossy(word).into_owned(),
                (None, _) => String::new(),
            };
            // It may have ended since.
            let Some(process) = Process::open(pid, part) else { continue };
            // The command line is the first that a dying process loses.
            if words.first().is_some_and(|word| [helper.as_os_str().as_bytes(), b"loopbox"].contains(word)) {
                found.push(process);
            } else {
                assert!(process.dies_within(SOON), "{process:?}");
            }
        }
        found
    }

    /// Waits until no process of this world lives.
    pub(super) fn wait_until_dead(&self) {
        // A supervisor that does not know yet that it will die starts others.
        loop {
            let processes = self.processes();
            if processes.is_empty() {
                return;
            }
            for process in processes {
                assert!(process.dies_within(SOON), "{process:?} lives on");
            }
        }
    }

    /// Fails unless there is exactly one sandbox, with one supervisor and one init, and it runs commands.
    pub(super) async fn assert_works(&self) {
        assert_eq!(self.sh("echo works").await, "works");
        let infos = self.loopbox.list().await.unwrap();
        assert_eq!(
            infos.iter().map(|info| (&info.name, info.state)).collect::<Vec<_>>(),
            [(&self.name, SandboxState::Running)]
        );
        self.wait_for_sweepers();
        let mut parts: Vec<_> = self.processes().into_iter().map(|process| process.part).collect();
        parts.retain(|part| part != "reaper");
        parts.sort();
        assert_eq!(parts, ["init", "supervise"], "one of each");
        assert_eq!(temporaries(&self.state()), Vec::<PathBuf>::new(), "half-written files");
    }

    fn wait_for_sweepers(&self) {
        for process in self.processes().iter().filter(|process| ["sweep", "scan"].contains(&process.part.as_str())) {
            assert!(process.dies_within(SOON), "{process:?} goes on");
        }
    }

    /// Fails unless this world is as if there had never been a sandbox.
    pub(super) fn assert_nothing_left(&self) {
        self.wait_for_sweepers();
        assert_eq!(
            self.processes().into_iter().map(|process| process.part).collect::<Vec<_>>(),
            Vec::<String>::new(),
            "processes"
        );
        let kept = ["locks", "sandboxes", "trash", "ids", "events.jsonl", "next-expiry"];
        let left: Vec<_> = below(&self.state())
            .into_iter()
            .filter(|path| !kept.iter().any(|kept| *path == self.state().join(kept)))
            // What all sandboxes of a machine begin with is made once, and in one step.
            .filter(|path| !path.starts_with(self.state().join("ground")))
            .collect();
        assert_eq!(left, Vec::<PathBuf>::new(), "files");
        assert_eq!(self.cgroups(), Vec::<PathBuf>::new(), "cgroups");
        let dir = self.dir.path().to_string_lossy().into_owned();
        let new: Vec<_> =
            mounts().into_iter().filter(|line| !self.mounts.contains(line) && line.contains(&dir)).collect();
        assert_eq!(new, Vec::<String>::new(), "mounts");
        let stage =
            below_once(Path::new("/tmp")).into_iter().filter(|path| path.ends_with(".stage")).collect::<Vec<_>>();
        assert_eq!(stage, Vec::<PathBuf>::new(), "parts of a root file system");
    }

    /// The cgroups of this world's sandboxes.
    pub(super) fn cgroups(&self) -> Vec<PathBuf> {
        let digest = Sha256::digest(self.state().as_os_str().as_bytes());
        let prefix: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).chain(["-".to_owned()]).collect();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let hierarchies =
            mounts.lines().filter(|line| line.contains(" - cgroup")).filter_map(|line| line.split(' ').nth(4));
        hierarchies
            .flat_map(|at| below_once(&Path::new(at).join("loopbox")))
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix)))
            .collect()
    }

    /// What `runtime.json` says of the running sandbox.
    pub(super) fn runtime(&self) -> Value {
        serde_json::from_slice(&fs::read(self.sandbox().join("runtime.json")).unwrap()).unwrap()
    }

    /// The supervisor and the init of the running sandbox.
    pub(super) fn pair(&self) -> (Process, Process) {
        let runtime = self.runtime();
        let open = |part: &str| {
            let pid = runtime[part]["pid"].as_u64().and_then(|pid| i32::try_from(pid).ok()).unwrap();
            Process::open(pid, part.to_owned()).unwrap()
        };
        (open("supervisor"), open("init"))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // A failed test leaves nothing running either. Only processes whose command line names this world's directory.
        for process in self.processes() {
            process.kill();
            process.dies_within(SOON);
        }
        // An overlay closes its working directory to everybody.
        for dir in below(self.dir.path()).iter().filter(|path| path.is_dir() && !path.is_symlink()) {
            let _foreign = fs::set_permissions(dir, fs::Permissions::from_mode(0o700));
        }
        for cgroup in self.cgroups() {
            for below in below(&cgroup).into_iter().rev().filter(|path| path.is_dir()) {
                let _busy = fs::remove_dir(below);
            }
            let _busy = fs::remove_dir(cgroup);
        }
    }
}

/// A process that cannot be mistaken for another.
#[derive(Debug)]
pub(super) struct Process {
    #[expect(dead_code, reason = "for the messages of failed tests")]
    pid: i32,
    /// What it does.
    pub(super) part: String,
    fd: OwnedFd,
}

impl Process {
    pub(super) fn open(pid: i32, part: String) -> Option<Self> {
        let fd = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        let process = Self { pid, part, fd };
        // Dead ones that nobody has waited for yet have no command line any more, but they have a number.
        (!process.dies_within(Duration::ZERO)).then_some(process)
    }

    pub(super) fn kill(&self) {
        let _gone = pidfd_send_signal(&self.fd, Signal::KILL);
    }

    /// Whether it is dead at the end of that time at the latest.
    pub(super) fn dies_within(&self, time: Duration) -> bool {
        let timeout = Timespec::try_from(time).unwrap();
        loop {
            match poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&timeout)) {
                Ok(ready) => return ready == 1,
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => panic!("{errno}"),
            }
        }
    }
}

fn helper(dir: &TempDir) -> PathBuf {
    dir.path().join(dir.path().file_name().unwrap())
}

/// How a call of the driver ended.
pub(super) fn ended(output: &Output) -> Ended {
    if output.status.signal() == Some(9) {
        return Ended::Killed;
    }
    let stdout = String::from_utf8_lossy(&output.stdout);
    let last = stdout.lines().last().unwrap_or_default();
    let answer: Value = serde_json::from_str(last)
        .unwrap_or_else(|_| panic!("{:?} {stdout} {}", output.status, String::from_utf8_lossy(&output.stderr)));
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    match answer.get("ok") {
        Some(value) => Ended::Well(value.clone()),
        None => Ended::Failed { code: text("code"), message: text("message"), hint: text("hint") },
    }
}

/// Kills a child and waits for it.
pub(super) fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn temporaries(state: &Path) -> Vec<PathBuf> {
    let records = ["record.json", "runtime.uncommitted.json"];
    let is_one = |name: &OsStr| records.iter().any(|of| name.to_string_lossy().starts_with(&format!(".{of}.")));
    let sandboxes = below_once(&state.join("sandboxes"));
    sandboxes.iter().flat_map(|dir| below_once(dir)).filter(|path| path.file_name().is_some_and(is_one)).collect()
}

fn mounts() -> Vec<String> {
    fs::read_to_string("/proc/self/mountinfo").unwrap().lines().map(str::to_owned).collect()
}

/// Everything below a directory, parents before children.
fn below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in below_once(dir) {
        let deeper = if path.is_symlink() { Vec::new() } else { below(&path) };
        found.push(path);
        found.extend(deeper);
    }
    found
}

fn below_once(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

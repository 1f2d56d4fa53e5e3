//! A machine for one test: its state, its home, its PATH.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

pub(crate) const LOOPBOX: &str = env!("CARGO_BIN_EXE_loopbox");

/// Where a command line runs. Its sandboxes are removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Machine {
    dir: TempDir,
    path: String,
}

/// What a command line answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Machine {
    /// A machine without any agent.
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("loopbox-cli-").tempdir().unwrap();
        for name in ["state", "home", "work"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        Self { dir, path: "/usr/local/bin:/usr/bin:/bin".to_owned() }
    }

    /// A machine with the pinned claude and codex from npm.
    pub(crate) fn with_agents() -> Self {
        let bin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/agents/node_modules/.bin");
        let bin = bin.canonicalize().expect("install the agents first: sh tests/agents/install.sh");
        let mut machine = Self::new();
        machine.path = format!("{}:{}", bin.display(), machine.path);
        machine
    }

    /// A directory to work in.
    pub(crate) fn workspace(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join("work").join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// A command of this machine, with nothing of the test's own environment.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", self.dir.path().join("home"))
            .env("LOOPBOX_STATE_DIR", self.dir.path().join("state"))
            .env("TERM", "xterm")
            .current_dir(self.dir.path().join("work"))
            .stdin(Stdio::null());
        command
    }

    /// A loopbox command line.
    pub(crate) fn loopbox<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Command {
        let mut command = self.command(LOOPBOX);
        command.args(args);
        command
    }

    /// Runs a loopbox command line to its end.
    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Answer {
        Answer::from(self.loopbox(args).output().unwrap())
    }

    /// Runs a line as a shell has it, with `loopbox` in its PATH and `$P` for a workspace.
    pub(crate) fn shell(&self, line: &str) -> Answer {
        let bin = Path::new(LOOPBOX).parent().unwrap().display();
        let mut command = self.command("/bin/bash");
        command.args(["-c", line]).env("PATH", format!("{bin}:{}", self.path)).env("P", self.workspace("p"));
        Answer::from(command.output().unwrap())
    }

    /// Makes a sandbox without an agent, its workspace of the same name, and gives the workspace.
    pub(crate) fn sandbox(&self, name: &str) -> PathBuf {
        let workspace = self.workspace(name);
        self.run(&["create", "-q", "--name", name, "shell", workspace.to_str().unwrap()]).succeeded();
        workspace
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let answer = self.run(&["reset", "-f"]);
        if !std::thread::panicking() {
            assert_eq!(answer.code, 0, "{}", answer.stderr);
        }
    }
}

impl Answer {
    /// The answer, which must not be a failure.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, 0, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// The answer, which must be a failure of loopbox itself with that code.
    #[track_caller]
    pub(crate) fn failed(self, code: &str) -> Self {
        assert_eq!(self.code, 125, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        assert!(self.stderr.contains(&format!("error[{code}]: ")), "{}", self.stderr);
        self
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let code = output.status.code().unwrap_or_else(|| -output.status.signal().unwrap_or(0));
        Self {
            code,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

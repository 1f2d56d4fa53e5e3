//! A state directory and a workspace of a test's own.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use loopbox_core::{
    AgentName, BackendId, Capabilities, Config, CreateOptions, CreateRequest, DefaultVerdict, ExecOutput, ExecRequest,
    Loopbox, NetworkOptions, Result, SandboxName,
};
use serde_json::Value;
use tempfile::TempDir;

use crate::host::{cli_of, helper};

/// A state directory, a workspace and a handle on both. Dropping it removes every sandbox and both directories.
#[derive(Debug)]
pub struct Bed {
    /// The library, on this bed's state directory.
    pub loopbox: Loopbox,
    /// The backend of this bed's sandboxes.
    pub backend: BackendId,
    dir: TempDir,
}

impl Bed {
    /// A bed whose sandboxes are native ones.
    pub fn native() -> Self {
        Self::configured(BackendId::Native, |_| {})
    }

    /// A bed whose sandboxes are the bare host.
    pub fn host() -> Self {
        Self::configured(BackendId::Host, |_| {})
    }

    /// A bed of native sandboxes with a configuration of its own.
    pub fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::configured(BackendId::Native, change)
    }

    fn configured(backend: BackendId, change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut config = Config::new(dir.path().join("state"));
        config.helper = Some(helper());
        config.host_path = std::env::var_os("PATH").unwrap_or(config.host_path);
        config.host_env = std::env::vars_os().collect();
        change(&mut config);
        let bed = Self { loopbox: Loopbox::new(config).expect("a valid configuration"), backend, dir };
        fs::create_dir(bed.workspace()).expect("a new directory");
        bed
    }

    /// The temporary directory that holds everything of this bed.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The workspace.
    pub fn workspace(&self) -> PathBuf {
        self.dir().join("workspace")
    }

    /// The state directory.
    pub fn state(&self) -> &Path {
        &self.loopbox.config().state_dir
    }

    /// The directory of a sandbox below the state directory.
    pub fn sandbox_dir(&self, name: &SandboxName) -> PathBuf {
        self.state().join("sandboxes").join(name.as_str())
    }

    /// Another handle on the same state directory, as another process would make it.
    pub fn another(&self, change: impl FnOnce(&mut Config)) -> Loopbox {
        let mut config = self.loopbox.config().clone();
        change(&mut config);
        Loopbox::new(config).expect("a valid configuration")
    }

    /// A request for a sandbox with a shell and without network.
    pub fn request(&self, name: &str) -> CreateRequest {
        let mut options = CreateOptions::default();
        options.backend = Some(self.backend);
        if self.backend == BackendId::Native {
            let mut network = NetworkOptions::default();
            network.policy = Some(DefaultVerdict::Deny);
            options.network = Some(network);
        }
        let name = SandboxName::parse(name).expect("a valid name");
        CreateRequest::new(name, shell(), self.workspace()).with_options(options)
    }

    /// A sandbox with a shell.
    pub async fn sandbox(&self) -> SandboxName {
        self.sandbox_with(|_| {}).await
    }

    /// A sandbox with a shell and these options.
    pub async fn sandbox_with(&self, change: impl FnOnce(&mut CreateOptions)) -> SandboxName {
        let mut request = self.request("bed");
        change(&mut request.options);
        self.loopbox.create(request).await.expect("a sandbox").name
    }

    /// What the backend of that sandbox says that it can do.
    pub async fn capabilities(&self, name: &SandboxName) -> Capabilities {
        self.loopbox.inspect(name).await.expect("the sandbox").capabilities
    }

    /// Runs a command to its end.
    pub async fn run<I, S>(&self, name: &SandboxName, argv: I) -> ExecOutput
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        self.exec(name, ExecRequest::new(argv)).await.expect("a command that ran")
    }

    /// Runs a script of bash to its end.
    pub async fn sh(&self, name: &SandboxName, script: &str) -> ExecOutput {
        self.run(name, ["bash", "-c", script]).await
    }

    /// What a script that must succeed wrote, without the last line's end.
    pub async fn text(&self, name: &SandboxName, script: &str) -> String {
        let output = self.sh(name, script).await;
        assert_eq!(output.exit_code, 0, "{script}: {}", output.text());
        String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
    }

    /// Runs a request to its end; the error of whichever step failed.
    pub async fn exec(&self, name: &SandboxName, request: ExecRequest) -> Result<ExecOutput> {
        self.loopbox.exec(name, request).await?.output().await
    }

    /// The `loopbox` command line on this bed's state directory, with nothing else in its environment but PATH and HOME.
    pub fn cli(&self) -> tokio::process::Command {
        let mut command = tokio::process::Command::from(cli_of(&helper(), self.state()));
        command.kill_on_drop(true);
        command
    }

    /// A JSON file of a sandbox's directory.
    pub fn read_json(&self, name: &SandboxName, file: &str) -> Value {
        let path = self.sandbox_dir(name).join(file);
        let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice(&text).expect("JSON")
    }

    /// Replaces a JSON file of a sandbox's directory.
    pub fn write_json(&self, name: &SandboxName, file: &str, value: &Value) {
        fs::write(self.sandbox_dir(name).join(file), value.to_string()).expect("a writable state directory");
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let loopbox = self.loopbox.clone();
        // A thread of its own: this one may be in the middle of a runtime, or of a panic.
        let reset = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(loopbox.reset()).map(|_| ())
        });
        let outcome = reset.join();
        if !std::thread::panicking() {
            outcome.expect("a reset that does not panic").expect("a reset that removes everything");
        }
    }
}

/// The agent that every machine has.
pub fn shell() -> AgentName {
    AgentName::parse("shell").expect("a profile for a plain shell")
}

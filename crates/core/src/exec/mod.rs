//! Commands in a sandbox: what to run, how it is watched, what came of it.

mod capture;
mod check;
mod oom;
mod running;
mod status;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::redact::Names;

pub(crate) use check::check;
pub(crate) use oom::{OutOfMemory, killed};
pub use running::{Exec, ExecReader, ExecWriter};

/// The limit of captured output per stream unless told otherwise.
pub const DEFAULT_MAX_OUTPUT_BYTES: u64 = 50 * 1024 * 1024;

/// A command to run in a sandbox.
#[derive(Clone)]
#[non_exhaustive]
pub struct ExecRequest {
    /// The command and its arguments, passed exactly.
    pub argv: Vec<OsString>,
    /// Variables on top of the sandbox's own.
    pub env: BTreeMap<OsString, OsString>,
    /// The directory to start in. Default: the workspace.
    pub work_dir: Option<PathBuf>,
    /// Who runs it.
    pub user: User,
    /// After this long every process of the command is ended; zero is never.
    pub timeout: Duration,
    /// What it reads.
    pub stdin: ExecInput,
    /// A terminal instead of pipes.
    pub tty: Option<TtySize>,
    /// How much of each stream [`Exec::output`] keeps.
    pub max_output_bytes: u64,
}

impl fmt::Debug for ExecRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecRequest")
            .field("argv", &self.argv)
            .field("env", &Names::of(self.env.keys()))
            .field("work_dir", &self.work_dir)
            .field("user", &self.user)
            .field("timeout", &self.timeout)
            .field("tty", &self.tty)
            .finish_non_exhaustive()
    }
}

impl ExecRequest {
    /// A request to run that command with empty input, in the workspace, without a time limit.
    pub fn new<I, S>(argv: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        Self {
            argv: argv.into_iter().map(Into::into).collect(),
            env: BTreeMap::new(),
            work_dir: None,
            user: User::Agent,
            timeout: Duration::ZERO,
            stdin: ExecInput::Empty,
            tty: None,
            max_output_bytes: DEFAULT_MAX_OUTPUT_BYTES,
        }
    }
}

/// What a command reads from its standard input.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum ExecInput {
    /// Nothing: the stream is at its end.
    #[default]
    Empty,
    /// These bytes.
    Bytes(Vec<u8>),
    /// What the caller writes to what [`Exec::take_stdin`] gives.
    Stream,
}

impl fmt::Debug for ExecInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("Empty"),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::Stream => f.write_str("Stream"),
        }
    }
}

/// Who runs a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum User {
    /// The unprivileged user `agent`.
    #[default]
    Agent,
    /// Root of the sandbox, never of the host.
    Root,
    /// Numeric ids inside the sandbox.
    Ids {
        /// User id.
        uid: u32,
        /// Group id.
        gid: u32,
    },
}

/// The size of a terminal in character cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TtySize {
    /// Height.
    pub rows: u16,
    /// Width.
    pub cols: u16,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecStatus {
    /// The exit code; 124 after a timeout, 128+n after death by signal n.
    pub exit_code: i32,
    /// The name of the signal that ended it, as `SIGKILL`.
    pub signal: Option<String>,
    /// Whether the time limit ended it.
    pub timed_out: bool,
    /// How long it ran.
    pub duration: Duration,
}

/// What came of a command, with what it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExecOutput {
    /// As [`ExecStatus::exit_code`].
    pub exit_code: i32,
    /// As [`ExecStatus::signal`].
    pub signal: Option<String>,
    /// As [`ExecStatus::timed_out`].
    pub timed_out: bool,
    /// As [`ExecStatus::duration`].
    pub duration: Duration,
    /// The first bytes of its standard output.
    pub stdout: Vec<u8>,
    /// The first bytes of its standard error.
    pub stderr: Vec<u8>,
    /// Whether more was written than was kept.
    pub truncated: bool,
}

impl ExecOutput {
    /// Standard output, and if standard error is not empty, `"\n--- STDERR ---\n"` and standard error; invalid UTF-8
    /// becomes U+FFFD.
    pub fn text(&self) -> String {
        let mut text = String::from_utf8_lossy(&self.stdout).into_owned();
        if !self.stderr.is_empty() {
            text.push_str("\n--- STDERR ---\n");
            text.push_str(&String::from_utf8_lossy(&self.stderr));
        }
        text
    }
}

/// One of a command's output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A command that was started detached.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DetachedExec {
    /// Its id within the sandbox, by which its log is found.
    pub id: String,
}

//! Commands in a sandbox: what to run, how it is watched, what came of it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use loopbox_init::protocol;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use crate::explain::explain;
use crate::error::{Error, ErrorCode, Result};
use crate::guest::{self, GuestExec, GuestExit};
use crate::name::SandboxName;

/// The limit of captured output per stream unless told otherwise.
pub const DEFAULT_MAX_OUTPUT_BYTES: u64 = 50 * 1024 * 1024;

/// A command to run in a sandbox.
#[derive(Debug, Clone)]
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
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum ExecInput {
    /// Nothing: the stream is at its end.
    #[default]
    Empty,
    /// These bytes.
    Bytes(Vec<u8>),
    /// What the caller writes to [`Exec::stdin`].
    Stream,
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

/// Where a caller writes what a command reads. Dropping it ends the command's input.
pub type ExecWriter = Box<dyn AsyncWrite + Send + Unpin>;

/// Where a caller reads what a command writes.
pub type ExecReader = Box<dyn AsyncRead + Send + Unpin>;

/// A command that runs in a sandbox. Dropping it ends the command with every process that came from it.
pub struct Exec {
    guest: GuestExec,
    stdin: Option<ExecWriter>,
    stdout: Option<ExecReader>,
    stderr: Option<ExecReader>,
    input: Option<Vec<u8>>,
    max_output_bytes: u64,
    name: SandboxName,
    terminal: Option<guest::PtyResizer>,
    /// What must live as long as the command: the stream of a guest that serves this command only.
    _keep: Option<Box<dyn std::any::Any + Send + Sync>>,
}

impl std::fmt::Debug for Exec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exec").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Exec {
    pub(crate) fn new(mut guest: GuestExec, input: ExecInput, max_output_bytes: u64, name: SandboxName) -> Self {
        let mut stdin = guest.stdin.take().map(|stdin| Box::new(stdin) as ExecWriter);
        let mut stdout = guest.stdout.take().map(|stdout| Box::new(stdout) as ExecReader);
        let stderr = guest.stderr.take().map(|stderr| Box::new(stderr) as ExecReader);
        let terminal = guest.pty.as_ref().and_then(|pty| pty.resizer().ok());
        if let Some(pty) = guest.pty.take() {
            let (reader, writer) = tokio::io::split(pty);
            stdin = Some(Box::new(writer));
            stdout = Some(Box::new(reader));
        }
        let input = match input {
            ExecInput::Bytes(bytes) => Some(bytes),
            ExecInput::Empty | ExecInput::Stream => None,
        };
        Self { guest, stdin, stdout, stderr, input, max_output_bytes, name, terminal, _keep: None }
    }

    /// The same command, together with what must live as long as it.
    pub(crate) fn keeping(mut self, keep: impl std::any::Any + Send + Sync) -> Self {
        self._keep = Some(Box::new(keep));
        self
    }

    /// What the command reads, with [`ExecInput::Stream`] or a terminal. Dropping it is the end of its input.
    pub fn take_stdin(&mut self) -> Option<ExecWriter> {
        self.stdin.take()
    }

    /// What the command writes; with a terminal, everything it shows.
    pub fn take_stdout(&mut self) -> Option<ExecReader> {
        self.stdout.take()
    }

    /// What the command writes to standard error.
    pub fn take_stderr(&mut self) -> Option<ExecReader> {
        self.stderr.take()
    }

    /// Waits for the command's exit, which may come before the last holder of its pipes closes them.
    pub async fn wait(&mut self) -> Result<ExecStatus> {
        let exit = self.guest.wait().await.map_err(|error| explain(error, &self.name))?;
        Ok(ExecStatus::from(exit))
    }

    /// Waits for the command and keeps what it writes, up to the request's limit per stream.
    pub async fn output(self) -> Result<ExecOutput> {
        self.output_with(|_, _| {}, CancellationToken::new()).await
    }

    /// As [`Exec::output`], telling every chunk as it comes; once `cancel` is cancelled, the command is ended and the
    /// answer is [`ErrorCode::Aborted`] with what there was until then.
    pub async fn output_with(
        mut self,
        mut on_chunk: impl FnMut(OutputStream, &[u8]) + Send,
        cancel: CancellationToken,
    ) -> Result<ExecOutput> {
        let limit = self.max_output_bytes;
        let feed = feed(self.stdin.take(), self.input.take());
        let (mut stdout, mut stderr) = (Capture::new(self.stdout.take(), limit), Capture::new(self.stderr.take(), limit));
        let mut feeding = std::pin::pin!(feed);
        let mut fed = false;
        let mut cancelled = false;
        let mut ended = None;
        loop {
            tokio::select! {
                () = cancel.cancelled(), if !cancelled => {
                    cancelled = true;
                    self.guest.cancel();
                }
                () = &mut feeding, if !fed => fed = true,
                chunk = stdout.next(), if stdout.open() => stdout.keep(chunk, |bytes| on_chunk(OutputStream::Stdout, bytes)),
                chunk = stderr.next(), if stderr.open() => stderr.keep(chunk, |bytes| on_chunk(OutputStream::Stderr, bytes)),
                exit = self.guest.wait(), if ended.is_none() => ended = Some(exit),
            }
            // The readers come to their end once the command has exited, also while others hold its pipes.
            if ended.is_some() && !stdout.open() && !stderr.open() {
                break;
            }
        }
        let exit = match ended {
            Some(exit) => exit.map_err(|error| explain(error, &self.name))?,
            None => return Err(Error::new(ErrorCode::Io, "the command's end was not told")),
        };
        let status = ExecStatus::from(exit);
        let output = ExecOutput {
            exit_code: status.exit_code,
            signal: status.signal,
            timed_out: status.timed_out,
            duration: status.duration,
            truncated: stdout.truncated || stderr.truncated,
            stdout: stdout.kept,
            stderr: stderr.kept,
        };
        if cancelled && exit.cancelled {
            return Err(Error::new(ErrorCode::Aborted, "the command was cancelled by its caller").with_partial(output));
        }
        Ok(output)
    }

    /// Tells the command's terminal its new size.
    pub fn resize(&self, size: TtySize) -> Result<()> {
        match &self.terminal {
            Some(terminal) => terminal
                .resize(protocol::TtySize { rows: size.rows, cols: size.cols })
                .map_err(|error| Error::new(ErrorCode::Io, "resizing the terminal").with_source(error)),
            None => Err(Error::invalid("size", format!("{}x{}", size.cols, size.rows), "the command has no terminal")),
        }
    }

    /// Sends a signal to the command's process group.
    pub fn signal(&self, signal: i32) {
        self.guest.signal(signal);
    }

    /// Ends the command with every process that came from it: SIGTERM, then SIGKILL. Its end is told by
    /// [`Exec::wait`].
    pub fn cancel(&self) {
        self.guest.cancel();
    }
}

async fn feed(stdin: Option<ExecWriter>, input: Option<Vec<u8>>) {
    if let (Some(mut stdin), Some(input)) = (stdin, input) {
        // A command that does not read its input to the end is no error, as in a shell's pipeline.
        let _closed = stdin.write_all(&input).await;
        let _closed = stdin.shutdown().await;
    }
}

/// One stream, kept up to a limit and read to its end.
struct Capture {
    reader: Option<ExecReader>,
    buffer: Vec<u8>,
    kept: Vec<u8>,
    limit: usize,
    truncated: bool,
}

impl Capture {
    fn new(reader: Option<ExecReader>, limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self { reader, buffer: Vec::new(), kept: Vec::new(), limit, truncated: false }
    }

    fn open(&self) -> bool {
        self.reader.is_some()
    }

    async fn next(&mut self) -> std::io::Result<usize> {
        match &mut self.reader {
            Some(reader) => {
                // Most commands write little or nothing: the buffer is made when there is something to read.
                self.buffer.resize(64 * 1024, 0);
                reader.read(&mut self.buffer).await
            }
            None => Ok(0),
        }
    }

    fn keep(&mut self, chunk: std::io::Result<usize>, tell: impl FnOnce(&[u8])) {
        match chunk {
            Ok(length) if length > 0 => {
                let bytes = self.buffer.get(..length).unwrap_or_default();
                tell(bytes);
                let room = self.limit.saturating_sub(self.kept.len()).min(length);
                self.kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
                self.truncated |= room < length;
            }
            // An error is the end as well: the command's exit tells whether something went wrong.
            Ok(_) | Err(_) => self.reader = None,
        }
    }
}

impl From<GuestExit> for ExecStatus {
    fn from(exit: GuestExit) -> Self {
        let (code, signal) = match exit.status {
            protocol::Status::Exited(code) => (i32::from(code), None),
            protocol::Status::Signaled(signal) => (128 + signal, Some(signal_name(signal))),
        };
        Self {
            exit_code: if exit.timed_out { TIMED_OUT } else { code },
            signal,
            timed_out: exit.timed_out,
            duration: Duration::from_micros(exit.duration_us),
        }
    }
}

/// The exit code of a command that its time limit ended, as of coreutils' `timeout`.
const TIMED_OUT: i32 = 124;

fn signal_name(signal: i32) -> String {
    // Linux, x86-64 and arm64 (signal(7)).
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ];
    let name = usize::try_from(signal).ok().and_then(|signal| NAMES.get(signal.checked_sub(1)?));
    name.map_or_else(|| format!("SIG{signal}"), |name| format!("SIG{name}"))
}

/// The longest argument or variable that Linux passes to a program (`MAX_ARG_STRLEN` less the final NUL).
const MAX_ARGUMENT: usize = 131_071;

/// Refuses what could not be started anyway, with the reason.
pub(crate) fn check(request: &ExecRequest) -> Result<()> {
    use std::os::unix::ffi::OsStrExt;
    if request.argv.first().is_none_or(|program| program.is_empty()) {
        return Err(Error::invalid("command", "[]", "is empty").with_hint("give the program to run and its arguments"));
    }
    for (index, arg) in request.argv.iter().enumerate() {
        let bytes = arg.as_bytes();
        if bytes.len() > MAX_ARGUMENT {
            let size = format!("{} bytes", bytes.len());
            return Err(Error::invalid(&format!("command[{index}]"), size, "Linux passes at most 131,071 bytes in one argument")
                .with_hint("pass the text through stdin, or through a file in the workspace"));
        }
        if bytes.contains(&0) {
            return Err(Error::invalid(&format!("command[{index}]"), format!("{arg:?}"), "holds a NUL byte"));
        }
    }
    for (name, value) in &request.env {
        if name.is_empty() || name.as_bytes().contains(&b'=') || name.as_bytes().contains(&0) {
            return Err(Error::invalid("env", format!("{name:?}"), "a variable's name is not empty and holds no '=' and no NUL"));
        }
        if value.as_bytes().contains(&0) || name.len() + value.len() + 1 > MAX_ARGUMENT {
            // The value may be secret: only the name is told.
            return Err(Error::invalid("env", format!("{name:?}"), "its value holds a NUL byte or is longer than 131,071 bytes"));
        }
    }
    if let Some(dir) = &request.work_dir
        && (!dir.is_absolute() || dir.as_os_str().as_bytes().contains(&0))
    {
        return Err(Error::invalid("workDir", format!("{}", dir.display()), "must be an absolute path inside the sandbox"));
    }
    Ok(())
}

/// A command that was started detached.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct DetachedExec {
    /// Its id within the sandbox, by which its log is found.
    pub id: String,
}

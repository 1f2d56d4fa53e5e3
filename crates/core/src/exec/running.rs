//! A command that runs.

use std::time::Duration;

use loopbox_init::protocol;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::capture::Capture;
use super::oom::OutOfMemory;
use super::{ExecInput, ExecOutput, ExecStatus, OutputStream, TtySize};
use crate::error::{Error, ErrorCode, Result};
use crate::explain::explain;
use crate::guest::{GuestError, GuestExec, PtyResizer};
use crate::name::SandboxName;

/// How often what accompanies a command is done.
const ACCOMPANIED_EVERY: Duration = Duration::from_secs(1);

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
    terminal: Option<PtyResizer>,
    /// Where there is a limit on memory.
    memory: Option<OutOfMemory>,
    /// What must live as long as the command: the note that the sandbox is in use, the stream of a guest of its own.
    kept_alive: Vec<Box<dyn std::any::Any + Send + Sync>>,
    /// What is done once the command has ended, before anybody is told.
    at_end: Vec<AtEnd>,
    /// What is done about once a second while the command is waited for.
    meanwhile: Vec<Meanwhile>,
}

/// Work at the end of a command.
type AtEnd = Box<dyn FnOnce() + Send + Sync>;
/// Work while a command runs.
type Meanwhile = Box<dyn FnMut() + Send + Sync>;

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
        Self {
            guest,
            stdin,
            stdout,
            stderr,
            input,
            max_output_bytes,
            name,
            terminal,
            memory: None,
            kept_alive: Vec::new(),
            at_end: Vec::new(),
            meanwhile: Vec::new(),
        }
    }

    /// The same command, together with what must live as long as it.
    pub(crate) fn keeping(mut self, keep: impl std::any::Any + Send + Sync) -> Self {
        self.kept_alive.push(Box::new(keep));
        self
    }

    /// The same command, with work to be done once it has ended, before its end is told. It is not done if nobody waits.
    pub(crate) fn ending_with(mut self, work: impl FnOnce() + Send + Sync + 'static) -> Self {
        self.at_end.push(Box::new(work));
        self
    }

    /// The same command, with work to be done about once a second while it is waited for.
    pub(crate) fn accompanied_by(mut self, work: impl FnMut() + Send + Sync + 'static) -> Self {
        self.meanwhile.push(Box::new(work));
        self
    }

    /// The same command, whose failure for want of memory is told as such.
    pub(crate) fn watching(mut self, memory: Option<OutOfMemory>) -> Self {
        self.memory = memory;
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
        let exit = {
            let mut meanwhile = std::pin::pin!(accompany(&mut self.meanwhile));
            tokio::select! {
                exit = self.guest.wait() => exit,
                never = &mut meanwhile => match never {},
            }
        };
        self.at_end.drain(..).for_each(|work| work());
        let status = ExecStatus::from(exit.map_err(|error| self.explain(error))?);
        match self.memory.as_ref().and_then(|memory| memory.of_end(status.exit_code, status.timed_out, &self.name)) {
            Some(error) => Err(error),
            None => Ok(status),
        }
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
        let (mut stdout, mut stderr) =
            (Capture::new(self.stdout.take(), limit), Capture::new(self.stderr.take(), limit));
        let mut feeding = std::pin::pin!(feed);
        let mut meanwhile = std::mem::take(&mut self.meanwhile);
        let mut accompanied = std::pin::pin!(accompany(&mut meanwhile));
        let mut input_done = false;
        let mut cancelled = false;
        let mut ended = None;
        loop {
            tokio::select! {
                () = cancel.cancelled(), if !cancelled => {
                    cancelled = true;
                    self.guest.cancel();
                }
                () = &mut feeding, if !input_done => input_done = true,
                chunk = stdout.next(), if stdout.open() => stdout.keep(&chunk, |bytes| on_chunk(OutputStream::Stdout, bytes)),
                chunk = stderr.next(), if stderr.open() => stderr.keep(&chunk, |bytes| on_chunk(OutputStream::Stderr, bytes)),
                exit = self.guest.wait(), if ended.is_none() => ended = Some(exit),
                never = &mut accompanied => match never {},
            }
            // The readers come to their end once the command has exited, also while others hold its pipes.
            if ended.is_some() && !stdout.open() && !stderr.open() {
                break;
            }
        }
        self.at_end.drain(..).for_each(|work| work());
        let exit = match ended {
            Some(exit) => exit.map_err(|error| self.explain(error))?,
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
        let killed = self.memory.as_ref();
        match killed.and_then(|memory| memory.of_end(output.exit_code, output.timed_out, &self.name)) {
            Some(error) => Err(error.with_partial(output)),
            None => Ok(output),
        }
    }

    fn explain(&self, error: GuestError) -> Error {
        let death = if matches!(error, GuestError::Died) { self.memory.as_ref() } else { None };
        death.and_then(|memory| memory.of_death(&self.name)).unwrap_or_else(|| explain(error, &self.name))
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

/// Does the work about once a second, for ever; without any it asks for no clock.
async fn accompany(work: &mut [Meanwhile]) -> std::convert::Infallible {
    if work.is_empty() {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(ACCOMPANIED_EVERY).await;
        for work in work.iter_mut() {
            work();
        }
    }
}

async fn feed(stdin: Option<ExecWriter>, input: Option<Vec<u8>>) {
    if let (Some(mut stdin), Some(input)) = (stdin, input) {
        // A command that does not read its input to the end is no error, as in a shell's pipeline.
        let _closed = stdin.write_all(&input).await;
        let _closed = stdin.shutdown().await;
    }
}

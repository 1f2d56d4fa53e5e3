//! Detached commands: they belong to the sandbox, and its supervisor writes down what they say.

use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::Path;

use loopbox_init::protocol::Start;
use rustix::fs::{AtFlags, Mode, OFlags};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::error::{Error, ErrorCode, Result};
use crate::exec::ExecStatus;
use crate::guest::{self, GuestExec, GuestPipes};
use crate::logs::LogEntry;

/// How much of a detached command's output is kept.
const MAX_LOG: u64 = 50 * 1024 * 1024;

/// What a caller makes for a detached command: its pipes, which only the caller may give to the ids inside, and the
/// lock that says that the sandbox is in use.
#[derive(Debug)]
pub(crate) struct Pipes {
    pub(crate) pipes: GuestPipes,
    pub(crate) in_use: OwnedFd,
}

impl Pipes {
    pub(super) fn from_fds(fds: Vec<OwnedFd>) -> Result<Self> {
        let wrong =
            || Error::new(ErrorCode::InvalidArgument, "a detached command comes with four pipe ends and a lock");
        let [stdout, stderr, stdout_inside, stderr_inside, in_use] =
            <[OwnedFd; 5]>::try_from(fds).map_err(|_| wrong())?;
        Ok(Self { pipes: GuestPipes { stdout, stderr, stdout_inside, stderr_inside }, in_use })
    }

    pub(super) fn into_fds(self) -> Vec<OwnedFd> {
        let GuestPipes { stdout, stderr, stdout_inside, stderr_inside } = self.pipes;
        vec![stdout, stderr, stdout_inside, stderr_inside, self.in_use]
    }
}

/// Starts the command and leaves a task that follows it.
pub(super) async fn start(
    socket: &Path,
    token: &[u8; 32],
    start: Start,
    pipes: Pipes,
    entry: LogEntry,
    logs: OwnedFd,
) -> Result<()> {
    let log = Log::create(logs, entry)?;
    let mut exec = guest::connect_exec_with(socket, *token, start, pipes.pipes)
        .await
        .map_err(|error| Error::new(ErrorCode::SandboxDied, "the command could not be started").with_source(error))?;
    if let Err(error) = exec.started().await {
        let error = Error::new(ErrorCode::InvalidArgument, "the command could not be started").with_source(error);
        log.finish(|entry| entry.error = Some(error.describe()));
        return Err(error);
    }
    tokio::spawn(follow(exec, log, pipes.in_use));
    Ok(())
}

async fn follow(mut exec: GuestExec, mut log: Log, _in_use: OwnedFd) {
    let (mut stdout, mut stderr) = (exec.stdout.take(), exec.stderr.take());
    let (mut from_stdout, mut from_stderr) = (Vec::new(), Vec::new());
    while stdout.is_some() || stderr.is_some() {
        tokio::select! {
            length = read(&mut stdout, &mut from_stdout), if stdout.is_some() => {
                if length == 0 { stdout = None } else { log.append(from_stdout.get(..length).unwrap_or_default()) }
            }
            length = read(&mut stderr, &mut from_stderr), if stderr.is_some() => {
                if length == 0 { stderr = None } else { log.append(from_stderr.get(..length).unwrap_or_default()) }
            }
        }
    }
    let end = exec.wait().await;
    log.finish(|entry| match end {
        Ok(exit) => entry.exit_code = Some(ExecStatus::from(exit).exit_code),
        Err(error) => entry.error = Some(error.to_string()),
    });
}

/// The next bytes of a stream; none at its end or when it fails.
async fn read<R: AsyncRead + Unpin>(stream: &mut Option<R>, buffer: &mut Vec<u8>) -> usize {
    let Some(stream) = stream else { return 0 };
    buffer.resize(16 * 1024, 0);
    stream.read(buffer).await.unwrap_or(0)
}

struct Log {
    dir: OwnedFd,
    entry: LogEntry,
    file: File,
    written: u64,
}

impl Log {
    fn create(dir: OwnedFd, entry: LogEntry) -> Result<Self> {
        let safe = !entry.id.is_empty() && entry.id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !safe {
            return Err(Error::invalid("id", format!("{:?}", entry.id), "may hold letters and digits only"));
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&dir, format!("{}.log", entry.id), flags, Mode::from_raw_mode(0o600))
            .map_err(|errno| Error::io("making the command's log", errno))?;
        let log = Self { dir, entry, file: File::from(file), written: 0 };
        log.describe();
        Ok(log)
    }

    fn append(&mut self, bytes: &[u8]) {
        let room = usize::try_from(MAX_LOG - self.written).unwrap_or(usize::MAX).min(bytes.len());
        self.entry.truncated |= room < bytes.len();
        // A full disk must not stop the command: what cannot be kept is dropped, and said to be.
        match self.file.write_all(bytes.get(..room).unwrap_or_default()) {
            Ok(()) => self.written += room as u64,
            Err(_) => self.entry.truncated = true,
        }
    }

    fn finish(mut self, change: impl FnOnce(&mut LogEntry)) {
        change(&mut self.entry);
        self.describe();
    }

    /// Replaces the description in one step.
    fn describe(&self) {
        let written = (|| -> std::io::Result<()> {
            let (new, name) = (format!("{}.json.new", self.entry.id), format!("{}.json", self.entry.id));
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&self.dir, &new, flags, Mode::from_raw_mode(0o600))?;
            File::from(file).write_all(&serde_json::to_vec(&self.entry)?)?;
            rustix::fs::renameat(&self.dir, CString::new(new)?, &self.dir, CString::new(name)?)?;
            Ok(())
        })();
        if written.is_err() {
            // Without its description the log is not listed; without the log nothing is lost but words.
            let _absent = rustix::fs::unlinkat(&self.dir, format!("{}.json.new", self.entry.id), AtFlags::empty());
        }
    }
}

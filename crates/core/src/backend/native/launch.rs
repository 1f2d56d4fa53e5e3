//! Starting a supervisor: instructions in a file that is also its lock, its answer over a socket.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use loopbox_egress::NetworkPolicy;
use loopbox_init::sandbox::{Disk, SandboxSpec};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::{Error, ErrorCode, Result};
use crate::fs::Lock;
use crate::registry::SandboxDir;

/// A supervisor that takes longer than this is stuck.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// What a supervisor is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Instructions {
    /// The version of loopbox that wrote this: supervisor and caller must be of one version.
    pub(crate) version: String,
    pub(crate) name: String,
    /// The sandbox's directory.
    pub(crate) dir: PathBuf,
    /// The file to which what happens is appended.
    pub(crate) events: PathBuf,
    pub(crate) spec: SandboxSpec,
    pub(crate) token: String,
    pub(crate) policy: NetworkPolicy,
    /// The disk to mount first, if there is a limit on it.
    pub(crate) disk: Option<Disk>,
    /// Where the kernel tells of processes killed for want of memory, if there is a limit on that.
    pub(crate) memory_events: Option<PathBuf>,
    /// Variables of every command.
    pub(crate) env: Vec<(String, String)>,
    /// Milliseconds after the last use at which the sandbox expires; 0 is never.
    pub(crate) ttl_ms: u64,
    /// The ids to take once everything is made; none to keep the caller's.
    pub(crate) supervisor_id: Option<u32>,
}

/// What a supervisor answers: one line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Ready,
    Failed { code: String, message: String, hint: Option<String> },
}

/// A started sandbox whose supervisor still waits for the word that it is wanted.
#[derive(Debug)]
pub(super) struct Started(UnixStream);

impl Started {
    /// From here on others can use the sandbox, and it lives without its caller.
    pub(super) fn commit(mut self, dir: &SandboxDir) -> Result<()> {
        dir.commit_runtime()?;
        self.0.write_all(b"\n").map_err(|error| Error::io("telling the supervisor to go on", error))
    }
}

/// Starts a supervisor and waits until its sandbox is ready. If this process dies before [`Started::commit`], the
/// supervisor ends what it made.
pub(super) fn start(helper: &Path, dir: &SandboxDir, instructions: &Instructions) -> Result<Started> {
    let lock = Lock::acquire(&dir.join("launch"))?;
    let stdin = write_instructions(lock, instructions)?;
    let (ours, theirs) = UnixStream::pair().map_err(|error| Error::io("making a socket", error))?;
    let log = File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(dir.join("supervisor.log"))
        .map_err(|error| Error::io("opening the supervisor's log", error))?;
    let mut child = Command::new(helper)
        // What the sandbox sees as the name of its PID 1: the path may tell who the user is.
        .arg0("loopbox")
        .args(["internal", "supervise"])
        .env_clear()
        .current_dir("/")
        .stdin(stdin)
        .stdout(Stdio::from(OwnedFd::from(theirs)))
        .stderr(log)
        .spawn()
        .map_err(|error| unusable(helper, &error.to_string()))?;
    loopbox_init::failpoint!(instructions.spec, "create.spawned");
    // It detaches at once; the supervisor itself is nobody's child that would have to be waited for.
    let detached = child.wait().map_err(|error| Error::io("waiting for the supervisor to detach", error))?;
    let answer = read_answer(&ours)?;
    match answer {
        Some(Answer::Ready) => Ok(Started(ours)),
        Some(Answer::Failed { code, message, hint }) => {
            let error = Error::new(ErrorCode::from_name(&code).unwrap_or(ErrorCode::Io), message);
            Err(match hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            })
        }
        None => {
            let log = fs::read_to_string(dir.join("supervisor.log")).unwrap_or_default();
            let last = log.lines().last().unwrap_or_default();
            if detached.success() {
                let error =
                    Error::new(ErrorCode::BackendUnavailable, "the sandbox's supervisor died before it was ready");
                return Err(error.with_hint("try again; `loopbox doctor` checks what the native backend needs"));
            }
            Err(unusable(helper, &format!("it ended without an answer ({detached}) {last}")))
        }
    }
}

/// Writes the instructions into the locked file and returns it, to be inherited: its lock is the supervisor's then.
fn write_instructions(lock: Lock, instructions: &Instructions) -> Result<File> {
    use std::io::Seek;
    let failed = |error| Error::io("writing the supervisor's instructions", error);
    let mut file = lock.into_file();
    let bytes = serde_json::to_vec(instructions).map_err(|error| failed(std::io::Error::other(error)))?;
    file.set_len(0).map_err(failed)?;
    file.write_all(&bytes).map_err(failed)?;
    file.rewind().map_err(failed)?;
    Ok(file)
}

fn read_answer(socket: &UnixStream) -> Result<Option<Answer>> {
    socket.set_read_timeout(Some(READY_WITHIN)).map_err(|error| Error::io("waiting for the supervisor", error))?;
    let mut line = String::new();
    BufReader::new(socket.take(64 * 1024))
        .read_line(&mut line)
        .map_err(|error| Error::io("waiting for the supervisor", error))?;
    Ok(serde_json::from_str(&line).ok())
}

/// The executable that plays supervisor and init.
pub(crate) fn helper(config: &Config) -> Result<PathBuf> {
    if let Some(helper) = &config.helper {
        return if helper.is_file() { Ok(helper.clone()) } else { Err(unusable(helper, "there is no such file")) };
    }
    let exe =
        fs::read_link("/proc/self/exe").map_err(|error| Error::io("looking for the running executable", error))?;
    let dir = exe.parent().unwrap_or(Path::new("/"));
    let candidates = [dir.join("loopbox"), dir.join("../libexec/loopbox")];
    candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        Error::new(
            ErrorCode::BackendUnavailable,
            format!("the helper executable `loopbox` is neither in {} nor in ../libexec", dir.display()),
        )
        .with_hint("install it with `cargo install loopbox`, or set Config.helper to its path")
    })
}

/// Fails if the helper is not the executable that the caller was shipped with.
pub(super) fn check_digest(helper: &Path, expected: &[u8; 32]) -> Result<()> {
    use sha2::{Digest, Sha256};
    let mut digest = Sha256::new();
    let mut file = File::open(helper).map_err(|error| unusable(helper, &error.to_string()))?;
    std::io::copy(&mut file, &mut digest).map_err(|error| Error::io(format!("reading {}", helper.display()), error))?;
    if digest.finalize().as_slice() == expected {
        Ok(())
    } else {
        Err(unusable(helper, "its digest is not the expected one"))
    }
}

fn unusable(helper: &Path, why: &str) -> Error {
    Error::new(
        ErrorCode::BackendUnavailable,
        format!("the helper executable {} cannot be used: {why}", helper.display()),
    )
    .with_hint("reinstall loopbox, or set Config.helper to the `loopbox` executable of this version")
}

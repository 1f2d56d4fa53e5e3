//! The supervisor: one process a sandbox, on the host's side, for as long as the sandbox runs.
//!
//! ```text
//!  caller ── instructions (locked file as stdin) ─▶ supervisor ── clone3 ─▶ init (PID 1 inside)
//!         ◀─ ready or failed ─ commit ─▶                │
//!                                                       ├── egress proxy on listeners made inside
//!                                                       ├── control socket: policy, detached commands
//!                                                       └── watches init and the clock
//! ```
//!
//! It is started by [`main`] in a process of its own, makes everything that takes privileges, then gives them up, and
//! only then starts a runtime and reads what others say. It ends when init does; init ends when it does.

pub(crate) mod control;
mod copy;
mod detached;
mod serve;

pub(crate) use detached::Pipes;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use loopbox_init::sandbox::{self, GuestAccess, LaunchError, Launched, Namespaces};
use rustix::process::Signal;

use crate::backend::native::{Answer, Instructions};
use crate::doctor::{Machine, Restriction};
use crate::error::{Error, ErrorCode, Result};
use crate::events;
use crate::name::SandboxName;
use crate::record::{ProcessId, Runtime};
use crate::registry::SandboxDir;

/// Runs as the supervisor of one sandbox. Instructions come on standard input, the answer goes to standard output.
///
/// Must be called on the main thread before there is any other. Returns the process's exit code.
pub fn main() -> i32 {
    sandbox::close_inherited();
    let Ok((stdin, stdout)) = take_stdio() else { return 1 };
    let mut caller = UnixStream::from(stdout);
    let made = match prepare(stdin, &caller) {
        Ok(made) => made,
        Err(error) => {
            // A caller that is gone does not need the reason.
            let _gone = answer(&mut caller, &Answer::from(&error));
            return 1;
        }
    };
    // Until its caller has written down that the sandbox exists, the sandbox ends with the caller.
    if answer(&mut caller, &Answer::Ready).is_err() {
        return 0;
    }
    loopbox_init::failpoint!(made.instructions.spec, "supervisor.answered");
    if !committed(&mut caller) {
        return 0;
    }
    loopbox_init::failpoint!(made.instructions.spec, "supervisor.committed");
    drop(caller);
    match serve::run(made) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

/// Everything that the running supervisor holds. It holds descriptors instead of paths, since its ids may not be able
/// to follow the paths any more.
struct Supervised {
    name: SandboxName,
    instructions: Instructions,
    init: OwnedFd,
    listeners: Vec<OwnedFd>,
    control: UnixListener,
    run: OwnedFd,
    logs: OwnedFd,
    egress_log: File,
    events: File,
    used: File,
    /// Held so that others can see that this process lives.
    _lock: OwnedFd,
    namespaces: Namespaces,
}

fn prepare(stdin: OwnedFd, caller: &UnixStream) -> Result<Supervised> {
    let instructions = read_instructions(&stdin)?;
    copy::run_from_copy(&instructions.spec, stdin.as_fd(), caller.as_fd())?;
    loopbox_init::failpoint!(instructions.spec, "supervisor.instructed");
    sandbox::detach().map_err(|errno| explain(LaunchError::new("detaching from the caller", errno)))?;
    loopbox_init::failpoint!(instructions.spec, "supervisor.detached");
    let name = SandboxName::parse(&instructions.name)?;
    let dir = SandboxDir::at(instructions.dir.clone());
    let guest = listen(&dir.run(), "init.sock", instructions.supervisor_id)?;
    let control = listen(&dir.run(), "control.sock", instructions.supervisor_id)?;
    let (run, logs) = (open_dir(&dir.run())?, open_dir(&dir.logs())?);
    let egress_log = open_log(&dir.join("egress.log"))?;
    let events = events::open(&instructions.events)?;
    let used = File::open(dir.join("used")).map_err(|error| Error::io("opening the time of last use", error))?;
    let token = control::parse_token(&instructions.token)?;
    loopbox_init::failpoint!(instructions.spec, "supervisor.listening");
    let keep = stdin.try_clone().map_err(|error| Error::io("keeping the lock", error))?;
    let access = GuestAccess { listener: OwnedFd::from(guest), token, keep: vec![keep] };
    let launched = launch(&instructions, access).map_err(explain)?;
    let made = finish(&dir, &instructions, launched).map_err(|(error, init)| {
        let _gone = rustix::process::pidfd_send_signal(&init, Signal::KILL);
        error
    })?;
    let (init, listeners, namespaces) = made;
    Ok(Supervised {
        name,
        instructions,
        init,
        listeners,
        control,
        run,
        logs,
        egress_log,
        events,
        used,
        _lock: stdin,
        namespaces,
    })
}

/// Starts init. A disk is there for as long as it takes init to have its own mounts of it.
fn launch(instructions: &Instructions, access: GuestAccess) -> std::result::Result<Launched, LaunchError> {
    let Some(disk) = &instructions.disk else { return sandbox::launch(&instructions.spec, access) };
    sandbox::mount_disk(disk)?;
    let launched = sandbox::launch(&instructions.spec, access)?;
    sandbox::leave_disk(disk)?;
    Ok(launched)
}

/// Writes down what runs, and gives up what is not needed any more.
fn finish(
    dir: &SandboxDir,
    instructions: &Instructions,
    launched: Launched,
) -> std::result::Result<(OwnedFd, Vec<OwnedFd>, Namespaces), (Error, OwnedFd)> {
    let Launched { pid, pidfd, listeners, enforced, namespaces } = launched;
    let written = (|| {
        let spec = &instructions.spec;
        let runtime = Runtime {
            supervisor: ProcessId::observe(std::process::id())?,
            init: ProcessId::observe(pid.as_raw_nonzero().get().cast_unsigned())?,
            token: instructions.token.clone(),
            protocol: loopbox_init::protocol::PROTOCOL,
            env: instructions.env.clone(),
            agent_ids: spec.ids.agent(),
            root_user: matches!(spec.ids, sandbox::IdMap::Range { .. }),
            enforced,
        };
        dir.write_runtime(&runtime)?;
        loopbox_init::failpoint!(spec, "supervisor.runtime-written");
        if let Some(id) = instructions.supervisor_id {
            sandbox::become_ids(id, id).map_err(|errno| Error::io("giving up root", errno))?;
        }
        rustix::thread::set_no_new_privs(true).map_err(|errno| Error::io("giving up new privileges", errno))?;
        loopbox_init::failpoint!(spec, "supervisor.unprivileged");
        Ok(())
    })();
    match written {
        Ok(()) => Ok((pidfd, listeners, namespaces)),
        Err(error) => Err((error, pidfd)),
    }
}

fn read_instructions(stdin: &OwnedFd) -> Result<Instructions> {
    let mut bytes = Vec::new();
    let file = File::from(stdin.try_clone().map_err(|error| Error::io("reading the instructions", error))?);
    file.take(16 * 1024 * 1024)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::io("reading the instructions", error))?;
    let version = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
    let version = version.as_ref().and_then(|value| value.get("version")?.as_str());
    if version != Some(env!("CARGO_PKG_VERSION")) {
        let theirs = version.unwrap_or("unknown");
        let ours = env!("CARGO_PKG_VERSION");
        return Err(Error::new(
            ErrorCode::VersionMismatch,
            format!("the caller is loopbox {theirs}, its helper executable is {ours}"),
        )
        .with_hint("install both from one release"));
    }
    serde_json::from_slice(&bytes).map_err(|error| Error::io("reading the instructions", std::io::Error::other(error)))
}

/// A listening socket in `dir`. The path may be longer than a socket address holds, so it is reached by descriptor.
fn listen(dir: &Path, name: &str, owner: Option<u32>) -> Result<UnixListener> {
    use std::os::fd::AsRawFd;
    let failed = |error| Error::io(format!("making the socket {}", dir.join(name).display()), error);
    let path = dir.join(name);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let at = open_dir(dir)?;
    let listener = UnixListener::bind(format!("/proc/self/fd/{}/{name}", at.as_raw_fd())).map_err(failed)?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).map_err(failed)?;
    chown(&path, owner, owner).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

fn open_dir(path: &Path) -> Result<OwnedFd> {
    use rustix::fs::{Mode, OFlags};
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|errno| Error::io(format!("opening {}", path.display()), errno))
}

fn open_log(path: &Path) -> Result<File> {
    File::options()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| Error::io(format!("opening {}", path.display()), error))
}

/// Takes standard input and output for what they are here, and leaves nothing behind in their places.
fn take_stdio() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let stdin = std::io::stdin().as_fd().try_clone_to_owned()?;
    let stdout = std::io::stdout().as_fd().try_clone_to_owned()?;
    let null = OwnedFd::from(File::options().read(true).write(true).open("/dev/null")?);
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    Ok((stdin, stdout))
}

fn answer(caller: &mut UnixStream, answer: &Answer) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    caller.write_all(&line)
}

fn committed(caller: &mut UnixStream) -> bool {
    caller.read_exact(&mut [0_u8; 1]).is_ok()
}

impl From<&Error> for Answer {
    fn from(error: &Error) -> Self {
        Self::Failed {
            code: error.code().to_string(),
            message: error.describe(),
            hint: error.hint().map(str::to_owned),
        }
    }
}

/// What a failed launch means to the user: which restriction of the machine is behind it, or what else helps.
fn explain(error: LaunchError) -> Error {
    const FAILED: &str = "the sandbox could not be started";
    const DOCTOR: &str = "`loopbox doctor` checks what the native backend needs";
    let machine = Machine::here(copy::executable());
    if let Some(restriction) = Restriction::behind(&error, &machine) {
        let hint = format!("{}; {DOCTOR}", restriction.remedy(&machine));
        return Error::new(ErrorCode::BackendUnavailable, format!("{FAILED}: {}", restriction.what(&machine)))
            .with_source(error)
            .with_hint(hint);
    }
    let hint = if error.step.contains("user namespaces") {
        "this machine does not let this user make user namespaces (a chroot does not, for one); `loopbox doctor` says more"
    } else if error.step.contains("the disk") || error.step.contains("a block device") {
        "a limit on disk space takes loop devices and the right to mount them, which containers often lack; leave \
         limits.diskBytes out"
    } else if error.errno == rustix::io::Errno::NOSPC.raw_os_error() {
        "no space is left for the sandbox's private files; if that is its own disk (limits.diskBytes, --disk), remove the \
         sandbox and create it with a larger one"
    } else if error.step.contains("overlay") {
        "the state directory's file system cannot hold an overlay's upper layer; set LOOPBOX_STATE_DIR to a directory on \
         ext4, xfs or btrfs (in a container: on a volume)"
    } else if error.step.contains("restricting the mount of") && error.errno == rustix::io::Errno::INVAL.raw_os_error()
    {
        "the workspace's file system cannot be idmapped; run loopbox as the ordinary user who owns the workspace"
    } else {
        DOCTOR
    };
    Error::new(ErrorCode::BackendUnavailable, FAILED).with_source(error).with_hint(hint)
}

//! A copy of the executable in memory, where the inside could reach the one on disk.
//!
//! A process that is about to become a command still runs the helper executable, and `/proc/self/exe` leads there: by a
//! link to it on the PATH, or as the interpreter of a script, hostile code gets it started, and then holds a file of the
//! host. Landlock keeps it from being executed or opened. Without Landlock, and where the sandbox's id is the owner's, its
//! mode could be changed. So supervisor and init run from a sealed copy there.

use std::convert::Infallible;
use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use loopbox_init::sandbox::{IdMap, SandboxSpec, landlock_abi};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

use crate::error::{Error, Result};

/// From this version on init restricts itself by Landlock.
const LANDLOCK: u32 = 2;

/// How the path of a file in memory begins.
const IN_MEMORY: &str = "/memfd:";

/// The executable on disk that this process runs, if it does not run a copy.
pub(super) fn executable() -> Option<PathBuf> {
    let path = std::fs::read_link("/proc/self/exe").ok()?;
    (!path.to_string_lossy().starts_with(IN_MEMORY)).then_some(path)
}

/// Goes on from a copy, with the same standard input and output, if `spec` asks for one. Returns where it does not.
pub(super) fn run_from_copy(spec: &SandboxSpec, stdin: BorrowedFd<'_>, stdout: BorrowedFd<'_>) -> Result<()> {
    let owner = matches!(spec.ids, IdMap::Single { .. });
    let is_open = spec.confinement.nesting || landlock_abi() < LANDLOCK;
    if !(owner && is_open) || executable().is_none() {
        return Ok(());
    }
    match start_again(stdin, stdout) {
        Ok(never) => match never {},
        Err(error) => Err(Error::io("running from a copy of the executable in memory", error)
            .with_hint("`sysctl vm.memfd_noexec` must not be 2; without --allow-nesting no copy is needed")),
    }
}

fn start_again(stdin: BorrowedFd<'_>, stdout: BorrowedFd<'_>) -> io::Result<Infallible> {
    let copy = memfd_create("loopbox", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut copy = File::from(copy);
    io::copy(&mut File::open("/proc/self/exe")?, &mut copy)?;
    fcntl_add_seals(&copy, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    // What was read of the instructions is read again.
    let mut instructions = File::from(stdin.try_clone_to_owned()?);
    instructions.seek(SeekFrom::Start(0))?;
    let error = Command::new(format!("/proc/self/fd/{}", copy.as_raw_fd()))
        .arg0("loopbox")
        .args(["internal", "supervise"])
        .env_clear()
        .stdin(Stdio::from(instructions))
        .stdout(Stdio::from(stdout.try_clone_to_owned()?))
        .exec();
    Err(error)
}

//! The host's side of a test: executables, processes, deadlines.

use std::fs;
use std::future::Future;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// The top of the source tree.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A test that waits longer than this waits for something that will not come.
const PATIENCE: Duration = Duration::from_secs(45);

/// The `loopbox` executable of the build that this test belongs to.
pub fn helper() -> PathBuf {
    let exe = std::env::current_exe().expect("the running executable");
    let found = exe.ancestors().skip(1).take(2).map(|dir| dir.join("loopbox")).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("no `loopbox` beside {}: run `cargo build -p loopbox`", exe.display()))
}

/// The `loopbox` command line on a state directory, with nothing else in its environment but PATH and HOME.
pub fn cli_of(helper: &Path, state: &Path) -> Command {
    let mut command = Command::new(helper);
    command.env_clear().env("LOOPBOX_STATE_DIR", state);
    command.envs(["PATH", "HOME"].iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
    command
}

/// Whether this process is root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The future's result, or a panic that names what did not happen.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let value = tokio::time::timeout(PATIENCE, future).await;
    value.unwrap_or_else(|_elapsed| panic!("{what}: nothing after {PATIENCE:?}"))
}

/// Real, effective, saved and file system id of a process, as the host sees them: `Uid` or `Gid`.
pub fn status_ids(pid: u32, which: &str) -> Vec<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process that lives");
    let line = status.lines().find_map(|line| line.strip_prefix(which)?.strip_prefix(':')).expect("ids");
    line.split_whitespace().map(|id| id.parse().expect("a number")).collect()
}

/// A process of the host that was found while it lived, and cannot be mistaken for another.
#[derive(Debug)]
pub struct Watched {
    /// Its id on the host.
    pub pid: u32,
    pidfd: OwnedFd,
}

impl Watched {
    /// The process with that id.
    pub fn by_pid(pid: u32) -> Option<Self> {
        let raw = Pid::from_raw(i32::try_from(pid).ok()?)?;
        Some(Self { pid, pidfd: pidfd_open(raw, PidfdFlags::empty()).ok()? })
    }

    /// Every living process of the host whose own name for itself (`argv[0]`) this is.
    pub fn named(name: &str) -> Vec<Self> {
        let pids = fs::read_dir("/proc").expect("/proc").flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let is_named = |pid: &u32| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            command.split(|&byte| byte == 0).next() == Some(name.as_bytes())
        };
        pids.filter(is_named).filter_map(Self::by_pid).filter(Self::lives).collect()
    }

    /// The one living process of that name.
    pub fn the_one_named(name: &str) -> Self {
        let mut found = Self::named(name);
        assert_eq!(found.len(), 1, "processes named {name}");
        found.remove(0)
    }

    /// Whether it lives.
    pub fn lives(&self) -> bool {
        !self.ended_within(Duration::ZERO)
    }

    /// Waits for its end.
    pub async fn end(self) {
        let ended = tokio::task::spawn_blocking(move || self.ended_within(PATIENCE)).await;
        assert!(ended.expect("a wait that does not panic"), "a process that should have ended lives on");
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&self) {
        rustix::process::pidfd_send_signal(&self.pidfd, rustix::process::Signal::KILL).expect("a process that lives");
    }

    fn ended_within(&self, time: Duration) -> bool {
        let timeout = Timespec::try_from(time).expect("a short time");
        let mut fds = [PollFd::from_borrowed_fd(self.pidfd.as_fd(), PollFlags::IN)];
        poll(&mut fds, Some(&timeout)).expect("a poll") > 0
    }
}

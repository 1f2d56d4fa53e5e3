//! Landlock: a second wall behind the mounts, which a process puts around itself and all that it starts.
//!
//! What is mounted decides what can be seen; this decides once more what can be changed. Nothing inside can take it off,
//! and no mount gets past it: where a process is in such a domain, it can make none.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::spec::{Access, Entry};

/// Before this version no file can be renamed from one directory to another, which git and npm do.
const OLDEST: u32 = 2;
/// From here on TCP ports are judged.
const WITH_TCP: u32 = 4;
/// From here on signals and abstract sockets are.
const WITH_SCOPES: u32 = 6;

/// What may be done beneath a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathRights {
    /// Reading and executing.
    Read,
    /// Everything but making devices.
    Write,
    /// Reading, writing and controlling the devices there.
    Device,
}

/// What a process and its descendants are left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LandlockRules {
    /// Paths, and what may be done beneath them. What does not exist grants nothing.
    pub paths: Vec<(PathBuf, PathRights)>,
    /// The TCP ports that may be used; all if absent.
    pub tcp: Option<TcpPorts>,
}

/// Which TCP ports may be used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TcpPorts {
    /// Connecting to these, on whatever host.
    pub connect: Vec<u16>,
    /// Listening on these.
    pub bind: Vec<u16>,
}

/// What is in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LandlockState {
    /// The version of the kernel's interface; 0 if nothing is restricted.
    pub abi: u32,
    /// Signals and abstract sockets stay inside.
    pub scopes: bool,
    /// TCP ports are judged as was asked for.
    pub tcp: bool,
}

/// Restricts this process and all that it starts to `rules`, for good, as far as the kernel can.
///
/// The process must have one thread and have renounced new privileges.
pub fn restrict(rules: &LandlockRules) -> Result<LandlockState, Errno> {
    restrict_with(rules, None)
}

/// As [`restrict`], and `open` may be written to beneath as well.
pub(super) fn restrict_with(rules: &LandlockRules, open: Option<BorrowedFd<'_>>) -> Result<LandlockState, Errno> {
    let abi = landlock_abi();
    if abi < OLDEST {
        return Ok(LandlockState::default());
    }
    let tcp = rules.tcp.as_ref().filter(|_| abi >= WITH_TCP);
    let scopes = abi >= WITH_SCOPES;
    let ruleset = Ruleset::new(abi, tcp.is_some(), scopes)?;
    for (path, rights) in &rules.paths {
        match rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
            Ok(path) => ruleset.allow_beneath(path.as_fd(), *rights)?,
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    if let Some(open) = open {
        ruleset.allow_beneath(open, PathRights::Write)?;
    }
    if let Some(ports) = tcp {
        ports.connect.iter().try_for_each(|&port| ruleset.allow_port(port, CONNECT_TCP))?;
        ports.bind.iter().try_for_each(|&port| ruleset.allow_port(port, BIND_TCP))?;
    }
    ruleset.restrict_self()?;
    Ok(LandlockState { abi, scopes, tcp: tcp.is_some() })
}

/// The rules of a sandbox that consists of these: reading everywhere, writing where something writable is mounted.
/// Nothing below `/proc`, `/sys` and in `/dev` itself can be written.
pub(super) fn rules(entries: &[Entry]) -> LandlockRules {
    let mut paths = vec![(PathBuf::from("/"), PathRights::Read)];
    paths.extend(entries.iter().filter_map(|entry| rights(entry).map(|(path, rights)| (path.to_owned(), rights))));
    LandlockRules { paths, tcp: None }
}

fn rights(entry: &Entry) -> Option<(&Path, PathRights)> {
    match entry {
        Entry::Overlay { target, .. } => Some((target, PathRights::Write)),
        Entry::Tmpfs { target, .. } if target != Path::new("/dev") => Some((target, PathRights::Write)),
        Entry::Bind { target, access, .. } | Entry::Part { target, access, .. } => match access {
            Access::ReadWrite | Access::OwnedBy { read_only: false, .. } => Some((target, PathRights::Write)),
            Access::Device => Some((target, PathRights::Device)),
            Access::ReadOnly | Access::OwnedBy { read_only: true, .. } => None,
        },
        Entry::Devpts => Some((Path::new("/dev/pts"), PathRights::Device)),
        _ => None,
    }
}

/// The version of the kernel's interface; 0 where there is none.
pub fn landlock_abi() -> u32 {
    const VERSION: u32 = 1;
    // SAFETY: with this flag the kernel wants no attributes and makes nothing.
    let abi = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION) };
    u32::try_from(abi).unwrap_or(0)
}

// The rights of linux/landlock.h, each with the version that brought it.
const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const MAKE_CHAR: u64 = 1 << 6;
const MAKE_BLOCK: u64 = 1 << 11;
/// All of the first version.
const FIRST: u64 = (1 << 13) - 1;
/// Since 2.
const REFER: u64 = 1 << 13;
/// Since 3.
const TRUNCATE: u64 = 1 << 14;
/// Since 5.
const IOCTL_DEV: u64 = 1 << 15;
const BIND_TCP: u64 = 1;
const CONNECT_TCP: u64 = 1 << 1;
const SCOPE_ABSTRACT_SOCKETS: u64 = 1;
const SCOPE_SIGNALS: u64 = 1 << 1;

/// What can be done with a file that is no directory.
const OF_FILES: u64 = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

fn known(abi: u32) -> u64 {
    let since = |version, right| if abi >= version { right } else { 0 };
    FIRST | since(2, REFER) | since(3, TRUNCATE) | since(5, IOCTL_DEV)
}

impl PathRights {
    fn bits(self) -> u64 {
        match self {
            Self::Read => EXECUTE | READ_FILE | READ_DIR,
            Self::Write => (FIRST | REFER | TRUNCATE) & !(MAKE_CHAR | MAKE_BLOCK),
            Self::Device => WRITE_FILE | READ_FILE | READ_DIR | TRUNCATE | IOCTL_DEV,
        }
    }
}

/// `struct landlock_ruleset_attr`.
#[repr(C)]
struct RulesetAttributes {
    files: u64,
    tcp: u64,
    scoped: u64,
}

/// `struct landlock_path_beneath_attr`.
#[repr(C, packed)]
struct PathBeneath {
    allowed: u64,
    parent: i32,
}

/// `struct landlock_net_port_attr`.
#[repr(C)]
struct NetPort {
    allowed: u64,
    port: u64,
}

struct Ruleset {
    fd: OwnedFd,
    handled: u64,
}

impl Ruleset {
    fn new(abi: u32, tcp: bool, scopes: bool) -> Result<Self, Errno> {
        let handled = known(abi);
        let attributes = RulesetAttributes {
            files: handled,
            tcp: if tcp { BIND_TCP | CONNECT_TCP } else { 0 },
            scoped: if scopes { SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS } else { 0 },
        };
        let size = size_of::<RulesetAttributes>();
        // SAFETY: the attributes outlive the call and their size is given; older kernels take a longer one whose end is
        // zero.
        let fd = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const attributes, size, 0) };
        let fd = check(fd)?;
        // SAFETY: the kernel just made this descriptor.
        Ok(Self { fd: unsafe { OwnedFd::from_raw_fd(fd) }, handled })
    }

    fn allow_beneath(&self, parent: BorrowedFd<'_>, rights: PathRights) -> Result<(), Errno> {
        const PATH_BENEATH: u32 = 1;
        let mode = rustix::fs::fstat(parent)?.st_mode;
        let possible = if FileType::from_raw_mode(mode) == FileType::Directory { u64::MAX } else { OF_FILES };
        let rule = PathBeneath { allowed: rights.bits() & self.handled & possible, parent: parent.as_raw_fd() };
        self.add(PATH_BENEATH, (&raw const rule).cast())
    }

    fn allow_port(&self, port: u16, allowed: u64) -> Result<(), Errno> {
        const NET_PORT: u32 = 2;
        let rule = NetPort { allowed, port: port.into() };
        self.add(NET_PORT, (&raw const rule).cast())
    }

    fn add(&self, kind: u32, rule: *const u8) -> Result<(), Errno> {
        // SAFETY: the rule is live, and of the kind that is named beside it.
        let result = unsafe { libc::syscall(libc::SYS_landlock_add_rule, self.fd.as_raw_fd(), kind, rule, 0) };
        check(result).map(drop)
    }

    fn restrict_self(self) -> Result<(), Errno> {
        // SAFETY: takes integers only.
        let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, self.fd.as_raw_fd(), 0) };
        check(result).map(drop)
    }
}

fn check(result: libc::c_long) -> Result<i32, Errno> {
    match i32::try_from(result) {
        Ok(value @ 0..) => Ok(value),
        _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
    }
}

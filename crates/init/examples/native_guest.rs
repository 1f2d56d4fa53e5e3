//! A guest as in a native sandbox, but without one: PID 1 of a new PID namespace with its own `/proc` and terminals, on
//! the host's files. Tests and measurements run commands in it.
//!
//! `native_guest SOCKET subreaper|cgroup2=DIR|freezer=DIR`; the token is 32 times 7. Writes a byte to its standard
//! output when it listens, and ends when its standard input does.

use loopbox_init::guest::{self, GuestSetup, TreeControl, Users};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use std::ffi::{CStr, c_ulong};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::process::ExitCode;
use std::ptr;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, socket, tree] = arguments.as_slice() else { return ExitCode::from(2) };
    let root = rustix::process::getuid().is_root();
    let outside = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    // SAFETY: the process has one thread.
    check(unsafe {
        libc::unshare(libc::CLONE_NEWPID | libc::CLONE_NEWNS | if root { 0 } else { libc::CLONE_NEWUSER })
    });
    if !root {
        std::fs::write("/proc/self/setgroups", "deny").expect("setgroups");
        std::fs::write("/proc/self/uid_map", format!("1000 {} 1", outside.0)).expect("uid map");
        std::fs::write("/proc/self/gid_map", format!("1000 {} 1", outside.1)).expect("gid map");
    }
    // SAFETY: the process has one thread.
    let init = unsafe { libc::fork() };
    check(init);
    if init == 0 {
        serve(socket, tree, root);
        return ExitCode::FAILURE;
    }
    let _ = io::stdin().read(&mut [0]);
    // SAFETY: the child is not reaped yet.
    unsafe {
        libc::kill(init, libc::SIGKILL);
        libc::waitpid(init, ptr::null_mut(), 0);
    }
    ExitCode::SUCCESS
}

fn serve(socket: &str, tree: &str, root: bool) {
    mount(None, c"/", None, libc::MS_REC | libc::MS_PRIVATE, None);
    mount(Some(c"proc"), c"/proc", Some(c"proc"), 0, None);
    mount(Some(c"devpts"), c"/dev/pts", Some(c"devpts"), 0, Some(c"newinstance,ptmxmode=0666,mode=620"));
    let open = |path: &str| OwnedFd::from(std::fs::File::open(path).expect("the cgroup opens"));
    let tree = match tree.split_once('=') {
        Some(("cgroup2", dir)) => TreeControl::CgroupV2 { dir: open(dir) },
        Some(("freezer", dir)) => TreeControl::FreezerV1 { dir: open(dir) },
        _ => TreeControl::SubReaper,
    };
    let users =
        if root { Users::Range { uid: 1000, gid: 1000, count: 65536 } } else { Users::Single { uid: 1000, gid: 1000 } };
    let listener = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("a socket");
    bind(&listener, &SocketAddrUnix::new(socket).expect("a short path")).expect("bind");
    listen(&listener, 4096).expect("listen");
    // SAFETY: takes integers only.
    let supervisor = unsafe { libc::syscall(libc::SYS_pidfd_open, 1, 0) };
    assert!(supervisor >= 0, "a pidfd of init itself never becomes readable");
    io::stdout().write_all(b"!").expect("the test listens");
    io::stdout().flush().expect("the test listens");
    // SAFETY: the descriptor was just made.
    let supervisor = unsafe { OwnedFd::from_raw_fd(i32::try_from(supervisor).expect("a descriptor")) };
    let setup = GuestSetup { listener, token: [7; 32], supervisor: Some(supervisor), tree, users, key: None };
    let Err(error) = guest::serve(setup);
    let _ = writeln!(io::stderr(), "native_guest: {error}: {:?}", std::error::Error::source(&error));
}

fn mount(source: Option<&CStr>, target: &CStr, kind: Option<&CStr>, flags: c_ulong, data: Option<&CStr>) {
    let pointer = |text: Option<&CStr>| text.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: each pointer is null or to a zero-terminated string.
    check(unsafe { libc::mount(pointer(source), target.as_ptr(), pointer(kind), flags, pointer(data).cast()) });
}

fn check(result: i32) {
    assert!(result >= 0, "{}", io::Error::last_os_error());
}

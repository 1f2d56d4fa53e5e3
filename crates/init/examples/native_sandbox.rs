//! A native sandbox out of a description, without the registry and the supervisor around it, for tests and measurements.
//!
//! `native_sandbox SOCKET SPEC`; the token is 32 times 7. Writes a line to its standard output when the sandbox serves:
//! what it enforces. Ends it when standard input ends.

use loopbox_init::sandbox::{GuestAccess, SandboxSpec, close_inherited, launch};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with};
use rustix::process::Signal;
use std::io::{self, Read as _, Write as _};
use std::process::ExitCode;

fn main() -> ExitCode {
    close_inherited();
    let arguments: Vec<String> = std::env::args().collect();
    let [_, socket, spec] = arguments.as_slice() else { return ExitCode::from(2) };
    let spec = std::fs::read(spec).expect("the description opens");
    let spec: SandboxSpec = serde_json::from_slice(&spec).expect("a description");
    let listener = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None).expect("a socket");
    bind(&listener, &SocketAddrUnix::new(socket).expect("a short path")).expect("bind");
    listen(&listener, 4096).expect("listen");
    let launched = match launch(&spec, GuestAccess { listener, token: [7; 32], keep: Vec::new() }) {
        Ok(launched) => launched,
        Err(error) => {
            let _ = writeln!(io::stderr(), "native_sandbox: {error}");
            return ExitCode::FAILURE;
        }
    };
    let enforced = serde_json::to_string(&launched.enforced).expect("JSON");
    writeln!(io::stdout(), "{enforced}").expect("the test listens");
    let _ = io::stdin().read(&mut [0]);
    let _ = rustix::process::pidfd_send_signal(&launched.pidfd, Signal::KILL);
    let _ = rustix::process::waitpid(Some(launched.pid), rustix::process::WaitOptions::empty());
    ExitCode::SUCCESS
}

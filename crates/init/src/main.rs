//! The guest agent as an executable of its own, for places where there is no `loopbox`: containers and virtual machines.

use loopbox_init::guest::{self, StreamSetup, TreeControl};
use loopbox_init::protocol::PROTOCOL;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::process::ExitCode;

const USAGE: &str = "usage: loopbox-init --stdio | --version\n\n\
    The guest agent of a loopbox sandbox. With --stdio it runs the commands that come in frames on standard input.\n";

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let said = match arguments.as_slice() {
        [argument] if argument == "--stdio" => serve(),
        [argument] if argument == "--version" => {
            writeln!(io::stdout(), "loopbox-init {} (protocol {PROTOCOL})", env!("CARGO_PKG_VERSION"))
        }
        [argument] if argument == "--help" => io::stdout().write_all(USAGE.as_bytes()),
        _ => {
            let _ = io::stderr().write_all(USAGE.as_bytes());
            return ExitCode::from(2);
        }
    };
    match said {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "loopbox-init: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> io::Result<()> {
    let setup = StreamSetup {
        input: io::stdin().as_fd().try_clone_to_owned()?,
        output: io::stdout().as_fd().try_clone_to_owned()?,
        tree: TreeControl::SubReaper,
        confine: None,
        inherit_env: true,
        key: None,
    };
    guest::serve_stream(setup).map_err(io::Error::other)
}

//! The hidden verb `internal`: the parts that this executable plays besides the command line.
//!
//! `cargo install` and the npm package thereby need one executable. None of it is for users, and none of its forms is
//! stable: the caller is always a loopbox of the same version.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use loopbox_init::guest::{StreamSetup, TreeControl, serve_stream};
use rustix::io::fcntl_dupfd_cloexec;

use crate::{exit, output};

/// Plays the part that `arguments` names. The process must still have one thread only.
pub(crate) fn main(arguments: &[OsString]) -> ExitCode {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    match (words.as_slice(), arguments) {
        (["supervise"], _) => exit_code(loopbox_core::supervisor::main()),
        (["sweep", ..], [_, directory]) => exit_code(loopbox_core::sweep(Path::new(directory))),
        (["scan", ..], [_, directory]) => exit_code(loopbox_core::scan(Path::new(directory))),
        (["guard"], _) => exit_code(loopbox_core::add_guards()),
        (["guest"], _) => guest(),
        (["reduced", plan], _) => exit_code(loopbox_core::warden(plan)),
        (["confined", plan], _) => exit_code(loopbox_core::confined(plan)),
        _ => {
            output::diagnostic("loopbox: internal is not for use by hand");
            ExitCode::from(exit::FAILURE)
        }
    }
}

/// Serves commands over our standard input and output, on the bare host.
fn guest() -> ExitCode {
    let streams =
        fcntl_dupfd_cloexec(io::stdin(), 3).and_then(|input| Ok((input, fcntl_dupfd_cloexec(io::stdout(), 3)?)));
    let Ok((input, output)) = streams else { return ExitCode::from(exit::FAILURE) };
    let setup =
        StreamSetup { input, output, tree: TreeControl::SubReaper, confine: None, inherit_env: true, key: None };
    match serve_stream(setup) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::diagnostic(&format!("loopbox: {error}"));
            ExitCode::from(exit::FAILURE)
        }
    }
}

fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(exit::FAILURE))
}

//! The `secrets` command line; `loopbox secrets …` is the same program.
#![forbid(unsafe_code)]

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = std::env::args_os().skip(1);
    ExitCode::from(loopbox_secrets::cli::run("secrets", args, &mut io::stdout().lock(), &mut io::stderr().lock()))
}

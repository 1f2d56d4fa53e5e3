//! The `loopbox` command line.
//!
//! A command line goes through two steps: [`args`] says what can be typed, [`resolve`] turns it into a request of
//! `loopbox-core`; then one function of [`commands`] carries it out. Whatever is read from the environment is read in
//! [`config`], whatever is printed goes through [`output`], and [`exit`] lists the exit codes.
#![forbid(unsafe_code)]

mod args;
mod cli;
mod commands;
mod config;
mod exit;
mod failure;
mod internal;
mod output;
mod progress;
mod resolve;
mod table;
mod terminal;

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    // Supervisor and guest need a process with one thread and nothing of a runtime in it, so they come before all else.
    match arguments.split_first() {
        Some((verb, rest)) if verb == "internal" => internal::main(rest),
        _ => ExitCode::from(cli::main(&arguments)),
    }
}

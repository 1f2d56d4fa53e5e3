//! `exec`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::resolve::{EnvArg, UserArg, parse_duration};

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag, as docker has them")]
pub(crate) struct ExecArgs {
    /// A variable of the command; K alone copies the caller's value
    #[arg(short, long, value_name = "K[=V]")]
    pub(crate) env: Vec<EnvArg>,
    /// A file with one variable a line
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
    /// The directory to start in [default: the workspace]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) workdir: Option<PathBuf>,
    /// Who runs it: agent, root, UID or UID:GID [default: agent]
    #[arg(short, long)]
    pub(crate) user: Option<UserArg>,
    /// Pass standard input on; without it the command reads nothing
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Give the command a terminal
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Start the command, print its id and leave it running
    #[arg(short, long, conflicts_with_all = ["interactive", "tty", "status_fd"])]
    pub(crate) detach: bool,
    /// End the command with all its processes after this long, as 90s or 20m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Write one line of JSON about the outcome to this descriptor: started, exitCode, timedOut, error
    #[arg(long, value_name = "N")]
    pub(crate) status_fd: Option<u32>,
    /// Scan the whole workspace after the command, and tell on standard error what was found
    #[arg(long, conflicts_with = "detach")]
    pub(crate) scan: bool,
    #[arg(long, hide = true)]
    pub(crate) privileged: bool,
    /// The sandbox
    pub(crate) name: String,
    /// The command and its arguments, passed exactly
    #[arg(required = true, num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<OsString>,
}

//! Development tasks, one file a task; CI runs exactly these. `cargo xtask --help` lists them.
//!
//! On a machine that may lack Rust itself, `sh xtask/run.sh TASK` installs it and then comes here.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "these are command line tools")]

mod ordinary_user;
mod readme;
mod runner;
mod tally;
mod task_bench;
mod task_check;
mod task_demo;
mod task_npm;
mod task_setup;
mod task_test;
mod tidy;
mod tools;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use xshell::Shell;

/// The result of a task; its error is for a person to read.
type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// Development tasks of loopbox.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Install whatever this machine lacks to build and test, and print the versions
    Setup,
    /// Formatting, lints, documentation, generated files, and what people forget
    Check,
    /// Run every test; as root once more as an ordinary user
    Test(task_test::Options),
    /// Build the npm packages as tarballs in target/npm
    Npm {
        /// Without optimisation: quick to build, and not for measuring
        #[arg(long)]
        debug: bool,
    },
    /// Measure against the budgets, side by side with what other tools need
    Bench(task_bench::Options),
    /// Build and install the commands, then let an agent do a story in a sandbox
    Demo,
}

fn main() -> ExitCode {
    match run(&Task::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<()> {
    let sh = Shell::new()?;
    sh.change_dir(root());
    tools::prepend_path(&sh)?;
    match task {
        Task::Setup => task_setup::run(&sh),
        Task::Check => task_check::run(&sh),
        Task::Test(options) => task_test::run(&sh, options),
        Task::Npm { debug: true } => Ok(task_npm::run_debug(&sh)?),
        Task::Npm { debug: false } => Ok(task_npm::run(&sh)?),
        Task::Bench(options) => task_bench::run(&sh, options),
        Task::Demo => task_demo::run(&sh),
    }
}

/// The top of the work tree.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

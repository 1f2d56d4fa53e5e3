//! `test`: every test there is, counted together. Started by root, the suite runs once more as an ordinary user.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;
use serde_json::Value;
use xshell::{Shell, cmd};

use crate::ordinary_user::OrdinaryUser;
use crate::readme;
use crate::runner::run_counted;
use crate::tally::{Runner, Tally};
use crate::{Result, root, task_npm};

/// What of the build the test runner needs to know, so that it runs without cargo and without compiling.
const BINARIES: &str = "target/xtask/binaries.json";
const WORKSPACE: &str = "target/xtask/workspace.json";

#[derive(Args)]
pub(crate) struct Options {
    /// As root: run the tests as this user, who is created if missing, and not as root
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Let fuzz and soak tests run for ten minutes each instead of one
    #[arg(long)]
    long: bool,
    /// Run what is built already, and write the count to this file instead of closing with it
    #[arg(long, value_name = "FILE", hide = true)]
    built: Option<PathBuf>,
}

pub(crate) fn run(sh: &Shell, options: &Options) -> Result<()> {
    sh.set_var("LOOPBOX_SOAK_SECONDS", if options.long { "600" } else { "60" });
    // Snapshots are compared, never written; without this, insta would ask cargo where they are.
    sh.set_var("INSTA_UPDATE", "no");
    sh.set_var("INSTA_WORKSPACE_ROOT", root());
    if let Some(file) = &options.built {
        return Ok(fs::write(file, run_suite(sh)?.to_string())?);
    }
    build(sh)?;
    let is_root = rustix::process::geteuid().is_root();
    let mut total = Tally::default();
    if options.user.is_none() {
        total += run_suite(sh)?;
        total += run_doctests(sh)?;
    }
    if is_root {
        let user = OrdinaryUser::named(sh, options.user.as_deref().unwrap_or("loopbox-ci"))?;
        total += user.run_suite(sh, options.long)?;
    } else if options.user.is_some() {
        return Err("only root can run the tests as another user".into());
    }
    println!("\n{total}");
    if total.is_clean() { Ok(()) } else { Err("not every test ran and passed".into()) }
}

fn build(sh: &Shell) -> Result<()> {
    cmd!(sh, "cargo build --workspace --bins --examples").run()?;
    task_npm::run(sh)?;
    sh.create_dir("target/xtask")?;
    let binaries = cmd!(sh, "cargo nextest list --workspace --list-type binaries-only --message-format json").read()?;
    sh.write_file(BINARIES, binaries)?;
    let workspace = cmd!(sh, "cargo metadata --format-version 1").quiet().read()?;
    sh.write_file(WORKSPACE, workspace)?;
    Ok(())
}

/// The executables that hold tests, as the last build left them.
pub(crate) fn test_binaries() -> Result<Vec<PathBuf>> {
    let list: Value = serde_json::from_str(&fs::read_to_string(root().join(BINARIES))?)?;
    let binaries = list["rust-binaries"].as_object().ok_or("no rust-binaries in nextest's list")?;
    Ok(binaries.values().filter_map(|binary| binary["binary-path"].as_str()).map(PathBuf::from).collect())
}

/// What both root and the ordinary user run; needs neither cargo nor a compiler.
fn run_suite(sh: &Shell) -> Result<Tally> {
    let mut total = Tally::default();
    let nextest = cmd!(sh, "cargo-nextest nextest run --profile ci --color never").args([
        "--binaries-metadata",
        BINARIES,
        "--cargo-metadata",
        WORKSPACE,
    ]);
    total += counted("tests", nextest.into(), Runner::Nextest)?;
    total += try_example(sh)?;
    {
        let _directory = sh.push_dir("npm");
        total += counted("npm tests in Node", cmd!(sh, "npm run --silent test:node").into(), Runner::Node)?;
        total += counted("npm tests in Bun", cmd!(sh, "npm run --silent test:bun").into(), Runner::Bun)?;
    }
    println!("\n== the examples of README.md");
    total += readme::run::run(sh)?;
    Ok(total)
}

fn run_doctests(sh: &Shell) -> Result<Tally> {
    counted("documentation tests", cmd!(sh, "cargo test --workspace --doc --no-fail-fast").into(), Runner::Rustdoc)
}

fn counted(name: &str, command: Command, runner: Runner) -> Result<Tally> {
    println!("\n== {name}");
    let tally = run_counted(command, runner)?;
    println!("{name}: {} of {} passed", tally.passed, tally.passed + tally.failed + tally.skipped);
    Ok(tally)
}

/// The example of loopbox-core, which depends on that crate alone.
fn try_example(sh: &Shell) -> Result<Tally> {
    println!("\n== crates/core/examples/loop.rs");
    let workspace = tempfile::tempdir()?;
    let state = tempfile::tempdir()?;
    let (helper, workspace, state) = (root().join("target/debug/loopbox"), workspace.path(), state.path());
    let passed = cmd!(sh, "target/debug/examples/loop {helper} {state} {workspace}").run().is_ok();
    Ok(Tally::of_one(passed))
}

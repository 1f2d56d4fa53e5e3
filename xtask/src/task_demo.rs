//! `demo`: builds and installs the command, then lets an agent do a story in a sandbox.

use std::env;
use std::path::PathBuf;

use xshell::{Shell, cmd};

use crate::Result;

pub(crate) fn run(sh: &Shell) -> Result<()> {
    cmd!(sh, "cargo install --locked --path crates/loopbox").run()?;
    let loopbox = install_directory().join("loopbox");
    // The pinned claude and codex are in PATH here, for machines that have no agent of their own.
    cmd!(sh, "{loopbox} demo").run()?;
    println!("installed: {}", loopbox.display());
    Ok(())
}

/// Where `cargo install` puts executables.
fn install_directory() -> PathBuf {
    let root = env::var_os("CARGO_INSTALL_ROOT").or_else(|| env::var_os("CARGO_HOME")).map(PathBuf::from);
    root.unwrap_or_else(|| env::home_dir().unwrap_or_default().join(".cargo")).join("bin")
}

//! `setup`: whatever a fresh Debian 12 machine lacks to build and test, installed; nothing is done twice.

use std::fs;

use xshell::{Shell, cmd};

use crate::{Result, root, tools};

/// The version of the test runner that CI uses.
const NEXTEST: &str = "0.9.143";

pub(crate) fn run(sh: &Shell) -> Result<()> {
    cmd!(sh, "sh xtask/system.sh").quiet().run()?;
    if !tools::is_installed("cargo-nextest") {
        println!("installing cargo-nextest {NEXTEST} (compiles for some minutes)");
        cmd!(sh, "cargo install --locked cargo-nextest@{NEXTEST}").run()?;
    }
    // npm may have come only just now.
    tools::prepend_path(sh)?;
    cmd!(sh, "sh tests/agents/install.sh").run()?;
    install_node_modules(sh)?;
    print_versions(sh);
    Ok(())
}

/// `npm ci` in npm/, unless what is there was installed from this very lock file.
fn install_node_modules(sh: &Shell) -> Result<()> {
    let lock = root().join("npm/package-lock.json");
    let stamp = root().join("npm/node_modules/.installed-lock");
    let wanted = fs::read(&lock)?;
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let _directory = sh.push_dir("npm");
    cmd!(sh, "npm ci --ignore-scripts --no-audit --no-fund").run()?;
    fs::write(stamp, wanted)?;
    Ok(())
}

/// What was used, for whoever reads the log of a run.
fn print_versions(sh: &Shell) {
    for command in ["rustc", "cargo-nextest", "node", "npm", "bun", "claude", "codex", "git", "bwrap"] {
        let version = cmd!(sh, "{command} --version").quiet().ignore_stderr().read();
        let first_line = version.as_deref().map_or("does not run", |text| text.lines().next().unwrap_or_default());
        println!("{command}: {first_line}");
    }
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    println!("kernel: {}", kernel.trim());
}

//! `check`: formatting, lints, documentation, generated files, and what people forget.

use xshell::{Shell, cmd};

use crate::{Result, task_npm, tidy};

pub(crate) fn run(sh: &Shell) -> Result<()> {
    tidy::run(sh)?;
    cmd!(sh, "cargo fmt --all --check").run()?;
    // Both lock files agree with what they lock.
    cmd!(sh, "cargo metadata --locked --format-version 1").quiet().ignore_stdout().run()?;
    cmd!(sh, "cargo clippy --workspace --all-targets --locked -- --deny warnings").run()?;
    {
        let _flags = sh.push_env("RUSTDOCFLAGS", "--deny warnings");
        cmd!(sh, "cargo doc --workspace --no-deps --locked").run()?;
    }
    // The packages are looked at as they will be packed; a build without optimisation will do for that.
    {
        let _profile = sh.push_env("LOOPBOX_NPM_PROFILE", "dev");
        task_npm::run(sh)?;
    }
    let _directory = sh.push_dir("npm");
    cmd!(sh, "npm ci --ignore-scripts --dry-run --silent --no-audit --no-fund").run()?;
    cmd!(sh, "npm run --silent check").run()?;
    Ok(())
}

//! `version` and `completions`.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args::Cli;
use crate::failure::Result;
use crate::{exit, output};

pub(crate) fn version(json: bool) -> Result<u8> {
    let version = env!("CARGO_PKG_VERSION");
    if json {
        output::json_line(&serde_json::json!({ "version": version }))?;
    } else {
        output::line(format!("loopbox {version}"))?;
    }
    Ok(exit::OK)
}

pub(crate) fn completions(shell: Shell) -> Result<u8> {
    // Secrets is a program of its own, with verbs of its own to complete.
    let mut command = Cli::command().mut_subcommand("secrets", |_| loopbox_secrets::cli::command());
    // The generator panics when its writer fails, as on a closed pipe; a buffer does not.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "loopbox", &mut script);
    output::bytes(&script)?;
    Ok(exit::OK)
}

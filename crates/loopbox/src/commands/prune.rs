//! `prune` and `reset`.

use std::io::{self, BufRead as _, Write as _};

use super::{App, loopbox};
use crate::args::ResetArgs;
use crate::failure::{Failure, Result, invalid};
use crate::{exit, output, progress, terminal};

pub(super) async fn prune(app: App) -> Result<u8> {
    let loopbox = loopbox()?;
    let report = progress::during("removing what is left over", loopbox.prune()).await?;
    if app.json {
        output::json(&report)?;
        return Ok(exit::OK);
    }
    for name in &report.removed {
        match report.reasons.get(name.as_str()) {
            Some(reason) => output::line(format!("{name}  {}", output::printable(reason)))?,
            None => output::line(name.as_str())?,
        }
    }
    Ok(exit::OK)
}

pub(super) async fn reset(app: App, args: &ResetArgs) -> Result<u8> {
    let loopbox = loopbox()?;
    if !args.force && !confirmed(&format!("remove every sandbox and all of {}?", loopbox.config().state_dir.display()))?
    {
        output::notice("nothing was removed");
        return Ok(exit::FAILURE);
    }
    let removed = progress::during("removing every sandbox", loopbox.reset()).await?;
    if app.json {
        output::json(&removed)?;
    } else {
        for name in &removed {
            output::line(name.as_str())?;
        }
    }
    Ok(exit::OK)
}

/// Asks a person. A program is told to say what it wants.
fn confirmed(question: &str) -> Result<bool> {
    if !terminal::stdin_is_terminal() || !output::stderr_is_terminal() {
        return Err(invalid("reset asks before it removes everything, and there is no terminal")
            .with_hint("loopbox reset -f does not ask")
            .into());
    }
    let asked = |error| Failure::Error(loopbox_core::Error::io("asking", error));
    let mut stderr = io::stderr().lock();
    write!(stderr, "loopbox: {question} [y/N] ").and_then(|()| stderr.flush()).map_err(asked)?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(asked)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

//! `stop` and `rm`.

use loopbox_core::{Error, ErrorCode, Loopbox, SandboxName};

use super::{App, loopbox, parse_names};
use crate::args::RemoveArgs;
use crate::failure::{Failure, Result};
use crate::{exit, output, progress};

pub(super) async fn stop(app: App, names: &[String]) -> Result<u8> {
    let loopbox = loopbox()?;
    for_each(app, names, async |name| Ok(loopbox.stop(name).await.map(|()| true)?)).await
}

pub(super) async fn rm(app: App, args: &RemoveArgs) -> Result<u8> {
    let loopbox = loopbox()?;
    for_each(app, &args.names, async |name| {
        let removed = remove(&loopbox, name).await?;
        if !removed && !args.force {
            let error = Error::new(ErrorCode::SandboxNotFound, format!("there is no sandbox named '{name}'"));
            return Err(error.with_hint("loopbox ls shows what there is; rm -f accepts this").into());
        }
        if removed {
            for kept in loopbox.quarantines(name).await? {
                output::notice(format!("kept what was moved out of the workspace: {}", kept.display()));
            }
        }
        Ok(removed)
    })
    .await
}

async fn remove(loopbox: &Loopbox, name: &SandboxName) -> Result<bool> {
    Ok(progress::during(&format!("removing sandbox {name}"), loopbox.remove(name)).await?)
}

/// Does it to each, prints the names of those to which something happened, and fails if one failed: one bad name does
/// not keep the others alive.
async fn for_each(app: App, names: &[String], act: impl AsyncFn(&SandboxName) -> Result<bool>) -> Result<u8> {
    let names = parse_names(names)?;
    let mut done = Vec::new();
    let mut failed: Vec<Error> = Vec::new();
    for name in &names {
        match act(name).await {
            Ok(true) => {
                if !app.json {
                    output::line(name.as_str())?;
                }
                done.push(name);
            }
            Ok(false) => {}
            Err(Failure::Error(error)) => failed.push(error),
            Err(other) => return Err(other),
        }
    }
    if app.json {
        output::json(&done)?;
    }
    let Some(last) = failed.pop() else { return Ok(exit::OK) };
    for error in failed {
        output::error(&error, app.json);
    }
    Err(last.into())
}

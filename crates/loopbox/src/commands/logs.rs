//! `logs`.

use loopbox_core::{LogEntry, Loopbox, SandboxName};

use super::{App, loopbox, shown};
use crate::args::LogsArgs;
use crate::failure::{Result, invalid};
use crate::{exit, output, table};

pub(super) async fn logs(app: App, args: &LogsArgs) -> Result<u8> {
    let loopbox = loopbox()?;
    let name = SandboxName::parse(&args.name)?;
    match (&args.id, args.follow) {
        (Some(id), follow) => show(&loopbox, &name, id, follow).await?,
        (None, true) => {
            let newest = loopbox.logs(&name).await?.into_iter().max_by_key(|entry| entry.started);
            let newest = newest.ok_or_else(|| {
                invalid(format!("no command was started detached in {name}"))
                    .with_hint(format!("loopbox exec -d {name} COMMAND"))
            })?;
            show(&loopbox, &name, &newest.id, true).await?;
        }
        (None, false) => list(app, &loopbox.logs(&name).await?)?,
    }
    Ok(exit::OK)
}

async fn show(loopbox: &Loopbox, name: &SandboxName, id: &str, follow: bool) -> Result<()> {
    let mut log = loopbox.log_follower(name, id, follow).await?;
    while let Some(chunk) = log.next().await {
        output::bytes(&chunk?)?;
    }
    Ok(())
}

fn list(app: App, entries: &[LogEntry]) -> Result<()> {
    if app.json {
        return output::json(&entries);
    }
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| {
            vec![
                entry.id.clone(),
                shown::time(entry.started),
                entry.exit_code.map_or_else(|| "-".to_owned(), |code| code.to_string()),
                entry.command.clone(),
            ]
        })
        .collect();
    table::print(&["ID", "STARTED", "EXIT", "COMMAND"], &rows)
}

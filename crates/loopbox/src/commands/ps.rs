//! `ps`.

use loopbox_core::SandboxName;

use super::{App, loopbox};
use crate::failure::Result;
use crate::{exit, output, table};

pub(super) async fn ps(app: App, name: &str) -> Result<u8> {
    let processes = loopbox()?.processes(&SandboxName::parse(name)?).await?;
    if app.json {
        output::json(&processes)?;
        return Ok(exit::OK);
    }
    let rows: Vec<_> = processes
        .iter()
        .map(|process| {
            vec![
                process.pid.to_string(),
                process.inner_pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
                process.state.to_string(),
                process.command.clone(),
            ]
        })
        .collect();
    table::print(&["PID", "INNER", "STATE", "COMMAND"], &rows)?;
    Ok(exit::OK)
}

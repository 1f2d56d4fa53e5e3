//! `ls`.

use loopbox_core::SandboxInfo;

use super::{App, loopbox, shown};
use crate::args::ListArgs;
use crate::failure::Result;
use crate::{exit, output, table};

const HEADINGS: [&str; 7] = ["NAME", "AGENT", "STATE", "WORKSPACE", "BACKEND", "CREATED", "EXPIRES"];

pub(super) async fn ls(app: App, args: &ListArgs) -> Result<u8> {
    let sandboxes = loopbox()?.list().await?;
    if args.quiet {
        for sandbox in &sandboxes {
            output::line(sandbox.name.as_str())?;
        }
    } else if app.json {
        output::json(&sandboxes)?;
    } else {
        let rows: Vec<_> = sandboxes.iter().map(row).collect();
        table::print(&HEADINGS, &rows)?;
    }
    Ok(exit::OK)
}

fn row(sandbox: &SandboxInfo) -> Vec<String> {
    vec![
        sandbox.name.to_string(),
        sandbox.agent.name.to_string(),
        shown::state(sandbox.state).to_owned(),
        sandbox.workspace.display().to_string(),
        sandbox.backend.to_string(),
        shown::time(sandbox.created),
        shown::time_or(sandbox.expires, "never"),
    ]
}

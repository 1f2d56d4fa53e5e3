//! `create`.

use loopbox_core::{CreateRequest, Created, Loopbox};

use super::{App, loopbox_to_create};
use crate::args::CreateArgs;
use crate::failure::Result;
use crate::resolve::create_request;
use crate::{config, exit, output, progress};

pub(super) async fn create(app: App, args: CreateArgs) -> Result<u8> {
    let request = create_request("create", args.sandbox, &args.agent, args.path.as_deref(), &args.extra)?;
    let loopbox = loopbox_to_create(&request).await?;
    let created = make(&loopbox, request).await?;
    if !args.quiet {
        announce(&created);
    }
    if app.json {
        output::json(&serde_json::json!({
            "name": created.name,
            "new": created.new,
            "notices": created.notices,
        }))?;
    } else {
        output::line(created.name.as_str())?;
    }
    Ok(exit::OK)
}

/// Makes the sandbox, or finds it.
pub(super) async fn make(loopbox: &Loopbox, request: CreateRequest) -> Result<Created> {
    let doing = format!("creating sandbox {}", request.name);
    Ok(progress::during(&doing, loopbox.create(request)).await?)
}

/// Tells what the operator should know about a new sandbox, and about the bare host each time.
pub(super) fn announce(created: &Created) {
    if created.new || config::host_mode() {
        for notice in &created.notices {
            output::notice(notice);
        }
    }
}

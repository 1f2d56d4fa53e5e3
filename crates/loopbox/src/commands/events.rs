//! `events`.

use loopbox_core::EventKind;

use super::{App, loopbox, shown};
use crate::args::EventsArgs;
use crate::failure::Result;
use crate::{exit, output};

pub(super) async fn events(app: App, args: &EventsArgs) -> Result<u8> {
    let mut events = loopbox()?.events(args.follow)?;
    while let Some(event) = events.next().await {
        let event = event?;
        if app.json {
            output::json_line(&event)?;
        } else {
            let line =
                format!("{}  {}  {}  {}", shown::time(event.time), event.sandbox, kind(event.kind), event.detail);
            output::line(output::printable(line.trim_end()))?;
        }
    }
    Ok(exit::OK)
}

/// The word for it, the same as in JSON.
fn kind(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Created => "created",
        EventKind::Started => "started",
        EventKind::Stopped => "stopped",
        EventKind::Died => "died",
        EventKind::Removed => "removed",
        EventKind::Expired => "expired",
        _ => "unknown",
    }
}

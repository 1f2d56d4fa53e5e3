//! `doctor`.

use loopbox_core::{Check, CheckStatus};

use super::{App, loopbox};
use crate::failure::Result;
use crate::{exit, output};

pub(super) async fn doctor(app: App) -> Result<u8> {
    let report = loopbox()?.doctor().await;
    if app.json {
        output::json(&report)?;
    } else {
        let width = report.checks.iter().map(|check| check.name.chars().count()).max().unwrap_or(0);
        for check in &report.checks {
            show(check, width)?;
        }
        match report.backend {
            Some(backend) => output::line(format!("sandboxes run on the {backend} backend"))?,
            None => output::line("no backend works here")?,
        }
    }
    let sound = report.backend.is_some() && report.checks.iter().all(|check| check.status != CheckStatus::Fail);
    Ok(if sound { exit::OK } else { exit::UNHEALTHY })
}

fn show(check: &Check, width: usize) -> Result<()> {
    let status = match check.status {
        CheckStatus::Ok => "ok",
        CheckStatus::Warn => "warn",
        _ => "FAIL",
    };
    output::line(output::printable(&format!("{status:4}  {:width$}  {}", check.name, check.detail)))?;
    if let Some(remedy) = &check.remedy {
        output::line(format!("{:4}  {:width$}  → {}", "", "", output::printable(remedy)))?;
    }
    Ok(())
}

//! Questions about sandboxes, and their end.

use loopbox_core::{AgentName, Error, ErrorCode, LoopId, Result, SandboxName};
use napi_derive::napi;

use crate::failure::{Outcome, outcome};
use crate::settings::Settings;

/// The name of a loop's sandbox.
#[napi]
pub fn loop_sandbox_name(loop_id: String, tool: String) -> Outcome<String> {
    outcome(loop_name(loop_id, tool))
}

/// Ends every sandbox of a loop.
#[napi]
pub async fn destroy_loop(settings: Settings, loop_id: String) -> Outcome<bool> {
    outcome(destroy(settings, &loop_id).await)
}

/// Whether a sandbox of that name exists.
#[napi]
pub async fn exists(settings: Settings, name: String) -> Outcome<bool> {
    outcome(find(settings, &name).await)
}

/// What there is to know of a sandbox, as JSON.
#[napi]
pub async fn inspect(settings: Settings, name: String) -> Outcome<String> {
    outcome(describe(settings, &name).await)
}

/// The same of every sandbox, as JSON.
#[napi]
pub async fn list(settings: Settings) -> Outcome<String> {
    outcome(describe_all(settings).await)
}

fn loop_name(loop_id: String, tool: String) -> Result<String> {
    Ok(SandboxName::of_loop(&LoopId::parse(loop_id)?, &AgentName::parse(tool)?)?.into())
}

async fn destroy(settings: Settings, loop_id: &str) -> Result<bool> {
    let removed = settings.loopbox()?.destroy_loop(&LoopId::parse(loop_id)?).await?;
    Ok(!removed.is_empty())
}

async fn find(settings: Settings, name: &str) -> Result<bool> {
    settings.loopbox()?.exists(&SandboxName::parse(name)?).await
}

async fn describe(settings: Settings, name: &str) -> Result<String> {
    json(&settings.loopbox()?.inspect(&SandboxName::parse(name)?).await?)
}

async fn describe_all(settings: Settings) -> Result<String> {
    json(&settings.loopbox()?.list().await?)
}

fn json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value)
        .map_err(|error| Error::new(ErrorCode::Io, "writing a sandbox's description as JSON").with_source(error))
}

//! A command in a running native sandbox: one connection to init, the pipes passed along.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use loopbox_init::protocol;

use super::limits;
use crate::error::{Error, ErrorCode, Result};
use crate::exec::{Exec, ExecInput, ExecRequest, OutOfMemory, User};
use crate::explain::explain;
use crate::guard::Watch;
use crate::guest;
use crate::in_use::InUse;
use crate::logs::LogEntry;
use crate::record::{Record, Runtime};
use crate::registry::SandboxDir;
use crate::supervisor::{Pipes, control};

/// How long processes that ignore SIGTERM live on after a timeout or a cancellation.
const GRACE_MS: u32 = 500;

pub(super) async fn start(dir: &SandboxDir, record: &Record, request: ExecRequest) -> Result<Exec> {
    let runtime = dir.runtime()?.ok_or_else(|| died(record))?;
    let token = control::parse_token(&runtime.token)?;
    let owner = rustix::process::geteuid().is_root().then_some(runtime.agent_ids);
    let input = request.stdin.clone();
    let limit = request.max_output_bytes;
    let start = translate(record, &runtime, request)?;
    let watch = Watch::begin(dir, record, runtime.init.pid)?;
    let events = record.native.as_ref().and_then(|native| limits::memory_events(&record.settings.limits, native));
    let memory = events.map(OutOfMemory::since_now);
    let exec = guest::connect_exec(&dir.run().join("init.sock"), token, start, owner)
        .await
        .map_err(|error| explain(error, &record.name))?;
    let meanwhile = watch.meanwhile();
    let exec = Exec::new(exec, input, limit, record.name.clone()).watching(memory).ending_with(move || watch.end());
    Ok(match meanwhile {
        Some(work) => exec.accompanied_by(work),
        None => exec,
    })
}

/// Has the sandbox's supervisor start the command and keep it.
pub(super) async fn start_detached(
    dir: &SandboxDir,
    record: &Record,
    request: ExecRequest,
    id: &str,
    in_use: InUse,
) -> Result<()> {
    let runtime = dir.runtime()?.ok_or_else(|| died(record))?;
    let owner = rustix::process::geteuid().is_root().then_some(runtime.agent_ids);
    let entry = LogEntry::new(id, &request.argv);
    let start = translate(record, &runtime, request)?;
    // Nobody waits for its end: what it makes is found by the next command, or at the sandbox's end.
    drop(Watch::begin(dir, record, runtime.init.pid)?);
    let pipes = guest::make_pipes(owner).map_err(|error| explain(error, &record.name))?;
    let in_use = in_use.into_file().ok_or_else(|| died(record))?;
    control::exec(&dir.run(), entry, start, Pipes { pipes, in_use: in_use.into() }).await
}

fn translate(record: &Record, runtime: &Runtime, request: ExecRequest) -> Result<protocol::Start> {
    crate::exec::check(&request)?;
    if request.user != User::Agent && !runtime.root_user {
        return Err(Error::unsupported(
            "user: this sandbox has only the user 'agent', because an ordinary user made it",
        )
        .with_hint("make the sandbox as root to have more users in it"));
    }
    let mut env: BTreeMap<OsString, OsString> = BTreeMap::new();
    env.extend(runtime.env.iter().map(|(name, value)| (name.into(), value.into())));
    env.extend(super::env::of(request.user).into_iter().map(|(name, value)| (name.into(), value.into())));
    env.extend(record.settings.env.iter().map(|(name, value)| (name.into(), value.into())));
    if request.tty.is_some() {
        env.insert("TERM".into(), "xterm-256color".into());
    }
    env.extend(request.env);
    let work_dir = request.work_dir.unwrap_or_else(|| record.workspace.given.clone());
    Ok(protocol::Start {
        argv: request.argv.into_iter().map(|arg| arg.into_vec().into()).collect(),
        env: env.into_iter().map(|(name, value)| (name.into_vec().into(), value.into_vec().into())).collect(),
        work_dir: work_dir.as_os_str().as_bytes().to_vec().into(),
        user: match request.user {
            User::Agent => protocol::User::Agent,
            User::Root => protocol::User::Root,
            User::Ids { uid, gid } => protocol::User::Ids { uid, gid },
        },
        timeout_ms: crate::options::millis(request.timeout),
        grace_ms: GRACE_MS,
        tty: request.tty.map(|size| protocol::TtySize { rows: size.rows, cols: size.cols }),
        stdin: !matches!(request.stdin, ExecInput::Empty),
    })
}

fn died(record: &Record) -> Error {
    Error::new(ErrorCode::SandboxDied, format!("the sandbox '{}' does not run", record.name))
}

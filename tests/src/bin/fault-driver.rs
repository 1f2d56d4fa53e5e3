//! `fault-driver create|deny|exec|detach|stop|network|remove|prune STATE HELPER WORKSPACE NAME [FAILPOINT|- [COMMAND…]]`: one call
//! of the library in a process of its own, which dies at the failpoint if it gets there.
//!
//! `fault-driver race STATE HELPER WORKSPACE NAME SEED ROUNDS` makes, uses, stops and removes one sandbox in a random
//! order.
//! As `fault-driver internal …` it is also the helper executable, so that failpoints reach supervisor and init.
//!
//! The result is the last line of standard output: `{"ok":…}`, or `{"code":…,"message":…,"hint":…}` with exit code 1.
#![forbid(unsafe_code)]

use std::error::Error as StdError;
use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use loopbox_core::{
    AgentName, BackendId, Config, CreateRequest, DefaultVerdict, Error, ErrorCode, ExecRequest, Loopbox,
    NetworkOptions, SandboxName,
};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt};

type Fallible<T> = Result<T, Box<dyn StdError>>;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    let code = match words.as_slice() {
        ["internal", "supervise"] => loopbox_core::supervisor::main(),
        ["internal", "sweep", trash] => loopbox_core::sweep(Path::new(trash)),
        [verb, state, helper, workspace, name, rest @ ..] => {
            call(verb, state, helper, workspace, name, rest).unwrap_or(2)
        }
        _ => 2,
    };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn call(verb: &str, state: &str, helper: &str, workspace: &str, name: &str, rest: &[&str]) -> Fallible<i32> {
    let mut config = Config::new(state);
    config.helper = Some(helper.into());
    config.backend = Some(BackendId::Native);
    let (failpoint, command) = rest.split_first().unwrap_or((&"-", &[]));
    if verb != "race" && *failpoint != "-" {
        config.failpoint = Some((*failpoint).to_owned());
    }
    let caller =
        Caller { loopbox: Loopbox::new(config)?, name: SandboxName::parse(name)?, workspace: workspace.to_owned() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(async {
        match verb {
            "create" => caller.create().await,
            "exec" => caller.exec(command).await,
            "detach" => caller.detach().await,
            "stop" => caller.loopbox.stop(&caller.name).await.map(|()| Value::Null),
            "deny" => caller.create_denied().await,
            "network" => caller.deny().await,
            "remove" => caller.loopbox.remove(&caller.name).await.map(Value::from),
            "prune" => caller.loopbox.prune().await.map(|report| json!(report.removed.len())),
            "race" => caller.race(rest).await,
            _ => Err(Error::new(ErrorCode::InvalidArgument, "there is no such verb")),
        }
    });
    let (line, code) = match answer {
        Ok(value) => (json!({ "ok": value }), 0),
        Err(error) => {
            let (code, message) = (error.code().as_str(), error.describe());
            (json!({ "code": code, "message": message, "hint": error.hint() }), 1)
        }
    };
    writeln!(std::io::stdout(), "{line}")?;
    Ok(code)
}

async fn show(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    let mut buffer = [0_u8; 4096];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        let mut stdout = std::io::stdout();
        stdout.write_all(buffer.get(..length).unwrap_or_default())?;
        stdout.flush()?;
    }
}

struct Caller {
    loopbox: Loopbox,
    name: SandboxName,
    workspace: String,
}

impl Caller {
    async fn create(&self) -> loopbox_core::Result<Value> {
        let request = CreateRequest::new(self.name.clone(), AgentName::parse("shell")?, &self.workspace);
        self.loopbox.create(request).await.map(|created| json!({ "new": created.new }))
    }

    /// Runs the command with its output on ours, as it comes.
    async fn exec(&self, command: &[&str]) -> loopbox_core::Result<Value> {
        let command = if command.is_empty() { &["true"] } else { command };
        let mut exec = self.loopbox.exec(&self.name, ExecRequest::new(command.iter().copied())).await?;
        // Nobody reads what it writes there.
        drop(exec.take_stderr());
        if let Some(mut stdout) = exec.take_stdout() {
            let copied = show(&mut stdout).await;
            copied.map_err(|error| Error::io("copying the output", error))?;
        }
        exec.wait().await.map(|status| json!(status.exit_code))
    }

    async fn detach(&self) -> loopbox_core::Result<Value> {
        let command = ExecRequest::new(["sleep", "infinity"]);
        self.loopbox.exec_detached(&self.name, command).await.map(|detached| json!(detached.id))
    }

    /// create with another policy than the default.
    async fn create_denied(&self) -> loopbox_core::Result<Value> {
        let mut request = CreateRequest::new(self.name.clone(), AgentName::parse("shell")?, &self.workspace);
        request.options.network = Some(denial());
        self.loopbox.create(request).await.map(|created| json!({ "new": created.new }))
    }

    async fn deny(&self) -> loopbox_core::Result<Value> {
        self.loopbox.set_network(&self.name, denial()).await.map(|_| Value::Null)
    }

    /// Whatever the other racer does meanwhile, only the absence of the sandbox is an answer of its own, and
    /// for a command its death.
    async fn race(&self, rest: &[&str]) -> loopbox_core::Result<Value> {
        let number = |at: usize| rest.get(at).and_then(|text| text.parse::<u64>().ok()).unwrap_or(1);
        let (mut random, rounds) = (number(0), number(1));
        for _ in 0..rounds {
            // xorshift64
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let done = match random % 4 {
                0 => self.create().await.map(|_| ()),
                1 => self.loopbox.stop(&self.name).await,
                2 => self.exec(&[]).await.map(|_| ()),
                _ => self.loopbox.remove(&self.name).await.map(|_| ()),
            };
            if let Err(error) = done {
                match error.code() {
                    ErrorCode::SandboxNotFound => {}
                    // A command ends with its sandbox.
                    ErrorCode::SandboxDied if random % 4 == 2 => {}
                    _ => return Err(error),
                }
            }
        }
        Ok(json!(rounds))
    }
}

fn denial() -> NetworkOptions {
    let mut options = NetworkOptions::default();
    options.policy = Some(DefaultVerdict::Deny);
    options
}

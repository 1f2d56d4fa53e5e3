//! Running a command.

use std::collections::HashMap;
use std::time::Duration;

use loopbox_core::{Error, ErrorCode, ExecInput, ExecOutput, ExecRequest, Result, SandboxName, User};
use napi::Env;
use napi::bindgen_prelude::{Either, PromiseRaw, Uint8Array};
use napi_derive::napi;
use tokio_util::sync::CancellationToken;

use crate::create::whole;
use crate::failure::{Outcome, outcome};
use crate::output::{Delivery, OutputCallback};
use crate::settings::Settings;

/// The command and the options of `execInSandbox`, their types already checked.
#[napi(object, object_to_js = false)]
#[expect(missing_debug_implementations, reason = "napi's byte array has none, and arguments may be secret")]
pub struct ExecArgs {
    /// The command and its arguments.
    pub argv: Vec<String>,
    /// Variables of this command.
    pub env: Option<HashMap<String, String>>,
    /// The directory to start in.
    pub work_dir: Option<String>,
    /// Who runs it: a name or numeric ids.
    pub user: Option<String>,
    /// Milliseconds; 0 is no limit.
    pub timeout_ms: Option<f64>,
    /// What it reads.
    pub stdin: Option<Either<String, Uint8Array>>,
    /// How much of each stream is kept.
    pub max_output_bytes: Option<f64>,
}

/// What came of a command. `output` is the facade's to put together.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct ExecResult {
    /// The exit code.
    pub exit_code: i32,
    /// Standard output, invalid UTF-8 replaced.
    pub stdout: String,
    /// Standard error, invalid UTF-8 replaced.
    pub stderr: String,
    /// The name of the signal that ended it.
    pub signal: Option<String>,
    /// Whether the time limit ended it.
    pub timed_out: bool,
    /// Whether more was written than was kept.
    pub truncated: bool,
    /// How long it ran.
    pub duration_ms: f64,
}

/// Cancels one exec.
#[napi]
#[derive(Debug, Default)]
pub struct Canceller(CancellationToken);

#[napi]
impl Canceller {
    /// One that has cancelled nothing yet.
    #[napi(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the command with its whole tree; its call answers `Aborted`.
    #[napi]
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

/// Runs a command and answers what came of it, after every chunk of its output went to `on_output`.
#[napi]
pub fn exec<'env>(
    env: &'env Env,
    settings: Settings,
    name: String,
    args: ExecArgs,
    canceller: Option<&Canceller>,
    on_output: Option<OutputCallback>,
) -> napi::Result<PromiseRaw<'env, Outcome<ExecResult>>> {
    let cancel = canceller.map(|canceller| canceller.0.clone()).unwrap_or_default();
    let delivery = on_output.map(Delivery::new);
    env.spawn_future(async move { Ok(outcome(run(settings, &name, args, cancel, delivery).await)) })
}

async fn run(
    settings: Settings,
    name: &str,
    args: ExecArgs,
    cancel: CancellationToken,
    delivery: Option<Delivery>,
) -> Result<ExecResult> {
    let name = SandboxName::parse(name)?;
    let request = args.request()?;
    let loopbox = settings.loopbox()?;
    let exec = loopbox.exec(&name, request).await?;
    let output = match &delivery {
        Some(delivery) => exec.output_with(|stream, chunk| delivery.send(stream, chunk), cancel).await,
        None => exec.output_with(|_, _| (), cancel).await,
    };
    if let Some(delivery) = delivery {
        delivery.finished().await;
    }
    output.map(ExecResult::new)
}

impl ExecArgs {
    fn request(self) -> Result<ExecRequest> {
        let mut request = ExecRequest::new(self.argv);
        if let Some(env) = self.env {
            request.env = env.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        }
        request.work_dir = self.work_dir.map(Into::into);
        if let Some(user) = &self.user {
            request.user = parse_user(user)?;
        }
        if let Some(timeout) = self.timeout_ms {
            request.timeout = milliseconds(timeout);
        }
        request.stdin = match self.stdin {
            Some(Either::A(text)) => ExecInput::Bytes(text.into_bytes()),
            Some(Either::B(bytes)) => ExecInput::Bytes(bytes.to_vec()),
            None => ExecInput::Empty,
        };
        if let Some(limit) = self.max_output_bytes {
            request.max_output_bytes = whole(limit);
        }
        Ok(request)
    }
}

impl ExecResult {
    /// The library's result with its bytes as text.
    pub(crate) fn new(output: ExecOutput) -> Self {
        Self {
            exit_code: output.exit_code,
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            signal: output.signal,
            timed_out: output.timed_out,
            truncated: output.truncated,
            duration_ms: output.duration.as_secs_f64() * 1000.0,
        }
    }
}

/// The bytes as text, without a copy if they are valid UTF-8.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn parse_user(user: &str) -> Result<User> {
    match user {
        "agent" => return Ok(User::Agent),
        "root" => return Ok(User::Root),
        _ => (),
    }
    let (uid, gid) = user.split_once(':').unwrap_or((user, user));
    match (uid.parse(), gid.parse()) {
        (Ok(uid), Ok(gid)) => Ok(User::Ids { uid, gid }),
        _ => Err(Error::new(
            ErrorCode::InvalidArgument,
            format!("user: '{}': is not a user of the sandbox", user.escape_debug()),
        )
        .with_hint("use agent, root, or numeric ids as 1000:1000")),
    }
}

/// Milliseconds that the facade has checked to be finite and not negative. What exceeds all clocks is no limit at all,
/// but never zero, which would be one that was not asked for.
pub(crate) fn milliseconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number / 1000.0).unwrap_or(Duration::MAX)
}

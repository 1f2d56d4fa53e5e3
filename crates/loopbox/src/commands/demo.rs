//! `demo`: a real agent does a story in a sandbox, against a model server that is part of loopbox.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use loopbox_core::{
    AgentName, AgentProfile, CreateRequest, DefaultVerdict, Error, ErrorCode, ExecOutput, ExecRequest, HostPattern,
    Loopbox, NetworkOptions, SandboxName,
};
use model_standin::{Accepted, ModelStandin, Options, Step, Story};
use serde::Serialize;
use tempfile::TempDir;

use super::App;
use crate::args::DemoArgs;
use crate::failure::{Failure, Result, invalid};
use crate::{config, exit, output, progress, terminal};

/// Opens the model server of the demo and nothing else.
const PLACEHOLDER: &str = "loopbox-demo-placeholder";
const FILE: &str = "hello.txt";
const PATIENCE: Duration = Duration::from_mins(2);

/// What came of the demo, in milliseconds where it is about time.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    agent: String,
    sandbox: String,
    create_ms: u128,
    agent_ms: u128,
    model_requests: usize,
    exit_code: i32,
    answer: String,
    file: &'static str,
    content: String,
}

pub(super) async fn demo(app: App, args: DemoArgs) -> Result<u8> {
    let mut config = config::from_environment()?;
    config.allow_host_fallback = false;
    let loopbox = Loopbox::new(config)?;
    let candidates = candidates(args.agent.as_deref())?;
    let stage = Stage::set().await?;
    app.tell(format!("started a model server at {}", stage.server.base_url()))?;

    let begun = Instant::now();
    let (name, agent) = create(&loopbox, &stage, candidates).await?;
    let create_time = begun.elapsed();
    let told = app.tell(format!("created sandbox {name} in {} ms", create_time.as_millis()));

    // Whatever happens from here on, the sandbox is removed.
    let played = match told {
        Ok(()) => tokio::select! {
            played = play(app, &loopbox, &stage, &name, agent) => played.map(|(output, time)| Played::ToItsEnd(output, time)),
            signal = terminal::told_to_end() => signal.map(Played::Interrupted),
        },
        Err(failure) => Err(failure),
    };
    let begun = Instant::now();
    let removed = loopbox.remove(&name).await;
    let (output, agent_time) = match played? {
        Played::ToItsEnd(output, time) => (output, time),
        Played::Interrupted(signal) => return Ok(exit::signalled(signal)),
    };
    removed?;
    let content = stage.result()?;
    if app.json {
        output::json(&Summary {
            agent: agent.name.to_owned(),
            sandbox: name.to_string(),
            create_ms: create_time.as_millis(),
            agent_ms: agent_time.as_millis(),
            model_requests: stage.server.requests().len(),
            exit_code: output.exit_code,
            answer: last_line(&output.stdout),
            file: FILE,
            content,
        })?;
    } else {
        let ms = begun.elapsed().as_millis();
        output::line(format!("removed the sandbox in {ms} ms; {FILE} in the workspace holds:"))?;
        output::line(output::printable(content.trim_end()))?;
    }
    Ok(u8::try_from(output.exit_code).unwrap_or(exit::FAILURE))
}

enum Played {
    ToItsEnd(ExecOutput, Duration),
    Interrupted(u8),
}

impl App {
    fn tell(self, text: String) -> Result<()> {
        if self.json { Ok(()) } else { output::line(text) }
    }
}

/// A workspace and a model server that knows what is to be done in it.
struct Stage {
    workspace: TempDir,
    server: ModelStandin,
}

impl Stage {
    async fn set() -> Result<Self> {
        let workspace = tempfile::Builder::new().prefix("loopbox-demo-").tempdir();
        let workspace = workspace.map_err(|error| Error::io("making a workspace", error))?;
        let options =
            Options { story: story(), accepted: Accepted::Tokens(vec![PLACEHOLDER.to_owned()]), ..Options::default() };
        // It makes a runtime of its own, which is not possible inside of ours.
        let server =
            tokio::task::spawn_blocking(|| ModelStandin::start(options)).await.map_err(io::Error::other).flatten();
        let server = server.map_err(|error| Error::io("starting the model server", error))?;
        Ok(Self { workspace, server })
    }

    /// The model server as it is reached from inside.
    fn base_url(&self) -> String {
        format!("http://{}", self.host_and_port())
    }

    fn host_and_port(&self) -> String {
        format!("host.loopbox.internal:{}", self.server.address().port())
    }

    fn result(&self) -> Result<String> {
        let path: PathBuf = self.workspace.path().join(FILE);
        let bytes =
            fs::read(&path).map_err(|error| Error::io(format!("reading what the agent wrote, {FILE}"), error))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

fn story() -> Story {
    let script = "#!/bin/sh\necho \"Hello from $(id -un), who sees $(ls /home | wc -l) home.\"\n";
    Story {
        steps: vec![
            Step::Write { path: "hello.sh".to_owned(), content: script.to_owned() },
            Step::Run(format!("sh hello.sh > {FILE}")),
        ],
        answer: format!("hello.sh is written, and what it says is in {FILE}."),
    }
}

/// The agents to try: the one that was named, or all that have a story to do.
fn candidates(named: Option<&str>) -> Result<Vec<&'static AgentProfile>> {
    let playable = |profile: &&AgentProfile| model_settings(profile.name, "").is_some();
    let Some(name) = named else { return Ok(AgentProfile::all().iter().filter(playable).collect()) };
    let agent = AgentName::parse(name)?;
    let profile = AgentProfile::find(agent.as_str()).filter(playable);
    Ok(vec![profile.ok_or_else(|| invalid(format!("'{agent}' has no story to do")).with_hint("use claude or codex"))?])
}

/// Makes the sandbox for the first of these agents that is installed.
async fn create(
    loopbox: &Loopbox,
    stage: &Stage,
    candidates: Vec<&'static AgentProfile>,
) -> Result<(SandboxName, &'static AgentProfile)> {
    let mut absent = None;
    for agent in candidates {
        match create_for(loopbox, stage, agent).await {
            Err(Failure::Error(error)) if error.code() == ErrorCode::AgentNotFound => absent = absent.or(Some(error)),
            other => return other.map(|name| (name, agent)),
        }
    }
    let error = absent.unwrap_or_else(|| invalid("there is no agent for the demo"));
    Err(error.into())
}

async fn create_for(loopbox: &Loopbox, stage: &Stage, agent: &AgentProfile) -> Result<SandboxName> {
    let name = SandboxName::parse(format!("demo-{}-{}", agent.name, std::process::id()))?;
    let mut network = NetworkOptions::default();
    network.policy = Some(DefaultVerdict::Deny);
    let server: HostPattern =
        stage.host_and_port().parse().map_err(|error| invalid("the model server's address").with_source(error))?;
    network.allow_hosts = Some(vec![server]);
    let mut request = CreateRequest::new(name, AgentName::parse(agent.name)?, workspace(stage.workspace.path())?);
    request.options.network = Some(network);
    request.options.ttl = Some(PATIENCE * 5);
    request.options.no_git_identity = true;
    Ok(progress::during("creating a sandbox", loopbox.create(request)).await?.name)
}

fn workspace(path: &Path) -> Result<PathBuf> {
    Ok(path.canonicalize().map_err(|error| Error::io("finding the workspace", error))?)
}

/// Lets the agent do its story.
async fn play(
    app: App,
    loopbox: &Loopbox,
    stage: &Stage,
    name: &SandboxName,
    agent: &AgentProfile,
) -> Result<(ExecOutput, Duration)> {
    let settings = model_settings(agent.name, &stage.base_url()).unwrap_or_default();
    let args: Vec<_> = settings.args.iter().map(Into::into).collect();
    let mut request = ExecRequest::new(agent.launch(&args));
    request.env = settings.env.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
    request.timeout = PATIENCE;

    let doing = format!("{} does its story", agent.name);
    let begun = Instant::now();
    let output = progress::during(&doing, async { loopbox.exec(name, request).await?.output().await }).await?;
    let time = begun.elapsed();
    if output.exit_code != 0 {
        let error = Error::new(ErrorCode::Io, format!("{} failed with exit code {}", agent.name, output.exit_code));
        output::diagnostic(output::printable(&last_line(&output.stderr)).as_str());
        output::error(&error, app.json);
    }
    app.tell(format!(
        "{} did its story in {} ms with {} model requests and says: {}",
        agent.name,
        time.as_millis(),
        stage.server.requests().len(),
        output::printable(&last_line(&output.stdout))
    ))?;
    Ok((output, time))
}

/// What makes an agent talk to the demo's model server and run unattended to the end.
#[derive(Debug, Default)]
struct ModelSettings {
    env: Vec<(&'static str, String)>,
    args: Vec<String>,
}

const PROMPT: &str = "Write hello.sh and run it.";

fn model_settings(agent: &str, base_url: &str) -> Option<ModelSettings> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    match agent {
        "claude" => Some(ModelSettings {
            env: vec![
                ("ANTHROPIC_BASE_URL", base_url.to_owned()),
                ("CLAUDE_CODE_OAUTH_TOKEN", PLACEHOLDER.to_owned()),
                ("CLAUDE_CODE_MAX_RETRIES", "0".to_owned()),
            ],
            args: words(&["-p", PROMPT, "--output-format", "text"]),
        }),
        "codex" => {
            let provider = format!(
                "model_providers.demo={{name=\"demo\", base_url=\"{base_url}/v1\", wire_api=\"responses\", \
                 env_key=\"LOOPBOX_DEMO_KEY\", request_max_retries=0, stream_max_retries=0}}"
            );
            let mut args = words(&["exec", "--skip-git-repo-check", "-c", "model=\"demo\"", "-c"]);
            args.extend(["model_provider=\"demo\"".to_owned(), "-c".to_owned(), provider, PROMPT.to_owned()]);
            Some(ModelSettings { env: vec![("LOOPBOX_DEMO_KEY", PLACEHOLDER.to_owned())], args })
        }
        _ => None,
    }
}

fn last_line(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_end().lines().next_back().unwrap_or_default().to_owned()
}

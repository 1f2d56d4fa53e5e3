//! The main job, end to end: unmodified agents do a story in a sandbox that reaches nothing but their model server.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use loopbox_core::{AgentName, CreateRequest, DefaultVerdict, ExecRequest, LoopId, NetworkOptions};
use loopbox_tests::{Bed, ROOT, within};
use model_standin::{Accepted, ModelStandin, Options, Step, Story};

const TOKEN: &str = "placeholder-of-the-test";
const ANSWER: &str = "The story is done.";

/// Both agents, with their model server on the host's loopback.
struct Scene {
    bed: Bed,
    server: ModelStandin,
}

/// One agent as a loop calls it: its command and the variables of that one command.
struct Call {
    agent: &'static str,
    command: Vec<String>,
    env: Vec<(&'static str, String)>,
}

impl Scene {
    async fn set() -> Self {
        let bed = Bed::with(|config| config.host_path = path_with_agents());
        let accepted = Accepted::Tokens(vec![TOKEN.to_owned()]);
        // It begins with a runtime of its own, which no task of another may hold up.
        let start = || ModelStandin::start(Options { accepted, ..Options::default() }).unwrap();
        let server = tokio::task::spawn_blocking(start).await.unwrap();
        Self { bed, server }
    }

    /// Where the sandbox finds the model server, if it is let.
    fn host(&self) -> String {
        format!("host.loopbox.internal:{}", self.server.address().port())
    }

    fn calls(&self, token: &str) -> [Call; 2] {
        let prompt = format!("Please do this. {}", story().to_directive());
        let url = format!("http://{}", self.host());
        let claude = ["claude", "-p", &prompt, "--output-format", "text", "--dangerously-skip-permissions"];
        let provider = format!(
            r#"{{ name = "standin", base_url = "{url}/v1", wire_api = "responses", env_key = "STANDIN_KEY", request_max_retries = 0, stream_max_retries = 0 }}"#
        );
        let provider = format!("model_providers.standin={provider}");
        let codex = [
            "codex",
            "--ask-for-approval",
            "never",
            "exec",
            "--sandbox",
            "danger-full-access",
            "--skip-git-repo-check",
            "-c",
            "model=standin",
            "-c",
            "model_provider=standin",
            "-c",
            &provider,
            &prompt,
        ];
        let owned = |command: &[&str]| command.iter().map(|&word| word.to_owned()).collect();
        [
            Call {
                agent: "claude",
                command: owned(&claude),
                env: vec![
                    ("ANTHROPIC_BASE_URL", url),
                    ("CLAUDE_CODE_OAUTH_TOKEN", token.to_owned()),
                    ("CLAUDE_CODE_MAX_RETRIES", "0".to_owned()),
                ],
            },
            Call { agent: "codex", command: owned(&codex), env: vec![("STANDIN_KEY", token.to_owned())] },
        ]
    }

    fn workspace(&self, agent: &str) -> PathBuf {
        let workspace = self.bed.dir().join(format!("project of {agent}"));
        fs::create_dir(&workspace).unwrap();
        workspace
    }

    /// What the loop's operator finds afterwards.
    fn assert_done(&self, workspace: &Path, stdout: &[u8]) {
        let last = String::from_utf8_lossy(stdout).trim_end().lines().last().unwrap_or_default().to_owned();
        assert_eq!(last, ANSWER);
        assert_eq!(fs::read_to_string(workspace.join("src/story.txt")).unwrap(), "Written by the agent.\n");
        assert_eq!(fs::read_to_string(workspace.join("who")).unwrap(), "agent\n");
        let owner = fs::metadata(workspace).unwrap().uid();
        for file in ["src", "src/story.txt", "who"] {
            assert_eq!(fs::metadata(workspace.join(file)).unwrap().uid(), owner, "{file}");
        }
        let requests = self.server.requests();
        assert!(requests.iter().any(|request| request.method == "POST" && request.status == 200));
    }
}

fn story() -> Story {
    Story {
        steps: vec![
            Step::Write { path: "src/story.txt".to_owned(), content: "Written by the agent.\n".to_owned() },
            Step::Run("id -un > who; cat src/story.txt".to_owned()),
        ],
        answer: ANSWER.to_owned(),
    }
}

/// The agents that this repository pins, before the system's own directories.
fn path_with_agents() -> OsString {
    let agents = fs::canonicalize(Path::new(ROOT).join("tests/agents/node_modules/.bin"));
    let agents = agents.expect("agents to test with: run `sh tests/agents/install.sh`");
    for agent in ["claude", "codex"] {
        assert!(agents.join(agent).exists(), "{agent} is not installed: run `sh tests/agents/install.sh`");
    }
    format!("{}:/usr/local/bin:/usr/bin:/bin", agents.display()).into()
}

#[tokio::test]
async fn agents_do_a_story_through_the_library() {
    let scene = Scene::set().await;
    let loop_id = LoopId::parse("loop-mlqojz0v-7nnrle").unwrap();
    for call in scene.calls(TOKEN) {
        let workspace = scene.workspace(call.agent);
        let agent = AgentName::parse(call.agent).unwrap();
        let mut request = CreateRequest::for_loop(&loop_id, &agent, &workspace).unwrap();
        let mut network = NetworkOptions::default();
        network.policy = Some(DefaultVerdict::Deny);
        network.allow_hosts = Some(vec![scene.host().parse().unwrap()]);
        request.options.network = Some(network);
        let name = scene.bed.loopbox.create(request).await.unwrap().name;

        let mut request = ExecRequest::new(&call.command);
        request.env = call.env.iter().map(|(variable, value)| (variable.into(), value.into())).collect();
        let output = within(call.agent, scene.bed.exec(&name, request)).await.unwrap();
        assert_eq!(output.exit_code, 0, "{}: {}", call.agent, output.text());
        scene.assert_done(&workspace, &output.stdout);
        let log = fs::read_to_string(scene.bed.sandbox_dir(&name).join("egress.log")).unwrap();
        let others: Vec<_> = log.lines().filter(|line| !line.contains("host.loopbox.internal")).collect();
        assert!(others.is_empty(), "{} asked for more than its model: {others:?}", call.agent);
    }
    let destroyed = scene.bed.loopbox.destroy_loop(&loop_id).await.unwrap();
    assert_eq!(
        destroyed.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["loop-loop-mlqojz0v-7nnrle-claude", "loop-loop-mlqojz0v-7nnrle-codex"]
    );
    assert!(scene.workspace("nobody").parent().unwrap().join("project of claude/who").exists());
}

/// Planner, implementor and cleaner are three processes.
#[tokio::test]
async fn agents_do_a_story_through_the_command_line() {
    let scene = Scene::set().await;
    for call in scene.calls(TOKEN) {
        let workspace = scene.workspace(call.agent);
        let path = workspace.to_str().unwrap();
        let name = format!("story-{}", call.agent);
        let host = scene.host();
        let create = ["create", "--name", &name, "--policy", "deny", "--allow-host", &host, call.agent, path];
        assert_success(&cli(&scene, &create).await);

        let variables: Vec<String> = call.env.iter().map(|(variable, value)| format!("{variable}={value}")).collect();
        let mut exec = vec!["exec"];
        exec.extend(variables.iter().flat_map(|variable| ["-e", variable.as_str()]));
        exec.extend(["-w", path, &name]);
        exec.extend(call.command.iter().map(String::as_str));
        let worked = cli(&scene, &exec).await;
        assert_success(&worked);
        scene.assert_done(&workspace, &worked.stdout);

        assert_success(&cli(&scene, &["rm", &name]).await);
        assert_eq!(cli(&scene, &["ls", "-q"]).await.stdout, b"");
        assert!(workspace.join("who").exists());
    }
}

/// `run` makes the sandbox and starts the agent itself; its exit code and its answer are the agent's.
#[tokio::test]
async fn run_makes_the_sandbox_and_starts_the_agent() {
    let scene = Scene::set().await;
    let [claude, _] = scene.calls(TOKEN);
    let workspace = scene.workspace("run");
    let variables: Vec<String> = claude.env.iter().map(|(variable, value)| format!("{variable}={value}")).collect();
    let host = scene.host();
    let mut run = vec!["run", "--policy", "deny", "--allow-host", &host];
    run.extend(variables.iter().flat_map(|variable| ["-e", variable.as_str()]));
    run.extend(["claude", workspace.to_str().unwrap(), "--", "-p", &claude.command[2]]);
    let ran = cli(&scene, &run).await;
    assert_success(&ran);
    scene.assert_done(&workspace, &ran.stdout);
}

/// What goes wrong outside is the agent's own failure, with its words and its exit code.
#[tokio::test]
async fn an_agent_with_a_wrong_token_or_without_a_rule_fails_as_itself() {
    let scene = Scene::set().await;
    for (token, allowed) in [("wrong", true), (TOKEN, false)] {
        for call in scene.calls(token) {
            let name = format!("{}-{allowed}", call.agent);
            let mut request = scene.bed.request(&name);
            request.agent = AgentName::parse(call.agent).unwrap();
            if allowed && let Some(network) = &mut request.options.network {
                network.allow_hosts = Some(vec![scene.host().parse().unwrap()]);
            }
            let name = scene.bed.loopbox.create(request).await.unwrap().name;
            let before = scene.server.requests().len();
            let mut request = ExecRequest::new(&call.command);
            request.env = call.env.iter().map(|(variable, value)| (variable.into(), value.into())).collect();
            let output = within(call.agent, scene.bed.exec(&name, request)).await.unwrap();
            assert_eq!(output.exit_code, 1, "{name}: {}", output.text());
            assert_eq!(scene.server.requests().len() > before, allowed, "{name}: {}", output.text());
        }
    }
    assert!(!scene.bed.workspace().join("who").exists());
}

async fn cli(scene: &Scene, arguments: &[&str]) -> Output {
    let mut command = scene.bed.cli();
    command.env("PATH", &scene.bed.loopbox.config().host_path).args(arguments);
    within(arguments[0], command.output()).await.unwrap()
}

fn assert_success(output: &Output) {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{stdout}\n{stderr}", output.status);
}

//! Real agents, against the stand-in for their model servers.

use model_standin::{ModelStandin, Options, Step, Story};
use serde_json::Value;

use crate::support::{Answer, Machine};

/// A machine with the agents, a model server and a sandbox for one of them that reaches nothing else.
struct Scene {
    machine: Machine,
    server: ModelStandin,
}

impl Scene {
    fn set() -> Self {
        let options = Options { story: story(), ..Options::default() };
        Self { machine: Machine::with_agents(), server: ModelStandin::start(options).unwrap() }
    }

    fn host(&self) -> String {
        format!("host.loopbox.internal:{}", self.server.address().port())
    }

    fn claude_flags(&self) -> [String; 8] {
        let url = format!("ANTHROPIC_BASE_URL=http://{}", self.host());
        ["--policy", "deny", "--allow-host", &self.host(), "-e", &url, "-e", "CLAUDE_CODE_MAX_RETRIES=0"]
            .map(str::to_owned)
    }

    fn run(&self, line: &[&str], envs: &[(&str, &str)]) -> Answer {
        let mut command = self.machine.loopbox(line);
        command.envs(envs.iter().copied());
        Answer::from(command.output().unwrap())
    }
}

fn story() -> Story {
    Story {
        steps: vec![
            Step::Write { path: "made.txt".to_owned(), content: "made by the agent\n".to_owned() },
            Step::Run("cp made.txt copied.txt".to_owned()),
        ],
        answer: "made.txt is written.".to_owned(),
    }
}

#[test]
fn claude_does_a_story_as_it_is_called_today() {
    let scene = Scene::set();
    let workspace = scene.machine.workspace("p");
    let path = workspace.to_str().unwrap();
    let flags = scene.claude_flags();
    let mut create = vec!["create", "--name", "my-sandbox"];
    create.extend(flags.iter().map(String::as_str));
    create.extend(["claude", path]);
    assert_eq!(scene.run(&create, &[]).succeeded().stdout, "my-sandbox\n");

    let line = [
        "exec",
        "-e",
        "CLAUDE_CODE_OAUTH_TOKEN=placeholder",
        "-e",
        "NODE_ENV=development",
        "-w",
        path,
        "my-sandbox",
        "claude",
        "-p",
        "Write made.txt",
        "--output-format",
        "text",
        "--dangerously-skip-permissions",
    ];
    let answer = scene.run(&line, &[]).succeeded();
    assert_eq!(answer.stdout, "made.txt is written.\n");
    assert!(answer.stderr.contains("hint: export CLAUDE_CODE_OAUTH_TOKEN"), "{}", answer.stderr);
    assert_eq!(std::fs::read_to_string(workspace.join("copied.txt")).unwrap(), "made by the agent\n");

    let answer = scene.run(
        &["exec", "-e", "CLAUDE_CODE_OAUTH_TOKEN", "my-sandbox", "claude", "auth", "status"],
        &[("CLAUDE_CODE_OAUTH_TOKEN", "placeholder")],
    );
    assert!(answer.succeeded().stdout.contains("loggedIn"));
}

#[test]
fn run_makes_the_sandbox_once_and_starts_the_agent() {
    let scene = Scene::set();
    let workspace = scene.machine.workspace("p");
    let flags = scene.claude_flags();
    let mut line = vec!["run"];
    line.extend(flags.iter().map(String::as_str));
    line.extend(["-e", "CLAUDE_CODE_OAUTH_TOKEN", "claude", workspace.to_str().unwrap(), "--", "-p", "Write made.txt"]);
    let token = [("CLAUDE_CODE_OAUTH_TOKEN", "placeholder")];
    assert_eq!(scene.run(&line, &token).succeeded().stdout, "made.txt is written.\n");
    assert!(workspace.join("copied.txt").exists());
    let again = scene.run(&["run", "claude-p", "--", "--dsp", "--continue", "-p", "Write made.txt"], &[]);
    assert_eq!(again.succeeded().stdout, "made.txt is written.\n");
    assert_eq!(scene.run(&["run", "claude-p", "--", "--no-such-option"], &[]).code, 1);
}

#[test]
fn codex_does_a_story_as_it_is_called_today() {
    let scene = Scene::set();
    let workspace = scene.machine.workspace("p");
    let host = scene.host();
    let line = ["create", "--policy", "deny", "--allow-host", &host, "codex", workspace.to_str().unwrap()];
    assert_eq!(scene.run(&line, &[]).succeeded().stdout, "codex-p\n");
    let provider = format!(
        "model_providers.standin={{name=\"standin\", base_url=\"http://{host}/v1\", wire_api=\"responses\", env_key=\"STANDIN_KEY\"}}"
    );
    let line = [
        "exec",
        "-e",
        "STANDIN_KEY",
        "codex-p",
        "codex",
        "--dangerously-bypass-approvals-and-sandbox",
        "exec",
        "--skip-git-repo-check",
        "-c",
        "model=\"standin\"",
        "-c",
        "model_provider=\"standin\"",
        "-c",
        &provider,
        "-o",
        "last.txt",
        "Write made.txt",
    ];
    let answer = scene.run(&line, &[("STANDIN_KEY", "placeholder")]).succeeded();
    assert!(answer.stdout.ends_with("made.txt is written.\n"), "{}", answer.stdout);
    assert_eq!(std::fs::read_to_string(workspace.join("copied.txt")).unwrap(), "made by the agent\n");
    assert_eq!(std::fs::read_to_string(workspace.join("last.txt")).unwrap(), "made.txt is written.");
}

#[test]
fn the_demo_shows_each_agent_at_work() {
    let machine = Machine::with_agents();
    for agent in ["claude", "codex"] {
        let summary = machine.run(&["demo", "--agent", agent, "--json"]).succeeded();
        let summary: Value = serde_json::from_str(&summary.stdout).unwrap();
        assert_eq!((&summary["agent"], &summary["exitCode"]), (&Value::from(agent), &Value::from(0)));
        assert!(summary["content"].as_str().unwrap().starts_with("Hello from agent"), "{summary}");
    }
    let told = machine.run(&["demo"]).succeeded().stdout;
    for part in ["created sandbox demo-claude-", "did its story in", "removed the sandbox", "Hello from agent"] {
        assert!(told.contains(part), "{part:?} is missing: {told}");
    }
    assert_eq!(machine.run(&["ls", "-q"]).succeeded().stdout, "");
}

#[test]
fn an_agent_that_is_not_there_is_told_how_to_install() {
    let machine = Machine::new();
    let answer = machine.run(&["demo"]).failed("AgentNotFound");
    assert!(answer.stderr.contains("npm install -g @anthropic-ai/claude-code"), "{}", answer.stderr);
}

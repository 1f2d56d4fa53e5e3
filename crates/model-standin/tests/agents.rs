//! The real agents against the stand-in: if these pass, it serves what they need.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests do")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use model_standin::{Accepted, ModelStandin, Options, Step, Story};
use tempfile::TempDir;

#[test]
fn claude_writes_the_file_with_its_own_tool() {
    let desk = Desk::new();
    let server = server();
    let output = desk.claude(&server, "placeholder", &desk.prompt());
    desk.assert_story_done(&output);

    let requests = server.requests();
    let turns: Vec<_> = requests.iter().filter(|r| r.path == "/v1/messages?beta=true").collect();
    assert_eq!(turns.len(), 3, "{requests:#?}");
    assert_eq!(turns[0].header("authorization"), Some("Bearer placeholder"));
    let beta = turns[0].header("anthropic-beta").unwrap();
    assert!(beta.contains("oauth-2025-04-20"), "{beta}");
    let last = turns[2].body.to_string();
    assert!(last.contains(r#""name":"Write""#) && last.contains(r#""name":"Bash""#));
}

#[test]
fn codex_writes_the_file_with_its_own_tool() {
    let desk = Desk::new();
    let server = server();
    let output = desk.codex(&server, "placeholder", &desk.prompt());
    desk.assert_story_done(&output);

    let requests = server.requests();
    let turns: Vec<_> = requests.iter().filter(|r| r.path == "/v1/responses").collect();
    assert_eq!(turns.len(), 3, "{requests:#?}");
    assert_eq!(turns[0].header("authorization"), Some("Bearer placeholder"));
}

#[test]
fn a_refused_token_fails_both_agents() {
    let desk = Desk::new();
    let server = server();
    let claude = desk.claude(&server, "wrong", "go");
    let codex = desk.codex(&server, "wrong", "go");
    for output in [claude, codex] {
        assert!(!output.status.success(), "{output:?}");
        let words = [output.stdout, output.stderr].concat();
        let words = String::from_utf8(words).unwrap();
        assert!(words.contains("401") && words.contains("invalid credential"), "{words}");
    }
}

#[test]
fn a_step_that_fails_is_told_in_the_answer() {
    let desk = Desk::new();
    let server = server();
    let story = Story { steps: vec![Step::Run("echo lost >&2; exit 3".to_owned())], answer: "never said".to_owned() };
    let prompt = story.to_directive();
    for output in [desk.claude(&server, "placeholder", &prompt), desk.codex(&server, "placeholder", &prompt)] {
        let answer = String::from_utf8(output.stdout).unwrap();
        assert!(answer.starts_with("story failed at step 1: "), "{answer}");
        assert!(answer.contains("lost"), "{answer}");
    }
}

/// A fresh home, temporary directory and workspace, as a new machine would have them.
struct Desk {
    directory: TempDir,
    bin: PathBuf,
    story: Story,
}

impl Desk {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["home", "home/.codex", "tmp", "work"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        let content = "it's the agent's: $HOME \"ä\"\n".to_owned();
        let story = Story {
            steps: vec![
                Step::Write { path: "story.txt".to_owned(), content },
                Step::Run("wc -c < story.txt > size.txt".to_owned()),
            ],
            answer: "The story is told.".to_owned(),
        };
        Self { directory, bin: agents_bin(), story }
    }

    fn prompt(&self) -> String {
        format!("Please do this: {}", self.story.to_directive())
    }

    fn claude(&self, server: &ModelStandin, token: &str, prompt: &str) -> Output {
        self.command("claude")
            .env("ANTHROPIC_BASE_URL", server.base_url())
            .env("CLAUDE_CODE_OAUTH_TOKEN", token)
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .env("CLAUDE_CODE_MAX_RETRIES", "0")
            // claude refuses to skip permissions as root otherwise.
            .env("IS_SANDBOX", "1")
            .args(["-p", prompt, "--output-format", "text", "--dangerously-skip-permissions"])
            .output()
            .unwrap()
    }

    fn codex(&self, server: &ModelStandin, token: &str, prompt: &str) -> Output {
        let config = format!(
            r#"
            model = "standin"
            model_provider = "standin"
            check_for_update_on_startup = false

            [model_providers.standin]
            name = "standin"
            base_url = "{}/v1"
            wire_api = "responses"
            env_key = "STANDIN_KEY"
            request_max_retries = 0
            stream_max_retries = 0

            [analytics]
            enabled = false

            [features]
            apps = false
            daemon_auto_start = false
            plugins = false
            unbounded_connection_retries = false
            "#,
            server.base_url()
        );
        std::fs::write(self.path("home/.codex/config.toml"), config).unwrap();
        self.command("codex")
            .env("STANDIN_KEY", token)
            .args(["--ask-for-approval", "never", "exec", "--sandbox", "danger-full-access"])
            .args(["--skip-git-repo-check", prompt])
            .output()
            .unwrap()
    }

    /// An agent in this desk's workspace, with nothing of our own environment.
    fn command(&self, agent: &str) -> Command {
        let mut command = Command::new(self.bin.join(agent));
        command
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", self.bin.display()))
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .current_dir(self.path("work"))
            .stdin(Stdio::null());
        command
    }

    fn assert_story_done(&self, output: &Output) {
        assert!(output.status.success(), "{output:?}");
        let answer = String::from_utf8_lossy(&output.stdout);
        assert_eq!(answer.trim_end(), self.story.answer, "{output:?}");
        let Step::Write { content, .. } = &self.story.steps[0] else {
            panic!("the story begins with a file");
        };
        let read = |name| std::fs::read_to_string(self.path("work").join(name)).unwrap();
        assert_eq!(read("story.txt"), *content);
        assert_eq!(read("size.txt").trim(), content.len().to_string());
    }

    fn path(&self, below: &str) -> PathBuf {
        self.directory.path().join(below)
    }
}

fn server() -> ModelStandin {
    let accepted = Accepted::Tokens(vec!["placeholder".to_owned()]);
    ModelStandin::start(Options { accepted, ..Options::default() }).unwrap()
}

fn agents_bin() -> PathBuf {
    let agents = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/agents");
    let installed = std::fs::read(agents.join("node_modules/.installed-lock"));
    let wanted = std::fs::read(agents.join("package-lock.json")).unwrap();
    assert!(
        installed.is_ok_and(|installed| installed == wanted),
        "the agents are not installed as pinned: run `sh tests/agents/install.sh`"
    );
    agents.join("node_modules/.bin").canonicalize().unwrap()
}

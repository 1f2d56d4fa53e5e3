//! The agents. Names of variables and options are those of Claude Code 2.1 and Codex 0.169.

use super::{AgentProfile, Seed, Unattended};

pub(super) static ALL: &[AgentProfile] = &[
    AgentProfile {
        name: "claude",
        executable: Some("claude"),
        install: "npm install -g @anthropic-ai/claude-code",
        unattended: Unattended {
            args: &["--dangerously-skip-permissions"],
            given_by: &["--dangerously-skip-permissions", "--permission-mode", "auth", "mcp", "doctor", "--version"],
        },
        fallback: &[],
        env: &[
            ("DISABLE_AUTOUPDATER", "1", "what is visible inside is fixed when the sandbox is made"),
            (
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
                "1",
                "telemetry and update checks are not the sandbox's business",
            ),
            ("CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL", "1", "installs nothing by itself at its start"),
            ("IS_SANDBOX", "1", "lets it run unattended as inner root, which is nobody outside"),
        ],
        seeds: &[
            Seed { path: ".claude.json", content: CLAUDE_JSON },
            Seed { path: ".claude/settings.json", content: CLAUDE_SETTINGS },
        ],
        aliases: &[("--dsp", "--dangerously-skip-permissions")],
    },
    AgentProfile {
        name: "codex",
        executable: Some("codex"),
        install: "npm install -g @openai/codex",
        unattended: Unattended {
            args: &["--dangerously-bypass-approvals-and-sandbox"],
            given_by: &[
                "--dangerously-bypass-approvals-and-sandbox",
                "--yolo",
                "--ask-for-approval",
                "-a",
                "--sandbox",
                "-s",
                "login",
                "logout",
                "--version",
            ],
        },
        fallback: &[],
        env: &[("CODEX_HOME", "/home/agent/.codex", "one place for its configuration in every mode")],
        seeds: &[Seed { path: ".codex/config.toml", content: CODEX_TOML }],
        aliases: &[("--dsp", "--dangerously-bypass-approvals-and-sandbox")],
    },
    AgentProfile {
        name: "shell",
        executable: None,
        install: "",
        unattended: Unattended { args: &[], given_by: &[] },
        fallback: &["bash"],
        env: &[],
        seeds: &[],
        aliases: &[],
    },
];

/// Answers the onboarding, and whether a directory is trusted: inside there is nothing but the workspace.
const CLAUDE_JSON: &str = r#"{
  "hasCompletedOnboarding": true,
  "theme": "dark",
  "autoUpdates": false,
  "projects": {
    "/": { "hasTrustDialogAccepted": true },
    "{workspace}": { "hasTrustDialogAccepted": true }
  }
}
"#;

/// Answers the warning about unattended mode.
const CLAUDE_SETTINGS: &str = r#"{
  "skipDangerousModePermissionPrompt": true
}
"#;

/// Answers whether the workspace is trusted; leaves updates to the host; starts nothing that outlives a session, loads
/// nothing by itself, and gives up on a provider that cannot be reached.
const CODEX_TOML: &str = r#"check_for_update_on_startup = false

[analytics]
enabled = false

[features]
daemon_auto_start = false
plugins = false
apps = false
unbounded_connection_retries = false

[projects."{workspace}"]
trust_level = "trusted"
"#;

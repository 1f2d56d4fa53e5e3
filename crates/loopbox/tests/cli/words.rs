//! The words: help texts and errors, as snapshots.

use std::fmt::Write as _;

use crate::support::Machine;

#[test]
fn help() {
    let machine = Machine::new();
    let verbs = ["", "create", "exec", "run", "ls", "logs", "rm", "network proxy", "secrets", "demo"];
    for verb in verbs {
        let mut args: Vec<&str> = verb.split_whitespace().collect();
        args.push("--help");
        let answer = machine.run(&args).succeeded();
        assert_eq!(answer.stderr, "");
        let name = if verb.is_empty() { "help".to_owned() } else { format!("help {verb}").replace(' ', "-") };
        insta::assert_snapshot!(name, answer.stdout);
    }
}

#[test]
fn errors() {
    let lines = [
        "",
        "foo",
        "create",
        "create my-feature /p",
        "create my-feature codex",
        "create not_a_name /p",
        "create claude /p /q",
        "create --name ../x shell /tmp",
        "create --ttl 5 shell",
        "create --memory lots shell",
        "create --cpus 0 shell",
        "create --policy ask shell",
        "create --allow-host https://example.org shell",
        "create --backend docker shell",
        "create --backend nonsense shell",
        "create --template t shell",
        "exec",
        "exec name",
        "exec --bogus name true",
        "exec name true",
        "exec -it name bash",
        "exec -d -i name true",
        "exec -u nobody name true",
        "exec --privileged name true",
        "exec --status-fd 99 name true",
        "run name",
        "run claude -p hello",
        "run name /p",
        "run --ttl 1h name",
        "rm name",
        "stop name",
        "inspect name",
        "ls --jsn",
        "reset",
        "save name tag",
        "template ls",
        "ports name --publish 8080:80",
        "network log name",
        "demo --agent shell",
        "demo --agent clod",
    ];
    let machine = Machine::new();
    let mut all = String::new();
    for line in lines {
        let args: Vec<&str> = line.split_whitespace().collect();
        let answer = machine.run(&args);
        assert_eq!(answer.code, 125, "{line}: {}", answer.stderr);
        assert_eq!(answer.stdout, "", "{line}");
        writeln!(all, "$ loopbox {line}\n{}", answer.stderr).unwrap();
    }
    insta::assert_snapshot!(all);
}

#[test]
fn errors_are_json_where_json_was_asked_for() {
    let machine = Machine::new();
    for line in ["inspect name --json", "--json exec name true", "ls --json --bogus", "create --json foo /p"] {
        let args: Vec<&str> = line.split_whitespace().collect();
        let answer = machine.run(&args);
        assert_eq!(answer.code, 125);
        let error: serde_json::Value = serde_json::from_str(&answer.stderr).expect(&answer.stderr);
        for key in ["code", "message", "hint"] {
            assert!(error["error"].get(key).is_some(), "{line}: {error}");
        }
    }
}

#[test]
fn a_flag_of_the_command_is_not_ours() {
    let machine = Machine::new();
    let answer = machine.run(&["exec", "name", "ls", "--json"]).failed("SandboxNotFound");
    assert!(answer.stderr.starts_with("loopbox: error["), "{}", answer.stderr);
}

#[test]
fn a_typed_credential_is_warned_of_once_and_never_repeated() {
    let machine = Machine::new();
    let answer = machine.run(&["exec", "-e", "A_TOKEN=canary", "-e", "B_KEY=canary", "name", "true"]);
    assert_eq!(answer.stderr.matches("warning").count(), 1, "{}", answer.stderr);
    assert!(answer.stderr.contains("pass -e A_TOKEN"), "{}", answer.stderr);
    assert!(!answer.stderr.contains("canary"), "{}", answer.stderr);
    let answer = machine.loopbox(&["exec", "-e", "A_TOKEN", "name", "true"]).env("A_TOKEN", "canary").output().unwrap();
    assert!(!String::from_utf8_lossy(&answer.stderr).contains("warning"));
}

#[test]
fn version() {
    let machine = Machine::new();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(machine.run(&["version"]).succeeded().stdout, format!("loopbox {version}\n"));
    assert_eq!(machine.run(&["--version"]).succeeded().stdout, format!("loopbox {version}\n"));
    assert_eq!(machine.run(&["version", "--json"]).succeeded().stdout, format!("{{\"version\":\"{version}\"}}\n"));
    assert_eq!(machine.run(&["secrets", "version"]).succeeded().stdout, format!("secrets {version}\n"));
}

#[test]
fn secrets_is_a_program_of_its_own() {
    let machine = Machine::new();
    let answer = machine.run(&["secrets", "lease", "claude_setup_token", "--ttl", "1h", "--raw"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (69, ""));
    assert!(answer.stderr.starts_with("secrets: error[Unsupported]: "), "{}", answer.stderr);
}

#[test]
fn without_a_home_the_state_has_no_place() {
    let machine = Machine::new();
    let answer = machine.loopbox(&["ls"]).env_remove("HOME").env_remove("LOOPBOX_STATE_DIR").output().unwrap();
    assert_eq!(answer.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&answer.stderr).contains("hint: set LOOPBOX_STATE_DIR"));
}

//! Sandboxes from create to rm, as the verbs show them.

use serde_json::Value;

use crate::support::Machine;

#[test]
fn create_prints_the_name_and_is_idempotent() {
    let machine = Machine::new();
    let workspace = machine.workspace("my project");
    let path = workspace.to_str().unwrap();
    for _ in 0..2 {
        assert_eq!(machine.run(&["create", "shell", path]).succeeded().stdout, "shell-my-project\n");
    }
    let answer = machine.run(&["create", "-q", "--name", "other", "shell", path]).succeeded();
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("other\n", ""));
    let answer = machine.run(&["create", "--json", "--name", "other", "shell", path]).succeeded();
    let created: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!((&created["name"], &created["new"]), (&Value::from("other"), &Value::from(false)));
}

#[test]
fn the_workspace_is_the_current_directory_by_default() {
    let machine = Machine::new();
    let workspace = machine.workspace("here");
    let output = machine.loopbox(&["create", "shell"]).current_dir(&workspace).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "shell-here\n");
    let inside = machine.run(&["exec", "shell-here", "pwd"]).succeeded();
    assert_eq!(inside.stdout.trim_end(), workspace.canonicalize().unwrap().to_str().unwrap());
}

#[test]
fn ls_in_all_its_forms() {
    let machine = Machine::new();
    assert_eq!(machine.run(&["ls", "--json"]).succeeded().stdout, "[]\n");
    assert_eq!(machine.run(&["ls", "-q"]).succeeded().stdout, "");
    machine.sandbox("beta");
    machine.sandbox("alpha");
    assert_eq!(machine.run(&["ls", "-q"]).succeeded().stdout, "alpha\nbeta\n");
    let text = machine.run(&["ls"]).succeeded().stdout;
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("NAME   AGENT  STATE    WORKSPACE"), "{text}");
    assert!(lines[1].starts_with("alpha  shell  running  /"), "{text}");
    assert_eq!(lines.len(), 3);
    let json: Value = serde_json::from_str(&machine.run(&["ls", "--json"]).succeeded().stdout).unwrap();
    assert_eq!(json[1]["name"], "beta");
    assert_eq!(json[1]["agent"]["name"], "shell");
}

#[test]
fn inspect_tells_what_programs_need() {
    let machine = Machine::new();
    machine.sandbox("box");
    let json: Value = serde_json::from_str(&machine.run(&["inspect", "--json", "box"]).succeeded().stdout).unwrap();
    let keys = [
        "name",
        "agent",
        "workspace",
        "backend",
        "state",
        "created",
        "lastUsed",
        "expires",
        "pids",
        "limits",
        "network",
        "credentials",
        "findings",
        "capabilities",
        "log",
    ];
    for key in keys {
        assert!(json.get(key).is_some(), "{key} is missing: {json}");
    }
    let text = machine.run(&["inspect", "box"]).succeeded().stdout;
    assert!(text.starts_with("name:        box\nagent:       shell"), "{text}");
}

#[test]
fn stop_keeps_and_rm_removes() {
    let machine = Machine::new();
    let workspace = machine.sandbox("box");
    machine.run(&["exec", "box", "sh", "-c", "echo kept > ~/note; echo done > result"]).succeeded();
    assert_eq!(machine.run(&["stop", "box", "box"]).succeeded().stdout, "box\nbox\n");
    assert!(machine.run(&["ls"]).succeeded().stdout.contains("stopped"));
    assert_eq!(machine.run(&["exec", "box", "sh", "-c", "cat ~/note"]).succeeded().stdout, "kept\n");
    assert_eq!(machine.run(&["rm", "box"]).succeeded().stdout, "box\n");
    machine.run(&["rm", "box"]).failed("SandboxNotFound");
    machine.run(&["rm", "-f", "box"]).succeeded();
    machine.run(&["exec", "box", "true"]).failed("SandboxNotFound");
    assert_eq!(std::fs::read_to_string(workspace.join("result")).unwrap(), "done\n");
}

#[test]
fn one_bad_name_does_not_keep_the_others() {
    let machine = Machine::new();
    machine.sandbox("aa");
    machine.sandbox("bb");
    let answer = machine.run(&["rm", "aa", "nothing", "bb"]).failed("SandboxNotFound");
    assert_eq!(answer.stdout, "aa\nbb\n");
    assert_eq!(machine.run(&["ls", "-q"]).succeeded().stdout, "");
}

#[test]
fn ps_shows_what_runs_inside() {
    let machine = Machine::new();
    machine.sandbox("box");
    machine.run(&["exec", "-d", "box", "sleep", "1007"]).succeeded();
    let text = machine.run(&["ps", "box"]).succeeded().stdout;
    assert!(text.lines().any(|line| line.ends_with("sleep 1007")), "{text}");
    let json: Value = serde_json::from_str(&machine.run(&["ps", "box", "--json"]).succeeded().stdout).unwrap();
    assert!(json.as_array().unwrap().iter().any(|process| process["command"] == "sleep 1007"), "{json}");
}

#[test]
fn detached_commands_have_logs() {
    let machine = Machine::new();
    machine.sandbox("box");
    let id = machine.run(&["exec", "-d", "box", "sh", "-c", "echo out; echo err >&2; exit 3"]).succeeded().stdout;
    let id = id.trim_end();
    let followed = machine.run(&["logs", "box", id, "--follow"]).succeeded().stdout;
    assert!(followed.contains("out\n") && followed.contains("err\n"), "{followed}");
    let newest = machine.run(&["logs", "box", "--follow"]).succeeded().stdout;
    assert_eq!(newest, followed);
    assert_eq!(machine.run(&["logs", "box", id]).succeeded().stdout, followed);
    let entries: Value = serde_json::from_str(&machine.run(&["logs", "box", "--json"]).succeeded().stdout).unwrap();
    assert_eq!((&entries[0]["id"], &entries[0]["exitCode"]), (&Value::from(id), &Value::from(3)));
    machine.run(&["logs", "box", "no-such-id"]).failed("InvalidArgument");
}

#[test]
fn events_tell_the_story() {
    let machine = Machine::new();
    machine.sandbox("box");
    machine.run(&["rm", "box"]).succeeded();
    let text = machine.run(&["events", "--json"]).succeeded().stdout;
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["kind"].as_str()).collect();
    let created = kinds.iter().position(|kind| *kind == "created");
    let removed = kinds.iter().position(|kind| *kind == "removed");
    assert!(created.is_some() && created < removed, "{kinds:?}");
}

#[test]
fn reset_wants_to_be_asked_twice() {
    let machine = Machine::new();
    machine.sandbox("box");
    machine.run(&["reset"]).failed("InvalidArgument");
    assert_eq!(machine.run(&["ls", "-q"]).succeeded().stdout, "box\n");
    assert_eq!(machine.run(&["reset", "--force"]).succeeded().stdout, "box\n");
    assert_eq!(machine.run(&["ls", "-q"]).succeeded().stdout, "");
}

#[test]
fn the_network_policy_is_shown_and_changed() {
    let machine = Machine::new();
    let workspace = machine.workspace("p");
    let path = workspace.to_str().unwrap();
    let line = ["create", "--name", "box", "--policy", "deny", "--allow-host", "a.test,b.test:8080", "shell", path];
    machine.run(&line).succeeded();
    let shown = machine.run(&["network", "show", "box"]).succeeded().stdout;
    assert_eq!(shown, "policy:      deny\nallow-host:  a.test\nallow-host:  b.test:8080\n");
    machine.run(&["network", "proxy", "box", "--block-host", "*.c.test"]).succeeded();
    let json: Value =
        serde_json::from_str(&machine.run(&["network", "show", "box", "--json"]).succeeded().stdout).unwrap();
    assert_eq!(json["blockHosts"][0], "*.c.test");
    assert_eq!(json["policy"], "deny");
}

#[test]
fn prune_finds_nothing_to_do() {
    let machine = Machine::new();
    machine.sandbox("box");
    assert_eq!(machine.run(&["prune"]).succeeded().stdout, "");
    assert_eq!(machine.run(&["ls", "-q"]).succeeded().stdout, "box\n");
}

#[test]
fn doctor_says_that_this_machine_works() {
    let machine = Machine::new();
    let report: Value = serde_json::from_str(&machine.run(&["doctor", "--json"]).succeeded().stdout).unwrap();
    assert_eq!(report["backend"], "native");
    assert!(machine.run(&["doctor"]).succeeded().stdout.contains("native"));
}

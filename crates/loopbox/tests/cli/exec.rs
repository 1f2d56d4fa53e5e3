//! `exec`: what goes in, what comes out.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Stdio;

use serde_json::Value;

use crate::support::Machine;

#[test]
fn the_exit_code_is_the_commands() {
    let machine = Machine::new();
    machine.sandbox("box");
    let cases: [(&[&str], i32); 6] = [
        (&["true"], 0),
        (&["sh", "-c", "exit 7"], 7),
        (&["sh", "-c", "exit 125"], 125),
        (&["no-such-command"], 127),
        (&["/etc/passwd"], 126),
        (&["sh", "-c", "kill -9 $$"], 137),
    ];
    for (command, code) in cases {
        let mut line = vec!["exec", "box"];
        line.extend(command);
        assert_eq!(machine.run(&line).code, code, "{command:?}");
    }
}

#[test]
fn the_streams_are_kept_apart() {
    let machine = Machine::new();
    machine.sandbox("box");
    let answer = machine.run(&["exec", "box", "sh", "-c", "printf out; printf err >&2"]).succeeded();
    assert_eq!((answer.stdout.as_str(), answer.stderr.as_str()), ("out", "err"));
}

#[test]
fn arguments_arrive_exactly() {
    let machine = Machine::new();
    machine.sandbox("box");
    let words = ["$(id)", "a  b", "it's \"q\"", "line\nbreak", "größe", "", "--json", "--", "-e"];
    let mut line = vec!["exec", "box", "printf", "%s\\0"];
    line.extend(words);
    assert_eq!(machine.run(&line).succeeded().stdout, words.map(|word| format!("{word}\0")).concat());
}

#[test]
fn input_is_empty_unless_asked_for() {
    let machine = Machine::new();
    machine.sandbox("box");
    for (flags, expected) in [(&["exec"][..], ""), (&["exec", "-i"], "typed\n")] {
        let mut line = flags.to_vec();
        line.extend(["box", "cat"]);
        let mut child = machine.loopbox(&line).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        // Without -i nobody reads it.
        let _ = child.stdin.take().unwrap().write_all(b"typed\n");
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    }
}

#[test]
fn five_megabytes_pass_through_unchanged() {
    let machine = Machine::new();
    machine.sandbox("box");
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|n| (n.wrapping_mul(n) >> 7).to_le_bytes()[0]).collect();
    let mut child =
        machine.loopbox(&["exec", "-i", "box", "cat"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
    let mut received = Vec::new();
    stdout.read_to_end(&mut received).unwrap();
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
    assert!(received == bytes, "{} of {} bytes", received.len(), bytes.len());
}

#[test]
fn variables_as_docker_has_them() {
    let machine = Machine::new();
    machine.sandbox("box");
    let file = machine.workspace("f").join("env");
    fs::write(&file, "# comment\nFROM_FILE=x y\nCOPIED\nBOTH=file\n").unwrap();
    let script = "echo $A-$COPIED-$FROM_FILE-$BOTH-$LEAK-${UNSET-unset}";
    let line = [
        "exec",
        "--env-file",
        file.to_str().unwrap(),
        "-e",
        "A=1=2",
        "-e",
        "BOTH=flag",
        "-e",
        "UNSET",
        "box",
        "sh",
        "-c",
        script,
    ];
    let output = machine.loopbox(&line).env("COPIED", "c").env("LEAK", "leak").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1=2-c-x y-flag--unset\n");
}

#[test]
fn directory_and_user() {
    let machine = Machine::new();
    let workspace = machine.sandbox("box");
    fs::create_dir(workspace.join("sub")).unwrap();
    let sub = workspace.join("sub");
    assert_eq!(machine.run(&["exec", "-w", "/tmp", "box", "pwd"]).succeeded().stdout, "/tmp\n");
    let answer = machine.run(&["exec", "-w", sub.to_str().unwrap(), "box", "pwd"]).succeeded();
    assert_eq!(answer.stdout.trim_end(), sub.to_str().unwrap());
    assert_eq!(machine.run(&["exec", "box", "id", "-un"]).succeeded().stdout, "agent\n");
    assert_eq!(machine.run(&["exec", "-u", "1000", "box", "id", "-un"]).succeeded().stdout, "agent\n");
}

#[test]
fn a_timeout_ends_the_tree_and_is_told() {
    let machine = Machine::new();
    machine.sandbox("box");
    let script = "trap '' TERM; (setsid sleep 1009 &) ; sleep 1008";
    let line = format!("loopbox exec --timeout 300ms --status-fd 3 box sh -c \"{script}\" 3>&1 >/dev/null");
    let answer = machine.shell(&line);
    assert_eq!(answer.code, 124, "{}", answer.stderr);
    let status: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(status, serde_json::json!({ "started": true, "exitCode": 124, "timedOut": true, "error": null }));
    let left = machine.run(&["ps", "box"]).succeeded().stdout;
    assert!(!left.contains("sleep 100"), "{left}");
}

#[test]
fn the_status_line_tells_our_failures_from_the_commands() {
    let machine = Machine::new();
    machine.sandbox("box");
    let status = |line: &str| -> Value {
        let answer = machine.shell(&format!("{line} 3>&1 >/dev/null 2>&1; true"));
        serde_json::from_str(&answer.stdout).unwrap()
    };
    let ours = status("loopbox exec --status-fd 3 nothing true");
    assert_eq!((&ours["started"], &ours["exitCode"]), (&Value::from(false), &Value::Null));
    assert_eq!(ours["error"]["code"], "SandboxNotFound");
    let theirs = status("loopbox exec --status-fd 3 box sh -c 'exit 125'");
    assert_eq!(theirs, serde_json::json!({ "started": true, "exitCode": 125, "timedOut": false, "error": null }));
    // Whatever kind of descriptor it is: Node's extra streams are sockets, a shell's are files.
    let line = "loopbox exec --status-fd 3 box true 3>status.json && cat status.json";
    assert!(machine.shell(line).succeeded().stdout.starts_with("{\"started\":true,\"exitCode\":0"));
}

#[test]
fn a_child_that_holds_the_pipe_does_not_keep_us() {
    let machine = Machine::new();
    machine.sandbox("box");
    let started = std::time::Instant::now();
    let answer = machine.run(&["exec", "box", "sh", "-c", "sleep 1010 & echo said; exit 7"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (7, "said\n"));
    assert!(started.elapsed() < std::time::Duration::from_mins(1));
}

#[test]
fn a_reader_that_goes_away_ends_the_writer() {
    let machine = Machine::new();
    machine.sandbox("box");
    let answer = machine.shell("loopbox exec box yes | head -n 2; echo ${PIPESTATUS[0]}");
    assert_eq!(answer.stdout, "y\ny\n141\n");
    assert_eq!(answer.stderr, "");
}

#[test]
fn host_mode_is_exactly_one_and_warned_of() {
    let machine = Machine::new();
    let on_host = |value: &str| {
        let output =
            machine.loopbox(&["exec", "nothing", "sh", "-c", "echo $HOME"]).env("AGENT_LOOP_HOST", value).output();
        crate::support::Answer::from(output.unwrap())
    };
    let answer = on_host("1").succeeded();
    assert!(answer.stderr.contains("warning: AGENT_LOOP_HOST=1"), "{}", answer.stderr);
    assert!(answer.stdout.trim_end().ends_with("/home"), "{}", answer.stdout);
    on_host("true").failed("SandboxNotFound");
}

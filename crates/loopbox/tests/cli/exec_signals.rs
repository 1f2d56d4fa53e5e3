//! Signals to `loopbox exec` end the command with its whole tree.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{LOOPBOX, Machine};

#[test]
fn a_signal_ends_the_tree_and_is_the_exit_code() {
    let machine = Machine::new();
    machine.sandbox("box");
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129), (Signal::QUIT, 131)] {
        let script = "(setsid sleep 1011 &); echo ready; sleep 1011";
        let mut child = machine.loopbox(&["exec", "box", "sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n");
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(code), "{signal:?}");
        let left = machine.run(&["ps", "box"]).succeeded().stdout;
        assert!(!left.contains("sleep 1011"), "after {signal:?}: {left}");
    }
}

#[test]
fn a_reader_that_does_not_read_does_not_keep_us() {
    let machine = Machine::new();
    machine.sandbox("box");
    let mut child = machine.loopbox(&["exec", "box", "yes"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    stdout.read_line(&mut String::new()).unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[test]
fn what_the_caller_had_us_ignore_stays_ignored() {
    let machine = Machine::new();
    machine.sandbox("box");
    let mut shell = machine.command("/bin/bash");
    let line = format!("trap '' HUP; exec {LOOPBOX} exec -i box sh -c 'echo ready; read word; echo $word'");
    let mut child = shell.args(["-c", &line]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "ready");
    kill_process(Pid::from_child(&child), Signal::HUP).unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"alive\n").unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "alive");
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_killed_caller_takes_its_command_along() {
    let machine = Machine::new();
    machine.sandbox("box");
    let script = "(setsid sleep 1014 &); echo ready; exec sleep 1014";
    let mut child = machine.loopbox(&["exec", "box", "sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    output.read_line(&mut String::new()).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    // What reads nothing but the processes' end: a pipe of the sandbox's own that they hold.
    let answer = machine.shell("for i in {1..600}; do loopbox ps box | grep -q 'sleep 1014' || exit 0; done; exit 1");
    assert_eq!(answer.code, 0, "{}", answer.stdout);
}

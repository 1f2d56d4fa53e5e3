//! `exec -t`: a real terminal, driven through one of our own.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::support::Machine;

/// A terminal as a terminal emulator has it, with a program on its other side.
struct Emulator {
    master: File,
    slave: OwnedFd,
    child: Child,
    shown: String,
}

impl Emulator {
    /// Starts the program as leader of the terminal's session; `setsid` becomes it, so the child is the program.
    fn start(command: &Command, rows: u16, cols: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let path = ptsname(&master, Vec::new()).unwrap();
        let slave =
            rustix::fs::open(path.as_c_str(), OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        tcsetwinsize(&slave, Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let end = || slave.try_clone().unwrap();
        let mut session = Command::new("setsid");
        session.arg("--ctty").arg(command.get_program()).args(command.get_args()).env_clear();
        session.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
        let child = session.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        Self { master: File::from(master), slave, child, shown: String::new() }
    }

    fn type_in(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Reads until this was shown; what was shown before it is gone.
    fn wait_for(&mut self, text: &str) {
        let mut bytes = [0; 4096];
        while !self.shown.contains(text) {
            let length = self.master.read(&mut bytes).unwrap_or_else(|error| panic!("{error}: {:?}", self.shown));
            self.shown.push_str(&String::from_utf8_lossy(&bytes[..length]));
        }
        let end = self.shown.find(text).unwrap() + text.len();
        self.shown.drain(..end);
    }

    fn resize(&self, rows: u16, cols: u16) {
        tcsetwinsize(&self.master, Winsize { ws_row: rows, ws_col: cols, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    }

    /// Waits for the program's end; whether keys were echoed again by then.
    fn end(mut self) -> (Option<i32>, bool) {
        let code = self.child.wait().unwrap().code();
        let echo = tcgetattr(&self.slave).unwrap().local_modes.contains(LocalModes::ECHO | LocalModes::ICANON);
        (code, echo)
    }
}

#[test]
fn a_shell_in_a_terminal() {
    let machine = Machine::new();
    machine.sandbox("box");
    let mut terminal = Emulator::start(&machine.loopbox(&["exec", "-it", "box", "bash", "--norc"]), 33, 101);
    terminal.type_in("stty size; echo $TERM; tty\n");
    terminal.wait_for("33 101\r\n");
    terminal.wait_for("xterm\r\n");
    terminal.wait_for("/dev/pts/");
    terminal.type_in("(trap 'stty size; exit' WINCH; echo ar''med; sleep 1016 & wait)\n");
    terminal.wait_for("armed\r\n");
    terminal.resize(44, 122);
    terminal.wait_for("44 122\r\n");
    terminal.type_in("exit 9\n");
    assert_eq!(terminal.end(), (Some(9), true));
}

#[test]
fn ctrl_c_belongs_to_the_program_inside() {
    let machine = Machine::new();
    machine.sandbox("box");
    let mut terminal =
        Emulator::start(&machine.loopbox(&["exec", "-it", "box", "sh", "-c", "echo ready; exec cat"]), 24, 80);
    // What is shown comes from inside: by now keys go there, too.
    terminal.wait_for("ready\r\n");
    terminal.type_in("said\n");
    // Once by the terminal inside, once by cat.
    terminal.wait_for("said\r\n");
    terminal.wait_for("said\r\n");
    terminal.type_in("\x03");
    assert_eq!(terminal.end(), (Some(130), true));
}

#[test]
fn the_terminal_is_restored_when_we_are_killed_politely() {
    let machine = Machine::new();
    machine.sandbox("box");
    let mut terminal =
        Emulator::start(&machine.loopbox(&["exec", "-it", "box", "sh", "-c", "echo re''ady; sleep 1013"]), 24, 80);
    terminal.wait_for("ready");
    kill_process(Pid::from_child(&terminal.child), Signal::TERM).unwrap();
    assert_eq!(terminal.end(), (Some(143), true));
    assert!(!machine.run(&["ps", "box"]).succeeded().stdout.contains("sleep 1013"));
}

#[test]
fn without_a_terminal_of_ours_there_is_one_inside_nevertheless() {
    let machine = Machine::new();
    machine.sandbox("box");
    let answer = machine.run(&["exec", "-t", "box", "sh", "-c", "test -t 1 && stty size"]).succeeded();
    assert_eq!(answer.stdout, "24 80\r\n");
    machine.run(&["exec", "-it", "box", "true"]).failed("InvalidArgument");
}

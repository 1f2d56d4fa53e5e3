//! What a guest tells of a command's end, in the terms of callers.

use std::time::Duration;

use loopbox_init::protocol;

use super::ExecStatus;
use crate::guest::GuestExit;

impl From<GuestExit> for ExecStatus {
    fn from(exit: GuestExit) -> Self {
        let (code, signal) = match exit.status {
            protocol::Status::Exited(code) => (i32::from(code), None),
            protocol::Status::Signaled(signal) => (128 + signal, Some(signal_name(signal))),
        };
        Self {
            exit_code: if exit.timed_out { TIMED_OUT } else { code },
            signal,
            timed_out: exit.timed_out,
            duration: Duration::from_micros(exit.duration_us),
        }
    }
}

/// The exit code of a command that its time limit ended, as of coreutils' `timeout`.
const TIMED_OUT: i32 = 124;

fn signal_name(signal: i32) -> String {
    // Linux, x86-64 and arm64 (signal(7)).
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ];
    let name = usize::try_from(signal).ok().and_then(|signal| NAMES.get(signal.checked_sub(1)?));
    name.map_or_else(|| format!("SIG{signal}"), |name| format!("SIG{name}"))
}

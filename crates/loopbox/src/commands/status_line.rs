//! `--status-fd`: the outcome of an exec for programs that must tell our failures from the command's.

use std::fs::{File, OpenOptions};
use std::io::Write as _;

use loopbox_core::{Error, ErrorCode};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use serde::Serialize;

use super::exec::Outcome;
use crate::failure::{Failure, Result, invalid};
use crate::output::ErrorBody;

/// The descriptor, open for one line.
#[derive(Debug)]
pub(super) struct StatusLine {
    file: File,
    started: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    /// Whether the command was started.
    started: bool,
    /// Its exit code, if it ended.
    exit_code: Option<i32>,
    /// Whether the time limit ended it.
    timed_out: bool,
    /// What went wrong with loopbox itself: `{code, message, hint}`.
    error: Option<ErrorBody>,
}

impl StatusLine {
    pub(super) fn open(number: u32) -> Result<Self> {
        let file = descriptor(number).map_err(|why| {
            invalid(format!("--status-fd {number}: {why}")).with_hint("redirect it, as in: --status-fd 3 3>status.json")
        })?;
        Ok(Self { file, started: false })
    }

    /// Notes that the command was started.
    pub(super) fn started(&mut self) {
        self.started = true;
    }

    pub(super) fn write(mut self, outcome: &Result<Outcome>) -> Result<()> {
        let mut line = Line { started: self.started, exit_code: None, timed_out: false, error: None };
        match outcome {
            Ok(Outcome::Detached) => line.started = true,
            Ok(Outcome::Ended(ending)) => {
                if let Some(status) = &ending.status {
                    line.exit_code = Some(status.exit_code);
                    line.timed_out = status.timed_out;
                }
                if let Some(signal) = ending.signal {
                    let error = Error::new(ErrorCode::Aborted, format!("ended by signal {signal} to loopbox"));
                    line.error = Some(ErrorBody::of(&error));
                }
            }
            Err(Failure::Error(error)) => line.error = Some(ErrorBody::of(error)),
            Err(Failure::BrokenPipe) => {}
        }
        let mut text =
            serde_json::to_string(&line).map_err(|error| Error::io("writing JSON", std::io::Error::from(error)))?;
        text.push('\n');
        let write = self.file.write_all(text.as_bytes());
        write.map_err(|error| Failure::Error(Error::io("writing to --status-fd", error)))
    }
}

/// Our own descriptor of that number. The kernel duplicates it for us, since a bare number proves no ownership.
fn descriptor(number: u32) -> Result<File, String> {
    let raw = i32::try_from(number).map_err(|_| "no such descriptor".to_owned())?;
    let duplicate =
        pidfd_open(getpid(), PidfdFlags::empty()).and_then(|myself| pidfd_getfd(myself, raw, PidfdGetfdFlags::empty()));
    match duplicate {
        Ok(fd) => Ok(File::from(fd)),
        Err(rustix::io::Errno::BADF) => Err("no such descriptor".to_owned()),
        // Kernels and containers without that call; pipes and files can be opened again.
        Err(_) => OpenOptions::new().append(true).open(format!("/dev/fd/{number}")).map_err(|error| error.to_string()),
    }
}

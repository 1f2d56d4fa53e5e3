//! Detached commands and what they wrote: `logs/ID.json` and `logs/ID.log`, written by the sandbox's supervisor.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::fs::read_limited;
use crate::watch::Watch;

/// A detached command and its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct LogEntry {
    /// The command's id within its sandbox.
    pub id: String,
    /// The command line, for people.
    pub command: String,
    /// When it started.
    pub started: Timestamp,
    /// Its exit code, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// Why it ended, if not by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether it wrote more than is kept.
    #[serde(default)]
    pub truncated: bool,
}

impl LogEntry {
    pub(crate) fn new(id: &str, argv: &[std::ffi::OsString]) -> Self {
        let command = argv.iter().map(|arg| arg.to_string_lossy()).collect::<Vec<_>>().join(" ");
        let command = command.chars().take(1024).map(|c| if c.is_control() { ' ' } else { c }).collect();
        Self { id: id.to_owned(), command, started: Timestamp::now(), exit_code: None, error: None, truncated: false }
    }
}

/// All logs of a sandbox, oldest first.
pub(crate) fn list(dir: &Path) -> Result<Vec<LogEntry>> {
    let mut entries = Vec::new();
    for file in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = file.path();
        if path.extension().is_some_and(|extension| extension == "json")
            && let Some(bytes) = read_limited(&path, 64 * 1024)?
            && let Ok(entry) = serde_json::from_slice::<LogEntry>(&bytes)
        {
            entries.push(entry);
        }
    }
    entries.sort_by(|a, b| (a.started, &a.id).cmp(&(b.started, &b.id)));
    Ok(entries)
}

/// Reads a log, and with `follow` what is added until the command ends.
#[derive(Debug)]
pub struct LogFollower {
    file: File,
    about: PathBuf,
    watch: Option<Watch>,
    ended: bool,
}

impl LogFollower {
    pub(crate) fn open(dir: &Path, id: &str, follow: bool) -> Result<Self> {
        let known = list(dir)?.into_iter().any(|entry| entry.id == id);
        if !known {
            return Err(Error::invalid("id", format!("{id:?}"), "no detached command has this id")
                .with_hint("`loopbox logs NAME` lists the detached commands"));
        }
        let (log, about) = (dir.join(format!("{id}.log")), dir.join(format!("{id}.json")));
        let watch = if follow { Some(Watch::new(&log)?) } else { None };
        let file = File::open(&log).map_err(|error| Error::io(format!("opening {}", log.display()), error))?;
        Ok(Self { file, about, watch, ended: false })
    }

    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Option<Result<Vec<u8>>> {
        loop {
            let mut bytes = vec![0_u8; 64 * 1024];
            match self.file.read(&mut bytes) {
                Ok(0) => {}
                Ok(length) => {
                    bytes.truncate(length);
                    return Some(Ok(bytes));
                }
                Err(error) => return Some(Err(Error::io("reading the log", error))),
            }
            let watch = self.watch.as_mut()?;
            if self.ended {
                return None;
            }
            let about = read_limited(&self.about, 64 * 1024).ok().flatten().unwrap_or_default();
            let entry: Option<LogEntry> = serde_json::from_slice(&about).ok();
            self.ended = entry.is_none_or(|entry| entry.exit_code.is_some() || entry.error.is_some());
            // Written in this order: the last bytes, the end, and then the log is closed, which wakes us.
            if !self.ended
                && let Err(error) = watch.changed().await
            {
                return Some(Err(error));
            }
        }
    }
}

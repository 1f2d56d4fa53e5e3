//! What happened to sandboxes: a file of JSON lines that every loopbox process appends to.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::name::SandboxName;
use crate::watch::Watch;

/// The file is cut to its newer half when it has grown beyond this.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Something that happened to a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Event {
    /// When.
    pub time: Timestamp,
    /// To which sandbox.
    pub sandbox: SandboxName,
    /// What.
    pub kind: EventKind,
    /// More about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EventKind {
    /// It was made.
    Created,
    /// It was started again.
    Started,
    /// It was stopped on request.
    Stopped,
    /// It ended by itself or was killed.
    Died,
    /// It was removed.
    Removed,
    /// Its time was over.
    Expired,
}

/// Opens the file for appending.
pub(crate) fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| Error::io(format!("opening {}", path.display()), error))
}

/// Appends an event; one write, so that lines of several processes do not mix.
pub(crate) fn append(mut file: &File, name: &SandboxName, kind: EventKind, detail: &str) -> io::Result<()> {
    let event = Event { time: Timestamp::now(), sandbox: name.clone(), kind, detail: detail.to_owned() };
    let mut line = serde_json::to_vec(&event)?;
    line.push(b'\n');
    file.write_all(&line)
}

/// Keeps the file from growing for ever. Events that others append meanwhile may be lost: this is for people to read.
pub(crate) fn shorten(path: &Path) -> Result<()> {
    let failed = |error| Error::io(format!("shortening {}", path.display()), error);
    let length = fs::metadata(path).map_or(0, |metadata| metadata.len());
    if length <= MAX_BYTES {
        return Ok(());
    }
    let text = fs::read(path).map_err(failed)?;
    let newer = text.get(text.len() / 2..).unwrap_or_default();
    let start = newer.iter().position(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    // The same file, since supervisors hold it open.
    fs::write(path, newer.get(start..).unwrap_or_default()).map_err(failed)
}

/// The events there are, and with `follow` those to come.
#[derive(Debug)]
pub struct Events {
    reader: BufReader<File>,
    line: Vec<u8>,
    watch: Option<Watch>,
}

impl Events {
    pub(crate) fn open(path: &Path, follow: bool) -> Result<Self> {
        drop(open(path)?);
        let watch = if follow { Some(Watch::new(path)?) } else { None };
        let file = File::open(path).map_err(|error| Error::io(format!("opening {}", path.display()), error))?;
        Ok(Self { reader: BufReader::new(file), line: Vec::new(), watch })
    }

    /// The next event; `None` at the end, which never comes when following.
    pub async fn next(&mut self) -> Option<Result<Event>> {
        loop {
            match self.reader.read_until(b'\n', &mut self.line) {
                Ok(_) if self.line.ends_with(b"\n") => {
                    let line = std::mem::take(&mut self.line);
                    // Lines of later versions may be of kinds that this one does not know.
                    if let Ok(event) = serde_json::from_slice(&line) {
                        return Some(Ok(event));
                    }
                }
                Ok(_) => match &mut self.watch {
                    Some(watch) => {
                        if let Err(error) = watch.changed().await {
                            return Some(Err(error));
                        }
                    }
                    None => return None,
                },
                Err(error) => return Some(Err(Error::io("reading events", error))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> SandboxName {
        SandboxName::parse("ab").unwrap()
    }

    #[tokio::test]
    async fn events_are_read_in_order_and_unknown_ones_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let file = open(&path).unwrap();
        append(&file, &name(), EventKind::Created, "").unwrap();
        (&file).write_all(b"{\"kind\":\"of-the-future\"}\n").unwrap();
        append(&file, &name(), EventKind::Died, "init was killed").unwrap();
        let mut events = Events::open(&path, false).unwrap();
        assert_eq!(events.next().await.unwrap().unwrap().kind, EventKind::Created);
        assert_eq!(events.next().await.unwrap().unwrap().detail, "init was killed");
        assert!(events.next().await.is_none());
    }

    #[tokio::test]
    async fn a_follower_is_woken_by_the_next_event() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        let mut events = Events::open(&path, true).unwrap();
        let waiting = tokio::spawn(async move { events.next().await.unwrap().unwrap().kind });
        tokio::task::yield_now().await;
        append(&open(&path).unwrap(), &name(), EventKind::Stopped, "").unwrap();
        assert_eq!(waiting.await.unwrap(), EventKind::Stopped);
    }
}

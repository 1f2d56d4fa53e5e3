//! The log of decisions.

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::judge::Verdict;

/// The size at which a [`FileLog`] begins anew.
pub const MAX_LOG_BYTES: u64 = 16 * 1024 * 1024;
/// Longest text of a record that comes from the sandbox, in characters.
const MAX_TEXT: usize = 1024;

/// One decision and what came of it. Texts from the sandbox are cut and hold no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecisionRecord {
    /// When it was made.
    pub time: Timestamp,
    /// The sandbox it is about.
    pub sandbox: String,
    /// The host that was asked for.
    pub host: String,
    /// The port that was asked for; 0 if what was asked for had none.
    pub port: u16,
    /// The address that was dialled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
    /// The HTTP method; `CONNECT` for tunnels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The path without its query, where it was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What happened.
    pub verdict: Verdict,
    /// The rule that decided.
    pub rule: String,
    /// Why.
    pub reason: String,
    /// Why an allowed connection failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Body or tunnel bytes out of the sandbox.
    pub bytes_up: u64,
    /// Body or tunnel bytes into the sandbox.
    pub bytes_down: u64,
    /// From the decision to the end of the exchange, in milliseconds.
    pub duration_ms: u64,
}

/// Takes the records of decisions. Called once per decision, when its exchange has ended.
pub trait DecisionLog: fmt::Debug + Send + Sync {
    /// Takes one record. It must not block for long; what it cannot store it drops.
    fn record(&self, record: &DecisionRecord);
}

/// Writes records as JSON lines to an open file, which begins anew when it has reached [`MAX_LOG_BYTES`].
///
/// Beginning anew drops what the file held: the writer has no path, so it cannot put the old part aside.
#[derive(Debug)]
pub struct FileLog {
    state: Mutex<FileState>,
}

#[derive(Debug)]
struct FileState {
    file: File,
    size: u64,
    limit: u64,
}

impl FileLog {
    /// A log in a file that was opened for appending.
    pub fn new(file: File) -> io::Result<Self> {
        Self::with_limit(file, MAX_LOG_BYTES)
    }

    /// A log that begins anew at `limit` bytes.
    pub fn with_limit(file: File, limit: u64) -> io::Result<Self> {
        let size = file.metadata()?.len();
        Ok(Self { state: Mutex::new(FileState { file, size, limit }) })
    }
}

impl DecisionLog for FileLog {
    fn record(&self, record: &DecisionRecord) {
        let Ok(mut line) = serde_json::to_vec(record) else { return };
        line.push(b'\n');
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // A full disk must not stop the traffic: a line that cannot be written is lost.
        let _ = state.append(&line);
    }
}

impl FileState {
    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let len = line.len() as u64;
        if self.size.saturating_add(len) > self.limit {
            self.file.set_len(0)?;
            self.size = 0;
        }
        self.file.write_all(line)?;
        self.size += len;
        Ok(())
    }
}

/// A text from the sandbox as it may stand in a log or a terminal: cut, control characters spelled out.
pub(crate) fn harmless(text: &str) -> String {
    let mut safe = String::with_capacity(text.len().min(MAX_TEXT));
    for character in text.chars().take(MAX_TEXT) {
        if character.is_control() || is_invisible(character) {
            safe.extend(character.escape_unicode());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Characters that reorder or hide what stands beside them.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

//! The requests that arrived, for assertions.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use hyper::HeaderMap;
use serde::Serialize;
use serde_json::Value;

/// A request as it arrived, credentials included: the log is for placeholders and canaries.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct LoggedRequest {
    /// The method, upper case.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Every header in the order of arrival, names in lower case; bytes that are not UTF-8 are replaced.
    pub headers: Vec<(String, String)>,
    /// The body if it was JSON, else null.
    pub body: Value,
    /// The status it was answered with.
    pub status: u16,
}

impl LoggedRequest {
    /// The first value of a header; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Keeps the last [`KEPT`] requests and, if wanted, writes each as a line of JSON.
#[derive(Debug)]
pub(crate) struct RequestLog {
    kept: Mutex<VecDeque<LoggedRequest>>,
    file: Option<std::fs::File>,
}

const KEPT: usize = 1000;

impl RequestLog {
    pub(crate) fn new(file: Option<std::fs::File>) -> Self {
        Self { kept: Mutex::default(), file }
    }

    pub(crate) fn push(&self, request: LoggedRequest) {
        if let Some(mut file) = self.file.as_ref() {
            let mut line = serde_json::json!(request).to_string();
            line.push('\n');
            // The answer matters more than the log of it: a full disk must not change it.
            let _ = file.write_all(line.as_bytes());
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(request);
    }

    pub(crate) fn snapshot(&self) -> Vec<LoggedRequest> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().cloned().collect()
    }
}

pub(crate) fn header_pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        })
        .collect()
}

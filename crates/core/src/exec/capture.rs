//! Keeping what a command writes, with a limit.

use tokio::io::AsyncReadExt;

use super::ExecReader;

/// One stream, kept up to a limit and read to its end.
pub(super) struct Capture {
    reader: Option<ExecReader>,
    buffer: Vec<u8>,
    /// The first bytes.
    pub(super) kept: Vec<u8>,
    limit: usize,
    /// Whether there were more.
    pub(super) truncated: bool,
}

impl Capture {
    pub(super) fn new(reader: Option<ExecReader>, limit: u64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        Self { reader, buffer: Vec::new(), kept: Vec::new(), limit, truncated: false }
    }

    /// Whether there may be more to read.
    pub(super) fn open(&self) -> bool {
        self.reader.is_some()
    }

    pub(super) async fn next(&mut self) -> std::io::Result<usize> {
        match &mut self.reader {
            Some(reader) => {
                // Most commands write little or nothing: the buffer is made when there is something to read.
                self.buffer.resize(64 * 1024, 0);
                reader.read(&mut self.buffer).await
            }
            None => Ok(0),
        }
    }

    pub(super) fn keep(&mut self, chunk: &std::io::Result<usize>, tell: impl FnOnce(&[u8])) {
        match *chunk {
            Ok(length) if length > 0 => {
                let bytes = self.buffer.get(..length).unwrap_or_default();
                tell(bytes);
                let room = self.limit.saturating_sub(self.kept.len()).min(length);
                self.kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
                self.truncated |= room < length;
            }
            // An error is the end as well: the command's exit tells whether something went wrong.
            Ok(_) | Err(_) => self.reader = None,
        }
    }
}

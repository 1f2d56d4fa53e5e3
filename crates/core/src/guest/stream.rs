//! Execs over one byte stream, a channel for each.
//!
//! ```text
//!   GuestExec ─▶ outgoing queue ─▶ writer task ─▶ guest
//!   GuestExec ◀─ its channel ◀──── reader task ◀─ guest
//! ```
//!
//! The queue and the buffers of the channels are bounded by the credit of the protocol.

mod channel;
mod shared;

pub(super) use channel::{Channel, Input, Output};

use super::control::Control;
use super::output::OutputReader;
use super::pty::Pty;
use super::stdin::StdinWriter;
use super::{GuestError, GuestExec};
use loopbox_init::protocol::{ClientMessage, Start};
use shared::Shared;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::task::JoinHandle;

/// Bytes read from the guest at once.
const CHUNK: usize = 64 * 1024;

/// A guest behind a byte stream. It ends every command when the last of its execs and this are dropped.
#[derive(Debug, Clone)]
pub(crate) struct StreamGuest {
    shared: Arc<Shared>,
    tasks: Arc<Tasks>,
}

/// The tasks that move bytes, which end with the last user of the guest.
#[derive(Debug)]
pub(super) struct Tasks([JoinHandle<()>; 2]);

impl Drop for Tasks {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

impl StreamGuest {
    /// Greets the guest at the other end. Needs a tokio runtime; whether the greeting is accepted is told by the execs.
    pub(crate) fn attach<R, W>(reader: R, writer: W) -> StreamGuest
    where
        R: AsyncRead + Send + Unpin + 'static,
        W: AsyncWrite + Send + Unpin + 'static,
    {
        let shared = Arc::new(Shared::new());
        let tasks = [tokio::spawn(read(reader, Arc::clone(&shared))), tokio::spawn(write(writer, Arc::clone(&shared)))];
        StreamGuest { shared, tasks: Arc::new(Tasks(tasks)) }
    }

    /// Asks the guest to run a command. That it could not be started is told by [`GuestExec::wait`].
    pub(crate) fn exec(&self, start: Start) -> Result<GuestExec, GuestError> {
        let (tty, stdin) = (start.tty.is_some(), start.stdin);
        let id = self.shared.open(|id, out| ClientMessage::Start(start).encode(id, out))?;
        let channel = Channel::new(id, Arc::clone(&self.shared), Arc::clone(&self.tasks));
        let [stdout, stderr] = channel.outputs();
        let mut exec =
            GuestExec { stdin: None, stdout: None, stderr: None, pty: None, control: Control::Stream(channel) };
        let Control::Stream(channel) = &exec.control else { return Err(GuestError::Garbled) };
        if tty {
            exec.pty = Some(Pty::channel(channel.input(), stdout));
        } else {
            exec.stdin = stdin.then(|| StdinWriter::channel(channel.input()));
            exec.stdout = Some(OutputReader::channel(stdout));
            exec.stderr = Some(OutputReader::channel(stderr));
        }
        Ok(exec)
    }
}

async fn read<R: AsyncRead + Unpin>(mut reader: R, shared: Arc<Shared>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        match reader.read(&mut buffer).await {
            Ok(length @ 1..) if shared.receive(&buffer[..length]) => {}
            _ => return shared.break_off(),
        }
    }
}

async fn write<W: AsyncWrite + Unpin>(mut writer: W, shared: Arc<Shared>) {
    let mut bytes = Vec::new();
    loop {
        shared.outgoing(&mut bytes).await;
        let written = match writer.write_all(&bytes).await {
            Ok(()) => writer.flush().await,
            Err(error) => Err(error),
        };
        if written.is_err() {
            return shared.break_off();
        }
        bytes.clear();
    }
}

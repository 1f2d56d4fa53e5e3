//! The parts of one exec of a stream.

use super::super::GuestError;
use super::Tasks;
use super::shared::Shared;
use loopbox_init::protocol::{ClientMessage, Exit, Stream, TtySize};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;

/// One exec.
#[derive(Debug, Clone)]
pub(in super::super) struct Channel {
    id: u32,
    shared: Arc<Shared>,
    /// Whoever has a part of an exec keeps the stream alive.
    _tasks: Arc<Tasks>,
}

/// One of its outputs.
#[derive(Debug)]
pub(in super::super) struct Output {
    channel: Channel,
    stream: Stream,
}

/// Its standard input, or the keyboard of its terminal.
#[derive(Debug)]
pub(in super::super) struct Input {
    channel: Channel,
    closed: bool,
}

impl Channel {
    pub(super) fn new(id: u32, shared: Arc<Shared>, tasks: Arc<Tasks>) -> Channel {
        Channel { id, shared, _tasks: tasks }
    }

    pub(super) fn outputs(&self) -> [Output; 2] {
        [Stream::Stdout, Stream::Stderr].map(|stream| Output { channel: self.clone(), stream })
    }

    pub(super) fn input(&self) -> Input {
        Input { channel: self.clone(), closed: false }
    }

    pub(in super::super) fn poll_started(&self, context: &Context<'_>) -> Poll<Result<u32, GuestError>> {
        self.shared.poll_started(self.id, context)
    }

    pub(in super::super) fn poll_wait(&self, context: &Context<'_>) -> Poll<Result<Exit, GuestError>> {
        self.shared.poll_wait(self.id, context)
    }

    pub(in super::super) fn signal(&self, signal: i32) {
        self.shared.send(self.id, &ClientMessage::Signal(signal));
    }

    pub(in super::super) fn cancel(&self) {
        self.shared.send(self.id, &ClientMessage::Cancel);
    }

    pub(in super::super) fn resize(&self, size: TtySize) {
        self.shared.send(self.id, &ClientMessage::Resize(size));
    }

    pub(in super::super) fn abandon(&self) {
        self.shared.abandon(self.id);
    }
}

impl Output {
    pub(in super::super) fn poll_read(&mut self, context: &Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<()> {
        self.channel.shared.poll_read(self.channel.id, self.stream, context, buffer)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.channel.shared.abandon_output(self.channel.id, self.stream);
    }
}

impl Input {
    pub(in super::super) fn poll_write(&mut self, context: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        Poll::Ready(match ready!(self.channel.shared.poll_write(self.channel.id, bytes, context)) {
            0 => Err(io::ErrorKind::BrokenPipe.into()),
            written => Ok(written),
        })
    }

    pub(in super::super) fn close(&mut self) {
        if !self.closed {
            self.closed = true;
            self.channel.shared.send(self.channel.id, &ClientMessage::StdinEof);
        }
    }

    pub(in super::super) fn of_channel(&self) -> Channel {
        self.channel.clone()
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.close();
    }
}

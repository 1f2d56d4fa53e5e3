//! One exec of a stream: its pipes or its terminal, and the credit on them.

use super::super::engine::ExecId;
use super::super::reactor::Reactor;
use crate::protocol::{Credit, GuestMessage, Stream, WINDOW};
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Gid, Uid};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Bytes moved at once.
const CHUNK: usize = 16 * 1024;

/// Bytes of input that reach the command before the client is told that as many more are welcome.
const GRANT: u32 = WINDOW / 4;

/// A terminal does not tell how much it holds. It is not more than this.
const TERMINAL_LIMIT: u64 = 128 * 1024;

/// An exec and what flows from and to it.
#[derive(Debug)]
pub(super) struct Channel {
    /// The command until its end is told.
    pub(super) exec: Option<ExecId>,
    stdin: Option<Feed>,
    /// Standard output and standard error.
    outputs: [Option<Source>; 2],
    is_terminal: bool,
}

/// The way to the command.
#[derive(Debug)]
struct Feed {
    sink: OwnedFd,
    pending: Vec<u8>,
    /// Bytes that reached the command and are not granted again.
    taken: u32,
    closing: bool,
}

/// The way from the command.
#[derive(Debug)]
struct Source {
    pipe: OwnedFd,
    credit: u32,
    /// What was left to read when the command ended.
    rest: Option<u64>,
}

/// More bytes than there was credit for.
#[derive(Debug)]
pub(super) struct Overrun;

/// What came of moving bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pumped {
    /// There may be more, now or later.
    More,
    /// Nothing can be moved before the client says something.
    Waiting,
    /// The stream is at its end, or was before.
    Ended,
}

/// The key of an exec's stream in the reactor; never one of the guest's own.
pub(super) fn key(id: u32, stream: Stream) -> u64 {
    u64::from(id) << 2 | stream as u64
}

/// What a key stands for.
pub(super) fn from_key(key: u64) -> (u32, Stream) {
    let stream = match key & 3 {
        0 => Stream::Stdin,
        1 => Stream::Stdout,
        _ => Stream::Stderr,
    };
    (u32::try_from(key >> 2).unwrap_or(0), stream)
}

impl Channel {
    /// A channel on new pipes, and the command's ends of them.
    pub(super) fn on_pipes(
        stdin: bool,
        owner: Option<(u32, u32)>,
        null: &OwnedFd,
    ) -> Result<(Channel, [OwnedFd; 3]), Errno> {
        let (input, sink) = if stdin {
            let (input, sink) = pipe_with(PipeFlags::CLOEXEC)?;
            (input, Some(sink))
        } else {
            (null.try_clone().map_err(|_| Errno::MFILE)?, None)
        };
        let (stdout, stdout_inside) = pipe_with(PipeFlags::CLOEXEC)?;
        let (stderr, stderr_inside) = pipe_with(PipeFlags::CLOEXEC)?;
        for own in sink.iter().chain([&stdout, &stderr]) {
            rustix::io::ioctl_fionbio(own, true)?;
        }
        if let Some((uid, gid)) = owner {
            // Without it `echo > /dev/stdout` fails in the command, but that is all: a guest without CHOWN goes on.
            for pipe in sink.iter().chain([&stdout, &stderr]) {
                let _ = rustix::fs::fchown(pipe, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
            }
        }
        let channel = Channel {
            exec: None,
            stdin: sink.map(Feed::new),
            outputs: [Some(Source::new(stdout)), Some(Source::new(stderr))],
            is_terminal: false,
        };
        Ok((channel, [input, stdout_inside, stderr_inside]))
    }

    /// A channel on a terminal.
    pub(super) fn on_terminal(master: OwnedFd) -> Result<Channel, Errno> {
        rustix::io::ioctl_fionbio(&master, true)?;
        let keyboard = master.try_clone().map_err(|_| Errno::MFILE)?;
        Ok(Channel {
            exec: None,
            stdin: Some(Feed::new(keyboard)),
            outputs: [Some(Source::new(master)), None],
            is_terminal: true,
        })
    }

    /// Waits for the outputs from now on.
    pub(super) fn watch(&self, id: u32, reactor: &Reactor) -> Result<(), Errno> {
        if let Some(feed) = &self.stdin {
            reactor.add(&feed.sink, key(id, Stream::Stdin), EventFlags::ONESHOT)?;
        }
        for (source, stream) in self.outputs.iter().zip([Stream::Stdout, Stream::Stderr]) {
            if let Some(source) = source {
                reactor.add(&source.pipe, key(id, stream), EventFlags::IN | EventFlags::ONESHOT)?;
            }
        }
        Ok(())
    }

    /// Waits for a stream again after its event was handled.
    pub(super) fn rearm(&self, id: u32, stream: Stream, reactor: &Reactor) -> Result<(), Errno> {
        let (source, interest) = match stream {
            Stream::Stdin => (self.stdin.as_ref().map(|feed| feed.sink.as_fd()), EventFlags::OUT),
            output => (self.source(output).map(|source| source.pipe.as_fd()), EventFlags::IN),
        };
        match source {
            Some(source) => reactor.modify(source, key(id, stream), interest | EventFlags::ONESHOT),
            None => Ok(()),
        }
    }

    /// The terminal, if there is one.
    pub(super) fn terminal(&self) -> Option<BorrowedFd<'_>> {
        self.stdin.as_ref().filter(|_| self.is_terminal).map(|feed| feed.sink.as_fd())
    }

    /// Takes bytes for the command.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), Overrun> {
        // What comes after the command has stopped reading is lost.
        let Some(feed) = &mut self.stdin else { return Ok(()) };
        if feed.closing || feed.pending.len() + bytes.len() > WINDOW as usize {
            return Err(Overrun);
        }
        feed.pending.extend_from_slice(bytes);
        Ok(())
    }

    /// The input ends after what was fed. A terminal has no such end.
    pub(super) fn feed_no_more(&mut self) {
        if let Some(feed) = self.stdin.as_mut().filter(|_| !self.is_terminal) {
            feed.closing = true;
        }
    }

    /// Takes leave to send more.
    pub(super) fn grant(&mut self, credit: Credit) {
        if let Some(source) = self.source_mut(credit.stream) {
            source.credit = source.credit.saturating_add(credit.bytes);
        }
    }

    /// The command has ended: it reads no more, and what it wrote is in its pipes.
    pub(super) fn finish(&mut self) {
        self.stdin = None;
        for source in self.outputs.iter_mut().flatten() {
            let held = if self.is_terminal { Ok(TERMINAL_LIMIT) } else { rustix::io::ioctl_fionread(&source.pipe) };
            source.rest = Some(held.unwrap_or(0));
        }
    }

    /// Whether everything has been told.
    pub(super) fn is_over(&self) -> bool {
        self.exec.is_none() && self.outputs.iter().all(Option::is_none)
    }

    /// Moves some bytes of a stream.
    pub(super) fn pump(&mut self, id: u32, stream: Stream, outgoing: &mut Vec<u8>) -> Pumped {
        match stream {
            Stream::Stdin => self.pump_in(id, outgoing),
            output => self.pump_out(id, output, outgoing),
        }
    }

    fn pump_in(&mut self, id: u32, outgoing: &mut Vec<u8>) -> Pumped {
        let Some(feed) = &mut self.stdin else { return Pumped::Ended };
        while !feed.pending.is_empty() {
            match rustix::io::write(&feed.sink, &feed.pending) {
                Ok(written) => {
                    feed.pending.drain(..written);
                    feed.taken += u32::try_from(written).unwrap_or(0);
                    if feed.taken >= GRANT {
                        let bytes = std::mem::take(&mut feed.taken);
                        say(id, &GuestMessage::Credit(Credit { stream: Stream::Stdin, bytes }), outgoing);
                    }
                }
                Err(Errno::AGAIN) => return Pumped::More,
                Err(Errno::INTR) => {}
                Err(_) => {
                    say(id, &GuestMessage::OutputEof(Stream::Stdin), outgoing);
                    self.stdin = None;
                    return Pumped::Ended;
                }
            }
        }
        if feed.closing {
            self.stdin = None;
            return Pumped::Ended;
        }
        Pumped::Waiting
    }

    fn pump_out(&mut self, id: u32, stream: Stream, outgoing: &mut Vec<u8>) -> Pumped {
        let Some(source) = self.source_mut(stream) else { return Pumped::Ended };
        let rest = source.rest.map_or(CHUNK, |rest| usize::try_from(rest).unwrap_or(CHUNK));
        let most = CHUNK.min(rest).min(usize::try_from(source.credit).unwrap_or(CHUNK));
        if most == 0 && rest > 0 {
            return Pumped::Waiting;
        }
        let mut bytes = [0; CHUNK];
        let read = if rest == 0 { Ok(0) } else { rustix::io::read(&source.pipe, &mut bytes[..most]) };
        match read {
            Ok(length @ 1..) => {
                source.credit -= u32::try_from(length).unwrap_or(source.credit);
                source.rest = source.rest.map(|rest| rest.saturating_sub(length as u64));
                let message = match stream {
                    Stream::Stderr => GuestMessage::Stderr(&bytes[..length]),
                    Stream::Stdout | Stream::Stdin => GuestMessage::Stdout(&bytes[..length]),
                };
                say(id, &message, outgoing);
                Pumped::More
            }
            Err(Errno::AGAIN) if source.rest.is_none() => Pumped::More,
            Err(Errno::INTR) => Pumped::More,
            // The end; of a terminal also by EIO.
            Ok(0) | Err(_) => {
                self.end(id, stream, outgoing);
                Pumped::Ended
            }
        }
    }

    fn end(&mut self, id: u32, stream: Stream, outgoing: &mut Vec<u8>) {
        self.outputs[index(stream)] = None;
        say(id, &GuestMessage::OutputEof(stream), outgoing);
        if self.is_terminal {
            // There is no second output, but its end is told like that of any.
            say(id, &GuestMessage::OutputEof(Stream::Stderr), outgoing);
        }
    }

    fn source(&self, stream: Stream) -> Option<&Source> {
        self.outputs[index(stream)].as_ref().filter(|_| stream != Stream::Stdin)
    }

    fn source_mut(&mut self, stream: Stream) -> Option<&mut Source> {
        self.outputs[index(stream)].as_mut().filter(|_| stream != Stream::Stdin)
    }
}

impl Feed {
    fn new(sink: OwnedFd) -> Feed {
        Feed { sink, pending: Vec::new(), taken: 0, closing: false }
    }
}

impl Source {
    fn new(pipe: OwnedFd) -> Source {
        Source { pipe, credit: WINDOW, rest: None }
    }
}

fn index(stream: Stream) -> usize {
    usize::from(stream == Stream::Stderr)
}

/// Appends a message, none of which is over the limit.
fn say(id: u32, message: &GuestMessage<'_>, outgoing: &mut Vec<u8>) {
    let _ = message.encode(id, outgoing);
}

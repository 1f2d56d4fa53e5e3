//! What the execs of one stream share: the channels, and the bytes on their way out.

use super::super::error::{End, GuestError};
use loopbox_init::protocol::{
    ClientMessage, Credit, Decoder, Exit, GuestMessage, Hello, MessageError, OLDEST, PROTOCOL, Side, Stream, Versions,
    WINDOW,
};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::io::ReadBuf;
use tokio::sync::Notify;

/// Bytes that are read before the guest is told that as many more are welcome.
const GRANT: u32 = WINDOW / 4;

#[derive(Debug)]
pub(in super::super) struct Shared {
    state: Mutex<State>,
    /// There are bytes to send.
    sending: Notify,
}

#[derive(Debug)]
struct State {
    decoder: Decoder,
    outgoing: Vec<u8>,
    channels: HashMap<u32, Exec>,
    last: u32,
    /// Why there is no guest any more.
    broken: Option<End>,
}

/// One exec as the stream sees it. It stays until the guest has said its last about it.
#[derive(Debug)]
struct Exec {
    started: Option<u32>,
    end: Option<End>,
    outputs: [Buffer; 2],
    /// Bytes of standard input that the guest takes.
    credit: u32,
    /// The command reads no more.
    input_ended: bool,
    waiter: Option<Waker>,
    writer: Option<Waker>,
    /// Nobody asks for its end any more.
    abandoned: bool,
}

/// What has arrived of one output and is not read yet.
#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    start: usize,
    /// Bytes that were read and not granted again.
    spent: u32,
    ended: bool,
    abandoned: bool,
    reader: Option<Waker>,
}

impl Shared {
    pub(super) fn new() -> Shared {
        let mut outgoing = Vec::new();
        let versions = Versions { min: OLDEST, max: PROTOCOL };
        // A greeting is far from the limit.
        let _ = ClientMessage::Hello(Hello { versions, token: [0; 32] }).encode(0, &mut outgoing);
        let decoder = Decoder::new(Side::Guest);
        let state = State { decoder, outgoing, channels: HashMap::new(), last: 0, broken: None };
        Shared { state: Mutex::new(state), sending: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a channel with the frame that `encode` makes.
    pub(super) fn open(
        &self,
        encode: impl FnOnce(u32, &mut Vec<u8>) -> Result<(), MessageError>,
    ) -> Result<u32, GuestError> {
        let mut state = self.lock();
        if let Some(broken) = state.broken {
            return broken.result().and(Err(GuestError::Died));
        }
        let id = state.unused_id();
        encode(id, &mut state.outgoing).map_err(|_| GuestError::TooLong)?;
        state.channels.insert(id, Exec::new());
        drop(state);
        self.sending.notify_one();
        Ok(id)
    }

    /// Sends a message about an exec that is not over.
    pub(super) fn send(&self, id: u32, message: &ClientMessage<'_>) {
        let mut state = self.lock();
        if state.broken.is_none() && state.channels.get(&id).is_some_and(|exec| exec.end.is_none()) {
            let _ = message.encode(id, &mut state.outgoing);
            drop(state);
            self.sending.notify_one();
        }
    }

    /// Waits for bytes to send, and moves them to `bytes`, which is empty.
    pub(super) async fn outgoing(&self, bytes: &mut Vec<u8>) {
        loop {
            {
                let mut state = self.lock();
                if !state.outgoing.is_empty() {
                    std::mem::swap(&mut state.outgoing, bytes);
                    return;
                }
            }
            self.sending.notified().await;
        }
    }

    /// Takes what the guest has sent; whether it made sense.
    pub(super) fn receive(&self, bytes: &[u8]) -> bool {
        let mut state = self.lock();
        state.decoder.extend(bytes);
        let sense = state.read();
        let sending = !state.outgoing.is_empty();
        drop(state);
        if sending {
            self.sending.notify_one();
        }
        sense
    }

    /// Tells every exec that there is no guest any more.
    pub(super) fn break_off(&self) {
        let mut state = self.lock();
        let broken = *state.broken.get_or_insert(End::Died);
        for exec in state.channels.values_mut() {
            exec.end.get_or_insert(broken);
            for buffer in &mut exec.outputs {
                buffer.ended = true;
            }
            exec.wake_all();
        }
    }

    pub(super) fn poll_started(&self, id: u32, context: &Context<'_>) -> Poll<Result<u32, GuestError>> {
        let mut state = self.lock();
        let Some(exec) = state.channels.get_mut(&id) else { return Poll::Ready(Err(GuestError::Died)) };
        match (exec.started, exec.end) {
            (Some(pid), _) => Poll::Ready(Ok(pid)),
            (None, Some(end)) => Poll::Ready(end.result().and(Err(GuestError::Garbled))),
            (None, None) => wait(&mut exec.waiter, context),
        }
    }

    pub(super) fn poll_wait(&self, id: u32, context: &Context<'_>) -> Poll<Result<Exit, GuestError>> {
        let mut state = self.lock();
        let Some(exec) = state.channels.get_mut(&id) else { return Poll::Ready(Err(GuestError::Died)) };
        match exec.end {
            Some(end) => Poll::Ready(end.result()),
            None => wait(&mut exec.waiter, context),
        }
    }

    pub(super) fn poll_read(&self, id: u32, output: Stream, context: &Context<'_>, into: &mut ReadBuf<'_>) -> Poll<()> {
        let mut state = self.lock();
        let State { channels, outgoing, .. } = &mut *state;
        let Some(exec) = channels.get_mut(&id) else { return Poll::Ready(()) };
        let buffer = exec.output(output);
        let held = &buffer.bytes[buffer.start..];
        if held.is_empty() {
            return if buffer.ended { Poll::Ready(()) } else { wait(&mut buffer.reader, context) };
        }
        let length = held.len().min(into.remaining());
        into.put_slice(&held[..length]);
        buffer.start += length;
        if buffer.start == buffer.bytes.len() {
            buffer.bytes.clear();
            buffer.start = 0;
        }
        if buffer.spend(id, output, length, outgoing) {
            drop(state);
            self.sending.notify_one();
        }
        Poll::Ready(())
    }

    /// Sends as much of `bytes` as the guest takes; 0 if the command reads no more.
    pub(super) fn poll_write(&self, id: u32, bytes: &[u8], context: &Context<'_>) -> Poll<usize> {
        let mut state = self.lock();
        let State { channels, outgoing, .. } = &mut *state;
        let reads = |exec: &&mut Exec| exec.end.is_none() && !exec.input_ended;
        let Some(exec) = channels.get_mut(&id).filter(reads) else { return Poll::Ready(0) };
        let most = loopbox_init::protocol::DATA_LIMIT.min(usize::try_from(exec.credit).unwrap_or(usize::MAX));
        if most == 0 {
            return wait(&mut exec.writer, context);
        }
        let piece = &bytes[..bytes.len().min(most)];
        if ClientMessage::Stdin(piece).encode(id, outgoing).is_err() {
            return Poll::Ready(0);
        }
        exec.credit -= u32::try_from(piece.len()).unwrap_or(exec.credit);
        drop(state);
        self.sending.notify_one();
        Poll::Ready(piece.len())
    }

    /// Nobody asks for the end of this exec any more: it is cancelled if it has not ended.
    pub(super) fn abandon(&self, id: u32) {
        self.send(id, &ClientMessage::Cancel);
        let mut state = self.lock();
        if let Some(exec) = state.channels.get_mut(&id) {
            exec.abandoned = true;
        }
        state.forget_if_over(id);
    }

    /// Nobody reads this output any more: what comes is thrown away.
    pub(super) fn abandon_output(&self, id: u32, output: Stream) {
        let mut state = self.lock();
        let State { channels, outgoing, .. } = &mut *state;
        if let Some(exec) = channels.get_mut(&id) {
            let buffer = exec.output(output);
            buffer.abandoned = true;
            let held = buffer.bytes.len() - buffer.start;
            buffer.bytes = Vec::new();
            buffer.start = 0;
            let granted = buffer.spend(id, output, held, outgoing);
            state.forget_if_over(id);
            drop(state);
            if granted {
                self.sending.notify_one();
            }
        }
    }
}

impl State {
    /// Channels are not used again before all others were.
    fn unused_id(&mut self) -> u32 {
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if !self.channels.contains_key(&self.last) {
                return self.last;
            }
        }
    }

    fn read(&mut self) -> bool {
        loop {
            let frame = match self.decoder.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => return true,
                Err(_) => return self.garbled(),
            };
            let id = frame.channel;
            let Ok(message) = GuestMessage::decode(frame) else { return self.garbled() };
            if id == 0 {
                match message {
                    GuestMessage::HelloAck(_) => continue,
                    GuestMessage::Failed(failure) => self.broken = Some(End::Failed(failure)),
                    _ => return self.garbled(),
                }
                return false;
            }
            let Some(exec) = self.channels.get_mut(&id) else { return self.garbled() };
            if !exec.hear(id, &message, &mut self.outgoing) {
                return self.garbled();
            }
            self.forget_if_over(id);
        }
    }

    fn garbled(&mut self) -> bool {
        self.broken = Some(End::Garbled);
        false
    }

    /// Forgets an exec of which nobody wants to know anything, and of which the guest has said its last.
    fn forget_if_over(&mut self, id: u32) {
        if let Entry::Occupied(exec) = self.channels.entry(id) {
            let over = exec.get().end.is_some() && exec.get().abandoned;
            if over && exec.get().outputs.iter().all(|buffer| buffer.ended && buffer.abandoned) {
                exec.remove();
            }
        }
    }
}

impl Exec {
    fn new() -> Exec {
        let outputs = [Buffer::default(), Buffer::default()];
        Exec {
            started: None,
            end: None,
            outputs,
            credit: WINDOW,
            input_ended: false,
            waiter: None,
            writer: None,
            abandoned: false,
        }
    }

    fn output(&mut self, stream: Stream) -> &mut Buffer {
        &mut self.outputs[usize::from(stream == Stream::Stderr)]
    }

    /// Takes a message; whether it belonged here.
    fn hear(&mut self, id: u32, message: &GuestMessage<'_>, outgoing: &mut Vec<u8>) -> bool {
        match *message {
            GuestMessage::Started(started) => self.started = Some(started.pid),
            GuestMessage::Stdout(bytes) => {
                return self.output(Stream::Stdout).take(id, Stream::Stdout, bytes, outgoing);
            }
            GuestMessage::Stderr(bytes) => {
                return self.output(Stream::Stderr).take(id, Stream::Stderr, bytes, outgoing);
            }
            GuestMessage::OutputEof(Stream::Stdin) => {
                self.input_ended = true;
                wake(&mut self.writer);
                return true;
            }
            GuestMessage::OutputEof(stream) => {
                let buffer = self.output(stream);
                buffer.ended = true;
                wake(&mut buffer.reader);
                return true;
            }
            GuestMessage::Credit(Credit { stream: Stream::Stdin, bytes }) => {
                self.credit = self.credit.saturating_add(bytes);
                wake(&mut self.writer);
                return true;
            }
            GuestMessage::HelloAck(_) | GuestMessage::Credit(_) => return false,
            GuestMessage::Exit(exit) => self.end = Some(End::Exit(exit)),
            GuestMessage::Failed(failure) => {
                self.end = Some(End::Failed(failure));
                for buffer in &mut self.outputs {
                    buffer.ended = true;
                }
                self.wake_all();
            }
        }
        if self.end.is_some() {
            wake(&mut self.writer);
        }
        wake(&mut self.waiter);
        true
    }

    fn wake_all(&mut self) {
        let [stdout, stderr] = &mut self.outputs;
        for waker in [&mut self.waiter, &mut self.writer, &mut stdout.reader, &mut stderr.reader] {
            wake(waker);
        }
    }
}

impl Buffer {
    /// Takes bytes that arrived; whether the guest had credit for them.
    fn take(&mut self, id: u32, stream: Stream, bytes: &[u8], outgoing: &mut Vec<u8>) -> bool {
        if self.abandoned {
            self.spend(id, stream, bytes.len(), outgoing);
            return true;
        }
        if self.bytes.len() - self.start + bytes.len() > WINDOW as usize || self.ended {
            return false;
        }
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
        wake(&mut self.reader);
        true
    }

    /// Counts bytes as read, and grants them again if there are enough; whether it did.
    fn spend(&mut self, id: u32, stream: Stream, length: usize, outgoing: &mut Vec<u8>) -> bool {
        self.spent = self.spent.saturating_add(u32::try_from(length).unwrap_or(u32::MAX));
        let grant = self.spent >= GRANT && !self.ended;
        if grant {
            let bytes = std::mem::take(&mut self.spent);
            let _ = ClientMessage::Credit(Credit { stream, bytes }).encode(id, outgoing);
        }
        grant
    }
}

fn wait<T>(slot: &mut Option<Waker>, context: &Context<'_>) -> Poll<T> {
    match slot {
        Some(waker) => waker.clone_from(context.waker()),
        None => *slot = Some(context.waker().clone()),
    }
    Poll::Pending
}

fn wake(slot: &mut Option<Waker>) {
    if let Some(waker) = slot.take() {
        waker.wake();
    }
}

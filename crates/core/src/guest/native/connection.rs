//! The connection of one exec, read by whoever wants to know something.

use super::super::error::{End, GuestError};
use loopbox_init::protocol::{ClientMessage, Decoder, Exit, GuestMessage, Side};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, Shutdown, recvmsg};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// Who may be waiting for something on the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Listener {
    Waiter,
    Stdout,
    Stderr,
}

/// The connection of one exec.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: UnixStream,
    state: Mutex<State>,
    listeners: Arc<Listeners>,
    /// Wakes all listeners. Only the listeners: a waker that held the connection would keep it open for ever.
    waker: Waker,
}

#[derive(Debug)]
struct State {
    decoder: Decoder,
    started: Option<u32>,
    terminal: Option<OwnedFd>,
    end: Option<End>,
}

#[derive(Debug, Default)]
struct Listeners([Mutex<Option<Waker>>; 3]);

impl Wake for Listeners {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        for listener in &self.0 {
            if let Some(waker) = lock(listener).take() {
                waker.wake();
            }
        }
    }
}

impl Connection {
    pub(super) fn new(socket: UnixStream) -> Connection {
        let listeners = Arc::new(Listeners::default());
        let waker = Waker::from(Arc::clone(&listeners));
        let state = State { decoder: Decoder::new(Side::Guest), started: None, terminal: None, end: None };
        Connection { socket, state: Mutex::new(state), listeners, waker }
    }

    pub(crate) fn poll_started(&self, context: &mut Context<'_>) -> Poll<Result<u32, GuestError>> {
        self.listen(Listener::Waiter, context);
        let mut state = lock(&self.state);
        self.hear(&mut state);
        match (state.started, state.end) {
            (Some(pid), _) => Poll::Ready(Ok(pid)),
            (None, Some(end)) => Poll::Ready(end.result().and(Err(GuestError::Garbled))),
            (None, None) => Poll::Pending,
        }
    }

    pub(crate) fn poll_wait(&self, context: &mut Context<'_>) -> Poll<Result<Exit, GuestError>> {
        self.poll_end(Listener::Waiter, context).map(End::result)
    }

    /// Whether the exec is over; else `listener` is woken when there may be news.
    pub(crate) fn poll_over(&self, listener: Listener, context: &mut Context<'_>) -> bool {
        self.poll_end(listener, context).is_ready()
    }

    fn poll_end(&self, listener: Listener, context: &mut Context<'_>) -> Poll<End> {
        self.listen(listener, context);
        let mut state = lock(&self.state);
        self.hear(&mut state);
        state.end.map_or(Poll::Pending, Poll::Ready)
    }

    /// The terminal that came with the answer.
    pub(super) fn take_terminal(&self) -> Option<OwnedFd> {
        lock(&self.state).terminal.take()
    }

    pub(crate) fn signal(&self, signal: i32) {
        self.tell(&ClientMessage::Signal(signal));
    }

    pub(crate) fn cancel(&self) {
        self.tell(&ClientMessage::Cancel);
    }

    /// Closes the connection, which kills the command, for everybody who still has a part of the exec.
    pub(crate) fn abandon(&self) {
        let mut state = lock(&self.state);
        if state.end.is_none() {
            state.end = Some(End::Died);
            let _ = rustix::net::shutdown(&self.socket, Shutdown::Both);
            drop(state);
            self.waker.wake_by_ref();
        }
    }

    /// A few bytes once or twice in the life of a connection always fit; if the guest is gone, that is heard.
    fn tell(&self, message: &ClientMessage<'_>) {
        let mut bytes = Vec::new();
        if message.encode(0, &mut bytes).is_ok() {
            let _ = rustix::net::send(&self.socket, &bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
        }
    }

    fn listen(&self, listener: Listener, context: &Context<'_>) {
        let mut slot = lock(&self.listeners.0[listener as usize]);
        match &mut *slot {
            Some(waker) => waker.clone_from(context.waker()),
            None => *slot = Some(context.waker().clone()),
        }
    }

    /// Reads what has arrived, and asks to be woken by more.
    fn hear(&self, state: &mut State) {
        let mut context = Context::from_waker(&self.waker);
        while state.end.is_none() {
            match self.socket.poll_read_ready(&mut context) {
                Poll::Pending => return,
                Poll::Ready(Err(_)) => state.end = Some(End::Died),
                Poll::Ready(Ok(())) => match self.socket.try_io(Interest::READABLE, || receive(&self.socket, state)) {
                    Ok(0) => state.end = Some(End::Died),
                    Ok(_) => state.read(),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(_) => state.end = Some(End::Died),
                },
            }
        }
    }
}

impl State {
    fn read(&mut self) {
        while self.end.is_none() {
            let message = match self.decoder.next_frame() {
                Ok(None) => return,
                Ok(Some(frame)) => GuestMessage::decode(frame).ok(),
                Err(_) => None,
            };
            match message {
                Some(GuestMessage::HelloAck(_)) => {}
                Some(GuestMessage::Started(started)) => self.started = Some(started.pid),
                Some(GuestMessage::Exit(exit)) => self.end = Some(End::Exit(exit)),
                Some(GuestMessage::Failed(failure)) => self.end = Some(End::Failed(failure)),
                Some(_) | None => self.end = Some(End::Garbled),
            }
        }
    }
}

/// Takes bytes, and perhaps a terminal, from the socket.
fn receive(socket: &UnixStream, state: &mut State) -> io::Result<usize> {
    let mut bytes = [0; 512];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags)?;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(mut descriptors) = message {
            state.terminal = descriptors.next().or(state.terminal.take());
        }
    }
    state.decoder.extend(&bytes[..received.bytes]);
    Ok(received.bytes)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

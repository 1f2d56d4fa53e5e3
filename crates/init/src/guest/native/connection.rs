//! One connection of the native transport.

use super::super::engine::ExecId;
use crate::protocol::{
    ClientMessage, DESCRIPTOR_LIMIT, Decoder, Failure, GuestMessage, OLDEST, PROTOCOL, Side, Start, Versions, negotiate,
};
use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

/// Bytes taken from a socket at once: a whole usual request.
const CHUNK: usize = 16 * 1024;

/// A client, and the exec that it asked for.
#[derive(Debug)]
pub(super) struct Connection {
    socket: OwnedFd,
    decoder: Decoder,
    version: Option<u16>,
    /// Whether there was a request; more than one is not allowed.
    pub(super) has_started: bool,
    /// Descriptors that came and belong to nothing yet.
    pub(super) passed: Vec<OwnedFd>,
    /// The command while it runs.
    pub(super) exec: Option<ExecId>,
    /// What is said together with what comes next.
    held: Vec<u8>,
}

/// What a client wants.
#[derive(Debug)]
pub(super) enum Heard {
    /// Nothing for now.
    Nothing,
    /// Run this, in this version of the protocol.
    Start(Box<Start>, u16),
    /// Send a signal.
    Signal(i32),
    /// End the command.
    Cancel,
    /// It is told why, and let go.
    Refused(Failure),
    /// It is gone, or not worth a word.
    Closed,
}

impl Connection {
    pub(super) fn new(socket: OwnedFd) -> Connection {
        let decoder = Decoder::new(Side::Client);
        Connection {
            socket,
            decoder,
            version: None,
            has_started: false,
            passed: Vec::new(),
            exec: None,
            held: Vec::new(),
        }
    }

    pub(super) fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// The next thing that the client wants.
    pub(super) fn hear(&mut self, token: &[u8; 32]) -> Heard {
        loop {
            match self.parse(token) {
                Heard::Nothing => {}
                heard => return heard,
            }
            match self.receive() {
                Ok(0) => return Heard::Closed,
                Ok(_) => {}
                Err(Errno::AGAIN | Errno::INTR) => return Heard::Nothing,
                Err(_) => return Heard::Closed,
            }
        }
    }

    fn parse(&mut self, token: &[u8; 32]) -> Heard {
        loop {
            let message = match self.decoder.next_frame() {
                Ok(None) => return Heard::Nothing,
                Ok(Some(frame)) if frame.channel == 0 => ClientMessage::decode(frame),
                Ok(Some(_)) | Err(_) => return Heard::Refused(Failure::Protocol),
            };
            match message {
                Ok(ClientMessage::Hello(hello)) if self.version.is_none() => {
                    if !equal(&hello.token, token) {
                        return Heard::Refused(Failure::Token);
                    }
                    let Some(version) = negotiate(hello.versions) else {
                        return Heard::Refused(Failure::Version(Versions { min: OLDEST, max: PROTOCOL }));
                    };
                    self.version = Some(version);
                }
                Ok(ClientMessage::Start(start)) if !self.has_started => {
                    let Some(version) = self.version else { return Heard::Refused(Failure::Protocol) };
                    self.has_started = true;
                    return Heard::Start(Box::new(start), version);
                }
                Ok(ClientMessage::Signal(signal)) if self.has_started => return Heard::Signal(signal),
                Ok(ClientMessage::Cancel) if self.has_started => return Heard::Cancel,
                Ok(_) | Err(_) => return Heard::Refused(Failure::Protocol),
            }
        }
    }

    /// Takes bytes and descriptors from the socket.
    fn receive(&mut self) -> Result<usize, Errno> {
        let mut bytes = [0; CHUNK];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTOR_LIMIT))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
        let received = recvmsg(&self.socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags)?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.passed.extend(descriptors);
            }
        }
        let too_many = received.flags.contains(ReturnFlags::CTRUNC) || self.passed.len() > DESCRIPTOR_LIMIT;
        if too_many || (self.has_started && !self.passed.is_empty()) {
            return Err(Errno::PROTO);
        }
        self.decoder.extend(&bytes[..received.bytes]);
        Ok(received.bytes)
    }

    /// Holds messages back until something else is said.
    pub(super) fn hold(&mut self, messages: &[GuestMessage<'_>]) {
        for message in messages {
            // Of these messages none is near the limit.
            let _ = message.encode(0, &mut self.held);
        }
    }

    /// Sends a message after those that were held back.
    pub(super) fn tell(&mut self, message: &GuestMessage<'_>) {
        let _ = message.encode(0, &mut self.held);
        self.release(None);
    }

    /// Sends what was held back, with a descriptor if there is one. A client that does not take a few hundred bytes is
    /// as good as gone.
    pub(super) fn release(&mut self, descriptor: Option<&OwnedFd>) {
        let bytes = std::mem::take(&mut self.held);
        if bytes.is_empty() {
            return;
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = descriptor.map(|descriptor| [descriptor.as_fd()]);
        if let Some(descriptors) = &descriptors {
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let _ = sendmsg(&self.socket, &[IoSlice::new(&bytes)], &mut ancillary, flags);
    }
}

/// Takes standard input, output and error out of what a client passed, with `null` for an input that it did not.
pub(super) fn pipes(
    mut passed: Vec<OwnedFd>,
    stdin: bool,
    null: &OwnedFd,
    may_own: impl Fn(u32) -> bool,
) -> Result<[OwnedFd; 3], Failure> {
    if !stdin {
        passed.insert(0, null.try_clone().map_err(|_| Failure::ProcessLimit)?);
    }
    let pipes: [OwnedFd; 3] = passed.try_into().map_err(|_| Failure::Descriptor)?;
    let directions = [OFlags::RDONLY, OFlags::WRONLY, OFlags::WRONLY];
    for (pipe, direction) in pipes.iter().zip(directions).skip(usize::from(!stdin)) {
        let stat = fstat(pipe).map_err(|_| Failure::Descriptor)?;
        let flags = fcntl_getfl(pipe).map_err(|_| Failure::Descriptor)?;
        let fits = FileType::from_raw_mode(stat.st_mode) == FileType::Fifo
            && flags & (OFlags::ACCMODE | OFlags::PATH) == direction
            && may_own(stat.st_uid);
        if !fits {
            return Err(Failure::Descriptor);
        }
    }
    Ok(pipes)
}

/// Compares in a time that does not depend on where the difference is.
fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    let difference = a.iter().zip(b).fold(0, |difference, (a, b)| difference | (a ^ b));
    std::hint::black_box(difference) == 0
}

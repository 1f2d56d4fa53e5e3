//! Frames, and the decoder that finds them in a stream of bytes.

use super::{CONTROL_LIMIT, DATA_LIMIT, START_LIMIT};

/// Bytes of a frame's header.
pub const HEADER: usize = 12;

/// Who sends: the two sides have different messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The side that asks for commands to be run.
    Client,
    /// The side that runs them.
    Guest,
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// The versions and the token; the first frame of a client.
    Hello = 1,
    /// A command to run.
    Start = 2,
    /// Bytes for the command's standard input.
    Stdin = 3,
    /// The end of the command's standard input.
    StdinEof = 4,
    /// The new size of the command's terminal.
    Resize = 5,
    /// A signal for the command's process group.
    Signal = 6,
    /// End the whole tree of the command.
    Cancel = 7,
    /// More bytes of a stream may be sent; from either side.
    Credit = 32,
    /// The version that was chosen; the first frame of a guest.
    HelloAck = 65,
    /// The command has a process.
    Started = 66,
    /// Bytes of the command's standard output, or of its terminal.
    Stdout = 67,
    /// Bytes of the command's standard error.
    Stderr = 68,
    /// The end of one of the command's output streams.
    OutputEof = 69,
    /// How the command ended.
    Exit = 70,
    /// Why there is no command; the last frame of its exec.
    Failed = 71,
}

impl Kind {
    const ALL: [Kind; 15] = [
        Kind::Hello,
        Kind::Start,
        Kind::Stdin,
        Kind::StdinEof,
        Kind::Resize,
        Kind::Signal,
        Kind::Cancel,
        Kind::Credit,
        Kind::HelloAck,
        Kind::Started,
        Kind::Stdout,
        Kind::Stderr,
        Kind::OutputEof,
        Kind::Exit,
        Kind::Failed,
    ];

    /// The kind with this number, if there is one.
    pub fn from_byte(byte: u8) -> Option<Kind> {
        Kind::ALL.into_iter().find(|&kind| kind as u8 == byte)
    }

    /// The most bytes that the payload of such a frame may have.
    pub fn limit(self) -> usize {
        match self {
            Kind::Start => START_LIMIT,
            Kind::Stdin | Kind::Stdout | Kind::Stderr => DATA_LIMIT,
            _ => CONTROL_LIMIT,
        }
    }

    /// Whether `side` may send such a frame.
    pub fn is_sent_by(self, side: Side) -> bool {
        match self {
            Kind::Credit => true,
            kind => ((kind as u8) < 64) == (side == Side::Client),
        }
    }

    /// Whether `side` may send such a frame before any other.
    fn may_open(self, side: Side) -> bool {
        match side {
            Side::Client => self == Kind::Hello,
            Side::Guest => matches!(self, Kind::HelloAck | Kind::Failed),
        }
    }
}

/// One frame, its payload still in the decoder's buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The exec that the frame belongs to; 0 is the connection itself.
    pub channel: u32,
    /// What the payload is.
    pub kind: Kind,
    /// At most [`Kind::limit`] bytes.
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// Appends the header of a frame whose payload follows.
    pub(super) fn header(channel: u32, kind: Kind, length: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&channel.to_le_bytes());
        out.extend_from_slice(&[kind as u8, 0, 0, 0]);
    }
}

/// Why a stream of bytes is no stream of frames. There is no way to go on after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A number that is no kind, or the kind of the other side.
    #[error("unexpected frame kind {0}")]
    Kind(u8),
    /// The payload is longer than its kind allows.
    #[error("{kind:?} frame of {length} bytes is over the limit")]
    TooLong {
        /// The frame's kind.
        kind: Kind,
        /// The length that its header claims.
        length: u32,
    },
    /// The first frame is not a greeting.
    #[error("{0:?} frame before the greeting")]
    NoGreeting(Kind),
    /// The reserved bytes of the header are not zero.
    #[error("reserved header bytes are not zero")]
    Reserved,
}

/// Finds frames in bytes that arrive in pieces.
///
/// A header is judged as soon as it is complete, so that no more than a permitted frame is ever held; before the
/// greeting that is [`CONTROL_LIMIT`].
#[derive(Debug)]
pub struct Decoder {
    sender: Side,
    greeted: bool,
    buffer: Vec<u8>,
    start: usize,
}

impl Decoder {
    /// A decoder for what `sender` sends.
    pub fn new(sender: Side) -> Decoder {
        Decoder { sender, greeted: false, buffer: Vec::new(), start: 0 }
    }

    /// Takes bytes as they arrived.
    pub fn extend(&mut self, bytes: &[u8]) {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        } else if self.start > self.buffer.len() / 2 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Whether nothing is held but whole frames already given out.
    pub fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }

    /// The next whole frame, if it has arrived.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        let Some((header, rest)) = self.buffer[self.start..].split_first_chunk::<HEADER>() else { return Ok(None) };
        let [l0, l1, l2, l3, c0, c1, c2, c3, kind, reserved @ ..] = *header;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let kind = Kind::from_byte(kind).filter(|kind| kind.is_sent_by(self.sender)).ok_or(FrameError::Kind(kind))?;
        if reserved != [0; 3] {
            return Err(FrameError::Reserved);
        }
        if !self.greeted && !kind.may_open(self.sender) {
            return Err(FrameError::NoGreeting(kind));
        }
        let size = usize::try_from(length).unwrap_or(usize::MAX);
        if size > kind.limit() {
            return Err(FrameError::TooLong { kind, length });
        }
        if rest.len() < size {
            return Ok(None);
        }
        let from = self.start + HEADER;
        self.start = from + size;
        self.greeted = true;
        Ok(Some(Frame {
            channel: u32::from_le_bytes([c0, c1, c2, c3]),
            kind,
            payload: &self.buffer[from..from + size],
        }))
    }
}

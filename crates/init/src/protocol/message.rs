//! The messages that frames carry.

use super::frame::{Frame, Kind};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// A range of protocol versions, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The oldest.
    pub min: u16,
    /// The newest.
    pub max: u16,
}

/// The client's greeting.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// What the client speaks.
    pub versions: Versions,
    /// What proves that the client may run commands here.
    pub token: [u8; 32],
}

impl std::fmt::Debug for Hello {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hello").field("versions", &self.versions).finish_non_exhaustive()
    }
}

/// The guest's greeting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloAck {
    /// The version that both sides use from here on.
    pub version: u16,
    /// The release of loopbox that the guest comes from.
    pub guest: String,
}

/// A command to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The program and its arguments; a program without a slash is looked for in the `PATH` of `env`.
    pub argv: Vec<ByteBuf>,
    /// The whole environment (behind a stream, on top of the guest's own if it was started so).
    pub env: Vec<(ByteBuf, ByteBuf)>,
    /// The directory that the command starts in; `/` if empty.
    pub work_dir: ByteBuf,
    /// Whom the command runs as.
    pub user: User,
    /// Milliseconds until the command is ended; 0 for no limit.
    pub timeout_ms: u64,
    /// Milliseconds between `SIGTERM` and `SIGKILL`.
    pub grace_ms: u32,
    /// The terminal to run it on, instead of pipes.
    pub tty: Option<TtySize>,
    /// Whether the client feeds standard input; otherwise it is empty. Without meaning on a terminal.
    pub stdin: bool,
}

impl Start {
    /// A command as the agent in `/`, without environment, time limit, terminal or input; 2 s of grace.
    pub fn new<A: Into<Vec<u8>>>(argv: impl IntoIterator<Item = A>) -> Start {
        Start {
            argv: argv.into_iter().map(|argument| ByteBuf::from(argument.into())).collect(),
            env: Vec::new(),
            work_dir: ByteBuf::new(),
            user: User::Agent,
            timeout_ms: 0,
            grace_ms: 2000,
            tty: None,
            stdin: false,
        }
    }

    /// Adds a variable to the environment.
    pub fn env(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Start {
        self.env.push((ByteBuf::from(name.into()), ByteBuf::from(value.into())));
        self
    }
}

/// Whom a command runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum User {
    /// The sandbox's unprivileged user.
    Agent,
    /// The sandbox's own root, where it has one.
    Root,
    /// Any ids that are mapped into the sandbox.
    Ids {
        /// The user.
        uid: u32,
        /// The only group.
        gid: u32,
    },
}

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TtySize {
    /// Its height.
    pub rows: u16,
    /// Its width.
    pub cols: u16,
}

/// One of the data streams of an exec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stream {
    /// Standard input, or what is typed into the terminal.
    Stdin,
    /// Standard output, or what the terminal shows.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Leave to send more bytes of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    /// The stream.
    pub stream: Stream,
    /// How many more.
    pub bytes: u32,
}

/// The command has a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The process that leads the command's tree, as the guest sees it: the command itself, or the one that watches it.
    pub pid: u32,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// What the kernel says of its main process.
    pub status: Status,
    /// The time limit ended it.
    pub timed_out: bool,
    /// [`ClientMessage::Cancel`] ended it.
    pub cancelled: bool,
    /// Some process of the tree could not be ended in 10 s of `SIGKILL` (another user's, or stuck in the kernel).
    pub survivors: bool,
    /// Microseconds from its start to its end, by the guest's clock.
    pub duration_us: u64,
}

/// The end of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It exited with this code.
    Exited(u8),
    /// This signal killed it.
    Signaled(i32),
}

/// Why a command was not run. Numbers are values of `errno`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// No version is spoken by both sides.
    #[error("the guest speaks versions {min} to {max} of the protocol", min = .0.min, max = .0.max)]
    Version(Versions),
    /// The token is not the sandbox's.
    #[error("the token was refused")]
    Token,
    /// A message that does not belong here.
    #[error("the guest could not make sense of the request")]
    Protocol,
    /// Descriptors of the wrong number, kind, direction or owner.
    #[error("the passed descriptors were refused")]
    Descriptor,
    /// The command is empty, or a string holds a zero byte or a variable's name an equals sign.
    #[error("the command, its environment or its directory is malformed")]
    Malformed,
    /// One argument is over [`super::ARGUMENT_LIMIT`] bytes, or all together are over the kernel's limit.
    #[error("the arguments are too long for the kernel")]
    ArgumentTooLong,
    /// The sandbox cannot run commands as that user.
    #[error("the sandbox cannot run commands as that user")]
    User,
    /// The working directory cannot be entered.
    #[error("the working directory cannot be entered (errno {0})")]
    WorkDir(i32),
    /// No terminal could be opened.
    #[error("no terminal could be opened (errno {0})")]
    Tty(i32),
    /// The sandbox or the guest runs too many processes already.
    #[error("the limit of processes is reached")]
    ProcessLimit,
    /// The kernel has no memory for another process.
    #[error("out of memory")]
    OutOfMemory,
    /// The process could not be made or put into its place.
    #[error("the process could not be set up (errno {0})")]
    Spawn(i32),
    /// The process that watched over the command was killed; so was the command.
    #[error("the process that watched over the command was killed")]
    Lost,
}

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientMessage<'a> {
    /// The greeting.
    Hello(Hello),
    /// Run a command.
    Start(Start),
    /// Bytes for standard input.
    Stdin(&'a [u8]),
    /// The end of standard input.
    StdinEof,
    /// The terminal has a new size.
    Resize(TtySize),
    /// Send a signal to the command's process group.
    Signal(i32),
    /// End the whole tree: `SIGTERM`, and `SIGKILL` after the grace period.
    Cancel,
    /// More output is welcome.
    Credit(Credit),
}

/// What a guest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuestMessage<'a> {
    /// The greeting.
    HelloAck(HelloAck),
    /// The command has a process.
    Started(Started),
    /// Bytes of standard output, or of the terminal.
    Stdout(&'a [u8]),
    /// Bytes of standard error.
    Stderr(&'a [u8]),
    /// Nothing more comes on this stream.
    OutputEof(Stream),
    /// The command ended.
    Exit(Exit),
    /// There is no command.
    Failed(Failure),
    /// More input is welcome.
    Credit(Credit),
}

/// A payload that is not what its kind says, or a message that does not fit a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{kind:?} frame with a malformed or too long payload")]
pub struct MessageError {
    /// The frame's kind.
    pub kind: Kind,
}

impl<'a> ClientMessage<'a> {
    /// Reads what a frame carries.
    pub fn decode(frame: Frame<'a>) -> Result<ClientMessage<'a>, MessageError> {
        Ok(match frame.kind {
            Kind::Hello => ClientMessage::Hello(parse(frame)?),
            Kind::Start => ClientMessage::Start(parse(frame)?),
            Kind::Stdin => ClientMessage::Stdin(frame.payload),
            Kind::StdinEof => parse(frame).map(|()| ClientMessage::StdinEof)?,
            Kind::Resize => ClientMessage::Resize(parse(frame)?),
            Kind::Signal => ClientMessage::Signal(parse(frame)?),
            Kind::Cancel => parse(frame).map(|()| ClientMessage::Cancel)?,
            Kind::Credit => ClientMessage::Credit(parse(frame)?),
            kind => return Err(MessageError { kind }),
        })
    }

    /// Appends the message as a frame; on an error nothing is appended.
    pub fn encode(&self, channel: u32, out: &mut Vec<u8>) -> Result<(), MessageError> {
        match self {
            ClientMessage::Hello(hello) => append(channel, Kind::Hello, hello, out),
            ClientMessage::Start(start) => append(channel, Kind::Start, start, out),
            ClientMessage::Stdin(bytes) => append_raw(channel, Kind::Stdin, bytes, out),
            ClientMessage::StdinEof => append(channel, Kind::StdinEof, &(), out),
            ClientMessage::Resize(size) => append(channel, Kind::Resize, size, out),
            ClientMessage::Signal(signal) => append(channel, Kind::Signal, signal, out),
            ClientMessage::Cancel => append(channel, Kind::Cancel, &(), out),
            ClientMessage::Credit(credit) => append(channel, Kind::Credit, credit, out),
        }
    }
}

impl<'a> GuestMessage<'a> {
    /// Reads what a frame carries.
    pub fn decode(frame: Frame<'a>) -> Result<GuestMessage<'a>, MessageError> {
        Ok(match frame.kind {
            Kind::HelloAck => GuestMessage::HelloAck(parse(frame)?),
            Kind::Started => GuestMessage::Started(parse(frame)?),
            Kind::Stdout => GuestMessage::Stdout(frame.payload),
            Kind::Stderr => GuestMessage::Stderr(frame.payload),
            Kind::OutputEof => GuestMessage::OutputEof(parse(frame)?),
            Kind::Exit => GuestMessage::Exit(parse(frame)?),
            Kind::Failed => GuestMessage::Failed(parse(frame)?),
            Kind::Credit => GuestMessage::Credit(parse(frame)?),
            kind => return Err(MessageError { kind }),
        })
    }

    /// Appends the message as a frame; on an error nothing is appended.
    pub fn encode(&self, channel: u32, out: &mut Vec<u8>) -> Result<(), MessageError> {
        match self {
            GuestMessage::HelloAck(ack) => append(channel, Kind::HelloAck, ack, out),
            GuestMessage::Started(started) => append(channel, Kind::Started, started, out),
            GuestMessage::Stdout(bytes) => append_raw(channel, Kind::Stdout, bytes, out),
            GuestMessage::Stderr(bytes) => append_raw(channel, Kind::Stderr, bytes, out),
            GuestMessage::OutputEof(stream) => append(channel, Kind::OutputEof, stream, out),
            GuestMessage::Exit(exit) => append(channel, Kind::Exit, exit, out),
            GuestMessage::Failed(failure) => append(channel, Kind::Failed, failure, out),
            GuestMessage::Credit(credit) => append(channel, Kind::Credit, credit, out),
        }
    }
}

fn parse<'a, T: Deserialize<'a>>(frame: Frame<'a>) -> Result<T, MessageError> {
    match postcard::take_from_bytes(frame.payload) {
        Ok((message, [])) => Ok(message),
        Ok(_) | Err(_) => Err(MessageError { kind: frame.kind }),
    }
}

fn append<T: Serialize>(channel: u32, kind: Kind, message: &T, out: &mut Vec<u8>) -> Result<(), MessageError> {
    let begin = out.len();
    Frame::header(channel, kind, 0, out);
    let body = out.len();
    *out = postcard::to_extend(message, std::mem::take(out)).map_err(|_| MessageError { kind })?;
    let length = out.len() - body;
    if length > kind.limit() {
        out.truncate(begin);
        return Err(MessageError { kind });
    }
    let length = u32::try_from(length).map_err(|_| MessageError { kind })?;
    out[begin..begin + 4].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

fn append_raw(channel: u32, kind: Kind, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), MessageError> {
    if bytes.len() > kind.limit() {
        return Err(MessageError { kind });
    }
    let length = u32::try_from(bytes.len()).map_err(|_| MessageError { kind })?;
    Frame::header(channel, kind, length, out);
    out.extend_from_slice(bytes);
    Ok(())
}

//! The stream transport: many execs behind one byte stream, their bytes in frames.
//!
//! ```text
//!   input ──▶ decoder ──▶ channel ──▶ pipe ──▶ command      under the credit that the guest grants
//!  output ◀── outgoing ◀── channel ◀── pipes ◀── command     under the credit that the client grants
//! ```
//!
//! A pipe is waited for only while there is credit for its bytes and room in `outgoing`: that is all the memory there is.

mod channel;

use super::engine::{Engine, Report, Stdio};
use super::reactor::Reactor;
use super::signals::Signals;
use super::terminal::{self, Terminal};
use super::{GuestError, StreamSetup, native};
use crate::protocol::{
    ClientMessage, Decoder, Failure, GuestMessage, HelloAck, OLDEST, PROTOCOL, Side, Start, Started, Stream, Versions,
    negotiate,
};
use channel::{Channel, Pumped};
use rustix::event::epoll::EventFlags;
use rustix::io::Errno;
use rustix::process::{getpid, set_child_subreaper};
use std::collections::HashMap;
use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt as _;

const INPUT: u64 = 0;
const OUTPUT: u64 = 1;
const SIGNALS: u64 = 2;
const BELL: u64 = 3;

/// The multiplexer of the terminals of wherever the guest is.
const PTMX: &CStr = c"/dev/ptmx";

/// Bytes taken from the client at once.
const CHUNK: usize = 64 * 1024;

/// When this much waits to be taken by the client, nothing more is read.
const OUTGOING_LIMIT: usize = 1024 * 1024;

/// Signals that end the guest, with every command.
const ENDING: [i32; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP];

struct Guest {
    reactor: Reactor,
    engine: Engine,
    input: OwnedFd,
    output: OwnedFd,
    null: OwnedFd,
    decoder: Decoder,
    greeted: bool,
    outgoing: Vec<u8>,
    /// How much of `outgoing` is sent already.
    sent: usize,
    channels: HashMap<u32, Channel>,
    /// Streams that were not read for want of room in `outgoing`.
    parked: Vec<(u32, Stream)>,
    /// The input is not read for the same reason.
    input_parked: bool,
}

/// Why the guest ends.
enum Over {
    /// The client went, or the guest was told to.
    Ended,
    /// The client does not keep to the protocol.
    Garbled,
    System(Errno),
}

impl From<Errno> for Over {
    fn from(errno: Errno) -> Over {
        Over::System(errno)
    }
}

/// See [`super::serve_stream`].
pub(super) fn serve(setup: StreamSetup) -> Result<(), GuestError> {
    let signals = Signals::take(&ENDING).map_err(GuestError::system("read signals"))?;
    let (input, output, null) = take_streams(setup.input, setup.output)?;
    set_child_subreaper(Some(getpid())).map_err(GuestError::system("become the reaper of descendants"))?;
    let inherited = if setup.inherit_env { environment() } else { Vec::new() };
    let engine = Engine::new(setup.tree, setup.confine, inherited, true, setup.key)?;
    let mut guest = Guest {
        reactor: Reactor::new().map_err(GuestError::system("make an epoll"))?,
        engine,
        input,
        output,
        null,
        decoder: Decoder::new(Side::Client),
        greeted: false,
        outgoing: Vec::new(),
        sent: 0,
        channels: HashMap::new(),
        parked: Vec::new(),
        input_parked: false,
    };
    let over = guest.run(&signals);
    guest.engine.kill_running();
    match over {
        Over::Ended => Ok(()),
        Over::Garbled => {
            guest.say(0, &GuestMessage::Failed(Failure::Protocol));
            let _ = guest.flush();
            Err(GuestError::Garbled)
        }
        Over::System(errno) => Err(GuestError::system("serve the stream")(errno)),
    }
}

impl Guest {
    fn run(&mut self, signals: &Signals) -> Over {
        let mut turn = self.watch(signals);
        while turn.is_ok() {
            turn = self.turn(signals);
        }
        turn.err().unwrap_or(Over::Ended)
    }

    fn watch(&mut self, signals: &Signals) -> Result<(), Over> {
        rustix::io::ioctl_fionbio(&self.input, true)?;
        rustix::io::ioctl_fionbio(&self.output, true)?;
        self.reactor.add(signals, SIGNALS, EventFlags::IN)?;
        self.reactor.add(self.engine.bell(), BELL, EventFlags::IN)?;
        self.reactor.add(&self.input, INPUT, EventFlags::IN | EventFlags::ONESHOT)?;
        // Told of hang-up and errors at once, of room only when that is asked for.
        self.reactor.add(&self.output, OUTPUT, EventFlags::empty())?;
        Ok(())
    }

    fn turn(&mut self, signals: &Signals) -> Result<(), Over> {
        let deadline = self.engine.deadline();
        for (key, flags) in self.reactor.wait(deadline)? {
            match key {
                INPUT => self.listen()?,
                OUTPUT if flags.intersects(EventFlags::ERR | EventFlags::HUP) => return Err(Over::Ended),
                OUTPUT => {}
                SIGNALS => {
                    let end = signals.read().end;
                    self.engine.reap();
                    if end {
                        return Err(Over::Ended);
                    }
                }
                BELL => self.engine.answer_bell(),
                key => {
                    let (id, stream) = channel::from_key(key);
                    self.pump(id, stream)?;
                }
            }
        }
        self.engine.expire();
        for (owner, report) in self.engine.take_reports() {
            // The owner of an exec is its channel.
            self.report(u32::try_from(owner).unwrap_or(0), report)?;
        }
        self.flush()?;
        self.unpark()
    }

    /// Takes what the client has sent.
    fn listen(&mut self) -> Result<(), Over> {
        if self.is_full() {
            self.input_parked = true;
            return Ok(());
        }
        let mut bytes = vec![0; CHUNK];
        match rustix::io::read(&self.input, &mut bytes) {
            Ok(0) => return Err(Over::Ended),
            Ok(length) => {
                let mut decoder = std::mem::replace(&mut self.decoder, Decoder::new(Side::Client));
                decoder.extend(&bytes[..length]);
                while let Some(frame) = decoder.next_frame().map_err(|_| Over::Garbled)? {
                    let id = frame.channel;
                    let message = ClientMessage::decode(frame).map_err(|_| Over::Garbled)?;
                    self.hear(id, message)?;
                }
                self.decoder = decoder;
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
        self.reactor.modify(&self.input, INPUT, EventFlags::IN | EventFlags::ONESHOT)?;
        Ok(())
    }

    fn hear(&mut self, id: u32, message: ClientMessage<'_>) -> Result<(), Over> {
        let message = match (id, message) {
            (0, ClientMessage::Hello(hello)) if !self.greeted => {
                let Some(version) = negotiate(hello.versions) else {
                    let spoken = Versions { min: OLDEST, max: PROTOCOL };
                    self.say(0, &GuestMessage::Failed(Failure::Version(spoken)));
                    self.flush()?;
                    return Err(Over::Ended);
                };
                self.greeted = true;
                self.say(0, &GuestMessage::HelloAck(HelloAck { version, guest: env!("CARGO_PKG_VERSION").to_owned() }));
                return Ok(());
            }
            (0, _) | (_, ClientMessage::Hello(_)) => return Err(Over::Garbled),
            (id, ClientMessage::Start(start)) if !self.channels.contains_key(&id) => return self.start(id, &start),
            (_, ClientMessage::Start(_)) => return Err(Over::Garbled),
            (_, message) => message,
        };
        // A message about an exec that is over was under way when it ended.
        let Some(channel) = self.channels.get_mut(&id) else { return Ok(()) };
        match message {
            ClientMessage::Stdin(bytes) => {
                channel.feed(bytes).map_err(|channel::Overrun| Over::Garbled)?;
                self.pump(id, Stream::Stdin)
            }
            ClientMessage::StdinEof => {
                channel.feed_no_more();
                self.pump(id, Stream::Stdin)
            }
            ClientMessage::Credit(credit) => {
                channel.grant(credit);
                self.pump(id, credit.stream)
            }
            ClientMessage::Resize(size) => {
                if let Some(terminal) = channel.terminal() {
                    let _ = terminal::resize(terminal, size);
                }
                Ok(())
            }
            ClientMessage::Signal(signal) => {
                if let Some(exec) = channel.exec {
                    self.engine.signal(exec, signal);
                }
                Ok(())
            }
            ClientMessage::Cancel => {
                if let Some(exec) = channel.exec {
                    self.engine.cancel(exec);
                }
                Ok(())
            }
            ClientMessage::Hello(_) | ClientMessage::Start(_) => Err(Over::Garbled),
        }
    }

    fn start(&mut self, id: u32, start: &Start) -> Result<(), Over> {
        let owner = self.engine.privileges.terminal_owner(start.user);
        let made = match start.tty {
            Some(size) => Terminal::open(PTMX, owner, size)
                .and_then(|terminal| Ok((Channel::on_terminal(terminal.master)?, Stdio::Terminal(terminal.peer))))
                .map_err(|errno| Failure::Tty(errno.raw_os_error())),
            None => Channel::on_pipes(start.stdin, owner, &self.null)
                .map(|(channel, pipes)| (channel, Stdio::Pipes(pipes)))
                .map_err(|errno| Failure::Spawn(errno.raw_os_error())),
        };
        let started = made.and_then(|(channel, stdio)| {
            self.engine.start(id.into(), start, &stdio).map(|(exec, pid)| (channel, exec, pid))
        });
        match started {
            Ok((mut channel, exec, pid)) => {
                channel.exec = Some(exec);
                channel.watch(id, &self.reactor)?;
                self.channels.insert(id, channel);
                let pid = pid.as_raw_nonzero().get().cast_unsigned();
                self.say(id, &GuestMessage::Started(Started { pid }));
            }
            Err(failure) => self.say(id, &GuestMessage::Failed(failure)),
        }
        Ok(())
    }

    fn report(&mut self, id: u32, report: Report) -> Result<(), Over> {
        let Some(channel) = self.channels.get_mut(&id) else { return Ok(()) };
        channel.exec = None;
        match report {
            Report::Failed(failure) => {
                self.channels.remove(&id);
                self.say(id, &GuestMessage::Failed(failure));
                Ok(())
            }
            Report::Exit(exit) => {
                channel.finish();
                self.say(id, &GuestMessage::Exit(exit));
                self.pump(id, Stream::Stdout)?;
                self.pump(id, Stream::Stderr)
            }
        }
    }

    /// Moves what can be moved of one stream of an exec.
    fn pump(&mut self, id: u32, stream: Stream) -> Result<(), Over> {
        if stream != Stream::Stdin && self.is_full() {
            self.parked.push((id, stream));
            return Ok(());
        }
        let Some(channel) = self.channels.get_mut(&id) else { return Ok(()) };
        let mut moved = channel.pump(id, stream, &mut self.outgoing);
        // After the end of the command there is no event for what is left.
        while matches!(moved, Pumped::More)
            && channel.exec.is_none()
            && self.outgoing.len() - self.sent < OUTGOING_LIMIT
        {
            moved = channel.pump(id, stream, &mut self.outgoing);
        }
        match moved {
            Pumped::More if channel.exec.is_none() => self.parked.push((id, stream)),
            Pumped::More => channel.rearm(id, stream, &self.reactor)?,
            Pumped::Ended if channel.is_over() => {
                self.channels.remove(&id);
            }
            Pumped::Waiting | Pumped::Ended => {}
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.outgoing.len() - self.sent >= OUTGOING_LIMIT
    }

    /// Goes on with what had to wait for room.
    fn unpark(&mut self) -> Result<(), Over> {
        if self.is_full() {
            return Ok(());
        }
        for (id, stream) in std::mem::take(&mut self.parked) {
            self.pump(id, stream)?;
        }
        if std::mem::take(&mut self.input_parked) {
            self.reactor.modify(&self.input, INPUT, EventFlags::IN | EventFlags::ONESHOT)?;
        }
        self.flush()
    }

    fn say(&mut self, id: u32, message: &GuestMessage<'_>) {
        // None of these messages is near the limit.
        let _ = message.encode(id, &mut self.outgoing);
    }

    /// Sends what the client takes, and asks to be told when it takes more.
    fn flush(&mut self) -> Result<(), Over> {
        while self.sent < self.outgoing.len() {
            match rustix::io::write(&self.output, &self.outgoing[self.sent..]) {
                Ok(written) => self.sent += written,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => {
                    if self.sent > OUTGOING_LIMIT / 2 {
                        self.outgoing.drain(..self.sent);
                        self.sent = 0;
                    }
                    self.reactor.modify(&self.output, OUTPUT, EventFlags::OUT | EventFlags::ONESHOT)?;
                    return Ok(());
                }
                Err(Errno::PIPE | Errno::CONNRESET) => return Err(Over::Ended),
                Err(errno) => return Err(errno.into()),
            }
        }
        self.outgoing.clear();
        self.sent = 0;
        Ok(())
    }
}

/// Takes the stream away from standard input and output, so that no other process can come to hold it.
fn take_streams(input: OwnedFd, output: OwnedFd) -> Result<(OwnedFd, OwnedFd, OwnedFd), GuestError> {
    let away = |stream| rustix::io::fcntl_dupfd_cloexec(stream, 3).map_err(GuestError::system("take the stream"));
    let (input, output) = (away(input)?, away(output)?);
    let null = native::open_standard_streams()?;
    rustix::stdio::dup2_stdin(&null).map_err(GuestError::system("close standard input"))?;
    rustix::stdio::dup2_stdout(&null).map_err(GuestError::system("close standard output"))?;
    Ok((input, output, null))
}

fn environment() -> Vec<(Vec<u8>, Vec<u8>)> {
    std::env::vars_os().map(|(name, value)| (name.into_vec(), value.into_vec())).collect()
}

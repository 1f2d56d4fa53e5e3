//! The native transport: a Unix socket, an exec for each connection, pipes passed along.

mod connection;

use super::engine::{Engine, Report, Stdio};
use super::reactor::Reactor;
use super::signals::Signals;
use super::terminal::Terminal;
use super::{GuestError, GuestSetup};
use crate::protocol::{EXEC_LIMIT, Failure, GuestMessage, HELLO_TIMEOUT, HelloAck, Start, Started};
use connection::{Connection, Heard};
use rustix::event::epoll::EventFlags;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::SocketFlags;
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

const LISTENER: u64 = 0;
const SIGNALS: u64 = 1;
const BELL: u64 = 2;
const SUPERVISOR: u64 = 3;
const FIRST_CONNECTION: u64 = 16;

/// The multiplexer of the sandbox's own terminals.
const PTMX: &CStr = c"/dev/pts/ptmx";

/// How long the start of a command is kept to be told together with its end: most commands are over before, and each
/// message costs its client a wake-up.
const HOLD: Duration = Duration::from_millis(3);

/// Connections taken at one turn, before others get theirs.
const ACCEPT_BATCH: usize = 64;

struct Native {
    reactor: Reactor,
    engine: Engine,
    listener: OwnedFd,
    accepting: bool,
    token: [u8; 32],
    null: OwnedFd,
    connections: HashMap<u64, Connection>,
    /// Connections in the order in which their time to say what they want is over.
    greeting: VecDeque<(Instant, u64)>,
    /// Connections with something held back, in the order in which it must be said.
    held: VecDeque<(Instant, u64)>,
    last: u64,
}

/// See [`super::serve`].
pub(super) fn serve(setup: GuestSetup) -> Result<Infallible, GuestError> {
    let signals = Signals::take(&[]).map_err(GuestError::system("read signals"))?;
    let null = open_standard_streams()?;
    let engine = Engine::new(setup.tree, Some(setup.users), Vec::new(), false, setup.key)?;
    let mut native = Native {
        reactor: Reactor::new().map_err(GuestError::system("make an epoll"))?,
        engine,
        listener: setup.listener,
        accepting: false,
        token: setup.token,
        null,
        connections: HashMap::new(),
        greeting: VecDeque::new(),
        held: VecDeque::new(),
        last: FIRST_CONNECTION,
    };
    rustix::io::ioctl_fionbio(&native.listener, true).map_err(GuestError::system("prepare the socket"))?;
    native.watch(&signals, setup.supervisor.as_ref()).map_err(GuestError::system("watch for events"))?;
    loop {
        let deadline = native.deadline();
        let ready = native.reactor.wait(deadline).map_err(GuestError::system("wait for events"))?;
        for (key, _) in ready {
            match key {
                LISTENER => native.accept(),
                SIGNALS => {
                    signals.read();
                    native.engine.reap();
                }
                BELL => native.engine.answer_bell(),
                SUPERVISOR => return Err(GuestError::SupervisorGone),
                connection => native.listen(connection),
            }
        }
        native.engine.expire();
        native.hang_up_on_the_silent();
        native.say_what_was_held();
        for (connection, report) in native.engine.take_reports() {
            native.report(connection, report);
        }
    }
}

impl Native {
    fn watch(&mut self, signals: &Signals, supervisor: Option<&OwnedFd>) -> Result<(), Errno> {
        self.reactor.add(signals, SIGNALS, EventFlags::IN)?;
        self.reactor.add(self.engine.bell(), BELL, EventFlags::IN)?;
        if let Some(supervisor) = supervisor {
            self.reactor.add(supervisor, SUPERVISOR, EventFlags::IN)?;
        }
        self.accept_more();
        Ok(())
    }

    fn deadline(&mut self) -> Option<Instant> {
        let front = |queue: &VecDeque<(Instant, u64)>| queue.front().map(|(at, _)| *at);
        [front(&self.greeting), front(&self.held), self.engine.deadline()].into_iter().flatten().min()
    }

    fn accept_more(&mut self) {
        if !self.accepting {
            self.accepting = self.reactor.add(&self.listener, LISTENER, EventFlags::IN).is_ok();
        }
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPT_BATCH {
            match rustix::net::accept_with(&self.listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok(socket) => self.welcome(socket),
                Err(Errno::AGAIN) => return,
                Err(Errno::CONNABORTED | Errno::INTR) => {}
                Err(_) => {
                    // Out of descriptors or memory: go on when a connection ends, instead of asking again and again.
                    self.reactor.remove(&self.listener);
                    self.accepting = false;
                    return;
                }
            }
        }
    }

    fn welcome(&mut self, socket: OwnedFd) {
        let mut connection = Connection::new(socket);
        if self.connections.len() >= EXEC_LIMIT {
            connection.tell(&GuestMessage::Failed(Failure::ProcessLimit));
            return;
        }
        self.last += 1;
        let key = self.last;
        if self.reactor.add(connection.socket(), key, EventFlags::IN | EventFlags::RDHUP).is_ok() {
            self.connections.insert(key, connection);
            self.greeting.push_back((Instant::now() + HELLO_TIMEOUT, key));
            // More often than not the request is there already.
            self.listen(key);
        }
    }

    /// Takes what a connection has sent.
    fn listen(&mut self, key: u64) {
        loop {
            let Some(connection) = self.connections.get_mut(&key) else { return };
            match connection.hear(&self.token) {
                Heard::Nothing => return,
                Heard::Start(start, version) => self.start(key, &start, version),
                Heard::Signal(signal) => {
                    if let Some(exec) = connection.exec {
                        self.engine.signal(exec, signal);
                    }
                }
                Heard::Cancel => {
                    if let Some(exec) = connection.exec {
                        self.engine.cancel(exec);
                    }
                }
                Heard::Refused(failure) => {
                    connection.tell(&GuestMessage::Failed(failure));
                    return self.hang_up(key);
                }
                Heard::Closed => return self.hang_up(key),
            }
        }
    }

    fn start(&mut self, key: u64, start: &Start, version: u16) {
        let Some(connection) = self.connections.get_mut(&key) else { return };
        let passed = std::mem::take(&mut connection.passed);
        let outcome = match start.tty {
            Some(size) if passed.is_empty() => {
                let owner = self.engine.privileges.terminal_owner(start.user);
                Terminal::open(PTMX, owner, size)
                    .map_err(|errno| Failure::Tty(errno.raw_os_error()))
                    .map(|terminal| (Stdio::Terminal(terminal.peer), Some(terminal.master)))
            }
            Some(_) => Err(Failure::Descriptor),
            None => {
                let may_own = |owner| self.engine.privileges.may_own(start.user, owner);
                connection::pipes(passed, start.stdin, &self.null, may_own).map(|pipes| (Stdio::Pipes(pipes), None))
            }
        };
        let started = outcome
            .and_then(|(stdio, master)| self.engine.start(key, start, &stdio).map(|(exec, pid)| (exec, pid, master)));
        match started {
            Ok((exec, pid, master)) => {
                connection.exec = Some(exec);
                let ack = HelloAck { version, guest: env!("CARGO_PKG_VERSION").to_owned() };
                let pid = pid.as_raw_nonzero().get().cast_unsigned();
                connection.hold(&[GuestMessage::HelloAck(ack), GuestMessage::Started(Started { pid })]);
                if master.is_some() {
                    connection.release(master.as_ref());
                } else {
                    self.held.push_back((Instant::now() + HOLD, key));
                }
            }
            Err(failure) => {
                connection.tell(&GuestMessage::Failed(failure));
                self.hang_up(key);
            }
        }
    }

    fn report(&mut self, key: u64, report: Report) {
        if let Some(connection) = self.connections.get_mut(&key) {
            connection.exec = None;
            connection.tell(&match report {
                Report::Exit(exit) => GuestMessage::Exit(exit),
                Report::Failed(failure) => GuestMessage::Failed(failure),
            });
            self.hang_up(key);
        }
    }

    /// Closes a connection, and ends the command that it had.
    fn hang_up(&mut self, key: u64) {
        if let Some(connection) = self.connections.remove(&key) {
            self.reactor.remove(connection.socket());
            if let Some(exec) = connection.exec {
                self.engine.cancel(exec);
            }
            self.accept_more();
        }
    }

    fn say_what_was_held(&mut self) {
        while let Some(&(at, key)) = self.held.front() {
            let connection = self.connections.get_mut(&key);
            if connection.is_some() && at > Instant::now() {
                return;
            }
            self.held.pop_front();
            if let Some(connection) = connection {
                connection.release(None);
            }
        }
    }

    fn hang_up_on_the_silent(&mut self) {
        while let Some(&(at, key)) = self.greeting.front() {
            let waiting = self.connections.get(&key).is_some_and(|connection| !connection.has_started);
            if waiting && at > Instant::now() {
                return;
            }
            self.greeting.pop_front();
            if waiting {
                self.hang_up(key);
            }
        }
    }
}

/// Makes sure that descriptors 0, 1 and 2 are taken: what is opened later must not become a standard stream of a
/// command by accident. Gives the empty input of commands.
pub(super) fn open_standard_streams() -> Result<OwnedFd, GuestError> {
    let open = || rustix::fs::open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    loop {
        let null = open().map_err(GuestError::system("open /dev/null"))?;
        if std::os::fd::AsRawFd::as_raw_fd(&null) > 2 {
            return Ok(null);
        }
        // Deliberately left open for the life of the process.
        std::mem::forget(null);
    }
}

//! Clients that do not keep to the protocol. None of them may hold up a command of another.

use crate::client::GuestError;
use crate::support::{Guest, Outcome, TOKEN, Tree, owner, sh};
use loopbox_init::protocol::{
    ClientMessage, Decoder, Failure, GuestMessage, Hello, OLDEST, PROTOCOL, Side, Start, TtySize, Versions,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::pipe::pipe;
use std::fs::File;
use std::io::{IoSlice, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use tokio::io::{AsyncBufReadExt as _, BufReader};

fn hello(token: [u8; 32], min: u16, max: u16) -> Vec<u8> {
    let mut wire = Vec::new();
    ClientMessage::Hello(Hello { versions: Versions { min, max }, token }).encode(0, &mut wire).unwrap();
    wire
}

fn request(start: Start) -> Vec<u8> {
    let mut wire = hello(TOKEN, OLDEST, PROTOCOL);
    ClientMessage::Start(start).encode(0, &mut wire).unwrap();
    wire
}

/// Sends bytes and descriptors, and gives what the guest says before it hangs up.
fn answer(guest: &Guest, bytes: &[u8], descriptors: &[OwnedFd]) -> Option<Failure> {
    let mut socket = say(guest, bytes, descriptors);
    let mut said = Vec::new();
    // A guest that hangs up on what it did not read resets the connection.
    let _ = socket.read_to_end(&mut said);
    let mut decoder = Decoder::new(Side::Guest);
    decoder.extend(&said);
    while let Some(frame) = decoder.next_frame().unwrap() {
        if let GuestMessage::Failed(failure) = GuestMessage::decode(frame).unwrap() {
            return Some(failure);
        }
    }
    None
}

/// Pipes as a command needs them, in the order of the protocol.
fn outputs(count: usize) -> Vec<OwnedFd> {
    (0..count)
        .map(|_| {
            let (read, write) = pipe().unwrap();
            std::mem::forget(read);
            give(&write);
            write
        })
        .collect()
}

fn give(pipe: &OwnedFd) {
    if let Some((uid, gid)) = owner() {
        rustix::fs::fchown(pipe, Some(rustix::process::Uid::from_raw(uid)), Some(rustix::process::Gid::from_raw(gid)))
            .unwrap();
    }
}

#[tokio::test]
async fn who_does_not_keep_to_the_protocol_is_told_and_others_go_on() {
    for tree in Tree::all() {
        let guest = Guest::new(tree);
        let other = guest.start(sh("read line; exit 5")).await.unwrap();
        assert_eq!(answer(&guest, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", &[]), Some(Failure::Protocol));
        assert_eq!(answer(&guest, &hello([0; 32], OLDEST, PROTOCOL), &[]), Some(Failure::Token));
        let spoken = Versions { min: OLDEST, max: PROTOCOL };
        assert_eq!(answer(&guest, &hello(TOKEN, PROTOCOL + 1, u16::MAX), &[]), Some(Failure::Version(spoken)));
        assert_eq!(
            answer(&guest, &request(sh("true"))[hello(TOKEN, OLDEST, PROTOCOL).len()..], &[]),
            Some(Failure::Protocol)
        );
        let mut twice = hello(TOKEN, OLDEST, PROTOCOL);
        twice.extend(twice.clone());
        assert_eq!(answer(&guest, &twice, &[]), Some(Failure::Protocol));
        let mut early = hello(TOKEN, OLDEST, PROTOCOL);
        ClientMessage::Cancel.encode(0, &mut early).unwrap();
        assert_eq!(answer(&guest, &early, &[]), Some(Failure::Protocol));
        assert_eq!(Outcome::of(other).await.code(), 5);
    }
}

#[tokio::test]
async fn descriptors_of_the_wrong_number_or_kind_are_refused() {
    let guest = Guest::new(Tree::SubReaper);
    let ask = request(sh("exit 0"));
    for count in [0, 1, 3, 16] {
        assert_eq!(answer(&guest, &ask, &outputs(count)), Some(Failure::Descriptor), "{count}");
    }
    assert_eq!(answer(&guest, &ask, &outputs(17)), None);
    let replace = |second: OwnedFd| {
        let mut passed = outputs(1);
        passed.push(second);
        answer(&guest, &ask, &passed)
    };
    assert_eq!(replace(File::open("/").unwrap().into()), Some(Failure::Descriptor));
    assert_eq!(replace(File::options().write(true).open("/dev/null").unwrap().into()), Some(Failure::Descriptor));
    assert_eq!(replace(UnixStream::pair().unwrap().0.into()), Some(Failure::Descriptor));
    let (read, _write) = pipe().unwrap();
    give(&read);
    assert_eq!(replace(read), Some(Failure::Descriptor));
    if owner().is_some() {
        assert_eq!(replace(pipe().unwrap().1), Some(Failure::Descriptor));
    }
    let mut terminal = sh("exit 0");
    terminal.tty = Some(TtySize { rows: 1, cols: 1 });
    assert_eq!(answer(&guest, &request(terminal), &outputs(1)), Some(Failure::Descriptor));
    assert_eq!(guest.run(sh("exit 4")).await.code(), 4);
}

#[tokio::test]
async fn a_request_that_never_ends_holds_up_nobody() {
    let guest = Guest::new(Tree::SubReaper);
    let silent: Vec<UnixStream> = (0..100).map(|_| UnixStream::connect(guest.socket()).unwrap()).collect();
    let half = request(sh("true"));
    for mut socket in &silent {
        socket.write_all(&half[..half.len() / 2]).unwrap();
    }
    assert_eq!(guest.run(sh("exit 6")).await.code(), 6);
    drop(silent);
    assert_eq!(guest.run(sh("exit 7")).await.code(), 7);
}

/// Stops and kills whatever it may, but itself and what watches over it.
const BUTCHER: &str = "
    echo up
    while :; do
        for signal in STOP KILL; do
            for process in /proc/[0-9]*; do
                process=${process#/proc/}
                [ $process = $$ ] || [ $process = $PPID ] || kill -$signal $process 2>/dev/null
            done
        done
    done";

#[tokio::test]
async fn who_stops_and_kills_all_that_it_may_holds_up_no_other_command() {
    for tree in Tree::all() {
        let guest = Guest::new(tree);
        let mut butcher = guest.start(sh(BUTCHER)).await.unwrap();
        let mut lines = BufReader::new(butcher.stdout.take().unwrap()).lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("up"), "{tree:?}");
        for _ in 0..200 {
            let mut start = sh("exit 3");
            (start.timeout_ms, start.grace_ms) = (1000, 0);
            match Outcome::try_of(&mut guest.start(start).await.unwrap()).await {
                Ok(outcome) => assert!(matches!(outcome.code(), 3 | 137), "{tree:?}: {outcome:?}"),
                Err(GuestError::Failed(failure)) => assert_eq!(failure, Failure::Lost, "{tree:?}"),
                Err(error) => panic!("{tree:?}: {error}"),
            }
        }
        butcher.cancel();
        butcher.wait().await.unwrap();
        assert_eq!(guest.run(sh("exit 3")).await.code(), 3, "{tree:?}");
    }
}

/// What a client may send next, whether or not it belongs there.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let encoded = |message: ClientMessage<'_>| {
        let mut wire = Vec::new();
        message.encode(0, &mut wire).unwrap();
        Just(wire)
    };
    prop_oneof![
        Just(hello(TOKEN, OLDEST, PROTOCOL)),
        Just(request(sh("exit 0"))[hello(TOKEN, OLDEST, PROTOCOL).len()..].to_vec()),
        Just(request(sh("exit 0"))),
        encoded(ClientMessage::StdinEof),
        encoded(ClientMessage::Stdin(b"text")),
        encoded(ClientMessage::Cancel),
        encoded(ClientMessage::Signal(9)),
        encoded(ClientMessage::Resize(TtySize { rows: 1, cols: 1 })),
        // A length beyond every limit, an unknown kind, and anything at all.
        Just([u32::MAX.to_le_bytes().as_slice(), &[0; 8]].concat()),
        Just([0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0].to_vec()),
        vec(any::<u8>(), 0..64),
    ]
}

/// In whatever order, cut off wherever, with whatever number of descriptors: the guest serves the next one.
#[test]
fn messages_in_any_order_cut_anywhere_end_no_guest() {
    let guest = Guest::new(Tree::SubReaper);
    let messages = (vec(piece(), 1..6), 0_usize..20, any::<proptest::sample::Index>());
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    runner
        .run(&messages, |(pieces, descriptors, cut)| {
            let bytes = pieces.concat();
            let length = bytes.len() - cut.index(bytes.len() + 1) / 4;
            drop(say(&guest, &bytes[..length], &outputs(descriptors)));
            Ok(())
        })
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    assert_eq!(runtime.block_on(guest.run(sh("exit 4"))).code(), 4);
}

fn say(guest: &Guest, bytes: &[u8], descriptors: &[OwnedFd]) -> UnixStream {
    let socket = UnixStream::connect(guest.socket()).unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let borrowed: Vec<_> = descriptors.iter().map(|descriptor| descriptor.as_fd()).collect();
    if !borrowed.is_empty() {
        assert!(ancillary.push(SendAncillaryMessage::ScmRights(&borrowed)));
    }
    sendmsg(&socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL).unwrap();
    socket
}

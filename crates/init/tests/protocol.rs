//! The frames and messages of the protocol against arbitrary input.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use loopbox_init::protocol::{
    ClientMessage, Credit, DATA_LIMIT, Decoder, Exit, Failure, FrameError, GuestMessage, Hello, Kind, Side, Start,
    Status, Stream, TtySize, User, Versions,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..most)
}

fn start() -> impl Strategy<Value = Start> {
    let user = prop_oneof![
        Just(User::Agent),
        Just(User::Root),
        any::<(u32, u32)>().prop_map(|(uid, gid)| User::Ids { uid, gid })
    ];
    let tty = proptest::option::of(any::<(u16, u16)>());
    let strings = (vec(bytes(40), 0..6), vec((bytes(10), bytes(40)), 0..6), bytes(40));
    (strings, user, any::<(u64, u32, bool)>(), tty).prop_map(
        |((argv, env, work_dir), user, (timeout_ms, grace_ms, stdin), tty)| Start {
            argv: argv.into_iter().map(Into::into).collect(),
            env: env.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            work_dir: work_dir.into(),
            user,
            timeout_ms,
            grace_ms,
            tty: tty.map(|(rows, cols)| TtySize { rows, cols }),
            stdin,
        },
    )
}

proptest! {
    #[test]
    fn a_start_survives_the_way_in_pieces(start in start(), channel in any::<u32>(), piece in 1_usize..50) {
        let mut wire = Vec::new();
        let hello = Hello { versions: Versions { min: 1, max: 2 }, token: [3; 32] };
        ClientMessage::Hello(hello).encode(0, &mut wire).unwrap();
        ClientMessage::Start(start.clone()).encode(channel, &mut wire).unwrap();
        let mut decoder = Decoder::new(Side::Client);
        let mut seen = Vec::new();
        for bytes in wire.chunks(piece) {
            decoder.extend(bytes);
            while let Some(frame) = decoder.next_frame().unwrap() {
                match ClientMessage::decode(frame).unwrap() {
                    ClientMessage::Start(start) => seen.push((frame.channel, Some(start))),
                    message => {
                        prop_assert_eq!(message, ClientMessage::Hello(hello));
                        seen.push((frame.channel, None));
                    }
                }
            }
        }
        prop_assert!(decoder.is_empty());
        prop_assert_eq!(seen, vec![(0, None), (channel, Some(start))]);
    }

    #[test]
    fn no_bytes_make_the_decoder_or_the_messages_panic(pieces in vec(bytes(200), 0..20)) {
        for side in [Side::Client, Side::Guest] {
            let mut decoder = Decoder::new(side);
            for piece in &pieces {
                decoder.extend(piece);
                while let Ok(Some(frame)) = decoder.next_frame() {
                    let _ = (ClientMessage::decode(frame).is_ok(), GuestMessage::decode(frame).is_ok());
                }
            }
        }
    }

    #[test]
    fn no_payload_makes_a_message_panic(kind in 0_usize..15, payload in bytes(300)) {
        let kinds: Vec<Kind> = (0..=u8::MAX).filter_map(Kind::from_byte).collect();
        let frame = loopbox_init::protocol::Frame { channel: 1, kind: kinds[kind], payload: &payload };
        let _ = (ClientMessage::decode(frame).is_ok(), GuestMessage::decode(frame).is_ok());
    }
}

fn greeted() -> Decoder {
    let mut wire = Vec::new();
    ClientMessage::Hello(Hello { versions: Versions { min: 1, max: 1 }, token: [0; 32] }).encode(0, &mut wire).unwrap();
    let mut decoder = Decoder::new(Side::Client);
    decoder.extend(&wire);
    assert_eq!(decoder.next_frame().unwrap().unwrap().kind, Kind::Hello);
    decoder
}

#[test]
fn every_message_of_a_guest_survives_the_way() {
    let exit =
        Exit { status: Status::Signaled(9), timed_out: true, cancelled: false, survivors: true, duration_us: u64::MAX };
    for message in [
        GuestMessage::Failed(Failure::WorkDir(2)),
        GuestMessage::Failed(Failure::Version(Versions { min: 3, max: 4 })),
        GuestMessage::Stdout(b"out"),
        GuestMessage::Stderr(b""),
        GuestMessage::OutputEof(Stream::Stderr),
        GuestMessage::Credit(Credit { stream: Stream::Stdin, bytes: u32::MAX }),
        GuestMessage::Exit(exit),
    ] {
        let mut wire = Vec::new();
        GuestMessage::Failed(Failure::Token).encode(0, &mut wire).unwrap();
        message.encode(7, &mut wire).unwrap();
        let mut decoder = Decoder::new(Side::Guest);
        decoder.extend(&wire);
        decoder.next_frame().unwrap().unwrap();
        assert_eq!(GuestMessage::decode(decoder.next_frame().unwrap().unwrap()), Ok(message));
    }
}

#[test]
fn a_frame_is_refused_by_its_header_alone() {
    let mut decoder = greeted();
    decoder.extend(&[1, 0, 1, 0, 1, 0, 0, 0, Kind::Stdin as u8, 0, 0, 0]);
    assert_eq!(decoder.next_frame(), Err(FrameError::TooLong { kind: Kind::Stdin, length: 0x1_0001 }));
    let mut decoder = greeted();
    decoder.extend(&[0, 0, 0, 0, 1, 0, 0, 0, Kind::Stdin as u8, 0, 1, 0]);
    assert_eq!(decoder.next_frame(), Err(FrameError::Reserved));
    let mut decoder = greeted();
    decoder.extend(&[0, 0, 0, 0, 1, 0, 0, 0, Kind::Exit as u8, 0, 0, 0]);
    assert_eq!(decoder.next_frame(), Err(FrameError::Kind(Kind::Exit as u8)));
    let mut decoder = Decoder::new(Side::Client);
    decoder.extend(&[0, 0, 0, 0, 1, 0, 0, 0, Kind::Start as u8, 0, 0, 0]);
    assert_eq!(decoder.next_frame(), Err(FrameError::NoGreeting(Kind::Start)));
}

#[test]
fn what_does_not_fit_a_frame_is_not_sent() {
    let mut wire = Vec::new();
    assert!(ClientMessage::Stdin(&vec![0; DATA_LIMIT + 1]).encode(1, &mut wire).is_err());
    assert!(ClientMessage::Start(Start::new(vec![vec![0_u8; 1024 * 1024]; 5])).encode(1, &mut wire).is_err());
    assert!(wire.is_empty());
}

#[test]
fn a_token_is_not_shown() {
    let hello = Hello { versions: Versions { min: 1, max: 1 }, token: [0xab; 32] };
    assert!(!format!("{hello:?}").contains("171"));
}

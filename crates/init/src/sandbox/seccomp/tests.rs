//! Runs the programs as the kernel would, over every number.

use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const X32_BIT: u32 = 0x4000_0000;
const I386: u32 = 0x4000_0003;

const EVERY: [CallFilter; 8] = {
    const fn of(nesting: bool, fixed_cpus: bool, streams_only: bool) -> CallFilter {
        CallFilter { nesting, fixed_cpus, streams_only }
    }
    [
        of(false, false, false),
        of(false, false, true),
        of(false, true, false),
        of(false, true, true),
        of(true, false, false),
        of(true, false, true),
        of(true, true, false),
        of(true, true, true),
    ]
};

const fn errno(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno.cast_unsigned()
}

/// A call, as the kernel shows it to a filter.
#[derive(Debug, Clone, Copy)]
struct Call {
    number: u32,
    architecture: u32,
    arguments: [u64; 6],
}

impl Call {
    fn new(number: Sysno, arguments: &[u64]) -> Self {
        Self::numbered(super::number(number), arguments)
    }

    fn numbered(number: u32, arguments: &[u64]) -> Self {
        let mut all = [0; 6];
        all[..arguments.len()].copy_from_slice(arguments);
        Self { number, architecture: ARCHITECTURE, arguments: all }
    }

    fn word(&self, offset: u32) -> u32 {
        let half = |value: u64, high: bool| (if high { value >> 32 } else { value & 0xffff_ffff }).try_into().unwrap();
        match offset {
            0 => self.number,
            4 => self.architecture,
            16..64 => half(self.arguments[(offset as usize - 16) / 8], offset % 8 == 4),
            _ => panic!("loads from {offset}"),
        }
    }
}

/// What the program answers, and whether it looked at an argument.
fn judge(program: &Program, call: Call) -> (u32, bool) {
    let (mut at, mut accumulator, mut index, mut looked) = (0_usize, 0_u32, 0_u32, false);
    let mut memory = HashMap::new();
    loop {
        let libc::sock_filter { code, jt, jf, k } = program.instructions()[at];
        at += 1;
        let jump = |taken: bool| usize::from(if taken { jt } else { jf });
        match u32::from(code) {
            0x20 => {
                looked |= k >= 16;
                accumulator = call.word(k);
            }
            0x00 => accumulator = k,
            0x61 => index = memory[&k],
            0x02 => drop(memory.insert(k, accumulator)),
            0x14 => accumulator = accumulator.wrapping_sub(k),
            0x4c => accumulator |= index,
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => at += jump(accumulator == k),
            0x25 => at += jump(accumulator > k),
            0x45 => at += jump(accumulator & k != 0),
            0x06 => return (k, looked),
            code => panic!("an instruction {code:#x} that nobody emits"),
        }
    }
}

fn answer(filter: CallFilter, call: Call) -> u32 {
    judge(&compile(filter, None), call).0
}

#[test]
fn a_number_is_denied_as_the_table_says_and_allowed_otherwise() {
    for filter in EVERY {
        let program = compile(filter, None);
        let denied: HashMap<u32, i32> = DENIED
            .iter()
            .chain(DENIED_HERE)
            .filter(|rule| filter.applies(rule.when))
            .flat_map(|rule| rule.calls.iter().map(|call| (number(*call), rule.errno)))
            .collect();
        let inspected =
            |number| INSPECTED.iter().any(|rule| filter.applies(rule.when) && super::number(rule.call) == number);
        for number in 0..=super::number(REVIEWED) {
            let (answer, looked) = judge(&program, Call::numbered(number, &[]));
            let expected = match denied.get(&number) {
                Some(&errno_value) => errno(errno_value),
                None if number == super::number(Sysno::clone3) && !filter.nesting => errno(libc::ENOSYS),
                None => ALLOW,
            };
            if inspected(number) {
                assert!(looked, "{number} is judged by its arguments");
            } else {
                assert_eq!(answer, expected, "{filter:?}: {number}");
                assert!(!looked, "the kernel cannot remember its answer for {number}");
            }
        }
    }
}

#[test]
fn what_nobody_reviewed_does_not_exist() {
    for filter in EVERY {
        let program = compile(filter, None);
        let last = number(REVIEWED);
        let beyond =
            (last + 1..last + 4096).chain((0..=last).map(|number| number | X32_BIT)).chain([0x7fff_ffff, u32::MAX - 1]);
        for number in beyond {
            assert_eq!(judge(&program, Call::numbered(number, &[])).0, errno(libc::ENOSYS), "{number:#x}");
        }
        assert_eq!(judge(&program, Call::numbered(SKIPPED, &[])).0, ALLOW, "a tracer may skip a call");
    }
}

#[test]
fn a_program_of_another_architecture_is_killed() {
    for filter in EVERY {
        for architecture in [I386, 0, u32::MAX, ARCHITECTURE ^ 1, 0x4000_0028] {
            for number in 0..512 {
                let call = Call { architecture, ..Call::numbered(number, &[]) };
                assert_eq!(answer(filter, call), KILL, "{architecture:#x} {number}");
            }
        }
    }
}

#[test]
fn no_call_makes_a_namespace() {
    let plain = CallFilter::default();
    let nesting = CallFilter { nesting: true, ..plain };
    for bit in 0..64 {
        let flag = 1_u64 << bit;
        let is_namespace = [17, 25, 26, 27, 28, 29, 30].contains(&bit);
        for junk in [0, 17, 1 << 40] {
            let clone = Call::new(Sysno::clone, &[flag | junk]);
            assert_eq!(answer(plain, clone), if is_namespace { errno(libc::EPERM) } else { ALLOW }, "clone {bit}");
            assert_eq!(answer(nesting, clone), ALLOW);
        }
        let unshare = Call::new(Sysno::unshare, &[flag]);
        let refused = is_namespace || bit == 7;
        assert_eq!(answer(plain, unshare), if refused { errno(libc::EPERM) } else { ALLOW }, "unshare {bit}");
        assert_eq!(answer(nesting, unshare), ALLOW);
    }
    assert_eq!(answer(nesting, Call::new(Sysno::clone3, &[])), ALLOW);
    assert_eq!(answer(nesting, Call::new(Sysno::mount, &[])), ALLOW);
    assert_eq!(answer(nesting, Call::new(Sysno::bpf, &[])), errno(libc::EPERM));
}

#[test]
fn clone3_is_there_for_the_guest_alone() {
    let key = CloneKey::new().unwrap();
    let program = compile(CallFilter::default(), Some(&key));
    let [a, b, c, d] = key.words();
    let with =
        |words: [u64; 4]| judge(&program, Call::new(Sysno::clone3, &[1, 2, words[0], words[1], words[2], words[3]])).0;
    assert_eq!(with([a, b, c, d]), ALLOW);
    for bit in 0..256 {
        let mut wrong = [a, b, c, d];
        wrong[bit / 64] ^= 1 << (bit % 64);
        assert_eq!(with(wrong), errno(libc::ENOSYS), "without bit {bit}");
    }
    assert_eq!(with([0; 4]), errno(libc::ENOSYS));
    assert_eq!(with([b, a, d, c]), errno(libc::ENOSYS));
    assert_ne!(CloneKey::new().unwrap(), key);
    assert_eq!(format!("{key:?}"), "CloneKey(..)");
}

#[test]
fn sockets_are_of_the_families_and_protocols_that_programs_need() {
    let plain = CallFilter::default();
    let streams = CallFilter { streams_only: true, ..plain };
    let socket = |filter, domain: u64, kind: u64, protocol: u64| {
        // The kernel reads the low halves only.
        let junk = 0xdead_0000_0000;
        let answers = [0, junk].map(|junk| {
            answer(filter, Call::new(Sysno::socket, &[domain | junk, kind | 0o2_004_000 | junk, protocol | junk]))
        });
        assert_eq!(answers[0], answers[1]);
        answers[0]
    };
    let none = errno(libc::EAFNOSUPPORT);
    for domain in 0..64 {
        let expected = match domain {
            1 | 2 | 10 | 16 => ALLOW,
            _ => none,
        };
        assert_eq!(socket(plain, domain, 1, 0), expected, "family {domain}");
        let pair = answer(plain, Call::new(Sysno::socketpair, &[domain, 1, 0]));
        assert_eq!(pair, if domain == 1 { ALLOW } else { none }, "a pair of family {domain}");
    }
    for protocol in 1..300 {
        assert_eq!(socket(plain, 16, 3, protocol), none, "netlink {protocol}");
        let usual = [1, 6, 17, 58].contains(&protocol);
        for domain in [2, 10] {
            let expected = if usual { ALLOW } else { errno(libc::EPROTONOSUPPORT) };
            assert_eq!(socket(plain, domain, 1, protocol), expected, "protocol {protocol}");
            assert_eq!(socket(streams, domain, 1, protocol) == ALLOW, protocol == 6);
        }
    }
    for domain in [2, 10] {
        for kind in 0..16 {
            let expected = if [1, 2].contains(&kind) { ALLOW } else { errno(libc::ESOCKTNOSUPPORT) };
            assert_eq!(socket(plain, domain, kind, 0), expected, "type {kind}");
            assert_eq!(socket(streams, domain, kind, 0), if kind == 1 { ALLOW } else { none }, "type {kind}");
        }
    }
    for kind in 0..16 {
        assert_eq!(socket(streams, 1, kind, 0), none, "whatever listens on a path could be reached");
        let pair = answer(streams, Call::new(Sysno::socketpair, &[1, kind | 0o2_004_000, 0]));
        assert_eq!(pair == ALLOW, [1, 5].contains(&kind), "a pair of type {kind}");
    }
}

#[test]
fn a_stream_cannot_be_connected_by_sending() {
    let plain = CallFilter::default();
    let streams = CallFilter { streams_only: true, ..plain };
    let flags = u64::from(libc::MSG_FASTOPEN.cast_unsigned() | libc::MSG_NOSIGNAL.cast_unsigned());
    for (call, arguments) in [
        (Sysno::sendto, [3, 0, 0, flags, 0, 0]),
        (Sysno::sendmsg, [3, 0, flags, 0, 0, 0]),
        (Sysno::sendmmsg, [3, 0, 1, flags, 0, 0]),
    ] {
        assert_eq!(answer(streams, Call::new(call, &arguments)), errno(libc::EPERM), "{call}");
        assert_eq!(answer(plain, Call::new(call, &arguments)), ALLOW, "{call}: a network namespace judges");
        assert_eq!(answer(streams, Call::new(call, &[3, 0, 0, 0, 0, 0])), ALLOW, "{call}");
    }
}

#[test]
fn nothing_is_typed_into_a_terminal_and_no_protection_switched_off() {
    let plain = CallFilter::default();
    for junk in [0, 1 << 32, u64::MAX << 32] {
        for request in [0x5412, 0x541c] {
            assert_eq!(answer(plain, Call::new(Sysno::ioctl, &[0, request | junk])), errno(libc::EPERM));
        }
        for request in [0x5401, 0x5413, 0x540e, 0x8004_5430] {
            assert_eq!(answer(plain, Call::new(Sysno::ioctl, &[0, request | junk])), ALLOW);
        }
    }
    for (persona, expected) in [
        (0, ALLOW),
        (0xffff_ffff, ALLOW),
        (0x40000, ALLOW),
        (0x0040_0000, errno(1)),
        (0x10_0000, errno(1)),
        (6, errno(1)),
    ] {
        assert_eq!(answer(plain, Call::new(Sysno::personality, &[persona])), expected, "{persona:#x}");
    }
}

#[test]
fn nobody_is_kept_waiting_by_a_lease() {
    for filter in EVERY {
        for junk in [0, 1 << 32] {
            for command in [1024, 1040] {
                assert_eq!(answer(filter, Call::new(Sysno::fcntl, &[3, command | junk])), errno(libc::EPERM));
            }
            // F_SETFD, F_SETFL, F_OFD_SETLK, F_GETLEASE, F_DUPFD_CLOEXEC, F_ADD_SEALS.
            for command in [2, 4, 37, 1025, 1030, 1033] {
                assert_eq!(answer(filter, Call::new(Sysno::fcntl, &[3, command | junk])), ALLOW);
            }
        }
    }
}

#[test]
fn without_namespaces_limits_and_priorities_are_ones_own() {
    let plain = CallFilter::default();
    let streams = CallFilter { streams_only: true, ..plain };
    for (call, own, others) in [
        (Sysno::prlimit64, [0, 0], &[[7, 0], [1 << 31, 0]][..]),
        (Sysno::setpriority, [0, 0], &[[0, 7], [1, 0], [2, 0]]),
        (Sysno::ioprio_set, [1, 0], &[[1, 7], [2, 0], [3, 0]]),
        (Sysno::sched_setscheduler, [0, 0], &[[7, 0]]),
        (Sysno::sched_setparam, [0, 0], &[[7, 0]]),
        (Sysno::sched_setattr, [0, 0], &[[7, 0]]),
        (Sysno::sched_setaffinity, [0, 0], &[[7, 0]]),
    ] {
        assert_eq!(answer(streams, Call::new(call, &own)), ALLOW, "{call}");
        for other in others {
            assert_eq!(answer(streams, Call::new(call, other)), errno(libc::EPERM), "{call} {other:?}");
            assert_eq!(answer(plain, Call::new(call, other)), ALLOW, "{call}: a process namespace judges");
        }
    }
}

#[test]
fn rules_name_a_call_once_and_say_why() {
    for filter in EVERY {
        let mut seen = std::collections::HashSet::new();
        let denied = DENIED.iter().chain(DENIED_HERE).filter(|rule| filter.applies(rule.when));
        let inspected = INSPECTED.iter().filter(|rule| filter.applies(rule.when));
        let calls = denied.flat_map(|rule| rule.calls).chain(inspected.map(|rule| &rule.call));
        for call in calls {
            assert!(seen.insert(number(*call)), "{call} twice");
        }
    }
    assert!(DENIED.iter().chain(DENIED_HERE).all(|rule| !rule.reason.is_empty() && !rule.calls.is_empty()));
    assert!(INSPECTED.iter().all(|rule| !rule.reason.is_empty()));
}

#[test]
fn programs_are_short() {
    for filter in EVERY {
        let length = compile(filter, CloneKey::new().ok().as_ref()).instructions().len();
        // The kernel takes 4,096; on kernels that remember no answers, each call runs through all.
        assert!((100..400).contains(&length), "{length}");
    }
}

proptest! {
    #[test]
    fn a_long_body_is_skipped_like_a_short_one(length in 0_usize..600, value in 0_u32..3, number in 0_u32..3) {
        let mut program = Program::default();
        program.load_number();
        let body = |then: &mut Program| {
            (0..length).for_each(|_| then.load_number());
            then.finish(Action::Kill);
        };
        if value == 2 {
            program.when_different(number, body);
        } else {
            program.when_equal(value, body);
        }
        program.finish(Action::Allow);
        let killed = if value == 2 { false } else { value == number };
        prop_assert_eq!(judge(&program, Call::numbered(number, &[])).0, if killed { KILL } else { ALLOW });
    }

    #[test]
    fn every_call_gets_an_answer(number: u32, architecture in prop_oneof![Just(ARCHITECTURE), any::<u32>()],
                                 arguments: [u64; 6], filter in 0_usize..8) {
        let (answer, _) = judge(&compile(EVERY[filter], None), Call { number, architecture, arguments });
        prop_assert!(answer == ALLOW || answer == KILL || answer >> 16 == 5);
    }
}

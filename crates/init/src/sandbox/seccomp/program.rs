//! A small assembler for the kernel's classic packet filters, which are what system calls are judged by.
//!
//! The accumulator holds one 32-bit word. Every test here skips forward over its body, so a program always ends.

use super::calls::{Check, Word};

/// Offsets in the kernel's `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

/// The memory word in which [`Program::when_key`] gathers the difference.
const DIFFERENCE: u32 = 0;

const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const AT_MOST: u32 = libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K;
const ANY_BIT: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;

/// What the kernel does with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Allow,
    Errno(i32),
    Kill,
}

impl Action {
    fn value(self) -> u32 {
        match self {
            Self::Allow => libc::SECCOMP_RET_ALLOW,
            Self::Errno(errno) => libc::SECCOMP_RET_ERRNO | (errno.unsigned_abs() & libc::SECCOMP_RET_DATA),
            Self::Kill => libc::SECCOMP_RET_KILL_PROCESS,
        }
    }
}

/// Instructions, in order.
#[derive(Clone, Default)]
pub(super) struct Program(Vec<libc::sock_filter>);

/// As many numbers are compared one after the other.
const FEW: usize = 3;

impl Program {
    pub(super) fn of(build: impl FnOnce(&mut Self)) -> Self {
        let mut program = Self::default();
        build(&mut program);
        program
    }

    /// Runs what `rules`, ordered by number, have for the accumulator, and ends as `otherwise` says if that is nothing.
    pub(super) fn search(&mut self, rules: &[(u32, Self)], otherwise: Action) {
        if rules.len() > FEW {
            let (lower, upper) = rules.split_at(rules.len() / 2);
            self.when_above(upper[0].0 - 1, |then| then.search(upper, otherwise));
            return self.search(lower, otherwise);
        }
        for (number, rule) in rules {
            self.when_equal(*number, |then| then.0.extend_from_slice(&rule.0));
        }
        self.finish(otherwise);
    }

    pub(super) fn instructions(&self) -> &[libc::sock_filter] {
        &self.0
    }

    pub(super) fn load_number(&mut self) {
        self.push(LOAD, NUMBER);
    }

    pub(super) fn load_architecture(&mut self) {
        self.push(LOAD, ARCHITECTURE);
    }

    /// Ends the program.
    pub(super) fn finish(&mut self, action: Action) {
        self.push(libc::BPF_RET | libc::BPF_K, action.value());
    }

    /// Runs `body` if the accumulator is `value`.
    pub(super) fn when_equal(&mut self, value: u32, body: impl FnOnce(&mut Self)) {
        self.guarded(EQUAL, value, true, body);
    }

    /// Runs `body` unless the accumulator is `value`.
    pub(super) fn when_different(&mut self, value: u32, body: impl FnOnce(&mut Self)) {
        self.guarded(EQUAL, value, false, body);
    }

    /// Runs `body` if the accumulator is greater than `value`.
    pub(super) fn when_above(&mut self, value: u32, body: impl FnOnce(&mut Self)) {
        self.guarded(AT_MOST, value, true, body);
    }

    /// Runs `body` if the accumulator has any of these bits.
    pub(super) fn when_any_bit(&mut self, bits: u32, body: impl FnOnce(&mut Self)) {
        self.guarded(ANY_BIT, bits, true, body);
    }

    /// Goes on only if the call passes; the accumulator is lost.
    pub(super) fn check(&mut self, check: &Check) {
        match *check {
            Check::NoneOf { word, values, errno } => {
                self.load_word(word);
                for &value in values {
                    self.when_equal(value, |then| then.finish(Action::Errno(errno)));
                }
            }
            Check::OneOf { word, values, errno } => {
                let mut refused = Self::of(|then| then.finish(Action::Errno(errno)));
                self.load_word(word);
                // From the last to the first: each value skips all that follows.
                for &value in values.iter().rev() {
                    refused = Self::of(|before| before.when_different(value, |then| then.0.append(&mut refused.0)));
                }
                self.0.append(&mut refused.0);
            }
            Check::NoBit { word, bits, errno } => {
                self.load_word(word);
                self.when_any_bit(bits, |then| then.finish(Action::Errno(errno)));
            }
            Check::If { word, value, then } => {
                self.load_word(word);
                self.when_equal(value, |body| then.iter().for_each(|check| body.check(check)));
            }
        }
    }

    /// Runs `body` if the arguments from the third on are `key`. It takes as long for each wrong key, so that nobody
    /// can find it word by word.
    pub(super) fn when_key(&mut self, key: [u64; 4], body: impl FnOnce(&mut Self)) {
        self.push(libc::BPF_LD | libc::BPF_IMM, 0);
        self.push(libc::BPF_ST, DIFFERENCE);
        for (argument, word) in (2..).zip(key) {
            for (half, bits) in [(0, word), (4, word >> 32)] {
                self.push(LOAD, ARGUMENTS + 8 * argument + half);
                self.push(libc::BPF_ALU | libc::BPF_SUB | libc::BPF_K, low(bits));
                self.push(libc::BPF_LDX | libc::BPF_MEM, DIFFERENCE);
                self.push(libc::BPF_ALU | libc::BPF_OR | libc::BPF_X, 0);
                self.push(libc::BPF_ST, DIFFERENCE);
            }
        }
        self.when_equal(0, body);
    }

    fn load_word(&mut self, word: Word) {
        // The low half comes first: both architectures are little-endian.
        self.push(LOAD, ARGUMENTS + 8 * word.argument);
        if word.mask != u32::MAX {
            self.push(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, word.mask);
        }
    }

    fn guarded(&mut self, test: u32, value: u32, wanted: bool, body: impl FnOnce(&mut Self)) {
        let mut inner = Self::of(body);
        let length = inner.0.len();
        if let Ok(skip) = u8::try_from(length) {
            self.push_test(test, value, if wanted { (0, skip) } else { (skip, 0) });
        } else {
            // A conditional jump reaches 255 instructions, an unconditional one all.
            self.push_test(test, value, if wanted { (1, 0) } else { (0, 1) });
            self.push(libc::BPF_JMP | libc::BPF_JA, u32::try_from(length).unwrap_or(u32::MAX));
        }
        self.0.append(&mut inner.0);
    }

    fn push(&mut self, code: u32, k: u32) {
        self.0.push(libc::sock_filter { code: code_of(code), jt: 0, jf: 0, k });
    }

    fn push_test(&mut self, code: u32, k: u32, (jt, jf): (u8, u8)) {
        self.0.push(libc::sock_filter { code: code_of(code), jt, jf, k });
    }
}

/// Codes are 16 bits wide, and their constants wider.
fn code_of(code: u32) -> u16 {
    u16::try_from(code).unwrap_or(u16::MAX)
}

fn low(word: u64) -> u32 {
    u32::try_from(word & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

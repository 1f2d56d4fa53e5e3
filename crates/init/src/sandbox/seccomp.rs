//! The filter of system calls, which a process puts on itself and all that it starts.
//!
//! ```text
//!   another architecture (also int 0x80) ─▶ killed: no such program can run, and an error would not stop it
//!   beyond what was reviewed, or x32 ─────▶ ENOSYS
//!   clone3 ───────────────────────────────▶ with the key of the guest: allowed; else ENOSYS
//!   judged by arguments ──────────────────▶ allowed, or its errno
//!   denied by number ─────────────────────▶ its errno
//!   all others ───────────────────────────▶ allowed; from Linux 5.11 on, the kernel asks no more for these
//! ```
//!
//! The numbers are searched, not gone through: a kernel that remembers tries each of them once, at every create, and one
//! that does not asks at every call.
//!
//! A filter cannot look at the flags of clone3, which lie in memory. So commands do without it, and the C library falls
//! back to clone. PID 1 needs it, for a cgroup to be born in: it passes a secret in the arguments that clone3 ignores.

mod calls;
mod program;

use std::collections::BTreeMap;

use rustix::io::Errno;

use super::spec::Confinement;
use crate::guest::CloneKey;
use calls::{DENIED, DENIED_HERE, Denied, INSPECTED, Inspected, REVIEWED, When};
use program::{Action, Program};
use syscalls::Sysno;

/// `AUDIT_ARCH_*`: what the kernel calls this machine.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
/// `AUDIT_ARCH_*`: what the kernel calls this machine.
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;

/// How a tracer tells the kernel to skip a system call.
const SKIPPED: u32 = u32::MAX;

/// Which system calls are left to a process and its descendants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// They may make namespaces and mount.
    pub nesting: bool,
    /// They keep the CPUs that they have.
    pub fixed_cpus: bool,
    /// They are in no namespace: of all sockets that can be connected they may make TCP ones only, and change limits
    /// and priorities of nobody else.
    pub streams_only: bool,
}

impl From<&Confinement> for CallFilter {
    fn from(confinement: &Confinement) -> Self {
        Self { nesting: confinement.nesting, fixed_cpus: !confinement.cpus.is_empty(), streams_only: false }
    }
}

/// Filters the system calls of this thread and all that it starts, for good. `key` opens clone3 to who knows it.
///
/// The process must have renounced new privileges.
pub fn filter_system_calls(filter: CallFilter, key: Option<&CloneKey>) -> Result<(), Errno> {
    let program = compile(filter, key);
    let instructions = program.instructions();
    let program = libc::sock_fprog {
        len: u16::try_from(instructions.len()).map_err(|_| Errno::TOOBIG)?,
        filter: instructions.as_ptr().cast_mut(),
    };
    // SAFETY: the program and its instructions, of which the length is given, outlive the call, which copies them.
    let result = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    if result == 0 {
        Ok(())
    } else {
        Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL))
    }
}

fn compile(filter: CallFilter, key: Option<&CloneKey>) -> Program {
    let mut program = Program::default();
    program.load_architecture();
    program.when_different(ARCHITECTURE, |then| then.finish(Action::Kill));
    program.load_number();
    // The calls of x32 have a bit of their own, far above.
    program.when_above(number(REVIEWED), |then| {
        then.when_equal(SKIPPED, |then| then.finish(Action::Allow));
        then.finish(Action::Errno(libc::ENOSYS));
    });
    let rules: Vec<(u32, Program)> = rules(filter, key).into_iter().collect();
    program.search(&rules, Action::Allow);
    program
}

/// What becomes of each call that is not simply allowed, by its number.
fn rules(filter: CallFilter, key: Option<&CloneKey>) -> BTreeMap<u32, Program> {
    let mut rules = BTreeMap::new();
    for Denied { calls, errno, .. } in DENIED.iter().chain(DENIED_HERE).filter(|rule| filter.applies(rule.when)) {
        for &call in *calls {
            rules.insert(number(call), Program::of(|then| then.finish(Action::Errno(*errno))));
        }
    }
    for Inspected { call, checks, .. } in INSPECTED.iter().filter(|rule| filter.applies(rule.when)) {
        let judged = Program::of(|then| {
            checks.iter().for_each(|check| then.check(check));
            then.finish(Action::Allow);
        });
        rules.insert(number(*call), judged);
    }
    if !filter.nesting {
        let guests = Program::of(|then| {
            if let Some(key) = key {
                then.when_key(key.words(), |then| then.finish(Action::Allow));
            }
            then.finish(Action::Errno(libc::ENOSYS));
        });
        rules.insert(number(Sysno::clone3), guests);
    }
    rules
}

impl CallFilter {
    fn applies(self, when: When) -> bool {
        match when {
            When::Always => true,
            When::NotNesting => !self.nesting,
            When::FixedCpus => self.fixed_cpus,
            When::StreamsOnly => self.streams_only,
            When::Datagrams => !self.streams_only,
            When::SharedCpusWithoutNamespaces => self.streams_only && !self.fixed_cpus,
        }
    }
}

fn number(call: Sysno) -> u32 {
    u32::try_from(call.id()).unwrap_or(SKIPPED)
}

#[cfg(test)]
mod tests;

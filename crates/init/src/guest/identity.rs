//! Whom a command runs as: ids and capabilities, put on by the child itself.

use syscalls::{Errno, Sysno, syscall};

/// What the sandbox's own root may do: what package managers need to unpack files for other users, and no more.
///
/// `CHOWN`, `DAC_OVERRIDE`, `FOWNER`, `FSETID`, `KILL`, `SETGID`, `SETUID`. A guest that shall run commands as root must
/// hold these.
pub const ROOT_CAPABILITIES: u64 = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7;

/// The identity of one command.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    /// The user and group to become, where that is a change.
    pub(super) ids: Option<(u32, u32)>,
    /// The capabilities that stay; all others leave every set. `None` leaves the sets alone.
    pub(super) capabilities: Option<u64>,
    /// The capabilities that must still be taken out of the bounding set.
    pub(super) unbound: u64,
}

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapabilityWord {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

impl Identity {
    /// Becomes it, by bare system calls.
    pub(super) fn put_on(&self) -> Result<(), Errno> {
        for capability in bits(self.unbound) {
            // SAFETY: takes integers only.
            let _ = unsafe { syscall!(Sysno::prctl, libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        }
        if let Some((uid, gid)) = self.ids {
            // SAFETY: setgroups reads no list when its length is 0; the others take integers only.
            unsafe {
                syscall!(Sysno::setgroups, 0, 0)?;
                syscall!(Sysno::setresgid, gid, gid, gid)?;
                syscall!(Sysno::setresuid, uid, uid, uid)?;
            }
        }
        if let Some(capabilities) = self.capabilities {
            // SAFETY: takes integers only.
            let _ = unsafe { syscall!(Sysno::prctl, libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) };
            set_capabilities(capabilities)?;
        }
        Ok(())
    }
}

/// The capabilities that this process may use.
pub(super) fn permitted() -> u64 {
    let mut words = [CapabilityWord::default(); 2];
    let header = CapabilityHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    // SAFETY: version 3 fills exactly two words, and both pointers are to live locals.
    let read = unsafe { libc::syscall(libc::SYS_capget, &raw const header, words.as_mut_ptr()) };
    if read == 0 { u64::from(words[0].permitted) | u64::from(words[1].permitted) << 32 } else { 0 }
}

/// The capabilities of the bounding set.
pub(super) fn bounding() -> u64 {
    // SAFETY: takes integers only; beyond the last capability the answer is an error.
    (0..64)
        .filter(|&bit| unsafe { libc::prctl(libc::PR_CAPBSET_READ, bit, 0, 0, 0) } == 1)
        .fold(0, |set, bit| set | 1 << bit)
}

fn set_capabilities(set: u64) -> Result<(), Errno> {
    let header = CapabilityHeader { version: CAPABILITY_VERSION_3, pid: 0 };
    let word = |bits: u64| {
        let bits = u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(0);
        CapabilityWord { effective: bits, permitted: bits, inheritable: 0 }
    };
    let words = [word(set), word(set >> 32)];
    // SAFETY: version 3 reads exactly two words, and both pointers are to live locals.
    unsafe { syscall!(Sysno::capset, &raw const header, words.as_ptr()) }.map(drop)
}

fn bits(set: u64) -> impl Iterator<Item = libc::c_ulong> {
    (0..64).filter(move |bit| set >> bit & 1 == 1)
}

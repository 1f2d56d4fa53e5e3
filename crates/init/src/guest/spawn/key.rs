//! The secret with which the guest passes the filter of system calls.

use std::fmt;

/// Words that the guest passes along with clone3, in the arguments that the kernel ignores: a filter that knows them
/// lets the guest make processes in cgroups, and nobody else make anything with flags that no filter can see.
///
/// They are as safe as the memory of PID 1, where the token lies too: nobody inside may trace it, or read a filter.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CloneKey([u64; 4]);

impl CloneKey {
    /// A new one.
    pub fn new() -> std::io::Result<Self> {
        let mut words = [0; 4];
        for word in &mut words {
            let mut bytes = [0_u8; 8];
            let length = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
            if length != bytes.len() {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            *word = u64::from_ne_bytes(bytes);
        }
        Ok(Self(words))
    }

    /// The third to sixth argument of clone3.
    pub(crate) fn words(&self) -> [u64; 4] {
        self.0
    }
}

impl fmt::Debug for CloneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CloneKey(..)")
    }
}

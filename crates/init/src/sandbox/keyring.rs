//! The kernel's keyrings, which belong to no namespace.

/// Lets go of the caller's session keyring and takes an empty one.
///
/// Nothing inside can ask for keys: the filter of system calls sees to that. This is for what the kernel itself looks up
/// on behalf of a process; so it may fail, as where a user has as many keyrings as allowed.
pub(super) fn leave_session() {
    // SAFETY: without a name a new keyring is made; nothing is read or written.
    let _ = unsafe { libc::syscall(libc::SYS_keyctl, libc::KEYCTL_JOIN_SESSION_KEYRING, std::ptr::null::<u8>()) };
}

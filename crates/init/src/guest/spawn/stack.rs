//! Stacks for children that share the memory of the guest.

use rustix::io::Errno;
use std::ffi::c_void;
use std::ptr::{self, NonNull};

/// What a child may use.
pub(super) const SIZE: usize = 64 * 1024;

/// Below a stack nothing may be touched; as large as the largest page.
const GUARD: usize = 64 * 1024;

/// The stack of a child, with a guard below.
#[derive(Debug)]
pub(super) struct Stack {
    base: NonNull<c_void>,
}

impl Stack {
    pub(super) fn new() -> Result<Stack, Errno> {
        // SAFETY: an anonymous mapping at an address of the kernel's choosing touches no memory in use, and the guard
        // is a part of it.
        unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
            let base = libc::mmap(ptr::null_mut(), GUARD + SIZE, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
            let base = NonNull::new(base).filter(|_| base != libc::MAP_FAILED).ok_or(Errno::NOMEM)?;
            let stack = Stack { base };
            if libc::mprotect(base.as_ptr(), GUARD, libc::PROT_NONE) == 0 { Ok(stack) } else { Err(Errno::NOMEM) }
        }
    }

    /// The lowest address that may be used.
    pub(super) fn bottom(&self) -> *mut c_void {
        self.base.as_ptr().wrapping_byte_add(GUARD)
    }

    pub(super) fn top(&self) -> *mut c_void {
        self.bottom().wrapping_byte_add(SIZE)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // SAFETY: mapped by new, and used by nobody: it is not part of a loan that is not over.
        unsafe { libc::munmap(self.base.as_ptr(), GUARD + SIZE) };
    }
}

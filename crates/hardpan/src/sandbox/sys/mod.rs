// SPDX-License-Identifier: Apache-2.0
//! System calls, each as a safe function over what it needs.
//!
//! None of these allocates, takes a lock or panics, so all of them may be called after a fork of a
//! program that has threads. Descriptors are plain numbers here: a wrong one is an error of the call
//! and no more, since nothing here maps or unmaps memory.
#![expect(unsafe_code, reason = "this is where system calls are made")]

use std::ffi::CStr;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

use libc::c_long;

/// An error of the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Errno(pub(super) i32);

impl From<Errno> for std::io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.0)
    }
}

/// Makes a system call.
///
/// # Safety
/// The arguments must be what the call with that number takes; what it reads or writes through
/// pointers must be valid for that.
unsafe fn call(number: c_long, arguments: [usize; 6]) -> Result<usize, Errno> {
    let [first, second, third, fourth, fifth, sixth] = arguments;
    // SAFETY: the caller promises it; surplus arguments are ignored by the kernel.
    let result = unsafe { libc::syscall(number, first, second, third, fourth, fifth, sixth) };
    if result == -1 {
        // SAFETY: errno of this thread is always there.
        return Err(Errno(unsafe { *libc::__errno_location() }));
    }
    #[expect(clippy::cast_possible_truncation, reason = "64 bit only")]
    Ok(result.cast_unsigned() as usize)
}

/// Numbers that calls take: descriptors, flags, sizes. Negative ones are extended by their sign, as
/// C does it.
trait Argument {
    fn word(self) -> usize;
}

macro_rules! arguments {
    ($($kind:ty),*) => {
        $(impl Argument for $kind {
            #[expect(clippy::allow_attributes, reason = "the casts differ by type")]
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "64 bit only")]
            fn word(self) -> usize {
                self as usize
            }
        })*
    };
}

arguments!(i32, u32, u64, i64, usize);

impl Argument for &CStr {
    fn word(self) -> usize {
        self.as_ptr().expose_provenance()
    }
}

macro_rules! sys {
    ($number:ident $(, $argument:expr)*) => {{
        let mut words = [0usize; 6];
        let given = [$(Argument::word($argument)),*];
        words[..given.len()].copy_from_slice(&given);
        call(libc::$number, words)
    }};
}

#[expect(clippy::cast_possible_truncation, reason = "descriptors and processes are 32 bit")]
#[expect(clippy::cast_possible_wrap, reason = "the kernel gives none that large")]
fn number(result: usize) -> i32 {
    result as i32
}

/// A descriptor that a call just made, and that nobody closes unless somebody takes it.
#[derive(Debug)]
pub(super) struct Fresh(RawFd);

impl Fresh {
    /// Returns its number.
    pub(super) fn raw(&self) -> RawFd {
        self.0
    }

    /// Takes it.
    pub(super) fn own(self) -> OwnedFd {
        // SAFETY: only calls that made a descriptor make this, and there is no second one of it.
        unsafe { OwnedFd::from_raw_fd(self.0) }
    }
}

mod files;
mod mounts;
mod processes;
mod seccomp;
mod signals;

pub(super) use files::*;
pub(super) use mounts::*;
pub(super) use processes::*;
pub(super) use seccomp::*;
pub(super) use signals::*;

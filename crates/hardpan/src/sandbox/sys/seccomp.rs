// SPDX-License-Identifier: Apache-2.0
//! Filters of system calls, and other things that a program is kept from.
#![expect(unsafe_code, reason = "this is where system calls are made")]

use std::os::fd::RawFd;

use super::{Argument, Errno, call, close, number};

/// Keeps this process and its children from sockets without a file that others made. Kernels before
/// Linux 6.12 can't.
pub(in crate::sandbox) fn leave_abstract_sockets() -> Result<(), Errno> {
    const VERSION: u32 = 1;
    const VERSION_WITH_SCOPES: usize = 6;
    const ABSTRACT_UNIX_SOCKET: u64 = 1;
    // Files, network, scopes.
    let rules: [u64; 3] = [0, 0, ABSTRACT_UNIX_SOCKET];
    // SAFETY: the rules have the layout and size given; asking for the version takes none.
    unsafe {
        match sys!(SYS_landlock_create_ruleset, 0, 0, VERSION) {
            Ok(VERSION_WITH_SCOPES..) => {}
            Ok(_) | Err(Errno(libc::ENOSYS | libc::EOPNOTSUPP)) => return Ok(()),
            Err(errno) => return Err(errno),
        }
        let (at, length) = (rules.as_ptr().expose_provenance(), size_of_val(&rules));
        let rules = number(sys!(SYS_landlock_create_ruleset, at, length, 0)?);
        sys!(SYS_landlock_restrict_self, rules, 0)?;
        close(rules);
    }
    Ok(())
}

/// Installs a filter for this process and its children; returns the descriptor that hears of what
/// the filter asks about.
pub(in crate::sandbox) fn install_filter(filter: &[libc::sock_filter]) -> Result<RawFd, Errno> {
    #[repr(C)]
    struct Program {
        length: u16,
        at: *const libc::sock_filter,
    }
    let length = u16::try_from(filter.len()).map_err(|_| Errno(libc::EINVAL))?;
    let program = Program { length, at: filter.as_ptr() };
    let at = (&raw const program).expose_provenance();
    let mode = libc::SECCOMP_SET_MODE_FILTER;
    let listener = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    let killable = listener | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    // SAFETY: the program has the layout of `struct sock_fprog` and its length is right.
    unsafe {
        match sys!(SYS_seccomp, mode, killable, at) {
            // Before Linux 5.19 a signal interrupts a call that is being answered; it is made again.
            Err(Errno(libc::EINVAL)) => sys!(SYS_seccomp, mode, listener, at),
            other => other,
        }
        .map(number)
    }
}

/// Receives what a process asks; `Ok(None)` if it has gone meanwhile.
pub(in crate::sandbox) fn receive_question(
    listener: RawFd,
) -> Result<Option<libc::seccomp_notif>, Errno> {
    let mut question = std::mem::MaybeUninit::<libc::seccomp_notif>::zeroed();
    let request = libc::SECCOMP_IOCTL_NOTIF_RECV;
    // SAFETY: the kernel writes one question; all zero, which it asks for, is a value.
    unsafe {
        match sys!(SYS_ioctl, listener, request, question.as_mut_ptr().expose_provenance()) {
            Ok(_) => Ok(Some(question.assume_init())),
            Err(Errno(libc::ENOENT | libc::EINTR)) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

/// Returns whether who asked is still waiting, so that its number still means it.
pub(in crate::sandbox) fn is_waiting(listener: RawFd, id: u64) -> bool {
    let request = libc::SECCOMP_IOCTL_NOTIF_ID_VALID;
    // SAFETY: the kernel reads one number.
    unsafe { sys!(SYS_ioctl, listener, request, (&raw const id).expose_provenance()).is_ok() }
}

/// Answers: zero is success, else an error's number.
pub(in crate::sandbox) fn answer(listener: RawFd, id: u64, errno: i32) {
    let response = libc::seccomp_notif_resp { id, val: 0, error: -errno, flags: 0 };
    let request = libc::SECCOMP_IOCTL_NOTIF_SEND;
    // Who asked may have gone.
    // SAFETY: the kernel reads one answer.
    let _ =
        unsafe { sys!(SYS_ioctl, listener, request, (&raw const response).expose_provenance()) };
}

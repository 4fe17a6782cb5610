// SPDX-License-Identifier: Apache-2.0
//! Signals.
#![expect(unsafe_code, reason = "this is where system calls are made")]

use std::os::fd::RawFd;

use libc::c_int;

use super::{Argument, Errno, Fresh, call, number};

/// Ignores a signal, as do programs that this one becomes.
pub(in crate::sandbox) fn ignore_signal(signal: c_int) -> Result<(), Errno> {
    // Handler (1 is to ignore), flags, restorer, mask.
    let action = [1u64, 0, 0, 0];
    // SAFETY: the action has the layout and mask size that the kernel takes.
    unsafe { sys!(SYS_rt_sigaction, signal, action.as_ptr().expose_provenance(), 0, 8).map(drop) }
}

const SIGNALS: c_int = 64;

/// Blocks all signals of this thread and returns what was blocked before.
pub(in crate::sandbox) fn block_signals() -> Result<u64, Errno> {
    set_signals(u64::MAX)
}

pub(in crate::sandbox) fn set_signals(mask: u64) -> Result<u64, Errno> {
    let mut old = 0u64;
    let at = (&raw const mask).expose_provenance();
    let old_at = (&raw mut old).expose_provenance();
    // SAFETY: both masks have the size given.
    unsafe { sys!(SYS_rt_sigprocmask, libc::SIG_SETMASK, at, old_at, 8)? };
    Ok(old)
}

/// Forgets all handlers: they would run the parent's code.
pub(in crate::sandbox) fn default_signals() {
    // Handler, flags, restorer, mask of the kernel's `struct sigaction`: all zero is the default.
    let action = [0u64; 4];
    for signal in 1..=SIGNALS {
        // SIGKILL and SIGSTOP refuse, and have no handler.
        // SAFETY: the action has the layout and mask size that the kernel takes.
        let _ =
            unsafe { sys!(SYS_rt_sigaction, signal, action.as_ptr().expose_provenance(), 0, 8) };
    }
}

/// Returns a descriptor that is readable when a child has ended; the signal must be blocked.
pub(in crate::sandbox) fn child_events() -> Result<RawFd, Errno> {
    let mask = 1u64 << (libc::SIGCHLD - 1);
    let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
    // SAFETY: the mask has the size given.
    unsafe { sys!(SYS_signalfd4, -1, (&raw const mask).expose_provenance(), 8, flags).map(number) }
}

/// Blocks the signals that ask a process to stop, and returns a descriptor that is readable when one was sent.
pub(in crate::sandbox) fn stop_events() -> Result<Fresh, Errno> {
    let asks = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];
    let mask = asks.iter().fold(0u64, |mask, signal| mask | 1 << (signal - 1));
    let at = (&raw const mask).expose_provenance();
    // SAFETY: the mask has the size given; what was blocked before stays blocked.
    unsafe { sys!(SYS_rt_sigprocmask, libc::SIG_BLOCK, at, 0, 8)? };
    let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
    // SAFETY: the mask has the size given.
    unsafe { sys!(SYS_signalfd4, -1, at, 8, flags).map(number).map(Fresh) }
}

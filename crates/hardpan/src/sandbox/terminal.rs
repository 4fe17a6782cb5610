// SPDX-License-Identifier: Apache-2.0
//! The caller's terminal, lent to a program.

use std::io::{self, IsTerminal as _};
use std::os::unix::fs::fchown;

use super::identity::host_owner;
use super::sys;

/// The caller's terminal, which the program has until this is dropped.
pub(super) struct Terminal {
    /// Whose it was, if it was given to the sandbox's user so that `/dev/stdout` can be opened.
    before: Option<(u32, u32)>,
}

impl Terminal {
    /// Returns the terminal that standard input is, if that listens to us.
    pub(super) fn of_caller() -> Option<Self> {
        let is_ours = io::stdin().is_terminal()
            && sys::terminal_group(0).is_ok_and(|group| sys::group() == Ok(group));
        is_ours.then(|| Self { before: lend() })
    }
}

/// Gives the terminal to the sandbox's user, where the caller is root and would be somebody else.
/// Programs have it open anyway, and can't put characters into it.
fn lend() -> Option<(u32, u32)> {
    let (uid, gid) = host_owner()?;
    let status = rustix::fs::fstat(io::stdin()).ok()?;
    // Where this fails it can be written to all the same.
    fchown(io::stdin(), Some(uid), Some(gid)).ok()?;
    Some((status.st_uid, status.st_gid))
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some((uid, gid)) = self.before {
            let _ = fchown(io::stdin(), Some(uid), Some(gid));
        }
        // Who is in the background is stopped for taking the terminal back, unless signals are blocked.
        let signals = sys::block_signals();
        if let Ok(group) = sys::group() {
            let _ = sys::take_terminal(0, group);
        }
        if let Ok(signals) = signals {
            let _ = sys::set_signals(signals);
        }
    }
}

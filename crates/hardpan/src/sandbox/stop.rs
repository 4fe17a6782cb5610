// SPDX-License-Identifier: Apache-2.0
//! Signals that ask a service to stop, as something to wait for.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::sys;

/// Becomes readable when somebody asks this process to stop. From when it is made on, these signals do nothing
/// else, in this thread and those that it starts.
#[derive(Debug)]
pub struct StopSignals(OwnedFd);

impl StopSignals {
    /// Listens to `SIGINT`, `SIGTERM` and `SIGHUP`.
    pub fn listen() -> io::Result<Self> {
        let error = |error: sys::Errno| io::Error::from_raw_os_error(error.0);
        Ok(Self(sys::stop_events().map_err(error)?.own()))
    }
}

impl AsFd for StopSignals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

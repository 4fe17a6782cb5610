// SPDX-License-Identifier: Apache-2.0
//! Who is at the other end of a socket.

use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;

use serde::Serialize;

use super::sys;

/// Whoever connected a Unix socket, as the kernel says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Peer {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The process; 0 if this one's namespace has no number for it.
    pub pid: i32,
}

impl Peer {
    /// Asks the kernel.
    pub fn of(stream: &UnixStream) -> io::Result<Self> {
        let (pid, uid, gid) =
            sys::peer(stream.as_raw_fd()).map_err(|error| io::Error::from_raw_os_error(error.0))?;
        Ok(Self { uid, gid, pid })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_us() {
        let (one, _other) = UnixStream::pair().unwrap();
        let own = Peer {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
            pid: rustix::process::getpid().as_raw_pid(),
        };
        assert_eq!(Peer::of(&one).unwrap(), own);
    }
}

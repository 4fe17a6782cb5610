// SPDX-License-Identifier: Apache-2.0
//! What a child does that enters a sandbox for its parent.
#![expect(unsafe_code, reason = "this is where system calls are made")]

use std::os::fd::RawFd;

use libc::c_int;

use super::{Argument, Errno, Fresh, call, close, number};

/// Enters a namespace.
pub(in crate::sandbox) fn enter(namespace: RawFd, kind: c_int) -> Result<(), Errno> {
    // SAFETY: it takes no pointer.
    unsafe { sys!(SYS_setns, namespace, kind).map(drop) }
}

/// Connects to a TCP port of the loopback; returns the number of the socket.
pub(in crate::sandbox) fn connect(port: u16) -> Result<RawFd, Errno> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    let address = libc::sockaddr_in {
        #[expect(clippy::cast_possible_truncation, reason = "it is 2")]
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
        sin_zero: [0; 8],
    };
    // SAFETY: it takes no pointer.
    let socket = number(unsafe { sys!(SYS_socket, libc::AF_INET, kind, 0)? });
    let at = (&raw const address).expose_provenance();
    // SAFETY: the address has the size given.
    match unsafe { sys!(SYS_connect, socket, at, size_of_val(&address)) } {
        Ok(_) => Ok(socket),
        Err(errno) => {
            close(socket);
            Err(errno)
        }
    }
}

/// Takes a descriptor that a child made in the table that it shared with its parent, and told of before
/// it ended.
pub(in crate::sandbox) fn left_by_child(descriptor: RawFd) -> Fresh {
    Fresh(descriptor)
}

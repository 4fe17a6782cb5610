// SPDX-License-Identifier: Apache-2.0
//! Processes: how they begin, who they are, how they end.
#![expect(unsafe_code, reason = "this is where system calls are made")]

use std::ffi::CStr;
use std::os::fd::RawFd;

use libc::{c_char, c_int};

use super::{Argument, Errno, Fresh, call, close, number};

/// Copies this process, as fork does, into new namespaces. In the copy `child` runs and never
/// returns. The copy has one thread, so `child` may not allocate or wait for a lock.
pub(in crate::sandbox) fn fork_with<T>(
    flags: u64,
    exit_signal: c_int,
    data: &T,
    child: fn(&T) -> !,
) -> Result<(i32, Fresh), Errno> {
    let mut pidfd: c_int = -1;
    let mut arguments = [0u64; 8];
    arguments[0] = flags | u64::from(libc::CLONE_PIDFD.cast_unsigned());
    arguments[1] = std::ptr::from_mut(&mut pidfd).expose_provenance() as u64;
    arguments[4] = u64::from(exit_signal.cast_unsigned());
    // SAFETY: this is a `struct clone_args` (version 0) of the size given. Without CLONE_VM and a
    // stack of its own the child goes on with a copy of all memory, and it leaves this function
    // never: `child` does not return, and a panic ends it.
    let process = unsafe {
        sys!(SYS_clone3, arguments.as_ptr().expose_provenance(), size_of_val(&arguments))?
    };
    if process == 0 {
        let _last = EndOnUnwind;
        child(data)
    }
    Ok((number(process), Fresh(pidfd)))
}

/// A child that unwinds would run the parent's code a second time.
struct EndOnUnwind;

impl Drop for EndOnUnwind {
    fn drop(&mut self) {
        exit(70);
    }
}

pub(in crate::sandbox) fn exit(code: c_int) -> ! {
    loop {
        // SAFETY: it takes no pointer and ends the process.
        let _ = unsafe { sys!(SYS_exit_group, code) };
    }
}

/// Replaces the program. Returns only if that fails.
///
/// # Safety
/// Both lists must end with a null pointer and hold pointers to texts that end with NUL.
pub(in crate::sandbox) unsafe fn execve(
    path: &CStr,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> Errno {
    // SAFETY: the caller promises the lists; the path ends with NUL.
    match unsafe {
        sys!(SYS_execve, path, arguments.expose_provenance(), environment.expose_provenance())
    } {
        Ok(_) => Errno(0),
        Err(errno) => errno,
    }
}

/// Waits for less than a second, or until a signal comes.
pub(in crate::sandbox) fn sleep(nanoseconds: i64) {
    let time = [0i64, nanoseconds];
    // SAFETY: this is a `struct timespec`; what is left of it is not asked for.
    let _ = unsafe { sys!(SYS_nanosleep, time.as_ptr().expose_provenance(), 0usize) };
}

/// Waits for any child, without waiting long: `Ok(None)` if none has ended.
pub(in crate::sandbox) fn reap() -> Result<Option<(i32, i32)>, Errno> {
    let mut status: c_int = 0;
    let at = std::ptr::from_mut(&mut status).expose_provenance();
    // SAFETY: the kernel writes the status only.
    let process = unsafe { sys!(SYS_wait4, -1, at, libc::WNOHANG, 0)? };
    Ok((process != 0).then_some((number(process), status)))
}

/// Waits for the process of a descriptor, which must be a child, to end.
pub(in crate::sandbox) fn wait_for(pidfd: RawFd) -> Result<(), Errno> {
    loop {
        let flags = libc::WEXITED | libc::__WALL;
        // SAFETY: no information and no usage is asked for.
        match unsafe { sys!(SYS_waitid, libc::P_PIDFD, pidfd, 0usize, flags, 0) } {
            Err(Errno(libc::EINTR)) => {}
            other => return other.map(drop),
        }
    }
}

pub(in crate::sandbox) fn kill(pidfd: RawFd) -> Result<(), Errno> {
    // SAFETY: no information is passed.
    unsafe { sys!(SYS_pidfd_send_signal, pidfd, libc::SIGKILL, 0, 0).map(drop) }
}

pub(in crate::sandbox) fn prctl(option: c_int, value: u64) -> Result<(), Errno> {
    // SAFETY: callers use options whose value is a number.
    unsafe { sys!(SYS_prctl, option, value, 0, 0, 0).map(drop) }
}

pub(in crate::sandbox) fn become_user(uid: u32, gid: u32, drop_groups: bool) -> Result<(), Errno> {
    // These are the raw calls, of this thread only; it is the only one.
    // SAFETY: no group is passed.
    unsafe {
        if drop_groups {
            sys!(SYS_setgroups, 0, 0)?;
        }
        sys!(SYS_setresgid, gid, gid, gid)?;
        sys!(SYS_setresuid, uid, uid, uid).map(drop)
    }
}

/// Sets what the process may do: effective, permitted and inheritable capabilities.
pub(in crate::sandbox) fn capset(
    effective: u64,
    permitted: u64,
    inheritable: u64,
) -> Result<(), Errno> {
    const VERSION_3: u32 = 0x2008_0522;
    let header: [u32; 2] = [VERSION_3, 0];
    // The kernel takes the low halves of all three first.
    let sets = [effective, permitted, inheritable];
    #[expect(clippy::cast_possible_truncation, reason = "halves are taken")]
    let halves = [sets.map(|set| set as u32), sets.map(|set| (set >> 32) as u32)];
    let [[e, p, i], [e_high, p_high, i_high]] = halves;
    let data: [u32; 6] = [e, p, i, e_high, p_high, i_high];
    // SAFETY: header and data have the layout of version 3.
    unsafe {
        sys!(SYS_capset, header.as_ptr().expose_provenance(), data.as_ptr().expose_provenance())
            .map(drop)
    }
}

pub(in crate::sandbox) fn set_limit(resource: u32, value: u64) -> Result<(), Errno> {
    let mut old = [0u64; 2];
    // SAFETY: the kernel writes two numbers, then reads two.
    unsafe {
        sys!(SYS_prlimit64, 0, resource, 0, old.as_mut_ptr().expose_provenance())?;
        let value = value.min(old[1]);
        let new = [value, value];
        sys!(SYS_prlimit64, 0, resource, new.as_ptr().expose_provenance(), 0).map(drop)
    }
}

pub(in crate::sandbox) fn sethostname(name: &[u8]) -> Result<(), Errno> {
    // SAFETY: the kernel reads no more than the length given.
    unsafe { sys!(SYS_sethostname, name.as_ptr().expose_provenance(), name.len()).map(drop) }
}

pub(in crate::sandbox) fn umask(mask: u32) {
    // SAFETY: it takes no pointer and can't fail.
    let _ = unsafe { sys!(SYS_umask, mask) };
}

/// Puts the process into a group of its own and returns the group.
pub(in crate::sandbox) fn own_group() -> Result<c_int, Errno> {
    // SAFETY: it takes no pointer.
    unsafe {
        sys!(SYS_setpgid, 0, 0)?;
        sys!(SYS_getpgid, 0).map(number)
    }
}

pub(in crate::sandbox) fn setsid() -> Result<(), Errno> {
    // SAFETY: it takes nothing.
    unsafe { sys!(SYS_setsid).map(drop) }
}

/// Leaves the keyring of the session that the parent is part of.
pub(in crate::sandbox) fn leave_keyring() {
    const JOIN_SESSION_KEYRING: c_int = 1;
    // Kernels may have no keyrings at all.
    // SAFETY: no name is passed.
    let _ = unsafe { sys!(SYS_keyctl, JOIN_SESSION_KEYRING, 0) };
}

/// Brings the loopback of this network namespace up.
pub(in crate::sandbox) fn loopback_up() -> Result<(), Errno> {
    #[repr(C)]
    struct Request {
        name: [u8; 16],
        flags: i16,
        rest: [u8; 22],
    }
    let mut request = Request { name: [0; 16], flags: 0, rest: [0; 22] };
    request.name[..2].copy_from_slice(b"lo");
    // SAFETY: the request has the size and layout of a `struct ifreq`.
    unsafe {
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
        let socket = number(sys!(SYS_socket, libc::AF_INET, kind, 0)?);
        let at = std::ptr::from_mut(&mut request).expose_provenance();
        sys!(SYS_ioctl, socket, libc::SIOCGIFFLAGS, at)?;
        #[expect(clippy::cast_possible_truncation, reason = "it is bit 0")]
        let up = libc::IFF_UP as i16;
        request.flags |= up;
        let at = std::ptr::from_mut(&mut request).expose_provenance();
        sys!(SYS_ioctl, socket, libc::SIOCSIFFLAGS, at)?;
        close(socket);
    }
    Ok(())
}

/// Names the process in lists of processes.
pub(in crate::sandbox) fn set_name(name: &CStr) -> Result<(), Errno> {
    // SAFETY: the name ends with NUL; the kernel reads 16 bytes at most, and no further than that.
    unsafe { sys!(SYS_prctl, libc::PR_SET_NAME, name, 0, 0, 0).map(drop) }
}

/// Returns the group of this process.
pub(in crate::sandbox) fn group() -> Result<c_int, Errno> {
    // SAFETY: it takes no pointer.
    unsafe { sys!(SYS_getpgid, 0).map(number) }
}

/// Returns process, user and group of whoever has connected a Unix socket. The process is 0 where this one's
/// namespace has no number for it.
pub(in crate::sandbox) fn peer(socket: RawFd) -> Result<(c_int, u32, u32), Errno> {
    let mut who = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    // Three numbers of 32 bits.
    let mut length: libc::socklen_t = 12;
    const { assert!(size_of::<libc::ucred>() == 12) };
    let (at, length_at) =
        ((&raw mut who).expose_provenance(), (&raw mut length).expose_provenance());
    // SAFETY: the kernel writes at most the length given, and then the length.
    unsafe { sys!(SYS_getsockopt, socket, libc::SOL_SOCKET, libc::SO_PEERCRED, at, length_at)? };
    Ok((who.pid, who.uid, who.gid))
}

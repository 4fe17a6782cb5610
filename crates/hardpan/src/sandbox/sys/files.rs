// SPDX-License-Identifier: Apache-2.0
//! Files, pipes, and what is in them.
#![expect(unsafe_code, reason = "this is where system calls are made")]

use std::ffi::CStr;
use std::os::fd::RawFd;

use libc::{c_int, c_uint};

use super::{Argument, Errno, Fresh, call, number};

pub(in crate::sandbox) fn openat2(
    directory: RawFd,
    path: &CStr,
    flags: c_int,
    resolve: u64,
) -> Result<RawFd, Errno> {
    let how: [u64; 3] = [u64::from((flags | libc::O_CLOEXEC).cast_unsigned()), 0, resolve];
    // SAFETY: the path ends with NUL, and `how` is a `struct open_how` of the size given.
    unsafe {
        sys!(SYS_openat2, directory, path, how.as_ptr().expose_provenance(), size_of_val(&how))
            .map(number)
    }
}

pub(in crate::sandbox) fn create(directory: RawFd, path: &CStr, mode: u32) -> Result<RawFd, Errno> {
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC | libc::O_NOFOLLOW;
    // SAFETY: the path ends with NUL.
    unsafe { sys!(SYS_openat, directory, path, flags, mode).map(number) }
}

pub(in crate::sandbox) fn mkdirat(directory: RawFd, path: &CStr, mode: u32) -> Result<(), Errno> {
    // SAFETY: the path ends with NUL.
    unsafe { sys!(SYS_mkdirat, directory, path, mode).map(drop) }
}

pub(in crate::sandbox) fn symlinkat(
    target: &CStr,
    directory: RawFd,
    path: &CStr,
) -> Result<(), Errno> {
    // SAFETY: both paths end with NUL.
    unsafe { sys!(SYS_symlinkat, target, directory, path).map(drop) }
}

/// Gives a file to nobody new, which makes an overlay copy it up and takes setuid bits from it.
pub(in crate::sandbox) fn touch_owner(file: RawFd) -> Result<(), Errno> {
    // SAFETY: the path ends with NUL.
    unsafe { sys!(SYS_fchownat, file, c"", u32::MAX, u32::MAX, libc::AT_EMPTY_PATH).map(drop) }
}

pub(in crate::sandbox) fn fchmod(file: RawFd, mode: u32) -> Result<(), Errno> {
    // SAFETY: it takes no pointer.
    unsafe { sys!(SYS_fchmod, file, mode).map(drop) }
}

pub(in crate::sandbox) fn statx(
    directory: RawFd,
    path: &CStr,
    flags: c_int,
) -> Result<libc::statx, Errno> {
    let mut answer = std::mem::MaybeUninit::<libc::statx>::zeroed();
    let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME | libc::STATX_MNT_ID;
    // SAFETY: the path ends with NUL, and the answer is as large as the kernel's; all zero is a value.
    unsafe {
        sys!(SYS_statx, directory, path, flags, mask, answer.as_mut_ptr().expose_provenance())?;
        Ok(answer.assume_init())
    }
}

/// Returns whether the file system that a file is on, or its mount, is read-only.
pub(in crate::sandbox) fn is_read_only(file: RawFd) -> Result<bool, Errno> {
    // `struct statfs` of 64-bit machines: eleven words, the last is the flags, and room to grow.
    let mut answer = [0u64; 15];
    // SAFETY: the answer is as large as the kernel's.
    unsafe { sys!(SYS_fstatfs, file, answer.as_mut_ptr().expose_provenance())? };
    Ok(answer[10] & libc::ST_RDONLY != 0)
}

/// Writes the target of a link and returns its length; the empty path is the descriptor itself.
pub(in crate::sandbox) fn readlinkat(
    directory: RawFd,
    path: &CStr,
    to: &mut [u8],
) -> Result<usize, Errno> {
    // SAFETY: the path ends with NUL, and the kernel writes no more than the length given.
    unsafe { sys!(SYS_readlinkat, directory, path, to.as_mut_ptr().expose_provenance(), to.len()) }
}

/// Most bytes of a file handle.
pub(in crate::sandbox) const HANDLE_BYTES_MAX: usize = 128;

/// Writes what names a file for as long as it is there, and no other file later: type and handle.
pub(in crate::sandbox) fn name_to_handle(
    directory: RawFd,
    path: &CStr,
    to: &mut [u8; HANDLE_BYTES_MAX],
) -> Result<usize, Errno> {
    #[repr(C)]
    struct Handle {
        length: c_uint,
        kind: c_int,
        bytes: [u8; HANDLE_BYTES_MAX - 4],
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is small")]
    let length = (HANDLE_BYTES_MAX - 4) as c_uint;
    let mut handle = Handle { length, kind: 0, bytes: [0; _] };
    let mut mount: c_int = 0;
    let at = std::ptr::from_mut(&mut handle).expose_provenance();
    let mount_at = std::ptr::from_mut(&mut mount).expose_provenance();
    // SAFETY: the path ends with NUL; the handle says how much room it has.
    unsafe {
        sys!(SYS_name_to_handle_at, directory, path, at, mount_at, libc::AT_EMPTY_PATH)?;
    }
    let length = (handle.length as usize).min(handle.bytes.len());
    to[..4].copy_from_slice(&handle.kind.to_le_bytes());
    to[4..4 + length].copy_from_slice(&handle.bytes[..length]);
    Ok(4 + length)
}

/// Writes the second best where a file system has no handles: another file may get it once this one
/// is gone, if that is at once.
pub(in crate::sandbox) fn weak_key(status: &libc::statx, to: &mut [u8; HANDLE_BYTES_MAX]) -> usize {
    let mut length = 0;
    let seconds = status.stx_btime.tv_sec.to_le_bytes();
    let nanoseconds = u64::from(status.stx_btime.tv_nsec).to_le_bytes();
    for part in [u64::MAX.to_le_bytes(), status.stx_ino.to_le_bytes(), seconds, nanoseconds] {
        if let Some(room) = to.get_mut(length..length + part.len()) {
            room.copy_from_slice(&part);
            length += part.len();
        }
    }
    length
}

pub(in crate::sandbox) fn read(file: RawFd, to: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the kernel writes no more than the length given.
    unsafe { sys!(SYS_read, file, to.as_mut_ptr().expose_provenance(), to.len()) }
}

pub(in crate::sandbox) fn pread(file: RawFd, to: &mut [u8], at: u64) -> Result<usize, Errno> {
    // SAFETY: the kernel writes no more than the length given.
    unsafe { sys!(SYS_pread64, file, to.as_mut_ptr().expose_provenance(), to.len(), at) }
}

/// Turns a part of this process's memory into zeros. Nobody may look at it again.
pub(in crate::sandbox) fn forget_memory(start: u64, length: usize) -> Result<(), Errno> {
    const ZEROS: [u8; 4096] = [0; 4096];
    let memory = openat2(libc::AT_FDCWD, c"/proc/self/mem", libc::O_WRONLY, 0)?;
    let mut done = 0;
    while done < length {
        let part = (length - done).min(ZEROS.len());
        let at = start + done as u64;
        // SAFETY: the kernel reads no more than the length given. What it writes to is what the
        // caller named, who knows that no value of ours is there.
        done +=
            unsafe { sys!(SYS_pwrite64, memory, ZEROS.as_ptr().expose_provenance(), part, at)? };
    }
    close(memory);
    Ok(())
}

/// Writes all of it.
pub(in crate::sandbox) fn write_all(file: RawFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        // SAFETY: the kernel reads no more than the length given.
        match unsafe { sys!(SYS_write, file, bytes.as_ptr().expose_provenance(), bytes.len()) } {
            Ok(0) => return Err(Errno(libc::EIO)),
            Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
            Err(Errno(libc::EINTR)) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Sends one message.
pub(in crate::sandbox) fn send(socket: RawFd, bytes: &[u8]) -> Result<(), Errno> {
    // SAFETY: the kernel reads no more than the length given; there is no address.
    unsafe {
        let (at, length) = (bytes.as_ptr().expose_provenance(), bytes.len());
        sys!(SYS_sendto, socket, at, length, libc::MSG_NOSIGNAL, 0, 0).map(drop)
    }
}

pub(in crate::sandbox) fn dup2(from: RawFd, to: RawFd) -> Result<(), Errno> {
    if from == to {
        // dup3 refuses this, and the descriptor has to survive what comes.
        // SAFETY: it takes no pointer.
        return unsafe { sys!(SYS_fcntl, from, libc::F_SETFD, 0).map(drop) };
    }
    // SAFETY: it takes no pointer.
    unsafe { sys!(SYS_dup3, from, to, 0).map(drop) }
}

/// Duplicates a descriptor to a number of at least `least`.
pub(in crate::sandbox) fn dup_above(from: RawFd, least: RawFd) -> Result<Fresh, Errno> {
    // SAFETY: it takes no pointer.
    unsafe { sys!(SYS_fcntl, from, libc::F_DUPFD_CLOEXEC, least).map(number).map(Fresh) }
}

pub(in crate::sandbox) fn close(file: RawFd) {
    // Closing what is not open does nothing.
    // SAFETY: it takes no pointer; callers own what they close.
    let _ = unsafe { sys!(SYS_close, file) };
}

pub(in crate::sandbox) fn close_range(
    first: c_uint,
    last: c_uint,
    flags: c_uint,
) -> Result<(), Errno> {
    // SAFETY: it takes no pointer; only a child that owns its table calls this.
    unsafe { sys!(SYS_close_range, first, last, flags).map(drop) }
}

/// Looks which of these are ready; waits until one is, if `is_patient`.
pub(in crate::sandbox) fn poll(files: &mut [libc::pollfd], is_patient: bool) -> Result<(), Errno> {
    let no_time = [0i64; 2];
    let time = if is_patient { 0 } else { no_time.as_ptr().expose_provenance() };
    loop {
        // SAFETY: the kernel writes to as many entries as it is told; no time or zero, and no mask.
        let ready = unsafe {
            sys!(
                SYS_ppoll,
                files.as_mut_ptr().expose_provenance(),
                files.len(),
                time,
                0usize,
                0usize
            )
        };
        match ready {
            Err(Errno(libc::EINTR)) => {}
            other => return other.map(drop),
        }
    }
}

/// Makes a pipe: the end to read from and the end to write to.
pub(in crate::sandbox) fn pipe() -> Result<[Fresh; 2], Errno> {
    let mut ends: [c_int; 2] = [-1; 2];
    // SAFETY: the kernel writes two numbers.
    unsafe { sys!(SYS_pipe2, ends.as_mut_ptr().expose_provenance(), libc::O_CLOEXEC)? };
    Ok(ends.map(Fresh))
}

/// Makes two connected sockets that keep the borders of messages.
pub(in crate::sandbox) fn socket_pair() -> Result<[Fresh; 2], Errno> {
    let mut ends: [c_int; 2] = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the kernel writes two numbers.
    unsafe { sys!(SYS_socketpair, libc::AF_UNIX, kind, 0, ends.as_mut_ptr().expose_provenance())? };
    Ok(ends.map(Fresh))
}

/// Makes the processes of this one's group those that a terminal listens to.
pub(in crate::sandbox) fn take_terminal(terminal: RawFd, group: c_int) -> Result<(), Errno> {
    // SAFETY: the kernel reads one number.
    unsafe {
        sys!(SYS_ioctl, terminal, libc::TIOCSPGRP, (&raw const group).expose_provenance()).map(drop)
    }
}

/// Returns a descriptor that is readable after a time.
pub(in crate::sandbox) fn timer(time: std::time::Duration) -> Result<Fresh, Errno> {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    // Zero would mean never.
    let nanoseconds = i64::from(time.subsec_nanos()).max(i64::from(seconds == 0));
    let setting: [i64; 4] = [0, 0, seconds, nanoseconds];
    // SAFETY: this is a `struct itimerspec`: no interval, and the time.
    unsafe {
        let timer = number(sys!(SYS_timerfd_create, libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC)?);
        sys!(SYS_timerfd_settime, timer, 0, setting.as_ptr().expose_provenance(), 0)?;
        Ok(Fresh(timer))
    }
}

/// Returns the group that a terminal listens to.
pub(in crate::sandbox) fn terminal_group(terminal: RawFd) -> Result<c_int, Errno> {
    let mut group: c_int = 0;
    // SAFETY: the kernel writes one number.
    unsafe { sys!(SYS_ioctl, terminal, libc::TIOCGPGRP, (&raw mut group).expose_provenance())? };
    Ok(group)
}

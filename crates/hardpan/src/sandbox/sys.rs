// SPDX-License-Identifier: Apache-2.0
//! System calls, each as a safe function over what it needs.
//!
//! None of these allocates, takes a lock or panics, so all of them may be called after a fork of a
//! program that has threads. Descriptors are plain numbers here: a wrong one is an error of the call
//! and no more, since nothing here maps or unmaps memory.
#![expect(unsafe_code, reason = "this is where system calls are made")]

use std::ffi::CStr;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};

use libc::{c_char, c_int, c_long, c_uint};

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
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: the caller promises it; surplus arguments are ignored by the kernel.
    let result = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if result == -1 {
        // SAFETY: errno of this thread is always there.
        return Err(Errno(unsafe { *libc::__errno_location() }));
    }
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
        self.as_ptr().addr()
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

/// Takes ownership of a descriptor that a call of this module just returned.
pub(super) fn owned(descriptor: RawFd) -> OwnedFd {
    // SAFETY: callers pass what a call returned to them and nobody else has.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

// Files.

pub(super) fn openat2(
    directory: RawFd,
    path: &CStr,
    flags: c_int,
    resolve: u64,
) -> Result<RawFd, Errno> {
    let how: [u64; 3] = [u64::from((flags | libc::O_CLOEXEC).cast_unsigned()), 0, resolve];
    // SAFETY: the path ends with NUL, and `how` is a `struct open_how` of the size given.
    unsafe {
        sys!(SYS_openat2, directory, path, how.as_ptr().addr(), size_of_val(&how)).map(number)
    }
}

pub(super) fn create(directory: RawFd, path: &CStr, mode: u32) -> Result<RawFd, Errno> {
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC | libc::O_NOFOLLOW;
    // SAFETY: the path ends with NUL.
    unsafe { sys!(SYS_openat, directory, path, flags, mode).map(number) }
}

pub(super) fn mkdirat(directory: RawFd, path: &CStr, mode: u32) -> Result<(), Errno> {
    // SAFETY: the path ends with NUL.
    unsafe { sys!(SYS_mkdirat, directory, path, mode).map(drop) }
}

pub(super) fn symlinkat(target: &CStr, directory: RawFd, path: &CStr) -> Result<(), Errno> {
    // SAFETY: both paths end with NUL.
    unsafe { sys!(SYS_symlinkat, target, directory, path).map(drop) }
}

/// Gives a file to nobody new, which makes an overlay copy it up and takes setuid bits from it.
pub(super) fn touch_owner(file: RawFd) -> Result<(), Errno> {
    // SAFETY: the path ends with NUL.
    unsafe { sys!(SYS_fchownat, file, c"", u32::MAX, u32::MAX, libc::AT_EMPTY_PATH).map(drop) }
}

pub(super) fn fchmod(file: RawFd, mode: u32) -> Result<(), Errno> {
    // SAFETY: it takes no pointer.
    unsafe { sys!(SYS_fchmod, file, mode).map(drop) }
}

pub(super) fn statx(directory: RawFd, path: &CStr, flags: c_int) -> Result<libc::statx, Errno> {
    let mut answer = std::mem::MaybeUninit::<libc::statx>::zeroed();
    let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME | libc::STATX_MNT_ID;
    // SAFETY: the path ends with NUL, and the answer is as large as the kernel's; all zero is a value.
    unsafe {
        sys!(SYS_statx, directory, path, flags, mask, answer.as_mut_ptr().addr())?;
        Ok(answer.assume_init())
    }
}

/// Returns whether the file system that a file is on, or its mount, is read-only.
pub(super) fn is_read_only(file: RawFd) -> Result<bool, Errno> {
    // `struct statfs` of 64-bit machines: eleven words, the last is the flags, and room to grow.
    let mut answer = [0u64; 15];
    // SAFETY: the answer is as large as the kernel's.
    unsafe { sys!(SYS_fstatfs, file, answer.as_mut_ptr().addr())? };
    Ok(answer[10] & libc::ST_RDONLY != 0)
}

/// Writes the target of a link and returns its length; the empty path is the descriptor itself.
pub(super) fn readlinkat(directory: RawFd, path: &CStr, to: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the path ends with NUL, and the kernel writes no more than the length given.
    unsafe { sys!(SYS_readlinkat, directory, path, to.as_mut_ptr().addr(), to.len()) }
}

/// Most bytes of a file handle.
pub(super) const HANDLE_BYTES_MAX: usize = 128;

/// Writes what names a file for as long as it is there, and no other file later: type and handle.
pub(super) fn name_to_handle(
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
    let mut handle = Handle { length: (HANDLE_BYTES_MAX - 4) as c_uint, kind: 0, bytes: [0; _] };
    let mut mount: c_int = 0;
    let at = std::ptr::from_mut(&mut handle).addr();
    let mount_at = std::ptr::from_mut(&mut mount).addr();
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
pub(super) fn weak_key(status: &libc::statx, to: &mut [u8; HANDLE_BYTES_MAX]) -> usize {
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

pub(super) fn read(file: RawFd, to: &mut [u8]) -> Result<usize, Errno> {
    // SAFETY: the kernel writes no more than the length given.
    unsafe { sys!(SYS_read, file, to.as_mut_ptr().addr(), to.len()) }
}

pub(super) fn pread(file: RawFd, to: &mut [u8], at: u64) -> Result<usize, Errno> {
    // SAFETY: the kernel writes no more than the length given.
    unsafe { sys!(SYS_pread64, file, to.as_mut_ptr().addr(), to.len(), at) }
}

/// Turns a part of this process's memory into zeros. Nobody may look at it again.
pub(super) fn forget_memory(start: u64, length: usize) -> Result<(), Errno> {
    const ZEROS: [u8; 4096] = [0; 4096];
    let memory = openat2(libc::AT_FDCWD, c"/proc/self/mem", libc::O_WRONLY, 0)?;
    let mut done = 0;
    while done < length {
        let part = (length - done).min(ZEROS.len());
        let at = start + done as u64;
        // SAFETY: the kernel reads no more than the length given. What it writes to is what the
        // caller named, who knows that no value of ours is there.
        done += unsafe { sys!(SYS_pwrite64, memory, ZEROS.as_ptr().addr(), part, at)? };
    }
    close(memory);
    Ok(())
}

/// Writes all of it.
pub(super) fn write_all(file: RawFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        // SAFETY: the kernel reads no more than the length given.
        match unsafe { sys!(SYS_write, file, bytes.as_ptr().addr(), bytes.len()) } {
            Ok(0) => return Err(Errno(libc::EIO)),
            Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
            Err(Errno(libc::EINTR)) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Sends one message.
pub(super) fn send(socket: RawFd, bytes: &[u8]) -> Result<(), Errno> {
    // SAFETY: the kernel reads no more than the length given; there is no address.
    unsafe {
        let (at, length) = (bytes.as_ptr().addr(), bytes.len());
        sys!(SYS_sendto, socket, at, length, libc::MSG_NOSIGNAL, 0, 0).map(drop)
    }
}

pub(super) fn dup2(from: RawFd, to: RawFd) -> Result<(), Errno> {
    if from == to {
        // dup3 refuses this, and the descriptor has to survive what comes.
        // SAFETY: it takes no pointer.
        return unsafe { sys!(SYS_fcntl, from, libc::F_SETFD, 0).map(drop) };
    }
    // SAFETY: it takes no pointer.
    unsafe { sys!(SYS_dup3, from, to, 0).map(drop) }
}

/// Duplicates a descriptor to a number of at least `least`.
pub(super) fn dup_above(from: RawFd, least: RawFd) -> Result<RawFd, Errno> {
    // SAFETY: it takes no pointer.
    unsafe { sys!(SYS_fcntl, from, libc::F_DUPFD_CLOEXEC, least).map(number) }
}

pub(super) fn close(file: RawFd) {
    // Closing what is not open does nothing.
    // SAFETY: it takes no pointer; callers own what they close.
    let _ = unsafe { sys!(SYS_close, file) };
}

pub(super) fn close_range(first: c_uint, last: c_uint, flags: c_uint) -> Result<(), Errno> {
    // SAFETY: it takes no pointer; only a child that owns its table calls this.
    unsafe { sys!(SYS_close_range, first, last, flags).map(drop) }
}

/// Looks which of these are ready; waits until one is, if `is_patient`.
pub(super) fn poll(files: &mut [libc::pollfd], is_patient: bool) -> Result<(), Errno> {
    let no_time = [0i64; 2];
    let time = if is_patient { 0 } else { no_time.as_ptr().addr() };
    loop {
        // SAFETY: the kernel writes to as many entries as it is told; no time or zero, and no mask.
        let ready = unsafe {
            sys!(SYS_ppoll, files.as_mut_ptr().addr(), files.len(), time, 0usize, 0usize)
        };
        match ready {
            Err(Errno(libc::EINTR)) => {}
            other => return other.map(drop),
        }
    }
}

// Mounts.

pub(super) fn open_tree(path: &CStr, is_recursive: bool) -> Result<RawFd, Errno> {
    let recursive = if is_recursive { libc::AT_RECURSIVE.cast_unsigned() } else { 0 };
    let flags = libc::OPEN_TREE_CLONE | libc::O_CLOEXEC.cast_unsigned() | recursive;
    // SAFETY: the path ends with NUL.
    unsafe { sys!(SYS_open_tree, libc::AT_FDCWD, path, flags).map(number) }
}

/// Copies the mount of something that is open.
pub(super) fn clone_mount(file: RawFd) -> Result<RawFd, Errno> {
    let flags = libc::OPEN_TREE_CLONE
        | libc::O_CLOEXEC.cast_unsigned()
        | libc::AT_EMPTY_PATH.cast_unsigned();
    // SAFETY: the path ends with NUL.
    unsafe { sys!(SYS_open_tree, file, c"", flags).map(number) }
}

/// Attaches a mount at a path below `directory`, or at `directory` itself where the path is empty.
pub(super) fn move_mount(mount: RawFd, directory: RawFd, path: &CStr) -> Result<(), Errno> {
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    // SAFETY: both paths end with NUL.
    unsafe { sys!(SYS_move_mount, mount, c"", directory, path, flags).map(drop) }
}

pub(super) fn fsopen(kind: &CStr) -> Result<RawFd, Errno> {
    // SAFETY: the name ends with NUL.
    unsafe { sys!(SYS_fsopen, kind, libc::FSOPEN_CLOEXEC).map(number) }
}

pub(super) fn fsconfig(file_system: RawFd, key: &CStr, value: &CStr) -> Result<(), Errno> {
    let command = libc::FSCONFIG_SET_STRING;
    // SAFETY: both texts end with NUL.
    unsafe { sys!(SYS_fsconfig, file_system, command, key, value, 0).map(drop) }
}

pub(super) fn fsconfig_flag(file_system: RawFd, key: &CStr) -> Result<(), Errno> {
    let command = libc::FSCONFIG_SET_FLAG;
    // SAFETY: the key ends with NUL; a flag has no value.
    unsafe { sys!(SYS_fsconfig, file_system, command, key, 0usize, 0).map(drop) }
}

/// Makes the file system that was configured and returns its mount.
pub(super) fn fsmount(file_system: RawFd, attributes: u64) -> Result<RawFd, Errno> {
    let command = libc::FSCONFIG_CMD_CREATE;
    // SAFETY: creating takes no pointer.
    unsafe {
        sys!(SYS_fsconfig, file_system, command, 0usize, 0usize, 0)?;
        sys!(SYS_fsmount, file_system, libc::FSMOUNT_CLOEXEC, attributes).map(number)
    }
}

/// Sets attributes of a mount, and of all below it if `is_recursive`.
pub(super) fn mount_setattr(
    mount: RawFd,
    set: u64,
    propagation: u64,
    is_recursive: bool,
) -> Result<(), Errno> {
    // attr_set, attr_clr, propagation, userns_fd
    let attributes: [u64; 4] = [set, 0, propagation, 0];
    let flags = libc::AT_EMPTY_PATH | if is_recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path ends with NUL, and this is a `struct mount_attr` of the size given.
    unsafe {
        let (at, length) = (attributes.as_ptr().addr(), size_of_val(&attributes));
        sys!(SYS_mount_setattr, mount, c"", flags, at, length).map(drop)
    }
}

/// Makes the current directory the root and detaches what was there before.
pub(super) fn pivot_root() -> Result<(), Errno> {
    // SAFETY: all paths end with NUL.
    unsafe {
        sys!(SYS_pivot_root, c".", c".")?;
        sys!(SYS_umount2, c".", libc::MNT_DETACH)?;
        sys!(SYS_chdir, c"/").map(drop)
    }
}

pub(super) fn fchdir(directory: RawFd) -> Result<(), Errno> {
    // SAFETY: it takes no pointer.
    unsafe { sys!(SYS_fchdir, directory).map(drop) }
}

pub(super) fn chdir(path: &CStr) -> Result<(), Errno> {
    // SAFETY: the path ends with NUL.
    unsafe { sys!(SYS_chdir, path).map(drop) }
}

// Processes.

/// Copies this process, as fork does, into new namespaces. In the copy `child` runs and never
/// returns. The copy has one thread, so `child` may not allocate or wait for a lock.
pub(super) fn fork_with<T>(
    flags: u64,
    exit_signal: c_int,
    data: &T,
    child: fn(&T) -> Never,
) -> Result<(i32, RawFd), Errno> {
    let mut pidfd: c_int = -1;
    let mut arguments = [0u64; 8];
    arguments[0] = flags | u64::from(libc::CLONE_PIDFD.cast_unsigned());
    arguments[1] = std::ptr::from_mut(&mut pidfd).addr() as u64;
    arguments[4] = u64::from(exit_signal.cast_unsigned());
    // SAFETY: this is a `struct clone_args` (version 0) of the size given. Without CLONE_VM and a
    // stack of its own the child goes on with a copy of all memory, and it leaves this function
    // never: `child` does not return, and a panic ends it.
    let process = unsafe { sys!(SYS_clone3, arguments.as_ptr().addr(), size_of_val(&arguments))? };
    if process == 0 {
        let _last = EndOnUnwind;
        child(data);
    }
    Ok((number(process), pidfd))
}

/// What never is.
pub(super) enum Never {}

/// A child that unwinds would run the parent's code a second time.
struct EndOnUnwind;

impl Drop for EndOnUnwind {
    fn drop(&mut self) {
        exit(70);
    }
}

pub(super) fn exit(code: c_int) -> Never {
    loop {
        // SAFETY: it takes no pointer and ends the process.
        let _ = unsafe { sys!(SYS_exit_group, code) };
    }
}

/// Replaces the program. Returns only if that fails.
///
/// # Safety
/// Both lists must end with a null pointer and hold pointers to texts that end with NUL.
pub(super) unsafe fn execve(
    path: &CStr,
    arguments: *const *const c_char,
    environment: *const *const c_char,
) -> Errno {
    // SAFETY: the caller promises the lists; the path ends with NUL.
    match unsafe { sys!(SYS_execve, path, arguments.addr(), environment.addr()) } {
        Ok(_) => Errno(0),
        Err(errno) => errno,
    }
}

/// Waits for any child, without waiting long: `Ok(None)` if none has ended.
pub(super) fn reap() -> Result<Option<(i32, i32)>, Errno> {
    let mut status: c_int = 0;
    let at = std::ptr::from_mut(&mut status).addr();
    // SAFETY: the kernel writes the status only.
    let process = unsafe { sys!(SYS_wait4, -1, at, libc::WNOHANG, 0)? };
    Ok((process != 0).then_some((number(process), status)))
}

/// Enters namespaces of a process.
pub(super) fn enter(pidfd: RawFd, namespaces: c_int) -> Result<(), Errno> {
    // SAFETY: it takes no pointer.
    unsafe { sys!(SYS_setns, pidfd, namespaces).map(drop) }
}

/// Connects to a TCP port of the loopback.
pub(super) fn connect(port: u16) -> Result<RawFd, Errno> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
    let address = libc::sockaddr_in {
        #[expect(clippy::cast_possible_truncation, reason = "it is 2")]
        #[expect(clippy::cast_sign_loss, reason = "it is 2")]
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes([127, 0, 0, 1]) },
        sin_zero: [0; 8],
    };
    // SAFETY: the address has the size given.
    unsafe {
        let socket = number(sys!(SYS_socket, libc::AF_INET, kind, 0)?);
        let at = std::ptr::from_ref(&address).addr();
        match sys!(SYS_connect, socket, at, size_of_val(&address)) {
            Ok(_) => Ok(socket),
            Err(errno) => {
                close(socket);
                Err(errno)
            }
        }
    }
}

/// Waits for the process of a descriptor, which must be a child, to end.
pub(super) fn wait_for(pidfd: RawFd) -> Result<(), Errno> {
    loop {
        let flags = libc::WEXITED | libc::__WALL;
        // SAFETY: no information and no usage is asked for.
        match unsafe { sys!(SYS_waitid, libc::P_PIDFD, pidfd, 0usize, flags, 0) } {
            Err(Errno(libc::EINTR)) => {}
            other => return other.map(drop),
        }
    }
}

pub(super) fn kill(pidfd: RawFd) -> Result<(), Errno> {
    // SAFETY: no information is passed.
    unsafe { sys!(SYS_pidfd_send_signal, pidfd, libc::SIGKILL, 0, 0).map(drop) }
}

pub(super) fn prctl(option: c_int, value: u64) -> Result<(), Errno> {
    // SAFETY: callers use options whose value is a number.
    unsafe { sys!(SYS_prctl, option, value, 0, 0, 0).map(drop) }
}

pub(super) fn become_user(uid: u32, gid: u32, drop_groups: bool) -> Result<(), Errno> {
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
pub(super) fn capset(effective: u64, permitted: u64, inheritable: u64) -> Result<(), Errno> {
    const VERSION_3: u32 = 0x2008_0522;
    let header: [u32; 2] = [VERSION_3, 0];
    let half = |set: u64, high: bool| {
        let bytes = set.to_le_bytes();
        let [a, b, c, d, e, f, g, h] = bytes;
        u32::from_le_bytes(if high { [e, f, g, h] } else { [a, b, c, d] })
    };
    let data: [u32; 6] = [
        half(effective, false),
        half(permitted, false),
        half(inheritable, false),
        half(effective, true),
        half(permitted, true),
        half(inheritable, true),
    ];
    // SAFETY: header and data have the layout of version 3.
    unsafe { sys!(SYS_capset, header.as_ptr().addr(), data.as_ptr().addr()).map(drop) }
}

pub(super) fn set_limit(resource: u32, value: u64) -> Result<(), Errno> {
    let mut old = [0u64; 2];
    // SAFETY: the kernel writes two numbers, then reads two.
    unsafe {
        sys!(SYS_prlimit64, 0, resource, 0, old.as_mut_ptr().addr())?;
        let value = value.min(old[1]);
        let new = [value, value];
        sys!(SYS_prlimit64, 0, resource, new.as_ptr().addr(), 0).map(drop)
    }
}

pub(super) fn sethostname(name: &[u8]) -> Result<(), Errno> {
    // SAFETY: the kernel reads no more than the length given.
    unsafe { sys!(SYS_sethostname, name.as_ptr().addr(), name.len()).map(drop) }
}

pub(super) fn umask(mask: u32) {
    // SAFETY: it takes no pointer and can't fail.
    let _ = unsafe { sys!(SYS_umask, mask) };
}

/// Makes a pipe: the end to read from and the end to write to.
pub(super) fn pipe() -> Result<[RawFd; 2], Errno> {
    let mut ends: [c_int; 2] = [-1; 2];
    // SAFETY: the kernel writes two numbers.
    unsafe { sys!(SYS_pipe2, ends.as_mut_ptr().addr(), libc::O_CLOEXEC)? };
    Ok(ends)
}

/// Makes two connected sockets that keep the borders of messages.
pub(super) fn socket_pair() -> Result<[RawFd; 2], Errno> {
    let mut ends: [c_int; 2] = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    // SAFETY: the kernel writes two numbers.
    unsafe { sys!(SYS_socketpair, libc::AF_UNIX, kind, 0, ends.as_mut_ptr().addr())? };
    Ok(ends)
}

/// Makes the processes of this one's group those that a terminal listens to.
pub(super) fn take_terminal(terminal: RawFd, group: c_int) -> Result<(), Errno> {
    // SAFETY: the kernel reads one number.
    unsafe { sys!(SYS_ioctl, terminal, libc::TIOCSPGRP, (&raw const group).addr()).map(drop) }
}

/// Puts the process into a group of its own and returns the group.
pub(super) fn own_group() -> Result<c_int, Errno> {
    // SAFETY: it takes no pointer.
    unsafe {
        sys!(SYS_setpgid, 0, 0)?;
        sys!(SYS_getpgid, 0).map(number)
    }
}

pub(super) fn setsid() -> Result<(), Errno> {
    // SAFETY: it takes nothing.
    unsafe { sys!(SYS_setsid).map(drop) }
}

/// Leaves the keyring of the session that the parent is part of.
pub(super) fn leave_keyring() {
    const JOIN_SESSION_KEYRING: c_int = 1;
    // Kernels may have no keyrings at all.
    // SAFETY: no name is passed.
    let _ = unsafe { sys!(SYS_keyctl, JOIN_SESSION_KEYRING, 0) };
}

/// Brings the loopback of this network namespace up.
pub(super) fn loopback_up() -> Result<(), Errno> {
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
        let at = std::ptr::from_mut(&mut request).addr();
        sys!(SYS_ioctl, socket, libc::SIOCGIFFLAGS, at)?;
        #[expect(clippy::cast_possible_truncation, reason = "it is bit 0")]
        let up = libc::IFF_UP as i16;
        request.flags |= up;
        let at = std::ptr::from_mut(&mut request).addr();
        sys!(SYS_ioctl, socket, libc::SIOCSIFFLAGS, at)?;
        close(socket);
    }
    Ok(())
}

/// Names the process in lists of processes.
pub(super) fn set_name(name: &CStr) -> Result<(), Errno> {
    // SAFETY: the name ends with NUL; the kernel reads 16 bytes at most, and no further than that.
    unsafe { sys!(SYS_prctl, libc::PR_SET_NAME, name, 0, 0, 0).map(drop) }
}

/// Keeps this process and its children from sockets without a file that others made. Kernels before
/// Linux 6.12 can't.
pub(super) fn leave_abstract_sockets() -> Result<(), Errno> {
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
        let (at, length) = (rules.as_ptr().addr(), size_of_val(&rules));
        let rules = number(sys!(SYS_landlock_create_ruleset, at, length, 0)?);
        sys!(SYS_landlock_restrict_self, rules, 0)?;
        close(rules);
    }
    Ok(())
}

// Signals.

/// Ignores a signal, as do programs that this one becomes.
pub(super) fn ignore_signal(signal: c_int) -> Result<(), Errno> {
    // Handler (1 is to ignore), flags, restorer, mask.
    let action = [1u64, 0, 0, 0];
    // SAFETY: the action has the layout and mask size that the kernel takes.
    unsafe { sys!(SYS_rt_sigaction, signal, action.as_ptr().addr(), 0, 8).map(drop) }
}

const SIGNALS: c_int = 64;

/// Blocks all signals of this thread and returns what was blocked before.
pub(super) fn block_signals() -> Result<u64, Errno> {
    set_signals(u64::MAX)
}

pub(super) fn set_signals(mask: u64) -> Result<u64, Errno> {
    let mut old = 0u64;
    let at = (&raw const mask).addr();
    let old_at = (&raw mut old).addr();
    // SAFETY: both masks have the size given.
    unsafe { sys!(SYS_rt_sigprocmask, libc::SIG_SETMASK, at, old_at, 8)? };
    Ok(old)
}

/// Forgets all handlers: they would run the parent's code.
pub(super) fn default_signals() {
    // Handler, flags, restorer, mask of the kernel's `struct sigaction`: all zero is the default.
    let action = [0u64; 4];
    for signal in 1..=SIGNALS {
        // SIGKILL and SIGSTOP refuse, and have no handler.
        // SAFETY: the action has the layout and mask size that the kernel takes.
        let _ = unsafe { sys!(SYS_rt_sigaction, signal, action.as_ptr().addr(), 0, 8) };
    }
}

/// Returns a descriptor that is readable when a child has ended; the signal must be blocked.
pub(super) fn child_events() -> Result<RawFd, Errno> {
    let mask = 1u64 << (libc::SIGCHLD - 1);
    let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
    // SAFETY: the mask has the size given.
    unsafe { sys!(SYS_signalfd4, -1, (&raw const mask).addr(), 8, flags).map(number) }
}

// Seccomp.

/// Installs a filter for this process and its children; returns the descriptor that hears of what
/// the filter asks about.
pub(super) fn install_filter(filter: &[libc::sock_filter]) -> Result<RawFd, Errno> {
    #[repr(C)]
    struct Program {
        length: u16,
        at: *const libc::sock_filter,
    }
    let length = u16::try_from(filter.len()).map_err(|_| Errno(libc::EINVAL))?;
    let program = Program { length, at: filter.as_ptr() };
    let at = (&raw const program).addr();
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
pub(super) fn receive_question(listener: RawFd) -> Result<Option<libc::seccomp_notif>, Errno> {
    let mut question = std::mem::MaybeUninit::<libc::seccomp_notif>::zeroed();
    let request = libc::SECCOMP_IOCTL_NOTIF_RECV;
    // SAFETY: the kernel writes one question; all zero, which it asks for, is a value.
    unsafe {
        match sys!(SYS_ioctl, listener, request, question.as_mut_ptr().addr()) {
            Ok(_) => Ok(Some(question.assume_init())),
            Err(Errno(libc::ENOENT | libc::EINTR)) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

/// Returns whether who asked is still waiting, so that its number still means it.
pub(super) fn is_waiting(listener: RawFd, id: u64) -> bool {
    let request = libc::SECCOMP_IOCTL_NOTIF_ID_VALID;
    // SAFETY: the kernel reads one number.
    unsafe { sys!(SYS_ioctl, listener, request, (&raw const id).addr()).is_ok() }
}

/// Answers: zero is success, else an error's number.
pub(super) fn answer(listener: RawFd, id: u64, errno: i32) {
    let response = libc::seccomp_notif_resp { id, val: 0, error: -errno, flags: 0 };
    let request = libc::SECCOMP_IOCTL_NOTIF_SEND;
    // Who asked may have gone.
    // SAFETY: the kernel reads one answer.
    let _ = unsafe { sys!(SYS_ioctl, listener, request, (&raw const response).addr()) };
}

/// Returns a descriptor that is readable after a time.
pub(super) fn timer(time: std::time::Duration) -> Result<RawFd, Errno> {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    // Zero would mean never.
    let nanoseconds = i64::from(time.subsec_nanos()).max(i64::from(seconds == 0));
    let setting: [i64; 4] = [0, 0, seconds, nanoseconds];
    // SAFETY: this is a `struct itimerspec`: no interval, and the time.
    unsafe {
        let timer = number(sys!(SYS_timerfd_create, libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC)?);
        sys!(SYS_timerfd_settime, timer, 0, setting.as_ptr().addr(), 0)?;
        Ok(timer)
    }
}

/// Returns the group that a terminal listens to.
pub(super) fn terminal_group(terminal: RawFd) -> Result<c_int, Errno> {
    let mut group: c_int = 0;
    // SAFETY: the kernel writes one number.
    unsafe { sys!(SYS_ioctl, terminal, libc::TIOCGPGRP, (&raw mut group).addr())? };
    Ok(group)
}

/// Returns the group of this process.
pub(super) fn group() -> Result<c_int, Errno> {
    // SAFETY: it takes no pointer.
    unsafe { sys!(SYS_getpgid, 0).map(number) }
}

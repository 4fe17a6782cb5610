// SPDX-License-Identifier: Apache-2.0
//! Mounts.
#![expect(unsafe_code, reason = "this is where system calls are made")]

use std::ffi::CStr;
use std::os::fd::RawFd;

use super::{Argument, Errno, Fresh, call, number};

pub(in crate::sandbox) fn open_tree(path: &CStr, is_recursive: bool) -> Result<Fresh, Errno> {
    let recursive = if is_recursive { libc::AT_RECURSIVE.cast_unsigned() } else { 0 };
    let flags = libc::OPEN_TREE_CLONE | libc::O_CLOEXEC.cast_unsigned() | recursive;
    // SAFETY: the path ends with NUL.
    unsafe { sys!(SYS_open_tree, libc::AT_FDCWD, path, flags).map(number).map(Fresh) }
}

/// Copies the mount of something that is open.
pub(in crate::sandbox) fn clone_mount(file: RawFd) -> Result<RawFd, Errno> {
    let flags = libc::OPEN_TREE_CLONE
        | libc::O_CLOEXEC.cast_unsigned()
        | libc::AT_EMPTY_PATH.cast_unsigned();
    // SAFETY: the path ends with NUL.
    unsafe { sys!(SYS_open_tree, file, c"", flags).map(number) }
}

/// Attaches a mount at a path below `directory`, or at `directory` itself where the path is empty.
pub(in crate::sandbox) fn move_mount(
    mount: RawFd,
    directory: RawFd,
    path: &CStr,
) -> Result<(), Errno> {
    let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
    // SAFETY: both paths end with NUL.
    unsafe { sys!(SYS_move_mount, mount, c"", directory, path, flags).map(drop) }
}

pub(in crate::sandbox) fn fsopen(kind: &CStr) -> Result<RawFd, Errno> {
    // SAFETY: the name ends with NUL.
    unsafe { sys!(SYS_fsopen, kind, libc::FSOPEN_CLOEXEC).map(number) }
}

pub(in crate::sandbox) fn fsconfig(
    file_system: RawFd,
    key: &CStr,
    value: &CStr,
) -> Result<(), Errno> {
    let command = libc::FSCONFIG_SET_STRING;
    // SAFETY: both texts end with NUL.
    unsafe { sys!(SYS_fsconfig, file_system, command, key, value, 0).map(drop) }
}

pub(in crate::sandbox) fn fsconfig_flag(file_system: RawFd, key: &CStr) -> Result<(), Errno> {
    let command = libc::FSCONFIG_SET_FLAG;
    // SAFETY: the key ends with NUL; a flag has no value.
    unsafe { sys!(SYS_fsconfig, file_system, command, key, 0usize, 0).map(drop) }
}

/// Makes the file system that was configured and returns its mount.
pub(in crate::sandbox) fn fsmount(file_system: RawFd, attributes: u64) -> Result<RawFd, Errno> {
    let command = libc::FSCONFIG_CMD_CREATE;
    // SAFETY: creating takes no pointer.
    unsafe {
        sys!(SYS_fsconfig, file_system, command, 0usize, 0usize, 0)?;
        sys!(SYS_fsmount, file_system, libc::FSMOUNT_CLOEXEC, attributes).map(number)
    }
}

/// Sets attributes of a mount, and of all below it if `is_recursive`.
pub(in crate::sandbox) fn mount_setattr(
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
        let (at, length) = (attributes.as_ptr().expose_provenance(), size_of_val(&attributes));
        sys!(SYS_mount_setattr, mount, c"", flags, at, length).map(drop)
    }
}

/// Makes the current directory the root and detaches what was there before.
pub(in crate::sandbox) fn pivot_root() -> Result<(), Errno> {
    // SAFETY: all paths end with NUL.
    unsafe {
        sys!(SYS_pivot_root, c".", c".")?;
        sys!(SYS_umount2, c".", libc::MNT_DETACH)?;
        sys!(SYS_chdir, c"/").map(drop)
    }
}

pub(in crate::sandbox) fn fchdir(directory: RawFd) -> Result<(), Errno> {
    // SAFETY: it takes no pointer.
    unsafe { sys!(SYS_fchdir, directory).map(drop) }
}

pub(in crate::sandbox) fn chdir(path: &CStr) -> Result<(), Errno> {
    // SAFETY: the path ends with NUL.
    unsafe { sys!(SYS_chdir, path).map(drop) }
}

// SPDX-License-Identifier: Apache-2.0
//! The files that a sandboxed program sees.

use std::ffi::{CStr, CString};
use std::os::fd::RawFd;

use super::super::message::{At as _, Failure, Message, PATH_BYTES_MAX, Step, send};
use super::super::plan::{MountKindPlan, MountPlan, Plan, RootPlan};
use super::super::sys::{self, Errno};
use super::{World, answer};

const NO_SUID: u64 = libc::MOUNT_ATTR_NOSUID;
const NO_DEV: u64 = libc::MOUNT_ATTR_NODEV;
const NO_EXEC: u64 = libc::MOUNT_ATTR_NOEXEC;
const READ_ONLY: u64 = libc::MOUNT_ATTR_RDONLY;
const PRIVATE: u64 = libc::MS_PRIVATE;

/// Where mounts are put together, out of sight of the program. It is on top of the host's `/dev`, which
/// is everywhere and not needed any more.
const STAGING: &CStr = c"/dev";
/// What paths in the root begin with before it is the root.
const STAGED_ROOT: &[u8] = b"/dev/root";

/// Links that every `/dev` has.
const LINKS: [(&CStr, &CStr); 5] = [
    (c"fd", c"/proc/self/fd"),
    (c"stdin", c"/proc/self/fd/0"),
    (c"stdout", c"/proc/self/fd/1"),
    (c"stderr", c"/proc/self/fd/2"),
    (c"ptmx", c"pts/ptmx"),
];
/// What of `/proc` tells of the machine or acts on it, as container engines hide it.
const HIDDEN: [&CStr; 12] = [
    c"proc/acpi",
    c"proc/asound",
    c"proc/interrupts",
    c"proc/kallsyms",
    c"proc/kcore",
    c"proc/keys",
    c"proc/key-users",
    c"proc/latency_stats",
    c"proc/sched_debug",
    c"proc/scsi",
    c"proc/timer_list",
    c"proc/timer_stats",
];
/// What of `/proc` can be read only.
const UNCHANGEABLE: [&CStr; 5] =
    [c"proc/bus", c"proc/fs", c"proc/irq", c"proc/sys", c"proc/sysrq-trigger"];

/// Makes all mounts and leaves the host's files.
pub(super) fn make(plan: &Plan) -> Result<World, Failure> {
    let staging = stage().at(Step::Staging)?;
    let (root, upper) = root(plan, staging)?;
    dev(plan, root).at(Step::Dev)?;
    let proc = proc(plan, root).at(Step::Proc)?;
    tmp(plan, root, staging).at(Step::Tmp)?;
    for (index, mount) in plan.mounts.iter().enumerate() {
        attach(plan, root, mount).at_index(Step::Mount, index)?;
    }
    emulators(plan, root, staging)?;
    if matches!(plan.root, RootPlan::ReadOnly { .. }) {
        sys::mount_setattr(root, READ_ONLY, 0, false).at(Step::Root)?;
    }
    sys::fchdir(root).at(Step::Pivot)?;
    sys::pivot_root().at(Step::Pivot)?;
    work_dir(plan, root).at(Step::WorkDir)?;
    let root_mount = answer::mount_of(root).at(Step::Root)?;
    Ok(World { upper, proc, root_mount })
}

fn stage() -> Result<RawFd, Errno> {
    let host = sys::openat2(libc::AT_FDCWD, c"/", libc::O_PATH, 0)?;
    // Nothing of what follows reaches the host's mounts.
    sys::mount_setattr(host, 0, PRIVATE, true)?;
    let staging = temporary(c"0700", c"16777216", NO_SUID | NO_DEV)?;
    sys::move_mount(staging, libc::AT_FDCWD, STAGING)?;
    for name in [c"root", c"lower", c"scratch", c"upper", c"work", c"ram"] {
        sys::mkdirat(staging, name, 0o755)?;
    }
    Ok(staging)
}

fn temporary(mode: &CStr, size: &CStr, attributes: u64) -> Result<RawFd, Errno> {
    let file_system = sys::fsopen(c"tmpfs")?;
    sys::fsconfig(file_system, c"mode", mode)?;
    sys::fsconfig(file_system, c"size", size)?;
    sys::fsmount(file_system, attributes)
}

/// Attaches the root and returns it with the directory that has its changes.
fn root(plan: &Plan, staging: RawFd) -> Result<(RawFd, RawFd), Failure> {
    let directory = |path: &CStr| sys::openat2(staging, path, libc::O_PATH | libc::O_DIRECTORY, 0);
    match &plan.root {
        RootPlan::Overlay { lower, scratch } => {
            sys::move_mount(lower.mount(), staging, c"lower").at(Step::Root)?;
            sys::move_mount(scratch.mount(), staging, c"scratch").at(Step::Root)?;
            let root = overlay(c"/dev/scratch/upper", c"/dev/scratch/work").at(Step::Overlay)?;
            sys::move_mount(root, staging, c"root").at(Step::Root)?;
            Ok((root, directory(c"scratch/upper").at(Step::Root)?))
        }
        RootPlan::Plain { scratch } => {
            sys::move_mount(scratch.mount(), staging, c"scratch").at(Step::Root)?;
            let root = directory(c"scratch/root").and_then(sys::clone_mount).at(Step::Root)?;
            sys::mount_setattr(root, NO_SUID | NO_DEV, 0, false).at(Step::Root)?;
            sys::move_mount(root, staging, c"root").at(Step::Root)?;
            Ok((root, root))
        }
        RootPlan::ReadOnly { lower } => {
            sys::move_mount(lower.mount(), staging, c"lower").at(Step::Root)?;
            let root = read_only(lower.mount(), staging).at(Step::Root)?;
            sys::move_mount(root, staging, c"root").at(Step::Root)?;
            Ok((root, -1))
        }
        RootPlan::Empty => {
            let root = temporary(c"0755", c"16777216", NO_SUID | NO_DEV).at(Step::Root)?;
            sys::move_mount(root, staging, c"root").at(Step::Root)?;
            Ok((root, -1))
        }
    }
}

fn overlay(upper: &CStr, work: &CStr) -> Result<RawFd, Errno> {
    let file_system = sys::fsopen(c"overlay")?;
    sys::fsconfig(file_system, c"source", c"overlay")?;
    sys::fsconfig(file_system, c"lowerdir", c"/dev/lower")?;
    sys::fsconfig(file_system, c"upperdir", upper)?;
    sys::fsconfig(file_system, c"workdir", work)?;
    sys::fsconfig_flag(file_system, c"userxattr")?;
    // What changes need not survive a crash of the machine, so nobody has to wait for the disk.
    sys::fsconfig_flag(file_system, c"volatile")?;
    sys::fsmount(file_system, NO_SUID | NO_DEV)
}

/// A root that can't be changed. Mount points that it lacks are made in memory, above it; where the
/// kernel refuses that, it has to have them.
fn read_only(lower: RawFd, staging: RawFd) -> Result<RawFd, Errno> {
    let mode = u32::from(sys::statx(lower, c"", libc::AT_EMPTY_PATH)?.stx_mode);
    let upper = sys::openat2(staging, c"upper", libc::O_RDONLY | libc::O_DIRECTORY, 0)?;
    sys::fchmod(upper, mode & 0o7777)?;
    sys::close(upper);
    if let Ok(root) = overlay(c"/dev/upper", c"/dev/work") {
        return Ok(root);
    }
    // It can be moved once more.
    sys::mount_setattr(lower, NO_SUID | NO_DEV | READ_ONLY, 0, true)?;
    Ok(lower)
}

fn dev(plan: &Plan, root: RawFd) -> Result<(), Errno> {
    let target = target(plan, root, &[c"dev"], true)?;
    let dev = temporary(c"0755", c"1048576", NO_SUID | NO_EXEC)?;
    sys::move_mount(dev, target, c"")?;
    for (source, name) in &plan.devices {
        sys::close(sys::create(dev, name, 0o666)?);
        sys::mount_setattr(source.mount(), NO_SUID | NO_EXEC, 0, true)?;
        sys::move_mount(source.mount(), dev, name)?;
    }
    for (name, target) in LINKS {
        sys::symlinkat(target, dev, name)?;
    }
    sys::mkdirat(dev, c"pts", 0o755)?;
    sys::mkdirat(dev, c"shm", 0o755)?;
    let terminals = sys::fsopen(c"devpts")?;
    sys::fsconfig(terminals, c"ptmxmode", c"0666")?;
    sys::fsconfig(terminals, c"mode", c"0620")?;
    sys::move_mount(sys::fsmount(terminals, NO_SUID | NO_EXEC)?, dev, c"pts")?;
    let shared = temporary(c"1777", c"67108864", NO_SUID | NO_DEV | NO_EXEC)?;
    sys::move_mount(shared, dev, c"shm")
}

fn proc(plan: &Plan, root: RawFd) -> Result<RawFd, Errno> {
    let target = target(plan, root, &[c"proc"], true)?;
    let proc = sys::fsmount(sys::fsopen(c"proc")?, NO_SUID | NO_DEV | NO_EXEC)?;
    sys::move_mount(proc, target, c"")?;
    let null = sys::openat2(root, c"dev/null", libc::O_PATH, 0)?;
    for path in HIDDEN {
        let Some(target) = if_there(root, path)? else { continue };
        let status = sys::statx(target, c"", libc::AT_EMPTY_PATH)?;
        let is_directory = u32::from(status.stx_mode) & libc::S_IFMT == libc::S_IFDIR;
        let cover = if is_directory {
            temporary(c"0555", c"4096", READ_ONLY | NO_SUID | NO_DEV | NO_EXEC)?
        } else {
            sys::clone_mount(null)?
        };
        sys::move_mount(cover, target, c"")?;
        sys::close(cover);
        sys::close(target);
    }
    for path in UNCHANGEABLE {
        let Some(target) = if_there(root, path)? else { continue };
        let cover = sys::clone_mount(target)?;
        sys::mount_setattr(cover, READ_ONLY | NO_SUID | NO_DEV | NO_EXEC, 0, true)?;
        sys::move_mount(cover, target, c"")?;
        sys::close(cover);
        sys::close(target);
    }
    sys::close(null);
    Ok(proc)
}

fn if_there(root: RawFd, path: &CStr) -> Result<Option<RawFd>, Errno> {
    match sys::openat2(root, path, libc::O_PATH | libc::O_NOFOLLOW, 0) {
        Ok(file) => Ok(Some(file)),
        Err(Errno(libc::ENOENT)) => Ok(None),
        Err(errno) => Err(errno),
    }
}

fn tmp(plan: &Plan, root: RawFd, staging: RawFd) -> Result<(), Errno> {
    let target = target(plan, root, &[c"tmp"], true)?;
    let tmp = match &plan.root {
        RootPlan::Overlay { .. } | RootPlan::Plain { .. } => {
            let flags = libc::O_PATH | libc::O_DIRECTORY;
            let tmp = sys::openat2(staging, c"scratch/tmp", flags, 0)?;
            let mount = sys::clone_mount(tmp)?;
            sys::mount_setattr(mount, NO_SUID | NO_DEV, 0, true)?;
            mount
        }
        RootPlan::ReadOnly { .. } | RootPlan::Empty => {
            temporary(c"1777", c"50%", NO_SUID | NO_DEV)?
        }
    };
    sys::move_mount(tmp, target, c"")
}

fn attach(plan: &Plan, root: RawFd, mount: &MountPlan) -> Result<(), Errno> {
    let is_directory = match &mount.kind {
        MountKindPlan::Bind { is_directory, .. } => *is_directory,
        MountKindPlan::Temporary { .. } => true,
        MountKindPlan::Secret(_) => false,
    };
    let target = target(plan, root, &mount.way, is_directory)?;
    let what = match &mount.kind {
        MountKindPlan::Bind { source, is_read_only, .. } => {
            let read_only = if *is_read_only { READ_ONLY } else { 0 };
            sys::mount_setattr(source.mount(), NO_SUID | NO_DEV | read_only, 0, true)?;
            source.mount()
        }
        MountKindPlan::Temporary { mode, size } => temporary(mode, size, NO_SUID | NO_DEV)?,
        MountKindPlan::Secret(bytes) => secret(bytes)?,
    };
    sys::move_mount(what, target, c"")?;
    sys::close(target);
    Ok(())
}

/// Makes a file in memory that is never swapped out.
fn secret(bytes: &[u8]) -> Result<RawFd, Errno> {
    let ram = sys::fsmount(sys::fsopen(c"ramfs")?, NO_SUID | NO_DEV | NO_EXEC)?;
    // A mount that is attached nowhere can't be copied. The place is covered again by the next secret.
    sys::move_mount(ram, libc::AT_FDCWD, c"/dev/ram")?;
    let file = sys::create(ram, c"secret", 0o400)?;
    sys::write_all(file, bytes)?;
    sys::close(file);
    let file = sys::openat2(ram, c"secret", libc::O_PATH, 0)?;
    let mount = sys::clone_mount(file)?;
    sys::mount_setattr(mount, READ_ONLY | NO_SUID | NO_DEV | NO_EXEC, 0, false)?;
    sys::close(file);
    sys::close(ram);
    Ok(mount)
}

fn emulators(plan: &Plan, root: RawFd, staging: RawFd) -> Result<(), Failure> {
    if plan.emulators.is_empty() {
        return Ok(());
    }
    let mount = sys::fsopen(c"binfmt_misc")
        .and_then(|file_system| sys::fsmount(file_system, NO_SUID | NO_DEV | NO_EXEC))
        .at(Step::Emulator)?;
    // It has to stay for as long as it is to work.
    let target = sys::openat2(root, c"proc/sys/fs/binfmt_misc", libc::O_PATH, 0);
    target.and_then(|target| sys::move_mount(mount, target, c"")).at(Step::Emulator)?;
    for (index, emulator) in plan.emulators.iter().enumerate() {
        register(emulator, mount, staging).at_index(Step::Emulator, index)?;
    }
    sys::mount_setattr(mount, READ_ONLY, 0, false).at(Step::Emulator)
}

fn register(
    emulator: &super::super::plan::EmulatorPlan,
    formats: RawFd,
    staging: RawFd,
) -> Result<(), Errno> {
    sys::close(sys::create(staging, &emulator.name, 0o755)?);
    // The program can open what runs it; it must not be able to write there.
    let attributes = READ_ONLY | NO_SUID | NO_DEV;
    sys::mount_setattr(emulator.source.mount(), attributes, 0, true)?;
    sys::move_mount(emulator.source.mount(), staging, &emulator.name)?;
    let register = sys::openat2(formats, c"register", libc::O_WRONLY, 0)?;
    sys::write_all(register, &emulator.line)?;
    sys::close(register);
    Ok(())
}

/// Opens the place of a mount, making it where it is missing. Links lead to places in the root only.
fn target<T: AsRef<CStr>>(
    plan: &Plan,
    root: RawFd,
    way: &[T],
    is_directory: bool,
) -> Result<RawFd, Errno> {
    let resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
    let mut directory = root;
    let mut left = way.len();
    for path in way {
        let path = path.as_ref();
        left -= 1;
        let next = match sys::openat2(root, path, libc::O_PATH, resolve) {
            Err(Errno(libc::ENOENT)) => {
                let is_directory = is_directory || left > 0;
                let name = last_name(path);
                if is_directory {
                    sys::mkdirat(directory, name, 0o755)?;
                } else {
                    sys::close(sys::create(directory, name, 0o644)?);
                }
                let made = sys::openat2(directory, name, libc::O_PATH | libc::O_NOFOLLOW, 0)?;
                tell_made(plan, made, is_directory);
                made
            }
            other => other?,
        };
        if directory != root {
            sys::close(directory);
        }
        directory = next;
    }
    Ok(directory)
}

fn last_name(path: &CStr) -> &CStr {
    let bytes = path.to_bytes_with_nul();
    let start = bytes.iter().rposition(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
    bytes.get(start..).and_then(|name| CStr::from_bytes_with_nul(name).ok()).unwrap_or(path)
}

/// Tells the parent that a mount point was made, so that it can take it away again.
fn tell_made(plan: &Plan, made: RawFd, is_directory: bool) {
    let mut path = [0u8; PATH_BYTES_MAX];
    // This is the host's /proc still.
    let Ok(link) = answer::Text::new(&[b"/proc/self/fd/"], Some(made)) else { return };
    let Ok(length) = sys::readlinkat(libc::AT_FDCWD, link.as_c(), &mut path) else { return };
    let path = path.get(..length).unwrap_or_default();
    if let Some(path) = path.strip_prefix(STAGED_ROOT) {
        send(plan.messages, &Message::Made { path, is_directory });
    }
}

fn work_dir(plan: &Plan, root: RawFd) -> Result<(), Errno> {
    let is_changeable = !matches!(plan.root, RootPlan::ReadOnly { .. });
    for path in plan.work_dir.iter().map(CString::as_c_str) {
        match sys::openat2(root, path, libc::O_PATH | libc::O_DIRECTORY, 0) {
            Ok(directory) => sys::close(directory),
            Err(Errno(libc::ENOENT)) if is_changeable => sys::mkdirat(root, path, 0o755)?,
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

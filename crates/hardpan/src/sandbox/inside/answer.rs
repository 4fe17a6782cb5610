// SPDX-License-Identifier: Apache-2.0
//! Answers to a program's calls about ownership and device nodes, which are recorded and not made.
//!
//! Paths are looked up by this process: it has the same root, and sees as much as the program's root
//! user does. What it opens, it opens only to name it. The one effect is that the file is changed to
//! the owner that it has: an overlay then has it among the changes, and setuid bits go as they do
//! when somebody else becomes the owner.

use std::ffi::CStr;
use std::os::fd::RawFd;

use super::super::message::{Message, PATH_BYTES_MAX, send};
use super::super::plan::Plan;
use super::super::sys::{self, Errno, HANDLE_BYTES_MAX};
use super::World;

/// A part that `chown` leaves as it is.
const KEEP: u32 = u32::MAX;
/// How often a file is looked for that is renamed meanwhile.
const TRIES_MAX: usize = 8;

/// A short path, made without allocating.
pub(super) struct Text {
    bytes: [u8; 64],
}

impl Text {
    /// Joins parts and a number.
    pub(super) fn new(parts: &[&[u8]], end: Option<i32>) -> Result<Self, Errno> {
        let mut text = Self { bytes: [0; 64] };
        let mut length = 0;
        for part in parts {
            text.put(&mut length, part)?;
        }
        if let Some(end) = end {
            let mut digits = [0u8; 10];
            text.put(&mut length, decimal(end.cast_unsigned(), &mut digits))?;
        }
        Ok(text)
    }

    fn put(&mut self, length: &mut usize, part: &[u8]) -> Result<(), Errno> {
        // The last byte stays NUL.
        let end = length.saturating_add(part.len());
        if end >= self.bytes.len() {
            return Err(Errno(libc::ENAMETOOLONG));
        }
        self.bytes.get_mut(*length..end).ok_or(Errno(libc::EIO))?.copy_from_slice(part);
        *length = end;
        Ok(())
    }

    /// Returns the text for the kernel.
    pub(super) fn as_c(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or_default()
    }
}

fn decimal(mut number: u32, digits: &mut [u8; 10]) -> &[u8] {
    let mut start = digits.len();
    for (index, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        start = index;
        if number == 0 {
            break;
        }
    }
    digits.get(start..).unwrap_or_default()
}

/// Returns which mount a file is on.
pub(super) fn mount_of(file: RawFd) -> Result<u64, Errno> {
    let status = sys::statx(file, c"", libc::AT_EMPTY_PATH)?;
    Ok(status.stx_mnt_id)
}

/// Answers one question.
pub(super) fn next(plan: &Plan, world: &World, listener: RawFd) -> Result<(), Errno> {
    let Some(question) = sys::receive_question(listener)? else { return Ok(()) };
    let call = Call { plan, world, listener, question: &question };
    let errno = match call.decide() {
        Ok(()) => 0,
        Err(Errno(errno)) => errno,
    };
    sys::answer(listener, question.id, errno);
    Ok(())
}

struct Call<'a> {
    plan: &'a Plan,
    world: &'a World,
    listener: RawFd,
    question: &'a libc::seccomp_notif,
}

/// A descriptor that is closed at the end.
struct File(RawFd);

impl Drop for File {
    fn drop(&mut self) {
        sys::close(self.0);
    }
}

impl Call<'_> {
    fn decide(&self) -> Result<(), Errno> {
        let number = libc::c_long::from(self.question.data.nr);
        #[cfg(target_arch = "x86_64")]
        match number {
            libc::SYS_chown => return self.chown_path(None, 0, 1, 0),
            libc::SYS_lchown => return self.chown_path(None, 0, 1, libc::AT_SYMLINK_NOFOLLOW),
            libc::SYS_mknod => return self.mknod(None, 0),
            _ => {}
        }
        match number {
            libc::SYS_fchown => {
                let file = self.descriptor(self.number(0).cast_signed())?;
                self.chown(&file, self.number(1), self.number(2))
            }
            libc::SYS_fchownat => {
                let flags = self.number(4).cast_signed();
                self.chown_path(Some(self.number(0).cast_signed()), 1, 2, flags)
            }
            libc::SYS_mknodat => self.mknod(Some(self.number(0).cast_signed()), 1),
            _ => Err(Errno(libc::ENOSYS)),
        }
    }

    /// Arguments of 32 bits: the rest of the register means nothing.
    #[expect(clippy::cast_possible_truncation, reason = "see above")]
    fn number(&self, index: usize) -> u32 {
        self.question.data.args.get(index).map_or(0, |argument| *argument as u32)
    }

    fn pointer(&self, index: usize) -> u64 {
        self.question.data.args.get(index).copied().unwrap_or(0)
    }

    fn chown_path(
        &self,
        directory: Option<i32>,
        path_at: usize,
        owner_at: usize,
        flags: i32,
    ) -> Result<(), Errno> {
        if flags & !(libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW) != 0 {
            return Err(Errno(libc::EINVAL));
        }
        let mut bytes = [0u8; PATH_BYTES_MAX];
        let path = self.path(self.pointer(path_at), &mut bytes)?;
        let directory = self.directory(directory)?;
        let file = if path.is_empty() {
            if flags & libc::AT_EMPTY_PATH == 0 {
                return Err(Errno(libc::ENOENT));
            }
            directory
        } else {
            let follow = if flags & libc::AT_SYMLINK_NOFOLLOW != 0 { libc::O_NOFOLLOW } else { 0 };
            // Links of /proc would lead to what this process has open.
            let resolve = libc::RESOLVE_NO_MAGICLINKS;
            match sys::openat2(directory.0, path, libc::O_PATH | follow, resolve) {
                // Such as /dev/stdout: nothing that could be in an image.
                Err(Errno(libc::ELOOP)) => return Ok(()),
                other => File(other?),
            }
        };
        self.chown(&file, self.number(owner_at), self.number(owner_at + 1))
    }

    fn chown(&self, file: &File, uid: u32, gid: u32) -> Result<(), Errno> {
        let plan = self.plan;
        let is_own = [KEEP, plan.uid].contains(&uid) && [KEEP, plan.gid].contains(&gid);
        if plan.uid != 0 && !is_own {
            return Err(Errno(libc::EPERM));
        }
        let status = sys::statx(file.0, c"", libc::AT_EMPTY_PATH)?;
        if !self.is_waiting() {
            return Ok(());
        }
        if status.stx_mnt_id != self.world.root_mount || self.world.upper < 0 {
            // No image has what is there.
            return if sys::is_read_only(file.0)? { Err(Errno(libc::EROFS)) } else { Ok(()) };
        }
        sys::touch_owner(file.0)?;
        if uid == KEEP && gid == KEEP {
            return Ok(());
        }
        for _ in 0..TRIES_MAX {
            if sys::statx(file.0, c"", libc::AT_EMPTY_PATH)?.stx_nlink == 0 {
                return Ok(());
            }
            let mut bytes = [0u8; PATH_BYTES_MAX];
            let path = self.name_of(file, &mut bytes)?;
            if let Some((key, length)) = self.key(file, path)? {
                let key = key.get(..length).unwrap_or_default();
                let path = path.to_bytes();
                send(plan.messages, &Message::Owner { uid, gid, key, path });
                return Ok(());
            }
        }
        // Better that the program knows than that an owner is lost.
        Err(Errno(libc::EIO))
    }

    /// Returns what names the file that the overlay has for this one, if it still is at that path.
    fn key(
        &self,
        file: &File,
        path: &CStr,
    ) -> Result<Option<([u8; HANDLE_BYTES_MAX], usize)>, Errno> {
        let relative = path.to_bytes_with_nul().strip_prefix(b"/").unwrap_or_default();
        let relative = CStr::from_bytes_with_nul(relative).unwrap_or_default();
        let relative = if relative.is_empty() { c"." } else { relative };
        let resolve = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_SYMLINKS;
        let flags = libc::O_PATH | libc::O_NOFOLLOW;
        let upper = match sys::openat2(self.world.upper, relative, flags, resolve) {
            Ok(upper) => File(upper),
            Err(Errno(libc::ENOENT | libc::ENOTDIR | libc::ELOOP)) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        let seen = sys::statx(file.0, c"", libc::AT_EMPTY_PATH)?;
        let found = sys::statx(upper.0, c"", libc::AT_EMPTY_PATH)?;
        if fingerprint(&seen) != fingerprint(&found) {
            return Ok(None);
        }
        let mut key = [0u8; HANDLE_BYTES_MAX];
        let length = key_of(upper.0, &found, &mut key)?;
        Ok(Some((key, length)))
    }

    /// Writes the path that a file has in the root.
    fn name_of<'b>(
        &self,
        file: &File,
        to: &'b mut [u8; PATH_BYTES_MAX],
    ) -> Result<&'b CStr, Errno> {
        let link = Text::new(&[b"self/fd/"], Some(file.0))?;
        let length = sys::readlinkat(self.world.proc, link.as_c(), to)?;
        *to.get_mut(length).ok_or(Errno(libc::ENAMETOOLONG))? = 0;
        CStr::from_bytes_until_nul(to).map_err(|_| Errno(libc::ENAMETOOLONG))
    }

    fn mknod(&self, directory: Option<i32>, path_at: usize) -> Result<(), Errno> {
        let mut bytes = [0u8; PATH_BYTES_MAX];
        let path = self.path(self.pointer(path_at), &mut bytes)?;
        let directory = self.directory(directory)?;
        if self.plan.uid != 0 {
            return Err(Errno(libc::EPERM));
        }
        let bytes = path.to_bytes();
        let slash = bytes.iter().rposition(|&byte| byte == b'/');
        let name = bytes.get(slash.map_or(0, |slash| slash + 1)..).unwrap_or_default();
        if name.is_empty() {
            return Err(Errno(if path.is_empty() { libc::ENOENT } else { libc::EEXIST }));
        }
        let resolve = libc::RESOLVE_NO_MAGICLINKS;
        match sys::openat2(directory.0, path, libc::O_PATH | libc::O_NOFOLLOW, resolve) {
            Err(Errno(libc::ENOENT)) => {}
            other => {
                return Err(other.map_or_else(
                    |errno| errno,
                    |file| {
                        sys::close(file);
                        Errno(libc::EEXIST)
                    },
                ));
            }
        }
        let mut parent = [0u8; PATH_BYTES_MAX];
        let parent = parent_of(bytes, slash, &mut parent)?;
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        let parent = File(sys::openat2(directory.0, parent, flags, resolve)?);
        if !self.is_waiting() {
            return Ok(());
        }
        if sys::is_read_only(parent.0)? {
            return Err(Errno(libc::EROFS));
        }
        if mount_of(parent.0)? != self.world.root_mount {
            return Ok(());
        }
        let mut whole = [0u8; PATH_BYTES_MAX];
        let start = self.name_of(&parent, &mut whole)?.to_bytes().len();
        let end = start.saturating_add(1).saturating_add(name.len());
        let room = whole.get_mut(start..end).ok_or(Errno(libc::ENAMETOOLONG))?;
        if let [slash, rest @ ..] = room {
            *slash = b'/';
            rest.copy_from_slice(name);
        }
        let mode = self.number(path_at + 1);
        let device = self.number(path_at + 2);
        let major = (device & 0xf_ff00) >> 8;
        let minor = (device & 0xff) | ((device >> 12) & 0xf_ff00);
        let path = whole.get(..end).unwrap_or_default();
        send(self.plan.messages, &Message::Device { mode, major, minor, path });
        Ok(())
    }

    fn is_waiting(&self) -> bool {
        sys::is_waiting(self.listener, self.question.id)
    }

    /// Opens the directory that a path is relative to.
    fn directory(&self, descriptor: Option<i32>) -> Result<File, Errno> {
        match descriptor {
            None | Some(libc::AT_FDCWD) => {
                let cwd = Text::new(&[self.process(&mut [0; 10]), b"/cwd"], None)?;
                Ok(File(sys::openat2(self.world.proc, cwd.as_c(), libc::O_PATH, 0)?))
            }
            Some(descriptor) => self.descriptor(descriptor),
        }
    }

    fn descriptor(&self, descriptor: i32) -> Result<File, Errno> {
        if descriptor < 0 {
            return Err(Errno(libc::EBADF));
        }
        let path = Text::new(&[self.process(&mut [0; 10]), b"/fd/"], Some(descriptor))?;
        match sys::openat2(self.world.proc, path.as_c(), libc::O_PATH, 0) {
            Err(Errno(libc::ENOENT)) => Err(Errno(libc::EBADF)),
            other => other.map(File),
        }
    }

    fn process<'b>(&self, digits: &'b mut [u8; 10]) -> &'b [u8] {
        decimal(self.question.pid, digits)
    }

    /// Reads a path from the memory of the process.
    fn path<'b>(&self, at: u64, to: &'b mut [u8; PATH_BYTES_MAX]) -> Result<&'b CStr, Errno> {
        let memory = Text::new(&[self.process(&mut [0; 10]), b"/mem"], None)?;
        let memory = File(sys::openat2(self.world.proc, memory.as_c(), libc::O_RDONLY, 0)?);
        let length = sys::pread(memory.0, to, at).map_err(|_| Errno(libc::EFAULT))?;
        // The number may mean another process by now; then nobody waits for what was read.
        if !self.is_waiting() {
            return Err(Errno(libc::ESRCH));
        }
        let error = if length == to.len() { libc::ENAMETOOLONG } else { libc::EFAULT };
        let read = to.get(..length).unwrap_or_default();
        CStr::from_bytes_until_nul(read).map_err(|_| Errno(error))
    }
}

fn parent_of<'a>(
    path: &[u8],
    slash: Option<usize>,
    to: &'a mut [u8; PATH_BYTES_MAX],
) -> Result<&'a CStr, Errno> {
    let parent = match slash {
        None => b".".as_slice(),
        Some(0) => b"/",
        Some(slash) => path.get(..slash).unwrap_or_default(),
    };
    to.get_mut(..parent.len()).ok_or(Errno(libc::ENAMETOOLONG))?.copy_from_slice(parent);
    CStr::from_bytes_until_nul(to).map_err(|_| Errno(libc::ENAMETOOLONG))
}

/// What two views of one file agree on.
fn fingerprint(status: &libc::statx) -> (u16, u64, [(i64, u32); 3]) {
    let time = |time: &libc::statx_timestamp| (time.tv_sec, time.tv_nsec);
    let times = [time(&status.stx_btime), time(&status.stx_ctime), time(&status.stx_mtime)];
    (status.stx_mode, status.stx_size, times)
}

/// Writes what names a file that is open, now and for as long as it is there.
fn key_of(
    file: RawFd,
    status: &libc::statx,
    to: &mut [u8; HANDLE_BYTES_MAX],
) -> Result<usize, Errno> {
    match sys::name_to_handle(file, c"", to) {
        Err(Errno(libc::EOPNOTSUPP)) => Ok(sys::weak_key(status, to)),
        other => other,
    }
}

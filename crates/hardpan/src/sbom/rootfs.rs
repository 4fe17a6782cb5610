// SPDX-License-Identifier: Apache-2.0
//! A root file system on disk, as a layer.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use hardpan_scan::catalog::{Catalog, CatalogBuilder, CatalogOptions};
use hardpan_tree::{MODE_MASK, Metadata, Special, TarEntry, TarEntryKind, TreePath};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::SbomError;
use crate::error::Error;

/// Kinds of file systems (`linux/magic.h`) in which nothing lies: proc, sysfs, cgroup, cgroup2, debugfs, tracefs, securityfs,
/// bpf, configfs, fusectl, pstore, efivarfs, selinuxfs, mqueue, devpts, binfmt_misc.
const MADE_UP: [u32; 16] = [
    0x9fa0,
    0x6265_6572,
    0x0027_e0eb,
    0x6367_7270,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0xcafe_4a11,
    0x6265_6570,
    0x6573_5543,
    0x6165_676c,
    0xde5e_81e4,
    0xf97c_ff8c,
    0x1980_0202,
    0x1cd1,
    0x4249_4e4d,
];
/// Where runtimes put devices.
const DEVICES: &[u8] = b"dev";
/// The extended attribute with a file's capabilities.
const CAPABILITY: &str = "security.capability";
/// The longest value of it, in bytes (`struct vfs_ns_cap_data`).
const CAPABILITY_BYTES_MAX: usize = 24;

/// Says what is in a directory.
pub(super) fn catalog(root: &Path, options: CatalogOptions) -> Result<Catalog, Error> {
    let mut builder = CatalogBuilder::new(options);
    let fail = |source| SbomError::Catalog { layer: None, source };
    walk(root, &mut |entry, data| Ok(builder.entry(entry, data).map_err(fail)?))?;
    Ok(builder.finish().map_err(fail)?)
}

/// Walks a directory, without following links, and shows what is in it. Files that nobody may read make it fail:
/// a list with holes is none. The root may be that of a running process, which changes it meanwhile: what is gone is not there,
/// and what becomes a link is not followed. Of mounts only what the kernel makes up is left out, and what is no file in `/dev`.
/// Returns where the kernel's file systems are.
pub(super) fn walk(
    root: &Path,
    show: &mut dyn FnMut(TarEntry, &mut dyn io::Read) -> Result<(), Error>,
) -> Result<Vec<TreePath>, Error> {
    let wrap = |source: io::Error| SbomError::Walk { path: root.to_owned(), source };
    // Only the root itself may be a link, as that of a process is.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(root, flags, Mode::empty()).map_err(|e| wrap(e.into()))?;
    let device = rustix::fs::fstat(&directory).map_err(|e| wrap(e.into()))?.st_dev;
    let mut open = vec![Level::list(directory, TreePath::root(), device).map_err(wrap)?];
    let mut left_out = Vec::new();
    while let Some(level) = open.last_mut() {
        let Some(name) = level.names.pop() else {
            open.pop();
            continue;
        };
        let on_disk = below(root, &level.path).join(OsStr::from_bytes(&name));
        let wrap = |source| SbomError::Walk { path: on_disk.clone(), source };
        let path = level.path.join(&name);
        let path =
            path.map_err(|error| wrap(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let Some(found) = unless_gone(level.look(&name)).map_err(wrap)? else { continue };
        let Found { stat, kind, mut data, xattrs } = found;
        let is_mounted = stat.st_dev != device;
        if is_mounted
            && matches!(kind, TarEntryKind::Special(_))
            && path.components().next() == Some(DEVICES)
        {
            continue;
        }
        let is_directory = kind == TarEntryKind::Directory;
        let below = if is_directory { level.enter(&name, &path, &stat) } else { Ok(None) };
        let Some(below) = unless_gone(below).map_err(wrap)? else { continue };
        if is_directory && below.is_none() {
            left_out.push(path.clone());
        }
        let metadata = Metadata {
            mode: stat.st_mode & MODE_MASK,
            uid: stat.st_uid,
            gid: stat.st_gid,
            mtime: stat.st_mtime,
            xattrs,
        };
        show(TarEntry { path, metadata, kind }, &mut *data)?;
        open.extend(below);
    }
    left_out.sort();
    Ok(left_out)
}

/// What is gone since it was listed is not there.
fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
            _ => Err(error),
        },
    }
}

/// What is of another kind since it was looked at is gone. These errors say so.
fn another(error: Errno, errors: &[Errno]) -> io::Error {
    if errors.contains(&error) { io::ErrorKind::NotFound.into() } else { error.into() }
}

/// A directory that is walked. What is in it is looked up in it, whatever becomes of its path.
struct Level {
    directory: OwnedFd,
    path: TreePath,
    device: u64,
    /// What is to be looked at, the first at the end.
    names: Vec<Vec<u8>>,
}

/// Something in a directory.
struct Found {
    stat: Stat,
    kind: TarEntryKind,
    data: Box<dyn io::Read>,
    xattrs: BTreeMap<String, Vec<u8>>,
}

impl Level {
    fn list(directory: OwnedFd, path: TreePath, device: u64) -> io::Result<Self> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&directory)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if !matches!(name.as_slice(), b"." | b"..") {
                names.push(name);
            }
        }
        names.sort_unstable_by(|one, other| other.cmp(one));
        Ok(Self { directory, path, device, names })
    }

    fn look(&self, name: &[u8]) -> io::Result<Found> {
        let stat = rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
        self.read(name, stat)
    }

    /// Reads what was just looked at. If it is something else by now, it is gone.
    fn read(&self, name: &[u8], mut stat: Stat) -> io::Result<Found> {
        let mut xattrs = BTreeMap::new();
        let mut data: Box<dyn io::Read> = Box::new(io::empty());
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => TarEntryKind::Directory,
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&self.directory, name, Vec::new());
                let target = target.map_err(|error| another(error, &[Errno::INVAL]))?;
                TarEntryKind::Symlink(target.into_bytes())
            }
            FileType::RegularFile => {
                // If it is something else by now, it neither leads elsewhere nor keeps us waiting.
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file = rustix::fs::openat(&self.directory, name, flags, Mode::empty());
                // These are a link's and a socket's.
                let file = file.map_err(|error| another(error, &[Errno::LOOP, Errno::NXIO]))?;
                stat = rustix::fs::fstat(&file)?;
                if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
                    return Err(io::ErrorKind::NotFound.into());
                }
                xattrs = capability(&file);
                let size = u64::try_from(stat.st_size).unwrap_or_default();
                data = Box::new(Sized { file: File::from(file), left: size });
                TarEntryKind::File(size)
            }
            kind => TarEntryKind::Special(special(kind)),
        };
        Ok(Found { stat, kind, data, xattrs })
    }

    /// Opens a directory in this one; nothing if the kernel makes up what is in it.
    fn enter(&self, name: &[u8], path: &TreePath, stat: &Stat) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(&self.directory, name, flags, Mode::empty())?;
        if stat.st_dev != self.device && is_of_kernel(&directory) {
            return Ok(None);
        }
        Self::list(directory, path.clone(), stat.st_dev).map(Some)
    }
}

/// A file as it was long when it was looked at: what was added since is left out, and what is missing since is zeros.
struct Sized {
    file: File,
    left: u64,
}

impl io::Read for Sized {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = &mut buffer[..most];
        let count = match self.file.read(buffer)? {
            0 => {
                buffer.fill(0);
                most
            }
            count => count,
        };
        self.left -= count as u64;
        Ok(count)
    }
}

/// Whether a mounted directory shows what the kernel makes up: nobody can put a file there.
fn is_of_kernel(directory: &OwnedFd) -> bool {
    let magic = rustix::fs::fstatfs(directory).ok();
    magic.and_then(|stat| u32::try_from(stat.f_type).ok()).is_some_and(|it| MADE_UP.contains(&it))
}

/// A socket only connects processes, as a pipe does.
fn special(kind: FileType) -> Special {
    match kind {
        FileType::CharacterDevice => Special::CharacterDevice,
        FileType::BlockDevice => Special::BlockDevice,
        _ => Special::Fifo,
    }
}

/// Returns the capability of a file; a file system that has none says so by an error.
fn capability(file: &OwnedFd) -> BTreeMap<String, Vec<u8>> {
    let mut value = [0; CAPABILITY_BYTES_MAX];
    let count = rustix::fs::fgetxattr(file, CAPABILITY, &mut value).ok();
    let value = count.and_then(|count| value.get(..count));
    value.map(|value| (CAPABILITY.to_owned(), value.to_vec())).into_iter().collect()
}

fn below(root: &Path, path: &TreePath) -> std::path::PathBuf {
    root.join(Path::new(OsStr::from_bytes(path.as_bytes())))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    /// Makes something at a path.
    type Make = fn(&Path);

    #[test]
    fn what_becomes_something_else_is_gone() {
        let temporary = tempfile::tempdir().unwrap();
        let kinds: [(&str, Make); 4] = [
            ("directory", |path| fs::create_dir(path).unwrap()),
            ("link", |path| symlink("/etc", path).unwrap()),
            ("file", |path| fs::write(path, "text").unwrap()),
            ("socket", |path| drop(UnixListener::bind(path).unwrap())),
        ];
        for (before, make) in &kinds[1..3] {
            for (now, make_now) in kinds.iter().filter(|(now, _)| now != before) {
                let root = temporary.path().join(format!("{before}-{now}"));
                fs::create_dir(&root).unwrap();
                make(&root.join("it"));
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let directory = rustix::fs::open(&root, flags, Mode::empty()).unwrap();
                let level = Level::list(directory, TreePath::root(), 0).unwrap();
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                let stat = rustix::fs::statat(&level.directory, "it", flags).unwrap();
                fs::rename(root.join("it"), root.join("away")).unwrap();
                make_now(&root.join("it"));
                let found = unless_gone(level.read(b"it", stat)).unwrap();
                assert!(found.is_none(), "{before}, {now}");
            }
        }
    }
}

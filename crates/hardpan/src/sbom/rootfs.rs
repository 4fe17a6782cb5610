// SPDX-License-Identifier: Apache-2.0
//! A root file system on disk, as a layer.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use hardpan_scan::catalog::{Catalog, CatalogBuilder, CatalogOptions};
use hardpan_tree::{MODE_MASK, Metadata, Special, TarEntry, TarEntryKind, TreePath};

use super::SbomError;
use crate::error::Error;

/// Kinds of file systems (`linux/magic.h`).
const PROC: u32 = 0x9fa0;
const SYSFS: u32 = 0x6265_6572;
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
/// a list with holes is none. Of a running process's root only what the kernel makes up is left out, where nobody can put a
/// file, and what is no file in a `/dev` that was mounted for it.
pub(super) fn walk(
    root: &Path,
    show: &mut dyn FnMut(TarEntry, &mut dyn io::Read) -> Result<(), Error>,
) -> Result<(), Error> {
    let wrap_root = |source| SbomError::Walk { path: root.to_owned(), source };
    let root_device = fs::metadata(root).map_err(wrap_root)?.dev();
    let mut pending = vec![TreePath::root()];
    while let Some(directory) = pending.pop() {
        let on_disk = below(root, &directory);
        let wrap = |path: &Path| {
            let path = path.to_owned();
            move |source| SbomError::Walk { path, source }
        };
        let listed = fs::read_dir(&on_disk).map_err(wrap(&on_disk))?;
        let mut names = Vec::new();
        for entry in listed {
            names.push(entry.map_err(wrap(&on_disk))?.file_name());
        }
        names.sort();
        for name in names {
            let on_disk = on_disk.join(&name);
            let path = directory.join(name.as_bytes()).map_err(|error| {
                wrap(&on_disk)(io::Error::new(io::ErrorKind::InvalidInput, error))
            })?;
            let metadata = fs::symlink_metadata(&on_disk).map_err(wrap(&on_disk))?;
            let is_mounted = metadata.dev() != root_device;
            let kind = if metadata.is_dir() {
                if !(is_mounted && is_of_kernel(&on_disk)) {
                    pending.push(path.clone());
                }
                TarEntryKind::Directory
            } else if metadata.is_symlink() {
                let target = fs::read_link(&on_disk).map_err(wrap(&on_disk))?;
                TarEntryKind::Symlink(target.as_os_str().as_bytes().to_vec())
            } else if metadata.is_file() {
                TarEntryKind::File(metadata.len())
            } else if is_mounted && path.components().next() == Some(DEVICES) {
                continue;
            } else {
                TarEntryKind::Special(special(metadata.file_type()))
            };
            let mut data: Box<dyn io::Read> = match kind {
                TarEntryKind::File(_) => Box::new(File::open(&on_disk).map_err(wrap(&on_disk))?),
                _ => Box::new(io::empty()),
            };
            let metadata = entry_metadata(&on_disk, &metadata);
            let entry = TarEntry { path, metadata, kind };
            show(entry, &mut *data)?;
        }
    }
    Ok(())
}

/// Whether a directory shows what the kernel makes up: nobody can put a file there.
fn is_of_kernel(on_disk: &Path) -> bool {
    let magic = rustix::fs::statfs(on_disk).ok().and_then(|stat| u32::try_from(stat.f_type).ok());
    matches!(magic, Some(PROC | SYSFS))
}

/// A socket only connects processes, as a pipe does.
fn special(kind: fs::FileType) -> Special {
    if kind.is_char_device() {
        Special::CharacterDevice
    } else if kind.is_block_device() {
        Special::BlockDevice
    } else {
        Special::Fifo
    }
}

/// Returns owner, mode and capability; a file system that has none of the latter says so by an error.
fn entry_metadata(on_disk: &Path, metadata: &fs::Metadata) -> Metadata {
    let mut xattrs = BTreeMap::new();
    if metadata.is_file() {
        let mut value = [0; CAPABILITY_BYTES_MAX];
        if let Ok(count) = rustix::fs::lgetxattr(on_disk, CAPABILITY, &mut value)
            && let Some(value) = value.get(..count)
        {
            xattrs.insert(CAPABILITY.to_owned(), value.to_vec());
        }
    }
    Metadata {
        mode: metadata.mode() & MODE_MASK,
        uid: metadata.uid(),
        gid: metadata.gid(),
        mtime: metadata.mtime(),
        xattrs,
    }
}

fn below(root: &Path, path: &TreePath) -> std::path::PathBuf {
    root.join(Path::new(std::ffi::OsStr::from_bytes(path.as_bytes())))
}

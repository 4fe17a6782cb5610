// SPDX-License-Identifier: Apache-2.0
//! A plain copy of a root file system, for kernels and file systems without overlays.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};

use super::identity::host_owner;

/// Copies all below a directory, with modes, times and hard links.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut names: BTreeMap<u64, PathBuf> = BTreeMap::new();
    let mut left = vec![(from.to_path_buf(), to.to_path_buf())];
    let mut directories = Vec::new();
    while let Some((from, to)) = left.pop() {
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let metadata = entry.path().symlink_metadata()?;
            let (source, place) = (entry.path(), to.join(entry.file_name()));
            if metadata.is_dir() {
                fs::create_dir(&place)?;
                left.push((source, place));
            } else if let Some(first) = names.get(&metadata.ino()) {
                fs::hard_link(first, &place)?;
            } else {
                copy_one(&source, &place, &metadata)?;
                if metadata.nlink() > 1 {
                    names.insert(metadata.ino(), place);
                }
            }
        }
        directories.push((from, to));
    }
    // Modes of directories last and from below, since one may forbid to write into it.
    for (from, to) in directories.into_iter().rev() {
        let metadata = fs::metadata(&from)?;
        own(&to)?;
        File::open(&to)?.set_modified(metadata.modified()?)?;
        fs::set_permissions(&to, Permissions::from_mode(metadata.mode() & 0o7777))?;
    }
    Ok(())
}

fn copy_one(source: &Path, place: &Path, metadata: &fs::Metadata) -> io::Result<()> {
    if metadata.is_symlink() {
        std::os::unix::fs::symlink(fs::read_link(source)?, place)?;
        own(place)?;
        let time = Timespec { tv_sec: metadata.mtime(), tv_nsec: metadata.mtime_nsec() };
        let times = Timestamps { last_access: time, last_modification: time };
        return Ok(rustix::fs::utimensat(CWD, place, &times, AtFlags::SYMLINK_NOFOLLOW)?);
    }
    let mut output = File::options().write(true).create_new(true).mode(0o600).open(place)?;
    io::copy(&mut File::open(source)?, &mut output)?;
    own(place)?;
    output.set_permissions(Permissions::from_mode(metadata.mode() & 0o7777))?;
    output.set_modified(metadata.modified()?)
}

fn own(path: &Path) -> io::Result<()> {
    match host_owner() {
        Some((uid, gid)) => std::os::unix::fs::lchown(path, Some(uid), Some(gid)),
        None => Ok(()),
    }
}

// SPDX-License-Identifier: Apache-2.0
//! A tree as files on a disk, for programs that have to see one.
//!
//! Ownership stays in the tree: on the disk everything belongs to one user. What is written is kept in
//! the store and shared, so nobody may write to it.

use std::fs::{self, File, Permissions};
use std::io;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use hardpan_tree::{Kind, Node, Tree, TreePath};

use crate::contents::StoreContents;
use crate::parallel;
use crate::store::StoreError;

/// Writes a tree below a directory that is empty. `owner` is who everything is given to; `None` leaves it
/// with the caller.
pub(crate) fn materialize(
    tree: &Tree,
    contents: StoreContents<'_>,
    directory: &Path,
    owner: Option<(u32, u32)>,
    threads: NonZeroUsize,
) -> Result<(), StoreError> {
    let fail = |path: &Path| {
        let path = path.to_path_buf();
        move |error| StoreError::of("write", &path, error)
    };
    let mut files: Vec<(&TreePath, &Node, &hardpan_tree::File)> = Vec::new();
    for (path, node) in tree.walk().filter(|(path, _)| !path.is_root()) {
        let place = on_disk(directory, path);
        match &node.kind {
            Kind::Directory => fs::create_dir(&place).map_err(fail(&place))?,
            Kind::Symlink(target) => {
                let target = std::ffi::OsStr::from_bytes(target);
                std::os::unix::fs::symlink(target, &place).map_err(fail(&place))?;
                own(&place, owner).map_err(fail(&place))?;
            }
            Kind::File(file) => files.push((path, node, file)),
            Kind::HardLink(_) => {}
        }
    }
    parallel::map(threads, &files, |(path, node, file)| {
        let place = on_disk(directory, path);
        write_file(&place, node, file, contents, owner).map_err(fail(&place))
    })?;
    for (path, node) in tree.walk() {
        if let Kind::HardLink(target) = &node.kind {
            let place = on_disk(directory, path);
            fs::hard_link(on_disk(directory, target), &place).map_err(fail(&place))?;
        }
    }
    // Modes of directories last and from below, since one may forbid to write into it.
    let directories: Vec<(&TreePath, &Node)> =
        tree.walk().filter(|(_, node)| node.kind == Kind::Directory).collect();
    for (path, node) in directories.into_iter().rev() {
        let place = on_disk(directory, path);
        let finish = || {
            // Opened before its mode may forbid that.
            let directory = File::open(&place)?;
            own(&place, owner)?;
            directory.set_permissions(Permissions::from_mode(node.metadata.mode))?;
            set_time(&directory, node.metadata.mtime)
        };
        finish().map_err(fail(&place))?;
    }
    Ok(())
}

/// A tree's paths have no slash in front, no `..`, and only directories above them.
fn on_disk(directory: &Path, path: &TreePath) -> PathBuf {
    directory.join(std::ffi::OsStr::from_bytes(path.as_bytes()))
}

fn write_file(
    place: &Path,
    node: &Node,
    file: &hardpan_tree::File,
    contents: StoreContents<'_>,
    owner: Option<(u32, u32)>,
) -> io::Result<()> {
    let mut output = File::options().write(true).create_new(true).mode(0o600).open(place)?;
    io::copy(&mut contents.open(file)?, &mut output)?;
    own(place, owner)?;
    output.set_permissions(Permissions::from_mode(node.metadata.mode))?;
    set_time(&output, node.metadata.mtime)
}

fn own(place: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    match owner {
        Some((uid, gid)) => std::os::unix::fs::lchown(place, Some(uid), Some(gid)),
        None => Ok(()),
    }
}

fn set_time(file: &File, seconds: i64) -> io::Result<()> {
    let since = std::time::Duration::from_secs(seconds.unsigned_abs());
    let time = if seconds < 0 {
        std::time::SystemTime::UNIX_EPOCH - since
    } else {
        std::time::SystemTime::UNIX_EPOCH + since
    };
    file.set_modified(time)
}

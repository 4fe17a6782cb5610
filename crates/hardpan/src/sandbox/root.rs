// SPDX-License-Identifier: Apache-2.0
//! A root directory whose changes are kept apart from it.

use std::path::{Path, PathBuf};

use hardpan_tree::TreePath;

/// A directory with a root file system, and what programs have changed on top of it.
///
/// The directory below is never written to, so many may share it. Several programs may run one after
/// the other; each finds what the ones before it left.
#[derive(Debug)]
pub struct LayeredRoot {
    lower: PathBuf,
    scratch: PathBuf,
}

/// A user and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// User.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// One path that programs changed.
#[derive(Debug)]
pub struct Change {
    /// Where.
    pub path: TreePath,
    /// What is there now.
    pub kind: ChangeKind,
}

/// What a change left at its path.
#[derive(Debug)]
pub enum ChangeKind {
    /// Nothing: what was there is gone, with all below it.
    Removed,
    /// A directory, new or with other metadata. `is_opaque`: nothing of what was below it before is left.
    Directory {
        /// Permission bits.
        mode: u32,
        /// What was asked for; `None` where nobody asked.
        owner: Option<Owner>,
        /// Seconds since the epoch.
        mtime: i64,
        /// Whether what was in it before is gone.
        is_opaque: bool,
    },
    /// A file with its bytes at `content`. Two changes with one `identity` are one file with two names.
    File {
        /// Permission bits, setuid and setgid included.
        mode: u32,
        /// What was asked for; `None` where nobody asked.
        owner: Option<Owner>,
        /// Seconds since the epoch.
        mtime: i64,
        /// Length in bytes.
        size_bytes: u64,
        /// Where its bytes can be read from.
        content: PathBuf,
        /// Which file it is.
        identity: u64,
    },
    /// A symbolic link.
    Symlink {
        /// Its target.
        target: Vec<u8>,
        /// What was asked for; `None` where nobody asked.
        owner: Option<Owner>,
        /// Seconds since the epoch.
        mtime: i64,
    },
    /// A socket or a pipe, which an image can't hold.
    Special,
}

/// A device node that a program asked for. None is made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceRequest {
    /// Where.
    pub path: TreePath,
    /// Mode with the file's type, as `mknod` takes it.
    pub mode: u32,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

impl LayeredRoot {
    /// Makes a root from a directory and an empty directory for what changes.
    pub fn new(lower: &Path, scratch: &Path) -> Self {
        Self { lower: lower.to_path_buf(), scratch: scratch.to_path_buf() }
    }

    /// Returns the directory below.
    pub fn lower(&self) -> &Path {
        &self.lower
    }

    /// Returns where changes are kept.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }
}

// SPDX-License-Identifier: Apache-2.0
//! A root directory whose changes are kept apart from it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hardpan_tree::TreePath;

use super::identity::host_owner;
use super::owners::{Key, Owners};
use super::{SandboxError, changes, copy};

/// A directory with a root file system, and what programs have changed on top of it.
///
/// The directory below is never written to, so many may share it. Several programs may run one after
/// the other; each finds what the ones before it left.
#[derive(Debug)]
pub struct LayeredRoot {
    lower: PathBuf,
    scratch: PathBuf,
    state: Mutex<State>,
}

/// What is known of a root beside its files.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Whether all below was copied, since the kernel refused an overlay.
    pub(super) is_copied: bool,
    /// What the copied files are named by.
    pub(super) copied: BTreeSet<Key>,
    /// Who files were given to.
    pub(super) owners: Owners,
    /// Modes that were widened so that the caller can read what is his, as they were.
    pub(super) widened: BTreeMap<PathBuf, u32>,
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
    /// Makes a root from a directory and an empty directory for what changes. The first must belong to
    /// [`host_owner`](super::host_owner) with all that is in it; the second is given to it.
    pub fn new(lower: &Path, scratch: &Path) -> Self {
        let (lower, scratch) = (lower.to_path_buf(), scratch.to_path_buf());
        Self { lower, scratch, state: Mutex::default() }
    }

    /// Tells whose the files below are, where that is not root. It matters to who asks for a new user
    /// of a file and keeps its group, or the other way around.
    #[must_use]
    pub fn with_lower_owners(self, owners: BTreeMap<TreePath, Owner>) -> Self {
        self.state().owners.set_below(owners);
        self
    }

    /// Returns the directory below.
    pub fn lower(&self) -> &Path {
        &self.lower
    }

    /// Returns where changes are kept.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// Returns what programs changed so far, sorted by path.
    ///
    /// What was only touched, and is as it was, is left out; so are directories where nothing but the
    /// time changed. Where the caller is an ordinary user, modes that forbid him to read his own files
    /// are widened on the disk until the next program runs; here they are as programs set them.
    pub fn changes(&self) -> Result<Vec<Change>, SandboxError> {
        let mut state = self.state();
        if !self.upper(&state).exists() {
            // No program has run.
            return Ok(Vec::new());
        }
        changes::changes(self, &mut state)
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // What is in it is whole after every statement.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the directory that has the changes, or everything if it was copied.
    pub(super) fn upper(&self, state: &State) -> PathBuf {
        self.scratch.join(if state.is_copied { "root" } else { "upper" })
    }

    /// Makes the scratch directory ready for the next program.
    pub(super) fn prepare(&self, state: &mut State) -> io::Result<()> {
        for (path, mode) in std::mem::take(&mut state.widened).into_iter().rev() {
            match fs::set_permissions(&path, Permissions::from_mode(mode)) {
                // The caller may have taken it away.
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        // Nobody else may start what has a setuid bit in there.
        fs::set_permissions(&self.scratch, Permissions::from_mode(0o700))?;
        own(&self.scratch)?;
        let tmp = self.scratch.join("tmp");
        if !tmp.exists() {
            fs::create_dir(&tmp)?;
            own(&tmp)?;
            fs::set_permissions(&tmp, Permissions::from_mode(0o1777))?;
        }
        if state.is_copied {
            return Ok(());
        }
        let upper = self.upper(state);
        if !upper.exists() {
            let lower = fs::metadata(&self.lower)?;
            fs::create_dir(&upper)?;
            own(&upper)?;
            fs::set_permissions(&upper, Permissions::from_mode(lower.mode() & 0o7777))?;
        }
        // The kernel's directory; it has nothing that lasts.
        let work = self.scratch.join("work");
        if work.exists() {
            crate::store::remove_directory(&work)?;
        }
        fs::create_dir(&work)?;
        own(&work)
    }

    /// Copies the directory below, where the kernel refuses an overlay.
    pub(super) fn copy(&self, state: &mut State) -> io::Result<()> {
        let root = self.scratch.join("root");
        fs::create_dir(&root)?;
        copy::copy(&self.lower, &root)?;
        state.is_copied = true;
        state.copied = changes::keys(self, state)?;
        Ok(())
    }
}

fn own(path: &Path) -> io::Result<()> {
    match host_owner() {
        Some((uid, gid)) => std::os::unix::fs::lchown(path, Some(uid), Some(gid)),
        None => Ok(()),
    }
}

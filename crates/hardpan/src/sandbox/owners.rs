// SPDX-License-Identifier: Apache-2.0
//! Who files were given to, where the files themselves can't say so.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use hardpan_tree::TreePath;

use super::Owner;
use super::heard::Given;
use super::sys::{self, Errno, HANDLE_BYTES_MAX};

/// What names a file on its file system for as long as it is there, whatever its paths are.
pub(super) type Key = Vec<u8>;

/// A part that `chown` leaves as it is.
pub(super) const KEEP: u32 = u32::MAX;

/// Who files were given to.
#[derive(Debug, Default)]
pub(super) struct Owners {
    by_key: BTreeMap<Key, Owner>,
    below: BTreeMap<TreePath, Owner>,
}

impl Owners {
    pub(super) fn set_below(&mut self, below: BTreeMap<TreePath, Owner>) {
        self.below = below;
    }

    /// Returns who a file was given to.
    pub(super) fn get(&self, key: &Key) -> Option<Owner> {
        self.by_key.get(key).copied()
    }

    /// Gives a file to somebody, as `chown` does. Its path says whose it was where nobody gave it away
    /// yet.
    pub(super) fn give(&mut self, key: Key, given: &Given) {
        let Given { path, uid, gid } = given;
        let below = || self.below.get(path.as_ref()?);
        let before = self.by_key.get(&key).or_else(below).copied();
        let before = before.unwrap_or(Owner { uid: 0, gid: 0 });
        let kept = |new: u32, old: u32| if new == KEEP { old } else { new };
        let owner = Owner { uid: kept(*uid, before.uid), gid: kept(*gid, before.gid) };
        self.by_key.insert(key, owner);
    }

    /// Gives files to whom they are not given yet.
    pub(super) fn give_new(&mut self, keys: BTreeSet<Key>, owner: Owner) {
        for key in keys {
            self.by_key.entry(key).or_insert(owner);
        }
    }
}

/// Returns what names the file at a path; links are not followed.
pub(super) fn key(path: &Path) -> io::Result<Key> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut key = [0u8; HANDLE_BYTES_MAX];
    let length = match sys::name_to_handle(libc::AT_FDCWD, &path, &mut key) {
        Err(Errno(libc::EOPNOTSUPP)) => {
            let status = sys::statx(libc::AT_FDCWD, &path, libc::AT_SYMLINK_NOFOLLOW)?;
            sys::weak_key(&status, &mut key)
        }
        other => other?,
    };
    Ok(key[..length].to_vec())
}

// SPDX-License-Identifier: Apache-2.0
//! Root file systems on the disk, for programs that run in them, and directories that outlive a build.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hardpan_tree::Digest;

use super::{Store, StoreError};

impl Store {
    /// Returns the root file system with this key, making it where it is not there yet. `make` gets an
    /// empty directory. The root is shared: whoever uses it may not write to it.
    pub(crate) fn root_file_system(
        &self,
        key: &Digest,
        now: SystemTime,
        make: impl FnOnce(&Path) -> Result<(), StoreError>,
    ) -> Result<PathBuf, StoreError> {
        let hex = key.to_hex();
        let path = self.root().join("roots").join(&hex[..2]).join(hex);
        let root = path.join("root");
        let lock = self.lock_name(key)?;
        if !root.exists() {
            let parent = path.parent().unwrap_or(&path);
            fs::create_dir_all(parent).map_err(|error| StoreError::io("create", parent, error))?;
            let scratch = self.scratch_directory()?;
            let fresh = scratch.path().join("root");
            fs::create_dir(&fresh).map_err(|error| StoreError::io("create", &fresh, error))?;
            make(&fresh)?;
            // Nothing checks these files again, so that a crash of the machine must not empty them.
            self.sync()?;
            // The name of a complete root appears at once.
            scratch.keep_as(&path)?;
        }
        self.unlock_name(key, lock);
        // For `gc`; failing is no harm.
        let _ = fs::File::open(&path).and_then(|directory| directory.set_modified(now));
        Ok(root)
    }

    /// Returns a directory that is kept from build to build, such as a compiler's cache.
    pub(crate) fn cache_directory(
        &self,
        key: &Digest,
        now: SystemTime,
    ) -> Result<PathBuf, StoreError> {
        self.hold()?;
        let path = self.root().join("caches").join(key.to_hex());
        fs::create_dir_all(&path).map_err(|error| StoreError::io("create", &path, error))?;
        // For `gc`; failing is no harm.
        let _ = fs::File::open(&path).and_then(|directory| directory.set_modified(now));
        Ok(path)
    }

    /// Makes a directory that goes away when it is dropped, whatever modes programs gave to what is in it.
    pub(crate) fn scratch_directory(&self) -> Result<Scratch, StoreError> {
        let directory = self.temporary_directory()?.keep();
        Ok(Scratch { path: Some(directory) })
    }
}

/// A directory for programs to write to, that goes away when it is dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: Option<PathBuf>,
}

impl Scratch {
    /// Returns where it is.
    pub(crate) fn path(&self) -> &Path {
        // It is taken only by what consumes the value.
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    /// Keeps it under another name.
    pub(crate) fn keep_as(mut self, path: &Path) -> Result<(), StoreError> {
        if let Some(own) = self.path.take() {
            fs::rename(&own, path).map_err(|error| StoreError::io("store", path, error))?;
        }
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // What can't be removed is left to `gc`.
            let _ = remove_directory(path);
        }
    }
}

/// Removes a directory with all below it, also where modes forbid to. Links are not followed.
pub(crate) fn remove_directory(path: &Path) -> io::Result<()> {
    if fs::remove_dir_all(path).is_ok() || !path.exists() {
        return Ok(());
    }
    let mut directories = vec![path.to_path_buf()];
    while let Some(directory) = directories.pop() {
        // Whoever owns it may always change its mode; where that fails, removing says why.
        let _ = fs::set_permissions(&directory, Permissions::from_mode(0o700));
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                directories.push(entry.path());
            }
        }
    }
    fs::remove_dir_all(path)
}

// SPDX-License-Identifier: Apache-2.0
//! Checking the store, and removing what was not used for a while.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hardpan_tree::Digest;

use super::roots::remove_directory;
use super::segments::is_record;
use super::{DIRECTORIES, Store, StoreError, remove_if_there};

/// What `gc` may remove.
#[derive(Debug, Clone, Copy)]
pub struct GcOptions {
    /// The present, from the caller's clock.
    pub now: SystemTime,
    /// Files not used for this long go.
    pub unused_for: Duration,
    /// Only say what would go.
    pub dry_run: bool,
}

/// What `gc` did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GcReport {
    /// Files removed.
    pub files_removed: u64,
    /// Their bytes.
    pub bytes_removed: u64,
    /// Files kept.
    pub files_kept: u64,
    /// Their bytes.
    pub bytes_kept: u64,
}

/// What `verify` found.
#[derive(Debug, Default)]
pub struct VerifyReport {
    /// Files read.
    pub files_checked: u64,
    /// Bytes hashed.
    pub bytes_checked: u64,
    /// One error for each damaged file.
    pub damaged: Vec<StoreError>,
    /// Whether the damaged files were removed, to be fetched or made again when they are needed.
    pub repaired: bool,
}

impl Store {
    /// Marks a file as used now, for `gc`. Failing is no harm: the file may only go earlier.
    pub fn touch_blob(&self, digest: &Digest, now: SystemTime) {
        if let Ok(file) = fs::File::open(self.blob_path(digest)) {
            let _ = file.set_modified(now);
        }
    }

    /// Removes what was not used for a while, and what killed processes left in `tmp`.
    ///
    /// Needs the store alone: [`StoreError::Busy`] while any other process or clone has it open.
    pub fn collect_garbage(root: &Path, options: GcOptions) -> Result<GcReport, StoreError> {
        let lock = Self::lock_file(root)?;
        if lock.try_lock().is_err() {
            return Err(StoreError::Busy { path: root.to_path_buf() });
        }
        let mut report = GcReport::default();
        for path in whole_directories(root)? {
            let used = fs::metadata(&path).and_then(|metadata| metadata.modified());
            let used = used.unwrap_or(SystemTime::UNIX_EPOCH);
            let idle = options.now.duration_since(used).unwrap_or_default();
            let is_leftover = path.starts_with(root.join("tmp"));
            let (files, size_bytes) = measure(&path)?;
            if is_leftover || idle >= options.unused_for {
                if !options.dry_run {
                    remove_whole(root, &path)?;
                }
                report.files_removed += files;
                report.bytes_removed += size_bytes;
            } else {
                report.files_kept += files;
                report.bytes_kept += size_bytes;
            }
        }
        for path in plain_files(root)? {
            let metadata =
                fs::metadata(&path).map_err(|error| StoreError::io("read", &path, error))?;
            let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let idle = options.now.duration_since(used).unwrap_or_default();
            let is_leftover = path.starts_with(root.join("tmp"));
            if is_leftover || idle >= options.unused_for {
                if !options.dry_run {
                    remove_if_there(&path)?;
                }
                report.files_removed += 1;
                report.bytes_removed += metadata.len();
            } else {
                report.files_kept += 1;
                report.bytes_kept += metadata.len();
            }
        }
        Ok(report)
    }

    /// Reads every blob and segment and compares it with its digest.
    pub fn verify(&self, repair: bool) -> Result<VerifyReport, StoreError> {
        self.hold()?;
        let mut report = VerifyReport { repaired: repair, ..VerifyReport::default() };
        for path in files_below(&self.root.join("blobs"))? {
            report.files_checked += 1;
            match check_blob(&path) {
                Ok(size_bytes) => report.bytes_checked += size_bytes,
                Err(error) => {
                    if repair {
                        remove_if_there(&path)?;
                    }
                    report.damaged.push(error);
                }
            }
        }
        for path in files_below(&self.root.join("segments"))? {
            if !is_record(&path) {
                continue;
            }
            let Some(key) = file_digest(&path) else { continue };
            report.files_checked += 1;
            match self.check_segment(&key) {
                Ok(size_bytes) => report.bytes_checked += size_bytes,
                Err(error) => {
                    if repair {
                        self.remove_segment(&key)?;
                    }
                    report.damaged.push(error);
                }
            }
        }
        Ok(report)
    }
}

/// Removes a directory that is used as a whole: it is gone at once, even if removing is cut short.
fn remove_whole(root: &Path, path: &Path) -> Result<(), StoreError> {
    let tmp = root.join("tmp");
    let doomed = match path.file_name() {
        Some(name) if !path.starts_with(&tmp) => tmp.join(name),
        _ => path.to_path_buf(),
    };
    if doomed != path {
        // What an earlier one could not finish, and what a program did to its cache, are in the way.
        remove_directory(&doomed).map_err(|error| StoreError::io("remove", &doomed, error))?;
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
        fs::rename(path, &doomed).map_err(|error| StoreError::io("remove", path, error))?;
    }
    remove_directory(&doomed).map_err(|error| StoreError::io("remove", &doomed, error))
}

/// Returns the directories that are used, and removed, as a whole: root file systems, caches, and what
/// killed processes left.
fn whole_directories(root: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let list = |directory: &Path| -> Result<Vec<PathBuf>, StoreError> {
        let fail = |error| StoreError::io("read", directory, error);
        if !directory.exists() {
            return Ok(Vec::new());
        }
        let entries: std::io::Result<Vec<_>> = fs::read_dir(directory).map_err(fail)?.collect();
        let entries = entries.map_err(fail)?;
        let is_directory = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
        Ok(entries.into_iter().filter(is_directory).map(|entry| entry.path()).collect())
    };
    let mut found = list(&root.join("caches"))?;
    found.extend(list(&root.join("tmp"))?);
    for group in list(&root.join("roots"))? {
        found.extend(list(&group)?);
    }
    found.sort();
    Ok(found)
}

/// Returns the files that stand by themselves: all that is not in one of [`whole_directories`].
fn plain_files(root: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut files = Vec::new();
    for name in DIRECTORIES.iter().filter(|name| !["roots", "caches", "tmp"].contains(name)) {
        let directory = root.join(name);
        if directory.exists() {
            files.extend(files_below(&directory)?);
        }
    }
    let tmp = root.join("tmp");
    if let Ok(entries) = fs::read_dir(&tmp) {
        for entry in entries {
            let entry = entry.map_err(|error| StoreError::io("list", &tmp, error))?;
            if entry.file_type().is_ok_and(|kind| !kind.is_dir()) {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Returns how many files a directory has below it, and their bytes. Links are not followed; what can't
/// be read counts as nothing.
fn measure(directory: &Path) -> Result<(u64, u64), StoreError> {
    let (mut files, mut size_bytes) = (0, 0);
    let mut directories = vec![directory.to_path_buf()];
    while let Some(directory) = directories.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries {
            let entry = entry.map_err(|error| StoreError::io("read", &directory, error))?;
            match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => directories.push(entry.path()),
                Ok(metadata) => {
                    files += 1;
                    size_bytes += metadata.len();
                }
                Err(_) => {}
            }
        }
    }
    Ok((files, size_bytes))
}

fn check_blob(path: &Path) -> Result<u64, StoreError> {
    let expected = file_digest(path).ok_or_else(|| StoreError::Unreadable {
        path: path.to_path_buf(),
        reason: "its name is not a digest".to_owned(),
    })?;
    let mut file = fs::File::open(path).map_err(|error| StoreError::io("open", path, error))?;
    let (actual, size_bytes) =
        Digest::of_reader(&mut file).map_err(|error| StoreError::io("read", path, error))?;
    if actual == expected {
        Ok(size_bytes)
    } else {
        Err(StoreError::Damaged { path: path.to_path_buf(), expected, actual })
    }
}

/// Returns the digest that a file of the store is named after.
fn file_digest(path: &Path) -> Option<Digest> {
    Digest::from_hex(path.file_name()?.to_str()?.split('.').next()?).ok()
}

fn files_below(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut files = Vec::new();
    let mut directories = vec![directory.to_path_buf()];
    while let Some(directory) = directories.pop() {
        let wrap = |error| StoreError::io("list", &directory, error);
        for entry in fs::read_dir(&directory).map_err(wrap)? {
            let entry = entry.map_err(wrap)?;
            if entry.file_type().map_err(wrap)?.is_dir() {
                directories.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

// SPDX-License-Identifier: Apache-2.0
//! Checking the store, and removing what was not used for a while.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hardpan_tree::Digest;

use super::segments::is_record;
use super::{Store, StoreError, remove_if_there};

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
        for path in files_below(root)? {
            if path == root.join("lock") {
                continue;
            }
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

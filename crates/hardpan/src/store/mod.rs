// SPDX-License-Identifier: Apache-2.0
//! The store: everything that was fetched or derived, addressed by content.
//!
//! ```text
//! blobs/ab/<sha256>            packages, package indexes and keyrings, as fetched
//! segments/ab/<key>.{record,tar,tar.gz,tar.zst}   packages as normalised tar segments
//! indexes/<key>                parsed package indexes
//! releases/<key>.record        Release files with what a server needs for a conditional request
//! layers/<key>.record          digest and diff id of a layer made of these segments
//! builds/<key>.record          what a build with these inputs gave
//! stages/<key>.record          what the steps of a stage with these inputs changed
//! downloads/<key>.record       the archive that a commit of a git repository became
//! compiled/<key>.record        what became of Python modules and indexes of packages
//! roots/ab/<key>/root/         root file systems as files, for programs that run in them
//! caches/<key>/                directories that build steps keep from build to build
//! tmp/                         what is being written
//! ```
//! **Invariant**: a file outside `tmp/` is complete. It is written under `tmp/`, synced and renamed, so
//! a process that is killed, or two that write the same thing, leave nothing half-written behind.
//! Records are not synced, since each has its checksum: one that the end of the machine's power cut
//! short counts as not there, and is made again.
//! Every reader holds a shared lock on the store, and only `gc` takes the exclusive one.
//!
//! A store is opened by what first reads or keeps something in it, so that work that needs none needs no place for it.

mod error;
mod gc;
#[cfg(test)]
mod opening_tests;
mod roots;
mod segments;

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use flate2::Crc;
use hardpan_tree::{Digest, Hasher, HashingWriter};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;

pub use error::StoreError;
pub use gc::{GcOptions, GcReport, VerifyReport};
pub(crate) use roots::{Scratch, remove_directory};
pub use segments::{SegmentWriter, StoredSegment};

/// The largest blob that is ever read into memory whole, in bytes.
pub const BLOB_IN_MEMORY_BYTES_MAX: u64 = 256 << 20;
/// How much of a stream is held at a time, in bytes.
const CHUNK_BYTES: usize = 1 << 18;

/// A directory of content-addressed files, safe for several processes at once.
#[derive(Debug, Clone)]
pub struct Store {
    root: PathBuf,
    // Held from the first use on, for as long as any clone lives.
    shared_lock: Arc<OnceLock<File>>,
    // Where what is only looked at may go if the store can't be written.
    spare: Option<PathBuf>,
}

const DIRECTORIES: [&str; 13] = [
    "blobs",
    "segments",
    "indexes",
    "releases",
    "layers",
    "builds",
    "stages",
    "downloads",
    "compiled",
    "roots",
    "caches",
    "tmp",
    "stated",
];

impl Store {
    /// Opens a store, making it where there is none. Waits while another process collects garbage.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let store = Self::at(root);
        store.hold()?;
        Ok(store)
    }

    /// Returns the store of a directory, which is opened by what first needs it.
    pub fn at(root: &Path) -> Self {
        Self { root: root.to_path_buf(), shared_lock: Arc::default(), spare: None }
    }

    /// Names a directory for what is only looked at, in case that the store can't be written.
    #[must_use]
    pub fn with_spare(self, directory: PathBuf) -> Self {
        Self { spare: Some(directory), ..self }
    }

    /// Opens the store, unless it is open: everything that reads or writes below its root does that first.
    pub(crate) fn hold(&self) -> Result<(), StoreError> {
        if self.shared_lock.get().is_some() {
            return Ok(());
        }
        for name in DIRECTORIES {
            let path = self.root.join(name);
            fs::create_dir_all(&path).map_err(|error| StoreError::place("create", &path, error))?;
        }
        let lock = match Self::lock_file(&self.root) {
            // What is there can be read, and a lock needs no right to write.
            Err(StoreError::Unusable { action, path, source }) => {
                File::open(&path).map_err(|_| StoreError::Unusable { action, path, source })?
            }
            opened => opened?,
        };
        lock.lock_shared().map_err(|error| StoreError::io("lock", &self.root, error))?;
        // If another thread was faster, its lock does for both.
        let _ = self.shared_lock.set(lock);
        Ok(())
    }

    fn lock_file(root: &Path) -> Result<File, StoreError> {
        let path = root.join("lock");
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| StoreError::place("open", &path, error))
    }

    /// Locks a name for this process, waiting for others; released when the file is dropped.
    pub(crate) fn lock_name(&self, name: &Digest) -> Result<File, StoreError> {
        self.hold()?;
        let path = self.name_lock_path(name);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| StoreError::place("open", &path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => {
                file.lock().map_err(|error| StoreError::io("lock", &path, error))?;
                Ok(file)
            }
            Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &path, error)),
        }
    }

    /// Removes a name's lock. Only for names that nobody needs to lock from now on.
    pub(crate) fn unlock_name(&self, name: &Digest, lock: File) {
        // What stays is removed by `gc`.
        let _ = fs::remove_file(self.name_lock_path(name));
        drop(lock);
    }

    fn name_lock_path(&self, name: &Digest) -> PathBuf {
        self.root.join("tmp").join(format!("{}.lock", name.to_hex()))
    }

    /// Returns the store's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns where a blob is, or would be.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_hex();
        self.root.join("blobs").join(&hex[..2]).join(hex)
    }

    /// Returns whether a blob of this digest and size is there. Its bytes are checked when it is read.
    pub fn has_blob(&self, digest: &Digest, size_bytes: u64) -> bool {
        self.blob_size_bytes(digest) == Some(size_bytes)
    }

    /// Returns a blob's bytes, checked; `None` where there is none.
    pub fn read_blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.hold()?;
        let path = self.blob_path(digest);
        let Some(bytes) = read_limited(&path, BLOB_IN_MEMORY_BYTES_MAX)? else { return Ok(None) };
        let actual = Digest::of(&bytes);
        if actual != *digest {
            return Err(StoreError::Damaged { path, expected: *digest, actual });
        }
        Ok(Some(bytes))
    }

    /// Opens a blob for streaming. Its end is an error if the bytes were not those of the digest.
    pub fn open_blob(&self, digest: &Digest) -> Result<Option<CheckedReader>, StoreError> {
        self.hold()?;
        let path = self.blob_path(digest);
        match File::open(&path) {
            Ok(file) => Ok(Some(CheckedReader {
                file,
                path,
                expected: *digest,
                hasher: Some(Hasher::new()),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("open", &path, error)),
        }
    }

    /// Removes a damaged blob, so that it is fetched anew.
    pub fn remove_blob(&self, digest: &Digest) -> Result<(), StoreError> {
        self.hold()?;
        remove_if_there(&self.blob_path(digest))
    }

    /// Stores bytes and returns their digest.
    pub fn put_blob(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        let path = self.blob_path(&digest);
        if !self.has_blob(&digest, bytes.len() as u64) {
            self.write_file(&path, bytes)?;
        }
        Ok(digest)
    }

    /// Stores what a function reads, however long it is, and returns its digest. It is not synced:
    /// [`Store::sync`] does that for many at once.
    pub(crate) fn put_unsynced_blob(
        &self,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> Result<Digest, StoreError> {
        let mut file = self.temporary()?;
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; CHUNK_BYTES];
        let mut size_bytes = 0u64;
        loop {
            let count = read(&mut buffer)
                .map_err(|error| StoreError::of("read", Path::new("a file"), error))?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            size_bytes += count as u64;
            let path = file.path().to_path_buf();
            file.as_file_mut()
                .write_all(&buffer[..count])
                .map_err(|error| StoreError::io("write", &path, error))?;
        }
        let digest = hasher.finish();
        if !self.has_blob(&digest, size_bytes) {
            Self::publish_unsynced(file, &self.blob_path(&digest))?;
        }
        Ok(digest)
    }

    /// Waits until everything that was written is on the disk.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.hold()?;
        let sync = || -> io::Result<()> { Ok(rustix::fs::syncfs(File::open(&self.root)?)?) };
        sync().map_err(|error| StoreError::io("sync", &self.root, error))
    }

    /// Stores all that a reader yields, and returns its digest and length in bytes.
    pub(crate) fn put_blob_from(&self, reader: &mut dyn Read) -> Result<(Digest, u64), StoreError> {
        let mut writer = HashingWriter::new(self.temporary()?);
        let copied = io::copy(reader, &mut writer);
        copied.map_err(|error| StoreError::io("write in", &self.root, error))?;
        let (file, digest, size_bytes) = writer.finish();
        if !self.has_blob(&digest, size_bytes) {
            self.publish_blob(file, &digest)?;
        }
        Ok((digest, size_bytes))
    }

    /// Gives a complete temporary file, which has this digest, its place as a blob.
    pub(crate) fn publish_blob(
        &self,
        file: NamedTempFile,
        digest: &Digest,
    ) -> Result<(), StoreError> {
        Self::publish(file, &self.blob_path(digest))
    }

    /// Returns the length of a blob in bytes, if it is there. Its bytes are checked when it is read.
    pub(crate) fn blob_size_bytes(&self, digest: &Digest) -> Option<u64> {
        // What can't be opened has nothing.
        self.hold().ok()?;
        let metadata = fs::metadata(self.blob_path(digest)).ok();
        metadata.filter(fs::Metadata::is_file).map(|metadata| metadata.len())
    }

    /// Returns where a download of this digest may be collected, so that a later run resumes it.
    pub fn partial_path(&self, digest: &Digest) -> PathBuf {
        self.root.join("tmp").join(format!("{}.part", digest.to_hex()))
    }

    /// Takes a complete download, whose digest the downloader has checked, as a blob.
    pub fn adopt_partial(&self, digest: &Digest) -> Result<(), StoreError> {
        self.adopt_file(&self.partial_path(digest), digest)
    }

    /// Takes a complete file below `tmp`, which has this digest, as a blob.
    pub(crate) fn adopt_file(&self, partial: &Path, digest: &Digest) -> Result<(), StoreError> {
        self.hold()?;
        let path = self.blob_path(digest);
        let sync = || -> io::Result<()> {
            File::open(partial)?.sync_data()?;
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            fs::rename(partial, &path)
        };
        sync().map_err(|error| StoreError::io("store", &path, error))
    }

    /// Reads a JSON record (`kind` is a directory of the store); `None` where there is none.
    pub fn read_record<T: DeserializeOwned>(
        &self,
        kind: &str,
        key: &Digest,
    ) -> Result<Option<T>, StoreError> {
        self.hold()?;
        let path = self.record_path(kind, key);
        let bytes = read_limited(&path, BLOB_IN_MEMORY_BYTES_MAX)?;
        bytes.map(|bytes| open_record(&path, &bytes)).transpose()
    }

    /// Removes a record, so that it is made anew.
    pub(crate) fn remove_record(&self, kind: &str, key: &Digest) -> Result<(), StoreError> {
        self.hold()?;
        remove_if_there(&self.record_path(kind, key))
    }

    /// Writes a JSON record.
    pub fn write_record<T: Serialize>(
        &self,
        kind: &str,
        key: &Digest,
        value: &T,
    ) -> Result<(), StoreError> {
        let path = self.record_path(kind, key);
        let bytes = seal_record(&path, value)?;
        self.write_sealed(&path, &bytes)
    }

    fn record_path(&self, kind: &str, key: &Digest) -> PathBuf {
        self.root.join(kind).join(format!("{}.record", key.to_hex()))
    }

    /// Opens a parsed package index and tells its length; `None` where there is none.
    pub fn open_index(&self, key: &Digest) -> Result<Option<(File, u64)>, StoreError> {
        self.hold()?;
        let path = self.root.join("indexes").join(key.to_hex());
        match File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file))) {
            Ok((size_bytes, file)) => Ok(Some((file, size_bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("open", &path, error)),
        }
    }

    /// Writes a parsed package index.
    pub fn write_index(&self, key: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        self.write_file(&self.root.join("indexes").join(key.to_hex()), bytes)
    }

    /// Makes a file that becomes visible only when it is complete.
    pub(crate) fn temporary(&self) -> Result<NamedTempFile, StoreError> {
        self.hold()?;
        let directory = self.root.join("tmp");
        tempfile::Builder::new()
            .prefix("new-")
            .tempfile_in(&directory)
            .map_err(|error| StoreError::place("write in", &directory, error))
    }

    /// Makes a directory that goes away when it is dropped.
    pub fn temporary_directory(&self) -> Result<tempfile::TempDir, StoreError> {
        self.hold()?;
        Self::directory_in(&self.root.join("tmp"))
    }

    /// Makes a directory for what is only looked at, such as an unpacked archive; it goes away when it is dropped. Where
    /// the store can't be written, it is in the directory that [`Store::with_spare`] named.
    pub(crate) fn viewing_directory(&self) -> Result<tempfile::TempDir, StoreError> {
        match (self.temporary_directory(), &self.spare) {
            (Err(StoreError::Unusable { .. }), Some(spare)) => Self::directory_in(spare),
            (made, _) => made,
        }
    }

    fn directory_in(directory: &Path) -> Result<tempfile::TempDir, StoreError> {
        tempfile::Builder::new()
            .prefix("new-")
            .tempdir_in(directory)
            .map_err(|error| StoreError::place("write in", directory, error))
    }

    /// Syncs a complete temporary file and gives it its name.
    pub(crate) fn publish(file: NamedTempFile, path: &Path) -> Result<(), StoreError> {
        file.as_file().sync_data().map_err(|error| StoreError::io("store", path, error))?;
        Self::publish_unsynced(file, path)
    }

    /// Gives a complete temporary file its name. After a crash of the machine it may be empty or cut
    /// short: only for what has its own checksum, and counts as not there if that is wrong.
    fn publish_unsynced(file: NamedTempFile, path: &Path) -> Result<(), StoreError> {
        let publish = || -> io::Result<()> {
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            file.persist(path)?;
            Ok(())
        };
        publish().map_err(|error| StoreError::io("store", path, error))
    }

    fn write_file(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        Self::publish(self.temporary_with(path, bytes)?, path)
    }

    /// Writes what [`seal_record`] returned.
    fn write_sealed(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        Self::publish_unsynced(self.temporary_with(path, bytes)?, path)
    }

    fn temporary_with(&self, path: &Path, bytes: &[u8]) -> Result<NamedTempFile, StoreError> {
        let mut file = self.temporary()?;
        let written = file.as_file_mut().write_all(bytes);
        written.map_err(|error| StoreError::io("write", path, error))?;
        Ok(file)
    }
}

/// Writes a record as a line with its checksum and the JSON. The checksum finds accidents: a flipped
/// bit in a record would otherwise be a wrong image.
fn seal_record<T: Serialize>(path: &Path, value: &T) -> Result<Vec<u8>, StoreError> {
    let json = serde_json::to_vec(value).map_err(|error| StoreError::Unreadable {
        path: path.to_path_buf(),
        reason: error.to_string(),
    })?;
    let mut checksum = Crc::new();
    checksum.update(&json);
    let mut bytes = format!("{:08x}\n", checksum.sum()).into_bytes();
    bytes.extend(json);
    Ok(bytes)
}

/// Reads what [`seal_record`] wrote.
fn open_record<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, StoreError> {
    let unreadable = |reason: String| StoreError::Unreadable { path: path.to_path_buf(), reason };
    let (line, json) =
        bytes.split_at_checked(9).ok_or_else(|| unreadable("it is too short".to_owned()))?;
    let mut checksum = Crc::new();
    checksum.update(json);
    if format!("{:08x}\n", checksum.sum()).as_bytes() != line {
        return Err(unreadable("its checksum is wrong".to_owned()));
    }
    serde_json::from_slice(json).map_err(|error| unreadable(error.to_string()))
}

/// Reads a file up to a limit; `None` where there is none.
fn read_limited(path: &Path, limit_bytes: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StoreError::io("open", path, error)),
    };
    let size_bytes = file.metadata().map_or(0, |metadata| metadata.len());
    if size_bytes > limit_bytes {
        return Err(StoreError::Unreadable {
            path: path.to_path_buf(),
            reason: format!("it has {size_bytes} bytes, more than {limit_bytes}"),
        });
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or(0));
    file.take(limit_bytes)
        .read_to_end(&mut bytes)
        .map_err(|error| StoreError::io("read", path, error))?;
    Ok(Some(bytes))
}

fn remove_if_there(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(StoreError::io("remove", path, error))
        }
        _ => Ok(()),
    }
}

/// Streams a blob and checks it: the read that meets the end fails if the bytes are not the blob's.
#[derive(Debug)]
pub struct CheckedReader {
    file: File,
    path: PathBuf,
    expected: Digest,
    hasher: Option<Hasher>,
}

impl Read for CheckedReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        if count > 0 {
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&buffer[..count]);
            }
        } else if !buffer.is_empty()
            && let Some(hasher) = self.hasher.take()
        {
            let actual = hasher.finish();
            if actual != self.expected {
                let damaged = StoreError::Damaged {
                    path: self.path.clone(),
                    expected: self.expected,
                    actual,
                };
                return Err(io::Error::new(io::ErrorKind::InvalidData, damaged));
            }
        }
        Ok(count)
    }
}

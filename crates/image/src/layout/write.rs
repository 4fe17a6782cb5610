// SPDX-License-Identifier: Apache-2.0
//! Writing layouts so that a crash at any moment leaves the old layout or the new one.
//!
//! Each file is written under a temporary name beside its place, synced and renamed; `index.json`,
//! which makes the rest count, comes last; what it no longer names is removed after that. A lock on
//! the directory keeps a second writer waiting.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use hardpan_tree::{Digest, Hasher};

use super::read::{Layout, blob_path, open_regular};
use super::{
    BLOBS_DIRECTORY, INDEX_FILE, LayoutError, MARKER_FILE, TEMPORARY_PREFIX, entries_document,
    index_document, marker_bytes,
};
use crate::compression::Compression;
use crate::image::ImageIndex;
use crate::json::Raw;
use crate::layer::{LayerPart, LayerSummary, write_layer};
use crate::media_type;
use crate::name::ImageName;
use crate::oci::Descriptor;

/// How a file becomes a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// Its bytes are copied, and checked against the digest on the way.
    Copy,
    /// It is linked, where the file system can, and only its length is checked: for files of a store
    /// that were checked already. The two then are one file: who changes one changes the other.
    HardLink,
}

/// Writes a layout; holds its lock until dropped. Blobs may be written from several threads.
#[derive(Debug)]
pub struct LayoutWriter {
    directory: PathBuf,
    /// Held for its lock.
    _lock: File,
    counter: AtomicU64,
    /// Blobs that were not there before.
    written: Mutex<BTreeSet<Digest>>,
    is_committed: bool,
    /// Whether the directory was not there before.
    is_new: bool,
}

impl LayoutWriter {
    /// Makes a directory a layout, or opens one that hardpan made or started to make, waiting for
    /// another writer to end. A directory with anything else in it is refused, and so is a layout
    /// with images of others.
    pub fn create(directory: &Path) -> Result<Self, LayoutError> {
        let wrap = |action| move |error| LayoutError::io(action, directory, error);
        let is_new = !directory.exists();
        let lock = loop {
            fs::create_dir_all(directory).map_err(wrap("create"))?;
            let lock = File::open(directory).map_err(wrap("open"))?;
            match lock.lock() {
                // Some network file systems have no locks; then two writers must not meet.
                Err(error) if error.kind() != io::ErrorKind::Unsupported => {
                    return Err(LayoutError::io("lock", directory, error));
                }
                _ => {}
            }
            // The one that had the lock before may have removed the directory when it failed.
            let held = lock.metadata().map_err(wrap("read"))?;
            if fs::metadata(directory)
                .is_ok_and(|there| (there.dev(), there.ino()) == (held.dev(), held.ino()))
            {
                break lock;
            }
        };
        check_ours(directory)?;
        let writer = Self {
            directory: directory.to_owned(),
            _lock: lock,
            counter: AtomicU64::new(0),
            written: Mutex::default(),
            is_committed: false,
            is_new,
        };
        // Left by a writer that was killed: the lock is ours, so nobody writes them now.
        writer.remove_files("", |name| name.starts_with(TEMPORARY_PREFIX))?;
        writer.write_file(MARKER_FILE, &marker_bytes())?;
        for part in ["blobs", BLOBS_DIRECTORY] {
            let path = directory.join(part);
            match fs::create_dir(&path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(LayoutError::io("create", &path, error));
                }
                _ => {}
            }
            let metadata = fs::symlink_metadata(&path)
                .map_err(|error| LayoutError::io("open", &path, error))?;
            if !metadata.is_dir() {
                return Err(LayoutError::NotALayout { path: directory.to_owned() });
            }
        }
        writer.remove_files(BLOBS_DIRECTORY, |name| name.starts_with(TEMPORARY_PREFIX))?;
        Ok(writer)
    }

    /// Returns the directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns whether a blob is there with the right length and digest.
    pub fn has_blob(&self, digest: &Digest, size_bytes: u64) -> Result<bool, LayoutError> {
        let path = blob_path(&self.directory, digest);
        let wrap = |error| LayoutError::io("read", &path, error);
        // What is no file is replaced like a blob with wrong bytes, if it can be.
        let Ok(Some(mut file)) = open_regular(&path) else { return Ok(false) };
        if file.metadata().map_err(wrap)?.len() != size_bytes {
            return Ok(false);
        }
        Ok(Digest::of_reader(&mut file).map_err(wrap)? == (*digest, size_bytes))
    }

    /// Writes a blob that is at hand; one that is there already is left alone.
    pub fn write_blob(&self, bytes: &[u8]) -> Result<Digest, LayoutError> {
        let digest = Digest::of(bytes);
        if !self.has_blob(&digest, bytes.len() as u64)? {
            let (path, mut file) = self.temporary(BLOBS_DIRECTORY)?;
            file.write_all(bytes).map_err(|error| path.error("write", error))?;
            self.publish_blob(path, &file, &digest)?;
        }
        Ok(digest)
    }

    /// Starts a blob whose bytes are still to come.
    pub fn blob_writer(&self) -> Result<BlobWriter<'_>, LayoutError> {
        let (path, file) = self.temporary(BLOBS_DIRECTORY)?;
        Ok(BlobWriter { writer: self, path, file, hasher: Hasher::new(), size_bytes: 0 })
    }

    /// Writes a layer straight into the layout (see [`write_layer`]).
    pub fn write_layer(
        &self,
        parts: &[&dyn LayerPart],
        compression: Compression,
    ) -> Result<LayerSummary, LayoutError> {
        let (path, mut file) = self.temporary(BLOBS_DIRECTORY)?;
        let summary = write_layer(parts, compression, &mut file).map_err(LayoutError::Layer)?;
        self.publish_blob(path, &file, &summary.digest)?;
        Ok(summary)
    }

    fn publish_blob(
        &self,
        from: Temporary,
        file: &File,
        digest: &Digest,
    ) -> Result<(), LayoutError> {
        let target = blob_path(&self.directory, digest);
        let is_new = !target.exists();
        from.publish(file, &target)?;
        if is_new {
            self.note(digest);
        }
        Ok(())
    }

    fn note(&self, digest: &Digest) {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).insert(*digest);
    }

    /// Makes a file a blob; one that is there already is left alone.
    pub fn add_file(
        &self,
        source: &Path,
        digest: &Digest,
        size_bytes: u64,
        transfer: Transfer,
    ) -> Result<(), LayoutError> {
        let target = blob_path(&self.directory, digest);
        let mut file = open_regular(source)?.ok_or(LayoutError::Missing(*digest))?;
        let metadata = file.metadata().map_err(|error| LayoutError::io("read", source, error))?;
        let actual_bytes = metadata.len();
        if actual_bytes != size_bytes {
            let expected_bytes = size_bytes;
            return Err(LayoutError::Size { digest: *digest, expected_bytes, actual_bytes });
        }
        if self.has_blob(digest, size_bytes)? {
            return Ok(());
        }
        if transfer == Transfer::HardLink {
            let path = self.temporary_path(BLOBS_DIRECTORY);
            // Across file systems, or where links are forbidden, a copy does.
            if fs::hard_link(source, &path.0).is_ok() {
                self.note(digest);
                return path.rename(&target);
            }
        }
        let mut blob = self.blob_writer()?;
        io::copy(&mut Read::take(&mut file, size_bytes + 1), &mut blob)
            .map_err(|error| LayoutError::io("copy", source, error))?;
        blob.finish_as(digest, size_bytes)
    }

    /// Completes the layout: writes the documents of an index, checks that its layers are there, makes
    /// `index.json` name it, and removes blobs that nothing names any more.
    pub fn commit(
        mut self,
        index: &ImageIndex,
        names: &[ImageName],
    ) -> Result<Layout, LayoutError> {
        let mut named = BTreeSet::from([self.write_blob(index.raw().bytes())?]);
        for image in index.images() {
            named.insert(self.write_blob(image.config().bytes())?);
            named.insert(self.write_blob(image.manifest().bytes())?);
            for layer in image.layers() {
                let digest = layer.summary.digest;
                let path = blob_path(&self.directory, &digest);
                let file = open_regular(&path)?.ok_or(LayoutError::Missing(digest))?;
                let metadata =
                    file.metadata().map_err(|error| LayoutError::io("read", &path, error))?;
                let (expected_bytes, actual_bytes) = (layer.summary.size_bytes, metadata.len());
                if actual_bytes != expected_bytes {
                    return Err(LayoutError::Size { digest, expected_bytes, actual_bytes });
                }
                named.insert(digest);
            }
        }
        self.sync(BLOBS_DIRECTORY)?;
        let document = Raw::new(index_document(&index.descriptor(), names));
        self.write_file(INDEX_FILE, document.bytes())?;
        self.is_committed = true;
        self.sync("")?;
        self.remove_files(BLOBS_DIRECTORY, |name| {
            Digest::from_hex(name).is_ok_and(|digest| !named.contains(&digest))
        })?;
        Layout::open(&self.directory)
    }

    /// Completes the layout with other entries in `index.json`: everything that they lead to must be there, and what they
    /// do not lead to is removed. So manifests that refer to an image can stand beside it.
    pub fn commit_entries(mut self, entries: Vec<Descriptor>) -> Result<Layout, LayoutError> {
        let document = Raw::new(entries_document(entries));
        let layout = Layout::of(&self.directory, document)?;
        let named = layout.present()?;
        self.sync(BLOBS_DIRECTORY)?;
        self.write_file(INDEX_FILE, layout.index().bytes())?;
        self.is_committed = true;
        self.sync("")?;
        self.remove_files(BLOBS_DIRECTORY, |name| {
            Digest::from_hex(name).is_ok_and(|digest| !named.contains(&digest))
        })?;
        Ok(layout)
    }

    /// Writes a file in the root, unless it has these bytes.
    fn write_file(&self, name: &str, bytes: &[u8]) -> Result<(), LayoutError> {
        let target = self.directory.join(name);
        if let Ok(Some(file)) = open_regular(&target) {
            let mut old = Vec::new();
            let is_read = file.take(bytes.len() as u64 + 1).read_to_end(&mut old).is_ok();
            if is_read && old == bytes {
                return Ok(());
            }
        }
        let (path, mut file) = self.temporary("")?;
        file.write_all(bytes).map_err(|error| path.error("write", error))?;
        path.publish(&file, &target)
    }

    fn temporary_path(&self, part: &str) -> Temporary {
        let number = self.counter.fetch_add(1, Ordering::Relaxed);
        Temporary(self.directory.join(part).join(format!("{TEMPORARY_PREFIX}{number}")))
    }

    fn temporary(&self, part: &str) -> Result<(Temporary, File), LayoutError> {
        let path = self.temporary_path(part);
        let file = File::create_new(&path.0).map_err(|error| path.error("create", error))?;
        Ok((path, file))
    }

    fn sync(&self, part: &str) -> Result<(), LayoutError> {
        let path = self.directory.join(part);
        let sync = || File::open(&path)?.sync_all();
        sync().map_err(|error| LayoutError::io("sync", &path, error))
    }

    fn remove_files(
        &self,
        part: &str,
        is_doomed: impl Fn(&str) -> bool,
    ) -> Result<(), LayoutError> {
        let directory = self.directory.join(part);
        let wrap = |error| LayoutError::io("list", &directory, error);
        for entry in fs::read_dir(&directory).map_err(wrap)? {
            let entry = entry.map_err(wrap)?;
            if entry.file_name().to_str().is_some_and(&is_doomed) {
                let path = entry.path();
                fs::remove_file(&path).map_err(|error| LayoutError::io("remove", &path, error))?;
            }
        }
        Ok(())
    }
}

/// Without a commit everything is as it was: what nothing names is of no use to anybody.
impl Drop for LayoutWriter {
    fn drop(&mut self) {
        if self.is_committed {
            return;
        }
        let written =
            std::mem::take(self.written.get_mut().unwrap_or_else(PoisonError::into_inner));
        // What can't be removed here is removed by the next writer.
        for digest in written {
            let _ = fs::remove_file(blob_path(&self.directory, &digest));
        }
        if !self.directory.join(INDEX_FILE).exists() {
            let _ = fs::remove_file(self.directory.join(MARKER_FILE));
            // Only those that are empty go.
            for part in [BLOBS_DIRECTORY, "blobs"] {
                let _ = fs::remove_dir(self.directory.join(part));
            }
            if self.is_new {
                let _ = fs::remove_dir(&self.directory);
            }
        }
    }
}

/// A temporary file's name; the file goes when it is dropped, unless it was renamed.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Temporary {
    fn error(&self, action: &'static str, error: io::Error) -> LayoutError {
        LayoutError::io(action, &self.0, error)
    }

    fn publish(self, file: &File, target: &Path) -> Result<(), LayoutError> {
        file.sync_data().map_err(|error| self.error("sync", error))?;
        self.rename(target)
    }

    fn rename(self, target: &Path) -> Result<(), LayoutError> {
        // Renaming a link to a file over another link to the same file does nothing; dropping then
        // removes the temporary one, as it does after an error.
        fs::rename(&self.0, target).map_err(|error| LayoutError::io("rename to", target, error))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // After a rename there is nothing, and else the next writer removes what this could not.
        let _ = fs::remove_file(&self.0);
    }
}

/// A blob that is being written; its digest becomes known at the end.
#[derive(Debug)]
pub struct BlobWriter<'w> {
    writer: &'w LayoutWriter,
    path: Temporary,
    file: File,
    hasher: Hasher,
    size_bytes: u64,
}

impl BlobWriter<'_> {
    /// Gives the blob its place and returns its digest and length in bytes. Dropping it instead leaves
    /// nothing behind.
    pub fn finish(self) -> Result<(Digest, u64), LayoutError> {
        let digest = self.hasher.finish();
        if !self.writer.has_blob(&digest, self.size_bytes)? {
            self.writer.publish_blob(self.path, &self.file, &digest)?;
        }
        Ok((digest, self.size_bytes))
    }

    /// Gives the blob its place if it has this digest and length.
    pub fn finish_as(self, expected: &Digest, expected_bytes: u64) -> Result<(), LayoutError> {
        let actual = self.hasher.clone().finish();
        if self.size_bytes != expected_bytes {
            let (digest, actual_bytes) = (*expected, self.size_bytes);
            return Err(LayoutError::Size { digest, expected_bytes, actual_bytes });
        }
        if actual != *expected {
            return Err(LayoutError::Digest { expected: *expected, actual });
        }
        self.finish().map(|_| ())
    }
}

impl Write for BlobWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size_bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Says whether a directory may be written to: it is empty, or a layout of ours, whole or begun.
fn check_ours(directory: &Path) -> Result<(), LayoutError> {
    let wrap = |error| LayoutError::io("list", directory, error);
    let has_marker = directory.join(MARKER_FILE).is_file();
    let mut has_index = false;
    let mut has_other = false;
    for entry in fs::read_dir(directory).map_err(wrap)? {
        match entry.map_err(wrap)?.file_name().to_str() {
            Some(MARKER_FILE) => {}
            Some(INDEX_FILE) => has_index = true,
            Some("blobs") if has_marker => {}
            Some(name) if name.starts_with(TEMPORARY_PREFIX) => {}
            _ => has_other = true,
        }
    }
    match (has_marker, has_index) {
        (true, true) => match Layout::open(directory) {
            Ok(layout) => {
                let annotations = &layout.index().value().annotations;
                if annotations.contains_key(media_type::ANNOTATION_LAYOUT) {
                    Ok(())
                } else {
                    Err(LayoutError::Foreign { path: directory.to_owned() })
                }
            }
            Err(_) => Err(LayoutError::Foreign { path: directory.to_owned() }),
        },
        // Empty, or a writer was killed before its first commit.
        (_, false) if !has_other => Ok(()),
        _ => Err(LayoutError::NotALayout { path: directory.to_owned() }),
    }
}

// SPDX-License-Identifier: Apache-2.0
//! A layer into a segment: the archive as it is, uncompressed, with a record of what is in it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use hardpan_image::{Compression, decompress, media_type};
use hardpan_package::elf::Probe;
use hardpan_package::segment::{ByteRange, Entry, EntryKind, FileEntry};
use hardpan_tree::layers::Whiteout;
use hardpan_tree::{
    Digest, Hasher, Metadata, TarEntry, TarEntryKind, TarLimits, TarReadError, TarReader, TreePath,
};
use serde::{Deserialize, Serialize};

use crate::store::StoreError;

/// The largest archive in a layer, in bytes.
const LAYER_BYTES_MAX: u64 = 32 << 30;
/// How many times as large as its compressed form an archive may be. gzip can do a thousand times; layers
/// of real images have up to thirty.
const RATIO_MAX: u64 = 200;
/// Archives below this size, in bytes, may have any ratio: zeros of that size harm nobody.
const RATIO_FREE_BYTES: u64 = 256 << 20;
/// The most entries of a layer.
const ENTRIES_MAX: u64 = 1_000_000;

/// The version of what [`read_layer`] returns.
const FORMAT_VERSION: u32 = 2;

/// Extended attributes by which overlayfs knows what to hide. In a layer they could only deceive.
const OVERLAY_ATTRIBUTES: [&str; 2] = ["trusted.overlay.", "user.overlay."];

/// Why a layer is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// Not a layer of a kind that is known.
    #[error("unknown kind of layer {0:?}")]
    Kind(String),
    /// It can't be decompressed.
    #[error("it can't be decompressed")]
    Decompress(#[source] io::Error),
    /// It can't be read from the store, or not be written there.
    #[error(transparent)]
    Store(StoreError),
    /// The archive is refused.
    #[error("its archive is refused")]
    Tar(#[from] TarReadError),
    /// The archive is not the one that the configuration names.
    #[error("its archive has the digest {actual}, not {expected}")]
    DiffId {
        /// What the configuration says.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// Much more comes out than went in.
    #[error("its archive has more than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// A path stands there twice.
    #[error("{0} is in it twice")]
    Duplicate(TreePath),
    /// A whiteout of nothing, of `.` or of `..`.
    #[error("{0} removes what can't be removed")]
    Whiteout(TreePath),
}

/// What is in a layer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LayerRecord {
    /// Directories, files and links, in the archive's order. A file's offset is in the archive.
    pub(super) entries: Vec<Entry>,
    /// What lower layers have and this one removes, with all below.
    pub(super) removed: Vec<TreePath>,
    /// Directories of which this layer removes all that is in them.
    pub(super) emptied: Vec<TreePath>,
    /// Device nodes, pipes and such. They are left out.
    pub(super) dropped: Vec<TreePath>,
}

/// Returns the key under which a layer's segment is stored.
pub(super) fn segment_key(diff_id: &Digest) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(b"hardpan image layer\n");
    hasher.update(&FORMAT_VERSION.to_be_bytes());
    hasher.update(diff_id.as_bytes());
    hasher.finish()
}

/// Returns how a layer of this media type is compressed.
pub(super) fn compression(media_type: &str) -> Result<Compression, LayerError> {
    if let Some(known) = Compression::of_media_type(media_type) {
        return Ok(known);
    }
    // Docker's name without compression, and layers that licenses forbid to pass on.
    match media_type {
        "application/vnd.docker.image.rootfs.diff.tar"
        | "application/vnd.oci.image.layer.nondistributable.v1.tar" => Ok(Compression::None),
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
        | "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip" => Ok(Compression::Gzip),
        "application/vnd.docker.image.rootfs.diff.tar.zstd"
        | "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd" => Ok(Compression::Zstd),
        other => Err(LayerError::Kind(other.chars().take(100).collect())),
    }
}

/// Returns whether this is the media type of an image's configuration.
pub(super) fn is_config(media_type: &str) -> bool {
    matches!(media_type, media_type::CONFIG | media_type::DOCKER_CONFIG)
}

/// Reads a layer to its end while its archive goes to `output` as it is.
pub(super) fn read_layer(
    blob: impl Read,
    compressed_bytes: u64,
    compression: Compression,
    diff_id: &Digest,
    output: &mut dyn Write,
) -> Result<LayerRecord, LayerError> {
    let limit_bytes = match compression {
        Compression::None => LAYER_BYTES_MAX,
        _ => compressed_bytes.saturating_mul(RATIO_MAX).clamp(RATIO_FREE_BYTES, LAYER_BYTES_MAX),
    };
    let inner = decompress(blob, compression).map_err(LayerError::Decompress)?;
    let tee = Tee { inner, output, hasher: Hasher::new(), left_bytes: limit_bytes, is_over: false };
    let mut tar = TarReader::new(tee, TarLimits::of_layer(ENTRIES_MAX, LAYER_BYTES_MAX));
    let scanned = Scan::default().run(&mut tar);
    let finished = scanned.and_then(|record| Ok((record, tar.finish()?)));
    let (record, tee) = match finished {
        Ok(finished) => finished,
        Err(LayerError::Tar(TarReadError::Io(error))) => return Err(classify(error, limit_bytes)),
        Err(error) => return Err(error),
    };
    let actual = tee.hasher.finish();
    if actual != *diff_id {
        return Err(LayerError::DiffId { expected: *diff_id, actual });
    }
    Ok(record)
}

/// Sets the limit and the store apart from a stream that is broken.
fn classify(error: io::Error, limit_bytes: u64) -> LayerError {
    let Err(error) = error.downcast::<TooLarge>() else {
        return LayerError::TooLarge { limit_bytes };
    };
    match error.downcast::<StoreError>() {
        Ok(error) => LayerError::Store(error),
        Err(error) => LayerError::Decompress(error),
    }
}

/// What [`Tee`] fails with at its limit.
#[derive(Debug, thiserror::Error)]
#[error("too large")]
struct TooLarge;

/// Passes on what is read, and writes and hashes it.
struct Tee<'t, R> {
    inner: R,
    output: &'t mut dyn Write,
    hasher: Hasher,
    left_bytes: u64,
    is_over: bool,
}

impl<R: Read> Read for Tee<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.is_over |= count as u64 > self.left_bytes;
        if self.is_over {
            return Err(io::Error::other(TooLarge));
        }
        self.left_bytes -= count as u64;
        self.hasher.update(&buffer[..count]);
        self.output.write_all(&buffer[..count]).map_err(|error| {
            io::Error::other(StoreError::of("write", Path::new("a segment"), error))
        })?;
        Ok(count)
    }
}

/// What was seen until now.
#[derive(Default)]
struct Scan {
    record: LayerRecord,
    /// All paths, and whether they are directories.
    seen: BTreeMap<TreePath, bool>,
}

impl Scan {
    fn run<R: Read>(mut self, tar: &mut TarReader<R>) -> Result<LayerRecord, LayerError> {
        while let Some(entry) = tar.next_entry()? {
            self.entry(tar, entry)?;
        }
        Ok(self.record)
    }

    fn entry<R: Read>(
        &mut self,
        tar: &mut TarReader<R>,
        entry: TarEntry,
    ) -> Result<(), LayerError> {
        let TarEntry { path, mut metadata, kind } = entry;
        if let Some(whiteout) = Whiteout::of(&path) {
            match whiteout {
                Whiteout::At(hidden) => self.record.removed.push(hidden),
                Whiteout::Below(directory) => self.record.emptied.push(directory),
                Whiteout::Driver => {}
                Whiteout::Nameless => return Err(LayerError::Whiteout(path)),
            }
            return Ok(());
        }
        // Docker and podman refuse it, and what does not may take the one or the other. Directories are
        // common, and the last one counts.
        let is_directory = kind == TarEntryKind::Directory;
        match self.seen.insert(path.clone(), is_directory) {
            Some(was_directory) if !(is_directory && was_directory) => {
                return Err(LayerError::Duplicate(path));
            }
            _ => {}
        }
        metadata.xattrs.retain(|name, _| {
            !OVERLAY_ATTRIBUTES.iter().any(|attribute| name.starts_with(attribute))
        });
        let kind = match kind {
            TarEntryKind::Directory => EntryKind::Directory,
            TarEntryKind::Symlink(target) => {
                metadata.mode = 0o777;
                EntryKind::Symlink(target)
            }
            TarEntryKind::HardLink(target) => EntryKind::HardLink(target),
            TarEntryKind::File(size_bytes) => EntryKind::File(file(tar, size_bytes)?),
            _ => {
                self.record.dropped.push(path);
                return Ok(());
            }
        };
        self.push(path, metadata, kind);
        Ok(())
    }

    fn push(&mut self, path: TreePath, metadata: Metadata, kind: EntryKind) {
        self.record.entries.push(Entry { path, metadata, kind, record: ByteRange::default() });
    }
}

/// Reads a file's bytes for its digest and facts.
fn file<R: Read>(tar: &mut TarReader<R>, size_bytes: u64) -> Result<FileEntry, LayerError> {
    let offset_bytes = tar.offset_bytes();
    let mut hasher = Hasher::new();
    let mut probe = Probe::new(size_bytes);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = tar.read(&mut buffer).map_err(TarReadError::Io)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        probe.feed(&buffer[..count]);
    }
    let facts = probe.finish().map(Arc::new);
    Ok(FileEntry { size_bytes, digest: hasher.finish(), offset_bytes, facts })
}

// SPDX-License-Identifier: Apache-2.0
//! A layer as a segment of the store: its tar bytes, and a record of what is in them.

use std::io::{self, Read, Write};
use std::sync::Arc;

use hardpan_image::{Compression, decompress};
use hardpan_package::elf::Probe;
use hardpan_package::segment::{EntryKind, FileEntry};
use hardpan_tree::{
    Digest, Hasher, HashingWriter, Metadata, Special, TarEntry, TarEntryKind, TarLimits, TarReader,
    TreePath,
};
use serde::{Deserialize, Serialize};

use super::{ImageTreeError, LayerInput};
use crate::store::{SegmentWriter, Store, StoreError};

/// Goes up when what is recorded of a layer changes.
const FORMAT_VERSION: u32 = 3;

/// The most entries of one layer: large images have a hundred thousand.
const ENTRIES_MAX: u64 = 1_000_000;
/// The largest layer, uncompressed, in bytes: more than any image that people run, and less than the
/// disks of the machines that build.
const LAYER_BYTES_MAX: u64 = 32 << 30;

/// What is recorded of a layer.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    /// In the layer's order.
    pub(super) entries: Vec<Entry>,
}

/// One thing in a layer; whiteouts are files here.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) path: TreePath,
    pub(super) metadata: Metadata,
    pub(super) kind: Recorded,
}

/// What is recorded of an entry.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Recorded {
    /// What a tree can hold.
    Plain(EntryKind),
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
}

/// Returns the key of a layer's segment.
pub(super) fn key(diff_id: &Digest) -> Digest {
    Digest::of(format!("layer {FORMAT_VERSION} {diff_id}\n").as_bytes())
}

/// Returns what is in a layer, reading it into the store unless it is there.
pub(super) fn read(store: &Store, layer: &LayerInput<'_>) -> Result<Record, ImageTreeError> {
    let key = key(&layer.diff_id);
    if let Some((_, record)) = store.segment_with_record::<Record>(&key)? {
        return Ok(record);
    }
    let digest = layer.descriptor.digest;
    let media_type = &layer.descriptor.media_type;
    let compression = Compression::of_media_type(media_type).ok_or_else(|| {
        ImageTreeError::MediaType { layer: digest, media_type: media_type.clone() }
    })?;
    let fail = |source| ImageTreeError::of_reading(digest, source);
    let mut input = HashingReader { inner: (layer.open)().map_err(fail)?, hasher: Hasher::new() };
    let tee = Tee {
        inner: decompress(&mut input, compression).map_err(fail)?,
        output: HashingWriter::new(store.segment_writer(Compression::None)?),
        left_bytes: LAYER_BYTES_MAX,
    };
    let read = read_entries(tee);
    // To the end, so that every byte counts: wrong bytes are to be called that, whatever the tar
    // reader made of them.
    io::copy(&mut input, &mut io::sink()).map_err(fail)?;
    let actual = input.hasher.finish();
    if actual != digest {
        return Err(ImageTreeError::Digest { expected: digest, actual });
    }
    let (record, output) = read.map_err(|error| ImageTreeError::of_tar(digest, error))?;
    let (writer, actual, _) = output.finish();
    if actual != layer.diff_id {
        return Err(ImageTreeError::DiffId { layer: digest, expected: layer.diff_id, actual });
    }
    store.finish_segment(&key, writer, actual, &record)?;
    Ok(record)
}

type Output = HashingWriter<SegmentWriter>;

/// Reads all entries of a layer while its bytes are kept.
fn read_entries(tee: Tee<'_>) -> Result<(Record, Output), hardpan_tree::TarReadError> {
    let mut tar = TarReader::new(tee, TarLimits::of_layer(ENTRIES_MAX, LAYER_BYTES_MAX));
    let mut entries = Vec::new();
    while let Some(TarEntry { path, metadata, kind }) = tar.next_entry()? {
        let kind = match kind {
            TarEntryKind::Directory => Recorded::Plain(EntryKind::Directory),
            TarEntryKind::Symlink(target) => Recorded::Plain(EntryKind::Symlink(target)),
            TarEntryKind::HardLink(target) => Recorded::Plain(EntryKind::HardLink(target)),
            TarEntryKind::File(size_bytes) => {
                Recorded::Plain(EntryKind::File(file(&mut tar, size_bytes)?))
            }
            TarEntryKind::Special(Special::CharacterDevice) => Recorded::CharacterDevice,
            TarEntryKind::Special(Special::BlockDevice) => Recorded::BlockDevice,
            TarEntryKind::Special(Special::Fifo) => Recorded::Fifo,
            _ => continue,
        };
        entries.push(Entry { path, metadata, kind });
    }
    Ok((Record { entries }, tar.finish()?.output))
}

fn file(tar: &mut TarReader<Tee<'_>>, size_bytes: u64) -> io::Result<FileEntry> {
    let offset_bytes = tar.offset_bytes();
    let mut probe = Probe::new(size_bytes);
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = tar.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        probe.feed(&buffer[..count]);
    }
    let facts = probe.finish().map(Arc::new);
    Ok(FileEntry { size_bytes, digest: hasher.finish(), offset_bytes, facts })
}

/// Hashes what is read through it.
struct HashingReader<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// Keeps what is read through it.
struct Tee<'r> {
    inner: Box<dyn Read + 'r>,
    output: Output,
    left_bytes: u64,
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left_bytes = self.left_bytes.checked_sub(count as u64).ok_or_else(|| {
            io::Error::other(format!("more than {LAYER_BYTES_MAX} bytes, uncompressed"))
        })?;
        self.output.write_all(&buffer[..count]).map_err(|error| {
            io::Error::other(StoreError::io("write", std::path::Path::new("a segment"), error))
        })?;
        Ok(count)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Layers, as concatenations of compressed tar segments.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use hardpan_tree::{Digest, END_MARKER, Hasher};
use serde::{Deserialize, Serialize};

use crate::compression::{Compression, compress};
use crate::json::canonical_json;
use crate::tar_scan::{TarScanError, TarScanner};

/// How much is read and hashed at a time, in bytes.
const CHUNK_SIZE_BYTES: usize = 256 * 1024;

/// Some whole tar entries, without the end of an archive, both uncompressed and compressed.
///
/// The compressed bytes must be whole gzip members or zstd frames of [`LayerPart::raw`]'s bytes, in
/// the layer's compression; what [`crate::BlockCompressor`] writes is.
pub trait LayerPart: Sync {
    /// Opens the tar bytes.
    fn raw(&self) -> io::Result<Box<dyn Read + '_>>;
    /// Opens the compressed bytes.
    fn compressed(&self) -> io::Result<Box<dyn Read + '_>>;
    /// Returns how many tar bytes there are.
    fn raw_size_bytes(&self) -> u64;
    /// Returns how many compressed bytes there are.
    fn compressed_size_bytes(&self) -> u64;
    /// Returns what the tar bytes are a function of: equal keys mean equal bytes.
    fn key(&self) -> Digest;
}

/// A part whose bytes are at hand.
#[derive(Clone, PartialEq, Eq)]
pub struct BytesPart {
    raw: Vec<u8>,
    compressed: Vec<u8>,
}

impl BytesPart {
    /// Compresses whole tar entries.
    pub fn new(raw: Vec<u8>, compression: Compression) -> io::Result<Self> {
        // Of no entries there is no part, not an empty block.
        let compressed = if raw.is_empty() { Vec::new() } else { compress(&raw, compression)? };
        Ok(Self { raw, compressed })
    }
}

impl fmt::Debug for BytesPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BytesPart({} bytes)", self.raw.len())
    }
}

impl LayerPart for BytesPart {
    fn raw(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.raw.as_slice()))
    }

    fn compressed(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.compressed.as_slice()))
    }

    fn raw_size_bytes(&self) -> u64 {
        self.raw.len() as u64
    }

    fn compressed_size_bytes(&self) -> u64 {
        self.compressed.len() as u64
    }

    fn key(&self) -> Digest {
        Digest::of(&self.raw)
    }
}

/// What a layer came out as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LayerSummary {
    /// How it is compressed.
    pub compression: Compression,
    /// Digest of the compressed bytes.
    pub digest: Digest,
    /// How many compressed bytes there are.
    pub size_bytes: u64,
    /// Digest of the tar bytes.
    pub diff_id: Digest,
    /// How many tar bytes there are.
    pub raw_size_bytes: u64,
    /// How many files, directories and links it has.
    pub entries: u64,
}

/// Why a layer was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerError {
    /// A part could not be read.
    #[error("part {key} of the layer can't be read")]
    Read {
        /// Which part.
        key: Digest,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A part has another length than it said: it was damaged or changed.
    #[error("part {key} of the layer has {actual_bytes} bytes, not {expected_bytes}")]
    Size {
        /// Which part.
        key: Digest,
        /// What it said.
        expected_bytes: u64,
        /// What it yielded (one more than expected stands for any larger number).
        actual_bytes: u64,
    },
    /// The output failed.
    #[error("the layer can't be written")]
    Write(#[source] io::Error),
    /// The end of the archive could not be compressed.
    #[error("the layer can't be compressed")]
    Compress(#[source] io::Error),
    /// The parts together are not a good archive.
    #[error("part {key} does not fit the layer")]
    Tar {
        /// Which part.
        key: Digest,
        /// Why.
        #[source]
        source: TarScanError,
    },
    /// The other half of the work failed, and has its own error.
    #[error("cancelled")]
    Cancelled,
}

/// Returns what a layer's bytes are a function of. Who remembers a [`LayerSummary`] under it need
/// not write an unchanged layer again.
pub fn layer_key(parts: &[&dyn LayerPart], compression: Compression) -> Digest {
    #[derive(Serialize)]
    struct Key {
        compressor: String,
        parts: Vec<Digest>,
        version: u32,
    }
    let parts = parts.iter().map(|part| part.key()).collect();
    Digest::of(&canonical_json(&Key { compressor: compression.identity(), parts, version: 1 }))
}

/// Writes parts as one layer, the end of the archive included.
///
/// Compressed bytes are copied and hashed on this thread while tar bytes are hashed, and checked to
/// be a well-formed archive without a path twice, on another. Memory does not depend on sizes, only
/// on the number of paths. After an error, what was written is of no use.
pub fn write_layer(
    parts: &[&dyn LayerPart],
    compression: Compression,
    output: &mut dyn Write,
) -> Result<LayerSummary, LayerError> {
    let end = BytesPart::new(END_MARKER.to_vec(), compression).map_err(LayerError::Compress)?;
    let is_cancelled = AtomicBool::new(false);
    let cancel_on_error = |error: LayerError| {
        is_cancelled.store(true, Ordering::Relaxed);
        error
    };
    let (raw, compressed) = thread::scope(|scope| {
        let raw = scope.spawn(|| hash_raw(parts, &end, &is_cancelled).map_err(cancel_on_error));
        let compressed =
            copy_compressed(parts, &end, output, &is_cancelled).map_err(cancel_on_error);
        let raw = raw.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (raw, compressed)
    });
    // If both failed, one of them may only say that the other did.
    let (raw, compressed) = match (raw, compressed) {
        (Ok(raw), Ok(compressed)) => (raw, compressed),
        (Err(LayerError::Cancelled) | Ok(_), Err(error)) | (Err(error), _) => return Err(error),
    };
    Ok(LayerSummary {
        compression,
        digest: compressed.digest,
        size_bytes: compressed.size_bytes,
        diff_id: raw.digest,
        raw_size_bytes: raw.size_bytes,
        entries: raw.entries,
    })
}

struct Hashed {
    digest: Digest,
    size_bytes: u64,
    entries: u64,
}

/// Hashes and checks the tar bytes.
fn hash_raw(
    parts: &[&dyn LayerPart],
    end: &BytesPart,
    is_cancelled: &AtomicBool,
) -> Result<Hashed, LayerError> {
    let mut hasher = Hasher::new();
    let mut scanner = TarScanner::default();
    let mut buffer = vec![0; CHUNK_SIZE_BYTES];
    let mut size_bytes = 0;
    for part in parts {
        let wrap = |source| LayerError::Tar { key: part.key(), source };
        let reader = part.raw();
        size_bytes += for_each_chunk(*part, reader, part.raw_size_bytes(), &mut buffer, |chunk| {
            check_cancelled(is_cancelled)?;
            hasher.update(chunk);
            scanner.update(chunk).map_err(wrap)
        })?;
        scanner.end_segment().map_err(wrap)?;
    }
    hasher.update(&end.raw);
    size_bytes += end.raw_size_bytes();
    Ok(Hashed { digest: hasher.finish(), size_bytes, entries: scanner.entries() as u64 })
}

/// Writes and hashes the compressed bytes.
fn copy_compressed(
    parts: &[&dyn LayerPart],
    end: &BytesPart,
    output: &mut dyn Write,
    is_cancelled: &AtomicBool,
) -> Result<Hashed, LayerError> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; CHUNK_SIZE_BYTES];
    let mut size_bytes = 0;
    for part in parts.iter().copied().chain([end as &dyn LayerPart]) {
        let reader = part.compressed();
        let expected_bytes = part.compressed_size_bytes();
        size_bytes += for_each_chunk(part, reader, expected_bytes, &mut buffer, |chunk| {
            check_cancelled(is_cancelled)?;
            hasher.update(chunk);
            output.write_all(chunk).map_err(LayerError::Write)
        })?;
    }
    output.flush().map_err(LayerError::Write)?;
    Ok(Hashed { digest: hasher.finish(), size_bytes, entries: 0 })
}

fn check_cancelled(is_cancelled: &AtomicBool) -> Result<(), LayerError> {
    if is_cancelled.load(Ordering::Relaxed) { Err(LayerError::Cancelled) } else { Ok(()) }
}

/// Reads a part to its end, which must be where the part says it is.
fn for_each_chunk(
    part: &dyn LayerPart,
    reader: io::Result<Box<dyn Read + '_>>,
    expected_bytes: u64,
    buffer: &mut [u8],
    mut action: impl FnMut(&[u8]) -> Result<(), LayerError>,
) -> Result<u64, LayerError> {
    let wrap = |source| LayerError::Read { key: part.key(), source };
    let mut reader = reader.map_err(wrap)?.take(expected_bytes.saturating_add(1));
    let mut actual_bytes = 0;
    loop {
        let count = match reader.read(buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(wrap(error)),
        };
        actual_bytes += count as u64;
        action(&buffer[..count])?;
    }
    if actual_bytes != expected_bytes {
        return Err(LayerError::Size { key: part.key(), expected_bytes, actual_bytes });
    }
    Ok(actual_bytes)
}

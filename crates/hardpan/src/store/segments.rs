// SPDX-License-Identifier: Apache-2.0
//! Segments in the store: a record, the tar bytes, and those compressed.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use hardpan_image::{BlockCompressor, Compression};
use hardpan_tree::{Digest, HashingWriter};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tempfile::NamedTempFile;

use super::{Store, StoreError, read_limited};

/// The largest record of a segment, in bytes: a package of a million files stays below it.
const RECORD_BYTES_MAX: u64 = 1 << 30;

/// All forms that a segment may be stored in.
const FORMS: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];

/// What stands in a record file: the digest of the uncompressed bytes, and the caller's record.
#[derive(Debug, Serialize, serde::Deserialize)]
struct Envelope<T> {
    segment: Digest,
    record: T,
}

/// A segment's files.
#[derive(Debug, Clone)]
pub struct StoredSegment {
    key: Digest,
    stem: PathBuf,
}

fn suffix(compression: Compression) -> &'static str {
    match compression {
        Compression::Gzip => "tar.gz",
        Compression::Zstd => "tar.zst",
        _ => "tar",
    }
}

impl StoredSegment {
    /// Returns the segment's key.
    pub fn key(&self) -> Digest {
        self.key
    }

    fn record_path(&self) -> PathBuf {
        self.stem.with_extension("json")
    }

    fn data_path(&self, compression: Compression) -> PathBuf {
        self.stem.with_extension(suffix(compression))
    }

    /// Returns whether the segment is there in this form.
    pub fn has(&self, compression: Compression) -> bool {
        self.data_path(compression).is_file()
    }

    /// Opens the tar bytes, compressed or not.
    pub fn open(&self, compression: Compression) -> io::Result<File> {
        let path = self.data_path(compression);
        File::open(&path)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    }

    /// Returns how many bytes the segment has in this form.
    pub fn size_bytes(&self, compression: Compression) -> io::Result<u64> {
        Ok(self.open(compression)?.metadata()?.len())
    }

    /// Reads bytes out of the middle of the uncompressed segment.
    pub fn read_at(&self, offset_bytes: u64, size_bytes: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; size_bytes];
        self.open(Compression::None)?.read_exact_at(&mut bytes, offset_bytes)?;
        Ok(bytes)
    }
}

impl Store {
    fn segment_files(&self, key: &Digest) -> StoredSegment {
        let hex = key.to_hex();
        let stem = self.root.join("segments").join(&hex[..2]).join(hex);
        StoredSegment { key: *key, stem }
    }

    /// Returns a complete segment; `None` where there is none.
    pub fn segment(&self, key: &Digest) -> Option<StoredSegment> {
        let segment = self.segment_files(key);
        (segment.record_path().is_file() && segment.has(Compression::None)).then_some(segment)
    }

    /// Reads what was recorded of a segment.
    pub fn segment_record<T: DeserializeOwned>(
        &self,
        segment: &StoredSegment,
    ) -> Result<T, StoreError> {
        Ok(self.envelope(segment)?.record)
    }

    fn envelope<T: DeserializeOwned>(
        &self,
        segment: &StoredSegment,
    ) -> Result<Envelope<T>, StoreError> {
        let path = segment.record_path();
        let bytes = read_limited(&path, RECORD_BYTES_MAX)?.ok_or_else(|| {
            StoreError::io("open", &path, io::Error::from(io::ErrorKind::NotFound))
        })?;
        serde_json::from_slice(&bytes)
            .map_err(|error| StoreError::Unreadable { path, reason: error.to_string() })
    }

    /// Checks every form of a segment against the digest in its record.
    pub(super) fn check_segment(&self, key: &Digest) -> Result<u64, StoreError> {
        let segment = self.segment_files(key);
        let expected = self.envelope::<serde::de::IgnoredAny>(&segment)?.segment;
        let mut checked_bytes = 0;
        for compression in FORMS {
            if !segment.has(compression) && compression != Compression::None {
                continue;
            }
            let path = segment.data_path(compression);
            let hash = || -> io::Result<(Digest, u64)> {
                let file = BufReader::new(segment.open(compression)?);
                Digest::of_reader(&mut *hardpan_image::decompress(file, compression)?)
            };
            let (actual, size_bytes) = hash().map_err(|error| StoreError::Unreadable {
                path: path.clone(),
                reason: error.to_string(),
            })?;
            if actual != expected {
                return Err(StoreError::Damaged { path, expected, actual });
            }
            checked_bytes += size_bytes;
        }
        Ok(checked_bytes)
    }

    /// Starts a segment that is written uncompressed and compressed at once.
    pub fn segment_writer(&self, compression: Compression) -> Result<SegmentWriter, StoreError> {
        let compressed = match compression {
            Compression::None => None,
            _ => {
                let file = BufWriter::new(self.temporary()?);
                Some(BlockCompressor::new(file, compression))
            }
        };
        Ok(SegmentWriter {
            raw: HashingWriter::new(BufWriter::with_capacity(1 << 17, self.temporary()?)),
            compressed,
            compression,
        })
    }

    /// Completes a segment: its data first, its record last.
    pub fn finish_segment<T: Serialize>(
        &self,
        key: &Digest,
        writer: SegmentWriter,
        record: &T,
    ) -> Result<StoredSegment, StoreError> {
        let segment = self.segment_files(key);
        let record_path = segment.record_path();
        let wrap = |error| StoreError::io("write", &record_path, error);
        let (raw, digest, compressed) = writer.finish().map_err(wrap)?;
        self.publish(raw, &segment.data_path(Compression::None))?;
        if let Some((compression, file)) = compressed {
            self.publish(file, &segment.data_path(compression))?;
        }
        let envelope = Envelope { segment: digest, record };
        let bytes = serde_json::to_vec(&envelope).map_err(|error| StoreError::Unreadable {
            path: record_path.clone(),
            reason: error.to_string(),
        })?;
        self.write_file(&record_path, &bytes)?;
        Ok(segment)
    }

    /// Makes the compressed form of a segment where only another form is there.
    pub fn compress_segment(
        &self,
        segment: &StoredSegment,
        compression: Compression,
    ) -> Result<(), StoreError> {
        if segment.has(compression) {
            return Ok(());
        }
        let path = segment.data_path(compression);
        let compress = || -> io::Result<NamedTempFile> {
            let file = self.temporary().map_err(io::Error::other)?;
            let mut compressor = BlockCompressor::new(BufWriter::new(file), compression);
            io::copy(&mut BufReader::new(segment.open(Compression::None)?), &mut compressor)?;
            compressor.finish()?.into_inner().map_err(io::IntoInnerError::into_error)
        };
        let file = compress().map_err(|error| StoreError::io("compress", &path, error))?;
        self.publish(file, &path)
    }

    /// Removes all forms of a segment, so that it is made anew.
    pub fn remove_segment(&self, segment: &StoredSegment) -> Result<(), StoreError> {
        // The record first: without it the rest counts as not there.
        super::remove_if_there(&segment.record_path())?;
        for compression in FORMS {
            super::remove_if_there(&segment.data_path(compression))?;
        }
        Ok(())
    }
}

/// Writes a segment's bytes uncompressed and, in the same pass, compressed.
#[derive(Debug)]
pub struct SegmentWriter {
    raw: HashingWriter<BufWriter<NamedTempFile>>,
    compressed: Option<BlockCompressor<BufWriter<NamedTempFile>>>,
    compression: Compression,
}

type Finished = (NamedTempFile, Digest, Option<(Compression, NamedTempFile)>);

impl SegmentWriter {
    fn finish(self) -> io::Result<Finished> {
        let (raw, digest, _size_bytes) = self.raw.finish();
        let raw = raw.into_inner().map_err(io::IntoInnerError::into_error)?;
        let compressed = match self.compressed {
            None => None,
            Some(compressor) => {
                let file = compressor.finish()?.into_inner();
                Some((self.compression, file.map_err(io::IntoInnerError::into_error)?))
            }
        };
        Ok((raw, digest, compressed))
    }
}

impl Write for SegmentWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.raw.write_all(bytes)?;
        if let Some(compressor) = &mut self.compressed {
            compressor.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.raw.flush()
    }
}

/// Returns whether a path of the store's `segments` directory is a record.
pub(super) fn is_record(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
}

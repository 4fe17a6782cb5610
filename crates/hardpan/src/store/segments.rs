// SPDX-License-Identifier: Apache-2.0
//! Segments in the store: a record, the tar bytes, and those compressed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Crc;
use hardpan_image::{BlockCompressor, Compression};
use hardpan_tree::Digest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use super::{Store, StoreError, open_record, read_limited, seal_record};

/// The largest record of a segment, in bytes: a package of a million files stays below it.
const RECORD_BYTES_MAX: u64 = 1 << 30;

/// How much of the uncompressed form is written at a time, in bytes: what comes in pieces as large goes
/// straight through.
const RAW_BUFFER_BYTES: usize = 1 << 16;

/// All forms that a segment may be stored in.
const FORMS: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];

/// What stands in a record file: the digest of the uncompressed bytes, by what accidents to each form
/// are found without hashing all of it, and the caller's record.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope<T> {
    segment: Digest,
    forms: Forms,
    record: T,
}

/// By suffix.
type Forms = BTreeMap<String, Form>;

/// Length and CRC-32 of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Form {
    size_bytes: u64,
    checksum: u32,
}

/// A segment's files.
#[derive(Debug, Clone)]
pub struct StoredSegment {
    key: Digest,
    stem: PathBuf,
    /// Empty until the record is read.
    forms: Arc<Forms>,
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
        self.stem.with_extension("record")
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

    /// Opens a form whose last read fails if the bytes are not those that were written. Only for
    /// segments that came with their record.
    pub fn open_checked(&self, compression: Compression) -> io::Result<CheckedForm> {
        let form = self.form(compression)?;
        let path = self.data_path(compression);
        let file = self.open(compression)?;
        let is_changed = file.metadata()?.len() != form.size_bytes;
        let reader = CheckedForm {
            file,
            path,
            key: self.key,
            form,
            left_bytes: form.size_bytes,
            checksum: Crc::new(),
        };
        if is_changed { Err(reader.damage()) } else { Ok(reader) }
    }

    /// Reads a form to its end to see whether it is as it was written.
    pub fn check(&self, compression: Compression) -> io::Result<()> {
        io::copy(&mut self.open_checked(compression)?, &mut io::sink()).map(|_| ())
    }

    /// Returns how many bytes the segment has in this form, from its record.
    pub fn size_bytes(&self, compression: Compression) -> io::Result<u64> {
        Ok(self.form(compression)?.size_bytes)
    }

    fn form(&self, compression: Compression) -> io::Result<Form> {
        self.forms.get(suffix(compression)).copied().ok_or_else(|| {
            let path = self.data_path(compression);
            let damage = StoreError::DamagedSegment { key: self.key, path };
            io::Error::new(io::ErrorKind::InvalidData, damage)
        })
    }

    /// Returns whether a form is there and has the length that its record says.
    fn is_whole(&self, compression: Compression) -> bool {
        let known = self.forms.get(suffix(compression));
        let there = std::fs::metadata(self.data_path(compression));
        matches!((known, there), (Some(form), Ok(data)) if data.is_file() && data.len() == form.size_bytes)
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
        StoredSegment { key: *key, stem, forms: Arc::default() }
    }

    /// Returns a segment whose files are there; `None` where there is none.
    pub fn segment(&self, key: &Digest) -> Option<StoredSegment> {
        // What can't be opened has nothing.
        self.hold().ok()?;
        let segment = self.segment_files(key);
        (segment.record_path().is_file() && segment.has(Compression::None)).then_some(segment)
    }

    /// Returns a complete segment with what was recorded of it. One that is obviously damaged counts
    /// as not there: it is derived, so making it again is better than asking anybody to.
    pub fn segment_with_record<T: DeserializeOwned>(
        &self,
        key: &Digest,
    ) -> Result<Option<(StoredSegment, T)>, StoreError> {
        if self.segment(key).is_none() {
            return Ok(None);
        }
        let mut segment = self.segment_files(key);
        let envelope = match Self::envelope::<T>(&segment) {
            Ok(envelope) => envelope,
            Err(StoreError::Unreadable { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        segment.forms = Arc::new(envelope.forms);
        Ok(segment.is_whole(Compression::None).then_some((segment, envelope.record)))
    }

    fn envelope<T: DeserializeOwned>(segment: &StoredSegment) -> Result<Envelope<T>, StoreError> {
        let path = segment.record_path();
        let bytes = read_limited(&path, RECORD_BYTES_MAX)?.ok_or_else(|| {
            StoreError::io("open", &path, io::Error::from(io::ErrorKind::NotFound))
        })?;
        open_record(&path, &bytes)
    }

    /// Checks every form of a segment against the digest in its record.
    pub(crate) fn check_segment(&self, key: &Digest) -> Result<u64, StoreError> {
        self.hold()?;
        let segment = self.segment_files(key);
        let expected = Self::envelope::<serde::de::IgnoredAny>(&segment)?.segment;
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
        let compressed = if compression == Compression::None {
            None
        } else {
            let file = Summing::new(BufWriter::new(self.temporary()?));
            Some(BlockCompressor::new(file, compression))
        };
        Ok(SegmentWriter {
            raw: Summing::new(BufWriter::with_capacity(RAW_BUFFER_BYTES, self.temporary()?)),
            compressed,
            compression,
        })
    }

    /// Completes a segment: its data first, its record last. `digest` is that of the bytes written.
    pub fn finish_segment<T: Serialize>(
        &self,
        key: &Digest,
        writer: SegmentWriter,
        digest: Digest,
        record: &T,
    ) -> Result<StoredSegment, StoreError> {
        let mut segment = self.segment_files(key);
        let record_path = segment.record_path();
        let wrap = |error| StoreError::io("write", &record_path, error);
        let mut forms = Forms::new();
        for (compression, form, file) in writer.finish().map_err(wrap)? {
            forms.insert(suffix(compression).to_owned(), form);
            Self::publish(file, &segment.data_path(compression))?;
        }
        segment.forms = Arc::new(forms.clone());
        let envelope = Envelope { segment: digest, forms, record };
        self.write_sealed(&record_path, &seal_record(&record_path, &envelope)?)?;
        Ok(segment)
    }

    /// Makes the compressed form of a segment where only another form is there.
    pub fn compress_segment(
        &self,
        segment: &mut StoredSegment,
        compression: Compression,
    ) -> Result<(), StoreError> {
        if segment.is_whole(compression) {
            return Ok(());
        }
        let path = segment.data_path(compression);
        let compress = || -> io::Result<(Form, NamedTempFile)> {
            let file = self.temporary().map_err(io::Error::other)?;
            let file = Summing::new(BufWriter::new(file));
            let mut compressor = BlockCompressor::new(file, compression);
            let raw = segment.open_checked(Compression::None)?;
            io::copy(&mut BufReader::with_capacity(1 << 17, raw), &mut compressor)?;
            compressor.finish()?.finish()
        };
        let (form, file) = compress().map_err(|error| StoreError::of("compress", &path, error))?;
        Self::publish(file, &path)?;
        let record_path = segment.record_path();
        let mut envelope = Self::envelope::<serde_json::Value>(segment)?;
        envelope.forms.insert(suffix(compression).to_owned(), form);
        segment.forms = Arc::new(envelope.forms.clone());
        self.write_file(&record_path, &seal_record(&record_path, &envelope)?)
    }

    /// Removes all forms of a segment, so that it is made anew.
    pub fn remove_segment(&self, key: &Digest) -> Result<(), StoreError> {
        self.hold()?;
        let segment = self.segment_files(key);
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
    raw: Summing<BufWriter<NamedTempFile>>,
    compressed: Option<BlockCompressor<Summing<BufWriter<NamedTempFile>>>>,
    compression: Compression,
}

type Finished = Vec<(Compression, Form, NamedTempFile)>;

impl SegmentWriter {
    fn finish(self) -> io::Result<Finished> {
        let (form, file) = self.raw.finish()?;
        let mut files = vec![(Compression::None, form, file)];
        if let Some(compressor) = self.compressed {
            let (form, file) = compressor.finish()?.finish()?;
            files.push((self.compression, form, file));
        }
        Ok(files)
    }
}

/// Passes bytes on and takes their number and checksum.
#[derive(Debug)]
struct Summing<W> {
    inner: W,
    size_bytes: u64,
    checksum: Crc,
}

impl<W> Summing<W> {
    fn new(inner: W) -> Self {
        Self { inner, size_bytes: 0, checksum: Crc::new() }
    }
}

impl Summing<BufWriter<NamedTempFile>> {
    fn finish(self) -> io::Result<(Form, NamedTempFile)> {
        let form = Form { size_bytes: self.size_bytes, checksum: self.checksum.sum() };
        let file = self.inner.into_inner().map_err(io::IntoInnerError::into_error)?;
        Ok((form, file))
    }
}

impl<W: Write> Write for Summing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.checksum.update(&bytes[..count]);
        self.size_bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Reads a form; the read that meets its end fails if the bytes are not those that were written.
#[derive(Debug)]
pub struct CheckedForm {
    file: File,
    path: PathBuf,
    key: Digest,
    form: Form,
    left_bytes: u64,
    checksum: Crc,
}

impl CheckedForm {
    fn damage(&self) -> io::Error {
        let damage = StoreError::DamagedSegment { key: self.key, path: self.path.clone() };
        io::Error::new(io::ErrorKind::InvalidData, damage)
    }
}

impl Read for CheckedForm {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(usize::try_from(self.left_bytes).unwrap_or(usize::MAX));
        if length == 0 {
            return Ok(0);
        }
        let count = self.file.read(&mut buffer[..length])?;
        self.checksum.update(&buffer[..count]);
        self.left_bytes -= count as u64;
        let is_end = self.left_bytes == 0 || count == 0;
        if is_end && (self.left_bytes > 0 || self.checksum.sum() != self.form.checksum) {
            return Err(self.damage());
        }
        Ok(count)
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
    path.extension().is_some_and(|extension| extension == "record")
}

// SPDX-License-Identifier: Apache-2.0
//! The bytes of a tree's files, out of the store.

use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use hardpan_image::Compression;
use hardpan_tree::{Content, Contents, Digest, File, Hasher};

use crate::store::{Store, StoreError};

/// The largest file that is ever read into memory whole, in bytes. Larger ones are streamed.
const FILE_IN_MEMORY_BYTES_MAX: u64 = 256 << 20;

/// Reads files of trees whose segments and blobs are in a store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoreContents<'s> {
    /// The store.
    pub store: &'s Store,
}

impl<'s> StoreContents<'s> {
    /// Opens a file's bytes for streaming.
    pub(crate) fn open(self, file: &File) -> io::Result<Box<dyn Read + 's>> {
        match &file.content {
            Content::Inline(bytes) => Ok(Box::new(io::Cursor::new(bytes.clone()))),
            Content::Segment { segment, offset_bytes } => {
                let stored = self.store.segment(segment).ok_or_else(|| missing(segment))?;
                Ok(Box::new(Range {
                    file: stored.open(Compression::None)?,
                    segment: *segment,
                    offset_bytes: *offset_bytes,
                    end_bytes: offset_bytes + file.size_bytes,
                    expected: file.digest,
                    hasher: Hasher::new(),
                }))
            }
            Content::Blob => {
                let blob = self.store.open_blob(&file.digest).map_err(io::Error::other)?;
                Ok(Box::new(blob.ok_or_else(|| missing(&file.digest))?))
            }
        }
    }
}

impl Contents for StoreContents<'_> {
    fn read(&self, file: &File) -> io::Result<Arc<[u8]>> {
        if let Content::Inline(bytes) = &file.content {
            return Ok(bytes.clone());
        }
        if file.size_bytes > FILE_IN_MEMORY_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("a file of {} bytes is not read into memory", file.size_bytes),
            ));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(file.size_bytes).unwrap_or(0));
        self.open(file)?.read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }
}

fn damaged(segment: &Digest) -> io::Error {
    let damage = StoreError::DamagedSegment { key: *segment, path: segment.to_hex().into() };
    io::Error::new(io::ErrorKind::InvalidData, damage)
}

fn missing(digest: &Digest) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{digest} is not in the store"))
}

/// A file in a segment: the read that meets its end fails if the bytes are not the file's.
struct Range {
    file: std::fs::File,
    segment: Digest,
    offset_bytes: u64,
    end_bytes: u64,
    expected: Digest,
    hasher: Hasher,
}

impl Read for Range {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left_bytes = self.end_bytes - self.offset_bytes;
        let length = buffer.len().min(usize::try_from(left_bytes).unwrap_or(usize::MAX));
        let count = self.file.read_at(&mut buffer[..length], self.offset_bytes)?;
        self.hasher.update(&buffer[..count]);
        self.offset_bytes += count as u64;
        let is_end = count == 0 || self.offset_bytes == self.end_bytes;
        if length > 0
            && is_end
            && (left_bytes > count as u64 || self.hasher.clone().finish() != self.expected)
        {
            return Err(damaged(&self.segment));
        }
        Ok(count)
    }
}

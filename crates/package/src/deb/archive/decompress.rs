// SPDX-License-Identifier: Apache-2.0
//! Bounded decompression of indexes.

use std::io::{self, Read};

use super::INDEX_BYTES_MAX;

/// Most memory that the xz decoder may use, in bytes. Its strongest preset needs 65 MB.
const XZ_MEMORY_BYTES_MAX: u64 = 128 << 20;

/// How an index is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compression {
    /// Xz.
    Xz,
    /// Gzip.
    Gzip,
    /// Not at all.
    None,
}

impl Compression {
    /// All of them, best first.
    pub const ALL: &[Self] = &[Self::Xz, Self::Gzip, Self::None];

    /// Adds the ending to a file name.
    pub fn name(self, plain_name: &str) -> String {
        let ending = match self {
            Self::Xz => ".xz",
            Self::Gzip => ".gz",
            Self::None => "",
        };
        format!("{plain_name}{ending}")
    }

    /// Tells by the first bytes how something is compressed.
    pub fn of(bytes: &[u8]) -> Self {
        if bytes.starts_with(b"\xfd7zXZ\0") {
            Self::Xz
        } else if bytes.starts_with(&[0x1f, 0x8b]) {
            Self::Gzip
        } else {
            Self::None
        }
    }

    /// Decompresses as it is read, any number of members. It goes on as long as the bytes say: whoever reads has to limit it.
    pub fn open(self, bytes: &[u8]) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::Xz => {
                let flags = liblzma::stream::CONCATENATED;
                let stream =
                    liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_BYTES_MAX, flags)?;
                Box::new(liblzma::bufread::XzDecoder::new_stream(bytes, stream))
            }
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(bytes)),
            Self::None => Box::new(bytes),
        })
    }
}

/// Why an index can't be decompressed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecompressError {
    /// It becomes larger than it may.
    #[error("larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// It becomes smaller than it must.
    #[error("{actual_bytes} bytes instead of {expected_bytes}")]
    TooSmall {
        /// What it must be, in bytes.
        expected_bytes: u64,
        /// What it is, in bytes.
        actual_bytes: u64,
    },
    /// The compressed data is broken.
    #[error("broken data")]
    Broken(#[source] io::Error),
    /// The text is not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
}

/// Decompresses an index; to exactly `size_bytes`, if that is known.
pub(super) fn decompress(
    compression: Compression,
    bytes: &[u8],
    size_bytes: Option<u64>,
) -> Result<String, DecompressError> {
    let limit_bytes = size_bytes.unwrap_or(INDEX_BYTES_MAX).min(INDEX_BYTES_MAX);
    if size_bytes.is_some_and(|size| size > limit_bytes) {
        return Err(DecompressError::TooLarge { limit_bytes });
    }
    let reader = compression.open(bytes).map_err(DecompressError::Broken)?;
    // One byte more than allowed tells a text that fits from one that goes on.
    let mut text = Vec::new();
    reader.take(limit_bytes + 1).read_to_end(&mut text).map_err(DecompressError::Broken)?;
    let actual_bytes = text.len() as u64;
    if actual_bytes > limit_bytes {
        return Err(DecompressError::TooLarge { limit_bytes });
    }
    if let Some(expected_bytes) = size_bytes.filter(|size| actual_bytes < *size) {
        return Err(DecompressError::TooSmall { expected_bytes, actual_bytes });
    }
    String::from_utf8(text).map_err(|_| DecompressError::NotUtf8)
}

// SPDX-License-Identifier: Apache-2.0
//! Compression whose bytes depend on nothing but the input.
//!
//! A [`BlockCompressor`] cuts its input into blocks of [`BLOCK_SIZE_BYTES`] and writes each as a gzip
//! member or zstd frame of its own. So memory is bounded, the bytes are the same with any number of
//! threads, and compressed pieces can be concatenated: RFC 1952 section 2.2 and RFC 8878 section 3.1
//! define that as the concatenation of the contents.

use std::fmt;
use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::media_type;

/// How much input goes into one gzip member or zstd frame, in bytes.
///
/// Measured on a 101 MB tar of shared libraries (output relative to one block for all):
/// see the table in `docs` of [`Compression::identity`]'s golden test. It is part of what decides
/// the bytes, so it is part of the identity.
pub const BLOCK_SIZE_BYTES: usize = 1 << 20;

/// The most threads that one compressor uses; each costs up to two blocks of memory.
pub const THREADS_MAX: usize = 16;

const GZIP_LEVEL: i32 = 6;
const ZSTD_LEVEL: i32 = 3;

/// The largest window that a zstd frame may ask a reader to hold, as a power of two (128 MiB,
/// the limit of the reference implementation).
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// How layers are compressed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Compression {
    /// gzip, which everything can read.
    #[default]
    Gzip,
    /// Zstandard: smaller at the same cost; Docker reads it since version 23.
    Zstd,
    /// No compression.
    None,
}

/// Why a text does not name a compression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown compression {0:?} (known: gzip, zstd, none)")]
pub struct CompressionError(pub String);

impl Compression {
    /// Returns the text that says exactly what writes the bytes. Where it is the same, so are the
    /// bytes for the same input; locks and provenance hold it.
    pub fn identity(self) -> String {
        let block = BLOCK_SIZE_BYTES >> 20;
        match self {
            Self::Gzip => format!("libdeflate 1.26 level {GZIP_LEVEL}, {block} MiB members"),
            Self::Zstd => format!(
                "zstd {} level {ZSTD_LEVEL}, {block} MiB frames",
                zstd::zstd_safe::version_string()
            ),
            Self::None => "none".to_owned(),
        }
    }

    /// Returns the media type of a layer compressed like this
    /// (OCI image specification, "Media Types").
    pub fn layer_media_type(self) -> &'static str {
        match self {
            Self::Gzip => media_type::LAYER_GZIP,
            Self::Zstd => media_type::LAYER_ZSTD,
            Self::None => media_type::LAYER,
        }
    }

    /// Returns the compression of a layer with this media type.
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        match media_type {
            media_type::LAYER_GZIP | media_type::DOCKER_LAYER_GZIP => Some(Self::Gzip),
            media_type::LAYER_ZSTD => Some(Self::Zstd),
            media_type::LAYER => Some(Self::None),
            _ => None,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::None => "none",
        })
    }
}

impl std::str::FromStr for Compression {
    type Err = CompressionError;

    fn from_str(text: &str) -> Result<Self, CompressionError> {
        match text {
            "gzip" => Ok(Self::Gzip),
            "zstd" => Ok(Self::Zstd),
            "none" => Ok(Self::None),
            _ => Err(CompressionError(text.chars().take(100).collect())),
        }
    }
}

/// Compresses single blocks.
enum Encoder {
    Gzip(Box<libdeflater::Compressor>),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Encoder {
    /// Returns `None` where nothing is to be compressed.
    fn new(compression: Compression) -> io::Result<Option<Self>> {
        Ok(match compression {
            Compression::Gzip => {
                let level = libdeflater::CompressionLvl::new(GZIP_LEVEL)
                    .expect("libdeflate has the levels 0 to 12");
                Some(Self::Gzip(Box::new(libdeflater::Compressor::new(level))))
            }
            // One thread and the size of the content in the header: both are the defaults here.
            Compression::Zstd => Some(Self::Zstd(zstd::bulk::Compressor::new(ZSTD_LEVEL)?)),
            Compression::None => None,
        })
    }

    fn encode(&mut self, block: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip(compressor) => {
                let mut output = vec![0; compressor.gzip_compress_bound(block.len())];
                let length = compressor.gzip_compress(block, &mut output).map_err(|_| {
                    io::Error::other("libdeflate needed more room than its own bound")
                })?;
                output.truncate(length);
                Ok(output)
            }
            Self::Zstd(compressor) => compressor.compress(block),
        }
    }
}

/// A writer that compresses block by block; see the module's text.
///
/// [`BlockCompressor::finish`] must be called: what was written since the last full block is lost
/// otherwise. No input at all gives one empty block, so that the output is always a valid stream.
pub struct BlockCompressor<W: Write> {
    inner: W,
    compression: Compression,
    encoders: Vec<Encoder>,
    buffer: Vec<u8>,
    block_size_bytes: usize,
    is_started: bool,
}

impl<W: Write> fmt::Debug for BlockCompressor<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockCompressor")
            .field("compression", &self.compression)
            .field("buffered_bytes", &self.buffer.len())
            .finish_non_exhaustive()
    }
}

impl<W: Write> BlockCompressor<W> {
    /// Compresses on the caller's thread.
    pub fn new(inner: W, compression: Compression) -> Self {
        Self::with_threads(inner, compression, NonZeroUsize::MIN)
    }

    /// Compresses up to `threads` blocks (at most [`THREADS_MAX`]) at a time.
    pub fn with_threads(inner: W, compression: Compression, threads: NonZeroUsize) -> Self {
        Self::with_block_size(inner, compression, threads, BLOCK_SIZE_BYTES)
    }

    fn with_block_size(
        inner: W,
        compression: Compression,
        threads: NonZeroUsize,
        block_size_bytes: usize,
    ) -> Self {
        let encoders = (0..threads.get().min(THREADS_MAX))
            .map_while(|_| Encoder::new(compression).ok().flatten())
            .collect();
        let buffer = Vec::new();
        Self { inner, compression, encoders, buffer, block_size_bytes, is_started: false }
    }

    /// Writes what is left and returns the inner writer.
    pub fn finish(mut self) -> io::Result<W> {
        if self.compression != Compression::None && (!self.buffer.is_empty() || !self.is_started) {
            self.write_blocks()?;
        }
        Ok(self.inner)
    }

    /// Compresses all that is in the buffer.
    fn write_blocks(&mut self) -> io::Result<()> {
        self.is_started = true;
        if self.encoders.is_empty() {
            return Err(io::Error::other("no room for a compressor"));
        }
        let blocks: Vec<&[u8]> = match self.buffer.len() {
            0 => vec![&[]],
            _ => self.buffer.chunks(self.block_size_bytes).collect(),
        };
        if let [block] = blocks[..] {
            let output = self.encoders[0].encode(block)?;
            self.inner.write_all(&output)?;
        } else {
            let outputs: Vec<io::Result<Vec<u8>>> = thread::scope(|scope| {
                let workers: Vec<_> = blocks
                    .into_iter()
                    .zip(&mut self.encoders)
                    .map(|(block, encoder)| scope.spawn(move || encoder.encode(block)))
                    .collect();
                workers.into_iter().map(join).collect()
            });
            for output in outputs {
                self.inner.write_all(&output?)?;
            }
        }
        self.buffer.clear();
        Ok(())
    }
}

fn join<T>(worker: thread::ScopedJoinHandle<'_, io::Result<T>>) -> io::Result<T> {
    worker.join().unwrap_or_else(|_| Err(io::Error::other("a compression thread panicked")))
}

impl<W: Write> Write for BlockCompressor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.compression == Compression::None {
            return self.inner.write(bytes);
        }
        let capacity = self.block_size_bytes * self.encoders.len().max(1);
        if self.buffer.len() == capacity {
            self.write_blocks()?;
        }
        let count = bytes.len().min(capacity - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// Flushes the inner writer only: an earlier end of a block would change the bytes.
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Compresses bytes that are at hand.
pub fn compress(bytes: &[u8], compression: Compression) -> io::Result<Vec<u8>> {
    let mut compressor = BlockCompressor::new(Vec::new(), compression);
    compressor.write_all(bytes)?;
    compressor.finish()
}

/// Decompresses a stream of any number of gzip members or zstd frames. Anything else behind or
/// between them is an error; so is a zstd window of more than 128 MiB.
///
/// The reader yields as much as the input expands to: a caller that did not write the input itself
/// must limit what it takes.
pub fn decompress<'r>(
    input: impl Read + 'r,
    compression: Compression,
) -> io::Result<Box<dyn Read + 'r>> {
    Ok(match compression {
        Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(input)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(input)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
        Compression::None => Box::new(input),
    })
}

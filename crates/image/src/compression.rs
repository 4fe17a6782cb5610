// SPDX-License-Identifier: Apache-2.0
//! Compression whose bytes depend on nothing but the input.
//!
//! A [`BlockCompressor`] cuts its input into blocks of a fixed size and writes each as a gzip
//! member or zstd frame of its own. So memory is bounded, the bytes are the same with any number of
//! threads, and compressed pieces can be concatenated: RFC 1952 section 2.2 and RFC 8878 section 3.1
//! define that as the concatenation of the contents.

use std::fmt;
use std::io::{self, Read, Write};
use std::num::NonZeroUsize;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::media_type;

/// How much input goes into one gzip member, in bytes.
///
/// Blocks cost size: of a 439 MB tar of shared libraries, 128 KiB members leave 34.03 %, 1 MiB ones
/// 33.69 %, 4 MiB ones 33.65 % and one member for all 33.64 %.
const GZIP_BLOCK_SIZE_BYTES: usize = 1 << 20;

/// How much input goes into one zstd frame, in bytes: larger, because zstd looks back further. The same
/// tar leaves 33.49 % with 1 MiB frames, 32.87 % with 4 MiB ones, 32.79 % with 8 MiB ones and 32.72 % in
/// one frame.
const ZSTD_BLOCK_SIZE_BYTES: usize = 4 << 20;

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
        let block = self.block_size_bytes() >> 20;
        match self {
            Self::Gzip => format!("libdeflate 1.26 level {GZIP_LEVEL}, {block} MiB members"),
            Self::Zstd => format!(
                "zstd {} level {ZSTD_LEVEL}, {block} MiB frames",
                zstd::zstd_safe::version_string()
            ),
            Self::None => "none".to_owned(),
        }
    }

    /// Returns how much input goes into one member or frame, in bytes. It decides the bytes too, so it is
    /// part of [`Compression::identity`].
    pub fn block_size_bytes(self) -> usize {
        match self {
            Self::Zstd => ZSTD_BLOCK_SIZE_BYTES,
            Self::Gzip | Self::None => GZIP_BLOCK_SIZE_BYTES,
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
        Self::with_block_size(inner, compression, threads, compression.block_size_bytes())
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes of many kinds, a bit over two of the largest blocks: text, zeros, noise, repeats.
    pub(crate) fn varied(length: usize) -> Vec<u8> {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut bytes = Vec::with_capacity(length + 4096);
        while bytes.len() < length {
            let number = next();
            match number % 5 {
                0 => bytes.resize(bytes.len() + (number >> 8) as usize % 3000, 0),
                1 => bytes.extend((0..200).flat_map(|_| next().to_le_bytes())),
                2 => bytes.extend(format!("package {number} depends on {}\n", next() % 97).bytes()),
                3 => {
                    let from = (number >> 8) as usize % (bytes.len() + 1);
                    let to = (from + 2000).min(bytes.len());
                    bytes.extend_from_within(from..to);
                }
                _ => bytes.extend((0..500).map(|_| b"etaoin shrdlu"[(next() % 13) as usize])),
            }
        }
        bytes.truncate(length);
        bytes
    }

    fn expand(bytes: &[u8], compression: Compression) -> io::Result<Vec<u8>> {
        let mut output = Vec::new();
        decompress(bytes, compression)?.read_to_end(&mut output)?;
        Ok(output)
    }

    /// If this fails after an update of a compressor, every image digest in the world changes with it:
    /// go back to the old version, or change it knowingly, together with what
    /// [`Compression::identity`] says.
    #[test]
    fn golden_digests() {
        let input = varied(9 << 20);
        let digest = |bytes: &[u8]| hardpan_tree::Digest::of(bytes).to_hex();
        assert_eq!(
            digest(&input),
            "188e9e5fe71f6136b3fa8dca3ed1756bbc17e4de29e9ee9b2708112a547a8b3c"
        );
        for (compression, identity, length, expected) in [
            (
                Compression::Gzip,
                "libdeflate 1.26 level 6, 1 MiB members",
                5_180_107,
                "a6719896105a842ca87359f05aa94a8936eb3f50269b2964708fb62c3af1ec06",
            ),
            (
                Compression::Zstd,
                "zstd 1.5.7 level 3, 4 MiB frames",
                4_198_327,
                "54cecf5cc0d7e7d28d74864c509ae262e4a7e72295a3721d31fdc7872a42dcdc",
            ),
        ] {
            let output = compress(&input, compression).unwrap();
            assert_eq!(compression.identity(), identity);
            assert_eq!((output.len(), digest(&output).as_str()), (length, expected));
            assert_eq!(expand(&output, compression).unwrap(), input);
        }
    }

    #[test]
    fn threads_and_pieces_do_not_change_the_bytes() {
        let input = varied(9 << 20);
        for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
            let whole = compress(&input, compression).unwrap();
            for (threads, piece) in [(1, 4099), (2, 700_001), (3, 1 << 20), (200, 5_000_000)] {
                let threads = NonZeroUsize::new(threads).unwrap();
                let mut compressor =
                    BlockCompressor::with_threads(Vec::new(), compression, threads);
                for piece in input.chunks(piece) {
                    compressor.write_all(piece).unwrap();
                    compressor.flush().unwrap();
                }
                assert!(compressor.finish().unwrap() == whole, "{compression} {threads}");
            }
        }
    }

    #[test]
    fn gzip_headers_hold_no_time_name_or_system() {
        let output = compress(b"x", Compression::Gzip).unwrap();
        assert_eq!(output[..4], [0x1f, 0x8b, 8, 0]);
        assert_eq!(output[4..8], [0; 4], "modification time");
        assert_eq!(output[9], 255, "operating system");
    }

    #[test]
    fn no_input_gives_a_valid_stream() {
        for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
            let output = compress(&[], compression).unwrap();
            assert_eq!(output.is_empty(), compression == Compression::None);
            assert_eq!(expand(&output, compression).unwrap(), b"");
        }
    }

    #[test]
    fn damaged_streams_are_errors() {
        let input = varied(3 << 20);
        for compression in [Compression::Gzip, Compression::Zstd] {
            let good = compress(&input, compression).unwrap();
            let mut flipped = good.clone();
            let middle = flipped.len() / 2;
            flipped[middle] ^= 1;
            let mut garbage = good.clone();
            garbage.extend_from_slice(b"garbage after the end");
            for (what, bytes) in [
                ("truncated", &good[..good.len() - 1]),
                ("halved", &good[..middle]),
                ("other format", b"PK\x03\x04 and so on and so on"),
                ("garbage", &garbage),
            ] {
                assert!(expand(bytes, compression).is_err(), "{compression} {what}");
            }
            // zstd frames have no check sum, but then the bytes differ.
            assert!(expand(&flipped, compression).map_or(true, |bytes| bytes != input));
        }
        assert!(expand(&compress(b"x", Compression::Gzip).unwrap(), Compression::Zstd).is_err());
        // A frame that asks for a window of 2 GiB.
        let greedy = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
        assert!(expand(&greedy, Compression::Zstd).is_err());
    }

    #[test]
    fn texts_name_compressions() {
        for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
            assert_eq!(compression.to_string().parse(), Ok(compression));
            let media_type = compression.layer_media_type();
            assert_eq!(Compression::of_media_type(media_type), Some(compression));
        }
        for text in ["", "GZIP", "gz", "xz", "none "] {
            assert!(text.parse::<Compression>().is_err(), "{text}");
            assert_eq!(Compression::of_media_type(text), None);
        }
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same_content(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..8),
            block_size_bytes in 1_usize..200,
            threads in 1_usize..4,
        ) {
            for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
                // Each piece compressed alone, with any blocks, and all of them concatenated.
                let mut output = Vec::new();
                for piece in &pieces {
                    let threads = NonZeroUsize::new(threads).unwrap();
                    let mut compressor = BlockCompressor::with_block_size(
                        Vec::new(), compression, threads, block_size_bytes,
                    );
                    compressor.write_all(piece).unwrap();
                    output.extend(compressor.finish().unwrap());
                }
                if !pieces.is_empty() {
                    prop_assert_eq!(expand(&output, compression).unwrap(), pieces.concat());
                }
            }
        }
    }
}

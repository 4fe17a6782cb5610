// SPDX-License-Identifier: Apache-2.0
//! Decompression that knows when to stop.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use hardpan_tree::ZipError;

use super::error::ArchiveError;

/// How many times its size an archive may unpack to. Source code comes to 10, and gzip can't give
/// more than 1,032; what is below the floor may be anything.
pub(super) const RATIO_MAX: u64 = 250;
/// What every archive may unpack to, in bytes.
const RATIO_FLOOR_BYTES: u64 = 256 << 20;
/// The most that any archive unpacks to, in bytes.
pub(super) const UNPACKED_BYTES_MAX: u64 = 32 << 30;
/// Most memory that the xz decoder may use, in bytes. Its strongest preset needs 65 MB, and some
/// release archives are made with larger dictionaries.
const XZ_MEMORY_BYTES_MAX: u64 = 256 << 20;
/// The largest window of a zstd frame, as a power of two: 128 MiB is what `zstd --long` makes.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    None,
    Gzip,
    Xz,
    Zstd,
    Bzip2,
}

/// Opens a compressed stream. Its reads fail with an [`ArchiveError`] inside when it gives too much.
pub(super) fn open<'r>(
    input: impl Read + 'r,
    method: Method,
) -> Result<Box<dyn Read + 'r>, ArchiveError> {
    let taken_bytes = Rc::new(Cell::new(0));
    let input = Counting { input, taken_bytes: Rc::clone(&taken_bytes) };
    let output: Box<dyn Read + 'r> = match method {
        Method::None => Box::new(input),
        Method::Gzip => Box::new(flate2::read::MultiGzDecoder::new(input)),
        Method::Bzip2 => Box::new(bzip2::read::MultiBzDecoder::new(input)),
        Method::Zstd => {
            let mut decoder =
                zstd::stream::read::Decoder::new(input).map_err(ArchiveError::Broken)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(ArchiveError::Broken)?;
            Box::new(decoder)
        }
        Method::Xz => {
            let flags = liblzma::stream::CONCATENATED;
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_BYTES_MAX, flags)
                .map_err(|error| ArchiveError::Broken(error.into()))?;
            Box::new(liblzma::read::XzDecoder::new_stream(input, stream))
        }
    };
    Ok(Box::new(Limited { output, taken_bytes, given_bytes: 0 }))
}

/// Whether so much may come out of so little.
pub(super) fn check_ratio(taken_bytes: u64, given_bytes: u64) -> Result<(), ArchiveError> {
    if given_bytes > UNPACKED_BYTES_MAX {
        let maximum = UNPACKED_BYTES_MAX;
        return Err(ArchiveError::Limit { what: "bytes of files", maximum });
    }
    if given_bytes > RATIO_FLOOR_BYTES && given_bytes / RATIO_MAX > taken_bytes {
        return Err(ArchiveError::Bomb { ratio: RATIO_MAX });
    }
    Ok(())
}

/// Takes our own error out of the I/O error that carried it.
pub(super) fn broken(error: io::Error) -> ArchiveError {
    match error.downcast::<ArchiveError>() {
        Ok(own) => own,
        Err(error) => match error.downcast::<ZipError>() {
            Ok(zip) => zip.into(),
            Err(error) => ArchiveError::Broken(error),
        },
    }
}

struct Counting<R> {
    input: R,
    taken_bytes: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.taken_bytes.set(self.taken_bytes.get() + count as u64);
        Ok(count)
    }
}

struct Limited<'r> {
    output: Box<dyn Read + 'r>,
    taken_bytes: Rc<Cell<u64>>,
    given_bytes: u64,
}

impl Read for Limited<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.output.read(buffer)?;
        self.given_bytes += count as u64;
        check_ratio(self.taken_bytes.get(), self.given_bytes).map_err(io::Error::other)?;
        Ok(count)
    }
}

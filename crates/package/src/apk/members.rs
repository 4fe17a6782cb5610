// SPDX-License-Identifier: Apache-2.0
//! The members of a file: gzip streams one after another, each with its exact bytes, which is what signatures
//! and checksums are over.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;
use hardpan_tree::{Digest, Hasher};

use crate::unpack::{Limits, TooMuch};

const BUFFER_BYTES: usize = 64 << 10;

/// A member that was read into memory.
#[derive(Debug)]
pub(crate) struct Member {
    /// Its bytes in the file.
    pub(crate) raw: Vec<u8>,
    /// What it unpacks to.
    pub(crate) content: Vec<u8>,
}

/// Reads members one after another.
pub(crate) struct Members<'r> {
    source: &'r mut dyn Read,
    buffer: Vec<u8>,
    /// What of the buffer was not taken yet.
    left: std::ops::Range<usize>,
    taken_bytes: u64,
    part: Part,
}

/// What is done with the bytes of the current member.
enum Part {
    /// They are kept, as long as they are not more.
    Kept { bytes: Vec<u8>, bytes_max: usize },
    /// They are hashed.
    Hashed(Hasher),
}

impl<'r> Members<'r> {
    pub(crate) fn new(source: &'r mut dyn Read) -> Self {
        Self {
            source,
            buffer: vec![0; BUFFER_BYTES],
            left: 0..0,
            taken_bytes: 0,
            part: Part::Hashed(Hasher::new()),
        }
    }

    /// Returns whether nothing follows the members that were read.
    pub(crate) fn is_at_end(&mut self) -> io::Result<bool> {
        Ok(self.fill_buf()?.is_empty())
    }

    /// Reads the next member into memory. Neither its bytes nor its content may be more than this.
    pub(crate) fn read_whole(&mut self, bytes_max: u64) -> io::Result<Member> {
        let capped = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        self.part = Part::Kept { bytes: Vec::new(), bytes_max: capped };
        let mut content = Vec::new();
        // One byte more than allowed tells a content that fits from one that goes on.
        GzDecoder::new(&mut *self).take(bytes_max.saturating_add(1)).read_to_end(&mut content)?;
        if content.len() as u64 > bytes_max {
            return Err(io::Error::other(TooMuch));
        }
        match std::mem::replace(&mut self.part, Part::Hashed(Hasher::new())) {
            Part::Kept { bytes, .. } => Ok(Member { raw: bytes, content }),
            Part::Hashed(_) => unreachable!("nothing replaces it while a member is read"),
        }
    }

    /// Starts the next member, whose content is read through the reader. Once that is at its end,
    /// [`Self::part_digest`] is the digest of the member's bytes.
    pub(crate) fn stream<'s>(&'s mut self, limits: &Limits) -> Stream<'s, 'r> {
        self.part = Part::Hashed(Hasher::new());
        let start_bytes = self.taken_bytes;
        let (ratio_max, ratio_floor_bytes) = (limits.ratio_max, limits.ratio_floor_bytes);
        let decoder = GzDecoder::new(self);
        Stream { decoder, start_bytes, content_bytes: 0, ratio_max, ratio_floor_bytes }
    }

    /// Returns the digest of the bytes of the member that was streamed.
    pub(crate) fn part_digest(&mut self) -> Digest {
        match std::mem::replace(&mut self.part, Part::Hashed(Hasher::new())) {
            Part::Hashed(hasher) => hasher.finish(),
            Part::Kept { .. } => unreachable!("whole members leave no part"),
        }
    }
}

impl Read for Members<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

/// The decoder takes exactly the bytes of its member.
impl BufRead for Members<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if let Part::Kept { bytes, bytes_max } = &self.part
            && bytes.len() > *bytes_max
        {
            return Err(io::Error::other(TooMuch));
        }
        while self.left.is_empty() {
            match self.source.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => self.left = 0..count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(&self.buffer[self.left.clone()])
    }

    fn consume(&mut self, count: usize) {
        let taken = &self.buffer[self.left.start..self.left.start + count];
        match &mut self.part {
            Part::Kept { bytes, .. } => bytes.extend_from_slice(taken),
            Part::Hashed(hasher) => hasher.update(taken),
        }
        self.taken_bytes += count as u64;
        self.left.start += count;
    }
}

/// The content of a member, which may not be too much more than the member.
pub(crate) struct Stream<'s, 'r> {
    decoder: GzDecoder<&'s mut Members<'r>>,
    start_bytes: u64,
    content_bytes: u64,
    ratio_max: u64,
    ratio_floor_bytes: u64,
}

impl Read for Stream<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buffer)?;
        self.content_bytes = self.content_bytes.saturating_add(count as u64);
        let raw_bytes = self.decoder.get_ref().taken_bytes - self.start_bytes;
        let allowed = raw_bytes.saturating_mul(self.ratio_max).max(self.ratio_floor_bytes);
        if self.content_bytes > allowed {
            return Err(io::Error::other(TooMuch));
        }
        Ok(count)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The difference between two databases: what zstd makes of the new one where it may refer to the old one.
//!
//! A delta names the digests of both. What comes of it is the new file, byte for byte, or an error.

use std::io::{Read as _, Write as _};

use hardpan_tree::Digest;

use super::DatabaseError;
use super::layout::BYTES_MAX;
use super::wire::Reader;

const MAGIC: [u8; 8] = *b"\x89HPDD\r\n\x1a";
const VERSION: u32 = 1;
const LEVEL: i32 = 19;
/// What zstd calls windows: powers of two. The least, and the greatest that both files fit in.
const WINDOW_LOG_MIN: u32 = 20;
const WINDOW_LOG_MAX: u32 = 31;

/// Returns what [`apply`] makes `new` of `old` with.
pub fn delta(old: &[u8], new: &[u8]) -> Result<Vec<u8>, DatabaseError> {
    for bytes in [old, new] {
        super::Database::open(bytes)?;
    }
    let mut delta = Vec::new();
    delta.extend_from_slice(&MAGIC);
    delta.extend_from_slice(&VERSION.to_le_bytes());
    delta.extend_from_slice(Digest::of(old).as_bytes());
    delta.extend_from_slice(Digest::of(new).as_bytes());
    delta.extend_from_slice(&(new.len() as u64).to_le_bytes());
    let packed = || {
        let mut encoder = zstd::stream::write::Encoder::with_ref_prefix(delta, LEVEL, old)?;
        // Else it would look no further back than its level does.
        encoder.window_log(window_log(old.len() + new.len()))?;
        encoder.long_distance_matching(true)?;
        encoder.set_pledged_src_size(Some(new.len() as u64))?;
        encoder.write_all(new)?;
        encoder.finish()
    };
    packed().map_err(DatabaseError::Compression)
}

fn window_log(length: usize) -> u32 {
    (usize::BITS - length.leading_zeros()).clamp(WINDOW_LOG_MIN, WINDOW_LOG_MAX)
}

/// Returns the database that a delta makes of another.
pub fn apply(old: &[u8], delta: &[u8]) -> Result<Vec<u8>, DatabaseError> {
    let Some(rest) = delta.strip_prefix(&MAGIC) else { return Err(DatabaseError::NotADelta) };
    let wrong = |reason| DatabaseError::Malformed { section: "delta", reason };
    let mut reader = Reader::new(rest);
    let found = u32::from_le_bytes(reader.array().map_err(wrong)?);
    if found != VERSION {
        return Err(DatabaseError::Version { found, supported: VERSION });
    }
    let base = Digest::from_bytes(reader.array().map_err(wrong)?);
    let expected = Digest::from_bytes(reader.array().map_err(wrong)?);
    let length = u64::from_le_bytes(reader.array().map_err(wrong)?);
    if length > BYTES_MAX {
        return Err(DatabaseError::TooLarge { maximum: BYTES_MAX });
    }
    let actual = Digest::of(old);
    if actual != base {
        return Err(DatabaseError::OtherBase { expected: base, actual });
    }
    let packed = reader.bytes(reader.left()).map_err(wrong)?;
    let unpacked = || {
        let mut decoder = zstd::stream::read::Decoder::with_ref_prefix(packed, old)?;
        let usual = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(old.len());
        decoder.window_log_max(window_log(usual))?;
        let mut new = Vec::new();
        decoder.take(length + 1).read_to_end(&mut new)?;
        Ok(new)
    };
    let new = unpacked().map_err(DatabaseError::Compression)?;
    let actual = Digest::of(&new);
    if actual != expected || new.len() as u64 != length {
        return Err(DatabaseError::Changed { expected, actual });
    }
    Ok(new)
}

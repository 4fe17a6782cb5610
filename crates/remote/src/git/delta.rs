// SPDX-License-Identifier: Apache-2.0
//! Objects described by their difference to another one (gitformat-pack, "Deltified representation").

use super::PackError;

const SHORT: PackError = PackError::Malformed("a difference ends in the middle");

/// Returns the sizes of the base and of the result that a delta announces.
pub(super) fn sizes(delta: &[u8]) -> Result<(u64, u64), PackError> {
    let mut rest = delta;
    Ok((size(&mut rest)?, size(&mut rest)?))
}

/// Makes an object out of its base. `limit_bytes` is the most that it may have.
pub(super) fn apply(base: &[u8], delta: &[u8], limit_bytes: u64) -> Result<Vec<u8>, PackError> {
    let mut rest = delta;
    let base_bytes = size(&mut rest)?;
    let result_bytes = size(&mut rest)?;
    if base_bytes != base.len() as u64 {
        return Err(PackError::Malformed("a difference to a base of another size"));
    }
    if result_bytes > limit_bytes {
        return Err(PackError::Limit { what: "bytes of an object", maximum: limit_bytes });
    }
    let wanted = usize::try_from(result_bytes).map_err(|_| PackError::Malformed("a size"))?;
    let mut result = Vec::with_capacity(wanted);
    while !rest.is_empty() {
        let command = take(&mut rest)?;
        let piece = if command & 0x80 != 0 {
            copied(base, command, &mut rest)?
        } else if command != 0 {
            let (piece, after) = rest.split_at_checked(usize::from(command)).ok_or(SHORT)?;
            rest = after;
            piece
        } else {
            return Err(PackError::Malformed("an unknown command in a difference"));
        };
        if result.len() + piece.len() > wanted {
            return Err(PackError::Malformed("a difference makes more than it says"));
        }
        result.extend_from_slice(piece);
    }
    if result.len() != wanted {
        return Err(PackError::Malformed("a difference makes less than it says"));
    }
    Ok(result)
}

/// Reads a copy command: its low bits say which bytes of offset and length follow.
fn copied<'b>(base: &'b [u8], command: u8, rest: &mut &[u8]) -> Result<&'b [u8], PackError> {
    let mut number = |bits: std::ops::Range<u8>| -> Result<usize, PackError> {
        let mut value = 0;
        for (shift, bit) in bits.enumerate() {
            if command & (1 << bit) != 0 {
                value |= usize::from(take(rest)?) << (8 * shift);
            }
        }
        Ok(value)
    };
    let offset = number(0..4)?;
    let length = match number(4..7)? {
        0 => 0x10000,
        length => length,
    };
    let end = offset.checked_add(length);
    end.and_then(|end| base.get(offset..end))
        .ok_or(PackError::Malformed("a difference copies what its base does not have"))
}

fn take(rest: &mut &[u8]) -> Result<u8, PackError> {
    let (&first, after) = rest.split_first().ok_or(SHORT)?;
    *rest = after;
    Ok(first)
}

fn size(rest: &mut &[u8]) -> Result<u64, PackError> {
    let mut value = 0_u64;
    for shift in (0..63).step_by(7) {
        let byte = take(rest)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(PackError::Malformed("a size that is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_and_insertions() {
        // Base of 10 bytes, result of 8: bytes 2 to 6, then "xyz".
        let delta = [10, 7, 0x91, 2, 4, 3, b'x', b'y', b'z'];
        assert_eq!(apply(b"0123456789", &delta, 100).unwrap(), b"2345xyz");
        assert_eq!(sizes(&delta).unwrap(), (10, 7));
        // A length of zero means 65,536.
        let base = vec![7; 70_000];
        let delta = [0xf0, 0xa2, 0x04, 0x80, 0x80, 0x04, 0x80];
        assert_eq!(apply(&base, &delta, 100_000).unwrap(), vec![7; 65536]);
    }

    #[test]
    fn bad_differences_are_refused() {
        for (delta, limit_bytes, message) in [
            (&[9, 1, 1, b'x'][..], 100, "base of another size"),
            (&[10, 1], 100, "less than it says"),
            (&[10, 1, 2, b'x', b'y'], 100, "more than it says"),
            (&[10, 1, 0], 100, "unknown command"),
            (&[10, 1, 5, b'x'], 100, "ends in the middle"),
            (&[10, 1, 0x91, 2], 100, "ends in the middle"),
            (&[10, 9, 0x91, 2, 9], 100, "does not have"),
            (&[10, 1, 0x8f, 255, 255, 255, 255], 100, "does not have"),
            (&[10, 101, 1, b'x'], 100, "more than 100 bytes"),
            (&[10], 100, "ends in the middle"),
            (&[255, 255, 255, 255, 255, 255, 255, 255, 255, 1], 100, "too large"),
        ] {
            let error = apply(b"0123456789", delta, limit_bytes).unwrap_err().to_string();
            assert!(error.contains(message), "{delta:?}: {error}");
        }
    }
}

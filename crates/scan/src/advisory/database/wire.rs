// SPDX-License-Identifier: Apache-2.0
//! Numbers and texts as bytes, and back without trust.

use std::borrow::Cow;

/// Why bytes make no sense.
pub(super) type Reason = &'static str;

/// Adds a number: seven bits in a byte, the lowest first, and the eighth bit where more follow.
pub(super) fn put_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push((number & 0x7f) as u8);
}

/// Adds how many there are.
pub(super) fn put_count(bytes: &mut Vec<u8>, count: usize) {
    put_number(bytes, count as u64);
}

/// Adds bytes with their number.
pub(super) fn put_bytes(bytes: &mut Vec<u8>, value: &[u8]) {
    put_count(bytes, value.len());
    bytes.extend_from_slice(value);
}

/// Adds a number that may not be there: one more than it is, or 0.
pub(super) fn put_optional(bytes: &mut Vec<u8>, number: Option<u32>) {
    put_number(bytes, number.map_or(0, |number| u64::from(number) + 1));
}

/// Adds a number of either sign: the sign is the lowest bit.
pub(super) fn put_signed(bytes: &mut Vec<u8>, number: i64) {
    put_number(bytes, (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned());
}

/// Adds a key as what it shares with the one before, and the rest. Both counts are in one byte where they are small.
pub(super) fn put_key(bytes: &mut Vec<u8>, previous: &str, key: &str) {
    let pairs = previous.bytes().zip(key.bytes());
    let shared = key.floor_char_boundary(pairs.take_while(|(one, other)| one == other).count());
    let rest = &key.as_bytes()[shared..];
    put_count(bytes, shared << REST_BITS | rest.len().min(REST_LONG));
    if rest.len() >= REST_LONG {
        put_count(bytes, rest.len() - REST_LONG);
    }
    bytes.extend_from_slice(rest);
}

const REST_BITS: usize = 3;
const REST_LONG: usize = (1 << REST_BITS) - 1;
/// The longest key, in bytes. Importers take no name that is as long.
const KEY_BYTES_MAX: usize = 1024;

/// Bytes that are read from the front.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'d> {
    rest: &'d [u8],
}

impl<'d> Reader<'d> {
    pub(super) fn new(rest: &'d [u8]) -> Self {
        Self { rest }
    }

    /// Returns how many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'d [u8], Reason> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or("it ends too early")?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Reason> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or("it ends too early")?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Reason> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(super) fn number(&mut self) -> Result<u64, Reason> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err("a number is too large");
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                // There is one way to write a number.
                return if byte == 0 && shift > 0 {
                    Err("a number is too long")
                } else {
                    Ok(number)
                };
            }
        }
        Err("a number is too long")
    }

    pub(super) fn number_u32(&mut self) -> Result<u32, Reason> {
        u32::try_from(self.number()?).map_err(|_| "a number is too large")
    }

    /// Reads how many things follow, each of at least one byte.
    pub(super) fn count(&mut self) -> Result<usize, Reason> {
        let count = usize::try_from(self.number()?).ok().filter(|count| *count <= self.left());
        count.ok_or("it has fewer bytes than things in it")
    }

    pub(super) fn optional(&mut self) -> Result<Option<u32>, Reason> {
        match self.number()?.checked_sub(1) {
            None => Ok(None),
            Some(number) => Ok(Some(u32::try_from(number).map_err(|_| "a number is too large")?)),
        }
    }

    pub(super) fn signed(&mut self) -> Result<i64, Reason> {
        let number = self.number()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(super) fn counted_bytes(&mut self) -> Result<&'d [u8], Reason> {
        let count = self.count()?;
        self.bytes(count)
    }

    pub(super) fn text(&mut self) -> Result<&'d str, Reason> {
        std::str::from_utf8(self.counted_bytes()?).map_err(|_| "a text is not UTF-8")
    }

    /// Reads a text that is shown or compared, and borrowed from the database.
    pub(super) fn cow(&mut self) -> Result<Cow<'d, str>, Reason> {
        self.text().map(Cow::Borrowed)
    }

    /// Reads a key into the place of the one before. It must be greater.
    pub(super) fn key(&mut self, previous: &mut String, is_first: bool) -> Result<(), Reason> {
        let head = usize::try_from(self.number()?).map_err(|_| "a number is too large")?;
        let (shared, mut count) = (head >> REST_BITS, head & REST_LONG);
        if count == REST_LONG {
            count = self.count()?.saturating_add(REST_LONG);
        }
        if shared > previous.len() || !previous.is_char_boundary(shared) {
            return Err("a key shares more than there is");
        }
        if shared + count > KEY_BYTES_MAX {
            return Err("a key is too long");
        }
        let rest = std::str::from_utf8(self.bytes(count)?).map_err(|_| "a key is not UTF-8")?;
        if !is_first && rest <= &previous[shared..] {
            return Err("its keys are not sorted");
        }
        previous.truncate(shared);
        previous.push_str(rest);
        Ok(())
    }

    /// Makes sure that nothing follows.
    pub(super) fn end(&self) -> Result<(), Reason> {
        if self.rest.is_empty() { Ok(()) } else { Err("something follows its end") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for number in [0, 1, 127, 128, 300, 16_383, 16_384, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            put_number(&mut bytes, number);
            let mut reader = Reader::new(&bytes);
            assert_eq!((reader.number(), reader.left()), (Ok(number), 0));
        }
        for number in [0, 1, -1, 1_756_141_459, i64::MIN, i64::MAX] {
            let mut bytes = Vec::new();
            put_signed(&mut bytes, number);
            assert_eq!(Reader::new(&bytes).signed(), Ok(number));
        }
    }

    #[test]
    fn bad_numbers() {
        for (bytes, expected) in [
            (vec![], "it ends too early"),
            (vec![0x80], "it ends too early"),
            (vec![0x80, 0], "a number is too long"),
            (vec![0xff; 10], "a number is too large"),
            (
                vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
                "a number is too large",
            ),
        ] {
            assert_eq!(Reader::new(&bytes).number(), Err(expected), "{bytes:x?}");
        }
        assert_eq!(Reader::new(&[3, 0, 0]).count(), Err("it has fewer bytes than things in it"));
        assert_eq!(Reader::new(&[1, 0xff]).text(), Err("a text is not UTF-8"));
    }

    #[test]
    fn keys_come_back() {
        let keys = ["", "CVE-2026-1", "CVE-2026-10", "CVE-2026-2", "a-much-longer-key", "ä", "äö"];
        let (mut bytes, mut previous) = (Vec::new(), "");
        for key in keys {
            put_key(&mut bytes, previous, key);
            previous = key;
        }
        let (mut reader, mut key) = (Reader::new(&bytes), String::new());
        for (index, expected) in keys.into_iter().enumerate() {
            reader.key(&mut key, index == 0).unwrap();
            assert_eq!(key, expected);
        }
        reader.end().unwrap();
    }

    #[test]
    fn bad_keys() {
        for (bytes, expected) in [
            (vec![2 << 3], "a key shares more than there is"),
            (vec![1], "it ends too early"),
            (vec![1, 0xff], "a key is not UTF-8"),
            (vec![1, b'a'], "its keys are not sorted"),
            (vec![0], "its keys are not sorted"),
            (
                vec![7, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
                "it has fewer bytes than things in it",
            ),
        ] {
            let mut key = "b".to_owned();
            assert_eq!(Reader::new(&bytes).key(&mut key, false), Err(expected), "{bytes:?}");
        }
    }
}

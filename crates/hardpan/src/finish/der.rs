// SPDX-License-Identifier: Apache-2.0
//! A strict reader of DER (X.690), just enough to find the subject of a certificate.

#![expect(clippy::cast_possible_truncation, reason = "lengths are checked or have at most 8 bytes")]

/// `SEQUENCE`, constructed.
pub(super) const SEQUENCE: u8 = 0x30;
/// `SET`, constructed.
pub(super) const SET: u8 = 0x31;
/// `INTEGER`.
pub(super) const INTEGER: u8 = 0x02;
/// `BIT STRING`.
pub(super) const BIT_STRING: u8 = 0x03;
/// `OBJECT IDENTIFIER`.
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
/// `UTF8String`.
pub(super) const UTF8_STRING: u8 = 0x0c;
/// The explicit context tag 0, constructed.
pub(super) const CONTEXT_0: u8 = 0xa0;

/// Why bytes are not the DER that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DerError {
    /// They end before what they announce.
    #[error("DER ends too early")]
    Truncated,
    /// A tag in the multi-byte form, which certificates have no use for.
    #[error("DER tag in multi-byte form")]
    LongTag,
    /// A length of indefinite form, of more than 4 bytes, or longer than it has to be.
    #[error("DER length is not in its shortest form")]
    BadLength,
    /// Another element than expected.
    #[error("DER tag is {actual:#04x}, expected {expected:#04x}")]
    Unexpected {
        /// The tag that has to be here.
        expected: u8,
        /// The tag that is.
        actual: u8,
    },
    /// Bytes after the end.
    #[error("DER has bytes after its end")]
    Trailing,
}

/// One element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Element<'d> {
    /// Class, form and number, as the identifier byte has them.
    pub(super) tag: u8,
    /// What is in it.
    pub(super) content: &'d [u8],
    /// Identifier, length and content.
    pub(super) whole: &'d [u8],
}

/// Reads elements one after another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'d> {
    rest: &'d [u8],
}

impl<'d> Reader<'d> {
    pub(super) fn new(bytes: &'d [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns whether the next element has this tag.
    pub(super) fn is_next(&self, tag: u8) -> bool {
        self.rest.first() == Some(&tag)
    }

    /// Reads the next element.
    pub(super) fn any(&mut self) -> Result<Element<'d>, DerError> {
        let &[tag, first, ..] = self.rest else { return Err(DerError::Truncated) };
        if tag & 0x1f == 0x1f {
            return Err(DerError::LongTag);
        }
        let (length, header) = match first {
            0..=0x7f => (usize::from(first), 2),
            0x81..=0x84 => {
                let count = usize::from(first & 0x7f);
                let bytes = self.rest.get(2..2 + count).ok_or(DerError::Truncated)?;
                let length =
                    bytes.iter().fold(0_u64, |length, &byte| length << 8 | u64::from(byte));
                // The shortest form has no leading zeros, and one byte where one is enough.
                if bytes[0] == 0 || length < 0x80 {
                    return Err(DerError::BadLength);
                }
                (usize::try_from(length).map_err(|_| DerError::Truncated)?, 2 + count)
            }
            _ => return Err(DerError::BadLength),
        };
        let end = header.checked_add(length).ok_or(DerError::Truncated)?;
        let whole = self.rest.get(..end).ok_or(DerError::Truncated)?;
        self.rest = &self.rest[end..];
        Ok(Element { tag, content: &whole[header..], whole })
    }

    /// Reads the next element, which has to have this tag.
    pub(super) fn expect(&mut self, tag: u8) -> Result<Element<'d>, DerError> {
        let element = self.any()?;
        if element.tag == tag {
            Ok(element)
        } else {
            Err(DerError::Unexpected { expected: tag, actual: element.tag })
        }
    }

    /// Checks that nothing is left.
    pub(super) fn finish(self) -> Result<(), DerError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DerError::Trailing) }
    }
}

/// Appends an element.
pub(super) fn encode(tag: u8, content: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    match content.len() {
        length @ 0..=0x7f => out.push(length as u8),
        length => {
            let bytes = length.to_be_bytes();
            let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
            out.push(0x80 | (bytes.len() - zeros) as u8);
            out.extend_from_slice(&bytes[zeros..]);
        }
    }
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn malformed_elements_are_refused() {
        for (bytes, expected) in [
            (&[][..], DerError::Truncated),
            (&[0x30], DerError::Truncated),
            (&[0x30, 0x01], DerError::Truncated),
            (&[0x30, 0x80, 0, 0], DerError::BadLength),
            (&[0x30, 0x81, 0x7f], DerError::BadLength),
            (&[0x30, 0x82, 0x00, 0x80], DerError::BadLength),
            (&[0x30, 0x82, 0x01], DerError::Truncated),
            (&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0], DerError::Truncated),
            (&[0x30, 0x85, 1, 0, 0, 0, 0], DerError::BadLength),
            (&[0x30, 0xff], DerError::BadLength),
            (&[0x1f, 0x81, 0x01, 0x00], DerError::LongTag),
        ] {
            assert_eq!(Reader::new(bytes).any(), Err(expected), "{bytes:x?}");
        }
        let mut reader = Reader::new(&[0x02, 0x01, 0x05, 0x00]);
        let unexpected = DerError::Unexpected { expected: SEQUENCE, actual: INTEGER };
        assert_eq!(reader.expect(SEQUENCE), Err(unexpected));
        assert_eq!(reader.finish(), Err(DerError::Trailing));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_read(tag in 0_u8..0x1f, content in proptest::collection::vec(any::<u8>(), 0..70_000)) {
            let mut bytes = Vec::new();
            encode(tag, &content, &mut bytes);
            let mut reader = Reader::new(&bytes);
            let element = reader.expect(tag).unwrap();
            prop_assert_eq!(element.content, content.as_slice());
            prop_assert_eq!(element.whole, bytes.as_slice());
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            while reader.any().is_ok() {}
        }
    }
}

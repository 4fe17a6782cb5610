// SPDX-License-Identifier: Apache-2.0
//! Values: words of 32 bits whose high four bits say what the others are, a small number or where something stands.

use std::cell::Cell;

use super::AdbError;

/// The version, reserved bytes, and the root value.
const HEADER_BYTES: usize = 8;
/// How many bytes may be read in all, for each byte that there is: values may share what they name, and apk's own files
/// do, but seldom more than a few times over.
const READ_RATIO_MAX: u64 = 64;
/// What may be read of any file, however small.
const READ_FLOOR_BYTES: u64 = 1 << 20;
/// What may be read of any file, however large.
const READ_BYTES_MAX: u64 = 512 << 20;

/// A field of an object: its place and its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field(pub(super) usize, pub(super) &'static str);

/// The values of a file.
#[derive(Debug)]
pub(super) struct Adb<'a> {
    bytes: &'a [u8],
    root: u32,
    left_bytes: Cell<u64>,
}

impl<'a> Adb<'a> {
    /// Reads the header.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, AdbError> {
        let Some((header, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(AdbError::Truncated);
        };
        // The first byte is raised when an old reader would misunderstand, the second otherwise.
        let [version, _, _, _, root @ ..] = *header;
        if version != 0 {
            return Err(AdbError::FormatVersion(version));
        }
        let size_bytes = bytes.len() as u64;
        let left_bytes =
            (size_bytes.saturating_mul(READ_RATIO_MAX) + READ_FLOOR_BYTES).min(READ_BYTES_MAX);
        Ok(Self { bytes, root: u32::from_le_bytes(root), left_bytes: Cell::new(left_bytes) })
    }

    /// Returns the object that everything hangs from.
    pub(super) fn root(&self) -> Result<Slots<'_>, AdbError> {
        Slots::read(self, self.root, "root")?.ok_or(AdbError::Missing("root"))
    }

    /// Returns bytes at an offset from the start of the block.
    fn at(&self, offset: usize, length: usize, field: &'static str) -> Result<&'a [u8], AdbError> {
        if offset < HEADER_BYTES {
            return Err(AdbError::Value { field, problem: "leads into the header" });
        }
        let end = offset.checked_add(length);
        let bytes = end.and_then(|end| self.bytes.get(offset..end));
        let bytes = bytes.ok_or(AdbError::Value { field, problem: "leads beyond the end" })?;
        let left_bytes = self.left_bytes.get().checked_sub(length as u64);
        let maximum = READ_RATIO_MAX;
        let what = "times the bytes that there are are named by values";
        self.left_bytes.set(left_bytes.ok_or(AdbError::Limit { what, maximum })?);
        Ok(bytes)
    }

    fn number(&self, offset: usize, length: usize, field: &'static str) -> Result<u64, AdbError> {
        let mut bytes = [0; 8];
        bytes[..length].copy_from_slice(self.at(offset, length, field)?);
        Ok(u64::from_le_bytes(bytes))
    }

    fn integer(&self, word: u32, field: &'static str) -> Result<Option<u64>, AdbError> {
        let (kind, rest) = split(word);
        Ok(Some(match kind {
            _ if word == 0 => return Ok(None),
            0x1 => rest as u64,
            0x2 => self.number(rest, 4, field)?,
            0x3 => self.number(rest, 8, field)?,
            _ => return Err(AdbError::Value { field, problem: "not a number" }),
        }))
    }

    fn blob(&self, word: u32, field: &'static str) -> Result<Option<&'a [u8]>, AdbError> {
        let (kind, offset) = split(word);
        let prefix_bytes = match kind {
            _ if word == 0 => return Ok(None),
            0x8 => 1,
            0x9 => 2,
            0xa => 4,
            _ => return Err(AdbError::Value { field, problem: "not bytes" }),
        };
        let length = self.number(offset, prefix_bytes, field)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.at(offset + prefix_bytes, length, field).map(Some)
    }
}

fn split(word: u32) -> (u32, usize) {
    (word >> 28, (word & 0x0fff_ffff) as usize)
}

/// The words of an object or array. apk makes no difference between the two, and writes most arrays as objects.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slots<'a> {
    adb: &'a Adb<'a>,
    /// The first one's bytes say how many there are, itself included.
    words: &'a [u8],
}

impl<'a> Slots<'a> {
    fn read(adb: &'a Adb<'a>, word: u32, field: &'static str) -> Result<Option<Self>, AdbError> {
        let (kind, offset) = split(word);
        match kind {
            _ if word == 0 => return Ok(None),
            0xd | 0xe => {}
            _ => return Err(AdbError::Value { field, problem: "neither object nor array" }),
        }
        let count = adb.number(offset, 4, field)?;
        if count == 0 {
            return Err(AdbError::Value { field, problem: "does not count its own length" });
        }
        let length = usize::try_from(count.saturating_mul(4)).unwrap_or(usize::MAX);
        Ok(Some(Self { adb, words: adb.at(offset, length, field)? }))
    }

    /// Returns the number of items of an array.
    pub(super) fn len(self) -> usize {
        self.words.len() / 4 - 1
    }

    fn word(self, number: usize) -> u32 {
        // What is not there at the end is null.
        let bytes = self.words.chunks_exact(4).nth(number).unwrap_or_default();
        bytes.try_into().map_or(0, u32::from_le_bytes)
    }

    fn items(self) -> impl Iterator<Item = u32> + 'a {
        let words = self.words.chunks_exact(4).skip(1);
        words.map(|bytes| bytes.try_into().map_or(0, u32::from_le_bytes))
    }

    /// Returns a number.
    pub(super) fn integer(self, Field(number, name): Field) -> Result<Option<u64>, AdbError> {
        self.adb.integer(self.word(number), name)
    }

    /// Returns bytes.
    pub(super) fn bytes(self, Field(number, name): Field) -> Result<Option<&'a [u8]>, AdbError> {
        self.adb.blob(self.word(number), name)
    }

    /// Returns a line of text; an empty one if there is none.
    pub(super) fn line(self, field: Field) -> Result<&'a str, AdbError> {
        self.bytes(field)?.map_or(Ok(""), |bytes| line(bytes, field.1))
    }

    /// Returns an object or array.
    pub(super) fn slots(self, Field(number, name): Field) -> Result<Option<Self>, AdbError> {
        Self::read(self.adb, self.word(number), name)
    }

    /// Returns the objects of an array, none of them null.
    pub(super) fn objects(
        self,
        name: &'static str,
    ) -> impl Iterator<Item = Result<Self, AdbError>> + 'a {
        self.items()
            .map(move |word| Self::read(self.adb, word, name)?.ok_or(AdbError::Missing(name)))
    }

    /// Returns the bytes of an array, none of them null.
    pub(super) fn blobs(
        self,
        name: &'static str,
    ) -> impl Iterator<Item = Result<&'a [u8], AdbError>> + 'a {
        self.items().map(move |word| self.adb.blob(word, name)?.ok_or(AdbError::Missing(name)))
    }
}

/// Reads text that has no line breaks and nothing else that can't be seen.
pub(super) fn line<'a>(bytes: &'a [u8], field: &'static str) -> Result<&'a str, AdbError> {
    let text = std::str::from_utf8(bytes);
    let text = text.map_err(|_| AdbError::Value { field, problem: "not text" })?;
    if text.chars().any(char::is_control) {
        return Err(AdbError::Value { field, problem: "has control characters" });
    }
    Ok(text)
}

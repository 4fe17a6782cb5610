// SPDX-License-Identifier: Apache-2.0
//! Values, blocks, signatures and compression: what files of format 3 consist of.

use std::collections::BTreeMap;
use std::io::Write as _;

use ring::digest::{SHA512, digest};

use crate::apk::{Algorithm, Key};

/// A word of a value: its kind and a number or place.
pub type Word = u32;

/// The values of a file while they are written.
#[derive(Debug, Clone)]
pub struct Values {
    /// What was written so far: a header of 8 bytes first.
    pub bytes: Vec<u8>,
    places: BTreeMap<Vec<u8>, u32>,
}

impl Default for Values {
    fn default() -> Self {
        Self { bytes: vec![0; 8], places: BTreeMap::new() }
    }
}

impl Values {
    /// Appends bytes at a multiple of an alignment and returns where.
    pub fn append(&mut self, bytes: &[u8], alignment: usize) -> u32 {
        self.bytes.resize(self.bytes.len().next_multiple_of(alignment), 0);
        let place = u32::try_from(self.bytes.len()).expect("tests are small");
        self.bytes.extend_from_slice(bytes);
        place
    }

    /// Appends bytes unless they stand there.
    fn share(&mut self, bytes: &[u8], alignment: usize) -> u32 {
        let alignment_bytes = u32::try_from(alignment).expect("alignments are small");
        match self.places.get(bytes) {
            Some(place) if place.is_multiple_of(alignment_bytes) => *place,
            _ => {
                let place = self.append(bytes, alignment);
                self.places.insert(bytes.to_vec(), place);
                place
            }
        }
    }

    /// Writes bytes; no bytes are null.
    pub fn blob(&mut self, bytes: impl AsRef<[u8]>) -> Word {
        let bytes = bytes.as_ref();
        let length = u32::try_from(bytes.len()).expect("tests are small");
        let (kind, prefix_bytes) = match length {
            0 => return 0,
            1..=0xff => (0x8000_0000, 1),
            0x100..=0xffff => (0x9000_0000, 2),
            _ => (0xa000_0000, 4),
        };
        let bytes = [&length.to_le_bytes()[..prefix_bytes], bytes].concat();
        kind | self.share(&bytes, prefix_bytes)
    }

    /// Writes a number.
    pub fn integer(&mut self, number: u64) -> Word {
        match u32::try_from(number) {
            Ok(small) if small < 0x1000_0000 => 0x1000_0000 | small,
            Ok(word) => 0x2000_0000 | self.share(&word.to_le_bytes(), 4),
            Err(_) => 0x3000_0000 | self.share(&number.to_le_bytes(), 4),
        }
    }

    /// Writes an object, of which nulls at the end are left out; nothing but nulls are null.
    pub fn object(&mut self, words: &[Word]) -> Word {
        let count = words.iter().rposition(|word| *word != 0).map_or(0, |last| last + 1);
        if count == 0 {
            return 0;
        }
        let mut bytes = u32::try_from(count + 1).expect("tests are small").to_le_bytes().to_vec();
        words[..count].iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        0xe000_0000 | self.share(&bytes, 4)
    }

    /// Writes an array of the kind that has its own number; apk reads both.
    pub fn array(&mut self, words: &[Word]) -> Word {
        match self.object(words) {
            0 => 0,
            word => (word & 0x0fff_ffff) | 0xd000_0000,
        }
    }

    /// Writes relations as they are written in `.PKGINFO`, sorted by name.
    pub fn relations(&mut self, text: &str) -> Word {
        let mut words: Vec<(&str, Word)> = Vec::new();
        for relation in text.split_whitespace() {
            let (conflict, rest) = match relation.strip_prefix('!') {
                Some(rest) => (16, rest),
                None => (0, relation),
            };
            let end = rest.find(['<', '>', '=', '~']).unwrap_or(rest.len());
            let (name, rest) = rest.split_at(end);
            let end = rest.find(|char| !"<>=~".contains(char)).unwrap_or(rest.len());
            let (operator, version) = rest.split_at(end);
            let bits = operator.chars().fold(conflict, |bits, char| {
                bits | match char {
                    '<' => 2,
                    '>' => 4,
                    '~' => 9,
                    _ => 1,
                }
            });
            let bits = if operator.is_empty() && conflict != 0 { conflict | 7 } else { bits };
            let name_word = self.blob(name);
            let version = self.blob(version);
            let bits = if bits <= 1 { 0 } else { self.integer(bits) };
            words.push((name, self.object(&[name_word, version, bits])));
        }
        words.sort_by_key(|(name, _)| *name);
        words.dedup();
        let words: Vec<Word> = words.into_iter().map(|(_, word)| word).collect();
        self.object(&words)
    }

    /// Sets the root and returns the bytes.
    pub fn finish(mut self, root: Word) -> Vec<u8> {
        self.bytes[4..8].copy_from_slice(&root.to_le_bytes());
        self.bytes
    }
}

/// Returns a block with its header and padding. Kinds are 0 for values, 1 for signatures, 2 for content.
pub fn block(kind: u32, content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 4).expect("tests are small");
    let mut bytes = ((kind << 30) | size).to_le_bytes().to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

/// Returns a block with the header that large blocks have.
pub fn large_block(kind: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = (0xc000_0000 | kind).to_le_bytes().to_vec();
    bytes.extend([0; 4]);
    bytes.extend((content.len() as u64 + 16).to_le_bytes());
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

/// Returns a signature over values: what a block of kind 1 holds.
pub fn signature(schema: [u8; 4], values: &[u8], key: &Key) -> Vec<u8> {
    let id = digest(&SHA512, &key.public_pkcs1());
    let header = [&[0, 4], &id.as_ref()[..16]].concat();
    let message = [&schema[..], &header, digest(&SHA512, values).as_ref()].concat();
    [header, key.sign(Algorithm::Rsa512, &message)].concat()
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// As apk does it by default.
    Deflate,
    /// Deflate at a level, which apk notes.
    DeflateAt(u8),
    /// zstd.
    Zstd,
}

impl Compression {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Deflate, Self::DeflateAt(9), Self::Zstd];

    /// Compresses a file that begins with `ADB.`.
    pub fn compress(self, bytes: &[u8]) -> Vec<u8> {
        let deflate = |level| {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).and_then(|()| encoder.finish())
        };
        let (header, body) = match self {
            Self::None => return bytes.to_vec(),
            Self::Deflate => (b"ADBd".to_vec(), deflate(flate2::Compression::fast())),
            Self::DeflateAt(level) => {
                let body = deflate(flate2::Compression::new(level.into()));
                ([b"ADBc", &[1, level][..]].concat(), body)
            }
            Self::Zstd => (b"ADBc\x02\x03".to_vec(), zstd::stream::encode_all(bytes, 3)),
        };
        [header, body.expect("compressing in memory can't fail")].concat()
    }
}

/// Puts blocks behind a header and compresses the whole.
pub fn container(schema: [u8; 4], blocks: &[Vec<u8>], compression: Compression) -> Vec<u8> {
    compression.compress(&[b"ADB.", &schema[..], &blocks.concat()].concat())
}

// SPDX-License-Identifier: Apache-2.0
//! Summaries: most of the text of a database, and needed for what is shown alone. So they are compressed, block by block,
//! and their blocks are those of the table of vulnerabilities.

use super::DatabaseError;
use super::wire::{Reader, Reason, put_bytes, put_count};

/// How hard is compressed: a database is written once.
const LEVEL: i32 = 19;
/// The most bytes of a block: it has 256 summaries at most, of 120 bytes.
const BLOCK_BYTES_MAX: usize = 64 << 10;
/// The most bytes of all blocks: some two million vulnerabilities have as many.
const BYTES_MAX: usize = 256 << 20;
/// Where a summary is cut, if an importer should ever give a longer one.
const SUMMARY_BYTES_MAX: usize = 200;

/// Makes the section.
#[derive(Debug, Default)]
pub(super) struct SummaryWriter {
    index: Vec<(usize, usize)>,
    data: Vec<u8>,
    block: Vec<u8>,
    has_any: bool,
}

impl SummaryWriter {
    /// Adds the summary of the next vulnerability, which is the last of its block or not.
    pub(super) fn add(
        &mut self,
        summary: Option<&str>,
        is_last: bool,
    ) -> Result<(), DatabaseError> {
        let summary = summary.unwrap_or_default();
        self.has_any |= !summary.is_empty();
        let end = summary.floor_char_boundary(SUMMARY_BYTES_MAX);
        put_bytes(&mut self.block, &summary.as_bytes()[..end]);
        if is_last { self.end_block() } else { Ok(()) }
    }

    fn end_block(&mut self) -> Result<(), DatabaseError> {
        if self.has_any {
            let packed =
                zstd::bulk::compress(&self.block, LEVEL).map_err(DatabaseError::Compression)?;
            self.index.push((self.block.len(), packed.len()));
            self.data.extend_from_slice(&packed);
        } else {
            self.index.push((0, 0));
        }
        self.block.clear();
        self.has_any = false;
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Vec<u8>, DatabaseError> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        let mut bytes = Vec::with_capacity(self.data.len() + self.index.len() * 4);
        put_count(&mut bytes, self.index.len());
        for (unpacked, packed) in self.index {
            put_count(&mut bytes, unpacked);
            put_count(&mut bytes, packed);
        }
        bytes.extend_from_slice(&self.data);
        Ok(bytes)
    }
}

/// Where the blocks are.
#[derive(Debug, Clone)]
pub(super) struct Summaries {
    /// Of each block its first byte and its length when unpacked; at last where all ends.
    blocks: Vec<(usize, usize)>,
}

impl Summaries {
    pub(super) fn open(bytes: &[u8]) -> Result<Self, Reason> {
        let mut reader = Reader::new(bytes);
        let mut lengths = Vec::new();
        for _ in 0..reader.count()? {
            let unpacked = usize::try_from(reader.number()?).ok();
            let unpacked = unpacked.filter(|length| *length <= BLOCK_BYTES_MAX);
            lengths.push((unpacked.ok_or("a block is too long")?, reader.count()?));
        }
        let mut start = bytes.len() - reader.left();
        let mut blocks = Vec::with_capacity(lengths.len() + 1);
        let mut left_bytes = BYTES_MAX;
        for (unpacked, packed) in lengths {
            left_bytes = left_bytes.checked_sub(unpacked).ok_or("it unpacks to too much")?;
            blocks.push((start, unpacked));
            start = start.checked_add(packed).ok_or("a block is too long")?;
        }
        blocks.push((start, 0));
        if start != bytes.len() {
            return Err("its blocks are not as long as it is");
        }
        Ok(Self { blocks })
    }

    pub(super) fn block_count(&self) -> usize {
        self.blocks.len() - 1
    }

    /// Returns all summaries of a block, in the order of their vulnerabilities; nothing if none has one.
    pub(super) fn block(&self, bytes: &[u8], block: usize) -> Result<Vec<u8>, Reason> {
        let [(start, length), (end, _)] = self.blocks.get(block..block + 2).unwrap_or_default()
        else {
            return Err("there is no such block");
        };
        if *length == 0 {
            return Ok(Vec::new());
        }
        let packed = bytes.get(*start..*end).ok_or("a block is outside of it")?;
        let unpacked = zstd::bulk::decompress(packed, *length);
        unpacked
            .ok()
            .filter(|unpacked| unpacked.len() == *length)
            .ok_or("a block can't be unpacked")
    }
}

/// Returns the summary at a place of an unpacked block.
pub(super) fn summary(block: &[u8], place: usize) -> Result<Option<&str>, Reason> {
    if block.is_empty() {
        return Ok(None);
    }
    let mut reader = Reader::new(block);
    for _ in 0..place {
        reader.counted_bytes()?;
    }
    reader.text().map(|text| (!text.is_empty()).then_some(text))
}

/// Returns whether an unpacked block has as many summaries as it should.
pub(super) fn check(block: &[u8], count: usize) -> Result<(), Reason> {
    if block.is_empty() {
        return Ok(());
    }
    let mut reader = Reader::new(block);
    for _ in 0..count {
        reader.text()?;
    }
    reader.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summaries_come_back() {
        let mut writer = SummaryWriter::default();
        let long = "ä".repeat(150);
        for (summary, is_last) in [
            (None, true),
            (Some("one"), false),
            (None, false),
            (Some(long.as_str()), true),
            (Some("end"), false),
        ] {
            writer.add(summary, is_last).unwrap();
        }
        let bytes = writer.finish().unwrap();
        let summaries = Summaries::open(&bytes).unwrap();
        assert_eq!(summaries.block_count(), 3);
        let blocks: Vec<Vec<u8>> =
            (0..3).map(|block| summaries.block(&bytes, block).unwrap()).collect();
        assert!(blocks[0].is_empty());
        assert_eq!(summary(&blocks[1], 0), Ok(Some("one")));
        assert_eq!(summary(&blocks[1], 1), Ok(None));
        // Cut, and not within a letter.
        assert_eq!(summary(&blocks[1], 2), Ok(Some(&long[..200])));
        assert_eq!(summary(&blocks[2], 0), Ok(Some("end")));
        assert_eq!(check(&blocks[1], 3), Ok(()));
        assert_eq!(check(&blocks[1], 2), Err("something follows its end"));
        assert_eq!(summary(&blocks[1], 3), Err("it ends too early"));
    }

    #[test]
    fn bad_blocks() {
        let mut bomb = Vec::new();
        put_count(&mut bomb, 5000);
        for _ in 0..5000 {
            put_count(&mut bomb, BLOCK_BYTES_MAX);
            put_count(&mut bomb, 0);
        }
        for (bytes, expected) in [
            (vec![1, 0x81, 0x80, 4, 0], "a block is too long"),
            (vec![1, 1, 1], "it has fewer bytes than things in it"),
            (vec![1, 1, 0, 0], "its blocks are not as long as it is"),
            (bomb, "it unpacks to too much"),
        ] {
            assert_eq!(Summaries::open(&bytes).map(|_| ()), Err(expected));
        }
        let bytes = [1, 5, 3, 0, 0, 0];
        let summaries = Summaries::open(&bytes).unwrap();
        assert_eq!(summaries.block(&bytes, 0), Err("a block can't be unpacked"));
        assert_eq!(summaries.block(&bytes, 1), Err("there is no such block"));
    }
}

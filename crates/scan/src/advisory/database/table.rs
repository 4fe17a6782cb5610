// SPDX-License-Identifier: Apache-2.0
//! Sorted keys with values, in blocks: one is found by its block's first key, and in the block by going through it.
//!
//! Where a block ends depends on its last key, and not on how many there are before. So a key that is added or removed
//! changes its own block alone, and a difference between two databases stays small.

use super::wire::{Reader, Reason, put_bytes, put_count, put_key};

/// How long blocks are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Blocks {
    /// About how many entries, a power of two.
    usual: u32,
    /// How many at most.
    maximum: u32,
}

/// For short values that are looked up often.
pub(super) const SHORT: Blocks = Blocks { usual: 16, maximum: 64 };
/// For what is compressed block by block.
pub(super) const LONG: Blocks = Blocks { usual: 64, maximum: 256 };

/// FNV-1a.
fn hash(key: &str) -> u32 {
    key.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Makes a table.
#[derive(Debug)]
pub(super) struct TableWriter {
    limits: Blocks,
    /// Of each finished block the number of its entries and bytes.
    index: Vec<(u32, usize)>,
    data: Vec<u8>,
    entries: u32,
    block_start: usize,
    previous: String,
}

impl TableWriter {
    pub(super) fn new(limits: Blocks) -> Self {
        Self {
            limits,
            index: Vec::new(),
            data: Vec::new(),
            entries: 0,
            block_start: 0,
            previous: String::new(),
        }
    }

    /// Adds an entry; the keys come sorted. Returns whether it is the last one of its block.
    pub(super) fn add(&mut self, key: &str, value: &[u8]) -> bool {
        put_key(&mut self.data, &self.previous, key);
        put_bytes(&mut self.data, value);
        self.entries += 1;
        key.clone_into(&mut self.previous);
        // The upper bits of the hash: the lower ones of similar keys are too much alike.
        let is_last = self.entries >= self.limits.maximum
            || (hash(key) >> 8).is_multiple_of(self.limits.usual);
        if is_last {
            self.end_block();
        }
        is_last
    }

    fn end_block(&mut self) {
        if self.entries > 0 {
            self.index.push((self.entries, self.data.len() - self.block_start));
        }
        self.entries = 0;
        self.block_start = self.data.len();
        self.previous.clear();
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.end_block();
        let mut bytes = Vec::with_capacity(self.data.len() + self.index.len() * 3 + 5);
        put_count(&mut bytes, self.index.len());
        for (entries, length) in self.index {
            put_count(&mut bytes, entries as usize);
            put_count(&mut bytes, length);
        }
        bytes.extend_from_slice(&self.data);
        bytes
    }
}

/// Where the blocks of a table are in its bytes.
#[derive(Debug, Clone)]
pub(super) struct Table {
    limits: Blocks,
    /// Of each block its first byte and the place of its first entry; at last where all ends.
    blocks: Vec<(usize, usize)>,
}

/// What a table has for a key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'d> {
    pub(super) value: &'d [u8],
    /// Its place among all entries.
    pub(super) place: usize,
    pub(super) block: usize,
    /// Its place in its block.
    pub(super) place_in_block: usize,
}

impl Table {
    /// Reads where the blocks are.
    pub(super) fn open(bytes: &[u8], limits: Blocks) -> Result<Self, Reason> {
        let mut reader = Reader::new(bytes);
        let count = reader.count()?;
        let mut lengths = Vec::new();
        // Grows with what is there, and not with what a count says.
        for _ in 0..count {
            let entries = reader.count()?;
            if entries == 0 || entries > limits.maximum as usize {
                return Err("a block has no entries, or too many");
            }
            lengths.push((entries, reader.count()?));
        }
        let mut start = bytes.len() - reader.left();
        let mut blocks = Vec::with_capacity(lengths.len() + 1);
        let mut first = 0;
        for (entries, length) in lengths {
            blocks.push((start, first));
            start = start.checked_add(length).ok_or("a block is too long")?;
            first += entries;
        }
        blocks.push((start, first));
        if start != bytes.len() {
            return Err("its blocks are not as long as it is");
        }
        Ok(Self { limits, blocks })
    }

    /// Returns how many entries there are.
    pub(super) fn len(&self) -> usize {
        self.blocks.last().map_or(0, |(_, first)| *first)
    }

    /// Returns how many blocks there are.
    pub(super) fn block_count(&self) -> usize {
        self.blocks.len() - 1
    }

    /// Returns the bytes of a block, the place of its first entry, and their number.
    fn block<'d>(
        &self,
        bytes: &'d [u8],
        block: usize,
    ) -> Result<(Reader<'d>, usize, usize), Reason> {
        let [(start, first), (end, next)] = self.blocks.get(block..block + 2).unwrap_or_default()
        else {
            return Err("there is no such block");
        };
        let data = bytes.get(*start..*end).ok_or("a block is outside of it")?;
        Ok((Reader::new(data), *first, next - first))
    }

    /// Returns the value of a key.
    pub(super) fn find<'d>(&self, bytes: &'d [u8], key: &str) -> Result<Option<Found<'d>>, Reason> {
        // The last block whose first key is not greater.
        let (mut low, mut high) = (0, self.block_count());
        let mut first_key = String::new();
        while low < high {
            let middle = low.midpoint(high);
            first_key.clear();
            self.block(bytes, middle)?.0.key(&mut first_key, true)?;
            if first_key.as_str() <= key { low = middle + 1 } else { high = middle }
        }
        let Some(block) = low.checked_sub(1) else { return Ok(None) };
        let (mut reader, first, entries) = self.block(bytes, block)?;
        let mut here = String::new();
        for place_in_block in 0..entries {
            reader.key(&mut here, place_in_block == 0)?;
            let value = reader.counted_bytes()?;
            if here == key {
                let place = first + place_in_block;
                return Ok(Some(Found { value, place, block, place_in_block }));
            }
            if here.as_str() > key {
                break;
            }
        }
        Ok(None)
    }

    /// Calls with all keys and values in their order, and checks all that the writer promises.
    pub(super) fn each<'d>(
        &self,
        bytes: &'d [u8],
        call: &mut dyn FnMut(&str, Found<'d>) -> Result<(), Reason>,
    ) -> Result<(), Reason> {
        let mut last: Option<String> = None;
        for block in 0..self.block_count() {
            let (mut reader, first, entries) = self.block(bytes, block)?;
            let mut key = String::new();
            for place_in_block in 0..entries {
                reader.key(&mut key, place_in_block == 0)?;
                if place_in_block == 0 && last.as_ref().is_some_and(|last| *last >= key) {
                    return Err("its keys are not sorted");
                }
                let place = first + place_in_block;
                let value = reader.counted_bytes()?;
                call(&key, Found { value, place, block, place_in_block })?;
            }
            reader.end()?;
            debug_assert!(entries <= self.limits.maximum as usize, "checked when it was opened");
            last = Some(key);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(keys: &[String]) -> Vec<u8> {
        let mut writer = TableWriter::new(SHORT);
        for key in keys {
            writer.add(key, format!("value of {key}").as_bytes());
        }
        writer.finish()
    }

    fn keys(count: usize) -> Vec<String> {
        let mut keys: Vec<String> =
            (0..count).map(|number| format!("key-{}", number * 2)).collect();
        keys.sort();
        keys
    }

    #[test]
    fn all_is_found_and_nothing_else() {
        for count in [0, 1, 2, 15, 64, 65, 1000] {
            let bytes = table(&keys(count));
            let table = Table::open(&bytes, SHORT).unwrap();
            assert_eq!(table.len(), count);
            for (place, key) in keys(count).iter().enumerate() {
                let found = table.find(&bytes, key).unwrap().unwrap();
                assert_eq!(found.value, format!("value of {key}").as_bytes());
                assert_eq!(found.place, place);
                assert!(table.find(&bytes, &format!("{key}!")).unwrap().is_none());
            }
            for key in ["", "a", "z", "key-1", "key-"] {
                assert!(table.find(&bytes, key).unwrap().is_none(), "{key}");
            }
            let mut all = Vec::new();
            let collect = &mut |key: &str, _: Found<'_>| {
                all.push(key.to_owned());
                Ok(())
            };
            table.each(&bytes, collect).unwrap();
            assert_eq!(all, keys(count));
        }
    }

    #[test]
    fn one_key_more_changes_one_block() {
        let mut more = keys(5000);
        let (before, position) = (table(&more), more.len() / 2);
        more.insert(position, format!("{}!", more[position - 1]));
        let after = table(&more);
        let same = before.iter().rev().zip(after.iter().rev()).take_while(|(a, b)| a == b).count();
        assert!(same > before.len() * 4 / 10, "{same} of {}", before.len());
    }

    #[test]
    fn bad_tables() {
        for (bytes, expected) in [
            (vec![], "it ends too early"),
            (vec![1, 0, 0], "a block has no entries, or too many"),
            (vec![1, 65, 0], "it has fewer bytes than things in it"),
            (vec![1, 1, 1], "it has fewer bytes than things in it"),
            (vec![1, 1, 1, 0, 0], "its blocks are not as long as it is"),
            (vec![0, 0], "its blocks are not as long as it is"),
        ] {
            assert_eq!(Table::open(&bytes, SHORT).map(|_| ()), Err(expected), "{bytes:?}");
        }
        // Two blocks with the same key.
        let bytes = [2, 1, 3, 1, 3, 1, b'a', 0, 1, b'a', 0];
        let table = Table::open(&bytes, SHORT).unwrap();
        let mut ignore = |_: &str, _: Found<'_>| Ok(());
        assert_eq!(table.each(&bytes, &mut ignore), Err("its keys are not sorted"));
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The binary form of a [`super::index::PackageIndex`]; [`super::index_writer`] writes it.
//!
//! All numbers are little-endian. The parts follow each other without gaps:
//!
//! | part | content |
//! |---|---|
//! | header, 40 bytes | magic (8), format, packages, provides, blocks, origin bytes, names bytes, records bytes, CRC-32 of all before the records but itself (4 each) |
//! | packages | name offset, name length, record offset, record length, record CRC-32; sorted by name, then newest version first |
//! | provides | name offset, name length, package number; sorted by name, then number |
//! | blocks | where each block of records starts |
//! | origin | four strings |
//! | names | the text that names point into |
//! | records | one record per package, in blocks that are read as a whole; no record is in two |
//!
//! A record is: flags (1), size, installed size (variable-length numbers), SHA-256 (32), then the
//! strings of [`STRINGS`], each a variable-length number of bytes and the bytes.
//!
//! The checksums find accidents; nothing else relies on them: every offset and every text is
//! checked when it is used, so that not even a forged cache can do more than lie.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use flate2::Crc;
use hardpan_tree::Digest;

use super::index::{CacheError, MultiArch, Origin, Package, Priority};

pub(super) const MAGIC: &[u8; 8] = b"HPDEBIDX";
/// To be raised with every change of the form.
pub(super) const FORMAT: u32 = 1;
pub(super) const HEADER_BYTES: usize = 40;
const CHECKSUM_OFFSET: usize = 36;
const PACKAGE_BYTES: usize = 20;
const PROVIDE_BYTES: usize = 12;
const OFFSET_BYTES: usize = 4;
/// A block is closed when it has that many bytes: 400 blocks for Debian's largest index, of which
/// a typical solution touches a tenth.
pub(super) const BLOCK_BYTES: usize = 64 * 1024;
/// Strings in a record: version, architecture, source name and version (empty if those of the
/// package), section, filename, and six fields of relations.
pub(super) const STRINGS: usize = 12;

/// The checksum of all before the records but the checksum itself.
pub(super) fn tables_checksum(header: &[u8], tables: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(header);
    crc.update(tables);
    crc.sum()
}

/// Where the bytes of a cached index lie, if not in memory. `std::fs::File` with
/// `read_exact_at` is one.
pub trait ReadAt: Send + Sync {
    /// Fills the buffer with the bytes that start at an offset.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()>;
}

/// An index whose parts are known to lie inside its bytes.
#[derive(Clone)]
pub(super) struct Buffer {
    /// The header and the tables, and the records if they are in memory.
    bytes: Arc<Vec<u8>>,
    /// Reads records that are not in memory.
    reader: Option<Arc<Blocks>>,
    packages: Range<usize>,
    provides: Range<usize>,
    blocks: Range<usize>,
    origin: Range<usize>,
    names: Range<usize>,
    records: Range<usize>,
}

/// Blocks of records, each read when it is first needed.
struct Blocks {
    file: Box<dyn ReadAt>,
    loaded: Vec<OnceLock<Vec<u8>>>,
}

impl Buffer {
    /// Checks the lengths and the checksum of the tables of an index in memory.
    pub(super) fn in_memory(bytes: Vec<u8>) -> Result<Self, CacheError> {
        let size_bytes = bytes.len();
        Self::new(bytes, size_bytes, None)
    }

    /// Reads the tables of an index in a file and checks them.
    pub(super) fn open(file: Box<dyn ReadAt>, size_bytes: u64) -> Result<Self, CacheError> {
        let size_bytes = usize::try_from(size_bytes).map_err(|_| CacheError::Damaged("lengths"))?;
        let mut bytes = vec![0; HEADER_BYTES.min(size_bytes)];
        let failed = |error: io::Error| CacheError::Read(error.kind());
        file.read_at(0, &mut bytes).map_err(failed)?;
        let parts = Parts::of(&bytes, size_bytes)?;
        // The lengths fit the size of the file, so this is not more than there is. A new zeroed
        // buffer is cheaper than growing the old one.
        let mut bytes = vec![0; parts.records.start];
        file.read_at(0, &mut bytes).map_err(failed)?;
        let count = parts.blocks.len() / OFFSET_BYTES;
        let loaded = std::iter::repeat_with(OnceLock::new).take(count).collect();
        Self::new(bytes, size_bytes, Some(Arc::new(Blocks { file, loaded })))
    }

    fn new(
        bytes: Vec<u8>,
        size_bytes: usize,
        reader: Option<Arc<Blocks>>,
    ) -> Result<Self, CacheError> {
        let Parts { packages, provides, blocks, origin, names, records, checksum } =
            Parts::of(&bytes, size_bytes)?;
        let tables = &bytes[HEADER_BYTES..records.start];
        if tables_checksum(&bytes[..CHECKSUM_OFFSET], tables) != checksum {
            return Err(CacheError::Damaged("checksum of the tables"));
        }
        let bytes = Arc::new(bytes);
        Ok(Self { bytes, reader, packages, provides, blocks, origin, names, records })
    }

    /// Returns all bytes.
    pub(super) fn bytes(&self) -> Result<Cow<'_, [u8]>, CacheError> {
        if self.reader.is_none() {
            return Ok(Cow::Borrowed(&self.bytes));
        }
        let mut all = self.bytes.to_vec();
        for number in 0..self.block_count() {
            all.extend_from_slice(self.block(number)?);
        }
        Ok(Cow::Owned(all))
    }

    fn block_count(&self) -> usize {
        self.blocks.len() / OFFSET_BYTES
    }

    /// Where a block starts, from the beginning of the records; their end after the last.
    fn block_start(&self, number: usize) -> usize {
        let starts = &self.bytes[self.blocks.clone()];
        match starts.get(OFFSET_BYTES * number..OFFSET_BYTES * (number + 1)) {
            Some(start) => word(start, 0) as usize,
            None => self.records.len(),
        }
    }

    /// Returns the bytes of a block, reading it if need be.
    fn block(&self, number: usize) -> Result<&[u8], CacheError> {
        let damaged = CacheError::Damaged("block");
        let (start, end) = (self.block_start(number), self.block_start(number + 1));
        let size_bytes = end.checked_sub(start).ok_or(damaged)?;
        if end > self.records.len() {
            return Err(damaged);
        }
        let Some(reader) = &self.reader else {
            return Ok(&self.bytes[self.records.clone()][start..end]);
        };
        let slot = reader.loaded.get(number).ok_or(damaged)?;
        if slot.get().is_none() {
            let mut block = vec![0; size_bytes];
            let offset = (self.records.start + start) as u64;
            let read = reader.file.read_at(offset, &mut block);
            read.map_err(|error| CacheError::Read(error.kind()))?;
            // Another thread may have been first; it read the same bytes.
            let _ = slot.set(block);
        }
        slot.get().map(Vec::as_slice).ok_or(damaged)
    }

    /// Returns a record by its offset from the beginning of the records.
    fn record(&self, start: u32, length: u32) -> Result<&[u8], CacheError> {
        let (mut low, mut high) = (0, self.block_count());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.block_start(middle) <= start as usize {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let number = low.checked_sub(1).ok_or(CacheError::Damaged("block"))?;
        let inside = (start as usize).checked_sub(self.block_start(number));
        let inside = inside.and_then(|inside| u32::try_from(inside).ok());
        slice(self.block(number)?, inside.ok_or(CacheError::Damaged("block"))?, length)
    }

    pub(super) fn package_count(&self) -> u32 {
        // The header has it as a 32-bit number.
        u32::try_from(self.packages.len() / PACKAGE_BYTES).unwrap_or(u32::MAX)
    }

    pub(super) fn origin(&self) -> Result<Origin, CacheError> {
        let mut cursor = Cursor { rest: &self.bytes[self.origin.clone()] };
        let mut part = || cursor.string().map(str::to_owned);
        Ok(Origin { archive: part()?, suite: part()?, component: part()?, architecture: part()? })
    }

    pub(super) fn name(&self, number: u32) -> Result<&str, CacheError> {
        let entry = self.entry(&self.packages, PACKAGE_BYTES, number)?;
        std::str::from_utf8(self.name_bytes(entry)?).map_err(|_| CacheError::Damaged("name"))
    }

    pub(super) fn package(&self, number: u32) -> Result<Package<'_>, CacheError> {
        let name = self.name(number)?;
        let entry = self.entry(&self.packages, PACKAGE_BYTES, number)?;
        let (start, length, checksum) = (word(entry, 2), word(entry, 3), word(entry, 4));
        let record = self.record(start, length)?;
        let mut crc = Crc::new();
        crc.update(record);
        if crc.sum() != checksum {
            return Err(CacheError::Damaged("checksum of a record"));
        }
        read_record(name, record)
    }

    pub(super) fn versions_of(&self, name: &str) -> Result<Range<u32>, CacheError> {
        self.equal_range(&self.packages, PACKAGE_BYTES, name)
    }

    pub(super) fn providers_of(&self, name: &str) -> Result<Vec<u32>, CacheError> {
        let range = self.equal_range(&self.provides, PROVIDE_BYTES, name)?;
        range
            .map(|number| Ok(word(self.entry(&self.provides, PROVIDE_BYTES, number)?, 2)))
            .collect()
    }

    fn entry(&self, table: &Range<usize>, unit: usize, number: u32) -> Result<&[u8], CacheError> {
        let start = (number as usize).saturating_mul(unit);
        self.bytes[table.clone()]
            .get(start..start.saturating_add(unit))
            .ok_or(CacheError::Damaged("number"))
    }

    /// The bytes of the name that an entry of either table starts with.
    fn name_bytes(&self, entry: &[u8]) -> Result<&[u8], CacheError> {
        slice(&self.bytes[self.names.clone()], word(entry, 0), word(entry, 1))
    }

    /// The numbers of the entries with that name in a table sorted by name.
    fn equal_range(
        &self,
        table: &Range<usize>,
        unit: usize,
        name: &str,
    ) -> Result<Range<u32>, CacheError> {
        let count = u32::try_from(table.len() / unit).unwrap_or(u32::MAX);
        // The first entry for which `before` is false.
        let bound = |before: fn(Ordering) -> bool| -> Result<u32, CacheError> {
            let (mut low, mut high) = (0, count);
            while low < high {
                let middle = low + (high - low) / 2;
                let other = self.name_bytes(self.entry(table, unit, middle)?)?;
                if before(other.cmp(name.as_bytes())) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            Ok(low)
        };
        Ok(bound(Ordering::is_lt)?..bound(Ordering::is_le)?)
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.bytes.len())
    }
}

/// The parts of an index as its header has them.
struct Parts {
    packages: Range<usize>,
    provides: Range<usize>,
    blocks: Range<usize>,
    origin: Range<usize>,
    names: Range<usize>,
    records: Range<usize>,
    checksum: u32,
}

impl Parts {
    /// Reads the header and checks that the parts fill exactly the bytes there are.
    fn of(bytes: &[u8], size_bytes: usize) -> Result<Self, CacheError> {
        if bytes.get(..MAGIC.len()) != Some(MAGIC) {
            return Err(CacheError::Magic);
        }
        let header = bytes.get(MAGIC.len()..HEADER_BYTES).ok_or(CacheError::Damaged("header"))?;
        if word(header, 0) != FORMAT {
            return Err(CacheError::Format(word(header, 0)));
        }
        let mut end = HEADER_BYTES;
        let mut part = |position: usize, unit: usize| -> Result<Range<usize>, CacheError> {
            let start = end;
            end = (word(header, position) as usize)
                .checked_mul(unit)
                .and_then(|length| start.checked_add(length))
                .ok_or(CacheError::Damaged("lengths"))?;
            Ok(start..end)
        };
        let parts = Self {
            packages: part(1, PACKAGE_BYTES)?,
            provides: part(2, PROVIDE_BYTES)?,
            blocks: part(3, OFFSET_BYTES)?,
            origin: part(4, 1)?,
            names: part(5, 1)?,
            records: part(6, 1)?,
            checksum: word(header, 7),
        };
        if end == size_bytes { Ok(parts) } else { Err(CacheError::Damaged("lengths")) }
    }
}

/// The n-th 32-bit number of an entry, whose length the caller has checked.
fn word(entry: &[u8], position: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&entry[4 * position..][..4]);
    u32::from_le_bytes(bytes)
}

fn slice(bytes: &[u8], start: u32, length: u32) -> Result<&[u8], CacheError> {
    let start = start as usize;
    let end = start.saturating_add(length as usize);
    bytes.get(start..end).ok_or(CacheError::Damaged("offset"))
}

fn read_record<'i>(name: &'i str, record: &'i [u8]) -> Result<Package<'i>, CacheError> {
    let mut cursor = Cursor { rest: record };
    let flags = cursor.take(1)?[0];
    let size_bytes = cursor.number()?;
    let installed_size_kib = cursor.number()?;
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(cursor.take(32)?);
    let mut strings = [""; STRINGS];
    for text in &mut strings {
        *text = cursor.string()?;
    }
    if !cursor.rest.is_empty() {
        return Err(CacheError::Damaged("length of a record"));
    }
    let [version, architecture, source_name, source_version, section, filename, relations @ ..] =
        strings;
    let [pre_depends, depends, provides, conflicts, breaks, replaces] = relations;
    let or = |text: &'i str, default: &'i str| if text.is_empty() { default } else { text };
    Ok(Package {
        name,
        version,
        architecture,
        multi_arch: match flags >> 2 & 3 {
            1 => MultiArch::Same,
            2 => MultiArch::Foreign,
            3 => MultiArch::Allowed,
            _ => MultiArch::No,
        },
        source_name: or(source_name, name),
        source_version: or(source_version, version),
        section,
        priority: match flags >> 4 {
            0 => Priority::Required,
            1 => Priority::Important,
            2 => Priority::Standard,
            3 => Priority::Optional,
            _ => Priority::Extra,
        },
        essential: flags & 1 != 0,
        important: flags & 2 != 0,
        pre_depends,
        depends,
        provides,
        conflicts,
        breaks,
        replaces,
        filename,
        size_bytes,
        installed_size_kib,
        sha256: Digest::from_bytes(sha256),
    })
}

/// Takes values off the front of bytes.
struct Cursor<'i> {
    rest: &'i [u8],
}

impl<'i> Cursor<'i> {
    fn take(&mut self, count: usize) -> Result<&'i [u8], CacheError> {
        let (taken, rest) =
            self.rest.split_at_checked(count).ok_or(CacheError::Damaged("end of a record"))?;
        self.rest = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, CacheError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break; // more than 64 bits
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(CacheError::Damaged("number"))
    }

    fn string(&mut self) -> Result<&'i str, CacheError> {
        let length = usize::try_from(self.number()?).map_err(|_| CacheError::Damaged("length"))?;
        std::str::from_utf8(self.take(length)?).map_err(|_| CacheError::Damaged("text"))
    }
}

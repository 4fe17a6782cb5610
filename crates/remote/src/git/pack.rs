// SPDX-License-Identifier: Apache-2.0
//! Reads packs (gitformat-pack, version 2). Every object's id is computed from its bytes.
//!
//! Large files are never held whole: only what is described by differences is, up to a limit.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use flate2::bufread::ZlibDecoder;

use super::delta;
use super::object::{self, Commit, ObjectKind, TreeEntry};
use super::{ObjectHasher, ObjectId, PackError};

const BUFFER_BYTES: usize = 64 * 1024;
/// How much of objects that others build on is kept in memory.
const CACHE_BYTES_MAX: usize = 64 << 20;

/// What a [`Pack`] refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackLimits {
    /// Number of objects. The largest public repositories have about a million at one commit.
    pub objects_max: u64,
    /// Size of one object that is streamed.
    pub object_bytes_max: u64,
    /// Size of one object that has to be in memory: a directory, or one made by differences. Git
    /// itself makes none for files of more than 512 MB.
    pub memory_bytes_max: u64,
    /// Sum of the sizes of all objects.
    pub total_bytes_max: u64,
    /// Longest chain of differences. Git writes at most 50, or 250 with old settings.
    pub depth_max: u32,
}

impl Default for PackLimits {
    fn default() -> Self {
        Self {
            objects_max: 2_000_000,
            object_bytes_max: 4 << 30,
            memory_bytes_max: 512 << 20,
            total_bytes_max: 32 << 30,
            depth_max: 512,
        }
    }
}

/// How an object is stored.
#[derive(Debug, Clone, Copy)]
enum Stored {
    Whole(ObjectKind),
    /// As a difference to the object with this number.
    Offset(usize),
    /// As a difference to an object that may be anywhere in the pack.
    Reference(ObjectId),
}

#[derive(Debug)]
struct Entry {
    offset_bytes: u64,
    data_offset_bytes: u64,
    /// Of what is stored, inflated.
    stored_bytes: u64,
    stored: Stored,
    object: Option<Object>,
}

#[derive(Debug, Clone, Copy)]
struct Object {
    kind: ObjectKind,
    size_bytes: u64,
    depth: u32,
}

/// A pack whose objects were all read and hashed.
#[derive(Debug)]
pub struct Pack {
    file: File,
    limits: PackLimits,
    entries: Vec<Entry>,
    by_id: BTreeMap<ObjectId, usize>,
    cache: Mutex<Cache>,
}

#[derive(Debug, Default)]
struct Cache {
    objects: BTreeMap<usize, Arc<Vec<u8>>>,
    size_bytes: usize,
}

impl Pack {
    /// Reads a pack to its end and computes the ids of its objects.
    pub fn open(file: File, limits: PackLimits) -> Result<Self, PackError> {
        let mut pack = Self {
            file,
            limits,
            entries: Vec::new(),
            by_id: BTreeMap::new(),
            cache: Mutex::default(),
        };
        pack.scan()?;
        pack.resolve()?;
        Ok(pack)
    }

    /// Returns the number of objects.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Reads a commit.
    pub fn commit(&self, id: ObjectId) -> Result<Commit, PackError> {
        Commit::parse(&self.read(id, ObjectKind::Commit)?)
    }

    /// Reads a directory.
    pub fn tree(&self, id: ObjectId) -> Result<Vec<TreeEntry>, PackError> {
        object::parse_tree(id, &self.read(id, ObjectKind::Tree)?)
    }

    /// Returns the size of the content of a file, in bytes.
    pub fn blob_size_bytes(&self, id: ObjectId) -> Result<u64, PackError> {
        Ok(self.find(id, ObjectKind::Blob)?.1.size_bytes)
    }

    /// Reads an object of a kind into memory.
    pub fn read(&self, id: ObjectId, kind: ObjectKind) -> Result<Vec<u8>, PackError> {
        let (number, object) = self.find(id, kind)?;
        let maximum = self.limits.memory_bytes_max;
        if object.size_bytes > maximum {
            return Err(PackError::Limit { what: "bytes of an object", maximum });
        }
        Ok(Arc::unwrap_or_clone(self.content(number)?))
    }

    /// Writes the content of a file.
    pub fn copy_blob(&self, id: ObjectId, output: &mut dyn Write) -> Result<(), PackError> {
        let (number, _) = self.find(id, ObjectKind::Blob)?;
        let entry = &self.entries[number];
        if matches!(entry.stored, Stored::Whole(_)) {
            let mut cursor = Cursor::new(&self.file, entry.data_offset_bytes, false);
            return inflate(&mut cursor, entry.stored_bytes, &mut |piece| {
                output.write_all(piece).map_err(PackError::Io)
            });
        }
        Ok(output.write_all(&self.content(number)?)?)
    }

    fn find(&self, id: ObjectId, kind: ObjectKind) -> Result<(usize, Object), PackError> {
        let number = *self.by_id.get(&id).ok_or(PackError::Missing(id))?;
        match self.entries[number].object {
            Some(object) if object.kind == kind => Ok((number, object)),
            _ => Err(PackError::Kind { id, expected: kind.name() }),
        }
    }

    /// Finds out where objects begin, and hashes those that are stored whole.
    fn scan(&mut self) -> Result<(), PackError> {
        let mut ids = Vec::new();
        let mut cursor = Cursor::new(&self.file, 0, true);
        let mut header = [0; 12];
        cursor.fill(&mut header)?;
        if !header.starts_with(b"PACK\0\0\0\x02") {
            return Err(PackError::Malformed("no pack of version 2"));
        }
        let count = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
        let maximum = self.limits.objects_max;
        if u64::from(count) > maximum {
            return Err(PackError::Limit { what: "objects", maximum });
        }
        let mut total_bytes = 0_u64;
        for number in 0..count as usize {
            let mut entry = entry_header(&mut cursor, &self.entries)?;
            total_bytes = total_bytes.saturating_add(entry.stored_bytes);
            self.limits.check_total(total_bytes)?;
            if let Stored::Whole(kind) = entry.stored {
                let maximum = self.limits.object_bytes_max;
                if entry.stored_bytes > maximum {
                    return Err(PackError::Limit { what: "bytes of an object", maximum });
                }
                let mut hasher = ObjectHasher::new(kind, entry.stored_bytes);
                inflate(&mut cursor, entry.stored_bytes, &mut |piece| {
                    hasher.update(piece);
                    Ok(())
                })?;
                entry.object = Some(Object { kind, size_bytes: entry.stored_bytes, depth: 0 });
                ids.push((hasher.finish()?, number));
            } else {
                self.limits.check_memory(entry.stored_bytes)?;
                inflate(&mut cursor, entry.stored_bytes, &mut |_| Ok(()))?;
            }
            self.entries.push(entry);
        }
        cursor.check_trailer()?;
        self.by_id.extend(ids);
        Ok(())
    }

    /// Computes the objects that are stored as differences.
    fn resolve(&mut self) -> Result<(), PackError> {
        let mut total_bytes =
            self.entries.iter().filter_map(|entry| entry.object).map(|o| o.size_bytes).sum();
        let mut waiting: Vec<usize> = (0..self.entries.len())
            .filter(|&number| self.entries[number].object.is_none())
            .collect();
        // Each round makes chains longer by one at least, so there are not more rounds than that.
        for _ in 0..=self.limits.depth_max {
            let before = waiting.len();
            let mut still = Vec::new();
            for number in waiting {
                let base = self.base(number).and_then(|base| self.entries[base].object);
                let Some(base) = base else {
                    still.push(number);
                    continue;
                };
                let id = self.resolve_one(number, base, &mut total_bytes)?;
                self.by_id.entry(id).or_insert(number);
            }
            waiting = still;
            if waiting.is_empty() || waiting.len() == before {
                break;
            }
        }
        if waiting.is_empty() { Ok(()) } else { Err(PackError::NoBase) }
    }

    fn resolve_one(
        &mut self,
        number: usize,
        base: Object,
        total_bytes: &mut u64,
    ) -> Result<ObjectId, PackError> {
        let depth = base.depth + 1;
        if depth > self.limits.depth_max {
            let maximum = u64::from(self.limits.depth_max);
            return Err(PackError::Limit { what: "differences in a chain", maximum });
        }
        self.limits.check_memory(base.size_bytes)?;
        self.entries[number].object = Some(Object { kind: base.kind, size_bytes: 0, depth });
        let content = self.content(number)?;
        let size_bytes = content.len() as u64;
        *total_bytes = total_bytes.saturating_add(size_bytes);
        self.limits.check_total(*total_bytes)?;
        self.entries[number].object = Some(Object { kind: base.kind, size_bytes, depth });
        let mut hasher = ObjectHasher::new(base.kind, size_bytes);
        hasher.update(&content);
        hasher.finish()
    }

    fn base(&self, number: usize) -> Option<usize> {
        match &self.entries[number].stored {
            Stored::Whole(_) => None,
            Stored::Offset(base) => Some(*base),
            Stored::Reference(id) => self.by_id.get(id).copied(),
        }
    }

    /// Returns an object's bytes. Only for objects whose bases are known: their chain has an end.
    fn content(&self, number: usize) -> Result<Arc<Vec<u8>>, PackError> {
        let mut chain = vec![number];
        let mut content = loop {
            let last = *chain.last().expect("the chain began with one");
            if let Some(cached) = self.cached(last) {
                chain.pop();
                break cached;
            }
            let Some(base) = self.base(last) else {
                chain.pop();
                break self.keep(last, self.stored(last)?);
            };
            chain.push(base);
            if chain.len() > self.limits.depth_max as usize + 2 {
                return Err(PackError::NoBase);
            }
        };
        for number in chain.into_iter().rev() {
            let difference = self.stored(number)?;
            let made = delta::apply(&content, &difference, self.limits.memory_bytes_max)?;
            content = self.keep(number, made);
        }
        Ok(content)
    }

    /// Inflates what is stored of an object.
    fn stored(&self, number: usize) -> Result<Vec<u8>, PackError> {
        let entry = &self.entries[number];
        self.limits.check_memory(entry.stored_bytes)?;
        let mut cursor = Cursor::new(&self.file, entry.data_offset_bytes, false);
        let mut bytes = Vec::with_capacity(usize::try_from(entry.stored_bytes).unwrap_or(0));
        inflate(&mut cursor, entry.stored_bytes, &mut |piece| {
            bytes.extend_from_slice(piece);
            Ok(())
        })?;
        if matches!(entry.stored, Stored::Offset(_) | Stored::Reference(_)) {
            self.limits.check_memory(delta::sizes(&bytes)?.1)?;
        }
        Ok(bytes)
    }

    fn cached(&self, number: usize) -> Option<Arc<Vec<u8>>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner).objects.get(&number).cloned()
    }

    fn keep(&self, number: usize, bytes: Vec<u8>) -> Arc<Vec<u8>> {
        let bytes = Arc::new(bytes);
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.size_bytes + bytes.len() > CACHE_BYTES_MAX {
            *cache = Cache::default();
        }
        if bytes.len() <= CACHE_BYTES_MAX / 4
            && cache.objects.insert(number, Arc::clone(&bytes)).is_none()
        {
            cache.size_bytes += bytes.len();
        }
        bytes
    }
}

impl PackLimits {
    fn check_total(&self, total_bytes: u64) -> Result<(), PackError> {
        let maximum = self.total_bytes_max;
        let fits = total_bytes <= maximum;
        fits.then_some(()).ok_or(PackError::Limit { what: "bytes of all objects", maximum })
    }

    fn check_memory(&self, size_bytes: u64) -> Result<(), PackError> {
        let maximum = self.memory_bytes_max;
        let fits = size_bytes <= maximum;
        fits.then_some(()).ok_or(PackError::Limit { what: "bytes of an object", maximum })
    }
}

/// Reads the header of an entry.
fn entry_header(cursor: &mut Cursor<'_>, before: &[Entry]) -> Result<Entry, PackError> {
    let offset_bytes = cursor.position_bytes;
    let mut byte = cursor.byte()?;
    let kind = (byte >> 4) & 7;
    let mut stored_bytes = u64::from(byte & 15);
    let mut shift = 4;
    while byte & 0x80 != 0 {
        byte = cursor.byte()?;
        if shift > 56 {
            return Err(PackError::Malformed("a size that is too large"));
        }
        stored_bytes |= u64::from(byte & 0x7f) << shift;
        shift += 7;
    }
    let stored = match kind {
        1 => Stored::Whole(ObjectKind::Commit),
        2 => Stored::Whole(ObjectKind::Tree),
        3 => Stored::Whole(ObjectKind::Blob),
        4 => Stored::Whole(ObjectKind::Tag),
        6 => {
            let base = offset_bytes.checked_sub(distance(cursor)?);
            let number = base.and_then(|base| {
                before.binary_search_by_key(&base, |entry| entry.offset_bytes).ok()
            });
            Stored::Offset(number.ok_or(PackError::NoBase)?)
        }
        7 => {
            let mut id = [0; 20];
            cursor.fill(&mut id)?;
            Stored::Reference(ObjectId::from_bytes(id))
        }
        _ => return Err(PackError::Malformed("an object of an unknown kind")),
    };
    let data_offset_bytes = cursor.position_bytes;
    Ok(Entry { offset_bytes, data_offset_bytes, stored_bytes, stored, object: None })
}

/// Reads how far before a difference its base begins.
fn distance(cursor: &mut Cursor<'_>) -> Result<u64, PackError> {
    let mut byte = cursor.byte()?;
    let mut distance = u64::from(byte & 0x7f);
    while byte & 0x80 != 0 {
        byte = cursor.byte()?;
        if distance > 1 << 48 {
            return Err(PackError::NoBase);
        }
        distance = ((distance + 1) << 7) | u64::from(byte & 0x7f);
    }
    Ok(distance)
}

/// Inflates exactly as many bytes as were announced.
fn inflate(
    cursor: &mut Cursor<'_>,
    size_bytes: u64,
    take: &mut dyn FnMut(&[u8]) -> Result<(), PackError>,
) -> Result<(), PackError> {
    let mut decoder = ZlibDecoder::new(cursor);
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut left_bytes = size_bytes;
    loop {
        let count = decoder.read(&mut buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => PackError::Truncated,
            io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                PackError::Malformed("compressed data")
            }
            _ => PackError::Io(error),
        })?;
        if count == 0 && left_bytes == 0 {
            return Ok(());
        }
        if count == 0 || count as u64 > left_bytes {
            return Err(PackError::Malformed("an object has another size than announced"));
        }
        take(&buffer[..count])?;
        left_bytes -= count as u64;
    }
}

/// Reads a file from a position on, and hashes what it reads if asked to.
struct Cursor<'f> {
    file: &'f File,
    /// Of the next byte that is not consumed.
    position_bytes: u64,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    hasher: Option<ring::digest::Context>,
}

impl<'f> Cursor<'f> {
    fn new(file: &'f File, position_bytes: u64, is_hashed: bool) -> Self {
        let sha1 = &ring::digest::SHA1_FOR_LEGACY_USE_ONLY;
        let hasher = is_hashed.then(|| ring::digest::Context::new(sha1));
        Self { file, position_bytes, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0, hasher }
    }

    fn byte(&mut self) -> Result<u8, PackError> {
        let mut byte = [0];
        self.fill(&mut byte)?;
        Ok(byte[0])
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), PackError> {
        self.read_exact(bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => PackError::Truncated,
            _ => PackError::Io(error),
        })
    }

    /// Compares the last 20 bytes with the hash of all before.
    fn check_trailer(mut self) -> Result<(), PackError> {
        let hasher = self.hasher.take().ok_or(PackError::Checksum)?;
        let mut trailer = [0; 20];
        self.fill(&mut trailer)?;
        if hasher.finish().as_ref() != trailer {
            return Err(PackError::Checksum);
        }
        if !self.fill_buf()?.is_empty() {
            return Err(PackError::Malformed("data after the end"));
        }
        Ok(())
    }
}

impl Read for Cursor<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let there = self.fill_buf()?;
        let count = there.len().min(buffer.len());
        buffer[..count].copy_from_slice(&there[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Cursor<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            self.start = 0;
            self.end = self.file.read_at(&mut self.buffer, self.position_bytes)?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    fn consume(&mut self, count: usize) {
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&self.buffer[self.start..self.start + count]);
        }
        self.start += count;
        self.position_bytes += count as u64;
    }
}

#[cfg(test)]
#[path = "pack/tests.rs"]
mod tests;

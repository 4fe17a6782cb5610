// SPDX-License-Identifier: Apache-2.0
//! Reads zip archives (APPNOTE.TXT 6.3.10) that nobody vouches for.
//!
//! Only what every unzipper reads the same way is accepted: the directory at the end and the headers
//! before the data must agree, no two members may share bytes, and sizes and checksums must be true.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// The longest comment, and the record that it belongs to, in bytes.
const END_BYTES_MAX: u64 = 0xffff + END_BYTES;
const END_BYTES: u64 = 22;
const LOCATOR_BYTES: u64 = 20;

/// What [`zip_members`] refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ZipLimits {
    /// Number of members.
    pub members_max: u64,
    /// Size of the directory.
    pub directory_bytes_max: u64,
    /// Whether something may stand before the archive, as in programs that unpack themselves.
    pub prefix_allowed: bool,
}

impl Default for ZipLimits {
    fn default() -> Self {
        // A million members with long names.
        Self { members_max: 1_000_000, directory_bytes_max: 256 << 20, prefix_allowed: false }
    }
}

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZipError {
    /// It is not well-formed, or not in a way that all understand alike.
    #[error("bad zip archive: {0}")]
    Malformed(&'static str),
    /// More than a limit allows.
    #[error("more than {maximum} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        maximum: u64,
    },
    /// The bytes can't be read.
    #[error("can't read")]
    Io(#[source] io::Error),
}

/// Bytes that can be read at any place.
pub trait ReadAt {
    /// Returns how many there are.
    fn length_bytes(&self) -> io::Result<u64>;
    /// Reads some from an offset on; 0 is the end.
    fn read_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<usize>;
}

impl ReadAt for File {
    fn length_bytes(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset_bytes)
    }
}

impl ReadAt for [u8] {
    fn length_bytes(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset_bytes: u64) -> io::Result<usize> {
        let start = usize::try_from(offset_bytes).ok();
        let rest = start.and_then(|start| self.get(start..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// A member's headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZipMember {
    /// Its name as written: not checked, it may lead anywhere.
    pub name: Vec<u8>,
    /// The system whose attributes it has: 3 is Unix.
    pub system: u16,
    /// Its attributes; on Unix the mode is the upper half.
    pub attributes: u32,
    /// Its date and time as DOS writes them, without a zone.
    pub dos_time: (u16, u16),
    /// Its time in seconds since the epoch, if it has that (Info-ZIP).
    pub unix_time: Option<i64>,
    /// Its length in bytes.
    pub size_bytes: u64,
    checksum: u32,
    is_deflated: bool,
    data_bytes: u64,
    data_offset_bytes: u64,
}

/// Reads the directory of an archive and checks everything but the data.
pub fn zip_members(
    file: &(impl ReadAt + ?Sized),
    limits: ZipLimits,
) -> Result<Vec<ZipMember>, ZipError> {
    let file = &Bytes { file, length_bytes: file.length_bytes().map_err(ZipError::Io)? };
    let end = end(file, limits.prefix_allowed)?;
    if end.size_bytes > limits.directory_bytes_max {
        let maximum = limits.directory_bytes_max;
        return Err(ZipError::Limit { what: "bytes of a directory", maximum });
    }
    if end.count > limits.members_max {
        return Err(ZipError::Limit { what: "members", maximum: limits.members_max });
    }
    let directory_bytes = end.prefix_bytes + end.offset_bytes;
    let directory = bytes_at(file, directory_bytes, end.size_bytes)?;
    let mut fields = Fields(&directory);
    let mut members = Vec::new();
    let mut used = Vec::new();
    for _ in 0..end.count {
        let (member, range) = member(&mut fields, file, directory_bytes, end.prefix_bytes)?;
        used.push(range);
        members.push(member);
    }
    if !fields.0.is_empty() {
        return Err(ZipError::Malformed("its directory has more members than it says"));
    }
    used.sort_unstable();
    if used.windows(2).any(|pair| pair[0].1 > pair[1].0) {
        return Err(ZipError::Malformed("two members share bytes"));
    }
    Ok(members)
}

impl ZipMember {
    /// Opens the data. The read that meets the end fails if size or checksum are wrong.
    pub fn open<'f>(&self, file: &'f (impl ReadAt + ?Sized)) -> Box<dyn Read + 'f> {
        let end_bytes = self.data_offset_bytes + self.data_bytes;
        let section = Section { file, position_bytes: self.data_offset_bytes, end_bytes };
        let inner: Box<dyn Read + 'f> = if self.is_deflated {
            Box::new(flate2::read::DeflateDecoder::new(section))
        } else {
            Box::new(section)
        };
        let checksum = self.checksum;
        Box::new(Checked { inner, left_bytes: self.size_bytes, checksum, sum: flate2::Crc::new() })
    }
}

/// An archive and how long it is.
struct Bytes<'f, F: ?Sized> {
    file: &'f F,
    length_bytes: u64,
}

/// Where the directory is.
struct End {
    offset_bytes: u64,
    size_bytes: u64,
    count: u64,
    /// What stands before the archive.
    prefix_bytes: u64,
}

/// Finds the directory.
fn end<F: ReadAt + ?Sized>(file: &Bytes<'_, F>, prefix_allowed: bool) -> Result<End, ZipError> {
    const NONE: ZipError = ZipError::Malformed("no directory at its end");
    let length_bytes = file.length_bytes;
    let tail_bytes = length_bytes.min(END_BYTES_MAX);
    let tail = bytes_at(file, length_bytes - tail_bytes, tail_bytes)?;
    let is_end = |at: &usize| {
        let rest = &tail[*at..];
        rest.starts_with(b"PK\x05\x06")
            && rest.len() as u64 == END_BYTES + u64::from(u16::from_le_bytes([rest[20], rest[21]]))
    };
    let last = tail.len().checked_sub(22).ok_or(NONE)?;
    let at = (0..=last).rev().find(is_end).ok_or(NONE)?;
    let mut fields = Fields(&tail[at + 4..]);
    let (disk, directory_disk, here) = (fields.short()?, fields.short()?, fields.short()?);
    let (count, size, offset) = (fields.short()?, fields.long()?, fields.long()?);
    let end_bytes = length_bytes - (tail.len() - at) as u64;
    let is_64_bit = count == 0xffff || size == 0xffff_ffff || offset == 0xffff_ffff;
    let (offset, size, count, limit) = if is_64_bit {
        end_64(file, end_bytes)?
    } else if disk != 0 || directory_disk != 0 || here != count {
        return Err(ZipError::Malformed("it is one part of several"));
    } else {
        (u64::from(offset), u64::from(size), u64::from(count), end_bytes)
    };
    let ends = offset.checked_add(size);
    let Some(prefix_bytes) = ends.and_then(|ends| limit.checked_sub(ends)) else {
        return Err(ZipError::Malformed("its directory is not where it should be"));
    };
    if prefix_bytes > 0 && !prefix_allowed {
        return Err(ZipError::Malformed("its directory is not where it should be"));
    }
    Ok(End { offset_bytes: offset, size_bytes: size, count, prefix_bytes })
}

/// Reads the directory's place in an archive that is large (APPNOTE 4.3.14); and where it must end.
fn end_64<F: ReadAt + ?Sized>(
    file: &Bytes<'_, F>,
    end_bytes: u64,
) -> Result<(u64, u64, u64, u64), ZipError> {
    const BAD: ZipError = ZipError::Malformed("no directory of a large archive");
    let locator_bytes = end_bytes.checked_sub(LOCATOR_BYTES).ok_or(BAD)?;
    let locator = bytes_at(file, locator_bytes, LOCATOR_BYTES)?;
    let mut fields = Fields(&locator);
    if fields.long()? != 0x0706_4b50 || fields.long()? != 0 {
        return Err(BAD);
    }
    let offset = fields.huge()?;
    if offset.checked_add(56).is_none_or(|end| end > locator_bytes) {
        return Err(BAD);
    }
    let record = bytes_at(file, offset, 56)?;
    let mut fields = Fields(&record);
    if fields.long()? != 0x0606_4b50 {
        return Err(BAD);
    }
    fields.skip(20)?;
    let (here, count) = (fields.huge()?, fields.huge()?);
    let (size, directory) = (fields.huge()?, fields.huge()?);
    if here != count {
        return Err(ZipError::Malformed("it is one part of several"));
    }
    Ok((directory, size, count, offset))
}

/// Reads an entry of the directory and its local header; returns also which bytes they use.
fn member<F: ReadAt + ?Sized>(
    fields: &mut Fields<'_>,
    file: &Bytes<'_, F>,
    directory_offset_bytes: u64,
    prefix_bytes: u64,
) -> Result<(ZipMember, (u64, u64)), ZipError> {
    if fields.long()? != 0x0201_4b50 {
        return Err(ZipError::Malformed("its directory is malformed"));
    }
    let system = fields.short()? >> 8;
    fields.skip(2)?;
    let (flags, method) = (fields.short()?, fields.short()?);
    let (time, date) = (fields.short()?, fields.short()?);
    let checksum = fields.long()?;
    let (mut data_bytes, mut size_bytes) = (u64::from(fields.long()?), u64::from(fields.long()?));
    let (name_bytes, extra_bytes) = (fields.short()?, fields.short()?);
    let comment_bytes = fields.short()?;
    fields.skip(4)?;
    let attributes = fields.long()?;
    let mut offset_bytes = u64::from(fields.long()?);
    let name = fields.take(usize::from(name_bytes))?;
    let extra = fields.take(usize::from(extra_bytes))?;
    fields.skip(usize::from(comment_bytes))?;
    let mut unix_time = None;
    extra_fields(extra, &mut |kind, mut data| {
        match kind {
            // Numbers that did not fit, in this order (APPNOTE 4.5.3).
            1 => {
                for number in [&mut size_bytes, &mut data_bytes, &mut offset_bytes] {
                    if *number == 0xffff_ffff {
                        *number = data.huge()?;
                    }
                }
            }
            // The time in seconds since the epoch, of Info-ZIP.
            0x5455 if data.take(1)?[0] & 1 != 0 => {
                let seconds = i32::from_le_bytes(data.long()?.to_le_bytes());
                unix_time = Some(i64::from(seconds));
            }
            _ => {}
        }
        Ok(())
    })?;
    if flags & 1 != 0 {
        return Err(ZipError::Malformed("a member is encrypted"));
    }
    if !matches!(method, 0 | 8) {
        return Err(ZipError::Malformed("a member is compressed by another method than deflate"));
    }
    if method == 0 && data_bytes != size_bytes {
        return Err(ZipError::Malformed("a member has another size than it says"));
    }
    let offset_bytes = prefix_bytes.checked_add(offset_bytes);
    let offset_bytes =
        offset_bytes.ok_or(ZipError::Malformed("a member lies outside of the archive"))?;
    let data_offset_bytes = local_header(file, offset_bytes, name, method)?;
    let end_bytes = data_offset_bytes.checked_add(data_bytes);
    let end_bytes = end_bytes
        .filter(|end| *end <= directory_offset_bytes)
        .ok_or(ZipError::Malformed("a member lies outside of the archive"))?;
    let is_deflated = method == 8;
    let member = ZipMember {
        name: name.to_vec(),
        system,
        attributes,
        dos_time: (date, time),
        unix_time,
        size_bytes,
        checksum,
        is_deflated,
        data_bytes,
        data_offset_bytes,
    };
    Ok((member, (offset_bytes, end_bytes)))
}

/// Reads the header in front of the data; returns where the data begins.
fn local_header<F: ReadAt + ?Sized>(
    file: &Bytes<'_, F>,
    offset_bytes: u64,
    name: &[u8],
    method: u16,
) -> Result<u64, ZipError> {
    const DIFFERS: ZipError = ZipError::Malformed("its headers contradict its directory");
    let header = bytes_at(file, offset_bytes, 30)?;
    let mut fields = Fields(&header);
    if fields.long()? != 0x0403_4b50 {
        return Err(DIFFERS);
    }
    fields.skip(4)?;
    let own_method = fields.short()?;
    fields.skip(16)?;
    let (name_bytes, extra_bytes) = (fields.short()?, fields.short()?);
    if own_method != method || usize::from(name_bytes) != name.len() {
        return Err(DIFFERS);
    }
    if bytes_at(file, offset_bytes + 30, u64::from(name_bytes))? != name {
        return Err(DIFFERS);
    }
    Ok(offset_bytes + 30 + u64::from(name_bytes) + u64::from(extra_bytes))
}

/// Goes through the extra fields of a member. A broken tail is what some zippers leave: it ends them.
fn extra_fields(
    extra: &[u8],
    take: &mut dyn FnMut(u16, Fields<'_>) -> Result<(), ZipError>,
) -> Result<(), ZipError> {
    let mut fields = Fields(extra);
    while fields.0.len() >= 4 {
        let (kind, length) = (fields.short()?, usize::from(fields.short()?));
        let Ok(data) = fields.take(length) else { return Ok(()) };
        take(kind, Fields(data))?;
    }
    Ok(())
}

fn bytes_at<F: ReadAt + ?Sized>(
    file: &Bytes<'_, F>,
    offset_bytes: u64,
    size_bytes: u64,
) -> Result<Vec<u8>, ZipError> {
    let size = usize::try_from(size_bytes).map_err(|_| ZipError::Malformed("cut short"))?;
    // Before memory is taken for it.
    if offset_bytes.checked_add(size_bytes).is_none_or(|end| end > file.length_bytes) {
        return Err(ZipError::Malformed("cut short"));
    }
    let mut bytes = vec![0; size];
    let mut filled = 0;
    while filled < size {
        match file.file.read_at(&mut bytes[filled..], offset_bytes + filled as u64) {
            Ok(0) => return Err(ZipError::Malformed("cut short")),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ZipError::Io(error)),
        }
    }
    Ok(bytes)
}

/// Takes little-endian numbers from the front of some bytes.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], ZipError> {
        let (taken, rest) =
            self.0.split_at_checked(count).ok_or(ZipError::Malformed("cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn skip(&mut self, count: usize) -> Result<(), ZipError> {
        self.take(count).map(|_| ())
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], ZipError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn short(&mut self) -> Result<u16, ZipError> {
        Ok(u16::from_le_bytes(self.number()?))
    }

    fn long(&mut self) -> Result<u32, ZipError> {
        Ok(u32::from_le_bytes(self.number()?))
    }

    fn huge(&mut self) -> Result<u64, ZipError> {
        Ok(u64::from_le_bytes(self.number()?))
    }
}

struct Section<'f, F: ?Sized> {
    file: &'f F,
    position_bytes: u64,
    end_bytes: u64,
}

impl<F: ReadAt + ?Sized> Read for Section<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left_bytes = self.end_bytes - self.position_bytes;
        let length = buffer.len().min(usize::try_from(left_bytes).unwrap_or(usize::MAX));
        let count = self.file.read_at(&mut buffer[..length], self.position_bytes)?;
        self.position_bytes += count as u64;
        Ok(count)
    }
}

struct Checked<'f> {
    inner: Box<dyn Read + 'f>,
    left_bytes: u64,
    checksum: u32,
    sum: flate2::Crc,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let count = self.inner.read(buffer)?;
        let wrong = |problem| io::Error::other(ZipError::Malformed(problem));
        if count as u64 > self.left_bytes || (count == 0 && self.left_bytes > 0) {
            return Err(wrong("a member has another size than it says"));
        }
        self.sum.update(&buffer[..count]);
        self.left_bytes -= count as u64;
        if count == 0 && self.sum.sum() != self.checksum {
            return Err(wrong("a member has another checksum than it says"));
        }
        Ok(count)
    }
}

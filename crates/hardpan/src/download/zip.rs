// SPDX-License-Identifier: Apache-2.0
//! Reads zip archives (APPNOTE.TXT 6.3.10) that nobody vouches for.
//!
//! Only what every unzipper reads the same way is accepted: the directory at the end and the headers
//! before the data must agree, no two members may share bytes, and sizes and checksums must be true.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

use hardpan_tree::TreePath;

use super::decompress::check_ratio;
use super::error::ArchiveError;
use super::members::MEMBERS_MAX;

/// The largest directory, in bytes: a million members with long names.
const DIRECTORY_BYTES_MAX: u64 = 256 << 20;
/// The longest comment, and the record that it belongs to, in bytes.
const END_BYTES_MAX: u64 = 0xffff + END_BYTES;
const END_BYTES: u64 = 22;
const LOCATOR_BYTES: u64 = 20;

/// A member's headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ZipMember {
    pub path: TreePath,
    pub kind: ZipKind,
    pub mode: u32,
    pub mtime: i64,
    pub size_bytes: u64,
    checksum: u32,
    is_deflated: bool,
    data_bytes: u64,
    data_offset_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ZipKind {
    Directory,
    Symlink,
    File,
}

/// Reads the directory of an archive and checks everything but the data.
pub(super) fn members(file: &File) -> Result<Vec<ZipMember>, ArchiveError> {
    let length_bytes = file.metadata().map_err(ArchiveError::Broken)?.len();
    let (offset_bytes, size_bytes, count) = end(file, length_bytes)?;
    if size_bytes > DIRECTORY_BYTES_MAX {
        let maximum = DIRECTORY_BYTES_MAX;
        return Err(ArchiveError::Limit { what: "bytes of a directory", maximum });
    }
    if count > MEMBERS_MAX {
        return Err(ArchiveError::Limit { what: "members", maximum: MEMBERS_MAX });
    }
    let directory = bytes_at(file, offset_bytes, size_bytes)?;
    let mut fields = Fields(&directory);
    let mut members = Vec::new();
    let mut used = Vec::new();
    let mut total_bytes = 0_u64;
    for _ in 0..count {
        let (member, range) = member(&mut fields, file, offset_bytes)?;
        total_bytes = total_bytes.saturating_add(member.size_bytes);
        check_ratio(length_bytes, total_bytes)?;
        used.push(range);
        members.push(member);
    }
    if !fields.0.is_empty() {
        return Err(ArchiveError::Zip("its directory has more members than it says"));
    }
    used.sort_unstable();
    if used.windows(2).any(|pair| pair[0].1 > pair[1].0) {
        return Err(ArchiveError::Zip("two members share bytes"));
    }
    Ok(members)
}

impl ZipMember {
    /// Opens the data. The read that meets the end fails if size or checksum are wrong.
    pub(super) fn open<'f>(&self, file: &'f File) -> Box<dyn Read + 'f> {
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

/// Finds the directory: its offset and size in bytes, and how many members it has.
fn end(file: &File, length_bytes: u64) -> Result<(u64, u64, u64), ArchiveError> {
    const NONE: ArchiveError = ArchiveError::Zip("no directory at its end");
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
        return Err(ArchiveError::Zip("it is one part of several"));
    } else {
        (u64::from(offset), u64::from(size), u64::from(count), end_bytes)
    };
    if offset.checked_add(size) != Some(limit) {
        return Err(ArchiveError::Zip("its directory is not where it should be"));
    }
    Ok((offset, size, count))
}

/// Reads the directory's place in an archive that is large (APPNOTE 4.3.14); and where it must end.
fn end_64(file: &File, end_bytes: u64) -> Result<(u64, u64, u64, u64), ArchiveError> {
    const BAD: ArchiveError = ArchiveError::Zip("no directory of a large archive");
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
        return Err(ArchiveError::Zip("it is one part of several"));
    }
    Ok((directory, size, count, offset))
}

/// Reads an entry of the directory and its local header; returns also which bytes they use.
fn member(
    fields: &mut Fields<'_>,
    file: &File,
    directory_offset_bytes: u64,
) -> Result<(ZipMember, (u64, u64)), ArchiveError> {
    if fields.long()? != 0x0201_4b50 {
        return Err(ArchiveError::Zip("its directory is malformed"));
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
    let mut mtime = dos_time(date, time);
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
                mtime = i64::from(i32::from_le_bytes(data.long()?.to_le_bytes()));
            }
            _ => {}
        }
        Ok(())
    })?;
    if flags & 1 != 0 {
        return Err(ArchiveError::Zip("a member is encrypted"));
    }
    if !matches!(method, 0 | 8) {
        return Err(ArchiveError::Zip("a member is compressed by another method than deflate"));
    }
    if method == 0 && data_bytes != size_bytes {
        return Err(ArchiveError::Zip("a member has another size than it says"));
    }
    let path = checked_path(name)?;
    // 3 is Unix, 19 is macOS.
    let unix = if matches!(system, 3 | 19) { attributes >> 16 } else { 0 };
    let kind = kind(&path, name, unix)?;
    let mode = match (unix & 0o7777, kind) {
        (0, ZipKind::Directory) => 0o755,
        (0, _) => 0o644,
        (mode, _) => mode,
    };
    let data_offset_bytes = local_header(file, offset_bytes, name, method)?;
    let end_bytes = data_offset_bytes.checked_add(data_bytes);
    let end_bytes = end_bytes
        .filter(|end| *end <= directory_offset_bytes)
        .ok_or(ArchiveError::Zip("a member lies outside of the archive"))?;
    let is_deflated = method == 8;
    let member = ZipMember {
        path,
        kind,
        mode,
        mtime,
        size_bytes,
        checksum,
        is_deflated,
        data_bytes,
        data_offset_bytes,
    };
    Ok((member, (offset_bytes, end_bytes)))
}

fn kind(path: &TreePath, name: &[u8], unix: u32) -> Result<ZipKind, ArchiveError> {
    match (unix & 0o170_000, name.ends_with(b"/")) {
        (0o120_000, false) => Ok(ZipKind::Symlink),
        (0 | 0o040_000, true) => Ok(ZipKind::Directory),
        (0 | 0o100_000, false) => Ok(ZipKind::File),
        _ => Err(ArchiveError::Member {
            path: path.clone(),
            problem: "neither file, directory nor symbolic link",
        }),
    }
}

fn checked_path(name: &[u8]) -> Result<TreePath, ArchiveError> {
    let lossy = || String::from_utf8_lossy(&name[..name.len().min(200)]).into_owned();
    let is_drive = name.get(1) == Some(&b':');
    if name.starts_with(b"/") || is_drive {
        return Err(ArchiveError::Absolute(lossy()));
    }
    if name.contains(&b'\\') {
        return Err(ArchiveError::Zip("a path has a backslash, which not all understand alike"));
    }
    let path = TreePath::parse(name)?;
    if path.is_root() && !name.ends_with(b"/") {
        return Err(ArchiveError::Zip("a member has no name"));
    }
    Ok(path)
}

/// Reads the header in front of the data; returns where the data begins.
fn local_header(
    file: &File,
    offset_bytes: u64,
    name: &[u8],
    method: u16,
) -> Result<u64, ArchiveError> {
    const DIFFERS: ArchiveError = ArchiveError::Zip("its headers contradict its directory");
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
    take: &mut dyn FnMut(u16, Fields<'_>) -> Result<(), ArchiveError>,
) -> Result<(), ArchiveError> {
    let mut fields = Fields(extra);
    while fields.0.len() >= 4 {
        let (kind, length) = (fields.short()?, usize::from(fields.short()?));
        let Ok(data) = fields.take(length) else { return Ok(()) };
        take(kind, Fields(data))?;
    }
    Ok(())
}

/// Turns DOS's date and time, which know no zone, into seconds since the epoch.
fn dos_time(date: u16, time: u16) -> i64 {
    let part = |value: u16, shift: u16, mask: u16| i8::try_from((value >> shift) & mask).ok();
    let seconds = || {
        let year = 1980 + i16::try_from(date >> 9).ok()?;
        let (month, day) = (part(date, 5, 15)?, part(date, 0, 31)?);
        let (hour, minute) = (part(time, 11, 31)?, part(time, 5, 63)?);
        let second = part(time, 0, 31)? * 2;
        let time = jiff::civil::DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
        Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
    };
    seconds().unwrap_or(0)
}

fn bytes_at(file: &File, offset_bytes: u64, size_bytes: u64) -> Result<Vec<u8>, ArchiveError> {
    let size = usize::try_from(size_bytes).map_err(|_| ArchiveError::Zip("cut short"))?;
    let length_bytes = file.metadata().map_err(ArchiveError::Broken)?.len();
    // Before memory is taken for it.
    if offset_bytes.checked_add(size_bytes).is_none_or(|end| end > length_bytes) {
        return Err(ArchiveError::Zip("cut short"));
    }
    let mut bytes = vec![0; size];
    file.read_exact_at(&mut bytes, offset_bytes).map_err(ArchiveError::Broken)?;
    Ok(bytes)
}

/// Takes little-endian numbers from the front of some bytes.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], ArchiveError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(ArchiveError::Zip("cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn skip(&mut self, count: usize) -> Result<(), ArchiveError> {
        self.take(count).map(|_| ())
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], ArchiveError> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    fn short(&mut self) -> Result<u16, ArchiveError> {
        Ok(u16::from_le_bytes(self.number()?))
    }

    fn long(&mut self) -> Result<u32, ArchiveError> {
        Ok(u32::from_le_bytes(self.number()?))
    }

    fn huge(&mut self) -> Result<u64, ArchiveError> {
        Ok(u64::from_le_bytes(self.number()?))
    }
}

struct Section<'f> {
    file: &'f File,
    position_bytes: u64,
    end_bytes: u64,
}

impl Read for Section<'_> {
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
        let wrong = |problem| io::Error::other(ArchiveError::Zip(problem));
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

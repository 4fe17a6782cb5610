// SPDX-License-Identifier: Apache-2.0
//! Members of zip archives, as files that an image can hold.

use std::fs::File;
use std::io::Read;

use hardpan_tree::{TreePath, ZipError, ZipLimits, zip_members};

use super::decompress::check_ratio;
use super::error::ArchiveError;
use super::members::MEMBERS_MAX;

/// A member's headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ZipMember {
    pub path: TreePath,
    pub kind: ZipKind,
    pub mode: u32,
    pub mtime: i64,
    pub size_bytes: u64,
    inner: hardpan_tree::ZipMember,
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
    let limits = ZipLimits { members_max: MEMBERS_MAX, ..ZipLimits::default() };
    let mut total_bytes = 0_u64;
    let mut members = Vec::new();
    for inner in zip_members(file, limits)? {
        total_bytes = total_bytes.saturating_add(inner.size_bytes);
        check_ratio(length_bytes, total_bytes)?;
        members.push(member(inner)?);
    }
    Ok(members)
}

impl ZipMember {
    /// Opens the data. The read that meets the end fails if size or checksum are wrong.
    pub(super) fn open<'f>(&self, file: &'f File) -> Box<dyn Read + 'f> {
        self.inner.open(file)
    }
}

fn member(inner: hardpan_tree::ZipMember) -> Result<ZipMember, ArchiveError> {
    let path = checked_path(&inner.name)?;
    // 3 is Unix, 19 is macOS.
    let unix = if matches!(inner.system, 3 | 19) { inner.attributes >> 16 } else { 0 };
    let kind = kind(&path, &inner.name, unix)?;
    let mode = match (unix & 0o7777, kind) {
        (0, ZipKind::Directory) => 0o755,
        (0, _) => 0o644,
        (mode, _) => mode,
    };
    let (date, time) = inner.dos_time;
    let mtime = inner.unix_time.unwrap_or_else(|| dos_time(date, time));
    Ok(ZipMember { path, kind, mode, mtime, size_bytes: inner.size_bytes, inner })
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
        return Err(malformed("a path has a backslash, which not all understand alike"));
    }
    let path = TreePath::parse(name)?;
    if path.is_root() && !name.ends_with(b"/") {
        return Err(malformed("a member has no name"));
    }
    Ok(path)
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

fn malformed(problem: &'static str) -> ArchiveError {
    ArchiveError::Zip(ZipError::Malformed(problem))
}

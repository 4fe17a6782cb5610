// SPDX-License-Identifier: Apache-2.0
//! Unpacking an `.apk` into a segment.

use std::io::{self, Read, Write};

use hardpan_tree::{TarLimits, TarReader, TreePath};

use super::adb;
use super::index::Checksum;
use super::info::{CONTROL, SCRIPTS};
use super::package::{ApkError, DATA, Package, checksum_text, decompress};
use crate::segment::Unpacked;
use crate::unpack::data::{self, Data, Files};
use crate::unpack::{Metered, UnpackError, UnpackOptions, tar_error, too_much};

/// Unpacks a package of either format: reads `apk` to its end, checks the digests in it and writes the segment.
/// Signatures are not looked at: who has the digest of the file needs none.
///
/// # Errors
/// As [`crate::unpack::unpack`].
pub fn unpack(
    apk: &mut dyn Read,
    options: &UnpackOptions,
    segment: &mut dyn Write,
) -> Result<Unpacked, UnpackError> {
    let mut first = Vec::new();
    let read = apk.take(adb::MAGIC.len() as u64).read_to_end(&mut first);
    read.map_err(|source| decompress(CONTROL, source))?;
    let is_adb = first == adb::MAGIC;
    let mut apk = Counting { inner: first.as_slice().chain(apk), size_bytes: 0 };
    let unpacked = if is_adb {
        adb::unpack(&mut apk, options, segment)?
    } else {
        unpack_members(&mut apk, options, segment)?
    };
    Ok(Unpacked { file_size_bytes: apk.size_bytes, ..unpacked })
}

/// A reader that counts what is read.
struct Counting<R> {
    inner: R,
    size_bytes: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.size_bytes += count as u64;
        Ok(count)
    }
}

/// Unpacks a package of format 2.
fn unpack_members(
    apk: &mut dyn Read,
    options: &UnpackOptions,
    segment: &mut dyn Write,
) -> Result<Unpacked, UnpackError> {
    let mut package = Package::open(apk, &options.limits)?;
    if let Some(expected) = &options.expected {
        package.control.expect(expected)?;
    }
    let data = read_data(&mut package, options, segment)?;
    package.check_end()?;
    let identity = checksum_text(&Checksum::Sha1(package.control_sha1()));
    let control = package.control;
    let newest = data.newest.unwrap_or(0).max(0);
    let timestamp = control.build_time.unwrap_or(newest);
    Ok(control.unpacked(timestamp, data, identity))
}

fn read_data(
    package: &mut Package<'_>,
    options: &UnpackOptions,
    segment: &mut dyn Write,
) -> Result<Data, UnpackError> {
    let limits = &options.limits;
    let files = Files {
        member: DATA,
        policy: &options.strip,
        // Without a time of the package its newest entry has it.
        timestamp: package.control.build_time.unwrap_or(i64::MAX),
        place,
        with_sha1sums: true,
        with_owner_names: true,
    };
    let tar_limits = TarLimits {
        entries_max: limits.entries_max,
        size_bytes_max: limits.size_bytes_max,
        // apk does not ask for it, and `datahash` proves that nothing is missing.
        end_marker_required: false,
        ..TarLimits::default()
    };
    let reader: Box<dyn Read + '_> = if package.has_data {
        Box::new(package.members.stream(limits))
    } else {
        Box::new(&b""[..])
    };
    // The stream has a meter of its own.
    let mut tar = TarReader::new(Metered::new(reader, u64::MAX), tar_limits);
    let data = data::read(&mut tar, &files, segment).map_err(|error| too_much(error, limits))?;
    tar.finish().map_err(|error| too_much(tar_error(DATA, error), limits))?;
    Ok(data)
}

/// Leaves entries where they are, but refuses those that apk refuses, and those that only mean something in
/// the control member.
pub(super) fn place(path: TreePath, _: bool) -> Result<TreePath, UnpackError> {
    let is_control = path.as_bytes().strip_prefix(b".").is_some_and(|name| {
        let scripts = SCRIPTS.iter().map(|script| script.as_bytes());
        name.starts_with(b"SIGN.")
            || [&b"PKGINFO"[..], b"INSTALL"].into_iter().chain(scripts).any(|known| known == name)
    });
    let problem = if is_control {
        "it has the name of a control file"
    } else if path.as_bytes().iter().any(u8::is_ascii_control) {
        // Package databases are made of lines.
        "its name has a control character"
    } else {
        return Ok(path);
    };
    Err(ApkError::Entry { path, problem }.into())
}

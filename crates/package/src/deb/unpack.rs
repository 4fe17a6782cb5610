// SPDX-License-Identifier: Apache-2.0
//! Unpacking a `.deb` into a segment, in one pass and in little memory.

mod control;

use std::io::{Read, Write};

use hardpan_tree::{TarLimits, TarReader, TreePath};

use super::ar::{self, ArMember, ArReader, Compression};
use crate::segment::{Format, Unpacked};
use crate::unpack::data::{self, Files};
use crate::unpack::{
    Expected, Limits, MemberTar, Metered, UnpackError, UnpackOptions, tar_error, too_much,
};

/// Unpacks a package: reads `deb` to its end and writes the segment.
///
/// Memory is bounded by the number of entries, not by their size: buffers are seldom more than 9 MiB
/// and at most 21 MiB together, to which the decompressor's dictionary comes (8 MiB for what
/// Debian's tools make).
pub fn unpack(
    deb: &mut dyn Read,
    options: &UnpackOptions,
    segment: &mut dyn Write,
) -> Result<Unpacked, UnpackError> {
    let limits = &options.limits;
    let mut archive = ArReader::new(deb)?;
    let timestamp = ar::read_format(&mut archive)?;

    // Control first: a package that is not the one asked for is not read any further.
    let (member, compression) = ar::find_tar(&mut archive, "control.tar")?;
    let control_limits = TarLimits {
        entries_max: CONTROL_FILES_MAX,
        size_bytes_max: limits.control_size_bytes_max,
        ..TarLimits::default()
    };
    let control = with_tar(&mut archive, &member, compression, limits, control_limits, |tar| {
        control::read(tar, &member.name)
    })?;
    if let Some(expected) = &options.expected {
        control.expect(expected)?;
    }

    let (member, compression) = ar::find_tar(&mut archive, "data.tar")?;
    let data_limits = TarLimits {
        entries_max: limits.entries_max,
        size_bytes_max: limits.size_bytes_max,
        ..TarLimits::default()
    };
    let data = with_tar(&mut archive, &member, compression, limits, data_limits, |tar| {
        let policy = &options.strip;
        let files = Files {
            member: &member.name,
            policy,
            timestamp,
            place: merged_usr,
            with_sha1sums: false,
            with_owner_names: false,
        };
        data::read(tar, &files, segment)
    })?;

    // deb(5) reserves what follows for the future.
    while archive.next_member()?.is_some() {}

    Ok(Unpacked {
        format: Format::Deb,
        name: control.name,
        version: control.version,
        architecture: control.architecture,
        control: control.stanza,
        timestamp,
        entries: data.entries,
        conffiles: control.conffiles,
        md5sums: control.md5sums,
        sha1sums: String::new(),
        identity: String::new(),
        owner_names: data.owner_names,
        file_size_bytes: 0,
        scripts: control.scripts,
        script_digests: control.script_digests,
        triggers: control.triggers,
        control_members: control.others,
        stripped: data.stripped,
        changed: data.changed,
        segment_digest: data.segment_digest,
        segment_size_bytes: data.segment_size_bytes,
    })
}

/// How many files `control.tar` may have.
const CONTROL_FILES_MAX: u64 = 1000;

/// Reads a member's archive with `body`, and then checks that nothing follows it.
fn with_tar<R: Read, T>(
    archive: &mut ArReader<R>,
    member: &ArMember,
    compression: Compression,
    limits: &Limits,
    tar_limits: TarLimits,
    body: impl FnOnce(&mut MemberTar<'_>) -> Result<T, UnpackError>,
) -> Result<T, UnpackError> {
    let name = &member.name;
    let decoder = compression
        .decoder(archive)
        .map_err(|source| UnpackError::Decompress { member: name.clone(), source })?;
    let left_bytes =
        member.size_bytes.saturating_mul(limits.ratio_max).max(limits.ratio_floor_bytes);
    let mut tar = TarReader::new(Metered::new(decoder, left_bytes), tar_limits);
    let value = body(&mut tar).map_err(|error| too_much(error, limits))?;
    tar.finish().map_err(|error| too_much(tar_error(name, error), limits))?;
    Ok(value)
}

/// Directories at the root that are links to their namesakes in `/usr`.
const MERGED_DIRECTORIES: [&[u8]; 7] =
    [b"bin", b"lib", b"lib32", b"lib64", b"libo32", b"libx32", b"sbin"];

/// Returns the path at which an entry stands when `/usr` is merged. The links themselves, which
/// base-files brings, stay where they are.
fn merged_usr(path: TreePath, is_directory: bool) -> Result<TreePath, UnpackError> {
    let mut names = path.components();
    let is_merged = names.next().is_some_and(|name| MERGED_DIRECTORIES.contains(&name))
        && (is_directory || names.next().is_some());
    drop(names);
    if !is_merged {
        return Ok(path);
    }
    Ok(TreePath::literal("usr").join(path.as_bytes())?)
}

// SPDX-License-Identifier: Apache-2.0
//! Unpacking a `.deb` into a segment, in one pass and in little memory.

mod control;
mod data;

use std::io::{self, Read, Write};

use hardpan_tree::{PathError, TarLimits, TarReadError, TarReader, TreePath};

use super::ar::{self, ArError, ArMember, ArReader, Compression};
use super::control::ControlError;
use super::segment::Unpacked;
use super::strip::{StripPolicy, StripRule};

/// What [`unpack`] may be asked to do.
#[derive(Debug, Clone, Default)]
pub struct UnpackOptions {
    /// What to leave out.
    pub strip: StripPolicy,
    /// What to refuse.
    pub limits: Limits,
    /// What the package has to be, if that is known.
    pub expected: Option<Expected>,
}

/// The package that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// `Package`.
    pub name: String,
    /// `Version`.
    pub version: String,
    /// `Architecture`, where `all` is as good as the one asked for.
    pub architecture: String,
}

/// How much one package may bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries of `data.tar`. Debian's largest packages have about 100,000.
    pub entries_max: u64,
    /// Sum of the sizes of all files. Debian's largest package has about 6 GiB.
    pub size_bytes_max: u64,
    /// How many times larger `data.tar` may be than its compressed form, once it is larger than
    /// [`Self::ratio_floor_bytes`].
    pub ratio_max: u64,
    /// Size from which on [`Self::ratio_max`] counts.
    pub ratio_floor_bytes: u64,
    /// Size of `control.tar`, uncompressed.
    pub control_size_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries_max: 500_000,
            size_bytes_max: 16 << 30,
            ratio_max: 400,
            ratio_floor_bytes: 64 << 20,
            control_size_bytes_max: 32 << 20,
        }
    }
}

/// Why a package can't be unpacked. What was written to the segment by then is worthless.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UnpackError {
    /// It is not a `.deb`, or cut short.
    #[error("not a readable Debian package")]
    Ar(#[from] ArError),
    /// One of its archives is damaged, or has an entry that is refused.
    #[error("in {member}")]
    Tar {
        /// The member's name.
        member: String,
        /// What is wrong.
        #[source]
        source: TarReadError,
    },
    /// A member's compressed data is damaged.
    #[error("can't decompress {member}")]
    Decompress {
        /// The member's name.
        member: String,
        /// What is wrong.
        #[source]
        source: io::Error,
    },
    /// The segment can't be written.
    #[error("can't write the segment")]
    Write(#[source] io::Error),
    /// A control file is too large, not text, or missing.
    #[error("bad control file {name}: {problem}")]
    ControlFile {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The control stanza can't be read.
    #[error("bad control file control")]
    Control(#[source] ControlError),
    /// The control stanza lacks a field, or the field is not valid.
    #[error("missing or invalid control field {field}")]
    ControlField {
        /// The field.
        field: &'static str,
    },
    /// It is another package than the one asked for.
    #[error("control field {field} is {actual:?}, expected {expected:?}")]
    Unexpected {
        /// The field.
        field: &'static str,
        /// What was asked for.
        expected: String,
        /// What the package says.
        actual: String,
    },
    /// A path stands in the package twice.
    #[error("{path} stands in the package twice")]
    Duplicate {
        /// The path.
        path: TreePath,
    },
    /// An entry below something that is not a directory.
    #[error("{path} is below {parent}, which is not a directory")]
    BelowNonDirectory {
        /// The entry.
        path: TreePath,
        /// The symbolic link or file above it.
        parent: TreePath,
    },
    /// A hard link to something that is no file of the package, or comes later.
    #[error("{path} is a hard link to {target}, which is no earlier file of the package")]
    LinkTarget {
        /// The link.
        path: TreePath,
        /// What it names.
        target: TreePath,
    },
    /// A hard link to a large file that was left out.
    #[error(
        "{path} is a hard link to {target}, which rule {rule} left out and which is too large to keep in memory"
    )]
    LinkTargetStripped {
        /// The link.
        path: TreePath,
        /// What it names.
        target: TreePath,
        /// The rule; without it the package can be unpacked.
        rule: StripRule,
    },
    /// A path that is too long once `/bin` or the like is taken to `/usr`.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The package unpacks to far more than it is.
    #[error("unpacks to more than {ratio_max} times its size")]
    Ratio {
        /// The limit.
        ratio_max: u64,
    },
}

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
        data::read(tar, &member.name, &options.strip, timestamp, segment)
    })?;

    // deb(5) reserves what follows for the future.
    while archive.next_member()?.is_some() {}

    Ok(Unpacked {
        name: control.name,
        version: control.version,
        architecture: control.architecture,
        control: control.stanza,
        timestamp,
        entries: data.entries,
        conffiles: control.conffiles,
        md5sums: control.md5sums,
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

/// What the archives of a package are read from.
type MemberTar<'a> = TarReader<Metered<Box<dyn Read + 'a>>>;

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
    let mut tar = TarReader::new(Metered { inner: decoder, left_bytes }, tar_limits);
    let value = body(&mut tar).map_err(|error| too_much(error, limits))?;
    tar.finish().map_err(|error| too_much(tar_error(name, error), limits))?;
    Ok(value)
}

/// A reader that fails after so many bytes.
#[derive(Debug)]
struct Metered<R> {
    inner: R,
    left_bytes: u64,
}

/// What [`Metered`] fails with.
#[derive(Debug, thiserror::Error)]
#[error("too much data")]
struct TooMuch;

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        match self.left_bytes.checked_sub(count as u64) {
            Some(left_bytes) => self.left_bytes = left_bytes,
            None => return Err(io::Error::other(TooMuch)),
        }
        Ok(count)
    }
}

fn tar_error(member: &str, error: TarReadError) -> UnpackError {
    let member = member.to_owned();
    match error {
        // The tar reader's own errors may come wrapped in one of reading.
        TarReadError::Io(source) if wraps::<TarReadError>(&source) => {
            UnpackError::Tar { member, source: TarReadError::Truncated }
        }
        TarReadError::Io(source) => UnpackError::Decompress { member, source },
        source => UnpackError::Tar { member, source },
    }
}

/// Returns whether an error of reading was made from an error of this type.
fn wraps<E: std::error::Error + 'static>(error: &io::Error) -> bool {
    error.get_ref().and_then(|source| source.downcast_ref::<E>()).is_some()
}

/// Gives the error of [`Metered`] its own name.
fn too_much(error: UnpackError, limits: &Limits) -> UnpackError {
    match &error {
        UnpackError::Decompress { source, .. } if wraps::<TooMuch>(source) => {
            UnpackError::Ratio { ratio_max: limits.ratio_max }
        }
        _ => error,
    }
}

/// Directories at the root that are links to their namesakes in `/usr`.
const MERGED_DIRECTORIES: [&[u8]; 7] =
    [b"bin", b"lib", b"lib32", b"lib64", b"libo32", b"libx32", b"sbin"];

/// Returns the path at which an entry stands when `/usr` is merged. The links themselves, which
/// base-files brings, stay where they are.
fn merged_usr(path: TreePath, is_directory: bool) -> Result<TreePath, PathError> {
    let mut names = path.components();
    let is_merged = names.next().is_some_and(|name| MERGED_DIRECTORIES.contains(&name))
        && (is_directory || names.next().is_some());
    drop(names);
    if !is_merged {
        return Ok(path);
    }
    TreePath::literal("usr").join(path.as_bytes())
}

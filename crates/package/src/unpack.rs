// SPDX-License-Identifier: Apache-2.0
//! What unpacking has in common for all formats of packages: options, limits, errors, and the archive of
//! files, which becomes a segment in one pass and in little memory.

pub(crate) mod data;

use std::io::{self, Read, Write};

use hardpan_tree::{PathError, TarReadError, TarReader, TreePath};

use crate::apk::adb::AdbError;
use crate::apk::package::ApkError;
use crate::deb::ar::ArError;
use crate::deb::control::ControlError;
use crate::segment::{Format, Unpacked};
use crate::strip::{StripPolicy, StripRule};
use crate::{apk, deb};

/// Unpacks a package: reads it to its end and writes the segment.
///
/// Memory is bounded by the number of entries, not by their size: buffers are seldom more than 9 MiB
/// and at most 21 MiB together, to which the decompressor's dictionary comes.
///
/// # Errors
/// If it is not a sound package, is not the one that is expected, is more than the limits allow, or the segment
/// can't be written, which is then worthless.
pub fn unpack(
    format: Format,
    package: &mut dyn Read,
    options: &UnpackOptions,
    segment: &mut dyn Write,
) -> Result<Unpacked, UnpackError> {
    match format {
        Format::Deb => deb::unpack::unpack(package, options, segment),
        Format::Apk => apk::unpack::unpack(package, options, segment),
    }
}

/// What unpacking may be asked to do.
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
    /// It is not an `.apk` of format 3, or damaged, or has something that is refused.
    #[error("not a readable Alpine package of format 3")]
    Adb(#[from] AdbError),
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
    /// It is not a sound `.apk`.
    #[error("not a sound Alpine package")]
    Apk(#[from] ApkError),
    /// The package unpacks to far more than it is.
    #[error("unpacks to more than {ratio_max} times its size")]
    Ratio {
        /// The limit.
        ratio_max: u64,
    },
}

/// What the archives of a package are read from.
pub(crate) type MemberTar<'a> = TarReader<Metered<Box<dyn Read + 'a>>>;

/// A reader that fails after so many bytes.
#[derive(Debug)]
pub(crate) struct Metered<R> {
    inner: R,
    left_bytes: u64,
}

/// What [`Metered`] fails with.
#[derive(Debug, thiserror::Error)]
#[error("too much data")]
pub(crate) struct TooMuch;

impl<R> Metered<R> {
    pub(crate) fn new(inner: R, left_bytes: u64) -> Self {
        Self { inner, left_bytes }
    }
}

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

pub(crate) fn tar_error(member: &str, error: TarReadError) -> UnpackError {
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
pub(crate) fn too_much(error: UnpackError, limits: &Limits) -> UnpackError {
    match &error {
        UnpackError::Decompress { source, .. } if wraps::<TooMuch>(source) => {
            UnpackError::Ratio { ratio_max: limits.ratio_max }
        }
        _ => error,
    }
}

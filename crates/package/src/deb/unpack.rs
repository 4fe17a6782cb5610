// SPDX-License-Identifier: Apache-2.0
//! Unpacking a `.deb` into a segment, in one pass.

use std::io;

use hardpan_tree::{TarReadError, TreePath};

use super::ar::ArError;
use super::strip::StripPolicy;

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
#[non_exhaustive]
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
    /// Something follows a member's compressed data.
    #[error("{member} has data after its end")]
    TrailingData {
        /// The member's name.
        member: String,
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
        rule: super::strip::StripRule,
    },
    /// The package unpacks to far more than it is.
    #[error("unpacks to more than {ratio_max} times its size")]
    Ratio {
        /// The limit.
        ratio_max: u64,
    },
}

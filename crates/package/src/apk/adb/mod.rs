// SPDX-License-Identifier: Apache-2.0
//! Format 3 of Alpine's packages and indexes: a binary tree of values ("ADB") in a block, signatures over it, and
//! the contents of files in blocks that follow.
//!
//! ```text
//! "ADB." schema                         "ADBd" or "ADBc" algorithm level before it: the rest is compressed
//! block ADB   version, root, values     an index has nothing but this and signatures
//! block SIG   version, hash, key, signature                                 any number
//! block DATA  directory, file, content  one for each file that has content, in the order of the values
//! ```
//!
//! Nothing in the values is reached but by the few fields that are known here, so there is no recursion that data could
//! deepen, and every offset is checked where it is used. How much may be read in all is limited, too, as many values
//! may name the same bytes.

mod container;
pub mod index;
mod owners;
pub mod package;
mod schema;
mod signature;
mod unpack;
mod value;

use std::io;

use hardpan_tree::{PathError, TreePath};

use super::signature::SignatureError;
use super::version::VersionError;

pub use package::{Identity, identify};
pub use unpack::unpack;

/// What a file of format 3 begins with, compressed or not.
pub const MAGIC: &[u8; 3] = b"ADB";

/// Why a file is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdbError {
    /// The bytes can't be read, or their compression is damaged.
    #[error("can't read")]
    Io(#[from] io::Error),
    /// It ends in the middle.
    #[error("cut short")]
    Truncated,
    /// It does not begin as such a file does.
    #[error("not a file of apk's format 3")]
    Magic,
    /// A compression that is not known.
    #[error("unknown compression {0}")]
    Compression(u8),
    /// It is an index where a package is expected, or the like.
    #[error("holds {actual:?}, expected {expected:?}")]
    Schema {
        /// What it should hold.
        expected: String,
        /// What it holds.
        actual: String,
    },
    /// The values are of a version that is not known.
    #[error("unsupported format version {0}")]
    FormatVersion(u8),
    /// A block that should not be there, or is damaged.
    #[error("bad block at byte {offset_bytes}: {problem}")]
    Block {
        /// Where it begins.
        offset_bytes: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// A value that is damaged or means nothing.
    #[error("bad value {field}: {problem}")]
    Value {
        /// Its field.
        field: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// A value that has to be there is not.
    #[error("no value {0}")]
    Missing(&'static str),
    /// A name of a file or directory that leads elsewhere or nowhere.
    #[error("bad name {name:?}: {problem}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The content of a file is not what the values say of it.
    #[error("content of {path}: {problem}")]
    Content {
        /// The file.
        path: TreePath,
        /// What is wrong.
        problem: &'static str,
    },
    /// A file belongs to what is no name of an account, or to one of too many.
    #[error("{path} belongs to {kind} {name:?}, which can't be the name of an account")]
    Owner {
        /// The file or directory.
        path: TreePath,
        /// `user` or `group`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// More than a limit allows.
    #[error("more than {maximum} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        maximum: u64,
    },
    /// It unpacks to far more than it is.
    #[error("unpacks to more than {ratio_max} times its size")]
    Ratio {
        /// The limit.
        ratio_max: u64,
    },
    /// Bytes after its end.
    #[error("data after the end")]
    TrailingData,
    /// It is not trusted.
    #[error("not trusted")]
    Signature(#[from] SignatureError),
    /// It is another package than the one that an index means.
    #[error("the values have the SHA-256 {actual}, and the index has {expected}")]
    Checksum {
        /// What the index says, in hexadecimal digits.
        expected: String,
        /// What it is.
        actual: String,
    },
    /// A package's version is none.
    #[error("bad version")]
    Version(#[source] VersionError),
    /// A package stands in an index twice.
    #[error("package {name} {version} stands in the index twice")]
    Duplicate {
        /// Its name.
        name: String,
        /// Its version.
        version: String,
    },
    /// A path that is too long.
    #[error(transparent)]
    Path(#[from] PathError),
}

impl AdbError {
    /// Whether this is a matter of trust (exit code 4) rather than of a damaged archive (exit code 3).
    pub fn is_trust(&self) -> bool {
        matches!(self, Self::Signature(_) | Self::Checksum { .. })
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What can go wrong: with an image as a whole, and with one file of it.

use std::io;

use hardpan_tree::{TarReadError, TreePath};

/// Why there is no catalog.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// A layer is no archive that is safe to read.
    #[error("the layer number {from_top} from the top can't be read")]
    Tar {
        /// Which, counted from 1 for the uppermost.
        from_top: usize,
        /// Why.
        #[source]
        source: TarReadError,
    },
    /// A file can't be read.
    #[error("{path} can't be read")]
    Read {
        /// The file.
        path: TreePath,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// More than a limit allows.
    #[error("the image has more than {maximum} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        maximum: u64,
    },
}

/// What is wrong with one file. The rest of the catalog is as good as without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// It is not what its name or first bytes say.
    #[error("not {format}: {problem}")]
    Malformed {
        /// The format.
        format: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// It has more than a limit allows.
    #[error("{format} with more than {maximum} {what}")]
    Limit {
        /// The format.
        format: &'static str,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        maximum: u64,
    },
    /// A link that leads nowhere, in a circle, or to something else than a file.
    #[error("a link that leads to no file")]
    Link,
    /// Its place in a lower layer looked hidden, so that it was skipped, and turned out to be seen by
    /// another way.
    #[error("not read, as another layer seemed to hide it")]
    Skipped,
    /// It has a second name, and only that one says what it is.
    #[error("not read, as it is a hard link to a file of another name")]
    OtherName,
}

impl FormatError {
    pub(crate) fn malformed(format: &'static str, problem: &'static str) -> Self {
        Self::Malformed { format, problem }
    }

    pub(crate) fn limit(format: &'static str, what: &'static str, maximum: usize) -> Self {
        Self::Limit { format, what, maximum: maximum as u64 }
    }
}

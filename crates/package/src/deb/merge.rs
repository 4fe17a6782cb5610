// SPDX-License-Identifier: Apache-2.0
//! Merging unpacked packages into one tree, by dpkg's rules.

use hardpan_tree::{Digest, Tree, TreePath};

use super::segment::{ByteRange, Unpacked};

/// A package to merge.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// The package.
    pub unpacked: &'a Unpacked,
    /// The key of its segment in the store.
    pub segment: Digest,
}

/// Packages merged into a tree.
#[derive(Debug)]
pub struct Merged {
    /// The tree. The origin of its nodes is the package's place in the list that was given.
    pub tree: Tree,
    /// Files that another package replaced, sorted by path.
    pub replaced: Vec<Replaced>,
    /// Directories that packages give different modes or owners, sorted by path.
    pub directories: Vec<DirectoryConflict>,
    /// Entries that went to another path through a link of another package, sorted by path.
    pub redirected: Vec<Redirected>,
    /// Lines of maintainer scripts that divert files; diversions are not made.
    pub diversions: Vec<Diversion>,
}

/// A file that is not in the tree because another package's `Replaces` gives it the path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Replaced {
    /// The path.
    pub path: TreePath,
    /// The package whose file is in the tree.
    pub winner: String,
    /// The package whose file is not.
    pub loser: String,
}

/// A directory whose mode or owner packages disagree on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirectoryConflict {
    /// The path.
    pub path: TreePath,
    /// The package whose mode and owner it has.
    pub winner: String,
    /// The package that wants others.
    pub loser: String,
}

/// An entry that is not where its package has it, since a directory above it is a link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Redirected {
    /// The path in the package.
    pub path: TreePath,
    /// The path in the tree.
    pub to: TreePath,
    /// The package.
    pub package: String,
}

/// A use of `dpkg-divert`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diversion {
    /// The package.
    pub package: String,
    /// The script.
    pub script: String,
    /// The command, with lines that continue it joined.
    pub command: String,
}

/// Why packages can't be merged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// Two packages have different things at one path, and neither replaces the other.
    #[error("{path} is in both {first} and {second}, and neither replaces the other")]
    Conflict {
        /// The path.
        path: TreePath,
        /// One package, with its version.
        first: String,
        /// The other.
        second: String,
    },
    /// What is a directory in one package is something else in another.
    #[error("{path} is a directory in {directory} but not in {other}")]
    NotADirectory {
        /// The path.
        path: TreePath,
        /// The package where it is a directory or has something below it.
        directory: String,
        /// The package where it is a file, or a link to no directory.
        other: String,
    },
    /// Links lead in a circle.
    #[error("{path} of {package} is reached by too many symbolic links")]
    TooManyLinks {
        /// The path.
        path: TreePath,
        /// The package.
        package: String,
    },
    /// A package is given twice.
    #[error("package {0} is given twice")]
    Twice(String),
}

/// What of a segment is as it was in the final tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intact {
    /// What to copy.
    pub cut: Cut,
    /// The entries that the copy has, as indexes into [`Unpacked::entries`]. Whatever else is in
    /// the tree has to be written in another way.
    pub entries: Vec<usize>,
}

/// What to copy of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cut {
    /// All of it.
    Whole,
    /// These bytes; neighbouring ranges are joined.
    Ranges(Vec<ByteRange>),
}

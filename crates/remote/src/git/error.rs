// SPDX-License-Identifier: Apache-2.0
//! What can go wrong with a git repository.

use std::io;

use super::ObjectId;
use crate::error::RemoteError;
use crate::url::Url;

/// Why a repository did not give a commit.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GitError {
    /// The network.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The server only serves files.
    #[error("{url}: not a git server that speaks the smart protocol")]
    Dumb {
        /// The repository.
        url: Url,
    },
    /// The server knows an older protocol only.
    #[error("{url}: the server does not speak version 2 of the git protocol")]
    Version {
        /// The repository.
        url: Url,
    },
    /// The repository has ids of another kind than SHA-1.
    #[error("{url}: objects are named by {format}, and only sha1 is understood")]
    Format {
        /// The repository.
        url: Url,
        /// Its object format.
        format: String,
    },
    /// The answer breaks the protocol.
    #[error("{url}: bad answer of the git server: {problem}")]
    Protocol {
        /// The repository.
        url: Url,
        /// What is wrong.
        problem: String,
    },
    /// The server says why it refuses.
    #[error("{url}: the git server says: {message}")]
    Refused {
        /// The repository.
        url: Url,
        /// Its words.
        message: String,
    },
    /// No such branch or tag.
    #[error("{url}: no branch or tag {reference:?}")]
    NoReference {
        /// The repository.
        url: Url,
        /// What was asked for.
        reference: String,
    },
    /// The server does not have a commit, or does not hand it out.
    #[error("{url}: the server does not give commit {commit}")]
    NoCommit {
        /// The repository.
        url: Url,
        /// The commit.
        commit: ObjectId,
    },
    /// What came can't be read or is not what was asked for.
    #[error("{url}: bad pack of git objects")]
    Pack {
        /// The repository.
        url: Url,
        /// Why.
        source: PackError,
    },
    /// The pack could not be stored.
    #[error("{url}: can't store what came")]
    Local {
        /// The repository.
        url: Url,
        /// Why.
        source: io::Error,
    },
}

/// Why a pack, or an object in it, is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// It can't be read from the disk.
    #[error("can't read")]
    Io(#[from] io::Error),
    /// It ends in the middle.
    #[error("cut short")]
    Truncated,
    /// Its form is wrong.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// Its checksum is wrong.
    #[error("the checksum at its end is wrong")]
    Checksum,
    /// More than a limit allows.
    #[error("more than {maximum} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        maximum: u64,
    },
    /// Differences whose base is not there, or which need each other.
    #[error("an object is described by its difference to one that is not there")]
    NoBase,
    /// An object that is needed is not in it.
    #[error("object {0} is missing")]
    Missing(ObjectId),
    /// An object of another kind than its place asks for.
    #[error("object {id} is no {expected}")]
    Kind {
        /// The object.
        id: ObjectId,
        /// What it should be.
        expected: &'static str,
    },
    /// An object made to have the id of another one.
    #[error("an object is part of a SHA-1 collision attack")]
    Collision,
    /// A name in a tree that no checkout may have.
    #[error("tree {tree} has the bad name {name:?}")]
    Name {
        /// The tree.
        tree: ObjectId,
        /// The name.
        name: String,
    },
}

impl GitError {
    /// Whether what came is not what was asked for: a matter of trust rather than of the network.
    pub fn is_mismatch(&self) -> bool {
        match self {
            Self::Remote(error) => error.is_mismatch(),
            Self::Pack { source, .. } => !matches!(source, PackError::Io(_)),
            _ => false,
        }
    }

    /// Whether the transfer was cancelled rather than failed.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Remote(error) if error.is_cancelled())
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What can go wrong with a download.

use std::io;

use hardpan_definition::Span;
use hardpan_remote::RemoteError;
use hardpan_remote::git::GitError;
use hardpan_tree::{InsertError, PathError, ResolveError, TarReadError, TreePath, ZipError};

use super::checksum_file::ChecksumFileError;
use crate::error::{Error, Trouble};
use crate::store::StoreError;

/// Why a download could not be had or used.
#[derive(Debug, thiserror::Error)]
#[error("download {url}")]
pub struct DownloadError {
    /// Its URL, as the definition has it.
    pub url: String,
    /// Where the definition asks for it.
    pub span: Span,
    /// Why.
    #[source]
    pub problem: DownloadProblem,
}

/// What is wrong with a download.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DownloadProblem {
    /// The network.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The git repository.
    #[error(transparent)]
    Git(#[from] GitError),
    /// Not the expected bytes.
    #[error("has {actual} instead of {expected}")]
    Checksum {
        /// What the definition, the workspace or the lock says.
        expected: String,
        /// What came.
        actual: String,
    },
    /// Not the expected commit.
    #[error("{reference} is commit {actual}, and the definition says {expected}")]
    Commit {
        /// The reference of the URL.
        reference: String,
        /// What the definition says.
        expected: String,
        /// What it is.
        actual: String,
    },
    /// The checksum file does not say what the bytes must be.
    #[error("checksum file {url}")]
    ChecksumFile {
        /// Its URL.
        url: String,
        /// What is wrong with it.
        source: ChecksumFileError,
    },
    /// A file of the catalog can't be read.
    #[error("can't read {path} of the catalog")]
    Local {
        /// Its path in the catalog.
        path: String,
        /// The system's words.
        source: io::Error,
    },
    /// The archive can't be unpacked, or is hostile.
    #[error("can't be unpacked")]
    Archive(#[from] ArchiveError),
    /// The path where it should go is none.
    #[error("the path {path:?} can't be used")]
    Path {
        /// The path.
        path: String,
        /// Why.
        source: PathError,
    },
    /// A link of the tree on the way leads nowhere.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// Something else stands where it should go.
    #[error(transparent)]
    Insert(#[from] InsertError),
    /// A name that no file can have.
    #[error("`spdx` has the name {name:?}, which can't be a folder's")]
    SpdxName {
        /// The name.
        name: String,
    },
    /// A bad pattern in `includes` or `excludes`.
    #[error("{0}")]
    Pattern(String),
    /// A pattern that finds nothing.
    #[error("`includes` has {pattern:?}, and nothing in the archive matches it")]
    NoMember {
        /// The pattern.
        pattern: String,
    },
    /// A secret that was not given.
    #[error("needs the secret {id:?}")]
    SecretMissing {
        /// Its id.
        id: String,
    },
    /// A secret that can't be a token.
    #[error("the secret {id:?} is no token: it is empty or has characters that no header can hold")]
    SecretUnusable {
        /// Its id.
        id: String,
    },
    /// A secret that everybody on the way could read.
    #[error("the secret {id:?} is not sent over http:")]
    SecretInClear {
        /// Its id.
        id: String,
    },
    /// The lock does not have it.
    #[error("is not in the lock")]
    NotLocked,
}

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// A bad tar archive.
    #[error(transparent)]
    Tar(#[from] TarReadError),
    /// A bad zip archive.
    #[error(transparent)]
    Zip(#[from] ZipError),
    /// The compressed data is broken.
    #[error("broken data")]
    Broken(#[source] io::Error),
    /// A path that leads out, or is none.
    #[error(transparent)]
    Path(#[from] PathError),
    /// An absolute path.
    #[error("absolute path: {0:?}")]
    Absolute(String),
    /// A member below something that is no directory.
    #[error("{path} would go through {parent}, which is no directory")]
    Through {
        /// The member.
        path: TreePath,
        /// What is in its way.
        parent: TreePath,
    },
    /// A path that is a directory and something else.
    #[error("{path} is a directory and something else")]
    Twice {
        /// The path.
        path: TreePath,
    },
    /// A hard link to something that is not there before it.
    #[error("{path} is a hard link to {target}, which is no file before it")]
    HardLink {
        /// The link.
        path: TreePath,
        /// Its target.
        target: TreePath,
    },
    /// A member that no image can hold.
    #[error("{path}: {problem}")]
    Member {
        /// The member.
        path: TreePath,
        /// What is wrong with it.
        problem: &'static str,
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
    #[error("unpacks to more than {ratio} times its size, as if it were made to fill disks")]
    Bomb {
        /// How many times.
        ratio: u64,
    },
}

/// A failure before it is known for which download.
#[derive(Debug)]
pub(super) enum Stop {
    Problem(Box<DownloadProblem>),
    Store(Box<StoreError>),
    /// It would need the network.
    Offline,
}

impl<E: Into<DownloadProblem>> From<E> for Stop {
    fn from(problem: E) -> Self {
        Self::Problem(Box::new(problem.into()))
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(Box::new(error))
    }
}

impl Stop {
    /// Whether a blob of the store is not what it was: fetching it anew mends that.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self, Self::Store(error) if matches!(**error, StoreError::Damaged { .. }))
    }

    /// Says which download it is.
    pub(super) fn of(self, url: &str, span: Span) -> Error {
        match self {
            Self::Problem(problem) => {
                Box::new(DownloadError { url: url.to_owned(), span, problem: *problem }).into()
            }
            Self::Store(error) => (*error).into(),
            Self::Offline => Error::Offline { what: format!("download {url}") },
        }
    }
}

impl DownloadError {
    /// Returns what kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match &self.problem {
            DownloadProblem::Remote(error) if error.is_mismatch() => Trouble::Trust,
            DownloadProblem::Git(error) if error.is_mismatch() => Trouble::Trust,
            DownloadProblem::Remote(_) | DownloadProblem::Git(_) => Trouble::Network,
            DownloadProblem::Checksum { .. }
            | DownloadProblem::Commit { .. }
            | DownloadProblem::ChecksumFile { .. }
            | DownloadProblem::Archive(_) => Trouble::Trust,
            DownloadProblem::Local { .. }
            | DownloadProblem::Path { .. }
            | DownloadProblem::SpdxName { .. }
            | DownloadProblem::Resolve(_)
            | DownloadProblem::Insert(_)
            | DownloadProblem::Pattern(_)
            | DownloadProblem::NoMember { .. }
            | DownloadProblem::SecretMissing { .. }
            | DownloadProblem::SecretUnusable { .. }
            | DownloadProblem::SecretInClear { .. }
            | DownloadProblem::NotLocked => Trouble::Usage,
        }
    }

    /// Returns what the user can do.
    pub fn hints(&self) -> Vec<String> {
        let hint = match &self.problem {
            DownloadProblem::Remote(error) if error.is_not_found() => {
                "the link is dead: change it, or name another place in hardpan.toml under `[[downloads.override]]`"
            }
            DownloadProblem::Remote(RemoteError::Status { status: 401 | 403, .. })
            | DownloadProblem::Git(GitError::Remote(RemoteError::Status {
                status: 401 | 403,
                ..
            })) => "name a secret with `secret-id` and give it with `--secret`",
            DownloadProblem::Checksum { .. } => {
                "if the change is wanted, write the new checksum and run `hardpan resolve`"
            }
            DownloadProblem::Commit { .. } => {
                "the branch or tag has moved; if that is wanted, write the new commit as checksum"
            }
            DownloadProblem::ChecksumFile { .. } => {
                "write the file's own digest, `sha256:…`, as checksum"
            }
            DownloadProblem::Git(GitError::Dumb { .. } | GitError::Version { .. }) => {
                "download an archive of the commit instead, with its sha256"
            }
            DownloadProblem::Git(GitError::NoCommit { .. }) => {
                "the commit may be gone from the repository; name one that a branch or tag leads to"
            }
            DownloadProblem::Insert(InsertError::DirectoryNotEmpty { .. }) => {
                "end the path with `/` to put the file into the directory"
            }
            DownloadProblem::SecretMissing { id } => {
                return vec![format!("give it with `--secret id={id},src=FILE`")];
            }
            DownloadProblem::NotLocked => "run `hardpan resolve` to refresh the lock",
            _ => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

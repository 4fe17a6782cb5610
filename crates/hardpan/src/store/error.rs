// SPDX-License-Identifier: Apache-2.0
//! What can go wrong with the store, and what helps.

use std::io;
use std::path::{Path, PathBuf};

use hardpan_tree::Digest;

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A file could not be read, written or renamed.
    #[error("can't {action} {path}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// There is no store in its place, and none can be made there, or it can't be written.
    #[error("can't {action} {path}", path = path.display())]
    Unusable {
        /// What was tried.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The disk is full.
    #[error("no space left for the store at {path}", path = path.display())]
    Full {
        /// The file that was being written.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A blob's bytes are not those of its name.
    #[error("the store is damaged: {path} has the digest {actual}, not {expected}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The digest that it should have.
        expected: Digest,
        /// The digest that it has.
        actual: Digest,
    },
    /// A segment's bytes are not those that were written.
    #[error("the store is damaged: {path} has changed", path = path.display())]
    DamagedSegment {
        /// The segment's key.
        key: Digest,
        /// The file.
        path: PathBuf,
    },
    /// A record that hardpan wrote can't be understood.
    #[error("the store is damaged: {path} is not readable ({reason})", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The parser's words.
        reason: String,
    },
    /// Bytes that were to be stored are not the expected ones.
    #[error("expected {expected} but the bytes have {actual}")]
    Mismatch {
        /// The digest that was asked for.
        expected: Digest,
        /// The digest that the bytes have.
        actual: Digest,
    },
    /// Another process works on the store and this operation needs it alone.
    #[error("the store at {path} is in use by another hardpan process", path = path.display())]
    Busy {
        /// The store.
        path: PathBuf,
    },
}

impl StoreError {
    /// Wraps an I/O error, setting a full disk apart.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full { path, source }
            }
            _ => Self::Io { action, path, source },
        }
    }

    /// Wraps an error of what every use of a store does, setting a place apart that is none for a store.
    pub(super) fn place(action: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::PermissionDenied
            | io::ErrorKind::ReadOnlyFilesystem
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::NotFound
            | io::ErrorKind::AlreadyExists => {
                Self::Unusable { action, path: path.to_path_buf(), source }
            }
            _ => Self::io(action, path, source),
        }
    }

    /// Takes the store's own error out of an I/O error that carries one, or wraps it.
    pub(crate) fn of(action: &'static str, path: &Path, source: io::Error) -> Self {
        match source.downcast::<Self>() {
            Ok(own) => own,
            Err(source) => Self::io(action, path, source),
        }
    }

    /// Returns what the user can do, where there is something.
    pub fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::Damaged { .. } | Self::DamagedSegment { .. } | Self::Unreadable { .. } => {
                "run `hardpan store verify --repair`: what is damaged is removed and fetched again"
            }
            Self::Full { .. } => {
                "free some space, run `hardpan store gc`, or set another `[store] path` in hardpan.toml"
            }
            Self::Unusable { .. } => {
                "the store has to be where you may write: name a directory with `--store` or HARDPAN_STORE"
            }
            Self::Io { .. } | Self::Mismatch { .. } | Self::Busy { .. } => return Vec::new(),
        };
        vec![hint.to_owned()]
    }
}

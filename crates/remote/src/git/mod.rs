// SPDX-License-Identifier: Apache-2.0
//! Reads one commit of a git repository over HTTP: the smart protocol, version 2.
//!
//! Only what a checkout needs: [`Client::git_resolve`] turns a branch, tag or commit into a commit's
//! id, [`Client::git_fetch`] gets that commit without history, and [`Pack`] reads what came. Every
//! object is hashed, so the id of a commit proves all that is below it; SHA-1 collisions of the
//! known kinds are detected. Nothing is executed and nothing is written but the pack.

mod delta;
mod error;
mod object;
mod pack;
mod packet;
mod protocol;
mod repository;
mod transport;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

pub use error::{GitError, PackError};
pub use object::{Commit, EntryKind, ObjectKind, TreeEntry};
pub use pack::{Pack, PackLimits};
pub use repository::{Checkout, IndexEntry, RepositoryFile, repository_files};

use packet::PacketReader;
use sha1_checked::{CollisionResult, Digest as _};

/// Reads what a server says that it can do, of the bytes of its answer; `None` if it does not speak version 2 of the protocol.
///
/// # Errors
/// If the answer ends too early, or is no sequence of packets.
pub fn read_capabilities(answer: impl Read) -> io::Result<Option<BTreeMap<String, String>>> {
    protocol::capabilities(&mut PacketReader::new(answer))
}

/// Reads which references a server lists, and what they lead to, of the bytes of its answer.
///
/// # Errors
/// If the server refuses, or the answer is no such list.
pub fn read_references(answer: impl Read) -> io::Result<BTreeMap<String, ObjectId>> {
    protocol::references(&mut PacketReader::new(answer)).map_err(io::Error::other)
}

/// The id of a git object: a SHA-1, written as 40 hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId([u8; 20]);

/// A text that is no [`ObjectId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a git object: expected 40 hexadecimal digits")]
pub struct ObjectIdError;

impl ObjectId {
    /// Wraps the raw bytes.
    pub fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// Returns the raw bytes.
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Reads the raw bytes from the front of a slice of at least 20.
    fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.get(..20)?.try_into().ok().map(Self)
    }
}

impl FromStr for ObjectId {
    type Err = ObjectIdError;

    fn from_str(text: &str) -> Result<Self, ObjectIdError> {
        let digits = text.as_bytes();
        if digits.len() != 40 {
            return Err(ObjectIdError);
        }
        let mut bytes = [0; 20];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let value = |digit: u8| char::from(digit).to_digit(16).ok_or(ObjectIdError);
            *byte =
                u8::try_from(value(pair[0])? << 4 | value(pair[1])?).map_err(|_| ObjectIdError)?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectId({self})")
    }
}

/// Computes the id of an object while its bytes pass.
struct ObjectHasher(sha1_checked::Sha1);

impl ObjectHasher {
    fn new(kind: ObjectKind, size_bytes: u64) -> Self {
        let mut hasher = sha1_checked::Sha1::new();
        hasher.update(format!("{} {size_bytes}\0", kind.name()).as_bytes());
        Self(hasher)
    }

    fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Fails if the bytes are one half of a collision attack.
    fn finish(self) -> Result<ObjectId, PackError> {
        match self.0.try_finalize() {
            CollisionResult::Ok(bytes) => Ok(ObjectId(bytes.into())),
            CollisionResult::Mitigated(_) | CollisionResult::Collision(_) => {
                Err(PackError::Collision)
            }
        }
    }
}

/// Returns the SHA-1 that ends packs and indexes. It finds accidents; the ids of objects are the proof.
fn trailer_of(bytes: &[u8]) -> [u8; 20] {
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, bytes);
    let mut trailer = [0; 20];
    trailer.copy_from_slice(digest.as_ref());
    trailer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        // The empty blob and the empty tree, as every git knows them.
        for (kind, id) in [
            (ObjectKind::Blob, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
            (ObjectKind::Tree, "4b825dc642cb6eb9a060e54bf8d69288fbee4904"),
        ] {
            assert_eq!(ObjectHasher::new(kind, 0).finish().unwrap().to_string(), id);
            assert_eq!(id.parse::<ObjectId>().unwrap().to_string(), id);
        }
        for text in ["", "main", "e69de29bb2d1d6434b8b29ae775ad8c2e48c539", &"g".repeat(40)] {
            assert_eq!(text.parse::<ObjectId>(), Err(ObjectIdError), "{text}");
        }
    }
}

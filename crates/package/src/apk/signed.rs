// SPDX-License-Identifier: Apache-2.0
//! Signed index files, `APKINDEX.tar.gz`.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;
use hardpan_tree::{Digest, TarEntryKind, TarLimits, TarReadError, TarReader};

use super::key::Keys;
use super::signature::{self, GoodSignature, SignatureError, Signatures};
use crate::unpack::TooMuch;

/// The largest index, unpacked. That of Alpine 3.23's community has 10 MiB; the same limit as for Debian's.
pub const INDEX_BYTES_MAX: u64 = 512 << 20;
/// The most members with signatures. Tools make one; more are not looked for.
const SIGNATURE_MEMBERS_MAX: usize = 16;
/// The largest member with signatures, unpacked: all that one file may have.
const SIGNATURE_MEMBER_BYTES_MAX: u64 = 1 << 20;
/// The most files beside the index.
const FILES_MAX: u64 = 16;
/// The longest description; Alpine's have about 30 bytes.
const DESCRIPTION_BYTES_MAX: usize = 64 << 10;

/// An index whose signature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedIndex {
    /// The text of the index.
    pub text: String,
    /// What the archive says of it, `v3.23.0-12-g…`; empty if nothing.
    pub description: String,
    /// The digest of the bytes that were signed.
    pub signed_digest: Digest,
    /// The digest of the file.
    pub digest: Digest,
    /// The good signatures by trusted keys, sorted.
    pub signatures: Vec<GoodSignature>,
}

/// Why an index file is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignedIndexError {
    /// The file is damaged, cut short, or unpacks to more than is allowed.
    #[error("can't decompress the index")]
    Decompress(#[source] io::Error),
    /// The file has no index.
    #[error("the file has signatures only")]
    Empty,
    /// It is not trusted.
    #[error("the index is not trusted")]
    Signature(#[from] SignatureError),
    /// Something follows that is not signed.
    #[error("something follows the signed index")]
    Trailing,
    /// The signed archive can't be read.
    #[error("bad archive")]
    Tar(#[from] TarReadError),
    /// The signed archive has no index, or something else that is wrong.
    #[error("bad file {name:?} in the archive: {problem}")]
    File {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
}

impl SignedIndexError {
    /// Whether this is a matter of trust (exit code 4) rather than of a damaged archive (exit code 3).
    pub fn is_trust(&self) -> bool {
        matches!(self, Self::Signature(_) | Self::Trailing)
    }
}

/// Verifies an index file. A signature by one of the keys has to be there, and all by one of them have
/// to be good.
pub fn verify_index(bytes: &[u8], keys: &Keys) -> Result<SignedIndex, SignedIndexError> {
    verify_limited(bytes, keys, INDEX_BYTES_MAX)
}

fn verify_limited(
    bytes: &[u8],
    keys: &Keys,
    bytes_max: u64,
) -> Result<SignedIndex, SignedIndexError> {
    let mut rest = bytes;
    let mut signatures = Signatures::default();
    for _ in 0..SIGNATURE_MEMBERS_MAX {
        if rest.is_empty() {
            return Err(SignedIndexError::Empty);
        }
        let mut after = rest;
        let Some(content) = signature_member(&mut after).map_err(SignedIndexError::Decompress)?
        else {
            break;
        };
        signatures.take(&content)?;
        rest = after;
    }
    // All that is left has to be signed. It is not unpacked before that is known: it may be a bomb.
    let good = signatures.verify(rest, keys)?;
    let (signed_digest, digest) = (Digest::of(rest), Digest::of(bytes));
    let content = read_member(&mut rest, bytes_max).map_err(SignedIndexError::Decompress)?;
    if !rest.is_empty() {
        return Err(SignedIndexError::Trailing);
    }
    let (text, description) = read_files(&content)?;
    Ok(SignedIndex { text, description, signed_digest, digest, signatures: good })
}

/// Returns the content of the next member if it is one of signatures, and goes on behind it.
fn signature_member(rest: &mut &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut start = Vec::new();
    let length = signature::PREFIX.len() as u64;
    GzDecoder::new(*rest).take(length).read_to_end(&mut start)?;
    if start != signature::PREFIX.as_bytes() {
        return Ok(None);
    }
    read_member(rest, SIGNATURE_MEMBER_BYTES_MAX).map(Some)
}

/// Returns the content of the next member, and goes on behind it.
fn read_member(rest: &mut &[u8], bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    // One byte more than allowed tells a content that fits from one that goes on.
    GzDecoder::new(rest).take(bytes_max + 1).read_to_end(&mut content)?;
    if content.len() as u64 > bytes_max {
        return Err(io::Error::other(TooMuch));
    }
    Ok(content)
}

/// Returns the index and its description.
fn read_files(content: &[u8]) -> Result<(String, String), SignedIndexError> {
    let limits =
        TarLimits { entries_max: FILES_MAX, end_marker_required: false, ..TarLimits::default() };
    let mut tar = TarReader::new(content, limits);
    let (mut index, mut description) = (None, None);
    while let Some(entry) = tar.next_entry()? {
        let name = String::from_utf8_lossy(entry.path.as_bytes()).into_owned();
        let bad = |problem| SignedIndexError::File { name: name.clone(), problem };
        let slot = match name.as_str() {
            "APKINDEX" => &mut index,
            "DESCRIPTION" => &mut description,
            _ => return Err(bad("it is no part of an index")),
        };
        if !matches!(entry.kind, TarEntryKind::File(_)) {
            return Err(bad("not a file"));
        }
        let mut bytes = Vec::new();
        tar.read_to_end(&mut bytes).map_err(TarReadError::Io)?;
        let text = String::from_utf8(bytes).map_err(|_| bad("not UTF-8"))?;
        if slot.replace(text).is_some() {
            return Err(bad("there twice"));
        }
    }
    tar.finish()?;
    let bad = |name: &str, problem| SignedIndexError::File { name: name.to_owned(), problem };
    let index = index.ok_or_else(|| bad("APKINDEX", "missing"))?;
    let description = description.unwrap_or_default();
    if description.len() > DESCRIPTION_BYTES_MAX {
        return Err(bad("DESCRIPTION", "too long"));
    }
    Ok((index, description.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use hardpan_testkit::apk::{Algorithm, Key, index_file};

    use super::*;

    #[test]
    fn an_index_that_unpacks_to_too_much_is_refused() {
        let key = Key::new(1);
        let mut keys = Keys::new();
        keys.add(key.name(), key.public_pem().as_bytes()).unwrap();
        let file = index_file("", &"C:\n".repeat(1000), &[(&key, Algorithm::Rsa256)]);
        // Two headers, 3,072 bytes of data, two blocks at the end.
        let size_bytes = 512 * 10;
        assert_eq!(verify_limited(&file, &keys, size_bytes).unwrap().text.len(), 3000);
        let error = verify_limited(&file, &keys, size_bytes - 1).unwrap_err();
        assert!(matches!(error, SignedIndexError::Decompress(_)), "{error:?}");
        assert!(!error.is_trust());
    }
}

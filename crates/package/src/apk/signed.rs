// SPDX-License-Identifier: Apache-2.0
//! Signed index files, `APKINDEX.tar.gz`.

use std::io::{self, Read};

use hardpan_tree::{Digest, TarEntryKind, TarLimits, TarReadError, TarReader};

use super::key::Keys;
use super::members::{Member, Members};
use super::signature::{GoodSignature, SignatureError, Signatures};

/// The largest index, unpacked. That of Alpine 3.23's community has 10 MiB; the same limit as for Debian's.
pub const INDEX_BYTES_MAX: u64 = 512 << 20;
/// The most members with signatures. Tools make one.
const SIGNATURE_MEMBERS_MAX: usize = 16;
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
    /// There are too many members with signatures.
    #[error("more than {SIGNATURE_MEMBERS_MAX} members with signatures")]
    Members,
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
    let mut source = bytes;
    let mut members = Members::new(&mut source);
    let mut signatures = Signatures::default();
    let mut count = 0;
    let member = loop {
        if members.is_at_end().map_err(SignedIndexError::Decompress)? {
            return Err(SignedIndexError::Empty);
        }
        let Member { raw, content } =
            members.read_whole(bytes_max).map_err(SignedIndexError::Decompress)?;
        if !signatures.take(&content)? {
            break Member { raw, content };
        }
        count += 1;
        if count > SIGNATURE_MEMBERS_MAX {
            return Err(SignedIndexError::Members);
        }
    };
    // Before anything in it is looked at.
    let signatures = signatures.verify(&member.raw, keys)?;
    if !members.is_at_end().map_err(SignedIndexError::Decompress)? {
        return Err(SignedIndexError::Trailing);
    }
    let (text, description) = read_files(&member.content)?;
    let (signed_digest, digest) = (Digest::of(&member.raw), Digest::of(bytes));
    Ok(SignedIndex { text, description, signed_digest, digest, signatures })
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

// SPDX-License-Identifier: Apache-2.0
//! Signatures of packages and indexes: files `.SIGN.<algorithm>.<key>` at the beginning.

use std::collections::BTreeSet;
use std::io::Read;

use hardpan_tree::{TarEntryKind, TarLimits, TarReadError, TarReader};
use serde::{Deserialize, Serialize};

use super::key::{Algorithm, Keys};

/// The most signatures of one file. Wolfi's indexes have three.
pub const SIGNATURES_MAX: usize = 64;
/// The longest signature, in bytes; RSA with 8,192 bits has 1,024.
const SIGNATURE_BYTES_MAX: u64 = 8 << 10;
/// What the names of signatures begin with.
pub(super) const PREFIX: &str = ".SIGN.";

/// A signature by a trusted key that is good.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GoodSignature {
    /// The name of the key's file.
    pub key: String,
    /// How it was made: `RSA`, `RSA256` or `RSA512`.
    pub algorithm: String,
}

/// Why a file is not trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// It has no signature.
    #[error("not signed")]
    Unsigned,
    /// None of its signatures is by a key that is trusted and an algorithm that is known.
    #[error("not signed by a trusted key, but as {}", .signatures.join(", "))]
    Unknown {
        /// What the signatures say they are, `RSA256 by melange.rsa.pub`, sorted.
        signatures: Vec<String>,
    },
    /// A signature by a trusted key does not fit: the file is not what was signed.
    #[error("signature {algorithm} by {key} is wrong: the file is not the one that was signed")]
    Wrong {
        /// The key.
        key: String,
        /// The algorithm.
        algorithm: Algorithm,
    },
    /// The archive of signatures can't be read.
    #[error("bad archive of signatures")]
    Tar(#[from] TarReadError),
    /// Something stands among the signatures that is none.
    #[error("{name:?} stands among the signatures: {problem}")]
    Entry {
        /// Its name.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
}

/// A signature that was not verified yet.
#[derive(Debug)]
struct Signature {
    algorithm: String,
    key: String,
    bytes: Vec<u8>,
}

/// The signatures at the beginning of a file.
#[derive(Debug, Default)]
pub(crate) struct Signatures(Vec<Signature>);

impl Signatures {
    /// Takes the signatures of a member, if it is one of signatures: if its first entry is one.
    pub(crate) fn take(&mut self, content: &[u8]) -> Result<bool, SignatureError> {
        // An entry's name stands first, but for extended headers, which signatures don't have.
        if !content.starts_with(PREFIX.as_bytes()) {
            return Ok(false);
        }
        let limits = TarLimits {
            entries_max: SIGNATURES_MAX as u64,
            end_marker_required: false,
            ..TarLimits::default()
        };
        let mut tar = TarReader::new(content, limits);
        while let Some(entry) = tar.next_entry()? {
            let name = String::from_utf8_lossy(entry.path.as_bytes()).into_owned();
            let bad = |problem| SignatureError::Entry { name: name.clone(), problem };
            let TarEntryKind::File(size_bytes) = entry.kind else {
                return Err(bad("not a file"));
            };
            if size_bytes > SIGNATURE_BYTES_MAX {
                return Err(bad("too large for a signature"));
            }
            let parts = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('.'));
            let Some((algorithm, key)) = parts else { return Err(bad("not a signature")) };
            if self.0.len() == SIGNATURES_MAX {
                return Err(bad("too many signatures"));
            }
            let (algorithm, key) = (algorithm.to_owned(), key.to_owned());
            let mut bytes = Vec::new();
            tar.read_to_end(&mut bytes).map_err(TarReadError::Io)?;
            self.0.push(Signature { algorithm, key, bytes });
        }
        tar.finish()?;
        Ok(true)
    }

    /// Verifies the signatures. One by a trusted key has to be there, and all by trusted keys have to be good.
    pub(crate) fn verify(
        &self,
        signed: &[u8],
        keys: &Keys,
    ) -> Result<Vec<GoodSignature>, SignatureError> {
        if self.0.is_empty() {
            return Err(SignatureError::Unsigned);
        }
        let mut good = BTreeSet::new();
        for signature in &self.0 {
            let mut algorithms = Algorithm::ALL.into_iter();
            let algorithm = algorithms.find(|known| known.as_str() == signature.algorithm);
            let (Some(algorithm), Some(key)) = (algorithm, keys.get(&signature.key)) else {
                continue;
            };
            let (name, text) = (signature.key.clone(), signature.algorithm.clone());
            if !key.verifies(algorithm, signed, &signature.bytes) {
                return Err(SignatureError::Wrong { key: name, algorithm });
            }
            good.insert(GoodSignature { key: name, algorithm: text });
        }
        if good.is_empty() {
            let texts = self.0.iter().map(|signature| {
                // Nobody vouches for these names.
                let (algorithm, key) =
                    (signature.algorithm.escape_debug(), signature.key.escape_debug());
                format!("{algorithm} by {key}")
            });
            let signatures = texts.collect::<BTreeSet<_>>().into_iter().collect();
            return Err(SignatureError::Unknown { signatures });
        }
        Ok(good.into_iter().collect())
    }
}

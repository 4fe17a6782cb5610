// SPDX-License-Identifier: Apache-2.0
//! Signatures over the values.
//!
//! A signature block has a version (0), the number of a hash, the first 16 bytes of the SHA-512 of the public key, and
//! the signature. What is signed is the schema, all of that but the signature itself, and the hash of the values;
//! it is hashed with SHA-512 whatever the hash of the values is. apk's keys are RSA keys, whose signatures are
//! PKCS #1 ones. It would take elliptic curves with SHA-512 as well, which `ring` does not have.

use std::collections::BTreeSet;

use ring::digest::{self, SHA256, SHA512};

use super::container::{Schema, Values};
use super::package::hexadecimal;
use crate::apk::key::{Algorithm, Key, Keys};
use crate::apk::signature::{GoodSignature, SignatureError};

/// What comes before the signature itself.
const HEADER_BYTES: usize = 18;
const KEY_ID_BYTES: usize = 16;
/// All signatures are made this way.
const ALGORITHM: Algorithm = Algorithm::RsaSha512;

/// Verifies the signatures. As in format 2, one by a trusted key has to be there, and all by trusted keys have to be good.
pub(super) fn verify(
    schema: Schema,
    values: &Values,
    keys: &Keys,
) -> Result<Vec<GoodSignature>, SignatureError> {
    if values.signatures.is_empty() {
        return Err(SignatureError::Unsigned);
    }
    let trusted: Vec<_> = keys.iter().map(|(name, key)| (key_id(key), name, key)).collect();
    let mut good = BTreeSet::new();
    let mut others = BTreeSet::new();
    for block in &values.signatures {
        let Some((header, signature)) = block.split_first_chunk::<HEADER_BYTES>() else {
            others.insert("something too short".to_owned());
            continue;
        };
        let [version, hash, id @ ..] = *header;
        let hash = if version == 0 { hash_of(hash, &values.bytes) } else { None };
        let by_it = trusted.iter().filter(|(key_id, ..)| *key_id == id);
        let mut is_known = false;
        for (_, name, key) in by_it {
            // One of a kind that is not known says nothing, not even that something is wrong.
            let Some(hash) = hash else { continue };
            let message = [&schema.0[..], header, hash.as_ref()].concat();
            if !key.verifies(ALGORITHM, &message, signature) {
                let key = (*name).to_owned();
                return Err(SignatureError::Wrong { key, algorithm: ALGORITHM });
            }
            is_known = true;
            let algorithm = ALGORITHM.as_str().to_owned();
            good.insert(GoodSignature { key: (*name).to_owned(), algorithm });
        }
        if !is_known {
            others.insert(describe(header));
        }
    }
    if good.is_empty() {
        return Err(SignatureError::Unknown { signatures: others.into_iter().collect() });
    }
    Ok(good.into_iter().collect())
}

/// Returns how signatures name a key: the beginning of the SHA-512 of `RSAPublicKey`.
fn key_id(key: &Key) -> [u8; KEY_ID_BYTES] {
    let hash = digest::digest(&SHA512, key.der());
    let mut id = [0; KEY_ID_BYTES];
    id.copy_from_slice(&hash.as_ref()[..KEY_ID_BYTES]);
    id
}

/// Hashes the values. apk has a SHA-256 of 160 bits, too; that is not enough for a signature.
fn hash_of(number: u8, bytes: &[u8]) -> Option<digest::Digest> {
    match number {
        3 => Some(digest::digest(&SHA256, bytes)),
        4 => Some(digest::digest(&SHA512, bytes)),
        _ => None,
    }
}

/// Returns what is known of a signature that does not count.
fn describe([version, hash, id @ ..]: &[u8; HEADER_BYTES]) -> String {
    format!("version {version} with hash {hash} by key {}", hexadecimal(id))
}

// SPDX-License-Identifier: Apache-2.0
//! Which signatures count.

use std::fmt;

use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm as PgpHash;
use pgp::packet::{Signature, SignatureType, SignatureVersion, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{Duration, EddsaLegacyPublicParams, KeyDetails, KeyVersion, PublicParams, Tag};

use super::{
    CLOCK_SKEW_MAX_SECONDS, Fingerprint, GoodSignature, HashAlgorithm, Keyring, VerifyError,
};

/// Fewest bits of an RSA key whose signatures count.
pub const RSA_BITS_MIN: usize = 2048;

/// A signature that does not count, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedSignature {
    /// The fingerprint, or else the key id, of the key that the signature claims to be made by, in
    /// upper-case hexadecimal digits; empty if it names none. A claim, not a fact.
    pub issuer: String,
    /// Why it does not count.
    pub refusal: Refusal,
}

impl fmt::Display for RefusedSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.issuer.is_empty() {
            write!(f, "signature of an unnamed key: {}", self.refusal)
        } else {
            write!(f, "signature of {}: {}", self.issuer, self.refusal)
        }
    }
}

/// Why a signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The keyring has no such key.
    #[error("the key is not in the keyring")]
    UnknownKey,
    /// The signature names no key.
    #[error("it does not say which key made it")]
    NoIssuer,
    /// Not a version 4 or 6 signature.
    #[error("signature version {version} is not supported")]
    Version {
        /// The version.
        version: u8,
    },
    /// Not a signature over a document.
    #[error("it is not a signature over a document")]
    Type,
    /// The signature has no creation time, or a critical part that is not understood.
    #[error("it is malformed: {problem}")]
    Malformed {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The hash algorithm is weaker than SHA-256.
    #[error("hash algorithm {hash} is too weak")]
    WeakHash {
        /// The algorithm's name.
        hash: String,
    },
    /// The key is too short.
    #[error("RSA key of {bits} bits is too weak (at least {RSA_BITS_MIN})")]
    WeakKey {
        /// Its length in bits.
        bits: usize,
    },
    /// The kind of key is not supported.
    #[error("keys of the kind {algorithm} are not supported")]
    KeyAlgorithm {
        /// The algorithm's name.
        algorithm: String,
    },
    /// The signature does not fit the text.
    #[error("bad signature: the text or the signature was changed")]
    BadSignature,
    /// The signature was made after the check time.
    #[error("it was made in the future ({created_seconds} seconds since 1970)")]
    NotYetValid {
        /// When it was made, in seconds since 1970.
        created_seconds: i64,
    },
    /// The signature has expired.
    #[error("it expired ({expired_seconds} seconds since 1970)")]
    Expired {
        /// When it expired, in seconds since 1970.
        expired_seconds: i64,
    },
    /// The key was made after the signature.
    #[error("key {key} was not valid yet when it signed")]
    KeyNotYetValid {
        /// The key or subkey.
        key: Fingerprint,
    },
    /// The key has expired.
    #[error("key {key} expired ({expired_seconds} seconds since 1970)")]
    KeyExpired {
        /// The key or subkey.
        key: Fingerprint,
        /// When it expired, in seconds since 1970.
        expired_seconds: i64,
    },
    /// The key was revoked.
    #[error("key {key} was revoked")]
    KeyRevoked {
        /// The key or subkey.
        key: Fingerprint,
    },
    /// The primary key has no valid self-signature.
    #[error("key {key} has no valid self-signature")]
    NoSelfSignature {
        /// The primary key.
        key: Fingerprint,
    },
    /// The subkey has no valid binding.
    #[error("subkey {key} has no valid binding to its primary key")]
    NoBinding {
        /// The subkey.
        key: Fingerprint,
    },
    /// The subkey does not vouch for the primary key.
    #[error("subkey {key} has no valid back-signature")]
    NoBackSignature {
        /// The subkey.
        key: Fingerprint,
    },
    /// The key may not sign documents.
    #[error("key {key} is not meant for signing")]
    NotForSigning {
        /// The key or subkey.
        key: Fingerprint,
    },
}

/// Sorts signatures into good ones and refused ones; an error if none is good.
pub(super) fn check_all(
    signatures: &[Signature],
    text: &[u8],
    keyring: &Keyring,
    at_seconds: i64,
) -> Result<(Vec<GoodSignature>, Vec<RefusedSignature>), VerifyError> {
    let (mut good, mut refused) = (Vec::new(), Vec::new());
    for signature in signatures {
        match check(signature, text, keyring, at_seconds) {
            Ok(signature) => good.push(signature),
            Err(refusal) => {
                refused.push(RefusedSignature { issuer: issuer(signature), refusal });
            }
        }
    }
    if good.is_empty() {
        Err(VerifyError::NoValidSignature { refused })
    } else {
        Ok((good, refused))
    }
}

/// The key that a signature claims to be made by.
fn issuer(signature: &Signature) -> String {
    let fingerprint = signature.issuer_fingerprint().first().map(|f| format!("{f:X}"));
    fingerprint
        .or_else(|| signature.issuer_key_id().first().map(|id| id.to_string().to_ascii_uppercase()))
        .unwrap_or_default()
}

/// Checks one signature over a text.
fn check(
    signature: &Signature,
    text: &[u8],
    keyring: &Keyring,
    at_seconds: i64,
) -> Result<GoodSignature, Refusal> {
    match signature.typ() {
        // The canonical form of text turns every kind of line end into one; a lone carriage
        // return could be added or taken away without breaking the signature.
        Some(SignatureType::Text) if has_lone_carriage_return(text) => {
            return Err(Refusal::Malformed { problem: "lone carriage return in the text" });
        }
        Some(SignatureType::Text | SignatureType::Binary) => {}
        Some(_) => return Err(Refusal::Type),
        None => return Err(Refusal::Version { version: signature.version().into() }),
    }
    let (hash, created_seconds) = check_form(signature, at_seconds)?;
    if issuer(signature).is_empty() {
        return Err(Refusal::NoIssuer);
    }
    // Several keys can share a key id: the first one that fits decides, else the last refusal.
    let mut refusal = Refusal::UnknownKey;
    for key in keyring.keys() {
        match check_with_key(signature, text, key, created_seconds, at_seconds) {
            Some(Ok((key, subkey))) => {
                return Ok(GoodSignature { key, subkey, hash, created_seconds });
            }
            Some(Err(because)) => refusal = because,
            None => {}
        }
    }
    Err(refusal)
}

fn has_lone_carriage_return(text: &[u8]) -> bool {
    text.iter()
        .enumerate()
        .any(|(position, byte)| *byte == b'\r' && text.get(position + 1) != Some(&b'\n'))
}

/// Checks what concerns a signature of any kind alone: version, hash, times, critical parts.
fn check_form(signature: &Signature, at_seconds: i64) -> Result<(HashAlgorithm, i64), Refusal> {
    let config = signature
        .config()
        .filter(|_| matches!(signature.version(), SignatureVersion::V4 | SignatureVersion::V6));
    let Some(config) = config else {
        return Err(Refusal::Version { version: signature.version().into() });
    };
    let hash = match config.hash_alg {
        PgpHash::Sha256 => HashAlgorithm::Sha256,
        PgpHash::Sha384 => HashAlgorithm::Sha384,
        PgpHash::Sha512 => HashAlgorithm::Sha512,
        PgpHash::Sha3_256 => HashAlgorithm::Sha3_256,
        PgpHash::Sha3_512 => HashAlgorithm::Sha3_512,
        other => return Err(Refusal::WeakHash { hash: other.to_string() }),
    };
    for subpacket in config.hashed_subpackets() {
        let unknown = matches!(
            subpacket.data,
            SubpacketData::Other(..) | SubpacketData::Experimental(..) | SubpacketData::Notation(_)
        );
        if subpacket.is_critical && unknown {
            return Err(Refusal::Malformed { problem: "a critical part is not understood" });
        }
    }
    let created = config.created().ok_or(Refusal::Malformed { problem: "no creation time" })?;
    let created_seconds = i64::from(created.as_secs());
    if created_seconds > at_seconds.saturating_add(CLOCK_SKEW_MAX_SECONDS) {
        return Err(Refusal::NotYetValid { created_seconds });
    }
    let lifetime = signature.signature_expiration_time().map_or(0, Duration::as_secs);
    let expired_seconds = created_seconds + i64::from(lifetime);
    if lifetime != 0 && expired_seconds <= at_seconds {
        return Err(Refusal::Expired { expired_seconds });
    }
    Ok((hash, created_seconds))
}

/// Checks a signature with one key of the keyring; `None` if the signature names another key.
/// Returns the fingerprints of the primary key and of the subkey that signed.
fn check_with_key(
    signature: &Signature,
    text: &[u8],
    key: &SignedPublicKey,
    created_seconds: i64,
    at_seconds: i64,
) -> Option<Result<(Fingerprint, Option<Fingerprint>), Refusal>> {
    let times = Times { created_seconds, at_seconds };
    if names(signature, &key.primary_key) {
        return Some(
            signature
                .verify(&key.primary_key, text)
                .map_err(|_| Refusal::BadSignature)
                .and_then(|()| check_primary(key, times, true))
                .map(|()| (Fingerprint::of(key), None)),
        );
    }
    let subkey = key.public_subkeys.iter().find(|subkey| names(signature, &subkey.key))?;
    Some(
        signature
            .verify(&subkey.key, text)
            .map_err(|_| Refusal::BadSignature)
            .and_then(|()| check_primary(key, times, false))
            .and_then(|()| check_subkey(key, subkey, times))
            .map(|()| (Fingerprint::of(key), Some(Fingerprint::of(&subkey.key)))),
    )
}

/// Whether a signature claims to be made by a key. If it gives a fingerprint, that decides.
fn names(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        signature.issuer_key_id().contains(&&key.legacy_key_id())
    } else {
        fingerprints.contains(&&key.fingerprint())
    }
}

/// When a signature was made and when it is checked; its key must be valid at both times.
#[derive(Clone, Copy)]
struct Times {
    created_seconds: i64,
    at_seconds: i64,
}

/// Checks a primary key: strength, revocation, self-signature, expiry and, if it signed itself,
/// its flags.
fn check_primary(key: &SignedPublicKey, times: Times, signed: bool) -> Result<(), Refusal> {
    let primary = &key.primary_key;
    let name = || Fingerprint::of(primary);
    check_strength(primary)?;
    // Any revocation counts, whatever its reason, time and hash: in doubt against the key.
    if key.details.revocation_signatures.iter().any(|s| s.verify_key(primary).is_ok()) {
        return Err(Refusal::KeyRevoked { key: name() });
    }
    let newest = newest_self_signature(key, times.at_seconds)
        .ok_or_else(|| Refusal::NoSelfSignature { key: name() })?;
    check_lifetime(primary, newest, times)?;
    if signed && !may_sign(newest).unwrap_or(true) {
        return Err(Refusal::NotForSigning { key: name() });
    }
    Ok(())
}

/// Returns the newest valid self-signature: it says until when the key is valid and what for.
fn newest_self_signature(key: &SignedPublicKey, at_seconds: i64) -> Option<&Signature> {
    let primary = &key.primary_key;
    let direct = key.details.direct_signatures.iter().filter(|signature| {
        signature.typ() == Some(SignatureType::Key) && signature.verify_key(primary).is_ok()
    });
    let users = key.details.users.iter().flat_map(|user| {
        let certifies = |signature: &&Signature| {
            signature.verify_certification(primary, Tag::UserId, &user.id).is_ok()
        };
        let is_revocation =
            |signature: &&Signature| signature.typ() == Some(SignatureType::CertRevocation);
        let revoked = user.signatures.iter().filter(is_revocation).any(|s| certifies(&s));
        let signatures = if revoked { &[][..] } else { &user.signatures[..] };
        signatures.iter().filter(move |s| !is_revocation(s)).filter(certifies)
    });
    // A version 6 key has its properties in direct signatures alone (RFC 9580, section 10.1.1).
    let users = users.filter(|_| primary.version() != KeyVersion::V6);
    direct
        .chain(users)
        .filter_map(|signature| {
            let (_, created_seconds) = check_form(signature, at_seconds).ok()?;
            Some((created_seconds, signature))
        })
        .max_by_key(|(created_seconds, _)| *created_seconds)
        .map(|(_, signature)| signature)
}

/// Checks a subkey: strength, revocation, binding, expiry, flags and back-signature.
fn check_subkey(
    key: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    times: Times,
) -> Result<(), Refusal> {
    let name = || Fingerprint::of(&subkey.key);
    check_strength(&subkey.key)?;
    let of_type = |kind: SignatureType| {
        subkey.signatures.iter().filter(move |signature| {
            signature.typ() == Some(kind)
                && signature.verify_subkey_binding(&key.primary_key, &subkey.key).is_ok()
        })
    };
    if of_type(SignatureType::SubkeyRevocation).next().is_some() {
        return Err(Refusal::KeyRevoked { key: name() });
    }
    let (_, binding) = of_type(SignatureType::SubkeyBinding)
        .filter_map(|signature| {
            let (_, created_seconds) = check_form(signature, times.at_seconds).ok()?;
            Some((created_seconds, signature))
        })
        .max_by_key(|(created_seconds, _)| *created_seconds)
        .ok_or_else(|| Refusal::NoBinding { key: name() })?;
    check_lifetime(&subkey.key, binding, times)?;
    if may_sign(binding) != Some(true) {
        return Err(Refusal::NotForSigning { key: name() });
    }
    // Without it, somebody could bind another's signing key to a key of their own.
    let vouches = binding.embedded_signature().is_some_and(|back| {
        check_form(back, times.at_seconds).is_ok()
            && back.verify_primary_key_binding(&subkey.key, &key.primary_key).is_ok()
    });
    if vouches { Ok(()) } else { Err(Refusal::NoBackSignature { key: name() }) }
}

/// Checks that a key was valid when it signed and is so at the check time.
fn check_lifetime(key: &impl KeyDetails, binding: &Signature, times: Times) -> Result<(), Refusal> {
    let key_created_seconds = i64::from(key.created_at().as_secs());
    if key_created_seconds > times.created_seconds {
        return Err(Refusal::KeyNotYetValid { key: Fingerprint::of(key) });
    }
    let lifetime = binding.key_expiration_time().map_or(0, Duration::as_secs);
    let expired_seconds = key_created_seconds + i64::from(lifetime);
    let last_seconds = times.created_seconds.max(times.at_seconds);
    if lifetime != 0 && expired_seconds <= last_seconds {
        return Err(Refusal::KeyExpired { key: Fingerprint::of(key), expired_seconds });
    }
    Ok(())
}

/// Whether a self-signature or binding allows to sign; `None` if it does not say.
fn may_sign(signature: &Signature) -> Option<bool> {
    signature.config()?.hashed_subpackets().find_map(|subpacket| match &subpacket.data {
        SubpacketData::KeyFlags(flags) => Some(flags.sign()),
        _ => None,
    })
}

/// Checks a key's algorithm and length.
fn check_strength(key: &impl KeyDetails) -> Result<(), Refusal> {
    match key.public_params() {
        PublicParams::RSA(rsa) => {
            // The modulus stands first, as a number with its length in bits before it
            // (RFC 9580, section 3.2).
            let mut bytes = Vec::new();
            let written = rsa.to_writer(&mut bytes);
            let bits = match (written, bytes.get(..2)) {
                (Ok(()), Some([high, low])) => usize::from(*high) << 8 | usize::from(*low),
                _ => 0,
            };
            if bits < RSA_BITS_MIN { Err(Refusal::WeakKey { bits }) } else { Ok(()) }
        }
        PublicParams::Ed25519(_)
        | PublicParams::EdDSALegacy(EddsaLegacyPublicParams::Ed25519 { .. }) => Ok(()),
        _ => Err(Refusal::KeyAlgorithm { algorithm: format!("{:?}", key.algorithm()) }),
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Public keys.

use std::fmt;

use hardpan_tree::Digest;
use p256::pkcs8::der::asn1::UintRef;
use p256::pkcs8::der::{Decode, Encode, Reader, SliceReader};
use p256::pkcs8::{EncodePublicKey, ObjectIdentifier, SubjectPublicKeyInfoRef};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};

use super::{base64, pem};

/// The label of a public key's PEM block.
const LABEL: &str = "PUBLIC KEY";
/// The longest signature that is looked at, in bytes: that of an RSA key of 8,192 bits.
pub const SIGNATURE_BYTES_MAX: usize = 1024;
/// The lengths of RSA keys that `ring` verifies with, in bytes.
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

pub(super) const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED_25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Names a public key: the SHA-256 of its SubjectPublicKeyInfo in DER.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Digest);

impl KeyId {
    /// Returns the 64 hexadecimal digits.
    pub fn to_hex(&self) -> String {
        self.0.to_hex()
    }

    /// Returns the form that Sigstore's bundles have as a hint.
    pub fn to_hint(&self) -> String {
        base64::encode(self.0.as_bytes())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// How a key's signatures are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyAlgorithm {
    /// ECDSA on P-256 with SHA-256, in ASN.1.
    EcdsaP256,
    /// RSA of 2,048 to 8,192 bits with SHA-256, PKCS #1 v1.5.
    Rsa,
    /// Ed25519.
    Ed25519,
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcdsaP256 => "ECDSA P-256",
            Self::Rsa => "RSA",
            Self::Ed25519 => "Ed25519",
        })
    }
}

/// Why bytes are no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// Not PEM.
    #[error("the public key can't be read")]
    Pem(#[source] pem::PemError),
    /// Another kind of PEM; the private key most likely.
    #[error("expected a block {LABEL:?}, found {0:?}")]
    Label(String),
    /// Not a SubjectPublicKeyInfo, or not its only encoding.
    #[error("the public key is no SubjectPublicKeyInfo in DER")]
    Malformed,
    /// A kind of key that nothing here verifies with.
    #[error("the public key is of the kind {0}; only ECDSA on P-256, RSA and Ed25519 are verified")]
    Algorithm(String),
    /// Not a point of the curve.
    #[error("the public key is no uncompressed point of the curve P-256")]
    Point,
    /// An RSA key that is too short or too long.
    #[error("the RSA key has {bits} bits; expected 2,048 to 8,192")]
    RsaLength {
        /// What it has.
        bits: usize,
    },
}

/// A signature that the key did not make over this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature is not the key's over this message")]
pub struct BadSignature;

/// A public key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    der: Vec<u8>,
    /// What `ring` takes: a point, a PKCS #1 key, 32 bytes.
    raw: Vec<u8>,
    algorithm: KeyAlgorithm,
    id: KeyId,
}

impl PublicKey {
    /// Reads a PEM block `PUBLIC KEY`.
    pub fn parse_pem(text: &[u8]) -> Result<Self, PublicKeyError> {
        let (label, der) = pem::decode(text).map_err(PublicKeyError::Pem)?;
        if label != LABEL {
            return Err(PublicKeyError::Label(label.chars().take(100).collect()));
        }
        Self::parse_der(&der)
    }

    /// Reads a SubjectPublicKeyInfo.
    pub fn parse_der(der: &[u8]) -> Result<Self, PublicKeyError> {
        let info = SubjectPublicKeyInfoRef::from_der(der).map_err(|_| PublicKeyError::Malformed)?;
        // One key must have one id.
        if info.to_der().ok().as_deref() != Some(der) {
            return Err(PublicKeyError::Malformed);
        }
        let raw = info.subject_public_key.as_bytes().ok_or(PublicKeyError::Malformed)?;
        let algorithm = algorithm(&info)?;
        match algorithm {
            KeyAlgorithm::EcdsaP256 => check_point(raw)?,
            KeyAlgorithm::Rsa => check_rsa(raw)?,
            KeyAlgorithm::Ed25519 if raw.len() == 32 => {}
            KeyAlgorithm::Ed25519 => return Err(PublicKeyError::Malformed),
        }
        let id = KeyId(Digest::of(der));
        Ok(Self { der: der.to_vec(), raw: raw.to_vec(), algorithm, id })
    }

    /// Takes a point of the curve P-256.
    pub(super) fn of_p256(key: &p256::PublicKey) -> Self {
        let der = key.to_public_key_der().expect("a point of P-256 can be written in DER");
        Self::parse_der(der.as_bytes()).expect("what was just written can be read")
    }

    /// Returns the SubjectPublicKeyInfo.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Returns the PEM text, as `cosign.pub` has it.
    pub fn to_pem(&self) -> String {
        pem::encode(LABEL, &self.der)
    }

    /// Returns the key's name.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Returns the key alone: a point, a PKCS #1 key, 32 bytes.
    pub(crate) fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Returns the length of an RSA key.
    pub(crate) fn modulus_bits(&self) -> Option<usize> {
        match self.algorithm {
            KeyAlgorithm::Rsa => modulus_bytes(&self.raw).map(|bytes| bytes * 8),
            _ => None,
        }
    }

    /// Returns how its signatures are made.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// Checks a signature over a message.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), BadSignature> {
        if signature.len() > SIGNATURE_BYTES_MAX {
            return Err(BadSignature);
        }
        let algorithm: &'static dyn VerificationAlgorithm = match self.algorithm {
            KeyAlgorithm::EcdsaP256 => &ECDSA_P256_SHA256_ASN1,
            KeyAlgorithm::Rsa => &RSA_PKCS1_2048_8192_SHA256,
            KeyAlgorithm::Ed25519 => &ED25519,
        };
        let key = UnparsedPublicKey::new(algorithm, &self.raw);
        key.verify(message, signature).map_err(|_| BadSignature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} {})", self.algorithm, self.id)
    }
}

fn algorithm(info: &SubjectPublicKeyInfoRef<'_>) -> Result<KeyAlgorithm, PublicKeyError> {
    match info.algorithm.oid {
        EC => match info.algorithm.parameters_oid() {
            Ok(P256) => Ok(KeyAlgorithm::EcdsaP256),
            Ok(curve) => Err(PublicKeyError::Algorithm(format!("ECDSA on the curve {curve}"))),
            Err(_) => Err(PublicKeyError::Algorithm("ECDSA without a named curve".to_owned())),
        },
        RSA => Ok(KeyAlgorithm::Rsa),
        ED_25519 => Ok(KeyAlgorithm::Ed25519),
        other => Err(PublicKeyError::Algorithm(other.to_string())),
    }
}

fn check_point(raw: &[u8]) -> Result<(), PublicKeyError> {
    let is_uncompressed = raw.first() == Some(&4);
    if is_uncompressed && p256::PublicKey::from_sec1_bytes(raw).is_ok() {
        return Ok(());
    }
    Err(PublicKeyError::Point)
}

/// Reads RFC 8017's `RSAPublicKey` as far as its length: `ring` checks the rest when it verifies.
fn check_rsa(raw: &[u8]) -> Result<(), PublicKeyError> {
    let bytes = modulus_bytes(raw).ok_or(PublicKeyError::Malformed)?;
    if !MODULUS_BYTES.contains(&bytes) {
        return Err(PublicKeyError::RsaLength { bits: bytes * 8 });
    }
    Ok(())
}

fn modulus_bytes(raw: &[u8]) -> Option<usize> {
    let read = |raw| {
        let mut reader = SliceReader::new(raw)?;
        let modulus = reader.sequence(|fields| {
            let modulus = UintRef::decode(fields)?;
            UintRef::decode(fields)?;
            Ok(modulus)
        })?;
        reader.finish(modulus.as_bytes().len())
    };
    read(raw).ok()
}

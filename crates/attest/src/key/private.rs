// SPDX-License-Identifier: Apache-2.0
//! Private keys in memory.

use std::fmt;

use p256::SecretKey;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::ALGORITHM_OID as EC;
use p256::elliptic_curve::zeroize::Zeroizing;
use p256::pkcs8::{AssociatedOid, EncodePrivateKey, PrivateKeyInfo};

use super::encrypted::{self, ScryptCost};
use super::{PublicKey, SignError, Signer, pem};

/// PKCS #8 without a password.
const LABEL_PKCS8: &str = "PRIVATE KEY";
/// SEC 1, what `openssl ecparam -genkey` writes.
const LABEL_SEC1: &str = "EC PRIVATE KEY";
/// How often a random number is drawn until it is a key. One in 2^32 is none.
const DRAWS_MAX: usize = 64;

/// Whoever was asked for random bytes had none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are no random bytes")]
pub struct NoRandomness;

/// Why there is no private key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrivateKeyError {
    /// Not PEM.
    #[error("the private key can't be read")]
    Pem(#[source] pem::PemError),
    /// A PEM block of another kind.
    #[error(
        "the block {0:?} is no private key that can be read; these are: a key of cosign, PKCS #8 (\"{LABEL_PKCS8}\") \
         and SEC 1 (\"{LABEL_SEC1}\")"
    )]
    Label(String),
    /// Not what the label says.
    #[error("the private key's {0} is malformed")]
    Malformed(&'static str),
    /// Not a key on P-256.
    #[error(
        "the private key is not ECDSA on P-256, which alone every client verifies (its algorithm is {0})"
    )]
    Algorithm(String),
    /// Cosign's form, but broken.
    #[error("the encrypted private key can't be read: {0}")]
    Sealed(&'static str),
    /// Cosign's form, but costs that cosign would not use either.
    #[error(
        "the password's cost is N={n}, r={r}, p={p}; only N=32768, 65536 or 131072 with r=8 and p=1 are read"
    )]
    ScryptParameters {
        /// Memory and time.
        n: u64,
        /// Block size.
        r: u64,
        /// Parallelism.
        p: u64,
    },
    /// A password is needed and there is none.
    #[error("the private key is encrypted, and there is no password")]
    PasswordNeeded,
    /// The password does not open it (or somebody changed the file).
    #[error("the password does not open the private key")]
    WrongPassword,
    /// Longer than [`super::PASSWORD_BYTES_MAX`].
    #[error("the password has more than {} bytes", super::PASSWORD_BYTES_MAX)]
    PasswordTooLong,
    /// No random bytes.
    #[error("a new key or its encryption needs random bytes")]
    NoRandomness(#[from] NoRandomness),
}

/// A private key, ECDSA on P-256. Its memory is overwritten when it is dropped.
pub struct PrivateKey {
    key: SigningKey,
    public: PublicKey,
}

impl PrivateKey {
    /// Makes a new key from random bytes.
    pub fn generate(
        fill: &mut dyn FnMut(&mut [u8]) -> Result<(), NoRandomness>,
    ) -> Result<Self, PrivateKeyError> {
        let mut bytes = Zeroizing::new([0; 32]);
        for _ in 0..DRAWS_MAX {
            fill(bytes.as_mut_slice())?;
            if let Ok(key) = SecretKey::from_slice(bytes.as_slice()) {
                return Ok(Self::new(&key));
            }
        }
        // Sixty-four times zero or beyond the curve's order: what was given is not random.
        Err(NoRandomness.into())
    }

    fn new(key: &SecretKey) -> Self {
        Self { public: PublicKey::of_p256(&key.public_key()), key: key.into() }
    }

    /// Reads a key of cosign, PKCS #8 or SEC 1, in PEM. The password may be empty; it is ignored
    /// where none is needed.
    pub fn parse(text: &[u8], password: Option<&[u8]>) -> Result<Self, PrivateKeyError> {
        let (label, bytes) = pem::decode(text).map_err(PrivateKeyError::Pem)?;
        match label.as_str() {
            label if encrypted::is_encrypted(label) => {
                let password = password.ok_or(PrivateKeyError::PasswordNeeded)?;
                Self::parse_pkcs8(&encrypted::open(&bytes, password)?)
            }
            LABEL_PKCS8 => Self::parse_pkcs8(&bytes),
            LABEL_SEC1 => SecretKey::from_sec1_der(&bytes)
                .map(|key| Self::new(&key))
                .map_err(|_| PrivateKeyError::Malformed("SEC 1 form (of a key on P-256)")),
            _ => Err(PrivateKeyError::Label(label.chars().take(100).collect())),
        }
    }

    fn parse_pkcs8(der: &[u8]) -> Result<Self, PrivateKeyError> {
        let malformed = PrivateKeyError::Malformed("PKCS #8 form");
        let info = PrivateKeyInfo::try_from(der).map_err(|_| malformed.clone())?;
        match info.algorithm.oids() {
            Ok((EC, Some(curve))) if curve == p256::NistP256::OID => {}
            Ok((EC, Some(curve))) => {
                return Err(PrivateKeyError::Algorithm(format!("ECDSA on the curve {curve}")));
            }
            _ => return Err(PrivateKeyError::Algorithm(info.algorithm.oid.to_string())),
        }
        SecretKey::try_from(info).map(|key| Self::new(&key)).map_err(|_| malformed)
    }

    /// Writes the key under a password, as cosign reads it.
    pub fn to_encrypted_pem(
        &self,
        password: &[u8],
        cost: ScryptCost,
        fill: &mut dyn FnMut(&mut [u8]) -> Result<(), NoRandomness>,
    ) -> Result<String, PrivateKeyError> {
        let pkcs8 = SecretKey::from(&self.key).to_pkcs8_der();
        let pkcs8 = pkcs8.expect("a key on P-256 can be written in DER");
        encrypted::seal(pkcs8.as_bytes(), password, cost, fill)
    }
}

impl Signer for PrivateKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs with the nonce of RFC 6979, so that the same message has the same signature.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature: Signature =
            self.key.try_sign(message).map_err(|error| SignError::Key(error.into()))?;
        Ok(signature.to_der().as_bytes().to_vec())
    }

    fn is_deterministic(&self) -> bool {
        true
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {:?})", self.public)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! OpenPGP signatures over package indexes (RFC 9580), with a policy.
//!
//! The `pgp` crate is the mechanism; what counts as a good signature is decided here:
//!
//! * only keys of the given [`Keyring`] count, never a key that the signed message names or carries;
//! * a primary key needs a valid self-signature, a subkey a valid binding with the signing flag and
//!   a back-signature; neither may be revoked, or expired when it signed or at the check time;
//! * every signature involved uses SHA-256 or stronger, RSA with 2048 bits or more, or Ed25519;
//! * one good signature is enough, as for apt; of every other one it is said why it did not count.
//!
//! What was signed comes from the signed text alone ([`Verified::text`]), never from the file
//! around it.

mod cleartext;
mod keyring;
mod policy;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use keyring::{KEYRING_BYTES_MAX, KEYS_MAX, Keyring, KeyringError, PACKETS_MAX};
pub use policy::{RSA_BITS_MIN, Refusal, RefusedSignature};

/// Longest signed text that is read, in bytes. Debian's largest `InRelease` has about 250 KB.
pub const SIGNED_BYTES_MAX: usize = 16 << 20;
/// Longest armoured or binary signature block that is read, in bytes.
pub const SIGNATURE_BYTES_MAX: usize = 256 << 10;
/// Most signatures over one text. Debian uses three.
pub const SIGNATURES_MAX: usize = 32;
/// How far a signature's creation time may lie after the check time, in seconds: two machines'
/// clocks may differ.
pub const CLOCK_SKEW_MAX_SECONDS: i64 = 24 * 60 * 60;

/// The fingerprint of an OpenPGP key, in upper-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(String);

/// Why a text is not a [`Fingerprint`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a key fingerprint (expected 40 or 64 hexadecimal digits): {0:?}")]
pub struct FingerprintError(pub String);

impl Fingerprint {
    fn of(key: &impl pgp::types::KeyDetails) -> Self {
        Self(format!("{:X}", key.fingerprint()))
    }

    /// Returns the hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Parses 40 (version 4) or 64 (version 6) hexadecimal digits; spaces between them are allowed.
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let digits: String =
            text.chars().filter(|c| *c != ' ').take(65).collect::<String>().to_ascii_uppercase();
        let valid =
            matches!(digits.len(), 40 | 64) && digits.bytes().all(|b| b.is_ascii_hexdigit());
        if valid {
            Ok(Self(digits))
        } else {
            Err(FingerprintError(text.chars().take(80).collect()))
        }
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = FingerprintError;

    fn try_from(text: String) -> Result<Self, FingerprintError> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.0
    }
}

/// A hash algorithm that a signature may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HashAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA3-256.
    #[serde(rename = "sha3-256")]
    Sha3_256,
    /// SHA3-512.
    #[serde(rename = "sha3-512")]
    Sha3_512,
}

/// A text and the good signatures over it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Exactly what was signed, with `\n` line ends. For the cleartext form the text ends with a
    /// line end, so that `InRelease` and `Release` give the same text.
    pub text: String,
    /// The good signatures, in the order of the message; at least one.
    pub signatures: Vec<GoodSignature>,
    /// The signatures that did not count, in the order of the message.
    pub refused: Vec<RefusedSignature>,
}

/// A signature that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GoodSignature {
    /// The primary key.
    pub key: Fingerprint,
    /// The subkey that signed; absent if the primary key itself did.
    pub subkey: Option<Fingerprint>,
    /// The hash algorithm of the signature.
    pub hash: HashAlgorithm,
    /// When the signature says it was made, in seconds since 1970.
    pub created_seconds: i64,
}

/// Why a text does not count as signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The message is longer than [`SIGNED_BYTES_MAX`] or [`SIGNATURE_BYTES_MAX`].
    #[error("{what} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// The limit, in bytes.
        limit_bytes: usize,
    },
    /// The message has no OpenPGP signature at all.
    #[error("not signed: no OpenPGP signature found")]
    NotSigned,
    /// There is text before or after the signed message, which nobody vouches for.
    #[error("line {line}: text outside of the signed message")]
    TextOutside {
        /// The line, from 1.
        line: usize,
    },
    /// The message breaks the rules of the cleartext signature framework (RFC 9580, section 7).
    #[error("line {line}: {problem}")]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// The signed text is not UTF-8.
    #[error("the signed text is not UTF-8")]
    NotUtf8,
    /// The signature block can't be read.
    #[error("the signature block is malformed: {problem}")]
    SignatureBlock {
        /// What is wrong with it.
        problem: String,
    },
    /// None of the signatures counts.
    #[error("no valid signature: {}", Refusals(refused))]
    NoValidSignature {
        /// For each signature, why it does not count.
        refused: Vec<RefusedSignature>,
    },
}

/// Lists why each signature did not count.
struct Refusals<'r>(&'r [RefusedSignature]);

impl fmt::Display for Refusals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, refused) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{refused}")?;
        }
        Ok(())
    }
}

/// Verifies a cleartext-signed message such as an `InRelease` file.
///
/// `at_seconds` is the check time, in seconds since 1970. Anything before, between or after the
/// armour but white space is an error.
pub fn verify_cleartext(
    message: &[u8],
    keyring: &Keyring,
    at_seconds: i64,
) -> Result<Verified, VerifyError> {
    let message = cleartext::split(message)?;
    let signatures = cleartext::read_signatures(message.signatures.as_bytes())?;
    let canonical = message.lines.join("\r\n");
    let (good, refused) =
        policy::check_all(&signatures, canonical.as_bytes(), keyring, at_seconds)?;
    let mut text = message.lines.join("\n");
    text.push('\n');
    Ok(Verified { text, signatures: good, refused })
}

/// Verifies a text with signatures that stand in a file of their own, armoured or binary, such as
/// `Release` and `Release.gpg`.
///
/// `at_seconds` is the check time, in seconds since 1970.
pub fn verify_detached(
    text: &[u8],
    signature: &[u8],
    keyring: &Keyring,
    at_seconds: i64,
) -> Result<Verified, VerifyError> {
    if text.len() > SIGNED_BYTES_MAX {
        return Err(VerifyError::TooLarge {
            what: "the signed text",
            limit_bytes: SIGNED_BYTES_MAX,
        });
    }
    let signatures = cleartext::read_signatures(signature)?;
    let (good, refused) = policy::check_all(&signatures, text, keyring, at_seconds)?;
    let text = std::str::from_utf8(text).map_err(|_| VerifyError::NotUtf8)?.to_owned();
    Ok(Verified { text, signatures: good, refused })
}

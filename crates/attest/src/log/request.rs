// SPDX-License-Identifier: Apache-2.0
//! What a log is asked to hold.

use hardpan_image::canonical_json;
use hardpan_tree::Digest;
use serde_json::{Value, json};

use super::LogError;
use crate::key::{KeyAlgorithm, PublicKey, base64};

/// Who made a signature: what it is verified with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verifier<'a> {
    /// A key.
    Key(&'a PublicKey),
    /// A certificate, in DER, and the key in it.
    Certificate(&'a [u8], &'a PublicKey),
}

impl Verifier<'_> {
    /// Returns the key.
    pub fn key(&self) -> &PublicKey {
        match self {
            Self::Key(key) | Self::Certificate(_, key) => key,
        }
    }
}

/// What was signed, how, and by whom.
#[derive(Debug, Clone, Copy)]
pub struct Signed<'a> {
    /// What the signature is over; of an envelope [`crate::signature::Envelope::message`].
    pub message: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
    /// Who made it.
    pub verifier: Verifier<'a>,
}

/// A question to a log: the digest of what was signed, the signature and who made it, and nothing of the content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRequest {
    body: Vec<u8>,
}

impl LogRequest {
    /// Where below a log's URL it is posted to.
    pub const PATH: &'static str = "/api/v2/log/entries";

    /// Asks a log to hold a signature.
    pub fn new(signed: &Signed<'_>) -> Result<Self, LogError> {
        let details = key_details(signed.verifier.key())?;
        let (name, bytes) = verifier_json(&signed.verifier);
        let value = json!({
            "hashedRekordRequestV002": {
                "digest": base64::encode(Digest::of(signed.message).as_bytes()),
                "signature": {
                    "content": base64::encode(signed.signature),
                    "verifier": { name: { "rawBytes": base64::encode(bytes) }, "keyDetails": details },
                },
            },
        });
        Ok(Self { body: canonical_json(&value) })
    }

    /// Returns what is posted.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// Returns what a verifier is called in JSON, and its bytes.
pub(super) fn verifier_json<'v>(verifier: &Verifier<'v>) -> (&'static str, &'v [u8]) {
    match verifier {
        Verifier::Key(key) => ("publicKey", key.der()),
        Verifier::Certificate(der, _) => ("x509Certificate", der),
    }
}

/// Returns what logs call the algorithm of a key.
pub(super) fn key_details(key: &PublicKey) -> Result<Value, LogError> {
    let name = match (key.algorithm(), key.modulus_bits()) {
        (KeyAlgorithm::EcdsaP256, _) => "PKIX_ECDSA_P256_SHA_256",
        (KeyAlgorithm::Rsa, Some(2048)) => "PKIX_RSA_PKCS1V15_2048_SHA256",
        (KeyAlgorithm::Rsa, Some(3072)) => "PKIX_RSA_PKCS1V15_3072_SHA256",
        (KeyAlgorithm::Rsa, Some(4096)) => "PKIX_RSA_PKCS1V15_4096_SHA256",
        (other, _) => return Err(LogError::Algorithm(other)),
    };
    Ok(name.into())
}

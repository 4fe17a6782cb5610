// SPDX-License-Identifier: Apache-2.0
//! Sigstore bundles, version 0.3, with an envelope that a key signed.

use hardpan_image::canonical_json;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::dsse::{ENVELOPE_BYTES_MAX, Envelope, EnvelopeError, EnvelopeJson, SignedStatement};

/// The media type of a bundle.
pub const BUNDLE_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The same by its older name.
const BUNDLE_TYPE_OLD: &str = "application/vnd.dev.sigstore.bundle+json;version=0.3";
/// The longest bundle that is read, in bytes: an envelope, and certificates and log entries beside it.
pub const BUNDLE_BYTES_MAX: usize = ENVELOPE_BYTES_MAX + (1 << 20);

/// Returns whether this is a media type of bundles of the version that is read.
pub fn is_bundle_type(media_type: &str) -> bool {
    matches!(media_type, BUNDLE_TYPE | BUNDLE_TYPE_OLD)
}

/// Why bytes are no bundle that could be verified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// More than [`BUNDLE_BYTES_MAX`].
    #[error("the bundle has {0} bytes, more than {BUNDLE_BYTES_MAX}")]
    TooLarge(usize),
    /// Not JSON of the right shape, or cut off.
    #[error("not a Sigstore bundle")]
    Malformed(#[source] serde_json::Error),
    /// Another version.
    #[error("the bundle is of the type {0:?}; only {BUNDLE_TYPE:?} is read")]
    Version(String),
    /// A signature over a file's digest, not a statement.
    #[error("the bundle signs a digest, not a statement")]
    NoEnvelope,
    /// Neither a key nor a certificate, or both.
    #[error("the bundle does not say whether a key or a certificate verifies it")]
    Material,
    /// The envelope.
    #[error("the bundle's envelope can't be read")]
    Envelope(#[from] EnvelopeError),
    /// A bundle has exactly one, so that there is no doubt who signed.
    #[error("the bundle's envelope has {0} signatures; there must be one")]
    Signatures(usize),
}

/// What a bundle says that it can be verified with. It is a hint: what is trusted, the verifier knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Material {
    /// A key, with its name as base64 of its id.
    PublicKey(String),
    /// A certificate.
    Certificate,
}

/// An envelope with one signature, and what it is verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    envelope: Envelope,
    material: Material,
}

/// Of unknown fields nothing is said: the JSON form of protocol buffers lets others be added.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BundleJson {
    #[serde(default, alias = "media_type")]
    media_type: String,
    #[serde(alias = "verification_material")]
    verification_material: Option<MaterialJson>,
    #[serde(default, alias = "dsse_envelope")]
    dsse_envelope: Option<EnvelopeJson>,
    #[serde(default, alias = "message_signature", skip_serializing)]
    message_signature: Option<IgnoredAny>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MaterialJson {
    #[serde(default, alias = "public_key")]
    public_key: Option<PublicKeyJson>,
    #[serde(default, skip_serializing)]
    certificate: Option<IgnoredAny>,
    #[serde(default, alias = "x509_certificate_chain", skip_serializing)]
    x509_certificate_chain: Option<IgnoredAny>,
}

#[derive(Serialize, Deserialize)]
struct PublicKeyJson {
    #[serde(default)]
    hint: String,
}

impl Bundle {
    /// Makes the bundle of a signed statement.
    pub fn new(signed: &SignedStatement) -> Self {
        let material = Material::PublicKey(signed.key().to_hint());
        Self { envelope: signed.envelope().clone(), material }
    }

    /// Reads a bundle.
    pub fn parse(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > BUNDLE_BYTES_MAX {
            return Err(BundleError::TooLarge(bytes.len()));
        }
        let json: BundleJson = serde_json::from_slice(bytes).map_err(BundleError::Malformed)?;
        if !is_bundle_type(&json.media_type) {
            return Err(BundleError::Version(json.media_type.chars().take(100).collect()));
        }
        let Some(envelope) = json.dsse_envelope.filter(|_| json.message_signature.is_none()) else {
            return Err(BundleError::NoEnvelope);
        };
        let envelope = envelope.decode()?;
        if envelope.signatures.len() != 1 {
            return Err(BundleError::Signatures(envelope.signatures.len()));
        }
        let material = json.verification_material.ok_or(BundleError::Material)?;
        let has_certificate =
            material.certificate.is_some() || material.x509_certificate_chain.is_some();
        let material = match (material.public_key, has_certificate) {
            (Some(key), false) => Material::PublicKey(key.hint),
            (None, true) => Material::Certificate,
            _ => return Err(BundleError::Material),
        };
        Ok(Self { envelope, material })
    }

    /// Returns the envelope, which has one signature.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Returns what it says that it is verified with.
    pub fn material(&self) -> &Material {
        &self.material
    }

    /// Returns the bytes that are published, of a bundle that a key signed.
    pub(super) fn to_bytes(&self, hint: &str) -> Vec<u8> {
        canonical_json(&BundleJson {
            media_type: BUNDLE_TYPE.to_owned(),
            verification_material: Some(MaterialJson {
                public_key: Some(PublicKeyJson { hint: hint.to_owned() }),
                certificate: None,
                x509_certificate_chain: None,
            }),
            dsse_envelope: Some(self.envelope.json(None)),
            message_signature: None,
        })
    }
}

impl SignedStatement {
    /// Returns it as a bundle.
    pub fn to_bundle(&self) -> Vec<u8> {
        Bundle::new(self).to_bytes(&self.key().to_hint())
    }
}

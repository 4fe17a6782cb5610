// SPDX-License-Identifier: Apache-2.0
//! Sigstore bundles, version 0.3, with an envelope that a key or a certificate's key signed.

use hardpan_image::canonical_json;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Witness;
use super::dsse::{ENVELOPE_BYTES_MAX, Envelope, EnvelopeError, EnvelopeJson, SignedStatement};
use super::witness::{TimestampsJson, WITNESSES_MAX};
use crate::key::base64;

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
    /// A certificate, an entry of a log or a timestamp that is not in base64.
    #[error("the bundle's {0} is not base64")]
    Base64(&'static str),
    /// More than [`WITNESSES_MAX`].
    #[error("the bundle has {0} log entries or timestamps, more than {WITNESSES_MAX} of a kind")]
    Witnesses(usize),
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
    /// A certificate, in DER.
    Certificate(Vec<u8>),
}

/// An envelope with one signature, what it is verified with, and what others say of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Bundle {
    envelope: Envelope,
    material: Material,
    witness: Witness,
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

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct MaterialJson {
    #[serde(alias = "public_key", skip_serializing_if = "Option::is_none")]
    public_key: Option<PublicKeyJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<CertificateJson>,
    #[serde(alias = "x509_certificate_chain", skip_serializing)]
    x509_certificate_chain: Option<ChainJson>,
    #[serde(alias = "tlog_entries", skip_serializing_if = "Vec::is_empty")]
    tlog_entries: Vec<Value>,
    #[serde(alias = "timestamp_verification_data", skip_serializing_if = "Option::is_none")]
    timestamp_verification_data: Option<TimestampsJson>,
}

#[derive(Serialize, Deserialize)]
struct PublicKeyJson {
    #[serde(default)]
    hint: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CertificateJson {
    #[serde(default, alias = "raw_bytes")]
    raw_bytes: String,
}

/// The older form, of which only the signer's own certificate is looked at.
#[derive(Deserialize)]
struct ChainJson {
    #[serde(default)]
    certificates: Vec<CertificateJson>,
}

impl Bundle {
    /// Makes the bundle of a signed statement.
    pub fn new(signed: &SignedStatement) -> Self {
        let material = match signed.certificate() {
            Some(der) => Material::Certificate(der.to_vec()),
            None => Material::PublicKey(signed.key().to_hint()),
        };
        Self { envelope: signed.envelope().clone(), material, witness: signed.witness().clone() }
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
        let witness = witness(material.tlog_entries, material.timestamp_verification_data)?;
        let chain = material.x509_certificate_chain;
        let first = chain.map(|chain| chain.certificates.into_iter().next());
        let material = match (material.public_key, material.certificate, first) {
            (Some(key), None, None) => Material::PublicKey(key.hint),
            (None, Some(one), None) | (None, None, Some(Some(one))) => {
                let der = base64::decode_tolerant(&one.raw_bytes);
                Material::Certificate(der.ok_or(BundleError::Base64("certificate"))?)
            }
            _ => return Err(BundleError::Material),
        };
        Ok(Self { envelope, material, witness })
    }

    /// Returns the envelope, which has one signature.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Returns what it says that it is verified with.
    pub fn material(&self) -> &Material {
        &self.material
    }

    /// Returns what others say of the signature. Nothing of it is verified.
    pub fn witness(&self) -> &Witness {
        &self.witness
    }

    /// Returns the bytes that are published.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut material = MaterialJson {
            tlog_entries: self.witness.entries().to_vec(),
            timestamp_verification_data: TimestampsJson::of(self.witness.timestamps()),
            ..MaterialJson::default()
        };
        match &self.material {
            Material::PublicKey(hint) => {
                material.public_key = Some(PublicKeyJson { hint: hint.clone() });
            }
            Material::Certificate(der) => {
                material.certificate = Some(CertificateJson { raw_bytes: base64::encode(der) });
            }
        }
        canonical_json(&BundleJson {
            media_type: BUNDLE_TYPE.to_owned(),
            verification_material: Some(material),
            dsse_envelope: Some(self.envelope.json(None)),
            message_signature: None,
        })
    }
}

fn witness(entries: Vec<Value>, stamps: Option<TimestampsJson>) -> Result<Witness, BundleError> {
    let stamps = stamps.map(TimestampsJson::into_texts).unwrap_or_default();
    let count = entries.len().max(stamps.len());
    if count > WITNESSES_MAX {
        return Err(BundleError::Witnesses(count));
    }
    let stamps = stamps.iter().map(|text| base64::decode_tolerant(text));
    let stamps = stamps.collect::<Option<_>>().ok_or(BundleError::Base64("timestamp"))?;
    Ok(Witness::new(entries, stamps))
}

impl SignedStatement {
    /// Returns it as a bundle.
    pub fn to_bundle(&self) -> Vec<u8> {
        Bundle::new(self).to_bytes()
    }
}

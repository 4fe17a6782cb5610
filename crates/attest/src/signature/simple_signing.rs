// SPDX-License-Identifier: Apache-2.0
//! The payload of an image's signature before bundles ("simple signing", containers-signature(5)).

use std::collections::BTreeMap;

use hardpan_image::{Descriptor, canonical_json};
use hardpan_tree::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::artifact::blob;
use crate::key::{SignError, Signer, base64, sign_and_check};

/// The media type of the payload.
pub const SIMPLE_SIGNING_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The artifact type of a signature that refers to what it signs.
pub const SIGNATURE_ARTIFACT_TYPE: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// The annotation of the payload's layer that has the signature in base64.
pub const ANNOTATION_SIGNATURE: &str = "dev.cosignproject.cosign/signature";
/// What every payload must call itself.
const TYPE: &str = "cosign container image signature";
/// The longest payload, in bytes: two names and a digest, and what signers add as `optional`.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// Why bytes are no payload.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimpleSigningError {
    /// More than 1 MiB.
    #[error("the signature's payload has {0} bytes, more than {PAYLOAD_BYTES_MAX}")]
    TooLarge(usize),
    /// Not JSON of the right shape, or with a critical part that is not known.
    #[error("not the payload of an image's signature")]
    Malformed(#[source] serde_json::Error),
    /// Signed for another purpose.
    #[error("the payload is a {0:?}, not a {TYPE:?}")]
    Type(String),
}

/// That an image is what a name means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimpleSigning {
    /// The name, registry and repository without a tag. Podman compares it with what is pulled.
    pub identity: String,
    /// The image.
    pub digest: Digest,
}

#[derive(Serialize, Deserialize)]
struct PayloadJson {
    critical: Critical,
    #[serde(default)]
    optional: Value,
}

/// What is critical must be understood, so unknown fields are refused.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    identity: Identity,
    image: ImageJson,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    #[serde(rename = "docker-reference")]
    docker_reference: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageJson {
    #[serde(rename = "docker-manifest-digest")]
    docker_manifest_digest: Digest,
}

impl SimpleSigning {
    /// Reads a payload.
    pub fn parse(bytes: &[u8]) -> Result<Self, SimpleSigningError> {
        if bytes.len() > PAYLOAD_BYTES_MAX {
            return Err(SimpleSigningError::TooLarge(bytes.len()));
        }
        let json: PayloadJson =
            serde_json::from_slice(bytes).map_err(SimpleSigningError::Malformed)?;
        let Critical { identity, image, kind } = json.critical;
        if kind != TYPE {
            return Err(SimpleSigningError::Type(kind.chars().take(100).collect()));
        }
        Ok(Self { identity: identity.docker_reference, digest: image.docker_manifest_digest })
    }

    /// Returns the bytes that are signed.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical_json(&PayloadJson {
            critical: Critical {
                identity: Identity { docker_reference: self.identity.clone() },
                image: ImageJson { docker_manifest_digest: self.digest },
                kind: TYPE.to_owned(),
            },
            optional: Value::Null,
        })
    }

    /// Signs.
    pub fn sign(&self, signer: &dyn Signer) -> Result<SignedPayload, SignError> {
        let payload = self.to_bytes();
        let signature = sign_and_check(signer, &payload)?;
        Ok(SignedPayload { payload, signature })
    }
}

/// A payload and the signature over its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPayload {
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl SignedPayload {
    /// Returns the layer that it is in a manifest.
    pub(super) fn layer(&self) -> (Descriptor, Vec<u8>) {
        let (mut layer, bytes) = blob(SIMPLE_SIGNING_TYPE, self.payload.clone());
        let signature = base64::encode(&self.signature);
        layer.annotations = BTreeMap::from([(ANNOTATION_SIGNATURE.to_owned(), signature)]);
        (layer, bytes)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Questions and answers.

use hardpan_image::canonical_json;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Kind, ServiceError};
use crate::key::{PublicKey, SIGNATURE_BYTES_MAX, base64};

/// The longest header, in bytes: a path of 4,094 bytes, escaped, and a little.
pub const HEADER_BYTES_MAX: usize = 32 << 10;
/// The longest answer, in bytes: a public key, or a reason.
pub const REPLY_BYTES_MAX: usize = 64 << 10;
/// The version that is spoken.
const VERSION: u32 = 1;
/// How much of a reason is shown, in letters.
const REASON_LETTERS_MAX: usize = 1000;

/// What a service is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Header {
    /// For the public key.
    PublicKey,
    /// For a signature; what is to be signed follows.
    Sign {
        /// What kind of thing it is.
        kind: Kind,
        /// The OCI layout with what it is about, an absolute path.
        layout: Option<String>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct HeaderJson {
    version: u32,
    ask: Ask,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<Kind>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layout: Option<String>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Ask {
    PublicKey,
    Signature,
}

impl Header {
    /// Returns the bytes that are sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (ask, kind, layout) = match self {
            Self::PublicKey => (Ask::PublicKey, None, None),
            Self::Sign { kind, layout } => (Ask::Signature, Some(*kind), layout.clone()),
        };
        canonical_json(&HeaderJson { version: VERSION, ask, kind, layout })
    }

    /// Reads a header.
    pub fn parse(bytes: &[u8]) -> Result<Self, ServiceError> {
        if bytes.len() > HEADER_BYTES_MAX {
            return Err(ServiceError::TooLarge("question"));
        }
        let malformed = |source| ServiceError::Malformed { what: "question", source };
        let json: HeaderJson = serde_json::from_slice(bytes).map_err(malformed)?;
        if json.version != VERSION {
            return Err(ServiceError::Version { what: "question", version: json.version });
        }
        match (json.ask, json.kind, json.layout) {
            (Ask::PublicKey, None, None) => Ok(Self::PublicKey),
            (Ask::PublicKey, ..) => Err(ServiceError::Field("the question")),
            (Ask::Signature, Some(kind), layout) => {
                if layout.as_ref().is_some_and(|path| !path.starts_with('/')) {
                    return Err(ServiceError::Field("the layout's absolute path"));
                }
                Ok(Self::Sign { kind, layout })
            }
            (Ask::Signature, None, _) => Err(ServiceError::Field("the kind")),
        }
    }
}

/// What a service answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The public key.
    PublicKey(PublicKey),
    /// The signature.
    Signature(Vec<u8>),
    /// Why not.
    Refused(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ReplyJson {
    version: u32,
    public_key: Option<String>,
    signature: Option<String>,
    error: Option<String>,
}

impl Reply {
    /// Returns the bytes that are sent.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical_json(&match self {
            Self::PublicKey(key) => json!({"version": VERSION, "public-key": key.to_pem()}),
            Self::Signature(bytes) => {
                json!({"version": VERSION, "signature": base64::encode(bytes)})
            }
            Self::Refused(reason) => {
                let reason: String = reason.chars().take(REASON_LETTERS_MAX).collect();
                json!({"version": VERSION, "error": reason})
            }
        })
    }

    /// Reads an answer. That the service refuses is an error.
    pub fn parse(bytes: &[u8]) -> Result<Self, ServiceError> {
        if bytes.len() > REPLY_BYTES_MAX {
            return Err(ServiceError::TooLarge("answer"));
        }
        let malformed = |source| ServiceError::Malformed { what: "answer", source };
        let json: ReplyJson = serde_json::from_slice(bytes).map_err(malformed)?;
        if json.version != VERSION {
            return Err(ServiceError::Version { what: "answer", version: json.version });
        }
        match (json.error, json.public_key, json.signature) {
            (Some(reason), None, None) => {
                Err(ServiceError::Refused(reason.chars().take(REASON_LETTERS_MAX).collect()))
            }
            (None, Some(pem), None) => PublicKey::parse_pem(pem.as_bytes())
                .map(Self::PublicKey)
                .map_err(ServiceError::PublicKey),
            (None, None, Some(text)) => {
                let is_good =
                    |bytes: &Vec<u8>| !bytes.is_empty() && bytes.len() <= SIGNATURE_BYTES_MAX;
                let signature = base64::decode(&text).filter(is_good);
                signature.map(Self::Signature).ok_or(ServiceError::Field("the signature"))
            }
            _ => Err(ServiceError::Field("the answer")),
        }
    }
}

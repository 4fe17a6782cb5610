// SPDX-License-Identifier: Apache-2.0
//! What a plugin writes.

use hardpan_image::canonical_json;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Method, PluginError};
use crate::key::{PublicKey, SIGNATURE_BYTES_MAX, base64};

/// The longest reply, in bytes: a key or a signature in base64.
pub const REPLY_BYTES_MAX: usize = 64 << 10;

/// What a plugin writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The default algorithm.
    DefaultAlgorithm(String),
    /// All algorithms.
    SupportedAlgorithms(Vec<String>),
    /// The public key.
    PublicKey(PublicKey),
    /// The new key's public key.
    Created(PublicKey),
    /// The signature.
    Signature(Vec<u8>),
    /// The signature is good.
    Verified,
    /// Why it can't.
    Error(String),
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ReplyJson {
    error_message: Option<String>,
    default_algorithm: Option<Value>,
    supported_algorithms: Option<Value>,
    public_key: Option<KeyJson>,
    create_key: Option<KeyJson>,
    sign_message: Option<SignatureJson>,
    verify_signature: Option<Value>,
}

#[derive(Deserialize)]
struct KeyJson {
    #[serde(rename = "publicKeyPEM")]
    public_key_pem: String,
}

#[derive(Deserialize)]
struct SignatureJson {
    signature: String,
}

impl Reply {
    /// Returns the bytes that a plugin writes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let pem =
            |key: &PublicKey| json!({"publicKeyPEM": base64::encode(key.to_pem().as_bytes())});
        canonical_json(&match self {
            Self::DefaultAlgorithm(name) => {
                json!({"defaultAlgorithm": {"defaultAlgorithm": name}})
            }
            Self::SupportedAlgorithms(names) => {
                json!({"supportedAlgorithms": {"supportedAlgorithms": names}})
            }
            Self::PublicKey(key) => json!({"publicKey": pem(key)}),
            Self::Created(key) => json!({"createKey": pem(key)}),
            Self::Signature(bytes) => json!({"signMessage": {"signature": base64::encode(bytes)}}),
            Self::Verified => json!({"verifySignature": {}}),
            Self::Error(message) => json!({"errorMessage": message}),
        })
    }

    /// Reads what a plugin wrote when it was asked for something. Its [`Reply::Error`] is an error.
    pub fn parse(bytes: &[u8], method: &Method) -> Result<Self, PluginError> {
        if bytes.len() > REPLY_BYTES_MAX {
            return Err(PluginError::TooLarge("reply"));
        }
        let malformed = |source| PluginError::Malformed { what: "reply", source };
        let json: ReplyJson = serde_json::from_slice(bytes).map_err(malformed)?;
        if let Some(message) = json.error_message.filter(|message| !message.is_empty()) {
            return Err(PluginError::Refused(message.chars().take(1000).collect()));
        }
        let name = method.name();
        let missing = PluginError::Missing(name);
        let texts = |value: Option<Value>| value.and_then(|value| value.get(name).cloned());
        Ok(match method {
            Method::DefaultAlgorithm => {
                let text = texts(json.default_algorithm);
                let text = text.as_ref().and_then(Value::as_str).ok_or(missing)?;
                Self::DefaultAlgorithm(text.to_owned())
            }
            Method::SupportedAlgorithms => {
                let list = texts(json.supported_algorithms).ok_or(missing)?;
                Self::SupportedAlgorithms(serde_json::from_value(list).map_err(malformed)?)
            }
            Method::PublicKey => Self::PublicKey(json.public_key.ok_or(missing)?.decode()?),
            Method::CreateKey { .. } => Self::Created(json.create_key.ok_or(missing)?.decode()?),
            Method::SignMessage { .. } => {
                let signature = base64::decode(&json.sign_message.ok_or(missing)?.signature)
                    .filter(|bytes| !bytes.is_empty() && bytes.len() <= SIGNATURE_BYTES_MAX);
                Self::Signature(signature.ok_or(PluginError::Field("the signature"))?)
            }
            Method::VerifySignature { .. } => {
                json.verify_signature.map(|_| Self::Verified).ok_or(missing)?
            }
        })
    }
}

impl KeyJson {
    fn decode(&self) -> Result<PublicKey, PluginError> {
        let pem = base64::decode(&self.public_key_pem);
        let pem = pem.ok_or(PluginError::Field("the public key's base64"))?;
        PublicKey::parse_pem(&pem).map_err(PluginError::PublicKey)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What a plugin is asked, as its arguments.

use hardpan_tree::Digest;
use serde::Deserialize;
use serde_json::json;

use super::{PROTOCOL, PluginError};
use crate::key::base64;

/// The number of SHA-256 in Go's package `crypto`, which the protocol uses.
const SHA256: u64 = 5;
/// The longest request, which is what Linux takes as one argument.
pub const REQUEST_BYTES_MAX: usize = 128 << 10;

/// What a plugin is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Method {
    /// Which algorithm new keys have.
    DefaultAlgorithm,
    /// Which algorithms there are.
    SupportedAlgorithms,
    /// For the public key.
    PublicKey,
    /// For a new key.
    CreateKey {
        /// Of which algorithm.
        algorithm: String,
    },
    /// For a signature over the message.
    SignMessage {
        /// The message's SHA-256, if whoever asks has it already.
        digest: Option<Digest>,
    },
    /// Whether a signature is good.
    VerifySignature {
        /// The signature.
        signature: Vec<u8>,
        /// The message's SHA-256, if whoever asks has it already.
        digest: Option<Digest>,
    },
}

impl Method {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::DefaultAlgorithm => "defaultAlgorithm",
            Self::SupportedAlgorithms => "supportedAlgorithms",
            Self::PublicKey => "publicKey",
            Self::CreateKey { .. } => "createKey",
            Self::SignMessage { .. } => "signMessage",
            Self::VerifySignature { .. } => "verifySignature",
        }
    }
}

/// A question to a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The key, as the plugin calls it.
    pub key: String,
    /// What is asked.
    pub method: Method,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestJson {
    init_options: InitJson,
    method_name: String,
    create_key: Option<CreateKeyJson>,
    sign_message: Option<SignJson>,
    verify_signature: Option<VerifyJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InitJson {
    protocol_version: String,
    #[serde(rename = "keyResourceID")]
    key_resource_id: String,
    hash_func: u64,
}

#[derive(Deserialize)]
struct CreateKeyJson {
    #[serde(default)]
    algorithm: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignJson {
    sign_options: OptionsJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VerifyJson {
    signature: String,
    verify_options: OptionsJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OptionsJson {
    message_options: MessageJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageJson {
    digest: Option<String>,
    hash_func: Option<u64>,
}

impl MessageJson {
    fn digest(&self) -> Result<Option<Digest>, PluginError> {
        if let Some(other) = self.hash_func.filter(|number| *number != SHA256) {
            return Err(PluginError::HashFunction(other));
        }
        let Some(text) = &self.digest else { return Ok(None) };
        let bytes = base64::decode(text).and_then(|bytes| bytes.try_into().ok());
        bytes.map(|bytes| Some(Digest::from_bytes(bytes))).ok_or(PluginError::Field("the digest"))
    }
}

impl Request {
    /// Returns the program's arguments.
    pub fn arguments(&self) -> [String; 2] {
        let rpc = json!({"keyVersion": "", "remoteVerification": false});
        let options = |digest: &Option<Digest>| {
            let digest = digest.map(|digest| base64::encode(digest.as_bytes()));
            json!({"rpcOptions": rpc, "messageOptions": {"digest": digest}})
        };
        let arguments = match &self.method {
            Method::DefaultAlgorithm | Method::SupportedAlgorithms => json!({}),
            Method::PublicKey => json!({"publicKeyOptions": {"rpcOptions": rpc}}),
            Method::CreateKey { algorithm } => json!({"algorithm": algorithm}),
            Method::SignMessage { digest } => json!({"signOptions": options(digest)}),
            Method::VerifySignature { signature, digest } => json!({
                "signature": base64::encode(signature),
                "verifyOptions": options(digest),
            }),
        };
        let name = self.method.name();
        let request = json!({
            "initOptions": {
                "protocolVersion": PROTOCOL,
                "keyResourceID": self.key,
                "hashFunc": SHA256,
                "rpcOptions": rpc,
            },
            "methodName": name,
            name: arguments,
        });
        [PROTOCOL.to_owned(), request.to_string()]
    }

    /// Reads the arguments that a plugin was run with, without its name.
    pub fn parse<S: AsRef<str>>(arguments: &[S]) -> Result<Self, PluginError> {
        let [version, text] = arguments else { return Err(PluginError::Arguments) };
        let text = text.as_ref();
        if version.as_ref() != PROTOCOL {
            return Err(PluginError::Arguments);
        }
        if text.len() > REQUEST_BYTES_MAX {
            return Err(PluginError::TooLarge("request"));
        }
        let malformed = |source| PluginError::Malformed { what: "request", source };
        let json: RequestJson = serde_json::from_str(text).map_err(malformed)?;
        let init = json.init_options;
        if init.protocol_version != PROTOCOL {
            return Err(PluginError::Arguments);
        }
        if init.hash_func != SHA256 {
            return Err(PluginError::HashFunction(init.hash_func));
        }
        let arguments = PluginError::Field("the method's arguments");
        let method = match json.method_name.as_str() {
            "defaultAlgorithm" => Method::DefaultAlgorithm,
            "supportedAlgorithms" => Method::SupportedAlgorithms,
            "publicKey" => Method::PublicKey,
            "createKey" => {
                Method::CreateKey { algorithm: json.create_key.ok_or(arguments)?.algorithm }
            }
            "signMessage" => {
                let options = json.sign_message.ok_or(arguments)?.sign_options;
                Method::SignMessage { digest: options.message_options.digest()? }
            }
            "verifySignature" => {
                let json = json.verify_signature.ok_or(arguments)?;
                let signature = base64::decode(&json.signature);
                let signature = signature.ok_or(PluginError::Field("the signature"))?;
                let digest = json.verify_options.message_options.digest()?;
                Method::VerifySignature { signature, digest }
            }
            other => return Err(PluginError::Method(other.chars().take(100).collect())),
        };
        Ok(Self { key: init.key_resource_id, method })
    }
}

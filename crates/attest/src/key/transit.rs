// SPDX-License-Identifier: Apache-2.0
//! Keys in the transit engine of Vault or OpenBao.
//!
//! `hashivault://KEY`, as cosign writes it. Who speaks HTTP is not here: a [`TransitSigner`] is given a function that
//! sends a [`TransitRequest`] to the server, with its token.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::str::FromStr;

use hardpan_image::canonical_json;
use hardpan_tree::Digest;
use serde::Deserialize;
use serde_json::json;

use super::{PublicKey, PublicKeyError, SIGNATURE_BYTES_MAX, SignError, Signer, base64};

/// The schemes of such keys.
const SCHEMES: [&str; 2] = ["hashivault://", "openbao://"];
/// Where the engine is mounted unless something else is said.
pub const MOUNT: &str = "transit";
/// The type of key that is used.
const KEY_TYPE: &str = "ecdsa-p256";
/// The longest reply, in bytes. A key that was rotated has all its versions in it.
pub const REPLY_BYTES_MAX: usize = 1 << 20;
/// The longest name of a key or mount.
const NAME_BYTES_MAX: usize = 255;

/// Why a key of the server can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransitError {
    /// Not `hashivault://KEY`.
    #[error(
        "not a transit key (expected hashivault://NAME with a name of letters, digits, ., - and _): {0:?}"
    )]
    Reference(String),
    /// Not a path.
    #[error("not the path of a transit engine: {0:?}")]
    Mount(String),
    /// The server was not reached.
    #[error("the server was not reached")]
    Http(#[source] Box<dyn Error + Send + Sync>),
    /// The server says no.
    #[error("the server says: {0}")]
    Refused(String),
    /// Too long.
    #[error("the server's reply has {0} bytes, more than {REPLY_BYTES_MAX}")]
    TooLarge(usize),
    /// Not what a transit engine says.
    #[error("the server's reply can't be read")]
    Malformed(#[source] serde_json::Error),
    /// A reply without what was asked for.
    #[error("the server's reply has no {0}")]
    Missing(&'static str),
    /// Another type of key.
    #[error("the key is of the type {0:?}; only {KEY_TYPE:?} is used, which every client verifies")]
    KeyType(String),
    /// The server's public key.
    #[error("the server's public key can't be used")]
    PublicKey(#[source] PublicKeyError),
    /// Rotated meanwhile.
    #[error("the server signed with version {found} of the key, not with {asked}")]
    Version {
        /// Which was asked for.
        asked: u64,
        /// Which it used.
        found: String,
    },
}

/// A key of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitKey {
    mount: String,
    name: String,
}

impl TransitKey {
    /// Says where the engine is mounted, if not at [`MOUNT`].
    pub fn at(self, mount: &str) -> Result<Self, TransitError> {
        let mount = mount.trim_matches('/');
        if mount.len() > NAME_BYTES_MAX || !mount.split('/').all(is_name) {
            return Err(TransitError::Mount(mount.chars().take(100).collect()));
        }
        Ok(Self { mount: mount.to_owned(), ..self })
    }

    /// Asks for the public keys.
    pub fn read(&self) -> TransitRequest {
        TransitRequest { path: format!("/v1/{}/keys/{}", self.mount, self.name), body: None }
    }

    /// Asks for a signature over a message with a version of the key. The message stays here; only its digest is sent.
    pub fn sign(&self, message: &[u8], version: u64) -> TransitRequest {
        let body = json!({
            "input": base64::encode(Digest::of(message).as_bytes()),
            "key_version": version,
            "marshaling_algorithm": "asn1",
            "prehashed": true,
        });
        let path = format!("/v1/{}/sign/{}/sha2-256", self.mount, self.name);
        TransitRequest { path, body: Some(canonical_json(&body)) }
    }
}

impl FromStr for TransitKey {
    type Err = TransitError;

    fn from_str(text: &str) -> Result<Self, TransitError> {
        let name = SCHEMES.iter().find_map(|scheme| text.strip_prefix(scheme));
        let name = name.filter(|name| is_name(name));
        let name = name.ok_or_else(|| TransitError::Reference(text.chars().take(100).collect()))?;
        Ok(Self { mount: MOUNT.to_owned(), name: name.to_owned() })
    }
}

impl fmt::Display for TransitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", SCHEMES[0], self.name)
    }
}

/// Names go into a URL as they are.
fn is_name(name: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && !name.starts_with('.')
        && name.bytes().all(is_good)
}

/// A request to the server: GET without and POST with a body, which is JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitRequest {
    /// The path, from `/v1/` on.
    pub path: String,
    /// The body.
    pub body: Option<Vec<u8>>,
}

#[derive(Deserialize)]
struct ReplyJson<T> {
    data: Option<T>,
    #[serde(default)]
    errors: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct KeysJson {
    #[serde(rename = "type")]
    kind: String,
    latest_version: u64,
    keys: BTreeMap<String, KeyJson>,
}

#[derive(Deserialize)]
struct KeyJson {
    #[serde(default)]
    public_key: String,
}

#[derive(Deserialize)]
struct SignatureJson {
    signature: String,
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, TransitError> {
    if bytes.len() > REPLY_BYTES_MAX {
        return Err(TransitError::TooLarge(bytes.len()));
    }
    let reply: ReplyJson<T> = serde_json::from_slice(bytes).map_err(TransitError::Malformed)?;
    match (reply.data, reply.errors) {
        (Some(data), _) => Ok(data),
        (None, Some(errors)) if !errors.is_empty() => {
            Err(TransitError::Refused(errors.join("; ").chars().take(1000).collect()))
        }
        _ => Err(TransitError::Missing("data")),
    }
}

/// Reads the reply to [`TransitKey::read`]: the latest version and its public key.
pub fn parse_key(bytes: &[u8]) -> Result<(u64, PublicKey), TransitError> {
    let keys: KeysJson = parse(bytes)?;
    if keys.kind != KEY_TYPE {
        return Err(TransitError::KeyType(keys.kind.chars().take(100).collect()));
    }
    let version = keys.latest_version;
    let key = keys.keys.get(&version.to_string());
    let key = key.ok_or(TransitError::Missing("latest version of the key"))?;
    let public = PublicKey::parse_pem(key.public_key.as_bytes());
    Ok((version, public.map_err(TransitError::PublicKey)?))
}

/// Reads the reply to [`TransitKey::sign`]: the signature in ASN.1.
pub fn parse_signature(bytes: &[u8], version: u64) -> Result<Vec<u8>, TransitError> {
    let text = parse::<SignatureJson>(bytes)?.signature;
    let missing = TransitError::Missing("signature of the form vault:vN:BASE64");
    let Some((found, signature)) =
        text.strip_prefix("vault:v").and_then(|rest| rest.split_once(':'))
    else {
        return Err(missing);
    };
    if found != version.to_string() {
        let found = found.chars().take(100).collect();
        return Err(TransitError::Version { asked: version, found });
    }
    let is_good = |bytes: &Vec<u8>| !bytes.is_empty() && bytes.len() <= SIGNATURE_BYTES_MAX;
    base64::decode(signature).filter(is_good).ok_or(missing)
}

/// A key of a server. `send` sends a request and returns the body of the reply, also where the status says no; at most
/// [`REPLY_BYTES_MAX`] bytes of it.
pub struct TransitSigner<S> {
    key: TransitKey,
    version: u64,
    public: PublicKey,
    send: S,
}

impl<S, E> TransitSigner<S>
where
    S: Fn(&TransitRequest) -> Result<Vec<u8>, E>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    /// Asks for the key's latest version. It is the one that signs, even if the key is rotated meanwhile.
    pub fn open(key: TransitKey, send: S) -> Result<Self, TransitError> {
        let reply = send(&key.read()).map_err(|error| TransitError::Http(error.into()))?;
        let (version, public) = parse_key(&reply)?;
        Ok(Self { key, version, public, send })
    }

    fn ask(&self, message: &[u8]) -> Result<Vec<u8>, TransitError> {
        let request = self.key.sign(message, self.version);
        let reply = (self.send)(&request).map_err(|error| TransitError::Http(error.into()))?;
        parse_signature(&reply, self.version)
    }
}

impl<S, E> Signer for TransitSigner<S>
where
    S: Fn(&TransitRequest) -> Result<Vec<u8>, E>,
    E: Into<Box<dyn Error + Send + Sync>>,
{
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.ask(message).map_err(|error| SignError::Key(error.into()))
    }
}

impl<S> fmt::Debug for TransitSigner<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TransitKey { mount, name } = &self.key;
        write!(f, "TransitSigner({mount}/{name} version {}, {:?})", self.version, self.public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::key;
    use crate::key::sign_and_check;

    fn keys(kind: &str, latest: u64) -> serde_json::Value {
        let pem = |seed| key(seed).public_key().to_pem();
        json!({"request_id": "x", "data": {
            "type": kind,
            "latest_version": latest,
            "keys": {"1": {"public_key": pem(1)}, "2": {"public_key": pem(2), "name": "P-256"}},
        }})
    }

    /// Stands in for a server: what it is sent is what the documentation of the engine says.
    fn server(request: &TransitRequest, version: u64) -> Vec<u8> {
        let Some(body) = &request.body else {
            assert_eq!(request.path, "/v1/kms/team/keys/app");
            return keys(KEY_TYPE, 2).to_string().into_bytes();
        };
        assert_eq!(request.path, "/v1/kms/team/sign/app/sha2-256");
        let digest = base64::encode(Digest::of(b"message").as_bytes());
        let expected = json!({"input": digest, "key_version": 2, "prehashed": true, "marshaling_algorithm": "asn1"});
        assert_eq!(serde_json::from_slice::<serde_json::Value>(body).unwrap(), expected);
        let signature = base64::encode(&key(2).sign(b"message").unwrap());
        let data =
            json!({"signature": format!("vault:v{version}:{signature}"), "key_version": version});
        json!({"data": data}).to_string().into_bytes()
    }

    fn transit_key() -> TransitKey {
        "hashivault://app".parse::<TransitKey>().unwrap().at("/kms/team/").unwrap()
    }

    #[test]
    fn the_latest_version_signs() {
        let send = |request: &TransitRequest| Ok::<_, std::io::Error>(server(request, 2));
        let signer = TransitSigner::open(transit_key(), send).unwrap();
        assert_eq!(signer.public_key(), key(2).public_key());
        sign_and_check(&signer, b"message").unwrap();
        // Rotated between both questions, and signed with what nobody asked for.
        let send = |request: &TransitRequest| Ok::<_, std::io::Error>(server(request, 3));
        let error = TransitSigner::open(transit_key(), send).unwrap().sign(b"message").unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains("version 3 of the key, not with 2"), "{source}");
        let send = |_: &TransitRequest| Err(std::io::Error::other("refused"));
        assert!(matches!(TransitSigner::open(transit_key(), send), Err(TransitError::Http(_))));
    }

    #[test]
    fn other_replies_are_refused() {
        let signature = |text: &str| json!({"data": {"signature": text}});
        for (summary, reply, expected) in [
            ("no", json!({"errors": ["permission denied"]}), "says: permission denied"),
            ("not there", json!({"errors": []}), "no data"),
            ("other data", json!({"data": {}}), "can't be read"),
            ("no form", signature("v1:AA=="), "vault:vN"),
            ("no version", signature("vault:AA=="), "vault:vN"),
            ("no base64", signature("vault:v1:%"), "vault:vN"),
            ("empty", signature("vault:v1:"), "vault:vN"),
            ("long", signature(&format!("vault:v1:{}", "A".repeat(4000))), "vault:vN"),
            ("version", signature("vault:v01:AA=="), "version 01"),
        ] {
            let error = parse_signature(reply.to_string().as_bytes(), 1).unwrap_err().to_string();
            assert!(error.contains(expected), "{summary}: {error}");
        }
        for (summary, reply, expected) in [
            ("type", keys("rsa-2048", 2), "\"rsa-2048\""),
            ("version", keys(KEY_TYPE, 3), "latest version"),
            (
                "no key",
                json!({"data": {"type": KEY_TYPE, "latest_version": 1, "keys": {"1": {}}}}),
                "can't be used",
            ),
        ] {
            let error = parse_key(reply.to_string().as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{summary}: {error}");
        }
        assert!(matches!(
            parse_key(&vec![b' '; REPLY_BYTES_MAX + 1]),
            Err(TransitError::TooLarge(_))
        ));
        assert!(parse_key(b"<html>").is_err());
    }

    #[test]
    fn names_can_t_leave_their_path() {
        for text in [
            "",
            "app",
            "hashivault://",
            "hashivault://a/b",
            "hashivault://..",
            "hashivault://a?b",
            "hashivault://a%2f",
        ] {
            assert!(text.parse::<TransitKey>().is_err(), "{text}");
        }
        for mount in ["", "/", "a//b", "..", "a/../b", "a?b", "a b"] {
            assert!(transit_key().at(mount).is_err(), "{mount}");
        }
        assert_eq!(
            "openbao://a.b-c_D1".parse::<TransitKey>().unwrap().read().path,
            "/v1/transit/keys/a.b-c_D1"
        );
    }
}

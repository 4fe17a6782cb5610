// SPDX-License-Identifier: Apache-2.0
//! One file with logins.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, PAD};
use serde::Deserialize;

use super::Credential;
use crate::registry::place::DEFAULT_REGISTRY;

/// The largest file, in bytes.
const FILE_BYTES_MAX: usize = 1 << 20;
/// The most logins in one.
const LOGINS_MAX: usize = 10_000;

/// Why a file has no logins that can be used. Never has the file's content in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginFileError {
    /// Too long, or too many logins.
    #[error("has more than {LOGINS_MAX} logins or {FILE_BYTES_MAX} bytes")]
    TooLarge,
    /// Not JSON of the right shape.
    #[error("is not a file of logins (line {line}, column {column})")]
    Malformed {
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// A login that can't be decoded.
    #[error("the login for {key:?} can't be decoded")]
    Login {
        /// Whose.
        key: String,
    },
}

/// A file's logins.
pub(in crate::registry) struct LoginFile {
    pub(super) name: String,
    /// By registry, or registry and the first parts of a repository.
    logins: BTreeMap<String, Credential>,
    /// Credential helpers by registry.
    helpers: BTreeMap<String, String>,
    /// The credential helper of all registries.
    store: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Text {
    auths: Option<BTreeMap<String, Option<Login>>>,
    cred_helpers: Option<BTreeMap<String, String>>,
    creds_store: Option<String>,
}

#[derive(Deserialize)]
struct Login {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

impl LoginFile {
    pub(in crate::registry) fn parse(name: &str, bytes: &[u8]) -> Result<Self, LoginFileError> {
        if bytes.len() > FILE_BYTES_MAX {
            return Err(LoginFileError::TooLarge);
        }
        // The parser's own words may quote a password.
        let text: Text = serde_json::from_slice(bytes).map_err(|error| {
            LoginFileError::Malformed { line: error.line(), column: error.column() }
        })?;
        let auths = text.auths.unwrap_or_default();
        if auths.len() > LOGINS_MAX {
            return Err(LoginFileError::TooLarge);
        }
        let mut logins = BTreeMap::new();
        for (key, login) in auths {
            let credential = match login {
                Some(login) => credential(login).map_err(|Undecodable| LoginFileError::Login {
                    key: key.chars().take(100).collect(),
                })?,
                None => None,
            };
            // With a credential helper, the entries are empty.
            if let Some(credential) = credential {
                logins.insert(normal_key(&key), credential);
            }
        }
        let helpers = text.cred_helpers.unwrap_or_default();
        let helpers = helpers.into_iter().map(|(key, helper)| (normal_key(&key), helper)).collect();
        let store = text.creds_store.filter(|helper| !helper.is_empty());
        Ok(Self { name: name.to_owned(), logins, helpers, store })
    }

    /// Returns a registry's own credential helper.
    pub(super) fn helper(&self, registry: &str) -> Option<&str> {
        self.helpers.get(registry).map(String::as_str).filter(|helper| !helper.is_empty())
    }

    /// Returns the credential helper of all registries.
    pub(super) fn store(&self) -> Option<&str> {
        self.store.as_deref()
    }

    /// Returns the login whose key is the longest part of a repository's full name.
    pub(super) fn login(&self, registry: &str, repository: &str) -> Option<Credential> {
        let full = format!("{registry}/{repository}");
        let mut key = full.as_str();
        loop {
            if let Some(found) = self.logins.get(key) {
                return Some(found.clone());
            }
            if key.len() <= registry.len() {
                return None;
            }
            key = key.rsplit_once('/')?.0;
        }
    }
}

/// Reads a login; an empty one is none. Fails for one that makes no sense.
fn credential(login: Login) -> Result<Option<Credential>, Undecodable> {
    if let Some(token) = login.identitytoken.filter(|token| !token.is_empty()) {
        return Ok(Some(Credential::IdentityToken(token)));
    }
    if let Some(auth) = login.auth.filter(|auth| !auth.is_empty()) {
        let bytes = decode_base64(auth.trim()).ok_or(Undecodable)?;
        let decoded = String::from_utf8(bytes).map_err(|_| Undecodable)?;
        let (username, password) = decoded.split_once(':').ok_or(Undecodable)?;
        // Docker pads passwords with zero bytes.
        let password = password.trim_matches('\0').to_owned();
        return Ok(Credential::new(username.to_owned(), password));
    }
    let (username, password) = (login.username, login.password);
    Ok(Credential::new(username.unwrap_or_default(), password.unwrap_or_default()))
}

/// Not base64, or not a name and a password.
struct Undecodable;

/// Brings a key to the form `registry` or `registry/part/of/repository`. Docker has written URLs, with the
/// version of the API behind them.
fn normal_key(key: &str) -> String {
    let without_scheme = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let name = match without_scheme {
        Some(rest) => rest.split('/').next().unwrap_or_default(),
        None => key.trim_end_matches('/'),
    };
    let name = name.strip_suffix("/v1").or_else(|| name.strip_suffix("/v2")).unwrap_or(name);
    let (registry, path) = match name.split_once('/') {
        Some((registry, _)) => (registry, &name[registry.len()..]),
        None => (name, ""),
    };
    let is_default = |prefix: &str| registry.strip_prefix(prefix) == Some(DEFAULT_REGISTRY);
    if is_default("index.") || is_default("registry-1.") {
        format!("{DEFAULT_REGISTRY}{path}")
    } else {
        name.to_owned()
    }
}

/// Decodes base64 (RFC 4648, section 4), padded or not; bits after the last byte mean nothing.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true),
    );
    LENIENT.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded() {
        for (text, decoded) in [
            ("", Some(&b""[..])),
            ("YQ==", Some(b"a")),
            ("YQ", Some(b"a")),
            ("YWI=", Some(b"ab")),
            ("YWJj", Some(b"abc")),
            ("dXNlcjpwYUBzcw==", Some(b"user:pa@ss")),
            ("+/+/", Some(b"\xfb\xff\xbf")),
            ("Y", None),
            ("YQ===", None),
            ("YQ=x", None),
            ("Y Q=", None),
            ("-_==", None),
        ] {
            assert_eq!(decode_base64(text).as_deref(), decoded, "{text}");
        }
    }

    #[test]
    fn keys_have_one_form() {
        let hub = |prefix: &str, rest: &str| format!("{prefix}{DEFAULT_REGISTRY}{rest}");
        for (key, normal) in [
            ("registry.example".to_owned(), "registry.example".to_owned()),
            ("registry.example:5000/".into(), "registry.example:5000".into()),
            ("https://registry.example/v2/".into(), "registry.example".into()),
            ("http://registry.example".into(), "registry.example".into()),
            ("registry.example/v1/".into(), "registry.example".into()),
            ("registry.example/team/app".into(), "registry.example/team/app".into()),
            (hub("https://index.", "/v1/"), hub("", "")),
            (hub("index.", "/v1/"), hub("", "")),
            (hub("registry-1.", ""), hub("", "")),
            (hub("", "/library"), hub("", "/library")),
        ] {
            assert_eq!(normal_key(&key), normal, "{key}");
        }
    }
}

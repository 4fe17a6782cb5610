// SPDX-License-Identifier: Apache-2.0
//! Sigstore's trusted roots (`trusted_root.json`): which logs, timestamp authorities and certificate authorities somebody
//! trusts, and when.

#[cfg(test)]
mod tests;

use serde::Deserialize;

use crate::key::{PublicKey, PublicKeyError, base64};
use crate::log::{is_called, note_key_hash};

/// The longest file that is read, in bytes; that of the public instance has under 10 KiB.
pub const ROOT_BYTES_MAX: usize = 1 << 20;
/// The most logs or authorities of one kind: each can be tried.
const MEMBERS_MAX: usize = 64;
/// The most certificates of one authority.
const CHAIN_MAX: usize = 10;
/// What all media types of trusted roots begin with.
const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.trustedroot";
/// The versions that are read, in the older and the newer way of writing them.
const VERSIONS: [&str; 4] = ["+json;version=0.1", "+json;version=0.2", ".v0.1+json", ".v0.2+json"];

/// Why a file is no trusted root.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// More than [`ROOT_BYTES_MAX`].
    #[error("it has {0} bytes, more than {ROOT_BYTES_MAX}")]
    TooLarge(usize),
    /// Not JSON, or of another shape.
    #[error("it is no trusted root of Sigstore")]
    Malformed(#[source] serde_json::Error),
    /// Another version, or something else.
    #[error("it is of the type {0:?}; expected {MEDIA_TYPE}+json;version=0.1")]
    Version(String),
    /// More than [`MEMBERS_MAX`] or [`CHAIN_MAX`].
    #[error("it has too many {0}")]
    TooMany(&'static str),
    /// A part of it is not what it should be.
    #[error("the {part} of {name:?} can't be read")]
    Part {
        /// Whose.
        name: String,
        /// What.
        part: &'static str,
    },
}

/// When something was trusted, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Validity {
    /// From when on.
    pub start: Option<i64>,
    /// Until when.
    pub end: Option<i64>,
}

impl Validity {
    /// Returns whether a time is within.
    pub fn contains(&self, time: i64) -> bool {
        self.start.is_none_or(|start| start <= time) && self.end.is_none_or(|end| time <= end)
    }
}

/// A log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Its URL.
    pub url: String,
    /// Its key, or why that is none that anything here could verify with.
    pub key: Result<PublicKey, PublicKeyError>,
    /// Its id.
    pub id: Vec<u8>,
    /// When it is trusted.
    pub validity: Validity,
}

impl Log {
    /// Returns the host of its URL.
    pub fn host(&self) -> &str {
        host(&self.url)
    }

    /// Returns whether its checkpoints may have this name: the one that its id was made of, or the host of its URL, which
    /// older logs write more behind.
    pub(crate) fn is_called(&self, origin: &str) -> bool {
        if self.key.as_ref().is_ok_and(|key| is_named_by_key(key, &self.id, origin)) {
            return true;
        }
        is_called(origin, self.host())
    }
}

fn is_named_by_key(key: &PublicKey, id: &[u8], origin: &str) -> bool {
    key.algorithm() == crate::key::KeyAlgorithm::Ed25519 && note_key_hash(origin, key) == *id
}

/// Returns the host of a URL, without port.
pub fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    if let Some((inside, _)) = place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return inside;
    }
    place.split_once(':').map_or(place, |(host, _)| host)
}

/// Who issues certificates, of signers or of timestamps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Its URL.
    pub url: String,
    /// Its certificates in DER; each is issued by the next, and the last is trusted.
    pub chain: Vec<Vec<u8>>,
    /// When it is trusted.
    pub validity: Validity,
}

/// Who is trusted beside keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustedRoot {
    logs: Vec<Log>,
    certificate_authorities: Vec<Authority>,
    timestamp_authorities: Vec<Authority>,
    certificate_logs: Vec<Log>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RootJson {
    media_type: String,
    #[serde(default)]
    tlogs: Vec<LogJson>,
    #[serde(default)]
    certificate_authorities: Vec<AuthorityJson>,
    #[serde(default)]
    timestamp_authorities: Vec<AuthorityJson>,
    #[serde(default)]
    ctlogs: Vec<LogJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogJson {
    #[serde(default)]
    base_url: String,
    public_key: PublicKeyJson,
    log_id: LogIdJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PublicKeyJson {
    raw_bytes: String,
    #[serde(default)]
    valid_for: ValidityJson,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogIdJson {
    key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AuthorityJson {
    #[serde(default)]
    uri: String,
    cert_chain: ChainJson,
    #[serde(default)]
    valid_for: ValidityJson,
}

#[derive(Deserialize)]
struct ChainJson {
    certificates: Vec<CertificateJson>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CertificateJson {
    raw_bytes: String,
}

#[derive(Default, Deserialize)]
struct ValidityJson {
    #[serde(default)]
    start: Option<jiff::Timestamp>,
    #[serde(default)]
    end: Option<jiff::Timestamp>,
}

impl From<ValidityJson> for Validity {
    fn from(json: ValidityJson) -> Self {
        Self {
            start: json.start.map(jiff::Timestamp::as_second),
            end: json.end.map(jiff::Timestamp::as_second),
        }
    }
}

impl TrustedRoot {
    /// Reads a file.
    pub fn parse(bytes: &[u8]) -> Result<Self, RootError> {
        if bytes.len() > ROOT_BYTES_MAX {
            return Err(RootError::TooLarge(bytes.len()));
        }
        let json: RootJson = serde_json::from_slice(bytes).map_err(RootError::Malformed)?;
        let version = json.media_type.strip_prefix(MEDIA_TYPE);
        if !version.is_some_and(|version| VERSIONS.contains(&version)) {
            return Err(RootError::Version(json.media_type.chars().take(100).collect()));
        }
        Ok(Self {
            logs: members(json.tlogs, "logs", log)?,
            certificate_authorities: members(
                json.certificate_authorities,
                "certificate authorities",
                authority,
            )?,
            timestamp_authorities: members(
                json.timestamp_authorities,
                "timestamp authorities",
                authority,
            )?,
            certificate_logs: members(json.ctlogs, "logs of certificates", log)?,
        })
    }

    /// Makes a root with one authority of signers.
    pub(crate) fn of_authority(url: &str, chain: Vec<Vec<u8>>) -> Self {
        let authority = Authority { url: url.to_owned(), chain, validity: Validity::default() };
        Self { certificate_authorities: vec![authority], ..Self::default() }
    }

    /// Returns the logs of signatures.
    pub fn logs(&self) -> &[Log] {
        &self.logs
    }

    /// Returns who issues certificates of signers.
    pub fn certificate_authorities(&self) -> &[Authority] {
        &self.certificate_authorities
    }

    /// Returns who issues timestamps.
    pub fn timestamp_authorities(&self) -> &[Authority] {
        &self.timestamp_authorities
    }

    /// Returns the logs of certificates.
    pub fn certificate_logs(&self) -> &[Log] {
        &self.certificate_logs
    }
}

fn members<J, T>(
    all: Vec<J>,
    what: &'static str,
    parse: impl Fn(J) -> Result<T, RootError>,
) -> Result<Vec<T>, RootError> {
    if all.len() > MEMBERS_MAX {
        return Err(RootError::TooMany(what));
    }
    all.into_iter().map(parse).collect()
}

fn log(json: LogJson) -> Result<Log, RootError> {
    let part = |part| RootError::Part { name: json.base_url.clone(), part };
    let key = base64::decode_tolerant(&json.public_key.raw_bytes).ok_or(part("key"))?;
    let id = base64::decode_tolerant(&json.log_id.key_id).ok_or(part("id"))?;
    Ok(Log {
        key: PublicKey::parse_der(&key),
        id,
        validity: json.public_key.valid_for.into(),
        url: json.base_url,
    })
}

fn authority(json: AuthorityJson) -> Result<Authority, RootError> {
    let part = |part| RootError::Part { name: json.uri.clone(), part };
    let certificates = json.cert_chain.certificates;
    if certificates.len() > CHAIN_MAX {
        return Err(RootError::TooMany("certificates of one authority"));
    }
    let chain = certificates.iter().map(|one| base64::decode_tolerant(&one.raw_bytes));
    let chain: Vec<Vec<u8>> = chain.collect::<Option<_>>().ok_or(part("certificate"))?;
    if chain.is_empty() {
        return Err(part("certificate"));
    }
    Ok(Authority { chain, validity: json.valid_for.into(), url: json.uri })
}

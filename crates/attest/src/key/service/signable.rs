// SPDX-License-Identifier: Apache-2.0
//! What a service signs: what it has read and understood.
//!
//! Other readers may take names in another case, or the last of two of the same name. So there is no room for any:
//! fields that are not known are refused, and so are fields that stand there twice.

use std::collections::BTreeMap;

use hardpan_tree::Digest;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::signature::{
    PAYLOAD_TYPE, SimpleSigning, SimpleSigningError, pre_authentication_encoding,
};
use crate::{STATEMENT_BYTES_MAX, Statement, StatementError};

/// The most artifacts that one statement may be about: an image has as many platforms as there are.
pub const SUBJECTS_MAX: usize = 1000;
/// The longest type of a predicate, in bytes: it is a URI, and goes into a log.
pub const TYPE_BYTES_MAX: usize = 1024;
/// What messages of DSSE begin with.
const DSSE: &[u8] = b"DSSEv1 ";
/// What the types of provenance begin with.
const PROVENANCE_PREFIX: &str = "https://slsa.dev/provenance/";

/// What kind of thing is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An in-toto statement.
    Statement,
    /// The payload of an image's signature ("simple signing").
    SimpleSigning,
}

impl Kind {
    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Statement => "statement",
            Self::SimpleSigning => "simple-signing",
        }
    }
}

/// Why something is not signed by a service.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignableError {
    /// No statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// No payload of an image's signature.
    #[error(transparent)]
    SimpleSigning(#[from] SimpleSigningError),
    /// Fields that others may read in another way.
    #[error(
        "it has fields that are not known or stand there twice, or a digest that is not one SHA-256"
    )]
    Strict(#[source] serde_json::Error),
    /// A subject's digest.
    #[error("a subject's digest is not 64 hexadecimal digits: {0:?}")]
    Digest(String),
    /// Too many subjects.
    #[error("it is about {0} artifacts, more than {SUBJECTS_MAX}")]
    TooMany(usize),
    /// The predicate's type is none.
    #[error("the type of the predicate is empty, or longer than {TYPE_BYTES_MAX} bytes")]
    PredicateType,
    /// Neither.
    #[error("the message is neither a statement in a DSSE envelope nor an image's signature")]
    Other,
}

/// The builder that something names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Builder {
    /// It is no provenance.
    NotAsked,
    /// It is provenance, and names none, or more than one.
    Unclear,
    /// It is this one's provenance.
    Named(String),
}

/// Something that was read and understood, with the bytes that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signable {
    kind: Kind,
    payload: Vec<u8>,
    predicate_type: Option<String>,
    subjects: Vec<Digest>,
    builder: Builder,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct StrictStatement {
    #[serde(rename = "_type")]
    _kind: IgnoredAny,
    subject: Vec<StrictSubject>,
    #[serde(rename = "predicateType")]
    _predicate_type: IgnoredAny,
    #[serde(rename = "predicate", default)]
    _predicate: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictSubject {
    #[serde(rename = "name", default)]
    _name: IgnoredAny,
    digest: OneDigest,
    #[serde(rename = "annotations", default)]
    _annotations: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OneDigest {
    sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StrictPayload {
    #[serde(rename = "critical")]
    _critical: IgnoredAny,
    #[serde(rename = "optional", default)]
    _optional: Option<BTreeMap<String, Value>>,
}

impl Signable {
    /// Reads what is to be signed.
    pub fn parse(kind: Kind, payload: Vec<u8>) -> Result<Self, SignableError> {
        match kind {
            Kind::Statement => Self::statement(payload),
            Kind::SimpleSigning => Self::simple_signing(payload),
        }
    }

    /// Finds what is to be signed in the message that signatures are made over.
    pub fn of_message(message: &[u8]) -> Result<Self, SignableError> {
        if !message.starts_with(DSSE) {
            if message.starts_with(b"{") {
                return Self::simple_signing(message.to_vec());
            }
            return Err(SignableError::Other);
        }
        // The payload is what the fifth part is; the rest has to be what we would write around it.
        let payload = message.splitn(5, |byte| *byte == b' ').nth(4).unwrap_or_default();
        if pre_authentication_encoding(PAYLOAD_TYPE, payload) != message {
            return Err(SignableError::Other);
        }
        Self::statement(payload.to_vec())
    }

    fn statement(payload: Vec<u8>) -> Result<Self, SignableError> {
        if payload.len() > STATEMENT_BYTES_MAX {
            return Err(StatementError::TooLarge(payload.len()).into());
        }
        let statement = Statement::parse(&payload)?;
        let strict: StrictStatement =
            serde_json::from_slice(&payload).map_err(SignableError::Strict)?;
        if strict.subject.len() > SUBJECTS_MAX {
            return Err(SignableError::TooMany(strict.subject.len()));
        }
        let mut subjects = Vec::with_capacity(strict.subject.len());
        for subject in &strict.subject {
            let hex = &subject.digest.sha256;
            let digest = Digest::from_hex(hex);
            let wrap = |_| SignableError::Digest(hex.chars().take(100).collect());
            subjects.push(digest.map_err(wrap)?);
        }
        let kind = statement.predicate_type;
        if kind.is_empty() || kind.len() > TYPE_BYTES_MAX {
            return Err(SignableError::PredicateType);
        }
        let builder = if kind.starts_with(PROVENANCE_PREFIX) {
            builder_of(&statement.predicate)
        } else {
            Builder::NotAsked
        };
        Ok(Self { kind: Kind::Statement, payload, predicate_type: Some(kind), subjects, builder })
    }

    fn simple_signing(payload: Vec<u8>) -> Result<Self, SignableError> {
        let parsed = SimpleSigning::parse(&payload)?;
        let _: StrictPayload = serde_json::from_slice(&payload).map_err(SignableError::Strict)?;
        Ok(Self {
            kind: Kind::SimpleSigning,
            payload,
            predicate_type: None,
            subjects: vec![parsed.digest],
            builder: Builder::NotAsked,
        })
    }

    /// Returns what kind of thing it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns its bytes.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Returns what kind of thing a statement states.
    pub fn predicate_type(&self) -> Option<&str> {
        self.predicate_type.as_deref()
    }

    /// Returns what it is about.
    pub fn subjects(&self) -> &[Digest] {
        &self.subjects
    }

    /// Returns the builder that provenance names.
    pub fn builder(&self) -> &Builder {
        &self.builder
    }

    /// Returns the message that a signature is made over.
    pub fn message(&self) -> Vec<u8> {
        match self.kind {
            Kind::Statement => pre_authentication_encoding(PAYLOAD_TYPE, &self.payload),
            Kind::SimpleSigning => self.payload.clone(),
        }
    }
}

/// Returns the builder of provenance, of version 1 or before. With both there is none: readers would differ.
fn builder_of(predicate: &Value) -> Builder {
    let v1 = predicate.pointer("/runDetails/builder/id");
    let v0 = predicate.pointer("/builder/id");
    match (v1, v0) {
        (Some(Value::String(id)), None) | (None, Some(Value::String(id))) => {
            Builder::Named(id.clone())
        }
        _ => Builder::Unclear,
    }
}

// SPDX-License-Identifier: Apache-2.0
//! In-toto statements: what is said, about which artifacts (in-toto attestation framework, "Statement v1").

use std::collections::BTreeMap;

use hardpan_image::canonical_json;
use hardpan_tree::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The type of statements that are written.
const TYPE: &str = "https://in-toto.io/Statement/v1";
/// The older type, which cosign writes.
const TYPE_0_1: &str = "https://in-toto.io/Statement/v0.1";
/// The largest statement that is read, in bytes: what BuildKit reads, too.
pub const STATEMENT_BYTES_MAX: usize = 40 << 20;

/// Something said about artifacts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    /// What it is about.
    pub subject: Vec<Subject>,
    /// What kind of thing is said, a URI.
    pub predicate_type: String,
    /// What is said.
    #[serde(default)]
    pub predicate: Value,
}

/// An artifact that a statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// What it is called; of an image the repository.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its digests, by algorithm, in hexadecimal.
    pub digest: BTreeMap<String, String>,
    /// Anything else; cosign puts the signer's annotations here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Subject {
    /// Names an artifact by its digest.
    pub fn new(name: &str, digest: Digest) -> Self {
        let digest = BTreeMap::from([("sha256".to_owned(), digest.to_hex())]);
        Self { name: name.to_owned(), digest, annotations: BTreeMap::new() }
    }
}

/// Why bytes are no statement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatementError {
    /// More than [`STATEMENT_BYTES_MAX`].
    #[error("the statement has {0} bytes, more than {STATEMENT_BYTES_MAX}")]
    TooLarge(usize),
    /// Not JSON of the right shape.
    #[error("not an in-toto statement")]
    Malformed(#[source] serde_json::Error),
    /// Another type.
    #[error("the statement is of the type {0:?}, not {TYPE:?}")]
    Type(String),
    /// About nothing.
    #[error("the statement is about nothing: it has no subject")]
    NoSubject,
}

impl Statement {
    /// Says something.
    ///
    /// # Errors
    /// If the predicate can't be written as JSON.
    pub fn new(
        subject: Vec<Subject>,
        predicate_type: &str,
        predicate: &impl Serialize,
    ) -> Result<Self, serde_json::Error> {
        Ok(Self {
            kind: TYPE.to_owned(),
            subject,
            predicate_type: predicate_type.to_owned(),
            predicate: serde_json::to_value(predicate)?,
        })
    }

    /// Reads a statement.
    pub fn parse(bytes: &[u8]) -> Result<Self, StatementError> {
        if bytes.len() > STATEMENT_BYTES_MAX {
            return Err(StatementError::TooLarge(bytes.len()));
        }
        let statement: Self = serde_json::from_slice(bytes).map_err(StatementError::Malformed)?;
        if statement.kind != TYPE && statement.kind != TYPE_0_1 {
            return Err(StatementError::Type(statement.kind));
        }
        if statement.subject.is_empty() {
            return Err(StatementError::NoSubject);
        }
        Ok(statement)
    }

    /// Returns the bytes that are signed.
    pub fn to_bytes(&self) -> Vec<u8> {
        canonical_json(self)
    }

    /// Returns whether it is about an artifact.
    pub fn is_about(&self, digest: &Digest) -> bool {
        let wanted = digest.to_hex();
        (self.subject.iter())
            .any(|subject| subject.digest.get("sha256").is_some_and(|hex| *hex == wanted))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn statements_survive_the_way_through_bytes() {
        let digest = Digest::of(b"image");
        let subject = vec![Subject::new("registry.example/a", digest)];
        let statement = Statement::new(subject, "https://a.example/v1", &json!({"b": 1, "a": 2}));
        let statement = statement.unwrap();
        assert!(statement.is_about(&digest) && !statement.is_about(&Digest::of(b"other")));
        assert_eq!(Statement::parse(&statement.to_bytes()).unwrap(), statement);
    }

    #[test]
    fn what_is_no_statement_is_refused() {
        let digest = json!([{"name": "a", "digest": {"sha256": "00"}}]);
        for (value, expected) in [
            (json!({"_type": TYPE, "predicateType": "p", "subject": []}), "no subject"),
            (json!({"_type": "other", "predicateType": "p", "subject": digest}), "\"other\""),
            (json!({"_type": TYPE, "subject": digest}), "not an in-toto statement"),
            (
                json!({"_type": TYPE, "predicateType": "p", "subject": [{"name": 1}]}),
                "not an in-toto",
            ),
            (json!([]), "not an in-toto statement"),
        ] {
            let error = Statement::parse(value.to_string().as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{value}: {error}");
        }
        assert!(Statement::parse(&vec![b' '; STATEMENT_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn cosign_s_older_type_is_read() {
        let value = json!({"_type": TYPE_0_1, "predicateType": "p", "predicate": {},
            "subject": [{"name": "a", "digest": {"sha256": "00"}}]});
        assert_eq!(Statement::parse(value.to_string().as_bytes()).unwrap().predicate_type, "p");
    }
}

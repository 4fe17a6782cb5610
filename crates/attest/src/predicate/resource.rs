// SPDX-License-Identifier: Apache-2.0
//! What predicates have in common: how an artifact is named, and how a predicate is read.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hardpan_tree::Digest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::visible;

/// Why something is not the predicate that it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PredicateError {
    /// Not of the right shape.
    #[error("the {kind} predicate is malformed")]
    Malformed {
        /// Which predicate.
        kind: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The right shape, but a value that can't be.
    #[error("the {kind} predicate is wrong: {place}: {reason}")]
    Invalid {
        /// Which predicate.
        kind: &'static str,
        /// Where in it.
        place: String,
        /// What is wrong.
        reason: String,
    },
    /// More of something than is read.
    #[error("the {kind} predicate has {count} {what}, more than {max}")]
    TooMany {
        /// Which predicate.
        kind: &'static str,
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
}

impl PredicateError {
    pub(crate) fn invalid(
        kind: &'static str,
        place: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        Self::Invalid { kind, place: shortened(&place.into()), reason: shortened(&reason.into()) }
    }
}

/// The longest piece of somebody's text in a message, in characters.
const SHOWN_CHARACTERS_MAX: usize = 200;

/// Returns a text for a message: in one line, without control characters, not endless.
pub(crate) fn shortened(text: &str) -> String {
    let first: String = text.chars().take(SHOWN_CHARACTERS_MAX).collect();
    let mut short = visible(&first);
    if text.chars().nth(SHOWN_CHARACTERS_MAX).is_some() {
        short.push('…');
    }
    short
}

/// Takes a predicate out of a statement.
pub(crate) fn read<T: DeserializeOwned>(
    kind: &'static str,
    value: &Value,
) -> Result<T, PredicateError> {
    // A list would do for an object, with its fields by their places.
    if !value.is_object() {
        return Err(PredicateError::invalid(kind, "predicate", "it is not an object"));
    }
    T::deserialize(value).map_err(|source| PredicateError::Malformed { kind, source })
}

/// Refuses lists that are too long.
pub(crate) fn limited(
    kind: &'static str,
    what: &'static str,
    count: usize,
    max: usize,
) -> Result<(), PredicateError> {
    if count > max { Err(PredicateError::TooMany { kind, what, count, max }) } else { Ok(()) }
}

/// Reads `null` as nothing, which in-toto says they are the same as.
pub(crate) fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Digests of one artifact by algorithm, in hexadecimal: in-toto's `DigestSet`.
pub type DigestSet = BTreeMap<String, String>;

/// Returns the digest set of a SHA-256.
pub fn sha256(digest: &Digest) -> DigestSet {
    BTreeMap::from([("sha256".to_owned(), digest.to_hex())])
}

/// An artifact: in-toto's `ResourceDescriptor`. It has a URI, a digest or a content.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceDescriptor {
    /// What it is called where it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it is called everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its digests.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub digest: DigestSet,
    /// The artifact itself, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Where it can be had, if that is not its URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub download_location: Option<String>,
    /// Its media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// Anything else about it.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub annotations: BTreeMap<String, Value>,
}

impl ResourceDescriptor {
    /// Names an artifact by its digest.
    pub fn of(name: &str, digest: &Digest) -> Self {
        Self { name: Some(name.to_owned()), digest: sha256(digest), ..Self::default() }
    }

    /// Puts the artifact itself in, with its digest.
    #[must_use]
    pub fn with_content(mut self, bytes: &[u8], media_type: &str) -> Self {
        self.digest = sha256(&Digest::of(bytes));
        self.content = Some(STANDARD.encode(bytes));
        self.media_type = Some(media_type.to_owned());
        self
    }

    /// Adds an annotation.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.annotations.insert(key.to_owned(), value.into());
        self
    }

    /// Returns the SHA-256, if it has one that can be.
    pub fn sha256(&self) -> Option<Digest> {
        self.digest.get("sha256").and_then(|hex| Digest::from_hex(hex).ok())
    }

    /// Returns the artifact itself, if it is here, after comparing it with its SHA-256.
    pub fn checked_content(&self, kind: &'static str) -> Result<Option<Vec<u8>>, PredicateError> {
        let Some(content) = &self.content else { return Ok(None) };
        let name = self.name.clone().unwrap_or_default();
        let bytes = (STANDARD.decode(content))
            .map_err(|_| PredicateError::invalid(kind, &name, "its content is not base64"))?;
        match self.sha256() {
            Some(digest) if digest == Digest::of(&bytes) => Ok(Some(bytes)),
            Some(_) => Err(PredicateError::invalid(kind, name, "its content has another digest")),
            None => Err(PredicateError::invalid(kind, name, "its content has no SHA-256")),
        }
    }

    /// Returns an annotation that is a text.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key).and_then(Value::as_str)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn contents_are_compared_with_their_digest() {
        let descriptor = ResourceDescriptor::default().with_content(b"text", "text/plain");
        assert_eq!(descriptor.checked_content("test").unwrap().unwrap(), b"text");
        assert_eq!(ResourceDescriptor::default().checked_content("test").unwrap(), None);

        let other = Digest::of(b"other");
        for (changed, expected) in [
            (ResourceDescriptor { content: Some("%".into()), ..descriptor.clone() }, "base64"),
            (ResourceDescriptor { digest: sha256(&other), ..descriptor.clone() }, "another digest"),
            (ResourceDescriptor { digest: DigestSet::new(), ..descriptor.clone() }, "no SHA-256"),
        ] {
            let error = changed.checked_content("test").unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn null_is_nothing_and_wrong_types_are_refused() {
        let descriptor: ResourceDescriptor =
            read("test", &json!({"name": null, "digest": null, "annotations": null})).unwrap();
        assert_eq!(descriptor, ResourceDescriptor::default());
        for value in [json!([]), json!({"digest": []}), json!({"digest": {"sha256": 1}})] {
            assert!(read::<ResourceDescriptor>("test", &value).is_err(), "{value}");
        }
    }

    #[test]
    fn messages_have_no_control_characters() {
        assert_eq!(shortened("a\u{1b}[31m\nb"), "a\u{fffd}[31m\u{fffd}b");
        assert_eq!(shortened(&"x".repeat(500)).chars().count(), SHOWN_CHARACTERS_MAX + 1);
    }
}

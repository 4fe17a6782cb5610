// SPDX-License-Identifier: Apache-2.0
//! The index under a tag that stands in for a list of what is attached
//! (OCI distribution specification, "Referrers Tag Schema").
//!
//! It is changed as [`super::change`] says.

use hardpan_image::{Descriptor, canonical_json, document_kind, media_type};
use serde_json::{Value, json};

use super::super::error::RegistryError;
use super::super::{DOCUMENT_BYTES_MAX, Registries, Watch};
use super::Door;
use super::change::{Step, Tagged};
use super::referrers::descriptors;
use crate::error::RemoteError;
use crate::url::Url;

/// What is under a tag.
pub(super) struct Fallback {
    pub(super) descriptors: Vec<Descriptor>,
    /// The whole: what others wrote and nobody here understands is kept.
    index: Value,
    /// The version, if the registry says so in a form that a condition may have.
    etag: Option<String>,
}

impl Registries {
    /// Reads the index under a tag; nothing if there is no such tag.
    pub(super) fn fallback(
        &self,
        door: &Door,
        url: &Url,
        watch: Watch<'_>,
    ) -> Result<Option<Fallback>, RegistryError> {
        let Some(Tagged { reply, etag }) = self.tagged(door, url, watch)? else { return Ok(None) };
        let other = |problem: String| RegistryError::FallbackTag { url: url.clone(), problem };
        match document_kind(&reply.body, reply.header("content-type")) {
            Ok(media_type::INDEX) => {}
            Ok(kind) => return Err(other(format!("it is {kind}"))),
            Err(error) => return Err(other(error.to_string())),
        }
        let index: Value =
            serde_json::from_slice(&reply.body).map_err(|error| other(error.to_string()))?;
        let descriptors = descriptors(&index).map_err(other)?;
        Ok(Some(Fallback { descriptors, index, etag }))
    }

    /// Adds entries to the index under a tag, and stays until they are there for good.
    pub(super) fn change_fallback(
        &self,
        door: &Door,
        url: &Url,
        entries: &[Descriptor],
        seed: u64,
        watch: Watch<'_>,
    ) -> Result<(), RegistryError> {
        self.change(door, url, seed, watch, &mut || {
            let found = self.fallback(door, url, watch)?;
            if found.as_ref().is_some_and(|found| has_all(&found.descriptors, entries)) {
                return Ok(Step::Nothing);
            }
            let (bytes, etag) = add(url, found, entries)?;
            Ok(Step::Write { media_type: media_type::INDEX.to_owned(), bytes, etag })
        })
    }
}

/// Whether all entries are there, with all that is to be said of them.
fn has_all(found: &[Descriptor], entries: &[Descriptor]) -> bool {
    entries.iter().all(|entry| found.contains(entry))
}

/// Returns an index with the entries, and the version that it is made of.
fn add(
    url: &Url,
    found: Option<Fallback>,
    entries: &[Descriptor],
) -> Result<(Vec<u8>, Option<String>), RegistryError> {
    let empty = || json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": []});
    let (mut index, etag) = found.map_or_else(|| (empty(), None), |it| (it.index, it.etag));
    // An index need not say what it is, and registries guess.
    index["mediaType"] = json!(media_type::INDEX);
    let Some(manifests) = index.get_mut("manifests").and_then(Value::as_array_mut) else {
        let problem = "it has no list".to_owned();
        return Err(RegistryError::FallbackTag { url: url.clone(), problem });
    };
    for entry in entries {
        let digest = entry.digest.to_string();
        let value = serde_json::to_value(entry)
            .map_err(|error| RegistryError::NotReferrer { problem: error.to_string() })?;
        let same = |other: &Value| other.get("digest").and_then(Value::as_str) == Some(&*digest);
        // Others leave out the type and the annotations.
        match manifests.iter().position(same) {
            Some(place) => manifests[place] = value,
            None => manifests.push(value),
        }
    }
    let bytes = canonical_json(&index);
    if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
        let url = url.clone();
        return Err(RemoteError::TooLarge { url, limit_bytes: DOCUMENT_BYTES_MAX }.into());
    }
    Ok((bytes, etag))
}

#[cfg(test)]
mod tests {
    use hardpan_tree::Digest;

    use super::*;

    fn found(index: Value) -> Fallback {
        let descriptors = descriptors(&index).unwrap();
        Fallback { descriptors, index, etag: Some("\"1\"".to_owned()) }
    }

    fn url() -> Url {
        "https://registry.example/v2/a/manifests/sha256-0".parse().unwrap()
    }

    #[test]
    fn what_others_wrote_is_kept() {
        let entry = Descriptor::new("m", Digest::of(b"a"), 1);
        let other = json!({"mediaType": "m", "digest": Digest::of(b"b"), "size": 2, "data": "eA==", "x": [1]});
        let bare =
            json!({"mediaType": "m", "digest": entry.digest, "size": 1, "artifactType": "wrong"});
        let before =
            json!({"schemaVersion": 2, "manifests": [bare, other], "annotations": {"k": "v"}});
        let (bytes, etag) = add(&url(), Some(found(before)), std::slice::from_ref(&entry)).unwrap();
        let after: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(etag.as_deref(), Some("\"1\""));
        assert_eq!(after["annotations"], json!({"k": "v"}));
        assert_eq!(after["mediaType"], media_type::INDEX);
        assert_eq!(after["manifests"][1], other);
        assert_eq!(after["manifests"].as_array().unwrap().len(), 2);
        assert!(has_all(&descriptors(&after).unwrap(), &[entry]));
    }

    #[test]
    fn indexes_that_no_registry_takes_are_not_written() {
        let mut entry = Descriptor::new("m", Digest::of(b"a"), 1);
        entry.annotations.insert("long".to_owned(), "x".repeat(5 << 20));
        let result = add(&url(), None, &[entry]);
        assert!(matches!(result, Err(RegistryError::Remote(RemoteError::TooLarge { .. }))));
    }

    #[test]
    fn entries_with_less_are_not_there() {
        let mut entry = Descriptor::new("m", Digest::of(b"a"), 1);
        entry.artifact_type = Some("t".to_owned());
        let bare = Descriptor::new("m", Digest::of(b"a"), 1);
        assert!(has_all(&[entry.clone()], &[entry.clone()]));
        assert!(!has_all(&[bare], &[entry.clone()]));
        assert!(!has_all(&[], &[entry]));
    }
}

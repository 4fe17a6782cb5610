// SPDX-License-Identifier: Apache-2.0
//! Statements inside of an image index, as BuildKit writes them.

use std::collections::BTreeMap;

use hardpan_image::{
    Descriptor, DocumentError, Index, LAYERS_MAX, Manifest, Platform, Raw, canonical_json,
    media_type,
};
use hardpan_tree::Digest;
use serde_json::Value;

use super::artifact::{blob, empty_config, manifest, plain};
use super::attach::AttachError;
use super::dsse::PAYLOAD_TYPE;
use super::referrer::predicate_type_annotation;
use super::{Artifact, Placement};
use crate::Statement;
use crate::key::base64;

/// The artifact type of a manifest with statements about a platform's image.
pub const ATTESTATION_MANIFEST_TYPE: &str = "application/vnd.docker.attestation.manifest.v1+json";
/// The annotations of its entry in the index.
const ANNOTATION_TYPE: &str = "vnd.docker.reference.type";
const ANNOTATION_DIGEST: &str = "vnd.docker.reference.digest";
/// The platform of such an entry.
const UNKNOWN: &str = "unknown";
/// What the first of the annotations says.
const ATTESTATION: &str = "attestation-manifest";

/// Returns whether an entry of an index is no image but statements about another entry. One for a platform that there is, or
/// may be, can be run, whatever its annotations say: that is an image.
pub fn is_attestation_entry(entry: &Descriptor) -> bool {
    let is_for_none = |platform: &Platform| platform.os == UNKNOWN;
    entry.platform.as_ref().is_some_and(is_for_none)
        && entry.annotations.get(ANNOTATION_TYPE).is_some_and(|kind| kind == ATTESTATION)
}

/// Returns whether an entry of an index is statements about this image.
pub fn is_attestation_of(entry: &Descriptor, image: &Digest) -> bool {
    is_attestation_entry(entry)
        && entry.annotations.get(ANNOTATION_DIGEST).is_some_and(|it| *it == image.to_string())
}

/// Returns what of a statement can be in the index `index` about the platform's image `platform`: the statement about that
/// image alone. What is about something else can't be there, and neither can what names the index within: the index names it.
pub fn within_index(statement: &Statement, platform: &Digest, index: &Digest) -> Option<Statement> {
    if !statement.is_about(platform) || names(statement, index) {
        return None;
    }
    let mut narrowed = statement.clone();
    let wanted = platform.to_hex();
    narrowed.subject.retain(|subject| subject.digest.get("sha256") == Some(&wanted));
    Some(narrowed)
}

/// Returns whether what is stated names an artifact, beside its subjects.
pub fn names(statement: &Statement, digest: &Digest) -> bool {
    fn holds(value: &Value, hex: &str) -> bool {
        match value {
            Value::String(text) => text.contains(hex),
            Value::Array(items) => items.iter().any(|item| holds(item, hex)),
            Value::Object(fields) => {
                fields.iter().any(|(name, value)| name.contains(hex) || holds(value, hex))
            }
            _ => false,
        }
    }
    holds(&statement.predicate, &digest.to_hex())
}

/// Returns an index with entries for manifests with statements after those that it has. All else that it says stays.
pub fn index_with(index: &Raw<Index>, artifacts: &[Artifact]) -> Result<Raw<Index>, AttachError> {
    let entries = artifacts.iter().filter_map(|artifact| match &artifact.place {
        Placement::Index(entry) => Some(entry),
        _ => None,
    });
    let entries: Vec<Value> = entries
        .map(|entry| serde_json::to_value(entry).expect("a descriptor has texts as keys"))
        .collect();
    edit(index, |manifests| manifests.extend(entries)).map_err(AttachError::TooLarge)
}

/// Returns an index without the entries that are statements; of one that [`index_with`] made that is what it was made of.
pub fn index_without(index: &Raw<Index>) -> Result<Raw<Index>, DocumentError> {
    if !index.value().manifests.iter().any(is_attestation_entry) {
        return Ok(index.clone());
    }
    edit(index, |manifests| {
        manifests.retain(|entry| entry["annotations"][ANNOTATION_TYPE] != ATTESTATION);
    })
}

/// Changes the entries of an index; what is not known of it stays as it is.
fn edit(
    index: &Raw<Index>,
    change: impl FnOnce(&mut Vec<Value>),
) -> Result<Raw<Index>, DocumentError> {
    let mut json: Value =
        serde_json::from_slice(index.bytes()).map_err(DocumentError::Malformed)?;
    if let Some(manifests) = json["manifests"].as_array_mut() {
        change(manifests);
    }
    Raw::parse(canonical_json(&json))
}

/// Makes the manifest with statements about a platform's image, which must not be about the index: the index names this
/// manifest, and so has no digest before. Statements are not signed here; who wants that signs the index or this manifest.
pub fn attestation_manifest(
    statements: &[Statement],
    platform: &Descriptor,
) -> Result<Artifact, AttachError> {
    if statements.len() > LAYERS_MAX {
        let tag = "the index".to_owned();
        return Err(AttachError::TooMany { tag, count: statements.len() });
    }
    if let Some(other) = statements.iter().find(|statement| !statement.is_about(&platform.digest)) {
        return Err(AttachError::OtherSubject {
            predicate_type: other.predicate_type.clone(),
            subject: platform.digest,
        });
    }
    let layers: Vec<_> = (statements.iter())
        .map(|statement| {
            let mut layer = blob(PAYLOAD_TYPE, statement.to_bytes());
            layer.0.annotations = predicate_type_annotation(statement);
            layer
        })
        .collect();
    let (config, data) = empty_config();
    let manifest = Manifest {
        artifact_type: Some(ATTESTATION_MANIFEST_TYPE.to_owned()),
        subject: Some(plain(platform)),
        ..manifest(config.clone(), layers.iter().map(|(layer, _)| layer.clone()).collect())
    };
    // Descriptors of ours have no data: the bytes are made from the JSON.
    let mut json = serde_json::to_value(&manifest).expect("a manifest has texts as keys");
    json["config"]["data"] = base64::encode(&data).into();
    let bytes = canonical_json(&json);
    let manifest = Raw::parse(bytes).map_err(AttachError::TooLarge)?;
    let mut entry = Descriptor::new(media_type::MANIFEST, manifest.digest(), manifest.size_bytes());
    entry.platform = Some(Platform {
        architecture: "unknown".to_owned(),
        os: "unknown".to_owned(),
        variant: None,
    });
    entry.annotations = BTreeMap::from([
        (ANNOTATION_TYPE.to_owned(), ATTESTATION.to_owned()),
        (ANNOTATION_DIGEST.to_owned(), platform.digest.to_string()),
    ]);
    let blobs = std::iter::once((config, data)).chain(layers).collect();
    Ok(Artifact { manifest, blobs, place: Placement::Index(entry) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Subject;
    use crate::fixtures::{IDENTITY, SLSA, SPDX, image, platform, statement};

    fn index(entries: &Value) -> Raw<Index> {
        let json = json!({"schemaVersion": 2, "mediaType": media_type::INDEX, "manifests": entries,
            "annotations": {"a": "b"}});
        Raw::parse(canonical_json(&json)).unwrap()
    }

    fn of_platform() -> Value {
        let platform = platform();
        json!({"mediaType": platform.media_type, "digest": platform.digest, "size": platform.size_bytes,
            "platform": {"os": "linux", "architecture": "amd64"}})
    }

    #[test]
    fn in_and_out_again() {
        let before = index(&json!([of_platform()]));
        let artifact = attestation_manifest(&[statement(SLSA)], &platform()).unwrap();
        let after = index_with(&before, std::slice::from_ref(&artifact)).unwrap();
        let [image, entry] = &after.value().manifests[..] else { panic!("{after:?}") };
        assert_eq!(*image, before.value().manifests[0]);
        assert_eq!(entry.digest, artifact.manifest.digest());
        assert!(is_attestation_entry(entry) && !is_attestation_entry(image));
        assert!(is_attestation_of(entry, &platform().digest));
        assert!(!is_attestation_of(entry, &Digest::of(b"another")));
        assert!(!is_attestation_of(image, &platform().digest));
        assert_eq!(after.value().annotations, before.value().annotations);
        assert_eq!(index_without(&after).unwrap().bytes(), before.bytes());
        // One without them has its bytes, however it is written.
        let spaced = String::from_utf8(before.bytes().to_vec()).unwrap().replace(',', ", ");
        let spaced: Raw<Index> = Raw::parse(spaced.into_bytes()).unwrap();
        assert_eq!(index_without(&spaced).unwrap().bytes(), spaced.bytes());
        // What is attached otherwise is no entry.
        let mut other = artifact;
        other.place = Placement::Referrer;
        assert_eq!(index_with(&before, &[other]).unwrap().bytes(), before.bytes());
    }

    #[test]
    fn entries_of_others() {
        let mut entry = of_platform();
        let kind = |kind: &str| json!({"vnd.docker.reference.type": kind});
        let none = json!({"os": "unknown", "architecture": "unknown"});
        for (platform_of, annotations, expected) in [
            (&none, kind("attestation-manifest"), true),
            (&none, kind("attestation-manifests"), false),
            (&none, json!({"vnd.docker.reference.digest": platform().digest}), false),
            (&none, json!({}), false),
            // What can be run is an image, whatever is written beside it.
            (&json!({"os": "linux", "architecture": "amd64"}), kind("attestation-manifest"), false),
            (&Value::Null, kind("attestation-manifest"), false),
        ] {
            entry["annotations"] = annotations.clone();
            entry["platform"] = platform_of.clone();
            let index = index(&json!([entry]));
            let entry = &index.value().manifests[0];
            assert_eq!(is_attestation_entry(entry), expected, "{annotations} {platform_of}");
            // It does not say about which image it is.
            assert!(!is_attestation_of(entry, &platform().digest), "{annotations}");
            let left = index_without(&index).unwrap().value().manifests.len();
            assert_eq!(left, usize::from(!expected), "{annotations}");
        }
    }

    #[test]
    fn what_can_be_within() {
        let (platform, index) = (platform().digest, image().digest);
        let narrowed = within_index(&statement(SLSA), &platform, &index).unwrap();
        assert_eq!(narrowed.subject, [Subject::new(IDENTITY, platform)]);
        assert_eq!(narrowed.predicate, statement(SLSA).predicate);
        let about = |predicate: &Value, subjects: &[Digest]| {
            let subjects = subjects.iter().map(|digest| Subject::new(IDENTITY, *digest)).collect();
            Statement::new(subjects, SPDX, predicate).unwrap()
        };
        let hex = index.to_hex();
        for (predicate, subjects, is_named) in [
            (json!({"a": 1}), [index].as_slice(), false),
            (json!({"a": 1}), &[Digest::of(b"another")], false),
            (json!({"a": [{"b": format!("sha256:{hex}")}]}), &[index, platform], true),
            (json!({hex.clone(): 1}), &[platform], true),
            (json!({"purl": format!("pkg:oci/app@sha256%3A{hex}")}), &[platform], true),
        ] {
            let statement = about(&predicate, subjects);
            assert_eq!(within_index(&statement, &platform, &index), None, "{predicate}");
            assert_eq!(names(&statement, &index), is_named, "{predicate}");
        }
    }
}

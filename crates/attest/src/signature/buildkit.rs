// SPDX-License-Identifier: Apache-2.0
//! Statements inside of an image index, as BuildKit writes them.

use std::collections::BTreeMap;

use hardpan_image::{Descriptor, LAYERS_MAX, Manifest, Platform, Raw, canonical_json, media_type};

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
        (ANNOTATION_TYPE.to_owned(), "attestation-manifest".to_owned()),
        (ANNOTATION_DIGEST.to_owned(), platform.digest.to_string()),
    ]);
    let blobs = std::iter::once((config, data)).chain(layers).collect();
    Ok(Artifact { manifest, blobs, place: Placement::Index(entry) })
}

// SPDX-License-Identifier: Apache-2.0
//! Manifests with their blobs, before anybody pushes them.

use hardpan_image::{Descriptor, Manifest, Raw, canonical_json, media_type};
use hardpan_tree::Digest;
use serde::Serialize;

/// The media type of a configuration that says nothing.
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
/// That configuration.
const EMPTY: &[u8] = b"{}";

/// Something that is pushed beside an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The manifest.
    pub manifest: Raw<Manifest>,
    /// What it names and may not be there yet, the configuration first. What an existing manifest named is not in it.
    pub blobs: Vec<(Descriptor, Vec<u8>)>,
    /// How it is found.
    pub place: Placement,
}

/// How an artifact is found from its image.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Placement {
    /// It refers to the image: pushed by its digest; where a registry has no referrers API, also into the list that the
    /// fallback tag names.
    Referrer,
    /// By a tag.
    Tag(String),
    /// As an entry of the image index itself, which is this descriptor.
    Index(Descriptor),
}

impl Artifact {
    /// Returns the descriptor that a list of referrers has: with artifact type and annotations, as the specification
    /// demands of who writes the list.
    pub fn descriptor(&self) -> Descriptor {
        let manifest = self.manifest.value();
        let mut descriptor = Descriptor::new(
            media_type::MANIFEST,
            self.manifest.digest(),
            self.manifest.size_bytes(),
        );
        descriptor.artifact_type =
            Some(manifest.artifact_type.clone().unwrap_or(manifest.config.media_type.clone()));
        descriptor.annotations.clone_from(&manifest.annotations);
        descriptor
    }
}

/// Names bytes.
pub(super) fn blob(media_type: &str, bytes: Vec<u8>) -> (Descriptor, Vec<u8>) {
    (Descriptor::new(media_type, Digest::of(&bytes), bytes.len() as u64), bytes)
}

/// The empty configuration.
pub(super) fn empty_config() -> (Descriptor, Vec<u8>) {
    blob(EMPTY_TYPE, EMPTY.to_vec())
}

/// A manifest that names blobs and refers to an image.
pub(super) fn manifest(config: Descriptor, layers: Vec<Descriptor>) -> Manifest {
    Manifest {
        schema_version: 2,
        media_type: Some(media_type::MANIFEST.to_owned()),
        artifact_type: None,
        config,
        layers,
        subject: None,
        annotations: std::collections::BTreeMap::new(),
    }
}

/// What a manifest says of what it is about: no more than it takes to find it.
pub(super) fn plain(subject: &Descriptor) -> Descriptor {
    Descriptor::new(&subject.media_type, subject.digest, subject.size_bytes)
}

/// The configuration that cosign's own manifests have: that of an image of nothing, with an entry for each layer.
#[derive(Serialize)]
struct CosignConfig {
    architecture: &'static str,
    created: &'static str,
    history: Vec<CosignHistory>,
    os: &'static str,
    rootfs: CosignRootFs,
    config: serde_json::Map<String, serde_json::Value>,
}

#[derive(Serialize)]
struct CosignHistory {
    created: &'static str,
}

#[derive(Serialize)]
struct CosignRootFs {
    #[serde(rename = "type")]
    kind: &'static str,
    diff_ids: Vec<Digest>,
}

/// Go's zero time, which cosign writes.
const NEVER: &str = "0001-01-01T00:00:00Z";

pub(super) fn cosign_config(media_type: &str, layers: &[Descriptor]) -> (Descriptor, Vec<u8>) {
    let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.digest).collect();
    let config = CosignConfig {
        architecture: "",
        created: NEVER,
        history: diff_ids.iter().map(|_| CosignHistory { created: NEVER }).collect(),
        os: "",
        rootfs: CosignRootFs { kind: "layers", diff_ids },
        config: serde_json::Map::new(),
    };
    blob(media_type, canonical_json(&config))
}

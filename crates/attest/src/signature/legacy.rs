// SPDX-License-Identifier: Apache-2.0
//! Cosign's tags: one manifest with all signatures of an image, one with all attestations.
//!
//! They are read, changed and written again. Whoever pushes has to look whether somebody else did so meanwhile, and to
//! merge again ([`merged_manifest`]).

use std::collections::{BTreeMap, BTreeSet};

use hardpan_image::{Descriptor, LAYERS_MAX, Manifest, Raw, media_type};
use hardpan_tree::Digest;

use super::artifact::{blob, cosign_config, manifest};
use super::attach::AttachError;
use super::simple_signing::{ANNOTATION_SIGNATURE, SIMPLE_SIGNING_TYPE, SignedPayload};
use super::{Artifact, Placement, SignedStatement};

/// The media type of an envelope.
pub const ENVELOPE_TYPE: &str = "application/vnd.dsse.envelope.v1+json";
/// The annotation with what an envelope's statement states.
pub(crate) const ANNOTATION_PREDICATE: &str = "predicateType";

/// Returns the tag of an image's signatures.
pub fn signature_tag(image: &Digest) -> String {
    format!("sha256-{}.sig", image.to_hex())
}

/// Returns the tag of an image's attestations.
pub fn attestation_tag(image: &Digest) -> String {
    format!("sha256-{}.att", image.to_hex())
}

/// Makes the manifest of an image's signatures. What `existing` has stays.
pub fn signatures_manifest(
    image: &Digest,
    signatures: &[SignedPayload],
    existing: Option<&Manifest>,
) -> Result<Artifact, AttachError> {
    let ours: Vec<_> = signatures.iter().map(SignedPayload::layer).collect();
    let is_ours = |layer: &Descriptor| ours.iter().any(|(ours, _)| same_signature(ours, layer));
    let tag = signature_tag(image);
    let kept = kept(&tag, SIMPLE_SIGNING_TYPE, existing, |layer| !is_ours(layer))?;
    merge(tag, kept, ours, existing)
}

/// One payload can be signed by many.
fn same_signature(ours: &Descriptor, layer: &Descriptor) -> bool {
    ours.digest == layer.digest
        && ours.annotations.get(ANNOTATION_SIGNATURE) == layer.annotations.get(ANNOTATION_SIGNATURE)
}

/// Makes the manifest of an image's attestations. What `existing` has stays, unless something of the same predicate
/// type is among `statements`.
pub fn attestations_manifest(
    image: &Digest,
    statements: &[SignedStatement],
    existing: Option<&Manifest>,
) -> Result<Artifact, AttachError> {
    let types: BTreeSet<&str> =
        statements.iter().map(|signed| signed.statement().predicate_type.as_str()).collect();
    let ours: Vec<_> = statements.iter().map(envelope_layer).collect();
    let tag = attestation_tag(image);
    let kept = kept(&tag, ENVELOPE_TYPE, existing, |layer| {
        let predicate_type = layer.annotations.get(ANNOTATION_PREDICATE);
        !predicate_type.is_some_and(|found| types.contains(found.as_str()))
            && ours.iter().all(|(ours, _)| ours.digest != layer.digest)
    })?;
    merge(tag, kept, ours, existing)
}

fn envelope_layer(signed: &SignedStatement) -> (Descriptor, Vec<u8>) {
    let (mut layer, bytes) = blob(ENVELOPE_TYPE, signed.envelope().to_bytes());
    let predicate_type = signed.statement().predicate_type.clone();
    layer.annotations = BTreeMap::from([
        // Cosign writes this, although the signature is in the envelope.
        (ANNOTATION_SIGNATURE.to_owned(), String::new()),
        (ANNOTATION_PREDICATE.to_owned(), predicate_type),
    ]);
    (layer, bytes)
}

/// Makes what a tag of cosign's gets where it has a manifest already; nothing if all of it is there. `made` was made for a
/// tag that had none. `is_again` says that it was written before and something else came after: then attestations
/// of the same predicate type are those of somebody who was later, and stay.
pub fn merged_manifest(
    tag: &str,
    made: &Artifact,
    existing: &Manifest,
    is_again: bool,
) -> Result<Option<Artifact>, AttachError> {
    let ours = made.blobs.iter().filter(|(blob, _)| made.manifest.value().layers.contains(blob));
    let ours: Vec<(Descriptor, Vec<u8>)> = ours.cloned().collect();
    let has = |list: &[Descriptor], wanted: &Descriptor| {
        list.iter().any(|layer| same_signature(layer, wanted))
    };
    let made_layers = &made.manifest.value().layers;
    if made_layers.iter().all(|layer| layer.media_type == SIMPLE_SIGNING_TYPE) {
        let kept =
            kept(tag, SIMPLE_SIGNING_TYPE, Some(existing), |layer| !has(made_layers, layer))?;
        let is_there = made_layers.iter().all(|layer| has(&existing.layers, layer));
        return if is_there {
            Ok(None)
        } else {
            merge(tag.to_owned(), kept, ours, Some(existing)).map(Some)
        };
    }
    let kind = |layer: &Descriptor| layer.annotations.get(ANNOTATION_PREDICATE).cloned();
    let kinds: BTreeSet<Option<String>> = made_layers.iter().map(kind).collect();
    let stays = |layer: &Descriptor| !kinds.contains(&kind(layer)) && !has(made_layers, layer);
    let kept = kept(tag, ENVELOPE_TYPE, Some(existing), stays)?;
    let is_there = if is_again {
        kinds.iter().all(|wanted| existing.layers.iter().any(|layer| kind(layer) == *wanted))
    } else {
        kept.len() + made_layers.len() == existing.layers.len()
            && made_layers.iter().all(|layer| has(&existing.layers, layer))
    };
    if is_there { Ok(None) } else { merge(tag.to_owned(), kept, ours, Some(existing)).map(Some) }
}

/// Makes the manifest that a tag of cosign's gets where it is copied to a place that has one already: nothing of either is
/// lost.
pub fn union_manifest(
    tag: &str,
    copied: &Manifest,
    existing: &Manifest,
) -> Result<Artifact, AttachError> {
    let media_type = copied.layers.first().map_or(ENVELOPE_TYPE, |layer| &layer.media_type);
    let is_copied = |layer: &Descriptor| copied.layers.iter().any(|it| same_signature(it, layer));
    let mut layers = kept(tag, media_type, Some(existing), |layer| !is_copied(layer))?;
    layers.extend(copied.layers.iter().cloned());
    if layers.len() > LAYERS_MAX {
        return Err(AttachError::TooMany { tag: tag.to_owned(), count: layers.len() });
    }
    let config = cosign_config(media_type::CONFIG, &layers);
    let mut manifest = manifest(config.0.clone(), layers);
    manifest.annotations.clone_from(&copied.annotations);
    let place = Placement::Tag(tag.to_owned());
    Ok(Artifact { manifest: Raw::new(manifest), blobs: vec![config], place })
}

/// Returns the layers of the existing manifest that stay.
fn kept(
    tag: &str,
    media_type: &str,
    existing: Option<&Manifest>,
    stays: impl Fn(&Descriptor) -> bool,
) -> Result<Vec<Descriptor>, AttachError> {
    let layers = existing.map_or(&[][..], |manifest| &manifest.layers);
    // Not ours to overwrite.
    if let Some(other) = layers.iter().find(|layer| layer.media_type != media_type) {
        return Err(AttachError::Foreign {
            tag: tag.to_owned(),
            expected: media_type.to_owned(),
            found: other.media_type.chars().take(100).collect(),
        });
    }
    Ok(layers.iter().filter(|layer| stays(layer)).cloned().collect())
}

/// Puts what stays before ours, so that doing it again changes nothing.
fn merge(
    tag: String,
    kept: Vec<Descriptor>,
    mut ours: Vec<(Descriptor, Vec<u8>)>,
    existing: Option<&Manifest>,
) -> Result<Artifact, AttachError> {
    let mut seen = BTreeSet::new();
    ours.retain(|(layer, _)| seen.insert((layer.digest, layer.annotations.clone())));
    let layers: Vec<Descriptor> =
        kept.into_iter().chain(ours.iter().map(|(layer, _)| layer.clone())).collect();
    if layers.len() > LAYERS_MAX {
        return Err(AttachError::TooMany { tag, count: layers.len() });
    }
    let config = cosign_config(media_type::CONFIG, &layers);
    let mut manifest = manifest(config.0.clone(), layers);
    if let Some(existing) = existing {
        manifest.annotations.clone_from(&existing.annotations);
    }
    let blobs = std::iter::once(config).chain(ours).collect();
    Ok(Artifact { manifest: Raw::new(manifest), blobs, place: Placement::Tag(tag) })
}

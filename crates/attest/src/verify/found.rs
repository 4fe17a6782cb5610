// SPDX-License-Identifier: Apache-2.0
//! What was found, before anything of it is believed.

use std::collections::BTreeMap;
use std::fmt;

use hardpan_image::{Descriptor, Document as _, Manifest, Raw};
use hardpan_tree::Digest;

use super::refusal::short;
use super::trust::Trust;
use super::{Form, Refusal, bundle};
use crate::signature::{
    ANNOTATION_BUNDLE_PREDICATE_TYPE, ANNOTATION_PREDICATE_TYPE, ATTESTATION_MANIFEST_TYPE,
    Artifact, ENVELOPE_TYPE, PAYLOAD_TYPE, Placement, SIGNATURE_ARTIFACT_TYPE,
};

/// The configuration that says nothing. Cosign 3 puts its type into lists in place of the artifact type.
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";

/// Where something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Source {
    /// The registry's list of referrers.
    ReferrersApi,
    /// The list under the tag `sha256-…`.
    FallbackTag,
    /// One of cosign's tags.
    LegacyTag,
    /// An entry of the image index.
    Index,
    /// A layout on disk.
    Layout,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReferrersApi => "referrers API",
            Self::FallbackTag => "fallback tag",
            Self::LegacyTag => "cosign's tag",
            Self::Index => "image index",
            Self::Layout => "layout",
        })
    }
}

/// A manifest that was found, with what it names.
#[derive(Debug, Clone)]
pub struct Found {
    /// Where.
    pub source: Source,
    /// The entry of the list that named it, where there was a list.
    pub listed: Option<Descriptor>,
    /// Its bytes.
    pub manifest: Vec<u8>,
    /// The content of its layers, as far as it is there.
    pub blobs: BTreeMap<Digest, Vec<u8>>,
}

/// One whose manifest can be read.
pub(super) struct Parsed<'a> {
    pub(super) found: &'a Found,
    pub(super) manifest: Raw<Manifest>,
    pub(super) form: Form,
}

impl Found {
    /// Returns what kind of statement the manifest says it holds.
    pub(super) fn announced(&self) -> Option<String> {
        let manifest: Raw<Manifest> = Raw::parse(self.manifest.clone()).ok()?;
        let layers = manifest.value().layers.iter().map(|layer| &layer.annotations);
        let places = [&manifest.value().annotations].into_iter().chain(layers);
        let names = [
            ANNOTATION_PREDICATE_TYPE,
            ANNOTATION_BUNDLE_PREDICATE_TYPE,
            crate::signature::ANNOTATION_LEGACY_PREDICATE_TYPE,
        ];
        let mut said = places.flat_map(|place| names.iter().filter_map(|name| place.get(*name)));
        said.next().map(|text| short(text))
    }

    /// Takes what is about to be pushed, as it will be found: to verify it first. Layers of an existing manifest that it
    /// was merged into are missing.
    pub fn of(artifact: &Artifact) -> Self {
        let listed = || Some(artifact.descriptor());
        let (source, listed) = match &artifact.place {
            Placement::Referrer => (Source::ReferrersApi, listed()),
            Placement::Tag(_) => (Source::LegacyTag, None),
            Placement::Index(entry) => (Source::Index, Some(entry.clone())),
        };
        let blobs = artifact.blobs.iter().map(|(name, bytes)| (name.digest, bytes.clone()));
        let manifest = artifact.manifest.bytes().to_vec();
        Self { source, listed, manifest, blobs: blobs.collect() }
    }

    pub(super) fn parse(&self) -> Result<Parsed<'_>, Refusal> {
        let manifest: Raw<Manifest> =
            Raw::parse(self.manifest.clone()).map_err(Refusal::Manifest)?;
        manifest.value().check().map_err(Refusal::Manifest)?;
        if let Some(listed) = self.listed.as_ref().filter(|it| it.digest != manifest.digest()) {
            return Err(Refusal::Listed { listed: listed.digest, found: manifest.digest() });
        }
        let form = super::form(manifest.value());
        Ok(Parsed { found: self, manifest, form })
    }
}

impl<'a> Parsed<'a> {
    /// Returns the content of a layer, if it is what the manifest names.
    pub(super) fn content(
        &self,
        layer: &Descriptor,
        max: usize,
        trust: Trust<'_>,
    ) -> Result<&'a [u8], Refusal> {
        let bytes = self.found.blobs.get(&layer.digest).ok_or(Refusal::Missing(layer.digest))?;
        if bytes.len() > max {
            return Err(Refusal::TooLarge { found: bytes.len() as u64, max });
        }
        trust.spend(bytes.len())?;
        if Digest::of(bytes) != layer.digest {
            return Err(Refusal::Altered(layer.digest));
        }
        // Who writes a manifest may lie about a length, but not about a digest.
        let (said, found) = (layer.size_bytes, bytes.len() as u64);
        if said != found {
            return Err(Refusal::Size { said, found });
        }
        Ok(bytes)
    }

    /// Compares what is announced with what a statement states.
    pub(super) fn check_predicate_type(
        &self,
        layer: &Descriptor,
        predicate_type: &str,
    ) -> Result<(), Refusal> {
        let listed = self.found.listed.as_ref().map(|listed| &listed.annotations);
        let places = [Some(&self.manifest.value().annotations), Some(&layer.annotations), listed];
        let names = [
            ANNOTATION_PREDICATE_TYPE,
            ANNOTATION_BUNDLE_PREDICATE_TYPE,
            crate::signature::ANNOTATION_LEGACY_PREDICATE_TYPE,
        ];
        let said = places
            .into_iter()
            .flatten()
            .flat_map(|place| names.iter().filter_map(|name| place.get(*name)));
        match said.into_iter().find(|said| *said != predicate_type) {
            Some(said) => {
                Err(Refusal::PredicateType { said: short(said), is: short(predicate_type) })
            }
            None => Ok(()),
        }
    }
}

/// Returns what a manifest calls itself (OCI image specification, "artifactType").
pub(super) fn artifact_type(manifest: &Manifest) -> &str {
    manifest.artifact_type.as_deref().unwrap_or(&manifest.config.media_type)
}

/// Checks that it refers to the image, and calls itself what it is.
pub(super) fn check_place(one: &Parsed<'_>, image: &Descriptor) -> Result<(), Refusal> {
    let (manifest, form) = (one.manifest.value(), one.form);
    match &manifest.subject {
        Some(subject) if subject.digest != image.digest => {
            return Err(Refusal::Subject { image: image.digest, found: subject.digest });
        }
        Some(subject) if subject.size_bytes != image.size_bytes => {
            let (image, found) = (image.size_bytes, subject.size_bytes);
            return Err(Refusal::SubjectSize { image, found });
        }
        Some(_) => {}
        // What a tag or an index names need not refer: what is signed has the digest.
        None if matches!(form, Form::SignatureTag | Form::AttestationTag) => {}
        None if form == Form::SignedManifest && one.found.source == Source::Index => {}
        None => return Err(Refusal::NoSubject),
    }
    let refuse = |said: &str, holds: &str| {
        Err(Refusal::ArtifactType { said: short(said), holds: short(holds) })
    };
    let said = artifact_type(manifest);
    let is_right: &dyn Fn(&str) -> bool = match form {
        Form::Bundle => &bundle::is_any_bundle_type,
        Form::SignatureReferrer => &|said| said == SIGNATURE_ARTIFACT_TYPE,
        Form::EnvelopeReferrer => &|said| said == ENVELOPE_TYPE,
        Form::SignedManifest if manifest.subject.is_some() => {
            &|said| matches!(said, PAYLOAD_TYPE | ATTESTATION_MANIFEST_TYPE)
        }
        // Images of before artifact types.
        Form::SignatureTag | Form::AttestationTag | Form::SignedManifest => &|_| true,
        Form::Unknown => return Ok(()),
    };
    let holds = manifest.layers.first().map_or("", |layer| layer.media_type.as_str());
    if !is_right(said) {
        return refuse(said, holds);
    }
    // Some registries and cosign itself list the configuration's type; any other is a lie.
    let listed = one.found.listed.as_ref().and_then(|listed| listed.artifact_type.as_deref());
    match listed {
        Some(listed) if ![said, &manifest.config.media_type, EMPTY_TYPE].contains(&listed) => {
            refuse(listed, holds)
        }
        _ => Ok(()),
    }
}

// SPDX-License-Identifier: Apache-2.0
//! From the name of an image to the digests that stand in the lock.

use std::collections::BTreeSet;

use hardpan_definition::{ImageReference, Platform};
use hardpan_image::{ImageConfig, ImageName, Index, Platform as ImagePlatform, Raw, media_type};
use hardpan_tree::Digest;

use super::error::ArtifactProblem;
use super::source::{Root, Sources, parse_name};
use super::{Documents, LockedArtifact};
use crate::error::Error;

/// Most manifests of an index without a platform that are looked into.
const UNKNOWN_MAX: usize = 16;

/// Pins an image for a platform, and gets its documents into the store.
pub(super) fn pin(
    sources: &Sources<'_>,
    reference: &ImageReference,
    platform: Platform,
) -> Result<LockedArtifact, Error> {
    let wanted = reference.to_string();
    let substitute = sources.substitute(&wanted);
    let image = substitute.clone().unwrap_or_else(|| wanted.clone());
    let name = parse_name(&image)?;
    let locked =
        |manifest, index| LockedArtifact { name: wanted.clone(), manifest, index, substitute };
    match sources.root(&image, &name)? {
        Root::Manifest(manifest) => {
            let digest = manifest.digest();
            let documents = sources.complete(&image, &name.with_digest(digest), manifest)?;
            check_platform(&image, &documents.config, platform, None)?;
            Ok(locked(digest, None))
        }
        Root::Index(index) => {
            let digest = choose(sources, &image, &name, &index, platform)?;
            manifest(sources, &image, &name, digest)?;
            Ok(locked(digest, Some(index.digest())))
        }
    }
}

/// Returns the documents of an image of an index.
fn manifest(
    sources: &Sources<'_>,
    image: &str,
    name: &ImageName,
    digest: Digest,
) -> Result<Documents, Error> {
    let name = name.with_digest(digest);
    match sources.root(image, &name)? {
        Root::Manifest(manifest) => sources.complete(image, &name, manifest),
        Root::Index(_) => {
            let what = "its index names another index as a manifest".to_owned();
            Err(ArtifactProblem::NotAnImage { image: image.to_owned(), what }.into())
        }
    }
}

/// Finds the manifest for a platform; the first that fits, as runtimes do. Where an index does not say what an
/// image is for, its configuration does.
fn choose(
    sources: &Sources<'_>,
    image: &str,
    name: &ImageName,
    index: &Raw<Index>,
    platform: Platform,
) -> Result<Digest, Error> {
    let wanted = image_platform(platform);
    let manifests = index.value().manifests.iter();
    let images = manifests.filter(|entry| media_type::is_manifest(&entry.media_type));
    let mut available = BTreeSet::new();
    let mut unknown = Vec::new();
    for entry in images {
        match &entry.platform {
            Some(found) if found.matches(&wanted) => return Ok(entry.digest),
            // Attestations stand in indexes as images for an unknown platform.
            Some(found) if found.os == "unknown" => {}
            Some(found) => {
                available.insert(found.to_string());
            }
            // Signatures and such have no platform either, but say what they are.
            None if entry.artifact_type.is_none() => unknown.push(entry.digest),
            None => {}
        }
    }
    for digest in unknown.into_iter().take(UNKNOWN_MAX) {
        let found = manifest(sources, image, name, digest)?.config.value().platform();
        if found.matches(&wanted) {
            return Ok(digest);
        }
        available.insert(found.to_string());
    }
    Err(no_platform(image, platform, available.into_iter().collect()))
}

/// Checks that an image is for a platform. Where an index says so, that is what counts, for runtimes too.
pub(super) fn check_platform(
    image: &str,
    config: &Raw<ImageConfig>,
    platform: Platform,
    index: Option<Digest>,
) -> Result<(), Error> {
    let found = config.value().platform();
    if index.is_some() || found.matches(&image_platform(platform)) {
        return Ok(());
    }
    Err(no_platform(image, platform, vec![found.to_string()]))
}

fn image_platform(platform: Platform) -> ImagePlatform {
    ImagePlatform::linux(platform.architecture())
}

fn no_platform(image: &str, platform: Platform, available: Vec<String>) -> Error {
    ArtifactProblem::NoPlatform { image: image.to_owned(), platform, available }.into()
}

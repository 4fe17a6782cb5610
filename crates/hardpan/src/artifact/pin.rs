// SPDX-License-Identifier: Apache-2.0
//! From the name of an image to the digests that stand in the lock.

use std::collections::BTreeSet;

use hardpan_definition::{ImageReference, Platform};
use hardpan_image::{ImageConfig, ImageName, Index, Platform as ImagePlatform, Raw, media_type};
use hardpan_tree::Digest;

use super::LockedArtifact;
use super::error::ArtifactProblem;
use super::source::{Root, Sources, parse_name};
use crate::error::Error;

/// Pins an image for a platform, and gets its documents into the store.
pub(super) fn pin(
    sources: &Sources<'_>,
    reference: &ImageReference,
    platform: Platform,
) -> Result<LockedArtifact, Error> {
    let image = reference.to_string();
    let name = parse_name(&image)?;
    let (manifest, index) = match sources.root(&image, &name)? {
        Root::Manifest(manifest) => (manifest, None),
        Root::Index(index) => {
            let digest = choose(&image, &index, platform)?;
            match sources.root(&image, &name.with_digest(digest))? {
                Root::Manifest(manifest) => (manifest, Some(index.digest())),
                Root::Index(_) => {
                    let what = "its index names another index for the platform".to_owned();
                    return Err(ArtifactProblem::NotAnImage { image, what }.into());
                }
            }
        }
    };
    let digest = manifest.digest();
    let name: ImageName = name.with_digest(digest);
    let documents = sources.complete(&image, &name, manifest)?;
    check_platform(&image, &documents.config, platform, index)?;
    Ok(LockedArtifact { name: image, manifest: digest, index })
}

/// Finds the manifest for a platform; the first that fits, as runtimes do.
fn choose(image: &str, index: &Raw<Index>, platform: Platform) -> Result<Digest, Error> {
    let wanted = image_platform(platform);
    let manifests = index.value().manifests.iter();
    let images = manifests.filter(|entry| media_type::is_manifest(&entry.media_type));
    let mut available = BTreeSet::new();
    for entry in images {
        let Some(found) = &entry.platform else { continue };
        if found.matches(&wanted) {
            return Ok(entry.digest);
        }
        // Attestations stand in indexes as images for an unknown platform.
        if found.os != "unknown" {
            available.insert(found.to_string());
        }
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

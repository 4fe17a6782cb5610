// SPDX-License-Identifier: Apache-2.0
//! Files of other images: `contents.artifacts`, and the images that build stages start from (`uses`).
//!
//! An image is found by its digest in a local layout, in the store or at a registry, and is pinned in the
//! lock for each platform. Its layers are kept in the store as they are, uncompressed; nothing is unpacked.
//! An image's tree refers to files in them.

mod error;
mod layer;
mod pin;
mod place;
mod source;
mod stack;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use hardpan_definition::{ImageReference, Platform, Spanned};
use hardpan_image::{ContainerConfig, Descriptor, ImageConfig, Manifest, Raw};
use hardpan_tree::{Digest, Origin, Tree, TreePath};
use serde::{Deserialize, Serialize};

pub use error::{ArtifactError, ArtifactProblem};
pub(crate) use place::{PlacedArtifact, place_from};
pub(crate) use stack::layer_kind;

use crate::config::Workspace;
use crate::error::Error;
use crate::parallel;
use crate::session::Session;
use layer::LayerRecord;
use source::Sources;
use stack::Stack;

/// How many more threads than processors fetch layers: while one waits for the network, another unpacks.
const WAITING_THREADS: usize = 2;

/// An image that a definition names, exactly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedArtifact {
    /// Its name as the definition writes it.
    pub name: String,
    /// Digest of the manifest for the platform.
    pub manifest: Digest,
    /// Digest of the index that names the manifest, if it came through one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Digest>,
    /// The image that stands in for it, where the workspace file names one. The digests are that one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub substitute: Option<String>,
}

impl LockedArtifact {
    /// Returns the name of the image that is used.
    fn used(&self) -> &str {
        self.substitute.as_deref().unwrap_or(&self.name)
    }
}

/// Returns an image as one line of a lock's demand.
pub(crate) fn demand_line(image: &ImageReference, workspace: &Workspace) -> String {
    match workspace.image_substitution(&image.to_string()) {
        Some(substitute) => format!("image {image} as {substitute}"),
        None => format!("image {image}"),
    }
}

/// An image's documents, checked.
struct Documents {
    manifest: Raw<Manifest>,
    config: Raw<ImageConfig>,
}

impl Documents {
    /// Returns each layer with the digest of the archive in it, the lowest first.
    fn layers(&self) -> impl Iterator<Item = (&Descriptor, Digest)> {
        let diff_ids = self.config.value().rootfs.diff_ids.iter().copied();
        self.manifest.value().layers.iter().zip(diff_ids)
    }
}

/// An image's tree, and what of it is not there.
#[derive(Debug)]
pub(crate) struct ImageTree {
    /// The root file system.
    pub(crate) tree: Tree,
    /// Device nodes, pipes and such, which are left out.
    pub(crate) dropped: Vec<TreePath>,
}

impl Session<'_> {
    /// Pins images for a platform: a tag becomes a digest, and an index the manifest for the platform.
    pub(crate) fn pin_images(
        &self,
        images: &[Spanned<ImageReference>],
        platform: Platform,
    ) -> Result<Vec<LockedArtifact>, Error> {
        let sources = Sources::new(self)?;
        let pinned = parallel::map_ranked(
            self.threads,
            images,
            |image| {
                pin::pin(&sources, &image.value, platform).map_err(|error| error.at(image.span))
            },
            Error::is_cancelled,
        );
        pinned.inspect_err(|_| sources.cancel())
    }

    /// Makes sure that everything of the images is in the store.
    pub(crate) fn fetch_images(
        &self,
        locked: &[LockedArtifact],
        platform: Platform,
    ) -> Result<(), Error> {
        let sources = Sources::new(self)?;
        let mut layers: BTreeMap<Digest, (usize, Descriptor)> = BTreeMap::new();
        for (number, image) in locked.iter().enumerate() {
            let documents = sources.documents(image)?;
            pin::check_platform(image.used(), &documents.config, platform, image.index)?;
            for (layer, diff_id) in documents.layers() {
                layers.entry(diff_id).or_insert_with(|| (number, layer.clone()));
            }
        }
        let mut work: Vec<(Digest, usize, Descriptor)> =
            layers.into_iter().map(|(diff_id, (number, layer))| (diff_id, number, layer)).collect();
        sources.announce(work.iter().map(|(diff_id, _, layer)| (layer, *diff_id)));
        // Largest first, so that no thread is left with a long job at the end.
        work.sort_by_key(|(diff_id, _, layer)| (std::cmp::Reverse(layer.size_bytes), *diff_id));
        let prepare = |(diff_id, number, layer): &(Digest, usize, Descriptor)| {
            let image = locked[*number].used();
            sources.layer(image, layer, *diff_id).map(|_| ()).inspect_err(|_| sources.cancel())
        };
        let threads = self.threads.saturating_add(WAITING_THREADS);
        parallel::map_ranked(threads, &work, prepare, Error::is_cancelled)?;
        Ok(())
    }

    /// Returns the root file system of an image that [`Session::fetch_images`] has fetched.
    pub(crate) fn image_tree(
        &self,
        locked: &LockedArtifact,
        origin: Origin,
    ) -> Result<ImageTree, Error> {
        let sources = Sources::new(self)?;
        let documents = sources.documents(locked)?;
        let wrap = |source| {
            let image = locked.used().to_owned();
            Error::from(ArtifactProblem::Stack { image, source })
        };
        let mut stack = Stack::default();
        for (layer, diff_id) in documents.layers() {
            let (segment, record): (Digest, LayerRecord) =
                sources.layer(locked.used(), layer, diff_id)?;
            stack.apply(segment, &record).map_err(wrap)?;
        }
        let dropped = stack.dropped();
        Ok(ImageTree { tree: stack.into_tree(origin), dropped })
    }

    /// Returns how an image says that it is run.
    pub(crate) fn image_config(&self, locked: &LockedArtifact) -> Result<ContainerConfig, Error> {
        Ok(Sources::new(self)?.documents(locked)?.config.value().config.clone())
    }
}

/// Returns an image's environment, as a build stage that starts from it has it.
pub(crate) fn environment(config: &ContainerConfig) -> BTreeMap<String, String> {
    let pairs = config.env.iter().filter_map(|line| line.split_once('='));
    pairs
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// Returns where an image's own programs are looked for.
pub(crate) fn search_path(config: &ContainerConfig) -> Vec<TreePath> {
    let environment = environment(config);
    let path = environment.get("PATH").map_or("", String::as_str);
    path.split(':')
        .filter(|place| place.starts_with('/'))
        .filter_map(|place| TreePath::parse(place).ok())
        .collect()
}

// SPDX-License-Identifier: Apache-2.0
//! Images: the documents over layers.

use std::collections::BTreeMap;

use hardpan_tree::{Digest, Hasher};

use crate::json::Raw;
use crate::layer::LayerSummary;
use crate::oci::{
    ContainerConfig, Descriptor, History, ImageConfig, Index, LAYERS_MAX, Manifest, RootFs,
};
use crate::time::rfc3339;
use crate::{Platform, media_type};

/// A layer of an image, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// What it came out as.
    pub summary: LayerSummary,
    /// What made it, for the image's history.
    pub created_by: String,
}

impl Layer {
    /// Returns the layer's descriptor.
    pub fn descriptor(&self) -> Descriptor {
        let LayerSummary { compression, digest, size_bytes, .. } = self.summary;
        Descriptor::new(compression.layer_media_type(), digest, size_bytes)
    }
}

/// What an image is besides its layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSettings {
    /// What it runs on.
    pub platform: Platform,
    /// The time of all that was made, in seconds since the epoch.
    pub epoch: i64,
    /// How it runs.
    pub config: ContainerConfig,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
}

/// Why there is no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// An image needs a layer: some tools fail without.
    #[error("an image needs at least one layer")]
    NoLayers,
    /// More than [`LAYERS_MAX`].
    #[error("an image of {0} layers, more than {LAYERS_MAX}")]
    TooManyLayers(usize),
    /// An index needs an image.
    #[error("an image index needs at least one image")]
    NoImages,
    /// A reader could not know which to take.
    #[error("two images for {0}")]
    DuplicatePlatform(Platform),
}

/// An image for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    config: Raw<ImageConfig>,
    manifest: Raw<Manifest>,
    layers: Vec<Layer>,
}

impl Image {
    /// Writes the documents over layers, the lowest first.
    pub fn new(settings: ImageSettings, layers: Vec<Layer>) -> Result<Self, ImageError> {
        if layers.is_empty() {
            return Err(ImageError::NoLayers);
        }
        if layers.len() > LAYERS_MAX {
            return Err(ImageError::TooManyLayers(layers.len()));
        }
        let created = rfc3339(settings.epoch);
        let history = (layers.iter())
            .map(|layer| History {
                created: Some(created.clone()),
                created_by: Some(layer.created_by.clone()),
                ..History::default()
            })
            .collect();
        let config = Raw::new(ImageConfig {
            created: Some(created),
            author: None,
            architecture: settings.platform.architecture,
            os: settings.platform.os,
            variant: settings.platform.variant,
            config: settings.config,
            rootfs: RootFs {
                kind: "layers".to_owned(),
                diff_ids: layers.iter().map(|layer| layer.summary.diff_id).collect(),
            },
            history,
        });
        let manifest = Raw::new(Manifest {
            schema_version: 2,
            media_type: Some(media_type::MANIFEST.to_owned()),
            artifact_type: None,
            config: Descriptor::new(media_type::CONFIG, config.digest(), config.size_bytes()),
            layers: layers.iter().map(Layer::descriptor).collect(),
            subject: None,
            annotations: settings.annotations,
        });
        Ok(Self { config, manifest, layers })
    }

    /// Returns the configuration. Its digest is the image's id in Docker's older storage and podman.
    pub fn config(&self) -> &Raw<ImageConfig> {
        &self.config
    }

    /// Returns the manifest.
    pub fn manifest(&self) -> &Raw<Manifest> {
        &self.manifest
    }

    /// Returns the layers, the lowest first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Returns what it runs on.
    pub fn platform(&self) -> Platform {
        self.config.value().platform()
    }

    /// Returns the manifest's descriptor, with the platform.
    pub fn descriptor(&self) -> Descriptor {
        let manifest = &self.manifest;
        let digest = manifest.digest();
        let mut descriptor = Descriptor::new(media_type::MANIFEST, digest, manifest.size_bytes());
        descriptor.platform = Some(self.platform());
        descriptor
    }

    /// Returns the sum of the layers' compressed sizes: what has to be pulled.
    pub fn compressed_size_bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.summary.size_bytes).sum()
    }

    /// Returns the sum of the layers' tar sizes.
    pub fn raw_size_bytes(&self) -> u64 {
        self.layers.iter().map(|layer| layer.summary.raw_size_bytes).sum()
    }

    /// Returns the identity of the whole stack of layers.
    pub fn chain_id(&self) -> Digest {
        let chain_ids = chain_ids(&self.config.value().rootfs.diff_ids);
        *chain_ids.last().expect("an image has at least one layer")
    }
}

/// Images of one thing for several platforms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageIndex {
    raw: Raw<Index>,
    images: Vec<Image>,
}

impl ImageIndex {
    /// Writes the index of images, which are sorted by platform.
    pub fn new(
        mut images: Vec<Image>,
        annotations: BTreeMap<String, String>,
    ) -> Result<Self, ImageError> {
        images.sort_by_key(Image::platform);
        if images.is_empty() {
            return Err(ImageError::NoImages);
        }
        for pair in images.windows(2) {
            if pair[0].platform().matches(&pair[1].platform()) {
                return Err(ImageError::DuplicatePlatform(pair[1].platform()));
            }
        }
        let manifests = images.iter().map(Image::descriptor).collect();
        Ok(Self { raw: Raw::new(Index::new(manifests, annotations)), images })
    }

    /// Returns the document. Its digest is the digest of the whole.
    pub fn raw(&self) -> &Raw<Index> {
        &self.raw
    }

    /// Returns the images, sorted by platform.
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// Returns the image for a platform.
    pub fn image(&self, platform: &Platform) -> Option<&Image> {
        self.images.iter().find(|image| image.platform().matches(platform))
    }

    /// Returns the index's descriptor.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(media_type::INDEX, self.raw.digest(), self.raw.size_bytes())
    }
}

/// Returns the identity of each layer together with all below it
/// (OCI image specification, "Image Configuration", `ChainID`).
pub fn chain_ids(diff_ids: &[Digest]) -> Vec<Digest> {
    let mut chain_ids: Vec<Digest> = Vec::with_capacity(diff_ids.len());
    for diff_id in diff_ids {
        let chain_id = match chain_ids.last() {
            None => *diff_id,
            Some(below) => {
                let mut hasher = Hasher::new();
                hasher.update(format!("{below} {diff_id}").as_bytes());
                hasher.finish()
            }
        };
        chain_ids.push(chain_id);
    }
    chain_ids
}

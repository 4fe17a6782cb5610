// SPDX-License-Identifier: Apache-2.0
//! Layers, OCI types, image layouts and docker archives.
//!
//! A layer is a concatenation of compressed tar segments ([`write_layer`]); an [`Image`] is layers and
//! documents for one platform; an [`ImageIndex`] is images for several. [`Layout`] and
//! [`write_docker_archive`] put them on disk.
//!
//! **Invariant**: all that is written is a function of the arguments: no clock, no environment, no
//! order of hash tables, no number of threads.

mod archive;
mod compression;
mod directories;
mod image;
mod json;
mod kind;
mod layer;
mod layout;
pub mod media_type;
mod name;
mod oci;
mod plan;
mod platform;
mod tar_scan;
mod time;

pub use archive::{ArchiveError, ArchiveSummary, ArchiveWarning, write_docker_archive};
pub use compression::{
    BlockCompressor, Compression, CompressionError, THREADS_MAX, compress, decompress,
};
pub use directories::{DirectoryError, directory_segment, layer_directories};
pub use image::{Image, ImageError, ImageIndex, ImageSettings, Layer, chain_ids};
pub use json::{DOCUMENT_SIZE_BYTES_MAX, DocumentError, Raw, canonical_json};
pub use kind::{KindError, document_kind};
pub use layer::{BytesPart, LayerError, LayerPart, LayerSummary, layer_key, write_layer};
pub use layout::{
    BlobSource, BlobWriter, Layout, LayoutError, LayoutReport, LayoutWriter, StoredImage, Transfer,
};
pub use name::{ImageName, ImageNameError};
pub use oci::{
    ContainerConfig, Descriptor, Document, HealthCheck, History, ImageConfig, Index, LAYERS_MAX,
    MANIFESTS_MAX, Manifest, RootFs,
};
pub use plan::{Group, GroupKind, PackageSize, PlanOptions, plan};
pub use platform::{Platform, PlatformError};
pub use tar_scan::TarScanError;
pub use time::rfc3339;

// SPDX-License-Identifier: Apache-2.0
//! OCI image layouts: a directory of blobs (OCI image specification, "Image Layout").
//!
//! What hardpan writes is `oci-layout`, `index.json` and `blobs/sha256/…`. `index.json` names the image
//! index, once for each of the image's names.

mod read;
mod verify;
mod write;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use hardpan_tree::Digest;
use serde::{Deserialize, Serialize};

pub use read::{Layout, StoredImage};
pub use verify::LayoutReport;
pub use write::{BlobWriter, LayoutWriter, Transfer};

use crate::json::DocumentError;
use crate::layer::LayerError;
use crate::media_type;
use crate::name::ImageName;
use crate::oci::{Descriptor, Index};

/// The file that says that a directory is a layout.
pub(crate) const MARKER_FILE: &str = "oci-layout";
/// The file that everything is found from.
pub(crate) const INDEX_FILE: &str = "index.json";
/// The directory of blobs.
pub(crate) const BLOBS_DIRECTORY: &str = "blobs/sha256";
/// How files that are being written start; they are removed by the next writer.
const TEMPORARY_PREFIX: &str = ".tmp-";
/// The version of the form of layouts that is written and read.
const VERSION: &str = "1.0.0";
/// How deep indexes may name indexes.
const INDEX_DEPTH_MAX: usize = 4;

/// Why a layout can't be written, read or trusted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// A file can't be read, written, renamed, …
    #[error("can't {action} {path}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// There is something in the directory, but no layout.
    #[error("{path} is not an image layout", path = path.display())]
    NotALayout {
        /// The directory.
        path: PathBuf,
    },
    /// A layout, but by somebody else, whose images would be lost.
    #[error("{path} is an image layout that hardpan did not write", path = path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// Of an unknown version.
    #[error("{path} has the version {found:?}, not {VERSION:?}", path = path.display())]
    Version {
        /// The file that says so.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// A document is not what it should be.
    #[error("{path} is no good", path = path.display())]
    Document {
        /// The document.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: DocumentError,
    },
    /// A blob that something names is not there.
    #[error("the blob {0} is missing")]
    Missing(Digest),
    /// A blob or the way to it is a symbolic link, a directory or something stranger.
    #[error("{path} is not a regular file", path = path.display())]
    NotAFile {
        /// Where it is.
        path: PathBuf,
    },
    /// A blob has another length than what names it says.
    #[error("the blob {digest} has {actual_bytes} bytes, not {expected_bytes}")]
    Size {
        /// The blob.
        digest: Digest,
        /// What it should have.
        expected_bytes: u64,
        /// What it has.
        actual_bytes: u64,
    },
    /// A blob has other bytes than its name says.
    #[error("the blob {expected} has the digest {actual}")]
    Digest {
        /// Its name.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// A layer's tar bytes are not those that the configuration names.
    #[error("the layer {layer} has the diff id {actual}, not {expected}")]
    DiffId {
        /// The layer.
        layer: Digest,
        /// What the configuration says.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// A layer that can't be decompressed.
    #[error("the layer {layer} can't be decompressed")]
    Decompress {
        /// The layer.
        layer: Digest,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A manifest and its configuration do not fit.
    #[error("the manifest {manifest} has {layers} layers and its configuration {diff_ids}")]
    LayerCount {
        /// The manifest.
        manifest: Digest,
        /// Its layers.
        layers: usize,
        /// The configuration's.
        diff_ids: usize,
    },
    /// Indexes in indexes, more than four deep, or more documents than anything needs.
    #[error("the layout's indexes are nested too deep or name too much")]
    TooDeep,
    /// A layer could not be made.
    #[error("a layer can't be made")]
    Layer(#[source] LayerError),
}

impl LayoutError {
    /// Whether what lies there is not what it should be by its name: a matter of trust rather than of the disk.
    pub fn is_mismatch(&self) -> bool {
        matches!(
            self,
            Self::Document { .. }
                | Self::Missing(_)
                | Self::Size { .. }
                | Self::Digest { .. }
                | Self::DiffId { .. }
                | Self::Decompress { .. }
                | Self::LayerCount { .. }
        )
    }

    fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { action, path: path.to_owned(), source }
    }
}

/// Where blobs come from.
pub trait BlobSource {
    /// Opens a blob. Whoever reads it checks its bytes.
    fn open_blob(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>>;
}

/// The content of `oci-layout`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marker {
    image_layout_version: String,
}

/// Returns the bytes of `oci-layout`.
pub(crate) fn marker_bytes() -> Vec<u8> {
    crate::canonical_json(&Marker { image_layout_version: VERSION.to_owned() })
}

/// Returns the content of `index.json` for one thing with any number of names.
pub(crate) fn index_document(descriptor: &Descriptor, names: &[ImageName]) -> Index {
    let mut manifests = Vec::new();
    for name in names {
        let mut descriptor = descriptor.clone();
        // Docker's older storage reads an archive's manifest.json. All three must mean the same.
        for (reader, name) in [
            (media_type::ANNOTATION_REF_NAME, name.tagged()),
            (media_type::ANNOTATION_CONTAINERD_NAME, name.containerd()),
        ] {
            descriptor.annotations.insert(reader.to_owned(), name);
        }
        if !manifests.contains(&descriptor) {
            manifests.push(descriptor);
        }
    }
    if manifests.is_empty() {
        manifests.push(descriptor.clone());
    }
    entries_document(manifests)
}

/// Returns the content of `index.json` with these entries.
fn entries_document(entries: Vec<Descriptor>) -> Index {
    let ours = (media_type::ANNOTATION_LAYOUT.to_owned(), "1".to_owned());
    Index::new(entries, BTreeMap::from([ours]))
}

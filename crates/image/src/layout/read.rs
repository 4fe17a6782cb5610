// SPDX-License-Identifier: Apache-2.0
//! Reading layouts.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use hardpan_tree::Digest;
use serde::de::DeserializeOwned;

use super::{
    BLOBS_DIRECTORY, BlobSource, INDEX_DEPTH_MAX, INDEX_FILE, LayoutError, MARKER_FILE, Marker,
    VERSION,
};
use crate::json::{DOCUMENT_SIZE_BYTES_MAX, DocumentError, Raw};
use crate::media_type;
use crate::oci::{Descriptor, Document, ImageConfig, Index, MANIFESTS_MAX, Manifest};

/// A layout on disk, of any origin. Nothing in it is trusted.
#[derive(Debug, Clone)]
pub struct Layout {
    directory: PathBuf,
    index: Raw<Index>,
}

/// An image in a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// What names it; with a platform where an index does.
    pub descriptor: Descriptor,
    /// Its manifest.
    pub manifest: Raw<Manifest>,
    /// Its configuration; `None` for artifacts that are not images.
    pub config: Option<Raw<ImageConfig>>,
}

/// The indexes and images that a layout names, each once, in the order of their first appearance.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) indexes: Vec<Descriptor>,
    pub(super) images: Vec<StoredImage>,
}

impl Layout {
    /// Opens a directory that has `oci-layout` and `index.json`. Blobs are checked when they are read,
    /// or all at once with [`Layout::verify`].
    pub fn open(directory: &Path) -> Result<Self, LayoutError> {
        let path = directory.join(MARKER_FILE);
        if fs::symlink_metadata(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Err(LayoutError::NotALayout { path: directory.to_owned() });
        }
        let marker: Raw<Marker> = read_document(&path)?;
        let found = &marker.value().image_layout_version;
        if found != VERSION {
            return Err(LayoutError::Version { path, found: found.chars().take(100).collect() });
        }
        let path = directory.join(INDEX_FILE);
        Self::of(directory, read_document(&path)?)
    }

    /// What a directory is with another `index.json`.
    pub(super) fn of(directory: &Path, index: Raw<Index>) -> Result<Self, LayoutError> {
        let path = directory.join(INDEX_FILE);
        index.value().check().map_err(|source| LayoutError::Document { path, source })?;
        Ok(Self { directory: directory.to_owned(), index })
    }

    /// Returns the blobs that `index.json` leads to, after a look whether each is there with the right length.
    pub(super) fn present(&self) -> Result<BTreeSet<Digest>, LayoutError> {
        let contents = self.contents()?;
        let mut named: BTreeSet<Digest> =
            contents.indexes.iter().map(|descriptor| descriptor.digest).collect();
        for image in &contents.images {
            let manifest = image.manifest.value();
            for blob in [&manifest.config].into_iter().chain(&manifest.layers) {
                self.open_blob(blob)?;
                named.insert(blob.digest);
            }
            named.insert(image.descriptor.digest);
        }
        Ok(named)
    }

    /// Returns the directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns `index.json`.
    pub fn index(&self) -> &Raw<Index> {
        &self.index
    }

    /// Returns where a blob is, if it is there.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        blob_path(&self.directory, digest)
    }

    /// Opens a blob that must be a regular file of the descriptor's length. The reader must check
    /// its bytes.
    pub fn open_blob(&self, descriptor: &Descriptor) -> Result<File, LayoutError> {
        let digest = descriptor.digest;
        let path = self.blob_path(&digest);
        let file = open_regular(&path)?.ok_or(LayoutError::Missing(digest))?;
        let metadata = file.metadata().map_err(|error| LayoutError::io("read", &path, error))?;
        let (expected_bytes, actual_bytes) = (descriptor.size_bytes, metadata.len());
        if actual_bytes != expected_bytes {
            return Err(LayoutError::Size { digest, expected_bytes, actual_bytes });
        }
        Ok(file)
    }

    /// Reads a document and checks it against its descriptor.
    pub fn document<T: DeserializeOwned + Document>(
        &self,
        descriptor: &Descriptor,
    ) -> Result<Raw<T>, LayoutError> {
        let path = self.blob_path(&descriptor.digest);
        let wrap = |source| LayoutError::Document { path: path.clone(), source };
        let file = self.open_blob(descriptor)?;
        if descriptor.size_bytes > DOCUMENT_SIZE_BYTES_MAX as u64 {
            return Err(wrap(DocumentError::TooLarge));
        }
        let mut bytes = Vec::new();
        file.take(descriptor.size_bytes + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| LayoutError::io("read", &path, error))?;
        let actual = Digest::of(&bytes);
        if actual != descriptor.digest {
            return Err(LayoutError::Digest { expected: descriptor.digest, actual });
        }
        let document: Raw<T> = Raw::parse(bytes).map_err(wrap)?;
        document.value().check().map_err(wrap)?;
        Ok(document)
    }

    /// Returns all images that `index.json` leads to, through indexes too, each once.
    pub fn images(&self) -> Result<Vec<StoredImage>, LayoutError> {
        Ok(self.contents()?.images)
    }

    pub(super) fn contents(&self) -> Result<Contents, LayoutError> {
        let mut contents = Contents::default();
        self.collect(self.index.value(), 0, &mut contents)?;
        Ok(contents)
    }

    fn collect(
        &self,
        index: &Index,
        depth: usize,
        contents: &mut Contents,
    ) -> Result<(), LayoutError> {
        if depth > INDEX_DEPTH_MAX {
            return Err(LayoutError::TooDeep);
        }
        for descriptor in &index.manifests {
            let is_same = |other: &Descriptor| other.digest == descriptor.digest;
            if contents.indexes.iter().any(is_same)
                || contents.images.iter().any(|image| is_same(&image.descriptor))
            {
                // The same blob under another length must fail here too.
                self.open_blob(descriptor)?;
                continue;
            }
            if contents.indexes.len() + contents.images.len() >= MANIFESTS_MAX {
                return Err(LayoutError::TooDeep);
            }
            if media_type::is_index(&descriptor.media_type) {
                let inner: Raw<Index> = self.document(descriptor)?;
                contents.indexes.push(descriptor.clone());
                self.collect(inner.value(), depth + 1, contents)?;
            } else if media_type::is_manifest(&descriptor.media_type) {
                contents.images.push(self.image(descriptor)?);
            } else {
                let source =
                    DocumentError::Invalid(format!("mediaType is {:?}", descriptor.media_type));
                return Err(LayoutError::Document {
                    path: self.blob_path(&descriptor.digest),
                    source,
                });
            }
        }
        Ok(())
    }

    fn image(&self, descriptor: &Descriptor) -> Result<StoredImage, LayoutError> {
        let manifest: Raw<Manifest> = self.document(descriptor)?;
        let config_descriptor = &manifest.value().config;
        let config = match config_descriptor.media_type.as_str() {
            media_type::CONFIG | media_type::DOCKER_CONFIG => {
                let config: Raw<ImageConfig> = self.document(config_descriptor)?;
                let layers = manifest.value().layers.len();
                let diff_ids = config.value().rootfs.diff_ids.len();
                if layers != diff_ids {
                    let manifest = descriptor.digest;
                    return Err(LayoutError::LayerCount { manifest, layers, diff_ids });
                }
                Some(config)
            }
            _ => None,
        };
        Ok(StoredImage { descriptor: descriptor.clone(), manifest, config })
    }
}

impl BlobSource for Layout {
    fn open_blob(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>> {
        match open_regular(&self.blob_path(digest)) {
            Ok(Some(file)) => Ok(Box::new(file)),
            Ok(None) => Err(io::Error::from(io::ErrorKind::NotFound)),
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

pub(super) fn blob_path(directory: &Path, digest: &Digest) -> PathBuf {
    directory.join(BLOBS_DIRECTORY).join(digest.to_hex())
}

/// Opens a file that is no symbolic link or pipe; `None` where nothing is.
pub(super) fn open_regular(path: &Path) -> Result<Option<File>, LayoutError> {
    match fs::symlink_metadata(path) {
        // Looking before opening: opening a pipe would hang.
        Ok(metadata) if metadata.is_file() => match File::open(path) {
            Ok(file) => Ok(Some(file)),
            Err(error) => Err(LayoutError::io("open", path, error)),
        },
        Ok(_) => Err(LayoutError::NotAFile { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LayoutError::io("open", path, error)),
    }
}

/// Reads one of the two documents that are not blobs.
fn read_document<T: DeserializeOwned>(path: &Path) -> Result<Raw<T>, LayoutError> {
    let file = open_regular(path)?
        .ok_or_else(|| LayoutError::io("open", path, io::Error::from(io::ErrorKind::NotFound)))?;
    Raw::read(file).map_err(|source| LayoutError::Document { path: path.to_owned(), source })
}

// SPDX-License-Identifier: Apache-2.0
//! Archives for `docker load`.
//!
//! An archive is the tar of a layout of one image, with a `manifest.json` beside `index.json`. Docker's
//! older storage reads the first, containerd's storage and podman read the second, so one file loads
//! everywhere, and manifest, configuration and layers are those of the layout, byte for byte.

use std::collections::BTreeSet;
use std::io::{self, Read, Write};

use hardpan_tree::{Digest, Hasher, HashingWriter, Metadata, TarKind, TarWriter, TreePath};
use serde::Serialize;

use crate::compression::Compression;
use crate::json::{Raw, canonical_json};
use crate::layout::{
    BLOBS_DIRECTORY, BlobSource, INDEX_FILE, MARKER_FILE, index_document, marker_bytes,
};
use crate::name::ImageName;
use crate::oci::{Descriptor, ImageConfig, Manifest};
use crate::{Platform, media_type};

/// How much is copied at a time, in bytes.
const CHUNK_SIZE_BYTES: usize = 256 * 1024;

/// What came of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveSummary {
    /// Digest of the file.
    pub digest: Digest,
    /// Its length in bytes.
    pub size_bytes: u64,
    /// The image's id in podman and in Docker's older storage.
    pub image_id: Digest,
    /// The image's id in containerd's storage.
    pub manifest_digest: Digest,
    /// Who can't load it.
    pub warnings: Vec<ArchiveWarning>,
}

/// Who can't load an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArchiveWarning {
    /// Layers are compressed with Zstandard. The archive still has the layout's layers, because others
    /// would have another digest.
    ZstdNeedsDocker23,
}

impl std::fmt::Display for ArchiveWarning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ZstdNeedsDocker23 => {
                f.write_str("Docker before version 23 can't load layers compressed with zstd")
            }
        }
    }
}

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// A blob can't be read.
    #[error("the blob {digest} can't be read")]
    Read {
        /// The blob.
        digest: Digest,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A blob is not what the manifest names.
    #[error("the blob {expected} has other bytes: {actual_bytes} of them, digest {actual}")]
    Blob {
        /// What the manifest names.
        expected: Digest,
        /// What it is.
        actual: Digest,
        /// How long it is, or one more than it should be.
        actual_bytes: u64,
    },
    /// The configuration is not the manifest's.
    #[error("the configuration {actual} is not the manifest's {expected}")]
    Config {
        /// What the manifest names.
        expected: Digest,
        /// What was given.
        actual: Digest,
    },
    /// The output failed.
    #[error("the archive can't be written")]
    Write(#[source] io::Error),
}

/// An entry of `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ManifestEntry {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// Writes an archive of one image. Names without a tag get `latest`. Layers are read from `blobs`, and
/// checked; after an error, what was written is of no use.
pub fn write_docker_archive(
    manifest: &Raw<Manifest>,
    config: &Raw<ImageConfig>,
    names: &[ImageName],
    blobs: &dyn BlobSource,
    output: &mut dyn Write,
) -> Result<ArchiveSummary, ArchiveError> {
    let expected = manifest.value().config.digest;
    if config.digest() != expected {
        return Err(ArchiveError::Config { expected, actual: config.digest() });
    }
    let layers = &manifest.value().layers;
    let mut tar = TarWriter::new(HashingWriter::new(output));
    let index = archive_index(manifest, config.value().platform(), names);
    let docker_manifest = docker_manifest(config.digest(), layers, names);
    write_file(&mut tar, MARKER_FILE, &marker_bytes())?;
    write_file(&mut tar, INDEX_FILE, &index)?;
    write_file(&mut tar, "manifest.json", &docker_manifest)?;
    for directory in ["blobs", BLOBS_DIRECTORY] {
        tar.write_header(&path(directory), &Metadata::root(0o755, 0), TarKind::Directory)
            .map_err(ArchiveError::Write)?;
    }
    write_file(&mut tar, &blob_name(&config.digest()), config.bytes())?;
    write_file(&mut tar, &blob_name(&manifest.digest()), manifest.bytes())?;
    let mut done = BTreeSet::new();
    for layer in layers {
        if done.insert(layer.digest) {
            write_layer_file(&mut tar, layer, blobs)?;
        }
    }
    tar.write_end_marker().map_err(ArchiveError::Write)?;
    let mut output = tar.into_inner();
    output.flush().map_err(ArchiveError::Write)?;

    let is_zstd = |layer: &Descriptor| {
        Compression::of_media_type(&layer.media_type) == Some(Compression::Zstd)
    };
    let is_zstd = layers.iter().any(is_zstd);
    let warnings = is_zstd.then_some(ArchiveWarning::ZstdNeedsDocker23).into_iter().collect();
    let (_, digest, size_bytes) = output.finish();
    let (image_id, manifest_digest) = (config.digest(), manifest.digest());
    Ok(ArchiveSummary { digest, size_bytes, image_id, manifest_digest, warnings })
}

/// Writes `index.json`, which names the image itself: an index would name images of other platforms,
/// which are not here.
fn archive_index(manifest: &Raw<Manifest>, platform: Platform, names: &[ImageName]) -> Vec<u8> {
    let (digest, size_bytes) = (manifest.digest(), manifest.size_bytes());
    let mut descriptor = Descriptor::new(media_type::MANIFEST, digest, size_bytes);
    descriptor.platform = Some(platform);
    canonical_json(&index_document(&descriptor, names))
}

fn docker_manifest(config: Digest, layers: &[Descriptor], names: &[ImageName]) -> Vec<u8> {
    let mut repo_tags: Vec<String> = Vec::new();
    for name in names.iter().map(ImageName::tagged) {
        if !repo_tags.contains(&name) {
            repo_tags.push(name);
        }
    }
    let layers = layers.iter().map(|layer| blob_name(&layer.digest)).collect();
    canonical_json(&[ManifestEntry { config: blob_name(&config), repo_tags, layers }])
}

fn blob_name(digest: &Digest) -> String {
    format!("{BLOBS_DIRECTORY}/{}", digest.to_hex())
}

fn path(text: &str) -> TreePath {
    TreePath::parse(text).expect("names in a layout are valid paths")
}

fn write_file<W: Write>(
    tar: &mut TarWriter<W>,
    name: &str,
    mut bytes: &[u8],
) -> Result<(), ArchiveError> {
    let kind = TarKind::File(bytes.len() as u64);
    tar.write_entry(&path(name), &Metadata::root(0o644, 0), kind, &mut bytes)
        .map_err(ArchiveError::Write)?;
    Ok(())
}

fn write_layer_file<W: Write>(
    tar: &mut TarWriter<W>,
    layer: &Descriptor,
    blobs: &dyn BlobSource,
) -> Result<(), ArchiveError> {
    let expected = layer.digest;
    let wrap = |source| ArchiveError::Read { digest: expected, source };
    let kind = TarKind::File(layer.size_bytes);
    tar.write_header(&path(&blob_name(&expected)), &Metadata::root(0o644, 0), kind)
        .map_err(ArchiveError::Write)?;

    let reader = blobs.open_blob(&expected).map_err(wrap)?;
    let mut reader = reader.take(layer.size_bytes.saturating_add(1));
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; CHUNK_SIZE_BYTES];
    let mut actual_bytes = 0;
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(wrap(error)),
        };
        actual_bytes += count as u64;
        hasher.update(&buffer[..count]);
        if actual_bytes <= layer.size_bytes {
            tar.write_data(&buffer[..count]).map_err(ArchiveError::Write)?;
        }
    }
    let actual = hasher.finish();
    if actual != expected || actual_bytes != layer.size_bytes {
        return Err(ArchiveError::Blob { expected, actual, actual_bytes });
    }
    Ok(())
}

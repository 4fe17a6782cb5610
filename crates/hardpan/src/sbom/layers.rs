// SPDX-License-Identifier: Apache-2.0
//! Layers and configurations of an image on a shelf, checked while they are read.

use std::io::{self, Read};

use hardpan_image::{
    Compression, Descriptor, Document as _, ImageConfig, Manifest, Raw, decompress,
};
use hardpan_tree::{Digest, Hasher};

use super::SbomError;
use crate::error::Error;
use crate::shelf::{self, Shelf, ShelfError};

/// Reads a configuration that fits its manifest.
pub(super) fn config(
    shelf: &dyn Shelf,
    manifest: &Raw<Manifest>,
) -> Result<Raw<ImageConfig>, Error> {
    let descriptor = &manifest.value().config;
    let wrap = |source| ShelfError::Document { digest: descriptor.digest, source };
    let config: Raw<ImageConfig> = Raw::parse(shelf::read(shelf, descriptor)?).map_err(wrap)?;
    config.value().check().map_err(wrap)?;
    let (layers, diff_ids) = (manifest.value().layers.len(), config.value().rootfs.diff_ids.len());
    if layers != diff_ids {
        return Err(SbomError::LayerCount { layers, diff_ids }.into());
    }
    Ok(config)
}

/// Returns when an image was made, in seconds; 0 where it does not say so.
pub(super) fn epoch(config: &ImageConfig) -> i64 {
    let created = config.created.as_deref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    created.map_or(0, jiff::Timestamp::as_second)
}

/// Gives the tar bytes of a layer to a reader, and checks them: nothing of what was read counts if this fails. Returns
/// how many there are.
pub(super) fn read(
    shelf: &dyn Shelf,
    layer: &Descriptor,
    diff_id: Digest,
    reader: impl FnOnce(&mut dyn Read) -> Result<(), Error>,
) -> Result<u64, Error> {
    let media_type = &layer.media_type;
    let compression = compression(media_type).ok_or_else(|| SbomError::MediaType {
        layer: layer.digest,
        media_type: media_type.chars().take(100).collect(),
    })?;
    let wrap = |source| SbomError::Layer { layer: layer.digest, source };
    let mut blob = Hashing::new(shelf.open(layer)?.take(layer.size_bytes.saturating_add(1)));
    let size_bytes = read_tar(&mut blob, compression, layer.digest, diff_id, reader)?;
    io::copy(&mut blob, &mut io::sink()).map_err(wrap)?;
    let actual = blob.finish();
    if actual != layer.digest {
        return Err(SbomError::Digest { expected: layer.digest, actual }.into());
    }
    Ok(size_bytes)
}

/// Gives the tar bytes of something compressed to a reader, and checks them.
pub(super) fn read_tar(
    blob: impl Read,
    compression: Compression,
    layer: Digest,
    diff_id: Digest,
    reader: impl FnOnce(&mut dyn Read) -> Result<(), Error>,
) -> Result<u64, Error> {
    let wrap = |source| SbomError::Layer { layer, source };
    let mut tar = Hashing::new(decompress(blob, compression).map_err(wrap)?);
    reader(&mut tar)?;
    io::copy(&mut tar, &mut io::sink()).map_err(wrap)?;
    let size_bytes = tar.size_bytes;
    let actual = tar.finish();
    if actual != diff_id {
        return Err(SbomError::Digest { expected: diff_id, actual }.into());
    }
    Ok(size_bytes)
}

/// Returns how layers of a media type are compressed: also of those that nobody makes any more, and of Docker's.
fn compression(media_type: &str) -> Option<Compression> {
    Compression::of_media_type(media_type).or(match media_type {
        "application/vnd.docker.image.rootfs.diff.tar"
        | "application/vnd.oci.image.layer.nondistributable.v1.tar" => Some(Compression::None),
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
        | "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip" => Some(Compression::Gzip),
        "application/vnd.docker.image.rootfs.diff.tar.zstd"
        | "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd" => Some(Compression::Zstd),
        _ => None,
    })
}

/// A reader that hashes what goes through it.
struct Hashing<R> {
    inner: R,
    hasher: Hasher,
    size_bytes: u64,
}

impl<R: Read> Hashing<R> {
    fn new(inner: R) -> Self {
        Self { inner, hasher: Hasher::new(), size_bytes: 0 }
    }

    fn finish(self) -> Digest {
        self.hasher.finish()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.size_bytes += count as u64;
        Ok(count)
    }
}

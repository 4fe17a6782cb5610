// SPDX-License-Identifier: Apache-2.0
//! Layers and configurations of an image on a shelf, checked while they are read.

use std::io::{self, Read};

use hardpan_image::{
    Compression, Descriptor, Document as _, ImageConfig, Manifest, Raw, decompress,
};
use hardpan_tree::{Digest, Hasher};

use super::SbomError;
use super::ahead::{Pieces, Sent, read_ahead};
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
    let open = || -> Result<Box<dyn Read + '_>, Error> {
        Ok(Box::new(shelf.open(layer)?.take(layer.size_bytes.saturating_add(1))))
    };
    let wanted = Wanted { name: layer.digest, blob: Some(layer.digest), diff_id };
    read_tar(open, compression, wanted, reader)
}

/// What a layer is to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// What it is called.
    pub(super) name: Digest,
    /// The digest of its blob, if that is known.
    pub(super) blob: Option<Digest>,
    /// The digest of its tar bytes.
    pub(super) diff_id: Digest,
}

impl Wanted {
    fn wrap(self, source: io::Error) -> Error {
        SbomError::Layer { layer: self.name, source }.into()
    }

    /// Reads what is left of the tar bytes, and checks all of them. Returns how many there are.
    fn finish_tar(self, mut tar: Hashing<impl Read>) -> Result<u64, Error> {
        io::copy(&mut tar, &mut io::sink()).map_err(|source| self.wrap(source))?;
        let size_bytes = tar.size_bytes;
        check(self.diff_id, tar.finish())?;
        Ok(size_bytes)
    }
}

fn check(expected: Digest, actual: Digest) -> Result<(), Error> {
    if actual == expected { Ok(()) } else { Err(SbomError::Digest { expected, actual }.into()) }
}

/// Reads the rest of bytes that could not be understood: if they are not what they are to be, that is why.
fn check_rest(expected: Digest, mut bytes: Hashing<impl Read>) -> Result<(), Error> {
    if bytes.is_broken || io::copy(&mut bytes, &mut io::sink()).is_err() {
        return Ok(());
    }
    check(expected, bytes.finish())
}

/// Gives the tar bytes of something that may be compressed to a reader, and checks them. What is compressed is decompressed
/// ahead of the reader, in a thread of its own.
pub(super) fn read_tar<'b>(
    open: impl FnOnce() -> Result<Box<dyn Read + 'b>, Error> + Send,
    compression: Compression,
    wanted: Wanted,
    reader: impl FnOnce(&mut dyn Read) -> Result<(), Error>,
) -> Result<u64, Error> {
    if compression == Compression::None {
        // Blob and tar bytes are the same.
        if let Some(blob) = wanted.blob {
            check(wanted.diff_id, blob)?;
        }
        let mut tar = Hashing::new(open()?);
        return match reader(&mut tar) {
            Ok(()) => wanted.finish_tar(tar),
            Err(error) => check_rest(wanted.diff_id, tar).and(Err(error)),
        };
    }
    let (blob, tar) = read_ahead(
        |pieces| decompress_to(pieces, open()?, compression, wanted),
        |bytes| {
            let mut tar = Hashing::new(bytes);
            reader(&mut tar)?;
            wanted.finish_tar(tar)
        },
    );
    // Where the blob is wrong, that is why the rest is.
    blob.and(tar)
}

/// Decompresses a blob, and checks that as well if its digest is known: what can't be decompressed is a wrong blob, or was
/// never right.
fn decompress_to(
    pieces: &Pieces,
    blob: impl Read,
    compression: Compression,
    wanted: Wanted,
) -> Result<(), Error> {
    let mut blob = Hashing::new(blob);
    let broken = match pieces.send_all(decompress(&mut blob, compression)) {
        Sent::All => None,
        Sent::Failed(error) => Some(error),
        // Who reads no more says why, unless these are other bytes than they are to be.
        Sent::Unheard => return wanted.blob.map_or(Ok(()), |digest| check_rest(digest, blob)),
    };
    if blob.is_broken {
        // It is not what is in the blob: the reader has the error.
        return Ok(());
    }
    if let Some(digest) = wanted.blob {
        io::copy(&mut blob, &mut io::sink()).map_err(|source| wanted.wrap(source))?;
        check(digest, blob.finish())?;
    }
    broken.map_or(Ok(()), |source| Err(wanted.wrap(source)))
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
    /// Whether it could not be read.
    is_broken: bool,
}

impl<R: Read> Hashing<R> {
    fn new(inner: R) -> Self {
        Self { inner, hasher: Hasher::new(), size_bytes: 0, is_broken: false }
    }

    fn finish(self) -> Digest {
        self.hasher.finish()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer).inspect_err(|error| {
            self.is_broken |= error.kind() != io::ErrorKind::Interrupted;
        })?;
        self.hasher.update(&buffer[..count]);
        self.size_bytes += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// A reader that gives up at once.
    fn give_up(bytes: &mut dyn Read) -> Result<(), Error> {
        let _ = bytes.read(&mut [0]);
        Err(SbomError::LayerCount { layers: 1, diff_ids: 7 }.into())
    }

    /// Gives a blob that is to be another one to a reader that understands nothing.
    fn blamed(blob: &[u8], promised: &[u8], diff_id: Digest, compression: Compression) -> Error {
        let promised = Digest::of(promised);
        let wanted = Wanted { name: promised, blob: Some(promised), diff_id };
        read_tar(|| Ok(Box::new(blob)), compression, wanted, give_up).unwrap_err()
    }

    #[test]
    fn bytes_that_were_not_promised_are_why_they_are_not_understood() {
        // More than is sent ahead, so that the sender surely meets a reader that has left.
        let tar: Vec<u8> = (0..4_000_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar).unwrap();
        let gzip = gzip.finish().unwrap();
        let diff_id = Digest::of(&tar);
        for (compression, right) in [(Compression::None, &tar), (Compression::Gzip, &gzip)] {
            let mut wrong = right.clone();
            *wrong.last_mut().unwrap() ^= 0x55;
            let error = blamed(&wrong, right, diff_id, compression);
            let (expected, actual) = (Digest::of(right), Digest::of(&wrong));
            assert!(
                matches!(&error, Error::Sbom(error) if matches!(**error,
                    SbomError::Digest { expected: e, actual: a } if e == expected && a == actual)),
                "{compression:?}: {error:?}"
            );
            let error = blamed(right, right, diff_id, compression);
            assert!(
                matches!(&error, Error::Sbom(error) if matches!(**error, SbomError::LayerCount { .. })),
                "{compression:?}: {error:?}"
            );
        }
    }
}

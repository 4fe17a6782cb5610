// SPDX-License-Identifier: Apache-2.0
//! Checking all of a layout.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::path::PathBuf;

use hardpan_tree::{Digest, Hasher};

use super::read::{Layout, StoredImage};
use super::{BLOBS_DIRECTORY, INDEX_FILE, LayoutError, MARKER_FILE};
use crate::compression::{Compression, decompress};
use crate::oci::Descriptor;

/// The most that a layer may expand to, in bytes.
const RAW_SIZE_BYTES_MAX: u64 = 1 << 40;

/// What a layout that is in order has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutReport {
    /// How many blobs are named.
    pub blobs: usize,
    /// The sum of their lengths.
    pub size_bytes: u64,
    /// Files that nothing names, relative to the layout, sorted. They are allowed and never read.
    pub extra: Vec<PathBuf>,
}

impl Layout {
    /// Checks everything that `index.json` leads to: each blob is there, is a regular file, and has
    /// the length and digest that names it; documents are of the right shape; manifests and
    /// configurations have as many layers.
    pub fn verify(&self) -> Result<LayoutReport, LayoutError> {
        let contents = self.contents()?;
        let mut named: BTreeMap<Digest, u64> = BTreeMap::new();
        for descriptor in &contents.indexes {
            named.insert(descriptor.digest, descriptor.size_bytes);
        }
        for image in &contents.images {
            // These were checked as they were read.
            let manifest = image.manifest.value();
            for descriptor in [&image.descriptor, &manifest.config] {
                named.insert(descriptor.digest, descriptor.size_bytes);
            }
            if image.config.is_none() {
                self.verify_blob(&manifest.config)?;
            }
            for layer in &manifest.layers {
                match named.insert(layer.digest, layer.size_bytes) {
                    Some(size_bytes) if size_bytes == layer.size_bytes => {}
                    _ => self.verify_blob(layer)?,
                }
            }
        }
        let extra = self.extra(&named)?;
        let size_bytes = named.values().sum();
        Ok(LayoutReport { blobs: named.len(), size_bytes, extra })
    }

    /// Checks everything as [`Layout::verify`] does, and that each layer decompresses to the tar bytes
    /// that the configuration names.
    pub fn verify_contents(&self) -> Result<LayoutReport, LayoutError> {
        let report = self.verify()?;
        let mut done = BTreeSet::new();
        for image in self.images()? {
            let StoredImage { manifest, config: Some(config), .. } = image else { continue };
            let diff_ids = &config.value().rootfs.diff_ids;
            for (layer, &expected) in manifest.value().layers.iter().zip(diff_ids) {
                if done.insert((layer.digest, expected)) {
                    self.verify_diff_id(layer, expected)?;
                }
            }
        }
        Ok(report)
    }

    fn verify_blob(&self, descriptor: &Descriptor) -> Result<(), LayoutError> {
        let mut file = self.open_blob(descriptor)?;
        let path = self.blob_path(&descriptor.digest);
        let (actual, _) =
            Digest::of_reader(&mut file).map_err(|error| LayoutError::io("read", &path, error))?;
        if actual != descriptor.digest {
            return Err(LayoutError::Digest { expected: descriptor.digest, actual });
        }
        Ok(())
    }

    fn verify_diff_id(&self, layer: &Descriptor, expected: Digest) -> Result<(), LayoutError> {
        // Layers of unknown types can't be looked into.
        let Some(compression) = Compression::of_media_type(&layer.media_type) else {
            return Ok(());
        };
        let wrap = |source| LayoutError::Decompress { layer: layer.digest, source };
        let file = self.open_blob(layer)?;
        let mut reader = decompress(file, compression).map_err(wrap)?.take(RAW_SIZE_BYTES_MAX + 1);
        let mut hasher = Hasher::new();
        let mut buffer = vec![0; 256 * 1024];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => hasher.update(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(wrap(error)),
            }
        }
        if reader.limit() == 0 {
            return Err(wrap(io::Error::other("it expands to more than 1 TiB")));
        }
        let actual = hasher.finish();
        if actual != expected {
            return Err(LayoutError::DiffId { layer: layer.digest, expected, actual });
        }
        Ok(())
    }

    /// Lists the files that nothing names, in the root and among the blobs.
    fn extra(&self, named: &BTreeMap<Digest, u64>) -> Result<Vec<PathBuf>, LayoutError> {
        let mut extra = Vec::new();
        for (directory, known) in [
            ("", &[MARKER_FILE, INDEX_FILE, "blobs"][..]),
            ("blobs", &["sha256"]),
            (BLOBS_DIRECTORY, &[]),
        ] {
            let path = self.directory().join(directory);
            let wrap = |error| LayoutError::io("list", &path, error);
            for entry in fs::read_dir(&path).map_err(wrap)? {
                let name = entry.map_err(wrap)?.file_name();
                let is_known = name.to_str().is_some_and(|name| {
                    known.contains(&name)
                        || directory == BLOBS_DIRECTORY
                            && Digest::from_hex(name)
                                .is_ok_and(|digest| named.contains_key(&digest))
                });
                if !is_known {
                    extra.push(PathBuf::from(directory).join(name));
                }
            }
        }
        extra.sort();
        Ok(extra)
    }
}

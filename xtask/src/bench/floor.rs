// SPDX-License-Identifier: Apache-2.0
//! The floor: what hashing an image's layers costs, compressed and not, and what decompressing them does.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hardpan_image::{Compression, Layout, decompress};
use hardpan_tree::Hasher;

/// How much is hashed at a time, in bytes.
const CHUNK_SIZE_BYTES: usize = 256 * 1024;

/// The layers of a layout and what hashing them costs.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Floor {
    /// Sum of the layers, in bytes.
    pub(super) compressed_bytes: u64,
    /// Sum of the layers' tar bytes.
    pub(super) raw_bytes: u64,
    /// Time for the digests of both, on one thread.
    pub(super) hashing: Duration,
    /// Time to read and decompress them, on one thread.
    pub(super) reading: Duration,
}

/// Decompresses and hashes all layers of all images of a layout.
pub(super) fn floor(directory: &Path) -> anyhow::Result<Floor> {
    let layout = Layout::open(directory)?;
    let mut floor = Floor::default();
    for image in layout.images()? {
        for layer in &image.manifest.value().layers {
            let compression = Compression::of_media_type(&layer.media_type)
                .context("a layer of no known kind")?;
            let path = layout.blob_path(&layer.digest);
            // Decompressing reads them again.
            let mut unused = Duration::ZERO;
            floor.compressed_bytes += hash(File::open(&path)?, &mut floor.hashing, &mut unused)?;
            let raw = decompress(BufReader::new(File::open(&path)?), compression)?;
            floor.raw_bytes += hash(raw, &mut floor.hashing, &mut floor.reading)?;
        }
    }
    Ok(floor)
}

fn hash(mut reader: impl Read, hashing: &mut Duration, reading: &mut Duration) -> io::Result<u64> {
    let mut hasher = Hasher::new();
    let mut buffer = vec![0; CHUNK_SIZE_BYTES];
    let mut size_bytes = 0;
    loop {
        let start = Instant::now();
        let count = reader.read(&mut buffer)?;
        *reading += start.elapsed();
        if count == 0 {
            break;
        }
        let start = Instant::now();
        hasher.update(&buffer[..count]);
        *hashing += start.elapsed();
        size_bytes += count as u64;
    }
    let start = Instant::now();
    let _ = hasher.finish();
    *hashing += start.elapsed();
    Ok(size_bytes)
}

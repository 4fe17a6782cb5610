// SPDX-License-Identifier: Apache-2.0
//! Layers of images of anybody, as archives to go through.

use std::io::{BufReader, Read};

use hardpan_tree::{TarLimits, TarReader};

/// How much is read at a time, in bytes.
pub(crate) const CHUNK_BYTES: usize = 128 << 10;

/// Opens an uncompressed layer: with at most so many entries, and so many bytes of files.
pub(crate) fn open<R: Read>(
    reader: R,
    entries_max: u64,
    size_bytes_max: u64,
) -> TarReader<BufReader<R>> {
    let limits = TarLimits {
        entries_max,
        size_bytes_max,
        refuse_special: false,
        // Some builders leave it out, and the digest of the layer says where the end is.
        end_marker_required: false,
        ..TarLimits::default()
    };
    TarReader::new(BufReader::with_capacity(CHUNK_BYTES, reader), limits)
}

// SPDX-License-Identifier: Apache-2.0
//! Layers of images of anybody, as archives to go through.

use std::io::{BufReader, Read};

use hardpan_tree::{TarEntryKind, TarLimits, TarReader, TreePath};

/// How much is read at a time, in bytes.
pub(crate) const CHUNK_BYTES: usize = 128 << 10;

/// How many directories may be in each other. Packages of Node in packages of Node come to 60.
const DEPTH_MAX: usize = 256;

/// Counts entries of all layers, and the bytes of their paths.
#[derive(Debug, Default)]
pub(crate) struct EntryCounter {
    entries: u64,
    path_bytes: u64,
}

/// More than a limit allows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany {
    pub(crate) what: &'static str,
    pub(crate) max: u64,
}

impl EntryCounter {
    /// Counts an entry.
    pub(crate) fn add(
        &mut self,
        path: &TreePath,
        kind: &TarEntryKind,
        entries_max: u64,
        path_bytes_max: u64,
    ) -> Result<(), TooMany> {
        let target_bytes = match kind {
            TarEntryKind::Symlink(target) => target.len(),
            TarEntryKind::HardLink(target) => target.as_bytes().len(),
            _ => 0,
        };
        self.entries += 1;
        self.path_bytes += (path.as_bytes().len() + target_bytes) as u64;
        let depth = path.components().count() as u64;
        for (what, number, max) in [
            ("entries", self.entries, entries_max),
            ("bytes of paths", self.path_bytes, path_bytes_max),
            ("directories in each other", depth, DEPTH_MAX as u64),
        ] {
            if number > max {
                return Err(TooMany { what, max });
            }
        }
        Ok(())
    }

    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }
}

/// Opens an uncompressed layer: with at most so many entries, and so many bytes of files.
pub(crate) fn open<R: Read>(
    reader: R,
    entries_max: u64,
    size_bytes_max: u64,
) -> TarReader<BufReader<R>> {
    let limits = TarLimits::of_layer(entries_max, size_bytes_max);
    TarReader::new(BufReader::with_capacity(CHUNK_BYTES, reader), limits)
}

// SPDX-License-Identifier: Apache-2.0
//! What programs made, in the store: many small files as one segment.

use std::collections::BTreeSet;
use std::io::Write as _;

use hardpan_image::Compression;
use hardpan_tree::{Content, Digest, File, Hasher};
use serde::{Deserialize, Serialize};

use crate::store::{Store, StoreError};

/// A directory of the store: records of what became of modules and indexes.
pub(super) const KIND: &str = "compiled";

/// Where a file is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Kept {
    /// The segment's key.
    pub(super) segment: Digest,
    /// Where it begins in that.
    pub(super) offset_bytes: u64,
    /// Its length.
    pub(super) size_bytes: u64,
    /// Its digest.
    pub(super) digest: Digest,
}

impl Kept {
    /// Returns the place of no file yet.
    pub(super) fn nothing() -> Self {
        let nothing = Digest::of(b"");
        Self { segment: nothing, offset_bytes: 0, size_bytes: 0, digest: nothing }
    }

    /// Returns it as a file of a tree.
    pub(super) fn file(&self) -> File {
        File {
            size_bytes: self.size_bytes,
            digest: self.digest,
            content: Content::Segment { segment: self.segment, offset_bytes: self.offset_bytes },
            facts: None,
        }
    }
}

/// Writes files as one segment; returns where each is.
pub(super) fn keep(store: &Store, files: &[Vec<u8>]) -> Result<Vec<Kept>, StoreError> {
    let mut hasher = Hasher::new();
    for bytes in files {
        hasher.update(bytes);
    }
    let segment = hasher.finish();
    let mut writer = store.segment_writer(Compression::None)?;
    let mut offset_bytes = 0;
    let mut kept = Vec::with_capacity(files.len());
    for bytes in files {
        writer.write_all(bytes).map_err(|error| StoreError::io("write", store.root(), error))?;
        let size_bytes = bytes.len() as u64;
        kept.push(Kept { segment, offset_bytes, size_bytes, digest: Digest::of(bytes) });
        offset_bytes += size_bytes;
    }
    store.finish_segment(&segment, writer, segment, &())?;
    Ok(kept)
}

/// Returns which of these segments are no longer in the store.
pub(super) fn gone(store: &Store, segments: impl Iterator<Item = Digest>) -> BTreeSet<Digest> {
    let segments: BTreeSet<Digest> = segments.collect();
    segments.into_iter().filter(|segment| store.segment(segment).is_none()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_where_they_were_kept() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let files = [b"one".to_vec(), Vec::new(), b"three".to_vec()];
        let kept = keep(&store, &files).unwrap();
        for (bytes, kept) in files.iter().zip(&kept) {
            let size = usize::try_from(kept.size_bytes).unwrap();
            let segment = store.segment(&kept.segment).unwrap();
            assert_eq!(segment.read_at(kept.offset_bytes, size).unwrap(), *bytes);
            assert_eq!(kept.digest, Digest::of(bytes));
        }
        assert_eq!(keep(&store, &files).unwrap(), kept, "twice is once");
        let segment = kept[0].segment;
        assert!(gone(&store, [segment].into_iter()).is_empty());
        store.remove_segment(&segment).unwrap();
        assert_eq!(gone(&store, [segment, segment].into_iter()), [segment].into());
    }
}

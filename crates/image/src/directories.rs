// SPDX-License-Identifier: Apache-2.0
//! The directories of a layer.
//!
//! Segments of packages hold no directories, because many packages share one and no path may stand
//! twice in a layer. Each layer starts with one segment of all directories that it needs.

use std::collections::BTreeMap;

use hardpan_tree::{Kind, Metadata, TarKind, TarWriter, Tree, TreePath};

/// Why a layer's directories can't be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The tree has no directory there.
    #[error("{0} is not a directory of the tree")]
    Missing(TreePath),
}

/// Returns the directories that a layer needs, with their metadata in the tree, sorted.
///
/// `entries` are the paths and times of the layer's files and links; `also` are directories that it
/// holds for their own sake (empty ones, in the uppermost layer). All directories above them are
/// included, but not the root. A directory's time is that of the newest entry below it in this
/// layer, or else `epoch`: so a layer of the same packages is the same in every image.
pub fn layer_directories<'p, 'q>(
    tree: &Tree,
    entries: impl IntoIterator<Item = (&'p TreePath, i64)>,
    also: impl IntoIterator<Item = &'q TreePath>,
    epoch: i64,
) -> Result<Vec<(TreePath, Metadata)>, DirectoryError> {
    let mut times: BTreeMap<TreePath, Option<i64>> = BTreeMap::new();
    for (path, mtime) in entries {
        for directory in path.ancestors() {
            let time = times.entry(directory).or_default();
            // Those above are at least as new already.
            if time.is_some_and(|time| time >= mtime) {
                break;
            }
            *time = Some(mtime);
        }
    }
    for path in also {
        for directory in std::iter::once(path.clone()).chain(path.ancestors()) {
            times.entry(directory).or_default();
        }
    }
    times.remove(&TreePath::root());
    let mut directories = Vec::with_capacity(times.len());
    for (path, time) in times {
        match tree.get(&path) {
            Some(node) if node.kind == Kind::Directory => {
                let mut metadata = node.metadata.clone();
                metadata.mtime = time.unwrap_or(epoch);
                directories.push((path, metadata));
            }
            _ => return Err(DirectoryError::Missing(path)),
        }
    }
    Ok(directories)
}

/// Writes directories as tar entries, in the order given; the root is left out.
pub fn directory_segment(directories: &[(TreePath, Metadata)]) -> Vec<u8> {
    let mut writer = TarWriter::new(Vec::new());
    for (path, metadata) in directories {
        if !path.is_root() {
            writer
                .write_header(path, metadata, TarKind::Directory)
                .expect("a vector takes all bytes, and directories have no data");
        }
    }
    writer.into_inner()
}

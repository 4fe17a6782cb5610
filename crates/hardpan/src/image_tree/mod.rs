// SPDX-License-Identifier: Apache-2.0
//! The layers of an image, of any origin, as one tree.
//!
//! Each layer is kept once in the store as an uncompressed segment, by its diff id, and the tree's files
//! are references into these. Layers are applied as containers see them (OCI image specification,
//! "Image Layer Filesystem Changeset"): a whiteout hides what layers below have, an entry takes the place
//! of one below it, and a path goes through links of the tree, which can't lead out.

mod segment;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io::{self, Read};

use hardpan_image::Descriptor;
use hardpan_package::segment::EntryKind;
use hardpan_tree::{
    Content, Digest, File, InsertError, Kind, Metadata, Node, Origin, ResolveError, TarReadError,
    Tree, TreePath,
};

use crate::error::Trouble;
use crate::store::{Store, StoreError};
use segment::Entry;

/// How names of whiteouts begin.
const WHITEOUT: &[u8] = b".wh.";
/// The name of the whiteout that hides all that a directory has in layers below.
const OPAQUE_WHITEOUT: &[u8] = b".wh..wh..opq";
/// How other names begin that are for storage drivers alone.
const METADATA: &[u8] = b".wh..wh.";

/// A layer, as a manifest and a configuration name it.
pub(crate) struct LayerInput<'a> {
    /// Its media type, and the digest of its compressed bytes.
    pub(crate) descriptor: &'a Descriptor,
    /// The digest of its uncompressed bytes.
    pub(crate) diff_id: Digest,
    /// Opens its compressed bytes, which are checked here. Called only if the store does not have the
    /// layer.
    pub(crate) open: &'a dyn Fn() -> io::Result<Box<dyn Read + 'a>>,
}

/// Why layers do not make a tree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageTreeError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A layer can't be read.
    #[error("the layer {layer} can't be read")]
    Read {
        /// The layer.
        layer: Digest,
        /// Why.
        source: io::Error,
    },
    /// A layer of a kind that is not known.
    #[error("the layer {layer} has the unknown media type {media_type:?}")]
    MediaType {
        /// The layer.
        layer: Digest,
        /// What its manifest says.
        media_type: String,
    },
    /// A layer has other bytes than its name says.
    #[error("the layer {expected} has the digest {actual}")]
    Digest {
        /// Its name.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// A layer's uncompressed bytes are not those that the configuration names.
    #[error("the layer {layer} has the diff id {actual}, not {expected}")]
    DiffId {
        /// The layer.
        layer: Digest,
        /// What the configuration says.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// A layer is no archive that is safe to read.
    #[error("the layer {layer} is refused")]
    Tar {
        /// The layer.
        layer: Digest,
        /// Why.
        source: TarReadError,
    },
    /// An entry of a layer has no place in the tree.
    #[error("the layer {layer} does not fit on those below it")]
    Insert {
        /// The layer.
        layer: Digest,
        /// Why.
        source: InsertError,
    },
    /// A path of a layer leads in a circle.
    #[error("the layer {layer} has a path that leads nowhere")]
    Resolve {
        /// The layer.
        layer: Digest,
        /// Why.
        source: ResolveError,
    },
}

impl ImageTreeError {
    /// Returns what kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Store(StoreError::Damaged { .. } | StoreError::DamagedSegment { .. })
            | Self::Digest { .. }
            | Self::DiffId { .. }
            | Self::Tar { .. }
            | Self::Insert { .. }
            | Self::Resolve { .. } => Trouble::Trust,
            Self::Store(_) | Self::Read { .. } | Self::MediaType { .. } => Trouble::Network,
        }
    }

    fn of_reading(layer: Digest, source: io::Error) -> Self {
        match source.downcast::<StoreError>() {
            Ok(own) => own.into(),
            Err(source) => Self::Read { layer, source },
        }
    }

    fn of_tar(layer: Digest, error: TarReadError) -> Self {
        match error {
            // The tar reader's own errors may come wrapped in one of reading.
            TarReadError::Io(source) => match source.downcast::<TarReadError>() {
                Ok(source) => Self::Tar { layer, source },
                Err(source) => Self::of_reading(layer, source),
            },
            source => Self::Tar { layer, source },
        }
    }
}

/// Puts an image's layers, the lowest first, on top of each other. All nodes get this origin.
pub(crate) fn tree_of_layers<'a>(
    store: &Store,
    layers: impl IntoIterator<Item = LayerInput<'a>>,
    origin: Origin,
) -> Result<Tree, ImageTreeError> {
    let mut tree = Tree::new();
    for layer in layers {
        let record = segment::read(store, &layer)?;
        let mut apply = Apply {
            linked: linked_files(&tree),
            tree: &mut tree,
            layer: layer.descriptor.digest,
            segment: segment::key(&layer.diff_id),
            origin,
        };
        // Whiteouts first, wherever they stand: they are about layers below only.
        for entry in &record.entries {
            apply.hide(entry)?;
        }
        for entry in record.entries {
            if !entry.path.name().starts_with(WHITEOUT) {
                apply.put(entry)?;
            }
        }
    }
    Ok(tree)
}

/// Returns the files that have more than one name.
fn linked_files(tree: &Tree) -> BTreeSet<TreePath> {
    tree.walk()
        .filter_map(|(_, node)| match &node.kind {
            Kind::HardLink(target) => Some(target.clone()),
            _ => None,
        })
        .collect()
}

/// One layer on its way into a tree.
struct Apply<'t> {
    tree: &'t mut Tree,
    linked: BTreeSet<TreePath>,
    layer: Digest,
    segment: Digest,
    origin: Origin,
}

impl Apply<'_> {
    /// Does what a whiteout says; nothing for other entries.
    fn hide(&mut self, entry: &Entry) -> Result<(), ImageTreeError> {
        let Some(hidden) = entry.path.name().strip_prefix(WHITEOUT) else { return Ok(()) };
        let place = self.place(&entry.path)?;
        let directory = place.parent().unwrap_or_default();
        if place.name() == OPAQUE_WHITEOUT {
            let children: Vec<TreePath> =
                self.tree.children(&directory).map(|(path, _)| path.clone()).collect();
            for child in children {
                self.tree.remove(&child);
            }
        } else if !place.name().starts_with(METADATA)
            && let Ok(path) = directory.join(hidden)
            // `.wh..` would be the directory itself.
            && path.parent().as_ref() == Some(&directory)
        {
            self.tree.remove(&path);
        }
        Ok(())
    }

    fn put(&mut self, entry: Entry) -> Result<(), ImageTreeError> {
        let layer = self.layer;
        let fail = |source| ImageTreeError::Insert { layer, source };
        let path = self.place(&entry.path)?;
        let parent = path.parent().unwrap_or_default();
        let above = Metadata::root(0o755, entry.metadata.mtime);
        self.tree.make_directories(&parent, &above, self.origin).map_err(fail)?;
        let kind = match entry.kind {
            EntryKind::Directory => Kind::Directory,
            EntryKind::Symlink(target) => Kind::Symlink(target),
            EntryKind::File(file) => Kind::File(File {
                size_bytes: file.size_bytes,
                digest: file.digest,
                content: Content::Segment {
                    segment: self.segment,
                    offset_bytes: file.offset_bytes,
                },
                facts: file.facts,
            }),
            EntryKind::HardLink(target) => {
                let target = self.place(&target)?;
                if target == path {
                    return Ok(());
                }
                match self.tree.get(&target).map(|node| &node.kind) {
                    // A link to a link is a link to the same file, and a symbolic link is as good as
                    // its copy.
                    Some(Kind::HardLink(file)) => Kind::HardLink(file.clone()),
                    Some(Kind::Symlink(text)) => Kind::Symlink(text.clone()),
                    _ => Kind::HardLink(target),
                }
            }
        };
        // A directory stays with what is in it where it is one in both. Of a file with several names
        // only this name goes.
        let is_replaced = match self.tree.get(&path).map(|node| &node.kind) {
            Some(Kind::Directory) => kind != Kind::Directory,
            Some(Kind::File(_)) => self.linked.contains(&path),
            _ => false,
        };
        if is_replaced {
            self.tree.remove(&path);
        }
        match &kind {
            Kind::HardLink(target) => {
                self.linked.insert(target.clone());
            }
            // The name that has the content may be another one now.
            _ if is_replaced => self.linked = linked_files(self.tree),
            _ => {}
        }
        let node = Node { metadata: entry.metadata, kind, origin: self.origin };
        self.tree.insert(path, node).map_err(fail)?;
        Ok(())
    }

    /// Returns where an entry is, through links of directories above it.
    fn place(&self, path: &TreePath) -> Result<TreePath, ImageTreeError> {
        let layer = self.layer;
        self.tree.resolve_parent(path).map_err(|source| ImageTreeError::Resolve { layer, source })
    }
}

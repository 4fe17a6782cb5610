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

use std::collections::BTreeMap;
use std::io::{self, Read};

use hardpan_image::Descriptor;
use hardpan_package::segment::EntryKind;
use hardpan_tree::layers::{
    ContentName, LayerEntry, LayerKind, Stack, StackError, StackRules, Whiteout,
};
use hardpan_tree::{Digest, File, Metadata, Origin, Special, TarReadError, Tree, TreePath};

use crate::artifact::layer_kind;
use crate::error::Trouble;
use crate::store::{Store, StoreError};
use segment::{Entry, Recorded};

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
        source: StackError,
    },
    /// A path of a layer leads in a circle.
    #[error("the layer {layer} has a path that leads nowhere")]
    Resolve {
        /// The layer.
        layer: Digest,
        /// Why.
        source: StackError,
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

    fn of_stack(layer: Digest, source: StackError) -> Self {
        match source {
            StackError::TooManyLinks(_) | StackError::TooLong => Self::Resolve { layer, source },
            source => Self::Insert { layer, source },
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

/// What is in an image.
#[derive(Debug)]
pub(crate) struct ImageFiles {
    /// What a tree can hold.
    pub(crate) tree: Tree,
    /// Device nodes and pipes. A container gets its own, and no file system that is made of the image has them.
    pub(crate) specials: BTreeMap<TreePath, SpecialFile>,
}

/// A device node or a pipe.
#[derive(Debug, Clone)]
pub(crate) struct SpecialFile {
    pub(crate) metadata: Metadata,
    pub(crate) kind: Special,
}

/// Metadata of an entry, and what it is if it is no plain one.
type EntryMetadata = (Metadata, Option<Special>);

/// Puts an image's layers, the lowest first, on top of each other. All nodes get this origin.
pub(crate) fn tree_of_layers<'a>(
    store: &Store,
    layers: impl IntoIterator<Item = LayerInput<'a>>,
    origin: Origin,
) -> Result<Tree, ImageTreeError> {
    Ok(files_of_layers(store, layers, origin)?.tree)
}

/// The same, with what a tree can't hold.
pub(crate) fn files_of_layers<'a>(
    store: &Store,
    layers: impl IntoIterator<Item = LayerInput<'a>>,
    origin: Origin,
) -> Result<ImageFiles, ImageTreeError> {
    let mut stack: Stack<EntryMetadata, File> = Stack::new(StackRules::STRICT);
    for layer in layers {
        let digest = layer.descriptor.digest;
        let record = segment::read(store, &layer)?;
        let segment = segment::key(&layer.diff_id);
        let whiteouts: Vec<Whiteout> =
            record.entries.iter().filter_map(|entry| Whiteout::of(&entry.path)).collect();
        let entries = record.entries.into_iter().filter_map(|entry| layer_entry(segment, entry));
        let refused = |_: &TreePath, error| Err::<(), _>(ImageTreeError::of_stack(digest, error));
        stack.apply(whiteouts, entries, refused)?;
    }
    let mut specials = BTreeMap::new();
    let tree = stack.into_tree_by(ContentName::AsWritten, |path, (metadata, special)| {
        if let Some(kind) = special {
            let special = SpecialFile { metadata: metadata.clone(), kind };
            specials.insert(path.clone(), special);
        }
        (metadata, origin)
    });
    Ok(ImageFiles { tree, specials })
}

/// Returns an entry of a layer, unless it is a whiteout, or a hard link to itself, which changes nothing.
fn layer_entry(segment: Digest, entry: Entry) -> Option<LayerEntry<EntryMetadata, File>> {
    let Entry { path, metadata, kind } = entry;
    let is_itself =
        matches!(&kind, Recorded::Plain(EntryKind::HardLink(target)) if *target == path);
    if is_itself || Whiteout::of(&path).is_some() {
        return None;
    }
    let above = (Metadata::root(0o755, metadata.mtime), None);
    let (kind, special) = match kind {
        Recorded::Plain(kind) => (layer_kind(segment, &kind), None),
        Recorded::CharacterDevice => (LayerKind::Special, Some(Special::CharacterDevice)),
        Recorded::BlockDevice => (LayerKind::Special, Some(Special::BlockDevice)),
        Recorded::Fifo => (LayerKind::Special, Some(Special::Fifo)),
    };
    Some(LayerEntry { path, metadata: (metadata, special), above, kind })
}

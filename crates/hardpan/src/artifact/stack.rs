// SPDX-License-Identifier: Apache-2.0
//! Layers of other images on top of one another.

use std::collections::BTreeSet;

use hardpan_package::segment::EntryKind;
use hardpan_tree::layers::{
    self, ContentName, LayerEntry, LayerKind, StackError, StackRules, Whiteout,
};
use hardpan_tree::{Content, Digest, File, Metadata, Origin, Tree, TreePath};

use super::layer::LayerRecord;

/// Layers that were applied.
#[derive(Debug)]
pub(super) struct Stack {
    layers: layers::Stack<Metadata, File>,
    dropped: BTreeSet<TreePath>,
}

impl Default for Stack {
    fn default() -> Self {
        Self { layers: layers::Stack::new(StackRules::STRICT), dropped: BTreeSet::new() }
    }
}

impl Stack {
    /// Puts a layer on top.
    pub(super) fn apply(&mut self, segment: Digest, layer: &LayerRecord) -> Result<(), StackError> {
        let emptied = layer.emptied.iter().cloned().map(Whiteout::Below);
        let removed = layer.removed.iter().cloned().map(Whiteout::At);
        let entries = layer.entries.iter().map(|entry| LayerEntry {
            path: entry.path.clone(),
            metadata: entry.metadata.clone(),
            above: Metadata::root(0o755, entry.metadata.mtime),
            kind: layer_kind(segment, &entry.kind),
        });
        self.layers.apply(emptied.chain(removed), entries, |_, error| Err(error))?;
        self.dropped.extend(layer.dropped.iter().cloned());
        Ok(())
    }

    /// Returns what was left out and has nothing else in its place.
    pub(super) fn dropped(&self) -> Vec<TreePath> {
        self.dropped.iter().filter(|path| self.layers.get(path).is_none()).cloned().collect()
    }

    /// Returns the tree. The first name of a file has its content, the others are hard links.
    pub(super) fn into_tree(self, origin: Origin) -> Tree {
        self.layers.into_tree(origin, ContentName::First)
    }
}

/// Returns what an entry of a layer is, whose files are in a segment.
pub(crate) fn layer_kind(segment: Digest, kind: &EntryKind) -> LayerKind<File> {
    match kind {
        EntryKind::Directory => LayerKind::Directory,
        EntryKind::Symlink(target) => LayerKind::Symlink(target.clone()),
        EntryKind::HardLink(target) => LayerKind::HardLink(target.clone()),
        EntryKind::File(file) => LayerKind::File(File {
            size_bytes: file.size_bytes,
            digest: file.digest,
            content: Content::Segment { segment, offset_bytes: file.offset_bytes },
            facts: file.facts.clone(),
        }),
    }
}

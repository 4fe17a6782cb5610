// SPDX-License-Identifier: Apache-2.0
//! What differs between two trees.

use crate::{Kind, Node, Tree, TreePath};

/// The paths at which two trees differ; each list is sorted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// Paths that only the new tree has.
    pub added: Vec<TreePath>,
    /// Paths at which the new tree has something else, or other metadata.
    pub changed: Vec<TreePath>,
    /// Paths that only the old tree has, with all that was below them.
    pub removed: Vec<TreePath>,
}

impl Difference {
    /// Returns whether the trees are the same.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty()
    }
}

impl Tree {
    /// Returns what has to change in `base` to make it this tree.
    ///
    /// Files are the same if their digests and metadata are: where the bytes are and who brought
    /// them does not count. A hard link counts as changed if the file that it names does.
    pub fn difference(&self, base: &Tree) -> Difference {
        let mut difference = Difference::default();
        for (path, node) in self.walk() {
            match base.get(path) {
                None => difference.added.push(path.clone()),
                Some(old) if self.is_same(node, base, old) => {}
                Some(_) => difference.changed.push(path.clone()),
            }
        }
        let removed = base.walk().map(|(path, _)| path).filter(|path| !self.contains(path));
        difference.removed = removed.cloned().collect();
        difference
    }

    fn is_same(&self, node: &Node, base: &Tree, old: &Node) -> bool {
        match (&node.kind, &old.kind) {
            (Kind::HardLink(target), Kind::HardLink(old_target)) => {
                let (Some((node, _)), Some((old, _))) = (self.file(target), base.file(old_target))
                else {
                    return false;
                };
                target == old_target && self.is_same(node, base, old)
            }
            (Kind::File(file), Kind::File(old_file)) => {
                file.digest == old_file.digest && node.metadata == old.metadata
            }
            (Kind::Directory, Kind::Directory) => node.metadata == old.metadata,
            (Kind::Symlink(target), Kind::Symlink(old_target)) => {
                target == old_target && node.metadata == old.metadata
            }
            _ => false,
        }
    }
}

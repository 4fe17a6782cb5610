// SPDX-License-Identifier: Apache-2.0
//! Layers on top of one another, as a container's root file system is made of them
//! (OCI image specification, "Applying Changesets").

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use hardpan_package::segment::EntryKind;
use hardpan_tree::{
    Content, Digest, File, InsertError, Kind, LINKS_MAX, Metadata, Node, Origin, Tree, TreePath,
};

use super::layer::LayerRecord;

/// The most entries of all layers together.
const ENTRIES_MAX: usize = 4_000_000;

/// The most names that are looked at on the way to all entries. Chains of long links could make each entry cost
/// as much as a whole layer; real images take about ten for each.
const STEPS_MAX: u64 = 200_000_000;

/// Why layers do not fit on one another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StackError {
    /// Something is to be in what is no directory.
    #[error("{path} is in {parent}, which is not a directory")]
    NotADirectory {
        /// What.
        path: TreePath,
        /// What is no directory.
        parent: TreePath,
    },
    /// Links lead in a circle.
    #[error("{0} is reached by too many symbolic links")]
    TooManyLinks(TreePath),
    /// A hard link to what is not there.
    #[error("{path} is a hard link to {target}, which is not a file")]
    LinkTarget {
        /// The link.
        path: TreePath,
        /// What it names.
        target: TreePath,
    },
    /// The root is something else than a directory.
    #[error("the root is not a directory")]
    Root,
    /// More than anything needs.
    #[error("its layers have more than {ENTRIES_MAX} entries")]
    TooMany,
    /// Links that take for ever to follow.
    #[error("its layers lead through too many symbolic links")]
    TooLong,
    /// The tree does not take it.
    #[error(transparent)]
    Insert(#[from] InsertError),
}

/// What stands at a path. Names of one file have one number.
#[derive(Debug, Clone)]
enum Item {
    Directory(Metadata),
    Symlink(Metadata, Vec<u8>),
    File(usize),
}

/// Layers that were applied.
#[derive(Debug)]
pub(super) struct Stack {
    items: BTreeMap<TreePath, Item>,
    files: Vec<(Metadata, File)>,
    dropped: BTreeSet<TreePath>,
    entries: usize,
    steps_left: Cell<u64>,
}

impl Default for Stack {
    fn default() -> Self {
        Self {
            items: BTreeMap::new(),
            files: Vec::new(),
            dropped: BTreeSet::new(),
            entries: 0,
            steps_left: Cell::new(STEPS_MAX),
        }
    }
}

impl Stack {
    /// Puts a layer on top. What it removes is what lower layers have, never what it brings itself.
    pub(super) fn apply(&mut self, segment: Digest, layer: &LayerRecord) -> Result<(), StackError> {
        self.entries += layer.entries.len() + layer.removed.len() + layer.emptied.len();
        if self.entries > ENTRIES_MAX {
            return Err(StackError::TooMany);
        }
        for directory in &layer.emptied {
            if let Some(place) = self.existing(directory)? {
                self.remove_below(&place);
            }
        }
        for path in &layer.removed {
            if let Some(place) = self.existing(path)? {
                self.remove(&place);
            }
        }
        for entry in &layer.entries {
            let item = match &entry.kind {
                EntryKind::Directory => Item::Directory(entry.metadata.clone()),
                EntryKind::Symlink(target) => Item::Symlink(entry.metadata.clone(), target.clone()),
                EntryKind::File(file) => {
                    let offset_bytes = file.offset_bytes;
                    let content = Content::Segment { segment, offset_bytes };
                    let (size_bytes, digest) = (file.size_bytes, file.digest);
                    let file = File { size_bytes, digest, content, facts: file.facts.clone() };
                    self.files.push((entry.metadata.clone(), file));
                    Item::File(self.files.len() - 1)
                }
                EntryKind::HardLink(target) => self.link(&entry.path, target)?,
            };
            self.put(&entry.path, item, entry.metadata.mtime)?;
        }
        self.dropped.extend(layer.dropped.iter().cloned());
        Ok(())
    }

    /// Returns what was left out and has nothing else in its place.
    pub(super) fn dropped(&self) -> Vec<TreePath> {
        self.dropped.iter().filter(|path| !self.items.contains_key(*path)).cloned().collect()
    }

    /// Returns the tree. The first name of a file has its content, the others are hard links.
    pub(super) fn into_tree(self, origin: Origin) -> Result<Tree, StackError> {
        let mut tree = Tree::new();
        let mut first_names: BTreeMap<usize, TreePath> = BTreeMap::new();
        for (path, item) in self.items {
            let node = match item {
                Item::Directory(metadata) => Node { metadata, kind: Kind::Directory, origin },
                Item::Symlink(metadata, target) => {
                    Node { metadata, kind: Kind::Symlink(target), origin }
                }
                Item::File(number) => {
                    let (metadata, file) = self.files[number].clone();
                    let kind = match first_names.get(&number) {
                        Some(first) => Kind::HardLink(first.clone()),
                        None => Kind::File(file),
                    };
                    first_names.entry(number).or_insert_with(|| path.clone());
                    Node { metadata, kind, origin }
                }
            };
            tree.insert(path, node)?;
        }
        Ok(tree)
    }

    /// Returns what a hard link brings: the file itself, or a copy of a symbolic link.
    fn link(&self, path: &TreePath, target: &TreePath) -> Result<Item, StackError> {
        let place = self.existing(target)?;
        match place.and_then(|place| self.items.get(&place)) {
            Some(item @ (Item::File(_) | Item::Symlink(..))) => Ok(item.clone()),
            _ => Err(StackError::LinkTarget { path: path.clone(), target: target.clone() }),
        }
    }

    fn put(&mut self, path: &TreePath, item: Item, mtime: i64) -> Result<(), StackError> {
        if path.is_root() {
            if !matches!(item, Item::Directory(_)) {
                return Err(StackError::Root);
            }
            self.items.insert(path.clone(), item);
            return Ok(());
        }
        let place = self.place(path)?;
        let missing = place.ancestors().take_while(|above| !self.items.contains_key(above));
        let missing: Vec<TreePath> = missing.filter(|above| !above.is_root()).collect();
        for directory in missing {
            self.items.insert(directory, Item::Directory(Metadata::root(0o755, mtime)));
        }
        let is_directory = |item: Option<&Item>| matches!(item, Some(Item::Directory(_)));
        if !(is_directory(Some(&item)) && is_directory(self.items.get(&place))) {
            self.remove(&place);
        }
        self.items.insert(place, item);
        Ok(())
    }

    /// Returns where a path is, if something is there.
    fn existing(&self, path: &TreePath) -> Result<Option<TreePath>, StackError> {
        match self.place(path) {
            Ok(place) if place.is_root() || self.items.contains_key(&place) => Ok(Some(place)),
            Ok(_) | Err(StackError::NotADirectory { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Follows the links in the directories above a path, inside the root. What is missing is taken as
    /// written.
    fn place(&self, path: &TreePath) -> Result<TreePath, StackError> {
        let Some(parent) = path.parent() else { return Ok(path.clone()) };
        let mut links = 0;
        let mut done = TreePath::root();
        let mut todo: Vec<Vec<u8>> = parent.components().map(<[u8]>::to_vec).collect();
        todo.reverse();
        let lost = || StackError::TooManyLinks(path.clone());
        while let Some(name) = todo.pop() {
            let left = self.steps_left.get().checked_sub(1).ok_or(StackError::TooLong)?;
            self.steps_left.set(left);
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    done = done.parent().unwrap_or_default();
                    continue;
                }
                _ => {}
            }
            let next = done.join(&name).map_err(|_| lost())?;
            match self.items.get(&next) {
                Some(Item::File(_)) => {
                    return Err(StackError::NotADirectory { path: path.clone(), parent: next });
                }
                Some(Item::Symlink(_, target)) => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(lost());
                    }
                    if target.starts_with(b"/") {
                        done = TreePath::root();
                    }
                    todo.extend(target.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec));
                }
                Some(Item::Directory(_)) | None => done = next,
            }
        }
        done.join(path.name()).map_err(|_| lost())
    }

    fn remove(&mut self, path: &TreePath) {
        self.remove_below(path);
        self.items.remove(path);
    }

    fn remove_below(&mut self, path: &TreePath) {
        let below: Vec<TreePath> = if path.is_root() {
            self.items.keys().filter(|path| !path.is_root()).cloned().collect()
        } else {
            // All that begins with "path/" stands together.
            let (mut from, mut to) = (path.as_bytes().to_vec(), path.as_bytes().to_vec());
            from.push(b'/');
            to.push(b'/' + 1);
            let range = (Bound::Included(from.as_slice()), Bound::Excluded(to.as_slice()));
            self.items.range::<[u8], _>(range).map(|(path, _)| path.clone()).collect()
        };
        for path in below {
            self.items.remove(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use hardpan_package::segment::{ByteRange, Entry};

    use super::*;

    #[test]
    fn links_that_take_for_ever_are_not_followed() {
        let entry = |path: &str, kind| {
            let path = TreePath::parse(path).unwrap();
            let metadata = Metadata::root(0o777, 0);
            Entry { path, metadata, kind, record: ByteRange::default() }
        };
        let long = format!("{}there", "./".repeat(1_000));
        let mut entries = vec![entry("link", EntryKind::Symlink(long.into_bytes()))];
        for number in 0..100 {
            entries.push(entry(&format!("link/{number}"), EntryKind::Directory));
        }
        let layer = LayerRecord { entries, ..LayerRecord::default() };
        let segment = Digest::of(b"");
        for (steps, is_taken) in [(50_000, false), (150_000, true)] {
            let mut stack = Stack { steps_left: Cell::new(steps), ..Stack::default() };
            let applied = stack.apply(segment, &layer);
            assert_eq!(applied.err(), (!is_taken).then_some(StackError::TooLong), "{steps}");
        }
    }
}

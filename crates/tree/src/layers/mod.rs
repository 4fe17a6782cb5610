// SPDX-License-Identifier: Apache-2.0
//! Layers of an image on top of one another, as a container sees them
//! (OCI image specification, "Applying Changesets").
//!
//! All names of a file lead to a number, so that removing one of a million names costs no look at the others,
//! and a hard link outlives the name that it was made of. A path goes through links of what lies below, which
//! can't lead out.

mod links;
#[cfg(test)]
mod tests;
mod whiteout;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Bound;

use crate::{File, Kind, Metadata, Node, Origin, Tree, TreePath};

pub use whiteout::Whiteout;

/// What layers may do, and how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StackRules {
    /// Whether a file makes room for a directory that something is to be put into, as when layers are unpacked one
    /// by one; else such layers are refused.
    pub files_make_room: bool,
    /// The most entries and whiteouts of all layers together, and directories above them that no entry names.
    pub entries_max: usize,
    /// The most names that are looked up on the way through links, for all layers together.
    pub steps_max: u64,
    /// Whether what hard links say of their files is kept for [`Stack::take_said_by_links`].
    pub keeps_said_by_links: bool,
}

impl StackRules {
    /// For images that are used: what no builder makes is refused.
    pub const STRICT: Self = Self {
        files_make_room: false,
        // Four times as many as one layer may have.
        entries_max: 4_000_000,
        // Chains of long links could make each entry cost as much as a whole layer; real images take about ten
        // for each.
        steps_max: 200_000_000,
        keeps_said_by_links: false,
    };
}

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
    /// Links lead in a circle, or nowhere.
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
    #[error("its layers have more than {maximum} entries")]
    TooMany {
        /// The limit.
        maximum: usize,
    },
    /// Links that take for ever to follow.
    #[error("its layers lead through too many symbolic links")]
    TooLong,
}

/// An entry of a layer that is no whiteout.
#[derive(Debug, Clone)]
pub struct LayerEntry<M, F> {
    /// Where, as the layer has it.
    pub path: TreePath,
    /// Its metadata.
    pub metadata: M,
    /// What directories above it get that no entry names.
    pub above: M,
    /// What it is.
    pub kind: LayerKind<F>,
}

/// What an entry of a layer is.
#[derive(Debug, Clone)]
pub enum LayerKind<F> {
    /// A directory. Where one is already, all that is in it stays.
    Directory,
    /// A file.
    File(F),
    /// A symbolic link, and its target.
    Symlink(Vec<u8>),
    /// Another name of what is at this path.
    HardLink(TreePath),
    /// A device node and the like.
    Special,
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item<M> {
    /// A directory.
    Directory(M),
    /// A name of a file; [`Stack::file`] has it.
    File(FileNumber),
    /// A symbolic link, and its target.
    Symlink(M, Vec<u8>),
    /// A device node and the like.
    Special(M),
}

/// Says which file it is that a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileNumber(usize);

/// A file, which may have several names.
#[derive(Debug, Clone)]
struct Stored<M, F> {
    /// The name that it came with.
    name: TreePath,
    metadata: M,
    file: F,
    /// How many items it is.
    names: usize,
}

/// Which name of a file has the content in a [`Tree`]; the others are hard links to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentName {
    /// The first in the order of paths.
    First,
    /// The one that the file came with, or the first where that one is gone.
    AsWritten,
}

/// Layers that were put on top of one another. All directories above an item are items, but for the root, which
/// always is a directory.
#[derive(Debug)]
pub struct Stack<M, F> {
    rules: StackRules,
    items: BTreeMap<TreePath, Item<M>>,
    files: Vec<Stored<M, F>>,
    /// Files that have lost their last name.
    nameless: Vec<FileNumber>,
    /// What hard links say of the files that they are names of.
    said_by_links: Vec<(FileNumber, M)>,
    entries: usize,
    steps: Cell<u64>,
}

impl<M: Clone, F> Stack<M, F> {
    /// Starts with nothing but a root.
    pub fn new(rules: StackRules) -> Self {
        Self {
            rules,
            items: BTreeMap::new(),
            files: Vec::new(),
            nameless: Vec::new(),
            said_by_links: Vec::new(),
            entries: 0,
            steps: Cell::new(0),
        }
    }

    /// Puts a layer on top. What it hides is what layers below have, never what it brings itself, and what a
    /// whiteout means is decided before any of them hides something: their order does not count. A whiteout of what
    /// is not there does nothing.
    ///
    /// What can't be done is given to `refused`, with its path, which ends it or lets it go on with the rest.
    pub fn apply<E>(
        &mut self,
        whiteouts: impl IntoIterator<Item = Whiteout>,
        entries: impl IntoIterator<Item = LayerEntry<M, F>>,
        mut refused: impl FnMut(&TreePath, StackError) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut hidden = Vec::new();
        for whiteout in whiteouts {
            let (path, with_itself) = match whiteout {
                Whiteout::At(path) => (path, true),
                Whiteout::Below(path) => (path, false),
                Whiteout::Driver | Whiteout::Nameless => continue,
            };
            match self.count().and_then(|()| self.hidden(&path, with_itself)) {
                // Nothing is in a file.
                Err(StackError::NotADirectory { .. }) => {}
                Ok(place) => hidden.push((place, with_itself)),
                Err(error) => refused(&path, error)?,
            }
        }
        for (place, with_itself) in hidden {
            self.clear(&place);
            if with_itself && !place.is_root() {
                let removed = self.items.remove(&place);
                self.forget(removed);
            }
        }
        for entry in entries {
            let path = entry.path.clone();
            if let Err(error) = self.count().and_then(|()| self.put(entry)) {
                refused(&path, error)?;
            }
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), StackError> {
        self.entries += 1;
        let maximum = self.rules.entries_max;
        if self.entries > maximum { Err(StackError::TooMany { maximum }) } else { Ok(()) }
    }

    /// Returns where that is what a whiteout hides. A directory of which all is hidden may be a link to one.
    fn hidden(&self, path: &TreePath, with_itself: bool) -> Result<TreePath, StackError> {
        if with_itself { self.place(path) } else { self.follow(path, path, true) }
    }

    fn put(&mut self, entry: LayerEntry<M, F>) -> Result<(), StackError> {
        let LayerEntry { path, metadata, above, kind } = entry;
        if path.is_root() {
            let LayerKind::Directory = kind else { return Err(StackError::Root) };
            self.items.insert(path, Item::Directory(metadata));
            return Ok(());
        }
        let place = self.place(&path)?;
        let item = match kind {
            LayerKind::Directory => Item::Directory(metadata),
            LayerKind::Symlink(target) => Item::Symlink(metadata, target),
            LayerKind::Special => Item::Special(metadata),
            LayerKind::HardLink(target) => {
                let item = self.linked(path, target)?;
                if let Item::File(number) = item
                    && self.rules.keeps_said_by_links
                {
                    self.said_by_links.push((number, metadata));
                }
                item
            }
            LayerKind::File(file) => {
                self.files.push(Stored { name: place.clone(), metadata, file, names: 0 });
                Item::File(FileNumber(self.files.len() - 1))
            }
        };
        for directory in place.ancestors() {
            if self.is_directory(&directory) {
                break;
            }
            self.count()?;
            let replaced = self.items.insert(directory, Item::Directory(above.clone()));
            self.forget(replaced);
        }
        // A directory stays with what is in it where it is one in both.
        if !matches!(item, Item::Directory(_)) {
            self.clear(&place);
        }
        if let Item::File(number) = item {
            self.files[number.0].names += 1;
        }
        let replaced = self.items.insert(place, item);
        self.forget(replaced);
        Ok(())
    }

    /// Returns what a hard link brings: the file itself, or a copy of a symbolic link.
    fn linked(&self, path: TreePath, target: TreePath) -> Result<Item<M>, StackError> {
        let place = match self.place(&target) {
            Ok(place) => place,
            Err(StackError::NotADirectory { .. }) => {
                return Err(StackError::LinkTarget { path, target });
            }
            Err(error) => return Err(error),
        };
        match self.items.get(&place) {
            Some(Item::Directory(_)) | None => Err(StackError::LinkTarget { path, target }),
            Some(item) => Ok(item.clone()),
        }
    }

    /// Removes all that is below a directory.
    fn clear(&mut self, directory: &TreePath) {
        if directory.is_root() {
            let root = self.items.remove(directory);
            for (_, item) in std::mem::take(&mut self.items) {
                self.forget(Some(item));
            }
            self.items.extend(root.map(|root| (TreePath::root(), root)));
        } else if self.is_directory(directory) {
            let doomed: Vec<TreePath> =
                self.below(directory).map(|(path, _)| path.clone()).collect();
            for path in doomed {
                let removed = self.items.remove(&path);
                self.forget(removed);
            }
        }
    }

    /// Counts the names of files that items are no more.
    fn forget(&mut self, item: Option<Item<M>>) {
        let Some(Item::File(number)) = item else { return };
        let names = &mut self.files[number.0].names;
        *names -= 1;
        if *names == 0 {
            self.nameless.push(number);
        }
    }

    /// Returns the files that have lost their last name since this was asked before: each that is hidden is told once.
    pub fn take_hidden(&mut self) -> Vec<FileNumber> {
        let mut hidden = std::mem::take(&mut self.nameless);
        hidden.sort_unstable();
        hidden
    }

    /// Returns what hard links have said of files since this was asked before, in their order, if that is kept. Some runtimes
    /// give it to the files, others leave these as they came.
    pub fn take_said_by_links(&mut self) -> Vec<(FileNumber, M)> {
        std::mem::take(&mut self.said_by_links)
    }

    /// Returns the metadata of a file, to change it.
    pub fn metadata_mut(&mut self, number: FileNumber) -> &mut M {
        &mut self.files[number.0].metadata
    }
}

impl<M, F> Stack<M, F> {
    /// Returns everything but an unnamed root, sorted.
    pub fn items(&self) -> impl Iterator<Item = (&TreePath, &Item<M>)> {
        self.items.iter()
    }

    /// Returns what stands at a path; follows no links.
    pub fn get(&self, path: &TreePath) -> Option<&Item<M>> {
        self.items.get(path)
    }

    /// Returns a file of this stack.
    pub fn file(&self, number: FileNumber) -> &F {
        &self.files[number.0].file
    }

    /// Returns the name that a file of this stack came with, and its metadata.
    pub fn came_as(&self, number: FileNumber) -> (&TreePath, &M) {
        let Stored { name, metadata, .. } = &self.files[number.0];
        (name, metadata)
    }

    /// Returns all that is below a directory, sorted; follows no links.
    pub fn below(
        &self,
        directory: &TreePath,
    ) -> impl Iterator<Item = (&TreePath, &Item<M>)> + use<'_, M, F> {
        // All that begins with "path/" stands together, and the root is before all others.
        let mut start = directory.as_bytes().to_vec();
        if !directory.is_root() {
            start.push(b'/');
        }
        let range = (Bound::Excluded(start.as_slice()), Bound::Unbounded);
        self.items
            .range::<[u8], _>(range)
            .take_while(move |(path, _)| path.as_bytes().starts_with(&start))
    }

    fn is_directory(&self, path: &TreePath) -> bool {
        path.is_root() || matches!(self.items.get(path), Some(Item::Directory(_)))
    }
}

impl Stack<Metadata, File> {
    /// Returns the tree, without what a tree can't hold. All nodes get this origin.
    pub fn into_tree(self, origin: Origin, content: ContentName) -> Tree {
        self.into_tree_by(content, |_, metadata| (metadata, origin))
    }
}

impl<M: Clone> Stack<M, File> {
    /// Returns the tree, without what a tree can't hold. What each node's metadata and origin are is asked once for each
    /// path, also for those that a tree can't hold and for the second names of files.
    pub fn into_tree_by(
        self,
        content: ContentName,
        mut node_of: impl FnMut(&TreePath, M) -> (Metadata, Origin),
    ) -> Tree {
        let names = self.content_names(content);
        let mut tree = Tree::new();
        let mut insert = |path, (metadata, origin), kind| {
            tree.insert(path, Node { metadata, kind, origin })
                .expect("all above an item is a directory, and links come after files");
        };
        // A hard link needs the file that it is one to.
        let mut links = Vec::new();
        for (path, item) in self.items {
            let (metadata, kind) = match item {
                Item::Directory(metadata) => (metadata, Kind::Directory),
                Item::Symlink(metadata, target) => (metadata, Kind::Symlink(target)),
                Item::Special(metadata) => {
                    node_of(&path, metadata);
                    continue;
                }
                Item::File(number) => {
                    let Stored { metadata, file, .. } = &self.files[number.0];
                    let name = &names[&number];
                    if *name != path {
                        links.push((path, metadata.clone(), Kind::HardLink(name.clone())));
                        continue;
                    }
                    (metadata.clone(), Kind::File(file.clone()))
                }
            };
            let node = node_of(&path, metadata);
            insert(path, node, kind);
        }
        for (path, metadata, kind) in links {
            let node = node_of(&path, metadata);
            insert(path, node, kind);
        }
        tree
    }

    fn content_names(&self, content: ContentName) -> BTreeMap<FileNumber, TreePath> {
        let mut names: BTreeMap<FileNumber, TreePath> = BTreeMap::new();
        for (path, item) in &self.items {
            let Item::File(number) = item else { continue };
            let is_written = self.files[number.0].name == *path;
            if content == ContentName::AsWritten && is_written {
                names.insert(*number, path.clone());
            } else {
                names.entry(*number).or_insert_with(|| path.clone());
            }
        }
        names
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Layers on top of each other, as a container sees them.
//!
//! The rules are those of an image that is taken apart into a `Tree`. A tree's hard links are names for
//! other names, so that to remove one means to look at all; here all names of a file lead to a number, and
//! a million whiteouts cost what they remove.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use hardpan_tree::{LINKS_MAX, TreePath};

use super::content::Content;
use super::{CatalogError, FileHashes, FormatError, Problem};

/// How names of whiteouts begin.
pub(super) const WHITEOUT: &[u8] = b".wh.";
/// The name of the whiteout that hides all that a directory has in layers below.
pub(super) const OPAQUE_WHITEOUT: &[u8] = b".wh..wh..opq";
/// How other names begin that are for storage drivers alone.
const METADATA: &[u8] = b".wh..wh.";

/// How many names are looked up on the way through links, for all of an image: a hundred for each file of a
/// large one. Links that lead to and fro would take for ever.
const STEPS_MAX: u64 = 5_000_000;

/// An entry of a layer.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) path: TreePath,
    pub(super) kind: EntryKind,
}

#[derive(Debug)]
pub(super) enum EntryKind {
    Directory,
    File(File),
    Symlink(Vec<u8>),
    HardLink(TreePath),
    /// Device nodes and the like: they hide what is below, and nothing else.
    Special,
}

/// A file's bytes, as far as they are of interest.
#[derive(Debug)]
pub(super) struct File {
    pub(super) size_bytes: u64,
    pub(super) hashes: Option<FileHashes>,
    pub(super) content: Content,
    /// Counted from the lowest.
    pub(super) layer: usize,
}

#[derive(Debug, Clone)]
enum Node {
    Directory,
    /// A place in [`Root::files`].
    File(usize),
    Symlink(Vec<u8>),
    Special,
}

/// What a container sees. All directories above a node are nodes, and directories.
#[derive(Debug, Default)]
pub(super) struct Root {
    nodes: BTreeMap<TreePath, Node>,
    files: Vec<File>,
    steps: Cell<u64>,
}

impl Root {
    /// Puts layers, the lowest first, on top of each other.
    pub(super) fn of_layers(layers: Vec<Vec<Entry>>, problems: &mut Vec<Problem>) -> Self {
        let mut root = Self::default();
        root.nodes.insert(TreePath::root(), Node::Directory);
        for entries in layers {
            // Whiteouts first, wherever they stand: they are about layers below only.
            let hides: BTreeSet<&TreePath> =
                entries.iter().map(|entry| &entry.path).filter(|path| is_whiteout(path)).collect();
            for path in hides {
                root.hide(path);
            }
            for entry in entries {
                if !is_whiteout(&entry.path) {
                    root.put(entry, problems);
                }
            }
        }
        root
    }

    /// Fails if links led to and fro so much that not all was looked up.
    pub(super) fn check_steps(&self) -> Result<(), CatalogError> {
        if self.steps.get() > STEPS_MAX {
            return Err(CatalogError::Limit { what: "steps through links", maximum: STEPS_MAX });
        }
        Ok(())
    }

    /// Returns the regular files, all names of each.
    pub(super) fn files(&self) -> impl Iterator<Item = (&TreePath, &File)> {
        self.nodes.iter().filter_map(|(path, node)| match node {
            Node::File(at) => Some((path, &self.files[*at])),
            _ => None,
        })
    }

    /// Returns the file that a process would open at that path, and its real path.
    pub(super) fn open(&self, path: &TreePath) -> Option<(TreePath, &File)> {
        let path = self.resolve(path).ok()?;
        match self.nodes.get(&path)? {
            Node::File(at) => Some((path, &self.files[*at])),
            _ => None,
        }
    }

    /// Returns whether something is at a path, be it a link that leads nowhere.
    pub(super) fn has(&self, path: &TreePath) -> bool {
        self.place(path).is_ok_and(|path| self.nodes.contains_key(&path))
    }

    /// Returns the regular files right in a directory, which may be given by way of links.
    pub(super) fn files_in(&self, directory: &TreePath) -> Vec<(TreePath, &File)> {
        let Ok(directory) = self.resolve(directory) else { return Vec::new() };
        self.below(&directory)
            .filter(|(path, _)| path.parent().as_ref() == Some(&directory))
            // A name there may be a link to a file elsewhere.
            .filter_map(|(path, _)| Some((path.clone(), self.open(path)?.1)))
            .collect()
    }

    /// Returns where a path really is: links of directories above it followed, not at itself. What is
    /// missing is taken as written.
    pub(super) fn place(&self, path: &TreePath) -> Result<TreePath, FormatError> {
        let Some(parent) = path.parent() else { return Ok(path.clone()) };
        // All above a node are directories, so that nothing needs to be followed.
        if matches!(self.nodes.get(&parent), Some(Node::Directory)) {
            return Ok(path.clone());
        }
        let parent = self.follow(&parent, true)?;
        parent.join(path.name()).map_err(|_| FormatError::Link)
    }

    fn resolve(&self, path: &TreePath) -> Result<TreePath, FormatError> {
        match self.nodes.get(path) {
            Some(Node::Symlink(_)) | None => self.follow(path, false),
            Some(_) => Ok(path.clone()),
        }
    }

    /// Follows links as a process inside would; a link can't lead out.
    fn follow(&self, path: &TreePath, may_miss: bool) -> Result<TreePath, FormatError> {
        let mut links = 0;
        let mut done = TreePath::root();
        let mut todo: Vec<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
        todo.reverse();
        while let Some(name) = todo.pop() {
            self.steps.set(self.steps.get() + 1);
            if self.steps.get() > STEPS_MAX {
                return Err(FormatError::Link);
            }
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    done = done.parent().unwrap_or_default();
                    continue;
                }
                _ => {}
            }
            let next = done.join(&name).map_err(|_| FormatError::Link)?;
            match self.nodes.get(&next) {
                None if !may_miss => return Err(FormatError::Link),
                Some(Node::Symlink(target)) => {
                    links += 1;
                    if links > LINKS_MAX || target.is_empty() || target.contains(&0) {
                        return Err(FormatError::Link);
                    }
                    if target.starts_with(b"/") {
                        done = TreePath::root();
                    }
                    todo.extend(target.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec));
                }
                None | Some(_) => done = next,
            }
        }
        Ok(done)
    }

    /// Does what a whiteout says.
    fn hide(&mut self, whiteout: &TreePath) {
        // A whiteout that can't be placed hides nothing.
        let Ok(place) = self.place(whiteout) else { return };
        let directory = place.parent().unwrap_or_default();
        let Some(hidden) = place.name().strip_prefix(WHITEOUT) else { return };
        if place.name() == OPAQUE_WHITEOUT {
            self.clear(&directory);
        } else if !place.name().starts_with(METADATA)
            && let Ok(path) = directory.join(hidden)
            // `.wh..` would be the directory itself.
            && path.parent().as_ref() == Some(&directory)
        {
            self.remove(&path);
        }
    }

    fn put(&mut self, entry: Entry, problems: &mut Vec<Problem>) {
        let Entry { path: written, kind } = entry;
        let mut fail = |error| problems.push(Problem { path: written.clone(), error });
        let path = match self.place(&written) {
            Ok(path) => path,
            Err(error) => return fail(error),
        };
        let node = match kind {
            EntryKind::Directory => Node::Directory,
            EntryKind::Symlink(target) => Node::Symlink(target),
            EntryKind::Special => Node::Special,
            EntryKind::File(file) => {
                self.files.push(file);
                Node::File(self.files.len() - 1)
            }
            EntryKind::HardLink(target) => {
                let target = self.place(&target).ok().and_then(|target| self.nodes.get(&target));
                match target {
                    Some(Node::Directory) | None => return fail(FormatError::Link),
                    Some(node) => node.clone(),
                }
            }
        };
        for directory in path.ancestors() {
            match self.nodes.get(&directory) {
                Some(Node::Directory) => break,
                // What stands in the way of a directory makes room, as when a layer is unpacked.
                _ => {
                    self.nodes.insert(directory, Node::Directory);
                }
            }
        }
        if path.is_root() {
            return;
        }
        if !matches!(node, Node::Directory) {
            self.clear(&path);
        }
        self.nodes.insert(path, node);
    }

    fn remove(&mut self, path: &TreePath) {
        self.clear(path);
        if !path.is_root() {
            self.nodes.remove(path);
        }
    }

    /// Removes all that is below a directory.
    fn clear(&mut self, directory: &TreePath) {
        if directory.is_root() {
            self.nodes.retain(|path, _| path.is_root());
            return;
        }
        if !matches!(self.nodes.get(directory), Some(Node::Directory)) {
            return;
        }
        let doomed: Vec<TreePath> = self.below(directory).map(|(path, _)| path.clone()).collect();
        for path in doomed {
            self.nodes.remove(&path);
        }
    }

    fn below(&self, directory: &TreePath) -> impl Iterator<Item = (&TreePath, &Node)> + use<'_> {
        let mut first = directory.as_bytes().to_vec();
        if !directory.is_root() {
            first.push(b'/');
        }
        let start = first.clone();
        self.nodes
            .range::<[u8], _>((Bound::Excluded(first.as_slice()), Bound::Unbounded))
            .take_while(move |(path, _)| path.as_bytes().starts_with(&start))
    }
}

pub(super) fn is_whiteout(path: &TreePath) -> bool {
    path.name().starts_with(WHITEOUT)
}

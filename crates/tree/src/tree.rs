// SPDX-License-Identifier: Apache-2.0
//! The tree itself.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::ops::Bound;

use crate::{Kind, Metadata, Node, Origin, TreePath};

/// How many symbolic links [`Tree::resolve`] follows before it gives up, as Linux does.
pub const LINKS_MAX: usize = 40;

/// A root file system in memory: a sorted map from paths to nodes.
///
/// **Invariant**: the parent of every node is a directory of the tree (the root itself always is one),
/// and the target of every hard link is a file of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    nodes: BTreeMap<TreePath, Node>,
}

/// Why a node can't be put where it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InsertError {
    /// A parent is missing.
    #[error("{path}: its directory {parent} does not exist")]
    NoParent {
        /// The path asked for.
        path: TreePath,
        /// The missing directory.
        parent: TreePath,
    },
    /// A parent is not a directory.
    #[error("{path}: {parent} is not a directory")]
    NotADirectory {
        /// The path asked for.
        path: TreePath,
        /// The path above it that is something else.
        parent: TreePath,
    },
    /// A directory that is not empty stands there.
    #[error("{path}: a directory that is not empty stands there")]
    DirectoryNotEmpty {
        /// The path asked for.
        path: TreePath,
    },
    /// A hard link's target is not a file of the tree.
    #[error("{path}: hard link to {target}, which is not a file here")]
    NoLinkTarget {
        /// The link.
        path: TreePath,
        /// The missing file.
        target: TreePath,
    },
    /// The root can only be a directory.
    #[error("the root can only be a directory")]
    Root,
}

/// Why a path does not lead to a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// Nothing there.
    #[error("{0} does not exist")]
    NotFound(TreePath),
    /// More than [`LINKS_MAX`] links.
    #[error("{0}: too many symbolic links")]
    TooManyLinks(TreePath),
    /// A link's target is not a path.
    #[error("{path}: link target {target:?} is not a path")]
    BadTarget {
        /// The link.
        path: TreePath,
        /// Its target.
        target: String,
    },
}

impl Tree {
    /// Makes a tree with only a root directory.
    pub fn new() -> Self {
        let root = Node {
            metadata: Metadata::root(0o755, 0),
            kind: Kind::Directory,
            origin: Origin::Finisher("root"),
        };
        Self { nodes: BTreeMap::from([(TreePath::root(), root)]) }
    }

    /// Returns the number of nodes, the root included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns whether there is nothing but the root.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() == 1
    }

    /// Returns the node at a path; follows no links.
    pub fn get(&self, path: &TreePath) -> Option<&Node> {
        self.nodes.get(path)
    }

    /// Returns a node's metadata for change; follows no links. A hard link's own metadata means
    /// nothing: change the file's.
    pub fn metadata_mut(&mut self, path: &TreePath) -> Option<&mut Metadata> {
        self.nodes.get_mut(path).map(|node| &mut node.metadata)
    }

    /// Returns whether a node stands at a path.
    pub fn contains(&self, path: &TreePath) -> bool {
        self.nodes.contains_key(path)
    }

    /// Returns the file at a path, through hard links but not symbolic ones.
    pub fn file(&self, path: &TreePath) -> Option<(&Node, &crate::File)> {
        let node = self.nodes.get(path)?;
        match &node.kind {
            Kind::File(file) => Some((node, file)),
            Kind::HardLink(target) => match self.nodes.get(target) {
                Some(node @ Node { kind: Kind::File(file), .. }) => Some((node, file)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns all nodes, sorted, directories before what is in them.
    pub fn walk(&self) -> btree_map::Iter<'_, TreePath, Node> {
        self.nodes.iter()
    }

    /// Returns a directory's own node and all below it, sorted.
    pub fn walk_below(
        &self,
        directory: &TreePath,
    ) -> impl Iterator<Item = (&TreePath, &Node)> + use<'_> {
        let start = directory.clone();
        let directory = directory.clone();
        // Names such as "lib-x" sort between "lib" and "lib/y", so siblings may stand between.
        let mut end = directory.as_bytes().to_vec();
        end.push(b'/' + 1);
        let is_root = directory.is_root();
        self.nodes
            .range::<[u8], _>((Bound::Included(start.as_bytes()), Bound::Unbounded))
            .take_while(move |(path, _)| is_root || path.as_bytes() < end.as_slice())
            .filter(move |(path, _)| path.starts_with(&directory))
    }

    /// Returns the nodes directly in a directory, sorted.
    pub fn children(
        &self,
        directory: &TreePath,
    ) -> impl Iterator<Item = (&TreePath, &Node)> + use<'_> {
        let parent = directory.clone();
        self.walk_below(directory).filter(move |(path, _)| {
            path.strip_prefix(&parent).is_some_and(|rest| !rest.is_empty() && !rest.contains(&b'/'))
        })
    }

    /// Puts a node at a path, in place of what stood there.
    ///
    /// A directory in place of a directory keeps what is in it. Anything else in place of a directory
    /// needs that one to be empty.
    pub fn insert(&mut self, path: TreePath, node: Node) -> Result<Option<Node>, InsertError> {
        let Some(parent) = path.parent() else {
            if node.kind != Kind::Directory {
                return Err(InsertError::Root);
            }
            return Ok(self.nodes.insert(path, node));
        };
        match self.nodes.get(&parent) {
            None => return Err(InsertError::NoParent { path, parent }),
            Some(Node { kind: Kind::Directory, .. }) => {}
            Some(_) => return Err(InsertError::NotADirectory { path, parent }),
        }
        if let Kind::HardLink(target) = &node.kind {
            let is_file = matches!(self.nodes.get(target), Some(Node { kind: Kind::File(_), .. }));
            if !is_file || *target == path {
                return Err(InsertError::NoLinkTarget { path, target: target.clone() });
            }
        }
        if node.kind != Kind::Directory
            && self.get(&path).is_some_and(|old| old.kind == Kind::Directory)
            && self.children(&path).next().is_some()
        {
            return Err(InsertError::DirectoryNotEmpty { path });
        }
        if !matches!(node.kind, Kind::File(_)) {
            self.promote_link(&path);
        }
        Ok(self.nodes.insert(path, node))
    }

    /// Makes a directory and those above it that are missing; what exists is kept as it is.
    pub fn make_directories(
        &mut self,
        path: &TreePath,
        metadata: &Metadata,
        origin: Origin,
    ) -> Result<(), InsertError> {
        let mut missing = Vec::new();
        for directory in std::iter::once(path.clone()).chain(path.ancestors()) {
            match self.nodes.get(&directory) {
                Some(Node { kind: Kind::Directory, .. }) => break,
                Some(_) => {
                    return Err(InsertError::NotADirectory {
                        path: path.clone(),
                        parent: directory,
                    });
                }
                None => missing.push(directory),
            }
        }
        for directory in missing.into_iter().rev() {
            let node = Node { metadata: metadata.clone(), kind: Kind::Directory, origin };
            self.nodes.insert(directory, node);
        }
        Ok(())
    }

    /// Removes a node and all below it; returns how many. Hard links to a removed file stay files.
    pub fn remove(&mut self, path: &TreePath) -> usize {
        if path.is_root() {
            return 0;
        }
        let doomed: Vec<TreePath> = self.walk_below(path).map(|(path, _)| path.clone()).collect();
        // Backwards, so that a file's link inside the removed part is gone before the file.
        for path in doomed.iter().rev() {
            if matches!(self.nodes.get(path), Some(Node { kind: Kind::HardLink(_), .. })) {
                self.nodes.remove(path);
            }
        }
        for path in doomed.iter().rev() {
            self.promote_link(path);
            self.nodes.remove(path);
        }
        doomed.len()
    }

    /// Follows symbolic links as a process inside the tree would, and returns the path of the node
    /// that is no link. A link can't lead out: `..` at the root stays there.
    pub fn resolve(&self, path: &TreePath) -> Result<TreePath, ResolveError> {
        let mut links = 0;
        let mut done = TreePath::root();
        let mut todo: Vec<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
        todo.reverse();
        while let Some(name) = todo.pop() {
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    done = done.parent().unwrap_or_default();
                    continue;
                }
                _ => {}
            }
            let next = done.join(&name).map_err(|_| ResolveError::NotFound(path.clone()))?;
            match self.nodes.get(&next).map(|node| &node.kind) {
                None => return Err(ResolveError::NotFound(next)),
                Some(Kind::Symlink(target)) => {
                    links += 1;
                    if links > LINKS_MAX {
                        return Err(ResolveError::TooManyLinks(path.clone()));
                    }
                    if target.is_empty() || target.contains(&0) {
                        let target = String::from_utf8_lossy(target).into_owned();
                        return Err(ResolveError::BadTarget { path: next, target });
                    }
                    if target.starts_with(b"/") {
                        done = TreePath::root();
                    }
                    todo.extend(target.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec));
                }
                Some(_) => done = next,
            }
        }
        Ok(done)
    }

    /// Follows the links in the directories above a path, not at the path itself. What is missing
    /// is taken as written, so the result may be a path where nothing stands yet.
    pub fn resolve_parent(&self, path: &TreePath) -> Result<TreePath, ResolveError> {
        let Some(parent) = path.parent() else { return Ok(path.clone()) };
        let mut missing: Vec<Vec<u8>> = vec![path.name().to_vec()];
        let mut existing = parent;
        let resolved = loop {
            match self.resolve(&existing) {
                Ok(resolved) => break resolved,
                Err(ResolveError::NotFound(_)) if !self.contains(&existing) => {
                    missing.push(existing.name().to_vec());
                    existing = existing.parent().unwrap_or_default();
                }
                Err(error) => return Err(error),
            }
        };
        missing.iter().rev().try_fold(resolved, |path, name| {
            path.join(name).map_err(|_| ResolveError::NotFound(path.clone()))
        })
    }

    /// If the file at a path is the content of hard links, gives the content to the first of them.
    fn promote_link(&mut self, path: &TreePath) {
        let Some(Node { kind: Kind::File(_), .. }) = self.nodes.get(path) else { return };
        let mut links = self
            .nodes
            .iter()
            .filter(|(_, node)| matches!(&node.kind, Kind::HardLink(target) if target == path))
            .map(|(path, _)| path.clone());
        let Some(first) = links.next() else { return };
        let others: Vec<TreePath> = links.collect();
        let content = self.nodes[path].clone();
        self.nodes.insert(first.clone(), content);
        for other in others {
            if let Some(node) = self.nodes.get_mut(&other) {
                node.kind = Kind::HardLink(first.clone());
            }
        }
    }
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

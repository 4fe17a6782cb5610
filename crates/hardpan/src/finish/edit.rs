// SPDX-License-Identifier: Apache-2.0
//! Changing a tree on behalf of a finisher, and remembering what changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use hardpan_tree::{
    Contents, File, InsertError, Kind, Metadata, Node, Origin, ResolveError, Tree, TreePath,
};

use super::{Action, FinishError};

/// Changes a tree on behalf of one finisher.
///
/// Paths are followed as a process in the image would follow them: links above a path lead where
/// they lead, but never out of the tree. Directories that are missing above a path are made,
/// 0755 root:root.
#[derive(Debug)]
pub struct Editor<'t> {
    tree: &'t mut Tree,
    finisher: &'static str,
    origin: Origin,
    epoch: i64,
    paths: BTreeSet<TreePath>,
}

impl<'t> Editor<'t> {
    /// Starts changing a tree. New nodes have the finisher as origin and `epoch` as time.
    pub fn new(tree: &'t mut Tree, finisher: &'static str, epoch: i64) -> Self {
        let origin = Origin::Finisher(finisher);
        Self { tree, finisher, origin, epoch, paths: BTreeSet::new() }
    }

    /// Makes the definition the origin of new nodes.
    pub fn for_definition(mut self) -> Self {
        self.origin = Origin::Definition;
        self
    }

    /// Returns the tree as it is now.
    pub fn tree(&self) -> &Tree {
        self.tree
    }

    /// Returns the metadata that new nodes of root have.
    pub fn metadata(&self, mode: u32) -> Metadata {
        Metadata::root(mode, self.epoch)
    }

    /// Returns whether anything stands at a path, be it a link that leads nowhere.
    pub fn exists(&self, path: &TreePath) -> bool {
        self.tree.resolve_parent(path).is_ok_and(|path| self.tree.contains(&path))
    }

    /// Returns whether a path leads to a directory.
    pub fn is_directory(&self, path: &TreePath) -> bool {
        let resolved = self.tree.resolve(path).ok().and_then(|path| self.tree.get(&path));
        resolved.is_some_and(|node| node.kind == Kind::Directory)
    }

    /// Returns whether a path leads to a file.
    pub fn is_file(&self, path: &TreePath) -> bool {
        self.tree.resolve(path).is_ok_and(|path| self.tree.file(&path).is_some())
    }

    /// Reads the file that a path leads to; `None` if it leads to none.
    pub fn read(
        &self,
        path: &TreePath,
        contents: &dyn Contents,
    ) -> Result<Option<Arc<[u8]>>, FinishError> {
        read(self.tree, path, contents, self.finisher)
    }

    /// Makes a file, 0755 directories above it included, in place of what stood there.
    pub fn file(
        &mut self,
        path: &TreePath,
        bytes: impl Into<Arc<[u8]>>,
        metadata: Metadata,
    ) -> Result<TreePath, FinishError> {
        self.node(path, Kind::File(File::inline(bytes)), metadata)
    }

    /// Makes a symbolic link in place of what stood there.
    pub fn symlink(
        &mut self,
        path: &TreePath,
        target: impl Into<Vec<u8>>,
    ) -> Result<TreePath, FinishError> {
        let metadata = self.metadata(0o777);
        self.node(path, Kind::Symlink(target.into()), metadata)
    }

    /// Makes a directory, or gives the one that a path leads to this mode and owner.
    pub fn directory(
        &mut self,
        path: &TreePath,
        metadata: Metadata,
    ) -> Result<TreePath, FinishError> {
        if self.is_directory(path) {
            let resolved = self.resolve(path)?;
            self.set_metadata(&resolved, metadata);
            return Ok(resolved);
        }
        self.node(path, Kind::Directory, metadata)
    }

    /// Makes a directory unless the path leads to one already; returns whether it did.
    pub fn missing_directory(
        &mut self,
        path: &TreePath,
        metadata: Metadata,
    ) -> Result<bool, FinishError> {
        if self.is_directory(path) {
            return Ok(false);
        }
        self.node(path, Kind::Directory, metadata).map(|_| true)
    }

    /// Puts a node at a path in place of what stood there; returns where that is. Something else
    /// never takes the place of a directory that is not empty, nor a directory that of something else.
    pub fn node(
        &mut self,
        path: &TreePath,
        kind: Kind,
        metadata: Metadata,
    ) -> Result<TreePath, FinishError> {
        let place = self.place(path)?;
        let insert =
            |source| FinishError::Insert { finisher: self.finisher, path: path.clone(), source };
        if let Some(parent) = place.parent() {
            let missing: Vec<TreePath> = std::iter::once(parent.clone())
                .chain(parent.ancestors())
                .take_while(|directory| !self.tree.contains(directory))
                .collect();
            let above = Metadata::root(0o755, self.epoch);
            self.tree.make_directories(&parent, &above, self.origin).map_err(insert)?;
            self.paths.extend(missing);
        }
        match self.tree.get(&place).map(|node| &node.kind) {
            None | Some(Kind::Directory) => {}
            Some(_) if kind == Kind::Directory => {
                return Err(insert(InsertError::NotADirectory {
                    path: path.clone(),
                    parent: place,
                }));
            }
            // Else hard links to the old file would be links to the new one.
            Some(_) => drop(self.tree.remove(&place)),
        }
        let node = Node { metadata, kind, origin: self.origin };
        self.tree.insert(place.clone(), node).map_err(insert)?;
        self.paths.insert(place.clone());
        Ok(place)
    }

    /// Puts a node of another place at exactly this path, as it is, with its origin.
    pub(super) fn put(&mut self, path: TreePath, node: Node) -> Result<(), FinishError> {
        if let Some(parent) = path.parent() {
            let above = Metadata::root(0o755, self.epoch);
            let made = self.tree.make_directories(&parent, &above, self.origin);
            made.and_then(|()| self.tree.insert(path.clone(), node)).map_err(|source| {
                FinishError::Insert { finisher: self.finisher, path: path.clone(), source }
            })?;
            self.paths.insert(path);
        }
        Ok(())
    }

    /// Sets mode and owner of the node at exactly this path; through a hard link, the file's.
    /// The time stays unless something changes.
    pub fn set_metadata(&mut self, path: &TreePath, metadata: Metadata) {
        let path = match self.tree.get(path).map(|node| &node.kind) {
            Some(Kind::HardLink(target)) => target.clone(),
            _ => path.clone(),
        };
        let Some(old) = self.tree.metadata_mut(&path) else { return };
        let new = (metadata.mode, metadata.uid, metadata.gid);
        if (old.mode, old.uid, old.gid) != new {
            *old = Metadata { mtime: old.mtime, ..metadata };
            self.paths.insert(path);
        }
    }

    /// Removes what stands at a path, with all below it; returns how many nodes that were.
    pub fn remove(&mut self, path: &TreePath) -> Result<usize, FinishError> {
        let place = self.place(path)?;
        let count = self.tree.remove(&place);
        if count > 0 {
            self.paths.insert(place);
        }
        Ok(count)
    }

    /// Returns where a path leads.
    pub fn resolve(&self, path: &TreePath) -> Result<TreePath, FinishError> {
        self.tree.resolve(path).map_err(|source| self.unresolved(path, source))
    }

    /// Returns where a node put at a path stands: links above it followed, not itself.
    pub fn place(&self, path: &TreePath) -> Result<TreePath, FinishError> {
        self.tree.resolve_parent(path).map_err(|source| self.unresolved(path, source))
    }

    /// Ends the changes; `None` if there were none.
    pub fn finish(self, package: Option<&str>) -> Option<Action> {
        let paths: Vec<TreePath> = self.paths.into_iter().collect();
        let package = package.map(str::to_owned);
        (!paths.is_empty()).then_some(Action { finisher: self.finisher, package, paths })
    }

    fn unresolved(&self, path: &TreePath, source: ResolveError) -> FinishError {
        FinishError::Resolve { finisher: self.finisher, path: path.clone(), source }
    }
}

/// Reads the file that a path leads to; `None` if it leads to none.
pub(super) fn read(
    tree: &Tree,
    path: &TreePath,
    contents: &dyn Contents,
    finisher: &'static str,
) -> Result<Option<Arc<[u8]>>, FinishError> {
    let Ok(place) = tree.resolve(path) else { return Ok(None) };
    let Some((_, file)) = tree.file(&place) else { return Ok(None) };
    let read = |source| FinishError::Read { finisher, path: path.clone(), source };
    contents.read(file).map(Some).map_err(read)
}

// SPDX-License-Identifier: Apache-2.0
//! Files of images into a tree: `contents.artifacts`.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_definition::{Artifact, Spanned};
use hardpan_tree::{InsertError, Kind, Metadata, Node, Origin, ResolveError, Tree, TreePath};

use super::error::ArtifactProblem;
use super::{ImageTree, LockedArtifact};
use crate::error::Error;
use crate::session::Session;
use hardpan_tree::glob::Filter;

/// What an entry of `artifacts` brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlacedArtifact {
    /// The image.
    pub(crate) name: String,
    /// How many files, hard links not counted.
    pub(crate) files: u64,
    /// Their bytes.
    pub(crate) size_bytes: u64,
    /// Where they are.
    pub(crate) paths: Vec<TreePath>,
    /// Includes that fit nothing in the image.
    pub(crate) unmatched: Vec<String>,
    /// Device nodes, pipes and such that were asked for and left out.
    pub(crate) dropped: Vec<TreePath>,
}

impl Session<'_> {
    /// Puts files of images into a tree, in the order of the definition.
    ///
    /// Later ones take the place of earlier ones and of what the tree has. Directories are merged, and what
    /// goes below a path that is a link to a directory goes where the link leads. Everything gets the entry's
    /// owner; nothing is younger than `epoch`.
    pub(crate) fn place_artifacts(
        &self,
        tree: &mut Tree,
        artifacts: &[Spanned<Artifact>],
        locked: &[LockedArtifact],
        epoch: i64,
        origin: Origin,
    ) -> Result<Vec<PlacedArtifact>, Error> {
        let mut trees: BTreeMap<&LockedArtifact, ImageTree> = BTreeMap::new();
        let mut placed = Vec::new();
        for artifact in artifacts {
            let name = artifact.value.name.value.to_string();
            let Some(pin) = locked.iter().find(|locked| locked.name == name) else {
                let error = ArtifactProblem::NotLocked { image: name };
                return Err(Error::from(error).at(artifact.value.name.span));
            };
            if !trees.contains_key(pin) {
                let image = self.image_tree(pin, origin);
                trees.insert(pin, image.map_err(|error| error.at(artifact.span))?);
            }
            let plan = Plan::new(&artifact.value, &name, epoch, origin);
            let done =
                plan.and_then(|plan| plan.place(tree, &trees[pin].tree, &trees[pin].dropped));
            placed.push(done.map_err(|error| Error::from(error).at(artifact.span))?);
        }
        Ok(placed)
    }
}

/// Puts files of a tree, such as another stage's, into a tree, by the rules of `artifacts`.
pub(crate) fn place_from(
    tree: &mut Tree,
    artifact: &Spanned<Artifact>,
    from: &Tree,
    epoch: i64,
    origin: Origin,
) -> Result<PlacedArtifact, Error> {
    let name = artifact.value.name.value.to_string();
    let plan = Plan::new(&artifact.value, &name, epoch, origin);
    plan.and_then(|plan| plan.place(tree, from, &[]))
        .map_err(|error| Error::from(error).at(artifact.span))
}

/// A tree that files are put into.
struct Target<'t> {
    tree: &'t mut Tree,
    /// Files that have hard links.
    linked: BTreeSet<TreePath>,
}

impl<'t> Target<'t> {
    fn new(tree: &'t mut Tree) -> Self {
        let linked = linked(tree);
        Self { tree, linked }
    }

    /// Puts a node in place of what stands there. Other names of a file that goes keep what they have.
    fn replace(&mut self, place: TreePath, node: Node) -> Result<(), InsertError> {
        if self.linked.contains(&place) {
            self.tree.remove(&place);
            // Another name has the content now.
            self.linked = linked(self.tree);
        }
        if let Kind::HardLink(file) = &node.kind {
            self.linked.insert(file.clone());
        }
        self.tree.insert(place, node).map(|_| ())
    }
}

fn linked(tree: &Tree) -> BTreeSet<TreePath> {
    let files = tree.walk().filter_map(|(_, node)| match &node.kind {
        Kind::HardLink(file) => Some(file.clone()),
        _ => None,
    });
    files.collect()
}

/// One entry of `artifacts`.
struct Plan<'p> {
    image: &'p str,
    includes: &'p [Spanned<String>],
    filter: Filter,
    owner: (u32, u32),
    epoch: i64,
    origin: Origin,
}

impl<'p> Plan<'p> {
    fn new(
        artifact: &'p Artifact,
        image: &'p str,
        epoch: i64,
        origin: Origin,
    ) -> Result<Self, ArtifactProblem> {
        let filter = Filter::parse(
            artifact.includes.iter().map(|glob| glob.value.as_str()),
            artifact.excludes.iter().map(|glob| glob.value.as_str()),
        );
        let wrong = |error: hardpan_tree::glob::GlobError| {
            let (image, problem) = (image.to_owned(), error.to_string());
            ArtifactProblem::Pattern { image, problem }
        };
        Ok(Self {
            image,
            includes: &artifact.includes,
            filter: filter.map_err(wrong)?,
            owner: (artifact.uid, artifact.gid),
            epoch,
            origin,
        })
    }

    fn place(
        &self,
        tree: &mut Tree,
        image: &Tree,
        dropped: &[TreePath],
    ) -> Result<PlacedArtifact, ArtifactProblem> {
        let is_selected = |path: &TreePath| self.filter.wants(path);
        let mut placed = PlacedArtifact {
            name: self.image.to_owned(),
            files: 0,
            size_bytes: 0,
            paths: Vec::new(),
            unmatched: self.unmatched(image),
            dropped: dropped.iter().filter(|path| is_selected(path)).cloned().collect(),
        };
        let mut target = Target::new(tree);
        // Where files of the image went, for their hard links.
        let mut places: BTreeMap<TreePath, TreePath> = BTreeMap::new();
        let chosen = image.walk().filter(|(path, _)| !path.is_root() && is_selected(path));
        let mut parent = TreePath::root();
        for (path, node) in chosen {
            // Neighbors stand together.
            let above = path.parent().unwrap_or_default();
            if above != parent {
                self.make_parents(&mut target, image, path)?;
                parent = above;
            }
            let place = self.resolve_parent(target.tree, path)?;
            let content = match &node.kind {
                Kind::Directory => {
                    self.directory(&mut target, path, place, &node.metadata)?;
                    continue;
                }
                Kind::HardLink(target) => target,
                _ => path,
            };
            // A link's file may not be chosen, or not be what it was any more.
            let first = places.get(content).filter(|first| target.tree.file(first).is_some());
            let kind = match (first, image.get(content).map(|node| &node.kind)) {
                (Some(first), _) => Kind::HardLink(first.clone()),
                (None, Some(kind)) => kind.clone(),
                (None, None) => continue,
            };
            if let Kind::File(file) = &kind {
                placed.files += 1;
                placed.size_bytes += file.size_bytes;
                places.insert(content.clone(), place.clone());
            }
            placed.paths.push(place.clone());
            self.put(&mut target, path, place, kind, &node.metadata)?;
        }
        Ok(placed)
    }

    fn unmatched(&self, image: &Tree) -> Vec<String> {
        let unused = self.filter.unused_includes(image.walk().map(|(path, _)| path));
        let name = |number: usize| self.includes.get(number).map(|glob| glob.value.clone());
        unused.into_iter().filter_map(name).collect()
    }

    /// Makes the directories above a path that are missing, as they are in the image.
    fn make_parents(
        &self,
        target: &mut Target<'_>,
        image: &Tree,
        path: &TreePath,
    ) -> Result<(), ArtifactProblem> {
        let mut above: Vec<TreePath> = path.ancestors().filter(|path| !path.is_root()).collect();
        above.reverse();
        for directory in above {
            if self.is_directory(target.tree, &directory)? {
                continue;
            }
            let place = self.resolve_parent(target.tree, &directory)?;
            let metadata = image
                .get(&directory)
                .map_or(Metadata::root(0o755, self.epoch), |node| node.metadata.clone());
            self.put(target, path, place, Kind::Directory, &metadata)?;
        }
        Ok(())
    }

    /// Takes a directory's mode and owner; a link to a directory stays what it is.
    fn directory(
        &self,
        target: &mut Target<'_>,
        path: &TreePath,
        place: TreePath,
        metadata: &Metadata,
    ) -> Result<(), ArtifactProblem> {
        let is_link =
            target.tree.get(&place).is_some_and(|node| matches!(node.kind, Kind::Symlink(_)));
        if is_link && self.is_directory(target.tree, path)? {
            return Ok(());
        }
        self.put(target, path, place, Kind::Directory, metadata)
    }

    fn put(
        &self,
        target: &mut Target<'_>,
        path: &TreePath,
        place: TreePath,
        kind: Kind,
        metadata: &Metadata,
    ) -> Result<(), ArtifactProblem> {
        let (uid, gid) = self.owner;
        let mtime = metadata.mtime.clamp(0, self.epoch.max(0));
        let metadata = Metadata { uid, gid, mtime, ..metadata.clone() };
        if kind != Kind::Directory && target.tree.children(&place).next().is_some() {
            let problem = "a directory that is not empty stands there".to_owned();
            return Err(self.no_place(path, problem));
        }
        let node = Node { metadata, kind, origin: self.origin };
        target.replace(place, node).map_err(|error| self.no_place(path, error.to_string()))
    }

    /// Returns whether a path is a directory or leads to one.
    fn is_directory(&self, tree: &Tree, path: &TreePath) -> Result<bool, ArtifactProblem> {
        match tree.resolve(path) {
            Ok(place) => {
                Ok(tree.get(&place).is_some_and(|node| matches!(node.kind, Kind::Directory)))
            }
            Err(ResolveError::NotFound(_)) => Ok(false),
            Err(error) => Err(self.no_place(path, error.to_string())),
        }
    }

    fn resolve_parent(&self, tree: &Tree, path: &TreePath) -> Result<TreePath, ArtifactProblem> {
        tree.resolve_parent(path).map_err(|error| self.no_place(path, error.to_string()))
    }

    fn no_place(&self, path: &TreePath, problem: String) -> ArtifactProblem {
        ArtifactProblem::Place { image: self.image.to_owned(), path: path.clone(), problem }
    }
}

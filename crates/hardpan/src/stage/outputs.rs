// SPDX-License-Identifier: Apache-2.0
//! What of a stage goes into the image.
//!
//! A file goes to the target's path; of a directory, what is in it goes into the target; what a glob
//! finds goes into the target under its own name. Directories merge, everything else takes the place
//! of what was there. With `diff: true` only what the steps changed is taken, deletions included, and
//! never what is below the stage's own working directories.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_tree::{Kind, Metadata, Node, Origin, Tree, TreePath};

use super::definition::{SOURCE_DIRECTORY, TARGET_DIRECTORY};
use super::error::StageError;
use super::plan::{PlannedOutput, PlannedStage};
use super::result::{RecordedKind, StageChanges, linked_paths};
use hardpan_tree::glob::{Glob, GlobError};

/// How many names that may have been meant are shown.
const NEAR_MAX: usize = 3;

/// How a stage ended.
pub(crate) struct StageEnd<'s> {
    /// The stage.
    pub stage: &'s PlannedStage,
    /// Its root at the end.
    pub tree: &'s Tree,
    /// What its steps changed.
    pub changes: &'s StageChanges,
    /// Its number.
    pub number: u32,
}

/// Puts a stage's outputs into an image's tree. Returns how many paths each came to.
pub(crate) fn take_outputs(
    end: &StageEnd<'_>,
    image: &mut Tree,
    epoch: i64,
) -> Result<Vec<TreePath>, Box<StageError>> {
    let mut taken = Vec::new();
    for output in &end.stage.outputs {
        let target = parse(end, output, &output.target)?;
        let linked = linked_paths(image);
        for (source, target) in sources(end, output, &target)? {
            let mut copy = Copy {
                end,
                output,
                image,
                linked: &linked,
                epoch,
                taken: &mut taken,
                links: BTreeMap::new(),
            };
            if output.is_difference {
                copy.difference(&source, &target)?;
            } else {
                copy.all(&source, &target)?;
            }
        }
    }
    taken.sort();
    taken.dedup();
    Ok(taken)
}

/// Returns what an output's source means, each with its target.
fn sources(
    end: &StageEnd<'_>,
    output: &PlannedOutput,
    target: &TreePath,
) -> Result<Vec<(TreePath, TreePath)>, Box<StageError>> {
    if is_glob(output.source.as_bytes()) {
        let mut found = Vec::new();
        let matches = matches(end.tree, &output.source);
        for path in matches.map_err(|error| wrong(end, output, &error))? {
            let into = target.join(path.name()).map_err(|error| wrong(end, output, &error))?;
            found.push((path, into));
        }
        if found.is_empty() {
            return Err(missing(end, output, &output.source, &TreePath::root()));
        }
        return Ok(found);
    }
    let path = parse(end, output, &output.source)?;
    let place = end.tree.resolve_parent(&path).unwrap_or_else(|_| path.clone());
    // A link to a directory means the directory; a link to a file is copied as it is.
    let is_link = matches!(end.tree.get(&place).map(|node| &node.kind), Some(Kind::Symlink(_)));
    let place = match end.tree.resolve(&place) {
        Ok(real) if is_link && is_directory(end.tree, &real) => real,
        _ => place,
    };
    if !end.tree.contains(&place) {
        return Err(missing(end, output, &output.source, &place));
    }
    Ok(vec![(place, target.clone())])
}

struct Copy<'c> {
    end: &'c StageEnd<'c>,
    output: &'c PlannedOutput,
    image: &'c mut Tree,
    /// Paths of the image that were one name of several of a file.
    linked: &'c BTreeSet<TreePath>,
    epoch: i64,
    taken: &'c mut Vec<TreePath>,
    /// Where the file of hard links went.
    links: BTreeMap<TreePath, TreePath>,
}

impl Copy<'_> {
    /// Copies a file, or what is in a directory.
    fn all(&mut self, source: &TreePath, target: &TreePath) -> Result<(), Box<StageError>> {
        let tree = self.end.tree;
        let nodes: Vec<(&TreePath, &Node)> = tree.walk_below(source).collect();
        for (path, node) in nodes {
            let rest = path.strip_prefix(source).unwrap_or_default();
            let into = target.join(rest).map_err(|error| wrong(self.end, self.output, &error))?;
            self.node(path, node, &into)?;
        }
        Ok(())
    }

    /// Copies what steps changed below a path.
    fn difference(&mut self, source: &TreePath, target: &TreePath) -> Result<(), Box<StageError>> {
        let own = [SOURCE_DIRECTORY, TARGET_DIRECTORY]
            .map(|path| TreePath::parse(path).unwrap_or_default())
            .map(|path| path.parent().unwrap_or_default());
        for change in &self.end.changes.changes {
            let path = &change.path;
            let Some(rest) = path.strip_prefix(source) else { continue };
            if source.is_root() && own.iter().any(|own| path.starts_with(own)) {
                continue;
            }
            let into = target.join(rest).map_err(|error| wrong(self.end, self.output, &error))?;
            if change.kind == RecordedKind::Removed {
                let place = self.image.resolve_parent(&into).unwrap_or(into);
                if self.image.remove(&place) > 0 {
                    self.taken.push(place);
                }
            } else if let Some(node) = self.end.tree.get(path) {
                self.node(path, node, &into)?;
            }
        }
        Ok(())
    }

    fn node(
        &mut self,
        source: &TreePath,
        node: &Node,
        target: &TreePath,
    ) -> Result<(), Box<StageError>> {
        let fail = |error: &dyn std::fmt::Display| {
            Box::new(StageError::Output {
                stage: self.end.stage.name.clone(),
                path: target.to_string(),
                why: error.to_string(),
                span: self.output.span,
            })
        };
        let place = self.image.resolve_parent(target).map_err(|error| fail(&error))?;
        if let Some(parent) = place.parent() {
            let metadata = Metadata::root(0o755, self.epoch);
            let origin = Origin::Stage(self.end.number);
            self.image
                .make_directories(&parent, &metadata, origin)
                .map_err(|error| fail(&error))?;
        }
        if node.kind == Kind::Directory {
            return self.directory(node, &place).map_err(|error| fail(&error));
        }
        // A link in the stage's tree may lead to a file that comes later, or not at all.
        let content = match &node.kind {
            Kind::HardLink(file) => file,
            _ => source,
        };
        let kind = match (&node.kind, self.end.tree.file(source), self.links.get(content)) {
            (Kind::File(_) | Kind::HardLink(_), _, Some(copied)) => Kind::HardLink(copied.clone()),
            (Kind::HardLink(_), Some((_, file)), None) => Kind::File(file.clone()),
            (Kind::HardLink(_), None, None) => return Err(fail(&"its file is not there")),
            (kind, _, _) => kind.clone(),
        };
        let owner = self.end.tree.file(source).map_or(node, |(node, _)| node);
        let metadata = self.metadata(owner);
        // What a step put in the place of a directory belongs there. That a directory goes because
        // something else is copied over it was never meant.
        let is_replaced = self.output.is_difference && is_directory(self.image, &place);
        // The other names of a file keep what they had.
        if is_replaced || self.linked.contains(&place) {
            self.image.remove(&place);
        }
        if matches!(kind, Kind::File(_)) {
            self.links.insert(content.clone(), place.clone());
        }
        let origin = Origin::Stage(self.end.number);
        self.image
            .insert(place.clone(), Node { metadata, kind, origin })
            .map_err(|error| fail(&error))?;
        self.taken.push(place);
        Ok(())
    }

    fn directory(
        &mut self,
        node: &Node,
        place: &TreePath,
    ) -> Result<(), hardpan_tree::InsertError> {
        let metadata = self.metadata(node);
        let same = |old: &Node| {
            (old.metadata.mode, old.metadata.uid, old.metadata.gid)
                == (metadata.mode, metadata.uid, metadata.gid)
        };
        // A directory never takes the place of a link to one: `/bin` stays what it is.
        let real = self.image.resolve(place).unwrap_or_else(|_| place.clone());
        match self.image.get(&real) {
            Some(old) if old.kind == Kind::Directory => {
                // Who changed nothing of it does not own it.
                if place.is_root() || real != *place || same(old) || !self.changed(node) {
                    return Ok(());
                }
                if let Some(own) = self.image.metadata_mut(&real) {
                    *own = metadata;
                }
                self.taken.push(real);
                Ok(())
            }
            _ => {
                self.image.remove(place);
                let origin = Origin::Stage(self.end.number);
                let node = Node { metadata, kind: Kind::Directory, origin };
                self.image.insert(place.clone(), node)?;
                self.taken.push(place.clone());
                Ok(())
            }
        }
    }

    /// Returns whether the steps, or the output itself, say something about a directory.
    fn changed(&self, node: &Node) -> bool {
        node.origin == Origin::Stage(self.end.number)
            || self.output.owner.is_some()
            || self.output.mode.is_some()
    }

    fn metadata(&self, node: &Node) -> Metadata {
        let mut metadata = node.metadata.clone();
        if let Some((uid, gid)) = self.output.owner {
            (metadata.uid, metadata.gid) = (uid, gid);
        }
        match (&node.kind, self.output.mode) {
            (Kind::File(_) | Kind::HardLink(_), Some(mode)) => metadata.mode = mode,
            // Search permission for those who may read, as `chmod -R` with `X` gives it.
            (Kind::Directory, Some(mode)) => metadata.mode = mode | ((mode & 0o444) >> 2),
            _ => {}
        }
        metadata
    }
}

fn is_directory(tree: &Tree, path: &TreePath) -> bool {
    tree.get(path).is_some_and(|node| node.kind == Kind::Directory)
}

fn parse(
    end: &StageEnd<'_>,
    output: &PlannedOutput,
    path: &str,
) -> Result<TreePath, Box<StageError>> {
    TreePath::parse(path).map_err(|error| wrong(end, output, &error))
}

fn wrong(
    end: &StageEnd<'_>,
    output: &PlannedOutput,
    why: &dyn std::fmt::Display,
) -> Box<StageError> {
    Box::new(StageError::Output {
        stage: end.stage.name.clone(),
        path: output.target.clone(),
        why: why.to_string(),
        span: output.span,
    })
}

fn missing(
    end: &StageEnd<'_>,
    output: &PlannedOutput,
    path: &str,
    place: &TreePath,
) -> Box<StageError> {
    let name = String::from_utf8_lossy(place.name()).to_lowercase();
    let stem: String = name.chars().take(3).collect();
    let near = place.parent().map_or_else(Vec::new, |parent| {
        end.tree
            .children(&parent)
            .map(|(path, _)| path)
            .filter(|path| {
                !stem.is_empty()
                    && String::from_utf8_lossy(path.name()).to_lowercase().contains(&stem)
            })
            .take(NEAR_MAX)
            .map(ToString::to_string)
            .collect()
    });
    Box::new(StageError::OutputMissing {
        stage: end.stage.name.clone(),
        path: path.to_owned(),
        near,
        span: output.span,
    })
}

fn is_glob(path: &[u8]) -> bool {
    path.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// Returns the paths that a glob finds, sorted; every component is matched by itself.
fn matches(tree: &Tree, pattern: &str) -> Result<Vec<TreePath>, GlobError> {
    let mut found = vec![TreePath::root()];
    for component in pattern.split('/').filter(|component| !component.is_empty()) {
        let glob = is_glob(component.as_bytes()).then(|| Glob::parse(component)).transpose()?;
        let mut next = Vec::new();
        for directory in found {
            if let Some(glob) = &glob {
                let fits = |path: &&TreePath| {
                    TreePath::parse(path.name()).is_ok_and(|name| glob.covers(&name))
                };
                next.extend(tree.children(&directory).map(|(path, _)| path).filter(fits).cloned());
            } else if let Ok(path) = directory.join(component) {
                let path = tree.resolve(&path).unwrap_or(path);
                if tree.contains(&path) {
                    next.push(path);
                }
            }
        }
        found = next;
    }
    Ok(found)
}

#[cfg(test)]
mod tests;

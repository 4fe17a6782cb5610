// SPDX-License-Identifier: Apache-2.0
//! Layers on top of each other, as a container sees them. What does not fit is a problem, and the rest counts.

use std::convert::Infallible;

use hardpan_tree::TreePath;
use hardpan_tree::layers::{Item, LayerEntry, Stack, StackError, StackRules, Whiteout};

use super::content::Content;
use super::{CatalogError, FileHashes, FormatError, Problem};

/// Entries were counted while they were read, and one in the way of others makes room: an image is to be looked into
/// that runtimes take.
const RULES: StackRules = StackRules {
    files_make_room: true,
    entries_max: usize::MAX,
    // A hundred for each file of a large image. Links that lead to and fro would take for ever.
    steps_max: 5_000_000,
    keeps_said_by_links: false,
};

/// An entry of a layer.
pub(super) type Entry = LayerEntry<(), File>;

/// A file's bytes, as far as they are of interest.
#[derive(Debug)]
pub(super) struct File {
    pub(super) size_bytes: u64,
    pub(super) hashes: Option<FileHashes>,
    pub(super) content: Content,
    /// Counted from the lowest.
    pub(super) layer: usize,
}

/// What a container sees.
#[derive(Debug)]
pub(super) struct Root {
    stack: Stack<(), File>,
}

impl Root {
    /// Puts layers, the lowest first, on top of each other.
    pub(super) fn of_layers(layers: Vec<Vec<Entry>>, problems: &mut Vec<Problem>) -> Self {
        let mut stack = Stack::new(RULES);
        for entries in layers {
            let mut whiteouts = Vec::new();
            let mut others = Vec::new();
            for entry in entries {
                match Whiteout::of(&entry.path) {
                    Some(whiteout) => whiteouts.push(whiteout),
                    None => others.push(entry),
                }
            }
            // A whiteout that can't be placed hides nothing.
            let ignore = |_: &TreePath, _| Ok::<_, Infallible>(());
            let Ok(()) = stack.apply(whiteouts, [], ignore);
            let note = |path: &TreePath, error| {
                if error != StackError::Root {
                    problems.push(Problem { path: path.clone(), error: FormatError::Link });
                }
                Ok::<_, Infallible>(())
            };
            let Ok(()) = stack.apply([], others, note);
        }
        Self { stack }
    }

    /// Fails if links led to and fro so much that not all was looked up.
    pub(super) fn check_steps(&self) -> Result<(), CatalogError> {
        if self.stack.is_exhausted() {
            let maximum = RULES.steps_max;
            return Err(CatalogError::Limit { what: "steps through links", maximum });
        }
        Ok(())
    }

    /// Returns the regular files, all names of each.
    pub(super) fn files(&self) -> impl Iterator<Item = (&TreePath, &File)> {
        self.stack.items().filter_map(|(path, item)| match item {
            Item::File(number) => Some((path, self.stack.file(*number))),
            _ => None,
        })
    }

    /// Returns the file that a process would open at that path, and its real path.
    pub(super) fn open(&self, path: &TreePath) -> Option<(TreePath, &File)> {
        let path = self.stack.resolve(path).ok()?;
        match self.stack.get(&path)? {
            Item::File(number) => Some((path, self.stack.file(*number))),
            _ => None,
        }
    }

    /// Returns whether something is at a path, be it a link that leads nowhere.
    pub(super) fn has(&self, path: &TreePath) -> bool {
        self.stack.place(path).is_ok_and(|path| self.stack.get(&path).is_some())
    }

    /// Returns the regular files right in a directory, which may be given by way of links.
    pub(super) fn files_in(&self, directory: &TreePath) -> Vec<(TreePath, &File)> {
        let Ok(directory) = self.stack.resolve(directory) else { return Vec::new() };
        self.stack
            .below(&directory)
            .filter(|(path, _)| path.parent().as_ref() == Some(&directory))
            // A name there may be a link to a file elsewhere.
            .filter_map(|(path, _)| Some((path.clone(), self.open(path)?.1)))
            .collect()
    }

    /// Returns where a path really is: links of directories above it followed, not at itself. What is
    /// missing is taken as written.
    pub(super) fn place(&self, path: &TreePath) -> Option<TreePath> {
        self.stack.place(path).ok()
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Under which names the files with secrets can still be seen, and which layer hid the last one.
//!
//! Names are as layers write them. One that is hidden by way of a link to its directory counts as seen: that is the side
//! on which nothing is played down.

use std::collections::BTreeMap;
use std::ops::Bound;

use hardpan_tree::TreePath;
use hardpan_tree::layers::Whiteout;

/// A number that a file is known by.
pub(super) type FileNumber = usize;

/// What can be seen after the layers so far.
#[derive(Debug, Default)]
pub(super) struct Names {
    seen: BTreeMap<TreePath, FileNumber>,
    files: Vec<State>,
}

#[derive(Debug)]
struct State {
    layer: usize,
    names: usize,
    hidden_by: Option<usize>,
}

impl Names {
    /// Adds the next file, which a layer has at a path.
    pub(super) fn add(&mut self, path: &TreePath, layer: usize) -> FileNumber {
        let number = self.files.len();
        self.files.push(State { layer, names: 1, hidden_by: None });
        self.seen.insert(path.clone(), number);
        number
    }

    /// Returns the layer that hides a file, if one does.
    pub(super) fn hidden_by(&self, number: FileNumber) -> Option<usize> {
        self.files.get(number).and_then(|state| state.hidden_by)
    }

    /// Takes an entry of a layer, of any kind, before what is in it is looked at.
    pub(super) fn entry(&mut self, path: &TreePath, is_directory: bool, layer: usize) {
        if self.seen.is_empty() {
            return;
        }
        if let Some(whiteout) = Whiteout::of(path) {
            self.whiteout(&whiteout, layer);
            return;
        }
        // What is at a path makes room for another thing there, and for a directory above it.
        for above in path.ancestors() {
            self.hide(&above, layer);
        }
        self.hide(path, layer);
        if !is_directory {
            self.hide_below(path, layer, layer + 1);
        }
    }

    /// Takes a second name of a file.
    pub(super) fn link(&mut self, path: &TreePath, target: &TreePath) {
        if let Some(&number) = self.seen.get(target) {
            self.seen.insert(path.clone(), number);
            self.files[number].names += 1;
            self.files[number].hidden_by = None;
        }
    }

    /// Does what a whiteout says, which is about layers below its own.
    fn whiteout(&mut self, whiteout: &Whiteout, layer: usize) {
        match whiteout {
            Whiteout::Below(directory) => self.hide_below(directory, layer, layer),
            Whiteout::At(hidden) => {
                if self.seen.get(hidden).is_some_and(|&number| self.files[number].layer < layer) {
                    self.hide(hidden, layer);
                }
                self.hide_below(hidden, layer, layer);
            }
            Whiteout::Driver | Whiteout::Nameless => {}
        }
    }

    fn hide(&mut self, path: &TreePath, layer: usize) {
        if let Some(number) = self.seen.remove(path) {
            let state = &mut self.files[number];
            state.names -= 1;
            if state.names == 0 {
                state.hidden_by = Some(layer);
            }
        }
    }

    /// Hides what is below a directory in layers below `end`.
    fn hide_below(&mut self, directory: &TreePath, layer: usize, end: usize) {
        let mut first = directory.as_bytes().to_vec();
        if !directory.is_root() {
            first.push(b'/');
        }
        let bounds = (Bound::Excluded(first.as_slice()), Bound::Unbounded);
        let below = self.seen.range::<[u8], _>(bounds);
        let doomed: Vec<TreePath> = below
            .take_while(|(path, _)| path.as_bytes().starts_with(&first))
            .filter(|(_, number)| self.files[**number].layer < end)
            .map(|(path, _)| path.clone())
            .collect();
        for path in doomed {
            self.hide(&path, layer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hides_a_file() {
        for (entries, expected) in [
            // Of layer 1; `a/b/c` is of layer 0.
            (&["a/b/.wh.c"][..], Some(1)),
            (&["a/.wh.b"], Some(1)),
            (&[".wh.a"], Some(1)),
            (&["a/b/.wh..wh..opq"], Some(1)),
            (&[".wh..wh..opq"], Some(1)),
            (&["a/b/c"], Some(1)),
            (&["a/b"], Some(1)),
            (&["a"], Some(1)),
            (&["a/b/c/"], Some(1)),
            (&["a/b/c/d"], Some(1)),
            (&["a/b/"], None),
            (&["a/", "a/b/", "a/b/d"], None),
            (&["a/b/.wh.d", "a/b/.wh.cc", "a/.wh.b2", ".wh.b"], None),
            (&["a/b/d/.wh..wh..opq"], None),
            (&["a/b/.wh..", "a/b/.wh...", "a/b/.wh."], None),
            (&["x=a/b/c", "a/b/.wh.c"], None),
            (&["x=a/b/c", ".wh.a", "x"], Some(1)),
            (&[], None),
        ] {
            let mut names = Names::default();
            let path = TreePath::literal("a/b/c");
            names.entry(&path, false, 0);
            let file = names.add(&path, 0);
            for entry in entries {
                if let Some((path, target)) = entry.split_once('=') {
                    names.entry(&TreePath::parse(path).unwrap(), false, 1);
                    names.link(&TreePath::parse(path).unwrap(), &TreePath::parse(target).unwrap());
                } else {
                    names.entry(&TreePath::parse(entry).unwrap(), entry.ends_with('/'), 1);
                }
            }
            assert_eq!(names.hidden_by(file), expected, "{entries:?}");
        }
    }

    #[test]
    fn whiteouts_are_about_lower_layers() {
        let mut names = Names::default();
        let path = TreePath::literal("a/b");
        names.entry(&path, false, 3);
        let file = names.add(&path, 3);
        for whiteout in ["a/.wh.b", "a/.wh..wh..opq", ".wh.a"] {
            names.entry(&TreePath::literal(whiteout), false, 3);
            assert_eq!(names.hidden_by(file), None, "{whiteout}");
        }
        names.entry(&TreePath::literal(".wh.a"), false, 4);
        assert_eq!(names.hidden_by(file), Some(4));
        // What comes back is another file.
        let again = names.add(&path, 5);
        assert_eq!((names.hidden_by(file), names.hidden_by(again)), (Some(4), None));
    }
}

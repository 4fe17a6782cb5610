// SPDX-License-Identifier: Apache-2.0
//! Where paths lead in layers that were put on top of one another.

use super::{Item, Stack, StackError};
use crate::{LINKS_MAX, TreePath};

impl<M, F> Stack<M, F> {
    /// Returns where a path really is: links of directories above it followed, not at itself. What is missing is
    /// taken as written, so that nothing needs to be there.
    pub fn place(&self, path: &TreePath) -> Result<TreePath, StackError> {
        let Some(parent) = path.parent() else { return Ok(path.clone()) };
        // All above an item are directories, so that nothing needs to be followed.
        if self.is_directory(&parent) {
            return Ok(path.clone());
        }
        let parent = self.follow(&parent, path, true)?;
        parent.join(path.name()).map_err(|_| StackError::TooManyLinks(path.clone()))
    }

    /// Returns the path of what a process would open at a path, if something is there that is no link.
    pub fn resolve(&self, path: &TreePath) -> Result<TreePath, StackError> {
        match self.get(path) {
            Some(Item::Symlink(..)) | None => self.follow(path, path, false),
            Some(_) => Ok(path.clone()),
        }
    }

    /// Returns whether links led to and fro so much that not all was looked up.
    pub fn is_exhausted(&self) -> bool {
        self.steps.get() > self.rules.steps_max
    }

    /// Follows all links of a path as a process inside would; a link can't lead out. `asked` is what an error names.
    pub(super) fn follow(
        &self,
        path: &TreePath,
        asked: &TreePath,
        may_miss: bool,
    ) -> Result<TreePath, StackError> {
        let lost = || StackError::TooManyLinks(asked.clone());
        let mut links = 0;
        let mut done = TreePath::root();
        let mut todo: Vec<Vec<u8>> = path.components().map(<[u8]>::to_vec).collect();
        todo.reverse();
        while let Some(name) = todo.pop() {
            self.steps.set(self.steps.get().saturating_add(1));
            if self.is_exhausted() {
                return Err(StackError::TooLong);
            }
            match name.as_slice() {
                b"" | b"." => continue,
                b".." => {
                    done = done.parent().unwrap_or_default();
                    continue;
                }
                _ => {}
            }
            let next = done.join(&name).map_err(|_| lost())?;
            match self.get(&next) {
                None if !may_miss => return Err(lost()),
                Some(Item::Symlink(_, target)) => {
                    links += 1;
                    if links > LINKS_MAX || target.is_empty() || target.contains(&0) {
                        return Err(lost());
                    }
                    if target.starts_with(b"/") {
                        done = TreePath::root();
                    }
                    todo.extend(target.split(|&byte| byte == b'/').rev().map(<[u8]>::to_vec));
                }
                Some(Item::File(_) | Item::Special(_))
                    if may_miss && !self.rules.files_make_room =>
                {
                    return Err(StackError::NotADirectory { path: asked.clone(), parent: next });
                }
                None | Some(_) => done = next,
            }
        }
        Ok(done)
    }
}

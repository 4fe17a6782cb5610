// SPDX-License-Identifier: Apache-2.0
//! What a script finds out about files, and what it writes to them.

use crate::segment::Format;

use super::super::expand::Value;
use super::super::syntax::{Command, Redirect, RedirectOperator};
use super::super::{Look, Operation, Treatment};
use super::commands::{self, Output};
use super::{Evaluator, Noted, is_scratch};

impl Evaluator<'_> {
    /// Redirections of `if`, `{ }` and so on: only those to nowhere are passed over.
    pub(super) fn compound_redirects(&mut self, command: &Command) {
        for redirect in &command.redirects {
            if let Err(reason) = self.redirect(redirect, &Output::Unknown) {
                self.visit(command.id, Treatment::Unhandled { reason });
            }
        }
    }

    pub(super) fn redirect(
        &mut self,
        redirect: &Redirect,
        output: &Output,
    ) -> Result<Option<Operation>, String> {
        let appends = match redirect.operator {
            RedirectOperator::Write => false,
            RedirectOperator::Append => true,
            _ => return Ok(None),
        };
        let Some(path) = self.value(&redirect.target) else {
            return Err("writes to a file whose name is not known".to_owned());
        };
        let path = self.absolute(path);
        if path.starts_with("/dev/") || path.starts_with("/proc/") || is_scratch(&path) {
            return Ok(None);
        }
        if redirect.descriptor.is_some_and(|descriptor| descriptor != 1) {
            return Err(format!("writes messages to {path}"));
        }
        let content = match output {
            Output::Nothing => Some(String::new()),
            Output::Text(text) => Some(text.clone()),
            Output::Made => return Ok(None),
            Output::Unknown => None,
        };
        match content {
            Some(content) if path.starts_with('/') => {
                Ok(Some(Operation::Write { path, content, appends, mode: 0o666 }))
            }
            _ => Err(format!("writes a command's output to {path}")),
        }
    }

    pub(super) fn here_document(&mut self, command: &Command) -> Option<Value> {
        let number = command.redirects.iter().find_map(|redirect| redirect.here_document)?;
        let tree = self.tree;
        let word = tree.here_documents.get(number)?;
        Some(self.value(word))
    }

    /// Makes a path absolute, if it is known where the script begins: apk starts it in the root.
    pub(in super::super) fn absolute(&self, path: String) -> String {
        let is_relative = !path.starts_with('/') && !path.is_empty();
        if is_relative && self.input.format == Format::Apk && !self.state.is_elsewhere {
            return format!("/{}", path.trim_start_matches("./"));
        }
        path
    }

    /// Answers a question about a file: what the script did itself goes before the tree.
    pub(in super::super) fn look(&self, path: &str, follow: bool) -> Look {
        self.look_through(path, follow, 8)
    }

    pub(super) fn look_through(&self, path: &str, follow: bool, links: u32) -> Look {
        if is_scratch(path) {
            return Look::Unknown;
        }
        match self.state.files.get(path.trim_end_matches('/')) {
            Some(Noted::Look(look)) => return *look,
            Some(Noted::Link(_)) if !follow => return Look::Symlink,
            Some(Noted::Link(_)) if links == 0 => return Look::Unknown,
            Some(Noted::Link(target)) if target.starts_with('/') => {
                return self.look_through(target, true, links - 1);
            }
            Some(Noted::Link(target)) => {
                let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
                return self.look_through(&format!("{directory}/{target}"), true, links - 1);
            }
            None => {}
        }
        if let Some((directory, name)) = path.rsplit_once('/')
            && matches!(directory, "/bin" | "/sbin" | "/usr/bin" | "/usr/sbin")
            && commands::is_emulated(self.input.format, name)
        {
            return Look::File { is_executable: true, is_empty: false };
        }
        self.files.look(path, follow)
    }

    /// Returns the target of a link, if that is known.
    pub(in super::super) fn read_link(&self, path: &str) -> Value {
        match self.state.files.get(path) {
            Some(Noted::Link(target)) => Some(target.clone()),
            Some(Noted::Look(_)) => None,
            None => self.files.read_link(path),
        }
    }

    /// Returns the package that brought what stands at a path.
    pub(in super::super) fn owner(&self, path: &str) -> Value {
        self.files.owner(path)
    }

    pub(in super::super) fn list_directory(&self, directory: &str) -> Option<Vec<String>> {
        self.files.list(directory)
    }

    pub(super) fn note_file(&mut self, operation: &Operation) {
        let file = Look::File { is_executable: false, is_empty: false };
        let (path, noted) = match operation {
            Operation::MakeDirectory { path, .. } => {
                (path, Noted::Look(Look::Directory { is_empty: true }))
            }
            Operation::Write { path, .. } | Operation::Touch { path, .. } => {
                (path, Noted::Look(file))
            }
            Operation::Copy { from, to, .. } => (to, Noted::Look(self.look(from, true))),
            Operation::Move { from, to } => {
                let noted = match self.state.files.get(from) {
                    Some(noted) => noted.clone(),
                    None => Noted::Look(self.look(from, true)),
                };
                self.state.files.insert(from.clone(), Noted::Look(Look::Missing));
                (to, noted)
            }
            Operation::Symlink { path, target, .. } => (path, Noted::Link(target.clone())),
            Operation::Remove { path, .. } | Operation::RemoveDirectory { path } => {
                (path, Noted::Look(Look::Missing))
            }
            _ => return,
        };
        let path = path.trim_end_matches('/').to_owned();
        // What a directory already is, it stays; a copy into a directory does not change the directory.
        let is_removed = noted == Noted::Look(Look::Missing);
        if matches!(self.look(&path, true), Look::Directory { .. }) && !is_removed {
            return;
        }
        self.state.files.insert(path, noted);
    }
}

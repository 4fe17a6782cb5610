// SPDX-License-Identifier: Apache-2.0
//! Actions: what `uses: name@version` in a step of a build stage stands for.
//!
//! An action is a YAML file: inputs with types, the packages that its scripts need, and scripts. hardpan brings
//! its own (`actions/` in the repository, embedded), and `[actions] paths` in `hardpan.toml` names folders
//! with more. An action of the user takes the place of a built-in one with the same name and version.
//!
//! **Invariant**: nothing that a definition says gets into the text of a script. Inputs reach scripts as
//! environment variables `INPUT_NAME` and as files; see [`expand`](Actions::expand).

mod built_in;
mod error;
mod expand;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hardpan_definition::{Action, Code, Diagnostic, Source, Step, parse_action};
use hardpan_tree::Digest;

pub use error::ActionError;
pub use expand::{ACTION_DIRECTORY, Directories, Expanded, ExpandedStep, NeededPackage};

use crate::project::{CatalogRoot, read_text};

/// The largest action file, in bytes. The largest of ours has a fifth of it.
const FILE_BYTES_MAX: u64 = 256 << 10;
/// The most actions in one folder.
const FOLDER_ACTIONS_MAX: usize = 1_000;

/// All actions that steps may use, by name and version.
#[derive(Debug, Clone, Default)]
pub struct Actions {
    known: BTreeMap<String, BTreeMap<String, KnownAction>>,
}

/// An action with where it comes from.
#[derive(Debug, Clone)]
pub struct KnownAction {
    /// The action.
    pub action: Action,
    /// The digest of its file.
    pub digest: Digest,
    /// Its file; `None` for one that is built in.
    pub path: Option<PathBuf>,
}

impl Actions {
    /// Returns the actions that are built in.
    pub fn built_in() -> Self {
        let mut actions = Self::default();
        for &(name, text) in built_in::FILES {
            let (action, _) = parse_action(&Source::new(format!("actions/{name}"), text));
            let action = action.expect("built-in actions have no errors; a test checks");
            let digest = Digest::of(text.as_bytes());
            actions.insert(KnownAction { action, digest, path: None });
        }
        actions
    }

    /// Returns the built-in actions and those of a catalog's folders, which are relative to its root.
    pub fn load(root: &CatalogRoot, folders: &[String]) -> Result<Self, ActionError> {
        let mut actions = Self::built_in();
        for folder in folders {
            let path = root.path().join(folder);
            let fail = |source| ActionError::Folder { path: path.clone(), source };
            for file in yaml_files(&root.locate(folder).map_err(fail)?)? {
                actions.add(file)?;
            }
        }
        Ok(actions)
    }

    /// Reads a file and adds its action.
    fn add(&mut self, path: PathBuf) -> Result<(), ActionError> {
        let text = read_text(&path, FILE_BYTES_MAX)?;
        let digest = Digest::of(text.as_bytes());
        let source = Source::new(path.to_string_lossy(), text);
        let (action, diagnostics) = parse_action(&source);
        let Some(action) = action else {
            let source_text = Box::new(source);
            return Err(ActionError::File { path, diagnostics, source_text });
        };
        let reference = action.reference();
        let known = KnownAction { action, digest, path: Some(path.clone()) };
        match self.insert(known).and_then(|replaced| replaced.path) {
            Some(first) => Err(ActionError::Duplicate { action: reference, first, second: path }),
            None => Ok(()),
        }
    }

    /// Adds an action; returns the one with the same name and version that it takes the place of.
    fn insert(&mut self, known: KnownAction) -> Option<KnownAction> {
        let versions = self.known.entry(known.action.name.value.clone()).or_default();
        versions.insert(known.action.version.value.clone(), known)
    }

    /// Returns all actions, sorted by name and version.
    pub fn iter(&self) -> impl Iterator<Item = &KnownAction> {
        self.known.values().flat_map(BTreeMap::values)
    }

    /// Finds the action that a step uses; `None` for a step that uses none.
    pub fn find(&self, step: &Step) -> Option<Result<&KnownAction, Diagnostic>> {
        let reference = step.action()?;
        let span = step.uses.as_ref().map_or_else(Default::default, |uses| uses.span);
        let fail = |message: String| Diagnostic::error(Code::UnknownValue, span, message);
        let Some(versions) = self.known.get(reference.name) else {
            let diagnostic = fail(format!("there is no action `{}`", reference.name));
            let help = self.near(reference.name);
            return Some(Err(diagnostic.help(help)));
        };
        Some(versions.get(reference.version).ok_or_else(|| {
            let known: Vec<&str> = versions.keys().map(String::as_str).collect();
            let message = match reference.version {
                "" => format!("`{}` needs a version", reference.name),
                version => format!("the action `{}` has no version `{version}`", reference.name),
            };
            fail(message).help(format!("known are {}", known.join(", ")))
        }))
    }

    /// Says which names are near to one that is not known.
    fn near(&self, name: &str) -> String {
        let versions = |name: &str| {
            let versions = self.known.get(name).into_iter().flat_map(BTreeMap::keys);
            versions.map(|version| format!("`{name}@{version}`")).collect::<Vec<_>>().join(" or ")
        };
        let names = || self.known.keys().map(String::as_str);
        if let Some(near) = hardpan_definition::nearest(name, names()) {
            return format!("did you mean {}?", versions(near));
        }
        let folder = name.split('/').next().unwrap_or(name);
        let related: Vec<&str> =
            names().filter(|known| known.split('/').any(|part| part == folder)).collect();
        if related.is_empty() {
            format!("known are {}", names().collect::<Vec<_>>().join(", "))
        } else {
            format!("near it are {}", related.join(", "))
        }
    }

    /// Returns all that is wrong with the action and the inputs of a step.
    pub fn check(&self, step: &Step) -> Vec<Diagnostic> {
        match self.find(step) {
            None => Vec::new(),
            Some(Err(diagnostic)) => vec![diagnostic],
            Some(Ok(known)) => known.action.read_inputs(step).err().unwrap_or_default(),
        }
    }
}

/// Lists the YAML files of a folder, sorted.
fn yaml_files(folder: &Path) -> Result<Vec<PathBuf>, ActionError> {
    let fail = |source: io::Error| ActionError::Folder { path: folder.to_path_buf(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.extension().is_some_and(|kind| kind == "yaml" || kind == "yml") && path.is_file() {
            files.push(path);
        }
        if files.len() > FOLDER_ACTIONS_MAX {
            let limit = FOLDER_ACTIONS_MAX;
            return Err(ActionError::TooMany { path: folder.to_path_buf(), limit });
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests;

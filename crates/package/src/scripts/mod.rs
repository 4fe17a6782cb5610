// SPDX-License-Identifier: Apache-2.0
//! What maintainer scripts would do, found out without running them.
//!
//! [`classify`] reads the scripts of a package as a shell would on a **first installation**: `preinst install`,
//! `postinst configure`, then `postinst triggered` of a `.deb`; `pre-install`, `post-install`, then `trigger` of an
//! `.apk`. It follows what it can decide and both ways where it can't, and sorts every command into one
//! [`Treatment`]. What a command would change in the file system comes out as [`Effect`]s: data
//! that finishers apply to a tree. Nothing is run, and a command that is not understood is
//! reported, never guessed.

mod accounts;
mod alternatives;
mod apk;
mod arguments;
mod commands;
mod conditions;
mod debconf;
mod effect;
mod evaluate;
mod exact;
mod expand;
mod files;
mod lexer;
mod parser;
mod report;
mod syntax;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::segment::Format;

pub use debconf::defaults as debconf_defaults;
pub use effect::{Alternative, AlternativeLink, Effect, NewAccount, Operation, OwnerChange};
pub use exact::{KnownScript, known_scripts, normalised_digest};

/// The longest script that is looked at, in bytes. Debian's longest is about 60 kB.
pub const SCRIPT_BYTES_MAX: usize = 1024 * 1024;

/// The scripts of one package and what they may ask about it.
#[derive(Debug, Clone, Copy)]
pub struct ScriptInput<'a> {
    /// What kind of package it is: who runs its scripts, and which tools they find.
    pub format: Format,
    /// `Package`.
    pub package: &'a str,
    /// `Version`.
    pub version: &'a str,
    /// The architecture that the image is for (`amd64`), also for packages of all architectures.
    pub architecture: &'a str,
    /// Maintainer scripts by name: `preinst`, `postinst`, `config`; `pre-install`, `post-install`, `trigger`. Others are
    /// passed over.
    pub scripts: &'a BTreeMap<String, String>,
    /// The text of `triggers`, or the paths that an `.apk`'s trigger is for; empty if there is none.
    pub triggers: &'a str,
    /// The text of debconf's `templates`; empty if there is none. Its defaults are the answers.
    pub templates: &'a str,
}

/// What stands at a path that a script asks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Look {
    /// Not known: the script is read both ways.
    Unknown,
    /// Nothing.
    Missing,
    /// A regular file.
    File {
        /// Whether its owner may execute it.
        is_executable: bool,
        /// Whether it has no bytes.
        is_empty: bool,
    },
    /// A directory.
    Directory {
        /// Whether nothing is in it.
        is_empty: bool,
    },
    /// A symbolic link; only when the question was about the link itself.
    Symlink,
}

/// Answers the questions of scripts about files.
pub trait FileTests {
    /// Says what stands at an absolute path, with links in it followed; `follow` says whether a link at its
    /// end is followed too.
    fn look(&self, path: &str, follow: bool) -> Look;

    /// Returns the target of the link at a path, as written; `None` if that is not known or there is no link.
    fn read_link(&self, path: &str) -> Option<String> {
        let _ = path;
        None
    }

    /// Returns the package that brought what stands at a path; `None` if that is not known or there is nothing.
    fn owner(&self, path: &str) -> Option<String> {
        let _ = path;
        None
    }

    /// Lists the names in a directory, sorted; `None` if that is not known.
    fn list(&self, directory: &str) -> Option<Vec<String>> {
        let _ = directory;
        None
    }
}

/// Knows of no file: both ways of every question about files are followed.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFiles;

impl FileTests for NoFiles {
    fn look(&self, _path: &str, _follow: bool) -> Look {
        Look::Unknown
    }
}

/// What becomes of a command in a maintainer script.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "treatment")]
#[non_exhaustive]
pub enum Treatment {
    /// It has no effect in an image, or none on a first installation.
    Ignored {
        /// Why.
        reason: String,
    },
    /// A finisher does what it would have done.
    Handled {
        /// The finisher's name.
        finisher: String,
    },
    /// It must not happen in an image, and does not.
    Denied {
        /// Why.
        reason: String,
    },
    /// Nothing covers it: a warning.
    Unhandled {
        /// What is missing or not understood.
        reason: String,
    },
}

/// One command, or several neighbouring ones with the same treatment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ScriptAction {
    /// The package.
    pub package: String,
    /// The script: `preinst`, `postinst` or `config`; `pre-install`, `post-install` or `trigger`.
    pub script: String,
    /// First line, from 1.
    pub first_line: u32,
    /// Last line.
    pub last_line: u32,
    /// Those lines.
    pub text: String,
    /// What becomes of it.
    #[serde(flatten)]
    pub treatment: Treatment,
}

/// All that is known of a package's scripts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptReport {
    /// What becomes of every command, by script and line.
    pub actions: Vec<ScriptAction>,
    /// What the handled commands would have done, in the order of execution.
    pub effects: Vec<Effect>,
}

impl ScriptReport {
    /// Returns the actions that nothing covers.
    pub fn unhandled(&self) -> impl Iterator<Item = &ScriptAction> {
        self.actions.iter().filter(|action| matches!(action.treatment, Treatment::Unhandled { .. }))
    }
}

/// Classifies every command that a package's scripts run on a first installation.
pub fn classify(input: &ScriptInput<'_>, files: &dyn FileTests) -> ScriptReport {
    report::report(input, files)
}

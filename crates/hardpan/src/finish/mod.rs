// SPDX-License-Identifier: Apache-2.0
//! Finishers: what maintainer scripts would have done to a root file system, done declaratively.
//!
//! Packages are merged into a tree, but not configured: their scripts never run. [`run_all`] does
//! to the tree what those would have done and what the definition asks for: links of the merged
//! `/usr`, accounts, `os-release`, the usual directories, `paths`, the package database. What a
//! distribution's packages and package manager would have done is in `debian` and `alpine`.
//!
//! A finisher is a pure function over a [`Tree`]. All that it makes has [`Origin::Finisher`] (what
//! the definition itself asks for: [`Origin::Definition`]), the time [`Inputs::epoch`], and belongs
//! to root unless it says otherwise. What a package or the definition brings is never overwritten
//! by a default.
//!
//! [`Origin::Finisher`]: hardpan_tree::Origin::Finisher
//! [`Origin::Definition`]: hardpan_tree::Origin::Definition

pub mod accounts;
mod alpine;
pub mod alternatives;
pub mod apk_database;
mod apk_owners;
pub mod apk_settings;
pub mod apt;
pub mod base_files;
pub mod busybox;
pub mod ca_bundle;
mod certificate;
mod conf;
pub mod config_yaml;
mod debian;
mod der;
pub mod directories;
pub mod dpkg_database;
pub mod drop_list;
mod edit;
pub mod java_store;
pub mod ld_so_cache;
mod ld_so_conf;
mod ld_so_format;
pub mod merged_usr;
pub mod operations;
pub mod os_release;
pub mod pam;
pub mod paths;
pub mod php_modules;
mod script_owners;
pub mod scripts;
pub mod shells;
pub mod sysusers;
#[cfg(test)]
pub(crate) mod testing;
pub mod tmpfiles;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use self::ca_bundle::LinkNames;
use hardpan_definition::{Definition, Span, Variant};
use hardpan_package::scripts::ScriptAction;
use hardpan_package::segment::Unpacked;
use hardpan_package::strip::StripPolicy;
use hardpan_tree::{Contents, InsertError, ResolveError, Tree, TreePath};

pub use certificate::CertificateError;
pub use der::DerError;
pub use edit::Editor;
pub use paths::PathsError;

/// What finishers work with, beside the tree.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The definition.
    pub definition: &'a Definition,
    /// The packages, in the order that [`Origin::Package`](hardpan_tree::Origin::Package) counts in.
    pub packages: &'a [Arc<Unpacked>],
    /// Reads the files of the tree.
    pub contents: &'a dyn Contents,
    /// The time of all that finishers make, in seconds since the epoch.
    pub epoch: i64,
    /// Reads from the catalog by a path relative to its root, for `paths` with a `source`.
    pub catalog: &'a dyn Fn(&str) -> io::Result<CatalogSource>,
    /// Links that the workspace adds where the target exists and the link does not.
    pub aliases: &'a [PathAlias],
    /// What was stripped from the packages.
    pub strip: &'a StripPolicy,
    /// What a package manager in the image needs to know of the archives.
    pub archives: &'a ArchiveSettings,
    /// Whether everything that a real installation has is made, whatever the variant: for comparisons.
    pub exact: bool,
}

/// What a package manager in the image needs to know of the archives. Only Alpine's is told; apt's sources are the
/// distribution's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArchiveSettings {
    /// The archives, as the definition names them or the distribution's own: never a mirror.
    pub urls: Vec<String>,
    /// The keys that they are signed with, by the name of the file that signatures name.
    pub keys: BTreeMap<String, Arc<[u8]>>,
}

impl ArchiveSettings {
    /// Returns what a definition itself says: its archives, without the distribution's own and without keys.
    pub fn of(definition: &Definition) -> Self {
        let urls = definition.contents.repositories.iter().map(|url| url.value.clone());
        let is_alpine = definition.syntax.distribution.is_alpine();
        Self { urls: urls.filter(|_| is_alpine).collect(), keys: BTreeMap::new() }
    }
}

/// A link that the workspace asks for: `/usr/local/bin/alertmanager` to `/usr/bin/prometheus-alertmanager`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathAlias {
    /// Where the link stands.
    pub link: TreePath,
    /// What it leads to.
    pub target: TreePath,
}

/// What stands at a path of the catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CatalogSource {
    /// A file.
    File {
        /// Its content.
        bytes: Arc<[u8]>,
        /// Whether its owner may execute it.
        is_executable: bool,
    },
    /// A directory and the names in it.
    Directory(BTreeSet<String>),
}

impl<'a> Inputs<'a> {
    /// Returns whether the image gets all that a real installation has, or only what programs need.
    pub fn is_complete(&self) -> bool {
        self.exact || self.definition.variant == Variant::Dev
    }

    /// Returns the package of this name, if it is in the image.
    pub fn package(&self, name: &str) -> Option<&'a Unpacked> {
        self.packages.iter().map(|package| &**package).find(|package| package.name == name)
    }

    /// Returns whether a package of this name is in the image.
    pub fn has(&self, name: &str) -> bool {
        self.package(name).is_some()
    }
}

impl std::fmt::Debug for Inputs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inputs")
            .field("definition", &self.definition.image)
            .field("packages", &self.packages.len())
            .field("epoch", &self.epoch)
            .field("exact", &self.exact)
            .finish_non_exhaustive()
    }
}

/// What one finisher did for one package, or for the definition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Action {
    /// The finisher.
    pub finisher: &'static str,
    /// The package on whose behalf, if it is one's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The paths that it made, changed or removed, sorted.
    pub paths: Vec<TreePath>,
}

/// Something that a real installation would have and this image has not, or that had to be guessed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Warning {
    /// The finisher that found it.
    pub finisher: &'static str,
    /// The package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The file of the package: a maintainer script, or a path in the tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// First and last line in that file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<(u32, u32)>,
    /// What is missing or was not understood.
    pub message: String,
}

/// What finishers did, as they go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// What was done, in order.
    pub actions: Vec<Action>,
    /// What was not.
    pub warnings: Vec<Warning>,
    /// What became of every command of every maintainer script, by package, script and line.
    pub scripts: Vec<ScriptAction>,
}

/// What [`run_all`] did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finished {
    /// What was done, in order.
    pub actions: Vec<Action>,
    /// What was not, in order.
    pub warnings: Vec<Warning>,
    /// What became of every command of every maintainer script, by package, script and line.
    pub scripts: Vec<ScriptAction>,
    /// Environment that packages bring (`/opt/docker/config/*.yaml`). The definition's own wins over it.
    pub environment: BTreeMap<String, String>,
}

/// Why a tree can't be finished.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FinishError {
    /// A path can't be put where a finisher wants it.
    #[error("{finisher} can't make {path}")]
    Insert {
        /// The finisher.
        finisher: &'static str,
        /// The path.
        path: TreePath,
        /// Why.
        #[source]
        source: InsertError,
    },
    /// A path can't be followed.
    #[error("{finisher} can't follow {path}")]
    Resolve {
        /// The finisher.
        finisher: &'static str,
        /// The path.
        path: TreePath,
        /// Why.
        #[source]
        source: ResolveError,
    },
    /// A file of the tree can't be read.
    #[error("{finisher} can't read {path}")]
    Read {
        /// The finisher.
        finisher: &'static str,
        /// The path.
        path: TreePath,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A path is both in a directory such as `/bin` and in its counterpart in `/usr`.
    #[error("{path} can't move to {place}: something else is there")]
    UsrConflict {
        /// Where it is.
        path: TreePath,
        /// Where it belongs.
        place: TreePath,
    },
    /// A value of `os-release` has a control character.
    #[error("{field} of `os-release` has a control character")]
    OsRelease {
        /// The field.
        field: &'static str,
    },
    /// Two accounts have one number.
    #[error("{kind} {second} can't have the number {id}: {first} has it")]
    AccountCollision {
        /// `user` or `group`.
        kind: &'static str,
        /// The number.
        id: u32,
        /// Who has it.
        first: String,
        /// Who asks for it.
        second: String,
        /// Where the definition asks.
        span: Span,
    },
    /// A rule of `paths` can't be followed.
    #[error("a rule of `paths`{} can't be followed", package.as_ref().map_or_else(String::new, |name| format!(" of {name}")))]
    Paths {
        /// The package whose rule it is, if it is not the definition's.
        package: Option<String>,
        /// Where the rule stands in the definition.
        span: Option<Span>,
        /// Why.
        #[source]
        source: PathsError,
    },
    /// A package's image configuration is not one.
    #[error("{path} of a package is no image configuration: {}", problems.join("; "))]
    Config {
        /// The file.
        path: TreePath,
        /// What is wrong with it.
        problems: Vec<String>,
    },
    /// A file that has to have certificates has none, or bad ones.
    #[error("bad certificate file {path}")]
    Certificate {
        /// The file.
        path: TreePath,
        /// What is wrong.
        #[source]
        source: CertificateError,
    },
    /// More of something than any sound image has.
    #[error("{finisher} found more than {max} {what}")]
    Limit {
        /// The finisher.
        finisher: &'static str,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        max: usize,
    },
}

impl FinishError {
    /// Returns the place in the definition that is to blame, if one is.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::AccountCollision { span, .. } => Some(*span),
            Self::Paths { span, .. } => *span,
            _ => None,
        }
    }
}

/// Does to a tree of merged packages all that makes it the image's root file system.
///
/// # Errors
/// If the definition asks for what can't be, or a file can't be read. The tree is half-finished then.
pub fn run_all(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<Finished, FinishError> {
    run_all_around(tree, inputs, |_| Ok(()))
}

/// Like [`run_all`], with something put in between: `add` finds the packages as if they were installed,
/// and comes before the definition's `paths` and what is derived from everything that is there.
///
/// # Errors
/// As [`run_all`], and those of `add`.
pub fn run_all_around<E: From<FinishError>>(
    tree: &mut Tree,
    inputs: &Inputs<'_>,
    add: impl FnOnce(&mut Tree) -> Result<(), E>,
) -> Result<Finished, E> {
    let mut report = Report::default();
    let environment = if inputs.definition.syntax.distribution.is_alpine() {
        alpine::configure(tree, inputs, &mut report)?;
        add(tree)?;
        let environment = apply_definition(tree, inputs, &mut report)?;
        alpine::record(tree, inputs, &mut report)?;
        environment
    } else {
        let conffile_sums = debian::configure(tree, inputs, &mut report)?;
        add(tree)?;
        let environment = apply_definition(tree, inputs, &mut report)?;
        debian::record(tree, &conffile_sums, inputs, &mut report)?;
        environment
    };
    Ok(Finished {
        actions: report.actions,
        warnings: report.warnings,
        scripts: report.scripts,
        environment,
    })
}

/// Does what the definition asks for; returns the environment that packages bring.
fn apply_definition(
    tree: &mut Tree,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<BTreeMap<String, String>, FinishError> {
    report.actions.extend(os_release::apply(tree, inputs)?);
    let environment = config_yaml::apply(tree, inputs, report)?;
    paths::apply(tree, inputs, report)?;
    paths::apply_aliases(tree, inputs, report)?;
    Ok(environment)
}

/// Makes the bundles of certificates that are trusted, unless the definition decides on them.
fn trust_certificates(
    tree: &mut Tree,
    names: LinkNames,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    let is_open = |path| !paths::is_decided(inputs.definition, &TreePath::literal(path));
    if is_open("etc/ssl/certs/ca-certificates.crt") {
        let is_complete = inputs.is_complete();
        ca_bundle::apply(tree, inputs.contents, inputs.epoch, is_complete, names, report)?;
    }
    if is_open("etc/ssl/certs/java/cacerts") {
        java_store::apply(tree, inputs.contents, inputs.epoch, report)?;
    }
    Ok(())
}

/// Makes the dynamic linker's cache, unless the definition decides on it.
fn cache_libraries(
    tree: &mut Tree,
    glibc_version: Option<&str>,
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    if paths::is_decided(inputs.definition, &TreePath::literal("etc/ld.so.cache")) {
        return Ok(());
    }
    ld_so_cache::apply(tree, inputs.contents, inputs.epoch, glibc_version, report)
}

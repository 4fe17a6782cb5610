// SPDX-License-Identifier: Apache-2.0
//! The hardening controls and the inspection that applies them.
//!
//! Every control has a stable name ([`ControlId`]), and for each variant of an image a severity
//! ([`Control`]). A finding names the file, the package that brought it, who pulled that package in,
//! and the exclusion that would cut it.
//!
//! One inspection serves the gate of a build, where all there is is a tree, and the audit of any image, where
//! [`image::ImageFacts`] tell of its layers, its configuration and those who state something about it.

pub(crate) mod account_files;
mod accounts;
mod catalog;
mod commands;
mod configuration;
mod control;
mod development;
mod efficiency;
mod files;
mod hardening;
mod health;
mod identity;
pub mod image;
mod interpreters;
mod libraries;
mod links;
mod measured;
mod places;
mod profile;
mod programs;
mod reach;
mod report;
mod secrets;
mod special;
mod supply;
mod tools;
pub mod traits;
mod view;
mod wording;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use hardpan_tree::{Contents, Tree, TreePath};
use serde::{Deserialize, Serialize};

pub use catalog::{ControlId, controls};
pub use control::{Control, Group, UnknownControl};
pub use measured::measured;
pub use profile::{Profile, UnknownProfile};
pub(crate) use reach::{interpreters, is_elf};
pub(crate) use report::text_of;
pub(crate) use wording::lasting;

pub(crate) use files::counts;
use image::ImageFacts;
use report::Report;
use view::View;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing; breaks no promise.
    Info,
    /// Should be looked at; the build goes on.
    Warn,
    /// The image is not what its variant promises; the build fails.
    Fail,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Fail => "fail",
        })
    }
}

/// A package that the tree was merged from; [`hardpan_tree::Origin::Package`] counts in their list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageInfo {
    /// Its name, without version and architecture.
    pub name: String,
}

/// All that the inspection looks at.
#[derive(Clone, Copy)]
pub struct Inspection<'a> {
    /// The finished tree.
    pub tree: &'a Tree,
    /// Reads the few files whose text matters (`/etc/passwd`, `/etc/ld.so.conf`, small files that no
    /// package brought). A file that can't be read is treated as one with other content.
    pub contents: &'a dyn Contents,
    /// The packages of the tree, in the order that origins count.
    pub packages: &'a [PackageInfo],
    /// What the image is for.
    pub profile: Profile,
    /// What is known beyond the tree; `None` while the image is being built.
    pub image: Option<&'a ImageFacts>,
    /// The names of the packages that the definition itself names, without versions.
    pub requested_packages: &'a BTreeSet<String>,
    /// The paths that the definition itself names (`paths`, targets of `outputs` that are files).
    pub requested_paths: &'a BTreeSet<TreePath>,
    /// Whether the definition says that the image runs as root (`accounts.root`, `run-as: root`).
    pub root_allowed: bool,
    /// The image's user as the image configuration has it: `65532`, `65532:65532`, `nginx`, or empty.
    pub user: &'a str,
    /// The image's entrypoint; may be empty.
    pub entrypoint: &'a [String],
    /// The image's command; its first word is the program where there is no entrypoint.
    pub command: &'a [String],
    /// The image's environment.
    pub environment: &'a BTreeMap<String, String>,
    /// The image's working directory; empty is the root.
    pub work_directory: &'a str,
    /// Says which request pulled a package in (`curl → libcurl4t64 → libfoo`), by its number.
    pub why: &'a dyn Fn(u32) -> Option<String>,
    /// Says which entry of `contents.packages` would cut a package (`!bash`), by its number.
    pub cut: &'a dyn Fn(u32) -> Option<String>,
}

impl fmt::Debug for Inspection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspection")
            .field("nodes", &self.tree.len())
            .field("packages", &self.packages.len())
            .field("profile", &self.profile)
            .field("user", &self.user)
            .field("entrypoint", &self.entrypoint)
            .finish_non_exhaustive()
    }
}

/// What the controls came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measured {
    /// What they found: worst first, then by control and path.
    pub findings: Vec<Finding>,
    /// Controls that could not be measured, and why: without a finding they did not pass.
    pub unmeasured: BTreeMap<ControlId, String>,
}

/// What a workspace or a definition changes about the controls.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ControlPolicy {
    /// Severities that replace a control's own; `None` switches it off.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub severities: BTreeMap<ControlId, Option<Severity>>,
    /// Findings that are accepted, with the reason; they stay in the result as [`Severity::Info`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception>,
}

/// A finding that somebody accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Exception {
    /// The control.
    pub control: ControlId,
    /// The path that is accepted, and all below it unless there is a message, too; without one, every path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<TreePath>,
    /// What a finding says, of each of its paths if it has some, word for word but for days, sums of bytes and numbers of
    /// layers; without one, whatever it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Why; shown with the finding.
    pub reason: String,
}

/// One result of the inspection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// The control that it belongs to.
    pub control: ControlId,
    /// How bad it is here.
    pub severity: Severity,
    /// What is wrong, with the path and, if there are more of the kind, how many.
    pub message: String,
    /// The first path that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<TreePath>,
    /// The other paths from the same origin for which the same holds, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub more_paths: Vec<TreePath>,
    /// The package that brought the path, by its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<u32>,
    /// The layer that brought the path, counted from the lowest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<u32>,
    /// Where it comes from and what to do.
    pub help: String,
    /// The number of the exception in [`ControlPolicy::exceptions`] by which it is accepted.
    #[serde(skip)]
    pub exception: Option<usize>,
}

/// Applies all controls and returns what they found: worst first, then by control and path.
pub fn inspect(input: &Inspection<'_>, policy: &ControlPolicy) -> Vec<Finding> {
    measure(input, policy).findings
}

/// Applies all controls, and tells as well which of them could not be measured.
pub fn measure(input: &Inspection<'_>, policy: &ControlPolicy) -> Measured {
    let view = View::new(input);
    let mut report = Report::new(input, policy);
    let shells = tools::check(&view, &mut report);
    let account = identity::check(&view, &mut report);
    files::check(&view, &account, &mut report);
    secrets::check(&view, &mut report);
    links::check(&view, &mut report);
    accounts::check(&view, &account, &shells, &mut report);
    special::check(&view, &account, &mut report);
    development::check(&view, &mut report);
    interpreters::check(&view, &mut report);
    interpreters::check_loader(&view, &mut report);
    configuration::check(&view, &account, &shells, &mut report);
    programs::check(&view, &account, &mut report);
    hardening::check(&view, &account, &mut report);
    supply::check(&view, &mut report);
    efficiency::check(&view, &mut report);
    report.finish()
}

/// Returns the paths of all tools by kind (`shell`, `packageManager`, …), also of those that are asked for or accepted.
pub fn tools(input: &Inspection<'_>) -> BTreeMap<&'static str, Vec<TreePath>> {
    tools::by_kind(&View::new(input))
}

/// Returns the number that the image's user comes to, if it can be told.
pub fn user_number(input: &Inspection<'_>) -> Option<u32> {
    identity::user_number(&View::new(input))
}

/// Returns what is measured for an image's labels: paths of what was found, separated by commas and
/// empty where there is none, and numbers.
///
/// | key | value |
/// |---|---|
/// | `shell`, `package-manager`, `compiler`, `debugger` | paths of the programs |
/// | `setuid-files`, `capability-files`, `world-writable` | how many |
/// | `files` | number of files, hard links not counted twice |
/// | `size-bytes` | their sizes together |
pub fn measured_labels(tree: &Tree, contents: &dyn Contents) -> BTreeMap<&'static str, String> {
    let mut labels = tools::measure(tree, contents);
    labels.extend(files::measure(tree));
    labels
}

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

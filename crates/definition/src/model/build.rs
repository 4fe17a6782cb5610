// SPDX-License-Identifier: Apache-2.0
//! Build stages.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::contents::{Contents, ImageReference, PathRule};
use super::{Accounts, Entitlement, Value};
use crate::source::Spanned;

/// One entry of `contents.builds`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BuildStage {
    /// Name.
    pub name: Option<Spanned<String>>,
    /// Who may have it.
    pub entitlement: Option<Entitlement>,
    /// Base image instead of an empty root.
    pub uses: Option<Spanned<ImageReference>>,
    /// Working directory of the steps.
    pub work_dir: Option<Spanned<String>>,
    /// Shell that runs scripts, for example `/bin/busybox sh`.
    pub shell: Option<Spanned<String>>,
    /// Whether all steps may use the network.
    pub privileged: bool,
    /// Environment of the steps.
    pub environment: BTreeMap<String, Spanned<String>>,
    /// Cache directories.
    pub caches: Vec<Spanned<Cache>>,
    /// Axes of a build matrix.
    pub matrix: Vec<Spanned<MatrixAxis>>,
    /// Packages, files and artifacts of the stage.
    pub contents: Contents,
    /// Steps.
    pub pipeline: Vec<Spanned<Step>>,
    /// Changes to the file system before the steps.
    pub paths: Vec<Spanned<PathRule>>,
    /// Users and groups of the stage.
    pub accounts: Accounts,
    /// What goes from the stage into the image.
    pub outputs: Vec<Spanned<StageOutput>>,
    /// Attestations that the stage makes.
    pub attestations: Vec<Spanned<AttestationSource>>,
}

/// One entry of `caches`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cache {
    /// Directory in the stage.
    pub path: Spanned<String>,
    /// Who else may use it at the same time.
    pub sharing: CacheSharing,
}

/// How a cache may be shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CacheSharing {
    /// By everybody at once.
    #[default]
    Shared,
    /// By nobody.
    Private,
    /// By one at a time.
    Locked,
}

/// One axis of `matrix`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MatrixAxis {
    /// Name of the axis.
    pub name: Option<String>,
    /// Its items, by key.
    pub items: BTreeMap<String, Value>,
}

/// One step of `pipeline`: a script (`runs`) or an action (`uses`).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// Name.
    pub name: Option<String>,
    /// Action `name@version`, or with `runs` the image whose tools the script uses.
    pub uses: Option<Spanned<String>>,
    /// User that runs the step.
    pub run_as: Option<Spanned<String>>,
    /// Working directory.
    pub work_dir: Option<Spanned<String>>,
    /// Shell that runs the script.
    pub shell: Option<Spanned<String>>,
    /// Whether the step may use the network.
    pub privileged: bool,
    /// Environment, on top of the stage's.
    pub environment: BTreeMap<String, Spanned<String>>,
    /// Cache directories.
    pub caches: Vec<Spanned<Cache>>,
    /// Secrets.
    pub secrets: Vec<Spanned<Secret>>,
    /// Inputs of the action.
    pub with: BTreeMap<String, Spanned<Value>>,
    /// Where the names of the inputs stand.
    #[serde(skip)]
    pub with_keys: BTreeMap<String, Spanned<()>>,
    /// Script.
    pub runs: Option<Spanned<String>>,
}

/// The two parts of `uses: name@version` (or `name:version`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionReference<'a> {
    /// For example `go/build`.
    pub name: &'a str,
    /// For example `v1`; empty if there is none.
    pub version: &'a str,
}

impl fmt::Display for ActionReference<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.name, self.version)
    }
}

impl Step {
    /// The action that the step calls; `None` for a script.
    pub fn action(&self) -> Option<ActionReference<'_>> {
        if self.runs.is_some() {
            return None;
        }
        let uses = self.uses.as_ref()?.value.as_str();
        let (name, version) = uses.split_once(['@', ':']).unwrap_or((uses, ""));
        Some(ActionReference { name, version })
    }
}

/// One entry of `secrets`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Secret {
    /// Name of the secret.
    pub id: Spanned<String>,
    /// Environment variable that gets it.
    pub env: Spanned<String>,
    /// Whether the step runs without it.
    pub optional: bool,
}

/// One entry of `outputs`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageOutput {
    /// Path in the stage.
    pub source: Spanned<String>,
    /// Path in the image.
    pub target: Spanned<String>,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Mode.
    pub mode: Option<u32>,
    /// Whether only files that the steps changed are taken.
    pub diff: bool,
}

/// One entry of `attestations` of a stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AttestationSource {
    /// Type of the predicate.
    pub predicate_type: Option<Spanned<String>>,
    /// File in the stage with the predicate.
    pub source: Option<Spanned<String>>,
    /// Whether only files that the steps changed are taken.
    pub diff: bool,
}

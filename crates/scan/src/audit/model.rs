// SPDX-License-Identifier: Apache-2.0
//! The result of an audit.

use std::collections::BTreeMap;

use hardpan_tree::{Digest, TreePath};
use serde::Serialize;

use crate::controls::{ControlId, Group, Severity};

/// What an audit came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditReport {
    /// The image.
    pub image: AuditedImage,
    /// What it is for, and who says so.
    pub profile: ProfileChoice,
    /// Whether no control that counts for the profile failed.
    pub hardened: bool,
    /// The grade.
    pub grade: Grade,
    /// How it came to be.
    pub sum: GradeSum,
    /// All controls, by group and in the order of the catalog.
    pub controls: Vec<ControlResult>,
    /// What it is, in the words that policies ask for.
    pub traits: Traits,
    /// How much there is to attack.
    pub surface: Surface,
    /// What whoever reads this should know: exceptions that are over, what could not be read.
    pub warnings: Vec<String>,
}

/// What was audited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditedImage {
    /// Its name, or where it lies.
    pub name: String,
    /// Its platform; a root file system has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The digest of its manifest, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The distribution and its version, if it says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution: Option<String>,
    /// Number of layers.
    pub layers: usize,
}

/// By what an image is judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileChoice {
    /// The name of the profile: `runtime`, …, or what a file calls its own.
    pub name: String,
    /// Who says so.
    pub source: ProfileSource,
}

/// Who says what an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProfileSource {
    /// The user.
    Flag,
    /// The image's definition, in its provenance or label.
    Definition,
    /// A label of the image.
    Label,
    /// Nobody: it is the default.
    Default,
}

/// What became of a control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlResult {
    /// The control.
    pub id: ControlId,
    /// What it is about.
    pub group: Group,
    /// How bad it is in this profile if it does not hold; `None` where it does not apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Whether it counts for the grade.
    pub counts: bool,
    /// What it came to.
    pub outcome: Outcome,
    /// What was found, those that are accepted included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<AuditFinding>,
}

/// What a control came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "result", content = "why")]
pub enum Outcome {
    /// Nothing was found.
    Pass,
    /// Something was found that breaks the promise of the profile.
    Fail,
    /// Something was found that should be looked at.
    Warn,
    /// Something was found that is worth knowing.
    Info,
    /// All that was found is accepted.
    Excepted,
    /// It could not be measured, and why.
    Unmeasured(String),
    /// It does not apply to the profile, or a profile or policy switched it off.
    NotApplicable,
}

/// Something that a control found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditFinding {
    /// How bad it is here.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// The paths that it is about, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<TreePath>,
    /// The layer that brought them, counted from the lowest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<u32>,
    /// The package that owns them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Where it comes from and what to do.
    pub help: String,
    /// Who accepted it, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Acceptance>,
}

/// Why a finding is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Acceptance {
    /// The reason that was given.
    pub reason: String,
    /// The last day on which it is accepted, `2027-03-31`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// Where that is written: `hardpan.toml`, the definition, a baseline file.
    pub source: String,
}

/// A grade, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Grade {
    /// 90 points and more, and hardened.
    A,
    /// 75 and more.
    B,
    /// 60 and more.
    C,
    /// 45 and more.
    D,
    /// 30 and more.
    E,
    /// Less.
    F,
}

/// How a grade came to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GradeSum {
    /// 100 minus all deductions, at least 0.
    pub points: u32,
    /// What was taken off, and for what: those that weigh most first.
    pub deductions: Vec<Deduction>,
    /// How many controls that count could not be measured: the grade says nothing of them.
    pub unmeasured: usize,
    /// How many controls that count cost nothing because what they found is accepted.
    pub accepted: usize,
    /// Why the grade is worse than the points say, if it is: an image that is not hardened is never an A.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cap: Option<String>,
}

/// What a control costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deduction {
    /// The control.
    pub control: ControlId,
    /// Its outcome's severity.
    pub severity: Severity,
    /// How many points it costs.
    pub points: u32,
}

/// What an image is, in the words that policies ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Traits {
    /// `config.User` as it is.
    pub user: String,
    /// The number that it comes to, if it can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Paths of tools by kind: `shell`, `packageManager`, `languagePackageManager`, `compiler`, `debugger`,
    /// `networkTool`. All kinds are there, also those without any, and what is accepted counts.
    #[serde(flatten)]
    pub tools: BTreeMap<&'static str, Vec<TreePath>>,
    /// Number of setuid and setgid files.
    pub setuid: u64,
    /// Number of files with capabilities.
    pub capabilities: u64,
    /// Number of files that everybody may write, and directories without the sticky bit.
    pub world_writable: u64,
}

/// How much there is to attack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Surface {
    /// Files that somebody may execute.
    pub executables: u64,
    /// ELF files.
    pub elf: u64,
    /// Packages of the distribution and of languages.
    pub packages: u64,
    /// Sum of the sizes of all visible files, hard links not counted twice.
    pub bytes: u64,
    /// Visible regular files.
    pub files: u64,
    /// Setuid and setgid files.
    pub setuid: u64,
    /// Interpreters that the image's user may start.
    pub interpreters: u64,
}

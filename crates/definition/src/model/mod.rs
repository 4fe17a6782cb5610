// SPDX-License-Identifier: Apache-2.0
//! The typed definition: rendered for one platform, so every value is concrete.
//!
//! The only placeholders that stay in strings are `${source.dir}` and `${target.dir}`, which name directories
//! of a build stage, and, in scripts, environments and file contents, what belongs to the shell.

mod accounts;
mod action;
mod build;
mod contents;
mod info;
mod platform;
mod structure;
mod test;
mod track;
mod value;

use std::collections::BTreeMap;

use serde::Serialize;

pub use accounts::{Accounts, Group, RunAs, User};
pub use action::{
    Action, ActionInput, ActionPackage, ActionStep, Condition, InputKind, InputValue,
    input_variable,
};
pub use build::{
    ActionReference, AttestationSource, BuildStage, Cache, CacheSharing, MatrixAxis, Secret,
    StageOutput, Step,
};
pub use contents::{
    Artifact, Checksum, Contents, FileSource, ImageReference, PackageRequest, PathKind, PathRule,
    Spdx, SpdxPackage,
};
pub use info::{Advisory, Exclusion, IncludedTool, Info, Metadata, TrackIgnore, VexSource};
pub use platform::{Distribution, Platform, Port, Protocol, Syntax, UnknownPlatform};
pub use structure::{
    BindMount, CommandTest, ContainerRunOptions, ExecutableBy, Expectation, ExpectedValue,
    FileContentTest, FileExistenceTest, LicenseTest, MetadataTest, StructureSchema, StructureTests,
};
pub use test::{Ask, ContainerTest, Test};
pub use track::{Track, TrackKind, TrackSet, TrackValue};
pub use value::Value;

use crate::source::Spanned;

/// What an image is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Variant {
    /// With shell, package manager and build tools.
    Dev,
    /// Only what the program needs.
    #[default]
    Runtime,
    /// A Helm chart.
    Helm,
}

impl Variant {
    /// The name as definitions write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dev => "dev",
            Self::Runtime => "runtime",
            Self::Helm => "helm",
        }
    }
}

/// How layers are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Compression {
    /// Zstandard, the format's default.
    Zstd,
    /// Gzip.
    Gzip,
}

/// How many layers an image gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Output {
    /// Several layers, so that images share them.
    #[default]
    Layered,
    /// One layer.
    Squashed,
}

/// Who may have the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Entitlement {
    /// Everybody.
    Public,
    /// Enterprise customers.
    Enterprise,
    /// Customers with extended lifecycle support.
    Els,
}

/// `dates`: the life cycle of what is in the image. Dates are `YYYY-MM-DD`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Dates {
    /// Where the dates come from, in words.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Where the dates come from.
    pub url: Option<Spanned<String>>,
    /// First release.
    pub release: Option<Spanned<String>>,
    /// End of life.
    pub end_of_life: Option<Spanned<String>>,
    /// End of support.
    pub end_of_support: Option<Spanned<String>>,
}

/// `os-release`: the fields of the generated `/etc/os-release`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct OsRelease {
    /// `NAME`.
    pub name: Option<String>,
    /// `ID`.
    pub id: Option<String>,
    /// `ID_LIKE`.
    pub id_like: Option<String>,
    /// `VERSION_ID`.
    pub version_id: Option<String>,
    /// `VERSION_CODENAME`.
    pub version_codename: Option<String>,
    /// `PRETTY_NAME`.
    pub pretty_name: Option<String>,
    /// `HOME_URL`.
    pub home_url: Option<String>,
    /// `BUG_REPORT_URL`.
    pub bug_report_url: Option<String>,
}

/// What to do about maintainer scripts that no finisher covers: `x-hardpan: scripts`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Scripts {
    /// Apply the finishers and warn about the rest.
    #[default]
    Declarative,
    /// Apply the finishers and run the rest in the sandbox.
    Sandbox,
    /// Neither apply package-specific finishers nor warn.
    None,
}

/// `x-hardpan`: hardpan's own additions, the only top-level key beyond the DHI schema.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Hardpan {
    /// What to do about maintainer scripts.
    pub scripts: Scripts,
    /// Tests of the image, in hardpan's own form.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<Spanned<ContainerTest>>,
    /// Whether Python modules are compiled; the workspace decides where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pyc: Option<bool>,
    /// Whether indexes that packages' triggers make are made; the workspace decides where it is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caches: Option<bool>,
    /// Documents about vulnerabilities (OpenVEX) by their paths in the catalog, for `build --sign`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vex: Vec<Spanned<String>>,
    /// Files of container-structure-test by their paths in the catalog: more tests of the image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub structure_tests: Vec<Spanned<String>>,
    /// Findings of hardening controls that are accepted: `audit.exceptions`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub audit_exceptions: Vec<AuditException>,
}

/// An entry of `x-hardpan.audit.exceptions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct AuditException {
    /// The name of the control. Which names there are is not known here.
    pub control: Spanned<String>,
    /// The path that is accepted and all below it; without one, every path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Spanned<String>>,
    /// Why.
    pub reason: Spanned<String>,
    /// The last day on which it is accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Spanned<String>>,
}

/// A definition rendered for one platform.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Definition {
    /// Line 1: frontend and distribution.
    pub syntax: Syntax,
    /// The platform that this rendering is for.
    pub platform: Platform,
    /// Friendly name.
    pub name: Option<Spanned<String>>,
    /// Name of the image without tag, for example `dhi.io/python`.
    pub image: Spanned<String>,
    /// Runtime, dev or chart.
    pub variant: Variant,
    /// Flavor such as `fips` or `fpm`.
    pub flavor: Option<Spanned<String>>,
    /// Tags, in the order written.
    pub tags: Vec<Spanned<String>>,
    /// Suffix of every tag.
    pub suffix: Option<Spanned<String>>,
    /// All platforms of the definition, sorted, without repetitions.
    pub platforms: Vec<Platform>,
    /// Compression, if the definition asks for one.
    pub compression: Option<Compression>,
    /// Layered or squashed.
    pub output: Output,
    /// Who may have the image.
    pub entitlement: Option<Entitlement>,
    /// Life cycle.
    pub dates: Dates,
    /// Variables with their values on this platform.
    pub vars: BTreeMap<String, Spanned<String>>,
    /// Packages, files, stages.
    pub contents: Contents,
    /// Users and groups.
    pub accounts: Accounts,
    /// Fields of `/etc/os-release`, if the definition has any.
    pub os_release: Option<OsRelease>,
    /// Environment of the image. Values may hold `${X}` for other environment variables.
    pub environment: BTreeMap<String, Spanned<String>>,
    /// Working directory.
    pub work_dir: Option<Spanned<String>>,
    /// Signal that stops the container.
    pub stop_signal: Option<Spanned<String>>,
    /// Entry point; empty for none.
    pub entrypoint: Vec<String>,
    /// Command; empty for none.
    pub cmd: Vec<String>,
    /// Exposed ports.
    pub ports: Vec<Spanned<Port>>,
    /// Changes to the file system, in order.
    pub paths: Vec<Spanned<PathRule>>,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// Labels of the image config.
    pub labels: BTreeMap<String, String>,
    /// Tests.
    pub tests: Vec<Spanned<Test>>,
    /// Whether the image claims FIPS compliance.
    pub fips_compliant: bool,
    /// Whether the image claims STIG certification.
    pub stig_certified: bool,
    /// How versions are tracked.
    pub track: Vec<Spanned<Track>>,
    /// hardpan's own additions.
    pub x_hardpan: Hardpan,
}

impl Definition {
    /// The canonical form: JSON with sorted keys, without blanks, and without what is null, false or empty.
    ///
    /// It depends on the meaning only, not on layout, comments, key order or places, and it does not change
    /// when the model gets a new optional field. Locks store its digest.
    pub fn canonical_json(&self) -> String {
        let value =
            serde_json::to_value(self).expect("the model has string keys and finite numbers");
        let mut text = String::new();
        write_canonical(&value, false, &mut text);
        text
    }
}

/// Keys whose values belong to actions: there, `false` and nothing mean something.
fn is_verbatim(key: &str) -> bool {
    matches!(key, "with" | "items")
}

fn write_canonical(value: &serde_json::Value, verbatim: bool, text: &mut String) {
    use serde_json::Value as Json;
    match value {
        Json::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_canonical(item, verbatim, text);
            }
            text.push(']');
        }
        Json::Object(entries) => {
            let sorted: BTreeMap<_, _> =
                entries.iter().filter(|(key, value)| verbatim || !is_void(key, value)).collect();
            text.push('{');
            for (index, (key, value)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                text.push_str(&Json::from(key.as_str()).to_string());
                text.push(':');
                write_canonical(value, verbatim || is_verbatim(key), text);
            }
            text.push('}');
        }
        scalar => text.push_str(&scalar.to_string()),
    }
}

fn is_void(key: &str, value: &serde_json::Value) -> bool {
    use serde_json::Value as Json;
    match value {
        Json::Null | Json::Bool(false) => true,
        Json::Array(items) => items.is_empty(),
        Json::Object(entries) if is_verbatim(key) => entries.is_empty(),
        Json::Object(entries) => entries.iter().all(|(key, value)| is_void(key, value)),
        _ => false,
    }
}

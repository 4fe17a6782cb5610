// SPDX-License-Identifier: Apache-2.0
//! `info.yaml`: what a catalog page says about a family of images.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Value;
use crate::source::Spanned;

/// A whole `info.yaml`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Info {
    /// What the page shows.
    pub metadata: Metadata,
    /// Sources of advisories.
    pub advisories: Vec<Advisory>,
    /// Tags that trackers leave out.
    pub track_ignore: Vec<TrackIgnore>,
    /// Sources of VEX statements.
    pub vex_sources: Vec<VexSource>,
}

/// `metadata`. Published files leave out the keys that are optional here.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub struct Metadata {
    /// Name on the page.
    pub display_name: Spanned<String>,
    /// One sentence.
    pub short_description: Spanned<String>,
    /// Whether the page is promoted.
    pub featured: bool,
    /// Whether a FIPS variant exists.
    pub fips_compliant: Option<bool>,
    /// FIPS modules.
    pub fips_modules: Vec<String>,
    /// Whether a STIG report exists.
    pub stig_certified: Option<bool>,
    /// Home page of the software.
    pub home_url: Option<Spanned<String>>,
    /// Categories of the catalog.
    pub categories: Vec<Spanned<String>>,
    /// Images that this one replaces.
    pub alternatives: Vec<String>,
    /// Tools in the images.
    pub included_tools: Vec<IncludedTool>,
    /// Sources of advisories.
    pub advisories: Vec<Advisory>,
}

/// One entry of `included-tools`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct IncludedTool {
    /// Command.
    pub name: String,
    /// What it does.
    pub description: String,
}

/// One entry of `advisories`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advisory {
    /// `github_advisories`, `github` or `nist`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Where.
    pub source: String,
    /// `github`, `osv`, `node` or `nist`.
    pub format: String,
    /// Which advisories count.
    #[serde(rename = "match")]
    pub pattern: Option<String>,
    /// Packages that do not count, each with its ecosystem.
    pub exclusions: Vec<Exclusion>,
    /// Packages that count.
    pub packages: Vec<String>,
}

/// One entry of `exclusions`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Exclusion {
    /// Package.
    pub package: Option<String>,
    /// Ecosystem.
    pub ecosystem: Option<String>,
}

/// One entry of `track-ignore`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrackIgnore {
    /// Always `github_tag`.
    #[serde(rename = "type")]
    pub kind: String,
    /// GitHub owner.
    pub owner: String,
    /// GitHub repository.
    pub repo: String,
    /// Regular expression of the tags to ignore.
    #[serde(rename = "match")]
    pub pattern: String,
}

/// One entry of `vex-sources`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VexSource {
    /// Always `tuxcare-csaf`.
    pub format: String,
    /// Where.
    pub url: Spanned<String>,
    /// How package URLs are made: type, namespace, name, versionRegex, keepQualifiers.
    pub purl: BTreeMap<String, Value>,
    /// Where the statements go.
    pub destination: String,
    /// Packages.
    pub packages: Vec<String>,
    /// Where the package's version comes from.
    pub package_version_ref: String,
}

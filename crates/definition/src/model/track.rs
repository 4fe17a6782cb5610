// SPDX-License-Identifier: Apache-2.0
//! `track`: how the variables of a definition follow upstream.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Value;
use crate::source::Spanned;

/// Where a [`Track`] looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TrackKind {
    /// Releases of a GitHub repository.
    GithubRelease,
    /// Tags of a GitHub repository.
    GithubTag,
    /// Commits of a GitHub repository.
    GithubRepository,
    /// An Alpine package.
    AlpinePackage,
    /// A Debian package.
    DebianPackage,
    /// Counts a variable up when others change.
    VarIncrement,
    /// Tags of an OCI image.
    OciArtifact,
    /// A text file.
    File,
    /// A JSON file.
    JsonFile,
}

impl TrackKind {
    /// The value of `type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::GithubRelease => "github_release",
            Self::GithubTag => "github_tag",
            Self::GithubRepository => "github_repository",
            Self::AlpinePackage => "alpine_package",
            Self::DebianPackage => "debian_package",
            Self::VarIncrement => "var_increment",
            Self::OciArtifact => "oci_artifact",
            Self::File => "file",
            Self::JsonFile => "json_file",
        }
    }
}

/// `set` of a [`Track`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TrackSet {
    /// One variable.
    Variable(String),
    /// Several variables.
    Values(Vec<TrackValue>),
    /// Variables by a mapping whose form belongs to the kind.
    Mapping(BTreeMap<String, Value>),
}

/// One entry of a list in `set`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TrackValue {
    /// The variable.
    pub var: String,
    /// What it gets: commit, tag, name, digest or reference.
    pub value: String,
    /// Regular expression on the value.
    #[serde(rename = "match")]
    pub pattern: Option<String>,
    /// Which of several equal tags is meant: longest, exact or default.
    pub selection: Option<String>,
}

/// One entry of `track`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Track {
    /// Where to look.
    #[serde(rename = "type")]
    pub kind: TrackKind,
    /// What to set.
    pub set: Option<TrackSet>,
    /// GitHub owner.
    pub owner: Option<String>,
    /// GitHub repository.
    pub repo: Option<String>,
    /// GitHub branch.
    pub branch: Option<String>,
    /// `release` or `tag`.
    #[serde(rename = "use")]
    pub prefer: Option<String>,
    /// Regular expression that candidates must match.
    #[serde(rename = "match")]
    pub pattern: Option<String>,
    /// Package URL.
    pub package: Option<Spanned<String>>,
    /// Name of an OCI image or of a file.
    pub name: Option<String>,
    /// URL of a file.
    pub url: Option<Spanned<String>>,
    /// Variables that make the counter go up.
    pub increment: Vec<String>,
    /// Variables that reset the counter.
    pub reset: Vec<String>,
}

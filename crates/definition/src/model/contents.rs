// SPDX-License-Identifier: Apache-2.0
//! What goes into an image: packages, files, artifacts, paths.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Serialize, Serializer};

use super::build::BuildStage;
use crate::source::Spanned;

/// `contents` of an image or of a build stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Contents {
    /// Archives: one-line Debian sources or Alpine URLs. Empty means the distribution's default archive.
    pub repositories: Vec<Spanned<String>>,
    /// URLs of the keys that archives are signed with.
    pub keyring: Vec<Spanned<String>>,
    /// Packages wanted and excluded, in the order written; repetitions are allowed.
    pub packages: Vec<Spanned<PackageRequest>>,
    /// Downloads.
    pub files: Vec<Spanned<FileSource>>,
    /// Build stages; always empty in a build stage.
    pub builds: Vec<Spanned<BuildStage>>,
    /// Package name to package URL for the SBOM.
    pub mappings: BTreeMap<String, Spanned<String>>,
    /// Files from other OCI images.
    pub artifacts: Vec<Spanned<Artifact>>,
}

/// One entry of `packages`: `name`, `name=version` or `!name`.
///
/// For Alpine `version` also holds the forms `name~version`, `name>=version` …: see [`PackageRequest::operator`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct PackageRequest {
    /// Package name, on Alpine also a provided name such as `cmd:resolvconf`.
    pub name: String,
    /// The comparison before the version, `=` unless an Alpine entry says otherwise.
    pub operator: Option<String>,
    /// The pinned version.
    pub version: Option<String>,
    /// Whether this is `!name`: never install it. An explicit request for the same name wins.
    pub excluded: bool,
}

impl fmt::Display for PackageRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.excluded {
            formatter.write_str("!")?;
        }
        formatter.write_str(&self.name)?;
        match &self.version {
            Some(version) => {
                write!(formatter, "{}{version}", self.operator.as_deref().unwrap_or("="))
            }
            None => Ok(()),
        }
    }
}

/// What a download is checked against.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Checksum {
    /// `sha256:` and 64 hexadecimal digits (kept here without the prefix, in lower case).
    Sha256(String),
    /// 40 hexadecimal digits: the commit that a `git+https` URL must resolve to.
    GitCommit(String),
    /// URL of a checksum file.
    Url(String),
}

impl fmt::Display for Checksum {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digits) => write!(formatter, "sha256:{digits}"),
            Self::GitCommit(text) | Self::Url(text) => formatter.write_str(text),
        }
    }
}

impl Serialize for Checksum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One entry of `files`: something downloaded into the image or stage.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FileSource {
    /// `https://…`, `http://…`, `git+https://…#ref`, or `file:` and a path in the catalog.
    pub url: Spanned<String>,
    /// What the download must match; `None` means that the definition does not pin it.
    pub checksum: Option<Spanned<Checksum>>,
    /// Where it goes. An archive is unpacked there if the path has no archive extension.
    pub path: Spanned<String>,
    /// Globs of members to take from an archive; empty for all.
    pub includes: Vec<Spanned<String>>,
    /// Globs of members to leave out.
    pub excludes: Vec<Spanned<String>>,
    /// What to add to the SBOM.
    pub spdx: Option<Spdx>,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Mode of the file.
    pub mode: Option<u32>,
    /// Secret that authenticates the download.
    pub secret_id: Option<String>,
}

/// `spdx` of a file: an SBOM snippet.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Spdx {
    /// Name of the document.
    pub name: Option<String>,
    /// Version of what was downloaded.
    pub version: Option<String>,
    /// Packages in the download.
    pub packages: Vec<SpdxPackage>,
}

/// One package of an [`Spdx`] snippet.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SpdxPackage {
    /// Name.
    pub name: Option<String>,
    /// Package URL.
    pub purl: Option<Spanned<String>>,
    /// SPDX licence expression.
    pub license: Option<String>,
    /// Where the package is in the image.
    pub path: Option<String>,
}

/// A reference to an OCI image: `name[:tag][@digest]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageReference {
    /// Registry and repository, for example `dhi.io/golang`.
    pub name: String,
    /// Tag.
    pub tag: Option<String>,
    /// Digest with its algorithm, for example `sha256:…`.
    pub digest: Option<String>,
}

impl fmt::Display for ImageReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.name)?;
        if let Some(tag) = &self.tag {
            write!(formatter, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(formatter, "@{digest}")?;
        }
        Ok(())
    }
}

impl Serialize for ImageReference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One entry of `artifacts`: files copied from another OCI image.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Artifact {
    /// The image.
    pub name: Spanned<ImageReference>,
    /// Globs to take; empty for all.
    pub includes: Vec<Spanned<String>>,
    /// Globs to leave out.
    pub excludes: Vec<Spanned<String>>,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
}

/// What an entry of `paths` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PathKind {
    /// A symbolic link; `source` is its target.
    Symlink,
    /// A directory, with `source` a copy of one of the catalog; `recursive` applies the ownership downwards.
    Directory,
    /// A file with the `content` given, or a copy of `source`.
    File,
    /// Removes a path with all below it.
    Delete,
    /// An empty file.
    EmptyFile,
}

/// One entry of `paths`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PathRule {
    /// What to do.
    #[serde(rename = "type")]
    pub kind: PathKind,
    /// Absolute path in the image; in build stages it may begin with `${source.dir}` or `${target.dir}`.
    pub path: Spanned<String>,
    /// Target of a symbolic link, or path relative to the catalog root.
    pub source: Option<Spanned<String>>,
    /// Inline content of a file.
    pub content: Option<Spanned<String>>,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Mode.
    pub mode: Option<u32>,
    /// Whether ownership and mode apply to all below.
    pub recursive: bool,
}

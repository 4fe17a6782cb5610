// SPDX-License-Identifier: Apache-2.0
//! What changed between two builds of an image.
//!
//! [`diff`] compares two plain descriptions. Its result is a predicate, and [`Changelog::to_markdown`] a text for people.

mod diff;
mod markdown;

use std::collections::BTreeMap;

use hardpan_tree::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::resource::{PredicateError, limited, null_is_default, read};

pub use diff::diff;

/// Its type.
pub const URI: &str = "https://hardpan.dev/changelog/v1";
const KIND: &str = "changelog";
/// The most changes of a kind that are read.
const CHANGES_MAX: usize = 100_000;
/// The most files of a kind that are listed; a change of a compiler touches tens of thousands, and nobody reads
/// those. The counts are always whole.
pub const FILES_LISTED_MAX: usize = 1_000;

/// A build of an image for one platform, as far as it is compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageFacts {
    /// Which one it is.
    pub build: BuildId,
    /// Packages by name: `libc6`, or a package URL without its version.
    pub packages: BTreeMap<String, PackageFacts>,
    /// Files by path, without a slash in front.
    pub files: BTreeMap<String, FileFacts>,
    /// Keys of the configuration: `User`, `Env.PATH`, `Labels.…`.
    pub config: BTreeMap<String, Value>,
    /// Sum of the compressed layers, in bytes.
    pub compressed_size_bytes: u64,
    /// Sum of the layers, in bytes.
    pub size_bytes: u64,
}

/// Which build it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildId {
    /// The image's name, or name and tag.
    pub name: String,
    /// Digest of the manifest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The image's own time, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
}

/// A package, as far as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFacts {
    /// Its version.
    pub version: String,
    /// Digest of its file: a package may be built again with the same version.
    pub sha256: Option<Digest>,
}

/// A file, as far as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// Its content, or its target if it is a link: anything that is equal where those are.
    pub content: String,
    /// Its permissions.
    pub mode: u32,
    /// Its owner and group.
    pub owner: (u32, u32),
    /// Its length in bytes.
    pub size_bytes: u64,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changelog {
    /// The older build.
    pub from: BuildId,
    /// The newer one, which the statement is about.
    pub to: BuildId,
    /// Packages.
    pub packages: Changes<PackageChange>,
    /// Files.
    pub files: FileChanges,
    /// Keys of the configuration.
    pub config: Vec<ConfigChange>,
    /// Sizes.
    pub size: SizeChange,
}

/// Changes of packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct Changes<T> {
    /// New ones.
    #[serde(default, deserialize_with = "null_is_default")]
    pub added: Vec<T>,
    /// Gone ones.
    #[serde(default, deserialize_with = "null_is_default")]
    pub removed: Vec<T>,
    /// Others.
    #[serde(default, deserialize_with = "null_is_default")]
    pub changed: Vec<T>,
}

/// A package that came, went or changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageChange {
    /// Its name.
    pub name: String,
    /// The version before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The version after. Equal to the one before where it was built again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Changes of files: how many, and the first [`FILES_LISTED_MAX`] paths of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileChanges {
    /// How many are new.
    pub added_count: u64,
    /// How many are gone.
    pub removed_count: u64,
    /// How many have another content.
    pub changed_count: u64,
    /// How many have the same content and other permissions or owners.
    pub mode_changed_count: u64,
    /// Paths of new ones.
    #[serde(default, deserialize_with = "null_is_default")]
    pub added: Vec<String>,
    /// Paths of gone ones.
    #[serde(default, deserialize_with = "null_is_default")]
    pub removed: Vec<String>,
    /// Paths of those with another content.
    #[serde(default, deserialize_with = "null_is_default")]
    pub changed: Vec<String>,
    /// Paths of those with other permissions or owners alone.
    #[serde(default, deserialize_with = "null_is_default")]
    pub mode_changed: Vec<String>,
}

/// A key of the configuration that came, went or changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfigChange {
    /// The key.
    pub key: String,
    /// The value before; `None` for a new key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// The value after; `None` for one that is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}

/// Sizes before and after, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SizeChange {
    /// Compressed layers before.
    pub compressed_from: u64,
    /// Compressed layers after.
    pub compressed_to: u64,
    /// Layers before.
    pub from: u64,
    /// Layers after.
    pub to: u64,
}

impl Changelog {
    /// Returns whether nothing changed that is compared.
    pub fn is_empty(&self) -> bool {
        let packages = &self.packages;
        let counts = [packages.added.len(), packages.removed.len(), packages.changed.len()];
        let files = &self.files;
        let files =
            [files.added_count, files.removed_count, files.changed_count, files.mode_changed_count];
        counts == [0; 3] && files == [0; 4] && self.config.is_empty()
    }

    /// Reads the predicate.
    pub fn from_value(value: &Value) -> Result<Self, PredicateError> {
        let changelog: Self = read(KIND, value)?;
        let packages = &changelog.packages;
        for list in [&packages.added, &packages.removed, &packages.changed] {
            limited(KIND, "packages", list.len(), CHANGES_MAX)?;
        }
        limited(KIND, "keys", changelog.config.len(), CHANGES_MAX)?;
        let files = &changelog.files;
        for (count, list) in [
            (files.added_count, &files.added),
            (files.removed_count, &files.removed),
            (files.changed_count, &files.changed),
            (files.mode_changed_count, &files.mode_changed),
        ] {
            limited(KIND, "files", list.len(), FILES_LISTED_MAX)?;
            if (list.len() as u64) > count {
                return Err(PredicateError::invalid(KIND, "files", "more are listed than counted"));
            }
        }
        let has = |change: &PackageChange| (change.from.is_some(), change.to.is_some());
        let fits = packages.added.iter().all(|change| has(change) == (false, true))
            && packages.removed.iter().all(|change| has(change) == (true, false))
            && packages.changed.iter().all(|change| has(change) == (true, true));
        if !fits {
            let reason = "a version is missing, or there is one too many";
            return Err(PredicateError::invalid(KIND, "packages", reason));
        }
        Ok(changelog)
    }
}

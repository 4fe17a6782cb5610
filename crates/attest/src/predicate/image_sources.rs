// SPDX-License-Identifier: Apache-2.0
//! The source of every package of an image: what licences that ask for it need, in one list.
//!
//! DHI attests an image that holds the sources. This names them where they are: every distribution keeps the
//! sources of what it ships, and a name, a version and an archive find them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::resource::{DigestSet, PredicateError, limited, null_is_default, read};
use crate::sbom::purl::PackageUrl;

/// Its type.
pub const URI: &str = "https://hardpan.dev/image-sources/v1";
const KIND: &str = "image sources";
/// The most sources that are read: a lock has at most 50,000 packages.
const SOURCES_MAX: usize = 50_000;

/// The sources of an image, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSources {
    /// Source by source.
    pub sources: Vec<PackageSource>,
}

/// A source, and the packages that were built from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageSource {
    /// Its name: of the source package, the repository, the file.
    pub name: String,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The archive that it is in: `debian`, or a URI that the definition wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// Where it is: a URL. Of a distribution's package a page that leads to all versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Its digests, where they are known.
    #[serde(
        default,
        skip_serializing_if = "DigestSet::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub digest: DigestSet,
    /// Package URLs of what was built from it.
    pub packages: BTreeSet<String>,
}

impl ImageSources {
    /// Brings sources into order; packages of one source come together.
    pub fn of(sources: impl IntoIterator<Item = PackageSource>) -> Self {
        let mut all: Vec<PackageSource> = Vec::new();
        let mut sources: Vec<PackageSource> = sources.into_iter().collect();
        sources.sort();
        for source in sources {
            let same = |other: &PackageSource| {
                (&other.name, &other.version, &other.archive, &other.location, &other.digest)
                    == (
                        &source.name,
                        &source.version,
                        &source.archive,
                        &source.location,
                        &source.digest,
                    )
            };
            match all.last_mut().filter(|last| same(last)) {
                Some(last) => last.packages.extend(source.packages),
                None => all.push(source),
            }
        }
        Self { sources: all }
    }

    /// Reads the predicate.
    pub fn from_value(value: &Value) -> Result<Self, PredicateError> {
        let sources: Self = read(KIND, value)?;
        limited(KIND, "sources", sources.sources.len(), SOURCES_MAX)?;
        for source in &sources.sources {
            if source.name.is_empty() {
                return Err(PredicateError::invalid(KIND, "sources", "one has no name"));
            }
            limited(KIND, "packages of a source", source.packages.len(), SOURCES_MAX)?;
            for package in &source.packages {
                package.parse::<PackageUrl>().map_err(|error| {
                    PredicateError::invalid(KIND, source.name.as_str(), error.to_string())
                })?;
            }
        }
        Ok(sources)
    }

    /// Returns package URLs of what has no source that somebody could find: neither archive nor location.
    pub fn without_source(&self) -> BTreeSet<&str> {
        let lost = |source: &&PackageSource| source.archive.is_none() && source.location.is_none();
        let packages = self.sources.iter().filter(lost).flat_map(|source| &source.packages);
        packages.map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn source(name: &str, archive: Option<&str>, package: &str) -> PackageSource {
        PackageSource {
            name: name.to_owned(),
            version: Some("1".to_owned()),
            archive: archive.map(str::to_owned),
            location: None,
            digest: DigestSet::new(),
            packages: BTreeSet::from([package.to_owned()]),
        }
    }

    #[test]
    fn packages_of_a_source_come_together() {
        let sources = [
            source("openssl", Some("debian"), "pkg:deb/debian/openssl@1"),
            source("glibc", Some("debian"), "pkg:deb/debian/libc6@1"),
            source("openssl", Some("debian"), "pkg:deb/debian/libssl3@1"),
            source("mine", None, "pkg:generic/mine@1"),
        ];
        let together = ImageSources::of(sources.clone());
        assert_eq!(together, ImageSources::of(sources.into_iter().rev()));
        let names: Vec<_> =
            together.sources.iter().map(|s| (s.name.as_str(), s.packages.len())).collect();
        assert_eq!(names, [("glibc", 1), ("mine", 1), ("openssl", 2)]);
        assert_eq!(together.without_source(), BTreeSet::from(["pkg:generic/mine@1"]));
        let value = serde_json::to_value(&together).unwrap();
        assert_eq!(ImageSources::from_value(&value).unwrap(), together);
        assert_eq!(ImageSources::of(together.sources.clone()), together);
    }

    #[test]
    fn what_can_t_be_is_refused() {
        for value in [
            json!({}),
            json!({"sources": [{"name": "", "packages": []}]}),
            json!({"sources": [{"name": "a", "packages": ["libc6"]}]}),
            json!({"sources": [{"name": "a"}]}),
            json!({"sources": [{"name": "a", "packages": [], "digest": {"sha256": 1}}]}),
            json!({"sources": vec![json!({"name": "a", "packages": []}); SOURCES_MAX + 1]}),
        ] {
            assert!(ImageSources::from_value(&value).is_err());
        }
    }
}

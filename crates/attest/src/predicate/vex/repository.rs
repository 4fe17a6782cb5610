// SPDX-License-Identifier: Apache-2.0
//! Statements as a VEX repository, from which other scanners take them: one document for each package.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::num::NonZeroU32;

use hardpan_image::canonical_json;
use serde::Serialize;

use super::super::time::Time;
use super::document::{VexDocument, VexHeader};
use super::merge::{Trust, merge};
use super::model::{Product, Text, VexError, VexStatement};
use crate::sbom::purl::PackageUrl;

/// The version of the specification that scanners read.
const SPEC_VERSION: &str = "0.1";

/// What a repository says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VexRepository {
    /// Its name.
    pub name: String,
    /// A line about it.
    pub description: String,
    /// Where the archive of it lies, a `.tar.gz`.
    pub archive_url: String,
    /// How often scanners look for a new one, as Go writes durations: `24h`.
    pub update_interval: String,
    /// What ids of its documents begin with: an IRI without a fragment.
    pub base: String,
    /// Who states it.
    pub author: Text,
    /// When it was made.
    pub time: Time,
    /// Its version, which grows with every change.
    pub version: NonZeroU32,
}

/// Returns the files of a repository, by their paths: the manifest, which is served beside the archive, and the index
/// and documents, which are in it. Statements are merged first, so every package has one answer for each
/// vulnerability. Products that are no packages have no place in it.
///
/// # Errors
/// If a document can't be made.
pub fn repository(
    about: &VexRepository,
    statements: &[VexStatement],
) -> Result<BTreeMap<String, Vec<u8>>, VexError> {
    let mut by_package: BTreeMap<PackageUrl, Vec<VexStatement>> = BTreeMap::new();
    for statement in merge([(Trust::User, statements)]) {
        let mut products: BTreeMap<PackageUrl, BTreeSet<Product>> = BTreeMap::new();
        for product in &statement.products {
            if let Some(purl) = product.component.purl() {
                products.entry(package(&purl)).or_default().insert(product.clone());
            }
        }
        for (package, products) in products {
            let own = VexStatement { products, id: None, ..statement.clone() };
            by_package.entry(package).or_default().push(own);
        }
    }
    let mut files = BTreeMap::new();
    let mut packages = Vec::new();
    for (package, statements) in by_package {
        let location = location(&package);
        let id = format!("{}/{location}#v{}", about.base.trim_end_matches('/'), about.version);
        let header = VexHeader {
            id: id.parse()?,
            author: about.author.clone(),
            role: None,
            time: about.time,
            last_updated: None,
            version: about.version,
            tooling: None,
        };
        files.insert(location.clone(), VexDocument::new(header, statements)?.to_bytes());
        packages.push(IndexEntry { id: package.to_string(), location, format: "openvex" });
    }
    packages.sort_by(|a, b| a.id.cmp(&b.id));
    files.insert(
        "index.json".to_owned(),
        canonical_json(&Index { updated_at: about.time, packages }),
    );
    let manifest = Manifest {
        name: &about.name,
        description: &about.description,
        versions: [Version {
            specification: SPEC_VERSION,
            locations: [Location { url: &about.archive_url }],
            update_interval: &about.update_interval,
        }],
    };
    files.insert(".well-known/vex-repository.json".to_owned(), canonical_json(&manifest));
    Ok(files)
}

/// Returns the name of a package in any version; images of different places are different ones.
fn package(purl: &PackageUrl) -> PackageUrl {
    if purl.kind() == "oci" {
        purl.with_only("repository_url").with_version("")
    } else {
        purl.package()
    }
}

/// Returns where a package's document lies: `pkg/deb/debian/libc6/vex.json`.
fn location(package: &PackageUrl) -> String {
    let place = package.qualifier("repository_url");
    let namespace = package.namespace().map(|name| format!("{name}/")).unwrap_or_default();
    let named = || format!("{namespace}{}", package.name());
    let names = place.map_or_else(named, str::to_owned);
    // Places and names are told apart, as one may look like the other.
    let kind = if place.is_some() { "oci-at" } else { package.kind() };
    let mut path = format!("pkg/{kind}");
    for name in names.split('/').filter(|name| !name.is_empty()) {
        path.push('/');
        let is_dots = name.bytes().all(|byte| byte == b'.');
        for byte in name.bytes() {
            if !is_dots && (byte.is_ascii_alphanumeric() || b"._-~".contains(&byte)) {
                path.push(char::from(byte));
            } else {
                // Writing to a String can't fail.
                let _ = write!(path, "%{byte:02X}");
            }
        }
    }
    path + "/vex.json"
}

#[derive(Serialize)]
struct Manifest<'r> {
    name: &'r str,
    description: &'r str,
    versions: [Version<'r>; 1],
}

#[derive(Serialize)]
struct Version<'r> {
    #[serde(rename = "spec_version")]
    specification: &'static str,
    locations: [Location<'r>; 1],
    update_interval: &'r str,
}

#[derive(Serialize)]
struct Location<'r> {
    url: &'r str,
}

#[derive(Serialize)]
struct Index {
    updated_at: Time,
    packages: Vec<IndexEntry>,
}

#[derive(Serialize)]
struct IndexEntry {
    id: String,
    location: String,
    format: &'static str,
}

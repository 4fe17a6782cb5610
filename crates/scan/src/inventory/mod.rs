// SPDX-License-Identifier: Apache-2.0
//! What is looked up: the packages of an image with the names and versions that advisories know them by.
//!
//! An [`Inventory`] is made of a [catalog](crate::catalog) or of an SBOM, whoever wrote it; matching does not know
//! which one it was.

mod catalog;
mod distribution;
mod listing;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hardpan_attest::sbom::purl::PackageUrl;

use crate::advisory::Space;
use crate::catalog::PackageKind;

pub use distribution::{Claim, Distribution};

/// What is in an image, as far as advisories are about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// What it says it is; `None` if it says nothing.
    pub distribution: Option<Distribution>,
    /// Its packages, ordered by their ids.
    pub packages: Vec<Package>,
    /// How many things may be in it that could not be read. They were not looked up.
    pub unread: usize,
    /// The first file that should say which packages of the distribution there are and can't be read.
    pub unread_database: Option<String>,
    /// How many components of an SBOM no advisories are about here, by the type of their package URLs: `rpm`, `gem`.
    pub uncovered: BTreeMap<String, usize>,
    /// How many components of an SBOM have no package URL, or none that can be read: nobody knows advisories about them.
    pub unnamed: usize,
}

/// A package that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// A name that is unique in the inventory: that of the catalog, or the reference of the SBOM.
    pub id: String,
    /// Who made it, and how it got its name.
    pub kind: PackageKind,
    /// Its name: for languages as advisories have it.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// Name and version of its source (Debian) or origin (Alpine).
    pub source: Option<(String, String)>,
    /// Its package URL.
    pub purl: Option<Arc<PackageUrl>>,
    /// Who maintains it, if that is known.
    pub maintainer: Option<String>,
    /// The files that say that it is there, without a slash in front.
    pub evidence: BTreeSet<String>,
    /// Where inside of them it is, for archives in archives.
    pub inside: Option<String>,
    /// How many visible files are its own; 0 if that is not known.
    pub files: usize,
    /// The layer that its evidence is in, counted from the lowest, if that is known.
    pub layer: Option<usize>,
    /// The package of the distribution that brought it.
    pub owned_by: Option<String>,
}

impl Inventory {
    /// Returns the package with that id.
    pub fn package(&self, id: &str) -> Option<&Package> {
        let found = self.packages.binary_search_by(|package| package.id.as_str().cmp(id));
        found.ok().map(|at| &self.packages[at])
    }

    /// Returns whether it has packages that only a distribution's data is about.
    pub fn has_distribution_packages(&self) -> bool {
        self.packages.iter().any(|package| package.kind.is_distribution())
    }
}

impl Package {
    /// Returns the name and version that a distribution's advisories are about: the source's, as
    /// rebuilds (`1.2-3+b1`) and binary packages with other versions have their fixes there.
    pub fn source_or_own(&self) -> (&str, Option<&str>) {
        match &self.source {
            Some((name, version)) if version.is_empty() => (name, self.version.as_deref()),
            Some((name, version)) => (name, Some(version)),
            None => (&self.name, self.version.as_deref()),
        }
    }
}

/// Returns where advisories about a kind of language packages are; `None` for a distribution's and for what no
/// advisories are about.
pub fn language(kind: PackageKind) -> Option<Space> {
    Some(match kind {
        PackageKind::Golang => Space::Golang,
        PackageKind::Cargo => Space::Cargo,
        PackageKind::Pypi => Space::Pypi,
        PackageKind::Npm => Space::Npm,
        PackageKind::Maven => Space::Maven,
        _ => return None,
    })
}

/// Returns a name as advisories of its kind write it.
fn advisory_name(kind: PackageKind, name: &str) -> String {
    match kind {
        PackageKind::Pypi => crate::catalog::normal_python_name(name),
        _ => name.to_owned(),
    }
}

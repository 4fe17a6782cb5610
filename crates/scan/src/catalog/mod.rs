// SPDX-License-Identifier: Apache-2.0
//! What is in an image or a root file system, whoever built it.
//!
//! [`CatalogBuilder`] takes layers as streams, the uppermost first, reads each once, and keeps of their
//! files only what a reader of some format wants. [`CatalogBuilder::finish`] then puts the layers on top
//! of each other, as a container would see them, and says which packages are there, which files are
//! theirs, and what could not be read.

mod apk;
mod auditable;
mod builder;
mod content;
mod dpkg;
mod elf;
mod error;
mod go;
mod go_crypto;
mod headers;
mod jar;
mod node;
mod note;
mod os;
mod owners;
mod patterns;
mod python;
mod root;
mod sources;
pub(crate) mod sums;
mod survey;
mod want;

#[cfg(test)]
pub(crate) mod tests;

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use hardpan_attest::sbom::purl::{DistroPackage, PackageUrl};
use hardpan_tree::{Digest, TreePath};

pub use builder::{CatalogBuilder, CatalogOptions};
pub use error::{CatalogError, FormatError};
pub use go_crypto::GoCryptography;
pub use os::OsRelease;
pub(crate) use python::normal as normal_python_name;
pub(crate) use want::is_package_database;

/// What is in an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalog {
    /// What it says it is, if it says so.
    pub os: Option<OsRelease>,
    /// Its packages, ordered by their ids.
    pub packages: Vec<Package>,
    /// Its regular files as a container sees them. Hard links are files of their own here.
    pub files: BTreeMap<TreePath, FileFacts>,
    /// SBOMs that lie in it, as they are.
    pub documents: BTreeMap<TreePath, Arc<[u8]>>,
    /// The cryptography of Go's standard library in programs, by their paths.
    pub go_cryptography: BTreeMap<TreePath, GoCryptography>,
    /// What may be in it and could not be read, in the order of paths. Never empty by oversight: a file
    /// that should say what is in the image and can't is here.
    pub problems: Vec<Problem>,
}

impl Catalog {
    /// Returns the package with that id.
    pub fn package(&self, id: &PackageId) -> Option<&Package> {
        let found = self.packages.binary_search_by(|package| package.id.cmp(id));
        found.ok().map(|at| &self.packages[at])
    }
}

/// A name for a package that is unique in its image and the same in the next build: `deb/libc6/amd64`,
/// `pypi/django@5.1:usr/lib/python3/dist-packages/Django-5.1.dist-info/METADATA`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackageId(String);

impl PackageId {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PackageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for PackageId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Who made a package, and how it got its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum PackageKind {
    /// A Debian package.
    Deb,
    /// An Alpine package.
    Apk,
    /// A Go module; the standard library is the module `stdlib`.
    Golang,
    /// A crate.
    Cargo,
    /// A Python distribution.
    Pypi,
    /// A package of Node.
    Npm,
    /// A Java archive. The name is `group:artifact`, or only the artifact where no group is known.
    Maven,
    /// What an ELF file says of itself (package note).
    Elf,
    /// A program that was recognised by its bytes, and that nothing else says anything of.
    Generic,
}

impl PackageKind {
    /// Returns the word that ids begin with.
    pub fn word(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::Golang => "golang",
            Self::Cargo => "cargo",
            Self::Pypi => "pypi",
            Self::Npm => "npm",
            Self::Maven => "maven",
            Self::Elf => "elf",
            Self::Generic => "generic",
        }
    }

    /// Returns whether such packages come from the distribution and own files of all kinds.
    pub fn is_distribution(self) -> bool {
        matches!(self, Self::Deb | Self::Apk)
    }
}

/// A package in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its id.
    pub id: PackageId,
    /// What kind of package it is.
    pub kind: PackageKind,
    /// Its name, as its own kind writes it.
    pub name: String,
    /// Its version; `None` where nothing says, as for the main module of most Go programs.
    pub version: Option<String>,
    /// Its architecture, as its own kind writes it.
    pub architecture: Option<String>,
    /// Name and version of the source package, for packages of a distribution.
    pub source: Option<(String, String)>,
    /// Who maintains it.
    pub maintainer: Option<String>,
    /// What it says of its licence, as written.
    pub licenses: Option<String>,
    /// The bytes of Debian's copyright file.
    pub copyright: Option<Arc<[u8]>>,
    /// Its home page.
    pub homepage: Option<String>,
    /// A line about it.
    pub summary: Option<String>,
    /// What it needs, as written.
    pub requires: Vec<String>,
    /// Names that it stands for, as written.
    pub provides: Vec<String>,
    /// The packages of the image that fulfil [`Package::requires`].
    pub depends: BTreeSet<PackageId>,
    /// The files that say that it is there.
    pub evidence: BTreeSet<TreePath>,
    /// Where inside of [`Package::evidence`] it is, for archives in archives: `BOOT-INF/lib/x.jar`.
    pub inside: Option<String>,
    /// What kind of package a note in an ELF file says it is: `rpm`, `deb`.
    pub noted_kind: Option<String>,
    /// The layer that its evidence is in, counted from the lowest, which is 0.
    pub layer: usize,
    /// The visible files that are its own.
    pub files: BTreeSet<TreePath>,
    /// The package of the distribution that brought it. Such a package is counted with that one.
    pub owned_by: Option<PackageId>,
}

impl Package {
    /// Returns its package URL, in an image whose os-release has that `ID` and `VERSION_ID`; `None` if it has a name that no package
    /// URL can have.
    pub fn purl(&self, distro: &str, distro_version: &str) -> Option<PackageUrl> {
        let version = self.version.as_deref().unwrap_or_default();
        let name = &self.name;
        let found = match self.kind {
            PackageKind::Deb | PackageKind::Apk => {
                let source = self.source.as_ref();
                let distro_package = DistroPackage {
                    distro,
                    distro_version,
                    name,
                    version,
                    arch: self.architecture.as_deref().unwrap_or_default(),
                    source: source.map(|(name, version)| (name.as_str(), version.as_str())),
                };
                if self.kind == PackageKind::Deb {
                    PackageUrl::deb(&distro_package)
                } else {
                    PackageUrl::apk(&distro_package)
                }
            }
            PackageKind::Golang => PackageUrl::golang(name, version),
            PackageKind::Cargo => PackageUrl::cargo(name, version),
            PackageKind::Pypi => PackageUrl::pypi(name, version),
            PackageKind::Npm => PackageUrl::npm(name, version),
            PackageKind::Maven => {
                let (group, artifact) = name.split_once(':').unwrap_or(("", name));
                PackageUrl::maven(group, artifact, version)
            }
            _ => PackageUrl::generic(name, version, "", None),
        };
        found.ok()
    }

    /// Makes a package of which only the name is known, with an id that has the place in it.
    pub(crate) fn found_at(
        kind: PackageKind,
        name: &str,
        version: Option<&str>,
        path: &TreePath,
        inside: Option<&str>,
    ) -> Self {
        let at = version.map(|version| format!("@{version}")).unwrap_or_default();
        let inside_text = inside.map(|inside| format!("!{inside}")).unwrap_or_default();
        let place = path.to_string();
        let place = place.trim_start_matches('/');
        let id = format!("{}/{name}{at}:{place}{inside_text}", kind.word());
        let mut package = Self::bare(PackageId::new(id), kind, name, path);
        package.version = version.map(str::to_owned);
        package.inside = inside.map(str::to_owned);
        package
    }

    pub(crate) fn bare(id: PackageId, kind: PackageKind, name: &str, path: &TreePath) -> Self {
        Self {
            id,
            kind,
            name: name.to_owned(),
            version: None,
            architecture: None,
            source: None,
            maintainer: None,
            licenses: None,
            copyright: None,
            homepage: None,
            summary: None,
            requires: Vec::new(),
            provides: Vec::new(),
            depends: BTreeSet::new(),
            evidence: BTreeSet::from([path.clone()]),
            inside: None,
            noted_kind: None,
            layer: 0,
            files: BTreeSet::new(),
            owned_by: None,
        }
    }
}

/// What is known of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// Its length in bytes.
    pub size_bytes: u64,
    /// SHA-256 and SHA-1 of its bytes, with [`CatalogOptions::hash_files`].
    pub hashes: Option<FileHashes>,
    /// The package that it belongs to: one of the distribution if it has one, else any other.
    pub owner: Option<PackageId>,
    /// The layer that it is in, counted from the lowest.
    pub layer: usize,
}

/// Digests of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileHashes {
    /// SHA-256.
    pub sha256: Digest,
    /// SHA-1, which SPDX 2.3 insists on.
    pub sha1: [u8; 20],
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub path: TreePath,
    /// What is wrong with it.
    pub error: FormatError,
}

// SPDX-License-Identifier: Apache-2.0
//! What an image is made of, independent of the format that it is written in.

pub mod cyclonedx;
mod facts;
mod ids;
pub mod license;
pub mod purl;
pub mod read;
pub mod spdx2;
pub mod spdx3;
pub mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;

use hardpan_tree::Digest;

use self::purl::PackageUrl;

/// What an image is made of. All lists are written sorted, whatever order they have here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sbom {
    /// The image.
    pub subject: SbomSubject,
    /// When it was made, in seconds since the epoch: the image's own time, never the present.
    pub epoch: i64,
    /// Who states it: name and version of the program.
    pub tool: (String, String),
    /// Who is responsible for the image, if somebody said so.
    pub supplier: Option<String>,
    /// The components, by an id that is stable from build to build: `deb/libc6/amd64`, `pypi/django@5.1:usr/lib/…`.
    pub components: BTreeMap<String, Component>,
    /// The files, by path without a slash in front.
    pub files: BTreeMap<String, SbomFile>,
}

/// The image that an SBOM is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SbomSubject {
    /// Its name: `registry.example/python`, or what a file was called.
    pub name: String,
    /// Its version, if it has one: the tag.
    pub version: Option<String>,
    /// Digest of its manifest; `None` for a root file system.
    pub digest: Option<Digest>,
    /// Its package URL, `pkg:oci/python@sha256:…`.
    pub purl: Option<String>,
    /// Its platform: `linux/amd64`.
    pub platform: Option<String>,
}

/// What kind of thing a component is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ComponentKind {
    /// The distribution itself, from os-release.
    OperatingSystem,
    /// A Debian package.
    Deb,
    /// An Alpine package.
    Apk,
    /// A Go module.
    Golang,
    /// A crate.
    Cargo,
    /// A Python distribution.
    Pypi,
    /// A package of Node.
    Npm,
    /// A Java archive.
    Maven,
    /// A program or library that says of itself what it is (ELF package note).
    Elf,
    /// Something downloaded.
    Download,
    /// Files of another image.
    Oci,
    /// What a definition states (`spdx` blocks, actions).
    Stated,
    /// Files that the build itself made: of the definition, of a stage, of hardpan.
    Build,
}

impl ComponentKind {
    /// All kinds.
    pub const ALL: [Self; 13] = [
        Self::OperatingSystem,
        Self::Deb,
        Self::Apk,
        Self::Golang,
        Self::Cargo,
        Self::Pypi,
        Self::Npm,
        Self::Maven,
        Self::Elf,
        Self::Download,
        Self::Oci,
        Self::Stated,
        Self::Build,
    ];

    /// Returns its name in documents and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OperatingSystem => "os",
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::Golang => "golang",
            Self::Cargo => "cargo",
            Self::Pypi => "pypi",
            Self::Npm => "npm",
            Self::Maven => "maven",
            Self::Elf => "elf",
            Self::Download => "download",
            Self::Oci => "oci",
            Self::Stated => "stated",
            Self::Build => "build",
        }
    }
}

impl FromStr for ComponentKind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}

/// Returns the CPE of a distribution. Those of packages would be guesses, and guesses become false findings.
fn cpe(component: &Component) -> Option<String> {
    let product = match (component.kind, component.name.as_str()) {
        (ComponentKind::OperatingSystem, "debian") => "debian:debian_linux",
        (ComponentKind::OperatingSystem, "alpine") => "alpinelinux:alpine_linux",
        _ => return None,
    };
    let version = component.version.as_deref()?;
    let is_plain =
        !version.is_empty() && version.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
    is_plain.then(|| format!("cpe:2.3:o:{product}:{version}:*:*:*:*:*:*:*"))
}

/// A part of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// What kind of thing it is.
    pub kind: ComponentKind,
    /// Its name.
    pub name: String,
    /// Its version; `None` where nothing says.
    pub version: Option<String>,
    /// Its package URL. Where many components have the same, it is there once.
    pub purl: Option<Arc<PackageUrl>>,
    /// Who distributes it: `Organization: Debian`, `Person: …`.
    pub supplier: Option<String>,
    /// Who made it, where that is known: the maintainer or the authors.
    pub originator: Option<String>,
    /// The licences that it says it has, each an SPDX expression or whatever it wrote; joined with AND.
    pub licenses: BTreeSet<String>,
    /// Texts of licences that have no SPDX id, by what `licenses` calls them.
    pub license_texts: BTreeMap<String, String>,
    /// Its copyright lines.
    pub copyright: Option<String>,
    /// A line about it.
    pub summary: Option<String>,
    /// Its home page.
    pub homepage: Option<String>,
    /// Where it was fetched from, as the definition or the lock has it. Never a mirror.
    pub download_location: Option<String>,
    /// Digest of the file that it was fetched as.
    pub sha256: Option<Digest>,
    /// The source package: name and version.
    pub source: Option<(String, String)>,
    /// Ids of the components that it needs.
    pub depends: BTreeSet<String>,
    /// Id of the component that it is part of; `None` for the image itself.
    pub part_of: Option<String>,
    /// Where in the image it was found, without a slash in front.
    pub evidence: BTreeSet<String>,
}

impl Component {
    /// A component of which only the name is known.
    pub fn new(kind: ComponentKind, name: String) -> Self {
        Self {
            kind,
            name,
            version: None,
            purl: None,
            supplier: None,
            originator: None,
            licenses: BTreeSet::new(),
            license_texts: BTreeMap::new(),
            copyright: None,
            summary: None,
            homepage: None,
            download_location: None,
            sha256: None,
            source: None,
            depends: BTreeSet::new(),
            part_of: None,
            evidence: BTreeSet::new(),
        }
    }
}

/// A file of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SbomFile {
    /// SHA-256 of its content.
    pub sha256: Digest,
    /// SHA-1 of its content, which SPDX 2.3 insists on.
    pub sha1: [u8; 20],
    /// Its length in bytes.
    pub size_bytes: u64,
    /// Id of the component that it belongs to.
    pub owner: Option<String>,
}

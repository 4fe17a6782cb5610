// SPDX-License-Identifier: Apache-2.0
//! Statements about images of our own.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use hardpan_tree::Digest;

use super::super::time::Time;
use super::iri::Iri;
use super::model::{Component, Product, Status, Text, VexError, VexStatement, Vulnerability};
use crate::sbom::purl::PackageUrl;

/// An installed package as statements name it: the binary package, its exact version, at most `arch`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackagePurl(PackageUrl);

impl PackagePurl {
    /// Takes a package URL as an SBOM has it, and drops what would keep scanners from finding the package.
    ///
    /// # Errors
    /// If it has no version, is an image, or a source package.
    pub fn trimmed(purl: &PackageUrl) -> Result<Self, VexError> {
        Self::try_from(purl.with_only("arch"))
    }

    /// Returns the package URL.
    pub fn as_purl(&self) -> &PackageUrl {
        &self.0
    }
}

impl TryFrom<PackageUrl> for PackagePurl {
    type Error = VexError;

    fn try_from(purl: PackageUrl) -> Result<Self, VexError> {
        let refused = |reason| Err(VexError::Package { purl: purl.to_string(), reason });
        if matches!(purl.kind(), "oci" | "docker") {
            return refused("it is an image");
        }
        if purl.version().is_none() {
            return refused("without a version it would hold for ever");
        }
        if purl.qualifiers().iter().any(|(key, _)| key != "arch") || purl.subpath().is_some() {
            return refused("with more than `arch` some scanners don't find it");
        }
        if purl.qualifier("arch") == Some("source") {
            return refused("it is a source package, and installed are binary ones");
        }
        Ok(Self(purl))
    }
}

impl FromStr for PackagePurl {
    type Err = VexError;

    fn from_str(text: &str) -> Result<Self, VexError> {
        let purl: PackageUrl = text.parse().map_err(|_| VexError::Package {
            purl: text.chars().take(200).collect(),
            reason: "it is no package URL",
        })?;
        Self::try_from(purl)
    }
}

impl fmt::Display for PackagePurl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An image under all the names that a scanner may know it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageProducts {
    products: BTreeSet<PackageUrl>,
}

impl ImageProducts {
    /// Names an image: its index and the manifests of its platforms, whichever a scanner looks at.
    ///
    /// With `repository_urls` the statements hold for copies in those places alone. Without, for every copy, which is
    /// what mirrors need; the digest says which image it is.
    ///
    /// # Errors
    /// If it has no name.
    pub fn new(name: &str, digests: &[Digest], repository_urls: &[&str]) -> Result<Self, VexError> {
        let name = name.rsplit('/').next().unwrap_or(name);
        let mut products = BTreeSet::new();
        for digest in digests {
            let everywhere = PackageUrl::oci(name, digest, "", "").map_err(|_| {
                let reason = "an image has a name";
                VexError::Package { purl: name.to_owned(), reason }
            })?;
            let placed = repository_urls.iter().map(|place| everywhere.clone().placed(place));
            products.extend(placed);
            if repository_urls.is_empty() {
                products.insert(everywhere);
            }
        }
        Ok(Self { products })
    }
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The packages as they are in this image: the reason is the image's.
    Image,
    /// The packages wherever they are: the reason is the package's. Scanners that know no image then find it, too.
    Package,
}

/// What somebody found out about a vulnerability of packages of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// The vulnerability.
    pub vulnerability: Vulnerability,
    /// What it means.
    pub status: Status,
    /// All installed packages that have the vulnerable source.
    pub packages: BTreeSet<PackagePurl>,
    /// What it is about.
    pub scope: Scope,
    /// When that was known.
    pub time: Time,
    /// How it was found out.
    pub notes: Option<Text>,
}

/// Returns assessments as statements.
///
/// # Errors
/// If one names no package, or is an accepted risk that is called unaffected.
pub fn assess(
    image: &ImageProducts,
    assessments: &[Assessment],
) -> Result<Vec<VexStatement>, VexError> {
    let mut statements = Vec::new();
    for assessment in assessments {
        if assessment.packages.is_empty() {
            return Err(VexError::NoProduct(assessment.vulnerability.name.clone()));
        }
        let packages = (assessment.packages.iter().map(|package| Component::of(&package.0)))
            .collect::<Result<BTreeSet<_>, _>>()?;
        let mut products = BTreeSet::new();
        for product in &image.products {
            let component = Component::of(product)?;
            products.insert(Product { component, subcomponents: packages.clone() });
        }
        if assessment.scope == Scope::Package {
            let alone = |component| Product { component, subcomponents: BTreeSet::new() };
            products.extend(packages.into_iter().map(alone));
        }
        let statement = VexStatement {
            vulnerability: assessment.vulnerability.clone(),
            time: assessment.time,
            status: assessment.status.clone(),
            products,
            notes: assessment.notes.clone(),
            supplier: None,
            id: None,
        };
        statement.check()?;
        statements.push(statement);
    }
    Ok(statements)
}

/// What ids of documents begin with that hardpan makes.
pub const ID_BASE: &str = "https://hardpan.dev";

/// Returns the id of an image's document: `BASE/vex/IMAGE@sha256:…#vN`.
///
/// # Errors
/// If `base` and `image` do not make an IRI.
pub fn document_id(
    base: &str,
    image: &str,
    digest: &Digest,
    version: u32,
) -> Result<Iri, VexError> {
    let base = base.trim_end_matches('/');
    Ok(format!("{base}/vex/{image}@{digest}#v{version}").parse::<Iri>()?)
}

// SPDX-License-Identifier: Apache-2.0
//! Packages that were found in an image, as components of its SBOM.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hardpan_attest::sbom::license::read_copyright;
use hardpan_attest::sbom::purl::PackageUrl;
use hardpan_attest::sbom::{Component, ComponentKind};
use hardpan_scan::catalog::{Catalog, OsRelease, Package, PackageKind};
use hardpan_tree::TreePath;
use serde::{Deserialize, Serialize};

/// Which release of which distribution packages are of.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Release {
    /// `ID`.
    pub(crate) id: String,
    /// `VERSION_ID`.
    pub(crate) version: String,
    /// Who distributes its packages.
    pub(crate) supplier: Option<String>,
}

impl Release {
    pub(crate) fn of(os: Option<&OsRelease>) -> Self {
        let Some(os) = os else { return Self::default() };
        let name = os.fields.get("NAME").or(os.name.as_ref());
        let supplier = match os.id.as_str() {
            "debian" => Some("Organization: Debian".to_owned()),
            "alpine" => Some("Organization: Alpine Linux".to_owned()),
            _ => name.map(|name| format!("Organization: {name}")),
        };
        Self { id: os.id.clone(), version: os.version_id.clone().unwrap_or_default(), supplier }
    }
}

/// Returns a path as SBOMs have it: without a slash in front, and in any case as text.
pub(crate) fn text(path: &TreePath) -> String {
    String::from_utf8_lossy(path.as_bytes()).into_owned()
}

/// Returns all packages that are counted, by their ids, and the distribution itself.
pub(crate) fn components(catalog: &Catalog, release: &Release) -> BTreeMap<String, Component> {
    // What a package of the distribution brought is counted with it.
    let counted = |package: &&Package| package.owned_by.is_none();
    let mut components: BTreeMap<String, Component> = (catalog.packages.iter())
        .filter(counted)
        .map(|package| (package.id.to_string(), component(package, catalog, release)))
        .collect();
    if let Some(os) = &catalog.os {
        let id = format!("os/{}", os.id);
        components.insert(id, operating_system(os, release));
    }
    components
}

fn operating_system(os: &OsRelease, release: &Release) -> Component {
    let mut component = Component::new(ComponentKind::OperatingSystem, os.id.clone());
    component.version.clone_from(&os.version_id);
    component.supplier.clone_from(&release.supplier);
    component.summary.clone_from(&os.pretty_name);
    component.homepage = os.fields.get("HOME_URL").cloned();
    component.evidence = os.evidence.iter().map(text).collect();
    component
}

fn component(package: &Package, catalog: &Catalog, release: &Release) -> Component {
    let mut component = Component::new(kind(package.kind), package.name.clone());
    component.version.clone_from(&package.version);
    component.purl = purl(package, release).map(Arc::new);
    if package.kind.is_distribution() {
        component.supplier.clone_from(&release.supplier);
        component.originator = package.maintainer.as_deref().map(person);
    } else {
        component.supplier = package.maintainer.as_deref().map(person);
        component.originator.clone_from(&component.supplier);
    }
    component.licenses.extend(package.licenses.clone());
    // Larger ones say nothing that can be read.
    if let Some(Ok(copyright)) = package.copyright.as_deref().map(read_copyright) {
        let (licenses, texts) = copyright.for_component();
        component.licenses.extend(licenses);
        component.license_texts = texts;
        component.copyright = copyright.notices;
    }
    component.summary.clone_from(&package.summary);
    component.homepage.clone_from(&package.homepage);
    component.source.clone_from(&package.source);
    component.depends = depends(package, catalog);
    component.evidence = package.evidence.iter().map(text).collect();
    component
}

/// Returns the ids of the components that a package needs, of those that are counted.
fn depends(package: &Package, catalog: &Catalog) -> BTreeSet<String> {
    let counted = package.depends.iter().map(|id| {
        let owner = catalog.package(id).and_then(|package| package.owned_by.as_ref());
        owner.unwrap_or(id)
    });
    counted.filter(|id| **id != package.id).map(ToString::to_string).collect()
}

fn kind(kind: PackageKind) -> ComponentKind {
    match kind {
        PackageKind::Deb => ComponentKind::Deb,
        PackageKind::Apk => ComponentKind::Apk,
        PackageKind::Golang => ComponentKind::Golang,
        PackageKind::Cargo => ComponentKind::Cargo,
        PackageKind::Pypi => ComponentKind::Pypi,
        PackageKind::Npm => ComponentKind::Npm,
        PackageKind::Maven => ComponentKind::Maven,
        PackageKind::Elf => ComponentKind::Elf,
        _ => ComponentKind::Stated,
    }
}

/// Returns a maintainer or author as SPDX has it: who has an address is taken for a person.
fn person(text: &str) -> String {
    let text = text.trim();
    let is_team = ["team", "group", "project", "maintainers", "developers", "packages@", "@lists."]
        .iter()
        .any(|word| text.to_ascii_lowercase().contains(word));
    let name = match text.split_once('<') {
        Some((name, address)) => {
            let address = address.trim_end_matches('>').trim();
            format!("{} ({address})", name.trim().trim_matches('"'))
        }
        None => text.to_owned(),
    };
    format!("{}: {}", if is_team { "Organization" } else { "Person" }, name.trim())
}

/// Returns the package URL of a package.
pub(crate) fn purl(package: &Package, release: &Release) -> Option<PackageUrl> {
    package.purl(&release.id, &release.version)
}

// SPDX-License-Identifier: Apache-2.0
//! Inventories of SBOMs, of this and of other programs.

use std::collections::{BTreeMap, BTreeSet};

use ahash::AHashMap;
use hardpan_attest::sbom::purl::PackageUrl;
use hardpan_attest::sbom::read::Listing;
use hardpan_attest::sbom::{Component, ComponentKind};

use crate::catalog::PackageKind;

use super::{Distribution, Inventory, Package, advisory_name};

/// Where packages of Debian have their modules of Python; pip has `/usr/local/lib`.
const DEBIAN_PYTHON: &str = "usr/lib/python3/dist-packages/";

impl From<Listing> for Inventory {
    fn from(listing: Listing) -> Self {
        let stated = stated(&listing);
        let owners = owners(&listing);
        let mut uncovered = BTreeMap::new();
        let mut unnamed = 0;
        let mut packages = Vec::new();
        for (id, component) in listing.components {
            let Some(kind) = package_kind(component.kind) else {
                if component.kind == ComponentKind::Stated {
                    match component.purl {
                        Some(purl) => *uncovered.entry(purl.kind().to_owned()).or_default() += 1,
                        None => unnamed += 1,
                    }
                }
                continue;
            };
            packages.push(package(id, kind, *component, &owners));
        }
        let distribution = distribution(stated, &packages);
        let packages = with_owners(without_copies(packages));
        Self { distribution, packages, uncovered, unnamed, ..Self::default() }
    }
}

/// Returns the packages of a distribution that have others in them, by their ids.
fn owners(listing: &Listing) -> BTreeSet<String> {
    let named = listing.components.values().filter_map(|component| component.part_of.as_ref());
    let is_of_distribution = |owner: &&String| {
        let owner = listing.components.get(*owner);
        owner.is_some_and(|it| matches!(it.kind, ComponentKind::Deb | ComponentKind::Apk))
    };
    named.filter(is_of_distribution).cloned().collect()
}

/// Returns the distribution that has a component of its own.
fn stated(listing: &Listing) -> Option<Distribution> {
    let own = listing.components.values().find(|it| it.kind == ComponentKind::OperatingSystem)?;
    // Syft writes `debian`, Trivy too; some write the name with its version.
    let version = own.version.as_deref().unwrap_or_default();
    let id = own.name.to_ascii_lowercase();
    Some(Distribution::of_qualifier(&id, &format!("{id}-{version}")))
}

/// Returns the distribution: the one that is stated, or what most of its packages say.
fn distribution(stated: Option<Distribution>, packages: &[Package]) -> Option<Distribution> {
    if stated.as_ref().is_some_and(|own| own.claim() != super::Claim::Unknown) {
        return stated;
    }
    let mut said: BTreeMap<Distribution, usize> = BTreeMap::new();
    for package in packages.iter().filter(|package| package.kind.is_distribution()) {
        let Some(purl) = &package.purl else { continue };
        let Some(namespace) = purl.namespace() else { continue };
        let qualifier = purl.qualifier("distro").unwrap_or_default();
        *said.entry(Distribution::of_qualifier(namespace, qualifier)).or_default() += 1;
    }
    let most = said.into_iter().max_by_key(|(_, count)| *count).map(|(said, _)| said);
    stated.or(most)
}

/// Returns the kind of package that a component is; nothing for what no advisories are about.
fn package_kind(kind: ComponentKind) -> Option<PackageKind> {
    Some(match kind {
        ComponentKind::Deb => PackageKind::Deb,
        ComponentKind::Apk => PackageKind::Apk,
        ComponentKind::Golang => PackageKind::Golang,
        ComponentKind::Cargo => PackageKind::Cargo,
        ComponentKind::Pypi => PackageKind::Pypi,
        ComponentKind::Npm => PackageKind::Npm,
        ComponentKind::Maven => PackageKind::Maven,
        ComponentKind::Elf => PackageKind::Elf,
        // Programs and downloads are told of, as nobody knows advisories about them by name.
        ComponentKind::Download => PackageKind::Generic,
        _ => return None,
    })
}

fn package(
    id: String,
    kind: PackageKind,
    component: Component,
    owners: &BTreeSet<String>,
) -> Package {
    let purl = component.purl;
    let name = advisory_name(kind, &name(kind, &component.name, purl.as_deref()));
    let stated = component.version.filter(|version| !version.is_empty());
    let version = stated.or_else(|| purl.as_deref().and_then(version_of));
    let source = component.source.map(|(name, version)| {
        // `upstream=glibc` has no version: it is the package's.
        (name, Some(version).filter(|version| !version.is_empty()))
    });
    let source = source.map(|(name, own)| {
        let version = own.or_else(|| version.clone()).unwrap_or_default();
        (name, version)
    });
    Package {
        id,
        kind,
        name,
        version,
        source,
        purl,
        maintainer: component.originator.or(component.supplier),
        evidence: component.evidence,
        inside: None,
        files: 0,
        layer: None,
        owned_by: (component.part_of)
            .filter(|owner| !kind.is_distribution() && owners.contains(owner)),
    }
}

/// Leaves out what is there twice and differs in nothing but its id, as in SBOMs that were put together from several: it is
/// one package. What a copy owns is the kept one's: an owner that is gone would be nobody whose maintainer is known.
fn without_copies(mut packages: Vec<Package>) -> Vec<Package> {
    // Nothing owns a package of a distribution, so that of these alone it is known which are copies.
    let of_distribution = kept(&packages, |package| package.kind.is_distribution());
    for owner in packages.iter_mut().filter_map(|package| package.owned_by.as_mut()) {
        if let Some(kept) = of_distribution.get(owner) {
            owner.clone_from(kept);
        }
    }
    let others = kept(&packages, |package| !package.kind.is_distribution());
    if !of_distribution.is_empty() || !others.is_empty() {
        packages.retain(|package| {
            !of_distribution.contains_key(&package.id) && !others.contains_key(&package.id)
        });
    }
    packages
}

/// Returns the ids of copies among some packages, each with that of the first.
fn kept(packages: &[Package], is_meant: impl Fn(&Package) -> bool) -> AHashMap<String, String> {
    // Documents have 100,000 of them: nothing is copied to compare it.
    let mut first = AHashMap::with_capacity(packages.len());
    let mut kept = AHashMap::new();
    for package in packages.iter().filter(|package| is_meant(package)) {
        let one: &Package = first.entry(Identity::of(package)).or_insert(package);
        if one.id != package.id {
            kept.insert(package.id.clone(), one.id.clone());
        }
    }
    kept
}

/// What copies have in common.
#[derive(PartialEq, Eq, Hash)]
struct Identity<'p> {
    kind: PackageKind,
    name: &'p str,
    version: Option<&'p str>,
    source: Option<&'p (String, String)>,
    purl: Option<&'p PackageUrl>,
    evidence: &'p BTreeSet<String>,
    owned_by: Option<&'p str>,
}

impl<'p> Identity<'p> {
    fn of(package: &'p Package) -> Self {
        Self {
            kind: package.kind,
            name: &package.name,
            version: package.version.as_deref(),
            source: package.source.as_ref(),
            purl: package.purl.as_deref(),
            evidence: &package.evidence,
            owned_by: package.owned_by.as_deref(),
        }
    }
}

/// Gives packages of Python in Debian's own directory to the package that brought them, which other programs do not say:
/// nobody but dpkg puts any there.
fn with_owners(mut packages: Vec<Package>) -> Vec<Package> {
    if !packages.iter().any(|package| package.kind == PackageKind::Pypi) {
        return packages;
    }
    let debs: BTreeMap<String, String> = (packages.iter())
        .filter(|package| package.kind == PackageKind::Deb)
        .map(|package| (package.name.clone(), package.id.clone()))
        .collect();
    if debs.is_empty() {
        return packages;
    }
    for package in packages.iter_mut().filter(|package| package.kind == PackageKind::Pypi) {
        let is_debians = |place: &String| place.starts_with(DEBIAN_PYTHON);
        if package.owned_by.is_none()
            && !package.evidence.is_empty()
            && package.evidence.iter().all(is_debians)
        {
            // Many have another name; then the directory stands for the package.
            let named = debs.get(&format!("python3-{}", package.name)).cloned();
            package.owned_by = Some(named.unwrap_or_else(|| DEBIAN_PYTHON.to_owned()));
        }
    }
    packages
}

/// Returns the version of a package URL. Trivy writes the epoch beside it.
fn version_of(purl: &PackageUrl) -> Option<String> {
    let version = purl.version()?;
    match purl.qualifier("epoch") {
        Some(epoch) if epoch != "0" && !version.contains(':') => Some(format!("{epoch}:{version}")),
        _ => Some(version.to_owned()),
    }
}

/// Returns the name as its registry has it. Other programs split it, and only the package URL says where.
fn name(kind: PackageKind, own: &str, purl: Option<&PackageUrl>) -> String {
    let Some(purl) = purl else { return own.to_owned() };
    let with = |separator: char| match purl.namespace() {
        Some(namespace) => format!("{namespace}{separator}{}", purl.name()),
        None => purl.name().to_owned(),
    };
    match kind {
        PackageKind::Npm => with('/'),
        PackageKind::Maven => with(':'),
        PackageKind::Golang => {
            let path = with('/');
            // Some writers of package URLs lower the case, which module paths have.
            if own.eq_ignore_ascii_case(&path) { own.to_owned() } else { path }
        }
        _ => own.to_owned(),
    }
}

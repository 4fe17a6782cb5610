// SPDX-License-Identifier: Apache-2.0
//! Which packages are looked up, where, and by which name and version.

use std::collections::BTreeMap;

use crate::advisory::{Advisories, Space};
use crate::catalog::PackageKind;
use crate::inventory::{Claim, Distribution, Inventory, Package, language};

use super::finding::{LeftOut, Warning};
use super::{MatchOptions, named};

/// Who packages for a distribution without being part of it, by the domains of their mail: what such a package brings
/// along has no advisories of the distribution, so it is looked up itself.
const OTHERS: [&str; 14] = [
    "docker.com",
    "nvidia.com",
    "hashicorp.com",
    "nodesource.com",
    "google.com",
    "microsoft.com",
    "elastic.co",
    "grafana.com",
    "gitlab.com",
    "github.com",
    "mongodb.com",
    "influxdata.com",
    "datadoghq.com",
    "confluent.io",
];

/// Sources of Alpine that make kernels.
const ALPINE_KERNELS: [&str; 6] =
    ["linux-lts", "linux-virt", "linux-stable", "linux-edge", "linux-rpi", "linux-asahi"];

/// What is asked for: once for all packages of one source.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Lookup {
    /// Where.
    pub(crate) space: Space,
    /// By which name.
    pub(crate) name: String,
    /// In which version.
    pub(crate) version: String,
    /// Whether it is of the kernel's source, and has no kernel in it.
    pub(crate) is_kernel_without_image: bool,
}

/// What is looked up, and what is not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// With the packages, as indexes into the inventory's.
    pub(crate) lookups: BTreeMap<Lookup, Vec<usize>>,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) warnings: Vec<Warning>,
    /// A release that packages say they are of, and that nobody knows by that name.
    pub(crate) unnamed: Option<Distribution>,
}

/// Where a package is looked up.
enum Place {
    In(Lookup),
    OwnedBy(String),
    UnknownDistribution,
    Unnamed(Distribution),
    OtherDistribution,
    NoData(Space),
    NotCovered,
    NoVersion,
}

/// Plans what is looked up. The release is one that there is data about.
pub(crate) fn plan(
    inventory: &Inventory,
    advisories: &impl Advisories,
    release: Option<&Space>,
    options: &MatchOptions,
) -> Plan {
    let mut plan = Plan::default();
    let mut releases = Releases::of(release, options);
    let mut unknown = 0;
    let mut unnamed: BTreeMap<Distribution, usize> = BTreeMap::new();
    let mut others: BTreeMap<PackageKind, usize> = BTreeMap::new();
    let mut no_data: BTreeMap<Space, usize> = BTreeMap::new();
    let mut not_covered: BTreeMap<PackageKind, Vec<String>> = BTreeMap::new();
    let mut no_version: BTreeMap<PackageKind, Vec<String>> = BTreeMap::new();
    for (at, package) in inventory.packages.iter().enumerate() {
        match place(package, inventory, advisories, release, &mut releases) {
            Place::In(lookup) => plan.lookups.entry(lookup).or_default().push(at),
            Place::OwnedBy(owned_by) => {
                plan.left_out.push(LeftOut { package: package.id.clone(), owned_by });
            }
            Place::UnknownDistribution => unknown += 1,
            Place::Unnamed(distribution) => *unnamed.entry(distribution).or_default() += 1,
            Place::OtherDistribution => *others.entry(package.kind).or_default() += 1,
            Place::NoData(space) => *no_data.entry(space).or_default() += 1,
            Place::NotCovered => {
                not_covered.entry(package.kind).or_default().push(package.name.clone());
            }
            Place::NoVersion => {
                no_version.entry(package.kind).or_default().push(package.name.clone());
            }
        }
    }
    let is_unknown = inventory.distribution.is_some() && release.is_none();
    if unknown > 0 || is_unknown {
        let distribution = inventory.distribution.as_ref().map(ToString::to_string);
        plan.warnings.push(Warning::UnknownDistribution {
            distribution: distribution.unwrap_or_default(),
            packages: unknown,
        });
    }
    plan.unnamed = unnamed.keys().next().cloned();
    let warnings = &mut plan.warnings;
    warnings.extend(unnamed.into_iter().map(|(distribution, packages)| {
        Warning::UnknownDistribution { distribution: distribution.to_string(), packages }
    }));
    let other = |(kind, packages)| Warning::OtherDistribution { kind, packages };
    warnings.extend(others.into_iter().map(other));
    warnings
        .extend(no_data.into_iter().map(|(space, packages)| Warning::NoData { space, packages }));
    for (kind, packages) in not_covered {
        warnings.push(Warning::NotCovered { kind, packages: sorted(packages) });
    }
    for (kind, packages) in no_version {
        warnings.push(Warning::NoVersion { kind, packages: sorted(packages) });
    }
    plan
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names.dedup();
    names
}

fn place<'i>(
    package: &'i Package,
    inventory: &Inventory,
    advisories: &impl Advisories,
    release: Option<&Space>,
    releases: &mut Releases<'i>,
) -> Place {
    if package.kind.is_distribution() {
        let Some(release) = release else { return Place::UnknownDistribution };
        return match releases.own(package, advisories) {
            Own::Image => of_distribution(package, release),
            Own::Other(other) if advisories.release(other).is_none() => {
                Place::NoData(other.clone())
            }
            Own::Other(other) => of_distribution(package, other),
            Own::Unnamed(distribution) => Place::Unnamed(distribution.clone()),
            Own::OtherDistribution => Place::OtherDistribution,
        };
    }
    // Its vulnerabilities are those of the package that brought it, whose maintainers patch it without a new version.
    // Where nothing is known of that package it is looked up itself.
    if let Some(owner) = &package.owned_by
        && release.is_some()
        && !inventory.package(owner).is_some_and(is_of_others)
    {
        return Place::OwnedBy(owner.clone());
    }
    let Some(space) = language(package.kind) else { return Place::NotCovered };
    if package.kind == PackageKind::Maven && !package.name.contains(':') {
        return Place::NotCovered;
    }
    if advisories.release(&space).is_none() {
        return Place::NoData(space);
    }
    match &package.version {
        None => Place::NoVersion,
        Some(version) => Place::In(Lookup {
            space,
            name: package.name.clone(),
            version: version.clone(),
            is_kernel_without_image: false,
        }),
    }
}

/// Releases that packages' own URLs say they are of: SBOMs may be put together from several images.
struct Releases<'i> {
    /// That of the image; nothing where another one was chosen, which then is that of all packages.
    image: Option<&'i Space>,
    /// By type, namespace and `distro`, of which a document has few and many packages have the same.
    by_qualifier: BTreeMap<(PackageKind, &'i str, &'i str), Own>,
}

/// Of which release a package says it is.
enum Own {
    /// The image's, or none.
    Image,
    /// Another one.
    Other(Space),
    /// One of Debian by a name that the data does not have.
    Unnamed(Distribution),
    /// One of a distribution without advisories.
    OtherDistribution,
}

impl<'i> Releases<'i> {
    fn of(release: Option<&'i Space>, options: &MatchOptions) -> Self {
        let image = release.filter(|_| options.release.is_none());
        Self { image, by_qualifier: BTreeMap::new() }
    }

    fn own(&mut self, package: &'i Package, advisories: &impl Advisories) -> &Own {
        let stated = (package.purl.as_ref())
            .and_then(|purl| Some((purl.namespace()?, purl.qualifier("distro").unwrap_or(""))));
        let (Some(image), Some((namespace, distro))) = (self.image, stated) else {
            return &Own::Image;
        };
        let entry = self.by_qualifier.entry((package.kind, namespace, distro));
        entry.or_insert_with(|| {
            let own = Distribution::of_qualifier(namespace, distro);
            // Others' packages of Alpine's kind are looked up by whoever answers for the image.
            let is_deb_of_others = package.kind == PackageKind::Deb && own.id != "debian";
            match own.claim() {
                Claim::Space(space) if space != *image => Own::Other(space),
                Claim::DebianNamed(name) => match named(&name, advisories) {
                    Some(space) if space == *image => Own::Image,
                    Some(space) => Own::Other(space),
                    None => Own::Unnamed(own),
                },
                Claim::Unknown if is_deb_of_others => Own::OtherDistribution,
                Claim::Space(_) | Claim::Unknown => Own::Image,
            }
        })
    }
}

fn is_of_others(package: &Package) -> bool {
    let Some(maintainer) = &package.maintainer else { return false };
    let domain = maintainer.rsplit_once('@').map(|(_, rest)| rest.trim_end_matches(['>', ' ']));
    domain.is_some_and(|domain| {
        let domain = domain.to_ascii_lowercase();
        let is = |other: &str| {
            domain.strip_suffix(other).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        OTHERS.iter().any(|other| is(other))
    })
}

fn of_distribution(package: &Package, release: &Space) -> Place {
    let is_deb = package.kind == PackageKind::Deb;
    if is_deb != matches!(release, Space::Debian(_)) {
        return Place::OtherDistribution;
    }
    let (source, version) = package.source_or_own();
    let (name, version) = match signed_kernel(source).filter(|_| is_deb) {
        // The source of signed kernels has versions of its own; what is signed has those of the real source.
        Some(name) => (name, package.version.as_deref()),
        None => (source.to_owned(), version),
    };
    let Some(version) = version else { return Place::NoVersion };
    let is_kernel_without_image = if is_deb {
        is_debian_kernel(&name) && !package.name.starts_with("linux-image-")
    } else {
        let is_extra = ["-dev", "-doc", "-dbg"].iter().any(|end| package.name.ends_with(end));
        ALPINE_KERNELS.contains(&name.as_str()) && (is_extra || !package.name.starts_with("linux-"))
    };
    Place::In(Lookup {
        space: release.clone(),
        name,
        version: version.to_owned(),
        is_kernel_without_image,
    })
}

/// Returns the source of a kernel that is signed: `linux-signed-6.1-amd64` is made of `linux-6.1`.
fn signed_kernel(source: &str) -> Option<String> {
    let rest = source.strip_prefix("linux-signed-")?;
    Some(match rest.rsplit_once('-') {
        Some((version, _)) => format!("linux-{version}"),
        None => "linux".to_owned(),
    })
}

/// `linux`, and `linux-6.1` of releases with a newer kernel beside their own.
fn is_debian_kernel(source: &str) -> bool {
    let version = source.strip_prefix("linux-");
    source == "linux"
        || version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
}

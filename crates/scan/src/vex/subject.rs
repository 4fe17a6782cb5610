// SPDX-License-Identifier: Apache-2.0
//! Whether a statement's product is a package of an image.

use std::collections::BTreeMap;

use hardpan_attest::predicate::vex::{Component, Product};
use hardpan_attest::sbom::purl::PackageUrl;

use crate::inventory::{Distribution, Inventory, Package};

use super::ImageNames;

/// How a product names a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Named {
    /// In any version, in whatever image.
    AnyVersion,
    /// In exactly this version, or in exactly this image.
    ThisVersion,
}

/// Packages of an image, by what statements name them by.
pub(super) struct Subjects<'i> {
    image: &'i ImageNames,
    distribution: Option<&'i Distribution>,
    packages: BTreeMap<&'i str, &'i Package>,
    /// Packages by the names that package URLs may have for them: their own and their sources'. In lower case.
    names: BTreeMap<String, Vec<&'i Package>>,
}

impl<'i> Subjects<'i> {
    pub(super) fn new(inventory: &'i Inventory, image: &'i ImageNames) -> Self {
        let packages = inventory.packages.iter().map(|package| (package.id.as_str(), package));
        let mut names: BTreeMap<String, Vec<&Package>> = BTreeMap::new();
        for package in &inventory.packages {
            let own = package.purl.as_deref().map(PackageUrl::name);
            let source = Some(package.source_or_own().0).filter(|source| own != Some(*source));
            for name in own.into_iter().chain(source) {
                names.entry(name.to_lowercase()).or_default().push(package);
            }
        }
        let distribution = inventory.distribution.as_ref();
        Self { image, distribution, packages: packages.collect(), names }
    }

    /// Returns how a product of a statement names a package; `None` if it is about something else.
    pub(super) fn named(&self, product: &Product, package: &str) -> Option<Named> {
        let package = self.packages.get(package)?;
        let image = self.image_named(&product.component);
        if product.subcomponents.is_empty() {
            return image.or_else(|| self.package_named(&product.component.purl()?, package));
        }
        let is_there = || {
            let Some(purl) = product.component.purl() else { return false };
            self.called(&purl).any(|it| self.package_named(&purl, it).is_some())
        };
        if image.is_none() && !is_there() {
            return None;
        }
        let parts = product.subcomponents.iter().filter_map(Component::purl);
        let part = parts.filter_map(|purl| self.package_named(&purl, package)).max()?;
        Some(part.max(image.unwrap_or(Named::AnyVersion)))
    }

    /// Returns whether a product of a statement is any package at all.
    pub(super) fn has(&self, product: &Product) -> bool {
        let is_image = self.image_named(&product.component).is_some();
        if product.subcomponents.is_empty() && is_image {
            return !self.packages.is_empty();
        }
        let whole = product.component.purl().filter(|_| product.subcomponents.is_empty());
        let parts = product.subcomponents.iter().filter_map(Component::purl);
        let mut purls = parts.chain(whole);
        purls.any(|purl| self.called(&purl).any(|it| self.named(product, &it.id).is_some()))
    }

    /// Returns the packages that a package URL could be about, by its name alone.
    fn called(&self, purl: &PackageUrl) -> impl Iterator<Item = &'i Package> {
        let found = self.names.get(&purl.name().to_lowercase());
        found.into_iter().flatten().copied()
    }

    /// Returns how a component names the image.
    fn image_named(&self, component: &Component) -> Option<Named> {
        let is_digest = |hex: &String| self.image.digests.iter().any(|it| it.to_hex() == *hex);
        if component.hashes.get("sha-256").is_some_and(is_digest) {
            return Some(Named::ThisVersion);
        }
        let purl = component.purl()?;
        if purl.kind() != "oci" {
            return None;
        }
        let name = self.image.name.to_lowercase();
        let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
        let is_pinned = match purl.version() {
            None => false,
            Some(version) if self.image.digests.iter().any(|it| it.to_string() == version) => true,
            Some(_) => return None,
        };
        // Some write a slash into the name, which has no place there.
        let is_name = !name.is_empty() && last(purl.name()) == last(&name);
        let is_place = purl.qualifier("repository_url").is_none_or(|url| same_place(url, &name));
        if is_pinned {
            // The digest says which image it is, wherever it lies and whatever it is called there.
            return Some(Named::ThisVersion);
        }
        (is_name && is_place).then_some(Named::AnyVersion)
    }

    /// Returns how a package URL names a package, by the rules of VEX tools, but for what different programs write into
    /// qualifiers about the distribution: that is compared by what it means.
    pub(super) fn package_named(&self, stated: &PackageUrl, package: &Package) -> Option<Named> {
        let purl = package.purl.as_ref()?;
        let is_source = stated.qualifier("arch") == Some("source");
        if !is_source && !stated.name().eq_ignore_ascii_case(purl.name()) {
            return None;
        }
        let namespace = stated.namespace().unwrap_or_default();
        if !self.is_distribution(stated, namespace) {
            return None;
        }
        if is_source {
            let (name, version) = package.source_or_own();
            let is_same = stated.kind() == purl.kind()
                && stated.namespace() == purl.namespace()
                && stated.name() == name
                && (stated.version().is_none() || stated.version() == version);
            return is_same.then(|| how(stated));
        }
        if let Some(upstream) = stated.qualifier("upstream") {
            let name = upstream.split('@').next().unwrap_or(upstream);
            if name != package.source_or_own().0 {
                return None;
            }
        }
        let about_release = ["distro", "os_name", "os_version", "os_distro", "upstream"];
        let plain = stated.without(&about_release);
        plain.matches(purl).then(|| how(stated))
    }

    /// Returns whether what a package URL says of the distribution is so here.
    fn is_distribution(&self, stated: &PackageUrl, namespace: &str) -> bool {
        let distro = stated.qualifier("distro");
        let os = ["os_name", "os_version", "os_distro"].map(|key| stated.qualifier(key));
        if distro.is_none() && os.iter().all(Option::is_none) {
            return true;
        }
        let is_distro =
            distro.is_none_or(|text| self.is_own(&Distribution::of_qualifier(namespace, text)));
        let [name, version, codename] = os.map(|value| value.unwrap_or_default().to_lowercase());
        let id = if name.is_empty() { namespace.to_owned() } else { name };
        let says_os = os.iter().any(Option::is_some);
        is_distro && (!says_os || self.is_own(&Distribution { id, version, codename }))
    }

    /// Returns whether that is the distribution of the image, as far as it can be checked: of a name alone it can't
    /// where the image says none.
    fn is_own(&self, said: &Distribution) -> bool {
        let Some(own) = self.distribution else { return false };
        let is_checkable = !said.version.is_empty() && !own.version.is_empty()
            || said.codename.is_empty()
            || !own.codename.is_empty();
        is_checkable && said.agrees(own)
    }
}

fn how(stated: &PackageUrl) -> Named {
    if stated.version().is_some() { Named::ThisVersion } else { Named::AnyVersion }
}

/// Compares places of images: of those on the registry of names without one some write `index.` before its host, and `library/`
/// or not.
fn same_place(one: &str, other: &str) -> bool {
    plain_place(one) == plain_place(other)
}

fn plain_place(place: &str) -> String {
    let place = place.to_lowercase();
    let host = place.strip_prefix("index.").unwrap_or(&place);
    let Some(rest) = host.strip_prefix("docker.io/") else { return place };
    rest.strip_prefix("library/").unwrap_or(rest).to_owned()
}

// SPDX-License-Identifier: Apache-2.0
//! Statements of others, as they are about one image.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_tree::Digest;

use super::merge::{Trust, merge_of_image};
use super::model::{Component, Product, VexError, VexStatement};
use super::read::VexRead;
use crate::sbom::purl::PackageUrl;

/// An image with what is installed in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledImage {
    /// Registry and repository, or a name alone.
    pub name: String,
    /// Digest of its index, if it has one.
    pub index: Option<Digest>,
    /// Its platforms.
    pub platforms: Vec<InstalledPlatform>,
}

/// An image for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledPlatform {
    /// Digest of its manifest.
    pub digest: Digest,
    /// Its packages.
    pub packages: Vec<InstalledPackage>,
}

/// A package that is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstalledPackage {
    /// Its package URL, as an SBOM has it.
    pub purl: PackageUrl,
    /// That of its source package, with `arch=source`.
    pub source: Option<PackageUrl>,
}

/// What documents of others state about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VexOfImage {
    /// One set of statements, about this image and the exact packages in it.
    pub statements: Vec<VexStatement>,
    /// Digests of what they are about: of platforms, and of the index.
    pub about: BTreeSet<Digest>,
    /// How many statements are about nothing that is in the image.
    pub left_out: usize,
}

/// Products of a statement: which, whether parts of it are meant, and which parts.
type Products = BTreeMap<(Component, bool), BTreeSet<Component>>;

/// Takes of documents what is about an image, and says it of this image and of the packages as they are installed.
///
/// Whatever a product was called, it becomes the image by its digest with the binary packages as parts, with their exact
/// versions: a statement about every version holds for the installed one. Where no image was named, the reason is
/// the package's, and the packages are products as well. A source package (`arch=source`) stands for all of its
/// installed binary packages; without that word a name is a binary package's alone, for what holds for one of a source need
/// not hold for the others.
///
/// # Errors
/// If a package URL of the image can't be in a statement.
pub fn for_image(documents: &[VexRead], image: &InstalledImage) -> Result<VexOfImage, VexError> {
    let names = Names::new(image)?;
    let mut statements = Vec::new();
    let mut about = BTreeSet::new();
    let mut left_out = 0;
    for statement in documents.iter().flat_map(|document| &document.statements) {
        let mut products = Products::new();
        for product in &statement.products {
            names.apply(image, product, &mut products, &mut about);
        }
        if products.is_empty() {
            left_out += 1;
            continue;
        }
        let products = products
            .into_iter()
            .map(|((component, _), subcomponents)| Product { component, subcomponents });
        statements.push(VexStatement {
            products: products.collect(),
            id: None,
            ..statement.clone()
        });
    }
    let statements = merge_of_image([(Trust::User, &statements[..])]);
    Ok(VexOfImage { statements, about, left_out })
}

/// What the image, its platforms and packages are called in statements.
struct Names {
    index: Option<(Digest, Component)>,
    platforms: Vec<Component>,
    /// By platform, in the order of [`InstalledPlatform::packages`]; `None` for a package without a version.
    packages: Vec<Vec<Option<Component>>>,
}

impl Names {
    fn new(image: &InstalledImage) -> Result<Self, VexError> {
        let of_image = |digest: &Digest| {
            let purl = PackageUrl::oci(&image.name, digest, "", "").map_err(|_| {
                let reason = "an image has a name";
                VexError::Package { purl: image.name.clone(), reason }
            })?;
            // Without its place it is every copy of the image: the digest says which one it is.
            Component::of(&purl.with_only(""))
        };
        let index = image.index.map(|digest| Ok::<_, VexError>((digest, of_image(&digest)?)));
        let mut names =
            Self { index: index.transpose()?, platforms: Vec::new(), packages: Vec::new() };
        for platform in &image.platforms {
            names.platforms.push(of_image(&platform.digest)?);
            let packages = platform.packages.iter().map(|package| {
                let purl = package.purl.with_only("arch");
                purl.version().is_some().then(|| Component::of(&purl)).transpose()
            });
            names.packages.push(packages.collect::<Result<_, _>>()?);
        }
        Ok(names)
    }

    /// Adds what a product of somebody's statement is in this image.
    fn apply(
        &self,
        image: &InstalledImage,
        product: &Product,
        products: &mut Products,
        about: &mut BTreeSet<Digest>,
    ) {
        let Some(purl) = product.component.purl() else { return };
        let is_image = matches!(purl.kind(), "oci" | "docker");
        let parts: Vec<PackageUrl> =
            product.subcomponents.iter().filter_map(Component::purl).collect();
        for (number, platform) in image.platforms.iter().enumerate() {
            if is_image && !is_of(&purl, image, &platform.digest) {
                continue;
            }
            let own = &self.platforms[number];
            if is_image && product.subcomponents.is_empty() {
                products.entry((own.clone(), false)).or_default();
                about.insert(platform.digest);
                // Of an index it holds only if it holds for all of its platforms.
                if let Some((digest, index)) = &self.index
                    && image.platforms.iter().all(|it| is_of(&purl, image, &it.digest))
                {
                    products.entry((index.clone(), false)).or_default();
                    about.insert(*digest);
                }
                continue;
            }
            let is_meant = |package: &InstalledPackage| match (is_image, parts.is_empty()) {
                (true, _) => parts.iter().any(|part| is_package(part, package)),
                (false, true) => product.subcomponents.is_empty() && is_package(&purl, package),
                // A part of a package is meant only where the package is there, too.
                (false, false) => {
                    platform.packages.iter().any(|it| is_package(&purl, it))
                        && parts.iter().any(|part| is_package(part, package))
                }
            };
            let meant = platform.packages.iter().zip(&self.packages[number]);
            let meant: BTreeSet<&Component> = meant
                .filter(|(package, _)| is_meant(package))
                .filter_map(|(_, name)| name.as_ref())
                .collect();
            if meant.is_empty() {
                continue;
            }
            about.insert(platform.digest);
            about.extend(self.index.as_ref().map(|(digest, _)| *digest));
            for name in [Some(own), self.index.as_ref().map(|(_, name)| name)].into_iter().flatten()
            {
                let entry = products.entry((name.clone(), true)).or_default();
                entry.extend(meant.iter().map(|component| (*component).clone()));
            }
            if !is_image && product.subcomponents.is_empty() {
                for package in meant {
                    products.entry((package.clone(), false)).or_default();
                }
            }
        }
    }
}

/// Returns whether a package URL of an image is about a platform of this one.
fn is_of(purl: &PackageUrl, image: &InstalledImage, platform: &Digest) -> bool {
    let name = image.name.to_lowercase();
    let last = name.rsplit('/').next().unwrap_or(&name);
    let digests = [image.index.as_ref(), Some(platform)];
    let is_digest =
        |version: &str| digests.iter().flatten().any(|digest| digest.to_string() == version);
    purl.kind() == "oci"
        && purl.name() == last
        && purl.qualifier("repository_url").is_none_or(|place| place.to_lowercase() == name)
        && purl.version().is_none_or(is_digest)
}

fn is_package(stated: &PackageUrl, package: &InstalledPackage) -> bool {
    if stated.qualifier("arch") == Some("source") {
        return package.source.as_ref().is_some_and(|source| stated.matches(source));
    }
    stated.matches(&package.purl)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::from_value;
    use super::*;

    const OPENSSL: &str =
        "pkg:deb/debian/libssl3t64@3.5.1-1?arch=amd64&distro=debian-13&upstream=openssl";
    const LIBC: &str = "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13&upstream=glibc";

    fn image() -> InstalledImage {
        let package = |purl: &str, source: &str, version: &str| {
            let purl: PackageUrl = purl.parse().unwrap();
            let source = Some(purl.source_of(source, version).unwrap());
            InstalledPackage { purl, source }
        };
        let of = |arch: &str| {
            let named = |purl: &str| purl.replace("amd64", arch);
            InstalledPlatform {
                digest: Digest::of(arch.as_bytes()),
                packages: vec![
                    package(&named(OPENSSL), "openssl", "3.5.1-1"),
                    package(&named(LIBC), "glibc", "2.41-12"),
                ],
            }
        };
        InstalledImage {
            name: "registry.example/team/python".into(),
            index: Some(Digest::of(b"index")),
            platforms: vec![of("amd64"), of("arm64")],
        }
    }

    fn applied(products: Value) -> VexOfImage {
        let document = json!({
            "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://a.example/1", "author": "A",
            "timestamp": "2026-01-01T00:00:00Z", "version": 1,
            "statements": [{"vulnerability": {"name": "CVE-1"}, "status": "fixed", "products": products}],
        });
        for_image(&[from_value(&document).unwrap()], &image()).unwrap()
    }

    /// Returns the parts and products that are packages.
    fn packages(found: &VexOfImage) -> (BTreeSet<String>, BTreeSet<String>) {
        let products = || found.statements.iter().flat_map(|statement| &statement.products);
        let parts = products().flat_map(|product| &product.subcomponents).map(Component::key);
        let alone = products().map(|product| product.component.key());
        (parts.collect(), alone.filter(|key| !key.starts_with("pkg:oci")).collect())
    }

    fn oci(version: &str, rest: &str) -> String {
        format!("pkg:oci/python{version}{rest}")
    }

    #[test]
    fn packages_are_those_that_are_installed() {
        let ssl = |arch: &str| format!("pkg:deb/debian/libssl3t64@3.5.1-1?arch={arch}");
        let both = BTreeSet::from([ssl("amd64"), ssl("arm64")]);
        let index = Digest::of(b"index");
        let amd64 = Digest::of(b"amd64");
        for (summary, product, parts, alone) in [
            (
                "exact",
                json!([{"@id": "pkg:deb/debian/libssl3t64@3.5.1-1"}]),
                both.clone(),
                both.clone(),
            ),
            (
                "any version",
                json!([{"@id": "pkg:deb/debian/libssl3t64"}]),
                both.clone(),
                both.clone(),
            ),
            (
                "one architecture",
                json!([{"@id": ssl("arm64")}]),
                [ssl("arm64")].into(),
                [ssl("arm64")].into(),
            ),
            (
                "source",
                json!([{"@id": "pkg:deb/debian/openssl@3.5.1-1?arch=source"}]),
                both.clone(),
                both.clone(),
            ),
            (
                "of any image",
                json!([{"@id": oci("", ""), "subcomponents": [{"@id": "pkg:deb/debian/libssl3t64"}]}]),
                both.clone(),
                [].into(),
            ),
            (
                "of the index",
                json!([{"@id": oci(&format!("@{index}"), ""), "subcomponents": [{"@id": "pkg:deb/debian/libssl3t64"}]}]),
                both.clone(),
                [].into(),
            ),
            (
                "of a platform",
                json!([{"@id": oci(&format!("@{amd64}"), ""), "subcomponents": [{"@id": "pkg:deb/debian/libssl3t64"}]}]),
                [ssl("amd64")].into(),
                [].into(),
            ),
            (
                "at its place",
                json!([{"@id": oci("", "?repository_url=Registry.example/team/python"), "subcomponents": [{"@id": "pkg:deb/debian/libssl3t64"}]}]),
                both,
                [].into(),
            ),
        ] {
            let found = applied(product);
            assert_eq!(packages(&found), (parts.clone(), alone), "{summary}");
            assert_eq!(found.left_out, 0, "{summary}");
            assert_eq!(found.about.len(), parts.len() + 1, "{summary}");
        }
    }

    #[test]
    fn what_is_not_in_the_image_is_left_out() {
        let other = Digest::of(b"another");
        for (summary, product) in [
            ("another package", json!([{"@id": "pkg:deb/debian/curl@1"}])),
            ("another version", json!([{"@id": "pkg:deb/debian/libssl3t64@3.5.2-1"}])),
            ("another distribution", json!([{"@id": "pkg:deb/ubuntu/libssl3t64@3.5.1-1"}])),
            (
                "another release",
                json!([{"@id": "pkg:deb/debian/libssl3t64@3.5.1-1?distro=debian-12"}]),
            ),
            (
                "another architecture",
                json!([{"@id": "pkg:deb/debian/libssl3t64@3.5.1-1?arch=s390x"}]),
            ),
            (
                "what scanners don't know",
                json!([{"@id": "pkg:deb/debian/libssl3t64?os_version=13"}]),
            ),
            (
                "a source that is not said to be one",
                json!([{"@id": "pkg:deb/debian/openssl@3.5.1-1"}]),
            ),
            (
                "a source in another version",
                json!([{"@id": "pkg:deb/debian/openssl@3.5.0-1?arch=source"}]),
            ),
            (
                "another image",
                json!([{"@id": "pkg:oci/nginx", "subcomponents": [{"@id": "pkg:deb/debian/libc6"}]}]),
            ),
            ("another digest", json!([{"@id": oci(&format!("@{other}"), "")}])),
            ("another place", json!([{"@id": oci("", "?repository_url=other.example/python")}])),
            ("an image of docker's type", json!([{"@id": "pkg:docker/team/python@3.13"}])),
            (
                "a part that is not there",
                json!([{"@id": oci("", ""), "subcomponents": [{"@id": "pkg:deb/debian/curl"}]}]),
            ),
            (
                "a part that is no package",
                json!([{"@id": oci("", ""), "subcomponents": [{"@id": "https://a.example/x"}]}]),
            ),
            (
                "a part of a package that is not there",
                json!([{"@id": "pkg:deb/debian/curl", "subcomponents": [{"@id": "pkg:deb/debian/libc6"}]}]),
            ),
            ("no package URL", json!([{"@id": "https://a.example/product"}])),
        ] {
            let found = applied(product);
            assert_eq!((found.statements.len(), found.left_out), (0, 1), "{summary}");
            assert!(found.about.is_empty(), "{summary}");
        }
    }

    #[test]
    fn an_index_is_what_all_platforms_are() {
        let all = applied(json!([{"@id": oci("", "")}]));
        assert_eq!(all.about.len(), 3);
        let one = applied(json!([{"@id": oci(&format!("@{}", Digest::of(b"amd64")), "")}]));
        assert_eq!(one.about, BTreeSet::from([Digest::of(b"amd64")]));
        let product = one.statements[0].products.first().unwrap();
        assert!(one.statements[0].products.len() == 1 && product.subcomponents.is_empty());
    }

    #[test]
    fn the_newest_of_two_documents_counts() {
        let document = |status: &str, time: &str| {
            let mut statement = json!({
                "vulnerability": {"name": "CVE-1"}, "status": status, "timestamp": time,
                "products": [{"@id": "pkg:deb/debian/libc6"}],
            });
            if status == "affected" {
                statement["action_statement"] = json!("update");
            }
            let document = json!({
                "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://a.example/1", "author": "A",
                "version": 3, "statements": [statement],
            });
            from_value(&document).unwrap()
        };
        let (old, new) = (
            document("fixed", "2026-01-01T00:00:00Z"),
            document("affected", "2026-02-01T00:00:00Z"),
        );
        let one = for_image(&[old.clone(), new.clone()], &image()).unwrap();
        assert_eq!(one, for_image(&[new, old], &image()).unwrap());
        assert_eq!(one.statements.len(), 1);
        assert_eq!(one.statements[0].status.as_str(), "affected");
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What a build knows of an image beyond its files: where packages came from, what was downloaded, what was taken from
//! other images, and what definitions state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hardpan_attest::sbom::purl::PackageUrl;
use hardpan_attest::sbom::{Component, ComponentKind};

use super::component::Release;
use super::origins;
use crate::artifact::LockedArtifact;
use crate::built::{BuiltDownload, DownloadSpdx};
use crate::lock::LockedPackage;

/// What a build knows of one platform's image.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Known<'k> {
    /// Its packages, as the lock has them.
    pub(crate) packages: &'k [LockedPackage],
    /// Downloads of the image and its stages.
    pub(crate) downloads: &'k [BuiltDownload],
    /// Images that files of it come from.
    pub(crate) images: &'k [LockedArtifact],
    /// Which component brought which file, as far as that is known.
    pub(crate) owners: Option<&'k BTreeMap<&'k str, &'k str>>,
}

impl Known<'_> {
    /// Adds what is known to what was found.
    pub(super) fn add_to(&self, components: &mut BTreeMap<String, Component>, release: &Release) {
        let locked: BTreeMap<&str, &LockedPackage> =
            self.packages.iter().map(|package| (package.name.as_str(), package)).collect();
        for component in components.values_mut().filter(|it| super::is_distribution(it.kind)) {
            let Some(package) = locked.get(component.name.as_str()) else { continue };
            if component.version.as_deref() != Some(package.version.as_str()) {
                continue;
            }
            component.sha256 = Some(package.sha256);
            // An archive without a name of its own is known by its URI; that of a mirror is nobody's business.
            if package.archive.contains("://") {
                let archive = package.archive.trim_end_matches('/');
                component.download_location = Some(format!("{archive}/{}", package.path));
            }
        }
        for download in self.in_image() {
            let id = download_id(download);
            components.insert(id.clone(), downloaded(download));
            for stated in stated(download.spdx.as_ref(), &id) {
                let (version, name) = (stated.version.as_deref().unwrap_or_default(), &stated.name);
                components
                    .entry(format!("stated/{name}@{version}:{}", download.path))
                    .or_insert(stated);
            }
        }
        for image in self.images {
            let (id, component) = taken(image, release);
            components.insert(id, component);
        }
    }

    /// Returns what brought a file.
    fn origin_of(&self, path: &str) -> Option<&str> {
        self.owners.and_then(|owners| owners.get(path)).copied()
    }

    /// Returns the package of the distribution that brought a file.
    pub(super) fn package_of(&self, path: &str) -> Option<&str> {
        self.origin_of(path).filter(|id| origins::is_package(id))
    }

    /// Returns the component of a file that belongs to nothing in the image itself: a download, another image, or what
    /// the build made.
    pub(super) fn rest_of(&self, path: &str) -> Option<String> {
        self.download_of(path).or_else(|| self.origin_of(path).map(str::to_owned))
    }

    /// Returns whether all of some files came with packages.
    pub(super) fn has_all(&self, paths: &BTreeSet<String>) -> bool {
        let is_owned = |path: &String| self.package_of(path).is_some();
        !paths.is_empty() && paths.iter().all(is_owned)
    }

    /// Returns the download that a file of no package is of.
    fn download_of(&self, path: &str) -> Option<String> {
        let mut found: Option<(usize, String)> = None;
        for download in self.in_image().filter(|download| download.stage.is_none()) {
            let place = download.path.trim_matches('/');
            let is_below = path
                .strip_prefix(place)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            if is_below
                && !place.is_empty()
                && found.as_ref().is_none_or(|(length, _)| *length < place.len())
            {
                found = Some((place.len(), download_id(download)));
            }
        }
        found.map(|(_, id)| id)
    }

    /// Downloads of stages are inputs of the build unless the definition says what of them is in the image.
    fn in_image(&self) -> impl Iterator<Item = &BuiltDownload> {
        self.downloads.iter().filter(|download| download.stage.is_none() || download.spdx.is_some())
    }
}

fn download_id(download: &BuiltDownload) -> String {
    let stage = download.stage.as_deref().map(|stage| format!("{stage}:")).unwrap_or_default();
    format!("download/{stage}{}", download.url)
}

fn downloaded(download: &BuiltDownload) -> Component {
    let spdx = download.spdx.as_ref();
    let file = download.url.split(['?', '#']).next().unwrap_or_default();
    let last = file.trim_end_matches('/').rsplit('/').next().unwrap_or(file);
    let name = spdx.and_then(|spdx| spdx.name.as_deref()).unwrap_or(last);
    let version = spdx.and_then(|spdx| spdx.version.as_deref()).or(download.commit.as_deref());
    let purl = PackageUrl::generic(
        name,
        version.unwrap_or_default(),
        &download.url,
        Some(&download.sha256),
    );
    let mut component = Component::new(ComponentKind::Download, name.to_owned());
    component.version = version.map(str::to_owned);
    component.purl = purl.ok().map(Arc::new);
    component.download_location = Some(download.url.clone());
    component.sha256 = Some(download.sha256);
    component.evidence.extend(match download.stage {
        None => Some(download.path.trim_matches('/').to_owned()),
        Some(_) => None,
    });
    component
}

/// What a definition says is in a download.
fn stated(spdx: Option<&DownloadSpdx>, download: &str) -> Vec<Component> {
    let packages = spdx.map_or(&[][..], |spdx| &spdx.packages);
    let component = |[name, purl, license, path]: &[Option<String>; 4]| {
        let parsed = purl.as_deref().and_then(|purl| purl.parse::<PackageUrl>().ok());
        let name = name.as_deref().or(parsed.as_ref().map(PackageUrl::name))?;
        let mut component = Component::new(ComponentKind::Stated, name.to_owned());
        component.version = parsed.as_ref().and_then(PackageUrl::version).map(str::to_owned);
        component.purl = parsed.map(Arc::new);
        component.licenses.extend(license.clone());
        component.evidence.extend(path.as_deref().map(|path| path.trim_matches('/').to_owned()));
        component.part_of = Some(download.to_owned());
        Some(component)
    };
    packages.iter().filter_map(component).collect()
}

fn taken(image: &LockedArtifact, _: &Release) -> (String, Component) {
    let used = image.substitute.as_deref().unwrap_or(&image.name);
    let parsed = used.parse::<hardpan_image::ImageName>().ok();
    let repository = parsed.as_ref().map_or_else(|| used.to_owned(), crate::shelf::identity);
    let tag = parsed.as_ref().and_then(|name| name.tag()).unwrap_or_default();
    let mut component = Component::new(ComponentKind::Oci, repository.clone());
    component.version = (!tag.is_empty()).then(|| tag.to_owned());
    let purl = PackageUrl::oci(&repository, &image.manifest, "", tag);
    component.purl = purl.ok().map(Arc::new);
    component.sha256 = Some(image.manifest);
    (format!("oci/{}", image.name), component)
}

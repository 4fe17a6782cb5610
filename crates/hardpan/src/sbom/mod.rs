// SPDX-License-Identifier: Apache-2.0
//! What images are made of: SBOMs of our own images, and of any others.
//!
//! Both are read from the files of the finished image, so an SBOM can't say what is not there. Of an image that was built
//! here the lock adds what files do not tell: where a package came from and what its file's digest is, and what was
//! downloaded.

mod ahead;
mod attached;
mod component;
pub(crate) mod docker;
mod documents;
mod known;
mod layers;
mod origins;
mod rootfs;
mod target;
mod walk;

use std::collections::BTreeSet;

use hardpan_attest::sbom::{
    Component, ComponentKind, Sbom, SbomFile, SbomSubject, purl::PackageUrl,
};
use hardpan_attest::verify::Rules;
use hardpan_image::{Descriptor, ImageConfig, Manifest, Platform, Raw};
use hardpan_scan::catalog::{Catalog, CatalogBuilder, CatalogError, CatalogOptions};

pub(crate) use attached::attached;
pub use attached::{AttachedSbom, AttachedSboms, CheckedSbom};
pub(crate) use component::{Release, purl, text as path_text};
pub(crate) use known::Known;
pub(crate) use origins::{FileOrigins, package_id};
pub(crate) use target::Target;
pub use walk::ScannedImage;
pub(crate) use walk::{LayerVisitor, left_out_text};

use crate::error::Error;
use crate::session::Session;
use crate::shelf::{ImageSet, Location, Shelf};
/// Every file has its digests.
pub(crate) const OPTIONS: CatalogOptions =
    CatalogOptions { hash_files: true, ..CatalogOptions::DEFAULT };

/// What an SBOM is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SbomSource {
    /// An image, and for several platforms of which.
    Image(Location),
    /// A directory with a root file system.
    Rootfs(std::path::PathBuf),
}

/// Which of several is meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SbomChoice<'c> {
    /// The image, by a name or digest that a layout or archive has.
    pub image: Option<&'c str>,
    /// The platform; without it this machine's.
    pub platform: Option<&'c str>,
    /// The very manifest, whatever platforms are called: an index may have several of one, or of none. What is stated about a
    /// manifest is found by it.
    pub manifest: Option<hardpan_tree::Digest>,
}

/// An SBOM, and what in the image could not be read.
#[derive(Debug, Clone)]
pub struct SbomReport {
    /// The SBOM.
    pub sbom: Sbom,
    /// Files that may say more and can't be read.
    pub problems: Vec<String>,
}

/// What is called how in an SBOM.
pub(crate) struct Naming<'n> {
    /// The image's name without a tag, or what a file is called.
    pub(crate) name: &'n str,
    /// Its tag.
    pub(crate) version: Option<&'n str>,
    /// Digest of its manifest.
    pub(crate) digest: Option<hardpan_tree::Digest>,
    /// Its platform.
    pub(crate) platform: Option<String>,
    /// Its time.
    pub(crate) epoch: i64,
}

impl Session<'_> {
    /// Makes the SBOM of an image, or of a root file system, by its files. Of several images and platforms, `choice` says
    /// which.
    pub fn sbom(&self, source: &SbomSource, choice: SbomChoice<'_>) -> Result<SbomReport, Error> {
        Ok(self.look(source, choice, None)?.of_files)
    }

    /// Looks for the SBOM that is attached to an image and signed by a trusted key, and holds it against the image's
    /// files. To what has no manifest nothing is attached.
    pub fn checked_sbom(
        &self,
        source: &SbomSource,
        choice: SbomChoice<'_>,
        rules: Rules<'_>,
    ) -> Result<CheckedSbom, Error> {
        self.look(source, choice, Some(rules))
    }

    fn look(
        &self,
        source: &SbomSource,
        choice: SbomChoice<'_>,
        rules: Option<Rules<'_>>,
    ) -> Result<CheckedSbom, Error> {
        let target = self.target(source, choice)?;
        let catalog = target.catalog(OPTIONS)?;
        let of_files = sbom_of(&catalog, &target.naming(), &Known::default());
        let evidence = rules.map(|rules| target.evidence(self, rules)).transpose()?;
        let found = &of_files.sbom.components;
        let attached = evidence.map(|evidence| attached(&evidence, Some(found)));
        Ok(CheckedSbom { attached: attached.unwrap_or_default(), of_files })
    }
}

/// Returns a platform's manifest: the one that was asked for, or this machine's, or the only one.
fn choose<'s>(
    set: &'s ImageSet,
    choice: SbomChoice<'_>,
) -> Result<(&'s Descriptor, &'s Raw<Manifest>), Error> {
    if let Some(digest) = choice.manifest {
        let found = set.platforms.iter().find(|(entry, _)| entry.digest == digest);
        let found = found.ok_or(SbomError::NoManifest { digest })?;
        return Ok((&found.0, &found.1));
    }
    let platform = choice.platform;
    let of = |entry: &Descriptor| entry.platform.as_ref().map(ToString::to_string);
    let here = crate::sandboxed::workshop::native().map(|platform| platform.name().to_owned());
    let wanted = platform.map(str::to_owned).or(here);
    let parsed = wanted.as_deref().and_then(|wanted| wanted.parse::<Platform>().ok());
    let is_it = |entry: &Descriptor| match (&entry.platform, &parsed) {
        (Some(platform), Some(wanted)) => platform.matches(wanted),
        _ => false,
    };
    let found = set.platforms.iter().find(|(entry, _)| is_it(entry));
    let only = (set.platforms.len() == 1
        && (platform.is_none() || of(&set.platforms[0].0).is_none()))
    .then(|| &set.platforms[0]);
    if let Some((entry, manifest)) = found.or(only) {
        return Ok((entry, manifest));
    }
    let others = set.platforms.iter().filter_map(|(entry, _)| of(entry)).collect();
    let platform = wanted.unwrap_or_else(|| "this machine".to_owned());
    Err(SbomError::NoPlatform { platform, others }.into())
}

/// Reads the layers of an image.
pub(crate) fn catalog(
    shelf: &dyn Shelf,
    manifest: &Raw<Manifest>,
    config: &Raw<ImageConfig>,
) -> Result<Catalog, Error> {
    Ok(catalog_and_size(shelf, manifest, config, OPTIONS)?.0)
}

/// Reads the layers of an image, the uppermost first, each once. Returns the sum of their sizes, too.
pub(crate) fn catalog_and_size(
    shelf: &dyn Shelf,
    manifest: &Raw<Manifest>,
    config: &Raw<ImageConfig>,
    options: CatalogOptions,
) -> Result<(Catalog, u64), Error> {
    let mut builder = CatalogBuilder::new(options);
    let layers: Vec<(&Descriptor, _)> =
        manifest.value().layers.iter().zip(&config.value().rootfs.diff_ids).collect();
    let mut size_bytes = 0;
    for (layer, diff_id) in layers.into_iter().rev() {
        let fail = |source| SbomError::Catalog { layer: Some(layer.digest), source };
        size_bytes += layers::read(shelf, layer, *diff_id, |reader| {
            Ok(builder.layer(reader).map_err(fail)?)
        })?;
    }
    let catalog = builder.finish().map_err(|source| SbomError::Catalog { layer: None, source })?;
    Ok((catalog, size_bytes))
}

/// Puts an SBOM together.
pub(crate) fn sbom_of(catalog: &Catalog, naming: &Naming<'_>, known: &Known<'_>) -> SbomReport {
    let release = Release::of(catalog.os.as_ref());
    let mut components = component::components(catalog, &release);
    // What lies in files of packages is counted with these, also where the image does not tell whose files are whose.
    components.retain(|_, component| {
        !known.has_all(&component.evidence) || is_distribution(component.kind)
    });
    known.add_to(&mut components, &release);
    let mut problems: Vec<String> = (catalog.problems.iter())
        .map(|problem| format!("{}: {}", problem.path, problem.error))
        .collect();
    problems.extend(documents::add_to(&mut components, &catalog.documents));
    let mut made = BTreeSet::new();
    let files = (catalog.files.iter())
        .filter_map(|(path, facts)| {
            let hashes = facts.hashes?;
            let path = component::text(path);
            let of_package = known.package_of(&path).map(str::to_owned);
            let own = facts.owner.as_ref().map(|id| owner(catalog, id));
            // What is only a part of something else, or not there by this name, owns nothing.
            let is_known = |id: &String| components.contains_key(id);
            let found = [of_package, own].into_iter().flatten().find(is_known);
            let rest = || known.rest_of(&path);
            let owner = found.or_else(rest).filter(|id| is_known(id) || origins::is_made(id));
            made.extend(owner.iter().filter(|id| origins::is_made(id)).cloned());
            let file = SbomFile {
                sha256: hashes.sha256,
                sha1: hashes.sha1,
                size_bytes: facts.size_bytes,
                owner,
            };
            Some((path, file))
        })
        .collect();
    for id in made {
        if let Some((name, summary)) = origins::made(&id) {
            let mut component = Component::new(ComponentKind::Build, name.to_owned());
            // It is as old as the image, and in no other.
            component.version = naming.digest.map(|digest| digest.to_string());
            component.summary = Some(summary);
            components.insert(id, component);
        }
    }
    let purl = naming.digest.and_then(|digest| {
        let architecture =
            naming.platform.as_deref().and_then(|platform| platform.split('/').nth(1));
        let tag = naming.version.unwrap_or_default();
        PackageUrl::oci(naming.name, &digest, architecture.unwrap_or_default(), tag).ok()
    });
    let sbom = Sbom {
        subject: SbomSubject {
            name: naming.name.to_owned(),
            version: naming.version.map(str::to_owned),
            digest: naming.digest,
            purl: purl.map(|purl| purl.to_string()),
            platform: naming.platform.clone(),
        },
        epoch: naming.epoch,
        tool: ("hardpan".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        supplier: None,
        components,
        files,
    };
    SbomReport { sbom, problems }
}

/// Returns the component that a package is counted with.
fn owner(catalog: &Catalog, id: &hardpan_scan::catalog::PackageId) -> String {
    let counted = catalog.package(id).and_then(|package| package.owned_by.as_ref());
    counted.unwrap_or(id).as_str().to_owned()
}

/// The kind of the distribution itself.
pub(crate) const OPERATING_SYSTEM: ComponentKind = ComponentKind::OperatingSystem;

/// Reads the layers of an image whose configuration is not known yet.
pub(crate) fn catalog_of(shelf: &dyn Shelf, manifest: &Raw<Manifest>) -> Result<Catalog, Error> {
    let config = layers::config(shelf, manifest)?;
    catalog(shelf, manifest, &config)
}

/// Reads the configuration of an image.
pub(crate) fn config_of(
    shelf: &dyn Shelf,
    manifest: &Raw<Manifest>,
) -> Result<Raw<ImageConfig>, Error> {
    layers::config(shelf, manifest)
}

/// Returns when an image says that it was made, in seconds.
pub(crate) fn epoch_of(config: &ImageConfig) -> i64 {
    layers::epoch(config)
}

/// Returns whether a component came from a distribution.
pub(crate) fn is_distribution(kind: ComponentKind) -> bool {
    matches!(kind, ComponentKind::Deb | ComponentKind::Apk)
}

/// Why there is no SBOM.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SbomError {
    /// The layers can't be taken apart.
    #[error("what is in the image can't be told")]
    Catalog {
        /// The layer.
        layer: Option<hardpan_tree::Digest>,
        /// Why.
        #[source]
        source: CatalogError,
    },
    /// A layer of a kind that is not known.
    #[error("the layer {layer} has the unknown media type {media_type:?}")]
    MediaType {
        /// The layer.
        layer: hardpan_tree::Digest,
        /// What its manifest says.
        media_type: String,
    },
    /// A layer that can't be decompressed.
    #[error("the layer {layer} can't be read")]
    Layer {
        /// The layer.
        layer: hardpan_tree::Digest,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A layer with other bytes than its name or the configuration says.
    #[error("the layer {expected} has the digest {actual}")]
    Digest {
        /// Its name.
        expected: hardpan_tree::Digest,
        /// What it is.
        actual: hardpan_tree::Digest,
    },
    /// The configuration does not fit the manifest.
    #[error("the manifest has {layers} layers and its configuration {diff_ids}")]
    LayerCount {
        /// The manifest's.
        layers: usize,
        /// The configuration's.
        diff_ids: usize,
    },
    /// No such platform.
    #[error("the image is not for {platform}; it is for {}", others.join(", "))]
    NoPlatform {
        /// The platform.
        platform: String,
        /// Those that there are.
        others: Vec<String>,
    },
    /// No such manifest.
    #[error("the image has no manifest {digest} any more, or never had one")]
    NoManifest {
        /// Its digest.
        digest: hardpan_tree::Digest,
    },
    /// A file of a root file system.
    #[error("{path} can't be read", path = path.display())]
    Walk {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl SbomError {
    /// Returns what kind of trouble this is.
    pub fn trouble(&self) -> crate::error::Trouble {
        use crate::error::Trouble;
        match self {
            Self::NoPlatform { .. } => Trouble::Usage,
            Self::Walk { .. } => Trouble::Network,
            _ => Trouble::Trust,
        }
    }

    /// Returns what the user can do, where there is something.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::NoPlatform { others, .. } => others
                .first()
                .map(|other| format!("choose one: `--platform {other}`"))
                .into_iter()
                .collect(),
            Self::MediaType { media_type, .. } if media_type.contains("encrypted") => {
                vec![
                    "decrypt the image first: what is in it can't be told without its key"
                        .to_owned(),
                ]
            }
            Self::Digest { .. } => vec![
                "the image was changed, or broken on its way: get it again from where it is from"
                    .to_owned(),
            ],
            Self::Walk { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                vec!["run it as the owner of the files: a list with holes would be none".to_owned()]
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use hardpan_testkit::oci::{Layer, OciImage};
    use hardpan_tree::Digest;

    use super::*;
    use crate::shelf::Stored;

    #[test]
    fn a_manifest_is_found_by_its_digest_whatever_platforms_are_called() {
        let image = |name: &str| OciImage::new("amd64", &[Layer::plain(name.into())], &[]);
        let entry = |image: &OciImage, platform: Option<&str>| {
            let stored = Stored::new(&image.media_type, image.root.clone());
            let platform = platform.map(|platform| platform.parse().unwrap());
            let descriptor = Descriptor { platform, ..stored.descriptor };
            (descriptor, Raw::<Manifest>::parse(stored.bytes).unwrap())
        };
        let images = [image("a"), image("b"), image("c")];
        let platforms = [Some("linux/amd64"), Some("linux/amd64"), None];
        let set = ImageSet {
            root: Stored::new("application/vnd.oci.image.index.v1+json", b"{}".to_vec()),
            platforms: images.iter().zip(platforms).map(|(one, of)| entry(one, of)).collect(),
            attestations: Vec::new(),
        };
        for image in &images {
            // The platform is the first one's for both, and none is this machine's.
            for platform in [None, Some("linux/amd64"), Some("linux/arm64")] {
                let manifest = Some(image.digest());
                let choice = SbomChoice { platform, manifest, ..SbomChoice::default() };
                let (descriptor, manifest) = choose(&set, choice).unwrap();
                assert_eq!(
                    (descriptor.digest, manifest.digest()),
                    (image.digest(), image.digest())
                );
            }
        }
        let manifest = Some(Digest::of(b"another"));
        let choice = SbomChoice { manifest, ..SbomChoice::default() };
        let error = choose(&set, choice).unwrap_err();
        assert!(error.to_string().contains("has no manifest sha256:"), "{error}");
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What a catalog is made of, found and chosen, before its layers are read: some questions need none of them.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use hardpan_attest::key::UtcTime;
use hardpan_attest::verify::{Evidence, Rules};
use hardpan_image::{Descriptor, ImageConfig, Index, Manifest, Platform, Raw};
use hardpan_scan::catalog::{Catalog, CatalogBuilder, CatalogOptions};
use hardpan_tree::{Digest, TreePath};

use super::docker::{self, DockerImage};
use super::walk::LayerVisitor;
use super::{Naming, SbomChoice, SbomError, SbomSource, catalog_and_size, choose, layers, rootfs};
use crate::error::Error;
use crate::session::Session;
use crate::shelf::{ImageSet, Location, Opened, identity, plain};

/// An image for a platform, or a root file system.
pub(crate) struct Target<'s> {
    /// The image's name without a tag, or what a file or directory is called.
    pub(crate) name: String,
    /// Its tag; without a name or a manifest the digest of the configuration.
    pub(crate) version: Option<String>,
    /// The tag alone.
    pub(crate) tag: Option<String>,
    /// Digest of its manifest.
    pub(crate) digest: Option<Digest>,
    /// The index that names the manifest.
    pub(crate) index: Option<Descriptor>,
    /// Its platform.
    pub(crate) platform: Option<String>,
    /// Its time, in seconds.
    pub(crate) epoch: i64,
    place: Place<'s>,
}

enum Place<'s> {
    Rootfs(PathBuf),
    /// An archive of `docker save`, which has no manifest, and so no digest by which others know it.
    Docker(Box<DockerImage>),
    Stored(Box<StoredImage<'s>>),
}

struct StoredImage<'s> {
    opened: Opened<'s>,
    set: ImageSet,
    descriptor: Descriptor,
    manifest: Raw<Manifest>,
    config: Raw<ImageConfig>,
}

impl Session<'_> {
    /// Finds what was named; of several images and platforms `choice` says which.
    pub(crate) fn target(
        &self,
        source: &SbomSource,
        choice: SbomChoice<'_>,
    ) -> Result<Target<'_>, Error> {
        let location = match source {
            SbomSource::Rootfs(path) => {
                return Ok(Target {
                    name: path.display().to_string(),
                    version: None,
                    tag: None,
                    digest: None,
                    index: None,
                    platform: None,
                    epoch: 0,
                    place: Place::Rootfs(path.clone()),
                });
            }
            SbomSource::Image(location) => location,
        };
        if let Location::Archive(path) = location
            && let Some(image) = docker::open(path, choice.image)?
        {
            return of_docker(image, &location.to_string(), choice);
        }
        let opened = self.open_shelf(location)?;
        let shelf = opened.shelf();
        let set = match choice.image {
            Some(wanted) => ImageSet::of(shelf, opened.chosen(wanted)?)?,
            None => ImageSet::read(shelf)?,
        };
        let (descriptor, manifest) = choose(&set, choice)?;
        let (descriptor, manifest) = (descriptor.clone(), manifest.clone());
        let config = layers::config(shelf, &manifest)?;
        // What the index says of it was chosen by, and may say more: a configuration can leave the variant out.
        let platform = descriptor.platform.clone();
        check_platform(&platform.unwrap_or_else(|| config.value().platform()), choice)?;
        let image_name = match choice.image {
            Some(name) => name.parse().ok(),
            None => opened.image_name(),
        };
        let index =
            Some(set.root.descriptor.clone()).filter(|root| root.digest != descriptor.digest);
        Ok(Target {
            name: image_name.as_ref().map_or_else(|| location.to_string(), identity),
            version: image_name.as_ref().and_then(|name| name.tag()).map(str::to_owned),
            tag: image_name.as_ref().and_then(|name| name.tag()).map(str::to_owned),
            digest: Some(descriptor.digest),
            index,
            platform: Some(config.value().platform().to_string()),
            epoch: layers::epoch(config.value()),
            place: Place::Stored(Box::new(StoredImage {
                opened,
                set,
                descriptor,
                manifest,
                config,
            })),
        })
    }
}

fn of_docker<'s>(
    image: DockerImage,
    location: &str,
    choice: SbomChoice<'_>,
) -> Result<Target<'s>, Error> {
    if let Some(digest) = choice.manifest {
        return Err(SbomError::NoManifest { digest }.into());
    }
    let config = image.config.value();
    check_platform(&config.platform(), choice)?;
    let name = image.name.as_ref();
    let tag = name.and_then(|name| name.tag()).map(str::to_owned);
    Ok(Target {
        name: name.map_or_else(|| location.to_owned(), identity),
        version: Some(tag.clone().unwrap_or_else(|| image.config.digest().to_string())),
        tag,
        digest: None,
        index: None,
        platform: Some(config.platform().to_string()),
        epoch: layers::epoch(config),
        place: Place::Docker(Box::new(image)),
    })
}

/// Refuses an image for another platform than was asked for: an image that is the only one has no entry that says it.
fn check_platform(platform: &Platform, choice: SbomChoice<'_>) -> Result<(), Error> {
    let is_it =
        |wanted: &&str| wanted.parse::<Platform>().is_ok_and(|wanted| platform.matches(&wanted));
    match choice.platform.filter(|wanted| !is_it(wanted)) {
        Some(wanted) => {
            let (wanted, others) = (wanted.to_owned(), vec![platform.to_string()]);
            Err(SbomError::NoPlatform { platform: wanted, others }.into())
        }
        None => Ok(()),
    }
}

impl Target<'_> {
    /// Returns what it is called in an SBOM.
    pub(crate) fn naming(&self) -> Naming<'_> {
        Naming {
            name: &self.name,
            version: self.version.as_deref(),
            digest: self.digest,
            platform: self.platform.clone(),
            epoch: self.epoch,
        }
    }

    /// Returns the annotations of its index and its manifest; the latter's count more.
    pub(crate) fn annotations(&self) -> BTreeMap<String, String> {
        self.all_annotations().into_iter().flatten().collect()
    }

    /// Returns the annotations of its index, of the index's entry and of its manifest: each says what it says, whatever
    /// the others do.
    fn all_annotations(&self) -> Vec<BTreeMap<String, String>> {
        let Place::Stored(image) = &self.place else { return Vec::new() };
        let index = self
            .index
            .as_ref()
            .and_then(|_| Raw::<Index>::parse(image.set.root.bytes.clone()).ok());
        let of_index = index.map(|index| index.value().annotations.clone());
        let mut all: Vec<BTreeMap<String, String>> = of_index.into_iter().collect();
        all.push(image.descriptor.annotations.clone());
        all.push(image.manifest.value().annotations.clone());
        all
    }

    /// Returns how many bytes whoever pulls it gets; `None` for what nobody pulls.
    pub(crate) fn pull_bytes(&self) -> Option<u64> {
        let Place::Stored(image) = &self.place else { return None };
        let layers = image.manifest.value().layers.iter();
        Some(layers.fold(0, |sum, layer| sum.saturating_add(layer.size_bytes)))
    }

    /// Reads its layers, the uppermost first, each once.
    pub(crate) fn catalog(&self, options: CatalogOptions) -> Result<Catalog, Error> {
        match &self.place {
            Place::Rootfs(path) => rootfs::catalog(path, options),
            Place::Docker(image) => docker_catalog(image, options),
            Place::Stored(image) => {
                let StoredImage { opened, manifest, config, .. } = &**image;
                Ok(catalog_and_size(opened.shelf(), manifest, config, options)?.0)
            }
        }
    }

    /// Shows it to a visitor, the lowest layer first. What it saw counts only if this does not fail: digests are checked at
    /// the end of each layer. Returns directories that nobody saw, because the kernel makes up what is in them.
    pub(crate) fn visit(&self, visitor: &mut dyn LayerVisitor) -> Result<Vec<TreePath>, Error> {
        match &self.place {
            Place::Rootfs(path) => {
                rootfs::walk(path, &mut |entry, data| visitor.entry(entry, data))
            }
            Place::Docker(image) => {
                let config = image.config.value();
                visitor.config(config);
                for number in 0..config.rootfs.diff_ids.len() {
                    docker_layer(image, number, |reader| visitor.layer(reader))?;
                }
                Ok(Vec::new())
            }
            Place::Stored(image) => {
                let StoredImage { opened, manifest, config, .. } = &**image;
                let config = config.value();
                visitor.config(config);
                let annotations = self.all_annotations();
                for (number, all) in annotations.iter().enumerate() {
                    let said = |(key, value): &(&String, &String)| {
                        annotations[..number].iter().any(|before| before.get(*key) == Some(*value))
                    };
                    // What the index says already is nothing more.
                    let more = all.iter().filter(|one| !said(one));
                    let more = more.map(|(key, value)| (key.clone(), value.clone())).collect();
                    visitor.annotations(&more);
                }
                let layers = manifest.value().layers.iter().zip(&config.rootfs.diff_ids);
                for (layer, diff_id) in layers {
                    layers::read(opened.shelf(), layer, *diff_id, |reader| visitor.layer(reader))?;
                }
                Ok(Vec::new())
            }
        }
    }

    /// Says what all that is attached to the manifest of the platform proves; of what has none nothing is proven.
    pub(crate) fn evidence(
        &self,
        session: &Session<'_>,
        rules: Rules<'_>,
    ) -> Result<Vec<Evidence>, Error> {
        match &self.place {
            Place::Stored(image) => self.evidence_of(session, &image.descriptor, rules),
            Place::Rootfs(_) | Place::Docker(_) => Ok(Vec::new()),
        }
    }

    /// Says what all that is attached to the index proves.
    pub(crate) fn index_evidence(
        &self,
        session: &Session<'_>,
        rules: Rules<'_>,
    ) -> Result<Vec<Evidence>, Error> {
        match &self.index {
            Some(index) => self.evidence_of(session, index, rules),
            None => Ok(Vec::new()),
        }
    }

    fn evidence_of(
        &self,
        session: &Session<'_>,
        subject: &Descriptor,
        rules: Rules<'_>,
    ) -> Result<Vec<Evidence>, Error> {
        let Place::Stored(image) = &self.place else { return Ok(Vec::new()) };
        let now = UtcTime::of_seconds(session.now_seconds());
        crate::trust::evidence(
            session,
            image.opened.shelf(),
            &image.set,
            &plain(subject),
            rules,
            &now,
        )
    }
}

fn docker_catalog(image: &DockerImage, options: CatalogOptions) -> Result<Catalog, Error> {
    let mut builder = CatalogBuilder::new(options);
    for number in (0..image.config.value().rootfs.diff_ids.len()).rev() {
        docker_layer(image, number, |reader| {
            let fail = |source| SbomError::Catalog { layer: None, source };
            Ok(builder.layer(reader).map_err(fail)?)
        })?;
    }
    Ok(builder.finish().map_err(|source| SbomError::Catalog { layer: None, source })?)
}

/// Reads a layer of an archive of `docker save`.
fn docker_layer(
    image: &DockerImage,
    number: usize,
    read: impl FnOnce(&mut dyn Read) -> Result<(), Error>,
) -> Result<(), Error> {
    let diff_id = image.config.value().rootfs.diff_ids[number];
    let wrap = |source| SbomError::Layer { layer: diff_id, source };
    let (blob, compression) = image.layer(number).map_err(wrap)?;
    let wanted = layers::Wanted { name: diff_id, blob: None, diff_id };
    layers::read_tar(|| Ok(Box::new(blob)), compression, wanted, read)?;
    Ok(())
}

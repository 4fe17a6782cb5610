// SPDX-License-Identifier: Apache-2.0
//! Images from one place to another, with all that is attached to them.
//!
//! The order is what keeps others from seeing half an image: layers, manifests of platforms, the index, what is
//! attached, and the tag last. What is there already is not brought again.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::num::NonZeroUsize;

use hardpan_attest::signature::{Artifact, Placement, merged_manifest, union_manifest};
use hardpan_image::{Descriptor, ImageName, Manifest, Raw};
use hardpan_tree::Digest;
use serde::Serialize;

use super::{
    Attached, Destination, ImageSet, LayoutDestination, Location, RegistryShelf, Shelf, ShelfError,
    Stored, Unread, attached, unread, write_archive,
};
use crate::error::Error;
use crate::session::Session;
use crate::trust::TrustError;

/// How often an image is brought again to a registry that lost something of it while it came: what was there, and
/// therefore not sent, may be removed as garbage until a manifest names it.
const REPAIRS_MAX: usize = 2;
/// How much is sent or fetched at once at least.
const TRANSFERS_MIN: NonZeroUsize = NonZeroUsize::new(8).expect("8 is not 0");

/// What was brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Copied {
    /// The digest of the index, or of the manifest of a single platform.
    pub digest: Digest,
    /// How many platforms it has.
    pub platforms: usize,
    /// How many layers and configurations.
    pub blobs: usize,
    /// How many bytes these have together.
    pub size_bytes: u64,
    /// How many manifests are attached to it.
    pub attached: usize,
    /// How many that refer to it are left out: they are no manifests, or what they name is not there.
    pub left_out: usize,
    /// Where it is now.
    pub names: Vec<String>,
}

/// Brings something, and looks again for all of it if the destination says that something is missing.
fn until_whole<T>(mut bring: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 0..REPAIRS_MAX {
        match bring() {
            Err(Error::Shelf(error)) if error.is_incomplete() => {}
            result => return result,
        }
    }
    bring()
}

/// Brings an image's layers and documents, without a name for it.
pub(crate) fn bring_image(
    session: &Session<'_>,
    shelf: &dyn Shelf,
    set: &ImageSet,
    destination: &dyn Destination,
) -> Result<(usize, u64), Error> {
    until_whole(|| bring_image_once(session, shelf, set, destination))
}

fn bring_image_once(
    session: &Session<'_>,
    shelf: &dyn Shelf,
    set: &ImageSet,
    destination: &dyn Destination,
) -> Result<(usize, u64), Error> {
    let mut blobs: BTreeMap<Digest, &Descriptor> = BTreeMap::new();
    for (_, manifest) in &set.platforms {
        let manifest = manifest.value();
        blobs.extend(named(manifest).map(|blob| (blob.digest, blob)));
    }
    bring_attestations(session, shelf, set, destination)?;
    let mut blobs: Vec<&Descriptor> = blobs.into_values().collect();
    // The largest first, so that no thread ends long after the others.
    blobs.sort_by_key(|blob| (std::cmp::Reverse(blob.size_bytes), blob.digest));
    crate::parallel::map(transfers(session), &blobs, |blob| bring_blob(shelf, blob, destination))?;
    for (descriptor, manifest) in &set.platforms {
        if descriptor.digest != set.root.descriptor.digest {
            let bytes = manifest.bytes().to_vec();
            destination.put_document(&Stored::new(&descriptor.media_type, bytes))?;
        }
    }
    destination.put_document(&set.root)?;
    Ok((blobs.len(), blobs.iter().map(|blob| blob.size_bytes).sum()))
}

/// Brings the statements that are in an image's index.
pub(crate) fn bring_attestations(
    session: &Session<'_>,
    shelf: &dyn Shelf,
    set: &ImageSet,
    destination: &dyn Destination,
) -> Result<(), Error> {
    crate::parallel::map(transfers(session), &set.attestations, |entry| {
        let document = shelf.document(entry)?;
        if document.is_index() {
            return Err(ShelfError::NestedIndex { digest: entry.digest }.into());
        }
        for blob in named(document.manifest()?.value()) {
            bring_blob(shelf, blob, destination)?;
        }
        destination.put_document(&document)
    })?;
    Ok(())
}

fn bring_blob(
    shelf: &dyn Shelf,
    blob: &Descriptor,
    destination: &dyn Destination,
) -> Result<(), Error> {
    let open = || -> io::Result<Box<dyn Read + '_>> { shelf.open(blob).map_err(io::Error::other) };
    destination.put_blob(blob, &open)
}

/// Brings all that is attached to an image, as it is. Returns how many manifests that is, and how many are left out since
/// they are not whole.
pub(crate) fn bring_attached(
    session: &Session<'_>,
    shelf: &dyn Shelf,
    set: &ImageSet,
    destination: &dyn Destination,
) -> Result<(usize, usize), Error> {
    until_whole(|| bring_attached_once(session, shelf, set, destination))
}

fn bring_attached_once(
    session: &Session<'_>,
    shelf: &dyn Shelf,
    set: &ImageSet,
    destination: &dyn Destination,
) -> Result<(usize, usize), Error> {
    let counts = crate::parallel::map(transfers(session), &set.members(), |subject| {
        let mut left_out = 0;
        let mut all: Vec<(Option<String>, Stored, Raw<Manifest>)> = Vec::new();
        for one in attached(shelf, subject)? {
            match whole(shelf, &one)? {
                // What is in the index refers to the platform, too, but came with the image; and what refers to that is
                // brought with it.
                Some((document, manifest))
                    if set.is_in_index(&document.descriptor.digest)
                        || manifest.value().subject.as_ref().is_some_and(|of| {
                            of.digest != subject.digest && set.is_in_index(&of.digest)
                        }) => {}
                Some((document, manifest)) => all.push((one.tag, document, manifest)),
                None => left_out += 1,
            }
        }
        let blobs: BTreeMap<Digest, &Descriptor> = (all.iter())
            .flat_map(|(_, _, manifest)| named(manifest.value()).map(|blob| (blob.digest, blob)))
            .collect();
        let blobs: Vec<&Descriptor> = blobs.into_values().collect();
        crate::parallel::map(transfers(session), &blobs, |blob| {
            bring_blob(shelf, blob, destination)
        })?;
        for (of, documents) in by_subject(&all) {
            destination.put_referrers(&of, &documents)?;
        }
        let tagged: Vec<(&String, &Stored)> =
            all.iter().filter_map(|(tag, document, _)| Some((tag.as_ref()?, document))).collect();
        crate::parallel::map(transfers(session), &tagged, |(tag, document)| {
            bring_tag(tag, document, destination)
        })?;
        Ok::<_, Error>((all.len(), left_out))
    })?;
    let sum = |(a, b): (usize, usize), (c, d)| (a + c, b + d);
    Ok(counts.into_iter().fold((0, 0), sum))
}

/// Returns the manifest of what is attached if it is one and all that it names is there. What refers to an image may be by
/// anybody, and anything; that must not keep the image where it is.
fn whole(shelf: &dyn Shelf, one: &Attached) -> Result<Option<(Stored, Raw<Manifest>)>, Error> {
    let Some(document) = &one.document else { return Ok(None) };
    let manifest = match document.manifest() {
        Ok(manifest) => manifest,
        // Cosign's tags are written by who may also move the image's.
        Err(error) if one.tag.is_some() => return Err(error),
        Err(_) => return Ok(None),
    };
    if one.tag.is_none() {
        for blob in named(manifest.value()) {
            match shelf.open(blob) {
                Ok(_) => {}
                Err(error) if unread(&error) == Some(Unread::NotThere) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(Some((document.clone(), manifest)))
}

/// Returns what a manifest names.
fn named(manifest: &Manifest) -> impl Iterator<Item = &Descriptor> {
    std::iter::once(&manifest.config).chain(&manifest.layers)
}

/// Sorts manifests by what they refer to; what refers to a manifest comes after it.
fn by_subject(
    attached: &[(Option<String>, Stored, Raw<Manifest>)],
) -> Vec<(Descriptor, Vec<Stored>)> {
    let mut groups: Vec<(Descriptor, Vec<Stored>)> = Vec::new();
    for (_, document, manifest) in attached.iter().filter(|(tag, ..)| tag.is_none()) {
        let Some(subject) = manifest.value().subject.clone() else { continue };
        match groups.iter_mut().find(|(of, _)| of.digest == subject.digest) {
            Some((_, documents)) => documents.push(document.clone()),
            None => groups.push((subject, vec![document.clone()])),
        }
    }
    groups
}

/// Gives a copied manifest its tag. If there is one already, nothing of it is lost.
fn bring_tag(tag: &str, document: &Stored, destination: &dyn Destination) -> Result<(), Error> {
    let ours = document.manifest()?;
    let as_it_is = || Artifact {
        manifest: ours.clone(),
        blobs: Vec::new(),
        place: Placement::Tag(tag.to_owned()),
    };
    destination.change_tag(tag, &mut |existing, _| {
        let Some(existing) = existing else { return Ok(Some(as_it_is())) };
        let theirs = existing.manifest()?;
        let has = |layer: &Descriptor| theirs.value().layers.contains(layer);
        if ours.value().layers.iter().all(has) {
            return Ok(None);
        }
        let union = union_manifest(tag, ours.value(), theirs.value()).map_err(TrustError::from)?;
        Ok(Some(union))
    })
}

/// Adds what was made for one of cosign's tags to what is there.
fn add_to_tag(
    tag: &str,
    artifact: &Artifact,
    destination: &dyn Destination,
    is_later: bool,
) -> Result<(), Error> {
    destination.change_tag(tag, &mut |existing, is_again| {
        let Some(existing) = existing else { return Ok(Some(artifact.clone())) };
        let existing = existing.manifest()?;
        let merged = merged_manifest(tag, artifact, existing.value(), is_again || is_later);
        Ok(merged.map_err(TrustError::from)?)
    })
}

/// Brings what was made here for a manifest to name.
pub(super) fn bring_blobs_of_artifact(
    artifact: &Artifact,
    destination: &dyn Destination,
) -> Result<(), Error> {
    for (blob, bytes) in &artifact.blobs {
        destination.put_blob(blob, &|| Ok(Box::new(io::Cursor::new(bytes))))?;
    }
    Ok(())
}

/// Returns an artifact's manifest, to be brought.
pub(super) fn manifest_of(artifact: &Artifact) -> Stored {
    let media_type = hardpan_image::media_type::MANIFEST;
    Stored::new(media_type, artifact.manifest.bytes().to_vec())
}

/// Brings artifacts that were made here, by the images that they are attached to: first all that they name, then for
/// each image what refers to it and its tags.
pub(crate) fn bring_artifacts(
    session: &Session<'_>,
    artifacts: &[(Descriptor, Vec<Artifact>)],
    destination: &dyn Destination,
) -> Result<(), Error> {
    until_whole(|| bring_artifacts_once(session, artifacts, destination))
}

fn bring_artifacts_once(
    session: &Session<'_>,
    artifacts: &[(Descriptor, Vec<Artifact>)],
    destination: &dyn Destination,
) -> Result<(), Error> {
    let all = artifacts.iter().flat_map(|(_, artifacts)| artifacts);
    let blobs: BTreeMap<Digest, &(Descriptor, Vec<u8>)> =
        all.flat_map(|artifact| &artifact.blobs).map(|blob| (blob.0.digest, blob)).collect();
    let blobs: Vec<&(Descriptor, Vec<u8>)> = blobs.into_values().collect();
    crate::parallel::map(transfers(session), &blobs, |(blob, bytes)| {
        destination.put_blob(blob, &|| Ok(Box::new(io::Cursor::new(bytes))))
    })?;
    crate::parallel::map(transfers(session), artifacts, |(subject, artifacts)| {
        attach_artifacts(session, subject, artifacts, destination)
    })?;
    // Somebody else who was very slow may have undone something since.
    crate::parallel::map(transfers(session), artifacts, |(subject, artifacts)| {
        for (of, documents) in referrers_of(subject, artifacts) {
            destination.keep_referrers(&of, &documents)?;
        }
        artifacts
            .iter()
            .filter_map(tag_of)
            .try_for_each(|(tag, artifact)| add_to_tag(tag, artifact, destination, true))
    })?;
    Ok(())
}

/// Returns what refers to an image, or to something that refers to it, by what it refers to.
fn referrers_of(subject: &Descriptor, artifacts: &[Artifact]) -> Vec<(Descriptor, Vec<Stored>)> {
    let mut groups: Vec<(Descriptor, Vec<Stored>)> = Vec::new();
    for artifact in artifacts.iter().filter(|one| one.place == Placement::Referrer) {
        let document = manifest_of(artifact);
        let of = artifact.manifest.value().subject.clone().unwrap_or(subject.clone());
        match groups.iter_mut().find(|(known, _)| known.digest == of.digest) {
            Some((_, documents)) => documents.push(document),
            None => groups.push((of, vec![document])),
        }
    }
    groups
}

fn tag_of(artifact: &Artifact) -> Option<(&str, &Artifact)> {
    match &artifact.place {
        Placement::Tag(tag) => Some((tag, artifact)),
        _ => None,
    }
}

/// Attaches artifacts to an image. What they name is there.
fn attach_artifacts(
    session: &Session<'_>,
    subject: &Descriptor,
    artifacts: &[Artifact],
    destination: &dyn Destination,
) -> Result<(), Error> {
    // Each waits until nobody else's change can undo its own, so they wait together. What is part of the index was made
    // before.
    let mut changes = vec![Change::Referrers(referrers_of(subject, artifacts))];
    let tags = artifacts.iter().filter_map(tag_of);
    changes.extend(tags.map(|(tag, artifact)| Change::Tag(tag, artifact)));
    crate::parallel::map(transfers(session), &changes, |change| match change {
        // What refers to a referrer comes after it.
        Change::Referrers(groups) => {
            (groups.iter()).try_for_each(|(of, documents)| destination.put_referrers(of, documents))
        }
        Change::Tag(tag, artifact) => add_to_tag(tag, artifact, destination, false),
    })?;
    Ok(())
}

/// A change to what is attached to an image.
enum Change<'a> {
    /// Manifests by what they refer to.
    Referrers(Vec<(Descriptor, Vec<Stored>)>),
    /// One of cosign's tags.
    Tag(&'a str, &'a Artifact),
}

/// How much is sent or fetched at once: what is waited for is the other side, not this machine's processors.
pub(crate) fn transfers(session: &Session<'_>) -> NonZeroUsize {
    session.threads.max(TRANSFERS_MIN)
}

impl Session<'_> {
    /// Copies an image with everything that is attached to it: from registry to registry, into a layout, into an archive to
    /// carry across an air gap, and back.
    pub fn copy(&self, from: &Location, to: &Location) -> Result<Copied, Error> {
        copy(self, from, to)
    }
}

fn copy(session: &Session<'_>, from: &Location, to: &Location) -> Result<Copied, Error> {
    let opened = session.open_shelf(from)?;
    let shelf = opened.shelf();
    let set = ImageSet::read(shelf)?;
    let name = opened.image_name();
    let bring = |destination: &dyn Destination| -> Result<Copied, Error> {
        let (blobs, size_bytes) = bring_image(session, shelf, &set, destination)?;
        let (attached, left_out) = bring_attached(session, shelf, &set, destination)?;
        let (digest, platforms) = (set.root.descriptor.digest, set.platforms.len());
        let names = vec![to.to_string()];
        Ok(Copied { digest, platforms, blobs, size_bytes, attached, left_out, names })
    };
    match to {
        Location::Registry(target) => {
            let mut destination = RegistryShelf::new(session, target)?;
            if let Location::Registry(from) = from {
                destination = destination.mounting(from);
            }
            let copied = bring(&destination)?;
            if let Some(digest) = target.digest() {
                if digest != copied.digest {
                    let (expected, actual) = (digest, copied.digest);
                    return Err(ShelfError::Altered { expected, actual }.into());
                }
            } else {
                destination.put_tag(target.tag().unwrap_or("latest"), &set.root)?;
            }
            Ok(copied)
        }
        Location::Layout(path) => {
            let destination = LayoutDestination::create(path)?;
            destination.name_image(&set.root, name.as_ref());
            let copied = bring(&destination)?;
            destination.finish()?;
            Ok(copied)
        }
        Location::Archive(path) => {
            let directory = session.store.temporary_directory()?;
            let destination = LayoutDestination::create(&directory.path().join("layout"))?;
            destination.name_image(&set.root, name.as_ref());
            let copied = bring(&destination)?;
            let layout = destination.finish()?;
            write_archive(&layout, path)?;
            Ok(copied)
        }
    }
}

/// Returns the name of an image without its tag: what signatures name.
pub(crate) fn identity(name: &ImageName) -> String {
    match name.registry() {
        Some(registry) => format!("{registry}/{}", name.repository()),
        None => name.repository().to_owned(),
    }
}

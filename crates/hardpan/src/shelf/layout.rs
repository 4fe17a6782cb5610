// SPDX-License-Identifier: Apache-2.0
//! Images in OCI layouts on disk.
//!
//! What is attached to an image stands beside it in `index.json`: manifests that refer to it with their artifact type
//! and annotations, as oras does, and cosign's tags under their names, as `cosign save` does.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use hardpan_attest::signature::{attestation_tag, is_attestation_entry, signature_tag};
use hardpan_attest::verify;
use hardpan_image::{Descriptor, ImageName, Layout, LayoutWriter, media_type};
use hardpan_tree::Digest;

use super::transfer::{bring_blobs_of_artifact, manifest_of};
use super::{
    Attached, BlobOpener, Destination, Shelf, ShelfError, Stored, TagMaker, checked, plain,
};
use crate::error::Error;

/// The annotation by which cosign tells what entries of a layout are.
const ANNOTATION_KIND: &str = "kind";
/// How cosign's words for images begin there.
const COSIGN_IMAGE: &str = "dev.cosignproject.cosign/image";
/// How the tags of what is attached begin: a digest, with a hyphen.
const DIGEST_TAG: &str = "sha256-";

/// A layout that is read.
pub(crate) struct LayoutShelf {
    layout: Layout,
    entries: Vec<Entry>,
}

/// An entry of `index.json`.
struct Entry {
    descriptor: Descriptor,
    document: Stored,
    /// The digest of what it refers to.
    subject: Option<Digest>,
}

impl LayoutShelf {
    /// Opens a layout and reads the documents that it names.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let layout = Layout::open(path)?;
        let mut entries = Vec::new();
        for descriptor in &layout.index().value().manifests {
            let document = document(&layout, descriptor)?;
            let subject = if document.is_index() {
                document.index()?.value().subject.as_ref().map(|subject| subject.digest)
            } else {
                document.manifest()?.value().subject.as_ref().map(|subject| subject.digest)
            };
            entries.push(Entry { descriptor: descriptor.clone(), document, subject });
        }
        Ok(Self { layout, entries })
    }

    /// Returns the image of that name or digest.
    pub(crate) fn chosen(&self, wanted: &str) -> Result<Stored, Error> {
        let is_wanted = |entry: &&Entry| {
            entry.tag() == Some(wanted)
                || entry.descriptor.digest.to_string() == wanted
                || entry
                    .descriptor
                    .annotations
                    .get(media_type::ANNOTATION_CONTAINERD_NAME)
                    .is_some_and(|name| name == wanted)
        };
        let mut images = self.entries.iter().filter(|entry| entry.is_image());
        let found = images.find(is_wanted).ok_or_else(|| ShelfError::NoSuchImage {
            path: self.layout.directory().to_owned(),
            wanted: wanted.to_owned(),
            images: self.names(),
        })?;
        Ok(found.document.clone())
    }

    /// Returns the names that the image has.
    pub(crate) fn names(&self) -> Vec<String> {
        let images = self.entries.iter().filter(|entry| entry.is_image());
        images.filter_map(|entry| entry.tag().map(str::to_owned)).collect()
    }
}

impl Entry {
    fn tag(&self) -> Option<&str> {
        let name = self.descriptor.annotations.get(media_type::ANNOTATION_REF_NAME)?;
        Some(name)
    }

    /// Whether it is attached to nothing.
    fn is_image(&self) -> bool {
        self.subject.is_none()
            && !is_attestation_entry(&self.descriptor)
            && self.descriptor.artifact_type.is_none()
            && !self.tag().is_some_and(|tag| tag.starts_with(DIGEST_TAG))
    }

    fn attached(&self, tag: Option<&str>) -> Attached {
        Attached {
            source: verify::Source::Layout,
            listed: tag.is_none().then(|| self.descriptor.clone()),
            tag: tag.map(str::to_owned),
            document: Some(self.document.clone()),
        }
    }
}

fn document(layout: &Layout, descriptor: &Descriptor) -> Result<Stored, Error> {
    if descriptor.size_bytes > hardpan_image::DOCUMENT_SIZE_BYTES_MAX as u64 {
        let (digest, size_bytes) = (descriptor.digest, descriptor.size_bytes);
        return Err(ShelfError::BlobTooLarge { digest, size_bytes }.into());
    }
    let mut bytes = Vec::new();
    let path = layout.blob_path(&descriptor.digest);
    let file = layout.open_blob(descriptor)?;
    file.take(descriptor.size_bytes + 1).read_to_end(&mut bytes).map_err(|source| Error::Io {
        action: "read",
        path,
        source,
    })?;
    checked(descriptor, bytes)
}

impl Shelf for LayoutShelf {
    fn root(&self) -> Result<Stored, Error> {
        let path = self.layout.directory();
        let mut images: BTreeMap<Digest, (&Entry, Vec<&str>)> = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry.is_image()) {
            let digest = entry.descriptor.digest;
            images.entry(digest).or_insert((entry, Vec::new())).1.extend(entry.tag());
        }
        if images.len() > 1 {
            let name = |(digest, (_, tags)): (&Digest, &(&Entry, Vec<&str>))| match tags.first() {
                Some(tag) => (*tag).to_owned(),
                None => digest.to_string(),
            };
            let images = images.iter().map(name).collect();
            return Err(ShelfError::Ambiguous { path: path.to_owned(), images }.into());
        }
        match images.into_values().next() {
            Some((entry, _)) => Ok(entry.document.clone()),
            None => Err(ShelfError::Empty { path: path.to_owned() }.into()),
        }
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Stored, Error> {
        document(&self.layout, descriptor)
    }

    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + '_>, Error> {
        Ok(Box::new(self.layout.open_blob(blob)?))
    }

    fn referrers(&self, subject: &Descriptor) -> Result<Vec<Attached>, Error> {
        let own = self.entries.iter().filter(|entry| entry.subject == Some(subject.digest));
        Ok(own.map(|entry| entry.attached(None)).collect())
    }

    fn tagged(&self, tag: &str) -> Result<Option<Attached>, Error> {
        let mut found = self.entries.iter().filter(|entry| entry.tag() == Some(tag));
        Ok(found.next().map(|entry| entry.attached(Some(tag))))
    }

    fn name(&self) -> String {
        self.layout.directory().display().to_string()
    }
}

/// Returns cosign's word for an image.
fn kind_of_image(document: &Stored) -> String {
    let end = if document.is_index() { "Index" } else { "" };
    format!("{COSIGN_IMAGE}{end}")
}

/// A layout that is written. It is complete after [`LayoutDestination::finish`], and else as it was.
pub(crate) struct LayoutDestination {
    writer: LayoutWriter,
    entries: Mutex<Vec<Descriptor>>,
}

impl LayoutDestination {
    /// Begins a layout with nothing in it.
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        Ok(Self { writer: LayoutWriter::create(path)?, entries: Mutex::default() })
    }

    /// Opens a layout of ours to attach something to its image. What was attached before is left out; what is
    /// to stay has to be brought again.
    pub(crate) fn open(path: &Path, shelf: &LayoutShelf) -> Result<Self, Error> {
        Self::open_for(path, shelf, None)
    }

    /// Opens a layout of ours to put another index in the place of its image, which keeps its names.
    pub(crate) fn open_for(
        path: &Path,
        shelf: &LayoutShelf,
        index: Option<&Stored>,
    ) -> Result<Self, Error> {
        let destination = Self::create(path)?;
        let images = shelf.entries.iter().filter(|entry| entry.is_image());
        destination.add(images.map(|entry| {
            let document = index.unwrap_or(&entry.document);
            let mut descriptor = plain(&document.descriptor);
            descriptor.annotations.clone_from(&entry.descriptor.annotations);
            descriptor.annotations.insert(ANNOTATION_KIND.to_owned(), kind_of_image(document));
            descriptor
        }));
        Ok(destination)
    }

    /// Writes `index.json`.
    pub(crate) fn finish(self) -> Result<Layout, Error> {
        let mut entries = self.entries.into_inner().unwrap_or_else(PoisonError::into_inner);
        // Several threads attach: the image stays first, and the rest has one order.
        entries.sort_by_cached_key(|entry| {
            let kind = entry.annotations.get(ANNOTATION_KIND);
            let is_image = kind.is_some_and(|kind| kind.starts_with(COSIGN_IMAGE));
            let rest = (entry.digest, entry.annotations.clone());
            (!is_image, (!is_image).then_some(rest))
        });
        Ok(self.writer.commit_entries(entries)?)
    }

    /// Names the image as runtimes do.
    pub(crate) fn name_image(&self, document: &Stored, name: Option<&ImageName>) {
        let mut descriptor = plain(&document.descriptor);
        descriptor.annotations.insert(ANNOTATION_KIND.to_owned(), kind_of_image(document));
        if let Some(name) = name {
            for (reader, name) in [
                (media_type::ANNOTATION_REF_NAME, name.tagged()),
                (media_type::ANNOTATION_CONTAINERD_NAME, name.containerd()),
            ] {
                descriptor.annotations.insert(reader.to_owned(), name);
            }
        }
        self.add([descriptor]);
    }

    /// Returns whether a tag is that of what is attached to the image itself, not to one of its platforms.
    fn is_of_image(&self, tag: &str) -> bool {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let mut images = entries.iter().filter(|entry| {
            entry
                .annotations
                .get(ANNOTATION_KIND)
                .is_some_and(|kind| kind.starts_with(COSIGN_IMAGE))
        });
        images.any(|image| {
            [signature_tag(&image.digest), attestation_tag(&image.digest)]
                .iter()
                .any(|it| it == tag)
        })
    }

    fn add(&self, descriptors: impl IntoIterator<Item = Descriptor>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        for descriptor in descriptors {
            if !entries.contains(&descriptor) {
                entries.push(descriptor);
            }
        }
    }
}

impl Destination for LayoutDestination {
    fn put_blob(&self, blob: &Descriptor, open: &BlobOpener<'_>) -> Result<(), Error> {
        if self.writer.has_blob(&blob.digest, blob.size_bytes)? {
            return Ok(());
        }
        let mut writer = self.writer.blob_writer()?;
        let mut copy = || io::copy(&mut open()?.take(blob.size_bytes + 1), &mut writer);
        copy().map_err(|source| ShelfError::Read { digest: blob.digest, source })?;
        Ok(writer.finish_as(&blob.digest, blob.size_bytes)?)
    }

    fn put_document(&self, document: &Stored) -> Result<(), Error> {
        self.writer.write_blob(&document.bytes)?;
        Ok(())
    }

    fn put_referrers(&self, _: &Descriptor, referrers: &[Stored]) -> Result<(), Error> {
        for referrer in referrers {
            self.put_document(referrer)?;
            let mut descriptor = plain(&referrer.descriptor);
            let manifest = referrer.manifest()?;
            let manifest = manifest.value();
            let kind = manifest.artifact_type.clone();
            descriptor.artifact_type = Some(kind.unwrap_or(manifest.config.media_type.clone()));
            descriptor.annotations.clone_from(&manifest.annotations);
            self.add([descriptor]);
        }
        Ok(())
    }

    fn put_tag(&self, tag: &str, document: &Stored) -> Result<(), Error> {
        self.put_document(document)?;
        let mut descriptor = plain(&document.descriptor);
        descriptor.annotations.insert(media_type::ANNOTATION_REF_NAME.to_owned(), tag.to_owned());
        // In such a layout cosign knows one image, and takes for its signatures whatever says it is some.
        if self.is_of_image(tag) {
            let kind = match tag.rsplit_once('.') {
                Some((_, "sig")) => "dev.cosignproject.cosign/sigs",
                _ => "dev.cosignproject.cosign/atts",
            };
            descriptor.annotations.insert(ANNOTATION_KIND.to_owned(), kind.to_owned());
        }
        // A tag names one thing: what it named before is in what it names now, or is meant to go.
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let has_tag = |entry: &Descriptor| {
            entry.annotations.get(media_type::ANNOTATION_REF_NAME).is_some_and(|it| it == tag)
        };
        match entries.iter().position(has_tag) {
            Some(at) => entries[at] = descriptor,
            None => entries.push(descriptor),
        }
        Ok(())
    }

    fn change_tag(&self, tag: &str, make: &mut TagMaker<'_>) -> Result<(), Error> {
        let Some(artifact) = make(self.tagged(tag)?.as_ref(), false)? else { return Ok(()) };
        bring_blobs_of_artifact(&artifact, self)?;
        self.remove_tag(tag);
        self.put_tag(tag, &manifest_of(&artifact))
    }
}

impl LayoutDestination {
    /// Returns what a tag names now.
    fn tagged(&self, tag: &str) -> Result<Option<Stored>, Error> {
        let wanted = {
            let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            let has_tag = |entry: &&Descriptor| {
                entry.annotations.get(media_type::ANNOTATION_REF_NAME).is_some_and(|it| it == tag)
            };
            entries.iter().find(has_tag).cloned()
        };
        let Some(descriptor) = wanted else { return Ok(None) };
        let path = self.writer.directory().join("blobs/sha256").join(descriptor.digest.to_hex());
        let wrap = |source| Error::Io { action: "read", path: path.clone(), source };
        let mut bytes = Vec::new();
        let file = File::open(&path).map_err(wrap)?;
        file.take(descriptor.size_bytes + 1).read_to_end(&mut bytes).map_err(wrap)?;
        checked(&descriptor, bytes).map(Some)
    }

    fn remove_tag(&self, tag: &str) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let name = media_type::ANNOTATION_REF_NAME;
        entries.retain(|entry| entry.annotations.get(name).is_none_or(|own| own != tag));
    }
}

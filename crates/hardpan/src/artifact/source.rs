// SPDX-License-Identifier: Apache-2.0
//! Where images come from: the store, local layouts, registries, in this order.

use std::fs::File;
use std::io::{self, BufReader, Read as _};
use std::path::Path;

use hardpan_image::{
    DOCUMENT_SIZE_BYTES_MAX, Descriptor, Document, DocumentError, ImageConfig, ImageName, Index,
    Layout, LayoutError, Manifest, Raw, document_kind, media_type,
};
use hardpan_remote::registry::{Registries, RegistryError, Watch};
use hardpan_remote::{Cancel, FileSink, MemorySink};
use hardpan_tree::{Digest, HashingWriter};
use serde::de::DeserializeOwned;

use super::error::ArtifactProblem;
use super::layer::{self, LayerError, LayerRecord};
use super::{Documents, LockedArtifact};
use crate::error::Error;
use crate::observer::Event;
use crate::session::Session;
use crate::store::StoreError;

/// The largest layer, compressed, in bytes.
const LAYER_BYTES_MAX: u64 = 16 << 30;

/// All places where images may be.
pub(super) struct Sources<'s> {
    session: Session<'s>,
    layouts: Vec<Layout>,
    registries: Option<Registries>,
    cancel: Cancel,
}

/// An image's manifest, or an index of several.
pub(super) enum Root {
    Index(Raw<Index>),
    Manifest(Raw<Manifest>),
}

impl<'s> Sources<'s> {
    pub(super) fn new(session: &Session<'s>) -> Result<Self, Error> {
        let mut layouts = Vec::new();
        for path in &session.stages.artifact_layouts {
            let layout = Layout::open(path).map_err(|source| of_layout(path, source))?;
            layouts.push(layout);
        }
        let registries = session.registries();
        Ok(Self { session: *session, layouts, registries, cancel: Cancel::new() })
    }

    /// Calls off all transfers.
    pub(super) fn cancel(&self) {
        self.cancel.cancel();
    }

    /// Returns the image that the workspace file puts in the place of another.
    pub(super) fn substitute(&self, image: &str) -> Option<String> {
        self.session.workspace.image_substitution(image)
    }

    /// Returns the index or manifest that a name means: by its digest, or else by its tag.
    pub(super) fn root(&self, image: &str, name: &ImageName) -> Result<Root, Error> {
        let bytes = match name.digest() {
            Some(digest) => self.document_bytes(image, name, digest)?,
            None => match self.tagged_in_layouts(name) {
                Some(digest) => self.document_bytes(image, name, digest)?,
                None => self.document_of_registry(image, name)?,
            },
        };
        let digest = Digest::of(&bytes);
        match document_kind(&bytes, None) {
            Ok(kind) if media_type::is_index(kind) => Ok(Root::Index(parse(image, digest, bytes)?)),
            Ok(_) => Ok(Root::Manifest(parse(image, digest, bytes)?)),
            Err(error) => Err(ArtifactProblem::NotAnImage {
                image: image.to_owned(),
                what: error.to_string(),
            }
            .into()),
        }
    }

    /// Returns the documents of an image that is pinned.
    pub(super) fn documents(&self, locked: &LockedArtifact) -> Result<Documents, Error> {
        let image = locked.used();
        let name = parse_name(image)?.with_digest(locked.manifest);
        match self.root(image, &name)? {
            Root::Manifest(manifest) => self.complete(image, &name, manifest),
            Root::Index(_) => {
                let what = "the lock names an index as its manifest".to_owned();
                Err(ArtifactProblem::NotAnImage { image: image.to_owned(), what }.into())
            }
        }
    }

    /// Adds the configuration to a manifest.
    pub(super) fn complete(
        &self,
        image: &str,
        name: &ImageName,
        manifest: Raw<Manifest>,
    ) -> Result<Documents, Error> {
        let descriptor = &manifest.value().config;
        if !layer::is_config(&descriptor.media_type) {
            let what = format!("its configuration is {:.100?}", descriptor.media_type);
            return Err(ArtifactProblem::NotAnImage { image: image.to_owned(), what }.into());
        }
        let bytes = self.small_blob(image, name, descriptor)?;
        let config: Raw<ImageConfig> = parse(image, descriptor.digest, bytes)?;
        let (layers, diff_ids) =
            (manifest.value().layers.len(), config.value().rootfs.diff_ids.len());
        if layers != diff_ids {
            let source = DocumentError::Invalid(format!(
                "it has {layers} layers and its configuration {diff_ids}"
            ));
            let (image, digest) = (image.to_owned(), manifest.digest());
            return Err(ArtifactProblem::Document { image, digest, source }.into());
        }
        Ok(Documents { manifest, config })
    }

    /// Tells the observer of the layers that will be downloaded.
    pub(super) fn announce<'d>(&self, layers: impl Iterator<Item = (&'d Descriptor, Digest)>) {
        let store = self.session.store;
        let missing = layers.filter(|(layer, diff_id)| {
            store.segment(&layer::segment_key(diff_id)).is_none()
                && !store.has_blob(&layer.digest, layer.size_bytes)
                && !self.layouts.iter().any(|layout| layout.open_blob(layer).is_ok())
        });
        let (mut files, mut size_bytes) = (0, 0_u64);
        for (layer, _) in missing {
            files += 1;
            size_bytes = size_bytes.saturating_add(layer.size_bytes);
        }
        if files > 0 {
            self.session.observer.event(Event::Downloads { files, size_bytes });
        }
    }

    /// Returns a layer's segment and what is in it, making it where it is not there yet.
    pub(super) fn layer(
        &self,
        image: &str,
        descriptor: &Descriptor,
        diff_id: Digest,
    ) -> Result<(Digest, LayerRecord), Error> {
        let store = self.session.store;
        let key = layer::segment_key(&diff_id);
        if let Some((segment, record)) = store.segment_with_record(&key)? {
            return Ok((segment.key(), record));
        }
        let name = parse_name(image)?;
        self.fetch_layer(image, &name, descriptor)?;
        let record = match self.read_layer(image, descriptor, diff_id) {
            Err(Error::Store(StoreError::Damaged { .. })) if self.registries.is_some() => {
                store.remove_blob(&descriptor.digest)?;
                self.fetch_layer(image, &name, descriptor)?;
                self.read_layer(image, descriptor, diff_id)?
            }
            result => result?,
        };
        Ok((key, record))
    }

    /// Turns a layer's blob into a segment.
    fn read_layer(
        &self,
        image: &str,
        descriptor: &Descriptor,
        diff_id: Digest,
    ) -> Result<LayerRecord, Error> {
        let store = self.session.store;
        let wrap = |source| match source {
            LayerError::Store(error) => Error::from(error),
            source => {
                let (image, layer) = (image.to_owned(), descriptor.digest);
                ArtifactProblem::Layer { image, layer, source: Box::new(source) }.into()
            }
        };
        let compression = layer::compression(&descriptor.media_type).map_err(wrap)?;
        let blob = store
            .open_blob(&descriptor.digest)?
            .ok_or_else(|| Error::Offline { what: format!("image {image}") })?;
        let mut blob = BufReader::with_capacity(1 << 16, blob);
        let mut writer = store.segment_writer(hardpan_image::Compression::None)?;
        let size_bytes = descriptor.size_bytes;
        let record = layer::read_layer(&mut blob, size_bytes, compression, &diff_id, &mut writer);
        // To the end, so that every byte counts for the digest: damage is the store's fault, whatever
        // the reader thought of it.
        if let Err(error) = io::copy(&mut blob, &mut io::sink()) {
            return Err(StoreError::of("read", store.root(), error).into());
        }
        let record = record.map_err(wrap)?;
        store.finish_segment(&layer::segment_key(&diff_id), writer, diff_id, &record)?;
        Ok(record)
    }

    /// Gets a layer's blob into the store.
    fn fetch_layer(
        &self,
        image: &str,
        name: &ImageName,
        descriptor: &Descriptor,
    ) -> Result<(), Error> {
        let (store, digest) = (self.session.store, descriptor.digest);
        if descriptor.size_bytes > LAYER_BYTES_MAX {
            let source = Box::new(LayerError::TooLarge { limit_bytes: LAYER_BYTES_MAX });
            let image = image.to_owned();
            return Err(ArtifactProblem::Layer { image, layer: digest, source }.into());
        }
        // Of two processes that want the same layer, the second finds it done.
        let lock = store.lock_name(&digest)?;
        if store.has_blob(&digest, descriptor.size_bytes) {
            return Ok(());
        }
        if !self.copy_of_layout(descriptor)? {
            let registries = self.registries(image)?;
            let size_bytes = descriptor.size_bytes;
            let mut sink = FileSink::new(store.partial_path(&digest));
            let progress = self.session.progress();
            let watch = Watch { observer: &progress, cancel: &self.cancel };
            registries
                .blob(name, digest, size_bytes, &mut sink, watch)
                .map_err(|source| of_registry(image, source))?;
        }
        store.adopt_partial(&digest)?;
        // Whoever waits for it, or makes a new one, looks for the blob first.
        store.unlock_name(&digest, lock);
        Ok(())
    }

    /// Copies a blob of a layout to where downloads are collected; returns whether there is one.
    fn copy_of_layout(&self, descriptor: &Descriptor) -> Result<bool, Error> {
        let store = self.session.store;
        for layout in &self.layouts {
            let wrap = |source| of_layout(layout.directory(), source);
            let blob = match layout.open_blob(descriptor) {
                Err(LayoutError::Missing(_)) => continue,
                blob => blob.map_err(wrap)?,
            };
            let path = store.partial_path(&descriptor.digest);
            let copy = || -> io::Result<Digest> {
                let mut output = HashingWriter::new(File::create(&path)?);
                io::copy(&mut blob.take(descriptor.size_bytes), &mut output)?;
                Ok(output.finish().1)
            };
            let actual = copy().map_err(|error| StoreError::io("write", &path, error))?;
            if actual != descriptor.digest {
                // Nothing wrong may be continued later.
                let _ = std::fs::remove_file(&path);
                let expected = descriptor.digest;
                return Err(wrap(LayoutError::Digest { expected, actual }));
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Returns a manifest or index by its digest.
    fn document_bytes(
        &self,
        image: &str,
        name: &ImageName,
        digest: Digest,
    ) -> Result<Vec<u8>, Error> {
        if let Some(bytes) = self.small_blob_at_hand(image, digest)? {
            return Ok(bytes);
        }
        self.document_of_registry(image, &name.with_digest(digest))
    }

    fn document_of_registry(&self, image: &str, name: &ImageName) -> Result<Vec<u8>, Error> {
        let registries = self.registries(image)?;
        let progress = self.session.progress();
        let watch = Watch { observer: &progress, cancel: &self.cancel };
        let document =
            registries.document(name, watch).map_err(|source| of_registry(image, source))?;
        self.session.store.put_blob(&document.bytes)?;
        Ok(document.bytes)
    }

    /// Returns a configuration.
    fn small_blob(
        &self,
        image: &str,
        name: &ImageName,
        descriptor: &Descriptor,
    ) -> Result<Vec<u8>, Error> {
        if descriptor.size_bytes > DOCUMENT_SIZE_BYTES_MAX as u64 {
            let (image, digest) = (image.to_owned(), descriptor.digest);
            let source = DocumentError::TooLarge;
            return Err(ArtifactProblem::Document { image, digest, source }.into());
        }
        if let Some(bytes) = self.small_blob_at_hand(image, descriptor.digest)? {
            return Ok(bytes);
        }
        let registries = self.registries(image)?;
        let mut sink = MemorySink::default();
        let progress = self.session.progress();
        let watch = Watch { observer: &progress, cancel: &self.cancel };
        registries
            .blob(name, descriptor.digest, descriptor.size_bytes, &mut sink, watch)
            .map_err(|source| of_registry(image, source))?;
        let bytes = sink.into_bytes();
        self.session.store.put_blob(&bytes)?;
        Ok(bytes)
    }

    /// Returns a document of the store or of a layout.
    fn small_blob_at_hand(&self, image: &str, digest: Digest) -> Result<Option<Vec<u8>>, Error> {
        let store = self.session.store;
        match store.read_blob(&digest) {
            Ok(Some(bytes)) => return Ok(Some(bytes)),
            // Whoever can fetch it again need not complain.
            Err(StoreError::Damaged { .. }) if self.registries.is_some() => {
                store.remove_blob(&digest)?;
            }
            Ok(None) => {}
            Err(error) => return Err(error.into()),
        }
        for layout in &self.layouts {
            let path = layout.blob_path(&digest);
            // Nothing but a plain file is opened: a pipe would wait for a writer.
            let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
            if !metadata.is_file() || metadata.len() > DOCUMENT_SIZE_BYTES_MAX as u64 {
                continue;
            }
            let bytes = std::fs::read(&path).map_err(|source| Error::Io {
                action: "read",
                path: path.clone(),
                source,
            })?;
            let actual = Digest::of(&bytes);
            if actual != digest {
                let (image, expected) = (image.to_owned(), digest);
                return Err(ArtifactProblem::Digest { image, expected, actual }.into());
            }
            store.put_blob(&bytes)?;
            return Ok(Some(bytes));
        }
        Ok(None)
    }

    /// Returns what a layout has under a name.
    fn tagged_in_layouts(&self, name: &ImageName) -> Option<Digest> {
        let names = [name.tagged(), name.containerd()];
        let annotations = [media_type::ANNOTATION_REF_NAME, media_type::ANNOTATION_CONTAINERD_NAME];
        let entries = self.layouts.iter().flat_map(|layout| &layout.index().value().manifests);
        let mut found = entries.filter(|entry| {
            let mut written = annotations.iter().filter_map(|key| entry.annotations.get(*key));
            written.any(|written| names.contains(written))
        });
        found.next().map(|entry| entry.digest)
    }

    fn registries(&self, image: &str) -> Result<&Registries, Error> {
        self.registries.as_ref().ok_or_else(|| Error::Offline { what: format!("image {image}") })
    }
}

/// Parses the name of an image.
pub(super) fn parse_name(name: &str) -> Result<ImageName, Error> {
    name.parse().map_err(|source| ArtifactProblem::Name { name: name.to_owned(), source }.into())
}

fn of_layout(path: &Path, source: LayoutError) -> Error {
    ArtifactProblem::Layout { path: path.to_path_buf(), source: Box::new(source) }.into()
}

fn of_registry(image: &str, source: RegistryError) -> Error {
    ArtifactProblem::Registry { image: image.to_owned(), source: Box::new(source) }.into()
}

fn parse<T: DeserializeOwned + Document>(
    image: &str,
    digest: Digest,
    bytes: Vec<u8>,
) -> Result<Raw<T>, Error> {
    let wrap = |source| ArtifactProblem::Document { image: image.to_owned(), digest, source };
    let document: Raw<T> = Raw::parse(bytes).map_err(wrap)?;
    document.value().check().map_err(wrap)?;
    Ok(document)
}

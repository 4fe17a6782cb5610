// SPDX-License-Identifier: Apache-2.0
//! Images in registries.

use std::io::Read;

use hardpan_attest::verify;
use hardpan_image::{Descriptor, ImageName};
use hardpan_remote::registry::{
    Mirror, Reference, Referrer, Registries, RegistryError, RegistryOptions, TagChange, Watch,
};
use hardpan_remote::{Cancel, FileSink};
use hardpan_tree::Digest;

use super::transfer::{bring_blobs_of_artifact, manifest_of};
use super::{
    Attached, BlobOpener, Destination, Shelf, ShelfError, Stored, TagMaker, Unread, checked, unread,
};
use crate::error::Error;
use crate::session::Session;

/// A repository of a registry, to be read and written.
pub(crate) struct RegistryShelf<'s> {
    session: Session<'s>,
    name: ImageName,
    registries: Registries,
    cancel: Cancel,
    /// Where blobs may be already, in the same registry.
    mount_from: Option<ImageName>,
}

impl Session<'_> {
    /// Returns what talks to registries, unless the network is off.
    pub(crate) fn registries(&self) -> Option<Registries> {
        let section = &self.workspace.registries;
        let mirrors = section.mirror.iter();
        let options = RegistryOptions {
            plain_http: section.plain_http.clone(),
            mirrors: mirrors
                .map(|rule| Mirror { from: rule.from.clone(), to: rule.to.clone() })
                .collect(),
        };
        self.remote
            .map(|client| Registries::new(client.clone(), options, self.stages.logins.clone()))
    }
}

impl<'s> RegistryShelf<'s> {
    pub(crate) fn new(session: &Session<'s>, name: &ImageName) -> Result<Self, Error> {
        let offline = || ShelfError::Offline { name: name.to_string() };
        let registries = session.registries().ok_or_else(offline)?;
        let (name, cancel) = (name.clone(), Cancel::new());
        Ok(Self { session: *session, name, registries, cancel, mount_from: None })
    }

    pub(crate) fn image_name(&self) -> &ImageName {
        &self.name
    }

    /// Takes blobs from another repository of the same registry where it has them.
    pub(crate) fn mounting(mut self, from: &ImageName) -> Self {
        let is_same = from.registry() == self.name.registry();
        self.mount_from = is_same.then(|| from.clone());
        self
    }

    fn with<T>(
        &self,
        name: &ImageName,
        call: impl FnOnce(&Registries, Watch<'_>) -> Result<T, RegistryError>,
    ) -> Result<T, Error> {
        let progress = self.session.progress();
        let watch = Watch { observer: &progress, cancel: &self.cancel };
        call(&self.registries, watch).map_err(|source| {
            ShelfError::Registry { name: name.to_string(), source: Box::new(source) }.into()
        })
    }

    fn fetch(&self, name: &ImageName) -> Result<Stored, Error> {
        let document = self.with(name, |registries, watch| registries.document(name, watch))?;
        Ok(Stored::new(document.media_type, document.bytes))
    }

    /// Returns what a tag names, or nothing if there is no such tag.
    fn fetch_tag(&self, tag: &str) -> Result<Option<Stored>, Error> {
        let wrap = |source| Error::ImageName { name: tag.to_owned(), source };
        let name = self.name.with_tag(tag).map_err(wrap)?;
        match self.fetch(&name) {
            Err(Error::Shelf(error)) => match *error {
                ShelfError::Registry { source, .. } if source.is_not_found() => Ok(None),
                other => Err(other.into()),
            },
            result => result.map(Some),
        }
    }

    /// Gets a blob into the store.
    fn blob(&self, blob: &Descriptor) -> Result<(), Error> {
        let store = self.session.store;
        if store.has_blob(&blob.digest, blob.size_bytes) {
            return Ok(());
        }
        let lock = store.lock_name(&blob.digest)?;
        if !store.has_blob(&blob.digest, blob.size_bytes) {
            let mut sink = FileSink::new(store.partial_path(&blob.digest));
            self.with(&self.name, |registries, watch| {
                registries.blob(&self.name, blob.digest, blob.size_bytes, &mut sink, watch)
            })?;
            store.adopt_partial(&blob.digest)?;
        }
        store.unlock_name(&blob.digest, lock);
        Ok(())
    }
}

impl Shelf for RegistryShelf<'_> {
    fn root(&self) -> Result<Stored, Error> {
        self.fetch(&self.name)
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Stored, Error> {
        let stored = self.fetch(&self.name.with_digest(descriptor.digest))?;
        checked(descriptor, stored.bytes)
    }

    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + '_>, Error> {
        self.blob(blob)?;
        let file = self.session.store.open_blob(&blob.digest)?;
        Ok(Box::new(
            file.ok_or(ShelfError::Lost { name: self.name(), what: blob.digest.to_string() })?,
        ))
    }

    fn referrers(&self, subject: &Descriptor) -> Result<Vec<Attached>, Error> {
        let referrers = self.with(&self.name, |registries, watch| {
            registries.referrers(&self.name, subject.digest, None, watch)
        })?;
        let source =
            if referrers.api { verify::Source::ReferrersApi } else { verify::Source::FallbackTag };
        crate::parallel::map(super::transfers(&self.session), &referrers.manifests, |listed| {
            let document = match self.document(listed) {
                Ok(document) => Some(document),
                Err(error) if unread(&error) == Some(Unread::NotThere) => None,
                Err(error) => return Err(error),
            };
            Ok(Attached { source, listed: Some(listed.clone()), tag: None, document })
        })
    }

    fn tagged(&self, tag: &str) -> Result<Option<Attached>, Error> {
        let document = self.fetch_tag(tag)?;
        Ok(document.map(|document| Attached {
            source: verify::Source::LegacyTag,
            listed: None,
            tag: Some(tag.to_owned()),
            document: Some(document),
        }))
    }

    fn name(&self) -> String {
        self.name.to_string()
    }
}

impl Destination for RegistryShelf<'_> {
    fn put_blob(&self, blob: &Descriptor, open: &BlobOpener<'_>) -> Result<(), Error> {
        self.with(&self.name, |registries, watch| {
            let from = self.mount_from.as_ref();
            registries.push_blob(&self.name, blob, open, from, watch)
        })?;
        Ok(())
    }

    fn put_document(&self, document: &Stored) -> Result<(), Error> {
        self.put(Reference::Digest(document.descriptor.digest), document)
    }

    fn put_referrers(&self, subject: &Descriptor, referrers: &[Stored]) -> Result<(), Error> {
        let referrers: Vec<Referrer<'_>> = (referrers.iter())
            .map(|referrer| Referrer {
                media_type: &referrer.descriptor.media_type,
                bytes: &referrer.bytes,
            })
            .collect();
        let seed = seed(&self.session, &subject.digest);
        self.with(&self.name, |registries, watch| {
            registries.push_referrers(&self.name, &referrers, seed, watch)
        })?;
        Ok(())
    }

    fn keep_referrers(&self, subject: &Descriptor, referrers: &[Stored]) -> Result<(), Error> {
        let found = self.with(&self.name, |registries, watch| {
            registries.referrers(&self.name, subject.digest, None, watch)
        })?;
        let is_lost = |one: &&Stored| {
            !found.manifests.iter().any(|listed| listed.digest == one.descriptor.digest)
        };
        let lost: Vec<Stored> = referrers.iter().filter(is_lost).cloned().collect();
        if lost.is_empty() { Ok(()) } else { self.put_referrers(subject, &lost) }
    }

    fn put_tag(&self, tag: &str, document: &Stored) -> Result<(), Error> {
        self.put(Reference::Tag(tag), document)
    }

    fn change_tag(&self, tag: &str, make: &mut TagMaker<'_>) -> Result<(), Error> {
        let progress = self.session.progress();
        let watch = Watch { observer: &progress, cancel: &self.cancel };
        let seed = seed(&self.session, &Digest::of(tag.as_bytes()));
        // What a manifest names is brought before the tag is read for the last time.
        let (mut ready, mut is_written) = (None, false);
        let changed = self.registries.change_tag(&self.name, tag, seed, watch, &mut |document| {
            let existing = document.map(|found| Stored::new(found.media_type, found.bytes.clone()));
            let Some(artifact) = make(existing.as_ref(), is_written).map_err(Unchanged::Other)?
            else {
                return Ok(TagChange::Nothing);
            };
            let Stored { descriptor, bytes } = manifest_of(&artifact);
            if ready.replace(descriptor.digest) != Some(descriptor.digest) {
                bring_blobs_of_artifact(&artifact, self).map_err(Unchanged::Other)?;
                return Ok(TagChange::ReadAgain);
            }
            is_written = true;
            Ok(TagChange::Write { media_type: descriptor.media_type, bytes })
        });
        changed.map_err(|unchanged| match unchanged {
            Unchanged::Registry(source) => {
                ShelfError::Registry { name: self.name.to_string(), source: Box::new(source) }
                    .into()
            }
            Unchanged::Other(error) => error,
        })
    }
}

/// Why a tag was not changed.
enum Unchanged {
    Registry(RegistryError),
    Other(Error),
}

impl From<RegistryError> for Unchanged {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl RegistryShelf<'_> {
    fn put(&self, reference: Reference<'_>, document: &Stored) -> Result<(), Error> {
        self.with(&self.name, |registries, watch| {
            let media_type = &document.descriptor.media_type;
            registries.push_document(&self.name, reference, media_type, &document.bytes, watch)
        })?;
        Ok(())
    }
}

/// Tells writers in different processes apart. Nothing that is written depends on it.
fn seed(session: &Session<'_>, subject: &Digest) -> u64 {
    let since = session.now.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&subject.as_bytes()[..8]);
    u64::from_le_bytes(bytes) ^ u64::from(since.subsec_nanos()).rotate_left(32) ^ since.as_secs()
}

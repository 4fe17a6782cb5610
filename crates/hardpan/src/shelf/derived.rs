// SPDX-License-Identifier: Apache-2.0
//! An image with another index than the one that lies there.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use hardpan_attest::signature::{Artifact, index_with};
use hardpan_image::{Descriptor, media_type};
use hardpan_tree::Digest;

use super::{Attached, ImageSet, Shelf, Stored};
use crate::error::Error;
use crate::trust::TrustError;

/// A place in which an image's index has statements about its platforms that it did not have.
pub(crate) struct DerivedShelf<'s> {
    inner: &'s dyn Shelf,
    root: Stored,
    documents: BTreeMap<Digest, Stored>,
    blobs: BTreeMap<Digest, Vec<u8>>,
}

impl<'s> DerivedShelf<'s> {
    /// Puts manifests with statements into the index of an image.
    pub(crate) fn new(
        inner: &'s dyn Shelf,
        set: &ImageSet,
        artifacts: &[Artifact],
    ) -> Result<Self, Error> {
        let index = index_with(&set.root.index()?, artifacts).map_err(TrustError::from)?;
        let root = Stored::new(&set.root.descriptor.media_type, index.bytes().to_vec());
        let documents = artifacts.iter().map(|artifact| {
            let bytes = artifact.manifest.bytes().to_vec();
            (artifact.manifest.digest(), Stored::new(media_type::MANIFEST, bytes))
        });
        let blobs = artifacts.iter().flat_map(|artifact| &artifact.blobs);
        let blobs = blobs.map(|(blob, bytes)| (blob.digest, bytes.clone())).collect();
        Ok(Self { inner, root, documents: documents.collect(), blobs })
    }
}

impl Shelf for DerivedShelf<'_> {
    fn root(&self) -> Result<Stored, Error> {
        Ok(self.root.clone())
    }

    fn document(&self, descriptor: &Descriptor) -> Result<Stored, Error> {
        match self.documents.get(&descriptor.digest) {
            Some(document) => Ok(document.clone()),
            None => self.inner.document(descriptor),
        }
    }

    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + '_>, Error> {
        match self.blobs.get(&blob.digest) {
            Some(bytes) => Ok(Box::new(Cursor::new(bytes))),
            None => self.inner.open(blob),
        }
    }

    fn referrers(&self, subject: &Descriptor) -> Result<Vec<Attached>, Error> {
        self.inner.referrers(subject)
    }

    fn tagged(&self, tag: &str) -> Result<Option<Attached>, Error> {
        self.inner.tagged(tag)
    }

    fn name(&self) -> String {
        self.inner.name()
    }
}

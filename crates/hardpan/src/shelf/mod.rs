// SPDX-License-Identifier: Apache-2.0
//! Finished images where they lie: in registries, layouts and archives, with all that is attached to them.
//!
//! A [`Shelf`] is read, a [`Destination`] is written. What goes from one to the other goes by its bytes, so no
//! digest changes on the way; [`transfer`] does it in the order in which nobody ever sees half an image.

mod archive;
mod derived;
mod error;
mod layout;
mod registry;
mod transfer;

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use hardpan_attest::signature::{
    Artifact, PAYLOAD_TYPE, attestation_tag, is_attestation_entry, is_attestation_of, signature_tag,
};
use hardpan_attest::verify;
use hardpan_image::{
    DOCUMENT_SIZE_BYTES_MAX, Descriptor, Document, ImageName, Index, Manifest, Raw, document_kind,
    media_type,
};
use hardpan_tree::Digest;

pub use error::ShelfError;
pub use transfer::Copied;

pub(crate) use archive::{
    DOCKER_LIST, ENTRIES_MAX as ARCHIVE_ENTRIES_MAX, SIZE_BYTES_MAX as ARCHIVE_SIZE_BYTES_MAX,
    read_archive, write_archive,
};
pub(crate) use derived::DerivedShelf;
pub(crate) use layout::{LayoutDestination, LayoutShelf};
pub(crate) use registry::RegistryShelf;
pub(crate) use transfer::{
    bring_artifacts, bring_attached, bring_attestations, bring_image, identity, transfers,
};

use crate::error::Error;
use crate::session::Session;

/// The most platforms that are looked at.
const PLATFORMS_MAX: usize = 100;
/// The most manifests with statements that an index may have: BuildKit writes one for each platform. Each is asked for what
/// refers to it.
const ATTESTATIONS_MAX: usize = 2 * PLATFORMS_MAX;
/// The largest blob that is read into memory whole, in bytes: an attestation's, which is that large at most for others, too.
pub(crate) const BLOB_IN_MEMORY_BYTES_MAX: u64 = 64 << 20;

/// The most bytes of what is attached to one image that are read into memory.
pub(crate) const ATTACHED_BYTES_MAX: u64 = 1 << 30;
/// The most manifests with plain statements whose signatures are looked for: each costs a request.
const PLAIN_STATEMENTS_MAX: usize = 100;

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In a registry.
    Registry(ImageName),
    /// In a directory, as an OCI layout.
    Layout(PathBuf),
    /// In a file: a tar archive of an OCI layout.
    Archive(PathBuf),
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Registry(name) => name.fmt(f),
            Self::Layout(path) | Self::Archive(path) => path.display().fmt(f),
        }
    }
}

/// A manifest or an index, with what names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Its media type, digest and length.
    pub(crate) descriptor: Descriptor,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
}

/// Something that is attached to an image.
#[derive(Debug, Clone)]
pub(crate) struct Attached {
    /// Where it was found.
    pub(crate) source: verify::Source,
    /// The entry of the list that named it.
    pub(crate) listed: Option<Descriptor>,
    /// Its tag, where it does not refer to the image.
    pub(crate) tag: Option<String>,
    /// Its manifest; `None` if it is not there, or is none: who can attach something can attach that, too.
    pub(crate) document: Option<Stored>,
}

/// A place that images are read from.
pub(crate) trait Shelf: Sync {
    /// Returns the index or manifest that the place or name means.
    fn root(&self) -> Result<Stored, Error>;
    /// Returns a manifest or index.
    fn document(&self, descriptor: &Descriptor) -> Result<Stored, Error>;
    /// Opens a blob. Whoever reads it checks its bytes.
    fn open(&self, blob: &Descriptor) -> Result<Box<dyn Read + '_>, Error>;
    /// Returns the manifests that refer to an image.
    fn referrers(&self, subject: &Descriptor) -> Result<Vec<Attached>, Error>;
    /// Returns what a tag of the same repository names.
    fn tagged(&self, tag: &str) -> Result<Option<Attached>, Error>;
    /// Returns what this place is called, in messages.
    fn name(&self) -> String;
}

/// Opens a blob, more than once where that is needed. Whoever reads it checks its bytes.
pub(crate) type BlobOpener<'b> = dyn Fn() -> io::Result<Box<dyn Read + 'b>> + 'b;

/// A place that images are written to.
pub(crate) trait Destination: Sync {
    /// Brings a blob.
    fn put_blob(&self, blob: &Descriptor, open: &BlobOpener<'_>) -> Result<(), Error>;
    /// Brings a manifest or index. All that it names must be there.
    fn put_document(&self, document: &Stored) -> Result<(), Error>;
    /// Brings manifests that refer to one image. What they name must be there.
    fn put_referrers(&self, subject: &Descriptor, referrers: &[Stored]) -> Result<(), Error>;
    /// Looks whether manifests that were brought are still found, and brings them again if somebody else undid that.
    fn keep_referrers(&self, _: &Descriptor, _: &[Stored]) -> Result<(), Error> {
        Ok(())
    }
    /// Gives a manifest or index, which must be there, a tag.
    fn put_tag(&self, tag: &str, document: &Stored) -> Result<(), Error>;
    /// Changes what one of cosign's tags names, with what others write at the same time.
    fn change_tag(&self, tag: &str, make: &mut TagMaker<'_>) -> Result<(), Error>;
}

/// Makes what a tag shall name of what it names now; nothing if that has all that it shall have. It is also told whether
/// something was written already: then what is there now came after it.
pub(crate) type TagMaker<'m> =
    dyn FnMut(Option<&Stored>, bool) -> Result<Option<Artifact>, Error> + 'm;

/// An image with its platforms: what a root leads to.
#[derive(Debug, Clone)]
pub(crate) struct ImageSet {
    /// What the name means.
    pub(crate) root: Stored,
    /// The manifests of the platforms: the root itself if it is one.
    pub(crate) platforms: Vec<(Descriptor, Raw<Manifest>)>,
    /// The entries of the index that are statements about its platforms, as BuildKit writes them.
    pub(crate) attestations: Vec<Descriptor>,
}

impl Stored {
    /// Names a document by its bytes.
    pub(crate) fn new(media_type: &str, bytes: Vec<u8>) -> Self {
        let descriptor = Descriptor::new(media_type, Digest::of(&bytes), bytes.len() as u64);
        Self { descriptor, bytes }
    }

    pub(crate) fn manifest(&self) -> Result<Raw<Manifest>, Error> {
        self.parse()
    }

    pub(crate) fn index(&self) -> Result<Raw<Index>, Error> {
        self.parse()
    }

    pub(crate) fn is_index(&self) -> bool {
        media_type::is_index(&self.descriptor.media_type)
    }

    fn parse<T: Document + serde::de::DeserializeOwned>(&self) -> Result<Raw<T>, Error> {
        let digest = self.descriptor.digest;
        let wrap = |source| ShelfError::Document { digest, source };
        let document: Raw<T> = Raw::parse(self.bytes.clone()).map_err(wrap)?;
        document.value().check().map_err(wrap)?;
        Ok(document)
    }
}

impl ImageSet {
    /// Reads the documents of an image.
    pub(crate) fn read(shelf: &dyn Shelf) -> Result<Self, Error> {
        Self::of(shelf, shelf.root()?)
    }

    /// Reads what a root leads to.
    pub(crate) fn of(shelf: &dyn Shelf, root: Stored) -> Result<Self, Error> {
        if !root.is_index() {
            let manifest = root.manifest()?;
            let platforms = vec![(root.descriptor.clone(), manifest)];
            return Ok(Self { root, platforms, attestations: Vec::new() });
        }
        let index = root.index()?;
        let (mut platforms, mut attestations) = (Vec::new(), Vec::new());
        for entry in &index.value().manifests {
            if is_attestation_entry(entry) {
                if attestations.len() >= ATTESTATIONS_MAX {
                    let (what, max) = ("attestations in the index", ATTESTATIONS_MAX);
                    return Err(ShelfError::TooMany { what, max }.into());
                }
                attestations.push(entry.clone());
                continue;
            }
            if platforms.len() >= PLATFORMS_MAX {
                return Err(ShelfError::TooMany { what: "platforms", max: PLATFORMS_MAX }.into());
            }
            let stored = shelf.document(entry)?;
            if stored.is_index() {
                return Err(ShelfError::NestedIndex { digest: entry.digest }.into());
            }
            platforms.push((entry.clone(), stored.manifest()?));
        }
        Ok(Self { root, platforms, attestations })
    }

    /// Returns what the image is for whoever asks for it: the index, if there is one, and every platform's manifest.
    pub(crate) fn subjects(&self) -> Vec<Descriptor> {
        let root = &self.root.descriptor;
        let mut subjects = vec![plain(root)];
        let others = self.platforms.iter().filter(|(entry, _)| entry.digest != root.digest);
        subjects.extend(others.map(|(entry, _)| plain(entry)));
        subjects
    }

    /// Returns all that something can be attached to: those, and the statements that are in the index.
    pub(crate) fn members(&self) -> Vec<Descriptor> {
        let mut members = self.subjects();
        members.extend(self.attestations.iter().map(plain));
        members
    }

    /// Returns the entries of the index that are statements about a platform's image.
    pub(crate) fn attestations_of(&self, image: Digest) -> impl Iterator<Item = &Descriptor> {
        self.attestations.iter().filter(move |entry| is_attestation_of(entry, &image))
    }

    /// Returns whether something is a manifest with statements that is in the index.
    pub(crate) fn is_in_index(&self, manifest: &Digest) -> bool {
        self.attestations.iter().any(|entry| entry.digest == *manifest)
    }
}

/// Returns a descriptor without what lists say of it.
pub(crate) fn plain(descriptor: &Descriptor) -> Descriptor {
    Descriptor::new(&descriptor.media_type, descriptor.digest, descriptor.size_bytes)
}

/// Returns all that is attached to an image, also in cosign's tags, and what is attached to that.
pub(crate) fn attached(shelf: &dyn Shelf, subject: &Descriptor) -> Result<Vec<Attached>, Error> {
    let mut all = Vec::new();
    // These first: of what refers to an image anybody may have put there more than is looked at.
    for tag in [signature_tag(&subject.digest), attestation_tag(&subject.digest)] {
        all.extend(shelf.tagged(&tag)?);
    }
    let referrers = shelf.referrers(subject)?;
    // Statements that are not signed themselves are by what refers to them.
    let mut of_statements = Vec::new();
    let plain = referrers.iter().filter_map(|one| {
        let document = one.document.as_ref()?;
        let manifest = document.manifest().ok()?;
        let is_plain = |layer: &Descriptor| layer.media_type == PAYLOAD_TYPE;
        manifest.value().layers.iter().any(is_plain).then_some(document)
    });
    for document in plain.take(PLAIN_STATEMENTS_MAX) {
        of_statements.extend(shelf.referrers(&document.descriptor)?);
    }
    all.extend(referrers);
    all.extend(of_statements);
    Ok(all)
}

/// Why something that is attached can't be read, where that is no reason to believe nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is not there, or is not what the manifest or list that names it says: those who attach may write anything.
    NotThere,
    /// It has other bytes than its digest says: nobody can attach that.
    Altered,
}

/// Returns why something can't be read, unless it is that nobody could ask for it.
pub(crate) fn unread(error: &Error) -> Option<Unread> {
    use hardpan_image::LayoutError;
    use hardpan_remote::RemoteError;
    use hardpan_remote::registry::RegistryError;
    match error {
        Error::Layout(LayoutError::Missing(_)) => Some(Unread::NotThere),
        Error::Layout(LayoutError::Size { .. }) => Some(Unread::Altered),
        Error::Shelf(error) => match &**error {
            ShelfError::Registry { source, .. } => match &**source {
                source if source.is_not_found() => Some(Unread::NotThere),
                RegistryError::Remote(RemoteError::DigestMismatch { .. }) => Some(Unread::Altered),
                RegistryError::Remote(
                    RemoteError::SizeMismatch { .. } | RemoteError::TooLarge { .. },
                )
                | RegistryError::Document { .. } => Some(Unread::NotThere),
                _ => None,
            },
            ShelfError::Altered { expected, actual } if expected != actual => Some(Unread::Altered),
            ShelfError::Altered { .. }
            | ShelfError::NotAnImage { .. }
            | ShelfError::BlobTooLarge { .. } => Some(Unread::NotThere),
            _ => None,
        },
        _ => None,
    }
}

/// Returns what was found with the content of its layers, to be verified.
/// `bytes_left` is how much more may be read. What can't be read is left to whoever verifies, who refuses it.
pub(crate) fn found(
    shelf: &dyn Shelf,
    attached: &Attached,
    document: &Stored,
    bytes_left: &AtomicU64,
) -> Result<verify::Found, Error> {
    let mut blobs = BTreeMap::new();
    let manifest = document.manifest().ok();
    let layers = manifest.iter().flat_map(|manifest| &manifest.value().layers);
    for layer in layers.filter(|layer| verify::is_looked_at(&layer.media_type)) {
        // What is too large is missing to whoever verifies.
        if layer.size_bytes > BLOB_IN_MEMORY_BYTES_MAX || blobs.contains_key(&layer.digest) {
            continue;
        }
        let spend = |left: u64| left.checked_sub(layer.size_bytes);
        if bytes_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_err() {
            continue;
        }
        match read(shelf, layer) {
            Ok(bytes) => drop(blobs.insert(layer.digest, bytes)),
            Err(error) => match unread(&error) {
                Some(Unread::NotThere) => {}
                // Whoever verifies sees that this is not what the manifest names.
                Some(Unread::Altered) => drop(blobs.insert(layer.digest, Vec::new())),
                None => return Err(error),
            },
        }
    }
    Ok(verify::Found {
        source: attached.source,
        listed: attached.listed.clone(),
        manifest: document.bytes.clone(),
        blobs,
    })
}

/// Reads a small blob and checks it.
pub(crate) fn read(shelf: &dyn Shelf, blob: &Descriptor) -> Result<Vec<u8>, Error> {
    if blob.size_bytes > BLOB_IN_MEMORY_BYTES_MAX {
        let (digest, size_bytes) = (blob.digest, blob.size_bytes);
        return Err(ShelfError::BlobTooLarge { digest, size_bytes }.into());
    }
    let mut bytes = Vec::new();
    let wrap = |source| ShelfError::Read { digest: blob.digest, source };
    shelf.open(blob)?.take(blob.size_bytes + 1).read_to_end(&mut bytes).map_err(wrap)?;
    let actual = Digest::of(&bytes);
    if actual != blob.digest {
        return Err(ShelfError::Altered { expected: blob.digest, actual }.into());
    }
    Ok(bytes)
}

/// Checks a document's bytes against what names it, and returns it with the type that it has.
pub(crate) fn checked(descriptor: &Descriptor, bytes: Vec<u8>) -> Result<Stored, Error> {
    let actual = Digest::of(&bytes);
    if actual != descriptor.digest || bytes.len() as u64 != descriptor.size_bytes {
        return Err(ShelfError::Altered { expected: descriptor.digest, actual }.into());
    }
    typed(Some(&descriptor.media_type), bytes)
}

/// Returns a document with the type that it has, whatever it was called.
pub(crate) fn typed(called: Option<&str>, bytes: Vec<u8>) -> Result<Stored, Error> {
    let digest = Digest::of(&bytes);
    if bytes.len() > DOCUMENT_SIZE_BYTES_MAX {
        let size_bytes = bytes.len() as u64;
        return Err(ShelfError::BlobTooLarge { digest, size_bytes }.into());
    }
    let kind = document_kind(&bytes, called)
        .map_err(|error| ShelfError::NotAnImage { digest, reason: error.to_string() })?;
    let kind = kind.to_owned();
    Ok(Stored::new(&kind, bytes))
}

/// A place that was opened to be read, with what keeps it there.
pub(crate) enum Opened<'s> {
    Registry(Box<RegistryShelf<'s>>),
    Layout(LayoutShelf),
    /// A layout in a directory that is removed afterwards.
    Archive(
        LayoutShelf,
        #[allow(dead_code, reason = "removes the directory when it is dropped")] tempfile::TempDir,
    ),
}

impl Opened<'_> {
    pub(crate) fn shelf(&self) -> &dyn Shelf {
        match self {
            Self::Registry(shelf) => &**shelf,
            Self::Layout(shelf) | Self::Archive(shelf, _) => shelf,
        }
    }

    /// Returns what is meant by one of the names or digests that images of a layout have.
    pub(crate) fn chosen(&self, wanted: &str) -> Result<Stored, Error> {
        match self {
            Self::Registry(shelf) => shelf.root(),
            Self::Layout(shelf) | Self::Archive(shelf, _) => shelf.chosen(wanted),
        }
    }

    /// Returns the name that the image has, where it has one.
    pub(crate) fn image_name(&self) -> Option<ImageName> {
        match self {
            Self::Registry(shelf) => Some(shelf.image_name().clone()),
            Self::Layout(shelf) | Self::Archive(shelf, _) => {
                shelf.names().first().and_then(|name| name.parse().ok())
            }
        }
    }
}

impl Session<'_> {
    /// Opens a place to read an image from it.
    pub(crate) fn open_shelf(&self, location: &Location) -> Result<Opened<'_>, Error> {
        Ok(match location {
            Location::Registry(name) => Opened::Registry(Box::new(RegistryShelf::new(self, name)?)),
            Location::Layout(path) => Opened::Layout(LayoutShelf::open(path)?),
            Location::Archive(path) => {
                let directory = self.store.viewing_directory()?;
                read_archive(path, directory.path())?;
                Opened::Archive(LayoutShelf::open(directory.path())?, directory)
            }
        })
    }

    /// Returns the digests of an image's manifests, each with its platform if the index says it.
    pub(crate) fn platforms_of(
        &self,
        location: &Location,
    ) -> Result<Vec<(Digest, Option<String>)>, Error> {
        let opened = self.open_shelf(location)?;
        let set = ImageSet::read(opened.shelf())?;
        let named =
            |entry: &Descriptor| (entry.digest, entry.platform.as_ref().map(ToString::to_string));
        Ok(set.platforms.iter().map(|(entry, _)| named(entry)).collect())
    }
}

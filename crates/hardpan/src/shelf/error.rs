// SPDX-License-Identifier: Apache-2.0
//! Why an image can't be read or brought somewhere.

use std::io;
use std::path::PathBuf;

use hardpan_image::DocumentError;
use hardpan_remote::registry::RegistryError;
use hardpan_tree::{Digest, TarReadError};

use crate::error::{Error, Trouble};

/// Why an image can't be read from where it is, or be brought somewhere else.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShelfError {
    /// A registry.
    #[error("{name}")]
    Registry {
        /// The image.
        name: String,
        /// Why.
        #[source]
        source: Box<RegistryError>,
    },
    /// The network is off.
    #[error("{name} is in a registry, and the network is off")]
    Offline {
        /// The image.
        name: String,
    },
    /// A document is not what it should be.
    #[error("the document {digest} is no good")]
    Document {
        /// The document.
        digest: Digest,
        /// What is wrong with it.
        #[source]
        source: DocumentError,
    },
    /// Something else than a manifest or an index.
    #[error("{digest} is no image: {reason}")]
    NotAnImage {
        /// Its digest.
        digest: Digest,
        /// What is wrong with it.
        reason: String,
    },
    /// An index that names an index.
    #[error("the index names another index, {digest}, where a platform should be")]
    NestedIndex {
        /// The inner one.
        digest: Digest,
    },
    /// Other bytes than were announced.
    #[error("{expected} has the digest {actual}")]
    Altered {
        /// Its name.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// Too large for what it should be.
    #[error("{digest} has {size_bytes} bytes, too many for a document")]
    BlobTooLarge {
        /// Its digest.
        digest: Digest,
        /// Its length.
        size_bytes: u64,
    },
    /// A blob can't be read.
    #[error("the blob {digest} can't be read")]
    Read {
        /// The blob.
        digest: Digest,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// More than anything needs.
    #[error("more than {max} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// A layout with several images and no name to choose by.
    #[error("{path} has {} images: {}", images.len(), images.join(", "), path = path.display())]
    Ambiguous {
        /// The layout.
        path: PathBuf,
        /// Their names or digests.
        images: Vec<String>,
    },
    /// A layout or archive without the image that is wanted.
    #[error("{path} has no image {wanted:?}", path = path.display())]
    NoSuchImage {
        /// The layout or archive.
        path: PathBuf,
        /// What was asked for.
        wanted: String,
        /// The names of those that are there.
        images: Vec<String>,
    },
    /// A layout without an image.
    #[error("{path} has no image", path = path.display())]
    Empty {
        /// The layout.
        path: PathBuf,
    },
    /// An archive that holds no layout.
    #[error("{path} is no archive of an image layout: {reason}", path = path.display())]
    NotAnArchive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An archive of `docker save` that holds no layout.
    #[error(
        "{path} is of `docker save` in its older form, a manifest.json without a layout: it has no manifest that could be signed, stated about or copied as it is",
        path = path.display()
    )]
    DockerArchive {
        /// The archive.
        path: PathBuf,
    },
    /// An archive that no tool writes: with an entry twice, cut off, or larger than anything.
    #[error("{path} is made to mislead, or damaged: {reason}", path = path.display())]
    BadArchive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An archive that can't be read.
    #[error("{path} can't be read", path = path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// Why.
        #[source]
        source: TarReadError,
    },
    /// A name without a tag where one is needed.
    #[error("{name} has no tag to publish under")]
    NoTag {
        /// The name.
        name: String,
    },
    /// What was brought is not there.
    #[error("{name}: {what} is not there after it was brought")]
    Lost {
        /// The place.
        name: String,
        /// What is missing.
        what: String,
    },
}

/// What is read on the way to somewhere else fails with an error inside of another.
fn trouble_inside(error: &io::Error) -> Trouble {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    inner.map_or(Trouble::Network, Error::trouble)
}

impl ShelfError {
    /// Whether a registry does not have all that a manifest names.
    pub(crate) fn is_incomplete(&self) -> bool {
        matches!(self, Self::Registry { source, .. }
            if matches!(**source, RegistryError::Incomplete { .. }))
    }

    /// Returns what kind of trouble this is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Registry { source, .. } if source.is_trust() => Trouble::Trust,
            Self::Registry { source, .. } => match &**source {
                RegistryError::Source { source, .. } => trouble_inside(source),
                RegistryError::Changed { .. } => Trouble::Trust,
                _ => Trouble::Network,
            },
            Self::Read { source, .. } => trouble_inside(source),
            Self::Offline { .. }
            | Self::Lost { .. }
            | Self::Archive { source: TarReadError::Io(_), .. } => Trouble::Network,
            Self::Ambiguous { .. }
            | Self::NoSuchImage { .. }
            | Self::Empty { .. }
            | Self::NotAnArchive { .. }
            | Self::DockerArchive { .. }
            | Self::NoTag { .. } => Trouble::Usage,
            Self::Document { .. }
            | Self::NotAnImage { .. }
            | Self::NestedIndex { .. }
            | Self::Altered { .. }
            | Self::BlobTooLarge { .. }
            | Self::TooMany { .. }
            | Self::BadArchive { .. }
            | Self::Archive { .. } => Trouble::Trust,
        }
    }

    /// Returns what the user can do, where there is something.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Offline { .. } => vec!["run it without `--offline`".to_owned()],
            Self::NoTag { .. } => vec!["give it one: `registry.example/name:1.2`".to_owned()],
            Self::Ambiguous { .. } => {
                vec!["name one of them: `--image NAME`; for commands without that, copy it into a layout of its own first".to_owned()]
            }
            Self::NoSuchImage { images, .. } if !images.is_empty() => {
                vec![format!("it has {}", images.join(", "))]
            }
            Self::NotAnArchive { .. } => vec![
                "archives that hold a layout are read: those of `docker save` of Docker 25 and later, `podman save --format oci-archive`, `skopeo copy … oci-archive:…` and `hardpan export`; `hardpan audit`, `scan`, `sbom` and `test` read those of any `docker save` and `podman save`".to_owned(),
            ],
            Self::DockerArchive { path } => vec![format!(
                "Docker 25 and later save a layout; `skopeo copy docker-archive:{} oci-archive:FILE` makes one of this; `hardpan audit`, `scan`, `sbom` and `test` read it as it is",
                path.display()
            )],
            _ => Vec::new(),
        }
    }
}

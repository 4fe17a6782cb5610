// SPDX-License-Identifier: Apache-2.0
//! A database as an artifact in a registry.
//!
//! Its layers are the database, compressed; the bundle of who signed it; and differences from databases of before, each
//! with the digest of what it applies to. Whoever has one of those fetches the difference alone. What comes of it is the same
//! file, with the same signature.

use std::collections::BTreeMap;
use std::io::Read as _;

use hardpan_attest::signature::{BUNDLE_BYTES_MAX, BUNDLE_TYPE};
use hardpan_image::{Compression, Descriptor, ImageName, Manifest, canonical_json, media_type};
use hardpan_scan::advisory::database::{self, DatabaseError};
use hardpan_tree::Digest;
use serde::Serialize;

use super::receive::Offered;
use super::{AdvisoriesError, AdvisoryData, DATABASE_BYTES_MAX};
use crate::error::Error;
use crate::session::Session;
use crate::shelf::{self, Destination as _, RegistryShelf, Shelf as _, Stored, identity};

/// What the artifact is.
const ARTIFACT_TYPE: &str = "application/vnd.hardpan.advisories.v1";
/// The database, compressed.
const DATABASE_TYPE: &str = "application/vnd.hardpan.advisories.v1+zstd";
/// A difference from another database.
const DELTA_TYPE: &str = "application/vnd.hardpan.advisories.delta.v1";
/// The digest of what a difference applies to.
const ANNOTATION_BASE: &str = "dev.hardpan.advisories.base";
/// The digest of the database itself.
const ANNOTATION_DIGEST: &str = "dev.hardpan.advisories.digest";
const EMPTY_TYPE: &str = "application/vnd.oci.empty.v1+json";
/// How many differences an artifact has at most: a fortnight of days.
const DELTAS_MAX: usize = 14;
/// How hard is compressed: it is done once, and fetched often.
const LEVEL: i32 = 19;

/// What to publish where.
#[derive(Debug)]
pub struct PublishAdvisories<'d> {
    /// The database.
    pub data: &'d AdvisoryData,
    /// Who signed it.
    pub bundle: &'d [u8],
    /// Databases of before: who has one of them fetches a difference.
    pub previous: &'d [AdvisoryData],
    /// The repository, with a tag.
    pub to: ImageName,
}

/// What was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PublishedAdvisories {
    /// The artifact's name with its digest.
    pub name: String,
    /// The digest of the database.
    pub digest: Digest,
    /// How many bytes it has, compressed.
    pub compressed_bytes: u64,
    /// How many bytes each difference has, in the order of the databases of before.
    pub delta_bytes: Vec<u64>,
}

impl Session<'_> {
    /// Publishes a database with its signature in a registry.
    pub fn publish_advisories(
        &self,
        request: &PublishAdvisories<'_>,
    ) -> Result<PublishedAdvisories, Error> {
        let data = request.data;
        let (config, layers) = layers(request)?;
        let destination = RegistryShelf::new(self, &request.to)?;
        let manifest = Manifest {
            schema_version: 2,
            media_type: Some(media_type::MANIFEST.to_owned()),
            artifact_type: Some(ARTIFACT_TYPE.to_owned()),
            config: config.0.clone(),
            layers: layers.iter().map(|(layer, _)| layer.clone()).collect(),
            subject: None,
            annotations: BTreeMap::from([(
                ANNOTATION_DIGEST.to_owned(),
                data.digest().to_string(),
            )]),
        };
        for (blob, bytes) in std::iter::once(&config).chain(&layers) {
            let open = || -> std::io::Result<Box<dyn std::io::Read + '_>> {
                Ok(Box::new(bytes.as_slice()))
            };
            destination.put_blob(blob, &open)?;
        }
        let stored = Stored::new(media_type::MANIFEST, canonical_json(&manifest));
        destination.put_document(&stored)?;
        destination.put_tag(request.to.tag().unwrap_or("latest"), &stored)?;
        let of_type = |wanted: &str| {
            let found = manifest.layers.iter().filter(|layer| layer.media_type == wanted);
            found.map(|layer| layer.size_bytes).collect::<Vec<_>>()
        };
        Ok(PublishedAdvisories {
            name: format!("{}@{}", identity(&request.to), stored.descriptor.digest),
            digest: data.digest(),
            compressed_bytes: of_type(DATABASE_TYPE).into_iter().sum(),
            delta_bytes: of_type(DELTA_TYPE),
        })
    }

    /// Fetches a database from a registry: the difference from the one that is here, if there is one.
    pub(super) fn offered_artifact(&self, name: &ImageName) -> Result<Offered, Error> {
        let shelf = RegistryShelf::new(self, name)?;
        let not =
            |reason: String| AdvisoriesError::NotAnArtifact { name: name.to_string(), reason };
        let manifest = shelf.root()?.manifest()?;
        let manifest = manifest.value();
        if manifest.artifact_type.as_deref() != Some(ARTIFACT_TYPE) {
            return Err(not(format!("it is not of the type {ARTIFACT_TYPE:?}")).into());
        }
        let mut transferred_bytes = 0;
        let bundle = match manifest.layers.iter().find(|layer| layer.media_type == BUNDLE_TYPE) {
            Some(layer) if layer.size_bytes > BUNDLE_BYTES_MAX as u64 => {
                return Err(not(format!("its bundle has {} bytes", layer.size_bytes)).into());
            }
            Some(layer) => {
                transferred_bytes += layer.size_bytes;
                Some(shelf::read(&shelf, layer)?)
            }
            None => None,
        };
        let stated = manifest.annotations.get(ANNOTATION_DIGEST);
        let present = self.installed_advisories().ok().flatten();
        if let Some(present) = present {
            let own = present.digest().to_string();
            // The annotation only saves the way: what is here is looked at as if it had come.
            if stated == Some(&own) {
                let bytes = present.bytes().to_vec();
                return Ok(Offered { bytes, bundle, from: name.to_string(), transferred_bytes });
            }
            let is_usable = |layer: &&Descriptor| {
                layer.media_type == DELTA_TYPE
                    && layer.annotations.get(ANNOTATION_BASE) == Some(&own)
            };
            if let Some(layer) = manifest.layers.iter().find(is_usable) {
                let delta = shelf::read(&shelf, layer)?;
                // A difference that does not apply costs its transfer, and the whole comes then.
                let applied = database::apply(present.bytes(), &delta).ok();
                transferred_bytes += layer.size_bytes;
                let is_stated = |bytes: &Vec<u8>| Some(&Digest::of(bytes).to_string()) == stated;
                if let Some(bytes) = applied.filter(is_stated) {
                    return Ok(Offered {
                        bytes,
                        bundle,
                        from: name.to_string(),
                        transferred_bytes,
                    });
                }
            }
        }
        let is_whole = |layer: &&Descriptor| layer.media_type == DATABASE_TYPE;
        let whole = manifest.layers.iter().find(is_whole);
        let whole = whole.ok_or_else(|| not("it has no layer with a database".to_owned()))?;
        let compressed = shelf::read(&shelf, whole)?;
        transferred_bytes += whole.size_bytes;
        let bytes = decompress(&compressed).map_err(|error| not(error.to_string()))?;
        Ok(Offered { bytes, bundle, from: name.to_string(), transferred_bytes })
    }
}

type Blob = (Descriptor, Vec<u8>);

/// Makes the configuration, which says nothing, and the layers.
fn layers(request: &PublishAdvisories<'_>) -> Result<(Blob, Vec<Blob>), Error> {
    let data = request.data;
    let wrap = |source| AdvisoriesError::Database(DatabaseError::Compression(source));
    let compressed = zstd::bulk::compress(data.bytes(), LEVEL).map_err(wrap)?;
    let mut whole = blob(DATABASE_TYPE, compressed);
    whole.0.annotations = title("advisories.hpdb.zst");
    let mut bundle = blob(BUNDLE_TYPE, request.bundle.to_vec());
    bundle.0.annotations = title("advisories.hpdb.sigstore.json");
    let mut layers = vec![whole, bundle];
    for base in request.previous.iter().take(DELTAS_MAX) {
        if base.digest() == data.digest() {
            continue;
        }
        let delta =
            database::delta(base.bytes(), data.bytes()).map_err(AdvisoriesError::Database)?;
        let mut delta = blob(DELTA_TYPE, delta);
        let base = base.digest().to_string();
        delta.0.annotations = BTreeMap::from([(ANNOTATION_BASE.to_owned(), base)]);
        layers.push(delta);
    }
    Ok((blob(EMPTY_TYPE, b"{}".to_vec()), layers))
}

fn title(name: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("org.opencontainers.image.title".to_owned(), name.to_owned())])
}

fn blob(media_type: &str, bytes: Vec<u8>) -> Blob {
    (Descriptor::new(media_type, Digest::of(&bytes), bytes.len() as u64), bytes)
}

/// Decompresses a database, up to the longest that is read.
fn decompress(compressed: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let reader = hardpan_image::decompress(compressed, Compression::Zstd)?;
    reader.take(DATABASE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > DATABASE_BYTES_MAX {
        let text = format!("its database has more than {DATABASE_BYTES_MAX} bytes");
        return Err(std::io::Error::other(text));
    }
    Ok(bytes)
}

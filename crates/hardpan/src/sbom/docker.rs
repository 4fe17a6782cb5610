// SPDX-License-Identifier: Apache-2.0
//! Archives of `docker save` and `podman save` that hold no layout: a `manifest.json` that names a configuration and
//! layers as files.
//!
//! Nothing of them is unpacked: where each file lies is noted, and layers are read in their place. There is no
//! manifest with digests; the configuration has those of the layers' tar bytes, and the file's name the configuration's own.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use hardpan_image::{
    Compression, DOCUMENT_SIZE_BYTES_MAX, Descriptor, Document as _, ImageConfig, ImageName,
    LayoutWriter, Manifest, Raw, media_type,
};
use hardpan_tree::{Digest, TarEntryKind, TarLimits, TarReader, TreePath};
use serde::Deserialize;

use super::SbomError;
use crate::error::Error;
use crate::shelf::{ARCHIVE_ENTRIES_MAX, ARCHIVE_SIZE_BYTES_MAX, DOCKER_LIST, ShelfError};

/// The most links that lead from one file to another: podman makes one for each layer.
const LINKS_MAX: usize = 8;
/// The most images of an archive. `docker save` of everything on a machine has some hundred.
const IMAGES_MAX: usize = 10_000;

/// An image in such an archive.
#[derive(Debug)]
pub(crate) struct DockerImage {
    path: PathBuf,
    /// Its configuration.
    pub(super) config: Raw<ImageConfig>,
    /// Its first name, if it has one.
    pub(super) name: Option<ImageName>,
    layers: Vec<Place>,
}

/// Where a file's bytes are in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    offset_bytes: u64,
    size_bytes: u64,
}

/// An entry of `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Vec<String>,
}

/// Opens an archive. Returns nothing if it holds a layout, which says more, or no image of Docker's.
pub(crate) fn open(path: &Path, wanted: Option<&str>) -> Result<Option<DockerImage>, Error> {
    let wrap = |source| Error::Io { action: "read", path: path.to_owned(), source };
    let mut file = File::open(path).map_err(wrap)?;
    if !file.metadata().map_err(wrap)?.is_file() {
        return Ok(None);
    }
    let files = Files::of(path, &file)?;
    if files.get("index.json").is_some() && files.get("oci-layout").is_some() {
        return Ok(None);
    }
    let Some(place) = files.get(DOCKER_LIST) else { return Ok(None) };
    let bad = |reason: String| ShelfError::NotAnArchive { path: path.to_owned(), reason };
    let bytes = document(&mut file, place, path, DOCKER_LIST)?;
    let entries: Vec<Entry> = serde_json::from_slice(&bytes)
        .map_err(|error| bad(format!("its manifest.json is no list of images: {error}")))?;
    if entries.len() > IMAGES_MAX {
        return Err(ShelfError::TooMany { what: "images", max: IMAGES_MAX }.into());
    }
    let entry = choose(path, &entries, wanted)?;
    let find = |name: &str| {
        files
            .get(name)
            .ok_or_else(|| bad(format!("its manifest.json names {name:?}, which is not there")))
    };
    let bytes = document(&mut file, find(&entry.config)?, path, &entry.config)?;
    if let Some(expected) = digest_in(&entry.config) {
        let actual = Digest::of(&bytes);
        if actual != expected {
            return Err(ShelfError::Altered { expected, actual }.into());
        }
    }
    let digest = Digest::of(&bytes);
    let wrong = |source| ShelfError::Document { digest, source };
    let config: Raw<ImageConfig> = Raw::parse(bytes).map_err(wrong)?;
    config.value().check().map_err(wrong)?;
    let (layers, diff_ids) = (entry.layers.len(), config.value().rootfs.diff_ids.len());
    if layers != diff_ids {
        return Err(SbomError::LayerCount { layers, diff_ids }.into());
    }
    let layers = entry.layers.iter().map(|name| find(name)).collect::<Result<_, _>>()?;
    let name = entry.names().find_map(|name| name.parse().ok());
    Ok(Some(DockerImage { path: path.to_owned(), config, name, layers }))
}

impl DockerImage {
    /// Writes the image as a layout, with its layers as they are. Their digests are checked where they are read.
    pub(crate) fn write_layout(&self, directory: &Path) -> Result<(), Error> {
        let writer = LayoutWriter::create(directory)?;
        let read = |source| Error::Io { action: "read", path: self.path.clone(), source };
        let config = Descriptor::new(
            media_type::CONFIG,
            writer.write_blob(self.config.bytes())?,
            self.config.bytes().len() as u64,
        );
        let mut layers = Vec::with_capacity(self.layers.len());
        for number in 0..self.layers.len() {
            let (mut bytes, compression) = self.layer(number).map_err(read)?;
            let mut blob = writer.blob_writer()?;
            io::copy(&mut bytes, &mut blob).map_err(read)?;
            let (digest, size_bytes) = blob.finish()?;
            layers.push(Descriptor::new(compression.layer_media_type(), digest, size_bytes));
        }
        let manifest = Raw::new(Manifest {
            schema_version: 2,
            media_type: Some(media_type::MANIFEST.to_owned()),
            artifact_type: None,
            config,
            layers,
            subject: None,
            annotations: BTreeMap::new(),
        });
        let digest = writer.write_blob(manifest.bytes())?;
        let size_bytes = manifest.bytes().len() as u64;
        let mut entry = Descriptor::new(media_type::MANIFEST, digest, size_bytes);
        if let Some(name) = &self.name {
            entry.annotations.insert(media_type::ANNOTATION_REF_NAME.to_owned(), name.to_string());
        }
        writer.commit_entries(vec![entry])?;
        Ok(())
    }

    /// Opens a layer, and says how it is compressed: the archive does not.
    pub(super) fn layer(&self, number: usize) -> io::Result<(impl Read + use<>, Compression)> {
        let Some(place) = self.layers.get(number) else {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        };
        let mut file = File::open(&self.path)?;
        let mut start = [0; 4];
        file.seek(SeekFrom::Start(place.offset_bytes))?;
        let count = (&mut file).take(place.size_bytes).read(&mut start)?;
        file.seek(SeekFrom::Start(place.offset_bytes))?;
        Ok((BufReader::with_capacity(1 << 16, file.take(place.size_bytes)), sniff(&start[..count])))
    }
}

/// Tells by the first bytes how something is compressed.
pub(super) fn sniff(start: &[u8]) -> Compression {
    match start {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
        _ => Compression::None,
    }
}

impl Entry {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.repo_tags.iter().flatten().map(String::as_str)
    }
}

/// Returns the image that is wanted, or the only one.
fn choose<'e>(path: &Path, entries: &'e [Entry], wanted: Option<&str>) -> Result<&'e Entry, Error> {
    let is_wanted = |entry: &&Entry| {
        wanted.is_none_or(|wanted| {
            let id = digest_in(&entry.config).map(|digest| digest.to_string());
            entry.names().any(|name| name == wanted) || id.as_deref() == Some(wanted)
        })
    };
    let mut found = entries.iter().filter(is_wanted);
    match (found.next(), found.next()) {
        (Some(entry), None) => Ok(entry),
        (None, _) if entries.is_empty() => Err(ShelfError::Empty { path: path.to_owned() }.into()),
        (first, _) => {
            let name = |entry: &Entry| entry.names().next().unwrap_or(&entry.config).to_owned();
            let (path, images) = (path.to_owned(), entries.iter().map(name).collect());
            Err(match (first, wanted) {
                (None, Some(wanted)) => {
                    ShelfError::NoSuchImage { path, wanted: wanted.to_owned(), images }
                }
                _ => ShelfError::Ambiguous { path, images },
            }
            .into())
        }
    }
}

/// Returns the digest that a file is named by: `HEX.json`, `blobs/sha256/HEX`.
fn digest_in(name: &str) -> Option<Digest> {
    let last = name.rsplit('/').next().unwrap_or(name);
    Digest::from_hex(last.split('.').next().unwrap_or(last)).ok()
}

fn document(file: &mut File, place: Place, path: &Path, name: &str) -> Result<Vec<u8>, Error> {
    if place.size_bytes > DOCUMENT_SIZE_BYTES_MAX as u64 {
        let reason = format!("its {name} has {} bytes", place.size_bytes);
        return Err(ShelfError::NotAnArchive { path: path.to_owned(), reason }.into());
    }
    let mut read = || {
        file.seek(SeekFrom::Start(place.offset_bytes))?;
        let mut bytes = Vec::new();
        file.take(place.size_bytes).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    read().map_err(|source| Error::Io { action: "read", path: path.to_owned(), source })
}

/// Where everything in an archive is.
#[derive(Debug, Default)]
struct Files {
    files: BTreeMap<TreePath, Place>,
    links: BTreeMap<TreePath, TreePath>,
}

impl Files {
    fn of(path: &Path, file: &File) -> Result<Self, Error> {
        let limits = TarLimits {
            entries_max: ARCHIVE_ENTRIES_MAX,
            size_bytes_max: ARCHIVE_SIZE_BYTES_MAX,
            end_marker_required: false,
            ..TarLimits::default()
        };
        let mut found = Self::default();
        let mut reader = TarReader::new(BufReader::with_capacity(1 << 18, file), limits);
        let wrap = |source| ShelfError::Archive { path: path.to_owned(), source };
        while let Some(entry) = reader.next_entry().map_err(wrap)? {
            let offset_bytes = reader.offset_bytes();
            match entry.kind {
                TarEntryKind::File(size_bytes) => {
                    found.files.insert(entry.path, Place { offset_bytes, size_bytes });
                }
                TarEntryKind::HardLink(target) => {
                    found.links.insert(entry.path, target);
                }
                TarEntryKind::Symlink(target) => {
                    found.links.extend(followed(&entry.path, &target).map(|to| (entry.path, to)));
                }
                _ => {}
            }
        }
        Ok(found)
    }

    fn get(&self, name: &str) -> Option<Place> {
        let mut path = TreePath::parse(name).ok()?;
        for _ in 0..LINKS_MAX {
            if let Some(place) = self.files.get(&path) {
                return Some(*place);
            }
            path = self.links.get(&path)?.clone();
        }
        None
    }
}

/// Returns where a symbolic link leads, if that is in the archive.
fn followed(link: &TreePath, target: &[u8]) -> Option<TreePath> {
    if target.first() == Some(&b'/') {
        return None;
    }
    let mut at = link.parent()?;
    for part in target.split(|&byte| byte == b'/') {
        at = match part {
            b"" | b"." => at,
            b".." => at.parent()?,
            name => at.join(name).ok()?,
        };
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_of_podman() {
        for (link, target, expected) in [
            ("a/layer.tar", "../b.tar", Some("b.tar")),
            ("a/layer.tar", "../b/layer.tar", Some("b/layer.tar")),
            ("a/layer.tar", "./x", Some("a/x")),
            ("a/layer.tar", "../../b", None),
            ("a/layer.tar", "/etc/passwd", None),
        ] {
            let found = followed(&TreePath::literal(link), target.as_bytes());
            assert_eq!(found, expected.map(TreePath::literal), "{link} {target}");
        }
    }

    #[test]
    fn digests_in_names() {
        let hex = "ab".repeat(32);
        for name in [format!("{hex}.json"), format!("blobs/sha256/{hex}"), format!("{hex}.tar.gz")]
        {
            assert_eq!(digest_in(&name).unwrap().to_hex(), hex, "{name}");
        }
        for name in ["config.json", "", "abc.json", "ab/layer.tar"] {
            assert_eq!(digest_in(name), None, "{name}");
        }
    }

    #[test]
    fn compressions_by_their_first_bytes() {
        assert_eq!(sniff(&[0x1f, 0x8b, 8, 0]), Compression::Gzip);
        assert_eq!(sniff(&[0x28, 0xb5, 0x2f, 0xfd]), Compression::Zstd);
        for bytes in [&b"etc/"[..], b"", b"\x1f"] {
            assert_eq!(sniff(bytes), Compression::None);
        }
    }
}

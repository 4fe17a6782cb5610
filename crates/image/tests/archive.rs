// SPDX-License-Identifier: Apache-2.0
//! Docker archives.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::collections::BTreeMap;
use std::io::{self, Read};

use common::sample_layout;
use hardpan_image::{
    ArchiveError, ArchiveSummary, ArchiveWarning, BlobSource, Compression, Image, ImageName,
    Layout, Platform, write_docker_archive,
};
use hardpan_tree::{Digest, TarEntryKind, TarLimits, TarReader};

fn archive(
    image: &Image,
    names: &[&str],
    blobs: &dyn BlobSource,
) -> Result<(Vec<u8>, ArchiveSummary), ArchiveError> {
    let names: Vec<ImageName> = names.iter().map(|name| name.parse().unwrap()).collect();
    let mut output = Vec::new();
    let summary =
        write_docker_archive(image.manifest(), image.config(), &names, blobs, &mut output)?;
    Ok((output, summary))
}

fn entries(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut reader = TarReader::new(archive, TarLimits::default());
    let mut entries = BTreeMap::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        let mut content = Vec::new();
        if matches!(entry.kind, TarEntryKind::File { .. }) {
            reader.read_to_end(&mut content).unwrap();
        }
        entries.insert(entry.path.to_string(), content);
    }
    entries
}

#[test]
fn an_archive_is_a_layout_with_a_manifest_for_docker() {
    let directory = tempfile::tempdir().unwrap();
    let (layout, index) =
        sample_layout(directory.path(), &["amd64", "arm64"], Compression::Gzip, &["a:1"]);
    let image = index.image(&Platform::linux("arm64")).unwrap();
    let names = ["python:3.13", "registry.example/team/python", "python:3.13"];
    let (bytes, summary) = archive(image, &names, &layout).unwrap();
    assert_eq!(summary.digest, Digest::of(&bytes));
    assert_eq!(summary.size_bytes, bytes.len() as u64);
    assert_eq!(summary.image_id, image.config().digest());
    assert_eq!(summary.manifest_digest, image.manifest().digest());
    assert_eq!(summary.warnings, []);

    let entries = entries(&bytes);
    let manifest: serde_json::Value = serde_json::from_slice(&entries["/manifest.json"]).unwrap();
    let path = |digest: &Digest| format!("blobs/sha256/{}", digest.to_hex());
    let layers: Vec<String> =
        image.layers().iter().map(|layer| path(&layer.summary.digest)).collect();
    assert_eq!(
        manifest,
        serde_json::json!([{
            "Config": path(&image.config().digest()),
            "RepoTags": ["python:3.13", "registry.example/team/python:latest"],
            "Layers": layers,
        }])
    );
    // Unpacked, it is a layout like any other.
    let unpacked = tempfile::tempdir().unwrap();
    for (path, content) in &entries {
        let path = unpacked.path().join(&path[1..]);
        if content.is_empty() {
            std::fs::create_dir_all(path).unwrap();
        } else {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
    }
    let opened = Layout::open(unpacked.path()).unwrap();
    let report = opened.verify_contents().unwrap();
    assert_eq!((report.blobs, report.extra), (4, vec!["manifest.json".into()]));
    assert_eq!(opened.images().unwrap()[0].descriptor.digest, image.manifest().digest());
}

#[test]
fn the_same_image_gives_the_same_bytes() {
    let mut found = Vec::new();
    for _ in 0..2 {
        let directory = tempfile::tempdir().unwrap();
        let (layout, index) =
            sample_layout(directory.path(), &["amd64"], Compression::Gzip, &["a:1"]);
        found.push(archive(&index.images()[0], &["a:1"], &layout).unwrap());
    }
    assert!(found[0] == found[1]);
    assert_eq!(
        found[0].1.digest.to_hex(),
        "5b58d58e32c23bc2ac8c26eba4c7f7df1d1bd1e59991e4dcc684e146d1ec12b4"
    );
}

#[test]
fn zstd_images_warn() {
    let directory = tempfile::tempdir().unwrap();
    let (layout, index) = sample_layout(directory.path(), &["amd64"], Compression::Zstd, &[]);
    let (bytes, summary) = archive(&index.images()[0], &[], &layout).unwrap();
    assert_eq!(summary.warnings, [ArchiveWarning::ZstdNeedsDocker23]);
    assert!(summary.warnings[0].to_string().contains("before version 23"));
    let manifest = &entries(&bytes)["/manifest.json"];
    assert!(String::from_utf8_lossy(manifest).contains("\"RepoTags\":[]"));
}

type Change = fn(Vec<u8>) -> io::Result<Vec<u8>>;

/// Yields other bytes than it should.
struct Wrong<'l>(&'l Layout, Change);

impl BlobSource for Wrong<'_> {
    fn open_blob(&self, digest: &Digest) -> io::Result<Box<dyn Read + '_>> {
        let mut bytes = Vec::new();
        BlobSource::open_blob(self.0, digest)?.read_to_end(&mut bytes)?;
        Ok(Box::new(io::Cursor::new(self.1(bytes)?)))
    }
}

#[test]
fn wrong_blobs_are_errors() {
    let directory = tempfile::tempdir().unwrap();
    let (layout, index) =
        sample_layout(directory.path(), &["amd64", "arm64"], Compression::Gzip, &[]);
    let image = &index.images()[0];
    let changes: [(&str, Change, &str); 4] = [
        (
            "flipped",
            |mut bytes| {
                bytes[10] ^= 1;
                Ok(bytes)
            },
            "has other bytes",
        ),
        (
            "shorter",
            |mut bytes| {
                bytes.pop();
                Ok(bytes)
            },
            "has other bytes",
        ),
        (
            "longer",
            |mut bytes| {
                bytes.push(0);
                Ok(bytes)
            },
            "has other bytes",
        ),
        ("broken", |_| Err(io::Error::other("broken disk")), "can't be read"),
    ];
    for (what, change, message) in changes {
        let error = archive(image, &[], &Wrong(&layout, change)).unwrap_err().to_string();
        assert!(error.contains(message), "{what}: {error}");
    }
    // The configuration of the other platform.
    let other = index.images()[1].config();
    let error =
        write_docker_archive(image.manifest(), other, &[], &layout, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, ArchiveError::Config { .. }), "{error}");
    std::fs::remove_file(layout.blob_path(&image.layers()[0].summary.digest)).unwrap();
    let error = archive(image, &[], &layout).unwrap_err();
    assert!(matches!(error, ArchiveError::Read { .. }), "{error}");
}

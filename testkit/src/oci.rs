// SPDX-License-Identifier: Apache-2.0
//! Images of others in memory: any layers, right or wrong.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use hardpan_tree::{Digest, END_MARKER, Metadata, TarKind, TarWriter, TreePath};
use serde_json::{Value, json};

/// The media type of manifests.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of indexes.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A tar archive that is being written.
#[derive(Debug, Clone, Default)]
pub struct Tar(Vec<u8>);

impl Tar {
    /// Adds an entry; `data` is a file's.
    #[must_use]
    pub fn entry(
        mut self,
        path: &str,
        metadata: &Metadata,
        kind: TarKind<'_>,
        data: &[u8],
    ) -> Self {
        let path = TreePath::parse(path).expect("a path of a test");
        let mut writer = TarWriter::new(&mut self.0);
        writer.write_entry(&path, metadata, kind, &mut &data[..]).expect("memory takes all");
        self
    }

    /// Adds root's file of mode 644.
    #[must_use]
    pub fn file(self, path: &str, data: &[u8]) -> Self {
        let kind = TarKind::File(data.len() as u64);
        self.entry(path, &Metadata::root(0o644, 0), kind, data)
    }

    /// Adds root's directory of mode 755.
    #[must_use]
    pub fn directory(self, path: &str) -> Self {
        self.entry(path, &Metadata::root(0o755, 0), TarKind::Directory, &[])
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn symlink(self, path: &str, target: &str) -> Self {
        let kind = TarKind::Symlink(target.as_bytes());
        self.entry(path, &Metadata::root(0o777, 0), kind, &[])
    }

    /// Adds a hard link.
    #[must_use]
    pub fn hard_link(self, path: &str, target: &str) -> Self {
        let target = TreePath::parse(target).expect("a path of a test");
        self.entry(path, &Metadata::root(0o644, 0), TarKind::HardLink(&target), &[])
    }

    /// Adds bytes that are headers already, right or wrong.
    #[must_use]
    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Returns the archive.
    pub fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&END_MARKER);
        self.0
    }
}

/// Returns a ustar header of 512 bytes with any name, type and link target, without checks.
pub fn raw_header(name: &str, type_flag: u8, target: &str) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    for (at, text) in [(100, "0000644"), (108, "0000000"), (116, "0000000")] {
        header[at..at + 7].copy_from_slice(text.as_bytes());
    }
    header[124..135].copy_from_slice(b"00000000000");
    header[136..147].copy_from_slice(b"00000000000");
    header[148..156].fill(b' ');
    header[156] = type_flag;
    header[157..157 + target.len()].copy_from_slice(target.as_bytes());
    header[257..263].copy_from_slice(b"ustar\0");
    header[263..265].copy_from_slice(b"00");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// A layer of an image.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The media type.
    pub media_type: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The digest of the archive in it.
    pub diff_id: Digest,
}

impl Layer {
    /// A layer without compression.
    pub fn plain(tar: Vec<u8>) -> Self {
        let media_type = "application/vnd.oci.image.layer.v1.tar".to_owned();
        Self { media_type, diff_id: Digest::of(&tar), bytes: tar }
    }

    /// A layer compressed with gzip.
    pub fn gzip(tar: &[u8]) -> Self {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(tar).expect("memory takes all");
        let media_type = "application/vnd.oci.image.layer.v1.tar+gzip".to_owned();
        let bytes = encoder.finish().expect("memory takes all");
        Self { media_type, bytes, diff_id: Digest::of(tar) }
    }

    /// A layer compressed with Zstandard.
    pub fn zstd(tar: &[u8]) -> Self {
        let media_type = "application/vnd.oci.image.layer.v1.tar+zstd".to_owned();
        let bytes = zstd::encode_all(tar, 1).expect("memory takes all");
        Self { media_type, bytes, diff_id: Digest::of(tar) }
    }
}

/// An image: documents and blobs by digest.
#[derive(Debug, Clone, Default)]
pub struct OciImage {
    /// The manifest or index that all is found from.
    pub root: Vec<u8>,
    /// Its media type.
    pub media_type: String,
    /// Everything it leads to, but manifests.
    pub blobs: BTreeMap<Digest, Vec<u8>>,
    /// Manifests below an index, with their media types.
    pub manifests: Vec<(String, Vec<u8>)>,
}

impl OciImage {
    /// Makes an image for one architecture. `environment` goes into its configuration.
    pub fn new(architecture: &str, layers: &[Layer], environment: &[&str]) -> Self {
        let diff_ids: Vec<Digest> = layers.iter().map(|layer| layer.diff_id).collect();
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": {"Env": environment},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        Self::with_config(&config, layers)
    }

    /// Makes an image with any configuration.
    pub fn with_config(config: &Value, layers: &[Layer]) -> Self {
        let config = config.to_string().into_bytes();
        let described: Vec<Value> =
            layers.iter().map(|layer| descriptor(&layer.media_type, &layer.bytes)).collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
            "layers": described,
        });
        let blobs = layers.iter().map(|layer| layer.bytes.clone()).chain([config]);
        Self {
            root: manifest.to_string().into_bytes(),
            media_type: MANIFEST.to_owned(),
            blobs: blobs.map(|blob| (Digest::of(&blob), blob)).collect(),
            manifests: Vec::new(),
        }
    }

    /// Makes an index of images, by platform (`linux/amd64`; empty for none).
    pub fn index(images: &[(&str, &Self)]) -> Self {
        let mut whole = Self { media_type: INDEX.to_owned(), ..Self::default() };
        let mut described = Vec::new();
        for (platform, image) in images {
            let mut entry = descriptor(&image.media_type, &image.root);
            if let Some((os, architecture)) = platform.split_once('/') {
                entry["platform"] = json!({"os": os, "architecture": architecture});
            }
            described.push(entry);
            whole.blobs.extend(image.blobs.clone());
            whole.manifests.push((image.media_type.clone(), image.root.clone()));
        }
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": described});
        whole.root = index.to_string().into_bytes();
        whole
    }

    /// Returns the digest of the manifest or index.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.root)
    }

    /// Writes a layout that names the image.
    pub fn write_layout(&self, directory: &Path, name: &str) {
        let blobs = directory.join("blobs/sha256");
        std::fs::create_dir_all(&blobs).expect("a directory of a test");
        let documents = self.manifests.iter().map(|(_, bytes)| bytes).chain([&self.root]);
        for bytes in self.blobs.values().chain(documents) {
            std::fs::write(blobs.join(Digest::of(bytes).to_hex()), bytes)
                .expect("a file of a test");
        }
        let mut entry = descriptor(&self.media_type, &self.root);
        entry["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]});
        for (file, text) in
            [("index.json", index), ("oci-layout", json!({"imageLayoutVersion": "1.0.0"}))]
        {
            std::fs::write(directory.join(file), text.to_string()).expect("a file of a test");
        }
    }
}

/// Names a blob.
pub fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": Digest::of(bytes), "size": bytes.len()})
}

// SPDX-License-Identifier: Apache-2.0
//! Layouts: what is written, written again, killed, tampered with.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use common::{sample_image, sample_layout};
use hardpan_image::{
    Compression, Descriptor, ImageError, ImageIndex, Layout, LayoutError, LayoutWriter, Transfer,
    media_type,
};
use hardpan_tree::Digest;

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// All files of a directory with their inode and content, but directories by name only.
fn files(directory: &Path) -> BTreeMap<PathBuf, (u64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut todo = vec![directory.to_owned()];
    while let Some(next) = todo.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else {
                let relative = path.strip_prefix(directory).unwrap().to_owned();
                let inode = fs::metadata(&path).unwrap().ino();
                found.insert(relative, (inode, fs::read(&path).unwrap()));
            }
        }
    }
    found
}

/// The digest of all is part of the promise that the same inputs give the same bytes: it may change
/// only with what is written, and then knowingly.
#[test]
fn golden_digests() {
    let mut found = Vec::new();
    for compression in [Compression::Gzip, Compression::Zstd, Compression::None] {
        let directory = tempfile::tempdir().unwrap();
        let (_, index) = sample_layout(directory.path(), &["amd64", "arm64"], compression, &[]);
        let config = index.images()[0].config().digest();
        assert_eq!(
            config.to_hex(),
            "17d841c275aa929c8e4dc70014ced595d91be6f25c046f5243d612d346d65b38",
            "compression does not change an image's id"
        );
        found.push(format!("{compression} {}", index.raw().digest().to_hex()));
    }
    assert_eq!(
        found,
        [
            "gzip cf376cb11f5cb4ea8971d69ab0e61bed15ca11332138a88d7053a559ae2354e2",
            "zstd 70d096785075e3688f562e527bcfaba2e06f82dbc502c424f9cd418edcbe421d",
            "none dd378533f9d1376cfeff380ffb365cfd48612aa66b5bf0ade3880fcc7ae1c4f4",
        ]
    );
}

#[test]
fn documents_are_as_the_specification_wants_them() {
    let directory = tempfile::tempdir().unwrap();
    let names = ["python:3.13", "registry.example/team/python", "python:3.13"];
    let (layout, index) =
        sample_layout(directory.path(), &["arm64", "amd64"], Compression::Gzip, &names);
    let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();

    let marker = fs::read(directory.path().join("oci-layout")).unwrap();
    assert_eq!(marker, br#"{"imageLayoutVersion":"1.0.0"}"#);
    let top = json(layout.index().bytes());
    assert_eq!(top["annotations"]["dev.hardpan.layout"], "1");
    assert_eq!(top["manifests"].as_array().unwrap().len(), 2);
    let team = "registry.example/team/python:latest";
    for (at, name, containerd) in
        [(0, "python:3.13", "docker.io/library/python:3.13"), (1, team, team)]
    {
        let entry = &top["manifests"][at];
        assert_eq!(entry["mediaType"], "application/vnd.oci.image.index.v1+json");
        assert_eq!(entry["digest"], index.raw().digest().to_string());
        assert_eq!(entry["annotations"]["org.opencontainers.image.ref.name"], name);
        assert_eq!(entry["annotations"]["io.containerd.image.name"], containerd);
    }
    let inner = json(index.raw().bytes());
    assert_eq!(
        inner["manifests"][0]["platform"],
        serde_json::json!({"architecture": "amd64", "os": "linux"})
    );
    assert_eq!(
        inner["manifests"][1]["platform"],
        serde_json::json!({"architecture": "arm64", "os": "linux", "variant": "v8"})
    );
    let config = json(index.images()[1].config().bytes());
    assert_eq!(config["created"], "2026-01-01T00:00:00Z");
    assert_eq!(config["variant"], "v8");
    assert_eq!(config["history"].as_array().unwrap().len(), 2);
    assert_eq!(config["rootfs"]["type"], "layers");
    assert_eq!(
        config["config"],
        serde_json::json!({
            "User": "65532:65532",
            "ExposedPorts": {"8080/tcp": {}},
            "Env": ["PATH=/usr/bin", "LANG=C.UTF-8"],
            "Entrypoint": ["/usr/bin/hello"],
            "Cmd": ["argument"],
            "WorkingDir": "/tmp",
            "Labels": {"dev.hardpan.shell": ""},
            "StopSignal": "SIGTERM",
        })
    );
    // Both platforms share the layer without the program.
    let report = layout.verify_contents().unwrap();
    assert_eq!((report.blobs, report.extra), (1 + 2 * 2 + 3, vec![]));
    let images = layout.images().unwrap();
    assert_eq!(images.len(), 2);
    assert_eq!(images[0].config.as_ref(), Some(index.images()[0].config()));
}

#[test]
fn writing_again_changes_nothing_and_other_images_replace_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    sample_layout(path, &["amd64", "arm64"], Compression::Gzip, &["a:1"]);
    let first = files(path);
    sample_layout(path, &["arm64", "amd64"], Compression::Gzip, &["a:1"]);
    let second = files(path);
    let contents = |files: &BTreeMap<PathBuf, (u64, Vec<u8>)>| -> Vec<_> {
        files.iter().map(|(path, (_, bytes))| (path.clone(), bytes.clone())).collect()
    };
    assert_eq!(contents(&first), contents(&second));
    for name in ["index.json", "oci-layout"] {
        assert_eq!(first[Path::new(name)], second[Path::new(name)], "{name} is not rewritten");
    }

    // Another image: blobs of the old one go, what is not a blob stays.
    fs::write(path.join("notes.txt"), "mine").unwrap();
    fs::write(path.join("blobs/sha256/readme"), "mine").unwrap();
    let (layout, _) = sample_layout(path, &["amd64"], Compression::Zstd, &["a:2"]);
    let report = layout.verify_contents().unwrap();
    assert_eq!(report.blobs, 1 + 2 + 2);
    assert_eq!(report.extra, [PathBuf::from("blobs/sha256/readme"), PathBuf::from("notes.txt")]);
}

#[test]
fn blobs_come_from_bytes_streams_and_files() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("source");
    fs::write(&source, "some bytes").unwrap();
    let digest = Digest::of(b"some bytes");
    let path = directory.path().join("layout");
    let blob = path.join("blobs/sha256").join(digest.to_hex());
    let writer = LayoutWriter::create(&path).unwrap();
    assert!(!writer.has_blob(&digest, 10).unwrap());

    let mut stream = writer.blob_writer().unwrap();
    stream.write_all(b"some bytes").unwrap();
    assert_eq!(stream.finish().unwrap(), (digest, 10));
    assert!(writer.has_blob(&digest, 10).unwrap());
    assert!(!writer.has_blob(&digest, 11).unwrap());
    let inode = fs::metadata(&blob).unwrap().ino();
    assert_eq!(writer.write_blob(b"some bytes").unwrap(), digest);
    writer.add_file(&source, &digest, 10, Transfer::HardLink).unwrap();
    assert_eq!(fs::metadata(&blob).unwrap().ino(), inode, "not rewritten");

    // A damaged blob is no blob: each way of writing it puts it right.
    for way in 0..4 {
        fs::write(&blob, "some_bytes").unwrap();
        assert!(!writer.has_blob(&digest, 10).unwrap());
        match way {
            0 => drop(writer.write_blob(b"some bytes").unwrap()),
            1 => writer.add_file(&source, &digest, 10, Transfer::Copy).unwrap(),
            2 => {
                let mut stream = writer.blob_writer().unwrap();
                stream.write_all(b"some bytes").unwrap();
                stream.finish().unwrap();
            }
            _ => {
                writer.add_file(&source, &digest, 10, Transfer::HardLink).unwrap();
                let inodes = [&blob, &source].map(|path| fs::metadata(path).unwrap().ino());
                assert_eq!(inodes[0], inodes[1]);
            }
        }
        assert!(writer.has_blob(&digest, 10).unwrap(), "way {way}");
    }

    // What fails or is dropped leaves nothing.
    let wrong = Digest::of(b"other");
    let error = writer.add_file(&source, &wrong, 10, Transfer::Copy).unwrap_err();
    assert!(matches!(error, LayoutError::Digest { .. }), "{error}");
    let error = writer.add_file(&source, &digest, 9, Transfer::HardLink).unwrap_err();
    assert!(matches!(error, LayoutError::Size { .. }), "{error}");
    let missing = directory.path().join("missing");
    let error = writer.add_file(&missing, &wrong, 9, Transfer::Copy).unwrap_err();
    assert!(matches!(error, LayoutError::Missing(_)), "{error}");
    let link = directory.path().join("link");
    symlink(&source, &link).unwrap();
    let error = writer.add_file(&link, &wrong, 10, Transfer::Copy).unwrap_err();
    assert!(matches!(error, LayoutError::NotAFile { .. }), "{error}");
    writer.blob_writer().unwrap().write_all(b"dropped").unwrap();
    assert_eq!(fs::read_dir(path.join("blobs/sha256")).unwrap().count(), 1);
}

#[test]
fn a_killed_writer_leaves_the_old_layout_and_no_rubbish() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    // Killed in the first write, and then one that fails: it takes with it what has no index.
    fs::write(path.join(".tmp-0"), "half").unwrap();
    fs::write(path.join("oci-layout"), "").unwrap();
    let writer = LayoutWriter::create(path).unwrap();
    writer.write_blob(b"one").unwrap();
    drop(writer);
    assert_eq!(files(path), BTreeMap::new());
    drop(LayoutWriter::create(&path.join("new")).unwrap());
    assert!(!path.join("new").exists());

    // Killed in the middle of the second: new blobs and temporary files are there, the index is old.
    // What a writer that only failed wrote is not.
    let (_, old) = sample_layout(path, &["amd64"], Compression::Gzip, &["a:1"]);
    let writer = LayoutWriter::create(path).unwrap();
    let half = sample_image(&writer, "arm64", Compression::Zstd);
    fs::write(path.join("blobs/sha256/.tmp-77"), "half").unwrap();
    fs::write(blob(path, &Digest::of(b"stray")), "stray").unwrap();
    drop(writer);
    let layout = Layout::open(path).unwrap();
    let report = layout.verify().unwrap();
    assert_eq!(layout.index().value().manifests[0].digest, old.raw().digest());
    assert_eq!(report.extra.len(), 1 + 1);

    let (layout, _) = sample_layout(path, &["amd64"], Compression::Gzip, &["a:1"]);
    assert_eq!(layout.verify().unwrap().extra, Vec::<PathBuf>::new());

    // A commit without its layers changes nothing.
    let writer = LayoutWriter::create(path).unwrap();
    let index = ImageIndex::new(vec![half], BTreeMap::new()).unwrap();
    let error = writer.commit(&index, &[]).unwrap_err();
    assert!(matches!(error, LayoutError::Missing(_)), "{error}");
    assert_eq!(Layout::open(path).unwrap().index(), layout.index());
    layout.verify_contents().unwrap();
}

#[test]
fn a_second_writer_waits() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let writer = LayoutWriter::create(path).unwrap();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| sample_layout(path, &["amd64"], Compression::Zstd, &["b:1"]).1);
        let image = sample_image(&writer, "amd64", Compression::Gzip);
        let index = ImageIndex::new(vec![image], BTreeMap::new()).unwrap();
        assert!(!second.is_finished());
        writer.commit(&index, &[]).unwrap();
        let second = second.join().unwrap();
        let layout = Layout::open(path).unwrap();
        assert_eq!(layout.index().value().manifests[0].digest, second.raw().digest());
        assert_eq!(layout.verify().unwrap().extra, Vec::<PathBuf>::new());
    });
}

#[test]
fn directories_of_others_are_refused_untouched() {
    type Files = &'static [(&'static str, &'static [u8])];
    const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
    const INDEX: &[u8] = br#"{"schemaVersion":2,"manifests":[]}"#;
    let cases: [(&str, Files, &str); 6] = [
        ("a file", &[("notes.txt", b"mine")], "is not an image layout"),
        ("blobs", &[("blobs/sha256/mine", b"mine")], "is not an image layout"),
        ("index only", &[("index.json", INDEX)], "is not an image layout"),
        ("begun, and more", &[("oci-layout", LAYOUT), ("x", b"")], "is not an image layout"),
        (
            "of others",
            &[("oci-layout", LAYOUT), ("index.json", INDEX)],
            "an image layout that hardpan did not write",
        ),
        (
            "broken",
            &[("oci-layout", LAYOUT), ("index.json", b"{")],
            "an image layout that hardpan did not write",
        ),
    ];
    for (what, content, message) in cases {
        let directory = tempfile::tempdir().unwrap();
        for (name, bytes) in content {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let before = files(directory.path());
        let error = LayoutWriter::create(directory.path()).unwrap_err().to_string();
        assert!(error.contains(message), "{what}: {error}");
        assert_eq!(files(directory.path()), before, "{what}");
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(LayoutWriter::create(&file).is_err());
    // Links inside a layout would lead writes elsewhere.
    let path = directory.path().join("layout");
    sample_layout(&path, &["amd64"], Compression::Gzip, &["a:1"]);
    fs::remove_dir_all(path.join("blobs")).unwrap();
    symlink(directory.path(), path.join("blobs")).unwrap();
    assert!(LayoutWriter::create(&path).is_err());
}

/// Damages a good layout in one way, and says what the reader must find.
type Tampering = (&'static str, fn(&Path, &ImageIndex), &'static str);

fn blob(path: &Path, digest: &Digest) -> PathBuf {
    path.join("blobs/sha256").join(digest.to_hex())
}

fn top_layer(path: &Path, index: &ImageIndex) -> PathBuf {
    blob(path, &index.images()[0].layers()[1].summary.digest)
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn replace_index(path: &Path, from: &str, to: &str) {
    let path = path.join("index.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

const TAMPERINGS: &[Tampering] = &[
    ("changed layer", |path, index| flip(&top_layer(path, index)), "has the digest"),
    (
        "changed config",
        |path, index| flip(&blob(path, &index.images()[1].config().digest())),
        "has the digest",
    ),
    (
        "changed manifest",
        |path, index| flip(&blob(path, &index.images()[0].manifest().digest())),
        "has the digest",
    ),
    ("changed index", |path, index| flip(&blob(path, &index.raw().digest())), "has the digest"),
    ("missing layer", |path, index| fs::remove_file(top_layer(path, index)).unwrap(), "is missing"),
    (
        "missing manifest",
        |path, index| {
            fs::remove_file(blob(path, &index.images()[1].manifest().digest())).unwrap();
        },
        "is missing",
    ),
    (
        "longer layer",
        |path, index| {
            let path = top_layer(path, index);
            let mut bytes = fs::read(&path).unwrap();
            bytes.push(0);
            fs::write(path, bytes).unwrap();
        },
        "bytes, not",
    ),
    (
        "symbolic link to the right bytes",
        |path, index| {
            let layer = top_layer(path, index);
            fs::rename(&layer, path.join("elsewhere")).unwrap();
            symlink(path.join("elsewhere"), layer).unwrap();
        },
        "is not a regular file",
    ),
    (
        "directory in place of a blob",
        |path, index| {
            let layer = top_layer(path, index);
            fs::remove_file(&layer).unwrap();
            fs::create_dir(&layer).unwrap();
        },
        "is not a regular file",
    ),
    (
        "wrong size in index.json",
        |path, _| replace_index(path, "\"size\":", "\"size\":1"),
        "bytes, not",
    ),
    (
        "negative size",
        |path, _| replace_index(path, "\"size\":", "\"size\":-"),
        "index.json is no good: the document is malformed",
    ),
    (
        "wrong digest in index.json",
        |path, _| replace_index(path, "sha256:", "sha512:"),
        "not a sha256 digest",
    ),
    (
        "digest that is a path",
        |path, _| replace_index(path, "sha256:", "sha256:../"),
        "not a sha256 digest",
    ),
    (
        "unknown media type",
        |path, _| replace_index(path, "image.index.v1", "image.other.v1"),
        "mediaType is",
    ),
    (
        "manifest named as an index",
        |path, _| replace_index(path, "image.index.v1", "image.manifest.v1"),
        "missing field `config`",
    ),
    (
        "schema version",
        |path, _| replace_index(path, "\"schemaVersion\":2", "\"schemaVersion\":1"),
        "schemaVersion is 1, not 2",
    ),
    ("not JSON", |path, _| fs::write(path.join("index.json"), "{").unwrap(), "EOF"),
    ("not UTF-8", |path, _| fs::write(path.join("index.json"), b"\"\xff\"").unwrap(), ""),
    ("empty index.json", |path, _| fs::write(path.join("index.json"), "").unwrap(), "EOF"),
    (
        "deep JSON",
        |path, _| fs::write(path.join("index.json"), "[".repeat(1 << 20)).unwrap(),
        "malformed",
    ),
    (
        "huge JSON",
        |path, _| fs::write(path.join("index.json"), " ".repeat((4 << 20) + 1)).unwrap(),
        "more than 4194304 bytes",
    ),
    (
        "missing index.json",
        |path, _| fs::remove_file(path.join("index.json")).unwrap(),
        "can't open",
    ),
    (
        "linked index.json",
        |path, _| {
            fs::rename(path.join("index.json"), path.join("elsewhere")).unwrap();
            symlink("elsewhere", path.join("index.json")).unwrap();
        },
        "is not a regular file",
    ),
    (
        "missing marker",
        |path, _| fs::remove_file(path.join("oci-layout")).unwrap(),
        "is not an image layout",
    ),
    (
        "unknown version",
        |path, _| {
            let marker = br#"{"imageLayoutVersion":"2.0.0"}"#;
            fs::write(path.join("oci-layout"), marker).unwrap();
        },
        "has the version \"2.0.0\"",
    ),
];

#[test]
fn tampering_is_found() {
    for (what, tamper, message) in TAMPERINGS {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path();
        let (layout, index) = sample_layout(path, &["amd64", "arm64"], Compression::Gzip, &["a:1"]);
        layout.verify_contents().unwrap();
        tamper(path, &index);
        let error = Layout::open(path).and_then(|layout| layout.verify_contents()).expect_err(what);
        let text = chain(&error);
        assert!(text.contains(message), "{what}: {text}");
    }
}

/// Writes an index over a manifest and configuration that were changed, with right digests, so that
/// only their meaning is wrong.
fn forge(path: &Path, change: impl Fn(&str, &mut serde_json::Value)) -> LayoutError {
    let (_, index) = sample_layout(path, &["amd64"], Compression::Gzip, &[]);
    let image = &index.images()[0];
    let store = |kind: &str, bytes: &[u8], edit: &dyn Fn(&mut serde_json::Value)| {
        let mut value = serde_json::from_slice(bytes).unwrap();
        edit(&mut value);
        change(kind, &mut value);
        let bytes = serde_json::to_vec(&value).unwrap();
        let digest = Digest::of(&bytes);
        fs::write(blob(path, &digest), &bytes).unwrap();
        Descriptor::new(media_type::MANIFEST, digest, bytes.len() as u64)
    };
    let config = store("config", image.config().bytes(), &|_| {});
    let manifest = store("manifest", image.manifest().bytes(), &|value| {
        value["config"]["digest"] = config.digest.to_string().into();
        value["config"]["size"] = config.size_bytes.into();
    });
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(path.join("index.json"), index.to_string()).unwrap();
    Layout::open(path).and_then(|layout| layout.verify_contents()).unwrap_err()
}

#[test]
fn documents_that_do_not_fit_each_other_are_found() {
    type Forgery = fn(&str, &mut serde_json::Value);
    let cases: [(&str, Forgery, &str); 6] = [
        (
            "a diff id of something else",
            |kind, value| {
                if kind == "config" {
                    value["rootfs"]["diff_ids"][0] = Digest::of(b"").to_string().into();
                }
            },
            "has the diff id",
        ),
        (
            "a layer without diff id",
            |kind, value| {
                if kind == "config" {
                    value["rootfs"]["diff_ids"].as_array_mut().unwrap().pop();
                    value["history"].as_array_mut().unwrap().pop();
                }
            },
            "has 2 layers and its configuration 1",
        ),
        (
            "a history of fewer layers",
            |kind, value| {
                if kind == "config" {
                    value["history"].as_array_mut().unwrap().pop();
                }
            },
            "history tells of 1 layers, rootfs of 2",
        ),
        (
            "another rootfs",
            |kind, value| {
                if kind == "config" {
                    value["rootfs"]["type"] = "tar".into();
                }
            },
            "rootfs.type is \"tar\"",
        ),
        (
            "another compression than it says",
            |kind, value| {
                if kind == "manifest" {
                    value["layers"][0]["mediaType"] = media_type::LAYER_ZSTD.into();
                }
            },
            "can't be decompressed",
        ),
        (
            "too many layers",
            |kind, value| {
                if kind == "manifest" {
                    let layer = value["layers"][0].clone();
                    value["layers"] = vec![layer; 128].into();
                }
            },
            "128 layers, more than 127",
        ),
    ];
    for (what, change, message) in cases {
        let directory = tempfile::tempdir().unwrap();
        let text = chain(&forge(directory.path(), change));
        assert!(text.contains(message), "{what}: {text}");
    }
    // Nothing wrong but a layer of a type that nobody knows, and unknown fields: that is allowed.
    let directory = tempfile::tempdir().unwrap();
    let error = std::panic::catch_unwind(|| {
        forge(directory.path(), |kind, value| {
            value["future"] = true.into();
            if kind == "manifest" {
                value["layers"][0]["mediaType"] = "application/x-future".into();
            }
        })
    });
    assert!(error.is_err(), "must verify");
}

#[test]
fn indexes_in_indexes_have_an_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let (layout, index) = sample_layout(path, &["amd64"], Compression::Gzip, &[]);
    let mut inner = index.descriptor();
    for depth in 1..10 {
        let bytes =
            serde_json::to_vec(&serde_json::json!({"schemaVersion": 2, "manifests": [inner]}))
                .unwrap();
        fs::write(path.join("index.json"), &bytes).unwrap();
        let verified = Layout::open(path).unwrap().verify();
        assert_eq!(verified.is_ok(), depth <= 4, "{depth}");
        let digest = Digest::of(&bytes);
        fs::write(blob(path, &digest), &bytes).unwrap();
        inner = Descriptor::new(media_type::INDEX, digest, bytes.len() as u64);
    }
    drop(layout);
}

#[test]
fn images_that_make_no_sense_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let writer = LayoutWriter::create(directory.path()).unwrap();
    let image = sample_image(&writer, "amd64", Compression::Gzip);
    let twice = ImageIndex::new(vec![image.clone(), image.clone()], BTreeMap::new());
    assert!(matches!(twice, Err(ImageError::DuplicatePlatform(_))));
    assert_eq!(ImageIndex::new(vec![], BTreeMap::new()), Err(ImageError::NoImages));
    let settings = || hardpan_image::ImageSettings {
        platform: image.platform(),
        epoch: 0,
        config: hardpan_image::ContainerConfig::default(),
        annotations: BTreeMap::new(),
    };
    let none = hardpan_image::Image::new(settings(), vec![]);
    assert_eq!(none, Err(ImageError::NoLayers));
    let many = hardpan_image::Image::new(settings(), vec![image.layers()[0].clone(); 128]);
    assert_eq!(many, Err(ImageError::TooManyLayers(128)));
}

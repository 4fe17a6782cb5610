// SPDX-License-Identifier: Apache-2.0
//! Layers and documents that mean harm, or nothing.

use hardpan_testkit::oci::raw_header;
use serde_json::json;

use super::*;

/// Asserts that an image is refused with these words, as a matter of trust or of another kind.
fn refused(image: &OciImage, expected: &str, trouble: Trouble) {
    match pulled(image) {
        Ok((_, tree)) => panic!("taken: {expected}\n{}", tree.tree.dump()),
        Err(error) => {
            let words = words(&error);
            assert!(words.contains(expected), "{expected}: {words}");
            assert_eq!(error.trouble(), trouble, "{words}");
        }
    }
}

#[test]
fn archives_that_would_escape_are_refused() {
    let header = |name, type_flag, target| Tar::default().raw(&raw_header(name, type_flag, target));
    for (archive, expected) in [
        (header("../etc/passwd", b'0', ""), "\"..\""),
        (header("a/../../b", b'5', ""), "\"..\""),
        (header("/etc/passwd", b'0', ""), "absolute path"),
        (header("a", b'1', "/etc/passwd"), "absolute path"),
        (header("a", b'1', "../b"), "\"..\""),
        (header("a", b'1', "b"), "which is not a file"),
        (header("a", b'2', ""), "bad link target"),
        (header("a", b'1', ""), "bad link target"),
        (header("a", b'S', ""), "unsupported type"),
        (header(".", b'2', "etc"), "root is not a directory"),
        (Tar::default().directory("d").hard_link("e", "d"), "which is not a file"),
        (Tar::default().file("a", b"").file("a", b""), "twice"),
        (Tar::default().file("a", b"").directory("a"), "twice"),
        (Tar::default().symlink("a", "b").file("./a", b""), "twice"),
        (Tar::default().file("x/.wh.", b""), "removes what can't be removed"),
        (Tar::default().file("x/.wh..", b""), "removes what can't be removed"),
        (Tar::default().file("x/.wh...", b""), "removes what can't be removed"),
        (
            Tar::default().symlink("a", "b").symlink("b", "a").file("a/c", b""),
            "too many symbolic links",
        ),
        (Tar::default().file("a", b"").file("a/b", b""), "not a directory"),
    ] {
        let image = OciImage::new("amd64", &[Layer::plain(archive.end())], &[]);
        refused(&image, expected, Trouble::Trust);
    }
}

#[test]
fn devices_are_left_out_and_named() {
    let archive =
        [b'3', b'4', b'6'].iter().fold(Tar::default().file("dev/null", b"a file"), |tar, kind| {
            tar.raw(&raw_header(&format!("dev/{}", char::from(*kind)), *kind, ""))
        });
    let over = Tar::default().raw(&raw_header("dev/null", b'3', "")).file("dev/3", b"a file");
    let (_, image) = stacked(&[archive.end(), over.end()]).unwrap();
    let dropped: Vec<String> = image.dropped.iter().map(ToString::to_string).collect();
    assert_eq!(dropped, ["/dev/4", "/dev/6"]);
    let paths: Vec<String> = image.tree.walk().map(|(path, _)| path.to_string()).collect();
    assert_eq!(paths, ["/", "/dev", "/dev/3", "/dev/null"]);
}

#[test]
fn bombs_do_not_go_off() {
    // 257 MiB of zeros, of which Zstandard leaves a few kilobytes.
    let bomb = Tar::default().file("bomb", &vec![0; 257 << 20]).end();
    let layer = Layer::zstd(&bomb);
    assert!(layer.bytes.len() < 100_000);
    let image = OciImage::new("amd64", &[layer], &[]);
    refused(&image, "more than 268435456 bytes", Trouble::Trust);
    // Nor does one that says that it is large and is not.
    let mut header = raw_header("bomb", b'0', "");
    header[124..135].copy_from_slice(b"77777777777");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let layers: Vec<Layer> =
        (0..5).map(|_| Layer::plain(Tar::default().raw(&header).end())).collect();
    refused(&OciImage::new("amd64", &layers, &[]), "cut short", Trouble::Trust);
}

#[test]
fn layers_that_are_others_are_refused() {
    let tar = Tar::default().file("a", b"a").end();
    let layer = |bytes: &[u8], media_type: &str, diff_id: &[u8]| Layer {
        media_type: format!("application/vnd.{media_type}"),
        bytes: bytes.to_vec(),
        diff_id: Digest::of(diff_id),
    };
    let gzip = Layer::gzip(&tar).bytes;
    let oci = "oci.image.layer.v1.tar";
    let mut trailing = tar.clone();
    trailing.extend_from_slice(b"more");
    for (layer, expected) in [
        (layer(&tar, oci, b"other"), "has the digest"),
        (layer(&gzip, &format!("{oci}+gzip"), &gzip), "has the digest"),
        (layer(&gzip, oci, &gzip), "its archive is refused"),
        (layer(&tar, &format!("{oci}+gzip"), &tar), "can't be decompressed"),
        (layer(&gzip[..gzip.len() - 9], &format!("{oci}+gzip"), &tar), "can't be decompressed"),
        (layer(&tar[..600], oci, &tar[..600]), "cut short"),
        (layer(&trailing, oci, &trailing), "data after the end"),
        (layer(&tar, "example.layer", &tar), "unknown kind of layer"),
    ] {
        refused(&OciImage::new("amd64", &[layer], &[]), expected, Trouble::Trust);
    }
}

#[test]
fn documents_that_are_others_are_refused() {
    let layer = Layer::plain(Tar::default().file("a", b"a").end());
    let layers = std::slice::from_ref(&layer);
    let config = |rootfs: serde_json::Value| {
        let config = json!({"architecture": "amd64", "os": "linux", "rootfs": rootfs});
        OciImage::with_config(&config, layers)
    };
    refused(
        &config(json!({"type": "layers", "diff_ids": []})),
        "1 layers and its configuration 0",
        Trouble::Trust,
    );
    refused(
        &config(json!({"type": "tar", "diff_ids": [layer.diff_id]})),
        "rootfs.type",
        Trouble::Trust,
    );
    refused(&config(json!(7)), "malformed", Trouble::Trust);
    let good = OciImage::new("amd64", layers, &[]);
    let with_root = |root: &str| OciImage { root: root.as_bytes().to_vec(), ..good.clone() };
    for root in ["[]", "", r#"{"schemaVersion":2,"manifests":[],"layers":[]}"#] {
        refused(&with_root(root), "is not an image", Trouble::Usage);
    }
    let text = String::from_utf8(good.root.clone()).unwrap();
    let odd = text.replace("vnd.oci.image.config.v1", "vnd.example.config.v1");
    refused(&with_root(&odd), "its configuration is", Trouble::Usage);
    refused(&with_root(&text.replace("sha256:", "sha512:")), "malformed", Trouble::Trust);
}

#[test]
fn blobs_of_layouts_are_checked() {
    let layer = Layer::plain(Tar::default().file("a", b"a").end());
    let image = OciImage::new("amd64", std::slice::from_ref(&layer), &[]);
    let name = format!("example/image@{}", image.digest());
    let config = *image.blobs.keys().find(|digest| **digest != Digest::of(&layer.bytes)).unwrap();
    for digest in [image.digest(), config, Digest::of(&layer.bytes)] {
        let mut desk = Desk::new();
        let layout = desk.add_layout(&image, "example/image:1");
        let path = layout.join("blobs/sha256").join(digest.to_hex());
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let error = desk.pull(&name).unwrap_err();
        assert!(words(&error).contains("has the digest"), "{}", words(&error));
        assert_eq!(error.trouble(), Trouble::Trust);
        // Nor is anything wrong left behind.
        assert!(!desk.store.partial_path(&digest).exists());

        std::fs::remove_file(&path).unwrap();
        let error = desk.pull(&name).unwrap_err();
        assert!(matches!(error, Error::Offline { .. }), "{error:?}");
        // A link to somewhere is not followed.
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        assert!(desk.pull(&name).is_err());
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What is refused, and what only takes its time.

use std::io::{self, Read};

use hardpan_tree::{Metadata, TarEntry, TarEntryKind};
use proptest::prelude::*;

use super::*;

fn fails(options: CatalogOptions, layers: &[Vec<u8>]) -> Option<CatalogError> {
    let mut builder = CatalogBuilder::new(options);
    for layer in layers {
        if let Err(error) = builder.layer(layer.as_slice()) {
            return Some(error);
        }
    }
    builder.finish().err()
}

#[test]
fn too_much_is_refused() {
    let usual = CatalogOptions::default();
    let layer = tar(&[("a/", b""), ("a/b", b"x"), ("etc/os-release", b"ID=debian\n")]);
    assert!(fails(usual, std::slice::from_ref(&layer)).is_none());
    for (options, what) in [
        (CatalogOptions { entries_max: 2, ..usual }, "entries"),
        (CatalogOptions { layer_bytes_max: 5, ..usual }, "bytes of data"),
        (CatalogOptions { kept_bytes_max: 5, ..usual }, "bytes of descriptions"),
        (CatalogOptions { path_bytes_max: 5, ..usual }, "bytes of paths"),
    ] {
        let error = fails(options, std::slice::from_ref(&layer)).expect(what);
        let text = match &error {
            CatalogError::Tar { source, .. } => source.to_string(),
            error => error.to_string(),
        };
        assert!(text.contains(what), "{text}");
    }
    // Entries are counted over all layers.
    let options = CatalogOptions { entries_max: 5, ..usual };
    let error = fails(options, &[layer.clone(), layer.clone()]);
    assert!(matches!(error, Some(CatalogError::Limit { what: "entries", .. })));
    let options = CatalogOptions { layers_max: 1, ..usual };
    let error = fails(options, &[layer.clone(), layer]);
    assert!(matches!(error, Some(CatalogError::Limit { what: "layers", .. })));
}

#[test]
fn too_deep_is_refused() {
    for (depth, is_refused) in [(256, false), (257, true)] {
        let path = vec!["d"; depth].join("/");
        let error = fails(CatalogOptions::default(), &[tar(&[(&path, b"")])]);
        assert_eq!(error.is_some(), is_refused, "{depth}");
    }
}

#[test]
fn links_to_and_fro_end() {
    let mut layer = tar(&[("a/", b"")]);
    RawEntry::new("l", b'2').target("a/../".repeat(800)).write(&mut layer);
    for number in 0..5_000 {
        RawEntry::new(format!("l/{number}"), b'0').write(&mut layer);
    }
    let error = fails(CatalogOptions::default(), &[layer]);
    assert!(matches!(error, Some(CatalogError::Limit { what: "steps through links", .. })));
}

#[test]
fn what_is_no_archive_is_refused() {
    let good = tar(&[("a", b"some data"), ("b", b"more")]);
    let cut = |length: usize| good[..length].to_vec();
    for (summary, layer) in [
        ("no tar", b"something else".repeat(100)),
        ("cut in a header", cut(100)),
        ("cut in data", cut(515)),
        ("leads out", tar(&[("../a", b"")])),
        ("absolute", tar(&[("/a", b"")])),
        ("a link without a target", tar(&[("a -> ", b"")])),
    ] {
        let error = fails(CatalogOptions::default(), &[layer]);
        assert!(
            matches!(error, Some(CatalogError::Tar { from_top: 1, .. })),
            "{summary}: {error:?}"
        );
    }
    assert!(fails(CatalogOptions::default(), &[good.clone(), Vec::new(), good]).is_none());
}

#[test]
fn a_million_of_anything_is_no_trap() {
    // Each whiteout removes one file of many.
    let mut lower = CatalogBuilder::new(CatalogOptions::default());
    let metadata = Metadata::root(0o644, 0);
    let entry = |path: String, kind| TarEntry {
        path: TreePath::parse(path).unwrap(),
        metadata: metadata.clone(),
        kind,
    };
    let upper: Vec<u8> = {
        let mut tar = Vec::new();
        for number in 0..50_000 {
            RawEntry::new(format!("d/.wh.{number}"), b'0').write(&mut tar);
        }
        tar
    };
    lower.layer(upper.as_slice()).unwrap();
    for number in 0..100_000 {
        let kind = TarEntryKind::File(0);
        lower.entry(entry(format!("d/{number}"), kind), &mut io::empty()).unwrap();
    }
    // All are names of one file.
    for number in 0..100_000 {
        let kind = TarEntryKind::HardLink(TreePath::literal("d/99999"));
        lower.entry(entry(format!("e/{number}"), kind), &mut io::empty()).unwrap();
    }
    let catalog = lower.finish().unwrap();
    assert_eq!(catalog.files.len(), 150_000);
}

#[test]
fn broken_readers_are_told() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
    let mut builder = CatalogBuilder::new(CatalogOptions::default());
    assert!(matches!(builder.layer(Broken), Err(CatalogError::Tar { .. })));
    let entry = TarEntry {
        path: TreePath::literal("etc/os-release"),
        metadata: Metadata::root(0o644, 0),
        kind: TarEntryKind::File(5),
    };
    let error = builder.entry(entry, &mut Broken).unwrap_err();
    assert!(matches!(error, CatalogError::Read { .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever one byte of an image is, nothing panics.
    #[test]
    fn damaged_images(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = super::images::everything();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut builder = CatalogBuilder::new(CatalogOptions { hash_files: true, ..CatalogOptions::default() });
        if builder.layer(bytes.as_slice()).is_ok() {
            builder.finish().unwrap();
        }
    }

    /// Whatever is in the files that are read, nothing panics.
    #[test]
    fn other_bytes(which in 0..super::images::PLACES.len(), bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        catalog(&[tar(&[(super::images::PLACES[which], &bytes)])]);
    }
}

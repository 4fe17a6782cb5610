// SPDX-License-Identifier: Apache-2.0
//! Layers: concatenation, directories, and what must not become a layer.

#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod common;

use std::io::{self, Read};

use common::{borrowed, directories, parts, segment, varied};
use hardpan_image::{
    BytesPart, Compression, DirectoryError, LayerError, LayerPart, TarScanError, chain_ids,
    decompress, directory_segment, layer_directories, layer_key, write_layer,
};
use hardpan_tree::{
    Digest, File, Kind, Metadata, Node, Origin, TarKind, TarWriter, Tree, TreePath,
};
use proptest::prelude::*;

const ALL: [Compression; 3] = [Compression::Gzip, Compression::Zstd, Compression::None];

fn part(raw: Vec<u8>) -> BytesPart {
    BytesPart::new(raw, Compression::Gzip).unwrap()
}

fn write(parts: &[BytesPart], compression: Compression) -> Result<Vec<u8>, LayerError> {
    let mut output = Vec::new();
    let summary = write_layer(&borrowed(parts), compression, &mut output)?;
    assert_eq!(summary.compression, compression);
    assert_eq!((summary.digest, summary.size_bytes), (Digest::of(&output), output.len() as u64));
    let mut raw = Vec::new();
    decompress(&output[..], compression).unwrap().read_to_end(&mut raw).unwrap();
    assert_eq!((summary.diff_id, summary.raw_size_bytes), (Digest::of(&raw), raw.len() as u64));
    Ok(raw)
}

#[test]
fn a_layer_is_its_parts_and_an_end() {
    let data = varied(2_500_000);
    let lists: &[&[common::TestFile<'_>]] =
        &[&[("usr/bin/a", 0o755, b"a"), ("etc/b", 0o644, b"")], &[("usr/lib/c", 0o644, &data)]];
    for compression in ALL {
        let parts = parts(lists, &[("tmp", 0o1777)], compression);
        let raw = write(&parts, compression).unwrap();
        let mut expected = directories(&lists.concat(), &[("tmp", 0o1777)]);
        expected.extend(segment(lists[0]));
        expected.extend(segment(lists[1]));
        expected.extend([0; 1024]);
        assert!(raw == expected, "{compression}");
    }
}

#[test]
fn the_least_layer_is_an_empty_archive() {
    for compression in ALL {
        assert_eq!(write(&[], compression).unwrap(), [0; 1024]);
        let nothing = BytesPart::new(Vec::new(), compression).unwrap();
        assert_eq!(write(&[nothing], compression).unwrap(), [0; 1024]);
    }
}

#[test]
fn equal_parts_have_equal_keys() {
    let (a, b) = (part(segment(&[("a", 0o644, b"")])), part(segment(&[("b", 0o644, b"")])));
    let key = |parts: &[&dyn LayerPart]| layer_key(parts, Compression::Gzip);
    assert_eq!(key(&[&a, &b]), key(&[&a.clone(), &b]));
    assert_ne!(key(&[&a, &b]), key(&[&b, &a]));
    assert_ne!(key(&[&a, &b]), key(&[&a]));
    assert_ne!(key(&[&a]), layer_key(&[&a], Compression::Zstd));
}

#[test]
fn a_path_twice_is_refused() {
    let long = "d/".repeat(100);
    let long = format!("{long}f");
    for (first, second) in
        [("usr/bin/a", "usr/bin/a"), ("usr/bin/a", "/usr//bin/./a"), (long.as_str(), long.as_str())]
    {
        let parts =
            [part(segment(&[(first, 0o644, b"1")])), part(segment(&[(second, 0o644, b"2")]))];
        let error = write(&parts, Compression::Gzip).unwrap_err();
        let path = TreePath::parse(first).unwrap();
        match error {
            LayerError::Tar { key, source: TarScanError::Duplicate(found) } => {
                assert_eq!((key, found), (parts[1].key(), path));
            }
            other => panic!("{other}"),
        }
    }
    // A directory in two segments, and a file in place of a directory.
    let directory = directories(&[("usr/a", 0o644, b"")], &[]);
    for other in [directory.clone(), segment(&[("usr", 0o644, b"")])] {
        let error = write(&[part(directory.clone()), part(other)], Compression::Gzip).unwrap_err();
        assert!(matches!(error, LayerError::Tar { source: TarScanError::Duplicate(_), .. }));
    }
}

#[test]
fn parts_that_are_no_segments_are_refused() {
    let good = segment(&[("a", 0o644, b"content")]);
    let next = segment(&[("b", 0o644, b"")]);
    let mut wrong_sum = good.clone();
    wrong_sum[0] = b'x';
    let mut bad_size = good.clone();
    bad_size[124..135].copy_from_slice(b"0000000000z");
    let sum: u32 = (bad_size[..512].iter().enumerate())
        .map(|(at, &byte)| if (148..156).contains(&at) { 32 } else { u32::from(byte) })
        .sum();
    bad_size[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
    let mut ended = good.clone();
    ended.extend([0; 1024]);
    for (what, raw, message) in [
        ("with an end", ended, "ends before its last segment"),
        ("half a header", good[..300].to_vec(), "in the middle of an entry"),
        ("no data", good[..512].to_vec(), "in the middle of an entry"),
        ("no padding", good[..520].to_vec(), "in the middle of an entry"),
        ("wrong sum", wrong_sum, "the check sum is wrong"),
        ("wrong size", bad_size, "the size is no number"),
        ("no tar", varied(2048), "the check sum is wrong"),
    ] {
        let error = write(&[part(raw), part(next.clone())], Compression::Gzip).unwrap_err();
        match error {
            LayerError::Tar { source, .. } => {
                assert!(source.to_string().contains(message), "{what}: {source}");
            }
            other => panic!("{what}: {other}"),
        }
    }
}

/// A part that does not keep its word.
struct Liar {
    honest: BytesPart,
    raw: fn(&[u8]) -> io::Result<Vec<u8>>,
    compressed: fn(&[u8]) -> io::Result<Vec<u8>>,
}

fn lie<'r>(
    reader: io::Result<Box<dyn Read + 'r>>,
    change: fn(&[u8]) -> io::Result<Vec<u8>>,
) -> io::Result<Box<dyn Read + 'r>> {
    let mut bytes = Vec::new();
    reader?.read_to_end(&mut bytes)?;
    Ok(Box::new(io::Cursor::new(change(&bytes)?)))
}

impl LayerPart for Liar {
    fn raw(&self) -> io::Result<Box<dyn Read + '_>> {
        lie(self.honest.raw(), self.raw)
    }
    fn compressed(&self) -> io::Result<Box<dyn Read + '_>> {
        lie(self.honest.compressed(), self.compressed)
    }
    fn raw_size_bytes(&self) -> u64 {
        self.honest.raw_size_bytes()
    }
    fn compressed_size_bytes(&self) -> u64 {
        self.honest.compressed_size_bytes()
    }
    fn key(&self) -> Digest {
        self.honest.key()
    }
}

/// A full disk.
struct Full;
impl io::Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn parts_that_changed_or_fail_are_errors() {
    type Change = fn(&[u8]) -> io::Result<Vec<u8>>;
    let honest: Change = |bytes| Ok(bytes.to_vec());
    let shorter: Change = |bytes| Ok(bytes[..bytes.len() - 1].to_vec());
    let longer: Change = |bytes| Ok([bytes, b"x"].concat());
    let broken: Change = |_| Err(io::Error::other("broken disk"));
    for (what, raw, compressed, message) in [
        ("raw shorter", shorter, honest, "bytes, not"),
        ("raw longer", longer, honest, "bytes, not"),
        ("compressed shorter", honest, shorter, "bytes, not"),
        ("compressed longer", honest, longer, "bytes, not"),
        ("raw broken", broken, honest, "can't be read"),
        ("compressed broken", honest, broken, "can't be read"),
        ("both broken", broken, broken, "can't be read"),
    ] {
        let honest = part(segment(&[("a", 0o644, b"content")]));
        let liar = Liar { honest, raw, compressed };
        let error = write_layer(&[&liar], Compression::Gzip, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains(message), "{what}: {error}");
    }
    let error = write_layer(&[], Compression::Gzip, &mut Full).unwrap_err();
    assert!(matches!(error, LayerError::Write(_)), "{error}");
}

#[test]
fn directories_have_the_time_of_the_newest_below() {
    let mut tree = Tree::new();
    let path = |text: &str| TreePath::parse(text).unwrap();
    for (directory, mode) in
        [("usr", 0o755), ("usr/lib", 0o755), ("usr/bin", 0o750), ("tmp", 0o1777)]
    {
        let node = Node {
            metadata: Metadata { gid: 5, ..Metadata::root(mode, 77) },
            kind: Kind::Directory,
            origin: Origin::Definition,
        };
        tree.insert(path(directory), node).unwrap();
    }
    let entries = [(path("usr/bin/a"), 10), (path("usr/bin/b"), 30), (path("usr/lib/c"), 20)];
    let borrowed = || entries.iter().map(|(path, mtime)| (path, *mtime));
    let found = layer_directories(&tree, borrowed(), [&path("tmp")], 99).unwrap();
    let short: Vec<(String, u32, u32, i64)> = (found.iter())
        .map(|(path, metadata)| (path.to_string(), metadata.mode, metadata.gid, metadata.mtime))
        .collect();
    let expected = [
        ("/tmp", 0o1777, 5, 99),
        ("/usr", 0o755, 5, 30),
        ("/usr/bin", 0o750, 5, 30),
        ("/usr/lib", 0o755, 5, 20),
    ];
    assert_eq!(short, expected.map(|(path, mode, gid, time)| (path.to_owned(), mode, gid, time)));
    // In any order of entries; and another epoch changes only directories without entries.
    let reversed = entries.iter().rev().map(|(path, mtime)| (path, *mtime));
    assert_eq!(layer_directories(&tree, reversed, [&path("tmp")], 99).unwrap(), found);
    let other = layer_directories(&tree, borrowed(), [&path("tmp")], 100).unwrap();
    assert_eq!(other[1..], found[1..]);
    assert_eq!(layer_directories(&tree, [], [], 99).unwrap(), []);
    // An empty directory below one with entries keeps its own time.
    let both = layer_directories(&tree, [(&path("usr/x"), 5)], [&path("usr/lib")], 99).unwrap();
    assert_eq!(both.iter().map(|(_, metadata)| metadata.mtime).collect::<Vec<_>>(), [5, 99]);

    // What the tree has no directory for.
    for entry in ["opt/a", "usr/lib/x/y"] {
        let missing = layer_directories(&tree, [(&path(entry), 1)], [], 99);
        let parent = path(entry).parent().unwrap();
        assert_eq!(missing, Err(DirectoryError::Missing(parent)));
    }
    let file = Node {
        metadata: Metadata::root(0o644, 0),
        kind: Kind::File(File::inline(b"".to_vec())),
        origin: Origin::Definition,
    };
    tree.insert(path("usr/file"), file).unwrap();
    let error = layer_directories(&tree, [], [&path("usr/file")], 99).unwrap_err();
    assert_eq!(error.to_string(), "/usr/file is not a directory of the tree");

    let mut expected = TarWriter::new(Vec::new());
    for (path, metadata) in &found {
        expected.write_header(path, metadata, TarKind::Directory).unwrap();
    }
    let root = [(TreePath::root(), Metadata::root(0o755, 0))];
    assert_eq!(directory_segment(&[&root[..], &found].concat()), expected.into_inner());
}

/// The example of the OCI image specification's text, with our own digests.
#[test]
fn chain_ids_are_digests_of_digests() {
    let [a, b, c] = ["a", "b", "c"].map(|text| Digest::of(text.as_bytes()));
    let ab = Digest::of(format!("{a} {b}").as_bytes());
    let abc = Digest::of(format!("{ab} {c}").as_bytes());
    assert_eq!(chain_ids(&[a, b, c]), [a, ab, abc]);
    assert_eq!(chain_ids(&[]), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// However files are spread over parts, the layer has the same content.
    #[test]
    fn any_grouping_gives_the_same_raw_bytes(
        contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..700), 1..8),
        cuts in proptest::collection::vec(any::<bool>(), 8),
        compression in prop_oneof![Just(Compression::Gzip), Just(Compression::Zstd)],
    ) {
        let names: Vec<String> = (0..contents.len()).map(|at| format!("f{at}")).collect();
        let mut groups: Vec<Vec<common::TestFile<'_>>> = vec![Vec::new()];
        for ((name, content), cut) in names.iter().zip(&contents).zip(cuts) {
            if cut {
                groups.push(Vec::new());
            }
            groups.last_mut().unwrap().push((name, 0o644, content));
        }
        let whole = segment(&groups.concat());
        let parts: Vec<BytesPart> = (groups.iter())
            .map(|files| BytesPart::new(segment(files), compression).unwrap())
            .collect();
        let raw = write(&parts, compression).unwrap();
        prop_assert_eq!(&raw[..raw.len() - 1024], &whole[..]);
    }

    /// Nothing makes the scanner panic.
    #[test]
    fn garbage_is_an_error_or_a_layer(
        raw in proptest::collection::vec(any::<u8>(), 0..3000),
        flips in proptest::collection::vec((0_usize..1024, any::<u8>()), 0..4),
    ) {
        let _ = write(&[part(raw)], Compression::Gzip);
        let long = "p".repeat(120);
        let mut bytes = segment(&[(&long, 0o644, b"content")]);
        for (at, value) in flips {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        let _ = write(&[part(bytes)], Compression::Gzip);
    }
}

// SPDX-License-Identifier: Apache-2.0

use std::time::SystemTime;

use hardpan_image::{Compression, compress, media_type};
use hardpan_testkit::deb::RawEntry;
use hardpan_tree::Kind;

use super::*;
use crate::contents::StoreContents;

/// A layer's bytes with all that names them.
struct Made {
    descriptor: Descriptor,
    diff_id: Digest,
    bytes: Vec<u8>,
}

fn tar(entries: &[RawEntry]) -> Vec<u8> {
    let mut tar = Vec::new();
    for entry in entries {
        entry.write(&mut tar);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

fn made(tar: &[u8], compression: Compression) -> Made {
    let bytes = compress(tar, compression).unwrap();
    let digest = Digest::of(&bytes);
    let media_type = compression.layer_media_type();
    let descriptor = Descriptor::new(media_type, digest, bytes.len() as u64);
    Made { descriptor, diff_id: Digest::of(tar), bytes }
}

fn layer(entries: &[RawEntry]) -> Made {
    made(&tar(entries), Compression::Gzip)
}

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path()).unwrap();
    (directory, store)
}

fn apply(store: &Store, layers: &[Made]) -> Result<Tree, ImageTreeError> {
    with(layers, |inputs| tree_of_layers(store, inputs, Origin::Definition))
}

fn with<T>(layers: &[Made], show: impl FnOnce(Vec<LayerInput<'_>>) -> T) -> T {
    let openers: Vec<_> = layers
        .iter()
        .map(|layer| || -> io::Result<Box<dyn Read + '_>> { Ok(Box::new(layer.bytes.as_slice())) })
        .collect();
    let inputs = layers.iter().zip(&openers).map(|(layer, open)| LayerInput {
        descriptor: &layer.descriptor,
        diff_id: layer.diff_id,
        open,
    });
    show(inputs.collect())
}

fn directory(path: &str) -> RawEntry {
    RawEntry::new(path, b'5')
}

fn file(path: &str, text: &str) -> RawEntry {
    RawEntry::new(path, b'0').data(text)
}

fn symlink(path: &str, target: &str) -> RawEntry {
    RawEntry::new(path, b'2').target(target)
}

fn hard_link(path: &str, target: &str) -> RawEntry {
    RawEntry::new(path, b'1').target(target)
}

/// Says in one line what is in a tree, without the root.
fn say(tree: &Tree, store: &Store) -> String {
    let words: Vec<String> = tree
        .walk()
        .filter(|(path, _)| !path.is_root())
        .map(|(path, node)| match &node.kind {
            Kind::Directory => format!("{path}/"),
            Kind::Symlink(target) => format!("{path}>{}", String::from_utf8_lossy(target)),
            Kind::HardLink(target) => format!("{path}={target}"),
            Kind::File(file) => {
                let mut text = String::new();
                let contents = StoreContents { store };
                contents.open(file).unwrap().read_to_string(&mut text).unwrap();
                format!("{path}:{text}")
            }
        })
        .collect();
    words.join(" ")
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn layers_are_applied_as_containers_see_them() {
    let base = || {
        layer(&[
            directory("usr/"),
            directory("usr/lib/"),
            file("usr/lib/a", "1"),
            file("usr/lib/b", "2"),
            symlink("lib", "usr/lib"),
        ])
    };
    let cases: &[(&str, &[RawEntry], &str)] = &[
        ("nothing", &[], "/lib>usr/lib /usr/ /usr/lib/ /usr/lib/a:1 /usr/lib/b:2"),
        (
            "a file over a file",
            &[file("usr/lib/a", "x")],
            "/lib>usr/lib /usr/ /usr/lib/ /usr/lib/a:x /usr/lib/b:2",
        ),
        ("a whiteout", &[file("usr/lib/.wh.a", "")], "/lib>usr/lib /usr/ /usr/lib/ /usr/lib/b:2"),
        (
            "a whiteout through a link",
            &[file("lib/.wh.a", "")],
            "/lib>usr/lib /usr/ /usr/lib/ /usr/lib/b:2",
        ),
        ("a whiteout of a directory", &[file("usr/.wh.lib", "")], "/lib>usr/lib /usr/"),
        (
            "a whiteout is about lower layers, wherever it stands",
            &[file("usr/lib/a", "x"), file("usr/lib/.wh.a", "")],
            "/lib>usr/lib /usr/ /usr/lib/ /usr/lib/a:x /usr/lib/b:2",
        ),
        (
            "an opaque directory",
            &[file("usr/lib/c", "3"), file("usr/lib/.wh..wh..opq", "")],
            "/lib>usr/lib /usr/ /usr/lib/ /usr/lib/c:3",
        ),
        ("an opaque root", &[file(".wh..wh..opq", ""), file("c", "3")], "/c:3"),
        (
            "a whiteout of nothing, and of what has no name",
            &[file("usr/.wh.none", ""), file("usr/.wh.", ""), file("usr/.wh..", "")],
            "/lib>usr/lib /usr/ /usr/lib/ /usr/lib/a:1 /usr/lib/b:2",
        ),
        (
            "what a storage driver keeps",
            &[file(".wh..wh.aufs", ""), directory(".wh..wh.plnk/")],
            "/lib>usr/lib /usr/ /usr/lib/ /usr/lib/a:1 /usr/lib/b:2",
        ),
        ("a file over a directory", &[file("usr", "x")], "/lib>usr/lib /usr:x"),
        (
            "a directory over a link",
            &[directory("lib/"), file("lib/c", "3")],
            "/lib/ /lib/c:3 /usr/ /usr/lib/ /usr/lib/a:1 /usr/lib/b:2",
        ),
        (
            "a file through a link of a lower layer",
            &[file("lib/c", "3")],
            "/lib>usr/lib /usr/ /usr/lib/ /usr/lib/a:1 /usr/lib/b:2 /usr/lib/c:3",
        ),
        (
            "a link that climbs out ends at the root",
            &[symlink("up", "../../.."), file("up/c", "3")],
            "/c:3 /lib>usr/lib /up>../../.. /usr/ /usr/lib/ /usr/lib/a:1 /usr/lib/b:2",
        ),
        (
            "a hard link to a file of a lower layer",
            &[hard_link("c", "lib/a")],
            "/c=/usr/lib/a /lib>usr/lib /usr/ /usr/lib/ /usr/lib/a:1 /usr/lib/b:2",
        ),
        (
            "a hard link to a symbolic link",
            &[hard_link("c", "lib")],
            "/c>usr/lib /lib>usr/lib /usr/ /usr/lib/ /usr/lib/a:1 /usr/lib/b:2",
        ),
        (
            "directories that no entry names",
            &[file("x/y/z", "3")],
            "/lib>usr/lib /usr/ /usr/lib/ /usr/lib/a:1 /usr/lib/b:2 /x/ /x/y/ /x/y/z:3",
        ),
        (
            "device nodes and pipes are left out",
            &[RawEntry::new("null", b'3'), RawEntry::new("pipe", b'6'), file("c", "3")],
            "/c:3 /lib>usr/lib /usr/ /usr/lib/ /usr/lib/a:1 /usr/lib/b:2",
        ),
        (
            "what a pipe takes the place of is gone",
            &[RawEntry::new("usr/lib/a", b'6')],
            "/lib>usr/lib /usr/ /usr/lib/ /usr/lib/b:2",
        ),
    ];
    for (summary, entries, expected) in cases {
        let (_directory, store) = store();
        let tree = apply(&store, &[base(), layer(entries)]).unwrap();
        assert_eq!(say(&tree, &store), *expected, "{summary}");
    }
}

#[test]
fn device_nodes_and_pipes_are_told() {
    let special = |path: &str, kind| RawEntry::new(path, kind);
    let cases: [(&[RawEntry], &[RawEntry], &str); 6] = [
        (
            &[special("null", b'3'), special("disk", b'4'), special("pipe", b'6')],
            &[],
            "/disk: block device, /null: character device, /pipe: named pipe",
        ),
        (&[special("null", b'3')], &[file("null", "1")], ""),
        (&[special("null", b'3')], &[file(".wh.null", "")], ""),
        (&[file("null", "1")], &[special("null", b'6')], "/null: named pipe"),
        (&[directory("d/"), symlink("l", "d")], &[special("l/p", b'6')], "/d/p: named pipe"),
        (
            &[special("null", b'3')],
            &[hard_link("more", "null")],
            "/more: character device, /null: character device",
        ),
    ];
    for (lower, upper, expected) in cases {
        let (_directory, store) = store();
        let layers = [layer(lower), layer(upper)];
        // What is in the store is read again.
        for _ in 0..2 {
            let found = with(&layers, |inputs| files_of_layers(&store, inputs, Origin::Definition));
            let found = found.unwrap().specials;
            let told: Vec<String> =
                found.iter().map(|(path, special)| format!("{path}: {}", special.kind)).collect();
            assert_eq!(told.join(", "), expected);
        }
    }
}

#[test]
fn a_file_that_is_replaced_keeps_its_other_names() {
    let (_directory, store) = store();
    let layers = [
        layer(&[file("a", "1"), hard_link("b", "a"), hard_link("c", "a")]),
        layer(&[file("a", "2")]),
        layer(&[file("b", "3")]),
    ];
    assert_eq!(say(&apply(&store, &layers).unwrap(), &store), "/a:2 /b:3 /c:1");
}

#[test]
fn metadata_and_facts_come_from_the_layer() {
    let (_directory, store) = store();
    let mut entry = file("run", "#!/bin/sh -e\n");
    entry.owner = (65532, 7);
    entry.mode = 0o4755;
    entry.mtime = 12;
    let tree = apply(&store, &[layer(&[entry])]).unwrap();
    let (node, file) = tree.file(&TreePath::literal("run")).unwrap();
    assert_eq!((node.metadata.uid, node.metadata.gid), (65532, 7));
    assert_eq!((node.metadata.mode, node.metadata.mtime), (0o4755, 12));
    assert_eq!(file.facts.as_deref(), Some(&hardpan_tree::Facts::Script("/bin/sh -e".to_owned())));
}

#[test]
fn a_layer_is_read_once_in_every_compression() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let (_directory, store) = store();
        let mut layers = [made(&tar(&[file("a", "1")]), compression)];
        let first = apply(&store, &layers).unwrap();
        // The second time nobody asks for its bytes.
        layers[0].bytes = b"gone".to_vec();
        let second = apply(&store, &layers).unwrap();
        assert_eq!(first, second, "{compression}");
        assert_eq!(say(&second, &store), "/a:1");
    }
}

#[test]
fn a_damaged_segment_is_noticed_when_its_files_are_read() {
    let (root, store) = store();
    let layers = [layer(&[file("a", "original")])];
    let tree = apply(&store, &layers).unwrap();
    let key = segment::key(&layers[0].diff_id);
    let hex = key.to_hex();
    let path = root.path().join("segments").join(&hex[..2]).join(format!("{hex}.tar"));
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[512] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let made = store.root_file_system(&key, SystemTime::UNIX_EPOCH, |directory| {
        let one = std::num::NonZeroUsize::MIN;
        crate::materialize::materialize(
            &tree,
            StoreContents { store: &store },
            directory,
            None,
            one,
        )
    });
    assert!(matches!(made, Err(StoreError::DamagedSegment { .. })), "{made:?}");
}

#[test]
fn bad_layers_are_refused() {
    let good = tar(&[file("a", "1")]);
    let with = |change: fn(&mut Made)| {
        let mut layer = made(&good, Compression::Gzip);
        change(&mut layer);
        layer
    };
    let cases: Vec<(&str, Vec<Made>, &str)> = vec![
        ("other bytes", vec![with(|layer| layer.bytes[20] ^= 1)], "has the digest sha256:"),
        ("cut short", vec![with(|layer| layer.bytes.truncate(30))], "has the digest sha256:"),
        ("more bytes", vec![with(|layer| layer.bytes.push(0))], "has the digest sha256:"),
        ("another diff id", vec![with(|layer| layer.diff_id = Digest::of(b""))], "has the diff id"),
        (
            "an unknown media type",
            vec![with(|layer| layer.descriptor.media_type = "text/plain".to_owned())],
            "unknown media type \"text/plain\"",
        ),
        (
            "another compression than it says",
            vec![with(|layer| layer.descriptor.media_type = media_type::LAYER_ZSTD.to_owned())],
            "can't be read",
        ),
        ("no archive", vec![made(b"this is not a tar archive", Compression::Gzip)], "is refused"),
        ("cut archive", vec![made(&good[..512], Compression::Gzip)], "is refused"),
        ("a path that climbs", vec![layer(&[file("../a", "1")])], "is refused"),
        ("an absolute path", vec![layer(&[file("/a", "1")])], "is refused"),
        ("a hard link to nothing", vec![layer(&[hard_link("a", "b")])], "does not fit"),
        (
            "a hard link to a directory",
            vec![layer(&[directory("b/"), hard_link("a", "b")])],
            "does not fit",
        ),
        (
            "a path through a file",
            vec![layer(&[file("a", "1")]), layer(&[file("a/b", "1")])],
            "does not fit",
        ),
        (
            "a path through links in a circle",
            vec![layer(&[symlink("a", "b"), symlink("b", "a")]), layer(&[file("a/c", "1")])],
            "leads nowhere",
        ),
    ];
    for (summary, layers, expected) in cases {
        let (_directory, store) = store();
        let error = apply(&store, &layers).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(expected), "{summary}: {text}");
        // Nothing that is wrong is kept.
        if layers.len() == 1 && matches!(error.trouble(), Trouble::Trust) && !text.contains("fit") {
            let key = segment::key(&layers[0].diff_id);
            assert!(store.segment(&key).is_none(), "{summary}");
        }
    }
}

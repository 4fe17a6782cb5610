// SPDX-License-Identifier: Apache-2.0
//! Tar in and out.

#![allow(clippy::unwrap_used, clippy::type_complexity, reason = "helpers of tests are tests")]

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use hardpan_tree::{
    Digest, File, InlineContents, Kind, Metadata, Node, Origin, TarEntryKind, TarKind, TarLimits,
    TarReadError, TarReader, TarWriter, Tree, TreePath,
};
use proptest::prelude::*;

fn path(text: &str) -> TreePath {
    TreePath::parse(text).unwrap()
}

fn write(entries: &[(&TreePath, Metadata, TarKind<'_>, &[u8])]) -> Vec<u8> {
    let mut tar = TarWriter::new(Vec::new());
    for (path, metadata, kind, data) in entries {
        tar.write_entry(path, metadata, *kind, &mut &**data).unwrap();
    }
    tar.write_end_marker().unwrap();
    tar.into_inner()
}

#[test]
fn bytes_never_change() {
    let metadata = Metadata { uid: 1000, gid: 42, ..Metadata::root(0o4755, 1_700_000_000) };
    let long = path(&format!("/{}/{}", "d".repeat(120), "f".repeat(90)));
    let longer = path(&format!("/{}/{}", "d".repeat(90), "f".repeat(120)));
    let mut special = metadata.clone();
    special.uid = u32::MAX;
    special.mtime = i64::MAX;
    special.xattrs.insert("security.capability".into(), b"\x01\n\0=".into());
    let tar = write(&[
        (&path("/usr"), metadata.clone(), TarKind::Directory, b""),
        (&path("/usr/x"), metadata.clone(), TarKind::File(5), b"hello"),
        (&path("/usr/e"), metadata.clone(), TarKind::File(0), b""),
        (&path("/usr/b"), metadata.clone(), TarKind::File(512), &[7; 512]),
        (&path("/usr/s"), metadata.clone(), TarKind::Symlink(b"x"), b""),
        (&path("/usr/h"), metadata.clone(), TarKind::HardLink(&path("/usr/x")), b""),
        (&long, metadata.clone(), TarKind::Directory, b""),
        (&longer, metadata.clone(), TarKind::HardLink(&long), b""),
        (&path("/usr/z"), special, TarKind::File(1), b"z"),
    ]);
    // Part of every image digest: a change here changes them all.
    assert_eq!(
        Digest::of(&tar).to_string(),
        "sha256:ee608aef755043b1eaf971ba215899a062c2ffa1a87c21ec610fca8c6c55ae83"
    );
}

#[test]
fn records_say_where_they_are() {
    let mut tar = TarWriter::at(Vec::new(), 1024);
    let metadata = Metadata::root(0o644, 0);
    let file = path("/x");
    let written = tar.write_entry(&file, &metadata, TarKind::File(3), &mut &b"abc"[..]).unwrap();
    assert_eq!(
        (written.record_offset_bytes, written.data_offset_bytes, written.end_offset_bytes),
        (1024, 1536, 2048)
    );
    let data = tar.write_header(&file, &metadata, TarKind::File(600)).unwrap();
    assert_eq!(data, 2560);
    // Not before the data is complete, and not more than that.
    assert!(tar.write_header(&file, &metadata, TarKind::File(1)).is_err());
    assert!(tar.write_end_marker().is_err());
    tar.write_data(&[1; 599]).unwrap();
    assert!(tar.write_data(&[1; 2]).is_err());
    tar.write_data(&[1]).unwrap();
    assert_eq!(tar.offset_bytes(), 2560 + 1024);
    let mut bad = metadata.clone();
    bad.xattrs.insert("user.a=b".into(), Vec::new());
    assert!(tar.write_header(&file, &bad, TarKind::Directory).is_err());
    let short = tar.write_entry(&file, &metadata, TarKind::File(5), &mut &b"abc"[..]);
    assert_eq!(short.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

/// What the `tar` crate reads from an archive.
fn foreign_view(bytes: &[u8]) -> Vec<(Vec<u8>, u8, u32, u64, u64, Vec<u8>, Vec<u8>)> {
    let mut archive = tar::Archive::new(bytes);
    let mut view = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut data = Vec::new();
        entry.read_to_end(&mut data).unwrap();
        view.push((
            entry.path_bytes().into_owned(),
            entry.header().entry_type().as_byte(),
            entry.header().mode().unwrap(),
            entry.header().uid().unwrap(),
            entry.header().mtime().unwrap(),
            entry.link_name_bytes().unwrap_or_default().into_owned(),
            data,
        ));
    }
    view
}

#[test]
fn another_reader_sees_the_same() {
    let metadata = Metadata { uid: 1000, ..Metadata::root(0o755, 9) };
    let names = ["/a".into(), format!("/{}/x", "d".repeat(150)), format!("/{}", "n".repeat(200))];
    for name in names.iter().map(|name| path(name)) {
        let target = vec![b't'; name.as_bytes().len()];
        for (kind, data, flag) in [
            (TarKind::File(4), &b"data"[..], b'0'),
            (TarKind::Symlink(&target), b"", b'2'),
            (TarKind::HardLink(&name), b"", b'1'),
            (TarKind::Directory, b"", b'5'),
        ] {
            let tar = write(&[(&name, metadata.clone(), kind, data)]);
            let (link, mut expected) = match kind {
                TarKind::Symlink(_) => (target.clone(), name.as_bytes().to_vec()),
                TarKind::HardLink(name) => (name.as_bytes().to_vec(), name.as_bytes().to_vec()),
                _ => (Vec::new(), name.as_bytes().to_vec()),
            };
            if kind == TarKind::Directory {
                expected.push(b'/');
            }
            let view = foreign_view(&tar);
            assert_eq!(view, [(expected, flag, 0o755, 1000, 9, link, data.to_vec())], "{name}");
        }
    }
}

#[test]
fn archives_of_others_are_read() {
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(120));
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(4);
    header.set_mode(0o100_755);
    header.set_uid(1 << 22);
    header.set_mtime(7);
    builder.append_data(&mut header.clone(), &long, &b"data"[..]).unwrap();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header.clone(), "link", &long).unwrap();
    let tar = builder.into_inner().unwrap();
    let mut reader = TarReader::new(&tar[..], TarLimits::default());
    let entry = reader.next_entry().unwrap().unwrap();
    assert_eq!((entry.path, entry.kind), (path(&long), TarEntryKind::File(4)));
    assert_eq!(entry.metadata, Metadata { uid: 1 << 22, ..Metadata::root(0o755, 7) });
    let entry = reader.next_entry().unwrap().unwrap();
    assert_eq!(entry.kind, TarEntryKind::Symlink(long.into_bytes()));
    assert_eq!(reader.next_entry().unwrap(), None);
    assert_eq!(reader.next_entry().unwrap(), None);
    reader.finish().unwrap();
}

/// One header with a right checksum.
fn header(name: &[u8], type_flag: u8, change: impl Fn(&mut [u8; 512])) -> Vec<u8> {
    let mut block = [0; 512];
    block[..name.len()].copy_from_slice(name);
    block[156] = type_flag;
    block[257..265].copy_from_slice(b"ustar\x0000");
    change(&mut block);
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block.to_vec()
}

fn size(size: u64) -> impl Fn(&mut [u8; 512]) {
    move |block| block[124..135].copy_from_slice(format!("{size:011o}").as_bytes())
}

#[test]
fn names_of_owners_are_told() {
    let header = |user: &str| {
        let mut header = tar::Header::new_ustar();
        header.set_path("a").unwrap();
        header.set_username(user).unwrap();
        header.set_groupname("staff").unwrap();
        header.set_size(0);
        header.set_cksum();
        header
    };
    let mut builder = tar::Builder::new(Vec::new());
    builder.append(&header("nginx"), &b""[..]).unwrap();
    builder.append_pax_extensions([("uname", &b"long.name"[..])]).unwrap();
    builder.append(&header("short"), &b""[..]).unwrap();
    builder.append(&header(""), &b""[..]).unwrap();
    let bytes = builder.into_inner().unwrap();
    let mut reader = TarReader::new(&bytes[..], TarLimits::default());
    for user in ["nginx", "long.name", ""] {
        reader.next_entry().unwrap().unwrap();
        assert_eq!(reader.owner_names(), [user.as_bytes(), b"staff"]);
    }
    // What is neither of POSIX nor of GNU has no names.
    let mut old = bytes[..512].to_vec();
    old[257..263].fill(0);
    let sum: u32 = (old.iter().enumerate())
        .map(|(at, &byte)| if (148..156).contains(&at) { 32 } else { u32::from(byte) })
        .sum();
    old[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    old.resize(2048, 0);
    let mut reader = TarReader::new(&old[..], TarLimits::default());
    reader.next_entry().unwrap().unwrap();
    assert_eq!(reader.owner_names(), [&b""[..], b""]);
}

fn first(tar: &[u8], limits: TarLimits) -> Result<Option<hardpan_tree::TarEntry>, TarReadError> {
    TarReader::new(tar, limits).next_entry()
}

#[test]
fn bad_archives_are_refused() {
    let none = |_: &mut [u8; 512]| {};
    let pax = |records: &str| {
        let mut tar = header(b"pax", b'x', size(records.len() as u64));
        tar.extend_from_slice(records.as_bytes());
        tar.resize(1024, 0);
        tar.extend(header(b"x", b'0', none));
        tar
    };
    let mut wrong_sum = header(b"x", b'0', none);
    wrong_sum[0] = b'y';
    for (tar, expected) in [
        (Vec::new(), "cut short"),
        (vec![0; 100], "cut short"),
        (header(b"x", b'0', none)[..100].to_vec(), "cut short"),
        (vec![b'x'; 512], "not a tar header at byte 0: no checksum"),
        (wrong_sum, "not a tar header at byte 0: wrong checksum"),
        (header(b"/x", b'0', none), "absolute path: \"/x\""),
        (header(b"a/../x", b'0', none), "path has a \"..\" component: \"a/../x\""),
        (header(b"", b'0', none), "the root is not a directory"),
        (header(b"x", b'3', none), "/x is a character device"),
        (header(b"x", b'4', none), "/x is a block device"),
        (header(b"x", b'6', none), "/x is a named pipe"),
        (header(b"x", b'S', none), "/x has the unsupported type 'S'"),
        (header(b"x", b'M', none), "/x has the unsupported type 'M'"),
        (header(b"x", b'2', none), "/x has a bad link target"),
        (header(b"x", b'1', none), "/x has a bad link target"),
        (header(b"x", b'0', |block| block[108] = b'-'), "not a tar header at byte 0: not a number"),
        (
            header(b"x", b'0', |block| block[108..116].fill(0xff)),
            "not a tar header at byte 0: owner out of range",
        ),
        (
            header(b"x", b'0', |block| block[124..136].fill(0xff)),
            "not a tar header at byte 0: negative size",
        ),
        (
            header(b"x", b'0', |block| {
                block[124..136].copy_from_slice(b"\x80\0\0\0\x01\0\0\0\0\0\0\0");
            }),
            "more than 34359738368 bytes of data",
        ),
        (header(b"x", b'L', size(2 << 20)), "more than 1048576 bytes of extended headers"),
        (header(b"x", b'L', size(10)), "cut short"),
        (pax("nonsense"), "bad PAX record at byte 0: no length"),
        (pax("16 path=/shadow\n"), "absolute path: \"/shadow\""),
        (pax("11 path=..\n"), "path has a \"..\" component: \"..\""),
        (
            pax("22 GNU.sparse.major=1\n"),
            "bad PAX record at byte 0: sparse files are not supported",
        ),
        (pax("20 size=99999999999\n"), "more than 34359738368 bytes of data"),
    ] {
        let error = first(&tar, TarLimits::default()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let pending = &pax("9 path=y\n")[..1024];
    let pending = [pending, &[0; 1024]].concat();
    assert_eq!(first(&pending, TarLimits::default()).unwrap_err().to_string(), "cut short");
}

#[test]
fn limits_hold() {
    let none = |_: &mut [u8; 512]| {};
    let two = [header(b"x", b'0', none), header(b"y", b'0', none)].concat();
    let limits = TarLimits { entries_max: 1, ..TarLimits::default() };
    let mut reader = TarReader::new(&two[..], limits);
    reader.next_entry().unwrap();
    assert_eq!(reader.next_entry().unwrap_err().to_string(), "more than 1 entries");
    let limits = TarLimits { size_bytes_max: 10, ..TarLimits::default() };
    let large = header(b"x", b'0', size(11));
    assert_eq!(first(&large, limits).unwrap_err().to_string(), "more than 10 bytes of data");
    let limits = TarLimits { refuse_special: false, ..TarLimits::default() };
    let device = first(&header(b"x", b'3', none), limits).unwrap().unwrap();
    assert!(matches!(device.kind, TarEntryKind::Special(_)));
    let open = TarLimits { end_marker_required: false, ..TarLimits::default() };
    assert_eq!(first(b"", open).unwrap(), None);
    assert!(first(&[0; 100], open).is_err());
}

#[test]
fn what_follows_the_end_is_refused() {
    let mut tar = write(&[(&path("/x"), Metadata::root(0o644, 0), TarKind::File(1), b"x")]);
    tar.resize(10_240, 0);
    let read = |tar: &[u8]| Tree::from_tar(tar, TarLimits::default(), Origin::Definition);
    assert_eq!(read(&tar).unwrap().len(), 2);
    tar.push(1);
    assert_eq!(read(&tar).unwrap_err().to_string(), "data after the end of the archive");
}

#[test]
fn trees_are_not_made_through_links() {
    let metadata = Metadata::root(0o755, 0);
    let tar = write(&[
        (&path("/s"), metadata.clone(), TarKind::Symlink(b"/etc"), b""),
        (&path("/s/x"), metadata, TarKind::File(0), b""),
    ]);
    let error = Tree::from_tar(&tar[..], TarLimits::default(), Origin::Definition).unwrap_err();
    assert_eq!(error.to_string(), "/s/x: /s is not a directory");
}

fn any_metadata() -> impl Strategy<Value = Metadata> {
    let xattrs = proptest::collection::btree_map("user\\.[a-z]{1,8}", any::<Vec<u8>>(), 0..2);
    (0..=0o7777_u32, any::<u32>(), any::<u32>(), 0..i64::MAX, xattrs)
        .prop_map(|(mode, uid, gid, mtime, xattrs)| Metadata { mode, uid, gid, mtime, xattrs })
}

/// Makes a tree of files, directories and links with names of all lengths and bytes.
fn any_tree() -> impl Strategy<Value = Tree> {
    let name = prop_oneof![
        "[a-c]{1,2}".prop_map(String::into_bytes),
        "[a-c]{90,200}".prop_map(String::into_bytes),
        proptest::collection::vec(1..=255_u8, 1..4),
    ];
    let path = proptest::collection::vec(name, 1..5).prop_map(|names| names.join(&b'/'));
    let content = proptest::collection::vec(any::<u8>(), 0..1500);
    let target = proptest::collection::vec(1..=255_u8, 1..300);
    let entry = (path, any_metadata(), 0..4_u8, content, target);
    proptest::collection::vec(entry, 0..12).prop_map(|entries| {
        let mut tree = Tree::new();
        let mut files = Vec::new();
        for (path, metadata, kind, content, target) in entries {
            let Ok(path) = TreePath::parse(path) else { continue };
            let Some(parent) = path.parent() else { continue };
            let root = Metadata::root(0o755, 0);
            if tree.contains(&path)
                || tree.make_directories(&parent, &root, Origin::Definition).is_err()
            {
                continue;
            }
            let (kind, metadata) = match (kind, files.last()) {
                (0, _) => (Kind::Directory, metadata),
                (1, _) => (Kind::Symlink(target), metadata),
                (2, Some((file, metadata))) => {
                    (Kind::HardLink(TreePath::clone(file)), Metadata::clone(metadata))
                }
                _ => {
                    files.push((path.clone(), metadata.clone()));
                    (Kind::File(File::inline(content)), metadata)
                }
            };
            let node = Node { metadata, kind, origin: Origin::Definition };
            tree.insert(path, node).expect("the parent is there and the path is free");
        }
        tree
    })
}

proptest! {
    #[test]
    fn trees_round_trip(tree in any_tree()) {
        let mut tar = TarWriter::new(Vec::new());
        tar.write_tree(&tree, &InlineContents).unwrap();
        tar.write_end_marker().unwrap();
        let bytes = tar.into_inner();
        let read = Tree::from_tar(&bytes[..], TarLimits::default(), Origin::Definition).unwrap();
        prop_assert_eq!(read.dump(), tree.dump());
        prop_assert!(read.difference(&tree).is_empty() && tree.difference(&read).is_empty());
        // And another reader can read it.
        let mut archive = tar::Archive::new(&bytes[..]);
        let count = archive.entries().unwrap().map(Result::unwrap).count();
        prop_assert_eq!(count, tree.len() - 1);
    }

    #[test]
    fn damage_never_panics(tree in any_tree(), damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..4)) {
        let mut tar = TarWriter::new(Vec::new());
        tar.write_tree(&tree, &InlineContents).unwrap();
        tar.write_end_marker().unwrap();
        let mut bytes = tar.into_inner();
        for (at, value) in damage {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        let _ = Tree::from_tar(&bytes[..], TarLimits::default(), Origin::Definition);
    }
}

#[test]
fn gnu_tar_agrees() {
    let mut tree = Tree::new();
    let long = format!("/{}/{}", "d".repeat(120), "f".repeat(120));
    for (name, kind) in [
        ("/usr", Kind::Directory),
        ("/usr/x", Kind::File(File::inline(*b"hello"))),
        ("/usr/y", Kind::Symlink(b"x".into())),
        ("/a", Kind::HardLink(path("/usr/x"))),
        (&long, Kind::File(File::inline(*b""))),
    ] {
        let name = path(name);
        let parent = name.parent().unwrap();
        let metadata = Metadata { uid: 7, gid: 3_000_000, ..Metadata::root(0o755, 86_400) };
        tree.make_directories(&parent, &metadata, Origin::Definition).unwrap();
        tree.insert(name, Node { metadata, kind, origin: Origin::Definition }).unwrap();
    }
    let mut tar = TarWriter::new(Vec::new());
    tar.write_tree(&tree, &InlineContents).unwrap();
    tar.write_end_marker().unwrap();
    let child = std::process::Command::new("tar")
        .args(["--list", "--verbose", "--numeric-owner", "--utc", "--full-time", "--file", "-"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("skipped: gnu_tar_agrees because tar is not installed");
        return;
    };
    child.stdin.take().unwrap().write_all(&tar.into_inner()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let lines: BTreeMap<String, String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let mut words = line.split_whitespace();
            let head = [words.next().unwrap(), words.next().unwrap(), words.next().unwrap()];
            let time = [words.next().unwrap(), words.next().unwrap()];
            (words.collect::<Vec<_>>().join(" "), [head.join(" "), time.join(" ")].join(" "))
        })
        .collect();
    let expected = |text: &str| format!("{text} 1970-01-02 00:00:00");
    assert_eq!(lines["usr/"], expected("drwxr-xr-x 7/3000000 0"));
    assert_eq!(lines["usr/x"], expected("-rwxr-xr-x 7/3000000 5"));
    assert_eq!(lines["usr/y -> x"], expected("lrwxr-xr-x 7/3000000 0"));
    assert_eq!(lines["a link to usr/x"], expected("hrwxr-xr-x 7/3000000 0"));
    assert_eq!(lines[&long[1..]], expected("-rwxr-xr-x 7/3000000 0"));
    assert_eq!(lines.len(), 6);
}

// SPDX-License-Identifier: Apache-2.0
//! Archives that are unpacked, and those that are not.

use std::io::Write;

use super::makers::{Tar, gzip, zip, zip_entry};
use super::support::{Case, chain, file, globs};
use crate::error::Trouble;

fn tar() -> Vec<u8> {
    Tar::default()
        .entry(b'5', "./", 0o700, "", b"")
        .entry(b'5', "x-1/", 0o750, "", b"")
        .entry(b'0', "x-1/run", 0o4755, "", b"#!/bin/sh\n")
        .entry(b'1', "x-1/again", 0o755, "x-1/run", b"")
        .entry(b'2', "x-1/link", 0o777, "/etc/../x", b"")
        .file("x-1/docs/a.txt", b"text")
        .bytes()
}

const UNPACKED: [&str; 6] = [
    "/work/source/x-1 750 0:0 1700000000 directory",
    "/work/source/x-1/again 755 0:0 1700000000 = /work/source/x-1/run",
    "/work/source/x-1/docs 755 0:0 1800000000 directory",
    "/work/source/x-1/docs/a.txt 644 0:0 1700000000 \"text\"",
    "/work/source/x-1/link 777 0:0 1700000000 -> /etc/../x",
    "/work/source/x-1/run 755 0:0 1700000000 \"#!/bin/sh\\n\"",
];

#[test]
fn tar_archives_are_unpacked_without_stripping_names() {
    let case = Case::new();
    let tar = tar();
    let xz = {
        let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 1);
        encoder.write_all(&tar).unwrap();
        encoder.finish().unwrap()
    };
    let bzip2 = {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(&tar).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = zstd::encode_all(tar.as_slice(), 1).unwrap();
    for (name, bytes) in [
        ("x.tar", &tar),
        ("x.tar.gz", &gzip(&tar)),
        ("x.tgz", &gzip(&tar)),
        ("x.tar.xz", &xz),
        ("x.tar.bz2", &bzip2),
        ("x.tar.zst", &zstd),
    ] {
        let url = case.serve(name, bytes);
        let tree = case.all(&[file(&url, "${source.dir}")]).unwrap();
        assert_eq!(case.dump(&tree, "/work/source"), UNPACKED, "{name}");
        // With an archive's ending it stays as it is.
        let tree = case.all(&[file(&url, &format!("/opt/{name}"))]).unwrap();
        assert_eq!(case.dump(&tree, "/opt").len(), 1, "{name}");
    }
}

#[test]
fn owners_are_the_definitions_and_modes_the_archives() {
    let case = Case::new();
    let url = case.serve("x.tar", &tar());
    let mut wanted = file(&url, "/opt/x/");
    wanted.value.uid = 65532;
    wanted.value.gid = 1;
    wanted.value.mode = Some(0o600);
    let tree = case.all(&[wanted]).unwrap();
    let lines = case.dump(&tree, "/");
    assert!(lines.contains(&"/opt 755 0:0 1800000000 directory".to_owned()), "{lines:?}");
    assert!(lines.contains(&"/opt/x 755 65532:1 1800000000 directory".to_owned()), "{lines:?}");
    let text = "/opt/x/x-1/docs/a.txt 644 65532:1 1700000000 \"text\"";
    assert!(lines.contains(&text.to_owned()), "{lines:?}");
}

#[test]
fn members_are_chosen_by_patterns() {
    let case = Case::new();
    let url = case.serve("x.tar", &tar());
    let paths = |includes: &[&str], excludes: &[&str]| {
        let mut wanted = file(&url, "/opt");
        wanted.value.includes = globs(includes);
        wanted.value.excludes = globs(excludes);
        let tree = case.all(&[wanted])?;
        let lines = case.dump(&tree, "/opt");
        let path = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
        Ok::<Vec<String>, crate::error::Error>(lines.iter().map(path).collect())
    };
    for (includes, excludes, expected) in [
        (&["x-1/docs"][..], &[][..], &["/opt/x-1", "/opt/x-1/docs", "/opt/x-1/docs/a.txt"][..]),
        (&["**/*.txt"], &[], &["/opt/x-1", "/opt/x-1/docs", "/opt/x-1/docs/a.txt"]),
        // A second name whose first is left out becomes a file.
        (&["*/again"], &[], &["/opt/x-1", "/opt/x-1/again"]),
        (&[], &["x-1/docs", "**/run", "**/again"], &["/opt/x-1", "/opt/x-1/link"]),
    ] {
        assert_eq!(paths(includes, excludes).unwrap(), expected, "{includes:?} {excludes:?}");
    }
    for (pattern, message) in
        [("x-2", "nothing in the archive matches"), ("[x", "without its \"]\"")]
    {
        let error = paths(&[pattern], &[]).unwrap_err();
        assert_eq!(error.trouble(), Trouble::Usage);
        assert!(chain(&error).contains(message), "{}", chain(&error));
    }
}

#[test]
fn zip_archives_are_unpacked() {
    let case = Case::new();
    let mut stored = zip_entry("a/stored.txt", 0o100_600, b"stored");
    stored.is_deflated = false;
    let bytes = zip(&[
        zip_entry("a/", 0o040_755, b""),
        zip_entry("a/run", 0o104_755, b"#!/bin/sh\n"),
        zip_entry("a/link", 0o120_777, b"run"),
        stored,
        zip_entry("b/from-dos.txt", 0, b"text"),
        zip_entry("a/run", 0o100_755, b"the last one counts"),
    ]);
    let url = case.serve("x.zip", &bytes);
    let tree = case.all(&[file(&url, "/opt")]).unwrap();
    assert_eq!(
        case.dump(&tree, "/opt"),
        [
            "/opt/a 755 0:0 1709210096 directory",
            "/opt/a/link 777 0:0 1709210096 -> run",
            "/opt/a/run 755 0:0 1709210096 \"the last one counts\"",
            "/opt/a/stored.txt 600 0:0 1709210096 \"stored\"",
            "/opt/b 755 0:0 1800000000 directory",
            "/opt/b/from-dos.txt 644 0:0 1709210096 \"text\"",
        ]
    );
}

#[test]
fn a_compressed_file_is_decompressed() {
    let case = Case::new();
    let url = case.serve("argo-linux.gz", &gzip(b"\x7fELF and so on"));
    let mut wanted = file(&url, "/usr/local/bin/argo");
    wanted.value.mode = Some(0o755);
    let tree = case.all(&[wanted]).unwrap();
    let lines = case.dump(&tree, "/usr/local/bin");
    assert_eq!(lines, ["/usr/local/bin/argo 755 0:0 1800000000 \"\\u{7f}ELF and so on\""]);
}

#[test]
fn what_is_unpacked_is_kept_and_damage_is_mended() {
    let case = Case::new();
    let url = case.serve("x.tar", &tar());
    let files = [file(&url, "/opt")];
    let locked = case.pin(&files).unwrap();
    let blob = case.store.blob_path(&locked[0].sha256);
    let mut bytes = std::fs::read(&blob).unwrap();
    bytes[600] ^= 1;
    std::fs::write(&blob, bytes).unwrap();
    case.server.take_log();
    case.fetch(&files, &locked).unwrap();
    assert_eq!(case.server.take_log().len(), 1, "fetched anew");
    // Unpacked already: not even the archive is read.
    std::fs::write(&blob, vec![0; usize::try_from(locked[0].size_bytes).unwrap()]).unwrap();
    case.fetch(&files, &locked).unwrap();
}

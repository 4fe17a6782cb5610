// SPDX-License-Identifier: Apache-2.0
//! Archives made to do harm.

use super::makers::{Tar, ZipEntry, gzip, zip, zip_entry};
use super::support::{Case, chain, file};
use crate::error::Trouble;

fn assert_refused(case: &Case, name: &str, bytes: &[u8], summary: &str, message: &str) {
    let url = case.serve(name, bytes);
    let error = case.all(&[file(&url, "/opt")]).expect_err(summary);
    let text = chain(&error);
    assert_eq!(error.trouble(), Trouble::Trust, "{summary}: {text}");
    assert!(text.contains(message), "{summary}: {text}");
}

#[test]
fn hostile_tar_archives_are_refused() {
    let case = Case::new();
    let new = Tar::default;
    for (summary, tar, message) in [
        ("above", new().file("../../etc/passwd", b"x"), "\"..\" component"),
        ("above in the middle", new().file("a/../../b", b"x"), "\"..\" component"),
        ("absolute", new().file("/etc/passwd", b"x"), "absolute path"),
        (
            "through a link",
            new().entry(b'2', "a", 0o777, "/etc", b"").file("a/passwd", b"x"),
            "/a/passwd would go through /a",
        ),
        ("through a file", new().file("a", b"x").file("a/b/c", b"x"), "/a/b/c would go through /a"),
        (
            "a link in place of a directory",
            new().file("a/b", b"x").entry(b'2', "a", 0o777, "/etc", b""),
            "/a is a directory and something else",
        ),
        (
            "a directory in place of a link",
            new().entry(b'2', "a", 0o777, "/etc", b"").entry(b'5', "a", 0o755, "", b""),
            "/a is a directory and something else",
        ),
        ("a device", new().entry(b'3', "dev/mem", 0o666, "", b""), "is a character device"),
        ("a disk", new().entry(b'4', "dev/sda", 0o666, "", b""), "is a block device"),
        ("a pipe", new().entry(b'6', "pipe", 0o666, "", b""), "is a named pipe"),
        ("a hard link out", new().entry(b'1', "a", 0o644, "/etc/shadow", b""), "absolute path"),
        ("a hard link up", new().entry(b'1', "a", 0o644, "../shadow", b""), "\"..\" component"),
        (
            "a hard link to what is not there",
            new().entry(b'1', "a", 0o644, "etc/shadow", b""),
            "which is no file before it",
        ),
        ("a hard link to itself", new().entry(b'1', "a", 0o644, "a", b""), "no file before it"),
        (
            "a hard link to a directory",
            new().entry(b'5', "d", 0o755, "", b"").entry(b'1', "a", 0o644, "d", b""),
            "no file before it",
        ),
    ] {
        assert_refused(&case, "x.tar.gz", &gzip(&tar.bytes()), summary, message);
    }
    let good = Tar::default().file("a", &[7; 5000]).bytes();
    let packed = gzip(&good);
    for (summary, name, bytes, message) in [
        ("cut short", "x.tar", &good[..2000], "cut short"),
        ("cut short, compressed", "x.tar.gz", &packed[..packed.len() - 9], ""),
        ("not compressed", "x.tar.gz", &good, "broken data"),
        ("not an archive", "x.tar", &[b'x'; 2048][..], "not a tar header"),
        ("empty", "x.tar", b"", "cut short"),
        ("another method", "x.tar.xz", &packed, "broken data"),
        ("another method", "x.tar.zst", &packed, "broken data"),
        ("another method", "x.tar.bz2", &packed, "broken data"),
        ("a page instead", "x.zip", b"<html></html>", "no directory"),
        ("a page instead", "x.gz", b"<html></html>", "broken data"),
    ] {
        assert_refused(&case, name, bytes, summary, message);
    }
}

#[test]
fn links_that_lead_out_of_an_archive_stay_what_they_are() {
    // A link is only text: the tree resolves it inside of the image, and nothing is written through it.
    let case = Case::new();
    let tar = Tar::default().entry(b'2', "up", 0o777, "../../../../etc/shadow", b"").bytes();
    let url = case.serve("x.tar", &tar);
    let files = [file(&url, "/opt"), file(&case.serve("y", b"y"), "/opt/up")];
    let tree = case.all(&files).unwrap();
    assert_eq!(
        case.dump(&tree, "/"),
        ["/opt 755 0:0 1800000000 directory", "/opt/up 644 0:0 1800000000 \"y\"",]
    );
}

#[test]
fn the_last_of_two_members_counts() {
    let case = Case::new();
    let tar = Tar::default()
        .file("a", b"first")
        .entry(b'1', "b", 0o644, "a", b"")
        .file("a", b"second")
        .entry(b'2', "c", 0o777, "x", b"")
        .file("c", b"third");
    let url = case.serve("x.tar", &tar.bytes());
    let tree = case.all(&[file(&url, "/opt")]).unwrap();
    let lines: Vec<String> = case.dump(&tree, "/opt");
    let ends = ["\"second\"", "\"first\"", "\"third\""];
    assert!(lines.iter().zip(ends).all(|(line, end)| line.ends_with(end)), "{lines:?}");
}

#[test]
fn bombs_are_refused_early() {
    let case = Case::new();
    let zeros = std::io::Read::take(std::io::repeat(0), 300 << 20);
    let bomb = zstd::encode_all(zeros, 1).unwrap();
    assert!(bomb.len() < 1 << 20);
    assert_refused(&case, "x.zst", &bomb, "a bomb", "more than 250 times its size");
}

#[test]
fn hostile_zip_archives_are_refused() {
    let case = Case::new();
    let file = |name| zip_entry(name, 0o100_644, b"some data, some data");
    let with = |change: &dyn Fn(&mut ZipEntry<'_>)| {
        let mut entry = file("a");
        change(&mut entry);
        zip(&[entry])
    };
    let good = zip(&[file("a"), file("b")]);
    let end = good.len() - 22;
    let change = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        bad
    };
    // The second entry of the directory begins after the first: 46 bytes and the name.
    let directory = usize::try_from(u32::from_le_bytes(
        <[u8; 4]>::try_from(&good[end + 16..end + 20]).unwrap(),
    ))
    .unwrap();
    let shared = change(directory + 47 + 42, &0_u32.to_le_bytes());
    for (summary, bytes, message) in [
        ("above", zip(&[file("../a")]), "\"..\" component"),
        ("absolute", zip(&[file("/a")]), "absolute path"),
        ("a drive", zip(&[file("C:/a")]), "absolute path"),
        ("backslashes", zip(&[file("..\\a")]), "backslash"),
        ("no name", zip(&[file(".")]), "no name"),
        ("a device", zip(&[zip_entry("a", 0o020_666, b"")]), "neither file, directory nor"),
        (
            "through a link",
            zip(&[zip_entry("a", 0o120_777, b"/etc"), file("a/b")]),
            "would go through",
        ),
        ("an empty link", zip(&[zip_entry("a", 0o120_777, b"")]), "bad link target"),
        ("two names", with(&|entry| entry.local_name = Some("b")), "contradict"),
        ("encrypted", with(&|entry| entry.flags = 1), "encrypted"),
        ("another method", with(&|entry| entry.method = Some(12)), "another method"),
        ("a wrong checksum", with(&|entry| entry.checksum_change = 1), "another checksum"),
        ("a wrong size", with(&|entry| entry.size_change = 1), "another size"),
        (
            "a wrong stored size",
            with(&|entry| {
                entry.is_deflated = false;
                entry.size_change = 1;
            }),
            "another size",
        ),
        ("shared bytes", shared, ""),
        ("cut short", good[..good.len() - 1].to_vec(), "no directory"),
        ("cut at the front", good[1..].to_vec(), "not where it should be"),
        ("data in front", [b"x".to_vec(), good.clone()].concat(), "not where it should be"),
        ("data behind", [good.clone(), b"x".to_vec()].concat(), "no directory"),
        ("more members than it says", change(end + 8, &[1, 0, 1, 0]), "more members than"),
        ("fewer members than it says", change(end + 8, &[3, 0, 3, 0]), "cut short"),
        ("a part", change(end + 8, &[1, 0, 2, 0]), "one part of several"),
        ("a large one that is none", change(end + 8, &[0xff; 4]), "large archive"),
    ] {
        assert_refused(&case, "x.zip", &bytes, summary, message);
    }
}

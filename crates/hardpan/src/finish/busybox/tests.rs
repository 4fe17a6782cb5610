// SPDX-License-Identifier: Apache-2.0

use std::process::Command;

use super::*;
use crate::finish::testing::{Fixture, apk, dump};

/// Applets in order, with the directory's number: `nologin` is elsewhere than busybox has it by itself, and `newone` unknown.
const APPLETS: [(&str, u8); 13] = [
    ("[", 3),
    ("[[", 3),
    ("adduser", 4),
    ("ash", 1),
    ("cat", 1),
    ("cp", 1),
    ("ip", 2),
    ("ls", 1),
    ("newone", 4),
    ("nologin", 2),
    ("sh", 1),
    ("wget", 3),
    ("zcat", 1),
];

fn program(before: &[u8], applets: &[(&str, u8)], has_directories: bool) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0 some text\0another\0zz\0\x01".to_vec();
    if has_directories {
        for pair in applets.chunks(2) {
            bytes.push(pair[0].1 | pair.get(1).map_or(0, |(_, directory)| directory << 4));
        }
    }
    bytes.extend(b"\x99\x88\0usage\0");
    bytes.extend(before);
    bytes.extend(applets.iter().flat_map(|(name, _)| [name.as_bytes(), b"\0"].concat()));
    bytes.extend(b"\0\x90trailing text\0");
    bytes
}

fn places(found: &Applets) -> Vec<(String, Option<u8>)> {
    found.iter().map(|(name, place)| (name.clone(), place.map(table::Directory::number))).collect()
}

#[test]
fn names_and_directories_are_read_from_the_program() {
    let expected: Vec<(String, Option<u8>)> =
        APPLETS.iter().map(|(name, place)| ((*name).to_owned(), Some(*place))).collect();
    for before in [&b""[..], b"\xff", b"\x03\xaa"] {
        let found = applets::find(&program(before, &APPLETS, true)).unwrap();
        assert_eq!(places(&found), expected, "{before:?}");
    }
}

#[test]
fn without_directories_the_known_ones_are_taken() {
    let found = applets::find(&program(b"", &APPLETS, false)).unwrap();
    for (name, place) in [("sh", Some(1)), ("nologin", Some(2)), ("newone", None)] {
        assert_eq!(found[name].map(table::Directory::number), place, "{name}");
    }
}

#[test]
fn other_files_have_no_applets() {
    let no_elf = program(b"", &APPLETS, true)[1..].to_vec();
    let few = program(b"", &APPLETS[..5], true);
    let unsorted: Vec<(&str, u8)> = APPLETS.iter().rev().copied().collect();
    let strangers: Vec<(&str, u8)> =
        ["aa", "ab", "ac", "ad", "ae", "af", "ag", "ah", "ai"].map(|name| (name, 1)).into();
    for (summary, bytes) in [
        ("empty", Vec::new()),
        ("no ELF", no_elf),
        ("too few", few),
        ("in no order", program(b"", &unsorted, true)),
        ("names that nobody knows", program(b"", &strangers, true)),
        ("only NULs", [b"\x7fELF".to_vec(), vec![0; 4096]].concat()),
        ("one long text", [b"\x7fELF".to_vec(), vec![b'a'; 4096]].concat()),
    ] {
        assert_eq!(applets::find(&bytes), None, "{summary}");
    }
}

#[test]
fn links_are_made_where_nothing_is() {
    let mut fixture = Fixture::default();
    fixture.alpine("");
    let busybox = apk("busybox", "1.37.0-r20", "")
        .file("bin/busybox", program(b"", &APPLETS, true))
        .script("post-install", "/bin/busybox --install -s\n");
    let mut tree = fixture.install_apks(&[
        apk("busybox-binsh", "1.37.0-r20", "").symlink("bin/sh", "/bin/busybox"),
        apk("wget", "1.25", "").file("usr/bin/wget", "real"),
        busybox,
    ]);
    let mut report = Report::default();
    apply(&mut tree, &fixture.inputs(), &mut report).unwrap();
    let text = dump(&tree);
    for (link, exists) in [
        ("/bin/ls", true),
        ("/usr/bin/[[", true),
        ("/usr/sbin/adduser", true),
        ("/sbin/nologin", true),
        ("/usr/sbin/newone", true),
        ("/usr/bin/wget", false),
    ] {
        let line = format!("{link} symlink 0777 0:0 -> /bin/busybox");
        assert_eq!(text.contains(&line), exists, "{link}\n{text}");
    }
    assert_eq!(fixture.text(&tree, "usr/bin/wget"), "real");
    assert_eq!((report.actions.len(), report.warnings.len()), (1, 0));
    // All but `sh` and `wget`, and the directories `/sbin` and `/usr/sbin`.
    assert_eq!(report.actions[0].paths.len(), APPLETS.len() - 2 + 2);
}

#[test]
fn links_follow_a_merged_usr() {
    let mut fixture = Fixture::default();
    fixture.alpine("");
    let mut tree = fixture.install_apks(&[apk("busybox", "2", "")
        .directory("usr/bin")
        .symlink("bin", "usr/bin")
        .file("usr/bin/busybox", program(b"", &APPLETS, true))
        .script("trigger", "for i in \"$@\"; do\n\t/bin/busybox --install -s\ndone\n")]);
    apply(&mut tree, &fixture.inputs(), &mut Report::default()).unwrap();
    assert!(
        dump(&tree).contains("/usr/bin/ls symlink 0777 0:0 -> /bin/busybox"),
        "{}",
        dump(&tree)
    );
    assert!(dump(&tree).contains("/bin symlink 0777 0:0 -> usr/bin"));
}

#[test]
fn only_packages_that_say_so_get_links() {
    let broken = "has no table of applets that is understood";
    let missing = "is not there, so its applets have no links";
    let without_sh: Vec<(&str, u8)> =
        APPLETS.iter().filter(|(name, _)| *name != "sh").copied().collect();
    let package = |script: &str, bytes: Vec<u8>| {
        apk("busybox", "1", "").file("bin/busybox", bytes).script("post-install", script)
    };
    let install = "/bin/busybox --install -s\n";
    for (summary, package, expected) in [
        ("no script", package("exit 0\n", program(b"", &APPLETS, true)), None),
        ("hard links", package("/bin/busybox --install\n", program(b"", &APPLETS, true)), None),
        ("a comment", package("# /bin/busybox --install -s\n", Vec::new()), None),
        ("another program", package("/bin/toybox --install -s\n", Vec::new()), None),
        ("no sh", package(install, program(b"", &without_sh, true)), Some(broken)),
        ("no ELF", package(install, b"x".to_vec()), Some(broken)),
        ("no program", apk("busybox", "1", "").script("trigger", install), Some(missing)),
    ] {
        let mut fixture = Fixture::default();
        fixture.alpine("");
        let mut tree = fixture.install_apks(&[package]);
        let mut report = Report::default();
        apply(&mut tree, &fixture.inputs(), &mut report).unwrap();
        assert_eq!(report.actions, [], "{summary}");
        let messages: Vec<&str> =
            report.warnings.iter().map(|warning| warning.message.as_str()).collect();
        assert_eq!(messages, expected.into_iter().collect::<Vec<_>>(), "{summary}");
    }
}

/// A real busybox says itself where it would put its links.
#[test]
fn a_real_program_agrees() {
    let path = "/bin/busybox";
    let listed = Command::new(path).arg("--list-full").output();
    let (Ok(bytes), Ok(listed)) = (std::fs::read(path), listed) else {
        eprintln!("skipped: no {path}");
        return;
    };
    let listed = String::from_utf8(listed.stdout).unwrap();
    let mut expected: Vec<String> = listed.lines().map(|line| format!("/{line}")).collect();
    expected.sort();
    let found = applets::find(&bytes).unwrap();
    let mut links: Vec<String> = found
        .iter()
        .map(|(name, directory)| format!("{}/{name}", directory.unwrap().path()))
        .collect();
    links.sort();
    assert_eq!(links, expected);
    // Without its own table, only those that distributions have moved would be elsewhere.
    let moved = found.iter().filter(|(name, told)| table::directory(name) != **told).count();
    assert!(moved * 10 < found.len(), "{moved} of {}", found.len());
}

// SPDX-License-Identifier: Apache-2.0

use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::Arc;

use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::*;
use hardpan_testkit::apk::Apk;
use hardpan_testkit::deb::TIMESTAMP;

use crate::finish::testing::{EPOCH, Fixture, apk, dump};

/// What a stanza says, read as strictly as apk does: a letter and a colon, `F:` before `R:`, `R:` before `a:` and `Z:`.
#[derive(Debug, Default)]
struct Stanza {
    fields: Vec<(char, String)>,
    directories: Vec<(String, Option<String>)>,
    files: Vec<(String, Option<String>, Option<String>)>,
}

fn parse(text: &str) -> Vec<Stanza> {
    let order = "CPVASITULomtckDpirq";
    let mut stanzas = Vec::new();
    let mut stanza = Stanza::default();
    for line in text.lines() {
        if line.is_empty() {
            assert!(!stanza.fields.is_empty(), "an empty stanza");
            stanzas.push(std::mem::take(&mut stanza));
            continue;
        }
        let (letter, value) = line.split_once(':').unwrap_or_else(|| panic!("no colon: {line}"));
        let letter = letter.chars().next().filter(|_| letter.len() == 1).unwrap();
        let value = value.to_owned();
        let checksum = |value: &str| {
            let bytes = base64::Engine::decode(
                &base64::engine::general_purpose::STANDARD,
                value.strip_prefix("Q1").unwrap(),
            );
            assert_eq!(bytes.unwrap().len(), 20, "{line}");
        };
        match letter {
            'F' => stanza.directories.push((value, None)),
            'M' => {
                let last = stanza.directories.last_mut().unwrap();
                assert!(last.1.replace(value).is_none(), "two owners of one directory");
            }
            'R' => {
                let directory = &stanza.directories.last().expect("a file in no directory").0;
                let separator = if directory.is_empty() { "" } else { "/" };
                stanza.files.push((format!("{directory}{separator}{value}"), None, None));
            }
            'a' => assert!(stanza.files.last_mut().unwrap().1.replace(value).is_none()),
            'Z' => {
                checksum(&value);
                assert!(stanza.files.last_mut().unwrap().2.replace(value).is_none());
            }
            letter => {
                assert!(stanza.directories.is_empty(), "{line} after files");
                let place = order.find(letter).unwrap_or_else(|| panic!("unknown field: {line}"));
                let before = stanza.fields.last().map(|(letter, _)| order.find(*letter).unwrap());
                assert!(before.is_none_or(|before| before < place), "out of order: {line}");
                if letter == 'C' {
                    checksum(&value);
                }
                stanza.fields.push((letter, value));
            }
        }
    }
    assert!(stanza.fields.is_empty() && text.ends_with("\n\n"), "the last stanza has no end");
    for stanza in &stanzas {
        let names: Vec<&str> = stanza.directories.iter().map(|(path, _)| path.as_str()).collect();
        assert!(
            names.is_sorted()
                && stanza.files.is_sorted_by(|left, right| {
                    let split = |path: &str| {
                        path.rsplit_once('/').map(|(at, name)| (at.to_owned(), name.to_owned()))
                    };
                    split(&left.0).unwrap_or_default() <= split(&right.0).unwrap_or_default()
                })
        );
    }
    stanzas
}

fn run(yaml: &str, packages: &[Apk]) -> (Fixture, Tree, Report) {
    let mut fixture = Fixture::default();
    fixture.alpine(yaml);
    let mut tree = fixture.install_apks(packages);
    let mut report = Report::default();
    apply(&mut tree, &fixture.inputs(), &mut report).unwrap();
    (fixture, tree, report)
}

fn sha1(bytes: &[u8]) -> String {
    let digest = digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes);
    let engine = base64::engine::general_purpose::STANDARD;
    format!("Q1{}", base64::Engine::encode(&engine, digest))
}

#[test]
fn a_stanza_is_what_apk_wrote() {
    // musl of Alpine 3.16 for aarch64 in a database that apk itself wrote; only the files' content is not here.
    let info = "pkgname = musl\npkgver = 1.2.3-r0\norigin = musl\n\
        pkgdesc = the musl c library (libc) implementation\n\
        url = https://musl.libc.org/\nbuilddate = 1649396308\nsize = 651264\narch = aarch64\n\
        commit = ee13d43a53938d8a04ba787b9423f3270a3c14a7\n\
        maintainer = Timo Teräs <timo.teras@iki.fi>\nlicense = MIT\n\
        provides = so:libc.musl-aarch64.so.1=1\n";
    let package = apk("musl", "1.2.3-r0", "")
        .directory("lib")
        .symlink("lib/libc.musl-aarch64.so.1", "ld-musl-aarch64.so.1")
        .file("lib/ld-musl-aarch64.so.1", "x")
        .mode(0o755);
    let digest = hardpan_tree::Digest::of(&package.data()).to_hex();
    let package = package.control_file(".PKGINFO", format!("{info}datahash = {digest}\n"));
    let mut fixture = Fixture::default();
    fixture.alpine("");
    let mut tree = fixture.install_apks(&[package]);
    let unpacked = Arc::make_mut(&mut fixture.packages[0]);
    unpacked.identity = "Q1GnnDm59VZtPVL5vCI9r/HFzs2yI=".to_owned();
    unpacked.file_size_bytes = 391_631;
    unpacked.sha1sums = "b22e2381d477019f57015d1d449fdb6f3de9cfc2  lib/ld-musl-aarch64.so.1\n\
        e11a620847d922a720d570dc56aa7c404a5cf64b  lib/libc.musl-aarch64.so.1\n"
        .to_owned();
    let mut report = Report::default();
    apply(&mut tree, &fixture.inputs(), &mut report).unwrap();
    let expected = "C:Q1GnnDm59VZtPVL5vCI9r/HFzs2yI=\nP:musl\nV:1.2.3-r0\nA:aarch64\nS:391631\nI:651264\n\
        T:the musl c library (libc) implementation\nU:https://musl.libc.org/\nL:MIT\no:musl\n\
        m:Timo Teräs <timo.teras@iki.fi>\nt:1649396308\n\
        c:ee13d43a53938d8a04ba787b9423f3270a3c14a7\np:so:libc.musl-aarch64.so.1=1\nF:lib\n\
        R:ld-musl-aarch64.so.1\na:0:0:755\nZ:Q1si4jgdR3AZ9XAV0dRJ/bbz3pz8I=\n\
        R:libc.musl-aarch64.so.1\na:0:0:777\nZ:Q14RpiCEfZIqcg1XDcVqp8QEpc9ks=\n\n";
    assert_eq!(fixture.text(&tree, "lib/apk/db/installed"), expected);
    assert_eq!(report.warnings, []);
}

#[test]
fn fields_are_the_packages() {
    let info = "depend = so:libc.musl-x86_64.so.1\ndepend = b>=1\nreplaces = old\nreplaces_priority = 5\n\
        provider_priority = 10\ninstall_if = a b\npkgdesc = two\n words\n";
    let package = apk("app", "1-r0", info).file("usr/bin/app", "program");
    let (size, identity) = (package.build().len().to_string(), package.checksum());
    let (fixture, tree, _) = run("", &[package]);
    let stanzas = parse(&fixture.text(&tree, "lib/apk/db/installed"));
    let fields: BTreeMap<char, &str> =
        stanzas[0].fields.iter().map(|(letter, value)| (*letter, value.as_str())).collect();
    for (letter, expected) in [
        ('P', "app"),
        ('V', "1-r0"),
        ('A', "x86_64"),
        ('T', "two"),
        ('U', "https://example.org"),
        ('C', &identity),
        ('S', &size),
        ('D', "so:libc.musl-x86_64.so.1 b>=1"),
        ('i', "a b"),
        ('k', "10"),
        ('r', "old"),
        ('q', "5"),
    ] {
        assert_eq!(fields.get(&letter), Some(&expected), "{letter}");
    }
    assert!(!fields.contains_key(&'p') && !fields.contains_key(&'o'));
}

#[test]
fn what_is_in_the_tree_is_listed() {
    let package = apk("app", "1-r0", "")
        .directory("usr")
        .directory("usr/bin")
        .file("usr/bin/app", "program")
        .mode(0o4755)
        .hard_link("usr/bin/app2", "usr/bin/app")
        .directory("var")
        .directory("var/lib")
        .directory("var/lib/app")
        .mode(0o750)
        .owner(100, 101)
        .file("var/lib/app/data", "data")
        .mode(0o640)
        .owner(100, 101)
        .file("etc/app.conf", "came")
        .file("usr/bin/shared", "mine")
        .file("usr/bin/gone", "x")
        .file("at-root", "y")
        .directory("tmp")
        .mode(0o1777);
    let mut fixture = Fixture::default();
    fixture.alpine("");
    let mut tree = fixture.install_apks(&[
        package,
        apk("zlib", "1-r0", "replaces = app\n")
            .file("usr/bin/shared", "theirs")
            .file("lib/libz.so", "z"),
    ]);
    tree.remove(&TreePath::literal("usr/bin/gone"));
    let mut editor = Editor::new(&mut tree, "test", EPOCH).for_definition();
    let metadata = editor.metadata(0o600);
    editor.file(&TreePath::literal("etc/app.conf"), &b"edited"[..], metadata).unwrap();
    let mut report = Report::default();
    apply(&mut tree, &fixture.inputs(), &mut report).unwrap();
    let stanzas = parse(&fixture.text(&tree, "lib/apk/db/installed"));
    let [app, zlib] = stanzas.as_slice() else { panic!("{stanzas:?}") };
    let owner = |text: &str| Some(text.to_owned());
    let sum = |text: &str| Some(sha1(text.as_bytes()));
    assert_eq!(
        app.files,
        [
            ("at-root".to_owned(), None, sum("y")),
            ("etc/app.conf".to_owned(), owner("0:0:600"), sum("came")),
            ("usr/bin/app".to_owned(), owner("0:0:4755"), sum("program")),
            ("usr/bin/app2".to_owned(), owner("0:0:4755"), sum("program")),
            ("var/lib/app/data".to_owned(), owner("100:101:640"), sum("data")),
        ]
    );
    let directories: Vec<(&str, Option<&str>)> =
        app.directories.iter().map(|(path, owner)| (path.as_str(), owner.as_deref())).collect();
    assert_eq!(
        directories,
        [
            ("", None),
            ("etc", None),
            ("tmp", Some("0:0:1777")),
            ("usr", None),
            ("usr/bin", None),
            ("var", None),
            ("var/lib", None),
            ("var/lib/app", Some("100:101:750")),
        ]
    );
    let files: Vec<&str> = zlib.files.iter().map(|(path, _, _)| path.as_str()).collect();
    assert_eq!(files, ["lib/libz.so", "usr/bin/shared"]);
}

#[test]
fn a_runtime_image_has_the_list_alone() {
    let package =
        apk("a", "1", "").script("post-install", "#!/bin/sh\n\ntrue\n").triggers("/usr/share/a");
    let (_, tree, report) = run("", std::slice::from_ref(&package));
    assert!(dump(&tree).contains("/lib/apk/db/installed file 0644 0:0"), "{}", dump(&tree));
    assert!(!dump(&tree).contains("scripts.tar") && !dump(&tree).contains("triggers"));
    assert_eq!(report.actions[0].paths.len(), 4);
    // With apk it is complete.
    let (_, tree, _) = run("", &[package, apk("apk-tools", "3", "")]);
    for name in ["installed", "scripts.tar", "triggers"] {
        assert!(dump(&tree).contains(&format!("/lib/apk/db/{name} file 0644 0:0")), "{name}");
    }
    assert!(!dump(&tree).contains("/lock"));
}

#[test]
fn scripts_and_triggers_are_kept_for_apk() {
    let first = apk("b", "2-r1", "")
        .script("trigger", "#!/bin/sh\n\nb\n")
        .script("post-install", "#!/bin/sh\n\nc\n")
        .triggers("/usr/share/b /lib/*");
    let second = apk("a", "1", "").script("pre-deinstall", "#!/bin/sh\n\nd\n");
    let unknown = apk("c", "1", "").script("post-install", "#!/bin/sh\n\ne\n").triggers("/x");
    let identity = first.checksum();
    let mut fixture = Fixture::default();
    fixture.alpine("variant: dev\n");
    let mut tree = fixture.install_apks(&[first, second, unknown]);
    Arc::make_mut(&mut fixture.packages[2]).identity.clear();
    let mut report = Report::default();
    apply(&mut tree, &fixture.inputs(), &mut report).unwrap();
    let text = fixture.text(&tree, "lib/apk/db/triggers");
    assert_eq!(text, format!("{identity} /usr/share/b /lib/*\n"));
    let (_, file) = tree.file(&TreePath::literal("lib/apk/db/scripts.tar")).unwrap();
    let bytes = hardpan_tree::Contents::read(&fixture.contents, file).unwrap();
    let mut archive = tar::Archive::new(&bytes[..]);
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        assert_eq!(entry.header().mode().unwrap(), 0o755);
        assert_eq!(entry.header().mtime().unwrap(), TIMESTAMP);
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        let (rest, script) = name.rsplit_once('.').unwrap();
        let (package, checksum) = rest.rsplit_once('.').unwrap();
        assert!(checksum.len() == 42 && checksum.starts_with("X1"), "{name}");
        found.push((package.to_owned(), script.to_owned(), text.replace("#!/bin/sh\n\n", "")));
    }
    let expected = [
        ("a-1", "pre-deinstall", "d\n"),
        ("b-2-r1", "post-install", "c\n"),
        ("b-2-r1", "trigger", "b\n"),
    ];
    assert_eq!(found, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
    assert_eq!(report.warnings.len(), 1);
    assert_eq!(report.warnings[0].package.as_deref(), Some("c"));
}

#[test]
fn it_is_where_lib_leads() {
    let package = apk("baselayout", "1", "").directory("usr/lib").symlink("lib", "usr/lib");
    let (fixture, tree, _) = run("", &[package]);
    assert!(dump(&tree).contains("/usr/lib/apk/db/installed file"), "{}", dump(&tree));
    parse(&fixture.text(&tree, "lib/apk/db/installed"));
}

#[test]
fn nothing_without_packages_and_the_definition_wins() {
    let (_, tree, report) = run("variant: dev\n", &[]);
    assert_eq!((tree.is_empty(), report.actions.len()), (true, 0));
    let decided = "paths:\n  - type: delete\n    path: /lib/apk\n";
    let (_, tree, _) = run(decided, &[apk("a", "1", "")]);
    assert!(!dump(&tree).contains("installed"), "{}", dump(&tree));
}

#[test]
fn line_breaks_make_no_lines() {
    // Unpacking refuses such names, but what is stored of a package may have been changed since.
    let mut fixture = Fixture::default();
    fixture.alpine("");
    let mut tree = fixture.install_apks(&[apk("a", "1", "").file("etc/y", "y")]);
    let unpacked = Arc::make_mut(&mut fixture.packages[0]);
    let path = TreePath::literal("etc/x\nP:fake");
    let last = unpacked.entries.last().unwrap().clone();
    unpacked.entries.push(hardpan_package::segment::Entry { path: path.clone(), ..last });
    unpacked.sha1sums.insert_str(0, "zz  etc/y\n12  etc/y\nno sum\n");
    let node = tree.get(&TreePath::literal("etc/y")).unwrap().clone();
    tree.insert(path, node).unwrap();
    apply(&mut tree, &fixture.inputs(), &mut Report::default()).unwrap();
    let stanzas = parse(&fixture.text(&tree, "lib/apk/db/installed"));
    assert_eq!(stanzas[0].files, [("etc/y".to_owned(), None, Some(sha1(b"y")))]);
}

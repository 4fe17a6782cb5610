// SPDX-License-Identifier: Apache-2.0
//! Bad input: archives that are not signed well, or not there, or slow.

use std::time::Duration;

use hardpan_testkit::archive::{Archive, Files};
use hardpan_testkit::fixture::{Fixture, main_suite, packages, suite};
use hardpan_testkit::pgp::{Key, SignOptions};
use hardpan_testkit::server::Fault;

use crate::support::{build, expect_nothing_written};

const IN_RELEASE: &str = "debian/dists/trixie/InRelease";
const APP: &str = "debian/pool/main/app/app_1.0-1_amd64.deb";
const LIBC: &str = "debian/pool/main/libc6/libc6_2.41-12_amd64.deb";

/// Serves another main suite, and nothing else of the one before.
fn serve_main(fixture: &Fixture, files: Files) {
    for name in ["InRelease", "Release", "Release.gpg"] {
        fixture.server.remove_file(&format!("debian/dists/trixie/{name}"));
    }
    fixture.serve(files);
}

fn tampered(mut bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes());
    let at = at.unwrap_or_else(|| panic!("no {from:?}"));
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    bytes
}

/// Makes the main suite in some bad way.
type Make<'m> = Box<dyn Fn(&Fixture) -> Files + 'm>;

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn only_the_right_signature_counts() {
    let stranger = Key::new(99);
    let options = |options: SignOptions| options;
    let past = 1_735_776_000;
    let main = || main_suite(&packages());
    let signed = |archive: Archive, key: &Key| suite(&archive, "debian", key);
    let cases: Vec<(&str, Make<'_>, &[&str])> = vec![
        (
            "unsigned",
            Box::new(|fixture| {
                let mut files = signed(main(), &fixture.key);
                files.retain(|path, _| {
                    !path.ends_with("InRelease") && !path.ends_with("Release.gpg")
                });
                files
            }),
            &["the archive is not signed"],
        ),
        ("wrongly signed", Box::new(|_| signed(main(), &stranger)), &["InRelease is not trusted"]),
        (
            "wrongly signed, detached",
            Box::new(|_| {
                let mut files = signed(main(), &stranger);
                files.remove(IN_RELEASE);
                files
            }),
            &["Release is not trusted"],
        ),
        (
            "expired index",
            Box::new(|fixture| signed(main().valid_until(past + 86_400), &fixture.key)),
            &["expired"],
        ),
        (
            "expired signature",
            Box::new(|fixture| {
                let options =
                    options(SignOptions { lifetime_seconds: 60, ..SignOptions::default() });
                let files = main().build_with(&[(&fixture.key, options)]);
                files.into_iter().map(|(path, bytes)| (format!("debian/{path}"), bytes)).collect()
            }),
            &["InRelease is not trusted"],
        ),
        (
            "tampered InRelease",
            Box::new(|fixture| {
                let mut files = signed(main(), &fixture.key);
                let bytes = tampered(files[IN_RELEASE].clone(), "Suite: stable", "Suite: stably");
                files.insert(IN_RELEASE.to_owned(), bytes);
                files
            }),
            &["InRelease is not trusted"],
        ),
        (
            "tampered index",
            Box::new(|fixture| {
                let mut files = signed(main(), &fixture.key);
                for (path, bytes) in &mut files {
                    if path.contains("by-hash") || path.ends_with("Packages.xz") {
                        let middle = bytes.len() / 2;
                        bytes[middle] ^= 1;
                    }
                }
                files
            }),
            &["archive debian, suite trixie", "has digest"],
        ),
        (
            "truncated index",
            Box::new(|fixture| {
                let mut files = signed(main(), &fixture.key);
                for (path, bytes) in &mut files {
                    if path.contains("by-hash") || path.contains("Packages") {
                        bytes.truncate(bytes.len() / 2);
                    }
                }
                files
            }),
            &["archive debian, suite trixie", "bytes instead of"],
        ),
        (
            "another suite's",
            Box::new(|fixture| {
                let files = suite(&Archive::new("sid"), "debian", &fixture.key);
                files
                    .into_iter()
                    .map(|(path, bytes)| (path.replace("sid", "trixie"), bytes))
                    .collect()
            }),
            &["archive debian, suite trixie", "sid"],
        ),
    ];
    for (what, make, fragments) in cases {
        eprintln!("{what}");
        let fixture = Fixture::new();
        serve_main(&fixture, make(&fixture));
        build(&fixture, &[]).expect(4, fragments);
        expect_nothing_written(&fixture);
        // The right archive heals it, whatever is in the store now.
        fixture.publish(&packages());
        build(&fixture, &[]).expect(0, &["built"]);
    }
}

#[test]
fn an_index_that_makes_no_sense_although_it_is_signed() {
    let fixture = Fixture::new();
    for (what, text) in [
        ("not stanzas", "this is no stanza\n"),
        ("no version", "Package: app\nArchitecture: amd64\n"),
        (
            "a path that leads out",
            "Package: app\nVersion: 1\nArchitecture: amd64\nFilename: ../../x\nSize: 1\nSHA256: 0000000000000000000000000000000000000000000000000000000000000000\n",
        ),
    ] {
        eprintln!("{what}");
        let bytes = hardpan_testkit::archive::xz(text.as_bytes());
        let main = main_suite(&packages()).index_bytes("main/binary-amd64/Packages.xz", bytes);
        fixture.serve(suite(&main, "debian", &fixture.key));
        build(&fixture, &[]).expect(4, &["debian", "trixie"]);
        expect_nothing_written(&fixture);
    }
}

#[test]
fn archives_that_do_not_answer_well() {
    let cases: &[(&str, &str, Fault, &[&str])] = &[
        ("hang", IN_RELEASE, Fault::Hang, &["suite trixie", "timeout"]),
        ("package hang", APP, Fault::Hang, &[APP, "timeout"]),
        ("package hangs in the middle", LIBC, Fault::HangAfter(1000, 99), &[LIBC, "timeout"]),
        ("500", IN_RELEASE, Fault::Status(500, 99, None), &["suite trixie", "status 500"]),
        ("403", IN_RELEASE, Fault::Status(403, 99, None), &["suite trixie", "status 403"]),
        ("closed", IN_RELEASE, Fault::Close(99), &["suite trixie", "InRelease"]),
        ("garbage", IN_RELEASE, Fault::Garbage, &["suite trixie", "InRelease"]),
        ("endless", IN_RELEASE, Fault::Endless, &["suite trixie", "larger than"]),
        ("package 404", APP, Fault::Status(404, 99, None), &[APP, "not found"]),
        ("package 500", APP, Fault::Status(500, 99, None), &[APP, "status 500"]),
        ("package breaks off", LIBC, Fault::Truncate(1000, 99), &[LIBC]),
    ];
    let one = |(what, path, fault, fragments): &(&str, &str, Fault, &[&str])| {
        eprintln!("{what}");
        let fixture = Fixture::new();
        fixture.server.fault(path, fault.clone());
        // A server that answers has all the time it needs.
        let is_mute = matches!(fault, Fault::Hang | Fault::HangAfter(..));
        let timeout = if is_mute { &["--timeout", "1"][..] } else { &[] };
        build(&fixture, &[&["--retries", "1"], timeout].concat()).expect(3, fragments);
        expect_nothing_written(&fixture);
        fixture.server.heal(path);
        build(&fixture, &[]).expect(0, &["built"]);
    };
    // Some of the time is spent waiting. All of them at once would take the processors from each other.
    for together in cases.chunks(3) {
        std::thread::scope(|scope| {
            for case in together {
                scope.spawn(|| one(case));
            }
        });
    }
}

#[test]
fn nothing_at_the_archives_address() {
    let fixture = Fixture::new();
    fixture.write("catalog/hardpan.toml", fixture.workspace_text("http://127.0.0.1:1/"));
    build(&fixture, &["--retries", "0"]).expect(3, &["127.0.0.1:1", "no connection"]);
    expect_nothing_written(&fixture);
    // An archive that has no such suite.
    let fixture = Fixture::new();
    fixture.write("catalog/hardpan.toml", fixture.workspace_text(&fixture.server.url("nowhere")));
    build(&fixture, &[]).expect(3, &["archive debian, suite trixie", "no such suite"]);
    expect_nothing_written(&fixture);
}

#[test]
fn the_cause_is_named_not_that_the_others_were_called_off() {
    // The larger one comes first and would wait; the smaller one is the reason for the failure.
    let fixture = Fixture::new();
    fixture.server.fault(LIBC, Fault::HangAfter(1000, 99));
    fixture.server.fault(APP, Fault::Status(404, 99, None));
    build(&fixture, &["--timeout", "3"]).expect(3, &[APP, "not found"]);
    let log = fixture.server.log();
    let libc = log.iter().filter(|logged| logged.path.ends_with(LIBC)).count();
    assert!(libc < 2, "the other one is not tried again");
    expect_nothing_written(&fixture);
}

#[test]
fn slow_and_shaky_archives_do() {
    let fixture = Fixture::new();
    fixture.server.fault(IN_RELEASE, Fault::Drip(200, Duration::from_millis(20)));
    fixture.server.fault(APP, Fault::Status(503, 1, Some("0")));
    fixture.server.fault(LIBC, Fault::Truncate(50_000, 1));
    build(&fixture, &[]).expect(0, &["built"]);
    let log = fixture.server.log();
    let libc: Vec<_> = log.iter().filter(|logged| logged.path.ends_with(LIBC)).collect();
    assert_eq!(libc.len(), 2);
    assert_eq!(libc[1].header("range"), "bytes=50000-", "it goes on where it broke off");
}

#[test]
fn a_second_resolve_asks_only_what_changed() {
    let fixture = Fixture::new();
    build(&fixture, &[]).expect(0, &[]);
    fixture.server.take_log();
    std::fs::remove_file(fixture.lock()).unwrap();
    build(&fixture, &[]).expect(0, &[]);
    let log = fixture.server.take_log();
    assert_eq!(log.len(), 3, "{log:?}");
    assert!(log.iter().all(|logged| logged.status == 304), "{log:?}");
    build(&fixture, &[]).expect(0, &[]);
    assert!(fixture.server.log().is_empty(), "with a lock that fits nothing is asked");
}

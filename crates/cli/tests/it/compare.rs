// SPDX-License-Identifier: Apache-2.0
//! `hardpan compare`

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use hardpan_testkit::fixture::Fixture;
use serde_json::Value;

use crate::db::tracker;
use crate::support::{Ran, build, hardpan, run};

fn compare(fixture: &Fixture, arguments: &[&str]) -> Ran {
    run(hardpan(fixture, &[&["compare"][..], arguments].concat()))
}

/// Makes a root file system of everything that a hardened image is without.
fn careless(fixture: &Fixture) -> &'static str {
    let root = fixture.path("work/careless");
    let file = |path: &str, mode: u32, bytes: &[u8]| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    for program in ["bash", "apt", "gcc", "gdb", "curl", "perl"] {
        file(&format!("usr/bin/{program}"), 0o755, format!("\x7fELF {program}").as_bytes());
    }
    file("usr/bin/su", 0o4755, b"\x7fELF su");
    file("etc/passwd", 0o644, b"root:x:0:0:root:/root:/bin/bash\n");
    file("etc/group", 0o644, b"root:x:0:\n");
    file("etc/os-release", 0o644, b"ID=debian\nVERSION_ID=\"13\"\n");
    symlink("usr/bin", root.join("bin")).unwrap();
    "careless"
}

fn world() -> Fixture {
    let fixture = Fixture::new();
    build(&fixture, &[]).expect(0, &[]);
    fixture
}

fn line<'v>(value: &'v Value, name: &str) -> &'v Value {
    let sections = value["sections"].as_array().unwrap();
    let mut lines = sections.iter().flat_map(|section| section["lines"].as_array().unwrap());
    lines.find(|line| line["name"] == name).unwrap_or_else(|| panic!("no line {name}: {value}"))
}

#[test]
fn any_two_images_are_put_side_by_side() {
    let fixture = world();
    let careless = careless(&fixture);
    let out = fixture.path("out");
    let out = out.to_str().unwrap();
    let table = compare(&fixture, &[careless, out]).expect(
        0,
        &[
            "first",
            "second",
            "% less to attack in the second image",
            "ATTACK SURFACE",
            "executables",
            "−100 %",
            "✓",
        ],
    );
    // It fits where terminals are narrow.
    let wide = table.stdout.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(wide <= 80, "{wide}: {table}");
    let value = compare(&fixture, &[careless, out, "--json"]).expect(0, &[]).json();
    for (name, first, meaning) in [
        ("shell", "fail", "better"),
        ("setuid files", "1", "better"),
        ("hardened", "no", "better"),
        ("compiler", "fail", "better"),
        // A root file system says nothing of its user.
        ("user", "not known", "other"),
        ("executables", "7", "better"),
    ] {
        let sections = value["sections"].as_array().unwrap();
        let lines = sections.iter().flat_map(|section| section["lines"].as_array().unwrap());
        let is_it = |line: &&Value| line["name"] == name && line["first"] == first;
        let found = lines.into_iter().find(is_it).unwrap_or_else(|| panic!("{name}: {value}"));
        assert_eq!(found["meaning"], meaning, "{name}");
    }
    assert_eq!(value["first"]["report"]["grade"], "F");
    assert_eq!(value["second"]["report"]["hardened"], true);
    assert!(value["reduction"]["perMille"].as_i64().unwrap() > 200, "{}", value["reduction"]);
    // A root file system is not pulled, and without a database nothing is known of vulnerabilities.
    assert!(!value.to_string().contains("to pull"));
    assert!(!value.to_string().contains("\"vulnerabilities\",\"lines\""));
}

#[test]
fn the_answer_may_be_no() {
    let fixture = world();
    let careless = careless(&fixture);
    let out = fixture.path("out");
    let out = out.to_str().unwrap();
    for (first, second, code) in
        [(careless, out, 0), (out, careless, 1), (out, out, 0), (careless, careless, 0)]
    {
        compare(&fixture, &[first, second, "--exit-code", "--quiet"]).expect(code, &[]);
    }
    let same = compare(&fixture, &[out, out]).expect(0, &["as much to attack"]);
    assert!(!same.stdout.contains('✓') && !same.stdout.contains('✗'), "{same}");
    compare(&fixture, &[out, careless]).expect(0, &["more to attack", "✗"]);
}

#[test]
fn pages_and_markdown_are_complete() {
    let fixture = world();
    let careless = careless(&fixture);
    let out = fixture.path("out");
    let out = out.to_str().unwrap();
    let page =
        compare(&fixture, &[careless, out, "-o", "html"]).expect(0, &["<!DOCTYPE html>"]).stdout;
    for outside in ["src=", "url(", "@import", "<script", "http://", "https://"] {
        assert!(!page.contains(outside), "{outside}");
    }
    compare(&fixture, &[careless, out, "-o", "markdown"])
        .expect(0, &["% less** to attack", "| executables | 7 |", "✅"]);
}

#[test]
fn vulnerabilities_are_counted_with_a_database() {
    let fixture = world();
    let out = fixture.path("out");
    let out = out.to_str().unwrap();
    fixture.write("work/tracker.json", tracker("1", 1));
    run(hardpan(&fixture, &["db", "build", "--debian-tracker", "tracker.json", "-o", "a.hpdb"]))
        .expect(0, &[]);
    let known = r#"{"app": {"CVE-2026-0007": {"releases": {"trixie": {
        "status": "resolved", "fixed_version": "99-1", "urgency": "high", "repositories": {}}}}}}"#;
    fixture.write("work/known.json", known);
    run(hardpan(&fixture, &["db", "build", "--debian-tracker", "known.json", "-o", "b.hpdb"]))
        .expect(0, &[]);
    let of = |db: &str| compare(&fixture, &[out, out, "--json", "--db", db]).expect(0, &[]).json();
    let value = of("b.hpdb");
    assert_eq!(
        (&line(&value, "high")["first"], &line(&value, "high")["second"]),
        (&"2".into(), &"2".into())
    );
    assert_eq!(line(&value, "to pull")["meaning"], "same");
    let none = of("a.hpdb");
    assert_eq!(none["second"]["vulnerabilities"], serde_json::json!({}));
    assert_eq!(
        none["sections"].as_array().unwrap().len(),
        value["sections"].as_array().unwrap().len() - 1
    );
}

#[test]
fn what_cannot_be_compared_is_refused() {
    let fixture = world();
    let out = fixture.path("out");
    let out = out.to_str().unwrap();
    fixture.write("work/sbom.json", "{}");
    fixture.write("work/bad.tar", "no archive");
    assert!(Path::new(out).exists());
    for (first, second, code, text) in [
        (out, "sbom.json", 2, "an SBOM has no files to compare"),
        ("./nowhere", out, 2, "there is no ./nowhere"),
        (out, "bad.tar", 4, "bad.tar"),
    ] {
        let ran = compare(&fixture, &[first, second]);
        assert!(ran.code != 0 && ran.to_string().contains(text), "{code}: {ran}");
    }
    compare(&fixture, &[out, out, "--profile", "production"]).expect(2, &["no profile is named"]);
    compare(&fixture, &[out, out, "--platform", "linux/s390x"]).expect(2, &["linux/s390x"]);
}

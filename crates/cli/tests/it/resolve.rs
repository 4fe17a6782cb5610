// SPDX-License-Identifier: Apache-2.0
//! `hardpan resolve`, and what `build` does with locks.

use std::fs;

use hardpan_testkit::fixture::Fixture;

use crate::support::{Ran, build, expect_nothing_written, files, hardpan, run};

fn resolve(fixture: &Fixture, arguments: &[&str]) -> Ran {
    let mut command = hardpan(fixture, &["resolve"]);
    command.arg(fixture.definition()).args(arguments);
    run(command)
}

#[test]
fn a_lock_is_written_and_then_unchanged() {
    let fixture = Fixture::new();
    resolve(&fixture, &["--dry-run"])
        .expect(0, &["linux/amd64 4 packages, linux/arm64 4 packages"]);
    assert!(!fixture.lock().exists());
    let ran = resolve(&fixture, &[]).expect(0, &["wrote", "linux/amd64 4 packages"]);
    assert_eq!(ran.stderr, "");
    let lock = fs::read(fixture.lock()).unwrap();
    resolve(&fixture, &[]).expect(0, &["unchanged"]);
    assert_eq!(fs::read(fixture.lock()).unwrap(), lock);
    let value = resolve(&fixture, &["--json"]).json();
    assert_eq!((&value["changed"], &value["changes"]), (&false.into(), &serde_json::json!([])));
}

#[test]
fn changes_are_listed_once_for_all_platforms() {
    let fixture = Fixture::new();
    resolve(&fixture, &[]);
    fixture.edit("    - app\n", "    - libc6\n");
    let ran = resolve(&fixture, &[]).expect(
        0,
        &["refreshed", "4 changes", "- app 1.0-1 linux/amd64, linux/arm64", "- app-data 1.0-1"],
    );
    assert!(!ran.stdout.contains("libc6"), "{ran}");
    let mut command = hardpan(&fixture, &["resolve", "--json", "--dry-run"]);
    command.arg(fixture.definition());
    assert_eq!(run(command).json()["changed"], false);
}

#[test]
fn locked_wants_a_lock_that_fits() {
    let fixture = Fixture::new();
    build(&fixture, &["--locked"])
        .expect(2, &["there is no lock at", "run `hardpan resolve` to write it"]);
    expect_nothing_written(&fixture);
    resolve(&fixture, &[]);
    let lock = fs::read(fixture.lock()).unwrap();
    fixture.edit("    - base-files\n", "    - libc6\n");
    build(&fixture, &["--locked"]).expect(
        2,
        &[
            "no longer fits the definition",
            "linux/amd64: new in the definition: package libc6",
            "linux/amd64: gone from the definition: package base-files",
            "run `hardpan resolve` to refresh it",
        ],
    );
    assert_eq!(fs::read(fixture.lock()).unwrap(), lock, "the lock is as it was");
    assert!(!fixture.path("out").exists());
    // Without `--locked` it is refreshed.
    build(&fixture, &[]).expect(0, &["refreshed", "(2 changes)"]);
}

#[test]
fn damaged_locks() {
    let fixture = Fixture::new();
    let digest = build(&fixture, &[]).digest();
    let good = fs::read_to_string(fixture.lock()).unwrap();
    let output = files(&fixture.path("out"));
    for (what, text, message) in [
        ("half of it", good[..good.len() / 2].to_owned(), "not a lock"),
        ("nothing", String::new(), "not a lock"),
        (
            "another version",
            good.replace("\"version\": 1,", "\"version\": 99,"),
            "format version 99",
        ),
        ("a conflict", format!("<<<<<<< ours\n{good}"), "not a lock"),
        ("another field", good.replace("\"epoch\"", "\"era\""), "not a lock"),
        (
            "a way out",
            good.replace("pool/main/app/", "../../pool/main/app/"),
            "leads out of the archive",
        ),
        ("two of one", good.replace("\"name\":\"app-data\"", "\"name\":\"app\""), "stands twice"),
    ] {
        assert_ne!(text, good, "{what}");
        fs::write(fixture.lock(), &text).unwrap();
        let ran = build(&fixture, &["--locked"]).expect(2, &[message, "1.yaml.lock"]);
        assert_eq!(fs::read_to_string(fixture.lock()).unwrap(), text, "{what}: {ran}");
        assert_eq!(files(&fixture.path("out")), output, "{what}");
    }
    // A digest that no package has.
    let at = good.find("\"sha256\":\"sha256:").unwrap() + "\"sha256\":\"sha256:".len();
    let mut other = good.clone();
    other.replace_range(at..at + 64, &"0".repeat(64));
    fs::write(fixture.lock(), &other).unwrap();
    build(&fixture, &["--locked"]).expect(4, &["has digest", "instead of"]);
    assert_eq!(files(&fixture.path("out")), output);
    // Without `--locked`, a lock that can't be read is made anew.
    fs::write(fixture.lock(), "damaged").unwrap();
    assert_eq!(build(&fixture, &[]).expect(0, &["wrote"]).digest(), digest);
    assert_eq!(fs::read_to_string(fixture.lock()).unwrap(), good);
}

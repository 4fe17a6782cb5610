// SPDX-License-Identifier: Apache-2.0
//! `hardpan diff`, and `hardpan build --sign --previous`

use hardpan_testkit::deb;
use hardpan_testkit::fixture::{Fixture, packages};
use serde_json::json;

use crate::keys::{attested, build_signed};
use crate::support::{Ran, build, hardpan, run};

/// Builds an image into `work/old`, and another one of newer packages and another configuration into `out`.
fn two_images() -> Fixture {
    let fixture = Fixture::new();
    let definition = fixture.definition();
    run(hardpan(&fixture, &["build", definition.to_str().unwrap(), "--output", "old"]))
        .expect(0, &[]);
    let mut newer = packages();
    newer.retain(|package| !package.control().starts_with("Package: app-data\n"));
    newer.retain(|package| !package.control().starts_with("Package: base-files\n"));
    for architecture in ["amd64", "arm64"] {
        newer.push(
            deb("base-files", "13.9")
                .architecture(architecture)
                .file("/etc/debian_version", "13.2\n")
                .file("/usr/lib/os-release", "ID=debian\n")
                .symlink("/etc/os-release", "../usr/lib/os-release")
                .directory("/var/lib/misc")
                .file("/usr/share/doc/base-files/copyright", "do what you like\n"),
        );
    }
    newer.push(
        deb("app-data", "1.0-1").field("Source", "app").file("/usr/share/app/other.txt", "other\n"),
    );
    fixture.publish(&newer);
    let text = std::fs::read_to_string(&definition).unwrap() + "environment:\n  COLOUR: \"red`\"\n";
    std::fs::write(&definition, text).unwrap();
    std::fs::remove_file(fixture.lock()).unwrap();
    fixture
}

fn diff(fixture: &Fixture, arguments: &[&str]) -> Ran {
    run(hardpan(fixture, &[&["diff"][..], arguments].concat()))
}

#[test]
fn what_changed_is_told_in_three_forms() {
    let fixture = two_images();
    build(&fixture, &[]).expect(0, &[]);
    let out = fixture.path("out");
    let out = out.to_str().unwrap();
    let table = diff(&fixture, &["old", out]).expect(
        0,
        &["linux/amd64", "linux/arm64", "base-files", "13.8 → 13.9", "Env.COLOUR: none → \"red`\""],
    );
    table.expect(
        0,
        &["usr/share/app/other.txt", "usr/share/app/text.txt", "etc/debian_version", "compressed"],
    );
    diff(&fixture, &["old", out, "-o", "markdown"]).expect(
        0,
        &[
            "# Changes of `example/app:1`",
            "`base-files` `13.8` → `13.9`",
            "`Env.COLOUR` is new: `` \"red`\" ``",
        ],
    );
    let value = diff(&fixture, &["old", out, "--json", "--platform", "linux/arm64"]).json();
    let platforms = value["platforms"].as_array().unwrap();
    assert_eq!(platforms.len(), 1);
    assert_eq!(platforms[0]["to"]["platform"], "linux/arm64");
    assert_eq!(
        platforms[0]["packages"]["changed"],
        json!([{"name": "base-files", "from": "13.8", "to": "13.9"}])
    );
    assert_eq!(platforms[0]["packages"]["added"], json!([]));
    diff(&fixture, &["old", out, "--exit-code"]).expect(1, &[]);
}

#[test]
fn what_changed_is_told_also_where_vulnerabilities_are_not() {
    let fixture = two_images();
    build(&fixture, &[]).expect(0, &[]);
    fixture.write("work/bad.hpdb", "no database");
    let out = fixture.path("out");
    let arguments = ["old", out.to_str().unwrap(), "--db", "bad.hpdb"];
    let table = diff(&fixture, &arguments);
    assert!(table.code != 0 && table.stdout.contains("13.8 → 13.9"), "{table}");
    let ran = diff(&fixture, &[&arguments[..], &["--json"]].concat());
    assert_eq!(ran.code, table.code, "{ran}");
    let value = ran.json();
    assert_eq!(value["platforms"].as_array().unwrap().len(), 2, "{value}");
    assert!(value.as_object().unwrap()["vulnerabilities"].is_null(), "{value}");
    assert_eq!(value["error"]["exit-code"], table.code);
    let message = value["error"]["message"].as_str().unwrap();
    assert!(table.stderr.contains(message), "{value}, {table}");
    // Without a database that is named it is no error.
    assert!(diff(&fixture, &["old", arguments[1], "--json"]).json()["vulnerabilities"].is_object());
}

#[test]
fn the_same_image_has_no_changes() {
    let fixture = Fixture::new();
    build(&fixture, &[]).expect(0, &[]);
    let out = fixture.path("out");
    let out = out.to_str().unwrap();
    diff(&fixture, &[out, out, "--exit-code"]).expect(0, &["nothing changed"]);
    let archive = fixture.path("work/image.tar");
    run(hardpan(&fixture, &["export", out, archive.to_str().unwrap()])).expect(0, &[]);
    diff(&fixture, &[out, "image.tar", "--exit-code", "-o", "markdown"])
        .expect(0, &["Nothing changed."]);
}

#[test]
fn platforms_come_and_go() {
    let fixture = Fixture::new();
    build(&fixture, &[]).expect(0, &[]);
    let definition = fixture.definition();
    let one =
        ["build", definition.to_str().unwrap(), "--output", "one", "--platform", "linux/amd64"];
    run(hardpan(&fixture, &one)).expect(0, &[]);
    let out = fixture.path("out");
    let out = out.to_str().unwrap();
    diff(&fixture, &["one", out, "--exit-code"])
        .expect(1, &["linux/arm64 is new", "nothing changed"]);
    diff(&fixture, &[out, "one"]).expect(0, &["linux/arm64 is gone"]);
    diff(&fixture, &[out, "one", "--platform", "linux/arm64"])
        .expect(2, &["the image is not for linux/arm64"]);
}

#[test]
fn what_is_no_image_is_refused() {
    let fixture = Fixture::new();
    build(&fixture, &[]).expect(0, &[]);
    fixture.write("work/text", "no archive");
    std::fs::create_dir(fixture.path("work/empty")).unwrap();
    let out = fixture.path("out");
    let out = out.to_str().unwrap();
    for (old, code, expected) in [
        ("./missing", 2, "there is no ./missing"),
        ("empty", 2, "is no OCI layout"),
        ("text", 4, "text"),
        ("python@sha256:00", 2, "python@sha256:00"),
    ] {
        diff(&fixture, &[old, out]).expect(code, &[expected]);
        diff(&fixture, &[out, old]).expect(code, &[expected]);
    }
    diff(&fixture, &[out]).expect(2, &["NEW"]);
    // A layer with another byte is noticed.
    let layout = fixture.path("work/bad");
    run(hardpan(&fixture, &["copy", out, layout.to_str().unwrap()])).expect(0, &[]);
    let largest = crate::support::files(&layout).into_iter().max_by_key(|(_, bytes)| bytes.len());
    let (path, mut bytes) = largest.unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
    diff(&fixture, &["bad", out]).expect(4, &[]);
}

#[test]
fn a_build_states_what_changed() {
    let fixture = two_images();
    build_signed(&fixture, &["--previous", "old"]).expect(0, &["changelog"]);
    let statement = attested(&fixture, "changelog", "linux/amd64");
    assert_eq!(statement["predicateType"], "https://hardpan.dev/changelog/v1");
    assert_eq!(statement["subject"].as_array().unwrap().len(), 1);
    let changes = &statement["predicate"];
    assert_eq!(changes["from"]["name"], "example/app:1");
    assert_eq!(
        changes["to"]["digest"],
        format!("sha256:{}", statement["subject"][0]["digest"]["sha256"].as_str().unwrap())
    );
    assert_eq!(changes["packages"]["changed"][0]["to"], "13.9");
    assert!(changes["size"]["from"].as_u64().unwrap() > 0);
    assert!(!statement.to_string().contains(fixture.path("").to_str().unwrap()), "{statement}");
}

#[test]
fn a_build_without_anything_before_says_so() {
    let fixture = Fixture::new();
    let definition = fixture.definition();
    let one =
        ["build", definition.to_str().unwrap(), "--output", "one", "--platform", "linux/amd64"];
    run(hardpan(&fixture, &one)).expect(0, &[]);
    build_signed(&fixture, &["--previous", "one"])
        .expect(0, &["the previous image is not for linux/arm64"]);
    build_signed(&fixture, &["--previous", "./nothing"]).expect(2, &["there is no ./nothing"]);
    build(&fixture, &["--previous", "one"]).expect(2, &["--sign"]);
}

// SPDX-License-Identifier: Apache-2.0

use hardpan_definition::{NoIncludes, Platform, Source, parse};
use hardpan_package::segment::Format;

use super::*;
use crate::demand::Demand;

const RULES: &str = "
[[archives.substitute]]
from = \"https://packages.example/apk/*\"
to = \"alpine\"
pins = \"relax\"
[[archives.substitute]]
from = \"https://old.example/*\"
to = \"https://new.example/mirror/*\"
[[archives.substitute]]
from = \"https://wrong.example/main\"
to = \"debian\"
";

/// Returns the demand of a definition with these keys, or why there is none.
fn demand(distribution: &str, platform: Platform, text: &str) -> Result<Demand, DemandError> {
    let text = format!("# syntax=dhi.io/build:2-{distribution}\nimage: example.org/x\n{text}");
    let parsed = parse(&Source::new("test.yaml", text), &NoIncludes);
    let definition = parsed.render(platform).unwrap_or_else(|errors| panic!("{errors:?}"));
    Demand::of(&definition, &Workspace::parse(RULES).unwrap())
}

fn contents(repositories: &[&str], keys: &[&str], packages: &[&str]) -> String {
    let list = |key: &str, items: &[&str]| {
        let items: Vec<String> = items.iter().map(|item| format!("    - '{item}'\n")).collect();
        if items.is_empty() { String::new() } else { format!("  {key}:\n{}", items.concat()) }
    };
    let lists = [list("repositories", repositories), list("keyring", keys)].concat();
    format!("contents:\n{lists}{}", list("packages", packages))
}

#[test]
fn own_archives_are_those_of_the_branch() {
    for (distribution, expected) in [
        ("alpine3.22", ["archive alpine v3.22/community", "archive alpine v3.22/main"].as_slice()),
        ("alpine3.24", &["archive alpine v3.24/community", "archive alpine v3.24/main"]),
        ("alpine-edge", &["archive alpine edge/community", "archive alpine edge/main"]),
        (
            "debian13",
            &[
                "archive debian trixie main",
                "archive debian trixie-updates main",
                "archive debian-security trixie-security main",
            ],
        ),
    ] {
        let text = contents(&[], &[], &[]);
        let found = demand(distribution, Platform::LinuxAmd64, &text).unwrap();
        let lines: Vec<String> =
            found.lines().into_iter().filter(|line| line.starts_with("archive")).collect();
        assert_eq!(lines, expected, "{distribution}");
    }
}

#[test]
fn architectures_have_the_distributions_names() {
    for (distribution, format, names) in [
        ("debian13", Format::Deb, ["amd64", "arm64"]),
        ("alpine3.23", Format::Apk, ["x86_64", "aarch64"]),
    ] {
        for (platform, name) in Platform::ALL.into_iter().zip(names) {
            let found = demand(distribution, platform, &contents(&[], &[], &["x1"])).unwrap();
            assert_eq!((found.format, found.architecture), (format, name));
        }
    }
}

#[test]
fn archives_of_definitions_are_named_as_they_are() {
    let key = ["https://packages.example/key.rsa.pub"];
    for (repositories, packages, expected) in [
        (
            ["https://a.example/v3.23/main/", "@edge https://a.example/edge/main"].as_slice(),
            ["x@edge", "y=1.2-r0", "z~1.2", "u>=2", "v<3", "!w"].as_slice(),
            [
                "archive @edge https://a.example/edge/main",
                "archive https://a.example/v3.23/main",
                "exclude w",
                "keyring https://packages.example/key.rsa.pub",
                "package u >=2",
                "package v <3",
                "package x@edge",
                "package y =1.2-r0",
                "package z =~1.2",
            ]
            .as_slice(),
        ),
        (
            &["https://packages.example/apk/v3.23/main"],
            &["y=1.2-r0", "z~1.2"],
            &[
                "archive alpine v3.23/community",
                "archive alpine v3.23/main",
                "package y ~1.2-r0",
                "package z ~(~1.2)",
            ],
        ),
        (
            &["@edge https://packages.example/apk/edge/main"],
            &["x@edge"],
            &[
                "archive @edge alpine v3.23/community",
                "archive @edge alpine v3.23/main",
                "package x@edge",
            ],
        ),
        (
            &["https://old.example/a/b"],
            &["y"],
            &[
                "archive https://new.example/mirror/a/b",
                "keyring https://packages.example/key.rsa.pub",
                "package y",
            ],
        ),
    ] {
        let text = contents(repositories, &key, packages);
        let found = demand("alpine3.23", Platform::LinuxAmd64, &text).unwrap();
        assert_eq!(found.lines(), expected, "{repositories:?}");
    }
}

#[test]
fn what_can_not_be_is_refused() {
    let url = "https://wrong.example/main";
    for (distribution, repositories, keys, expected) in [
        ("helm3", [].as_slice(), [].as_slice(), "definitions for helm3 can't be built"),
        ("alpine3.23", &[url], &[], "debian's archives stand in for https://wrong.example/main"),
        (
            "debian13",
            &["deb https://packages.example/apk/x trixie main"],
            &["https://packages.example/key.asc"],
            "alpine's archives stand in for https://packages.example/apk/x",
        ),
        (
            "debian13",
            &["deb https://b.example trixie main"],
            &[],
            "the archive https://b.example has no keyring",
        ),
    ] {
        let text = contents(repositories, keys, &[]);
        let error = demand(distribution, Platform::LinuxAmd64, &text).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

// SPDX-License-Identifier: Apache-2.0
//! `hardpan explain`

use hardpan_testkit::fixture::Fixture;

use crate::support::{Ran, hardpan, run};

fn explain(fixture: &Fixture, arguments: &[&str]) -> Ran {
    let mut command = hardpan(fixture, &["explain"]);
    command.arg(fixture.definition()).args(arguments);
    run(command)
}

#[test]
fn why_a_package_is_there_and_what_it_costs() {
    let fixture = Fixture::new();
    let ran = explain(&fixture, &["libc6"]).expect(
        0,
        &[
            "libc6 2.41-12  linux/amd64",
            "app needs libc6 (>= 2.36)",
            "costs 150.0 kB",
            "'!libc6' in contents.packages would cut it",
        ],
    );
    assert_eq!(ran.stderr, "");
    explain(&fixture, &["app"])
        .expect(0, &["the definition asks for it", "without it 2 other packages would go, too"]);
    explain(&fixture, &["app", "--platform", "linux/arm64"]).expect(0, &["linux/arm64"]);
}

#[test]
fn as_json() {
    let fixture = Fixture::new();
    let value = explain(&fixture, &["app-data", "--json"]).json();
    assert_eq!(value["package"], "app-data");
    assert_eq!(value["is-requested"], false);
    assert_eq!(value["path"][0]["package"], "app");
    assert_eq!(value["dependents"][0]["clause"], "app-data (= 1.0-1)");
}

#[test]
fn what_is_not_in_the_image() {
    let fixture = Fixture::new();
    explain(&fixture, &["libc"])
        .expect(2, &["package libc is not in the image", "did you mean libc6?"]);
    fixture.edit("  - linux/arm64\n", "");
    explain(&fixture, &["app", "--platform", "linux/arm64"]).expect(2, &["not for linux/arm64"]);
}

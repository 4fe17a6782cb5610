// SPDX-License-Identifier: Apache-2.0
//! Without a network.

use hardpan_testkit::fixture::Fixture;

use crate::support::{build, clean, expect_nothing_written, files, is_root, run, skip, works};

#[test]
fn an_empty_store_is_not_enough() {
    let fixture = Fixture::new();
    build(&fixture, &["--offline"]).expect(
        3,
        &[
            "is not in the store, and the network is off",
            "run the same command once without `--offline`",
        ],
    );
    expect_nothing_written(&fixture);
    assert!(fixture.server.log().is_empty());
    // With a lock, it is a package that is missing.
    build(&fixture, &[]).expect(0, &[]);
    let output = files(&fixture.path("out"));
    let other = fixture.path("other");
    build(&fixture, &["--offline", "--locked", "--store", other.to_str().unwrap()])
        .expect(3, &["package ", " is not in the store, and the network is off"]);
    assert_eq!(files(&fixture.path("out")), output);
}

#[test]
fn a_filled_store_is_enough_even_to_resolve() {
    let fixture = Fixture::new();
    let digest = build(&fixture, &[]).digest();
    fixture.server.take_log();
    std::fs::remove_dir_all(fixture.path("out")).unwrap();
    assert_eq!(build(&fixture, &["--offline", "--locked"]).digest(), digest);
    std::fs::remove_file(fixture.lock()).unwrap();
    std::fs::remove_dir_all(fixture.path("out")).unwrap();
    assert_eq!(build(&fixture, &["--offline"]).digest(), digest);
    assert!(fixture.server.log().is_empty());
}

#[test]
fn a_lock_and_a_filled_store_in_a_namespace_without_interfaces() {
    let arguments = if is_root() { ["-n"] } else { ["-rn"] };
    if !works("unshare", &[arguments[0], "true"]) {
        let reason = "this machine does not let us make network namespaces";
        return skip("a_lock_and_a_filled_store_in_a_namespace_without_interfaces", reason);
    }
    let fixture = Fixture::new();
    let digest = build(&fixture, &[]).digest();
    let inside = |arguments_of_build: &[&str], output: &str| {
        let mut command = clean("unshare", &fixture);
        command.args(arguments).arg(env!("CARGO_BIN_EXE_hardpan")).arg("build");
        command.arg(fixture.definition()).arg("--output").arg(fixture.path(output));
        command.args(arguments_of_build);
        run(command)
    };
    assert_eq!(inside(&["--offline", "--locked"], "inside").digest(), digest);
    // A lock that fits needs no network either, whether that is said or not.
    assert_eq!(inside(&[], "again").digest(), digest);
    // There really is none.
    std::fs::remove_file(fixture.lock()).unwrap();
    inside(&["--retries", "0"], "never").expect(3, &["no connection"]);
    assert!(!fixture.path("never").exists());
}

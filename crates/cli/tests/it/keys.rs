// SPDX-License-Identifier: Apache-2.0
//! Keys, and commands that sign with them.

use std::process::Command;

use hardpan_testkit::fixture::Fixture;
use serde_json::Value;

use crate::support::{Ran, build_command, hardpan, run};

/// Returns `hardpan` with arguments and the password of the keys.
pub(crate) fn signing(fixture: &Fixture, arguments: &[&str]) -> Command {
    let mut command = hardpan(fixture, arguments);
    command.env("HARDPAN_PASSWORD", "secret");
    command
}

/// Makes `NAME.key` and `NAME.pub` in the working directory.
pub(crate) fn keygen(fixture: &Fixture, name: &str) {
    run(signing(fixture, &["keygen", name])).expect(0, &[]);
}

/// Builds the fixture's definition into `out` and signs it with `k.key`, which is made.
pub(crate) fn build_signed(fixture: &Fixture, arguments: &[&str]) -> Ran {
    if !fixture.path("work/k.key").exists() {
        keygen(fixture, "k");
    }
    let mut command = build_command(fixture, &["--sign", "--key", "k.key"]);
    command.args(arguments).env("HARDPAN_PASSWORD", "secret");
    run(command)
}

/// Returns a predicate of the image in `out` that `k` signed, with its statement.
pub(crate) fn attested(fixture: &Fixture, kind: &str, platform: &str) -> Value {
    let out = fixture.path("out");
    let out = out.to_str().unwrap();
    let get = ["attest", "get", out, "--type", kind, "--platform", platform, "--statement"];
    let got = run(hardpan(fixture, &[&get[..], &["--key", "k.pub"]].concat()));
    assert_eq!(got.code, 0, "{got}");
    got.json()
}

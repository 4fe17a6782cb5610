// SPDX-License-Identifier: Apache-2.0
//! `hardpan attest scan` and `build --sign --scan`: what scans found, signed and attached.

use hardpan_testkit::fixture::Fixture;
use hardpan_tree::Digest;
use serde_json::Value;

use crate::db::tracker;
use crate::keys::{build_signed, signing};
use crate::support::{Ran, files, run};

fn hardpan(fixture: &Fixture, arguments: &[&str]) -> Ran {
    run(signing(fixture, arguments))
}

fn world() -> Fixture {
    let fixture = Fixture::new();
    build_signed(&fixture, &[]).expect(0, &[]);
    fixture.write("work/tracker.json", tracker("1", 1));
    let build =
        ["db", "build", "--debian-tracker", "tracker.json", "-o", "a.hpdb", "--key", "k.key"];
    hardpan(&fixture, &build).expect(0, &[]);
    fixture
}

fn predicate(fixture: &Fixture, kind: &str) -> Value {
    let out = fixture.path("out");
    let platform = ["--platform", "linux/amd64"];
    let get = ["attest", "get", out.to_str().unwrap(), "--type", kind, "--key", "k.pub"];
    let ran = hardpan(fixture, &[&get[..], &platform].concat());
    assert_eq!(ran.code, 0, "{ran}");
    ran.json()
}

#[test]
fn scans_are_attached_to_every_platform_and_again_change_nothing() {
    let fixture = world();
    let out = fixture.path("out");
    let scan = ["attest", "scan", out.to_str().unwrap(), "--key", "k.key"];
    // Nothing is known of vulnerabilities yet: that is said, and not stated.
    let none = [&scan[..], &["--signatures", "none"]].concat();
    hardpan(&fixture, &none)
        .expect(0, &["not stated: vulnerabilities", "attested secrets of 2 platforms"]);
    assert_eq!(predicate(&fixture, "secrets"), serde_json::json!({}));
    let with = [&scan[..], &["--signatures", "none", "--db", "a.hpdb"]].concat();
    hardpan(&fixture, &with).expect(0, &["attested vulns of 2 platforms", "not stated: malware"]);
    let vulns = predicate(&fixture, "vulns");
    assert_eq!(vulns["scanner"]["uri"], "https://hardpan.dev");
    assert_eq!(vulns["scanner"]["result"], serde_json::json!([]));
    let before = files(&out);
    hardpan(&fixture, &with).expect(0, &[]);
    assert_eq!(files(&out), before);
    hardpan(
        &fixture,
        &[
            "verify",
            out.to_str().unwrap(),
            "--key",
            "k.pub",
            "--require",
            "vulns",
            "--require",
            "secrets",
        ],
    )
    .expect(0, &["verified"]);
}

#[test]
fn policies_go_by_the_attached_scan() {
    let fixture = world();
    let out = fixture.path("out");
    let out = out.to_str().unwrap();
    fixture.write("work/policy.yaml", "keys: [k.pub]\nvulnerabilities:\n  severity: high\n");
    let verify =
        || hardpan(&fixture, &["verify", out, "--key", "k.pub", "--policy", "policy.yaml"]);
    verify().expect(1, &["nobody looked for vulnerabilities"]);
    let scan = |db: &str| {
        let scan = ["attest", "scan", out, "--key", "k.key", "--signatures", "none", "--db", db];
        hardpan(&fixture, &scan).expect(0, &["attested vulns"]);
    };
    scan("a.hpdb");
    verify().expect(0, &["none that counts, of 0"]);
    // Newer data knows something: older statements don't hide it.
    let known = r#"{"app": {"CVE-2026-0007": {"releases": {"trixie": {
        "status": "resolved", "fixed_version": "99-1", "urgency": "high", "repositories": {}}}}}}"#;
    fixture.write("work/known.json", known);
    hardpan(&fixture, &["db", "build", "--debian-tracker", "known.json", "-o", "b.hpdb"])
        .expect(0, &[]);
    scan("b.hpdb");
    verify().expect(1, &["CVE-2026-0007 in app"]);
}

#[test]
fn a_build_states_its_scans_where_that_is_asked_for() {
    let fixture = world();
    hardpan(&fixture, &["db", "import", "a.hpdb", "--key", "k.pub"]).expect(0, &[]);
    let definition = fixture.definition();
    let out = fixture.path("out");
    let build = ["build", definition.to_str().unwrap(), "--output", out.to_str().unwrap()];
    hardpan(&fixture, &[&build[..], &["--scan"]].concat()).expect(2, &["--sign"]);
    hardpan(&fixture, &[&build[..], &["--sign", "--key", "k.key", "--scan"]].concat())
        .expect(0, &["attested vulns of 2 platforms", "attested secrets of 2 platforms"]);
    assert!(predicate(&fixture, "vulns")["scanner"]["db"]["version"].is_string());
    // Scanning by the signed SBOM, which the files agree with.
    let ran = hardpan(&fixture, &["scan", out.to_str().unwrap(), "--key", "k.pub", "--json"]);
    let report = ran.expect(0, &[]).json();
    assert_eq!(report["inventory"]["from"], "attached-sbom");
    assert_eq!(report["inventory"]["is-checked"], true);
    let kinds: Vec<&str> = report["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["kind"].as_str())
        .collect();
    assert!(!kinds.contains(&"drift"), "{report}");
    let ran = hardpan(
        &fixture,
        &["scan", out.to_str().unwrap(), "--key", "k.pub", "--trust-sbom", "--json"],
    );
    assert_eq!(ran.json()["inventory"]["is-checked"], false);
    let ran = hardpan(
        &fixture,
        &["scan", out.to_str().unwrap(), "--key", "k.pub", "--from-files", "--json"],
    );
    assert_eq!(ran.json()["inventory"]["from"], "files");
}

#[test]
fn what_could_not_be_looked_up_is_not_stated_and_the_rest_is() {
    let fixture = world();
    hardpan(&fixture, &["db", "import", "a.hpdb", "--key", "k.pub"]).expect(0, &[]);
    // An image that has no packages.
    fixture.server.set_file("files/app", b"app\n".to_vec());
    let file = format!(
        "contents:\n  files:\n    - url: {}\n      checksum: sha256:{}\n      path: /usr/bin/app\n      mode: '0755'\n",
        fixture.server.url("files/app"),
        Digest::of(b"app\n").to_hex()
    );
    fixture.edit("contents:\n  packages:\n    - base-files\n    - app\n", &file);
    let (definition, out) = (fixture.definition(), fixture.path("out"));
    let (definition, out) = (definition.to_str().unwrap(), out.to_str().unwrap());
    let build = ["build", definition, "--output", out, "--sign", "--key", "k.key", "--scan"];
    let nothing = [
        "not stated: vulnerabilities of linux/amd64: nothing of it could be looked up",
        "not stated: vulnerabilities of linux/arm64: nothing of it could be looked up",
        "it says that it is debian 13",
        "attested secrets of 2 platforms",
    ];
    hardpan(&fixture, &build).expect(0, &nothing);
    let scan = ["attest", "scan", out, "--key", "k.key", "--signatures", "none", "--db"];
    hardpan(&fixture, &[&scan[..], &["a.hpdb"]].concat()).expect(0, &nothing);
    // Data about other releases says nothing either.
    fixture.write("work/other.json", tracker("1", 1).replace("trixie", "bookworm"));
    hardpan(&fixture, &["db", "build", "--debian-tracker", "other.json", "-o", "b.hpdb"])
        .expect(0, &[]);
    let why = ["linux/arm64: the vulnerability data has nothing about debian:13", "secrets of 2"];
    hardpan(&fixture, &[&scan[..], &["b.hpdb"]].concat()).expect(0, &why);
    hardpan(&fixture, &["verify", out, "--key", "k.pub", "--require", "vulns"])
        .expect(1, &["linux/arm64 has no vulns"]);
}

// SPDX-License-Identifier: Apache-2.0
//! `hardpan attest audit`, `build --sign --audit`, and the forms of `hardpan audit`.

use std::process::Command;

use hardpan_testkit::fixture::Fixture;
use serde_json::Value;

use crate::keys::{build_signed, keygen, signing};
use crate::support::{Ran, files, run, skip, works};

fn hardpan(fixture: &Fixture, arguments: &[&str]) -> Ran {
    run(signing(fixture, arguments))
}

fn world() -> Fixture {
    let fixture = Fixture::new();
    build_signed(&fixture, &[]).expect(0, &[]);
    fixture
}

fn predicate(fixture: &Fixture, kind: &str) -> Value {
    let out = fixture.path("out");
    let get = ["attest", "get", out.to_str().unwrap(), "--type", kind, "--key", "k.pub"];
    hardpan(fixture, &[&get[..], &["--platform", "linux/amd64"]].concat()).expect(0, &[]).json()
}

#[test]
fn audits_are_attached_to_every_platform_and_again_change_nothing() {
    let fixture = world();
    let out = fixture.path("out");
    let out = out.to_str().unwrap();
    let attest = ["attest", "audit", out, "--key", "k.key"];
    hardpan(&fixture, &attest).expect(0, &["attested audit of 2 platforms", "linux/arm64: grade"]);
    let audit = predicate(&fixture, "audit");
    assert_eq!(audit["tool"]["name"], "hardpan");
    assert_eq!(audit["hardened"], true);
    assert_eq!(audit["traits"]["shell"], serde_json::json!([]));
    assert_ne!(audit["traits"]["uid"], 0);
    let controls = audit["controls"].as_array().unwrap();
    let result = |id: &str| controls.iter().find(|one| one["id"] == id).unwrap()["result"].clone();
    // What the signer's key states counts.
    assert_eq!((result("shell"), result("signature")), ("pass".into(), "pass".into()));
    assert_eq!(controls.len(), hardpan::audit::controls().len());
    let before = files(fixture.path("out").as_path());
    hardpan(&fixture, &attest).expect(0, &[]);
    assert_eq!(files(fixture.path("out").as_path()), before);
    let verify = ["verify", out, "--key", "k.pub", "--require", "audit"];
    hardpan(&fixture, &verify).expect(0, &["verified"]);
}

#[test]
fn the_shapes_of_others_are_stated_where_that_is_asked_for() {
    let fixture = world();
    let out = fixture.path("out");
    let out = out.to_str().unwrap();
    let attest = ["attest", "audit", out, "--key", "k.key"];
    hardpan(&fixture, &[&attest[..], &["--stig", "--fips"]].concat())
        .expect(0, &["attested stig of 2 platforms", "attested fips of 2 platforms"]);
    let stig = predicate(&fixture, "stig");
    assert_eq!(stig[0]["output"][0]["format"], "html");
    assert_eq!(stig[0]["certified"], false);
    // The image has no cryptographic module, so none is stated, and none can be certified.
    assert_eq!(predicate(&fixture, "fips"), serde_json::json!([]));
    hardpan(&fixture, &[&attest[..], &["--fips-certificate", "4985"]].concat())
        .expect(2, &["no cryptographic module"]);
    hardpan(&fixture, &[&attest[..], &["--fips-certificate", "many"]].concat())
        .expect(2, &["no number of a certificate"]);
    hardpan(&fixture, &[&attest[..], &["--profile", "production"]].concat())
        .expect(2, &["no profile is named"]);
    hardpan(&fixture, &["attest", "audit", out]).expect(2, &["key"]);
}

#[test]
fn a_build_states_its_audit_where_that_is_asked_for() {
    let fixture = world();
    let definition = fixture.definition();
    let out = fixture.path("out");
    let build = ["build", definition.to_str().unwrap(), "--output", out.to_str().unwrap()];
    hardpan(&fixture, &[&build[..], &["--audit"]].concat()).expect(2, &["--sign"]);
    hardpan(&fixture, &[&build[..], &["--sign", "--key", "k.key", "--audit"]].concat())
        .expect(0, &["attested audit of 2 platforms"]);
    assert_eq!(predicate(&fixture, "audit")["hardened"], true);
}

#[test]
fn what_a_signed_image_says_that_it_is_for_counts() {
    let fixture = Fixture::new();
    fixture.edit("variant: runtime", "variant: dev");
    build_signed(&fixture, &[]).expect(0, &[]);
    keygen(&fixture, "stranger");
    let out = fixture.path("out");
    let audit = ["audit", out.to_str().unwrap(), "--json", "--fail-on", "never"];
    for (key, name, source) in
        [("k.pub", "dev", "definition"), ("stranger.pub", "runtime", "default")]
    {
        let ran = hardpan(&fixture, &[&audit[..], &["--key", key]].concat());
        let profile = ran.json()["profile"].clone();
        assert_eq!(profile, serde_json::json!({"name": name, "source": source}), "{key}");
    }
}

#[test]
fn every_form_of_an_audit_is_what_it_says() {
    let fixture = world();
    let out = fixture.path("out");
    let out = out.to_str().unwrap();
    for (form, fragments) in [
        ("html", &["<!DOCTYPE html>", "CIS Docker Benchmark", "less</b> to attack", "</html>"][..]),
        ("markdown", &["grade", "CIS Docker Benchmark"]),
        ("sarif", &["\"version\":\"2.1.0\""]),
        ("junit", &["<testsuites", "</testsuites>"]),
        ("xccdf", &["<Benchmark", "</Benchmark>"]),
        ("badge", &["<svg", "</svg>", "[![hardened: "]),
        ("json", &["\"controls\""]),
    ] {
        let root = fixture.path("work/root");
        std::fs::create_dir_all(root.join("usr/bin")).unwrap();
        std::fs::write(root.join("usr/bin/sh"), "\x7fELF").unwrap();
        let mut arguments = vec!["audit", out, "-o", form, "--fail-on", "never"];
        if matches!(form, "html" | "markdown") {
            arguments.extend(["--against", "root"]);
        }
        let ran = hardpan(&fixture, &arguments);
        // An empty standard image has less to attack than anything.
        let fragments: Vec<&str> = fragments
            .iter()
            .map(|text| text.strip_prefix("less").map_or(*text, |_| "more</b> to attack"))
            .collect();
        ran.expect(0, &fragments);
    }
    if !works("oscap", &["--version"]) {
        skip("every_form_of_an_audit_is_what_it_says", "openscap-scanner is not installed");
        return;
    }
    let ran = hardpan(&fixture, &["audit", out, "-o", "xccdf", "--fail-on", "never"]);
    fixture.write("work/result.xml", &ran.stdout);
    let file = fixture.path("work/result.xml");
    let valid = Command::new("oscap").args(["xccdf", "validate"]).arg(file).output().unwrap();
    assert!(valid.status.success(), "{}", String::from_utf8_lossy(&valid.stderr));
}

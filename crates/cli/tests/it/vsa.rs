// SPDX-License-Identifier: Apache-2.0
//! `hardpan verify --vsa` and `--explain`: what a verification came to, and which level is proven.

use base64::Engine as _;
use hardpan_testkit::fixture::Fixture;
use serde_json::{Value, json};

use crate::keys::{attested, build_signed, keygen, signing};
use crate::support::{Ran, files, hardpan, run};

const BUILDER: &str = "https://ci.example/builder";

fn signed() -> Fixture {
    let fixture = Fixture::new();
    build_signed(&fixture, &["--builder-id", BUILDER]).expect(0, &[]);
    keygen(&fixture, "auditor");
    fixture
}

fn policy(fixture: &Fixture, text: &str) {
    fixture.write("work/policy.yaml", text);
}

fn verify(fixture: &Fixture, arguments: &[&str]) -> Ran {
    let out = fixture.path("out");
    let first = ["verify", out.to_str().unwrap(), "--key", "k.pub"];
    run(signing(fixture, &[&first[..], arguments].concat()))
}

fn read(fixture: &Fixture, name: &str) -> Value {
    let text = std::fs::read(fixture.path(format!("work/{name}"))).unwrap();
    serde_json::from_slice(&text).unwrap()
}

#[test]
fn a_summary_says_what_held() {
    let fixture = signed();
    policy(&fixture, &format!("keys: [k.pub]\nbuilders:\n  - id: {BUILDER}\n    level: 2\n"));
    let arguments =
        ["--policy", "policy.yaml", "--vsa", "vsa.json", "--verifier-id", "https://a.example/me"];
    verify(&fixture, &arguments).expect(0, &["verified"]);
    let statement = read(&fixture, "vsa.json");
    assert_eq!(statement["predicateType"], "https://slsa.dev/verification_summary/v1");
    assert_eq!(statement["subject"].as_array().unwrap().len(), 3);
    let summary = &statement["predicate"];
    assert_eq!(summary["verificationResult"], "PASSED");
    assert_eq!(summary["verifiedLevels"], json!(["SLSA_BUILD_LEVEL_2"]));
    assert_eq!(summary["verifier"]["id"], "https://a.example/me");
    assert_eq!(summary["policy"]["uri"], "policy.yaml");
    assert_eq!(summary["policy"]["digest"]["sha256"].as_str().unwrap().len(), 64);
    assert!(summary["resourceUri"].as_str().unwrap().starts_with("pkg:oci/"), "{summary}");
    assert!(!summary["inputAttestations"].as_array().unwrap().is_empty());
    // Signed, it is a bundle with the same statement, and attached it is found again.
    let signed = [&arguments[..], &["--sign-key", "auditor.key", "--attach-vsa"]].concat();
    verify(&fixture, &signed).expect(0, &[]);
    let bundle = read(&fixture, "vsa.json");
    assert_eq!(bundle["mediaType"], "application/vnd.dev.sigstore.bundle.v0.3+json");
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    let payload = base64::engine::general_purpose::STANDARD.decode(payload).unwrap();
    let inside: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(inside["predicate"]["verifiedLevels"], json!(["SLSA_BUILD_LEVEL_2"]));
    let out = fixture.path("out");
    let list =
        run(hardpan(&fixture, &["attest", "list", out.to_str().unwrap(), "--key", "auditor.pub"]));
    for form in ["Sigstore bundle", "attestation of cosign 2"] {
        let of_form =
            list.stdout.lines().filter(|line| line.contains("vsa") && line.contains(form));
        assert_eq!(of_form.count(), 3, "{list}");
    }
    // What was attached before is still there.
    attested(&fixture, "provenance", "linux/amd64");
}

#[test]
fn a_failure_is_stated_as_one() {
    let fixture = signed();
    policy(&fixture, "keys: [k.pub]\nrequire:\n  - predicate: test-result\n");
    let arguments = ["--policy", "policy.yaml", "--vsa", "vsa.json"];
    verify(&fixture, &arguments).expect(1, &["fails"]);
    let summary = &read(&fixture, "vsa.json")["predicate"];
    assert_eq!(summary["verificationResult"], "FAILED");
    assert_eq!(summary["verifiedLevels"], json!(["FAILED"]));
    // Also where the policy holds, and something else was asked for.
    policy(&fixture, "keys: [k.pub]\n");
    verify(&fixture, &[&arguments[..], &["--require", "vex"]].concat()).expect(1, &["has no vex"]);
    assert_eq!(read(&fixture, "vsa.json")["predicate"]["verificationResult"], "FAILED");
    // And a summary that says so is none that a policy asks for.
    let attach =
        ["--policy", "policy.yaml", "--require", "vex", "--attach-vsa", "--sign-key", "k.key"];
    verify(&fixture, &attach).expect(1, &[]);
    policy(&fixture, "keys: [k.pub]\nrequire:\n  - predicate: vsa\n");
    verify(&fixture, &["--policy", "policy.yaml"]).expect(1, &["it says FAILED"]);
}

#[test]
fn an_altered_image_has_no_good_summary() {
    let fixture = signed();
    policy(&fixture, "keys: [k.pub]\n");
    let blobs = files(&fixture.path("out/blobs"));
    let bundle = blobs.iter().find(|(_, bytes)| {
        bytes.starts_with(b"{\"dsseEnvelope\"")
            || String::from_utf8_lossy(bytes).contains("\"dsseEnvelope\"")
    });
    let (path, bytes) = bundle.unwrap();
    let text = String::from_utf8(bytes.clone()).unwrap();
    let at = text.find("\"sig\":\"").unwrap() + 12;
    let mut bytes = bytes.clone();
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    std::fs::write(path, bytes).unwrap();
    let ran = verify(&fixture, &["--policy", "policy.yaml", "--vsa", "vsa.json"]);
    assert_eq!(ran.code, 4, "{ran}");
    let written = fixture.path("work/vsa.json");
    if written.exists() {
        assert_eq!(read(&fixture, "vsa.json")["predicate"]["verificationResult"], "FAILED");
    }
}

#[test]
fn levels_are_explained() {
    let fixture = signed();
    verify(&fixture, &["--explain"])
        .expect(
            0,
            &["SLSA build level 1  linux/amd64: provenance by k.pub names the builder https://ci"],
        )
        .expect(0, &["not 2: no policy says what the builder"]);
    for (text, level, reason) in [
        (format!("keys: [k.pub]\nbuilders: [{{id: '{BUILDER}'}}]\n"), 1, "is a hosted builder"),
        (
            format!("keys: [k.pub]\nbuilders: [{{id: '{BUILDER}', level: 2}}]\n"),
            2,
            "can't get at the key",
        ),
        (format!("keys: [k.pub]\nbuilders: [{{id: '{BUILDER}', level: 3}}]\n"), 3, ""),
    ] {
        policy(&fixture, &text);
        let ran = verify(&fixture, &["--policy", "policy.yaml", "--explain"]);
        let ran = ran.expect(0, &[&format!("SLSA build level {level}"), reason]);
        assert!(!ran.stdout.contains("not 4"), "{ran}");
    }
    let value = verify(&fixture, &["--json"]).json();
    assert_eq!(value["slsa"][0]["build"]["level"], 1);
    // By a key that nobody trusts nothing is proven.
    let out = fixture.path("out");
    let other = ["verify", out.to_str().unwrap(), "--key", "auditor.pub", "--explain"];
    run(hardpan(&fixture, &other)).expect(1, &["SLSA build level 0", "no trusted key signed how"]);
}

#[test]
fn what_can_t_be_asked_for_is_refused() {
    let fixture = signed();
    policy(&fixture, "keys: [k.pub]\n");
    for (arguments, code, expected) in [
        (&["--vsa", "v.json"][..], 2, "--policy"),
        (&["--policy", "policy.yaml", "--attach-vsa"], 2, "--sign-key"),
        (&["--policy", "policy.yaml", "--sign-key", "auditor.key"], 2, "--vsa or --attach-vsa"),
        (
            &["--policy", "policy.yaml", "--vsa", "v.json", "--sign-key", "missing.key"],
            2,
            "missing.key",
        ),
        (&["--policy", "policy.yaml", "--vsa", "v.json", "--sign-key", "k.pub"], 2, "k.pub"),
        (&["--policy", "policy.yaml", "--vsa", "v.json", "--verifier-id", "me"], 4, "not a URI"),
        (&["--policy", "missing.yaml", "--vsa", "v.json"], 2, "missing.yaml"),
    ] {
        verify(&fixture, arguments).expect(code, &[expected]);
        assert!(!fixture.path("work/v.json").exists(), "{arguments:?}");
    }
    for level in ["0", "4", "two"] {
        policy(
            &fixture,
            &format!("keys: [k.pub]\nbuilders: [{{id: '{BUILDER}', level: {level}}}]\n"),
        );
        verify(&fixture, &["--policy", "policy.yaml"]).expect(2, &["policy.yaml:2:"]);
    }
    let out = fixture.path("out");
    let export = ["export", out.to_str().unwrap(), "image.tar"];
    run(hardpan(&fixture, &export)).expect(0, &[]);
    policy(&fixture, "keys: [k.pub]\n");
    let attach = [
        "verify",
        "image.tar",
        "--key",
        "k.pub",
        "--policy",
        "policy.yaml",
        "--sign-key",
        "k.key",
        "--attach-vsa",
    ];
    run(signing(&fixture, &attach)).expect(2, &["is an archive"]);
}

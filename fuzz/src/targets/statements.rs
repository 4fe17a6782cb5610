// SPDX-License-Identifier: Apache-2.0
//! What is stated about images, and the policies that it is held against.

use std::fmt::Debug;

use hardpan_attest::policy::{Evidence, Policy, evaluate};
use hardpan_attest::predicate::changelog::Changelog;
use hardpan_attest::predicate::image_sources::ImageSources;
use hardpan_attest::predicate::provenance::{Provenance, v0_2};
use hardpan_attest::predicate::secrets::SecretScan;
use hardpan_attest::predicate::sign::Sign;
use hardpan_attest::predicate::test_result::{CtrfReport, TestResult};
use hardpan_attest::predicate::virus::{ClamReport, VirusScan};
use hardpan_attest::predicate::vsa::VerificationSummary;
use hardpan_attest::predicate::{PredicateError, Time};
use hardpan_definition::{DataFile, Source};
use hardpan_tree::Digest;
use serde::Serialize;
use serde_json::Value;

use crate::input::{text, texts};
use crate::{Part, Target};

pub(super) const TARGET: Target = Target {
    name: "statements",
    bytes_max: 8 << 10,
    parts: &[
        Part::new("policy", policy, || texts(&[POLICY])),
        Part::new("policy-yaml", policy_yaml, || {
            texts(&[
                "keys: [release]\nrequire:\n  - predicate: sbom\n    keys: [ci]\nbuilders:\n  - id: https://ci.example/b\n    level: 2\nmax-age-days: 30\n",
            ])
        }),
        Part::new("provenance", provenance, || texts(&[PROVENANCE])),
        Part::new(
            "provenance-0.2",
            |bytes| again(bytes, v0_2::Provenance::from_value),
            || texts(&[PROVENANCE_V0_2]),
        ),
        Part::new("changelog", |bytes| again(bytes, Changelog::from_value), || texts(&[CHANGELOG])),
        Part::new(
            "sources",
            |bytes| again(bytes, ImageSources::from_value),
            || {
                texts(&[
                    r#"{"sources":[{"name":"glibc","version":"2.41","archive":"debian","location":"pool/a","digest":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},"packages":["pkg:deb/debian/libc6@2.41"]}]}"#,
                ])
            },
        ),
        Part::new(
            "secrets",
            |bytes| again(bytes, SecretScan::from_value),
            || {
                texts(&[
                    "{}",
                    r#"{"findings":[{"rule":"a","description":"b","place":"/a","fingerprint":"0","layer":0,"deletedInLayer":1}]}"#,
                ])
            },
        ),
        Part::new("sign", |bytes| again(bytes, Sign::from_value), || texts(&["{}", "null"])),
        Part::new("ctrf", ctrf, || texts(&[CTRF])),
        Part::new(
            "test-result",
            |bytes| again(bytes, TestResult::from_value),
            || {
                texts(&[
                    r#"{"result":"FAILED","configuration":[{"uri":"a","digest":{"sha256":"00"}}],"url":"u","passedTests":["a"],"warnedTests":[],"failedTests":["b"]}"#,
                ])
            },
        ),
        Part::new("virus", virus, || {
            let scan = VirusScan::of(CLAMAV, "https://clamav.example").expect("it is a report");
            vec![serde_json::to_vec(&scan).expect("it is JSON")]
        }),
        Part::new("clamav", |bytes| ClamReport::parse(&text(bytes)).is_ok(), || texts(&[CLAMAV])),
        Part::new(
            "summary",
            |bytes| again(bytes, VerificationSummary::from_value),
            || texts(&[SUMMARY]),
        ),
    ],
};

const POLICY: &str = r#"{"keys":["release","old"],"require":[{"predicate":"provenance"},{"predicate":"sbom","keys":["a"]}],"builders":[{"id":"https://ci.example/b","keys":["ci"],"level":2}],"max-age-days":7,"complete-sbom":true,"vulnerabilities":{"severity":"critical","fixable":true}}"#;
const PROVENANCE: &str = r#"{"buildDefinition":{"buildType":"https://hardpan.dev/build/v1","externalParameters":{"definition":{"path":"a/1.yaml","digest":{"sha256":"30fe22aa5f60ffccc72e441db83e49f6fda04198c1a03f9ebe3f6ac60456b12a"}},"options":{"compression":"gzip","keep":["docs"],"without":["pyc"]},"platforms":["linux/amd64"],"source":{"uri":"git+https://forge.example/i","digest":{"gitCommit":"abababababababababababababababababababab"}},"workspace":{"file":{"path":"hardpan.toml","digest":{"sha256":"705d5240368d84bd0d9c0221af0fc86ba2093dbfe12a747a6af36fd8d0dd6261"}},"rules":[]}},"internalParameters":{"hardpan":"0.1.0","platform":"linux/amd64"},"resolvedDependencies":[{"name":"lock","uri":"file:a.lock","content":"YQ==","digest":{"sha256":"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"},"annotations":{"role":"lock"}}]},"runDetails":{"builder":{"id":"https://ci.example/b","version":{"hardpan":"0.1.0"},"builderDependencies":[]},"metadata":{"invocationId":"1","startedOn":"2026-01-01T00:00:00Z","finishedOn":"2026-01-01T00:01:00Z"},"byproducts":[{"name":"log","digest":{"sha256":"00"}}]}}"#;
const PROVENANCE_V0_2: &str = r#"{"builder":{"id":"https://ci.example/b"},"buildType":"https://a.example/b","invocation":{"configSource":{"uri":"a","digest":{"sha1":"b"},"entryPoint":"c"},"parameters":{},"environment":{}},"buildConfig":{},"metadata":{"buildInvocationId":"i","buildStartedOn":"2026-01-01T00:00:00Z","completeness":{"parameters":true,"environment":true,"materials":false},"reproducible":true},"materials":[{"uri":"u","digest":{"sha256":"00"}}]}"#;
const CHANGELOG: &str = r#"{"from":{"name":"a:1","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","platform":"linux/amd64","created":"2026-01-01T00:00:00Z"},"to":{"name":"a:2"},"packages":{"added":[{"name":"a","to":"1"}],"removed":[],"changed":[{"name":"b","from":"1","to":"2"}]},"files":{"addedCount":1,"removedCount":0,"changedCount":0,"modeChangedCount":0,"added":["/a"],"removed":null,"changed":[],"modeChanged":[]},"config":[{"key":"k","from":1,"to":"x"}],"size":{"compressedFrom":1,"compressedTo":2,"from":1,"to":2}}"#;
const CTRF: &str = r#"{"reportFormat":"CTRF","specVersion":"0.0.0","results":{"tool":{"name":"hardpan"},"summary":{"tests":2,"passed":1,"failed":1,"skipped":0,"pending":0,"other":0,"start":0,"stop":0},"tests":[{"name":"a","status":"passed","duration":1,"suite":"s"},{"name":"b","status":"failed","duration":1,"message":"m","extra":{"manifest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}]}}"#;
const CLAMAV: &str = "/a: OK\n/b: Eicar-Test-Signature FOUND\n\n----------- SCAN SUMMARY -----------\nKnown viruses: 8700000\nEngine version: 1.4.3\nScanned directories: 1\nScanned files: 2\nInfected files: 1\nData scanned: 0.00 MB\nTime: 0.1 sec (0 m 0 s)\n";
const SUMMARY: &str = r#"{"verifier":{"id":"https://a.example/verifier","version":{"hardpan":"0.1.0"}},"timeVerified":"2026-11-26T17:00:00Z","resourceUri":"pkg:oci/a@sha256:00","policy":{"uri":"https://a.example/policy","digest":{"sha256":"00"}},"inputAttestations":[{"uri":"u","digest":{"sha256":"00"}}],"verificationResult":"PASSED","verifiedLevels":["SLSA_BUILD_LEVEL_2","OURS"],"dependencyLevels":{"SLSA_BUILD_LEVEL_1":3},"slsaVersion":"1.2"}"#;

/// Reads a predicate. What it is written as says the same.
fn again<T: Serialize + Debug + PartialEq>(
    bytes: &[u8],
    read: impl Fn(&Value) -> Result<T, PredicateError>,
) -> bool {
    let Ok(value) = serde_json::from_slice(bytes) else { return false };
    let Ok(predicate) = read(&value) else { return false };
    let written = serde_json::to_value(&predicate).expect("it is JSON");
    let again = read(&written).expect("what was written can be read");
    assert_eq!(again, predicate);
    true
}

fn provenance(bytes: &[u8]) -> bool {
    let value = serde_json::from_slice(bytes).ok();
    if let Some(read) = value.and_then(|value| Provenance::from_value(&value).ok()) {
        read.rebuild_inputs().ok();
    }
    again(bytes, Provenance::from_value)
}

fn ctrf(bytes: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice(bytes) else { return false };
    let Ok(report) = CtrfReport::from_value(&value) else { return false };
    report.manifests();
    let passed = report.check_passed().is_ok();
    if let Ok(result) = report.to_test_result(Vec::new()) {
        assert!(passed || result.check_passed().is_err(), "a test that failed is forgotten");
    }
    true
}

fn virus(bytes: &[u8]) -> bool {
    let value = serde_json::from_slice(bytes).ok();
    let Some(scan) = value.and_then(|value| VirusScan::from_value(&value).ok()) else {
        return false;
    };
    scan.report().ok();
    scan.check_passed().ok();
    again(bytes, VirusScan::from_value)
}

/// Holds an image of which nothing is known against a policy: it never passes.
fn policy(bytes: &[u8]) -> bool {
    Policy::parse(bytes).is_ok_and(|policy| holds_nothing(&policy))
}

fn holds_nothing(policy: &Policy) -> bool {
    let evidence = Evidence {
        digests: [Digest::of(b"")].into(),
        name: None,
        created: None,
        user: None,
        bases: [].into(),
        signatures: vec![],
        statements: vec![],
        vulnerabilities: None,
    };
    let results = evaluate(policy, &evidence, Time::from_seconds(1_795_651_200));
    assert!(results.iter().any(|result| !result.ok), "nothing is known, and it passes: {policy:?}");
    true
}

fn policy_yaml(bytes: &[u8]) -> bool {
    let source = Source::new("policy.yaml", text(bytes));
    let Ok(data) = DataFile::parse(&source) else { return false };
    let policy: Policy = match data.decode("the policy") {
        Ok(policy) => policy,
        Err(problem) => {
            assert!(problem.locate(&[source]).is_some(), "it is refused nowhere: {problem:?}");
            return false;
        }
    };
    for unneeded in policy.unneeded_exceptions() {
        assert!(source.text.get(data.span_of(&unneeded.place).range()).is_some(), "{unneeded}");
    }
    match policy.check() {
        Ok(()) => holds_nothing(&policy),
        Err(error) => {
            assert!(source.text.get(data.span_of(error.place()).range()).is_some(), "{error}");
            false
        }
    }
}

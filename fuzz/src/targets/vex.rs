// SPDX-License-Identifier: Apache-2.0
//! VEX documents of anybody, in OpenVEX, CSAF and CycloneDX.

use std::sync::LazyLock;

use hardpan_attest::predicate::Time;
use hardpan_attest::predicate::vex::{Trust, read, read_any};
use hardpan_attest::sbom::read::read as read_sbom;
use hardpan_scan::inventory::Inventory;
use hardpan_scan::matching::{Findings, MatchOptions, match_all};
use hardpan_scan::vex::{ImageNames, VexPolicy, VexSource, apply, lint};
use hardpan_tree::Digest;

use crate::input::texts;
use crate::{Part, Target};

pub(super) const TARGET: Target = Target {
    name: "vex",
    bytes_max: 8 << 10,
    parts: &[Part::new("vex", vex, || texts(&[OPENVEX, OLD, CSAF, CYCLONEDX])).shared(&[
        "vectors/openvex/go-vex-testdata",
        "vectors/openvex/examples",
        "vectors/grype-vex",
        "vectors/dhi-vex",
    ])],
};

const OPENVEX: &str = r#"{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://a.example/vex/1","author":"A","role":"r","timestamp":"2026-01-01T00:00:00Z","last_updated":"2026-01-02T00:00:00Z","version":1,"statements":[{"@id":"https://a.example/s","vulnerability":{"name":"CVE-2026-0861","aliases":["GHSA-aaaa-bbbb-cccc"]},"products":[{"@id":"pkg:oci/app?repository_url=registry.example/app","identifiers":{"purl":"pkg:deb/debian/glibc@2.41-1"},"hashes":{"sha-256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},"subcomponents":[{"@id":"pkg:deb/debian/glibc@2.41-1?arch=amd64"}]}],"status":"not_affected","justification":"vulnerable_code_not_present","impact_statement":"i","timestamp":"2026-01-01T00:00:00Z"},{"vulnerability":{"name":"CVE-2026-0001"},"products":[{"@id":"pkg:pypi/a-b@1.5"}],"status":"affected","action_statement":"update","action_statement_timestamp":"2026-01-01T00:00:00Z"},{"vulnerability":{"name":"CVE-2026-0002"},"products":["pkg:npm/a"],"status":"fixed"},{"vulnerability":"CVE-2026-0003","products":[{"@id":"pkg:deb/debian/glibc"}],"status":"under_investigation"}]}"#;
const OLD: &str = r#"{"@context":"https://openvex.dev/ns","@id":"a","author":"A","timestamp":"2026-01-01T00:00:00Z","version":"1","statements":[{"vulnerability":"CVE-2026-0861","products":["pkg:deb/debian/glibc@2.41-1"],"status":"not_affected","justification":"component_not_present"}]}"#;
const CSAF: &str = r#"{"document":{"category":"csaf_vex","csaf_version":"2.0","publisher":{"name":"A"},"title":"t","tracking":{"id":"i","current_release_date":"2026-01-01T00:00:00Z","version":"1"}},"product_tree":{"branches":[{"category":"vendor","name":"v","branches":[{"category":"product_version","name":"1","product":{"product_id":"p","name":"glibc","product_identification_helper":{"purl":"pkg:deb/debian/glibc@2.41-1"}}}]}],"full_product_names":[{"product_id":"q","name":"q"}],"relationships":[{"category":"default_component_of","product_reference":"p","relates_to_product_reference":"q","full_product_name":{"product_id":"r","name":"r"}}]},"vulnerabilities":[{"cve":"CVE-2026-0861","ids":[{"system_name":"s","text":"GHSA-aaaa-bbbb-cccc"}],"product_status":{"known_not_affected":["p","r"],"fixed":["q"],"known_affected":["q"],"under_investigation":[]},"flags":[{"label":"vulnerable_code_not_present","product_ids":["p"]}],"threats":[{"category":"impact","details":"d","product_ids":["r"]}],"remediations":[{"category":"vendor_fix","details":"d","product_ids":["q"]}]}]}"#;
const CYCLONEDX: &str = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","metadata":{"timestamp":"2026-01-01T00:00:00Z","authors":[{"name":"A"}]},"components":[{"type":"library","bom-ref":"g","name":"glibc","purl":"pkg:deb/debian/glibc@2.41-1"}],"vulnerabilities":[{"id":"CVE-2026-0861","references":[{"id":"GHSA-aaaa-bbbb-cccc","source":{"name":"s"}}],"analysis":{"state":"not_affected","justification":"code_not_reachable","response":["will_not_fix"],"detail":"d"},"affects":[{"ref":"g","versions":[{"version":"1","status":"affected"}]}]}]}"#;

static INVENTORY: LazyLock<Inventory> = LazyLock::new(|| {
    let sbom = r#"{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{"type":"operating-system","name":"debian","version":"13"},
        {"type":"library","name":"glibc","version":"2.41-1","purl":"pkg:deb/debian/glibc@2.41-1?arch=amd64&distro=debian-13"},
        {"type":"library","name":"a-b","version":"1.5","purl":"pkg:pypi/a-b@1.5"}]}"#;
    Inventory::from(read_sbom(sbom.as_bytes()).expect("it is an SBOM"))
});

static FINDINGS: LazyLock<Findings> = LazyLock::new(|| {
    let found = match_all(&INVENTORY, &*super::database::MATCHED, &MatchOptions::default());
    let found = found.expect("the release is known");
    assert!(found.findings.len() > 1, "there is something to suppress");
    found
});

/// Reads a document and applies it. No finding is lost by it.
fn vex(bytes: &[u8]) -> bool {
    read(bytes).ok();
    let Ok(document) = read_any(bytes) else { return false };
    let image =
        ImageNames { name: "registry.example/app".to_owned(), digests: vec![Digest::of(b"")] };
    let has_statements = !document.statements.is_empty();
    let source = VexSource { name: "a".to_owned(), trust: Trust::User, is_signed: false, document };
    let sources = [source];
    let now = Time::from_seconds(1_728_000_000);
    for policy in [
        VexPolicy::default(),
        VexPolicy {
            needs_justification: true,
            needs_version: true,
            overdue: Some((20_000, 30)),
            now: Some(now),
            ..VexPolicy::default()
        },
        VexPolicy { needs_signature: true, ..VexPolicy::default() },
    ] {
        let mut findings = FINDINGS.clone();
        apply(&mut findings, &INVENTORY, &image, &sources, &policy);
        let before: Vec<_> = FINDINGS.findings.iter().map(|it| (&it.package, &it.id)).collect();
        let after: Vec<_> = findings.findings.iter().map(|it| (&it.package, &it.id)).collect();
        assert_eq!(before, after, "a finding is gone");
        let is_shown = findings.findings.iter().all(hardpan_scan::matching::Finding::is_open);
        assert!(is_shown || !policy.needs_signature, "an unsigned document suppresses");
    }
    lint(&sources, Some((&INVENTORY, &image)), now);
    has_statements
}

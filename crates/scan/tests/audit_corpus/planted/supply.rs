// SPDX-License-Identifier: Apache-2.0
//! Who states what about an image, and what is known of its vulnerabilities.

use hardpan_scan::controls::ControlId::{
    BaseDigest, DistributionEnd, ImageAge, Provenance, Reproducible, Sbom, SbomIncomplete, ScanAge,
    Signature, Vex, VulnerabilityExploited, VulnerabilityFixable,
};
use hardpan_scan::controls::image::{StatementFacts, VulnerabilityFact, VulnerabilityFacts};
use hardpan_scan::controls::{ControlId, Severity};
use serde_json::json;

use crate::image::{Expected, Image, TODAY, image, statements};
use crate::programs::fixed;

pub(super) fn images() -> Vec<Image> {
    vec![
        image("age: five months")
            .config("created", json!("2026-06-20T08:00:00Z"))
            .expect_image(ImageAge),
        image("age: of the future")
            .config("created", json!("2031-01-01T00:00:00+02:00"))
            .expect_image(ImageAge),
        image("statements: none")
            .facts(|facts| facts.statements = Some(StatementFacts::default()))
            .expect_image(Signature)
            .expect_image(Provenance)
            .expect_image(Sbom)
            .expect_image(Vex)
            .expect_image(ScanAge)
            .expect_image(Reproducible),
        image("signature: none")
            .facts(|facts| {
                facts.statements = Some(StatementFacts { signers: [].into(), ..statements() });
            })
            .expect_image(Signature),
        image("provenance: none")
            .facts(|facts| {
                facts.statements = Some(StatementFacts { builders: [].into(), ..statements() });
            })
            .expect_image(Provenance),
        image("SBOM: none")
            .facts(|facts| {
                facts.statements = Some(StatementFacts { has_sbom: false, ..statements() });
            })
            .expect_image(Sbom),
        image("scan: old")
            .facts(|facts| {
                let scanned = Some(TODAY - 31);
                facts.statements = Some(StatementFacts { scanned, ..statements() });
            })
            .expect_image(ScanAge),
        image("list: a program").unlisted("/opt/tool/tool", &fixed().build()),
        image("list: a library without execute permission")
            .file("/opt/tool/libx.so.1", 0o644, crate::programs::library("libx.so.1").build())
            .expect(SbomIncomplete, "/opt/tool/libx.so.1"),
        image("VEX: none")
            .facts(|facts| {
                facts.statements = Some(StatementFacts { has_vex: false, ..statements() });
            })
            .expect_image(Vex),
        image("scan: none")
            .facts(|facts| {
                facts.statements = Some(StatementFacts { scanned: None, ..statements() });
            })
            .expect_image(ScanAge),
        image("reproduced: by nobody")
            .facts(|facts| {
                facts.statements =
                    Some(StatementFacts { reproduced_by: [].into(), ..statements() });
            })
            .expect_image(Reproducible),
        image("list: a Java archive")
            .text("/opt/app/lib/plugin.jar", "PK\u{5}\u{6}")
            .expect(SbomIncomplete, "/opt/app/lib/plugin.jar"),
        image("base: a name without digest")
            .config("Labels", json!({"org.opencontainers.image.base.name": "x"}))
            .expect_image(BaseDigest),
        image("base: none").config("Labels", json!({})).expect_image(BaseDigest),
        image("distribution: since long")
            .facts(|facts| facts.distribution_end = Some(("Alpine 3.12".to_owned(), 19_000)))
            .expect_image(DistributionEnd),
        image("distribution: not supported")
            .facts(|facts| facts.distribution_end = Some(("Debian 10".to_owned(), TODAY - 1)))
            .expect_image(DistributionEnd),
        of_package(
            image("vulnerability: fixed").facts(|facts| {
                let rows = rows(|fact| fact.fixed = Some("2.36-9+deb12u13".to_owned()));
                facts.vulnerabilities = Some(rows);
            }),
            VulnerabilityFixable,
            "libc6",
        ),
        of_package(
            image("vulnerability: one that is not so bad, but has a fix").facts(|facts| {
                let rows = rows(|fact| {
                    fact.weight = Severity::Warn;
                    "medium".clone_into(&mut fact.severity);
                    fact.fixed = Some("2.36-9+deb12u13".to_owned());
                });
                facts.vulnerabilities = Some(rows);
            }),
            VulnerabilityFixable,
            "libc6",
        ),
        of_package(
            image("vulnerability: exploited, and without a fix or weight").facts(|facts| {
                facts.vulnerabilities = Some(rows(|fact| {
                    fact.weight = Severity::Info;
                    fact.is_exploited = true;
                }));
            }),
            VulnerabilityExploited,
            "libc6",
        ),
        of_package(
            image("vulnerability: exploited").facts(|facts| {
                facts.vulnerabilities = Some(rows(|fact| fact.is_exploited = true));
            }),
            VulnerabilityExploited,
            "libc6",
        ),
    ]
}

/// Expects a finding about a package, not about a path.
fn of_package(mut image: Image, control: ControlId, package: &str) -> Image {
    let package = Some(package.to_owned());
    image.expected.push(Expected { control, path: None, layer: None, package });
    image
}

fn rows(change: impl Fn(&mut VulnerabilityFact)) -> VulnerabilityFacts {
    let mut fact = VulnerabilityFact {
        id: "CVE-2026-1234".to_owned(),
        package: "libc6 1.0-1".to_owned(),
        severity: "critical".to_owned(),
        weight: Severity::Fail,
        fixed: None,
        is_exploited: false,
    };
    change(&mut fact);
    VulnerabilityFacts { rows: vec![fact], gaps: Vec::new() }
}

// SPDX-License-Identifier: Apache-2.0
//! What others state about an image, and what is known of its vulnerabilities.

use std::collections::BTreeSet;

use hardpan_attest::predicate::{Time, find_all};
use hardpan_attest::verify::{Claim, Evidence, Rules};
use hardpan_scan::advisory::{self, Advisories as _, Space};
use hardpan_scan::catalog::Catalog;
use hardpan_scan::controls::Severity;
use hardpan_scan::controls::image::{StatementFacts, VulnerabilityFact, VulnerabilityFacts};
use hardpan_scan::report::{Row, ScanReport};
use serde_json::Value;

use super::SECONDS_PER_DAY;
use crate::advisories::AdvisoryData;
use crate::error::Error;
use crate::sbom::Target;
use crate::scan::ScanRequest;
use crate::session::Session;

/// The kinds of warnings of a scan that say what was not looked up.
const GAPS: [&str; 6] =
    ["unreadable", "not-looked-up", "no-data", "uncompared", "old-data", "other"];

/// Returns what is stated about an image or the index that names it; nothing of what has no manifest.
pub(super) fn evidence(
    session: &Session<'_>,
    target: &Target<'_>,
    rules: Rules<'_>,
) -> Result<Option<Vec<Evidence>>, Error> {
    if target.digest.is_none() {
        return Ok(None);
    }
    let mut evidence = target.evidence(session, rules)?;
    evidence.extend(target.index_evidence(session, rules)?);
    Ok(Some(evidence))
}

/// Returns what trusted keys state.
pub(super) fn statements(evidence: &[Evidence]) -> StatementFacts {
    let mut facts = StatementFacts::default();
    // Who says how it was built: of two that built it, each got these bytes.
    let mut built_by = BTreeSet::new();
    for accepted in evidence.iter().filter_map(|one| one.outcome.as_ref().ok()) {
        let signer = &accepted.key_name;
        let statement = match &accepted.claim {
            Claim::Signature { .. } => {
                facts.signers.insert(signer.clone());
                continue;
            }
            Claim::Attestation(statement) => statement,
        };
        let predicate = &statement.predicate;
        let is =
            |name: &str| find_all(name).iter().any(|kind| kind.uri == statement.predicate_type);
        if is("provenance") {
            built_by.insert(signer.clone());
            facts.builders.extend(builder(predicate));
        }
        facts.has_sbom |= is("sbom");
        facts.has_vex |= is("vex");
        if is("vulns") {
            facts.scanned = facts.scanned.max(scanned(predicate));
        }
    }
    let others: BTreeSet<String> = built_by.difference(&facts.signers).cloned().collect();
    if built_by.len() > 1 {
        facts.reproduced_by = if others.is_empty() { built_by } else { others };
    }
    facts
}

/// Returns the builder that provenance names, in either form.
fn builder(predicate: &Value) -> Option<String> {
    let places = ["/runDetails/builder/id", "/builder/id"];
    places.iter().find_map(|place| predicate.pointer(place)?.as_str()).map(str::to_owned)
}

/// Returns the day of a scan, in days since 1970.
fn scanned(predicate: &Value) -> Option<u32> {
    let text = predicate.pointer("/metadata/scanFinishedOn")?.as_str()?;
    let time: Time = text.parse().ok()?;
    u32::try_from(time.as_seconds() / SECONDS_PER_DAY).ok()
}

/// What an advisory database knows of an image.
pub(super) struct Known {
    pub(super) vulnerabilities: VulnerabilityFacts,
    pub(super) distribution_end: Option<(String, u32)>,
}

pub(super) fn vulnerabilities(
    session: &Session<'_>,
    target: &Target<'_>,
    catalog: &Catalog,
    advisories: &AdvisoryData,
    rules: Option<Rules<'_>>,
) -> Result<Known, Error> {
    let request = ScanRequest {
        rules,
        from_files: rules.is_none(),
        // What was not looked up is said, and the rest still counts.
        allows_unknown_distribution: true,
        allows_nothing: true,
        ..ScanRequest::of(advisories)
    };
    let report = session.scan_known(target, catalog, &request)?;
    let distribution_end = report.distribution.as_ref().and_then(|distribution| {
        let space: Space = distribution.parse().ok()?;
        let database = advisories.database();
        let release = database.release(&space)?;
        Some((distribution.clone(), release.end_of_lts.max(release.end_of_life)?))
    });
    Ok(Known { vulnerabilities: of_report(&report), distribution_end })
}

fn of_report(report: &ScanReport) -> VulnerabilityFacts {
    let mut rows: Vec<VulnerabilityFact> =
        report.rows.iter().filter(|row| row.counts()).map(of_row).collect();
    rows.sort_by(|one, other| {
        other
            .weight
            .cmp(&one.weight)
            .then_with(|| (&one.id, &one.package).cmp(&(&other.id, &other.package)))
    });
    let mut gaps: Vec<String> = Vec::new();
    if report.distribution.is_none() {
        gaps.push(
            "the distribution is not known: only packages of languages were looked up".to_owned(),
        );
    }
    let told = report.warnings.iter().filter(|warning| GAPS.contains(&warning.kind));
    gaps.extend(told.map(|warning| warning.text.clone()));
    VulnerabilityFacts { rows, gaps }
}

fn of_row(row: &Row) -> VulnerabilityFact {
    VulnerabilityFact {
        id: row.id.clone(),
        package: format!("{} {}", row.package.name, row.package.version),
        severity: row.severity.as_str().to_owned(),
        weight: match row.severity {
            advisory::Severity::Critical | advisory::Severity::High => Severity::Fail,
            advisory::Severity::Medium => Severity::Warn,
            _ => Severity::Info,
        },
        fixed: row.fix.version().map(str::to_owned),
        is_exploited: row.exploited_since.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn builders_and_days_are_read_of_either_form() {
        for (predicate, expected) in [
            (json!({"runDetails": {"builder": {"id": "a"}}}), Some("a")),
            (json!({"builder": {"id": "b"}}), Some("b")),
            (json!({"builder": {"id": 1}}), None),
            (json!({"builder": "b"}), None),
            (json!(null), None),
        ] {
            assert_eq!(builder(&predicate).as_deref(), expected, "{predicate}");
        }
        for (text, expected) in
            [("1970-01-02T00:00:00Z", Some(1)), ("1970-01-02", None), ("", None)]
        {
            let predicate = json!({"metadata": {"scanFinishedOn": text}});
            assert_eq!(scanned(&predicate), expected, "{text}");
        }
        assert_eq!(scanned(&json!({})), None);
    }
}

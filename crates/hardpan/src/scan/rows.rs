// SPDX-License-Identifier: Apache-2.0
//! Findings as rows of a report.

use std::collections::HashMap;
use std::sync::Arc;

use hardpan_attest::predicate::Time;
use hardpan_attest::predicate::vex::Status;
use hardpan_attest::sbom::purl::PackageUrl;
use hardpan_scan::inventory::{Inventory, Package};
use hardpan_scan::matching::{Basis, Finding, Findings, Fix, Issue, RecordOutcome, Standing};
use hardpan_scan::report::{
    self, DecisionFacts, IssueFacts, PackageFacts, Row, RowStatus, VexFacts, Warning, Why,
};
use hardpan_scan::vex::{Applied, Outcome, Suppression};

use super::warnings::warning;

const SECONDS_PER_DAY: i64 = 86_400;

/// Returns all findings, in any order. Those of a package come one after another.
pub(super) fn rows(findings: Vec<Finding>, inventory: &Arc<Inventory>) -> Vec<Row> {
    // The rows keep their findings, so that what is at an address stays there.
    let mut issues: HashMap<*const Issue, Arc<IssueFacts>> = HashMap::new();
    let mut purls: HashMap<*const PackageUrl, Arc<str>> = HashMap::new();
    let mut last: Option<(Arc<str>, Arc<PackageFacts>)> = None;
    // Findings are in the order of packages, so that each is found behind the one before.
    let mut packages = inventory.packages.iter();
    let mut rows = Vec::with_capacity(findings.len());
    for finding in findings {
        let issue = issues
            .entry(Arc::as_ptr(&finding.issue))
            .or_insert_with(|| Arc::new(issue(&finding.issue)));
        let package = match &last {
            Some((id, package)) if *id == finding.package => Arc::clone(package),
            _ => {
                let found = packages.find(|package| *package.id == *finding.package);
                let made = Arc::new(package(&finding, found, &mut purls));
                last = Some((Arc::clone(&finding.package), Arc::clone(&made)));
                made
            }
        };
        rows.push(Row {
            issue: Arc::clone(issue),
            package,
            status: status(&finding),
            why: Why::Matched { finding, inventory: Arc::clone(inventory) },
        });
    }
    rows
}

fn issue(found: &Issue) -> IssueFacts {
    let (score, vector) = match &found.score {
        Some((score, vector)) => (Some(score.tenths), Some(vector.clone())),
        None => (None, None),
    };
    let affecting =
        found.records.iter().find(|record| matches!(record.outcome, RecordOutcome::Affected(_)));
    IssueFacts {
        id: found.id.clone(),
        aliases: found.aliases.iter().cloned().collect(),
        severity: found.severity,
        severity_by: severity_by(found),
        score_tenths: score,
        vector,
        epss_millionths: found.epss.map(|epss| epss.probability),
        exploited_since: found.exploited_since.map(day),
        published: found.published.map(day),
        in_ransomware: found.in_ransomware,
        summary: found.summary.clone(),
        fix: match &found.fix {
            Fix::In(version) => report::Fix::Fixed { versions: vec![version.clone()] },
            Fix::After(_) | Fix::None => report::Fix::Open,
        },
        decision: found.decision.as_ref().map(|decision| DecisionFacts {
            kind: DecisionFacts::word(decision.kind),
            reason: decision.reason.to_string(),
        }),
        announcements: found.announcements.iter().cloned().collect(),
        source: affecting.map(|record| record.source.clone()).unwrap_or_default(),
    }
}

fn severity_by(found: &Issue) -> String {
    let word = match found.basis {
        Basis::Urgency => "the distribution, of this package",
        Basis::Cvss => "CVSS",
        Basis::Word => "a source, in a word",
        Basis::Nobody => "nobody",
    };
    word.to_owned()
}

/// What is said of a package. `purls` are those that were written before; the inventory keeps them where they are.
fn package(
    finding: &Finding,
    package: Option<&Package>,
    purls: &mut HashMap<*const PackageUrl, Arc<str>>,
) -> PackageFacts {
    let (source_name, source_version) = &finding.looked_up;
    let Some(package) = package else {
        return PackageFacts {
            name: source_name.clone(),
            version: source_version.clone(),
            kind: finding.space.to_string(),
            source_name: None,
            source_version: None,
            purl: None,
            paths: Vec::new(),
        };
    };
    let version = package.version.clone().unwrap_or_default();
    let is_other = |text: &str, own: &str| (text != own).then(|| text.to_owned());
    PackageFacts {
        source_name: is_other(source_name, &package.name),
        source_version: is_other(source_version, &version),
        name: package.name.clone(),
        version,
        kind: package.kind.word().to_owned(),
        purl: package.purl.as_ref().map(|purl| {
            let written = purls.entry(Arc::as_ptr(purl)).or_insert_with(|| purl.to_string().into());
            Arc::clone(written)
        }),
        paths: package.evidence.iter().cloned().collect(),
    }
}

fn status(finding: &Finding) -> RowStatus {
    let counts = finding.statements.iter().find(|one| one.outcome == Outcome::Counts);
    match &finding.standing {
        Standing::Suppressed(Suppression::Statement(applied)) => {
            RowStatus::Suppressed { statement: Box::new(said(applied)) }
        }
        Standing::Suppressed(Suppression::NoKernel) => RowStatus::Suppressed {
            statement: Box::new(VexFacts {
                status: "not_affected".to_owned(),
                justification: Some("component_not_present".to_owned()),
                text: Some(Suppression::NoKernel.to_string()),
                author: "hardpan".to_owned(),
                time: None,
                id: None,
                origin: "a rule of hardpan".to_owned(),
            }),
        },
        Standing::Open => match counts {
            Some(one) if one.status == Status::UnderInvestigation => {
                RowStatus::UnderInvestigation { statement: Box::new(said(one)) }
            }
            other => RowStatus::Affected { statement: other.map(said).map(Box::new) },
        },
    }
}

fn said(applied: &Applied) -> VexFacts {
    let (justification, text) = match &applied.status {
        Status::NotAffected(reason) => (reason.justification(), reason.impact()),
        Status::Affected { action, .. } => (None, Some(action)),
        Status::Fixed | Status::UnderInvestigation => (None, None),
    };
    let notes = applied.notes.clone();
    VexFacts {
        status: applied.status.as_str().to_owned(),
        justification: justification.map(|word| word.as_str().to_owned()),
        text: text.map(ToString::to_string).or(notes),
        author: applied.author.clone(),
        time: (applied.time > Time::EPOCH).then(|| applied.time.to_string()),
        id: applied.statement.clone(),
        origin: applied.document.clone(),
    }
}

/// Returns what matching warns of.
pub(super) fn warnings(findings: &Findings) -> impl Iterator<Item = Warning> {
    findings.warnings.iter().map(warning)
}

/// Returns a day as people write it: `2026-01-31`.
pub(super) fn day(days: u32) -> String {
    let time = Time::from_seconds(i64::from(days) * SECONDS_PER_DAY).to_string();
    time.chars().take(10).collect()
}

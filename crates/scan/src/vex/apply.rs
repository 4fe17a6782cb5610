// SPDX-License-Identifier: Apache-2.0
//! Which statement counts for a finding.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use hardpan_attest::predicate::Time;
use hardpan_attest::predicate::vex::{Status, Trust, VexStatement};

use crate::inventory::Inventory;
use crate::matching::{Finding, Findings, Standing};

use super::subject::{Named, Subjects};
use super::{
    Applied, ImageNames, Outcome, Refusal, Suppression, VexPolicy, VexSource, is_in_future,
};

/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

/// Applies statements to findings. Of all that are about a finding those of the most trusted documents count, of
/// them the newest, of those of one time the one that says worse. A document that says nothing about a finding
/// hides nothing. What is dated into the future excuses nothing, and is older than all others.
///
/// Nothing is removed: who is suppressed says by what, and all statements that were considered stand in
/// [`Finding::statements`].
pub fn apply(
    findings: &mut Findings,
    inventory: &Inventory,
    image: &ImageNames,
    sources: &[VexSource],
    policy: &VexPolicy,
) {
    let statements = by_name(sources);
    // Most scans have no statements, and images many packages.
    let subjects = (!statements.is_empty()).then(|| Subjects::new(inventory, image));
    for finding in &mut findings.findings {
        let mut candidates = (subjects.as_ref())
            .map(|subjects| candidates(finding, &statements, subjects, policy))
            .unwrap_or_default();
        candidates.sort_by_key(|(merit, _)| Reverse(*merit));
        let mut best = None;
        let mut applied: Vec<Applied> = Vec::new();
        for (_, mut one) in candidates {
            if !matches!(one.outcome, Outcome::Refused(_)) {
                one.outcome = match best {
                    None => Outcome::Counts,
                    Some(trust) if trust == one.trust => Outcome::Older,
                    Some(_) => Outcome::Outranked,
                };
                best = best.or(Some(one.trust));
            }
            applied.push(one);
        }
        applied.sort_by_key(|one| one.outcome);
        settle(finding, applied);
    }
}

fn settle(finding: &mut Finding, applied: Vec<Applied>) {
    let first = applied.first().filter(|one| one.outcome == Outcome::Counts);
    let is_by_rule = finding.standing == Standing::Suppressed(Suppression::NoKernel);
    match first {
        Some(one) if matches!(one.status, Status::NotAffected(_) | Status::Fixed) => {
            finding.standing = Standing::Suppressed(Suppression::Statement(Box::new(one.clone())));
        }
        None if is_by_rule => {}
        // Whoever says that it is affected may know of a kernel that no rule sees.
        _ => finding.standing = Standing::Open,
    }
    finding.statements = applied;
}

/// Statements by the name of the vulnerability, and by their other names where none of them is a CVE's.
fn by_name(sources: &[VexSource]) -> BTreeMap<String, Vec<(&VexSource, &VexStatement)>> {
    let mut statements: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for source in sources {
        for statement in &source.document.statements {
            // Whoever lists aliases must not be able to join what is not the same: with a CVE it is about that one.
            let vulnerability = statement.vulnerability.canonical();
            if !vulnerability.name.starts_with("CVE-") {
                for alias in vulnerability.aliases.iter().filter(|name| !name.starts_with("CVE-")) {
                    statements.entry(alias.clone()).or_default().push((source, statement));
                }
            }
            statements.entry(vulnerability.name).or_default().push((source, statement));
        }
    }
    statements
}

/// What decides between statements: trust, time, and how bad it is.
type Merit = (Trust, Time, u8);

fn candidates(
    finding: &Finding,
    statements: &BTreeMap<String, Vec<(&VexSource, &VexStatement)>>,
    subjects: &Subjects<'_>,
    policy: &VexPolicy,
) -> Vec<(Merit, Applied)> {
    let mut found: Vec<(Merit, Applied)> = Vec::new();
    let names = std::iter::once(&finding.id).chain(&finding.aliases);
    for (source, statement) in names.filter_map(|name| statements.get(name)).flatten() {
        let named = statement.products.iter().filter_map(|it| subjects.named(it, &finding.package));
        // Of several products the one that says most.
        let Some(named) = named.max() else { continue };
        let refusal = refusal(source, statement, named, policy);
        let time = statement.time;
        let is_in_future = policy.now.is_some_and(|now| is_in_future(time, now));
        let applied = Applied {
            document: source.name.clone(),
            author: source.document.author.clone(),
            trust: source.trust,
            statement: statement.id.as_ref().map(ToString::to_string),
            time,
            status: statement.status.clone(),
            notes: statement.notes.as_ref().map(ToString::to_string),
            is_versionless: named == Named::AnyVersion,
            is_in_future,
            is_overdue: is_overdue(statement, policy),
            outcome: refusal.map_or(Outcome::Older, Outcome::Refused),
        };
        // Whoever dates something into the future must not win by it.
        let believed = if is_in_future { Time::EPOCH } else { time };
        let merit = (source.trust, believed, statement.status.exploitability());
        if !found.iter().any(|(_, other)| *other == applied) {
            found.push((merit, applied));
        }
    }
    found
}

fn is_overdue(statement: &VexStatement, policy: &VexPolicy) -> bool {
    let Some((today, days_max)) = policy.overdue else { return false };
    let age = i64::from(today) - statement.time.as_seconds() / DAY_SECONDS;
    statement.status == Status::UnderInvestigation && age > i64::from(days_max)
}

fn refusal(
    source: &VexSource,
    statement: &VexStatement,
    named: Named,
    policy: &VexPolicy,
) -> Option<Refusal> {
    let status = &statement.status;
    let justification = match status {
        Status::NotAffected(reason) => reason.justification(),
        Status::Fixed if named == Named::AnyVersion => return Some(Refusal::FixedWithoutVersion),
        Status::Fixed => None,
        // What raises a finding is never refused.
        Status::Affected { .. } | Status::UnderInvestigation => return None,
    };
    if policy.now.is_some_and(|now| is_in_future(statement.time, now)) {
        return Some(Refusal::InFuture(statement.time));
    }
    if policy.needs_signature && !source.is_signed {
        return Some(Refusal::NotSigned);
    }
    if policy.needs_version && named == Named::AnyVersion {
        return Some(Refusal::NoVersion);
    }
    let is_unjustified = justification.is_none() && *status != Status::Fixed;
    (policy.needs_justification && is_unjustified).then_some(Refusal::NoJustification)
}

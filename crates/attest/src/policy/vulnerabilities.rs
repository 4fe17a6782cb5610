// SPDX-License-Identifier: Apache-2.0
//! The rule about vulnerabilities.

use std::collections::BTreeSet;

use crate::predicate::Time;

use super::evaluate::{Outcome, SKEW_SECONDS_MAX, named, statements, uris_of};
use super::exceptions::Exceptions;
use super::{Evidence, FoundVulnerabilities, FoundVulnerability, Policy, VulnerabilityRule, scans};

const DAY_SECONDS: i64 = 86_400;

/// Holds what a scan found against the rule.
pub(super) fn vulnerabilities(
    policy: &Policy,
    rule: &VulnerabilityRule,
    evidence: &Evidence,
    now: Time,
    exceptions: &mut Exceptions<'_>,
) -> Outcome {
    let Some(found) = evidence.vulnerabilities.clone().or_else(|| stated(policy, evidence)) else {
        return Err("nobody looked for vulnerabilities".to_owned());
    };
    if rule.kev.is_some() && !found.knows_exploited {
        let problem = "the scan does not say which are known to be exploited";
        return Err(problem.to_owned());
    }
    let is_old = |one: &FoundVulnerability| {
        let Some(days) = rule.min_age_days else { return true };
        // One of which nobody says since when it is known may be old, and so may one of the future.
        let Some(published) = one.published else { return true };
        let seconds = now.as_seconds() - published.as_seconds();
        seconds >= i64::from(days) * DAY_SECONDS || seconds < -SKEW_SECONDS_MAX
    };
    let is_bad = |one: &FoundVulnerability| {
        let by_severity =
            rule.covers(one.severity) && (one.has_fix || !rule.fixable) && is_old(one);
        by_severity || (rule.kev.is_some() && one.is_exploited)
    };
    let mut bad = BTreeSet::new();
    let mut excused = BTreeSet::new();
    for one in found.all.iter().filter(|one| is_bad(one)) {
        let exploited = if one.is_exploited { ", exploited" } else { "" };
        let text = format!("{} in {}{exploited}", one.id, one.package);
        let is_excused = exceptions.excuse([one.id.as_str()]);
        if is_excused { &mut excused } else { &mut bad }.insert(text);
    }
    if bad.is_empty() {
        let but = if excused.is_empty() {
            String::new()
        } else {
            format!("; {} excepted", excused.len())
        };
        return Ok(format!("none that counts, of {}{but}", found.all.len()));
    }
    Err(format!("{}: {}", bad.len(), named(&bad)))
}

/// Returns what the statement of the newest data says. Of several that one counts: the others say what was not known yet.
pub(super) fn stated(policy: &Policy, evidence: &Evidence) -> Option<FoundVulnerabilities> {
    let uris = uris_of("vulns");
    let everybody = evidence.statements.iter().map(|one| one.key.clone()).collect();
    let keys = if policy.keys.is_empty() { &everybody } else { &policy.keys };
    let dated = statements(evidence, &uris, keys).filter_map(|one| {
        let predicate = &one.statement.predicate;
        let time = predicate["scanner"]["db"]["lastUpdate"].as_str().unwrap_or_default();
        Some((time.parse::<Time>().unwrap_or(Time::EPOCH), scans::found(predicate)?))
    });
    dated.max_by_key(|(time, found)| (*time, found.all.len())).map(|(_, found)| found)
}

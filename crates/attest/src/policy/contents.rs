// SPDX-License-Identifier: Apache-2.0
//! The rules about what is in an image and how it is hardened.

use std::collections::BTreeSet;

use crate::predicate::audit::{AuditPredicate, ControlResult};
use crate::predicate::uri;
use crate::sbom::license;
use crate::sbom::read::{self, Listing};

use super::evaluate::{Outcome, named, statements, uris_of};
use super::exceptions::Exceptions;
use super::pattern::matches;
use super::{AuditRule, Evidence, LicenseRule, Policy, StatementEvidence, UnknownLicenses};

/// The longest list of exceptions or findings in a line is that of [`named`].
type Names = BTreeSet<String>;

/// Whether the image runs as somebody else than root. A number proves it; a name only with an audit.
pub(super) fn nonroot(
    policy: &Policy,
    evidence: &Evidence,
    exceptions: &mut Exceptions<'_>,
) -> Outcome {
    match user(policy, evidence) {
        Ok(reason) => Ok(reason),
        Err(reason) if exceptions.excuse(["nonroot"]) => Ok(format!("excepted: {reason}")),
        Err(reason) => Err(reason),
    }
}

fn user(policy: &Policy, evidence: &Evidence) -> Outcome {
    let Some(user) = &evidence.user else {
        return Err("it has no configuration that names a user".to_owned());
    };
    let name = user.split(':').next().unwrap_or_default();
    if matches!(name, "" | "root") {
        let named = if name.is_empty() { "no user is named, which is" } else { "it is" };
        return Err(format!("{named} root"));
    }
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        // `00` is root, and what is no number of a user is nobody's.
        return match name.parse::<u32>() {
            Ok(0) => Err(format!("the user {user:?} is root")),
            Ok(number) => Ok(format!("user {number}")),
            Err(_) => Err(format!("the user {user:?} can't be")),
        };
    }
    let audited = newest_audit(policy, evidence).ok().filter(|audit| audit.traits.user == *user);
    match audited.and_then(|audit| audit.traits.uid) {
        Some(0) => Err(format!("the user {user:?} is root, by the audit")),
        Some(number) => Ok(format!("user {user:?}, which is {number} by the audit")),
        None => Err(format!(
            "the user {user:?} is a name, and no audit says which number it has; Kubernetes can't tell either"
        )),
    }
}

/// Whether nothing in the image has a licence that is denied.
pub(super) fn licenses(
    policy: &Policy,
    rule: &LicenseRule,
    evidence: &Evidence,
    exceptions: &mut Exceptions<'_>,
) -> Outcome {
    let (_, listing) = sbom(policy, evidence)?;
    if listing.components.is_empty() {
        return Err("the SBOM has no component".to_owned());
    }
    let (mut bad, mut unknown) = (Names::new(), Names::new());
    let mut excused = 0;
    for component in listing.components.values() {
        let stated = license::conclude(&component.licenses, &component.license_texts);
        let expression = stated.map(|stated| stated.expression).unwrap_or_default();
        // Before anything else: one that is denied is not better for what is unknown beside it.
        let mut denied = denied(rule, &expression);
        let before = denied.len();
        denied.retain(|id| !exceptions.excuse([id.as_str()]));
        if !denied.is_empty() {
            bad.insert(format!("{} ({})", component.name, named(&denied)));
        } else if is_unknown(&expression) {
            unknown.insert(component.name.clone());
        } else if before > 0 {
            excused += 1;
        }
    }
    if !bad.is_empty() {
        return Err(format!("{}: {}", bad.len(), named(&bad)));
    }
    if !unknown.is_empty() && rule.unknown == UnknownLicenses::Deny {
        return Err(format!(
            "of {} components nobody states the licence: {}",
            unknown.len(),
            named(&unknown)
        ));
    }
    let but = match (unknown.len(), excused) {
        (0, 0) => String::new(),
        (0, excused) => format!("; {excused} excepted"),
        (unknown, 0) => format!("; {unknown} without one"),
        (unknown, excused) => format!("; {unknown} without one, {excused} excepted"),
    };
    Ok(format!("none that is denied, of {} components{but}", listing.components.len()))
}

/// What stands in expressions for a licence that nobody states.
const UNSTATED: &str = "NOASSERTION";

/// Returns whether a part of an expression is unknown, or all of it.
fn is_unknown(expression: &str) -> bool {
    expression.is_empty() || expression.contains(UNSTATED)
}

/// Whether a licence of this name is denied.
pub(super) fn is_denied(rule: &LicenseRule, name: &str) -> bool {
    rule.deny.iter().any(|pattern| {
        let (pattern, name) = (pattern.to_ascii_lowercase(), name.to_ascii_lowercase());
        matches(pattern.as_bytes(), name.as_bytes())
    })
}

/// Returns the licences of an expression that are denied; none if it can be met without them, as far as is known.
fn denied(rule: &LicenseRule, expression: &str) -> Names {
    if expression.is_empty() {
        return Names::new();
    }
    let Ok(parsed) = spdx::Expression::parse(expression) else {
        // Who concludes licences writes valid expressions.
        return Names::from([expression.to_owned()]);
    };
    let matching = |name: &str| {
        // `unknown` says what of that, and no pattern.
        name != UNSTATED && is_denied(rule, name)
    };
    if parsed.evaluate(|requirement| !matching(&requirement.license.to_string())) {
        return Names::new();
    }
    let names = parsed.requirements().map(|one| one.req.license.to_string());
    names.filter(|name| matching(name)).collect()
}

pub(super) fn sbom(
    policy: &Policy,
    evidence: &Evidence,
) -> Result<(StatementEvidence, Listing), String> {
    let uris = uris_of("sbom");
    let mut problem = None;
    for one in statements(evidence, &uris, &policy.keys) {
        let bytes = serde_json::to_vec(&one.statement.predicate).unwrap_or_default();
        match read::read(&bytes) {
            Ok(listing) => return Ok((one.clone(), listing)),
            Err(error) => problem = Some(format!("the SBOM can't be read: {error}")),
        }
    }
    Err(problem.unwrap_or_else(|| "there is no SBOM".to_owned()))
}

/// Whether the newest audit found what it must have found.
pub(super) fn audit(
    policy: &Policy,
    rule: &AuditRule,
    evidence: &Evidence,
    exceptions: &mut Exceptions<'_>,
) -> Outcome {
    let audit = newest_audit(policy, evidence)?;
    let mut problems = Vec::new();
    if let Some(profile) = rule.profile.as_ref().filter(|profile| **profile != audit.profile) {
        problems.push(format!("it was held against {}, not {profile}", audit.profile));
    }
    if let Some(least) = rule.min_grade.filter(|least| audit.grade > *least) {
        problems.push(format!("its grade is {}, not {}", audit.grade.as_str(), least.as_str()));
    }
    let mut excused = 0;
    for id in &rule.forbid {
        let Some(problem) = forbidden(&audit, id) else { continue };
        if exceptions.excuse([id.as_str()]) {
            excused += 1;
        } else {
            problems.push(problem);
        }
    }
    if !problems.is_empty() {
        return Err(problems.join("; "));
    }
    let but = if excused == 0 { String::new() } else { format!("; {excused} excepted") };
    let (grade, time) = (audit.grade.as_str(), audit.time);
    Ok(format!("grade {grade} for {}, of {time}{but}", audit.profile))
}

/// Returns why the image has a trait, or why a control does not hold. What the audit itself excepts is forbidden, too:
/// exceptions of a policy are its own.
fn forbidden(audit: &AuditPredicate, id: &str) -> Option<String> {
    if let Ok(found) = audit.traits.found(id) {
        return found.map(|found| format!("{id}: {found}"));
    }
    let Some(control) = audit.control(id) else {
        return Some(format!("{id}: the audit did not look at that"));
    };
    match control.result {
        ControlResult::Pass | ControlResult::NotApplicable => None,
        result => Some(format!("{id}: {}, {} findings", result.as_str(), control.findings)),
    }
}

/// Returns the newest audit that somebody signed who counts.
pub(super) fn newest_audit(policy: &Policy, evidence: &Evidence) -> Result<AuditPredicate, String> {
    let mut problem = None;
    let mut newest: Option<AuditPredicate> = None;
    for one in statements(evidence, &[uri::AUDIT], &policy.keys) {
        match AuditPredicate::from_value(&one.statement.predicate) {
            // Of two of one time the worse.
            Ok(audit) => {
                let rank = |audit: &AuditPredicate| (audit.time, audit.grade);
                if newest.as_ref().is_none_or(|other| rank(&audit) > rank(other)) {
                    newest = Some(audit);
                }
            }
            Err(error) => problem = Some(format!("by {}: {error}", one.key)),
        }
    }
    newest.ok_or_else(|| problem.unwrap_or_else(|| "nobody audited it".to_owned()))
}

// SPDX-License-Identifier: Apache-2.0
//! Holding evidence against a policy.

use std::collections::BTreeSet;

use crate::predicate::{PredicateError, Time, provenance, sign, test_result, uri, vex, vsa};
use crate::{Statement, predicate};

use super::exceptions::Exceptions;
use super::vulnerabilities::vulnerabilities;
use super::{
    Evidence, Policy, RuleResult, StatementEvidence, base, build_level, contents, coverage,
};

/// By how much a clock may be wrong before a time counts as the future, in seconds.
pub(super) const SKEW_SECONDS_MAX: i64 = 300;
/// How many of many a reason names.
const NAMED_MAX: usize = 5;

/// Holds evidence against a policy at a time. One result for each rule, in the order of [`Policy`]'s fields; a policy that
/// [can't be](Policy::check) gives one that does not hold.
pub fn evaluate(policy: &Policy, evidence: &Evidence, now: Time) -> Vec<RuleResult> {
    if let Err(error) = policy.check() {
        return vec![result("policy", Err(error.to_string()))];
    }
    let mut results = Vec::new();
    if let Some(name) = evidence.name.as_ref().filter(|_| !policy.images.is_empty()) {
        results.push(result("image", image(policy, name)));
    }
    if !policy.keys.is_empty() {
        results.push(result("signature", signature(policy, evidence)));
    }
    for requirement in &policy.require {
        let keys = policy.keys_for(&requirement.keys);
        let rule = format!("require {}", requirement.predicate);
        results.push(result(&rule, required(&requirement.predicate, keys, evidence)));
    }
    if !policy.builders.is_empty() {
        results.push(result("builder", builder(policy, evidence).map(|(reason, _)| reason)));
    }
    if let Some(rule) = policy.provenance {
        results.push(result("SLSA level", level(policy, rule.min_level, evidence)));
    }
    if let Some(days) = policy.max_age_days {
        results.push(result("age", age(policy, evidence, days, now)));
    }
    if policy.complete_sbom {
        results.push(result("complete SBOM", coverage::complete_sbom(policy, evidence)));
    }
    let mut with = |rule: &str, holds: &dyn Fn(&mut Exceptions<'_>) -> Outcome| {
        let mut exceptions = Exceptions::new(policy, now);
        let outcome = holds(&mut exceptions);
        results.push(RuleResult { exceptions: exceptions.into_used(), ..result(rule, outcome) });
    };
    if policy.nonroot.is_some() {
        with("nonroot", &|exceptions| contents::nonroot(policy, evidence, exceptions));
    }
    if let Some(rule) = &policy.base {
        with("base", &|exceptions| base::base(policy, rule, evidence, exceptions));
    }
    if let Some(rule) = &policy.licenses {
        with("licenses", &|exceptions| contents::licenses(policy, rule, evidence, exceptions));
    }
    if let Some(rule) = &policy.vulnerabilities {
        with("vulnerabilities", &|exceptions| {
            vulnerabilities(policy, rule, evidence, now, exceptions)
        });
    }
    if let Some(rule) = &policy.audit {
        with("audit", &|exceptions| contents::audit(policy, rule, evidence, exceptions));
    }
    results
}

/// Holds an index against a policy: who names the platforms has to be one of those who sign them. Nothing where the policy
/// names no keys; all else is about the platforms.
pub fn evaluate_index(policy: &Policy, evidence: &Evidence) -> Vec<RuleResult> {
    if policy.keys.is_empty() {
        return Vec::new();
    }
    vec![result("signature", signature(policy, evidence))]
}

/// Returns whether all rules hold, and there is one at least.
pub fn is_satisfied(results: &[RuleResult]) -> bool {
    !results.is_empty() && results.iter().all(|result| result.ok)
}

/// What came of a rule: a reason either way.
pub(super) type Outcome = Result<String, String>;

fn result(rule: &str, outcome: Outcome) -> RuleResult {
    let ok = outcome.is_ok();
    let (Ok(reason) | Err(reason)) = outcome;
    RuleResult { rule: rule.to_owned(), ok, reason, exceptions: Vec::new() }
}

fn listed(names: &BTreeSet<String>) -> String {
    names.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Returns some of many names.
pub(super) fn named(names: &BTreeSet<String>) -> String {
    let first: Vec<&str> = names.iter().map(String::as_str).take(NAMED_MAX).collect();
    let more = if names.len() > NAMED_MAX { ", …" } else { "" };
    format!("{}{more}", first.join(", "))
}

fn image(policy: &Policy, name: &str) -> Outcome {
    if let Some(pattern) = policy.images.iter().find(|pattern| pattern.matches(name)) {
        return Ok(format!("{name} is one of {pattern}"));
    }
    let patterns: BTreeSet<String> = policy.images.iter().map(ToString::to_string).collect();
    Err(format!("{name} is none of {}: the policy is not for it", named(&patterns)))
}

fn signature(policy: &Policy, evidence: &Evidence) -> Outcome {
    let of_image = evidence.signatures.iter().filter(|s| evidence.digests.contains(&s.digest));
    let signers: BTreeSet<String> = of_image.map(|signature| signature.key.clone()).collect();
    match signers.intersection(&policy.keys).next() {
        Some(key) => Ok(format!("signed by {key}")),
        None if signers.is_empty() => Err("nobody whose key is known signed the image".to_owned()),
        None => {
            let (by, wanted) = (listed(&signers), listed(&policy.keys));
            Err(format!("signed by {by}, and wanted is one of {wanted}"))
        }
    }
}

/// Returns statements about the image, of some types, by some keys.
pub(super) fn statements<'e>(
    evidence: &'e Evidence,
    uris: &'e [&'e str],
    keys: &'e BTreeSet<String>,
) -> impl Iterator<Item = &'e StatementEvidence> {
    evidence.statements.iter().filter(move |one| {
        uris.contains(&one.statement.predicate_type.as_str())
            && keys.contains(&one.key)
            && evidence.digests.iter().any(|digest| one.statement.is_about(digest))
    })
}

pub(super) fn uris_of(name: &str) -> Vec<&str> {
    let known = predicate::find_all(name);
    if known.is_empty() { vec![name] } else { known.iter().map(|kind| kind.uri).collect() }
}

fn required(name: &str, keys: &BTreeSet<String>, evidence: &Evidence) -> Outcome {
    let uris = uris_of(name);
    let mut problem = None;
    for found in statements(evidence, &uris, keys) {
        match check(&found.statement) {
            Ok(()) => return Ok(format!("{} by {}", found.statement.predicate_type, found.key)),
            Err(error) => problem = Some(format!("by {}: {error}", found.key)),
        }
    }
    let missing = || {
        let others = evidence.statements.iter();
        let others = others.filter(|one| uris.contains(&one.statement.predicate_type.as_str()));
        match others.count() {
            0 => "there is none".to_owned(),
            count => format!(
                "{count} of this type, none of them about this image and signed by one of {}",
                listed(keys)
            ),
        }
    };
    Err(problem.unwrap_or_else(missing))
}

/// Reads a predicate of a type that can be read: one that is nonsense is none.
fn check(statement: &Statement) -> Result<(), PredicateError> {
    let value = &statement.predicate;
    match statement.predicate_type.as_str() {
        uri::PROVENANCE => provenance::Provenance::from_value(value).map(drop),
        uri::PROVENANCE_V0_2 => provenance::v0_2::Provenance::from_value(value).map(drop),
        uri::VEX => Ok(vex::from_value(value).map(drop)?),
        // One that says that it failed is no better than none.
        uri::TESTS => test_result::CtrfReport::from_value(value)?.check_passed(),
        uri::TEST_RESULT => test_result::TestResult::from_value(value)?.check_passed(),
        uri::VSA => vsa::VerificationSummary::from_value(value)?.check_passed(),
        uri::IMAGE_SOURCES => predicate::image_sources::ImageSources::from_value(value).map(drop),
        uri::CHANGELOG => predicate::changelog::Changelog::from_value(value).map(drop),
        uri::AUDIT => predicate::audit::AuditPredicate::from_value(value).map(drop),
        uri::SIGN => sign::Sign::from_value(value).map(drop),
        _ => Ok(()),
    }
}

/// Returns who built the image, and when, if that was a builder who may.
fn builder(policy: &Policy, evidence: &Evidence) -> Result<(String, Option<Time>), String> {
    let mut others = BTreeSet::new();
    let mut newest: Option<(String, Option<Time>)> = None;
    for allowed in &policy.builders {
        let keys = policy.keys_for(&allowed.keys);
        for (id, time) in built_by(evidence, keys) {
            if id != allowed.id {
                others.insert(id);
            } else if newest.as_ref().is_none_or(|(_, other)| time > *other) {
                newest = Some((format!("built by {id}"), time));
            }
        }
    }
    newest.ok_or_else(|| match others.len() {
        0 => "there is no provenance that counts".to_owned(),
        _ => format!("built by {}", listed(&others)),
    })
}

/// Whether the build is proven well enough. Only keys of the policy can prove it.
fn level(policy: &Policy, least: u8, evidence: &Evidence) -> Outcome {
    let counts = |key: &String| {
        policy.keys.contains(key) || policy.builders.iter().any(|one| one.keys.contains(key))
    };
    let statements = evidence.statements.iter().filter(|one| counts(&one.key)).cloned().collect();
    let found = build_level(policy, &Evidence { statements, ..evidence.clone() });
    if found.level >= least {
        return Ok(format!("{}: {}", found.level, found.proof));
    }
    Err(format!("{}, and not {least}: {}", found.level, found.missing.join("; ")))
}

/// Returns builders that signed provenance names, with the end of the build.
fn built_by(evidence: &Evidence, keys: &BTreeSet<String>) -> Vec<(String, Option<Time>)> {
    let uris = [uri::PROVENANCE, uri::PROVENANCE_V0_2];
    let read = |one: &StatementEvidence| {
        let value = &one.statement.predicate;
        if one.statement.predicate_type == uri::PROVENANCE {
            let details = provenance::Provenance::from_value(value).ok()?.run_details;
            Some((details.builder.id, details.metadata.and_then(|metadata| metadata.finished_on)))
        } else {
            let read = provenance::v0_2::Provenance::from_value(value).ok()?;
            Some((read.builder.id, read.metadata.and_then(|metadata| metadata.build_finished_on)))
        }
    };
    statements(evidence, &uris, keys).filter_map(read).collect()
}

fn age(policy: &Policy, evidence: &Evidence, days: u32, now: Time) -> Outcome {
    // Who may build says when it was; without such a rule whoever signs does.
    let stated = if policy.builders.is_empty() {
        built_by(evidence, &policy.keys).into_iter().filter_map(|(_, time)| time).max()
    } else {
        builder(policy, evidence).ok().and_then(|(_, time)| time)
    };
    let (what, time) = match (stated, evidence.created) {
        (Some(time), _) => ("built", time),
        (None, Some(time)) => ("made, by its own account,", time),
        (None, None) => return Err("nothing says when it was built".to_owned()),
    };
    let seconds = now.as_seconds() - time.as_seconds();
    if seconds < -SKEW_SECONDS_MAX {
        return Err(format!("{what} {time}, which is in the future"));
    }
    let limit = i64::from(days) * 86_400;
    let reason = format!("{what} {time}, {} days ago; at most {days}", seconds.max(0) / 86_400);
    if seconds > limit { Err(reason) } else { Ok(reason) }
}

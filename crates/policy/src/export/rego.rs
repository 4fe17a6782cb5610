// SPDX-License-Identifier: Apache-2.0
//! Conditions over predicates in Rego, with `predicate` for what they are about.

use std::fmt::Write as _;

use hardpan_attest::policy::{AuditRule, Exception, Severity, VulnerabilityRule};
use hardpan_attest::predicate::audit::TRAITS;
use serde_json::{Value, json};

use super::expiry;

/// Returns a text of Rego in quotes, or a list or set of them.
pub(super) fn literal(value: &Value) -> String {
    value.to_string()
}

/// Returns a module of policy-controller: its conditions, and rules beside them.
pub(super) fn sigstore(conditions: &[String], more: &str) -> String {
    let mut body = String::new();
    for line in conditions {
        let _ = writeln!(body, "\t{line}");
    }
    let more = if more.is_empty() { String::new() } else { format!("\n{more}") };
    format!(
        "package sigstore\n\nimport rego.v1\n\ndefault isCompliant := false\n\npredicate := input.predicate\n\nisCompliant if {{\n{body}}}\n{more}"
    )
}

/// What was found, however it is written: the text of the form has it a level deeper than its example.
const FOUND: &str = "found := [object.union(one, object.get(one, \"vulnerability\", {})) | some one in predicate.scanner.result]\n\n";

/// Returns the condition that nothing is bad, and the rules that say what is.
pub(super) fn vulnerabilities(
    rule: &VulnerabilityRule,
    exceptions: &[&Exception],
) -> (Vec<String>, String) {
    let harmless: Vec<&str> = (Severity::ALL.into_iter())
        .filter(|severity| !rule.covers(*severity))
        .map(Severity::as_str)
        .collect();
    let mut conditions = [
        "is_array(predicate.scanner.result)",
        // What can't be read may be anything.
        "count(found) == count(predicate.scanner.result)",
        "every one in found { is_string(one.id) }",
        "count(bad) == 0",
    ]
    .map(str::to_owned)
    .to_vec();
    let mut more = FOUND.to_owned();
    if rule.severity.is_some() || !rule.deny.is_empty() {
        more.push_str("bad contains one.id if {\n\tsome one in found\n\tnot harmless(one)\n");
        if rule.fixable {
            more.push_str("\tsome annotation in one.annotations\n\tannotation.fixedVersion\n");
        }
        if let Some(days) = rule.min_age_days {
            let _ = writeln!(more, "\tnot is_new(one, {days})");
        }
        more.push_str("\tnot excused(one.id)\n}\n\n");
        // What says nothing in hardpan's words may be anything.
        let _ = write!(
            more,
            "harmless(one) if {{\n\tsome said in one.severity\n\tsaid.method == \"hardpan\"\n\tsaid.score in {}\n}}\n\n",
            literal(&json!(harmless))
        );
        if rule.min_age_days.is_some() {
            more.push_str(
                "is_new(one, days) if {\n\tsome annotation in one.annotations\n\tknown := time.parse_rfc3339_ns(concat(\"\", [annotation.published, \"T00:00:00Z\"]))\n\ttime.now_ns() < known + (((days * 24) * 3600) * 1000000000)\n}\n\n",
            );
        }
    }
    if rule.kev.is_some() {
        conditions.push("\"kev\" in predicate.scanner.db.sources".to_owned());
        more.push_str("bad contains one.id if {\n\tsome one in found\n\tsome annotation in one.annotations\n\tannotation.exploitedSince\n\tnot excused(one.id)\n}\n\n");
    }
    more.push_str(&expiry::rego(exceptions));
    (conditions, more)
}

/// Returns conditions about an audit, and the rules that they need.
pub(super) fn audit(rule: &AuditRule, exceptions: &[&Exception]) -> (Vec<String>, String) {
    let mut conditions = Vec::new();
    if let Some(profile) = &rule.profile {
        conditions.push(format!("predicate.profile == {}", literal(&json!(profile))));
    }
    if let Some(least) = rule.min_grade {
        let grades: Vec<String> = ('A'..='F')
            .map(String::from)
            .filter(|grade| grade.as_str() <= least.as_str())
            .collect();
        conditions.push(format!("predicate.grade in {}", literal(&json!(grades))));
    }
    let mut more = String::new();
    if !rule.forbid.is_empty() {
        conditions.push(format!("every id in {} {{ holds(id) }}", literal(&json!(rule.forbid))));
        more.push_str("holds(id) if excused(id)\n\n");
        for id in &rule.forbid {
            let _ = write!(
                more,
                "holds(id) if {{\n\tid == {}\n\t{}\n}}\n\n",
                literal(&json!(id)),
                forbidden(id)
            );
        }
        more.push_str(&expiry::rego(exceptions));
    }
    (conditions, more)
}

/// Returns the condition that a trait is not there, or a control holds.
fn forbidden(id: &str) -> String {
    if id == "root" {
        return "predicate.traits.uid > 0".to_owned();
    }
    if TRAITS.contains(&id) {
        let field = camel(id);
        return if is_count(id) {
            format!("predicate.traits.{field} == 0")
        } else {
            format!("count(predicate.traits.{field}) == 0")
        };
    }
    format!(
        "some control in predicate.controls\n\tcontrol.id == {}\n\tcontrol.result in [\"pass\", \"not-applicable\"]",
        literal(&json!(id))
    )
}

/// Whether a trait is a number of files, and not a list of them.
pub(super) fn is_count(id: &str) -> bool {
    matches!(id, "setuid" | "capabilities" | "world-writable")
}

/// Returns the name of a trait in the predicate.
pub(super) fn camel(id: &str) -> String {
    let mut parts = id.split('-');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut letters = part.chars();
        name.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        name.push_str(letters.as_str());
    }
    name
}

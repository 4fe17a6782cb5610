// SPDX-License-Identifier: Apache-2.0
//! Kyverno: one `ClusterPolicy`, with a rule for each rule. Conditions are JMESPath.

use std::collections::BTreeSet;

use hardpan_attest::policy::{AuditRule, Policy, Severity, VulnerabilityRule};
use hardpan_attest::predicate::audit::TRAITS;
use hardpan_attest::predicate::uri;
use serde_json::{Value, json};

use super::names::{for_kyverno, written_expressions};
use super::rego::{camel, is_count};
use super::{
    ExportError, ExportRequest, Remarks, VERDICTS, drop_unknown_to_all, expiry,
    note_any_attestation, note_other_images, note_tags, types, yaml,
};

/// Writes the object, and says how many rules it has.
pub(super) fn write(
    request: &ExportRequest<'_>,
    remarks: &mut Remarks,
) -> Result<(String, usize), ExportError> {
    let rules = rules(request, remarks)?;
    let count = rules.len();
    Ok((yaml::documents(&[object(request, rules)]), count))
}

fn object(request: &ExportRequest<'_>, rules: Vec<Value>) -> Value {
    json!({
        "apiVersion": "kyverno.io/v1",
        "kind": "ClusterPolicy",
        "metadata": {"name": request.name},
        "spec": {
            "background": false,
            "failurePolicy": "Fail",
            "webhookConfiguration": {"timeoutSeconds": 30},
            "rules": rules,
        },
    })
}

pub(super) fn rules(
    request: &ExportRequest<'_>,
    remarks: &mut Remarks,
) -> Result<Vec<Value>, ExportError> {
    let policy = request.policy;
    drop_unknown_to_all(policy, remarks);
    if policy.base.is_some() {
        remarks.dropped("base", "it has no condition about an image's base");
    }
    note_other_images(policy, remarks);
    note_tags(policy, remarks);
    note_any_attestation(policy, remarks);
    if !expiry::current(request).is_empty() {
        remarks.stricter(
            "exceptions",
            "conditions about days are not written for it: nothing is excepted",
        );
    }
    let references = for_kyverno(policy);
    let verified = |name: &str, attestors: Value, kind: &str, conditions: Vec<Value>| {
        let mut attestation = json!({"type": kind, "attestors": attestors});
        if !conditions.is_empty() {
            attestation["conditions"] = json!([{ "all": conditions }]);
        }
        image_rule(name, &references, "attestations", json!([attestation]))
    };
    let mut rules = Vec::new();
    let own = attestors(&request.own_pem()?);
    if !policy.keys.is_empty() {
        rules.push(image_rule("signature", &references, "attestors", own.clone()));
    }
    for (number, requirement) in policy.require.iter().enumerate() {
        let kinds = types(&requirement.predicate);
        if kinds.len() > 1 {
            let reason = format!("only {} counts, and no other type of that name", kinds[0]);
            remarks.stricter(&format!("require {}", requirement.predicate), &reason);
        }
        let by = attestors(&request.pem(&requirement.keys)?);
        rules.push(verified(&format!("require-{number}"), by, kinds[0], verdict(kinds[0])));
    }
    if let Some((by, ids)) = builders(request, remarks)? {
        let conditions = vec![condition("{{ runDetails.builder.id }}", "AnyIn", &json!(ids))];
        rules.push(verified("builder", by, uri::PROVENANCE, conditions));
    }
    if let Some(days) = policy.max_age_days {
        remarks.stricter(
            "max-age-days",
            "only the end of the build counts, which provenance has to state",
        );
        let by = builders(request, remarks)?.map_or(own.clone(), |(by, _)| by);
        rules.push(verified("age", by, uri::PROVENANCE, age(days)));
    }
    if policy.nonroot.is_some() {
        remarks.stricter("nonroot", "a user that is a name is denied, whatever an audit says");
        rules.push(nonroot(policy));
    }
    if let Some(rule) = &policy.vulnerabilities {
        if policy.keys.is_empty() {
            remarks.dropped("vulnerabilities", "the policy names no key that signs scans");
        } else {
            if rule.min_age_days.is_some() {
                remarks.stricter(
                    "vulnerabilities",
                    "those that have not been known for long are denied, too",
                );
            }
            rules.push(verified("vulnerabilities", own.clone(), uri::VULNS, vulnerabilities(rule)));
        }
    }
    if let Some(rule) = &policy.audit {
        rules.push(verified("audit", own, uri::AUDIT, audit(rule)));
    }
    Ok(rules)
}

/// Returns who may have built, with their keys. One rule has one set of keys.
fn builders(
    request: &ExportRequest<'_>,
    remarks: &mut Remarks,
) -> Result<Option<(Value, Vec<String>)>, ExportError> {
    let policy = request.policy;
    let keys_of =
        |keys: &BTreeSet<String>| if keys.is_empty() { policy.keys.clone() } else { keys.clone() };
    let sets: BTreeSet<BTreeSet<String>> =
        policy.builders.iter().map(|builder| keys_of(&builder.keys)).collect();
    let Some(first) = policy.builders.first() else { return Ok(None) };
    if sets.len() > 1 {
        remarks.dropped(
            "builders",
            "builders with different keys are alternatives, of which it has none",
        );
        return Ok(None);
    }
    remarks.stricter("builders", "only provenance v1 counts");
    let ids = policy.builders.iter().map(|builder| builder.id.clone()).collect();
    Ok(Some((attestors(&request.pem(&first.keys)?), ids)))
}

fn condition(key: &str, operator: &str, value: &Value) -> Value {
    json!({"key": key, "operator": operator, "value": value})
}

fn verdict(kind: &str) -> Vec<Value> {
    if kind == uri::TESTS {
        return vec![condition("{{ results.summary.failed }}", "Equals", &json!(0))];
    }
    let found = VERDICTS.iter().find(|(uri, ..)| *uri == kind);
    let of = |(_, place, good): &(&str, &[&str], &[&str])| {
        condition(&format!("{{{{ {} }}}}", place.join(".")), "AnyIn", &json!(good))
    };
    found.map(of).into_iter().collect()
}

fn age(days: u32) -> Vec<Value> {
    let age = "{{ time_since('', '{{ runDetails.metadata.finishedOn }}', '') }}";
    let most = json!(format!("{}h", u64::from(days) * 24));
    // One of the future is not young. Clocks may differ a little.
    let least = json!("-5m");
    vec![condition(age, "LessThanOrEquals", &most), condition(age, "GreaterThanOrEquals", &least)]
}

fn vulnerabilities(rule: &VulnerabilityRule) -> Vec<Value> {
    let none = |filter: &str| {
        let key = format!("{{{{ length(scanner.result[?{filter}]) }}}}");
        condition(&key, "Equals", &json!(0))
    };
    // What is found a level deeper, as the text of the form has it, can't be looked at, and may be anything.
    let mut conditions = vec![none("vulnerability || type(id) != 'string'")];
    if rule.severity.is_some() || !rule.deny.is_empty() {
        // What says nothing in hardpan's words may be anything, so it is the harmless that are told by them.
        let words: Vec<String> = (Severity::ALL.into_iter())
            .filter(|severity| !rule.covers(*severity))
            .map(|severity| format!("score == '{}'", severity.as_str()))
            .collect();
        let harmless = if words.is_empty() {
            "`false`".to_owned()
        } else {
            format!("severity[?method == 'hardpan' && ({})]", words.join(" || "))
        };
        let fixable = if rule.fixable { " && annotations[?fixedVersion]" } else { "" };
        conditions.push(none(&format!("!({harmless}){fixable}")));
    }
    if rule.kev.is_some() {
        conditions.push(condition(
            "{{ contains(scanner.db.sources, 'kev') }}",
            "Equals",
            &json!(true),
        ));
        conditions.push(none("annotations[?exploitedSince]"));
    }
    conditions
}

fn audit(rule: &AuditRule) -> Vec<Value> {
    let mut conditions = Vec::new();
    if let Some(profile) = &rule.profile {
        conditions.push(condition("{{ profile }}", "Equals", &json!(profile)));
    }
    if let Some(least) = rule.min_grade {
        let grades: Vec<String> = ('A'..='F')
            .map(String::from)
            .filter(|grade| grade.as_str() <= least.as_str())
            .collect();
        conditions.push(condition("{{ grade }}", "AnyIn", &json!(grades)));
    }
    for id in &rule.forbid {
        conditions.push(if id == "root" {
            condition("{{ traits.uid }}", "GreaterThan", &json!(0))
        } else if TRAITS.contains(&id.as_str()) {
            let field = camel(id);
            let key = if is_count(id) {
                format!("{{{{ traits.{field} }}}}")
            } else {
                format!("{{{{ length(traits.{field}) }}}}")
            };
            condition(&key, "Equals", &json!(0))
        } else {
            let key = format!(
                "{{{{ length(controls[?id == '{id}' && (result == 'pass' || result == 'not-applicable')]) }}}}"
            );
            condition(&key, "Equals", &json!(1))
        });
    }
    conditions
}

/// Returns the keys of whom one has to have signed.
fn attestors(pem: &[&str]) -> Value {
    let entry = |pem: &&str| {
        json!({"keys": {
            "publicKeys": pem,
            "signatureAlgorithm": "sha256",
            // Nothing is in a public log that its signer did not put there.
            "rekor": {"ignoreTlog": true, "url": ""},
            "ctlog": {"ignoreSCT": true},
        }})
    };
    json!([{"count": 1, "entries": pem.iter().map(entry).collect::<Vec<_>>()}])
}

fn pods() -> Value {
    json!({"any": [{"resources": {"kinds": ["Pod"]}}]})
}

fn image_rule(name: &str, references: &[String], what: &str, value: Value) -> Value {
    let mut verify = json!({
        "imageReferences": references,
        "failureAction": "Enforce",
        "mutateDigest": true,
        "verifyDigest": true,
        "required": true,
    });
    verify[what] = value;
    json!({"name": name, "match": pods(), "verifyImages": [verify]})
}

/// A rule about the configuration of every image of a pod that is meant, as its name is written.
fn nonroot(policy: &Policy) -> Value {
    let pattern = "^0*[1-9][0-9]*(:.*)?$";
    let mut each = json!({
        "list": "request.object.spec.[containers, initContainers, ephemeralContainers][]",
        "context": [{
            "name": "user",
            "imageRegistry": {
                "reference": "{{ element.image }}",
                "jmesPath": "configData.config.User || ''",
            },
        }],
        "deny": {"conditions": {"any": [is_match(pattern, "user", false)]}},
    });
    if !policy.images.is_empty() {
        let meant = written_expressions(policy);
        let meant: Vec<Value> =
            meant.iter().map(|one| is_match(one, "element.image", true)).collect();
        each["preconditions"] = json!({ "any": meant });
    }
    json!({
        "name": "nonroot",
        "match": pods(),
        "validate": {
            "failureAction": "Enforce",
            "message": "the image's user has to be a number, and not root",
            "foreach": [each],
        },
    })
}

fn is_match(expression: &str, what: &str, expected: bool) -> Value {
    let key = format!("{{{{ regex_match('{expression}', {what}) }}}}");
    condition(&key, "Equals", &json!(expected))
}

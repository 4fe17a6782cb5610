// SPDX-License-Identifier: Apache-2.0
//! Sigstore's policy-controller. Every `ClusterImagePolicy` that matches an image has to let it pass, and one authority is
//! enough for each: so every rule is one, and every key that counts for it an authority.

use std::collections::BTreeSet;

use hardpan_attest::policy::Policy;
use hardpan_attest::predicate::uri;
use serde_json::{Value, json};

use super::names::for_policy_controller;
use super::{
    ExportError, ExportRequest, Remarks, VERDICTS, drop_unknown_to_all, expiry,
    note_any_attestation, note_other_images, note_tags, rego, types, yaml,
};

/// The types of provenance, with where each names its builder and the end of the build.
const PROVENANCES: [(&str, &str, &str); 2] = [
    (uri::PROVENANCE, "runDetails.builder.id", "runDetails.metadata.finishedOn"),
    (uri::PROVENANCE_V0_2, "builder.id", "metadata.buildFinishedOn"),
];

/// Writes the objects, and says how many rules they are.
pub(super) fn write(
    request: &ExportRequest<'_>,
    remarks: &mut Remarks,
) -> Result<(String, usize), ExportError> {
    let objects = objects(request, remarks)?;
    Ok((yaml::documents(&objects), objects.len()))
}

pub(super) fn objects(
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
    let exceptions = expiry::current(request);
    let mut objects = Vec::new();
    if !policy.keys.is_empty() {
        let authorities = request.own_pem()?.into_iter().map(|pem| authority(pem, None)).collect();
        objects.push(object(request, "signature", authorities, None));
    }
    for (number, requirement) in policy.require.iter().enumerate() {
        let name = format!("require-{number}");
        let mut authorities = Vec::new();
        for pem in request.pem(&requirement.keys)? {
            for kind in types(&requirement.predicate) {
                authorities.push(authority(pem, Some(attestation(kind, &verdict(kind)))));
            }
        }
        objects.push(object(request, &name, authorities, None));
    }
    if !policy.builders.is_empty() {
        objects.push(object(request, "builder", builders(request, None)?, None));
    }
    if let Some(days) = policy.max_age_days {
        remarks.stricter(
            "max-age-days",
            "only the end of the build counts, which provenance has to state",
        );
        objects.push(object(request, "age", builders(request, Some(days))?, None));
    }
    if policy.nonroot.is_some() {
        remarks.stricter("nonroot", "a user that is a name is denied, whatever an audit says");
        let condition =
            json!({"fetchConfigFile": true, "type": "rego", "data": nonroot(&exceptions)});
        let anybody = json!({"name": "any", "static": {"action": "pass"}});
        objects.push(object(request, "nonroot", vec![anybody], Some(condition)));
    }
    if let Some(rule) = &policy.vulnerabilities {
        let (conditions, more) = rego::vulnerabilities(rule, &exceptions);
        let data = rego::sigstore(&conditions, &more);
        if policy.keys.is_empty() {
            remarks.dropped("vulnerabilities", "the policy names no key that signs scans");
        } else {
            let authorities = by_policy(request, uri::VULNS, &data)?;
            objects.push(object(request, "vulnerabilities", authorities, None));
        }
    }
    if let Some(rule) = &policy.audit {
        let (conditions, more) = rego::audit(rule, &exceptions);
        let data = rego::sigstore(&conditions, &more);
        objects.push(object(request, "audit", by_policy(request, uri::AUDIT, &data)?, None));
    }
    Ok(objects)
}

fn by_policy(
    request: &ExportRequest<'_>,
    kind: &str,
    data: &str,
) -> Result<Vec<Value>, ExportError> {
    let authority = |pem| authority(pem, Some(attestation(kind, data)));
    Ok(request.own_pem()?.into_iter().map(authority).collect())
}

/// Returns an authority for each key that may sign provenance, of a builder that may build or of anybody, with a time.
fn builders(request: &ExportRequest<'_>, days: Option<u32>) -> Result<Vec<Value>, ExportError> {
    let policy: &Policy = request.policy;
    let nobody = BTreeSet::new();
    let mut wanted: Vec<(Option<&str>, &BTreeSet<String>)> =
        policy.builders.iter().map(|builder| (Some(builder.id.as_str()), &builder.keys)).collect();
    if wanted.is_empty() {
        wanted.push((None, &nobody));
    }
    let mut authorities = Vec::new();
    for (id, keys) in wanted {
        let names = if keys.is_empty() { &policy.keys } else { keys };
        for name in names {
            let pem = request.keys.get(name).ok_or_else(|| ExportError::Key(name.clone()))?;
            for (kind, builder, finished) in PROVENANCES {
                let mut conditions = Vec::new();
                conditions.extend(
                    id.map(|id| format!("predicate.{builder} == {}", rego::literal(&json!(id)))),
                );
                if let Some(days) = days {
                    conditions.push(format!(
                        "age := time.now_ns() - time.parse_rfc3339_ns(predicate.{finished})"
                    ));
                    conditions.push(format!("age <= {days} * 86400 * 1000000000"));
                    conditions.push("age >= -300 * 1000000000".to_owned());
                }
                let data = rego::sigstore(&conditions, "");
                authorities.push(authority(pem, Some(attestation(kind, &data))));
            }
        }
    }
    Ok(authorities)
}

/// Returns a module that says whether a statement says that something passed, or empty where any will do.
fn verdict(kind: &str) -> String {
    if kind == uri::TESTS {
        return rego::sigstore(&["predicate.results.summary.failed == 0".to_owned()], "");
    }
    let found = VERDICTS.iter().find(|(uri, ..)| *uri == kind);
    found.map_or_else(String::new, |(_, place, good)| {
        let condition = format!("predicate.{} in {}", place.join("."), rego::literal(&json!(good)));
        rego::sigstore(&[condition], "")
    })
}

fn nonroot(exceptions: &[&hardpan_attest::policy::Exception]) -> String {
    let more = format!(
        "is_nonroot(user) if {{\n\tnumber := split(user, \":\")[0]\n\tregex.match(`^[0-9]+$`, number)\n\tto_number(trim_left(number, \"0\")) > 0\n}}\n\nisCompliant if excused(\"nonroot\")\n\n{}",
        expiry::rego(exceptions)
    );
    let conditions = [
        "count(input.config) > 0".to_owned(),
        "every _, image in input.config { is_nonroot(image.config.User) }".to_owned(),
    ];
    rego::sigstore(&conditions, &more)
}

fn attestation(kind: &str, data: &str) -> Value {
    let mut one = json!({"name": "statement", "predicateType": kind});
    if !data.is_empty() {
        one["policy"] = json!({"type": "rego", "data": data});
    }
    one
}

fn authority(pem: &str, attestation: Option<Value>) -> Value {
    let mut one = json!({"key": {"data": pem, "hashAlgorithm": "sha256"}});
    if let Some(attestation) = attestation {
        one["attestations"] = json!([attestation]);
    }
    one
}

fn object(
    request: &ExportRequest<'_>,
    rule: &str,
    authorities: Vec<Value>,
    condition: Option<Value>,
) -> Value {
    let globs = for_policy_controller(request.policy);
    let globs: Vec<Value> = globs.into_iter().map(|glob| json!({"glob": glob})).collect();
    let mut authorities = authorities;
    for (number, authority) in authorities.iter_mut().enumerate() {
        if authority.get("name").is_none() {
            authority["name"] = json!(format!("key-{number}"));
        }
    }
    let mut object = json!({
        "apiVersion": "policy.sigstore.dev/v1beta1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": format!("{}-{rule}", request.name)},
        "spec": {"mode": "enforce", "images": globs, "authorities": authorities},
    });
    if let Some(condition) = condition {
        object["spec"]["policy"] = condition;
    }
    object
}

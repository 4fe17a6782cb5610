// SPDX-License-Identifier: Apache-2.0
//! SARIF 2.1.0, as code scanning of forges reads it.

use std::borrow::Cow;

use hardpan_tree::Digest;
use serde_json::{Value, json};

use crate::audit::mappings::mapping;
use crate::audit::model::{AuditFinding, AuditReport, ControlResult, Outcome};
use crate::controls::{Severity, lasting};
use crate::report::sarif::{document, uri};

/// Where controls are explained.
const REFERENCE: &str = "https://hardpan.dev/reference/controls";

/// Writes a report. Each control that applies is a rule, each finding a result; accepted findings are suppressed results, and
/// what could not be measured is a notification.
pub fn sarif(report: &AuditReport) -> Vec<u8> {
    let applies = |one: &&ControlResult| one.outcome != Outcome::NotApplicable;
    let controls: Vec<&ControlResult> = report.controls.iter().filter(applies).collect();
    let rules = controls.iter().map(|control| rule(control)).collect();
    let mut results = Vec::new();
    for (number, control) in controls.iter().enumerate() {
        for finding in &control.findings {
            results.push(result(report, control, finding, number));
        }
    }
    let notification = |id: &str, level: &str, text: &str| json!({"descriptor": {"id": id}, "level": level, "message": {"text": text}});
    let mut notifications: Vec<Value> =
        report.warnings.iter().map(|text| notification("audit", "warning", text)).collect();
    for control in &controls {
        if let Outcome::Unmeasured(why) = &control.outcome {
            notifications.push(notification(
                control.id.name(),
                "note",
                &format!("not measured: {why}"),
            ));
        }
    }
    document(rules, notifications, results)
}

fn rule(result: &ControlResult) -> Value {
    let control = result.id.control();
    let guides = mapping(result.id);
    let mut tags = vec!["security".to_owned(), "hardening".to_owned(), result.group.to_string()];
    tags.extend(guides.cis.iter().map(ToString::to_string));
    tags.extend(guides.nist.iter().map(ToString::to_string));
    tags.extend(guides.srg.iter().map(ToString::to_string));
    let severity = super::severity(result);
    json!({
        "id": result.id.name(),
        "shortDescription": {"text": control.title},
        "fullDescription": {"text": control.why},
        "help": {"text": format!("{} To do: {}.", control.why, control.fix)},
        "helpUri": format!("{REFERENCE}#{}", result.id.name()),
        "defaultConfiguration": {"level": level(severity)},
        "properties": {"tags": tags, "security-severity": security_severity(severity)},
    })
}

fn result(
    report: &AuditReport,
    control: &ControlResult,
    finding: &AuditFinding,
    rule_index: usize,
) -> Value {
    let location = |place: &str| json!({"physicalLocation": {"artifactLocation": {"uri": uri(place)}, "region": {"startLine": 1}}});
    let mut locations: Vec<Value> =
        finding.paths.iter().map(|path| location(&path.to_string())).collect();
    if locations.is_empty() {
        locations.push(location(&report.image.name));
    }
    if let Some(package) = &finding.package {
        for location in &mut locations {
            location["logicalLocations"] = json!([{"fullyQualifiedName": package}]);
        }
    }
    let mut result = json!({
        "ruleId": control.id.name(),
        "ruleIndex": rule_index,
        "level": level(finding.severity),
        "message": {"text": format!("{}. {}", finding.message, finding.help).trim_end_matches([' ', '.'])},
        "locations": locations,
        "partialFingerprints": {"primaryLocationLineHash": fingerprint(control, finding)},
    });
    if let Some(layer) = finding.layer {
        result["properties"] = json!({"layer": layer});
    }
    if let Some(accepted) = &finding.accepted {
        let until = accepted.until.as_deref().map(|until| format!(" (until {until})"));
        let justification =
            format!("{}: {}{}", accepted.source, accepted.reason, until.unwrap_or_default());
        result["suppressions"] =
            json!([{"kind": "external", "status": "accepted", "justification": justification}]);
    }
    result
}

/// The same in the next audit: what is found, and where, without numbers that change by themselves.
fn fingerprint(control: &ControlResult, finding: &AuditFinding) -> String {
    let path = finding.paths.first().map(ToString::to_string).unwrap_or_default();
    let message =
        if path.is_empty() { lasting(control.id, &finding.message) } else { Cow::Borrowed("") };
    let text = format!("{}\n{path}\n{message}", control.id);
    format!("{}:1", &Digest::of(text.as_bytes()).to_hex()[..16])
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Fail => "error",
        Severity::Warn => "warning",
        Severity::Info => "note",
    }
}

/// The number by which forges sort.
fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Fail => "8.0",
        Severity::Warn => "5.0",
        Severity::Info => "0.1",
    }
}

// SPDX-License-Identifier: Apache-2.0
//! SARIF 2.1.0, as code scanning of forges reads it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hardpan_tree::Digest;
use serde_json::{Value, json};

use super::{Row, RowStatus, ScanReport, link};
use crate::advisory::Severity;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const HOME: &str = "https://hardpan.dev";

/// Writes a report. Each vulnerability is a rule, each row a result; excused rows are suppressed results.
pub fn sarif(report: &ScanReport) -> Vec<u8> {
    let mut rules: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in &report.rows {
        rules.entry(&row.id).or_default().push(row);
    }
    let index: BTreeMap<&str, usize> =
        rules.keys().enumerate().map(|(number, id)| (*id, number)).collect();
    let results: Vec<Value> =
        report.rows.iter().map(|row| result(report, row, index[row.id.as_str()])).collect();
    let notifications: Vec<Value> = (report.warnings.iter())
        .map(|warning| {
            json!({"descriptor": {"id": warning.kind}, "level": "warning", "message": {"text": warning.text}})
        })
        .collect();
    let rules = rules.iter().map(|(id, rows)| rule(id, rows)).collect();
    document(rules, notifications, results)
}

/// Makes a document of one run.
pub(crate) fn document(
    rules: Vec<Value>,
    notifications: Vec<Value>,
    results: Vec<Value>,
) -> Vec<u8> {
    let document = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "hardpan",
                "informationUri": HOME,
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "invocations": [{
                "executionSuccessful": true,
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
            // One position of text, for viewers that want one.
            "columnKind": "unicodeCodePoints",
        }],
    });
    serde_json::to_vec(&document).expect("it has texts and numbers only")
}

fn rule(id: &str, rows: &[&Row]) -> Value {
    // A rule stands for the worst of its rows; forges sort by it.
    let worst = rows.iter().max_by_key(|row| (row.severity, row.score_tenths));
    let summary = rows.iter().find_map(|row| row.summary.as_deref());
    let text = summary.unwrap_or("A vulnerability in a package of the image.");
    let mut tags = vec!["security", "vulnerability"];
    tags.extend(worst.map(|row| row.severity.as_str()));
    let mut rule = json!({
        "id": id,
        "shortDescription": {"text": format!("{id} in {}", names(rows))},
        "fullDescription": {"text": text},
        "help": {"text": text},
        "properties": {"tags": tags},
    });
    if let Some(row) = worst {
        rule["properties"]["security-severity"] = json!(security_severity(row));
        rule["defaultConfiguration"] = json!({"level": level(row.severity)});
    }
    if let Some(link) = link(id) {
        rule["helpUri"] = json!(link);
    }
    rule
}

fn names(rows: &[&Row]) -> String {
    let mut names: Vec<&str> = rows.iter().map(|row| row.package.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

fn result(report: &ScanReport, row: &Row, rule_index: usize) -> Value {
    let fix = match row.fix.version() {
        Some(version) => format!("fixed in {version}"),
        None => "no version has a fix".to_owned(),
    };
    let package = &row.package;
    let text = format!(
        "{} {} ({}) has {} ({}); {fix}.",
        package.name,
        package.version,
        package.kind,
        row.id,
        row.severity.as_str()
    );
    let place = package.paths.first().map_or(report.subject.name.as_str(), String::as_str);
    let mut result = json!({
        "ruleId": row.id,
        "ruleIndex": rule_index,
        "level": level(row.severity),
        "message": {"text": text},
        "locations": [{
            "physicalLocation": {
                "artifactLocation": {"uri": uri(place)},
                "region": {"startLine": 1},
            },
            "logicalLocations": [{"fullyQualifiedName": package.purl.as_deref().unwrap_or(&package.name)}],
        }],
        "partialFingerprints": {"primaryLocationLineHash": fingerprint(row)},
    });
    if let RowStatus::Suppressed { statement } = &row.status {
        let words = [statement.justification.as_deref(), statement.text.as_deref()];
        let words: Vec<&str> = words.into_iter().flatten().collect();
        let justification =
            format!("{} ({}): {}", statement.status, statement.author, words.join(": "));
        result["suppressions"] = json!([{
            "kind": "external", "status": "accepted", "justification": justification.trim_end_matches([':', ' ']),
        }]);
    }
    result
}

/// The same in the next scan, also when the version is another: it is the same trouble then.
fn fingerprint(row: &Row) -> String {
    let path = row.package.paths.first().map_or("", String::as_str);
    let text = format!("{}\n{}\n{}\n{path}", row.id, row.package.kind, row.package.name);
    format!("{}:1", &Digest::of(text.as_bytes()).to_hex()[..16])
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Negligible | Severity::Unknown => "note",
    }
}

/// The number by which forges sort: the score, or one in the middle of what the word stands for.
fn security_severity(row: &Row) -> String {
    if let Some(score) = row.score() {
        return score;
    }
    let score = match row.severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.0",
        Severity::Negligible => "0.1",
        Severity::Unknown => "0.0",
    };
    score.to_owned()
}

/// Returns a path or a name as a relative URI.
pub(crate) fn uri(place: &str) -> String {
    let mut uri = String::new();
    for byte in place.trim_start_matches('/').bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'+' => {
                uri.push(char::from(byte));
            }
            _ => {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    }
    uri
}

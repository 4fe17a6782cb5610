// SPDX-License-Identifier: Apache-2.0
//! CycloneDX 1.6 with vulnerabilities.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_attest::sbom::cyclonedx::serial_number;
use hardpan_tree::Digest;
use serde_json::{Value, json};

use super::{PackageFacts, Row, RowStatus, ScanReport, link};
use crate::advisory::Severity;

/// Writes a report: the packages that have rows, and their vulnerabilities with what VEX says of them.
pub fn cyclonedx(report: &ScanReport) -> Vec<u8> {
    let references = References::of(report);
    let subject = &report.subject;
    let mut image = json!({"type": "container", "bom-ref": "image", "name": subject.name});
    let version =
        subject.digest.map(|digest| digest.to_string()).or_else(|| subject.version.clone());
    if let Some(version) = version {
        image["version"] = json!(version);
    }
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "tools": {"components": [
                {"type": "application", "name": "hardpan", "version": env!("CARGO_PKG_VERSION")},
            ]},
            "component": image,
        },
        "components": references.components(),
        "vulnerabilities": vulnerabilities(report, &references),
    });
    let digest = Digest::of(document.to_string().as_bytes());
    document["serialNumber"] = json!(serial_number(&digest));
    serde_json::to_vec(&document).expect("it has texts and numbers only")
}

/// What packages are called inside of the document.
struct References<'r>(BTreeMap<Key<'r>, (String, &'r PackageFacts)>);

/// By what packages are told apart: package URL or kind, name, version, places.
type Key<'p> = (&'p str, &'p str, &'p str, &'p [String]);

impl<'r> References<'r> {
    fn of(report: &'r ScanReport) -> Self {
        let mut all = BTreeMap::new();
        for row in &report.rows {
            all.insert(key(&row.package), &*row.package);
        }
        let mut used = BTreeSet::new();
        let named = all.into_iter().map(|(key, package)| {
            let plain = || format!("{}/{}@{}", package.kind, package.name, package.version);
            let base = package.purl.as_deref().map_or_else(plain, str::to_owned);
            let mut reference = base.clone();
            // The same package may be there twice, at two paths.
            for number in 2.. {
                if used.insert(reference.clone()) {
                    break;
                }
                reference = format!("{base}#{number}");
            }
            (key, (reference, package))
        });
        Self(named.collect())
    }

    fn get(&self, package: &'r PackageFacts) -> &str {
        self.0.get(&key(package)).map_or("", |(reference, _)| reference)
    }

    fn components(&self) -> Vec<Value> {
        let component = |(reference, package): &(String, &PackageFacts)| {
            let mut value = json!({
                "type": "library", "bom-ref": reference, "name": package.name, "version": package.version,
            });
            if let Some(purl) = &package.purl {
                value["purl"] = json!(purl);
            }
            if !package.paths.is_empty() {
                let paths = package.paths.iter().map(|path| json!({"location": path}));
                value["evidence"] = json!({"occurrences": paths.collect::<Vec<_>>()});
            }
            value
        };
        self.0.values().map(component).collect()
    }
}

fn key(package: &PackageFacts) -> Key<'_> {
    (
        package.purl.as_deref().unwrap_or(&package.kind),
        &package.name,
        &package.version,
        &package.paths,
    )
}

/// One entry for each vulnerability and each thing that is said of it.
fn vulnerabilities<'r>(report: &'r ScanReport, references: &References<'r>) -> Vec<Value> {
    let mut groups: BTreeMap<(&str, String), Vec<&Row>> = BTreeMap::new();
    for row in &report.rows {
        groups.entry((&row.id, analysis(row).to_string())).or_default().push(row);
    }
    let numbered = groups.values().enumerate();
    numbered.map(|(number, rows)| vulnerability(number, rows, references)).collect()
}

fn vulnerability<'r>(number: usize, rows: &[&'r Row], references: &References<'r>) -> Value {
    let worst = rows.iter().max_by_key(|row| (row.severity, row.score_tenths));
    let row = worst.unwrap_or(&rows[0]);
    let mut rating =
        json!({"severity": severity(row.severity), "source": {"name": row.severity_by}});
    if let (Some(tenths), Some(vector)) = (row.score_tenths, &row.vector) {
        rating["score"] = json!(f64::from(tenths) / 10.0);
        rating["vector"] = json!(vector);
        rating["method"] = json!(method(vector));
    }
    let affects: BTreeSet<&str> = rows.iter().map(|row| references.get(&row.package)).collect();
    let affects = affects.into_iter().map(|reference| json!({"ref": reference}));
    let mut value = json!({
        "bom-ref": format!("vulnerability-{number}"),
        "id": row.id,
        "source": {"name": row.source},
        "ratings": [rating],
        "affects": affects.collect::<Vec<_>>(),
    });
    let known = |id: &String| json!({"id": id, "source": {"name": source_of(id)}});
    if !row.aliases.is_empty() {
        value["references"] = row.aliases.iter().map(known).collect();
    }
    if let Some(summary) = &row.summary {
        value["description"] = json!(summary);
    }
    let links = std::iter::once(&row.id).chain(&row.announcements);
    let links: Vec<Value> =
        links.filter_map(|id| link(id)).map(|url| json!({"url": url})).collect();
    if !links.is_empty() {
        value["advisories"] = Value::Array(links);
    }
    if let Some(version) = row.fix.version() {
        value["recommendation"] = json!(format!("update to {version}"));
    }
    value["analysis"] = analysis(row);
    value
}

fn analysis(row: &Row) -> Value {
    let (state, justification) = match &row.status {
        RowStatus::Affected { .. } => ("exploitable", None),
        RowStatus::UnderInvestigation { .. } => ("in_triage", None),
        RowStatus::Suppressed { statement } if statement.status == "fixed" => ("resolved", None),
        RowStatus::Suppressed { statement } => {
            ("not_affected", statement.justification.as_deref().and_then(justification_of))
        }
    };
    let mut value = json!({"state": state});
    if let Some(justification) = justification {
        value["justification"] = json!(justification);
    }
    if let Some(statement) = row.statement() {
        let said = [statement.justification.as_deref(), statement.text.as_deref()];
        let said: Vec<&str> = said.into_iter().flatten().collect();
        value["detail"] = json!(format!("{}: {}", statement.author, said.join(": ")));
    }
    value
}

/// Returns the nearest word of CycloneDX for one of OpenVEX.
fn justification_of(word: &str) -> Option<&'static str> {
    match word {
        "component_not_present" | "vulnerable_code_not_present" => Some("code_not_present"),
        "vulnerable_code_not_in_execute_path" => Some("code_not_reachable"),
        "vulnerable_code_cannot_be_controlled_by_adversary" => Some("requires_environment"),
        "inline_mitigations_already_exist" => Some("protected_by_mitigating_control"),
        _ => None,
    }
}

fn source_of(id: &str) -> &'static str {
    match id.split('-').next() {
        Some("CVE") => "CVE",
        Some("GHSA") => "GitHub",
        Some("DSA" | "DLA" | "TEMP") => "Debian",
        _ => "OSV",
    }
}

fn method(vector: &str) -> &'static str {
    match vector.split('/').next() {
        Some("CVSS:4.0") => "CVSSv4",
        Some("CVSS:3.1") => "CVSSv31",
        Some("CVSS:3.0") => "CVSSv3",
        _ => "CVSSv2",
    }
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Negligible => "info",
        other => other.as_str(),
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The predicate of in-toto's vulnerability attestations, v0.1 and v0.2: both have the same fields.
//!
//! Its times are the data's, not the clock's: a scan of the same image with the same database says the same, whenever it
//! runs. <https://github.com/in-toto/attestation/blob/main/spec/predicates/vulns_02.md>

use std::collections::BTreeSet;

use hardpan_attest::predicate::Time;
use serde::Serialize;

use super::{Row, ScanReport};

/// Who scans.
const SCANNER: &str = "https://hardpan.dev";

/// What a scan found, for whoever decides by it. Excused rows are not in it: they are in the VEX document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VulnsPredicate {
    scanner: Scanner,
    metadata: Metadata,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Scanner {
    uri: &'static str,
    version: &'static str,
    db: Data,
    result: Vec<Found>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    /// The digest of the database.
    version: String,
    last_update: String,
    /// What it was made of, by name: who asks which are exploited has to know whether that was looked at.
    sources: BTreeSet<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    id: String,
    severity: Vec<Score>,
    annotations: Vec<Annotation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Score {
    method: &'static str,
    score: String,
}

/// Where it is and what fixes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Annotation {
    package: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    purl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed_version: Option<String>,
    /// `2026-01-31`.
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exploited_since: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    scan_started_on: String,
    scan_finished_on: String,
}

impl VulnsPredicate {
    /// Takes what counts of a report.
    pub fn of(report: &ScanReport) -> Self {
        let times = report.database.sources.iter().filter_map(|source| source.time.as_deref());
        let newest =
            times.filter_map(|time| time.parse::<Time>().ok()).max().unwrap_or(Time::EPOCH);
        let time = newest.to_string();
        let sources = report.database.sources.iter().map(|source| source.name.clone()).collect();
        Self {
            scanner: Scanner {
                uri: SCANNER,
                version: env!("CARGO_PKG_VERSION"),
                db: Data {
                    version: report.database.digest.to_string(),
                    last_update: time.clone(),
                    sources,
                },
                result: report.counting().map(found).collect(),
            },
            metadata: Metadata { scan_started_on: time.clone(), scan_finished_on: time },
        }
    }
}

fn found(row: &Row) -> Found {
    let word = Score { method: "hardpan", score: row.severity.as_str().to_owned() };
    let score = row.score().map(|score| Score { method: "cvss_score", score });
    let vector = row.vector.clone().map(|score| Score { method: "cvss_vector", score });
    Found {
        id: row.id.clone(),
        severity: [Some(word), score, vector].into_iter().flatten().collect(),
        annotations: vec![Annotation {
            package: row.package.name.clone(),
            version: row.package.version.clone(),
            purl: row.package.purl.as_deref().map(str::to_owned),
            fixed_version: row.fix.version().map(str::to_owned),
            published: row.published.clone(),
            exploited_since: row.exploited_since.clone(),
        }],
    }
}

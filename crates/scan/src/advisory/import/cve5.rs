// SPDX-License-Identifier: Apache-2.0
//! Records of the CVE program (CVE JSON 5): one, or an archive of them.

use serde::Deserialize;
use serde_json::Value;

use super::parts::Parts;
use super::{ImportError, Imported, Input, text};
use crate::advisory::collected::{Authority, Collected, Facts};

const EXPECTED: &str = "a CVE record (CVE JSON 5)";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    cve_metadata: Metadata,
    #[serde(default)]
    containers: Containers,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    cve_id: String,
    #[serde(default)]
    state: String,
    date_published: Option<String>,
    date_updated: Option<String>,
}

#[derive(Default, Deserialize)]
struct Containers {
    #[serde(default)]
    cna: Container,
    #[serde(default)]
    adp: Vec<Container>,
}

#[derive(Default, Deserialize)]
struct Container {
    title: Option<String>,
    #[serde(default)]
    descriptions: Vec<Description>,
    #[serde(default)]
    metrics: Vec<Value>,
}

#[derive(Deserialize)]
pub(super) struct Description {
    #[serde(default)]
    pub(super) lang: String,
    #[serde(default)]
    pub(super) value: String,
}

/// Returns the first description in English.
pub(super) fn english(descriptions: &[Description]) -> Option<&str> {
    let is_english = |description: &&Description| description.lang.starts_with("en");
    descriptions.iter().find(is_english).map(|description| description.value.as_str())
}

/// Adds CVSS vectors, titles, and which CVEs were rejected: of one record, or of an archive.
pub fn import<'a>(
    input: impl Into<Input<'a>>,
    collected: &mut Collected,
) -> Result<Imported, ImportError> {
    let mut parts = Parts::cve5();
    parts.add(input)?;
    Ok(parts.finish(collected))
}

/// Reads a record.
pub(super) fn read(bytes: &[u8], parts: &mut Parts) -> Result<(), ImportError> {
    let record: Record = serde_json::from_slice(bytes)
        .map_err(|source| ImportError::Json { expected: EXPECTED, source })?;
    let Record { cve_metadata: metadata, containers } = record;
    parts.changed(&metadata.cve_id, metadata.date_updated.as_deref());
    let batch = &mut parts.batch;
    if !text::is_cve(&metadata.cve_id) {
        batch.skip("not a CVE", || metadata.cve_id.clone());
        return Ok(());
    }
    batch.count()?;
    let mut facts = Facts {
        is_rejected: metadata.state == "REJECTED",
        published: metadata.date_published.as_deref().and_then(text::day),
        ..Facts::default()
    };
    let title = containers.cna.title.as_deref().or_else(|| english(&containers.cna.descriptions));
    facts.summary = title.and_then(text::summary).map(|line| (Authority::Assigner, line));
    add_metrics(&containers.cna.metrics, Authority::Assigner, &mut facts);
    for container in &containers.adp {
        add_metrics(&container.metrics, Authority::Publisher, &mut facts);
    }
    batch.know(&metadata.cve_id, facts)
}

fn add_metrics(metrics: &[Value], authority: Authority, facts: &mut Facts) {
    for metric in metrics {
        for form in ["cvssV4_0", "cvssV3_1", "cvssV3_0", "cvssV2_0"] {
            let vector = metric[form]["vectorString"].as_str();
            let vector = vector.filter(|vector| text::is_cvss(vector));
            facts.cvss.extend(vector.map(|vector| (authority, vector.to_owned())));
            let severity = metric[form]["baseSeverity"].as_str().and_then(text::severity);
            if let (None, Some(severity)) = (vector, severity) {
                let facts_of_word =
                    Facts { severity: Some((authority, severity)), ..Facts::default() };
                facts.merge(facts_of_word);
            }
        }
    }
}

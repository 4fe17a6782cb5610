// SPDX-License-Identifier: Apache-2.0
//! NVD's feeds and answers (version 2.0): CVSS vectors of NVD and of those who assigned the CVEs.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::cve5::{Description, english};
use super::{ImportError, Imported, Input, part, text};
use crate::advisory::collected::{Authority, Batch, Collected, Facts};

const EXPECTED: &str = "a feed of NVD (version 2.0)";

#[derive(Deserialize)]
struct Feed {
    format: Option<String>,
    timestamp: Option<String>,
    vulnerabilities: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    cve: Cve,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cve {
    id: String,
    published: Option<String>,
    vuln_status: Option<String>,
    #[serde(default)]
    descriptions: Vec<Description>,
    #[serde(default)]
    metrics: BTreeMap<String, Vec<Metric>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metric {
    #[serde(default)]
    source: String,
    /// Those that only SSVC and the like have are of another shape.
    cvss_data: Option<CvssData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CvssData {
    vector_string: Option<String>,
}

/// Adds CVSS vectors and which CVEs were rejected.
pub fn import<'a>(
    input: impl Into<Input<'a>>,
    collected: &mut Collected,
) -> Result<Imported, ImportError> {
    let input = input.into();
    let mut batch = Batch::new("nvd", input.digest(), input.time);
    let mut newest = None;
    part::each_json(&input, &mut |_, bytes| {
        let feed: Feed = serde_json::from_slice(bytes)
            .map_err(|source| ImportError::Json { expected: EXPECTED, source })?;
        if feed.format.as_deref().is_some_and(|format| format != "NVD_CVE") {
            let reason = format!("its format is {:?}", feed.format.unwrap_or_default());
            return Err(ImportError::NotThat { expected: EXPECTED, reason });
        }
        newest = newest.max(feed.timestamp.as_deref().and_then(text::time));
        feed.vulnerabilities.into_iter().try_for_each(|item| read(item.cve, &mut batch))
    })?;
    batch.set_time(newest);
    Ok(collected.take(batch))
}

fn read(cve: Cve, batch: &mut Batch) -> Result<(), ImportError> {
    if !text::is_cve(&cve.id) {
        batch.skip("not a CVE", || cve.id.clone());
        return Ok(());
    }
    batch.count()?;
    let summary = english(&cve.descriptions).and_then(text::summary);
    let mut facts = Facts {
        is_rejected: cve.vuln_status.as_deref() == Some("Rejected"),
        published: cve.published.as_deref().and_then(text::day),
        summary: summary.map(|summary| (Authority::Nvd, summary)),
        ..Facts::default()
    };
    for metric in cve.metrics.into_values().flatten() {
        let vector = metric.cvss_data.and_then(|data| data.vector_string);
        let vector = vector.filter(|vector| text::is_cvss(vector));
        let is_nvd = metric.source == "nvd@nist.gov";
        let authority = if is_nvd { Authority::Nvd } else { Authority::Assigner };
        facts.cvss.extend(vector.map(|vector| (authority, vector)));
    }
    batch.know(&cve.id, facts)
}

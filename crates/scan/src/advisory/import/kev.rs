// SPDX-License-Identifier: Apache-2.0
//! CISA's catalog of vulnerabilities that are known to be exploited.

use serde::Deserialize;

use super::{ImportError, Imported, Input, part, text};
use crate::advisory::collected::{Batch, Collected, Facts};

const EXPECTED: &str = "the catalog of known exploited vulnerabilities";

#[derive(Deserialize)]
struct Catalog {
    #[serde(rename = "dateReleased")]
    released: Option<String>,
    vulnerabilities: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    #[serde(rename = "cveID")]
    id: String,
    #[serde(default)]
    date_added: String,
    #[serde(default)]
    known_ransomware_campaign_use: String,
}

/// Adds since when vulnerabilities are known to be exploited.
pub fn import<'a>(
    input: impl Into<Input<'a>>,
    collected: &mut Collected,
) -> Result<Imported, ImportError> {
    let input = input.into();
    let mut batch = Batch::new("kev", input.digest(), input.time);
    let bytes = part::unpacked(input.bytes)?;
    let catalog: Catalog = serde_json::from_slice(&bytes)
        .map_err(|source| ImportError::Json { expected: EXPECTED, source })?;
    batch.set_time(catalog.released.as_deref().and_then(text::time));
    for entry in catalog.vulnerabilities {
        let since = text::day(&entry.date_added);
        if !text::is_cve(&entry.id) || since.is_none() {
            batch.skip("no CVE with a date", || format!("{} {}", entry.id, entry.date_added));
            continue;
        }
        batch.count()?;
        let facts = Facts {
            exploited_since: since,
            in_ransomware: entry.known_ransomware_campaign_use.eq_ignore_ascii_case("known"),
            ..Facts::default()
        };
        batch.know(&entry.id, facts)?;
    }
    Ok(collected.take(batch))
}

// SPDX-License-Identifier: Apache-2.0
//! Why a vulnerability is none of an image's: what sources say of it about its packages.

use std::sync::Arc;

use crate::advisory::Advisories;
use crate::inventory::Inventory;

use super::facts;
use super::finding::{self, Finding, RecordOutcome, Standing};
use super::row::{Row, Wanted, rows};
use super::{MatchError, MatchOptions, planned};

/// The most packages that are told.
const ABSENCES_MAX: usize = 100;

/// Why a package does not have a vulnerability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Absence {
    /// The name of the vulnerability: the CVE's if it has one.
    pub id: String,
    /// The package.
    pub package: String,
    /// Its version.
    pub version: String,
    /// How it was looked up, what each source says, and what comes of that: `NAME: what is said`.
    pub lines: Vec<String>,
}

/// Says of each package that sources name with a vulnerability, under any of its names, why it does not have it.
///
/// # Errors
/// As [`match_all`](super::match_all) has them.
pub fn absences(
    inventory: &Inventory,
    advisories: &impl Advisories,
    options: &MatchOptions,
    id: &str,
) -> Result<Vec<Absence>, MatchError> {
    let is_it = |name: &String| name.eq_ignore_ascii_case(id);
    let sources = advisories.sources();
    let mut absences = Vec::new();
    for (what, packages) in planned(inventory, advisories, options)? {
        for row in rows(advisories, &what, Wanted::All) {
            let facts = facts::of(advisories, &row);
            let is_named = is_it(&row.id)
                || facts.aliases.iter().any(is_it)
                || row.records.iter().any(|record| is_it(&record.id));
            if row.is_affected() || !is_named {
                continue;
            }
            let result = result(&row);
            let issue = Arc::new(finding::issue(&what, row, &facts, &sources));
            for &at in packages.iter().take(ABSENCES_MAX - absences.len()) {
                let package = &inventory.packages[at];
                let found = Finding {
                    package: package.id.as_str().into(),
                    issue: Arc::clone(&issue),
                    standing: Standing::Open,
                    statements: Vec::new(),
                };
                let mut lines = found.explain(inventory).said_lines();
                lines.push(format!("result: {result}"));
                absences.push(Absence {
                    id: issue.id.clone(),
                    package: package.name.clone(),
                    version: package.version.clone().unwrap_or_default(),
                    lines,
                });
            }
        }
    }
    Ok(absences)
}

fn result(row: &Row) -> &'static str {
    use RecordOutcome::{Uncompared, Undetermined};
    if row.records.iter().any(|record| matches!(record.outcome, Undetermined | Uncompared(_))) {
        "nobody knows whether it has it"
    } else {
        "it does not have it"
    }
}

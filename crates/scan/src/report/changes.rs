// SPDX-License-Identifier: Apache-2.0
//! What became of vulnerabilities from one image to the next.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::{Row, ScanReport};
use crate::advisory::Severity;

/// What became of what counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct VulnerabilityChanges {
    /// What the older image has and the newer has not.
    pub fixed: Vec<ChangedVulnerability>,
    /// What the newer image has and the older has not.
    pub introduced: Vec<ChangedVulnerability>,
    /// What both have.
    pub remaining: Vec<ChangedVulnerability>,
}

/// A vulnerability in a package, in whichever version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ChangedVulnerability {
    /// Its name.
    pub id: String,
    /// The package.
    pub package: String,
    /// How bad it is.
    #[serde(serialize_with = "word")]
    pub severity: Severity,
    /// The version of the package that has it: the newer image's if both do.
    pub version: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn word<S: Serializer>(severity: &Severity, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(severity.as_str())
}

/// By what a row is the same in both: places differ from image to image.
type Key<'r> = (&'r str, &'r str, &'r str);

fn counting(report: &ScanReport) -> BTreeMap<Key<'_>, &Row> {
    report.counting().map(|row| (key(row), row)).collect()
}

fn key(row: &Row) -> Key<'_> {
    (&row.id, &row.package.kind, &row.package.name)
}

impl VulnerabilityChanges {
    /// Compares two images. Both are to be scanned with the same database, or what it learned would look like a change.
    pub fn between(old: &ScanReport, new: &ScanReport) -> Self {
        let (old, new) = (counting(old), counting(new));
        let mut changes = Self::default();
        for (key, row) in &old {
            match new.get(key) {
                Some(row) => changes.remaining.push(changed(row)),
                None => changes.fixed.push(changed(row)),
            }
        }
        let introduced = new.iter().filter(|(key, _)| !old.contains_key(*key));
        changes.introduced.extend(introduced.map(|(_, row)| changed(row)));
        for list in [&mut changes.fixed, &mut changes.introduced, &mut changes.remaining] {
            list.sort_by(|one, other| {
                let names = (&one.id, &one.package).cmp(&(&other.id, &other.package));
                other.severity.cmp(&one.severity).then(names)
            });
        }
        changes
    }

    /// Returns whether nothing was fixed or introduced.
    pub fn is_empty(&self) -> bool {
        self.fixed.is_empty() && self.introduced.is_empty()
    }
}

fn changed(row: &Row) -> ChangedVulnerability {
    ChangedVulnerability {
        id: row.id.clone(),
        package: row.package.name.clone(),
        severity: row.severity,
        version: row.package.version.clone(),
    }
}

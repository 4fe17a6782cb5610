// SPDX-License-Identifier: Apache-2.0
//! Rows of a report. An image with many packages of few sources has many of them, and few that differ in more than the package:
//! so what is the same is there once.

use std::cmp::Ordering;
use std::ops::Deref;
use std::sync::Arc;

use ahash::AHashMap;
use serde::{Serialize, Serializer};

use super::{DecisionFacts, Fix, PackageFacts, RowStatus, VexFacts};
use crate::advisory::Severity;
use crate::inventory::Inventory;
use crate::matching::Finding;

/// A vulnerability in a package. What it has in common with other rows is reached as if it stood here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The vulnerability, and what is known of it in all packages of one source.
    pub issue: Arc<IssueFacts>,
    /// Where it is.
    pub package: Arc<PackageFacts>,
    /// Whether it counts.
    pub status: RowStatus,
    /// How that was found out.
    pub why: Why,
}

/// A vulnerability in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueFacts {
    /// The vulnerability.
    pub id: String,
    /// Its other names.
    pub aliases: Vec<String>,
    /// How bad it is.
    pub severity: Severity,
    /// Who says so: `urgency of debian-tracker`, `CVSS`.
    pub severity_by: String,
    /// The CVSS score in tenths.
    pub score_tenths: Option<u8>,
    /// The CVSS vector.
    pub vector: Option<String>,
    /// EPSS: the probability of an attack within 30 days, in millionths.
    pub epss_millionths: Option<u32>,
    /// Since when it is known to be exploited: `2026-01-31`.
    pub exploited_since: Option<String>,
    /// When it was published: `2026-01-31`.
    pub published: Option<String>,
    /// Whether ransomware uses it.
    pub in_ransomware: bool,
    /// A line about it.
    pub summary: Option<String>,
    /// What fixes it.
    pub fix: Fix,
    /// What the distribution decided.
    pub decision: Option<DecisionFacts>,
    /// Announcements of fixes.
    pub announcements: Vec<String>,
    /// Which source says that the package has it.
    pub source: String,
}

impl Deref for Row {
    type Target = IssueFacts;

    fn deref(&self) -> &IssueFacts {
        &self.issue
    }
}

#[cfg(test)]
impl std::ops::DerefMut for Row {
    fn deref_mut(&mut self) -> &mut IssueFacts {
        Arc::make_mut(&mut self.issue)
    }
}

/// How something was found out, step by step. The text is made when somebody reads it, which most never do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// As lines.
    Lines(Vec<String>),
    /// By matching packages.
    Matched {
        /// What was found.
        finding: Finding,
        /// Where its package is.
        inventory: Arc<Inventory>,
    },
}

impl Why {
    /// Returns the lines.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Lines(lines) => lines.clone(),
            Self::Matched { finding, inventory } => {
                let mut lines = finding.explain(inventory).lines();
                for line in &mut lines {
                    line.truncate(line.trim_end().len());
                }
                lines
            }
        }
    }
}

impl Row {
    /// Returns whether that is a name of its vulnerability, in any case.
    pub fn is_called(&self, id: &str) -> bool {
        let is_it = |name: &String| name.eq_ignore_ascii_case(id);
        is_it(&self.id) || self.aliases.iter().any(is_it)
    }

    /// Returns whether it counts.
    pub fn counts(&self) -> bool {
        !matches!(self.status, RowStatus::Suppressed { .. })
    }

    /// Returns what a VEX statement says of it.
    pub fn statement(&self) -> Option<&VexFacts> {
        match &self.status {
            RowStatus::Affected { statement } => statement.as_deref(),
            RowStatus::UnderInvestigation { statement } | RowStatus::Suppressed { statement } => {
                Some(statement)
            }
        }
    }

    /// Returns the score as people write it: `7.5`.
    pub fn score(&self) -> Option<String> {
        self.score_tenths.map(|tenths| format!("{}.{}", tenths / 10, tenths % 10))
    }
}

/// A row as it is written.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Written<'r> {
    id: &'r str,
    aliases: &'r [String],
    severity: &'static str,
    severity_by: &'r str,
    score_tenths: Option<u8>,
    vector: Option<&'r str>,
    epss_millionths: Option<u32>,
    exploited_since: Option<&'r str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<&'r str>,
    in_ransomware: bool,
    summary: Option<&'r str>,
    package: &'r PackageFacts,
    fix: &'r Fix,
    decision: Option<&'r DecisionFacts>,
    announcements: &'r [String],
    source: &'r str,
    status: &'r RowStatus,
    why: Vec<String>,
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { issue, package, status, why } = self;
        Written {
            id: &issue.id,
            aliases: &issue.aliases,
            severity: issue.severity.as_str(),
            severity_by: &issue.severity_by,
            score_tenths: issue.score_tenths,
            vector: issue.vector.as_deref(),
            epss_millionths: issue.epss_millionths,
            exploited_since: issue.exploited_since.as_deref(),
            published: issue.published.as_deref(),
            in_ransomware: issue.in_ransomware,
            summary: issue.summary.as_deref(),
            package,
            fix: &issue.fix,
            decision: issue.decision.as_ref(),
            announcements: &issue.announcements,
            source: &issue.source,
            status,
            why: why.lines(),
        }
        .serialize(serializer)
    }
}

/// Puts rows in their order: the worst first, then what is exploited, what has a fix, and names.
pub(super) fn sort(rows: &mut [Row]) {
    let issues = ranks(rows.iter().map(|row| &row.issue), |one, other| {
        let key = |issue: &IssueFacts| {
            let is_fixable = issue.fix.version().is_some();
            (issue.severity, issue.exploited_since.is_some(), issue.score_tenths, is_fixable)
        };
        key(other).cmp(&key(one)).then_with(|| one.id.cmp(&other.id))
    });
    let packages = ranks(rows.iter().map(|row| &row.package), |one, other| {
        (&one.name, &one.purl, &one.paths).cmp(&(&other.name, &other.purl, &other.paths))
    });
    let rank = |row: &Row| (issues[&Arc::as_ptr(&row.issue)], packages[&Arc::as_ptr(&row.package)]);
    rows.sort_by_cached_key(rank);
}

/// Says of each of some things, of which most are there often, which place it has among them. Those that are equal have the same.
fn ranks<'t, T: 't>(
    things: impl Iterator<Item = &'t Arc<T>>,
    compare: impl Fn(&T, &T) -> Ordering,
) -> AHashMap<*const T, u32> {
    let mut ranks: AHashMap<*const T, u32> = AHashMap::new();
    let mut all: Vec<&Arc<T>> = Vec::new();
    for thing in things {
        ranks.entry(Arc::as_ptr(thing)).or_insert_with(|| {
            all.push(thing);
            0
        });
    }
    all.sort_by(|one, other| compare(one, other));
    let mut rank = 0;
    for pair in all.windows(2) {
        rank += u32::from(compare(pair[0], pair[1]).is_ne());
        ranks.insert(Arc::as_ptr(pair[1]), rank);
    }
    ranks
}

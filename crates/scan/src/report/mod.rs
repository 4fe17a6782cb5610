// SPDX-License-Identifier: Apache-2.0
//! What a scan came to, and the forms in which it is written.
//!
//! A [`ScanReport`] is plain data, the same for the same image, database and VEX: no clock, no place of this machine. Rows
//! that VEX excuses stay in it with who excused them and why.

mod changes;
mod cyclonedx;
pub(crate) mod html;
pub(crate) mod markdown;
mod openvex;
#[cfg(test)]
mod page_tests;
mod row;
pub(crate) mod sarif;
#[cfg(test)]
pub(crate) mod tests;
mod vulns;

use std::sync::Arc;

use hardpan_tree::Digest;
use serde::Serialize;

use crate::advisory::{DecisionKind, Severity};

pub use changes::{ChangedVulnerability, VulnerabilityChanges};
pub use cyclonedx::cyclonedx;
pub use html::html;
pub use markdown::markdown;
pub use openvex::{VexOfReport, openvex};
pub use row::{IssueFacts, Row, Why};
pub use sarif::sarif;
pub use vulns::VulnsPredicate;

/// What a scan came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ScanReport {
    /// What was scanned.
    pub subject: Subject,
    /// Which distribution it is: `debian:13`; nothing if it is none.
    pub distribution: Option<String>,
    /// Where the list of packages came from.
    pub inventory: InventoryOrigin,
    /// How many packages it has.
    pub packages: usize,
    /// What was known.
    pub database: DatabaseFacts,
    /// What whoever reads the rows should know.
    pub warnings: Vec<Warning>,
    /// What was found, the worst first.
    pub rows: Vec<Row>,
}

/// What was scanned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Subject {
    /// The name of the image without tag or digest, or of a file or directory.
    pub name: String,
    /// The tag.
    pub version: Option<String>,
    /// The digest of the platform's manifest.
    pub digest: Option<Digest>,
    /// The digest of the index that the manifest is in.
    pub index: Option<Digest>,
    /// The platform.
    pub platform: Option<String>,
    /// When the image was made, as it says, in seconds since 1970.
    pub epoch: i64,
}

/// Where the list of packages came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", tag = "from")]
pub enum InventoryOrigin {
    /// The files of the image.
    Files,
    /// The SBOM that is attached to it, signed by a trusted key.
    AttachedSbom {
        /// The key's name.
        signed_by: String,
        /// Whether it was compared with the files.
        is_checked: bool,
    },
    /// An SBOM that the user named.
    Document,
}

/// Which data was used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DatabaseFacts {
    /// The digest of the database.
    pub digest: Digest,
    /// Its sources.
    pub sources: Vec<SourceFacts>,
}

/// A source of data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SourceFacts {
    /// Its name: `debian-tracker`.
    pub name: String,
    /// When the data was made, RFC 3339, if anybody said so.
    pub time: Option<String>,
}

/// Something to know about all of the rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Warning {
    /// A word for programs: `end-of-life`, `limited-support`, `drift`, `unreadable`, `vex`.
    pub kind: &'static str,
    /// A line for people.
    pub text: String,
}

/// A package with a vulnerability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PackageFacts {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The kind: `deb`, `apk`, `golang`.
    pub kind: String,
    /// The source package, if it has another name.
    pub source_name: Option<String>,
    /// The source package's version, if it is another.
    pub source_version: Option<String>,
    /// The package URL.
    pub purl: Option<Arc<str>>,
    /// The files that say that it is there.
    pub paths: Vec<String>,
}

/// What fixes a vulnerability.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Fix {
    /// These versions, of the source package where there is one; the lowest first.
    Fixed {
        /// The versions.
        versions: Vec<String>,
    },
    /// Nothing yet.
    Open,
}

impl Fix {
    /// Returns the lowest version with the fix.
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::Fixed { versions } => versions.first().map(String::as_str),
            Self::Open => None,
        }
    }
}

/// What a distribution decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct DecisionFacts {
    /// In a word: `no-dsa`, `postponed`.
    pub kind: &'static str,
    /// Why.
    pub reason: String,
}

impl DecisionFacts {
    /// Returns the word of a decision.
    pub fn word(kind: DecisionKind) -> &'static str {
        match kind {
            DecisionKind::NoDsa => "no-dsa",
            DecisionKind::Ignored => "ignored",
            DecisionKind::Postponed => "postponed",
            DecisionKind::EndOfLife => "end-of-life",
            DecisionKind::NextPointRelease => "next-point-release",
        }
    }
}

/// Whether a row counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum RowStatus {
    /// It counts.
    Affected {
        /// What a VEX statement says to do about it.
        statement: Option<Box<VexFacts>>,
    },
    /// It counts, and somebody looks into it.
    UnderInvestigation {
        /// Who says so.
        statement: Box<VexFacts>,
    },
    /// It does not count.
    Suppressed {
        /// Who says so.
        statement: Box<VexFacts>,
    },
}

/// What a VEX statement says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct VexFacts {
    /// The word of OpenVEX: `not_affected`, `fixed`, `affected`.
    pub status: String,
    /// The word of OpenVEX for why.
    pub justification: Option<String>,
    /// In words.
    pub text: Option<String>,
    /// Who says so.
    pub author: String,
    /// When, RFC 3339.
    pub time: Option<String>,
    /// The statement's id, or the document's.
    pub id: Option<String>,
    /// Where the document is from: `file vex.json`, `attached to the image`.
    pub origin: String,
}

impl ScanReport {
    /// Puts rows in their order: the worst first, then what is exploited, what has a fix, and names.
    pub fn sort(&mut self) {
        self.warnings.sort();
        self.warnings.dedup();
        row::sort(&mut self.rows);
    }

    /// Returns the rows that count.
    pub fn counting(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(|row| row.counts())
    }

    /// Returns how many rows count, of each severity, the worst first.
    pub fn totals(&self) -> Vec<(Severity, usize)> {
        let of = |severity| self.counting().filter(|row| row.severity == severity).count();
        Severity::ALL.into_iter().rev().map(|severity| (severity, of(severity))).collect()
    }

    /// Returns how many rows count and have at least a severity; with `only_fixed`, of those with a fix.
    pub fn at_least(&self, severity: Severity, only_fixed: bool) -> usize {
        let is_meant =
            |row: &&Row| row.severity >= severity && (!only_fixed || row.fix.version().is_some());
        self.counting().filter(is_meant).count()
    }
}

/// Returns where people can read about a vulnerability.
pub(crate) fn link(id: &str) -> Option<String> {
    let is_plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let begins = |prefix: &str| is_plain && id.starts_with(prefix);
    if begins("CVE-") {
        return Some(format!("https://www.cve.org/CVERecord?id={id}"));
    }
    if begins("DSA-") || begins("DLA-") || begins("TEMP-") {
        return Some(format!("https://security-tracker.debian.org/tracker/{id}"));
    }
    let known = ["GHSA-", "GO-", "RUSTSEC-", "PYSEC-", "MAL-"];
    known.into_iter().any(begins).then(|| format!("https://osv.dev/vulnerability/{id}"))
}

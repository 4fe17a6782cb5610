// SPDX-License-Identifier: Apache-2.0
//! VEX: what people and distributions state about findings, applied to them; and what can be stated of an image.
//!
//! A finding that a statement suppresses stays where it is, with the statement: who said it, when, why, and in which
//! document.

mod apply;
mod lint;
pub mod own;
mod subject;

#[cfg(test)]
mod go_vex_tests;
#[cfg(test)]
mod own_tests;
#[cfg(test)]
mod tests;

use std::fmt;

use hardpan_attest::predicate::Time;
use hardpan_attest::predicate::vex::{Status, Trust, VexRead};
use hardpan_tree::Digest;

pub use apply::apply;
pub use lint::{Lint, LintKind, lint};

/// An image by the names that statements may have for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageNames {
    /// Registry and repository, or a name alone; empty if it has none.
    pub name: String,
    /// Digests of its index and of the manifest of the platform that was looked at.
    pub digests: Vec<Digest>,
}

/// A document, and how far it is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VexSource {
    /// Where it came from, as people know it: a path, a reference.
    pub name: String,
    /// How much it is trusted.
    pub trust: Trust,
    /// Whether it was signed by somebody who may state this.
    pub is_signed: bool,
    /// What it says.
    pub document: VexRead,
}

/// Which statements may suppress findings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VexPolicy {
    /// Only those with one of the format's justifications.
    pub needs_justification: bool,
    /// Only those of signed documents.
    pub needs_signature: bool,
    /// Only those that name a version.
    pub needs_version: bool,
    /// The present: what is dated more than a day after it can't be known yet. Without one every time is believed.
    pub now: Option<Time>,
    /// Today, as days since 1970, and after how many days "under investigation" is overdue.
    pub overdue: Option<(u32, u32)>,
}

/// Why a finding does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Suppression {
    /// The package is built from the kernel's source, and has no kernel in it.
    NoKernel,
    /// A statement says so: the first of [`Finding::statements`](crate::matching::Finding::statements).
    Statement(Box<Applied>),
}

/// A statement that is about a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The document, by [`VexSource::name`].
    pub document: String,
    /// Who states it; empty if the document does not say.
    pub author: String,
    /// How much the document is trusted.
    pub trust: Trust,
    /// The statement's id, if it has one.
    pub statement: Option<String>,
    /// When it was known to be so.
    pub time: Time,
    /// What it says.
    pub status: Status,
    /// How the status was found out.
    pub notes: Option<String>,
    /// Whether it holds for every version there will ever be.
    pub is_versionless: bool,
    /// Whether it is dated into the future, and so counts as older than all others.
    pub is_in_future: bool,
    /// Whether it has been under investigation for too long.
    pub is_overdue: bool,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It is the one that counts.
    Counts,
    /// A newer one of the same rank counts, or one of the same time that says worse.
    Older,
    /// One of a more trusted document counts.
    Outranked,
    /// It may not suppress anything.
    Refused(Refusal),
}

/// Why a statement may not suppress a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// "Fixed" without the version that is: nobody knows whether it is this one.
    FixedWithoutVersion,
    /// It has none of the format's justifications.
    NoJustification,
    /// Its document is not signed.
    NotSigned,
    /// It names no version.
    NoVersion,
    /// It is dated into the future, and nobody knows yet what will be so.
    InFuture(Time),
}

/// How far after the present a statement may be dated: clocks differ, and so do days between time zones.
const FUTURE_SECONDS_MAX: i64 = 86_400;

/// Returns whether nobody can know yet what is so at a time.
pub fn is_in_future(time: Time, now: Time) -> bool {
    time.as_seconds() > now.as_seconds().saturating_add(FUTURE_SECONDS_MAX)
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FixedWithoutVersion => {
                f.write_str("it says \"fixed\" without saying in which version")
            }
            Self::NoJustification => f.write_str("it has no justification"),
            Self::NotSigned => f.write_str("it is not signed"),
            Self::NoVersion => f.write_str("it names no version"),
            Self::InFuture(time) => write!(f, "it is of {time}, which is in the future"),
        }
    }
}

impl fmt::Display for Applied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status.as_str())?;
        match &self.status {
            Status::NotAffected(reason) => {
                if let Some(justification) = reason.justification() {
                    write!(f, " ({})", justification.as_str())?;
                }
                if let Some(impact) = reason.impact() {
                    write!(f, ": {impact}")?;
                }
            }
            Status::Affected { action, .. } => write!(f, ": {action}")?,
            Status::Fixed | Status::UnderInvestigation => {}
        }
        let author = if self.author.is_empty() { "somebody" } else { &self.author };
        write!(f, "; {author}, {}, {}", self.time, self.document)?;
        if let Some(id) = &self.statement {
            write!(f, ", {id}")?;
        }
        if self.is_versionless {
            f.write_str("; without a version, so it holds for ever")?;
        }
        if self.is_in_future && !matches!(self.outcome, Outcome::Refused(_)) {
            f.write_str("; in the future, so it counts as older than all others")?;
        }
        if self.is_overdue {
            f.write_str("; overdue")?;
        }
        match self.outcome {
            Outcome::Counts => Ok(()),
            Outcome::Older => f.write_str("; a newer one counts"),
            Outcome::Outranked => f.write_str("; one that is trusted more counts"),
            Outcome::Refused(why) => write!(f, "; refused: {why}"),
        }
    }
}

impl fmt::Display for Suppression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKernel => f.write_str(
                "the package is built from the kernel's source, and has no kernel in it",
            ),
            Self::Statement(applied) => applied.fmt(f),
        }
    }
}

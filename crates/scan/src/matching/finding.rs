// SPDX-License-Identifier: Apache-2.0
//! What is found, and what is said beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::sync::Arc;

use crate::advisory::{Decision, DecisionKind, Epss, Severity, Source, Space, Urgency};
use crate::catalog::PackageKind;
use crate::cvss::Score;
use crate::vex::{Applied, Suppression};

use super::facts::Facts;
use super::plan::Lookup;
use super::range::{Compared, Until, greatest};
use super::row::Row;

/// All that came of matching an inventory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// The release that a distribution's packages were looked up in.
    pub release: Option<Space>,
    /// The findings, in the order of the inventory's packages, those of each by vulnerability. Those that are suppressed are
    /// among them.
    pub findings: Vec<Finding>,
    /// What nobody knows yet, with the packages that may have it: no findings, and no reason to leave one out.
    pub undetermined: BTreeMap<String, Vec<String>>,
    /// Packages that were not looked up, and why, by their ids.
    pub left_out: Vec<LeftOut>,
    /// What whoever reads this has to know.
    pub warnings: Vec<Warning>,
}

/// A known vulnerability of an installed package.
///
/// What is the same in all packages of one source is there once, however many there are, and is reached as if it stood here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The id of the package in the inventory.
    pub package: Arc<str>,
    /// What all packages of that source and version have in common.
    pub issue: Arc<Issue>,
    /// Whether it counts.
    pub standing: Standing,
    /// The VEX statements that were considered, the one that counts first.
    pub statements: Vec<Applied>,
}

impl Deref for Finding {
    type Target = Issue;

    fn deref(&self) -> &Issue {
        &self.issue
    }
}

/// A known vulnerability of a source package in a version, or of a language's package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    /// The name of the vulnerability: the CVE's if it has one.
    pub id: String,
    /// Its other names.
    pub aliases: BTreeSet<String>,
    /// Where it was looked up.
    pub space: Space,
    /// The name and the version that it was looked up by: those of the source for a distribution's packages.
    pub looked_up: (String, String),
    /// Whether there is a fix.
    pub fix: Fix,
    /// What the distribution decided. It changes nothing about who is affected.
    pub decision: Option<Decision<'static>>,
    /// How much the source says it matters in this package and release.
    pub urgency: Urgency,
    /// How bad it is.
    pub severity: Severity,
    /// Who says how bad it is.
    pub basis: Basis,
    /// The score of the vector that counts, and the vector.
    pub score: Option<(Score, String)>,
    /// How probable an attack is.
    pub epss: Option<Epss>,
    /// Since when it is known to be exploited, as days since 1970.
    pub exploited_since: Option<u32>,
    /// Whether ransomware uses it.
    pub in_ransomware: bool,
    /// When it was published, as days since 1970.
    pub published: Option<u32>,
    /// A line about it.
    pub summary: Option<String>,
    /// Announcements of fixes.
    pub announcements: BTreeSet<String>,
    /// What all sources say of it in this package, those that contradict included.
    pub records: Vec<Record>,
}

/// Whether there is a fix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fix {
    /// In this version.
    In(String),
    /// Only known is the last version that is affected.
    After(String),
    /// None yet.
    None,
}

/// Who says how bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// The distribution, of this package in this release.
    Urgency,
    /// A CVSS vector.
    Cvss,
    /// A word of a source.
    Word,
    /// Nobody.
    Nobody,
}

/// Whether a finding counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Open,
    /// It does not, and stays visible.
    Suppressed(Suppression),
}

/// What one source says of a vulnerability in a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its name there: `GHSA-…`.
    pub id: String,
    /// The name of the source.
    pub source: String,
    /// What that means for the version that is installed.
    pub outcome: RecordOutcome,
}

/// What a record means for a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordOutcome {
    /// It is affected, because it is in these ranges.
    Affected(Vec<Compared>),
    /// It is not: this version, which it has or comes after, has the fix.
    Fixed(String),
    /// It is not among those that are affected.
    Outside,
    /// The source says that no version is affected.
    NotAffected,
    /// Nobody knows.
    Undetermined,
    /// A version can't be compared: why.
    Uncompared(String),
}

/// A package that was not looked up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// Its id.
    pub package: String,
    /// The package of the distribution that it belongs to, under which its vulnerabilities are found.
    pub owned_by: String,
}

/// What whoever reads findings has to know.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Warning {
    /// The release has no support any more, or only long-term support.
    EndOfLife {
        /// The release.
        space: Space,
        /// The last day with support, as days since 1970.
        since: u32,
        /// The last day with long-term support, if that is still to come.
        lts_until: Option<u32>,
    },
    /// The distribution gives packages less support than others, or none.
    LimitedSupport {
        /// The source package.
        source: String,
        /// Packages of it that are installed.
        packages: Vec<String>,
        /// Whether there is no support at all.
        is_unsupported: bool,
        /// Since when, as days since 1970.
        since: Option<u32>,
        /// Why, in the words of the distribution.
        reason: String,
    },
    /// The distribution is not known; its packages were not looked up.
    UnknownDistribution {
        /// What the image says it is; empty if it says nothing.
        distribution: String,
        /// How many packages were not looked up.
        packages: usize,
    },
    /// Packages of another distribution than that of the image were not looked up.
    OtherDistribution {
        /// Which kind.
        kind: PackageKind,
        /// How many.
        packages: usize,
    },
    /// Components of an SBOM that no advisories are about here.
    OtherType {
        /// The type of their package URLs.
        package_type: String,
        /// How many.
        packages: usize,
    },
    /// So many components of an SBOM have no package URL that can be read, so that nobody knows advisories about them.
    Unnamed(usize),
    /// The image says which distribution it is, and nothing in it says which packages of that it has.
    NoDatabase(String),
    /// The data has nothing about a language, or about the release of some packages; they were not looked up.
    NoData {
        /// The language or release.
        space: Space,
        /// How many packages were not looked up.
        packages: usize,
    },
    /// No advisories are about packages of this kind by their names.
    NotCovered {
        /// The kind.
        kind: PackageKind,
        /// Their names, sorted.
        packages: Vec<String>,
    },
    /// Packages of which no version is known were not looked up.
    NoVersion {
        /// The kind.
        kind: PackageKind,
        /// Their names, sorted.
        packages: Vec<String>,
    },
    /// A version can't be compared with those of an advisory, so nobody knows whether the package is affected.
    Uncompared {
        /// The package's name where it was looked up.
        name: String,
        /// Its version.
        version: String,
        /// The vulnerability.
        id: String,
        /// Why.
        reason: String,
    },
    /// A pattern of packages with limited support can't be read.
    Pattern(String),
    /// So many things in the image could not be read.
    Unread(usize),
}

impl Finding {
    /// Returns whether it counts.
    pub fn is_open(&self) -> bool {
        self.standing == Standing::Open
    }

    /// Returns what the distribution is going to do about it, in a word: `fixed`, `not-fixed`, `wont-fix`, `deferred`,
    /// `end-of-life`. Only "ignored" is "wont-fix": an issue without an announcement of its own may well be fixed.
    pub fn fix_state(&self) -> &'static str {
        match (&self.fix, self.decision.as_ref().map(|decision| decision.kind)) {
            (Fix::In(_), _) => "fixed",
            (_, Some(DecisionKind::Ignored)) => "wont-fix",
            (_, Some(DecisionKind::Postponed | DecisionKind::NextPointRelease)) => "deferred",
            (_, Some(DecisionKind::EndOfLife)) => "end-of-life",
            _ => "not-fixed",
        }
    }
}

/// Says whether findings of what was looked up count before anybody states something.
pub(super) fn standing(what: &Lookup) -> Standing {
    if what.is_kernel_without_image {
        Standing::Suppressed(Suppression::NoKernel)
    } else {
        Standing::Open
    }
}

/// Makes of a row what is the same in all packages that it is about.
pub(super) fn issue(what: &Lookup, row: Row, facts: &Facts, sources: &[Source<'_>]) -> Issue {
    let name_of = |source: u16| {
        let found = sources.get(usize::from(source));
        found.map_or_else(|| format!("source {source}"), |source| source.name.to_string())
    };
    let affected = || row.records.iter().filter(|record| record.is_affected());
    let urgency = affected().map(|record| record.urgency).max().unwrap_or_default();
    let (severity, basis) = severity(urgency, facts);
    Issue {
        aliases: facts.aliases.clone(),
        space: what.space.clone(),
        looked_up: (what.name.clone(), what.version.clone()),
        fix: fix(&row, &what.space),
        decision: affected().find_map(|record| record.decision.clone()),
        urgency,
        severity,
        basis,
        score: facts.score.clone(),
        epss: facts.epss,
        exploited_since: facts.exploited_since,
        in_ransomware: facts.in_ransomware,
        published: facts.published,
        summary: facts.summary.clone(),
        announcements: affected().flat_map(|record| record.announcements.clone()).collect(),
        id: row.id,
        records: (row.records.into_iter())
            .map(|record| Record {
                source: name_of(record.source),
                id: record.id,
                outcome: record.outcome,
            })
            .collect(),
    }
}

/// What the source says of the package in this release counts more than what is said of the vulnerability in general.
fn severity(urgency: Urgency, facts: &Facts) -> (Severity, Basis) {
    let stated = match urgency {
        Urgency::Unstated => None,
        Urgency::Unimportant => Some(Severity::Negligible),
        Urgency::Low => Some(Severity::Low),
        Urgency::Medium => Some(Severity::Medium),
        Urgency::High => Some(Severity::High),
        Urgency::Critical => Some(Severity::Critical),
    };
    match (stated, &facts.score, facts.severity) {
        (Some(severity), _, _) => (severity, Basis::Urgency),
        (None, Some((score, _)), _) => (score.severity, Basis::Cvss),
        (None, None, Severity::Unknown) => (Severity::Unknown, Basis::Nobody),
        (None, None, severity) => (severity, Basis::Word),
    }
}

/// Says in which version all that is said of a package is fixed: the greatest, as one source may know of a part.
fn fix(row: &Row, space: &Space) -> Fix {
    let ranges = || {
        row.records.iter().flat_map(|record| match &record.outcome {
            RecordOutcome::Affected(ranges) => ranges.as_slice(),
            _ => &[],
        })
    };
    let fixed = ranges().filter_map(|range| match &range.until {
        Until::Fixed(version) => Some(version.as_str()),
        _ => None,
    });
    if let Some(version) = greatest(space.order(), fixed) {
        return Fix::In(version.to_owned());
    }
    let last = ranges().filter_map(|range| match &range.until {
        Until::LastAffected(version) => Some(version.as_str()),
        _ => None,
    });
    match greatest(space.order(), last) {
        Some(version) => Fix::After(version.to_owned()),
        None => Fix::None,
    }
}

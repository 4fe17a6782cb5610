// SPDX-License-Identifier: Apache-2.0
//! What is known of vulnerabilities, whoever says it, in one shape.
//!
//! Importers make [`Advisory`]s and [`Vulnerability`]s of what sources publish, the database keeps them, and matching
//! asks for them through [`Advisories`]. What a source says stays distinct: a version with a fix, no fix yet, not
//! affected, and not known are four things, and what a distribution plans to do about it is a remark and never a verdict.

mod collected;
mod content;
pub mod database;
pub mod import;
mod space;

use std::borrow::Cow;
use std::collections::BTreeSet;

pub use collected::Collected;
pub use space::{Order, Space, SpaceError};

/// What one source says of one vulnerability in one package of one space.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Advisory<'a> {
    /// The vulnerability's name, as the source has it: `CVE-2026-1234`, `GHSA-…`, `TEMP-0000000-ABCDEF`, `DSA-6000-1` for an
    /// advisory without a CVE.
    pub id: Cow<'a, str>,
    /// Its other names, of this record; those of [`Vulnerability::aliases`] hold as well.
    pub aliases: BTreeSet<Cow<'a, str>>,
    /// Which versions have it.
    pub verdict: Verdict<'a>,
    /// What the distribution decided, if it did.
    pub decision: Option<Decision<'a>>,
    /// How much the source says it matters here.
    pub urgency: Urgency,
    /// The announcements of fixes: `DSA-6000-1`, `DLA-4000-1`.
    pub announcements: BTreeSet<Cow<'a, str>>,
    /// Which source said so: an index into [`Advisories::sources`].
    pub source: u16,
}

/// Which versions of a package have a vulnerability.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict<'a> {
    /// Those in any of these ranges, and these.
    Affected {
        /// Ranges of versions, in the order of the source.
        ranges: Vec<Range<'a>>,
        /// Single versions.
        versions: BTreeSet<Cow<'a, str>>,
    },
    /// None: the source says that it never was there.
    NotAffected,
    /// Nobody knows yet. Neither a finding nor a reason to leave one out.
    Undetermined,
}

impl<'a> Verdict<'a> {
    /// Returns what "fixed in this version" means: all before have it.
    pub fn fixed_in(version: impl Into<Cow<'a, str>>) -> Self {
        Self::one(End::Fixed(version.into()))
    }

    /// Returns what "no version has a fix" means.
    pub fn open() -> Self {
        Self::one(End::Open)
    }

    fn one(end: End<'a>) -> Self {
        let ranges = vec![Range { introduced: None, end }];
        Self::Affected { ranges, versions: BTreeSet::new() }
    }
}

/// A range of versions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range<'a> {
    /// The first version that has it; `None` for all from the first one on.
    pub introduced: Option<Cow<'a, str>>,
    /// Where it ends.
    pub end: End<'a>,
}

/// Where a range of versions ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum End<'a> {
    /// Before this version, which has the fix.
    Fixed(Cow<'a, str>),
    /// With this version, whose successor is not said to be a fix.
    LastAffected(Cow<'a, str>),
    /// Nowhere yet.
    Open,
}

/// What a distribution decided to do about a vulnerability. It never changes who is affected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decision<'a> {
    /// What.
    pub kind: DecisionKind,
    /// Why, in its words; empty if it does not say.
    pub reason: Cow<'a, str>,
}

/// What a distribution can decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DecisionKind {
    /// No announcement of its own; a fix may come with a point release.
    NoDsa,
    /// It will not be fixed in this release.
    Ignored,
    /// A fix waits for the next announcement.
    Postponed,
    /// The release has no support any more.
    EndOfLife,
    /// A fix is in the next point release.
    NextPointRelease,
}

/// How much a source says that a vulnerability matters in a package. Ordered: the later is worse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// It does not say.
    #[default]
    Unstated,
    /// Debian's "unimportant": no security problem as the package is built or used.
    Unimportant,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

/// How bad a vulnerability is. Ordered: the later is worse.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nobody says.
    #[default]
    Unknown,
    /// Nothing to fear.
    Negligible,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl Severity {
    /// All of them, the least first.
    pub const ALL: [Self; 6] =
        [Self::Unknown, Self::Negligible, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Returns its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Negligible => "negligible",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Returns the one of a word, in any case.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str().eq_ignore_ascii_case(word))
    }
}

/// What is known of a vulnerability wherever it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vulnerability<'a> {
    /// Its other names.
    pub aliases: BTreeSet<Cow<'a, str>>,
    /// CVSS vectors, the newest version of CVSS first; of one version the one of the CVE's own authority first.
    pub cvss: Vec<Cow<'a, str>>,
    /// What a source says in a word, where it gives no vector.
    pub severity: Severity,
    /// EPSS: the probability of an attack within 30 days, and how many have a lower one, both in millionths.
    pub epss: Option<Epss>,
    /// Since when it is known to be exploited, as days since 1970.
    pub exploited_since: Option<u32>,
    /// Whether ransomware uses it.
    pub in_ransomware: bool,
    /// When it was published, as days since 1970.
    pub published: Option<u32>,
    /// Whether it was withdrawn: it is no finding then.
    pub is_withdrawn: bool,
    /// A line about it.
    pub summary: Option<Cow<'a, str>>,
}

/// EPSS, in millionths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epss {
    /// The probability of an attack within 30 days.
    pub probability: u32,
    /// How many vulnerabilities have a lower one.
    pub percentile: u32,
}

/// A release of a distribution, or another space, that the data covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release<'a> {
    /// Which.
    pub space: Space,
    /// Its name: `trixie`; empty if it has none.
    pub codename: Cow<'a, str>,
    /// The last day with full support, as days since 1970.
    pub end_of_life: Option<u32>,
    /// The last day with long-term support.
    pub end_of_lts: Option<u32>,
}

/// How much support a distribution gives for a package; the greater, the less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Support {
    /// As for others, although a pattern of names says that it is less.
    Full,
    /// Less.
    Limited,
    /// None.
    Ended,
}

/// A package for which a distribution gives another support than for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupportLimit<'a> {
    /// The source package, or a pattern of names where [`SupportLimit::is_pattern`].
    pub package: Cow<'a, str>,
    /// Whether the name is a regular expression for whole names.
    pub is_pattern: bool,
    /// How much support there is.
    pub support: Support,
    /// Since when, as days since 1970.
    pub since: Option<u32>,
    /// Why, in the words of the distribution.
    pub reason: Cow<'a, str>,
}

/// Where data came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source<'a> {
    /// A short name: `debian-tracker`, `alpine-secdb:v3.22/main`, `osv:golang`, `kev`.
    pub name: Cow<'a, str>,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
    /// When the data was made, as far as the file or its server says so, as seconds since 1970.
    pub time: Option<i64>,
    /// How many records it gave.
    pub records: u32,
}

/// Whoever knows advisories: the database, or a test.
pub trait Advisories {
    /// Calls with each record about a package of a space, in the order of ids.
    fn each<'a>(&'a self, space: &Space, package: &str, record: &mut dyn FnMut(Advisory<'a>));

    /// Returns what is known of a vulnerability, by any name that a record has.
    fn vulnerability(&self, id: &str) -> Option<Vulnerability<'_>>;

    /// Returns the release, or `None` if there is no data about that space at all.
    fn release(&self, space: &Space) -> Option<Release<'_>>;

    /// Returns the packages of a release that have limited support.
    fn limits(&self, space: &Space) -> Vec<SupportLimit<'_>>;

    /// Returns where the data came from.
    fn sources(&self) -> Vec<Source<'_>>;
}

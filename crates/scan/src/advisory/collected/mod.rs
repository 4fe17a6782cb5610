// SPDX-License-Identifier: Apache-2.0
//! What all importers gave, before it is decided who is right.
//!
//! Nothing depends on the order of imports: what was said is kept with who said it, and [`Collected::content`] decides.

mod batch;
mod names;
mod resolve;

use std::collections::{BTreeMap, BTreeSet};

use super::{Decision, Epss, Severity, Space, SupportLimit, Urgency, Verdict};

pub(crate) use batch::Batch;
pub(crate) use resolve::is_less;

/// What importers gave, and what [`super::database::write`] takes.
#[derive(Debug, Clone, Default)]
pub struct Collected {
    /// In the order of imports.
    sources: Vec<SourceKey>,
    records: Vec<u32>,
    statements: BTreeMap<Place, Packages>,
    facts: BTreeMap<String, Facts>,
    /// Pairs of names of one vulnerability.
    links: BTreeSet<(String, String)>,
    /// Debian's releases by codename.
    releases: BTreeMap<String, DebianRelease>,
    limits: BTreeMap<Space, BTreeMap<String, SupportLimit<'static>>>,
}

/// By package, and by the id that the source has.
type Packages = BTreeMap<String, BTreeMap<String, Vec<Statement>>>;

/// A source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceKey {
    pub(crate) name: String,
    pub(crate) sha256: [u8; 32],
    pub(crate) time: Option<i64>,
}

/// Where a package is: Debian's own data has codenames only, whose numbers another source knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Space(Space),
    Codename(String),
}

/// Who is believed, the first above the later, for one package and one vulnerability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// The distribution's own data, made for machines.
    Distribution,
    /// Debian's list files, from which we compute what Debian computes.
    DistributionLists,
    /// A record of the ecosystem's own database: GO, RUSTSEC, PYSEC; or about one CVE of a distribution.
    Ecosystem,
    /// Anything else in OSV's format.
    Other,
}

/// What a source says of a package and a vulnerability.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Statement {
    pub(crate) rank: Rank,
    /// An index into [`Collected::sources`].
    pub(crate) source: usize,
    /// Other names that hold for this record alone.
    pub(crate) aliases: BTreeSet<String>,
    pub(crate) verdict: Verdict<'static>,
    pub(crate) decision: Option<Decision<'static>>,
    pub(crate) urgency: Urgency,
    pub(crate) announcements: BTreeSet<String>,
}

impl Statement {
    pub(crate) fn new(rank: Rank, verdict: Verdict<'static>) -> Self {
        Self {
            rank,
            source: 0,
            aliases: BTreeSet::new(),
            verdict,
            decision: None,
            urgency: Urgency::Unstated,
            announcements: BTreeSet::new(),
        }
    }
}

/// Who gives a CVSS vector, a summary or a word; the first is preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Authority {
    /// The one who assigned the CVE.
    Assigner,
    /// Who adds to CVE records.
    Publisher,
    /// NVD.
    Nvd,
    /// A database of an ecosystem or a distribution.
    Database,
}

/// What sources say of a vulnerability itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) cvss: BTreeSet<(Authority, String)>,
    pub(crate) severity: Option<(Authority, Severity)>,
    /// With the day of the scores: the latest counts.
    pub(crate) epss: Option<(i64, Epss)>,
    pub(crate) exploited_since: Option<u32>,
    pub(crate) in_ransomware: bool,
    pub(crate) published: Option<u32>,
    /// Its assigner rejected it.
    pub(crate) is_rejected: bool,
    /// Some database withdrew its record, and some has one that stands.
    pub(crate) is_withdrawn: bool,
    pub(crate) is_current: bool,
    pub(crate) summary: Option<(Authority, String)>,
}

impl Facts {
    /// Adds what others say; in any order it comes to the same.
    pub(crate) fn merge(&mut self, other: Self) {
        fn least<T: Ord>(left: Option<T>, right: Option<T>) -> Option<T> {
            match (left, right) {
                (Some(left), Some(right)) => Some(left.min(right)),
                (left, right) => left.or(right),
            }
        }
        self.cvss.extend(other.cvss);
        self.severity = match (self.severity, other.severity) {
            // Of one authority the worse word.
            (Some((left, mine)), Some((right, theirs))) if left == right => {
                Some((left, mine.max(theirs)))
            }
            (left, right) => least(left, right),
        };
        self.epss = self.epss.max(other.epss);
        self.exploited_since = least(self.exploited_since, other.exploited_since);
        self.in_ransomware |= other.in_ransomware;
        self.published = least(self.published, other.published);
        self.is_rejected |= other.is_rejected;
        self.is_withdrawn |= other.is_withdrawn;
        self.is_current |= other.is_current;
        self.summary = least(self.summary.take(), other.summary);
    }
}

/// A release of Debian, as distro-info has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DebianRelease {
    /// `13`, or `sid`.
    pub(crate) number: String,
    pub(crate) end_of_life: Option<u32>,
    pub(crate) end_of_lts: Option<u32>,
}

/// Numbers of releases that Debian's data has, for those who give no distro-info. What that says counts more.
const CODENAMES: [(&str, &str); 11] = [
    ("wheezy", "7"),
    ("jessie", "8"),
    ("stretch", "9"),
    ("buster", "10"),
    ("bullseye", "11"),
    ("bookworm", "12"),
    ("trixie", "13"),
    ("forky", "14"),
    ("duke", "15"),
    ("sid", "sid"),
    ("unstable", "sid"),
];

impl Collected {
    /// Starts with nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the codenames of releases that are known, from distro-info where it was imported.
    pub fn codenames(&self) -> BTreeSet<String> {
        let known = CODENAMES.iter().map(|(codename, _)| (*codename).to_owned());
        known.chain(self.releases.keys().cloned()).collect()
    }

    /// Returns codenames that nobody knows the numbers of, with how many records they have: those are in no database.
    pub fn unplaced(&self) -> BTreeMap<String, u32> {
        self.spaces().1
    }

    /// Returns the numbers of releases that are known, from distro-info where it was imported.
    pub(crate) fn numbers(&self) -> BTreeSet<String> {
        let known = CODENAMES.iter().map(|(_, number)| (*number).to_owned());
        known.chain(self.releases.values().map(|release| release.number.clone())).collect()
    }

    /// Returns the number of a release by its codename.
    fn number(&self, codename: &str) -> Option<String> {
        if let Some(release) = self.releases.get(codename) {
            return Some(release.number.clone());
        }
        let mut known = CODENAMES.iter().filter(|(name, _)| *name == codename);
        known.next().map(|(_, number)| (*number).to_owned())
    }

    /// Adds what an import gave. A source that is here already adds nothing.
    pub(crate) fn take(&mut self, batch: Batch) -> super::import::Imported {
        let (key, imported) = (batch.key, batch.imported);
        if self.sources.contains(&key) {
            return super::import::Imported { was_here: true, ..imported };
        }
        let source = self.sources.len();
        self.sources.push(key);
        self.records.push(imported.records);
        for (place, packages) in batch.statements {
            let here = self.statements.entry(place).or_default();
            for (package, ids) in packages {
                let here = here.entry(package).or_default();
                for (id, statements) in ids {
                    let here = here.entry(id).or_default();
                    here.extend(statements.into_iter().map(|one| Statement { source, ..one }));
                }
            }
        }
        for (id, facts) in batch.facts {
            self.facts.entry(id).or_default().merge(facts);
        }
        self.links.extend(batch.links);
        for (codename, release) in batch.releases {
            // Of two files the greater row, whichever came first.
            let here = self.releases.entry(codename).or_insert_with(|| release.clone());
            *here = release.max(here.clone());
        }
        for (space, limits) in batch.limits {
            let here = self.limits.entry(space).or_default();
            for (package, limit) in limits {
                let key = |limit: &SupportLimit<'_>| {
                    (limit.support, limit.since, limit.reason.clone().into_owned())
                };
                let here = here.entry(package).or_insert_with(|| limit.clone());
                if key(&limit) > key(here) {
                    *here = limit;
                }
            }
        }
        imported
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Records about one package, one row for each vulnerability, whatever names the sources give it.

use std::collections::{BTreeMap, BTreeSet};

use crate::advisory::{Advisories, Advisory, Decision, End, Range, Space, Urgency, Verdict};
use crate::version::{Version, VersionError};

use super::finding::{RecordOutcome, Warning};
use super::plan::Lookup;
use super::range::{Judgement, Own, judge};

/// The most names that are followed from a record: a vulnerability has five.
const NAMES_MAX: usize = 64;

/// Which rows are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Those that say something bad or unknown.
    Affected,
    /// All.
    All,
}

/// What all sources say of one vulnerability in one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its name: the CVE's if it has one.
    pub(crate) id: String,
    /// Its other names, as far as records say them.
    pub(crate) aliases: BTreeSet<String>,
    /// What is said, in the order of sources.
    pub(crate) records: Vec<Judged>,
}

/// A record, and what it means for the version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) id: String,
    pub(crate) source: u16,
    pub(crate) outcome: RecordOutcome,
    pub(crate) decision: Option<Decision<'static>>,
    pub(crate) urgency: Urgency,
    pub(crate) announcements: BTreeSet<String>,
    /// Aliases of the record alone.
    aliases: BTreeSet<String>,
}

impl Judged {
    pub(crate) fn is_affected(&self) -> bool {
        matches!(self.outcome, RecordOutcome::Affected(_))
    }

    /// Whether it says something bad or unknown.
    fn says(&self) -> bool {
        use RecordOutcome::{Affected, Uncompared, Undetermined};
        matches!(self.outcome, Affected(_) | Uncompared(_) | Undetermined)
    }
}

impl Row {
    pub(crate) fn is_affected(&self) -> bool {
        self.records.iter().any(Judged::is_affected)
    }

    /// Whether nobody says that it is affected, and somebody that it is not known.
    pub(crate) fn is_undetermined(&self) -> bool {
        let is = |record: &Judged| record.outcome == RecordOutcome::Undetermined;
        !self.is_affected() && self.records.iter().any(is)
    }

    /// Says if a version could not be compared and nothing else says that the package is affected.
    pub(super) fn warn(&self, what: &Lookup, warnings: &mut Vec<Warning>) {
        if self.is_affected() {
            return;
        }
        for record in &self.records {
            if let RecordOutcome::Uncompared(reason) = &record.outcome {
                warnings.push(Warning::Uncompared {
                    name: what.name.clone(),
                    version: what.version.clone(),
                    id: self.id.clone(),
                    reason: reason.clone(),
                });
            }
        }
    }
}

/// Returns whether a name is a CVE's.
pub(crate) fn is_cve(name: &str) -> bool {
    name.starts_with("CVE-")
}

/// Asks for all records about a package and makes rows of them, in the order of their names.
pub(crate) fn rows(advisories: &impl Advisories, what: &Lookup, wanted: Wanted) -> Vec<Row> {
    let mut records = Records::default();
    records.read(advisories, what);
    records.rows(advisories, what, wanted)
}

/// The records about the package that was looked up last. They are the same for all of its versions.
#[derive(Debug, Default)]
pub(super) struct Records<'a> {
    of: Option<(Space, String)>,
    all: Vec<Advisory<'a>>,
}

impl<'a> Records<'a> {
    /// Asks for those that are looked up, unless they are there.
    pub(super) fn read(&mut self, advisories: &'a impl Advisories, what: &Lookup) {
        if self.of.as_ref().is_some_and(|(space, name)| (space, name) == (&what.space, &what.name))
        {
            return;
        }
        self.of = Some((what.space.clone(), what.name.clone()));
        self.all.clear();
        advisories.each(&what.space, &what.name, &mut |record| self.all.push(record));
    }

    /// Makes rows of them for a version, in the order of their names.
    pub(super) fn rows(
        &self,
        advisories: &impl Advisories,
        what: &Lookup,
        wanted: Wanted,
    ) -> Vec<Row> {
        let mut judged = self.judged(what, wanted);
        judged.retain(|record| !is_withdrawn(advisories, &record.id, record.says()));
        let mut rows = unify(advisories, judged);
        rows.retain(|row| {
            (wanted == Wanted::All || row.records.iter().any(Judged::says))
                && !is_withdrawn(advisories, &row.id, true)
        });
        rows
    }

    /// Judges the version by all records, and returns those that can come to a row that is wanted.
    fn judged(&self, what: &Lookup, wanted: Wanted) -> Vec<Judged> {
        let own = Own::new(what.space.order(), &what.version);
        let judged: Vec<(&Advisory<'_>, Judgement)> =
            self.all.iter().map(|record| (record, judge(&own, &record.verdict))).collect();
        let says = |judgement: &Judgement| {
            use Judgement::{Affected, Uncompared, Undetermined};
            matches!(judgement, Affected(_) | Uncompared(_) | Undetermined)
        };
        let saying: BTreeSet<&str> = (judged.iter())
            .filter(|(_, judgement)| says(judgement))
            .map(|(record, _)| record.id.as_ref())
            .collect();
        // Most packages have nothing but what was fixed long ago. Records with the names of CVEs come to one row for each
        // name, so that what others say changes nothing; all else may be joined.
        let are_cves = self.all.iter().all(|record| is_cve(&record.id));
        let is_wanted = |record: &Advisory<'_>| match wanted {
            Wanted::All => true,
            Wanted::Affected if are_cves => saying.contains(record.id.as_ref()),
            Wanted::Affected => !saying.is_empty(),
        };
        (judged.into_iter())
            .filter(|(record, _)| is_wanted(record))
            .map(|(record, judgement)| judged_of(&own, record, judgement))
            .collect()
    }
}

fn is_withdrawn(advisories: &impl Advisories, id: &str, matters: bool) -> bool {
    matters && advisories.vulnerability(id).is_some_and(|known| known.is_withdrawn)
}

fn judged_of(own: &Own<'_>, record: &Advisory<'_>, judgement: Judgement) -> Judged {
    let outcome = match judgement {
        Judgement::Affected(ranges) => RecordOutcome::Affected(ranges),
        Judgement::NotAffected => RecordOutcome::NotAffected,
        Judgement::Undetermined => RecordOutcome::Undetermined,
        Judgement::Uncompared(error) => RecordOutcome::Uncompared(chain(&error)),
        Judgement::Outside => match fixed_by(own, &record.verdict) {
            Some(version) => RecordOutcome::Fixed(version),
            None => RecordOutcome::Outside,
        },
    };
    let owned = |names: &BTreeSet<std::borrow::Cow<'_, str>>| -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    };
    Judged {
        outcome,
        source: record.source,
        decision: record.decision.as_ref().map(|decision| Decision {
            kind: decision.kind,
            reason: decision.reason.to_string().into(),
        }),
        urgency: record.urgency,
        announcements: owned(&record.announcements),
        aliases: owned(&record.aliases),
        id: record.id.to_string(),
    }
}

/// Returns the fix that a version has which is in no range: the last before or at it.
fn fixed_by(own: &Own<'_>, verdict: &Verdict<'_>) -> Option<String> {
    let Verdict::Affected { ranges, .. } = verdict else { return None };
    let order = own.order;
    let own = own.version.as_ref().ok()?;
    let fixed = ranges.iter().filter_map(|Range { end, .. }| match end {
        End::Fixed(version) => {
            let is_before = Version::parse(order, version).ok()?.compare(own).is_le();
            is_before.then_some(version.as_ref())
        }
        _ => None,
    });
    super::range::greatest(order, fixed).map(str::to_owned)
}

fn chain(error: &VersionError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Joins records that are about one vulnerability.
///
/// A CVE is a row of its own, whoever lists two of them as names of one thing. Records without one belong to the rows
/// that have their names, and where there are none, together with those that share a name.
fn unify(advisories: &impl Advisories, judged: Vec<Judged>) -> Vec<Row> {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let mut nameless: Vec<(BTreeSet<String>, Judged)> = Vec::new();
    for record in judged {
        let (cves, others) = names(advisories, &record);
        if cves.is_empty() {
            nameless.push((others, record));
            continue;
        }
        for cve in cves {
            let row = rows.entry(cve.clone()).or_insert_with(|| Row {
                id: cve,
                aliases: BTreeSet::new(),
                records: Vec::new(),
            });
            row.aliases.extend(others.iter().cloned());
            row.records.push(record.clone());
        }
    }
    for (names, record) in together(nameless) {
        let mut is_known = false;
        for row in rows.values_mut().filter(|row| !row.aliases.is_disjoint(&names)) {
            is_known = true;
            row.aliases.extend(names.iter().cloned());
            row.records.extend(record.iter().cloned());
        }
        if !is_known && let Some(first) = record.first() {
            let id = first.id.clone();
            let aliases = names.into_iter().filter(|name| *name != id).collect();
            rows.insert(id.clone(), Row { id, aliases, records: record });
        }
    }
    let mut rows: Vec<Row> = rows.into_values().collect();
    for row in &mut rows {
        row.records.sort_by(|a, b| (a.source, &a.id).cmp(&(b.source, &b.id)));
    }
    rows
}

/// Returns the CVEs that a record is about, and its other names.
fn names(advisories: &impl Advisories, record: &Judged) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut cves = BTreeSet::new();
    let mut others = BTreeSet::new();
    if is_cve(&record.id) {
        cves.insert(record.id.clone());
        others.extend(record.aliases.iter().filter(|name| !is_cve(name)).cloned());
        if record.is_affected()
            && let Some(known) = advisories.vulnerability(&record.id)
        {
            let aliases = known.aliases.iter().filter(|name| !is_cve(name));
            others.extend(aliases.map(ToString::to_string));
        }
        return (cves, others);
    }
    let mut open: Vec<String> = record.aliases.iter().cloned().collect();
    open.push(record.id.clone());
    while let Some(name) = open.pop() {
        if is_cve(&name) {
            cves.insert(name);
            continue;
        }
        if others.len() >= NAMES_MAX || !others.insert(name.clone()) {
            continue;
        }
        if let Some(known) = advisories.vulnerability(&name) {
            open.extend(known.aliases.iter().map(ToString::to_string));
        }
    }
    (cves, others)
}

/// Joins records that share a name.
fn together(records: Vec<(BTreeSet<String>, Judged)>) -> Vec<(BTreeSet<String>, Vec<Judged>)> {
    let mut groups: Vec<(BTreeSet<String>, Vec<Judged>)> = Vec::new();
    for (mut names, record) in records {
        let mut all = vec![record];
        let (same, others): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|(own, _)| !own.is_disjoint(&names));
        groups = others;
        for (own, records) in same {
            names.extend(own);
            all.extend(records);
        }
        all.sort_by(|a, b| a.id.cmp(&b.id));
        groups.push((names, all));
    }
    groups
}

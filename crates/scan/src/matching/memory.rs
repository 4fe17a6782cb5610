// SPDX-License-Identifier: Apache-2.0
//! Advisories that are written down in a test.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::advisory::{
    Advisories, Advisory, Decision, DecisionKind, End, Range, Release, Source, Space, SupportLimit,
    Urgency, Verdict, Vulnerability,
};

/// Advisories in memory.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    records: BTreeMap<(Space, String), Vec<Advisory<'static>>>,
    known: BTreeMap<String, Vulnerability<'static>>,
    releases: BTreeMap<Space, Release<'static>>,
    limits: BTreeMap<Space, Vec<SupportLimit<'static>>>,
}

/// Makes a record: `<2` fixed in 2, `*` open, `!` not affected, `?` undetermined, `1..2`, `1..=2`, `=1`.
pub(crate) fn record(id: &str, verdict: &str) -> Advisory<'static> {
    let owned = |text: &str| Cow::Owned(text.to_owned());
    let mut ranges = Vec::new();
    let mut versions = BTreeSet::new();
    let verdict = match verdict {
        "!" => Verdict::NotAffected,
        "?" => Verdict::Undetermined,
        "*" => Verdict::open(),
        verdict => {
            for part in verdict.split(' ') {
                if let Some(fixed) = part.strip_prefix('<') {
                    ranges.push(Range { introduced: None, end: End::Fixed(owned(fixed)) });
                } else if let Some(version) = part.strip_prefix('=') {
                    versions.insert(owned(version));
                } else {
                    let (from, to) = part.split_once("..").unwrap();
                    let end = match to.strip_prefix('=') {
                        Some(last) => End::LastAffected(owned(last)),
                        None if to.is_empty() => End::Open,
                        None => End::Fixed(owned(to)),
                    };
                    let introduced = Some(owned(from)).filter(|from| !from.is_empty());
                    ranges.push(Range { introduced, end });
                }
            }
            Verdict::Affected { ranges, versions }
        }
    };
    Advisory {
        id: owned(id),
        aliases: BTreeSet::new(),
        verdict,
        decision: None,
        urgency: Urgency::Unstated,
        announcements: BTreeSet::new(),
        source: 0,
    }
}

/// Gives a record other names.
pub(crate) fn also(mut record: Advisory<'static>, aliases: &[&str]) -> Advisory<'static> {
    record.aliases.extend(aliases.iter().map(|alias| Cow::Owned((*alias).to_owned())));
    record
}

/// Gives a record a decision.
pub(crate) fn decided(
    record: Advisory<'static>,
    kind: DecisionKind,
    reason: &'static str,
) -> Advisory<'static> {
    Advisory { decision: Some(Decision { kind, reason: reason.into() }), ..record }
}

impl Memory {
    /// Has data about releases and languages.
    pub(crate) fn about(spaces: &[(&str, &'static str)]) -> Self {
        let mut memory = Self::default();
        for (text, codename) in spaces {
            let space: Space = text.parse().unwrap();
            let release = Release {
                space: space.clone(),
                codename: (*codename).into(),
                end_of_life: None,
                end_of_lts: None,
            };
            memory.releases.insert(space, release);
        }
        memory
    }

    pub(crate) fn with(mut self, space: &str, package: &str, record: Advisory<'static>) -> Self {
        let space: Space = space.parse().unwrap();
        assert!(self.releases.contains_key(&space), "{space}");
        let records = self.records.entry((space, package.to_owned())).or_default();
        records.push(record);
        records.sort_by(|a, b| a.id.cmp(&b.id));
        self
    }

    pub(crate) fn knowing(mut self, id: &str, known: Vulnerability<'static>) -> Self {
        self.known.insert(id.to_owned(), known);
        self
    }

    pub(crate) fn ending(mut self, space: &str, end_of_life: u32, end_of_lts: Option<u32>) -> Self {
        let release = self.releases.get_mut(&space.parse().unwrap()).unwrap();
        (release.end_of_life, release.end_of_lts) = (Some(end_of_life), end_of_lts);
        self
    }

    pub(crate) fn limiting(mut self, space: &str, limit: SupportLimit<'static>) -> Self {
        self.limits.entry(space.parse().unwrap()).or_default().push(limit);
        self
    }
}

impl Advisories for Memory {
    fn each<'a>(&'a self, space: &Space, package: &str, record: &mut dyn FnMut(Advisory<'a>)) {
        let found = self.records.get(&(space.clone(), package.to_owned()));
        found.into_iter().flatten().cloned().for_each(record);
    }

    fn vulnerability(&self, id: &str) -> Option<Vulnerability<'_>> {
        self.known.get(id).cloned()
    }

    fn release(&self, space: &Space) -> Option<Release<'_>> {
        self.releases.get(space).cloned()
    }

    fn limits(&self, space: &Space) -> Vec<SupportLimit<'_>> {
        self.limits.get(space).cloned().unwrap_or_default()
    }

    fn sources(&self) -> Vec<Source<'_>> {
        ["first", "second"]
            .map(|name| Source { name: name.into(), sha256: [0; 32], time: None, records: 0 })
            .into()
    }
}

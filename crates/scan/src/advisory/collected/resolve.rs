// SPDX-License-Identifier: Apache-2.0
//! Decides who is right.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use hardpan_package::apk::version::VersionRef as ApkVersion;
use hardpan_package::deb::version::VersionRef as DebVersion;

use super::names::Names;
use super::{Authority, Collected, DebianRelease, Facts, Place, Rank, Statement};
use crate::advisory::content::{Content, SpaceContent};
use crate::advisory::{
    Advisory, End, Order, Range, Release, Source, Space, Verdict, Vulnerability,
};

/// Statements about one package, by the name that the vulnerability is called by.
type Groups<'a> = BTreeMap<&'a str, Vec<(&'a str, &'a Statement)>>;

impl Collected {
    /// Returns what all sources come to.
    pub(crate) fn content(&self) -> Content<'_> {
        // What sources are called from now on.
        let mut sorted: Vec<usize> = (0..self.sources.len()).collect();
        sorted.sort_by_key(|index| {
            let key = &self.sources[*index];
            // Of two files of one source the newer one counts more.
            (&key.name, Reverse(key.time), &key.sha256)
        });
        let mut places = vec![0; sorted.len()];
        for (place, index) in sorted.iter().enumerate() {
            places[*index] = place;
        }
        let sources = sorted.iter().map(|index| {
            let key = &self.sources[*index];
            let name = Cow::Borrowed(key.name.as_str());
            Source { name, sha256: key.sha256, time: key.time, records: self.records[*index] }
        });
        let names = Names::new(&self.links);
        let (spaces, _) = self.spaces();
        let mut content = Content { sources: sources.collect(), ..Content::default() };
        let mut wanted = BTreeSet::new();
        for (space, parts) in spaces {
            let mut packages = BTreeMap::new();
            for (package, groups) in groups(&parts, &names) {
                let mut records = BTreeMap::new();
                for (called, statements) in groups {
                    let mut advisory = advisory(&space, called, &statements, &places);
                    advisory.aliases.retain(|alias| names.called(alias) != called);
                    wanted.insert(called);
                    wanted.extend(
                        statements.iter().flat_map(|(_, one)| &one.aliases).map(String::as_str),
                    );
                    records.insert(Cow::Borrowed(called), advisory);
                }
                packages.insert(Cow::Borrowed(package), records);
            }
            let limits = self.limits.get(&space).into_iter().flat_map(|limits| limits.values());
            let limits = limits.cloned().collect();
            let part = SpaceContent { release: self.release(&space), limits, packages };
            content.spaces.insert(space.to_string(), part);
        }
        content.vulnerabilities = self.vulnerabilities(&names, &wanted);
        content
    }

    /// Returns statements by space, and the codenames whose numbers nobody knows, with how many they have.
    pub(super) fn spaces(&self) -> (BTreeMap<Space, Vec<&super::Packages>>, BTreeMap<String, u32>) {
        let mut spaces: BTreeMap<Space, Vec<&super::Packages>> = BTreeMap::new();
        let mut homeless = BTreeMap::new();
        for (place, packages) in &self.statements {
            let space = match place {
                Place::Space(space) => Some(space.clone()),
                Place::Codename(codename) => self.number(codename).map(Space::Debian),
            };
            match (space, place) {
                (Some(space), _) => spaces.entry(space).or_default().push(packages),
                (None, Place::Codename(codename)) => {
                    let count = packages.values().map(BTreeMap::len).sum::<usize>();
                    let count = u32::try_from(count).unwrap_or(u32::MAX);
                    homeless.insert(codename.clone(), count);
                }
                (None, Place::Space(_)) => {}
            }
        }
        (spaces, homeless)
    }

    fn release(&self, space: &Space) -> Release<'_> {
        let mut release = Release {
            space: space.clone(),
            codename: Cow::Borrowed(""),
            end_of_life: None,
            end_of_lts: None,
        };
        let Space::Debian(number) = space else { return release };
        let is_it = |(_, known): &(&String, &DebianRelease)| known.number == *number;
        if let Some((codename, known)) = self.releases.iter().find(is_it) {
            release.codename = Cow::Borrowed(codename);
            release.end_of_life = known.end_of_life;
            release.end_of_lts = known.end_of_lts;
        } else if let Some((codename, _)) =
            super::CODENAMES.iter().find(|(_, known)| known == number)
        {
            release.codename = Cow::Borrowed(codename);
        }
        release
    }

    /// Returns what is known of vulnerabilities that a record is about.
    fn vulnerabilities<'a>(
        &'a self,
        names: &Names<'a>,
        wanted: &BTreeSet<&'a str>,
    ) -> BTreeMap<Cow<'a, str>, Vulnerability<'a>> {
        let mut merged: BTreeMap<&str, Facts> = BTreeMap::new();
        for (id, facts) in &self.facts {
            let called = names.called(id);
            // A record that was withdrawn, and that nothing else is about, can be asked for by its name.
            if wanted.contains(called) || facts.is_withdrawn {
                merged.entry(called).or_default().merge(facts.clone());
            }
        }
        for called in wanted {
            if names.others(called).next().is_some() {
                merged.entry(called).or_default();
            }
        }
        let known = merged.into_iter().map(|(called, facts)| {
            let aliases = names.others(called).map(Cow::Borrowed).collect();
            let has_records = wanted.contains(called);
            (Cow::Borrowed(called), vulnerability(facts, aliases, has_records))
        });
        known.collect()
    }
}

fn vulnerability<'a>(
    facts: Facts,
    aliases: BTreeSet<Cow<'a, str>>,
    has_records: bool,
) -> Vulnerability<'a> {
    let mut cvss: Vec<(Reverse<&str>, Authority, &str)> = facts
        .cvss
        .iter()
        .map(|(authority, vector)| (Reverse(version_of_cvss(vector)), *authority, vector.as_str()))
        .collect();
    cvss.sort_unstable();
    let mut vectors: Vec<Cow<'a, str>> = Vec::new();
    for (_, _, vector) in cvss {
        if !vectors.iter().any(|known| known == vector) {
            vectors.push(Cow::Owned(vector.to_owned()));
        }
    }
    Vulnerability {
        aliases,
        cvss: vectors,
        severity: facts.severity.map(|(_, severity)| severity).unwrap_or_default(),
        epss: facts.epss.map(|(_, epss)| epss),
        exploited_since: facts.exploited_since,
        in_ransomware: facts.in_ransomware,
        published: facts.published,
        is_withdrawn: facts.is_rejected
            || (facts.is_withdrawn && !facts.is_current && !has_records),
        summary: facts.summary.map(|(_, summary)| Cow::Owned(summary)),
    }
}

/// Returns `4.0` of `CVSS:4.0/AV:…`; vectors of version 2 have none.
fn version_of_cvss(vector: &str) -> &str {
    let rest = vector.strip_prefix("CVSS:").unwrap_or("2.0/");
    rest.split('/').next().unwrap_or_default()
}

/// Sorts statements of several sources by package and vulnerability.
fn groups<'a>(parts: &[&'a super::Packages], names: &Names<'a>) -> BTreeMap<&'a str, Groups<'a>> {
    let mut packages: BTreeMap<&str, Groups<'_>> = BTreeMap::new();
    for part in parts {
        for (package, ids) in *part {
            let groups = packages.entry(package).or_default();
            for (id, statements) in ids {
                let group = groups.entry(names.called(id)).or_default();
                group.extend(statements.iter().map(|one| (id.as_str(), one)));
            }
        }
    }
    packages
}

/// Makes one record of what all say of one vulnerability in one package.
fn advisory<'a>(
    space: &Space,
    called: &'a str,
    statements: &[(&'a str, &'a Statement)],
    places: &[usize],
) -> Advisory<'a> {
    let mut sorted: Vec<&(&str, &Statement)> = statements.iter().collect();
    sorted.sort_by_key(|(id, one)| (one.rank, places[one.source], *id, *one));
    let (_, first) = sorted[0];
    let mut verdict = first.verdict.clone();
    let mut urgency = first.urgency;
    let mut decision = first.decision.clone();
    let equals = sorted.iter().skip(1).filter(|(_, one)| one.rank == first.rank);
    for (_, other) in equals {
        verdict = both(space.order(), first.rank, verdict, &other.verdict);
        urgency = urgency.max(other.urgency);
        decision = decision.or_else(|| other.decision.clone());
    }
    let owned = |text: &'a String| Cow::Borrowed(text.as_str());
    let own_aliases = sorted.iter().flat_map(|(_, one)| &one.aliases).map(owned);
    Advisory {
        id: Cow::Borrowed(called),
        aliases: own_aliases.collect(),
        verdict,
        decision,
        urgency,
        announcements: sorted.iter().flat_map(|(_, one)| &one.announcements).map(owned).collect(),
        source: u16::try_from(places[first.source]).unwrap_or(u16::MAX),
    }
}

/// Joins what two sources of the same rank say: whoever says affected is believed.
fn both(
    order: Order,
    rank: Rank,
    one: Verdict<'static>,
    other: &Verdict<'static>,
) -> Verdict<'static> {
    match (one, other) {
        (
            Verdict::Affected { ranges: mut left, versions: mut left_versions },
            Verdict::Affected { ranges: right, versions: right_versions },
        ) => {
            if rank == Rank::Distribution
                && let (
                    [Range { introduced: None, end: End::Fixed(a) }],
                    [Range { introduced: None, end: End::Fixed(b) }],
                ) = (left.as_slice(), right.as_slice())
            {
                return Verdict::fixed_in(if is_less(order, a, b) { b.clone() } else { a.clone() });
            }
            left.extend(right.iter().cloned());
            left.sort_unstable();
            left.dedup();
            left_versions.extend(right_versions.iter().cloned());
            Verdict::Affected { ranges: left, versions: left_versions }
        }
        (one @ Verdict::Affected { .. }, _) => one,
        (_, other @ Verdict::Affected { .. }) => other.clone(),
        (Verdict::Undetermined, _) | (_, Verdict::Undetermined) => Verdict::Undetermined,
        (Verdict::NotAffected, Verdict::NotAffected) => Verdict::NotAffected,
    }
}

/// Whether a version of a distribution's package is before another. What can't be read is before all.
pub(crate) fn is_less(order: Order, one: &str, other: &str) -> bool {
    if order == Order::Deb {
        let [one, other] = [one, other].map(|text| DebVersion::parse(text).ok());
        return one < other;
    }
    let [one, other] = [one, other].map(|text| ApkVersion::of_package(text).ok());
    one < other
}

// SPDX-License-Identifier: Apache-2.0
//! Records in the OSV format: one, several, or an archive of them.
//!
//! A record about one CVE of a distribution (`DEBIAN-CVE-…`, `upstream`) is about that CVE. An announcement of a
//! distribution (`DSA-…`) is about each CVE that it names. Others keep their name, and `aliases` say which are the same.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::parts::Parts;
use super::{ImportError, Imported, Input, debian_tracker, text};
use crate::advisory::collected::{Authority, Collected, Facts, Place, Rank, Statement};
use crate::advisory::{End, Range, Space, Verdict};

const EXPECTED: &str = "a record in the OSV format";

#[derive(Deserialize)]
struct Record {
    id: String,
    #[serde(default, deserialize_with = "list")]
    aliases: Vec<String>,
    #[serde(default, deserialize_with = "list")]
    upstream: Vec<String>,
    modified: Option<String>,
    published: Option<String>,
    withdrawn: Option<String>,
    summary: Option<String>,
    details: Option<String>,
    #[serde(default, deserialize_with = "list")]
    severity: Vec<SeverityEntry>,
    #[serde(default, deserialize_with = "list")]
    affected: Vec<Affected>,
    #[serde(default)]
    database_specific: Value,
}

#[derive(Deserialize)]
struct SeverityEntry {
    #[serde(default)]
    score: Value,
}

#[derive(Deserialize)]
struct Affected {
    #[serde(default)]
    package: Package,
    #[serde(default, deserialize_with = "list")]
    severity: Vec<SeverityEntry>,
    #[serde(default, deserialize_with = "list")]
    ranges: Vec<Ranges>,
    #[serde(default, deserialize_with = "list")]
    versions: Vec<String>,
    #[serde(default)]
    ecosystem_specific: Value,
    #[serde(default)]
    database_specific: Value,
}

#[derive(Default, Deserialize)]
struct Package {
    #[serde(default)]
    ecosystem: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Ranges {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default, deserialize_with = "list")]
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
}

/// Reads a list. Some databases write `null` where there is nothing.
fn list<'de, T: Deserialize<'de>, D: Deserializer<'de>>(reader: D) -> Result<Vec<T>, D::Error> {
    Option::<Vec<T>>::deserialize(reader).map(Option::unwrap_or_default)
}

/// Adds a record, or an archive of them: `all.zip` of an ecosystem.
pub fn import<'a>(
    input: impl Into<Input<'a>>,
    collected: &mut Collected,
) -> Result<Imported, ImportError> {
    let mut parts = Parts::osv();
    parts.add(input)?;
    Ok(parts.finish(collected))
}

/// Reads a record.
pub(super) fn read(bytes: &[u8], parts: &mut Parts) -> Result<(), ImportError> {
    let record: Record = serde_json::from_slice(bytes)
        .map_err(|source| ImportError::Json { expected: EXPECTED, source })?;
    parts.read(&record)
}

/// What a record's name says.
struct Named<'r> {
    /// What it is about.
    ids: Vec<&'r str>,
    rank: Rank,
    announcement: Option<&'r str>,
}

impl Parts {
    fn read(&mut self, record: &Record) -> Result<(), ImportError> {
        if !text::is_id(&record.id) {
            self.batch.skip("not a vulnerability's name", || record.id.clone());
            return Ok(());
        }
        self.changed(&record.id, record.modified.as_deref());
        let named = named(record);
        if record.withdrawn.is_some() {
            self.batch.skip("withdrawn", || record.id.clone());
            let facts = Facts { is_withdrawn: true, ..Facts::default() };
            return self.batch.know(&record.id, facts);
        }
        let is_own = named.ids == [record.id.as_str()];
        if is_own {
            let aliases = record.aliases.iter().chain(&record.upstream);
            for alias in aliases.filter(|alias| text::is_id(alias)) {
                self.batch.link(&record.id, alias);
            }
        }
        let facts = facts(record);
        for id in &named.ids {
            self.batch.know(id, facts.clone())?;
        }
        for affected in &record.affected {
            self.read_affected(record, &named, affected)?;
        }
        Ok(())
    }

    fn read_affected(
        &mut self,
        record: &Record,
        named: &Named<'_>,
        affected: &Affected,
    ) -> Result<(), ImportError> {
        let Package { ecosystem, name } = &affected.package;
        let shown = || format!("{} {ecosystem} {name}", record.id);
        let Some(space) = space(ecosystem) else {
            self.batch.skip("another ecosystem", shown);
            return Ok(());
        };
        let name = name_in(&space, name);
        if !text::is_package(&name) {
            self.batch.skip("not a package's name", shown);
            return Ok(());
        }
        let informational = affected.database_specific["informational"].as_str();
        if informational.is_some_and(|kind| kind != "unsound") {
            self.batch.skip("only for information", shown);
            return Ok(());
        }
        let Some(verdict) = self.verdict(affected, &shown) else {
            self.batch.skip("no versions", shown);
            return Ok(());
        };
        let word = space.to_string();
        self.ecosystems.insert(word.split(':').next().unwrap_or_default().to_owned());
        let place = Place::Space(space);
        let urgency = affected.ecosystem_specific["urgency"].as_str();
        for id in &named.ids {
            let mut statement = Statement::new(named.rank, verdict.clone());
            statement.urgency = urgency.and_then(debian_tracker::urgency).unwrap_or_default();
            statement.announcements.extend(named.announcement.map(str::to_owned));
            self.batch.say(&place, &name, id, statement)?;
        }
        Ok(())
    }

    fn verdict(
        &mut self,
        affected: &Affected,
        shown: &dyn Fn() -> String,
    ) -> Option<Verdict<'static>> {
        let mut ranges = Vec::new();
        let of_versions = affected.ranges.iter().filter(|ranges| ranges.kind != "GIT");
        for part in of_versions {
            match read_ranges(&part.events) {
                Some(mut read) => ranges.append(&mut read),
                None => self.batch.skip("a range that makes no sense", shown),
            }
        }
        // Where there are ranges, the list has the same versions again, one by one.
        let listed = if ranges.is_empty() { affected.versions.as_slice() } else { &[] };
        let versions: BTreeSet<_> = listed
            .iter()
            .filter(|version| text::is_version(version))
            .map(|version| version.clone().into())
            .collect();
        let is_empty = ranges.is_empty() && versions.is_empty();
        (!is_empty).then_some(Verdict::Affected { ranges, versions })
    }
}

fn named(record: &Record) -> Named<'_> {
    let cves = || {
        let names = record.upstream.iter().chain(&record.aliases);
        let mut cves: Vec<&str> =
            names.map(String::as_str).filter(|name| text::is_cve(name)).collect();
        cves.sort_unstable();
        cves.dedup();
        cves
    };
    let id = record.id.as_str();
    let of_one_cve = ["DEBIAN-", "ALPINE-"].iter().find_map(|prefix| id.strip_prefix(prefix));
    if let Some(cve) = of_one_cve.filter(|id| text::is_id(id)) {
        return Named { ids: vec![cve], rank: Rank::Ecosystem, announcement: None };
    }
    if id.starts_with("DSA-") || id.starts_with("DLA-") {
        let cves = cves();
        if !cves.is_empty() {
            return Named { ids: cves, rank: Rank::Other, announcement: Some(id) };
        }
    }
    let is_ecosystem = ["GO-", "RUSTSEC-", "PYSEC-"].iter().any(|prefix| id.starts_with(prefix));
    let rank = if is_ecosystem { Rank::Ecosystem } else { Rank::Other };
    Named { ids: vec![id], rank, announcement: None }
}

fn facts(record: &Record) -> Facts {
    let entries = record.affected.iter().flat_map(|affected| &affected.severity);
    let scores = record.severity.iter().chain(entries).filter_map(|entry| entry.score.as_str());
    let vectors = scores.filter(|score| text::is_cvss(score));
    let word = record.database_specific["severity"].as_str().and_then(text::severity);
    let summary = record.summary.as_deref().filter(|summary| !summary.trim().is_empty());
    let summary = summary.or(record.details.as_deref()).and_then(text::summary);
    Facts {
        cvss: vectors.map(|vector| (Authority::Database, vector.to_owned())).collect(),
        severity: word.map(|word| (Authority::Database, word)),
        published: record.published.as_deref().and_then(text::day),
        is_current: true,
        summary: summary.map(|summary| (Authority::Database, summary)),
        ..Facts::default()
    }
}

/// Returns where packages of an ecosystem are. Of a distribution's that names no release nobody knows the release.
fn space(ecosystem: &str) -> Option<Space> {
    let (name, release) = ecosystem.split_once(':').unwrap_or((ecosystem, ""));
    let space = match (name, release) {
        ("Debian", release) => return format!("debian:{release}").parse().ok(),
        ("Alpine", release) => {
            let release = release.strip_prefix('v').unwrap_or(release);
            return format!("alpine:{release}").parse().ok();
        }
        ("Wolfi", "") => Space::Wolfi,
        ("Go", "") => Space::Golang,
        ("PyPI", "") => Space::Pypi,
        ("npm", "") => Space::Npm,
        ("crates.io", "") => Space::Cargo,
        ("Maven", "") => Space::Maven,
        _ => return None,
    };
    Some(space)
}

/// Returns a package's name as it is looked up: of Python in small letters, with `-` for all that stands between words.
fn name_in(space: &Space, name: &str) -> String {
    if *space != Space::Pypi {
        return name.to_owned();
    }
    let words = name.split(['-', '_', '.']).filter(|word| !word.is_empty());
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("-")
}

/// Makes ranges of events: `introduced` begins one, `fixed` and `last_affected` end it. `None` if they don't go together.
fn read_ranges(events: &[Event]) -> Option<Vec<Range<'static>>> {
    let starts: Vec<&String> =
        events.iter().filter_map(|event| event.introduced.as_ref()).collect();
    let ends = events.iter().filter_map(|event| {
        let fixed = event.fixed.as_ref().map(|version| End::Fixed(version.clone().into()));
        fixed.or_else(|| Some(End::LastAffected(event.last_affected.clone()?.into())))
    });
    let ends: Vec<End<'static>> = ends.collect();
    let is_end = |end: &End<'_>| match end {
        End::Fixed(version) | End::LastAffected(version) => text::is_version(version),
        End::Open => true,
    };
    // All but the last must end, or it is not known which does.
    let is_whole =
        !starts.is_empty() && (starts.len() == ends.len() || starts.len() == ends.len() + 1);
    if !is_whole || !ends.iter().all(is_end) || !starts.iter().all(|start| text::is_version(start))
    {
        return None;
    }
    let mut ends = ends.into_iter();
    let ranges = starts.into_iter().map(|start| Range {
        introduced: (start != "0").then(|| start.clone().into()),
        end: ends.next().unwrap_or(End::Open),
    });
    Some(ranges.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_of_ecosystems() {
        for (ecosystem, expected) in [
            ("Debian:12", Some("debian:12")),
            ("Alpine:v3.22", Some("alpine:3.22")),
            ("Alpine:edge", Some("alpine:edge")),
            ("Wolfi", Some("wolfi")),
            ("Go", Some("golang")),
            ("PyPI", Some("pypi")),
            ("npm", Some("npm")),
            ("crates.io", Some("cargo")),
            ("Maven", Some("maven")),
            // Nobody knows which release, or nothing is known of it.
            ("Debian", None),
            ("Alpine", None),
            ("Ubuntu:24.04", None),
            ("Maven:https://example.org", None),
            ("go", None),
            ("", None),
        ] {
            assert_eq!(
                space(ecosystem).map(|space| space.to_string()).as_deref(),
                expected,
                "{ecosystem}"
            );
        }
        assert_eq!(name_in(&Space::Pypi, "Foo__Bar.baz"), "foo-bar-baz");
        assert_eq!(name_in(&Space::Npm, "@Foo/Bar_baz"), "@Foo/Bar_baz");
    }

    #[test]
    fn ranges_of_events() {
        let read = |events: &str| {
            let events: Vec<Event> = serde_json::from_str(events).unwrap();
            read_ranges(&events)
        };
        let range = |introduced: Option<&'static str>, end| Range {
            introduced: introduced.map(Into::into),
            end,
        };
        let fixed = |version: &'static str| End::Fixed(version.into());
        for (events, expected) in [
            (r#"[{"introduced":"0"}]"#, vec![range(None, End::Open)]),
            (r#"[{"introduced":"0"},{"fixed":"1.2"}]"#, vec![range(None, fixed("1.2"))]),
            (r#"[{"fixed":"1.2"},{"introduced":"0"}]"#, vec![range(None, fixed("1.2"))]),
            (
                r#"[{"introduced":"1"},{"last_affected":"1.2"}]"#,
                vec![range(Some("1"), End::LastAffected("1.2".into()))],
            ),
            (
                r#"[{"introduced":"0"},{"fixed":"1.2"},{"introduced":"2"},{"fixed":"2.1"},{"introduced":"3"}]"#,
                vec![
                    range(None, fixed("1.2")),
                    range(Some("2"), fixed("2.1")),
                    range(Some("3"), End::Open),
                ],
            ),
        ] {
            assert_eq!(read(events), Some(expected), "{events}");
        }
        for events in [
            "[]",
            r#"[{"fixed":"1"}]"#,
            r#"[{"limit":"1"}]"#,
            r#"[{"introduced":"0"},{"introduced":"1"},{"introduced":"2"}]"#,
            r#"[{"introduced":"0"},{"fixed":"1"},{"fixed":"2"}]"#,
            r#"[{"introduced":"a b"}]"#,
            r#"[{"introduced":"0"},{"fixed":""}]"#,
        ] {
            assert_eq!(read(events), None, "{events}");
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What is written is read, and what was not written is not.

use std::collections::BTreeMap;

use super::*;
use crate::advisory::Collected;
use crate::advisory::content::{Content, SpaceContent};
use crate::advisory::{
    Decision, DecisionKind, End, Epss, Range as VersionRange, Severity, Urgency, Verdict,
};

fn set(texts: &[&'static str]) -> std::collections::BTreeSet<Cow<'static, str>> {
    texts.iter().map(|text| Cow::Borrowed(*text)).collect()
}

fn advisory(id: &'static str, verdict: Verdict<'static>) -> Advisory<'static> {
    Advisory {
        id: id.into(),
        aliases: set(&[]),
        verdict,
        decision: None,
        urgency: Urgency::Unstated,
        announcements: set(&[]),
        source: 0,
    }
}

fn content() -> Content<'static> {
    content_with(300, 700)
}

/// One of everything, and some of the usual.
fn content_with(package_count: u32, vulnerability_count: u32) -> Content<'static> {
    let source =
        |name: &'static str, time| Source { name: name.into(), sha256: [7; 32], time, records: 3 };
    let mut content = Content {
        sources: vec![
            source("alpha", Some(1_756_141_459)),
            source("beta", None),
            source("old", Some(-1)),
        ],
        ..Content::default()
    };
    let decided = |kind, reason: &'static str| Some(Decision { kind, reason: reason.into() });
    let range = |introduced: Option<&'static str>, end| VersionRange {
        introduced: introduced.map(Cow::Borrowed),
        end,
    };
    let ranges = Verdict::Affected {
        ranges: vec![
            range(Some("1.0"), End::Fixed("1.2".into())),
            range(None, End::LastAffected("0.9".into())),
            range(Some("2"), End::Open),
        ],
        versions: set(&["3.1", "3.0"]),
    };
    let records = [
        advisory("CVE-2026-0001", Verdict::fixed_in("2.41-12+deb13u4")),
        Advisory {
            decision: decided(DecisionKind::NoDsa, "Minor issue"),
            urgency: Urgency::Unimportant,
            ..advisory("CVE-2026-0002", Verdict::open())
        },
        Advisory {
            announcements: set(&["DSA-6113-1", "DLA-4583-1"]),
            source: 2,
            ..advisory("CVE-2026-00021", Verdict::NotAffected)
        },
        Advisory {
            decision: decided(DecisionKind::NextPointRelease, ""),
            aliases: set(&["GHSA-vwqx-4fm8-6qc9"]),
            ..advisory("CVE-2026-0003", Verdict::Undetermined)
        },
        Advisory {
            source: 1,
            urgency: Urgency::Critical,
            ..advisory("TEMP-0000000-ABCDEF", ranges)
        },
        advisory("Z-1", Verdict::Affected { ranges: vec![], versions: set(&["1"]) }),
    ];
    let records: BTreeMap<_, _> = records.into_iter().map(|one| (one.id.clone(), one)).collect();
    let mut packages = BTreeMap::from([(Cow::Borrowed("glibc"), records)]);
    for number in 0..package_count {
        let id = format!("CVE-2025-{number:04}");
        let fixed = Verdict::fixed_in(format!("{number}.0-1"));
        let one = Advisory { id: id.clone().into(), ..advisory("", fixed) };
        packages.insert(format!("package-{number}").into(), BTreeMap::from([(id.into(), one)]));
    }
    for (text, codename) in [("debian:13", "trixie"), ("alpine:3.22", ""), ("debian:sid", "sid")] {
        let release = Release {
            space: text.parse().unwrap(),
            codename: codename.into(),
            end_of_life: (codename == "trixie").then_some(21_405),
            end_of_lts: (codename == "trixie").then_some(0),
        };
        let limits = limits(codename == "sid");
        let limits = if codename.is_empty() { vec![] } else { limits };
        let part = SpaceContent { release, limits, packages: packages.clone() };
        content.spaces.insert(text.to_owned(), part);
    }
    content.vulnerabilities = vulnerabilities(vulnerability_count);
    content
}

fn limits(is_sid: bool) -> Vec<SupportLimit<'static>> {
    let limit = |package: &'static str, support, since| SupportLimit {
        package: package.into(),
        is_pattern: support != Support::Full,
        support,
        since,
        reason: "See the notes".into(),
    };
    if is_sid {
        return vec![limit("golang.*", Support::Ended, Some(20_182))];
    }
    vec![limit("golang-1.24", Support::Full, None), limit("golang.*", Support::Limited, None)]
}

fn vulnerabilities(count: u32) -> BTreeMap<Cow<'static, str>, Vulnerability<'static>> {
    let full = Vulnerability {
        aliases: set(&["GHSA-aaaa-bbbb-cccc", "GO-2026-0001"]),
        cvss: vec![
            "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N".into(),
            "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H".into(),
            "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:P".into(),
        ],
        severity: Severity::Critical,
        epss: Some(Epss { probability: 430, percentile: 1_000_000 }),
        exploited_since: Some(20_325),
        in_ransomware: true,
        published: Some(20_000),
        is_withdrawn: false,
        summary: Some("Passing too large an alignment".into()),
    };
    let mut all = BTreeMap::from([(Cow::Borrowed("CVE-2026-0001"), full)]);
    for number in 0..count {
        let known = Vulnerability {
            severity: Severity::ALL[number as usize % 6],
            epss: number.is_multiple_of(3).then_some(Epss { probability: number, percentile: 0 }),
            published: Some(number),
            is_withdrawn: number.is_multiple_of(7),
            summary: (number > count / 2).then(|| format!("Summary of {number}").into()),
            ..Vulnerability::default()
        };
        all.insert(format!("CVE-2025-{number:04}").into(), known);
    }
    all
}

fn written() -> Vec<u8> {
    write::write_content(&content()).unwrap()
}

/// Reads all that a database has, through what everybody uses.
fn read<B: AsRef<[u8]>>(database: &Database<B>) -> Content<'static> {
    let mut content = Content::default();
    for source in database.sources() {
        let name = source.name.into_owned().into();
        content.sources.push(Source { name, ..source });
    }
    for space in database.spaces() {
        let release = Advisories::release(database, space).unwrap();
        let codename = release.codename.into_owned().into();
        let limits = Advisories::limits(database, space).into_iter().map(|limit| SupportLimit {
            package: limit.package.into_owned().into(),
            reason: limit.reason.into_owned().into(),
            ..limit
        });
        let mut part = SpaceContent {
            release: Release { codename, ..release },
            limits: limits.collect(),
            packages: BTreeMap::new(),
        };
        let mut names = Vec::new();
        database.packages(space, &mut |package| names.push(package.to_owned()));
        for package in names {
            let mut records = BTreeMap::new();
            database.each(space, &package, &mut |one| {
                records.insert(Cow::Owned(one.id.clone().into_owned()), owned(one));
            });
            part.packages.insert(package.into(), records);
        }
        content.spaces.insert(space.to_string(), part);
    }
    let mut ids = Vec::new();
    database.vulnerabilities(&mut |id| ids.push(id.to_owned()));
    for id in ids {
        let known = owned_vulnerability(database.vulnerability(&id).unwrap_or_default());
        content.vulnerabilities.insert(id.into(), known);
    }
    content
}

fn own(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

fn owned(one: Advisory<'_>) -> Advisory<'static> {
    let verdict = match one.verdict {
        Verdict::NotAffected => Verdict::NotAffected,
        Verdict::Undetermined => Verdict::Undetermined,
        Verdict::Affected { ranges, versions } => Verdict::Affected {
            ranges: ranges
                .into_iter()
                .map(|range| VersionRange {
                    introduced: range.introduced.map(own),
                    end: match range.end {
                        End::Open => End::Open,
                        End::Fixed(version) => End::Fixed(own(version)),
                        End::LastAffected(version) => End::LastAffected(own(version)),
                    },
                })
                .collect(),
            versions: versions.into_iter().map(own).collect(),
        },
    };
    Advisory {
        id: own(one.id),
        aliases: one.aliases.into_iter().map(own).collect(),
        verdict,
        decision: one
            .decision
            .map(|Decision { kind, reason }| Decision { kind, reason: own(reason) }),
        urgency: one.urgency,
        announcements: one.announcements.into_iter().map(own).collect(),
        source: one.source,
    }
}

fn owned_vulnerability(known: Vulnerability<'_>) -> Vulnerability<'static> {
    Vulnerability {
        aliases: known.aliases.into_iter().map(own).collect(),
        cvss: known.cvss.into_iter().map(own).collect(),
        summary: known.summary.map(own),
        severity: known.severity,
        epss: known.epss,
        exploited_since: known.exploited_since,
        in_ransomware: known.in_ransomware,
        published: known.published,
        is_withdrawn: known.is_withdrawn,
    }
}

#[test]
fn all_that_is_written_is_read() {
    let bytes = written();
    let database = Database::open(bytes.as_slice()).unwrap();
    database.verify_all().unwrap();
    assert_eq!(read(&database), content());
    assert_eq!(database.record_count(), 3 * 306);
    assert_eq!(write::write_content(&read(&database)).unwrap(), bytes);
}

#[test]
fn what_is_not_there_is_not_found() {
    let database = Database::open(written()).unwrap();
    let mut count = 0;
    for (space, package) in [
        (Space::Debian("12".to_owned()), "glibc"),
        (Space::Debian("13".to_owned()), "glib"),
        (Space::Debian("13".to_owned()), "glibcc"),
        (Space::Debian("13".to_owned()), ""),
        (Space::Pypi, "glibc"),
    ] {
        database.each(&space, package, &mut |_| count += 1);
    }
    assert_eq!(count, 0);
    assert_eq!(database.vulnerability("CVE-2026-000"), None);
    assert_eq!(database.release(&Space::Wolfi), None);
    assert!(database.limits(&Space::Wolfi).is_empty());
}

#[test]
fn a_vulnerability_is_found_by_any_name() {
    let database = Database::open(written()).unwrap();
    let by_alias = database.vulnerability("GO-2026-0001").unwrap();
    assert_eq!(by_alias.aliases, set(&["CVE-2026-0001", "GHSA-aaaa-bbbb-cccc"]));
    let by_id = database.vulnerability("CVE-2026-0001").unwrap();
    assert_eq!((by_alias.cvss, by_alias.epss), (by_id.cvss, by_id.epss));
}

#[test]
fn nothing_is_a_database_too() {
    let bytes = write(&Collected::new()).unwrap();
    let database = Database::open(&bytes).unwrap();
    database.verify_all().unwrap();
    assert_eq!(read(&database), Content::default());
    assert!(bytes.len() < 200, "{}", bytes.len());
}

#[test]
fn bytes_of_others_are_refused() {
    let good = written();
    let with = |place: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[place] = byte;
        bytes
    };
    let mut longer = good.clone();
    longer.push(0);
    for (bytes, expected) in [
        (vec![], "it is no advisory database"),
        (b"PK\x03\x04 and so on".to_vec(), "it is no advisory database"),
        (good[..8].to_vec(), "it is damaged (header): it ends too early"),
        (with(8, 2), "its format has version 2, and 1 is the one that is read here"),
        (with(12, 8), "it is damaged (header): it has another number of sections"),
        (with(20, !good[20]), "it is damaged (header): it was changed"),
        (with(55, 0xff), "it is damaged (header): a section ends after it"),
        (good[..good.len() - 1].to_vec(), "it is damaged (header): a section ends after it"),
        (longer, "it is damaged (header): it has more or fewer bytes than its sections"),
    ] {
        let error = Database::open(&bytes).map(|_| ()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

/// A generator of numbers that are the same each time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }
}

/// Computes the digests again, as an attacker would.
fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let (head, check) = (48 + 8 * 7, 8);
    if bytes.len() >= head + check {
        let digest = Digest::of(&bytes[head + check..]);
        bytes[16..48].copy_from_slice(digest.as_bytes());
        let digest = Digest::of(&bytes[..head]);
        bytes[head..head + check].copy_from_slice(&digest.as_bytes()[..check]);
    }
    bytes
}

#[test]
fn a_changed_byte_is_noticed_and_harms_nobody() {
    let good = write::write_content(&content_with(20, 30)).unwrap();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..3000 {
        let mut bytes = good.clone();
        let place = numbers.below(bytes.len());
        bytes[place] ^= u8::try_from(1 + numbers.below(255)).unwrap();
        if let Ok(database) = Database::open(&bytes) {
            assert!(database.verify_all().is_err(), "byte {place}");
        }
    }
}

#[test]
fn whatever_hostile_bytes_say_nothing_panics() {
    let good = write::write_content(&content_with(20, 30)).unwrap();
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    let (mut opened, mut verified) = (0, 0);
    for round in 0..4000 {
        let mut bytes = good.clone();
        for _ in 0..=numbers.below(4) {
            let place = if round % 2 == 0 {
                16 + numbers.below(bytes.len() - 16)
            } else {
                // Where the counts and lengths of sources and spaces are.
                100 + numbers.below(400)
            };
            bytes[place] = [0, 1, 0x7f, 0x80, 0xff, bytes[place].wrapping_add(1)][numbers.below(6)];
        }
        let Ok(database) = Database::open(sealed(bytes)) else { continue };
        opened += 1;
        verified += u32::from(database.verify_all().is_ok());
        read(&database);
    }
    // Else it would prove nothing.
    assert!(opened > 500 && verified > 50, "{opened} opened, {verified} verified");
}

#[test]
fn what_is_cut_off_is_noticed_wherever() {
    let good = written();
    for length in (0..good.len()).step_by(7) {
        assert!(Database::open(&good[..length]).is_err(), "{length}");
        // With lengths that fit: only the last section is shorter.
        let mut bytes = good[..length].to_vec();
        if length > 112 {
            let lengths: u64 = (0..6).map(|index| length_of(&bytes, index)).sum();
            if let Some(last) = (length as u64 - 112).checked_sub(lengths) {
                bytes[96..104].copy_from_slice(&last.to_le_bytes());
                assert!(Database::open(sealed(bytes)).is_err(), "{length}");
            }
        }
    }
}

fn length_of(bytes: &[u8], index: usize) -> u64 {
    let start = 48 + 8 * index;
    u64::from_le_bytes(bytes[start..start + 8].try_into().unwrap())
}

/// The same with some records more.
fn newer() -> Vec<u8> {
    let mut content = content();
    content.sources[0].time = Some(1_756_200_000);
    for number in 700..720 {
        let known = Vulnerability { summary: Some("New".into()), ..Vulnerability::default() };
        content.vulnerabilities.insert(format!("CVE-2025-{number:04}").into(), known);
    }
    write::write_content(&content).unwrap()
}

#[test]
fn a_delta_makes_the_new_of_the_old() {
    let (old, new) = (written(), newer());
    let delta = delta(&old, &new).unwrap();
    assert_eq!(apply(&old, &delta).unwrap(), new);
    assert!(delta.len() * 10 < new.len(), "{} of {}", delta.len(), new.len());
    let (same, back) = (super::delta(&old, &old).unwrap(), super::delta(&new, &old).unwrap());
    assert_eq!(apply(&old, &same).unwrap(), old);
    assert_eq!(apply(&new, &back).unwrap(), old);
    assert_eq!(delta, super::delta(&old, &new).unwrap());
}

#[test]
fn a_delta_of_others_is_refused() {
    let (old, new) = (written(), newer());
    let good = delta(&old, &new).unwrap();
    let with = |place: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[place] ^= byte;
        bytes
    };
    let other_base =
        format!("the difference is from {}, and not from {}", Digest::of(&old), Digest::of(&new));
    for (base, delta, expected) in [
        (&old, vec![], "it is no difference between advisory databases".to_owned()),
        (&old, old.clone(), "it is no difference between advisory databases".to_owned()),
        (
            &old,
            with(8, 3),
            "its format has version 2, and 1 is the one that is read here".to_owned(),
        ),
        (&old, good[..40].to_vec(), "it is damaged (delta): it ends too early".to_owned()),
        (&old, with(83, 1), format!("it has more than {} bytes", layout::BYTES_MAX)),
        (&old, good[..good.len() - 1].to_vec(), "can't compress or decompress".to_owned()),
        (&new, good.clone(), other_base),
    ] {
        assert_eq!(apply(base, &delta).unwrap_err().to_string(), expected);
    }
    for place in [44, 76] {
        assert!(
            matches!(apply(&old, &with(place, 1)), Err(DatabaseError::Changed { .. })),
            "{place}"
        );
    }
    assert!(matches!(delta(&old, b"no").unwrap_err(), DatabaseError::NotADatabase));
    let mut numbers = Numbers(77);
    for _ in 0..300 {
        let place = 84 + numbers.below(good.len() - 84);
        let flip = u8::try_from(1 + numbers.below(255)).unwrap();
        // A bit that the format of zstd leaves unused may make no difference.
        assert!(
            apply(&old, &with(place, flip)).is_ok_and(|made| made == new)
                || apply(&old, &with(place, flip)).is_err()
        );
    }
}

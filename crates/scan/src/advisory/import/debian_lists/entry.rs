// SPDX-License-Identifier: Apache-2.0
//! Records of the lists: a header, and indented lines below it.

use std::collections::BTreeSet;

use md5::{Digest as _, Md5};

use super::super::debian_tracker::urgency;
use super::super::{ImportError, text};
use crate::advisory::collected::{Batch, is_less};
use crate::advisory::{Decision, DecisionKind, Order, Urgency};

/// A record.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) description: String,
    /// Of an announcement, as days since 1970.
    pub(super) day: Option<u32>,
    /// What stands in braces.
    pub(super) names: Vec<String>,
    pub(super) notes: Vec<Note>,
    pub(super) is_rejected: bool,
    /// The first bug that a note names.
    bug: Option<u32>,
}

/// What a line says of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) package: String,
    /// Empty for sid.
    pub(super) release: String,
    pub(super) kind: NoteKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoteKind {
    /// It says which versions have it.
    Fix { fix: Fix, urgency: Urgency, decision: Option<Decision<'static>> },
    /// It says what is done about it, and nothing of versions.
    Decision(Decision<'static>),
}

/// Where a vulnerability is fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fix {
    In(String),
    Open,
    Never,
    Unknown,
}

impl Fix {
    /// Returns what two notes of one release come to.
    pub(super) fn worse(self, other: Self) -> Self {
        match (self, other) {
            (Self::Open, _) | (_, Self::Open) => Self::Open,
            (Self::In(one), Self::In(other)) => {
                Self::In(if is_less(Order::Deb, &one, &other) { other } else { one })
            }
            (version @ Self::In(_), _) | (_, version @ Self::In(_)) => version,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Never, Self::Never) => Self::Never,
        }
    }
}

/// Reads the first line of a record of `CVE/list`.
pub(super) fn cve_header(line: &str) -> Option<Entry> {
    let (id, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let is_temporary = id.strip_suffix("-XXXX").is_some_and(|start| {
        start
            .strip_prefix("CVE-")
            .is_some_and(|year| year.len() == 4 && year.parse::<u16>().is_ok())
    });
    if !text::is_cve(id) && !is_temporary && !id.starts_with("TEMP-") {
        return None;
    }
    let description = rest.trim();
    let inner = [('(', ')'), ('[', ']')].into_iter().find_map(|(open, close)| {
        description.strip_prefix(open).and_then(|rest| rest.strip_suffix(close))
    });
    let description = inner.unwrap_or(description).to_owned();
    Some(Entry { id: id.to_owned(), description, ..Entry::default() })
}

/// Reads the first line of an announcement: `[27 Jan 2026] DSA-6113-1 openssl - security update`.
pub(super) fn announcement_header(line: &str, prefix: &str) -> Option<Entry> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (date, rest) = line.strip_prefix('[')?.split_once(']')?;
    let mut parts = date.split(' ');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.iter().position(|known| *known == month)? + 1;
    let day = text::day(&format!("{year}-{month:02}-{day:0>2}"))?;
    let rest = rest.trim();
    let (id, description) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let is_id = id.strip_prefix(prefix).is_some_and(|rest| rest.split('-').all(is_number));
    let entry =
        Entry { id: id.to_owned(), description: description.trim().to_owned(), ..Entry::default() };
    (is_id && text::is_id(id)).then_some(Entry { day: Some(day), ..entry })
}

/// Reads all records of a list. What makes no sense in one is left out, and counted.
pub(super) fn records(
    list: &str,
    header: impl Fn(&str) -> Option<Entry>,
    codenames: &BTreeSet<String>,
    batch: &mut Batch,
) -> Result<Vec<Entry>, ImportError> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut is_known = false;
    for (index, line) in list.lines().enumerate() {
        let is_claim = line.starts_with("begin claimed") || line.starts_with("end claimed");
        if line.trim().is_empty() || line.starts_with("--") || line.starts_with("STOP:") || is_claim
        {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            // Of a record whose first line makes no sense nothing does.
            if let (true, Some(entry)) = (is_known, entries.last_mut()) {
                read_line(line.trim(), entry, codenames, batch, index + 1);
            }
            continue;
        }
        let found = header(line.trim_end());
        is_known = found.is_some();
        match found {
            Some(entry) => entries.push(entry),
            // It is another file.
            None if entries.is_empty() => {
                let text = line.chars().take(80).collect();
                return Err(ImportError::Line {
                    line: index + 1,
                    reason: "not a record of this list",
                    text,
                });
            }
            None => batch.skip("not a record", || format!("line {}: {line}", index + 1)),
        }
    }
    for entry in &mut entries {
        if entry.id.ends_with("-XXXX") {
            entry.id = temporary(entry.bug.unwrap_or_default(), &entry.description);
        }
    }
    Ok(entries)
}

/// Returns the name that the tracker gives to what has no CVE yet.
fn temporary(bug: u32, description: &str) -> String {
    let digest = Md5::digest(description.as_bytes());
    format!("TEMP-{bug:07}-{:02X}{:02X}{:02X}", digest[0], digest[1], digest[2])
}

fn read_line(
    line: &str,
    entry: &mut Entry,
    codenames: &BTreeSet<String>,
    batch: &mut Batch,
    number: usize,
) {
    let shown = || format!("line {number}: {line}");
    if let Some(names) = line.strip_prefix('{') {
        let names = names.trim_end_matches('}').split_whitespace();
        entry.names.extend(names.filter(|name| text::is_id(name)).map(str::to_owned));
    } else if line == "REJECTED" || line == "NOTE: rejected" {
        entry.is_rejected = true;
    } else if line.starts_with('-') || line.starts_with('[') {
        match note(line, codenames) {
            Ok(Some((note, bug))) => {
                entry.bug = entry.bug.or(bug);
                entry.notes.push(note);
            }
            Ok(None) => {}
            Err(reason) => batch.skip(reason, shown),
        }
    } else if !["NOTE:", "TODO:", "NOT-FOR-US:", "RESERVED", "begin claimed", "end claimed"]
        .iter()
        .any(|known| line.starts_with(known))
    {
        batch.skip("an unknown annotation", shown);
    }
}

/// Reads `[release] - package version (bug #1; low)`. Some notes are about nothing that a release has.
fn note(
    line: &str,
    codenames: &BTreeSet<String>,
) -> Result<Option<(Note, Option<u32>)>, &'static str> {
    let (release, rest) = match line.strip_prefix('[') {
        Some(rest) => {
            let (release, rest) = rest.split_once(']').ok_or("a note without a package")?;
            (release.trim(), rest.trim_start())
        }
        None => ("", line),
    };
    let rest = rest.strip_prefix('-').ok_or("a note without a package")?.trim_start();
    let (package, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if !text::is_package(package) {
        return Err("a note without a package");
    }
    if release == "experimental" {
        // Its versions come before those of sid, and say nothing of them.
        return Ok(None);
    }
    if !release.is_empty() && !codenames.contains(release) {
        return Err("a note about an unknown release");
    }
    let release = if release == "sid" || release == "unstable" { "" } else { release };
    let rest = rest.trim_start();
    let (version, comment) = match rest.find('(') {
        Some(start) => (rest[..start].trim(), rest[start + 1..].trim_end().trim_end_matches(')')),
        None => (rest.trim(), ""),
    };
    let (urgency, bug) = remarks(comment);
    let decided = |kind| Decision { kind, reason: text::reason(comment).into() };
    let fix = |fix| NoteKind::Fix { fix, urgency, decision: None };
    let kind = match version {
        "<itp>" => return Ok(None),
        "<unfixed>" | "<removed>" | "" => fix(Fix::Open),
        "<undetermined>" => fix(Fix::Unknown),
        "<not-affected>" | "0" => {
            NoteKind::Fix { fix: Fix::Never, urgency: Urgency::Unimportant, decision: None }
        }
        "<end-of-life>" => {
            let decision = Some(decided(DecisionKind::EndOfLife));
            NoteKind::Fix { fix: Fix::Open, urgency: Urgency::Unstated, decision }
        }
        "<no-dsa>" => NoteKind::Decision(decided(DecisionKind::NoDsa)),
        "<ignored>" => NoteKind::Decision(decided(DecisionKind::Ignored)),
        "<postponed>" => NoteKind::Decision(decided(DecisionKind::Postponed)),
        version if text::is_deb_version(version) => fix(Fix::In(version.to_owned())),
        _ => return Err("a note with what is no version"),
    };
    if matches!(kind, NoteKind::Decision(_)) && release.is_empty() {
        return Err("a decision about no release");
    }
    Ok(Some((Note { package: package.to_owned(), release: release.to_owned(), kind }, bug)))
}

/// Reads `bug #1126761; low`.
fn remarks(comment: &str) -> (Urgency, Option<u32>) {
    let mut found = (Urgency::Unstated, None);
    for remark in comment.split(';').map(str::trim).filter(|remark| !remark.is_empty()) {
        if let Some(bug) = remark.strip_prefix("bug #") {
            found.1 = found.1.or(bug.parse().ok());
        } else if let Some(urgency) = urgency(remark) {
            found.0 = found.0.max(urgency);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes() {
        let codenames: BTreeSet<String> = ["trixie", "sid"].map(str::to_owned).into();
        let fixed = |version: &str, urgency| {
            Some(NoteKind::Fix { fix: Fix::In(version.to_owned()), urgency, decision: None })
        };
        let plain = |fix, urgency| Some(NoteKind::Fix { fix, urgency, decision: None });
        let decision = |kind, reason: &'static str| Decision { kind, reason: reason.into() };
        for (line, release, expected) in [
            ("- glibc 2.40-6", "", fixed("2.40-6", Urgency::Unstated)),
            ("- glibc 2.40-6 (bug #1; low)", "", fixed("2.40-6", Urgency::Low)),
            (
                "[trixie] - glibc 1:2.40-6+deb13u1",
                "trixie",
                fixed("1:2.40-6+deb13u1", Urgency::Unstated),
            ),
            ("- glibc <unfixed> (unimportant)", "", plain(Fix::Open, Urgency::Unimportant)),
            ("- glibc <removed>", "", plain(Fix::Open, Urgency::Unstated)),
            ("- glibc <undetermined>", "", plain(Fix::Unknown, Urgency::Unstated)),
            (
                "[trixie] - glibc <not-affected> (Later)",
                "trixie",
                plain(Fix::Never, Urgency::Unimportant),
            ),
            (
                "[trixie] - glibc <postponed> (Minor issue; next time)",
                "trixie",
                Some(NoteKind::Decision(decision(
                    DecisionKind::Postponed,
                    "Minor issue; next time",
                ))),
            ),
            (
                "[trixie] - glibc <end-of-life> (No more)",
                "trixie",
                Some(NoteKind::Fix {
                    fix: Fix::Open,
                    urgency: Urgency::Unstated,
                    decision: Some(decision(DecisionKind::EndOfLife, "No more")),
                }),
            ),
            ("- glibc <itp> (bug #1)", "", None),
            ("[experimental] - glibc 9", "", None),
        ] {
            let note = note(line, &codenames).unwrap().map(|(note, _)| note);
            assert_eq!(note.as_ref().map(|note| &note.kind), expected.as_ref(), "{line}");
            assert!(note.is_none_or(|note| note.release == release), "{line}");
        }
        for (line, expected) in [
            ("-", "a note without a package"),
            ("[trixie - glibc 1", "a note without a package"),
            ("[trixie] glibc 1", "a note without a package"),
            ("[hamm] - glibc 1", "a note about an unknown release"),
            ("- glibc <no-dsa> (Minor issue)", "a decision about no release"),
            ("- glibc <fixed>", "a note with what is no version"),
            ("- glibc 1_2", "a note with what is no version"),
        ] {
            assert_eq!(note(line, &codenames), Err(expected), "{line}");
        }
    }

    #[test]
    fn headers() {
        let header = cve_header("CVE-2026-0861 (Passing too large ...)").unwrap();
        assert_eq!(
            (header.id.as_str(), header.description.as_str()),
            ("CVE-2026-0861", "Passing too large ...")
        );
        assert_eq!(cve_header("CVE-2026-XXXX [a (b)]").unwrap().description, "a (b)");
        for line in ["", "CVE-2026", "CVE-20266-XXXX [a]", "GHSA-1 (a)", "<html>"] {
            assert!(cve_header(line).is_none(), "{line}");
        }
        let read =
            |line: &str| announcement_header(line, "DSA-").map(|entry| (entry.id, entry.day));
        let expected = Some(("DSA-6113-1".to_owned(), Some(20_480)));
        assert_eq!(read("[27 Jan 2026] DSA-6113-1 openssl - security update"), expected);
        for line in [
            "[27 Jan 2026] DLA-6113-1 openssl - security update",
            "[27 Foo 2026] DSA-6113-1 openssl",
            "[32 Jan 2026] DSA-6113-1 openssl",
            "[27 Jan 2026 DSA-6113-1 openssl",
            "[27 Jan 2026] DSA-x openssl",
            "[27 Jan 2026]",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn names_of_what_has_no_cve() {
        // The first three bytes of MD5.
        assert_eq!(temporary(841_257, ""), "TEMP-0841257-D41D8C");
        assert_eq!(temporary(0, "abc"), "TEMP-0000000-900150");
    }
}

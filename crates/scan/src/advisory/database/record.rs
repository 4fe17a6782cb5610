// SPDX-License-Identifier: Apache-2.0
//! All records about one package.
//!
//! Versions, reasons and names that are no keys come first, each once; records name them by their places. So a package
//! is the same bytes whatever else is in the database.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::wire::{Reader, Reason, put_bytes, put_count, put_key, put_number};
use crate::advisory::{Advisory, Decision, DecisionKind, End, Range, Urgency, Verdict};

/// The most bytes of one package: Debian's kernel has ten thousand records with some 20 bytes each.
pub(super) const BYTES_MAX: usize = 8 << 20;

/// The kinds of a verdict, in the lowest bits of a record's flags.
const FIXED: u64 = 0;
const OPEN: u64 = 1;
const NOT_AFFECTED: u64 = 2;
const UNDETERMINED: u64 = 3;
const RANGES: u64 = 4;
const KIND_MASK: u64 = 7;
/// What else follows.
const HAS_DECISION: u64 = 1 << 3;
const HAS_URGENCY: u64 = 1 << 4;
const HAS_ANNOUNCEMENTS: u64 = 1 << 5;
/// It is of another source than the record before; the first one is compared with source 0.
const HAS_SOURCE: u64 = 1 << 6;
const HAS_ALIASES: u64 = 1 << 7;
const ALL: u64 = (1 << 8) - 1;

/// Where a range ends.
const END_OPEN: u8 = 0;
const END_FIXED: u8 = 1;
const END_LAST: u8 = 2;
const END_MASK: u8 = 3;
const HAS_INTRODUCED: u8 = 4;

/// Part of the format: numbers are places here.
const DECISIONS: [DecisionKind; 5] = [
    DecisionKind::NoDsa,
    DecisionKind::Ignored,
    DecisionKind::Postponed,
    DecisionKind::EndOfLife,
    DecisionKind::NextPointRelease,
];
const URGENCIES: [Urgency; 6] = [
    Urgency::Unstated,
    Urgency::Unimportant,
    Urgency::Low,
    Urgency::Medium,
    Urgency::High,
    Urgency::Critical,
];

/// Texts of a package.
struct Texts<'t> {
    places: BTreeMap<&'t str, usize>,
}

impl<'t> Texts<'t> {
    fn of(records: &'t BTreeMap<Cow<'_, str>, Advisory<'_>>) -> Self {
        let mut all: BTreeSet<&str> = BTreeSet::new();
        for record in records.values() {
            all.extend(record.aliases.iter().map(AsRef::as_ref));
            all.extend(record.announcements.iter().map(AsRef::as_ref));
            all.extend(record.decision.iter().map(|decision| decision.reason.as_ref()));
            if let Verdict::Affected { ranges, versions } = &record.verdict {
                all.extend(versions.iter().map(AsRef::as_ref));
                for range in ranges {
                    all.extend(range.introduced.as_deref());
                    match &range.end {
                        End::Fixed(version) | End::LastAffected(version) => {
                            all.insert(version);
                        }
                        End::Open => {}
                    }
                }
            }
        }
        Self { places: all.into_iter().zip(0..).collect() }
    }

    fn put(&self, bytes: &mut Vec<u8>, text: &str) {
        // All texts of the records are there.
        put_count(bytes, self.places.get(text).copied().unwrap_or_default());
    }

    fn put_all(&self, bytes: &mut Vec<u8>, texts: &BTreeSet<Cow<'_, str>>) {
        put_count(bytes, texts.len());
        for text in texts {
            self.put(bytes, text);
        }
    }
}

/// Returns the bytes of all records about a package.
pub(super) fn encode(records: &BTreeMap<Cow<'_, str>, Advisory<'_>>) -> Vec<u8> {
    let texts = Texts::of(records);
    let mut bytes = Vec::new();
    put_count(&mut bytes, texts.places.len());
    for text in texts.places.keys() {
        put_bytes(&mut bytes, text.as_bytes());
    }
    put_count(&mut bytes, records.len());
    let (mut previous, mut source) = ("", 0);
    for (id, record) in records {
        put_key(&mut bytes, previous, id);
        put_record(&mut bytes, &texts, record, source);
        (previous, source) = (id, record.source);
    }
    bytes
}

fn put_record(bytes: &mut Vec<u8>, texts: &Texts<'_>, record: &Advisory<'_>, source: u16) {
    let kind = match &record.verdict {
        Verdict::NotAffected => NOT_AFFECTED,
        Verdict::Undetermined => UNDETERMINED,
        Verdict::Affected { ranges, versions } => match ranges.as_slice() {
            [Range { introduced: None, end: End::Fixed(_) }] if versions.is_empty() => FIXED,
            [Range { introduced: None, end: End::Open }] if versions.is_empty() => OPEN,
            _ => RANGES,
        },
    };
    let mut flags = kind;
    for (is_there, flag) in [
        (record.decision.is_some(), HAS_DECISION),
        (record.urgency != Urgency::Unstated, HAS_URGENCY),
        (!record.announcements.is_empty(), HAS_ANNOUNCEMENTS),
        (record.source != source, HAS_SOURCE),
        (!record.aliases.is_empty(), HAS_ALIASES),
    ] {
        flags |= if is_there { flag } else { 0 };
    }
    put_number(bytes, flags);
    if let Verdict::Affected { ranges, versions } = &record.verdict {
        match (kind, ranges.as_slice()) {
            (FIXED, [Range { end: End::Fixed(version), .. }]) => texts.put(bytes, version),
            (RANGES, _) => {
                put_count(bytes, ranges.len());
                for range in ranges {
                    put_range(bytes, texts, range);
                }
                texts.put_all(bytes, versions);
            }
            _ => {}
        }
    }
    if let Some(decision) = &record.decision {
        bytes.push(number_of(&DECISIONS, &decision.kind));
        texts.put(bytes, &decision.reason);
    }
    if record.urgency != Urgency::Unstated {
        bytes.push(number_of(&URGENCIES, &record.urgency));
    }
    if !record.announcements.is_empty() {
        texts.put_all(bytes, &record.announcements);
    }
    if record.source != source {
        put_number(bytes, record.source.into());
    }
    if !record.aliases.is_empty() {
        texts.put_all(bytes, &record.aliases);
    }
}

fn put_range(bytes: &mut Vec<u8>, texts: &Texts<'_>, range: &Range<'_>) {
    let (end, version) = match &range.end {
        End::Open => (END_OPEN, None),
        End::Fixed(version) => (END_FIXED, Some(version)),
        End::LastAffected(version) => (END_LAST, Some(version)),
    };
    let introduced = if range.introduced.is_some() { HAS_INTRODUCED } else { 0 };
    bytes.push(end | introduced);
    for version in range.introduced.iter().chain(version) {
        texts.put(bytes, version);
    }
}

fn number_of<T: PartialEq>(all: &[T], one: &T) -> u8 {
    let place = all.iter().position(|known| known == one).unwrap_or_default();
    u8::try_from(place).unwrap_or_default()
}

/// Calls with each record about a package; of `sources` sources there are.
pub(super) fn decode<'d>(
    bytes: &'d [u8],
    sources: usize,
    call: &mut dyn FnMut(Advisory<'d>),
) -> Result<(), Reason> {
    if bytes.len() > BYTES_MAX {
        return Err("a package has too much");
    }
    let mut reader = Reader::new(bytes);
    let count = reader.count()?;
    // Grows with what is there, and not with what a count says.
    let mut texts = Vec::new();
    for _ in 0..count {
        texts.push(reader.text()?);
    }
    let count = reader.count()?;
    if count == 0 {
        return Err("a package has no records");
    }
    let (mut id, mut source) = (String::new(), 0);
    for index in 0..count {
        reader.key(&mut id, index == 0)?;
        let mut record = record(&mut reader, &texts, source)?;
        source = record.source;
        if usize::from(source) >= sources {
            return Err("a record is of no source that there is");
        }
        record.id = Cow::Owned(id.clone());
        call(record);
    }
    reader.end()
}

fn record<'d>(
    reader: &mut Reader<'d>,
    texts: &[&'d str],
    source: u16,
) -> Result<Advisory<'d>, Reason> {
    let flags = reader.number()?;
    if flags > ALL {
        return Err("a record has unknown flags");
    }
    let has = |flag: u64| flags & flag != 0;
    let verdict = match flags & KIND_MASK {
        FIXED => Verdict::fixed_in(text(reader, texts)?),
        OPEN => Verdict::open(),
        NOT_AFFECTED => Verdict::NotAffected,
        UNDETERMINED => Verdict::Undetermined,
        RANGES => {
            let count = reader.count()?;
            let mut ranges = Vec::new();
            for _ in 0..count {
                ranges.push(range(reader, texts)?);
            }
            Verdict::Affected { ranges, versions: all(reader, texts)? }
        }
        _ => return Err("a verdict is of an unknown kind"),
    };
    let decision = if has(HAS_DECISION) {
        let kind = DECISIONS.get(usize::from(reader.byte()?));
        let kind = *kind.ok_or("a decision is of an unknown kind")?;
        Some(Decision { kind, reason: text(reader, texts)? })
    } else {
        None
    };
    let urgency = if has(HAS_URGENCY) {
        let urgency = URGENCIES.get(usize::from(reader.byte()?));
        *urgency.ok_or("an urgency is unknown")?
    } else {
        Urgency::Unstated
    };
    let announcements = if has(HAS_ANNOUNCEMENTS) { all(reader, texts)? } else { BTreeSet::new() };
    let source = if has(HAS_SOURCE) {
        u16::try_from(reader.number()?).map_err(|_| "a record is of no source that there is")?
    } else {
        source
    };
    let aliases = if has(HAS_ALIASES) { all(reader, texts)? } else { BTreeSet::new() };
    Ok(Advisory {
        id: Cow::Borrowed(""),
        aliases,
        verdict,
        decision,
        urgency,
        announcements,
        source,
    })
}

fn text<'d>(reader: &mut Reader<'d>, texts: &[&'d str]) -> Result<Cow<'d, str>, Reason> {
    let place = usize::try_from(reader.number()?).ok();
    let text = place.and_then(|place| texts.get(place));
    text.map(|text| Cow::Borrowed(*text)).ok_or("a record names a text that is not there")
}

fn all<'d>(reader: &mut Reader<'d>, texts: &[&'d str]) -> Result<BTreeSet<Cow<'d, str>>, Reason> {
    let count = reader.count()?;
    (0..count).map(|_| text(reader, texts)).collect()
}

fn range<'d>(reader: &mut Reader<'d>, texts: &[&'d str]) -> Result<Range<'d>, Reason> {
    let flags = reader.byte()?;
    if flags > END_MASK | HAS_INTRODUCED {
        return Err("a range has unknown flags");
    }
    let is_introduced = flags & HAS_INTRODUCED != 0;
    let introduced = if is_introduced { Some(text(reader, texts)?) } else { None };
    let end = match flags & END_MASK {
        END_OPEN => End::Open,
        END_FIXED => End::Fixed(text(reader, texts)?),
        END_LAST => End::LastAffected(text(reader, texts)?),
        _ => return Err("a range ends in an unknown way"),
    };
    Ok(Range { introduced, end })
}

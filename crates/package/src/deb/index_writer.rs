// SPDX-License-Identifier: Apache-2.0
//! Writes the binary form of a package index, which [`super::index_cache`] describes and reads.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ops::Range;

use flate2::Crc;

use super::index::{IndexError, MultiArch, Origin, Package, Priority};
use super::index_cache::{BLOCK_BYTES, FORMAT, HEADER_BYTES, MAGIC, STRINGS, tables_checksum};
use super::relation::Provide;
use super::version::VersionRef;

/// Collects packages and writes the binary form.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// Names and versions; entries point into it.
    text: String,
    entries: Vec<Entry>,
    /// Provided name and the position of its package in `entries`.
    provides: Vec<(Range<usize>, usize)>,
    records: Vec<u8>,
}

#[derive(Debug)]
struct Entry {
    name: Range<usize>,
    version: Range<usize>,
    record: Range<usize>,
}

impl Writer {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn push(&mut self, package: &Package<'_>, provides: &[Provide<'_>]) {
        let name = self.add_text(package.name);
        let version = self.add_text(package.version);
        let start = self.records.len();
        write_record(&mut self.records, package);
        for provide in provides {
            let provided = self.add_text(provide.name);
            self.provides.push((provided, self.entries.len()));
        }
        self.entries.push(Entry { name, version, record: start..self.records.len() });
    }

    fn add_text(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    pub(super) fn finish(self, origin: &Origin) -> Result<Vec<u8>, IndexError> {
        let text = |range: &Range<usize>| &self.text[range.clone()];
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        // Stable: of equal versions the first in the text stays first.
        order.sort_by(|left, right| {
            let (left, right) = (&self.entries[*left], &self.entries[*right]);
            text(&left.name)
                .cmp(text(&right.name))
                .then_with(|| newest_first(text(&left.version), text(&right.version)))
        });
        let mut number_of = vec![0; order.len()];
        for (number, entry) in order.iter().enumerate() {
            number_of[*entry] = number;
        }
        let mut provides: Vec<(&str, usize)> =
            self.provides.iter().map(|(name, entry)| (text(name), number_of[*entry])).collect();
        provides.sort_unstable();
        provides.dedup();

        let mut blocks = vec![];
        for entry in &self.entries {
            let start = entry.record.start;
            if blocks.last().is_none_or(|block| start - block >= BLOCK_BYTES) {
                blocks.push(start);
            }
        }
        let (names, name_offsets) = collect_names(
            self.entries.iter().map(|entry| text(&entry.name)).chain(provides.iter().map(|p| p.0)),
        );
        let mut tables = Vec::new();
        for entry in &order {
            let entry = &self.entries[*entry];
            let name = text(&entry.name);
            let mut crc = Crc::new();
            crc.update(&self.records[entry.record.clone()]);
            push_u32(&mut tables, name_offsets[name])?;
            push_u32(&mut tables, name.len())?;
            push_u32(&mut tables, entry.record.start)?;
            push_u32(&mut tables, entry.record.len())?;
            tables.extend_from_slice(&crc.sum().to_le_bytes());
        }
        for (name, number) in &provides {
            push_u32(&mut tables, name_offsets[name])?;
            push_u32(&mut tables, name.len())?;
            push_u32(&mut tables, *number)?;
        }
        for start in &blocks {
            push_u32(&mut tables, *start)?;
        }
        let origin_start = tables.len();
        for part in [&origin.archive, &origin.suite, &origin.component, &origin.architecture] {
            push_string(&mut tables, part);
        }
        let origin_bytes = tables.len() - origin_start;
        tables.extend_from_slice(names.as_bytes());

        let mut bytes = Vec::with_capacity(HEADER_BYTES + tables.len() + self.records.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        for count in [
            order.len(),
            provides.len(),
            blocks.len(),
            origin_bytes,
            names.len(),
            self.records.len(),
        ] {
            push_u32(&mut bytes, count)?;
        }
        let checksum = tables_checksum(&bytes, &tables);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes.extend_from_slice(&tables);
        bytes.extend_from_slice(&self.records);
        Ok(bytes)
    }
}

fn newest_first(left: &str, right: &str) -> Ordering {
    match (VersionRef::parse(left), VersionRef::parse(right)) {
        (Ok(left), Ok(right)) => right.cmp(&left),
        // Versions are checked before; any fixed order would do.
        _ => right.cmp(left),
    }
}

/// Writes every distinct name once, sorted, and says where each starts.
fn collect_names<'t>(all: impl Iterator<Item = &'t str>) -> (String, HashMap<&'t str, usize>) {
    let mut sorted: Vec<&str> = all.collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut names = String::new();
    let mut offsets = HashMap::with_capacity(sorted.len());
    for name in sorted {
        offsets.insert(name, names.len());
        names.push_str(name);
    }
    (names, offsets)
}

fn push_u32(bytes: &mut Vec<u8>, number: usize) -> Result<(), IndexError> {
    let number = u32::try_from(number).map_err(|_| IndexError::TooLarge)?;
    bytes.extend_from_slice(&number.to_le_bytes());
    Ok(())
}

fn push_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push((number & 0x7f) as u8);
}

fn push_string(bytes: &mut Vec<u8>, text: &str) {
    push_number(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

fn write_record(bytes: &mut Vec<u8>, package: &Package<'_>) {
    let multi_arch = match package.multi_arch {
        MultiArch::No => 0,
        MultiArch::Same => 1,
        MultiArch::Foreign => 2,
        MultiArch::Allowed => 3,
    };
    let priority = match package.priority {
        Priority::Required => 0,
        Priority::Important => 1,
        Priority::Standard => 2,
        Priority::Optional => 3,
        Priority::Extra => 4,
    };
    let essential = u8::from(package.essential);
    let important = u8::from(package.important);
    bytes.push(essential | important << 1 | multi_arch << 2 | priority << 4);
    push_number(bytes, package.size_bytes);
    push_number(bytes, package.installed_size_kib);
    bytes.extend_from_slice(package.sha256.as_bytes());
    let unless_default = |text, default: &str| if text == default { "" } else { text };
    let strings: [&str; STRINGS] = [
        package.version,
        package.architecture,
        unless_default(package.source_name, package.name),
        unless_default(package.source_version, package.version),
        package.section,
        package.filename,
        package.pre_depends,
        package.depends,
        package.provides,
        package.conflicts,
        package.breaks,
        package.replaces,
    ];
    for text in strings {
        push_string(bytes, text);
    }
}

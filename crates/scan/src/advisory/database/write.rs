// SPDX-License-Identifier: Apache-2.0
//! Writes a database.

use super::facts::{self, put_epss};
use super::layout::{Section, join};
use super::summaries::SummaryWriter;
use super::table::{LONG, SHORT, TableWriter};
use super::wire::{put_bytes, put_count, put_number, put_optional, put_signed};
use super::{DatabaseError, record};
use crate::advisory::content::{Content, SpaceContent};
use crate::advisory::{Collected, Source, Support, SupportLimit};

/// Returns the database of all that was imported. It depends on what was imported alone, and not on the order.
pub fn write(collected: &Collected) -> Result<Vec<u8>, DatabaseError> {
    write_content(&collected.content())
}

pub(super) fn write_content(content: &Content<'_>) -> Result<Vec<u8>, DatabaseError> {
    if content.sources.len() > usize::from(u16::MAX) {
        let maximum = u16::MAX.into();
        return Err(DatabaseError::TooMany { what: "sources", maximum });
    }
    let (mut spaces, mut packages) = (Vec::new(), Vec::new());
    put_count(&mut spaces, content.spaces.len());
    for (text, space) in &content.spaces {
        let table = table_of(space)?;
        put_space(&mut spaces, text, space, table.len());
        packages.extend_from_slice(&table);
    }
    let mut table = TableWriter::new(LONG);
    let mut aliases = Vec::new();
    let mut scores = Vec::new();
    let mut summaries = SummaryWriter::default();
    for (id, known) in &content.vulnerabilities {
        let is_last = table.add(id, &facts::encode(known));
        put_epss(&mut scores, known.epss);
        summaries.add(known.summary.as_deref(), is_last)?;
        aliases.extend(known.aliases.iter().map(|alias| (alias.as_ref(), id.as_ref())));
    }
    aliases.sort_unstable();
    // Of two that claim a name the first has it.
    aliases.dedup_by_key(|(alias, _)| *alias);
    let mut names = TableWriter::new(SHORT);
    for (alias, id) in aliases {
        names.add(alias, id.as_bytes());
    }
    let mut sections: [Vec<u8>; Section::ALL.len()] = Default::default();
    for (place, section) in Section::ALL.into_iter().enumerate() {
        sections[place] = match section {
            Section::Sources => sources(&content.sources),
            Section::Spaces => std::mem::take(&mut spaces),
            Section::Packages => std::mem::take(&mut packages),
            Section::Vulnerabilities => {
                std::mem::replace(&mut table, TableWriter::new(LONG)).finish()
            }
            Section::Aliases => std::mem::replace(&mut names, TableWriter::new(SHORT)).finish(),
            Section::Epss => std::mem::take(&mut scores),
            Section::Summaries => std::mem::take(&mut summaries).finish()?,
        };
    }
    join(&sections)
}

fn sources(sources: &[Source<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_count(&mut bytes, sources.len());
    for source in sources {
        put_bytes(&mut bytes, source.name.as_bytes());
        bytes.extend_from_slice(&source.sha256);
        bytes.push(u8::from(source.time.is_some()));
        if let Some(time) = source.time {
            put_signed(&mut bytes, time);
        }
        put_number(&mut bytes, source.records.into());
    }
    bytes
}

fn table_of(space: &SpaceContent<'_>) -> Result<Vec<u8>, DatabaseError> {
    let mut table = TableWriter::new(SHORT);
    for (package, records) in space.packages.iter().filter(|(_, records)| !records.is_empty()) {
        let value = record::encode(records);
        if value.len() > record::BYTES_MAX {
            let maximum = record::BYTES_MAX as u64;
            return Err(DatabaseError::TooMany {
                what: "bytes of records about one package",
                maximum,
            });
        }
        table.add(package, &value);
    }
    Ok(table.finish())
}

fn put_space(bytes: &mut Vec<u8>, text: &str, space: &SpaceContent<'_>, table_bytes: usize) {
    put_bytes(bytes, text.as_bytes());
    put_bytes(bytes, space.release.codename.as_bytes());
    put_optional(bytes, space.release.end_of_life);
    put_optional(bytes, space.release.end_of_lts);
    let mut limits = Vec::new();
    put_count(&mut limits, space.limits.len());
    space.limits.iter().for_each(|limit| put_limit(&mut limits, limit));
    put_bytes(bytes, &limits);
    put_count(bytes, table_bytes);
}

fn put_limit(bytes: &mut Vec<u8>, limit: &SupportLimit<'_>) {
    put_bytes(bytes, limit.package.as_bytes());
    let support = match limit.support {
        Support::Limited => 0,
        Support::Ended => 2,
        Support::Full => 4,
    };
    bytes.push(u8::from(limit.is_pattern) | support);
    put_optional(bytes, limit.since);
    put_bytes(bytes, limit.reason.as_bytes());
}

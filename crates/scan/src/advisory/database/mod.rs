// SPDX-License-Identifier: Apache-2.0
//! The database: one file with all that is known, sorted, that is searched where it lies in memory.
//!
//! `docs/reference/database-format.md` has the format. The same imports give the same bytes. Opening reads the header and
//! where blocks are; [`Database::verify_all`] reads everything. Bytes that nobody vouches for are to be verified once: of a
//! damaged database [`Advisories`] gives what can be read, and never panics.

mod delta;
mod facts;
mod layout;
mod record;
mod summaries;
mod table;
#[cfg(test)]
mod tests;
mod vector;
mod wire;
mod write;

use std::borrow::Cow;
use std::io;
use std::ops::Range;

use hardpan_tree::Digest;

use self::layout::{Layout, Section};
use self::summaries::Summaries;
use self::table::{Found, LONG, SHORT, Table};
use self::wire::{Reader, Reason};
use super::{Advisories, Advisory, Release, Source, Space, Support, SupportLimit, Vulnerability};

pub use self::delta::{apply, delta};
pub use self::write::write;

/// The version of the format that is written and read.
pub const FORMAT_VERSION: u32 = layout::VERSION;

/// Why bytes are no database, or can't become one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// They are something else.
    #[error("it is no advisory database")]
    NotADatabase,
    /// They are something else than a delta.
    #[error("it is no difference between advisory databases")]
    NotADelta,
    /// It has another version of the format.
    #[error("its format has version {found}, and {supported} is the one that is read here")]
    Version {
        /// What it has.
        found: u32,
        /// What is read.
        supported: u32,
    },
    /// It is longer than any should be.
    #[error("it has more than {maximum} bytes")]
    TooLarge {
        /// The limit.
        maximum: u64,
    },
    /// There is more of something than the format has room for.
    #[error("more than {maximum} {what}")]
    TooMany {
        /// What.
        what: &'static str,
        /// The limit.
        maximum: u64,
    },
    /// Something in it makes no sense.
    #[error("it is damaged ({section}): {reason}")]
    Malformed {
        /// Where.
        section: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// The bytes are not the ones that were written.
    #[error("it was changed: its content has the digest {actual}, and should have {expected}")]
    Changed {
        /// What was stated.
        expected: Digest,
        /// What there is.
        actual: Digest,
    },
    /// A delta is for another database.
    #[error("the difference is from {expected}, and not from {actual}")]
    OtherBase {
        /// What it is for.
        expected: Digest,
        /// What it was given.
        actual: Digest,
    },
    /// zstd failed.
    #[error("can't compress or decompress")]
    Compression(#[source] io::Error),
}

/// A database in bytes that somebody else holds or not: `Vec<u8>`, `&[u8]`, `Arc<[u8]>`.
#[derive(Debug, Clone)]
pub struct Database<B> {
    bytes: B,
    layout: Layout,
    spaces: Vec<SpaceEntry>,
    vulnerabilities: Table,
    aliases: Table,
    summaries: Summaries,
    source_count: usize,
}

/// A space, and where its parts are in all bytes.
#[derive(Debug, Clone)]
struct SpaceEntry {
    space: Space,
    codename: Range<usize>,
    end_of_life: Option<u32>,
    end_of_lts: Option<u32>,
    limits: Range<usize>,
    packages: Range<usize>,
    table: Table,
}

/// The most spaces: about 30 are in use.
const SPACES_MAX: usize = 1024;

impl<B: AsRef<[u8]>> Database<B> {
    /// Opens a database: reads its header and where its blocks are, and no records.
    pub fn open(bytes: B) -> Result<Self, DatabaseError> {
        let all = bytes.as_ref();
        let layout = Layout::read(all)?;
        let part = |section| &all[layout.range(section)];
        let table = |section: Section, limits| {
            Table::open(part(section), limits).map_err(|reason| section.wrong(reason))
        };
        let vulnerabilities = table(Section::Vulnerabilities, LONG)?;
        let aliases = table(Section::Aliases, SHORT)?;
        let summaries = Summaries::open(part(Section::Summaries))
            .map_err(|reason| Section::Summaries.wrong(reason))?;
        if summaries.block_count() != vulnerabilities.block_count() {
            return Err(Section::Summaries.wrong("it has other blocks than vulnerabilities"));
        }
        if part(Section::Epss).len() != vulnerabilities.len() * facts::EPSS_BYTES {
            return Err(Section::Epss.wrong("it has more or fewer entries than vulnerabilities"));
        }
        let spaces = spaces(all, &layout)?;
        let source_count =
            sources(part(Section::Sources)).map_err(|reason| Section::Sources.wrong(reason))?.len();
        Ok(Self { bytes, layout, spaces, vulnerabilities, aliases, summaries, source_count })
    }

    /// Reads everything, and makes sure that it is as it was written.
    pub fn verify_all(&self) -> Result<(), DatabaseError> {
        self.layout.verify(self.bytes.as_ref())?;
        for entry in &self.spaces {
            let check = &mut |_: &str, found: Found<'_>| {
                record::decode(found.value, self.source_count, &mut |_| {})
            };
            let checked = entry.table.each(self.at(&entry.packages), check);
            checked.map_err(|reason| Section::Packages.wrong(reason))?;
            limits(self.at(&entry.limits)).map_err(|reason| Section::Spaces.wrong(reason))?;
        }
        let scores = self.section(Section::Epss);
        let mut counts = vec![0; self.vulnerabilities.block_count()];
        let check = &mut |_: &str, found: Found<'_>| {
            if let Some(count) = counts.get_mut(found.block) {
                *count += 1;
            }
            facts::epss(scores, found.place)?;
            facts::decode(found.value).map(drop)
        };
        let checked = self.vulnerabilities.each(self.section(Section::Vulnerabilities), check);
        checked.map_err(|reason| Section::Vulnerabilities.wrong(reason))?;
        for (block, count) in counts.into_iter().enumerate() {
            let unpacked = self.summaries.block(self.section(Section::Summaries), block);
            let checked = unpacked.and_then(|unpacked| summaries::check(&unpacked, count));
            checked.map_err(|reason| Section::Summaries.wrong(reason))?;
        }
        let check = &mut |_: &str, found: Found<'_>| {
            let id = std::str::from_utf8(found.value).map_err(|_| "a name is not UTF-8")?;
            self.found(id)?.map(drop).ok_or("a name is of nothing that is there")
        };
        let checked = self.aliases.each(self.section(Section::Aliases), check);
        checked.map_err(|reason| Section::Aliases.wrong(reason))
    }

    /// Returns the spaces that there is data about.
    pub fn spaces(&self) -> impl Iterator<Item = &Space> {
        self.spaces.iter().map(|entry| &entry.space)
    }

    /// Calls with the packages of a space, in their order.
    pub fn packages(&self, space: &Space, call: &mut dyn FnMut(&str)) {
        let Some(entry) = self.entry(space) else { return };
        let each = &mut |package: &str, _: Found<'_>| {
            call(package);
            Ok(())
        };
        // What follows damage is not there; see the module.
        let _ = entry.table.each(self.at(&entry.packages), each);
    }

    /// Returns how many records there are. It reads all of them.
    pub fn record_count(&self) -> u64 {
        let mut count = 0;
        for entry in &self.spaces {
            let each = &mut |_: &str, found: Found<'_>| {
                record::decode(found.value, self.source_count, &mut |_| count += 1)
            };
            let _ = entry.table.each(self.at(&entry.packages), each);
        }
        count
    }

    /// Calls with the names of all vulnerabilities that something is known of beside records, in their order.
    pub fn vulnerabilities(&self, call: &mut dyn FnMut(&str)) {
        let each = &mut |id: &str, _: Found<'_>| {
            call(id);
            Ok(())
        };
        let _ = self.vulnerabilities.each(self.section(Section::Vulnerabilities), each);
    }

    /// Returns its bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.as_ref()
    }

    fn at(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.as_ref().get(range.clone()).unwrap_or_default()
    }

    fn section(&self, section: Section) -> &[u8] {
        self.at(&self.layout.range(section))
    }

    fn entry(&self, space: &Space) -> Option<&SpaceEntry> {
        self.spaces.iter().find(|entry| entry.space == *space)
    }

    fn found(&self, id: &str) -> Result<Option<Found<'_>>, Reason> {
        self.vulnerabilities.find(self.section(Section::Vulnerabilities), id)
    }

    /// Returns what a name stands for.
    fn called(&self, alias: &str) -> Result<Option<&str>, Reason> {
        let found = self.aliases.find(self.section(Section::Aliases), alias)?;
        let id = found.map(|found| std::str::from_utf8(found.value));
        id.transpose().map_err(|_| "a name is not UTF-8")
    }

    fn known(&self, id: &str) -> Result<Option<Vulnerability<'_>>, Reason> {
        let own = self.found(id)?;
        let called = if own.is_none() { self.called(id)? } else { None };
        let by_name = called.map(|called| self.found(called)).transpose()?.flatten();
        let Some(found) = own.or(by_name) else { return Ok(None) };
        let mut known = facts::decode(found.value)?;
        if let Some(called) = called {
            known.aliases.remove(id);
            known.aliases.insert(Cow::Borrowed(called));
        }
        known.epss = facts::epss(self.section(Section::Epss), found.place)?;
        let block = self.summaries.block(self.section(Section::Summaries), found.block)?;
        let summary = summaries::summary(&block, found.place_in_block)?;
        known.summary = summary.map(|summary| Cow::Owned(summary.to_owned()));
        Ok(Some(known))
    }
}

impl<B: AsRef<[u8]>> Advisories for Database<B> {
    fn each<'a>(&'a self, space: &Space, package: &str, record: &mut dyn FnMut(Advisory<'a>)) {
        let Some(entry) = self.entry(space) else { return };
        let found = entry.table.find(self.at(&entry.packages), package);
        if let Ok(Some(found)) = found {
            // What follows damage is not there; see the module.
            let _ = record::decode(found.value, self.source_count, record);
        }
    }

    fn vulnerability(&self, id: &str) -> Option<Vulnerability<'_>> {
        self.known(id).ok().flatten()
    }

    fn release(&self, space: &Space) -> Option<Release<'_>> {
        let entry = self.entry(space)?;
        let codename = std::str::from_utf8(self.at(&entry.codename)).unwrap_or_default();
        Some(Release {
            space: entry.space.clone(),
            codename: Cow::Borrowed(codename),
            end_of_life: entry.end_of_life,
            end_of_lts: entry.end_of_lts,
        })
    }

    fn limits(&self, space: &Space) -> Vec<SupportLimit<'_>> {
        let entry = self.entry(space);
        entry.and_then(|entry| limits(self.at(&entry.limits)).ok()).unwrap_or_default()
    }

    fn sources(&self) -> Vec<Source<'_>> {
        sources(self.section(Section::Sources)).unwrap_or_default()
    }
}

/// Reads the list of spaces, and finds the tables of their packages, which follow one another.
fn spaces(all: &[u8], layout: &Layout) -> Result<Vec<SpaceEntry>, DatabaseError> {
    let wrong = |reason| Section::Spaces.wrong(reason);
    let range = layout.range(Section::Spaces);
    let (end, packages) = (range.end, layout.range(Section::Packages));
    let mut reader = Reader::new(&all[range]);
    let count = reader.count().map_err(wrong)?;
    if count > SPACES_MAX {
        return Err(DatabaseError::TooMany { what: "spaces", maximum: SPACES_MAX as u64 });
    }
    let mut spaces: Vec<SpaceEntry> = Vec::new();
    let mut start = packages.start;
    let mut last = "";
    for _ in 0..count {
        let text = reader.text().map_err(wrong)?;
        let Ok(space) = text.parse::<Space>() else { return Err(wrong("a space is none")) };
        if text <= last {
            return Err(wrong("its spaces are not sorted"));
        }
        last = text;
        let codename = reader.text().map_err(wrong)?.len();
        let codename = end - reader.left() - codename..end - reader.left();
        let end_of_life = reader.optional().map_err(wrong)?;
        let end_of_lts = reader.optional().map_err(wrong)?;
        let limits = reader.counted_bytes().map_err(wrong)?.len();
        let limits = end - reader.left() - limits..end - reader.left();
        let length = reader.number().map_err(wrong)?;
        let length = usize::try_from(length).ok().filter(|length| *length <= packages.end - start);
        let table_end = start + length.ok_or(wrong("a space has more packages than there are"))?;
        let packages = start..table_end;
        start = table_end;
        let table = Table::open(&all[packages.clone()], SHORT)
            .map_err(|reason| Section::Packages.wrong(reason))?;
        spaces.push(SpaceEntry {
            space,
            codename,
            end_of_life,
            end_of_lts,
            limits,
            packages,
            table,
        });
    }
    reader.end().map_err(wrong)?;
    if start != packages.end {
        return Err(Section::Packages.wrong("some are of no space"));
    }
    Ok(spaces)
}

fn limits(bytes: &[u8]) -> Result<Vec<SupportLimit<'_>>, Reason> {
    let mut reader = Reader::new(bytes);
    let mut limits = Vec::new();
    for _ in 0..reader.count()? {
        let package = reader.cow()?;
        let flags = reader.byte()?;
        let support = match flags & !1 {
            0 => Support::Limited,
            2 => Support::Ended,
            4 => Support::Full,
            _ => return Err("a limit has unknown flags"),
        };
        limits.push(SupportLimit {
            package,
            is_pattern: flags & 1 != 0,
            support,
            since: reader.optional()?,
            reason: reader.cow()?,
        });
    }
    reader.end()?;
    Ok(limits)
}

fn sources(bytes: &[u8]) -> Result<Vec<Source<'_>>, Reason> {
    let mut reader = Reader::new(bytes);
    let mut sources = Vec::new();
    for _ in 0..reader.count()? {
        let name = reader.cow()?;
        let sha256 = reader.array()?;
        let time = match reader.byte()? {
            0 => None,
            1 => Some(reader.signed()?),
            _ => return Err("a source has an unknown time"),
        };
        sources.push(Source { name, sha256, time, records: reader.number_u32()? });
    }
    reader.end()?;
    Ok(sources)
}

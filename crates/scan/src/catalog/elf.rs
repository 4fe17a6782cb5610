// SPDX-License-Identifier: Apache-2.0
//! ELF files, watched while they stream by: what a program says of how it was built.
//!
//! Of nearly every file all is kept until its end, and its sections are looked up as usual. Of a larger
//! one the beginning and the end are kept; what lies between is searched for what the two formats that
//! can be large begin with.

use std::collections::BTreeSet;
use std::ops::Range;

use hardpan_package::elf::straighten;

use super::FormatError;
use super::auditable::{self, Crate};
use super::go::{self, GoBuild};
use super::go_crypto;
use super::note::{self, Note};

/// How much of the start of a file is kept, in bytes: all of nearly every one.
const PREFIX_BYTES_MAX: usize = 16 << 20;
/// How much of the end of a larger file is kept at least, in bytes: the table of its sections.
const TAIL_BYTES: usize = 2 << 20;
/// How much is kept of a thing that was found between the two, in bytes. Kubernetes has 60 kB.
const PIECE_BYTES_MAX: usize = 2 << 20;
/// How many of them; most are by chance.
const PIECES_MAX: usize = 8;
/// How many bytes it takes to recognise something.
const WINDOW_BYTES: usize = 96;
/// The largest table of section names, in bytes.
const NAMES_BYTES_MAX: u64 = 1 << 20;
/// How much of a section's name is looked at, in bytes: more than the longest that says something.
const NAME_BYTES_MAX: u64 = 32;
/// The largest number of program headers: Linux starts no program with more than 64 KiB of them.
const SEGMENTS_MAX: u64 = 2048;
/// The largest number of segments of notes that are looked through; they have 3.
const NOTE_SEGMENTS_MAX: usize = 64;
/// How many bytes these may have together; they have 200.
const NOTES_BYTES_MAX: u64 = 4 << 20;
/// The sections that say something.
const GO_SECTION: &str = ".go.buildinfo";
const CRATES_SECTION: &str = ".dep-v0";
const NOTE_SECTION: &str = ".note.package";
const FORMAT: &str = "an ELF file";

const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const PF_X: u32 = 1;
const PF_W: u32 = 2;
const SHT_NOBITS: u32 = 8;

/// What a program says of itself.
#[derive(Debug, Default)]
pub(super) struct ElfFacts {
    pub(super) go: Option<GoBuild>,
    /// The packages below `crypto/` of Go's standard library that a program of Go has.
    pub(super) go_packages: BTreeSet<&'static str>,
    pub(super) crates: Option<Vec<Crate>>,
    pub(super) note: Option<Note>,
    pub(super) problems: Vec<FormatError>,
}

impl ElfFacts {
    pub(super) fn kept_bytes(&self) -> u64 {
        let go = self.go.as_ref().map_or(0, |go| go.modules.len() * 200);
        let crates = self.crates.as_ref().map_or(0, |crates| crates.len() * 200);
        (go + crates) as u64
    }
}

/// Watches an ELF file.
#[derive(Debug)]
pub(super) struct ElfCollector {
    image: Image,
    /// The last bytes before those that come next, from the prefix on.
    window: Vec<u8>,
    lists: auditable::Recogniser,
    go_packages: BTreeSet<&'static str>,
}

/// The bytes of a file, as far as they are there.
#[derive(Debug, Default)]
pub(super) struct Image {
    prefix: Vec<u8>,
    pieces: Vec<Piece>,
    tail: Piece,
}

#[derive(Debug, Default)]
struct Piece {
    offset_bytes: u64,
    bytes: Vec<u8>,
}

impl ElfCollector {
    /// Starts with a file's first bytes, which are fed again; nothing if it is no ELF file.
    pub(super) fn new(first: &[u8]) -> Option<Self> {
        first.starts_with(b"\x7fELF").then(|| Self {
            image: Image::default(),
            window: Vec::new(),
            lists: auditable::Recogniser::new(),
            go_packages: BTreeSet::new(),
        })
    }

    /// Takes the next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let image = &mut self.image;
        let kept = bytes.len().min(PREFIX_BYTES_MAX - image.prefix.len());
        image.prefix.extend_from_slice(&bytes[..kept]);
        let bytes = &bytes[kept..];
        if bytes.is_empty() {
            return;
        }
        if image.tail.offset_bytes == 0 {
            image.tail.offset_bytes = PREFIX_BYTES_MAX as u64;
            self.window = image.prefix[PREFIX_BYTES_MAX - WINDOW_BYTES..].to_vec();
        }
        let start = image.tail.end() - self.window.len() as u64;
        for piece in &mut image.pieces {
            let room = PIECE_BYTES_MAX.saturating_sub(piece.bytes.len());
            piece.bytes.extend_from_slice(&bytes[..room.min(bytes.len())]);
        }
        image.tail.bytes.extend_from_slice(bytes);
        if image.tail.bytes.len() > 2 * TAIL_BYTES {
            let gone = image.tail.bytes.len() - TAIL_BYTES;
            image.tail.bytes.drain(..gone);
            image.tail.offset_bytes += gone as u64;
        }
        self.window.extend_from_slice(bytes);
        self.search(start);
    }

    /// Begins pieces where the window has something, and leaves in it what may be the start of more.
    fn search(&mut self, start: u64) {
        let window = &self.window;
        go_crypto::note_packages(window, &mut self.go_packages);
        let last = window.len().saturating_sub(WINDOW_BYTES);
        let mut at = 0;
        while self.image.pieces.len() < PIECES_MAX {
            let next = memchr::memchr2(go::MAGIC[0], auditable::ZLIB, &window[at..last]);
            let Some(next) = next.map(|next| at + next) else { break };
            let rest = &window[next..];
            if rest.starts_with(go::MAGIC) || self.lists.begins(&rest[..WINDOW_BYTES]) {
                let bytes = rest[..rest.len().min(PIECE_BYTES_MAX)].to_vec();
                self.image.pieces.push(Piece { offset_bytes: start + next as u64, bytes });
            }
            at = next + 1;
        }
        self.window.drain(..last);
    }

    /// Returns what the file says; nothing if it says nothing.
    pub(super) fn finish(self) -> Option<ElfFacts> {
        let mut image = self.image;
        straighten(&mut image.prefix);
        let mut facts = ElfFacts::default();
        let tables = Tables::of(&image)?;
        let mut take = |result: Result<(), FormatError>| {
            if let Err(error) = result {
                facts.problems.push(error);
            }
        };
        let (mut build, mut crates, mut found_note) = (None, None, None);
        if let Some(at) = tables.go(&image) {
            take(go::read(&image, &tables, at).map(|found| build = Some(found)));
        }
        if let Some(bytes) = tables.crates(&image) {
            take(auditable::read(bytes).map(|found| crates = Some(found)));
        }
        let (notes, too_many) = tables.notes(&image);
        let too_many = too_many.into_iter().chain(tables.too_many);
        too_many.for_each(|error| take(Err(error)));
        for bytes in notes {
            take(note::read(bytes, tables.is_little).map(|found| {
                found_note = found_note.take().or(found);
            }));
        }
        if build.is_some() {
            facts.go_packages = self.go_packages;
            go_crypto::note_packages(&image.prefix, &mut facts.go_packages);
        }
        (facts.go, facts.crates, facts.note) = (build, crates, found_note);
        let is_empty = facts.go.is_none() && facts.crates.is_none() && facts.note.is_none();
        (!is_empty || !facts.problems.is_empty()).then_some(facts)
    }
}

/// Returns a limit as a count of things.
fn number_of(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

impl Piece {
    fn end(&self) -> u64 {
        self.offset_bytes + self.bytes.len() as u64
    }

    /// Returns the bytes from an offset on.
    fn from(&self, offset_bytes: u64) -> Option<&[u8]> {
        let skip = usize::try_from(offset_bytes.checked_sub(self.offset_bytes)?).ok()?;
        self.bytes.get(skip..).filter(|rest| !rest.is_empty())
    }
}

impl Image {
    /// Returns the bytes at an offset, at most so many, as far as they are there in one piece.
    pub(super) fn from(&self, offset_bytes: u64, bytes_max: u64) -> &[u8] {
        let prefix = usize::try_from(offset_bytes).ok().and_then(|at| self.prefix.get(at..));
        let others = self.pieces.iter().chain([&self.tail]);
        let all = prefix.into_iter().chain(others.filter_map(|piece| piece.from(offset_bytes)));
        let longest = all.max_by_key(|bytes| bytes.len()).unwrap_or_default();
        &longest[..longest.len().min(usize::try_from(bytes_max).unwrap_or(usize::MAX))]
    }

    /// Returns exactly these bytes.
    pub(super) fn at(&self, offset_bytes: u64, size_bytes: u64) -> Option<&[u8]> {
        let bytes = self.from(offset_bytes, size_bytes);
        (bytes.len() as u64 == size_bytes).then_some(bytes)
    }
}

/// Where things are in a file.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) is_little: bool,
    pub(super) is_64: bool,
    segments: Vec<Segment>,
    /// Those that say something.
    sections: Vec<Section>,
    too_many: Option<FormatError>,
}

#[derive(Debug)]
struct Segment {
    kind: u32,
    flags: u32,
    file: Range<u64>,
    address: u64,
}

#[derive(Debug)]
struct Section {
    name: &'static str,
    kind: u32,
    offset_bytes: u64,
    size_bytes: u64,
}

impl Tables {
    fn of(image: &Image) -> Option<Self> {
        let ident = image.at(0, 16)?;
        let (is_64, is_little) = (ident[4] == 2, ident[5] == 1);
        if !matches!(ident[4], 1 | 2) || !matches!(ident[5], 1 | 2) {
            return None;
        }
        let (segments, sections) = (Vec::new(), Vec::new());
        let mut tables = Self { is_little, is_64, segments, sections, too_many: None };
        let header = image.at(0, if is_64 { 64 } else { 52 })?;
        let word = |at64, at32| tables.word(header, if is_64 { at64 } else { at32 });
        let half = |at64, at32| tables.number(header, if is_64 { at64 } else { at32 }, 2);
        let (segments_at, sections_at) = (word(32, 28)?, word(40, 32)?);
        let (segment_bytes, segments) = (half(54, 42)?, half(56, 44)?);
        let (section_bytes, sections) = (half(58, 46)?, half(60, 48)?);
        let names = half(62, 50)?;
        let read = segments.min(SEGMENTS_MAX);
        tables.segments = tables.read_segments(image, segments_at, segment_bytes, read);
        tables.too_many = (segments > SEGMENTS_MAX)
            .then(|| FormatError::limit(FORMAT, "program headers", number_of(SEGMENTS_MAX)));
        tables.sections = tables.read_sections(image, sections_at, section_bytes, sections, names);
        Some(tables)
    }

    /// Reads a number of as many bytes.
    pub(super) fn number(&self, bytes: &[u8], at: usize, count: usize) -> Option<u64> {
        let bytes = bytes.get(at..at.checked_add(count)?)?;
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if self.is_little {
            bytes.iter().rev().fold(0, add)
        } else {
            bytes.iter().fold(0, add)
        })
    }

    /// Reads an address or offset.
    fn word(&self, bytes: &[u8], at: usize) -> Option<u64> {
        self.number(bytes, at, if self.is_64 { 8 } else { 4 })
    }

    fn read_segments(&self, image: &Image, at: u64, each: u64, count: u64) -> Vec<Segment> {
        let needed = if self.is_64 { 56 } else { 32 };
        let read = |number| {
            let bytes = image.at(at.checked_add(number * each)?, needed)?;
            let flags = self.number(bytes, if self.is_64 { 4 } else { 24 }, 4)?;
            let offset = self.word(bytes, if self.is_64 { 8 } else { 4 })?;
            let address = self.word(bytes, if self.is_64 { 16 } else { 8 })?;
            let size = self.word(bytes, if self.is_64 { 32 } else { 16 })?;
            Some(Segment {
                kind: u32::try_from(self.number(bytes, 0, 4)?).ok()?,
                flags: u32::try_from(flags).ok()?,
                file: offset..offset.checked_add(size)?,
                address,
            })
        };
        if each < needed { Vec::new() } else { (0..count).map_while(read).collect() }
    }

    fn read_sections(
        &self,
        image: &Image,
        at: u64,
        each: u64,
        count: u64,
        names: u64,
    ) -> Vec<Section> {
        let needed = if self.is_64 { 64 } else { 40 };
        if each < needed {
            return Vec::new();
        }
        let place = |number: u64| {
            let bytes = image.at(at.checked_add(number * each)?, needed)?;
            let offset = self.word(bytes, if self.is_64 { 24 } else { 16 })?;
            let size = self.word(bytes, if self.is_64 { 32 } else { 20 })?;
            Some((self.number(bytes, 0, 4)?, self.number(bytes, 4, 4)?, offset, size))
        };
        let names = place(names).map(|(_, _, offset, size)| (offset, size.min(NAMES_BYTES_MAX)));
        let read = |number| {
            let (name, kind, offset_bytes, size_bytes) = place(number)?;
            let name = names.and_then(|(offset, size)| {
                let left = size.checked_sub(name)?;
                Some(image.from(offset.checked_add(name)?, left.min(NAME_BYTES_MAX)))
            });
            let name = name.unwrap_or_default().split(|&byte| byte == 0).next();
            let known = [GO_SECTION, CRATES_SECTION, NOTE_SECTION];
            let name = known.into_iter().find(|known| name == Some(known.as_bytes()));
            let kind = u32::try_from(kind).ok()?;
            Some(name.map(|name| Section { name, kind, offset_bytes, size_bytes }))
        };
        (0..count).map_while(read).flatten().collect()
    }

    fn section(&self, name: &str) -> Option<&Section> {
        let is_it = |section: &&Section| section.name == name;
        self.sections.iter().filter(|section| section.kind != SHT_NOBITS).find(is_it)
    }

    /// Returns where Go's build information is.
    fn go(&self, image: &Image) -> Option<u64> {
        if let Some(section) = self.section(GO_SECTION) {
            return Some(section.offset_bytes);
        }
        let is_data =
            |segment: &&Segment| segment.kind == PT_LOAD && segment.flags & (PF_X | PF_W) == PF_W;
        // The linker puts it at the start of the data, on 16 bytes.
        let data = self.segments.iter().find(is_data)?;
        let bytes = image.from(data.file.start, data.file.end - data.file.start);
        let found = memchr::memmem::find_iter(bytes, go::MAGIC)
            .map(|at| data.file.start + at as u64)
            .find(|at| (data.address.wrapping_add(at - data.file.start)) % 16 == 0);
        let piece = || {
            let pieces = image.pieces.iter();
            pieces
                .filter(|piece| piece.bytes.starts_with(go::MAGIC))
                .map(|piece| piece.offset_bytes)
        };
        found.or_else(|| piece().find(|at| data.file.contains(at)))
    }

    /// Returns the bytes of the list of crates.
    fn crates<'i>(&self, image: &'i Image) -> Option<&'i [u8]> {
        let section = self.section(CRATES_SECTION)?;
        Some(image.from(section.offset_bytes, section.size_bytes))
    }

    /// Returns the bytes where package notes may be, and says so if there are more than are looked through.
    fn notes<'i>(&self, image: &'i Image) -> (Vec<&'i [u8]>, Option<FormatError>) {
        if let Some(section) = self.section(NOTE_SECTION) {
            return (vec![image.from(section.offset_bytes, section.size_bytes)], None);
        }
        let (mut found, mut left) = (Vec::new(), NOTES_BYTES_MAX);
        let notes = self.segments.iter().filter(|segment| segment.kind == PT_NOTE);
        for (number, segment) in notes.enumerate() {
            let bytes = image.from(segment.file.start, segment.file.end - segment.file.start);
            let Some(room) = left.checked_sub(bytes.len() as u64) else {
                let max = number_of(NOTES_BYTES_MAX);
                return (found, Some(FormatError::limit(FORMAT, "bytes of notes", max)));
            };
            if number == NOTE_SEGMENTS_MAX {
                let what = "segments of notes";
                return (found, Some(FormatError::limit(FORMAT, what, NOTE_SEGMENTS_MAX)));
            }
            left = room;
            found.extend(memchr::memmem::find(bytes, note::OWNER).map(|_| bytes));
        }
        (found, None)
    }

    /// Returns where in the file an address of the running program is.
    pub(super) fn offset_of(&self, address: u64) -> Option<u64> {
        self.segments.iter().filter(|segment| segment.kind == PT_LOAD).find_map(|segment| {
            let into = address.checked_sub(segment.address)?;
            let offset = segment.file.start.checked_add(into)?;
            segment.file.contains(&offset).then_some(offset)
        })
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What is learned of a file while its bytes stream by: ELF headers and `#!` lines.
//!
//! Odd files are no errors here; they just have no facts.

mod protection;
#[cfg(test)]
mod tests;

use std::ops::Range;

use hardpan_tree::{Elf, Facts};
use object::Endianness;
use object::elf;
use object::read::ReadRef;
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader};

/// How much of the start of an ELF file is kept in memory. Headers, notes, the interpreter's name
/// and the dynamic strings are there in nearly every file; larger files have their dynamic section
/// kept too, wherever it is.
const PREFIX_BYTES: usize = 4 << 20;
/// How much is kept of a dynamic file whose first segment is larger. The dynamic strings are in it,
/// and which part of it they are is only known from the dynamic section, which comes later.
/// Debian's libnode has them at 2 to 8 MiB.
const PREFIX_BYTES_MAX: usize = 16 << 20;
/// The largest dynamic section, string table or note that is kept from beyond the prefix.
const PIECE_BYTES_MAX: u64 = 2 << 20;
/// How many of them.
const PIECES_MAX: usize = 16;
/// The longest `#!` line, in bytes, as Linux reads it.
const SCRIPT_BYTES_MAX: usize = 256;
/// The largest number of entries of `DT_NEEDED`.
const NEEDED_MAX: usize = 4096;
/// How long all of these names together may be, in bytes. Programs with 300 libraries have 8 kB.
const NEEDED_BYTES_MAX: usize = 256 << 10;
/// The largest number of program headers: Linux starts no program with more than 64 KiB of them.
const SEGMENTS_MAX: usize = 2048;
/// The largest number of entries of the dynamic section; they have 40.
const DYNAMIC_MAX: usize = 64 << 10;
/// The largest number of notes in all segments; they have 5.
const NOTES_MAX: usize = 4096;
/// How many bytes of a header tell its class, of which Linux asks elsewhere.
const HEADER_BYTES: usize = 64;
/// The longest name of a library or interpreter, or search path, in bytes.
const TEXT_BYTES_MAX: usize = 4096;

/// Watches a file's bytes.
#[derive(Debug)]
pub struct Probe {
    size_bytes: u64,
    position_bytes: u64,
    prefix: Vec<u8>,
    /// How much of the prefix to keep: little, until it turns out to be an ELF file.
    prefix_bytes_max: usize,
    pieces: Vec<Piece>,
    is_planned: bool,
    are_strings_planned: bool,
}

#[derive(Debug)]
struct Piece {
    range: Range<u64>,
    bytes: Vec<u8>,
}

impl Probe {
    /// Makes a probe for a file of this length.
    pub fn new(size_bytes: u64) -> Self {
        Self {
            size_bytes,
            position_bytes: 0,
            prefix: Vec::new(),
            prefix_bytes_max: SCRIPT_BYTES_MAX,
            pieces: Vec::new(),
            is_planned: false,
            are_strings_planned: false,
        }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        if self.prefix.len() < self.prefix_bytes_max {
            let kept = bytes.len().min(self.prefix_bytes_max - self.prefix.len());
            let is_begun = self.prefix.len() >= HEADER_BYTES;
            self.prefix.extend_from_slice(&bytes[..kept]);
            if !is_begun {
                straighten(&mut self.prefix);
            }
            self.position_bytes += kept as u64;
            bytes = &bytes[kept..];
            let wanted = self.wanted_prefix_bytes();
            if wanted > self.prefix_bytes_max {
                self.prefix_bytes_max = wanted;
                return self.feed(bytes);
            }
        }
        if bytes.is_empty() || !self.is_elf() {
            return;
        }
        if !self.is_planned {
            self.is_planned = true;
            self.plan();
        }
        self.collect(bytes);
    }

    /// Returns what was learned.
    pub fn finish(self) -> Option<Facts> {
        if self.is_elf() {
            return read_elf(&self).map(Facts::Elf);
        }
        let line = self.prefix.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
        let line = String::from_utf8_lossy(line).trim().to_owned();
        (!line.is_empty()).then_some(Facts::Script(line))
    }

    fn is_elf(&self) -> bool {
        self.prefix.starts_with(b"\x7fELF")
    }

    /// Returns how much of the prefix is worth keeping, as far as can be told by now.
    fn wanted_prefix_bytes(&self) -> usize {
        if !self.is_elf() {
            return SCRIPT_BYTES_MAX;
        }
        if self.prefix.len() < PREFIX_BYTES || self.prefix_bytes_max > PREFIX_BYTES {
            return self.prefix_bytes_max.max(PREFIX_BYTES);
        }
        let headers = Headers::of(self).filter(|headers| headers.elf.is_dynamic);
        let first = headers
            .iter()
            .flat_map(|headers| &headers.segments)
            .find(|segment| segment.kind == elf::PT_LOAD)
            .map_or(0, |segment| segment.file.end.min(self.size_bytes));
        usize::try_from(first).unwrap_or(PREFIX_BYTES_MAX).clamp(PREFIX_BYTES, PREFIX_BYTES_MAX)
    }

    /// Keeps the parts of the bytes that pieces want.
    fn collect(&mut self, bytes: &[u8]) {
        let start = self.position_bytes;
        let end = start + bytes.len() as u64;
        self.position_bytes = end;
        let mut at = 0;
        // The list grows when a complete dynamic section says where its strings are.
        while let Some(piece) = self.pieces.get_mut(at) {
            at += 1;
            let from = piece.range.start.max(start);
            let to = piece.range.end.min(end);
            if from < to && from == piece.range.start + piece.bytes.len() as u64 {
                let index = |offset: u64| usize::try_from(offset - start).unwrap_or(bytes.len());
                piece.bytes.extend_from_slice(&bytes[index(from)..index(to)]);
            }
            // Each is looked at once: when it is whole.
            let is_whole = piece.range.end > start && piece.range.end <= end;
            if is_whole && !self.are_strings_planned {
                self.plan_strings(start);
            }
        }
    }

    fn want(&mut self, range: Range<u64>, position_bytes: u64) {
        // What begins in the prefix goes on from there.
        let begun = usize::try_from(range.start).ok().and_then(|start| self.prefix.get(start..));
        let begun = begun.filter(|_| position_bytes == self.prefix.len() as u64);
        let bytes = begun.unwrap_or_default().to_vec();
        let is_whole = range.end <= self.size_bytes
            && range.start.saturating_add(bytes.len() as u64) >= position_bytes;
        let size_bytes = range.end.saturating_sub(range.start);
        if is_whole
            && size_bytes > 0
            && size_bytes <= PIECE_BYTES_MAX
            && self.pieces.len() < PIECES_MAX
        {
            self.pieces.push(Piece { range, bytes });
        }
    }

    /// Finds what is beyond the prefix, which is complete.
    fn plan(&mut self) {
        let wanted = match Headers::of(&*self) {
            Some(headers) => headers.segments,
            None => return,
        };
        for segment in wanted {
            let is_wanted = matches!(segment.kind, elf::PT_DYNAMIC | elf::PT_INTERP | elf::PT_NOTE);
            if is_wanted && segment.file.end > self.prefix.len() as u64 {
                self.want(segment.file, self.prefix.len() as u64);
            }
        }
        if self.pieces.is_empty() {
            self.plan_strings(self.position_bytes);
        }
    }

    /// Finds the dynamic strings if they come later than the dynamic section, as in files that
    /// were patched.
    fn plan_strings(&mut self, position_bytes: u64) {
        let Some(strings) = Headers::of(&*self).and_then(|headers| headers.strings(&*self)) else {
            return;
        };
        self.are_strings_planned = true;
        if strings.end > self.prefix.len() as u64 {
            self.want(strings, position_bytes);
        }
    }
}

/// Reads what was kept; the rest is an error.
impl<'a> ReadRef<'a> for &'a Probe {
    fn len(self) -> Result<u64, ()> {
        Ok(self.size_bytes)
    }

    fn read_bytes_at(self, offset: u64, size: u64) -> Result<&'a [u8], ()> {
        let end = offset.checked_add(size).ok_or(())?;
        let prefix = Piece::get(&self.prefix, 0, offset..end);
        let mut pieces = self
            .pieces
            .iter()
            .map(|piece| Piece::get(&piece.bytes, piece.range.start, offset..end));
        prefix.or_else(|| pieces.find_map(|found| found)).ok_or(())
    }

    fn read_bytes_at_until(self, range: Range<u64>, delimiter: u8) -> Result<&'a [u8], ()> {
        let tail = |bytes: &'a [u8], start: u64| {
            let from = usize::try_from(range.start.checked_sub(start)?).ok()?;
            let to = usize::try_from(range.end.checked_sub(start)?).ok()?.min(bytes.len());
            let bytes = bytes.get(from..to)?;
            bytes.iter().position(|&byte| byte == delimiter).map(|length| &bytes[..length])
        };
        tail(&self.prefix, 0)
            .or_else(|| self.pieces.iter().find_map(|piece| tail(&piece.bytes, piece.range.start)))
            .ok_or(())
    }
}

impl Piece {
    fn get(bytes: &[u8], start: u64, range: Range<u64>) -> Option<&[u8]> {
        let from = usize::try_from(range.start.checked_sub(start)?).ok()?;
        let to = usize::try_from(range.end.checked_sub(start)?).ok()?;
        bytes.get(from..to)
    }
}

/// Makes the first bytes of a program say what Linux takes it for. Of them it looks at the magic number alone; class and
/// byte order are those of the machine, and the size of a program header tells which layout is meant. Others who read an
/// ELF file want all of them right, and would take such a program for none.
pub fn straighten(file: &mut [u8]) {
    let Some(header) = file.get_mut(..HEADER_BYTES).filter(|file| file.starts_with(b"\x7fELF"))
    else {
        return;
    };
    let half = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let machine = elf::Machine(half(18));
    let is_64_bit = matches!(machine, elf::EM_X86_64 | elf::EM_AARCH64 | elf::EM_RISCV);
    let is_32_bit = matches!(machine, elf::EM_386 | elf::EM_ARM);
    let class = if is_64_bit && half(54) == 56 {
        elf::ELFCLASS64
    } else if is_32_bit && half(42) == 32 {
        elf::ELFCLASS32
    } else {
        return;
    };
    header[4..7].copy_from_slice(&[class.0, elf::ELFDATA2LSB.0, elf::EV_CURRENT.0]);
}

/// A program header, whatever the class of the file.
#[derive(Debug)]
struct Segment {
    kind: elf::ProgramType,
    file: Range<u64>,
    address: u64,
}

/// What all the rest is found by.
#[derive(Debug)]
struct Headers {
    segments: Vec<Segment>,
    dynamic: Vec<(elf::DynamicTag, u64)>,
    elf: Elf,
}

impl Headers {
    fn of(data: &Probe) -> Option<Self> {
        match data.prefix.get(4)? {
            1 => Self::read::<elf::FileHeader32<Endianness>>(data),
            2 => Self::read::<elf::FileHeader64<Endianness>>(data),
            _ => None,
        }
    }

    fn read<H: FileHeader<Endian = Endianness>>(data: &Probe) -> Option<Self> {
        let header = H::parse(data).ok()?;
        let endian = header.endian().ok()?;
        let mut headers = Self {
            segments: Vec::new(),
            dynamic: Vec::new(),
            elf: Elf {
                is_64_bit: header.is_type_64(),
                machine: header.e_machine(endian).0,
                flags: header.e_flags(endian).0,
                file_type: header.e_type(endian).0,
                ..Elf::default()
            },
        };
        let segments = header.program_headers(endian, data);
        headers.elf.is_partial = segments.is_err();
        let segments = segments.unwrap_or_default();
        headers.elf.is_partial |= segments.len() > SEGMENTS_MAX;
        let (mut dynamic, mut notes_left) = (None, NOTES_MAX);
        for segment in segments.iter().take(SEGMENTS_MAX) {
            let (offset, size) = segment.file_range(endian);
            let kind = segment.p_type(endian);
            headers.segments.push(Segment {
                kind,
                file: offset..offset.saturating_add(size),
                address: segment.p_vaddr(endian).into(),
            });
            let protection = &mut headers.elf.protection;
            protection::read_segment(protection, kind, segment.p_flags(endian).0);
            // Linux takes the first, and the loader the last dynamic section.
            if let (None, Ok(Some(interpreter))) =
                (&headers.elf.interpreter, segment.interpreter(endian, data))
            {
                headers.elf.interpreter = Some(text(interpreter));
            }
            if kind == elf::PT_DYNAMIC {
                dynamic = Some(segment);
            }
            if let Ok(Some(mut notes)) = segment.notes(endian, data) {
                while let Ok(Some(note)) = notes.next() {
                    headers.elf.is_partial |= notes_left == 0;
                    let Some(left) = notes_left.checked_sub(1) else { break };
                    notes_left = left;
                    protection::read_note(&mut headers.elf.protection, note.name());
                    let Some(mut properties) = note.gnu_properties(endian) else { continue };
                    while let Ok(Some(property)) = properties.next() {
                        if property.pr_type() == elf::GNU_PROPERTY_X86_ISA_1_NEEDED {
                            headers.elf.isa_needed |= property.data_u32(endian).unwrap_or(0);
                        }
                    }
                }
            }
        }
        headers.elf.is_dynamic = dynamic.is_some();
        if let Some(segment) = dynamic {
            headers.read_dynamic(endian, data, segment);
        }
        for (tag, value) in &headers.dynamic {
            protection::read_dynamic(&mut headers.elf.protection, *tag, *value);
        }
        Some(headers)
    }

    fn read_dynamic<P: ProgramHeader<Endian = Endianness>>(
        &mut self,
        endian: Endianness,
        data: &Probe,
        segment: &P,
    ) {
        let Ok(Some(entries)) = segment.dynamic(endian, data) else {
            let (offset, size) = segment.file_range(endian);
            self.elf.is_partial |=
                offset.checked_add(size).is_some_and(|end| end <= data.size_bytes);
            return;
        };
        let entries = entries.iter().map(|entry| (entry.tag(endian), entry.val(endian)));
        let entries = entries.take_while(|(tag, _)| *tag != elf::DT_NULL);
        self.dynamic = entries.take(DYNAMIC_MAX + 1).collect();
        self.elf.is_partial |= self.dynamic.len() > DYNAMIC_MAX;
    }

    fn value(&self, tag: elf::DynamicTag) -> Option<u64> {
        self.dynamic.iter().find(|(entry, _)| *entry == tag).map(|(_, value)| *value)
    }

    /// Returns where in the file the dynamic strings are.
    fn strings(&self, data: &Probe) -> Option<Range<u64>> {
        let address = self.value(elf::DT_STRTAB)?;
        let size = self.value(elf::DT_STRSZ)?;
        let segment = self.segments.iter().find(|segment| {
            let size = segment.file.end - segment.file.start;
            segment.kind == elf::PT_LOAD
                && address >= segment.address
                && address - segment.address < size
        })?;
        let start = segment.file.start.checked_add(address - segment.address)?;
        let end = start.checked_add(size)?;
        (end <= data.size_bytes).then_some(start..end)
    }
}

fn read_elf(data: &Probe) -> Option<Elf> {
    let headers = Headers::of(data)?;
    let mut elf = headers.elf.clone();
    protection::read_bytes(&mut elf.protection, &data.prefix);
    let Some(range) = headers.strings(data) else { return Some(elf) };
    if let Ok(names) = data.read_bytes_at(range.start, range.end - range.start) {
        protection::read_names(&mut elf.protection, names);
    }
    // No longer ones are looked for: many names may be one text without an end.
    let string = |value: u64| {
        let start = range.start.checked_add(value).filter(|start| *start < range.end)?;
        let end = range.end.min(start.saturating_add(TEXT_BYTES_MAX as u64 + 1));
        data.read_bytes_at_until(start..end, 0).ok().map(text)
    };
    let mut room = NEEDED_BYTES_MAX;
    for (number, (_, value)) in
        headers.dynamic.iter().filter(|(tag, _)| *tag == elf::DT_NEEDED).enumerate()
    {
        let name = string(*value).unwrap_or_default();
        if number == NEEDED_MAX || name.len() > room {
            elf.is_partial = true;
            break;
        }
        room -= name.len();
        elf.needed.extend(Some(name).filter(|name| !name.is_empty()));
    }
    elf.soname = headers.value(elf::DT_SONAME).and_then(string);
    elf.runpath =
        headers.value(elf::DT_RUNPATH).or_else(|| headers.value(elf::DT_RPATH)).and_then(string);
    Some(elf)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT_BYTES_MAX)]).into_owned()
}

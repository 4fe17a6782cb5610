// SPDX-License-Identifier: Apache-2.0
//! What is learned of a file while its bytes stream by: ELF headers and `#!` lines.
//!
//! Odd files are no errors here; they just have no facts.

mod protection;

use std::ops::Range;

use hardpan_tree::{Elf, Facts};
use object::Endianness;
use object::elf;
use object::read::elf::{Dyn as _, FileHeader, ProgramHeader as _};
use object::read::{ReadRef, StringTable};

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
            self.prefix.extend_from_slice(&bytes[..kept]);
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
            if piece.range.end <= end && !self.are_strings_planned {
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
        for segment in header.program_headers(endian, data).unwrap_or_default() {
            let (offset, size) = segment.file_range(endian);
            let kind = segment.p_type(endian);
            headers.segments.push(Segment {
                kind,
                file: offset..offset.saturating_add(size),
                address: segment.p_vaddr(endian).into(),
            });
            let protection = &mut headers.elf.protection;
            protection::read_segment(protection, kind, segment.p_flags(endian).0);
            if let Ok(Some(interpreter)) = segment.interpreter(endian, data) {
                headers.elf.interpreter = Some(text(interpreter));
            }
            headers.elf.is_dynamic |= kind == elf::PT_DYNAMIC;
            if let Ok(Some(entries)) = segment.dynamic(endian, data) {
                let entries = entries.iter().map(|entry| (entry.tag(endian), entry.val(endian)));
                headers.dynamic = entries.take_while(|(tag, _)| *tag != elf::DT_NULL).collect();
            }
            if let Ok(Some(mut notes)) = segment.notes(endian, data) {
                while let Ok(Some(note)) = notes.next() {
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
        for (tag, value) in &headers.dynamic {
            protection::read_dynamic(&mut headers.elf.protection, *tag, *value);
        }
        Some(headers)
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
    let strings = StringTable::new(data, range.start, range.end);
    let string = |value: u64| {
        let bytes = strings.get(u32::try_from(value).ok()?).ok()?;
        (bytes.len() <= TEXT_BYTES_MAX).then(|| text(bytes))
    };
    let needed = headers.dynamic.iter().filter(|(tag, _)| *tag == elf::DT_NEEDED);
    elf.needed = needed.filter_map(|(_, value)| string(*value)).take(NEEDED_MAX).collect();
    elf.soname = headers.value(elf::DT_SONAME).and_then(string);
    elf.runpath =
        headers.value(elf::DT_RUNPATH).or_else(|| headers.value(elf::DT_RPATH)).and_then(string);
    Some(elf)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT_BYTES_MAX)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(bytes: &[u8], chunk: usize) -> Option<Facts> {
        let mut probe = Probe::new(bytes.len() as u64);
        bytes.chunks(chunk).for_each(|bytes| probe.feed(bytes));
        probe.finish()
    }

    /// Makes a 64-bit little-endian shared object. The dynamic section is at one offset, its
    /// strings at another, and the first of two segments ends at a third; the rest is zeros.
    fn object(
        dynamic_offset: usize,
        strings_offset: usize,
        first: usize,
        size_bytes: usize,
    ) -> Vec<u8> {
        let strings = b"\0libc.so.6\0libx.so.1\0/opt/lib\0";
        let dynamic: Vec<u8> = [(1, 1), (14, 11), (29, 21), (5, strings_offset), (10, 30), (0, 0)]
            .into_iter()
            .flat_map(|(tag, value): (u64, usize)| {
                [tag.to_le_bytes(), (value as u64).to_le_bytes()].concat()
            })
            .collect();
        let header = |kind: u32, offset: usize, size: usize| {
            let (offset, size) = (offset as u64, size as u64);
            let mut bytes = [kind.to_le_bytes(), 4_u32.to_le_bytes()].concat();
            for value in [offset, offset, offset, size, size, 8] {
                bytes.extend(value.to_le_bytes());
            }
            bytes
        };
        let mut bytes = vec![0; size_bytes];
        bytes[..16].copy_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        bytes[16..18].copy_from_slice(&3_u16.to_le_bytes());
        bytes[18..20].copy_from_slice(&183_u16.to_le_bytes());
        bytes[20] = 1;
        bytes[32] = 64;
        bytes[48..52].copy_from_slice(&5_u32.to_le_bytes());
        for (at, value) in [(52, 64_u16), (54, 56), (56, 3)] {
            bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
        bytes[64..120].copy_from_slice(&header(1, 0, first));
        bytes[120..176].copy_from_slice(&header(1, first, size_bytes - first));
        bytes[176..232].copy_from_slice(&header(2, dynamic_offset, dynamic.len()));
        bytes[dynamic_offset..dynamic_offset + dynamic.len()].copy_from_slice(&dynamic);
        bytes[strings_offset..strings_offset + strings.len()].copy_from_slice(strings);
        bytes
    }

    #[test]
    fn objects_are_read_wherever_their_parts_are() {
        let expected = Elf {
            is_64_bit: true,
            machine: 183,
            flags: 5,
            file_type: 3,
            soname: Some("libx.so.1".into()),
            needed: vec!["libc.so.6".into()],
            runpath: Some("/opt/lib".into()),
            is_dynamic: true,
            ..Elf::default()
        };
        let large = PREFIX_BYTES + 200_000;
        let huge = PREFIX_BYTES_MAX + 200_000;
        for (dynamic, strings, first, size) in [
            (400, 240, 500, 1000),
            (240, 600, 500, 1000),
            // Beyond what is kept of the start.
            (PREFIX_BYTES + 80_000, 400, 4096, large),
            (PREFIX_BYTES - 40, 400, 4096, large),
            (PREFIX_BYTES + 96, PREFIX_BYTES + 150_000, 4096, large),
            (400, PREFIX_BYTES + 150_000, 4096, large),
            // In a first segment that is large, and beyond.
            (PREFIX_BYTES_MAX + 80_000, PREFIX_BYTES + 1, PREFIX_BYTES_MAX, huge),
            (PREFIX_BYTES_MAX - 40, PREFIX_BYTES + 1, huge - 4096, huge),
            (PREFIX_BYTES_MAX + 96, PREFIX_BYTES_MAX + 150_000, PREFIX_BYTES * 2, huge),
        ] {
            for chunk in [7, 4096, 65_536] {
                if chunk == 7 && size > 1000 {
                    continue;
                }
                let facts = probe(&object(dynamic, strings, first, size), chunk);
                let expected = expected.clone();
                assert_eq!(facts, Some(Facts::Elf(expected)), "{dynamic} {strings} {chunk}");
            }
        }
    }

    #[test]
    fn this_program_is_read() {
        let Ok(bytes) = std::fs::read("/proc/self/exe") else {
            eprintln!("skipped: this_program_is_read because /proc is not mounted");
            return;
        };
        let Some(Facts::Elf(elf)) = probe(&bytes, 65_536) else { panic!("not an ELF file") };
        assert!(
            elf.is_dynamic && elf.needed.iter().any(|name| name.starts_with("libc.")),
            "{elf:?}"
        );
        assert!(elf.interpreter.as_ref().is_some_and(|path| path.contains("ld-linux")));
        // What rustc makes for Linux, unless it is told otherwise.
        let protection = elf.protection;
        assert_eq!(protection.language, Some(hardpan_tree::ElfLanguage::Rust));
        assert_eq!(protection.stack_flags.map(|flags| flags & 1), Some(0));
        assert!(protection.has_relro && protection.binds_now && protection.is_pie);
        assert!(!protection.has_writable_code && !protection.has_text_relocations);
    }

    #[test]
    fn scripts_are_recognised() {
        let long = format!("#!{}", "x".repeat(1000));
        for (text, expected) in [
            ("#!/bin/sh\nexit 0\n", Some("/bin/sh")),
            ("#! /usr/bin/env python3 \nx", Some("/usr/bin/env python3")),
            ("#!/bin/sh", Some("/bin/sh")),
            (&long, Some(&long[2..SCRIPT_BYTES_MAX])),
            ("#!\nx", None),
            ("# !x", None),
            ("#", None),
            ("", None),
        ] {
            let expected = expected.map(|line| Facts::Script(line.to_owned()));
            assert_eq!(probe(text.as_bytes(), 3), expected, "{text:?}");
        }
    }

    #[test]
    fn damaged_objects_are_no_errors() {
        let whole = object(400, 240, 500, 1000);
        for length in 0..whole.len() {
            probe(&whole[..length], 64);
        }
        for at in 0..400 {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            probe(&bytes, 64);
        }
    }
}

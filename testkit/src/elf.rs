// SPDX-License-Identifier: Apache-2.0
//! ELF files of 64 bits, as small as they can be: for what readers look up in sections and segments. They
//! don't run.

const HEADER_BYTES: usize = 64;
const SEGMENT_BYTES: usize = 56;
const SECTION_BYTES: usize = 64;
/// Where the file would be in memory.
pub const BASE_ADDRESS: u64 = 0x40_0000;

const PT_LOAD: u32 = 1;
const PT_DYNAMIC: u32 = 2;
const PT_INTERP: u32 = 3;
const PT_NOTE: u32 = 4;
const PT_GNU_STACK: u32 = 0x6474_e551;
const PT_GNU_RELRO: u32 = 0x6474_e552;
const DT_NEEDED: u64 = 1;
const DT_STRTAB: u64 = 5;
const DT_STRSZ: u64 = 10;
const DT_SONAME: u64 = 14;
const DT_RUNPATH: u64 = 29;
/// `DT_FLAGS_1`.
const DT_FLAGS_1: u64 = 0x6fff_fffb;

/// An ELF file in the making.
#[derive(Debug, Clone)]
pub struct Elf {
    parts: Vec<Part>,
    is_without_sections: bool,
    file_type: usize,
    machine: usize,
    dynamic: Option<Dynamic>,
}

impl Default for Elf {
    fn default() -> Self {
        Self {
            parts: Vec::new(),
            is_without_sections: false,
            file_type: 3,
            machine: 62,
            dynamic: None,
        }
    }
}

/// A dynamic section in the making.
#[derive(Debug, Clone)]
struct Dynamic {
    /// Tags and numbers.
    entries: Vec<(u64, u64)>,
    strings: Vec<u8>,
}

#[derive(Debug, Clone)]
struct Part {
    name: String,
    /// Type and flags of its segment, if it has one.
    segment: Option<(u32, u32)>,
    bytes: Vec<u8>,
}

/// Starts an ELF file.
pub fn elf() -> Elf {
    Elf::default()
}

impl Elf {
    fn part(mut self, name: &str, segment: Option<(u32, u32)>, bytes: &[u8]) -> Self {
        self.parts.push(Part { name: name.to_owned(), segment, bytes: bytes.to_vec() });
        self
    }

    /// Adds a section that is not loaded.
    pub fn section(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.part(name, None, bytes.as_ref())
    }

    /// Adds a section in a segment of data.
    pub fn data(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.part(name, Some((PT_LOAD, 6)), bytes.as_ref())
    }

    /// Adds a section of notes in a segment of its own.
    pub fn note(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.part(name, Some((PT_NOTE, 4)), bytes.as_ref())
    }

    /// Adds a section in a segment that is loaded with these flags: 1 execute, 2 write, 4 read.
    pub fn load(self, name: &str, flags: u32, bytes: impl AsRef<[u8]>) -> Self {
        self.part(name, Some((PT_LOAD, flags)), bytes.as_ref())
    }

    /// Says how the stack is to be protected, with the same flags.
    pub fn stack(self, flags: u32) -> Self {
        self.part(".stack", Some((PT_GNU_STACK, flags)), &[])
    }

    /// Says that some of the data is to be read-only once the program runs.
    pub fn relro(self) -> Self {
        self.part(".relro", Some((PT_GNU_RELRO, 4)), &[])
    }

    /// Names the program that loads it.
    pub fn interpreter(self, path: &str) -> Self {
        let path = [path.as_bytes(), b"\0"].concat();
        self.part(".interp", Some((PT_INTERP, 4)), &path)
    }

    /// Sets the type: 1 is what a linker takes, 2 a program at a fixed address, 3 all else that is loaded.
    pub fn file_type(mut self, file_type: usize) -> Self {
        self.file_type = file_type;
        self
    }

    /// Sets the machine: 62 is x86-64, 183 is AArch64.
    pub fn machine(mut self, machine: usize) -> Self {
        self.machine = machine;
        self
    }

    /// Adds a library that it needs.
    pub fn needed(self, name: &str) -> Self {
        self.named(DT_NEEDED, name)
    }

    /// Gives it the name by which others need it.
    pub fn soname(self, name: &str) -> Self {
        self.named(DT_SONAME, name)
    }

    /// Says where libraries are looked for.
    pub fn runpath(self, path: &str) -> Self {
        self.named(DT_RUNPATH, path)
    }

    /// Adds the name of a function to the dynamic strings.
    pub fn symbol(mut self, name: &str) -> Self {
        self.string(name);
        self
    }

    /// Adds an entry to the dynamic section.
    pub fn tag(mut self, tag: u64, value: u64) -> Self {
        self.dynamic().entries.push((tag, value));
        self
    }

    /// Makes it as Debian's compilers do: no executable stack, read-only tables, all functions bound at the start.
    pub fn hardened(self) -> Self {
        self.stack(6).relro().tag(DT_FLAGS_1, 0x0800_0001).symbol("__stack_chk_fail")
    }

    fn named(mut self, tag: u64, name: &str) -> Self {
        let offset = self.string(name);
        self.tag(tag, offset)
    }

    fn string(&mut self, text: &str) -> u64 {
        let strings = &mut self.dynamic().strings;
        let offset = strings.len() as u64;
        strings.extend(text.as_bytes());
        strings.push(0);
        offset
    }

    fn dynamic(&mut self) -> &mut Dynamic {
        self.dynamic.get_or_insert_with(|| Dynamic { entries: Vec::new(), strings: vec![0] })
    }

    /// Leaves out the table of sections.
    pub fn without_sections(mut self) -> Self {
        self.is_without_sections = true;
        self
    }

    /// Returns where the next part's bytes will be in the file, if there are that many segments in all.
    pub fn next_offset_bytes(&self, segments: usize) -> usize {
        let start = HEADER_BYTES + segments * SEGMENT_BYTES;
        let add = |at: usize, part: &Part| at.next_multiple_of(16) + part.bytes.len();
        self.parts.iter().fold(start, add).next_multiple_of(16)
    }

    /// Returns the bytes.
    pub fn build(&self) -> Vec<u8> {
        let parts = self.all_parts();
        let segments = parts.iter().filter(|part| part.segment.is_some()).count();
        let mut body = vec![0; HEADER_BYTES + segments * SEGMENT_BYTES];
        let mut headers = Vec::new();
        let mut sections = vec![0; SECTION_BYTES];
        let mut names = vec![0];
        let mut strings_address = 0;
        for part in &parts {
            body.resize(body.len().next_multiple_of(16), 0);
            let (offset, size) = (body.len() as u64, part.bytes.len() as u64);
            if part.name == DYNAMIC {
                let strings = BASE_ADDRESS + strings_address;
                body.extend(self.dynamic.iter().flat_map(|dynamic| dynamic.table(strings)));
            } else {
                strings_address = offset;
                body.extend_from_slice(&part.bytes);
            }
            if let Some((kind, flags)) = part.segment {
                headers.extend(kind.to_le_bytes());
                headers.extend(flags.to_le_bytes());
                let address = BASE_ADDRESS + offset;
                // Readers of notes know no other alignment.
                let alignment = if kind == PT_NOTE { 4 } else { 16 };
                for number in [offset, address, address, size, size, alignment] {
                    headers.extend(number.to_le_bytes());
                }
            }
            sections.extend(section(names.len(), 1, offset, size));
            names.extend(part.name.as_bytes());
            names.push(0);
        }
        let name = names.len();
        names.extend(b".shstrtab\0");
        sections.extend(section(name, 3, body.len() as u64, names.len() as u64));
        body.extend(names);
        body.resize(body.len().next_multiple_of(16), 0);
        let (mut table, mut count) = (body.len() as u64, parts.len() + 2);
        if self.is_without_sections {
            (table, count) = (0, 0);
        } else {
            body.extend(sections);
        }
        body[HEADER_BYTES..HEADER_BYTES + headers.len()].copy_from_slice(&headers);
        body[..HEADER_BYTES].copy_from_slice(&file_header(
            [self.file_type, self.machine],
            segments,
            table,
            count,
        ));
        body
    }

    /// Returns the parts, with those of the dynamic section: its strings, and the table, which is made when it is known
    /// where the strings are.
    fn all_parts(&self) -> Vec<Part> {
        let mut parts = self.parts.clone();
        if let Some(dynamic) = &self.dynamic {
            let part = |name: &str, kind, bytes| Part {
                name: name.to_owned(),
                segment: Some((kind, 4)),
                bytes,
            };
            parts.push(part(".dynstr", PT_LOAD, dynamic.strings.clone()));
            parts.push(part(DYNAMIC, PT_DYNAMIC, dynamic.table(0)));
        }
        parts
    }
}

/// The section that says where everything else is.
const DYNAMIC: &str = ".dynamic";

impl Dynamic {
    fn table(&self, strings_address: u64) -> Vec<u8> {
        let ends = [(DT_STRTAB, strings_address), (DT_STRSZ, self.strings.len() as u64), (0, 0)];
        let entries = self.entries.iter().copied().chain(ends);
        entries.flat_map(|(tag, value)| [tag.to_le_bytes(), value.to_le_bytes()].concat()).collect()
    }
}

fn section(name: usize, kind: u32, offset: u64, size: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(u32::try_from(name).expect("few names").to_le_bytes());
    bytes.extend(kind.to_le_bytes());
    // The fifth stands for two fields of four bytes.
    for number in [0, 0, offset, size, 0, 1, 0] {
        bytes.extend(number.to_le_bytes());
    }
    bytes
}

fn file_header(
    [file_type, machine]: [usize; 2],
    segments: usize,
    table: u64,
    sections: usize,
) -> Vec<u8> {
    let half = |number: usize| u16::try_from(number).expect("few parts").to_le_bytes();
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend(half(file_type));
    bytes.extend(half(machine));
    bytes.extend(1_u32.to_le_bytes());
    for number in [0, HEADER_BYTES as u64, table] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend(0_u32.to_le_bytes());
    for number in [HEADER_BYTES, SEGMENT_BYTES, segments, SECTION_BYTES, sections] {
        bytes.extend(half(number));
    }
    bytes.extend(half(sections.saturating_sub(1)));
    bytes
}

// SPDX-License-Identifier: Apache-2.0
//! ELF files of 64 bits, as small as they can be: for what readers look up in sections and segments. They
//! don't run.

const HEADER_BYTES: usize = 64;
const SEGMENT_BYTES: usize = 56;
const SECTION_BYTES: usize = 64;
/// Where the file would be in memory.
pub const BASE_ADDRESS: u64 = 0x40_0000;

/// An ELF file in the making.
#[derive(Debug, Clone, Default)]
pub struct Elf {
    parts: Vec<Part>,
    is_without_sections: bool,
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
        self.part(name, Some((1, 6)), bytes.as_ref())
    }

    /// Adds a section of notes in a segment of its own.
    pub fn note(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.part(name, Some((4, 4)), bytes.as_ref())
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
        let segments = self.parts.iter().filter(|part| part.segment.is_some()).count();
        let mut body = vec![0; HEADER_BYTES + segments * SEGMENT_BYTES];
        let mut headers = Vec::new();
        let mut sections = vec![0; SECTION_BYTES];
        let mut names = vec![0];
        for part in &self.parts {
            body.resize(body.len().next_multiple_of(16), 0);
            let (offset, size) = (body.len() as u64, part.bytes.len() as u64);
            body.extend_from_slice(&part.bytes);
            if let Some((kind, flags)) = part.segment {
                headers.extend(kind.to_le_bytes());
                headers.extend(flags.to_le_bytes());
                let address = BASE_ADDRESS + offset;
                for number in [offset, address, address, size, size, 16] {
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
        let (mut table, mut count) = (body.len() as u64, self.parts.len() + 2);
        if self.is_without_sections {
            (table, count) = (0, 0);
        } else {
            body.extend(sections);
        }
        body[HEADER_BYTES..HEADER_BYTES + headers.len()].copy_from_slice(&headers);
        body[..HEADER_BYTES].copy_from_slice(&file_header(segments, table, count));
        body
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

fn file_header(segments: usize, table: u64, sections: usize) -> Vec<u8> {
    let half = |number: usize| u16::try_from(number).expect("few parts").to_le_bytes();
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend(half(3));
    bytes.extend(half(62));
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

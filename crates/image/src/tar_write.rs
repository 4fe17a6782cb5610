// SPDX-License-Identifier: Apache-2.0
//! Headers of the tar entries that are made here: directories of layers, files of archives.

/// The unit of a tar archive, in bytes.
pub(crate) const BLOCK: usize = 512;
/// Two blocks of zeros end an archive (POSIX.1-2024, pax, "ustar Interchange Format").
pub(crate) const END_MARKER: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// The largest number that fits a header's 8-byte octal fields.
const OCTAL_7_MAX: u64 = 0o777_7777;
/// The largest number that fits a header's 12-byte octal fields: 8 GiB less one.
const OCTAL_11_MAX: u64 = 0o777_7777_7777;

/// What one entry's header says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'e> {
    /// The path, without leading slash; a directory's ends with one.
    pub path: &'e [u8],
    /// `0` for a file, `5` for a directory.
    pub kind: u8,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub size_bytes: u64,
    pub mtime: i64,
}

/// Appends an entry's header, with a pax header before it where a value does not fit the fields.
pub(crate) fn append_header(output: &mut Vec<u8>, entry: Entry<'_>, pax: &[(String, Vec<u8>)]) {
    let mut records = Vec::new();
    if entry.path.len() > 100 {
        append_record(&mut records, "path", entry.path);
    }
    for (name, id) in [("uid", entry.uid), ("gid", entry.gid)] {
        if u64::from(id) > OCTAL_7_MAX {
            append_record(&mut records, name, id.to_string().as_bytes());
        }
    }
    if entry.size_bytes > OCTAL_11_MAX {
        append_record(&mut records, "size", entry.size_bytes.to_string().as_bytes());
    }
    for (name, value) in pax {
        append_record(&mut records, name, value);
    }
    if !records.is_empty() {
        let size_bytes = records.len() as u64;
        let path = b"././@PaxHeader";
        append_block(output, Entry { path, kind: b'x', mode: 0o644, size_bytes, ..entry });
        output.extend_from_slice(&records);
        output.resize(output.len().next_multiple_of(BLOCK), 0);
    }
    append_block(output, entry);
}

/// Appends `length key=value\n`, where the length counts itself.
fn append_record(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(format!("{length} {key}=").as_bytes());
    records.extend_from_slice(value);
    records.push(b'\n');
}

fn append_block(output: &mut Vec<u8>, entry: Entry<'_>) {
    let mut block = [0_u8; BLOCK];
    let path = &entry.path[..entry.path.len().min(100)];
    block[..path.len()].copy_from_slice(path);
    let seconds = u64::try_from(entry.mtime).unwrap_or(0).min(OCTAL_11_MAX);
    let mut octal = |start: usize, digits: usize, value: u64| {
        let text = format!("{value:0digits$o}");
        block[start..start + digits].copy_from_slice(text.as_bytes());
    };
    octal(100, 7, u64::from(entry.mode));
    octal(108, 7, u64::from(entry.uid).min(OCTAL_7_MAX));
    octal(116, 7, u64::from(entry.gid).min(OCTAL_7_MAX));
    octal(124, 11, entry.size_bytes.min(OCTAL_11_MAX));
    octal(136, 11, seconds);
    block[148..156].fill(b' ');
    block[156] = entry.kind;
    block[257..265].copy_from_slice(b"ustar\x0000");
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    output.extend_from_slice(&block);
}

// SPDX-License-Identifier: Apache-2.0
//! Checks a tar stream as it passes by: well formed, and no path twice.

use std::collections::HashSet;

use hardpan_tree::{BLOCK_BYTES, PathError, TreePath};

/// The largest pax header or long name that is read, in bytes: room for all names and extended
/// attributes that Linux allows.
const EXTENSION_SIZE_BYTES_MAX: u64 = 1 << 20;
/// The most entries that a layer may have.
const ENTRIES_MAX: usize = 5_000_000;

/// What is wrong with a layer's tar stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TarScanError {
    /// Docker, podman and crane refuse such layers.
    #[error("{0} stands twice in the layer")]
    Duplicate(TreePath),
    /// A block of zeros where an entry should start.
    #[error("the archive ends before its last segment")]
    EarlyEnd,
    /// A segment ends inside an entry.
    #[error("a segment ends in the middle of an entry")]
    Truncated,
    /// A header that does not sum up, or with a field that is no number.
    #[error("a header is malformed: {0}")]
    BadHeader(&'static str),
    /// A path that leads out of the layer.
    #[error("an entry has a bad path")]
    BadPath(#[source] PathError),
    /// More than 5,000,000 entries.
    #[error("the layer has more than {ENTRIES_MAX} entries")]
    TooMany,
}

/// Reads the headers in a stream that arrives in pieces of any length.
#[derive(Debug, Default)]
pub(crate) struct TarScanner {
    header: Vec<u8>,
    /// Bytes of the current entry's data and padding that are still to come.
    data_left: u64,
    /// The data of a pax header or long name that is being read.
    extension: Option<(u8, u64, Vec<u8>)>,
    /// What extensions said of the entry to come.
    next_path: Option<Vec<u8>>,
    next_size_bytes: Option<u64>,
    paths: HashSet<TreePath>,
    entries: usize,
}

impl TarScanner {
    /// Takes the next bytes.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) -> Result<(), TarScanError> {
        while !bytes.is_empty() {
            if self.data_left > 0 {
                let count = usize::try_from(self.data_left).unwrap_or(usize::MAX).min(bytes.len());
                if let Some((_, size_bytes, data)) = &mut self.extension {
                    let wanted = usize::try_from(*size_bytes).unwrap_or(usize::MAX) - data.len();
                    data.extend_from_slice(&bytes[..count.min(wanted)]);
                }
                self.data_left -= count as u64;
                bytes = &bytes[count..];
                if self.data_left == 0 {
                    self.finish_extension()?;
                }
                continue;
            }
            let count = (BLOCK_BYTES - self.header.len()).min(bytes.len());
            self.header.extend_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            if self.header.len() == BLOCK_BYTES {
                let header = std::mem::take(&mut self.header);
                self.take_header(&header)?;
                self.header = header;
                self.header.clear();
            }
        }
        Ok(())
    }

    /// Says that a segment ended; it must have ended between two entries.
    pub(crate) fn end_segment(&self) -> Result<(), TarScanError> {
        let is_between = self.header.is_empty()
            && self.data_left == 0
            && self.next_path.is_none()
            && self.next_size_bytes.is_none();
        if is_between { Ok(()) } else { Err(TarScanError::Truncated) }
    }

    /// Returns how many entries there were.
    pub(crate) fn entries(&self) -> usize {
        self.entries
    }

    fn take_header(&mut self, header: &[u8]) -> Result<(), TarScanError> {
        if header.iter().all(|&byte| byte == 0) {
            return Err(TarScanError::EarlyEnd);
        }
        let sum: u64 = (header.iter().enumerate())
            .map(|(at, &byte)| if (148..156).contains(&at) { 32 } else { u64::from(byte) })
            .sum();
        if octal(&header[148..156]) != Some(sum) {
            return Err(TarScanError::BadHeader("the check sum is wrong"));
        }
        let kind = header[156];
        let size_bytes =
            octal(&header[124..136]).ok_or(TarScanError::BadHeader("the size is no number"))?;
        if matches!(kind, b'x' | b'L' | b'K' | b'g') {
            if size_bytes > EXTENSION_SIZE_BYTES_MAX {
                return Err(TarScanError::BadHeader("an extension is too long"));
            }
            self.data_left = size_bytes.next_multiple_of(BLOCK_BYTES as u64);
            self.extension = Some((kind, size_bytes, Vec::new()));
            return Ok(());
        }
        let path = match self.next_path.take() {
            Some(path) => path,
            None => header_path(header),
        };
        let path = TreePath::parse(path).map_err(TarScanError::BadPath)?;
        let size_bytes = self.next_size_bytes.take().unwrap_or(size_bytes);
        // Links, devices and directories have no data, whatever their size says.
        self.data_left = match kind {
            b'0' | b'7' | 0 => (size_bytes.checked_next_multiple_of(BLOCK_BYTES as u64))
                .ok_or(TarScanError::BadHeader("the size is no number"))?,
            _ => 0,
        };
        self.entries += 1;
        if self.entries > ENTRIES_MAX {
            return Err(TarScanError::TooMany);
        }
        if self.paths.contains(&path) {
            return Err(TarScanError::Duplicate(path));
        }
        self.paths.insert(path);
        Ok(())
    }

    fn finish_extension(&mut self) -> Result<(), TarScanError> {
        match self.extension.take() {
            Some((b'L', _, mut data)) => {
                data.truncate(data.iter().position(|&byte| byte == 0).unwrap_or(data.len()));
                self.next_path = Some(data);
            }
            Some((b'x', _, data)) => {
                let mut rest = data.as_slice();
                while !rest.is_empty() {
                    let (key, value, after) = take_record(rest)
                        .ok_or(TarScanError::BadHeader("a pax record is malformed"))?;
                    match key {
                        b"path" => self.next_path = Some(value.to_vec()),
                        b"size" => {
                            let size_bytes = std::str::from_utf8(value).ok();
                            let size_bytes = size_bytes.and_then(|text| text.parse().ok());
                            self.next_size_bytes = Some(
                                size_bytes
                                    .ok_or(TarScanError::BadHeader("the size is no number"))?,
                            );
                        }
                        _ => {}
                    }
                    rest = after;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Splits `length key=value\n` off a pax header's data.
fn take_record(data: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = data.iter().take(8).position(|&byte| byte == b' ')?;
    let length: usize = std::str::from_utf8(&data[..space]).ok()?.parse().ok()?;
    let record = data.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &data[length..]))
}

fn header_path(header: &[u8]) -> Vec<u8> {
    let field = |range: std::ops::Range<usize>| {
        let bytes = &header[range];
        &bytes[..bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len())]
    };
    let (name, prefix) = (field(0..100), field(345..500));
    if header[257..263] == *b"ustar\0" && !prefix.is_empty() {
        [prefix, b"/", name].concat()
    } else {
        name.to_vec()
    }
}

fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?.trim_matches([' ', '\0']);
    if text.is_empty() {
        return Some(0);
    }
    if !text.bytes().all(|byte| matches!(byte, b'0'..=b'7')) {
        return None;
    }
    u64::from_str_radix(text, 8).ok()
}

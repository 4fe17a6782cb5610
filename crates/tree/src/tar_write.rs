// SPDX-License-Identifier: Apache-2.0
//! A deterministic writer of tar archives.
//!
//! Headers are ustar (POSIX.1-1988); what does not fit goes into PAX records (POSIX.1-2001), which
//! are there only when needed. User and group names are always empty. So the same entries give the
//! same bytes, whoever writes them and where.

use std::io::{self, Read, Write};

use crate::{Content, Contents, Kind, Metadata, Node, TreePath};

/// The size of a tar block.
pub const BLOCK_BYTES: usize = 512;

/// What ends an archive: two blocks of zeros.
pub const END_MARKER: [u8; 2 * BLOCK_BYTES] = [0; 2 * BLOCK_BYTES];

/// The kinds of entries that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TarKind<'a> {
    /// A directory.
    Directory,
    /// A regular file and its length in bytes.
    File(u64),
    /// A symbolic link and its target.
    Symlink(&'a [u8]),
    /// A hard link to a path that was written before.
    HardLink(&'a TreePath),
}

/// Where an entry was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// Offset of the first byte of its headers.
    pub record_offset_bytes: u64,
    /// Offset of the first byte of its data.
    pub data_offset_bytes: u64,
    /// Offset after its padding.
    pub end_offset_bytes: u64,
}

/// Writes entries one after another. Offsets count from 0, or from where [`TarWriter::at`] says.
#[derive(Debug)]
pub struct TarWriter<W> {
    inner: W,
    offset_bytes: u64,
    /// Bytes of data that the open entry still has to get.
    missing_bytes: u64,
    buffer: Vec<u8>,
}

impl<W: Write> TarWriter<W> {
    /// Starts an archive.
    pub fn new(inner: W) -> Self {
        Self::at(inner, 0)
    }

    /// Goes on with an archive of which so many bytes exist.
    pub fn at(inner: W, offset_bytes: u64) -> Self {
        Self { inner, offset_bytes, missing_bytes: 0, buffer: Vec::new() }
    }

    /// Returns how many bytes the archive has.
    pub fn offset_bytes(&self) -> u64 {
        self.offset_bytes
    }

    /// Writes bytes that are a part of an archive already (a segment), and counts them.
    pub fn write_raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_all(bytes)?;
        self.offset_bytes += bytes.len() as u64;
        Ok(())
    }

    /// Writes the headers of an entry; the data of a file has to follow through
    /// [`TarWriter::write_data`]. Returns the offset at which that begins.
    pub fn write_header(
        &mut self,
        path: &TreePath,
        metadata: &Metadata,
        kind: TarKind<'_>,
    ) -> io::Result<u64> {
        self.expect_complete()?;
        // PAX has no way to write them.
        if metadata.xattrs.keys().any(|name| name.is_empty() || name.contains(['=', '\0'])) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{path} has an extended attribute whose name tar can't hold"),
            ));
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        encode(path, metadata, kind, &mut buffer);
        let written = self.write_raw(&buffer);
        self.buffer = buffer;
        written?;
        if let TarKind::File(size_bytes) = kind {
            self.missing_bytes = size_bytes;
        }
        Ok(self.offset_bytes)
    }

    /// Writes a part of the data of the file whose headers were written last. With the last byte
    /// the padding is written too.
    pub fn write_data(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() as u64 > self.missing_bytes {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "more data than the tar header says",
            ));
        }
        self.write_raw(bytes)?;
        self.missing_bytes -= bytes.len() as u64;
        if self.missing_bytes == 0 {
            let padding = padding_bytes(self.offset_bytes);
            self.write_raw(&END_MARKER[..padding])?;
        }
        Ok(())
    }

    /// Writes an entry with its data. The data has to be as long as the kind says.
    pub fn write_entry(
        &mut self,
        path: &TreePath,
        metadata: &Metadata,
        kind: TarKind<'_>,
        data: &mut dyn Read,
    ) -> io::Result<Written> {
        let record_offset_bytes = self.offset_bytes;
        let data_offset_bytes = self.write_header(path, metadata, kind)?;
        let mut buffer = vec![0; usize::try_from(self.missing_bytes.min(64 * 1024)).unwrap_or(0)];
        while self.missing_bytes > 0 {
            let want = buffer.len().min(usize::try_from(self.missing_bytes).unwrap_or(usize::MAX));
            match data.read(&mut buffer[..want]) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.write_data(&buffer[..count])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Written { record_offset_bytes, data_offset_bytes, end_offset_bytes: self.offset_bytes })
    }

    /// Writes a node of a tree, with its data.
    pub fn write_node(
        &mut self,
        path: &TreePath,
        node: &Node,
        contents: &dyn Contents,
    ) -> io::Result<Written> {
        match &node.kind {
            Kind::Directory => {
                self.write_entry(path, &node.metadata, TarKind::Directory, &mut io::empty())
            }
            Kind::Symlink(target) => {
                self.write_entry(path, &node.metadata, TarKind::Symlink(target), &mut io::empty())
            }
            Kind::HardLink(target) => {
                self.write_entry(path, &node.metadata, TarKind::HardLink(target), &mut io::empty())
            }
            Kind::File(file) => {
                let bytes = match &file.content {
                    Content::Inline(bytes) => bytes.clone(),
                    _ => contents.read(file)?,
                };
                let kind = TarKind::File(bytes.len() as u64);
                self.write_entry(path, &node.metadata, kind, &mut &bytes[..])
            }
        }
    }

    /// Writes the two blocks that end an archive.
    pub fn write_end_marker(&mut self) -> io::Result<()> {
        self.expect_complete()?;
        self.write_raw(&END_MARKER)
    }

    /// Returns the writer.
    pub fn into_inner(self) -> W {
        self.inner
    }

    fn expect_complete(&self) -> io::Result<()> {
        if self.missing_bytes == 0 {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidInput, "the last tar entry lacks data"))
    }
}

/// Returns how many bytes bring a length to a block border.
pub(crate) fn padding_bytes(size_bytes: u64) -> usize {
    let over = usize::try_from(size_bytes % BLOCK_BYTES as u64).expect("below the block size");
    (BLOCK_BYTES - over) % BLOCK_BYTES
}

const NAME_BYTES: usize = 100;
const PREFIX_BYTES: usize = 155;
/// The largest number in a field of seven octal digits.
const SEVEN_DIGITS_MAX: u64 = 0o7_777_777;
/// The largest number in a field of eleven octal digits.
const ELEVEN_DIGITS_MAX: u64 = 0o77_777_777_777;

/// Appends an entry's headers.
fn encode(path: &TreePath, metadata: &Metadata, kind: TarKind<'_>, out: &mut Vec<u8>) {
    let mut records = Vec::new();
    let mut header = Header::new();

    let mut name = path.as_bytes().to_vec();
    if kind == TarKind::Directory {
        name.push(b'/');
    }
    if path.is_root() {
        name = b"./".to_vec();
    }
    if !header.set_name(&name) {
        record("path", &name, &mut records);
        header.put(0, &name[..NAME_BYTES]);
    }
    let (type_flag, size_bytes, target) = match kind {
        TarKind::Directory => (b'5', 0, &b""[..]),
        TarKind::File(size_bytes) => (b'0', size_bytes, &b""[..]),
        TarKind::Symlink(target) => (b'2', 0, target),
        TarKind::HardLink(target) => (b'1', 0, target.as_bytes()),
    };
    header.put(156, &[type_flag]);
    header.put(157, &target[..target.len().min(NAME_BYTES)]);
    if target.len() > NAME_BYTES {
        record("linkpath", target, &mut records);
    }
    header.put_octal(100, 7, u64::from(metadata.mode & crate::MODE_MASK));
    let mtime = u64::try_from(metadata.mtime).unwrap_or(0);
    for (key, offset, digits, value, value_max) in [
        ("uid", 108, 7, u64::from(metadata.uid), SEVEN_DIGITS_MAX),
        ("gid", 116, 7, u64::from(metadata.gid), SEVEN_DIGITS_MAX),
        ("size", 124, 11, size_bytes, ELEVEN_DIGITS_MAX),
        ("mtime", 136, 11, mtime, ELEVEN_DIGITS_MAX),
    ] {
        if value > value_max {
            record(key, value.to_string().as_bytes(), &mut records);
            header.put_octal(offset, digits, 0);
        } else {
            header.put_octal(offset, digits, value);
        }
    }
    for (name, value) in &metadata.xattrs {
        record(&format!("SCHILY.xattr.{name}"), value, &mut records);
    }

    if !records.is_empty() {
        let mut extension = Header::new();
        extension.put(0, b"././@PaxHeader");
        extension.put(156, b"x");
        extension.put_octal(100, 7, 0o644);
        extension.put_octal(108, 7, 0);
        extension.put_octal(116, 7, 0);
        extension.put_octal(124, 11, records.len() as u64);
        extension.put_octal(136, 11, 0);
        out.extend_from_slice(&extension.finish());
        out.extend_from_slice(&records);
        out.extend_from_slice(&END_MARKER[..padding_bytes(records.len() as u64)]);
    }
    out.extend_from_slice(&header.finish());
}

/// Appends a PAX record: its own length, a space, key, `=`, value, line break.
fn record(key: &str, value: &[u8], out: &mut Vec<u8>) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length.to_string().len() + rest != length {
        length = length.to_string().len() + rest;
    }
    out.extend_from_slice(length.to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(key.as_bytes());
    out.push(b'=');
    out.extend_from_slice(value);
    out.push(b'\n');
}

struct Header([u8; BLOCK_BYTES]);

impl Header {
    fn new() -> Self {
        let mut header = Self([0; BLOCK_BYTES]);
        header.put(257, b"ustar\x0000");
        // Device numbers: readers take an empty field for 0, but strict ones want digits.
        header.put_octal(329, 7, 0);
        header.put_octal(337, 7, 0);
        header
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        self.0[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    /// Writes a number with leading zeros; the field's last byte stays NUL.
    fn put_octal(&mut self, offset: usize, digits: usize, value: u64) {
        let text = format!("{value:0digits$o}");
        self.put(offset, text.as_bytes());
    }

    /// Writes a name, split at a slash if it has to be; returns whether it fits.
    fn set_name(&mut self, name: &[u8]) -> bool {
        if name.len() <= NAME_BYTES {
            self.put(0, name);
            return true;
        }
        // The slash between the parts is not written. The last part must not be empty, so a
        // directory's own slash is no place to split.
        let slash = (1..name.len() - 1).find(|&at| {
            name[at] == b'/' && at <= PREFIX_BYTES && name.len() - at - 1 <= NAME_BYTES
        });
        let Some(slash) = slash else { return false };
        self.put(345, &name[..slash]);
        self.put(0, &name[slash + 1..]);
        true
    }

    fn finish(mut self) -> [u8; BLOCK_BYTES] {
        self.put(148, b"        ");
        let sum: u64 = self.0.iter().map(|&byte| u64::from(byte)).sum();
        self.put_octal(148, 6, sum);
        self.put(154, b"\0 ");
        self.0
    }
}

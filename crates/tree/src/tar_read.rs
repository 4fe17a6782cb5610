// SPDX-License-Identifier: Apache-2.0
//! A reader of tar archives that nobody vouches for: ustar, GNU long names, PAX.
//!
//! What a path or number may be is checked before anything else sees it, sizes are limited before
//! memory is taken, and nothing is ever guessed: what is unclear is refused.

use std::io::{self, Read};

use crate::{MODE_MASK, Metadata, PathError, TreePath, tar_header};

use crate::tar_header::{Numbers, Overrides};
use crate::tar_write::{BLOCK_BYTES, padding_bytes};

/// What [`TarReader`] refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TarLimits {
    /// Number of entries.
    pub entries_max: u64,
    /// Sum of the sizes of all entries.
    pub size_bytes_max: u64,
    /// Length of a link's target.
    pub target_bytes_max: usize,
    /// Size of one entry's long names and PAX records together.
    pub extension_bytes_max: u64,
    /// Whether device nodes and FIFOs are errors; else they are reported as entries.
    pub refuse_special: bool,
    /// Whether the archive has to end with a block of zeros; segments don't.
    pub end_marker_required: bool,
}

impl Default for TarLimits {
    fn default() -> Self {
        Self {
            entries_max: 1_000_000,
            size_bytes_max: 32 << 30,
            target_bytes_max: crate::PATH_BYTES_MAX,
            extension_bytes_max: 1 << 20,
            refuse_special: true,
            end_marker_required: true,
        }
    }
}

impl TarLimits {
    /// Returns the limits for layers of images: with device nodes, and without a block of zeros, which some builders leave
    /// out; the digest of a layer says where its end is.
    pub fn of_layer(entries_max: u64, size_bytes_max: u64) -> Self {
        Self {
            entries_max,
            size_bytes_max,
            refuse_special: false,
            end_marker_required: false,
            ..Self::default()
        }
    }
}

/// An entry's headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarEntry {
    /// Its path.
    pub path: TreePath,
    /// Its metadata. For the names of its owners see [`TarReader::owner_names`].
    pub metadata: Metadata,
    /// What it is.
    pub kind: TarEntryKind,
}

/// The kinds of entries that are read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TarEntryKind {
    /// A directory.
    Directory,
    /// A regular file and its length in bytes.
    File(u64),
    /// A symbolic link and its target, as written. It may lead anywhere; follow it only in a [`Tree`](crate::Tree).
    Symlink(Vec<u8>),
    /// A hard link and the path of what it names.
    HardLink(TreePath),
    /// A device node or FIFO.
    Special(Special),
}

/// Entries that no package needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// A character device.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A named pipe.
    Fifo,
}

impl std::fmt::Display for Special {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::CharacterDevice => "character device",
            Self::BlockDevice => "block device",
            Self::Fifo => "named pipe",
        })
    }
}

/// Why an archive is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TarReadError {
    /// The bytes can't be read.
    #[error("can't read")]
    Io(#[from] io::Error),
    /// It ends in the middle.
    #[error("cut short")]
    Truncated,
    /// A block that should be a header is none.
    #[error("not a tar header at byte {offset_bytes}: {problem}")]
    Header {
        /// Where.
        offset_bytes: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// A bad PAX record.
    #[error("bad PAX record at byte {offset_bytes}: {problem}")]
    Pax {
        /// Where the header that it belongs to begins.
        offset_bytes: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// An absolute path.
    #[error("absolute path: {0:?}")]
    Absolute(String),
    /// Not a path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// A device node or FIFO.
    #[error("{path} is a {special}")]
    Special {
        /// The entry.
        path: TreePath,
        /// What it is.
        special: Special,
    },
    /// A type that is not known here (sparse files, volumes).
    #[error("{path} has the unsupported type {type_flag:?}")]
    Type {
        /// The entry.
        path: TreePath,
        /// The type.
        type_flag: char,
    },
    /// A link whose target is empty, too long or has a NUL.
    #[error("{path} has a bad link target")]
    Target {
        /// The link.
        path: TreePath,
    },
    /// The root is something else than a directory.
    #[error("the root is not a directory")]
    Root,
    /// More than a limit allows.
    #[error("more than {maximum} {what}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        maximum: u64,
    },
    /// Something other than zeros follows the end.
    #[error("data after the end of the archive")]
    TrailingData,
}

/// Reads entries one after another. The data of the last one is read through [`Read`]; what is not
/// read is skipped.
#[derive(Debug)]
pub struct TarReader<R> {
    inner: R,
    limits: TarLimits,
    offset_bytes: u64,
    /// Data of the current entry that is still to come.
    data_bytes: u64,
    padding_bytes: usize,
    entries: u64,
    size_bytes: u64,
    owner_names: [Vec<u8>; 2],
    is_at_end: bool,
}

impl<R: Read> TarReader<R> {
    /// Starts to read an archive.
    pub fn new(inner: R, limits: TarLimits) -> Self {
        Self {
            inner,
            limits,
            offset_bytes: 0,
            data_bytes: 0,
            padding_bytes: 0,
            entries: 0,
            size_bytes: 0,
            owner_names: [Vec::new(), Vec::new()],
            is_at_end: false,
        }
    }

    /// Returns the next entry's headers, or nothing at the end of the archive.
    pub fn next_entry(&mut self) -> Result<Option<TarEntry>, TarReadError> {
        self.skip_data()?;
        let mut overrides = Overrides::default();
        let mut extension_bytes = 0;
        loop {
            let offset_bytes = self.offset_bytes;
            let Some(block) = self.header_block()? else {
                if overrides != Overrides::default() {
                    return Err(TarReadError::Truncated);
                }
                return Ok(None);
            };
            let bad = |problem| TarReadError::Header { offset_bytes, problem };
            let header = tar_header::parse(&block).map_err(bad)?;
            if !matches!(header.type_flag, b'L' | b'K' | b'x' | b'g') {
                return self.entry(&header, overrides, offset_bytes).map(Some);
            }
            let size_bytes = header.size_bytes.map_err(bad)?;
            extension_bytes += size_bytes;
            let maximum = self.limits.extension_bytes_max;
            if size_bytes > maximum || extension_bytes > maximum {
                return Err(TarReadError::Limit { what: "bytes of extended headers", maximum });
            }
            let data = self.extension(size_bytes)?;
            match header.type_flag {
                b'L' => overrides.set_long_name(data),
                b'K' => overrides.set_long_target(data),
                b'x' => overrides
                    .set_records(&data)
                    .map_err(|problem| TarReadError::Pax { offset_bytes, problem })?,
                // A global header may only comment (git writes its commit there).
                _ => tar_header::check_global(&data)
                    .map_err(|problem| TarReadError::Pax { offset_bytes, problem })?,
            }
        }
    }

    /// Reads to the end of the reader, after [`TarReader::next_entry`] has returned nothing; only
    /// zeros may be there. Returns the reader.
    pub fn finish(mut self) -> Result<R, TarReadError> {
        let mut buffer = [0; 8 * 1024];
        loop {
            match read_some(&mut self.inner, &mut buffer)? {
                0 => return Ok(self.inner),
                count if buffer[..count].iter().all(|&byte| byte == 0) => {
                    self.offset_bytes += count as u64;
                }
                _ => return Err(TarReadError::TrailingData),
            }
        }
    }

    /// Returns the names of the last entry's user and group, as they stand there; empty where none do.
    pub fn owner_names(&self) -> [&[u8]; 2] {
        let [user, group] = &self.owner_names;
        [user, group]
    }

    /// Returns how many bytes of the archive have been read.
    pub fn offset_bytes(&self) -> u64 {
        self.offset_bytes
    }

    fn entry(
        &mut self,
        header: &tar_header::Header,
        overrides: Overrides,
        offset_bytes: u64,
    ) -> Result<TarEntry, TarReadError> {
        let bad = |problem| TarReadError::Header { offset_bytes, problem };
        self.entries += 1;
        if self.entries > self.limits.entries_max {
            let maximum = self.limits.entries_max;
            return Err(TarReadError::Limit { what: "entries", maximum });
        }
        let name = overrides.path.as_ref().unwrap_or(&header.name);
        let is_named_directory = name.ends_with(b"/");
        let path = checked_path(name)?;
        let numbers = Numbers::of(header, &overrides).map_err(bad)?;
        let target = overrides.target.as_ref().unwrap_or(&header.target);
        let kind = match header.type_flag {
            // Before POSIX, a directory was a file whose name ends with a slash.
            b'0' | 0 | b'7' if is_named_directory => TarEntryKind::Directory,
            b'0' | 0 | b'7' => TarEntryKind::File(numbers.size_bytes),
            b'1' => {
                if target.is_empty() {
                    return Err(TarReadError::Target { path });
                }
                TarEntryKind::HardLink(checked_path(target)?)
            }
            b'2' => {
                if target.is_empty()
                    || target.len() > self.limits.target_bytes_max
                    || target.contains(&0)
                {
                    return Err(TarReadError::Target { path });
                }
                TarEntryKind::Symlink(target.clone())
            }
            b'3' => TarEntryKind::Special(Special::CharacterDevice),
            b'4' => TarEntryKind::Special(Special::BlockDevice),
            b'5' => TarEntryKind::Directory,
            b'6' => TarEntryKind::Special(Special::Fifo),
            other => return Err(TarReadError::Type { path, type_flag: char::from(other) }),
        };
        if path.is_root() && kind != TarEntryKind::Directory {
            return Err(TarReadError::Root);
        }
        if let TarEntryKind::Special(special) = kind
            && self.limits.refuse_special
        {
            return Err(TarReadError::Special { path, special });
        }
        // Only files have data, whatever the size field of other types says.
        if let TarEntryKind::File(size_bytes) = kind {
            let maximum = self.limits.size_bytes_max;
            self.size_bytes = self.size_bytes.saturating_add(size_bytes);
            if self.size_bytes > maximum {
                return Err(TarReadError::Limit { what: "bytes of data", maximum });
            }
            self.data_bytes = size_bytes;
            self.padding_bytes = padding_bytes(size_bytes);
        }
        self.owner_names = [
            overrides.user.unwrap_or_else(|| header.user.clone()),
            overrides.group.unwrap_or_else(|| header.group.clone()),
        ];
        let metadata = Metadata {
            mode: numbers.mode & MODE_MASK,
            uid: numbers.uid,
            gid: numbers.gid,
            mtime: numbers.mtime,
            xattrs: overrides.xattrs,
        };
        Ok(TarEntry { path, metadata, kind })
    }

    /// Reads the next header block; nothing at the end of the archive.
    fn header_block(&mut self) -> Result<Option<[u8; BLOCK_BYTES]>, TarReadError> {
        if self.is_at_end {
            return Ok(None);
        }
        let mut block = [0; BLOCK_BYTES];
        match self.fill(&mut block)? {
            0 if !self.limits.end_marker_required => {
                self.is_at_end = true;
                return Ok(None);
            }
            BLOCK_BYTES => {}
            _ => return Err(TarReadError::Truncated),
        }
        if block.iter().any(|&byte| byte != 0) {
            return Ok(Some(block));
        }
        // One block of zeros ends it for every reader; `finish` looks at what follows.
        self.is_at_end = true;
        Ok(None)
    }

    fn extension(&mut self, size_bytes: u64) -> Result<Vec<u8>, TarReadError> {
        let size = usize::try_from(size_bytes).expect("below the limit of extensions");
        let mut data = vec![0; size + padding_bytes(size_bytes)];
        if self.fill(&mut data)? != data.len() {
            return Err(TarReadError::Truncated);
        }
        data.truncate(size);
        Ok(data)
    }

    fn skip_data(&mut self) -> Result<(), TarReadError> {
        let mut buffer = [0; 16 * 1024];
        while self.data_bytes > 0 {
            self.read_data(&mut buffer)?;
        }
        let padding = std::mem::take(&mut self.padding_bytes);
        if self.fill(&mut buffer[..padding])? != padding {
            return Err(TarReadError::Truncated);
        }
        Ok(())
    }

    /// Reads some of the entry's data; 0 is its end.
    fn read_data(&mut self, buffer: &mut [u8]) -> Result<usize, TarReadError> {
        let want = buffer.len().min(usize::try_from(self.data_bytes).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let count = read_some(&mut self.inner, &mut buffer[..want])?;
        if count == 0 {
            return Err(TarReadError::Truncated);
        }
        self.offset_bytes += count as u64;
        self.data_bytes -= count as u64;
        Ok(count)
    }

    /// Reads until the buffer is full or the reader ends; returns how much there was.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match read_some(&mut self.inner, &mut buffer[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        self.offset_bytes += filled as u64;
        Ok(filled)
    }
}

/// Reads the data of the entry that was returned last.
impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read_data(buffer).map_err(|error| match error {
            TarReadError::Io(error) => error,
            error => io::Error::new(io::ErrorKind::UnexpectedEof, error),
        })
    }
}

/// Reads once, or again when a signal came between.
fn read_some(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

fn checked_path(name: &[u8]) -> Result<TreePath, TarReadError> {
    if name.starts_with(b"/") {
        let name = String::from_utf8_lossy(&name[..name.len().min(200)]).into_owned();
        return Err(TarReadError::Absolute(name));
    }
    Ok(TreePath::parse(name)?)
}

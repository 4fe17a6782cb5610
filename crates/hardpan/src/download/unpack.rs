// SPDX-License-Identifier: Apache-2.0
//! Archives into segments: the contents of all files one after another, and a record of what is where.
//! Done once for an archive; trees then refer to the segment.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::Path;
use std::sync::Arc;

use hardpan_image::Compression;
use hardpan_package::elf::Probe;
use hardpan_tree::{
    Digest, Hasher, HashingWriter, PATH_BYTES_MAX, TarEntryKind, TarLimits, TarReadError,
    TarReader, TreePath,
};

use super::archive::Archive;
use super::decompress::{self, Method, UNPACKED_BYTES_MAX, broken};
use super::error::{ArchiveError, Stop};
use super::members::{MEMBERS_MAX, Member, MemberFile, MemberKind, Members};
use super::zip::{self, ZipKind};
use crate::session::Session;
use crate::store::{SegmentWriter, StoreError};

/// Part of the key of what is unpacked: another number makes everything anew.
const FORMAT_VERSION: u32 = 1;
const BUFFER_BYTES: usize = 1 << 16;

/// An archive in the store, unpacked.
#[derive(Debug)]
pub(super) struct Unpacked {
    /// The key of the segment with the contents.
    pub segment: Digest,
    /// What is in the archive, sorted by path.
    pub members: Vec<Member>,
}

impl Session<'_> {
    /// Unpacks a blob, unless that was done before.
    pub(super) fn unpacked(&self, blob: &Digest, archive: Archive) -> Result<Unpacked, Stop> {
        let key = format!("hardpan download {FORMAT_VERSION} {archive:?} {blob}");
        let key = Digest::of(key.as_bytes());
        if let Some((_, members)) = self.store.segment_with_record::<Vec<Member>>(&key)? {
            return Ok(Unpacked { segment: key, members });
        }
        let file = self.verified(blob)?;
        let mut output = Output {
            writer: HashingWriter::new(self.store.segment_writer(Compression::None)?),
            offset_bytes: 0,
            buffer: vec![0; BUFFER_BYTES],
        };
        let members = match archive {
            Archive::Tar(method) => unpack_tar(&file, method, &mut output)?,
            Archive::Zip => unpack_zip(&file, &mut output)?,
            Archive::File(method) => unpack_file(&file, method, &mut output)?,
        };
        let (writer, digest, _) = output.writer.finish();
        let members = members.finish();
        self.store.finish_segment(&key, writer, digest, &members)?;
        Ok(Unpacked { segment: key, members })
    }

    /// Opens a blob whose bytes were read and compared with its digest just before.
    fn verified(&self, blob: &Digest) -> Result<File, Stop> {
        let path = self.store.blob_path(blob);
        let missing = || StoreError::io("open", &path, io::Error::from(io::ErrorKind::NotFound));
        let mut reader = self.store.open_blob(blob)?.ok_or_else(missing)?;
        io::copy(&mut reader, &mut io::sink())
            .map_err(|error| StoreError::of("read", &path, error))?;
        Ok(File::open(&path).map_err(|error| StoreError::io("open", &path, error))?)
    }
}

/// Takes the contents of files.
struct Output {
    writer: HashingWriter<SegmentWriter>,
    offset_bytes: u64,
    buffer: Vec<u8>,
}

impl Output {
    /// Takes a file to its end.
    fn file(&mut self, reader: &mut dyn Read, size_bytes: u64) -> Result<MemberFile, Stop> {
        let offset_bytes = self.offset_bytes;
        let mut hasher = Hasher::new();
        let mut probe = Probe::new(size_bytes);
        loop {
            let count = match reader.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(broken(error).into()),
            };
            let piece = &self.buffer[..count];
            hasher.update(piece);
            probe.feed(piece);
            self.writer
                .write_all(piece)
                .map_err(|error| StoreError::io("write", Path::new("a segment"), error))?;
            self.offset_bytes += count as u64;
        }
        Ok(MemberFile {
            size_bytes: self.offset_bytes - offset_bytes,
            digest: hasher.finish(),
            offset_bytes,
            facts: probe.finish().map(Arc::new),
            link_to: None,
        })
    }
}

fn tar_error(error: TarReadError) -> Stop {
    match error {
        TarReadError::Io(error) => broken(error).into(),
        error => ArchiveError::Tar(error).into(),
    }
}

fn unpack_tar(file: &File, method: Method, output: &mut Output) -> Result<Members, Stop> {
    let limits = TarLimits {
        entries_max: MEMBERS_MAX,
        size_bytes_max: UNPACKED_BYTES_MAX,
        ..TarLimits::default()
    };
    let input = BufReader::with_capacity(BUFFER_BYTES, file);
    let input = BufReader::with_capacity(BUFFER_BYTES, decompress::open(input, method)?);
    let mut tar = TarReader::new(input, limits);
    let mut members = Members::default();
    while let Some(entry) = tar.next_entry().map_err(tar_error)? {
        let (mode, mtime) = (entry.metadata.mode, entry.metadata.mtime);
        let kind = match entry.kind {
            TarEntryKind::Directory => MemberKind::Directory,
            TarEntryKind::Symlink(target) => MemberKind::Symlink(target),
            TarEntryKind::File(size_bytes) => MemberKind::File(output.file(&mut tar, size_bytes)?),
            TarEntryKind::HardLink(target) => {
                members.add_link(entry.path, target)?;
                continue;
            }
            _ => {
                let problem = "neither file, directory nor link";
                return Err(ArchiveError::Member { path: entry.path, problem }.into());
            }
        };
        members.add(entry.path, mode, mtime, kind)?;
    }
    tar.finish().map_err(tar_error)?;
    Ok(members)
}

fn unpack_zip(file: &File, output: &mut Output) -> Result<Members, Stop> {
    let mut members = Members::default();
    for member in zip::members(file)? {
        let kind = match member.kind {
            ZipKind::Directory => MemberKind::Directory,
            ZipKind::Symlink => {
                let mut target = Vec::new();
                let reader = member.open(file).take(PATH_BYTES_MAX as u64 + 1);
                io::copy(&mut { reader }, &mut target).map_err(broken)?;
                if target.is_empty() || target.len() > PATH_BYTES_MAX || target.contains(&0) {
                    let problem = "a bad link target";
                    return Err(ArchiveError::Member { path: member.path, problem }.into());
                }
                MemberKind::Symlink(target)
            }
            ZipKind::File => {
                MemberKind::File(output.file(&mut member.open(file), member.size_bytes)?)
            }
        };
        members.add(member.path, member.mode, member.mtime, kind)?;
    }
    Ok(members)
}

/// Decompresses a file that is no archive: one member, at the root.
fn unpack_file(file: &File, method: Method, output: &mut Output) -> Result<Members, Stop> {
    let open = || -> Result<Box<dyn Read + '_>, Stop> {
        let start = io::Seek::seek(&mut { file }, io::SeekFrom::Start(0));
        start.map_err(ArchiveError::Broken)?;
        Ok(decompress::open(BufReader::with_capacity(BUFFER_BYTES, file), method)?)
    };
    // Read twice, since what is learned of a file depends on its size.
    let size_bytes = io::copy(&mut open()?, &mut io::sink()).map_err(broken)?;
    let content = output.file(&mut open()?, size_bytes)?;
    let mut members = Members::default();
    members.add(TreePath::root(), 0o644, 0, MemberKind::File(content))?;
    Ok(members)
}

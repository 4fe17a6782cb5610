// SPDX-License-Identifier: Apache-2.0
//! A commit as a list of files, and the smallest `.git` that git itself accepts for it.
//!
//! The repository is a shallow clone without the contents of files, which stand beside it in the
//! checkout: commit, directories and index are there, so that `git rev-parse HEAD`, `git log -1` and
//! `git status` answer. Nothing in it depends on a compressor or a clock: the same commit always
//! gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use super::object::{ObjectKind, TreeEntry};
use super::{EntryKind, ObjectId, Pack, PackError, trailer_of};

/// Most directories within each other. Paths end at 4,096 bytes, names of one letter at half of it.
const DEPTH_MAX: usize = 2_048;
/// Longest path, in bytes.
const PATH_BYTES_MAX: usize = 4_094;
/// Most bytes of commit and directories, which are in memory.
const REPOSITORY_BYTES_MAX: u64 = 512 << 20;
/// Most bytes of a stored block of deflate (RFC 1951, section 3.2.4).
const STORED_BYTES_MAX: usize = 0xffff;

/// All that stands at a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// The commit.
    pub commit: ObjectId,
    /// When it was committed, in seconds since the epoch.
    pub time: i64,
    /// What is in it, sorted by path; directories before what is in them.
    pub entries: Vec<IndexEntry>,
    directories: BTreeSet<ObjectId>,
}

/// Something at a path of a checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// The path, without a slash in front.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Its object.
    pub id: ObjectId,
    /// The size of a file, or of a link's target, in bytes.
    pub size_bytes: u64,
}

/// A file of a `.git` directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryFile {
    /// Its path, which begins with `.git/`.
    pub path: String,
    /// Its bytes; `None` for a directory that has to be there.
    pub bytes: Option<Vec<u8>>,
}

impl Checkout {
    /// Lists what is at a commit. A directory may stand at several places, so the number of entries
    /// is limited apart from that of objects.
    pub fn read(pack: &Pack, commit: ObjectId, entries_max: usize) -> Result<Self, PackError> {
        let head = pack.commit(commit)?;
        let mut checkout = Self {
            commit,
            time: head.time,
            entries: Vec::new(),
            directories: BTreeSet::from([head.tree]),
        };
        let mut todo = vec![(Vec::new(), head.tree, 0)];
        while let Some((directory, tree, depth)) = todo.pop() {
            for entry in pack.tree(tree)? {
                let mut path: Vec<u8> = directory.clone();
                if !path.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(&entry.name);
                if path.len() > PATH_BYTES_MAX || depth > DEPTH_MAX {
                    let maximum = PATH_BYTES_MAX as u64;
                    return Err(PackError::Limit { what: "bytes of a path", maximum });
                }
                if checkout.entries.len() >= entries_max {
                    let maximum = entries_max as u64;
                    return Err(PackError::Limit { what: "files", maximum });
                }
                let mut size_bytes = 0;
                match entry.kind {
                    EntryKind::Directory => {
                        checkout.directories.insert(entry.id);
                        todo.push((path.clone(), entry.id, depth + 1));
                    }
                    EntryKind::Submodule => {}
                    _ => size_bytes = pack.blob_size_bytes(entry.id)?,
                }
                let TreeEntry { kind, id, .. } = entry;
                checkout.entries.push(IndexEntry { path, kind, id, size_bytes });
            }
        }
        checkout.entries.sort_by(|left, right| left.path.cmp(&right.path));
        Ok(checkout)
    }
}

/// Makes the `.git` of a checkout. `url` is where the repository is fetched from.
pub fn repository_files(
    pack: &Pack,
    checkout: &Checkout,
    url: &str,
) -> Result<Vec<RepositoryFile>, PackError> {
    let mut objects = BTreeMap::new();
    let mut size_bytes = 0;
    let ids = checkout.directories.iter().map(|id| (*id, ObjectKind::Tree));
    for (id, kind) in ids.chain([(checkout.commit, ObjectKind::Commit)]) {
        let bytes = pack.read(id, kind)?;
        size_bytes += bytes.len() as u64;
        if size_bytes > REPOSITORY_BYTES_MAX {
            let maximum = REPOSITORY_BYTES_MAX;
            return Err(PackError::Limit { what: "bytes of directories", maximum });
        }
        objects.insert(id, (kind, bytes));
    }
    let Packed { pack: packed, index, trailer: name } = write_pack(&objects)?;
    let commit = format!("{}\n", checkout.commit).into_bytes();
    let file = |path: String, bytes: Vec<u8>| RepositoryFile { path, bytes: Some(bytes) };
    Ok(vec![
        file(".git/HEAD".to_owned(), commit.clone()),
        file(".git/config".to_owned(), config(url).into_bytes()),
        file(".git/index".to_owned(), write_index(checkout)?),
        file(format!(".git/objects/pack/pack-{name}.idx"), index),
        file(format!(".git/objects/pack/pack-{name}.pack"), packed),
        file(format!(".git/objects/pack/pack-{name}.promisor"), Vec::new()),
        RepositoryFile { path: ".git/refs/heads".to_owned(), bytes: None },
        RepositoryFile { path: ".git/refs/tags".to_owned(), bytes: None },
        file(".git/shallow".to_owned(), commit),
    ])
}

/// The contents of files are with the "promisor", from where git would fetch them when it needs any.
fn config(url: &str) -> String {
    let url = url.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        "[core]\n\trepositoryformatversion = 1\n\tfilemode = true\n\tbare = false\n\
         [extensions]\n\tpartialclone = origin\n\
         [remote \"origin\"]\n\turl = \"{url}\"\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n\
         \tpromisor = true\n\tpartialclonefilter = blob:none\n"
    )
}

/// A pack, its index, and the hash that names both.
struct Packed {
    pack: Vec<u8>,
    index: Vec<u8>,
    trailer: ObjectId,
}

/// Writes a pack and its index (gitformat-pack, "pack-*.idx files", version 2).
fn write_pack(objects: &BTreeMap<ObjectId, (ObjectKind, Vec<u8>)>) -> Result<Packed, PackError> {
    const TOO_MANY: PackError = PackError::Limit { what: "bytes of a pack", maximum: 1 << 31 };
    let count = u32::try_from(objects.len()).map_err(|_| TOO_MANY)?;
    let mut pack = b"PACK\0\0\0\x02".to_vec();
    pack.extend(count.to_be_bytes());
    let (mut ids, mut sums, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
    let mut fan_out = [0_u32; 256];
    for (id, (kind, bytes)) in objects {
        let start = pack.len();
        let offset =
            u32::try_from(start).ok().filter(|offset| *offset < 1 << 31).ok_or(TOO_MANY)?;
        push_object(&mut pack, *kind, bytes);
        let mut sum = flate2::Crc::new();
        sum.update(&pack[start..]);
        ids.extend(id.as_bytes());
        sums.extend(sum.sum().to_be_bytes());
        offsets.extend(offset.to_be_bytes());
        fan_out[usize::from(id.as_bytes()[0])..].iter_mut().for_each(|below| *below += 1);
    }
    let trailer = trailer_of(&pack);
    pack.extend(trailer);
    let mut index = b"\xfftOc\0\0\0\x02".to_vec();
    index.extend(fan_out.iter().flat_map(|below| below.to_be_bytes()));
    index.extend(ids.into_iter().chain(sums).chain(offsets));
    index.extend(trailer);
    index.extend(trailer_of(&index));
    Ok(Packed { pack, index, trailer: ObjectId::from_bytes(trailer) })
}

/// Writes an object uncompressed, in zlib's form (RFC 1950): a compressor's version must not show.
fn push_object(pack: &mut Vec<u8>, kind: ObjectKind, bytes: &[u8]) {
    let mut size = bytes.len();
    let mut first = (kind.number() << 4) | low_bits(size, 15);
    size >>= 4;
    while size > 0 {
        pack.push(first | 0x80);
        first = low_bits(size, 0x7f);
        size >>= 7;
    }
    pack.push(first);
    pack.extend([0x78, 0x01]);
    let mut blocks = bytes.chunks(STORED_BYTES_MAX).peekable();
    if blocks.peek().is_none() {
        pack.extend([1, 0, 0, 0xff, 0xff]);
    }
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        pack.push(u8::from(blocks.peek().is_none()));
        pack.extend(length.to_le_bytes());
        pack.extend((!length).to_le_bytes());
        pack.extend(block);
    }
    pack.extend(adler32(bytes).to_be_bytes());
}

fn low_bits(value: usize, mask: u8) -> u8 {
    // Only the lowest byte is left, and the mask is one.
    (value & usize::from(mask)).to_le_bytes()[0]
}

/// Adler-32 (RFC 1950, section 8.2).
fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65521;
    let (mut low, mut high) = (1_u32, 0_u32);
    // The longest run after which neither sum can have overflowed.
    for run in bytes.chunks(5552) {
        for &byte in run {
            low += u32::from(byte);
            high += low;
        }
        low %= MODULUS;
        high %= MODULUS;
    }
    high << 16 | low
}

/// Writes an index (gitformat-index, version 2). Its times are those of no file, so that git looks at
/// the files themselves.
fn write_index(checkout: &Checkout) -> Result<Vec<u8>, PackError> {
    let files: Vec<&IndexEntry> =
        checkout.entries.iter().filter(|entry| entry.kind != EntryKind::Directory).collect();
    let count = u32::try_from(files.len())
        .map_err(|_| PackError::Limit { what: "files", maximum: u64::from(u32::MAX) })?;
    let mut index = b"DIRC\0\0\0\x02".to_vec();
    index.extend(count.to_be_bytes());
    for entry in files {
        let start = index.len();
        let mode: u32 = match entry.kind {
            EntryKind::Executable => 0o100_755,
            EntryKind::Symlink => 0o120_000,
            EntryKind::Submodule => 0o160_000,
            EntryKind::File | EntryKind::Directory => 0o100_644,
        };
        // Two times of 8 bytes, device and inode; then mode, owner, group.
        index.extend([0; 24]);
        index.extend(mode.to_be_bytes());
        index.extend([0; 8]);
        // Sizes count modulo 2^32 (gitformat-index).
        let size = entry.size_bytes & u64::from(u32::MAX);
        index.extend(u32::try_from(size).unwrap_or_default().to_be_bytes());
        index.extend(entry.id.as_bytes());
        index.extend(u16::try_from(entry.path.len().min(0xfff)).unwrap_or(0xfff).to_be_bytes());
        index.extend(&entry.path);
        // One to eight zeros, to a multiple of eight.
        index.resize(start + (index.len() - start + 8) / 8 * 8, 0);
    }
    let trailer = trailer_of(&index);
    index.extend(trailer);
    Ok(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums() {
        assert_eq!(adler32(b""), 1);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
        assert_eq!(adler32(&vec![0xff; 100_000]), {
            // Computed step by step.
            let (mut low, mut high) = (1_u64, 0_u64);
            for _ in 0..100_000 {
                low = (low + 255) % 65521;
                high = (high + low) % 65521;
            }
            u32::try_from(high << 16 | low).unwrap()
        });
    }

    #[test]
    fn stored_objects_inflate() {
        for size in [0, 1, 15, 16, 70_000, 2 * STORED_BYTES_MAX] {
            let bytes: Vec<u8> = (0..size).map(|at| low_bits(at, 0xff)).collect();
            let mut packed = Vec::new();
            push_object(&mut packed, ObjectKind::Tree, &bytes);
            let header = packed.iter().position(|byte| byte & 0x80 == 0).unwrap() + 1;
            let mut inflated = Vec::new();
            let mut decoder = flate2::bufread::ZlibDecoder::new(&packed[header..]);
            std::io::Read::read_to_end(&mut decoder, &mut inflated).unwrap();
            assert_eq!(inflated, bytes, "{size}");
        }
    }

    #[test]
    fn urls_in_the_configuration_are_quoted() {
        assert!(config("https://e/a\"b\\c#d").contains("url = \"https://e/a\\\"b\\\\c#d\"\n"));
    }
}

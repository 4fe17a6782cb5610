// SPDX-License-Identifier: Apache-2.0
//! What is remembered of a file while its bytes go by.

use std::io::{self, Read};
use std::sync::Arc;

use hardpan_package::elf::Probe;
use hardpan_tree::{Content, Facts, File, Hasher, TreePath};

use crate::controls::account_files::is_account_file;
use crate::controls::traits::{ContentTraits, TraitScanner};
use crate::secrets::owned::{PackageManagers, Summing, Sums};

/// How much is read at a time, in bytes. A file that is kept is read at once.
const CHUNK_BYTES: usize = 128 << 10;
/// The largest file of the configuration that is kept, in bytes: controls read no larger one.
const TEXT_BYTES_MAX: u64 = 1 << 20;
/// The largest other file that is kept, in bytes: a private key has less.
pub(super) const SMALL_BYTES_MAX: u64 = 64 << 10;
/// How much of the configuration is kept, in bytes. Large images have 3 MB in `/etc`.
const TEXTS_BYTES_MAX: u64 = 16 << 20;
/// How much of the files with accounts, groups and their passwords is kept, in bytes: who an image runs as is in them, so
/// that nothing else may take their room. Large ones have some kilobytes in each layer that adds an account.
const ACCOUNTS_BYTES_MAX: u64 = 16 << 20;
/// How much of other small files is kept, in bytes. Without the rest their controls say less, and the search for secrets
/// still has looked at them.
const SMALLS_BYTES_MAX: u64 = 24 << 20;

/// What came of a file's bytes.
pub(super) struct Looked {
    pub(super) file: File,
    pub(super) traits: ContentTraits,
    /// The sums that package managers know, where it matters whose a file is.
    pub(super) sums: Option<Arc<Sums>>,
    /// All its bytes, if they were asked for.
    pub(super) bytes: Option<Arc<[u8]>>,
}

/// Reads files one after the other.
pub(super) struct FileReader {
    buffer: Vec<u8>,
    accounts_bytes: u64,
    texts_bytes: u64,
    smalls_bytes: u64,
    /// How many small files were not kept for want of room.
    pub(super) left_out: u64,
}

/// For whom a file's bytes are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// Whoever asks for accounts.
    Accounts,
    /// Whoever reads the configuration.
    Text,
    /// Whoever looks into small files.
    Small,
}

/// What is asked of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) size_bytes: u64,
    pub(super) is_executable: bool,
    /// Whether all of its bytes are wanted, however many there are.
    pub(super) is_wanted: bool,
    /// Whose sums may matter.
    pub(super) managers: PackageManagers,
}

impl FileReader {
    pub(super) fn new() -> Self {
        Self {
            buffer: vec![0; CHUNK_BYTES],
            accounts_bytes: 0,
            texts_bytes: 0,
            smalls_bytes: 0,
            left_out: 0,
        }
    }

    pub(super) fn read(
        &mut self,
        path: &TreePath,
        asked: Asked,
        data: &mut dyn Read,
    ) -> io::Result<Looked> {
        let Asked { size_bytes, is_executable, is_wanted, managers } = asked;
        let is_text = size_bytes <= TEXT_BYTES_MAX && path.as_bytes().starts_with(b"etc/");
        let is_small = size_bytes <= SMALL_BYTES_MAX;
        let kind = match (is_text, is_small) {
            (true, _) if is_account_file(path) => Some(Kept::Accounts),
            (true, _) => Some(Kept::Text),
            (false, true) => Some(Kept::Small),
            (false, false) => None,
        };
        let mut kept = (is_wanted || kind.is_some()).then(Vec::new);
        let is_claimed = is_executable || is_small;
        let mut digest = Digesting::new(is_claimed.then(|| managers.summing_beside()));
        let mut probe = Probe::new(size_bytes);
        let mut traits: Option<TraitScanner> = None;
        let mut read_bytes = 0;
        loop {
            let count = fill(data, &mut self.buffer)?;
            if count == 0 {
                break;
            }
            let bytes = &self.buffer[..count];
            if read_bytes == 0 && is_executable && bytes.starts_with(b"\x7fELF") {
                traits = Some(TraitScanner::default());
            }
            read_bytes += count as u64;
            digest.update(bytes);
            probe.feed(bytes);
            if let Some(traits) = &mut traits {
                traits.feed(bytes);
            }
            if let Some(kept) = &mut kept {
                kept.extend_from_slice(bytes);
            }
        }
        let (digest, sums) = digest.finish();
        let facts = probe.finish().map(Arc::new);
        let bytes: Option<Arc<[u8]>> = kept.map(Into::into);
        let content = match &bytes {
            Some(bytes) if kind.is_some_and(|kind| self.keeps(kind, facts.as_deref(), bytes)) => {
                Content::Inline(bytes.clone())
            }
            _ => Content::Blob,
        };
        Ok(Looked {
            file: File { size_bytes: read_bytes, digest, content, facts },
            traits: traits.map(TraitScanner::finish).unwrap_or_default(),
            sums: sums.map(Arc::new),
            bytes: bytes.filter(|_| is_wanted),
        })
    }

    /// Whether the bytes of a file are kept for controls that read them; nobody reads programs.
    fn keeps(&mut self, kind: Kept, facts: Option<&Facts>, bytes: &[u8]) -> bool {
        let is_program = matches!(facts, Some(Facts::Elf(_)));
        let (total, max) = match kind {
            // The lines of accounts count, whatever they begin with.
            Kept::Accounts => (&mut self.accounts_bytes, ACCOUNTS_BYTES_MAX),
            _ if is_program => return false,
            Kept::Text => (&mut self.texts_bytes, TEXTS_BYTES_MAX),
            Kept::Small => (&mut self.smalls_bytes, SMALLS_BYTES_MAX),
        };
        let with_it = *total + bytes.len() as u64;
        if with_it > max {
            self.left_out += 1;
            return false;
        }
        *total = with_it;
        true
    }
}

/// Makes the digest, and the sums of package managers where they are wanted.
struct Digesting {
    hasher: Hasher,
    summing: Option<Summing>,
}

impl Digesting {
    fn new(summing: Option<Summing>) -> Self {
        Self { hasher: Hasher::new(), summing }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        if let Some(summing) = &mut self.summing {
            summing.update(bytes);
        }
    }

    fn finish(self) -> (hardpan_tree::Digest, Option<Sums>) {
        let digest = self.hasher.finish();
        (digest, self.summing.map(|summing| summing.finish_with(digest)))
    }
}

/// Reads until the buffer is full or the reader ends.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

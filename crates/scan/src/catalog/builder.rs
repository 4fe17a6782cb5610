// SPDX-License-Identifier: Apache-2.0
//! Reads layers, each once, and remembers of them what the catalog needs.

use std::collections::BTreeSet;
use std::io::{self, Read};

use hardpan_tree::layers::{LayerKind, Whiteout};
use hardpan_tree::{Hasher, TarEntry, TarEntryKind, TarReadError, TreePath};
use sha1::{Digest as _, Sha1};

use super::content::{Collector, Content};
use super::root::{Entry, File, Root};
use super::{Catalog, CatalogError, FileHashes, FormatError, survey, want};
use crate::layer::{self, CHUNK_BYTES, EntryCounter, TooMany};

/// What a catalog has, and what it refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogOptions {
    /// Whether every file gets its digests. Without them most bytes are skipped.
    pub hash_files: bool,
    /// Whether the lowest layer comes first: then files are read, too, that upper layers hide.
    pub lowest_first: bool,
    /// Number of entries of all layers together.
    pub entries_max: u64,
    /// Sum of the lengths of all paths and targets of links, in bytes.
    pub path_bytes_max: u64,
    /// Sum of the sizes of all files of one layer, in bytes.
    pub layer_bytes_max: u64,
    /// Sum of what is kept in memory of files, in bytes.
    pub kept_bytes_max: u64,
    /// Number of layers.
    pub layers_max: usize,
}

impl CatalogOptions {
    /// What is used where nothing else is said.
    pub const DEFAULT: Self = Self {
        hash_files: false,
        lowest_first: false,
        // As many as one layer may have when an image is built.
        entries_max: 1_000_000,
        // A million of the usual length.
        path_bytes_max: 256 << 20,
        layer_bytes_max: 32 << 30,
        // Databases and descriptions of an image with 2,000 packages and 500 licences have 80 MB.
        kept_bytes_max: 512 << 20,
        // Docker's limit is 127; some builders make more.
        layers_max: 1024,
    };
}

impl Default for CatalogOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Makes a [`Catalog`] of layers or of a root file system.
///
/// ```
/// use hardpan_scan::catalog::{CatalogBuilder, CatalogOptions};
/// # fn layers() -> Vec<&'static [u8]> { Vec::new() }
/// let mut builder = CatalogBuilder::new(CatalogOptions::default());
/// for tar in layers() {
///     builder.layer(tar)?; // the uppermost first
/// }
/// let catalog = builder.finish()?;
/// assert!(catalog.packages.is_empty());
/// # Ok::<(), hardpan_scan::catalog::CatalogError>(())
/// ```
#[derive(Debug)]
pub struct CatalogBuilder {
    options: CatalogOptions,
    /// In the order in which they came. The last one is open while entries come one by one.
    layers: Vec<Vec<Entry>>,
    is_open: bool,
    hidden: Hidden,
    counter: EntryCounter,
    kept_bytes: u64,
    buffer: Vec<u8>,
}

impl CatalogBuilder {
    /// Starts a catalog.
    pub fn new(options: CatalogOptions) -> Self {
        Self {
            options,
            layers: Vec::new(),
            is_open: false,
            hidden: Hidden::default(),
            counter: EntryCounter::default(),
            kept_bytes: 0,
            buffer: vec![0; CHUNK_BYTES],
        }
    }

    /// Takes the next lower layer (or higher one, with [`CatalogOptions::lowest_first`]), an uncompressed tar archive.
    pub fn layer(&mut self, reader: impl Read) -> Result<(), CatalogError> {
        self.close();
        self.open()?;
        let from_top = self.layers.len();
        let fail = |source| CatalogError::Tar { from_top, source };
        let options = &self.options;
        let mut tar = layer::open(reader, options.entries_max, options.layer_bytes_max);
        while let Some(entry) = tar.next_entry().map_err(fail)? {
            self.entry(entry, &mut tar).map_err(|error| match error {
                CatalogError::Read { source, .. } => fail(TarReadError::Io(source)),
                error => error,
            })?;
        }
        self.close();
        Ok(())
    }

    /// Takes an entry of a root file system that the caller walks, as the one layer that it is. Of a
    /// regular file, `data` is read as far as somebody wants it.
    pub fn entry(&mut self, entry: TarEntry, data: &mut dyn Read) -> Result<(), CatalogError> {
        self.open()?;
        let TarEntry { path, kind, .. } = entry;
        let CatalogOptions { entries_max, path_bytes_max, .. } = self.options;
        self.counter
            .add(&path, &kind, entries_max, path_bytes_max)
            .map_err(|TooMany { what, max }| limit(what, max))?;
        let kind = match kind {
            TarEntryKind::Directory => LayerKind::Directory,
            TarEntryKind::Symlink(target) => LayerKind::Symlink(target),
            TarEntryKind::HardLink(target) => LayerKind::HardLink(target),
            TarEntryKind::File(size_bytes) => LayerKind::File(self.file(&path, size_bytes, data)?),
            _ => LayerKind::Special,
        };
        if let Some(entries) = self.layers.last_mut() {
            entries.push(Entry { path, metadata: (), above: (), kind });
        }
        Ok(())
    }

    /// Puts the layers together and says what is in them.
    pub fn finish(mut self) -> Result<Catalog, CatalogError> {
        self.close();
        let mut layers = self.layers;
        if !self.options.lowest_first {
            layers.reverse();
        }
        for (number, entries) in layers.iter_mut().enumerate() {
            for entry in entries {
                if let LayerKind::File(file) = &mut entry.kind {
                    file.layer = number;
                }
            }
        }
        let mut problems = Vec::new();
        let root = Root::of_layers(layers, &mut problems);
        survey::survey(&root, problems)
    }

    fn open(&mut self) -> Result<(), CatalogError> {
        if !self.is_open {
            if self.layers.len() >= self.options.layers_max {
                return Err(limit("layers", self.options.layers_max as u64));
            }
            self.layers.push(Vec::new());
            self.is_open = true;
        }
        Ok(())
    }

    /// Ends a layer; what it hides it hides from those below only.
    fn close(&mut self) {
        if self.is_open
            && !self.options.lowest_first
            && let Some(entries) = self.layers.last()
        {
            self.hidden.add(entries);
        }
        self.is_open = false;
    }

    fn file(
        &mut self,
        path: &TreePath,
        size_bytes: u64,
        data: &mut dyn Read,
    ) -> Result<File, CatalogError> {
        let mut file = File { size_bytes, hashes: None, content: Content::Nothing, layer: 0 };
        if Whiteout::of(path).is_some() {
            return Ok(file);
        }
        if !self.options.lowest_first && self.layers.len() > 1 && self.hidden.has(path) {
            file.content = Content::Lost(FormatError::Skipped);
            return Ok(file);
        }
        let mut collector = Collector::new(want::of(path), size_bytes);
        let mut hashes = self.options.hash_files.then(Hashing::new);
        let fail = |source| CatalogError::Read { path: path.clone(), source };
        let mut read_bytes = 0;
        // What decides whether a file is of interest are its first bytes.
        let mut chunk_bytes = if hashes.is_some() { CHUNK_BYTES } else { 4 << 10 };
        loop {
            let count = fill(data, &mut self.buffer[..chunk_bytes]).map_err(fail)?;
            if count == 0 {
                break;
            }
            let bytes = &self.buffer[..count];
            read_bytes += count as u64;
            collector.feed(bytes);
            if let Some(hashes) = &mut hashes {
                hashes.update(bytes);
            } else if collector.is_done() {
                break;
            }
            chunk_bytes = CHUNK_BYTES;
        }
        // A walked file may have another length than it had when it was looked at.
        if hashes.is_some() {
            file.size_bytes = read_bytes;
        }
        file.content = collector.finish();
        file.hashes = hashes.map(Hashing::finish);
        self.kept_bytes += file.content.kept_bytes();
        if self.kept_bytes > self.options.kept_bytes_max {
            return Err(limit("bytes of descriptions", self.options.kept_bytes_max));
        }
        Ok(file)
    }
}

fn limit(what: &'static str, maximum: u64) -> CatalogError {
    CatalogError::Limit { what, maximum }
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

/// Both digests of a file.
struct Hashing {
    sha256: Hasher,
    sha1: Sha1,
}

impl Hashing {
    fn new() -> Self {
        Self { sha256: Hasher::new(), sha1: Sha1::new() }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.sha1.update(bytes);
    }

    fn finish(self) -> FileHashes {
        FileHashes { sha256: self.sha256.finish(), sha1: self.sha1.finalize().into() }
    }
}

/// What layers so far hide, by paths as they are written. It only saves reading: what a container sees
/// is decided when all layers are there.
#[derive(Debug, Default)]
struct Hidden {
    /// Whatever is at or below these paths.
    whole: BTreeSet<TreePath>,
    /// Whatever is below these directories.
    below: BTreeSet<TreePath>,
    /// Whatever is at these paths, unless it is a directory.
    at: BTreeSet<TreePath>,
}

impl Hidden {
    fn add(&mut self, entries: &[Entry]) {
        for entry in entries {
            match (Whiteout::of(&entry.path), &entry.kind) {
                (Some(Whiteout::At(path)), _) => self.whole.insert(path),
                (Some(Whiteout::Below(directory)), _) => self.below.insert(directory),
                (Some(Whiteout::Driver | Whiteout::Nameless), _) => false,
                (None, LayerKind::Directory) => self.at.insert(entry.path.clone()),
                (None, _) => self.whole.insert(entry.path.clone()),
            };
        }
    }

    fn has(&self, path: &TreePath) -> bool {
        self.whole.contains(path)
            || self.at.contains(path)
            || path
                .ancestors()
                .any(|above| self.below.contains(&above) || self.whole.contains(&above))
    }
}

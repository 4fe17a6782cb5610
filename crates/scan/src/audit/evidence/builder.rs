// SPDX-License-Identifier: Apache-2.0
//! Reads layers, the lowest first, each once, and puts them on top of each other.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;

use hardpan_image::ImageConfig;
use hardpan_tree::layers::{
    ContentName, LayerEntry, LayerKind, Stack, StackError, StackRules, Whiteout,
};
use hardpan_tree::{
    Digest, File, Metadata, Origin, TarEntry, TarEntryKind, TarReadError, Tree, TreePath,
};

use super::file::{Asked, FileReader, Looked};
use super::owners::Owners;
use super::{Evidence, EvidenceError, secret};
use crate::catalog::sums::SumList;
use crate::catalog::{Catalog, FormatError};
use crate::controls::image::{Hidden, ImageFacts, LayerFacts, Special};
use crate::controls::traits::ContentTraits;
use crate::layer::{self, EntryCounter, TooMany};
use crate::secrets::owned::{Databases, PackageManagers, Sums};
use crate::secrets::{Rules, SecretReport};

/// The most steps through links: a hundred for each file of a large image. Links that lead to and fro would take for ever.
const STEPS_MAX: u64 = 5_000_000;
/// Of how many hidden files the names are kept: nobody reads more, and their bytes are counted.
const HIDDEN_FILES_MAX: usize = 100;
/// How many hidden setuid files and names of whiteouts are kept.
const ODD_FILES_MAX: usize = 1_000;
/// How many warnings about entries are kept.
const WARNINGS_MAX: usize = 100;

/// What evidence is made of, and what is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EvidenceOptions {
    /// Number of entries of all layers together, with directories that no entry names.
    pub entries_max: u64,
    /// Sum of the lengths of all paths and targets of links, in bytes.
    pub path_bytes_max: u64,
    /// Sum of the sizes of all files of one layer, in bytes.
    pub layer_bytes_max: u64,
    /// Number of layers.
    pub layers_max: u32,
}

impl EvidenceOptions {
    /// What is used where nothing else is said: as for a catalog.
    pub const DEFAULT: Self = Self {
        entries_max: 1_000_000,
        path_bytes_max: 256 << 20,
        layer_bytes_max: 32 << 30,
        layers_max: 1024,
    };
}

impl Default for EvidenceOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What is kept of an entry beside its kind.
#[derive(Debug, Clone)]
struct Seen {
    metadata: Metadata,
    layer: u32,
    /// What it is, if it is no file, directory or link.
    special: Option<hardpan_tree::Special>,
    sums: Option<Arc<Sums>>,
}

type Entry = LayerEntry<Seen, File>;

/// Makes [`Evidence`] of layers or of a root file system.
pub struct EvidenceBuilder {
    options: EvidenceOptions,
    config: Option<ImageConfig>,
    stack: Stack<Seen, File>,
    reader: FileReader,
    databases: Databases,
    managers: PackageManagers,
    traits: BTreeMap<Digest, ContentTraits>,
    layers: Vec<LayerFacts>,
    /// Of the layer that is read.
    entries: Vec<Entry>,
    is_open: bool,
    counter: EntryCounter,
    /// The layers in which files got further names.
    links: BTreeMap<TreePath, u32>,
    whiteouts: BTreeSet<TreePath>,
    hidden_bytes: u64,
    hidden_files: Vec<Hidden>,
    hidden_setuid: Vec<Hidden>,
    warnings: Vec<String>,
}

impl std::fmt::Debug for EvidenceBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What is kept of files may be secret.
        f.debug_struct("EvidenceBuilder")
            .field("options", &self.options)
            .field("layers", &self.layers)
            .field("entries", &self.counter.entries())
            .finish_non_exhaustive()
    }
}

impl EvidenceBuilder {
    /// Starts.
    pub fn new(options: EvidenceOptions) -> Self {
        let rules = StackRules {
            // An image is to be looked at that runtimes take.
            files_make_room: true,
            // Every entry was counted, so that the other half is for directories that none names.
            entries_max: usize::try_from(options.entries_max)
                .unwrap_or(usize::MAX)
                .saturating_mul(2),
            steps_max: STEPS_MAX,
            keeps_said_by_links: true,
        };
        Self {
            options,
            config: None,
            stack: Stack::new(rules),
            reader: FileReader::new(),
            databases: Databases::default(),
            managers: PackageManagers::default(),
            traits: BTreeMap::new(),
            layers: Vec::new(),
            entries: Vec::new(),
            is_open: false,
            counter: EntryCounter::default(),
            links: BTreeMap::new(),
            whiteouts: BTreeSet::new(),
            hidden_bytes: 0,
            hidden_files: Vec::new(),
            hidden_setuid: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Takes the image's configuration. What the rules find in its history is masked: that is told with the layers.
    pub fn config(&mut self, config: &ImageConfig, rules: &Rules) {
        let mut config = config.clone();
        rules.mask_history(&mut config);
        self.config = Some(config);
    }

    /// Takes the next higher layer, an uncompressed tar archive.
    pub fn layer(&mut self, reader: impl Read) -> Result<(), EvidenceError> {
        self.close()?;
        self.open()?;
        let layer = self.number();
        let fail = |source| EvidenceError::Tar { layer, source };
        let options = &self.options;
        let mut tar = layer::open(reader, options.entries_max, options.layer_bytes_max);
        while let Some(entry) = tar.next_entry().map_err(fail)? {
            self.entry(entry, &mut tar).map_err(|error| match error {
                EvidenceError::Read { source, .. } => fail(TarReadError::Io(source)),
                error => error,
            })?;
        }
        self.close()
    }

    /// Takes an entry of a root file system that the caller walks, as the one layer that it is.
    pub fn entry(&mut self, entry: TarEntry, data: &mut dyn Read) -> Result<(), EvidenceError> {
        self.open()?;
        let TarEntry { path, metadata, kind } = entry;
        self.count(&path, &kind)?;
        self.managers.see(&path);
        let mut seen = Seen { metadata, layer: self.number(), special: None, sums: None };
        let kind = match kind {
            TarEntryKind::Directory => LayerKind::Directory,
            TarEntryKind::Symlink(target) => LayerKind::Symlink(target),
            TarEntryKind::HardLink(target) => LayerKind::HardLink(target),
            TarEntryKind::File(_) if Whiteout::of(&path).is_some() => LayerKind::Special,
            TarEntryKind::File(size_bytes) => {
                let looked = self.file(&path, size_bytes, &seen, data)?;
                seen.sums = looked.sums;
                LayerKind::File(looked.file)
            }
            TarEntryKind::Special(special) => {
                seen.special = Some(special);
                LayerKind::Special
            }
            _ => LayerKind::Special,
        };
        let above = Seen { metadata: Metadata::root(0o755, 0), special: None, sums: None, ..seen };
        self.entries.push(LayerEntry { path, metadata: seen, above, kind });
        Ok(())
    }

    /// Says what was seen. The catalog knows whose files are whose, and the report what looks like a secret; both are of
    /// the same layers.
    pub fn finish(
        mut self,
        catalog: &Catalog,
        secrets: Option<&SecretReport>,
    ) -> Result<Evidence, EvidenceError> {
        self.close()?;
        if self.stack.is_exhausted() {
            return Err(EvidenceError::TooMany { what: "steps through links", max: STEPS_MAX });
        }
        let mut image = ImageFacts {
            hidden_setuid: std::mem::take(&mut self.hidden_setuid),
            hidden_bytes: self.hidden_bytes,
            hidden_files: self.largest_hidden(),
            content_traits: std::mem::take(&mut self.traits),
            unlisted: Some(super::owners::unlisted(catalog)),
            secrets: secrets.map(secret::facts),
            unsearched: secrets.and_then(secret::gap),
            ..ImageFacts::default()
        };
        if let Some(report) = secrets {
            self.warnings.extend(secret::warnings(report));
        }
        if self.reader.left_out > 0 {
            self.warnings.push(format!(
                "{} small files were not kept, so that controls which read them saw less",
                self.reader.left_out
            ));
        }
        // Links that lead nowhere were told while the layers were put together, or are a control's.
        let unread = catalog.problems.iter().filter(|problem| problem.error != FormatError::Link);
        for problem in unread.take(WARNINGS_MAX) {
            self.warnings.push(format!("{} can't be read: {}", problem.path, problem.error));
        }
        self.tell_layers(&mut image);
        let owners = Owners::new(catalog, &self.databases);
        let tree = tree_of(self.stack, &owners, &mut image, &mut self.whiteouts, &self.links);
        image.whiteouts = self.whiteouts.into_iter().collect();
        let variables = self.config.iter().flat_map(|config| &config.config.env);
        let environment = variables
            .filter_map(|variable| variable.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        image.config = self.config;
        let packages = owners.packages;
        Ok(Evidence { tree, packages, image, warnings: self.warnings, environment })
    }

    fn number(&self) -> u32 {
        // There are at most as many layers as a limit of that type allows.
        u32::try_from(self.layers.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    fn open(&mut self) -> Result<(), EvidenceError> {
        if !self.is_open {
            let max = self.options.layers_max;
            if self.layers.len() >= max as usize {
                return Err(EvidenceError::TooMany { what: "layers", max: u64::from(max) });
            }
            self.layers.push(LayerFacts::default());
            self.is_open = true;
        }
        Ok(())
    }

    fn count(&mut self, path: &TreePath, kind: &TarEntryKind) -> Result<(), EvidenceError> {
        let EvidenceOptions { entries_max, path_bytes_max, .. } = self.options;
        self.counter
            .add(path, kind, entries_max, path_bytes_max)
            .map_err(|TooMany { what, max }| EvidenceError::TooMany { what, max })
    }

    fn file(
        &mut self,
        path: &TreePath,
        size_bytes: u64,
        seen: &Seen,
        data: &mut dyn Read,
    ) -> Result<Looked, EvidenceError> {
        let database = SumList::at(path).filter(|_| self.databases.has_room(size_bytes));
        let asked = Asked {
            size_bytes,
            is_executable: seen.metadata.mode & 0o111 != 0,
            is_wanted: database.is_some(),
            managers: self.managers,
        };
        let looked = self
            .reader
            .read(path, asked, data)
            .map_err(|source| EvidenceError::Read { path: path.clone(), source })?;
        if let (Some(list), Some(bytes)) = (database, &looked.bytes) {
            self.databases.add(list, bytes.to_vec());
        }
        if !looked.traits.is_empty() {
            self.traits.insert(looked.file.digest, looked.traits);
        }
        if let Some(layer) = self.layers.last_mut() {
            layer.files_bytes = layer.files_bytes.saturating_add(looked.file.size_bytes);
        }
        Ok(looked)
    }

    /// Puts the layer that was read on top of those before.
    fn close(&mut self) -> Result<(), EvidenceError> {
        if !self.is_open {
            return Ok(());
        }
        self.is_open = false;
        let layer = self.number();
        let (mut whiteouts, mut others, mut links) = (Vec::new(), Vec::new(), Vec::new());
        for mut entry in std::mem::take(&mut self.entries) {
            if let Some(whiteout) = Whiteout::of(&entry.path) {
                if self.is_stray(&whiteout, layer) && self.whiteouts.len() < ODD_FILES_MAX {
                    self.whiteouts.insert(entry.path);
                }
                whiteouts.push(whiteout);
            } else {
                self.keep_layer_of_directory(&mut entry);
                if matches!(entry.kind, LayerKind::HardLink(_)) {
                    links.push(entry.path.clone());
                }
                others.push(entry);
            }
        }
        let mut fatal = None;
        let warnings = &mut self.warnings;
        let mut refused = |path: &TreePath, error| match error {
            StackError::TooMany { .. } | StackError::TooLong => {
                fatal = Some(error);
                Err(())
            }
            // Runtimes don't take it either.
            _ => {
                if warnings.len() < WARNINGS_MAX {
                    warnings.push(format!("layer {layer}: {path} is left out: {error}"));
                }
                Ok(())
            }
        };
        let applied = self.stack.apply(whiteouts, others, &mut refused);
        if applied.is_err() || fatal.is_some() {
            let (what, max) = match fatal {
                Some(StackError::TooLong) => ("steps through links", STEPS_MAX),
                _ => ("entries", self.options.entries_max),
            };
            return Err(EvidenceError::TooMany { what, max });
        }
        for (number, said) in self.stack.take_said_by_links() {
            widen(&mut self.stack.metadata_mut(number).metadata, &said.metadata);
        }
        let places = links.iter().filter_map(|path| self.stack.place(path).ok());
        self.links.extend(places.map(|place| (place, layer)));
        self.tell_hidden(layer);
        Ok(())
    }

    /// Whether a whiteout hides nothing, so that it is only a file with an odd name to who knows no whiteouts.
    fn is_stray(&self, whiteout: &Whiteout, layer: u32) -> bool {
        match whiteout {
            Whiteout::Driver | Whiteout::Nameless => true,
            Whiteout::Below(_) => layer == 0,
            Whiteout::At(path) => {
                layer == 0
                    || self.stack.place(path).is_ok_and(|place| self.stack.get(&place).is_none())
            }
        }
    }

    /// A layer that puts something into a directory names the directory, too: that is still the lower one's.
    fn keep_layer_of_directory(&self, entry: &mut Entry) {
        use hardpan_tree::layers::Item;
        if !matches!(entry.kind, LayerKind::Directory) {
            return;
        }
        let Ok(place) = self.stack.place(&entry.path) else { return };
        if let Some(Item::Directory(before)) = self.stack.get(&place) {
            let (old, new) = (&before.metadata, &entry.metadata.metadata);
            if (old.mode, old.uid, old.gid) == (new.mode, new.uid, new.gid) {
                entry.metadata.layer = before.layer;
            }
        }
    }

    fn tell_hidden(&mut self, hidden_in: u32) {
        for number in self.stack.take_hidden() {
            let size_bytes = self.stack.file(number).size_bytes;
            let (path, seen) = self.stack.came_as(number);
            self.hidden_bytes = self.hidden_bytes.saturating_add(size_bytes);
            let hidden = Hidden { path: path.clone(), layer: seen.layer, hidden_in, size_bytes };
            if seen.metadata.mode & 0o6000 != 0 && self.hidden_setuid.len() < ODD_FILES_MAX {
                self.hidden_setuid.push(hidden.clone());
            }
            self.hidden_files.push(hidden);
            if self.hidden_files.len() > 10 * HIDDEN_FILES_MAX {
                self.hidden_files = self.largest_hidden();
            }
        }
    }

    fn largest_hidden(&mut self) -> Vec<Hidden> {
        let mut files = std::mem::take(&mut self.hidden_files);
        files.sort_by(|one, other| {
            other.size_bytes.cmp(&one.size_bytes).then_with(|| one.cmp(other))
        });
        files.truncate(HIDDEN_FILES_MAX);
        files
    }

    /// Says of each layer how large it is and what made it.
    fn tell_layers(&mut self, image: &mut ImageFacts) {
        image.layers = std::mem::take(&mut self.layers);
        let Some(config) = &self.config else { return };
        let made = config.history.iter().filter(|entry| !entry.empty_layer);
        let mut made = made.map(|entry| entry.created_by.clone());
        // A history that tells of other layers tells nothing.
        let fits = made.clone().count() == image.layers.len();
        for (number, layer) in image.layers.iter_mut().enumerate() {
            layer.diff_id = config.rootfs.diff_ids.get(number).copied();
            layer.created_by = made.next().flatten().filter(|_| fits);
        }
    }
}

/// Adds the rights that a hard link's entry gives to its file. Docker and containerd set mode and extended attributes of the
/// file to those of each entry, and umoci leaves them as they came: what either gives is there.
fn widen(metadata: &mut Metadata, of_link: &Metadata) {
    metadata.mode |= of_link.mode;
    metadata.xattrs.extend(of_link.xattrs.clone());
}

/// Makes the tree, and notes where each path comes from.
fn tree_of(
    stack: Stack<Seen, File>,
    owners: &Owners,
    image: &mut ImageFacts,
    whiteouts: &mut BTreeSet<TreePath>,
    links: &BTreeMap<TreePath, u32>,
) -> Tree {
    stack.into_tree_by(ContentName::AsWritten, |path, seen| {
        // A further name of a file is no older than the file, and what replaced the name is no older than that.
        let layer = links.get(path).map_or(seen.layer, |layer| seen.layer.max(*layer));
        if path.name().starts_with(b".wh.") && whiteouts.len() < ODD_FILES_MAX {
            whiteouts.insert(path.clone());
        }
        if let Some(special) = seen.special {
            let is_device = special != hardpan_tree::Special::Fifo;
            let (path, what) = (path.clone(), special.to_string());
            image.special.push(Special { path, what, is_device });
        }
        image.introduced.insert(path.clone(), layer);
        let package = owners.of(path, seen.sums.as_deref());
        (seen.metadata, package.map_or(Origin::Layer(layer), Origin::Package))
    })
}

// SPDX-License-Identifier: Apache-2.0
//! A finished tree as layers: whole segments where nothing changed, cut ones where something did, and
//! a layer on top with what hardpan made itself.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read, Write};

use hardpan_image::{
    BytesPart, Compression, Layer, LayerPart, LayerSummary, LayoutWriter, directory_segment,
    layer_directories, layer_key,
};
use hardpan_package::merge::{Cut, Member, intact};
use hardpan_tree::{Digest, Hasher, HashingWriter, Kind, Node, Origin, TarWriter, Tree, TreePath};

use crate::assemble::Assembly;
use crate::contents::StoreContents;
use crate::error::Error;
use crate::observer::Event;
use crate::parallel;
use crate::sandboxed::pyc;
use crate::session::Session;
use crate::store::{Store, StoreError, StoredSegment};

/// How many more threads than processors write layers: while one waits for the disk, another hashes.
const WAITING_THREADS: usize = 1;

/// A layer before it is written.
pub(crate) struct PlannedLayer {
    /// What it holds, for the image's history.
    pub(crate) title: String,
    parts: Vec<Part>,
}

enum Part {
    Bytes(BytesPart),
    Segment(SegmentPart),
}

impl Part {
    fn as_layer_part(&self) -> &dyn LayerPart {
        match self {
            Self::Bytes(part) => part,
            Self::Segment(part) => part,
        }
    }
}

/// A segment of the store as a part of a layer.
struct SegmentPart {
    segment: StoredSegment,
    compression: Compression,
    raw_size_bytes: u64,
    compressed_size_bytes: u64,
}

impl SegmentPart {
    fn new(segment: StoredSegment, compression: Compression) -> Result<Self, Error> {
        let size = |form| {
            segment.size_bytes(form).map_err(|source| {
                Error::Store(StoreError::of("read", std::path::Path::new("segment"), source))
            })
        };
        let raw_size_bytes = size(Compression::None)?;
        let compressed_size_bytes = size(compression)?;
        Ok(Self { segment, compression, raw_size_bytes, compressed_size_bytes })
    }
}

impl LayerPart for SegmentPart {
    fn raw(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.segment.open_checked(Compression::None)?))
    }

    fn compressed(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.segment.open_checked(self.compression)?))
    }

    fn raw_size_bytes(&self) -> u64 {
        self.raw_size_bytes
    }

    fn compressed_size_bytes(&self) -> u64 {
        self.compressed_size_bytes
    }

    fn key(&self) -> Digest {
        self.segment.key()
    }
}

/// What becomes of a package's segment.
struct Kept {
    part: Option<SegmentPart>,
    /// Paths and times of what it brings.
    entries: Vec<(TreePath, i64)>,
}

impl Session<'_> {
    /// Plans an assembly's layers: `groups` are the packages of each layer, by their numbers.
    pub(crate) fn plan_layers(
        &self,
        assembly: &Assembly,
        groups: &[(String, Vec<usize>)],
        compression: Compression,
        is_squashed: bool,
    ) -> Result<Vec<PlannedLayer>, Error> {
        let mut kept: BTreeMap<usize, Kept> = BTreeMap::new();
        for number in 0..assembly.members.len() {
            kept.insert(number, self.keep(assembly, number, compression)?);
        }
        let mut covered: BTreeSet<TreePath> = kept
            .values()
            .flat_map(|kept| kept.entries.iter().map(|(path, _)| path.clone()))
            .collect();
        let mut layers = Vec::new();
        if !is_squashed {
            for (title, packages) in groups {
                let mut parts = Vec::new();
                let mut entries = Vec::new();
                for number in packages {
                    // Every package stands in one group.
                    let Some(package) = kept.remove(number) else { continue };
                    parts.extend(package.part.map(Part::Segment));
                    entries.extend(package.entries);
                }
                if parts.is_empty() {
                    continue;
                }
                let (segment, directories) =
                    directories(&assembly.tree, &entries, &[], assembly.epoch, compression)?;
                covered.extend(directories);
                parts.insert(0, Part::Bytes(segment));
                layers.push(PlannedLayer { title: title.clone(), parts });
            }
        }
        // Compiled modules depend on packages only, so images of the same packages share their layer.
        if !is_squashed
            && let Some(made) =
                self.made_segment(assembly, &covered, compression, false, is_compiled)?
        {
            let (segment, directories) =
                directories(&assembly.tree, &made.entries, &[], assembly.epoch, compression)?;
            covered.extend(made.entries.into_iter().map(|(path, _)| path));
            covered.extend(directories);
            let parts = vec![Part::Bytes(segment), Part::Segment(made.part)];
            layers.push(PlannedLayer { title: "compiled Python modules".to_owned(), parts });
        }
        // What is left: in a squashed image everything, else what no package brought as it is.
        let mut parts = Vec::new();
        let mut entries: Vec<(TreePath, i64)> = Vec::new();
        for (_, package) in kept {
            parts.extend(package.part.map(Part::Segment));
            entries.extend(package.entries);
        }
        let made = self.made_segment(assembly, &covered, compression, is_squashed, |_| true)?;
        if let Some(made) = made {
            parts.push(Part::Segment(made.part));
            entries.extend(made.entries);
        }
        let rest: Vec<TreePath> = assembly
            .tree
            .walk()
            .filter(|(path, node)| {
                node.kind == Kind::Directory && !path.is_root() && !covered.contains(*path)
            })
            .map(|(path, _)| path.clone())
            .collect();
        if !parts.is_empty() || !rest.is_empty() {
            let (segment, _) =
                directories(&assembly.tree, &entries, &rest, assembly.epoch, compression)?;
            parts.insert(0, Part::Bytes(segment));
            let title =
                if is_squashed { "everything" } else { "users, configuration, package database" };
            layers.push(PlannedLayer { title: title.to_owned(), parts });
        }
        Ok(layers)
    }

    /// Takes of a package's segment what is in the tree unchanged.
    fn keep(
        &self,
        assembly: &Assembly,
        number: usize,
        compression: Compression,
    ) -> Result<Kept, Error> {
        let prepared = &assembly.members[number];
        let member = Member { unpacked: &prepared.unpacked, segment: prepared.segment.key() };
        let intact = intact(&assembly.tree, u32::try_from(number).unwrap_or(u32::MAX), &member);
        let entries: Vec<(TreePath, i64)> = intact
            .entries
            .iter()
            .map(|&index| {
                let entry = &prepared.unpacked.entries[index];
                (entry.path.clone(), entry.metadata.mtime)
            })
            .collect();
        let segment = match intact.cut {
            Cut::Whole => prepared.segment.clone(),
            Cut::Ranges(ranges) if ranges.is_empty() => return Ok(Kept { part: None, entries }),
            Cut::Ranges(ranges) => {
                let mut hasher = Hasher::new();
                hasher.update(b"hardpan cut segment 1\n");
                hasher.update(prepared.segment.key().as_bytes());
                for range in &ranges {
                    hasher.update(&range.offset_bytes.to_be_bytes());
                    hasher.update(&range.size_bytes.to_be_bytes());
                }
                let key = hasher.finish();
                let source = &prepared.segment;
                derived(self.store, key, compression, |writer| {
                    // A part can't be checked by itself.
                    source.check(Compression::None)?;
                    for range in &ranges {
                        copy_range(source, range.offset_bytes, range.size_bytes, writer)?;
                    }
                    Ok(())
                })?
            }
        };
        if entries.is_empty() {
            return Ok(Kept { part: None, entries });
        }
        Ok(Kept { part: Some(SegmentPart::new(segment, compression)?), entries })
    }

    /// Writes what no package brought as it is as a segment of its own.
    fn made_segment(
        &self,
        assembly: &Assembly,
        covered: &BTreeSet<TreePath>,
        compression: Compression,
        is_squashed: bool,
        is_wanted: impl Fn(&Node) -> bool,
    ) -> Result<Option<Made>, Error> {
        let made: Vec<(&TreePath, &Node)> = assembly
            .tree
            .walk()
            .filter(|(path, node)| node.kind != Kind::Directory && !covered.contains(*path))
            .filter(|(_, node)| is_wanted(node))
            .collect();
        if made.is_empty() {
            return Ok(None);
        }
        // A hard link may only lead to a file of the same layer.
        let mut first_names: BTreeMap<TreePath, TreePath> = BTreeMap::new();
        let mut plan: Vec<(TreePath, Node)> = Vec::with_capacity(made.len());
        for (path, node) in made {
            let content = match &node.kind {
                Kind::HardLink(target) => target,
                _ => path,
            };
            let node = match (&node.kind, first_names.get(content)) {
                (Kind::File(_) | Kind::HardLink(_), Some(first)) => {
                    Node { kind: Kind::HardLink(first.clone()), ..node.clone() }
                }
                (Kind::HardLink(target), None) if is_squashed && covered.contains(target) => {
                    node.clone()
                }
                (Kind::HardLink(target), None) => {
                    first_names.insert(content.clone(), path.clone());
                    // The tree's invariant: a link's target is a file of the tree.
                    assembly.tree.get(target).cloned().unwrap_or_else(|| node.clone())
                }
                (Kind::File(_), None) => {
                    first_names.insert(content.clone(), path.clone());
                    node.clone()
                }
                _ => node.clone(),
            };
            plan.push((path.clone(), node));
        }
        let contents = StoreContents { store: self.store };
        let segment = derived(self.store, made_key(&plan), compression, |writer| {
            let mut tar = TarWriter::new(writer);
            for (path, node) in &plan {
                write_node(&mut tar, path, node, contents)?;
            }
            Ok(())
        })?;
        let entries = plan.into_iter().map(|(path, node)| (path, node.metadata.mtime)).collect();
        Ok(Some(Made { part: SegmentPart::new(segment, compression)?, entries }))
    }

    /// Writes planned layers into a layout; those that are remembered and there already are not touched.
    pub(crate) fn write_layers(
        &self,
        layers: &[&PlannedLayer],
        compression: Compression,
        layout: &LayoutWriter,
    ) -> Result<Vec<Layer>, Error> {
        self.observer.event(Event::Layers { layers: layers.len() });
        parallel::map(self.threads.saturating_add(WAITING_THREADS), layers, |layer| {
            let parts: Vec<&dyn LayerPart> = layer.parts.iter().map(Part::as_layer_part).collect();
            let key = layer_key(&parts, compression);
            // A record that can't be read is as good as none.
            let remembered: Option<LayerSummary> =
                self.store.read_record("layers", &key).unwrap_or_default();
            let summary = match remembered {
                Some(summary) if layout.has_blob(&summary.digest, summary.size_bytes)? => summary,
                _ => {
                    let summary = layout.write_layer(&parts, compression)?;
                    self.store.write_record("layers", &key, &summary)?;
                    summary
                }
            };
            self.observer.event(Event::Layer);
            Ok::<_, Error>(Layer { summary, created_by: layer.title.clone() })
        })
    }
}

struct Made {
    part: SegmentPart,
    entries: Vec<(TreePath, i64)>,
}

/// Returns a segment of the store that is a function of its key, writing it where it is not there yet.
fn derived(
    store: &Store,
    key: Digest,
    compression: Compression,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<StoredSegment, Error> {
    if let Some((mut segment, ())) = store.segment_with_record(&key)? {
        store.compress_segment(&mut segment, compression)?;
        return Ok(segment);
    }
    let mut writer = HashingWriter::new(store.segment_writer(compression)?);
    write(&mut writer).map_err(|error| StoreError::of("write", store.root(), error))?;
    let (writer, digest, _) = writer.finish();
    Ok(store.finish_segment(&key, writer, digest, &())?)
}

fn copy_range(
    segment: &StoredSegment,
    offset_bytes: u64,
    size_bytes: u64,
    output: &mut dyn Write,
) -> io::Result<()> {
    use std::io::Seek as _;
    let mut file = segment.open(Compression::None)?;
    file.seek(io::SeekFrom::Start(offset_bytes))?;
    let copied = io::copy(&mut BufReader::new(file).take(size_bytes), output)?;
    if copied == size_bytes {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, "a segment is shorter than its record"))
    }
}

fn directories(
    tree: &Tree,
    entries: &[(TreePath, i64)],
    also: &[TreePath],
    epoch: i64,
    compression: Compression,
) -> Result<(BytesPart, Vec<TreePath>), Error> {
    let entries = entries.iter().map(|(path, mtime)| (path, *mtime));
    let directories = layer_directories(tree, entries, also, epoch)?;
    let part = BytesPart::new(directory_segment(&directories), compression)
        .map_err(|error| Error::Layer(hardpan_image::LayerError::Compress(error)))?;
    Ok((part, directories.into_iter().map(|(path, _)| path).collect()))
}

/// Returns whether a node is a compiled Python module.
fn is_compiled(node: &Node) -> bool {
    node.origin == Origin::Finisher(pyc::NAME)
}

/// Digest of all that decides a made segment's bytes.
fn made_key(plan: &[(TreePath, Node)]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(b"hardpan made segment 1\n");
    hash_nodes(plan.iter().map(|(path, node)| (path, node)), &mut hasher);
    hasher.finish()
}

/// Digest of all that a tree has: paths, metadata and contents, but not who brought what.
pub(crate) fn tree_digest(tree: &Tree) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(b"hardpan tree 1\n");
    hash_nodes(tree.walk(), &mut hasher);
    hasher.finish()
}

fn hash_nodes<'n>(nodes: impl Iterator<Item = (&'n TreePath, &'n Node)>, hasher: &mut Hasher) {
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    for (path, node) in nodes {
        field(path.as_bytes());
        let metadata = &node.metadata;
        for number in [u64::from(metadata.mode), metadata.uid.into(), metadata.gid.into()] {
            field(&number.to_be_bytes());
        }
        field(&metadata.mtime.to_be_bytes());
        for (name, value) in &metadata.xattrs {
            field(name.as_bytes());
            field(value);
        }
        match &node.kind {
            Kind::Directory => field(b"directory"),
            Kind::File(file) => {
                field(b"file");
                field(file.digest.as_bytes());
            }
            Kind::Symlink(target) => {
                field(b"symlink");
                field(target);
            }
            Kind::HardLink(target) => {
                field(b"link");
                field(target.as_bytes());
            }
        }
    }
}

fn write_node(
    tar: &mut TarWriter<&mut dyn Write>,
    path: &TreePath,
    node: &Node,
    contents: StoreContents<'_>,
) -> io::Result<()> {
    let Kind::File(file) = &node.kind else {
        tar.write_node(path, node, &contents)?;
        return Ok(());
    };
    let mut reader = contents.open(file)?;
    tar.write_entry(
        path,
        &node.metadata,
        hardpan_tree::TarKind::File(file.size_bytes),
        &mut reader,
    )?;
    Ok(())
}

// SPDX-License-Identifier: Apache-2.0
//! Trees and inputs for the tests of finishers.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hardpan_definition::{Definition, NoIncludes, Platform, Source, parse};
use hardpan_package::deb::unpack::unpack;
use hardpan_package::merge::{Member, merge};
use hardpan_package::segment::{ByteRange, Entry, EntryKind, FileEntry, Format, Unpacked};
use hardpan_package::strip::StripPolicy;
use hardpan_package::unpack::UnpackOptions;
use hardpan_testkit::deb::Deb;
use hardpan_tree::{
    Content, Contents, Digest, File, InlineContents, Kind, Metadata, Node, Origin, Tree, TreePath,
};

use ring::digest::SHA1_FOR_LEGACY_USE_ONLY;

use super::{ArchiveSettings, CatalogSource, Inputs, PathAlias};

/// The time of all that is made in tests.
pub(crate) const EPOCH: i64 = 1_700_000_000;

type Catalog = Box<dyn Fn(&str) -> io::Result<CatalogSource>>;

/// All that inputs borrow.
pub(crate) struct Fixture {
    pub(crate) definition: Arc<Definition>,
    pub(crate) packages: Vec<Arc<Unpacked>>,
    pub(crate) contents: SegmentContents,
    pub(crate) catalog: Catalog,
    pub(crate) aliases: Vec<PathAlias>,
    pub(crate) strip: StripPolicy,
    pub(crate) exact: bool,
    pub(crate) archives: ArchiveSettings,
}

/// Contents that are inline or in segments at hand.
#[derive(Default)]
pub(crate) struct SegmentContents(BTreeMap<Digest, Vec<u8>>);

impl SegmentContents {
    pub(crate) fn insert(&mut self, digest: Digest, segment: Vec<u8>) {
        self.0.insert(digest, segment);
    }
}

impl Contents for SegmentContents {
    fn read(&self, file: &File) -> io::Result<Arc<[u8]>> {
        match &file.content {
            Content::Segment { segment, offset_bytes } => {
                let start = usize::try_from(*offset_bytes).unwrap();
                let end = start + usize::try_from(file.size_bytes).unwrap();
                let segment = self.0.get(segment).ok_or(io::ErrorKind::NotFound)?;
                Ok(segment[start..end].into())
            }
            _ => InlineContents.read(file),
        }
    }
}

impl Default for Fixture {
    fn default() -> Self {
        Self {
            definition: definition(""),
            packages: Vec::new(),
            contents: SegmentContents::default(),
            catalog: Box::new(|_| Err(io::ErrorKind::NotFound.into())),
            aliases: Vec::new(),
            strip: StripPolicy::default(),
            exact: false,
            archives: ArchiveSettings::default(),
        }
    }
}

impl Fixture {
    pub(crate) fn inputs(&self) -> Inputs<'_> {
        Inputs {
            definition: &self.definition,
            packages: &self.packages,
            contents: &self.contents,
            epoch: EPOCH,
            catalog: &*self.catalog,
            aliases: &self.aliases,
            strip: &self.strip,
            exact: self.exact,
            archives: &self.archives,
        }
    }

    /// Takes a definition with these keys.
    pub(crate) fn yaml(&mut self, text: &str) {
        self.definition = definition(text);
    }

    /// Takes a definition of an Alpine image with these keys.
    pub(crate) fn alpine(&mut self, text: &str) {
        self.definition = definition_for("alpine3.24", text);
    }

    /// Makes it a `-dev` image.
    pub(crate) fn dev(mut self) -> Self {
        self.yaml("variant: dev\n");
        self
    }

    /// Takes a catalog with these files.
    pub(crate) fn files(&mut self, files: &[(&'static str, &'static str)]) {
        let files: BTreeMap<_, _> = files.iter().copied().collect();
        self.catalog = Box::new(move |path| {
            if let Some(text) = files.get(path) {
                let is_executable = text.starts_with("#!");
                return Ok(CatalogSource::File { bytes: text.as_bytes().into(), is_executable });
            }
            let prefix = format!("{path}/");
            let names: std::collections::BTreeSet<String> = files
                .keys()
                .filter_map(|file| file.strip_prefix(&prefix))
                .map(|rest| rest.split('/').next().unwrap_or(rest).to_owned())
                .collect();
            if names.is_empty() {
                return Err(io::ErrorKind::NotFound.into());
            }
            Ok(CatalogSource::Directory(names))
        });
    }

    /// Unpacks packages, without stripping, and merges them.
    pub(crate) fn install(&mut self, packages: &[Deb]) -> Tree {
        for package in packages {
            let mut segment = Vec::new();
            let options = UnpackOptions { strip: self.strip.clone(), ..UnpackOptions::default() };
            let unpacked = unpack(&mut package.build().as_slice(), &options, &mut segment).unwrap();
            self.contents.insert(unpacked.segment_digest, segment);
            self.packages.push(Arc::new(unpacked));
        }
        let members: Vec<Member<'_>> = self
            .packages
            .iter()
            .map(|unpacked| Member { unpacked, segment: unpacked.segment_digest })
            .collect();
        merge(&members).unwrap().tree
    }

    /// Puts the files of Alpine's packages into a tree, the later over the earlier.
    pub(crate) fn install_apks(&mut self, packages: &[Apk]) -> Tree {
        let mut tree = Tree::new();
        for package in packages {
            let origin = Origin::Package(u32::try_from(self.packages.len()).unwrap());
            for (path, metadata, kind) in &package.files {
                let parent = path.parent().unwrap();
                tree.make_directories(&parent, &Metadata::root(0o755, 0), origin).unwrap();
                let node = Node { metadata: metadata.clone(), kind: kind.clone(), origin };
                tree.insert(path.clone(), node).unwrap();
            }
            self.packages.push(Arc::new(package.unpacked.clone()));
        }
        tree
    }

    /// Returns the text of the file that a path leads to.
    pub(crate) fn text(&self, tree: &Tree, path: &str) -> String {
        let path = tree.resolve(&TreePath::parse(path).unwrap()).unwrap();
        let (_, file) = tree.file(&path).unwrap();
        String::from_utf8(self.contents.read(file).unwrap().to_vec()).unwrap()
    }
}

/// Renders a definition with these keys for amd64.
pub(crate) fn definition(text: &str) -> Arc<Definition> {
    definition_for("debian13", text)
}

fn definition_for(distribution: &str, text: &str) -> Arc<Definition> {
    let text = format!("# syntax=dhi.io/build:2-{distribution}\nimage: example.org/x\n{text}");
    let parsed = parse(&Source::new("test.yaml", text), &NoIncludes);
    parsed.render(Platform::LinuxAmd64).unwrap_or_else(|errors| panic!("{errors:?}"))
}

/// A package of Alpine, unpacked.
#[derive(Clone)]
pub(crate) struct Apk {
    pub(crate) unpacked: Unpacked,
    files: Vec<(TreePath, Metadata, Kind)>,
}

/// Begins a package. `info` has further lines of its `.PKGINFO`.
pub(crate) fn apk(name: &str, version: &str, info: &str) -> Apk {
    let control = format!("pkgname = {name}\npkgver = {version}\narch = x86_64\n{info}");
    let digest = ring::digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, control.as_bytes());
    let unpacked = Unpacked {
        format: Format::Apk,
        name: name.to_owned(),
        version: version.to_owned(),
        architecture: "x86_64".to_owned(),
        identity: format!("Q1{}", STANDARD.encode(digest)),
        file_size_bytes: 1000,
        control,
        timestamp: EPOCH - 1,
        entries: Vec::new(),
        conffiles: Vec::new(),
        md5sums: String::new(),
        sha1sums: String::new(),
        scripts: BTreeMap::new(),
        script_digests: BTreeMap::new(),
        triggers: String::new(),
        control_members: BTreeMap::new(),
        stripped: Vec::new(),
        changed: Vec::new(),
        segment_digest: Digest::of(b""),
        segment_size_bytes: 0,
    };
    Apk { unpacked, files: Vec::new() }
}

impl Apk {
    fn add(
        mut self,
        path: &str,
        mode: u32,
        kind: Kind,
        entry: EntryKind,
        sum: Option<&[u8]>,
    ) -> Self {
        let path = TreePath::parse(path).unwrap();
        let metadata = Metadata::root(mode, EPOCH - 1);
        if let Some(bytes) = sum {
            let digest = ring::digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes);
            let hexadecimal: String =
                digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            self.unpacked.sha1sums +=
                &format!("{hexadecimal}  {}\n", path.to_string().trim_start_matches('/'));
        }
        self.files.push((path.clone(), metadata.clone(), kind));
        self.unpacked.entries.push(Entry {
            path,
            metadata,
            kind: entry,
            record: ByteRange::default(),
        });
        self
    }

    /// Adds a file.
    pub(crate) fn file(self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let entry = FileEntry {
            size_bytes: bytes.len() as u64,
            digest: Digest::of(bytes),
            offset_bytes: 0,
            facts: None,
        };
        self.add(path, 0o644, Kind::File(File::inline(bytes)), EntryKind::File(entry), Some(bytes))
    }

    /// Adds a symbolic link.
    pub(crate) fn symlink(self, path: &str, target: &str) -> Self {
        let (kind, entry) = (Kind::Symlink(target.into()), EntryKind::Symlink(target.into()));
        self.add(path, 0o777, kind, entry, Some(target.as_bytes()))
    }

    /// Adds a second name of a file.
    pub(crate) fn hard_link(self, path: &str, first: &str) -> Self {
        let first = TreePath::parse(first).unwrap();
        let (kind, entry) = (Kind::HardLink(first.clone()), EntryKind::HardLink(first));
        self.add(path, 0o644, kind, entry, None)
    }

    /// Adds a directory.
    pub(crate) fn directory(self, path: &str) -> Self {
        self.add(path, 0o755, Kind::Directory, EntryKind::Directory, None)
    }

    /// Gives the last entry a mode and an owner.
    pub(crate) fn owned(mut self, mode: u32, uid: u32, gid: u32) -> Self {
        for metadata in [
            &mut self.unpacked.entries.last_mut().unwrap().metadata,
            &mut self.files.last_mut().unwrap().1,
        ] {
            *metadata = Metadata { mode, uid, gid, ..metadata.clone() };
        }
        self
    }

    /// Adds a script.
    pub(crate) fn script(mut self, name: &str, body: &str) -> Self {
        self.unpacked.scripts.insert(name.to_owned(), format!("#!/bin/sh\n\n{body}"));
        self
    }

    /// Says for which directories its trigger is.
    pub(crate) fn triggers(mut self, directories: &str) -> Self {
        self.unpacked.triggers = directories.to_owned();
        self
    }
}

/// Makes a tree of files (`usr/x`, holding their own path), directories (`usr/x/`) and links (`a->b`).
pub(crate) fn tree(paths: &[&str]) -> Tree {
    let mut tree = Tree::new();
    for text in paths {
        let (path, kind, mode) = match text.split_once("->") {
            Some((path, target)) => (path, Kind::Symlink(target.into()), 0o777),
            None if text.ends_with('/') => (*text, Kind::Directory, 0o755),
            None => (*text, Kind::File(File::inline(text.as_bytes())), 0o644),
        };
        put(&mut tree, path, kind, mode);
    }
    tree
}

/// Puts a file with this text into a tree.
pub(crate) fn add(tree: &mut Tree, path: &str, text: &str) {
    put(tree, path, Kind::File(File::inline(text.as_bytes())), 0o644);
}

fn put(tree: &mut Tree, path: &str, kind: Kind, mode: u32) {
    let path = TreePath::parse(path).unwrap();
    let origin = Origin::Package(0);
    let parent = path.parent().unwrap();
    tree.make_directories(&parent, &Metadata::root(0o755, 0), origin).unwrap();
    tree.insert(path, Node { metadata: Metadata::root(mode, 0), kind, origin }).unwrap();
}

/// Returns a tree as text with four-digit modes.
pub(crate) fn dump(tree: &Tree) -> String {
    tree.dump()
}

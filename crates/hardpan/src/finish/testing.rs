// SPDX-License-Identifier: Apache-2.0
//! Trees and inputs for the tests of finishers.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use hardpan_definition::{Definition, NoIncludes, Platform, Source, parse};
use hardpan_package::deb::unpack::unpack;
use hardpan_package::merge::{Member, merge};
use hardpan_package::segment::Unpacked;
use hardpan_package::strip::StripPolicy;
use hardpan_package::unpack::UnpackOptions;
use hardpan_testkit::apk::Apk;
use hardpan_testkit::deb::Deb;
use hardpan_tree::{
    Content, Contents, Digest, File, InlineContents, Kind, Metadata, Node, Origin, Tree, TreePath,
};

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
        self.merge()
    }

    /// Unpacks Alpine's packages, without stripping, and merges them.
    pub(crate) fn install_apks(&mut self, packages: &[Apk]) -> Tree {
        for package in packages {
            let mut segment = Vec::new();
            let options = UnpackOptions { strip: StripPolicy::none(), ..UnpackOptions::default() };
            let bytes = package.build();
            let unpacked =
                hardpan_package::apk::unpack::unpack(&mut &bytes[..], &options, &mut segment);
            let unpacked = unpacked.unwrap();
            self.contents.insert(unpacked.segment_digest, segment);
            self.packages.push(Arc::new(unpacked));
        }
        self.merge()
    }

    fn merge(&self) -> Tree {
        let members: Vec<Member<'_>> = self
            .packages
            .iter()
            .map(|unpacked| Member { unpacked, segment: unpacked.segment_digest })
            .collect();
        merge(&members).unwrap().tree
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

/// Begins a package of Alpine. `info` has further lines of its `.PKGINFO`.
pub(crate) fn apk(name: &str, version: &str, info: &str) -> Apk {
    let package = hardpan_testkit::apk::apk(name, version).architecture("x86_64");
    let fields = info.lines().filter_map(|line| line.split_once(" = "));
    fields.fold(package, |package, (field, value)| package.field(field, value))
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

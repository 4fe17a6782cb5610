// SPDX-License-Identifier: Apache-2.0
//! Small trees for tests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hardpan_tree::{
    Elf, ElfProtection, Facts, File, InlineContents, Kind, Metadata, Node, Origin, Tree, TreePath,
};

use super::{
    ControlId, ControlPolicy, Finding, Inspection, Measured, PackageInfo, Profile, Severity,
    image::ImageFacts, measure,
};

/// An image under test: a tree that is built line by line, and everything around it.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) tree: Tree,
    pub(super) packages: Vec<PackageInfo>,
    pub(super) requested_packages: BTreeSet<String>,
    pub(super) requested_paths: BTreeSet<TreePath>,
    pub(super) profile: Profile,
    pub(super) root_allowed: bool,
    pub(super) user: String,
    pub(super) entrypoint: Vec<String>,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) policy: ControlPolicy,
    facts: Option<ImageFacts>,
    origin: Origin,
}

/// An ELF program with these libraries.
pub(super) fn elf(needed: &[&str]) -> Elf {
    Elf {
        is_64_bit: true,
        machine: 62,
        file_type: 3,
        interpreter: Some("/lib64/ld-linux-x86-64.so.2".to_owned()),
        needed: needed.iter().map(|&name| name.to_owned()).collect(),
        is_dynamic: true,
        protection: ElfProtection { stack_flags: Some(6), ..ElfProtection::default() },
        ..Elf::default()
    }
}

/// A shared library.
pub(super) fn library(soname: &str, needed: &[&str]) -> Elf {
    Elf { interpreter: None, soname: Some(soname.to_owned()), ..elf(needed) }
}

/// A program without a loader.
pub(super) fn static_elf() -> Elf {
    Elf { interpreter: None, is_dynamic: false, file_type: 2, ..elf(&[]) }
}

impl Image {
    /// A merged-/usr tree with accounts, run by user 65532.
    pub(super) fn new() -> Self {
        let mut image = Self {
            tree: Tree::new(),
            packages: Vec::new(),
            requested_packages: BTreeSet::new(),
            requested_paths: BTreeSet::new(),
            profile: Profile::Runtime,
            root_allowed: false,
            user: "65532:65532".to_owned(),
            entrypoint: Vec::new(),
            environment: BTreeMap::new(),
            policy: ControlPolicy::default(),
            facts: None,
            origin: Origin::Finisher("test"),
        };
        for directory in ["bin", "lib", "lib64", "sbin"] {
            image = image.symlink(&format!("/{directory}"), &format!("usr/{directory}"));
        }
        image
            .directory("/usr/bin", 0o755)
            .directory("/usr/lib", 0o755)
            .directory("/usr/lib64", 0o755)
            .directory("/usr/sbin", 0o755)
            .directory("/tmp", 0o1777)
            .text("/etc/passwd", "root:x:0:0::/root:/x\nnonroot:x:65532:65532::/:/x\n")
            .text("/etc/group", "root:x:0:\nnonroot:x:65532:\n")
    }

    /// What follows comes from this package.
    pub(super) fn package(mut self, name: &str) -> Self {
        let index = u32::try_from(self.packages.len()).unwrap();
        self.packages.push(PackageInfo { name: name.to_owned() });
        self.origin = Origin::Package(index);
        self
    }

    pub(super) fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    pub(super) fn request(mut self, name: &str) -> Self {
        self.requested_packages.insert(name.to_owned());
        self
    }

    pub(super) fn request_path(mut self, path: &'static str) -> Self {
        self.requested_paths.insert(TreePath::literal(path));
        self
    }

    pub(super) fn dev(mut self) -> Self {
        self.profile = Profile::Dev;
        self
    }

    pub(super) fn user(mut self, user: &str) -> Self {
        self.user = user.to_owned();
        self
    }

    pub(super) fn entrypoint(mut self, word: &str) -> Self {
        self.entrypoint = vec![word.to_owned()];
        self
    }

    pub(super) fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    fn put(mut self, path: &str, mode: u32, kind: Kind) -> Self {
        let path = TreePath::parse(path).unwrap();
        let above = path.parent().unwrap();
        self.tree.make_directories(&above, &Metadata::root(0o755, 0), self.origin).unwrap();
        let node = Node { metadata: Metadata::root(mode, 0), kind, origin: self.origin };
        self.tree.insert(path, node).unwrap();
        self
    }

    pub(super) fn directory(self, path: &str, mode: u32) -> Self {
        self.put(path, mode, Kind::Directory)
    }

    pub(super) fn symlink(self, path: &str, target: &str) -> Self {
        self.put(path, 0o777, Kind::Symlink(target.as_bytes().to_vec()))
    }

    pub(super) fn hard_link(self, path: &str, target: &'static str) -> Self {
        self.put(path, 0o755, Kind::HardLink(TreePath::literal(target)))
    }

    pub(super) fn file(self, path: &str, mode: u32, bytes: &[u8]) -> Self {
        self.put(path, mode, Kind::File(File::inline(bytes)))
    }

    pub(super) fn text(self, path: &str, text: &str) -> Self {
        self.file(path, 0o644, text.as_bytes())
    }

    /// A script; its facts are left to be read from the bytes.
    pub(super) fn script(self, path: &str, interpreter: &str) -> Self {
        self.file(path, 0o755, format!("#!{interpreter}\necho\n").as_bytes())
    }

    /// An ELF file with these headers; the content differs from path to path.
    pub(super) fn elf(self, path: &str, elf: Elf) -> Self {
        let bytes = format!("\x7fELF{path}");
        self.elf_bytes(path, elf, bytes.as_bytes())
    }

    pub(super) fn elf_bytes(self, path: &str, elf: Elf, bytes: &[u8]) -> Self {
        let file = File { facts: Some(Arc::new(Facts::Elf(elf))), ..File::inline(bytes) };
        self.put(path, 0o755, Kind::File(file))
    }

    /// A program that needs nothing.
    pub(super) fn program(self, path: &str) -> Self {
        self.elf(path, static_elf())
    }

    pub(super) fn metadata(mut self, path: &'static str, change: impl Fn(&mut Metadata)) -> Self {
        change(self.tree.metadata_mut(&TreePath::literal(path)).unwrap());
        self
    }

    /// It is an image of which this is known, and no tree that is built.
    pub(super) fn facts(mut self, facts: ImageFacts) -> Self {
        self.facts = Some(facts);
        self
    }

    pub(super) fn inspect(&self) -> Vec<Finding> {
        self.measure().findings
    }

    pub(super) fn measure(&self) -> Measured {
        self.with(|input| measure(input, &self.policy))
    }

    /// Gives the image to something that looks at it.
    pub(super) fn with<T>(&self, look: impl Fn(&Inspection<'_>) -> T) -> T {
        let why = |index: u32| {
            let name = &self.packages[usize::try_from(index).unwrap()].name;
            Some(format!("app → {name}"))
        };
        let cut =
            |index: u32| Some(format!("!{}", self.packages[usize::try_from(index).unwrap()].name));
        let input = Inspection {
            tree: &self.tree,
            contents: &InlineContents,
            packages: &self.packages,
            profile: self.profile,
            image: self.facts.as_ref(),
            requested_packages: &self.requested_packages,
            requested_paths: &self.requested_paths,
            root_allowed: self.root_allowed,
            user: &self.user,
            entrypoint: &self.entrypoint,
            command: &[],
            environment: &self.environment,
            work_directory: "",
            why: &why,
            cut: &cut,
        };
        look(&input)
    }

    /// Findings as lines: severity, control, message.
    pub(super) fn lines(&self) -> Vec<String> {
        self.inspect()
            .iter()
            .map(|finding| format!("{} {}: {}", finding.severity, finding.control, finding.message))
            .collect()
    }

    /// Controls that found something, without those that only inform.
    pub(super) fn controls(&self) -> Vec<ControlId> {
        let mut controls: Vec<ControlId> = self
            .inspect()
            .iter()
            .filter(|finding| finding.severity > Severity::Info)
            .map(|finding| finding.control)
            .collect();
        controls.dedup();
        controls
    }
}

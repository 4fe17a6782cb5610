// SPDX-License-Identifier: Apache-2.0
//! What several checks ask of a tree.

use std::collections::BTreeSet;
use std::sync::Arc;

use hardpan_image::ContainerConfig;
use hardpan_tree::{
    Content, Contents, Elf, Facts, File, Kind, Node, Origin, ResolveError, Tree, TreePath,
};

use super::image::ImageFacts;
use super::traits::ContentTraits;
use super::{Inspection, Severity};

/// The directories that a runtime searches where an image sets no `PATH`.
pub(super) const PATH_DEFAULT: &str =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The largest configuration file that is read.
const TEXT_BYTES_MAX: u64 = 1024 * 1024;
/// The largest program that is read to find out whether it is a shell. The largest static shells are
/// around 3 MiB.
const PROGRAM_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// The type of ELF files that are programs at a fixed address (`ET_EXEC`).
const ELF_TYPE_EXECUTABLE: u16 = 2;
/// The type of shared objects and position-independent programs (`ET_DYN`).
const ELF_TYPE_SHARED: u16 = 3;

/// What is at a path where a text is expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Text {
    /// Nothing that a program could open, so that there is nothing in it either.
    Absent,
    /// A file with this text.
    Read(String),
    /// Something whose text nobody knows, and why: what it would say is not measured.
    Unreadable(String),
}

impl Text {
    /// Returns the text that there is, empty where there is none, and says why where nobody knows.
    pub(super) fn known(self) -> Result<String, String> {
        match self {
            Self::Absent => Ok(String::new()),
            Self::Read(text) => Ok(text),
            Self::Unreadable(why) => Err(why),
        }
    }
}

/// What a file is to the kernel that is asked to execute it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Program<'a> {
    /// An ELF program.
    Elf(&'a Elf),
    /// An ELF file about whose headers nothing is known.
    OpaqueElf,
    /// A script and the text after `#!`.
    Script(String),
}

/// The inspection, and what is computed of it once.
#[derive(Debug)]
pub(super) struct View<'a> {
    pub(super) input: &'a Inspection<'a>,
    pub(super) tree: &'a Tree,
    /// The directories in which programs are found by name, links followed.
    pub(super) program_directories: BTreeSet<TreePath>,
}

impl<'a> View<'a> {
    pub(super) fn new(input: &'a Inspection<'a>) -> Self {
        let set = input.environment.get("PATH").map_or("", String::as_str);
        let program_directories = program_directories(input.tree, set);
        Self { input, tree: input.tree, program_directories }
    }

    /// Whether the definition named the package or the path that something comes from.
    pub(super) fn is_requested(&self, path: &TreePath, origin: Origin) -> bool {
        self.is_requested_path(path)
            || matches!(origin, Origin::Package(index) if self
                .package_name(index)
                .is_some_and(|name| self.input.requested_packages.contains(name)))
    }

    /// Whether the definition named this very path.
    pub(super) fn is_requested_path(&self, path: &TreePath) -> bool {
        self.input.requested_paths.contains(path)
    }

    /// Whether programs are found in a directory by their names, here or by custom.
    pub(super) fn is_program_directory(&self, directory: &TreePath) -> bool {
        is_program_directory(directory, &self.program_directories)
    }

    pub(super) fn package_name(&self, index: u32) -> Option<&str> {
        let index = usize::try_from(index).ok()?;
        self.input.packages.get(index).map(|package| package.name.as_str())
    }

    /// Returns how bad something may be at most that a build can't do anything about, or that its definition says itself: a
    /// build only notes it, an audit tells it.
    pub(super) fn noted_in_a_build(&self) -> Severity {
        if self.input.image.is_some() { Severity::Fail } else { Severity::Info }
    }

    /// Returns what the bytes of a program say.
    pub(super) fn traits_of(&self, node: &Node, file: &File) -> ContentTraits {
        match self.input.image {
            // Its bytes went by.
            Some(image) => image.content_traits.get(&file.digest).copied().unwrap_or_default(),
            None => read_traits(self.input.contents, node, file),
        }
    }

    /// Returns what is known beyond the tree, or says why nothing is.
    pub(super) fn facts(&self) -> Result<&'a ImageFacts, &'static str> {
        self.input.image.ok_or("the image is not made yet")
    }

    /// Returns the image's configuration, or says why there is none.
    pub(super) fn config(&self) -> Result<&'a ContainerConfig, &'static str> {
        let config = self.facts()?.config.as_ref();
        config.map(|config| &config.config).ok_or("a root file system has no configuration")
    }

    /// Whether the image starts nothing by itself that is known: it is a root file system.
    pub(super) fn is_without_configuration(&self) -> bool {
        self.input.image.is_some_and(|image| image.config.is_none())
    }

    /// Returns the text of a small file, links followed.
    pub(super) fn text(&self, path: &TreePath) -> Text {
        let found = match self.tree.resolve(path) {
            Ok(found) => found,
            // A pipe or a device is in no tree, and whoever opens it reads something.
            Err(ResolveError::NotFound(missing)) if self.is_special(&missing) => {
                return Text::Unreadable(format!("{path} is no regular file"));
            }
            Err(_) => return Text::Absent,
        };
        let Some((_, file)) = self.tree.file(&found) else { return Text::Absent };
        if file.size_bytes > TEXT_BYTES_MAX {
            let why = format!("{path} has {} bytes, more than are read", file.size_bytes);
            return Text::Unreadable(why);
        }
        match small_content(self.input.contents, file, TEXT_BYTES_MAX) {
            Some(bytes) => Text::Read(String::from_utf8_lossy(&bytes).into_owned()),
            None => Text::Unreadable(format!("the bytes of {path} were not kept")),
        }
    }

    fn is_special(&self, path: &TreePath) -> bool {
        self.input.image.is_some_and(|image| image.special.iter().any(|one| one.path == *path))
    }

    /// Returns the node that a path leads to, links followed.
    pub(super) fn follow(&self, path: &TreePath) -> Option<(TreePath, &'a Node)> {
        let path = self.tree.resolve(path).ok()?;
        let node = self.tree.get(&path)?;
        Some((path, node))
    }
}

/// Whether a directory is one of `PATH`, or called like those that usually are.
pub(super) fn is_program_directory(directory: &TreePath, set: &BTreeSet<TreePath>) -> bool {
    matches!(directory.name(), b"bin" | b"sbin") || set.contains(directory)
}

/// Returns the directories of a `PATH` and of the default one, links followed.
pub(super) fn program_directories(tree: &Tree, set: &str) -> BTreeSet<TreePath> {
    set.split(':')
        .chain(PATH_DEFAULT.split(':'))
        .filter(|directory| directory.starts_with('/'))
        .filter_map(|directory| TreePath::parse(directory).ok())
        .filter_map(|directory| tree.resolve(&directory).ok())
        .collect()
}

/// Returns a file's bytes if it is no larger than a limit and can be read.
pub(super) fn small_content(
    contents: &dyn Contents,
    file: &File,
    size_bytes_max: u64,
) -> Option<Arc<[u8]>> {
    if file.size_bytes > size_bytes_max {
        return None;
    }
    match &file.content {
        Content::Inline(bytes) => Some(bytes.clone()),
        _ => contents.read(file).ok(),
    }
}

/// Reads what the bytes of a program say. In a build, distributions vouch for the names of what they bring.
pub(super) fn read_traits(contents: &dyn Contents, node: &Node, file: &File) -> ContentTraits {
    if matches!(node.origin, Origin::Package(_)) {
        return ContentTraits::default();
    }
    small_content(contents, file, PROGRAM_BYTES_MAX)
        .map(|bytes| ContentTraits::of(&bytes))
        .unwrap_or_default()
}

/// Returns what a file is to the kernel: from its facts, or from its bytes where they are at hand.
pub(super) fn program(file: &File) -> Option<Program<'_>> {
    match (file.facts.as_deref(), &file.content) {
        (Some(Facts::Elf(elf)), _) => is_program(elf).then_some(Program::Elf(elf)),
        (Some(Facts::Script(line)), _) => Some(Program::Script(line.clone())),
        (None, Content::Inline(bytes)) => sniff(bytes),
        (None, _) => None,
    }
}

/// Whether an ELF file is a program and not just a library: one that has a loader, or needs nothing that one would load.
/// That it has a name to be linked by, as glibc's own `libc.so.6` has, makes it no library.
fn is_program(elf: &Elf) -> bool {
    match elf.file_type {
        ELF_TYPE_EXECUTABLE => true,
        ELF_TYPE_SHARED => elf.interpreter.is_some() || elf.needed.is_empty(),
        _ => false,
    }
}

/// Whether the kernel starts a file as a program of its own. Of an ELF file it asks for no more than the type: what is in
/// the dynamic section, which makes a library for everybody else, it does not read.
pub(super) fn is_started(file: &File) -> bool {
    match file.facts.as_deref() {
        Some(Facts::Elf(elf)) => matches!(elf.file_type, ELF_TYPE_EXECUTABLE | ELF_TYPE_SHARED),
        _ => matches!(program(file), Some(Program::Elf(_) | Program::OpaqueElf)),
    }
}

fn sniff(bytes: &[u8]) -> Option<Program<'static>> {
    if bytes.starts_with(b"\x7fELF") {
        return Some(Program::OpaqueElf);
    }
    let line = bytes.strip_prefix(b"#!")?;
    let line = line.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let line = &line[..line.len().min(256)];
    Some(Program::Script(String::from_utf8_lossy(line).trim().to_owned()))
}

/// Returns the words of a `#!` line that matter: the interpreter, and for `env` the program that
/// it looks up in `PATH`.
pub(super) fn interpreter_of(line: &str) -> Option<(&str, Option<&str>)> {
    let mut words = line.split_ascii_whitespace();
    let interpreter = words.next()?;
    if interpreter.rsplit('/').next() != Some("env") {
        return Some((interpreter, None));
    }
    let looked_up = words
        .map(|word| word.strip_prefix("-S").unwrap_or(word))
        .find(|word| !word.is_empty() && !word.starts_with('-') && !word.contains('='));
    Some((interpreter, looked_up))
}

/// Whether a node is a regular file that somebody may execute.
pub(super) fn is_executable(node: &Node) -> bool {
    matches!(node.kind, Kind::File(_)) && node.metadata.mode & 0o111 != 0
}

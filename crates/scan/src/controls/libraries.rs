// SPDX-License-Identifier: Apache-2.0
//! Finds shared libraries as the dynamic loader would (ld.so(8)).

use std::collections::{BTreeSet, VecDeque};

use hardpan_tree::{Elf, Facts, File, Kind, Tree, TreePath};

use super::view::View;

/// How many files `include` lines of `/etc/ld.so.conf` may lead to.
const CONFIGURATION_FILES_MAX: usize = 256;
/// How many libraries one program may load.
const LIBRARIES_MAX: usize = 4096;

const MACHINE_X86: u16 = 3;
const MACHINE_ARM: u16 = 40;
const MACHINE_X86_64: u16 = 62;
const MACHINE_AARCH64: u16 = 183;
const MACHINE_RISCV: u16 = 243;

/// How many directories of run paths are searched for the libraries of one file: its own, and those of what loads it.
const SEARCH_MAX: usize = 256;
/// How many directories `/etc/ld.so.conf` and `LD_LIBRARY_PATH` may list.
const CONFIGURED_MAX: usize = 1024;
/// How often a directory is asked for a library of one program. Programs with 300 libraries do with 5,000.
const LOOKUPS_MAX: usize = 200_000;

/// What the loader would miss.
#[derive(Debug, Default)]
pub(super) struct Search {
    pub(super) missing: Vec<Missing>,
    /// Whether it was given up: the loader looks in more places than are looked in here, or for more libraries.
    pub(super) is_cut: bool,
    lookups: usize,
}

/// A library that a file needs and that is not there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Missing {
    /// The file that needs it.
    pub(super) needed_by: TreePath,
    /// Its name in `DT_NEEDED`.
    pub(super) library: String,
}

/// Where libraries are in one tree.
#[derive(Debug)]
pub(super) struct Libraries<'a> {
    tree: &'a Tree,
    /// `LD_LIBRARY_PATH`, then what `/etc/ld.so.conf` lists.
    configured: Vec<TreePath>,
    /// Whether there are more.
    is_cut: bool,
    /// File names and sonames of all ELF files, with width and machine.
    names: BTreeSet<(&'a [u8], bool, u16)>,
}

impl<'a> Libraries<'a> {
    pub(super) fn new(view: &View<'a>) -> Self {
        let set = view.input.environment.get("LD_LIBRARY_PATH").map_or("", String::as_str);
        let set = set
            .split([':', ';'])
            .filter(|directory| directory.starts_with('/'))
            .filter_map(|directory| TreePath::parse(directory).ok());
        let (listed, is_listed_whole) = configured_directories(view);
        let mut configured = Vec::new();
        let is_whole = extend(&mut configured, CONFIGURED_MAX, set.chain(listed));
        let is_cut = !(is_whole && is_listed_whole);
        Self { tree: view.tree, configured, is_cut, names: names(view.tree) }
    }

    /// Whether a library of that name for the same machine is anywhere in the tree: enough for files
    /// that a program loads by itself, from where it likes.
    pub(super) fn is_anywhere(&self, library: &str, user: &Elf) -> bool {
        let name = library.rsplit('/').next().unwrap_or(library).as_bytes();
        self.names.contains(&(name, user.is_64_bit, user.machine))
            || is_part_of_musl(library, user.interpreter.as_deref())
    }

    /// Says which libraries the loader would miss when it starts a program.
    pub(super) fn missing_of(&self, path: &TreePath, elf: &'a Elf) -> Search {
        let mut search = Search { is_cut: self.is_cut, ..Search::default() };
        let mut loaded: BTreeSet<&str> = BTreeSet::new();
        let mut queue = VecDeque::from([(path.clone(), elf, Vec::new())]);
        let loader = elf.interpreter.as_deref();
        while let Some((path, elf, inherited)) = queue.pop_front() {
            // Breadth first, and each name once, as the loader does it.
            let mut directories = Vec::new();
            let own = self.run_path(&path, elf, &mut search.lookups).into_iter();
            search.is_cut |= !extend(&mut directories, SEARCH_MAX, own.chain(inherited));
            for library in &elf.needed {
                search.is_cut |= loaded.len() >= LIBRARIES_MAX || search.lookups >= LOOKUPS_MAX;
                if search.is_cut {
                    // What was not found so far may be where nobody has looked.
                    search.missing.clear();
                    return search;
                }
                if !loaded.insert(library) || is_part_of_musl(library, loader) {
                    continue;
                }
                match self.find(library, elf, &directories, &mut search.lookups) {
                    None => {
                        let needed_by = path.clone();
                        search.missing.push(Missing { needed_by, library: library.clone() });
                    }
                    Some((found, Some(found_elf))) => {
                        loaded.extend(found_elf.soname.as_deref());
                        queue.push_back((found, found_elf, directories.clone()));
                    }
                    Some((_, None)) => {}
                }
            }
        }
        search
    }

    /// Returns the directories of `DT_RUNPATH` or `DT_RPATH`. The facts do not tell them apart, so
    /// both are passed on to libraries, which only `DT_RPATH` would be: a miss is never invented.
    fn run_path(&self, path: &TreePath, elf: &Elf, lookups: &mut usize) -> Vec<TreePath> {
        let origin = path.parent().unwrap_or_default().to_string();
        let lib = if elf.is_64_bit { "lib64" } else { "lib" };
        let machine_lib = multiarch(elf).map(|name| format!("lib/{name}"));
        let (mut directories, mut known) = (Vec::new(), BTreeSet::new());
        for entry in elf.runpath.as_deref().unwrap_or_default().split(':') {
            let entry = entry.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin);
            // $LIB is "lib", "lib64" or "lib/<machine>", as the loader was built.
            for lib in std::iter::once(lib).chain(machine_lib.as_deref()).chain(["lib"]) {
                let entry = entry.replace("${LIB}", lib).replace("$LIB", lib);
                // What is not looked up any more is not loaded either: the search ends.
                if entry.starts_with('/') && *lookups < LOOKUPS_MAX && known.insert(entry.clone()) {
                    *lookups += entry.split('/').count();
                    directories.extend(self.directory(&entry));
                }
            }
        }
        directories
    }

    /// Resolves a directory that may have `..` in it.
    fn directory(&self, text: &str) -> Option<TreePath> {
        let mut path = TreePath::root();
        for name in text.split('/').filter(|name| !name.is_empty() && *name != ".") {
            path = match name {
                ".." => path.parent().unwrap_or_default(),
                _ => self.tree.resolve(&path.join(name).ok()?).ok()?,
            };
        }
        Some(path)
    }

    fn find(
        &self,
        library: &str,
        user: &Elf,
        search: &[TreePath],
        lookups: &mut usize,
    ) -> Option<(TreePath, Option<&'a Elf>)> {
        if library.contains('/') {
            return self.library(&TreePath::parse(library).ok()?, user);
        }
        let defaults = default_directories(user);
        search
            .iter()
            .chain(&self.configured)
            .chain(&defaults)
            .inspect(|_| *lookups += 1)
            .filter_map(|directory| directory.join(library).ok())
            .find_map(|path| self.library(&path, user))
    }

    /// Returns the library at a path if it fits the machine; without facts it is taken to fit.
    fn library(&self, path: &TreePath, user: &Elf) -> Option<(TreePath, Option<&'a Elf>)> {
        let path = self.tree.resolve(path).ok()?;
        let (_, file) = self.tree.file(&path)?;
        match elf_of(file) {
            Some(elf) if elf.is_64_bit != user.is_64_bit || elf.machine != user.machine => None,
            elf => Some((path, elf)),
        }
    }
}

/// Adds directories that are not there yet, as long as there is room; returns whether there was room for all.
fn extend(
    directories: &mut Vec<TreePath>,
    max: usize,
    more: impl Iterator<Item = TreePath>,
) -> bool {
    let mut known: BTreeSet<TreePath> = directories.iter().cloned().collect();
    for directory in more {
        if known.contains(&directory) {
            continue;
        }
        if directories.len() >= max {
            return false;
        }
        known.insert(directory.clone());
        directories.push(directory);
    }
    true
}

pub(super) fn elf_of(file: &File) -> Option<&Elf> {
    match file.facts.as_deref()? {
        Facts::Elf(elf) => Some(elf),
        Facts::Script(_) => None,
    }
}

fn names(tree: &Tree) -> BTreeSet<(&[u8], bool, u16)> {
    let mut names = BTreeSet::new();
    for (path, node) in tree.walk() {
        let file = match &node.kind {
            Kind::File(file) => Some(file),
            Kind::HardLink(_) => tree.file(path).map(|(_, file)| file),
            // The names of links count too: libfoo.so.1 leads to libfoo.so.1.2.3.
            Kind::Symlink(_) if contains_so(path.name()) => {
                tree.resolve(path).ok().and_then(|path| tree.file(&path)).map(|(_, file)| file)
            }
            _ => None,
        };
        if let Some(elf) = file.and_then(elf_of) {
            let key = |name| (name, elf.is_64_bit, elf.machine);
            names.insert(key(path.name()));
            names.extend(elf.soname.as_deref().map(|name| key(name.as_bytes())));
        }
    }
    names
}

fn contains_so(name: &[u8]) -> bool {
    name.windows(3).any(|part| part == b".so")
}

/// musl's loader is its C library under all these names.
fn is_part_of_musl(library: &str, loader: Option<&str>) -> bool {
    let by_loader = loader.is_some_and(|loader| loader.contains("/ld-musl-"));
    library.starts_with("libc.musl-")
        || library.starts_with("ld-musl-")
        || (by_loader && library == "libc.so")
}

fn multiarch(elf: &Elf) -> Option<&'static str> {
    Some(match (elf.machine, elf.is_64_bit) {
        (MACHINE_X86_64, true) => "x86_64-linux-gnu",
        (MACHINE_X86_64, false) => "x86_64-linux-gnux32",
        (MACHINE_X86, _) => "i386-linux-gnu",
        (MACHINE_AARCH64, _) => "aarch64-linux-gnu",
        (MACHINE_ARM, _) => "arm-linux-gnueabihf",
        (MACHINE_RISCV, true) => "riscv64-linux-gnu",
        _ => return None,
    })
}

fn default_directories(elf: &Elf) -> Vec<TreePath> {
    let mut directories = Vec::new();
    for root in ["lib", "usr/lib", "usr/local/lib"] {
        directories.extend(multiarch(elf).map(|name| format!("{root}/{name}")));
        directories.push(root.to_owned());
        if elf.is_64_bit {
            directories.push(format!("{root}64"));
        }
    }
    // glibc does not look below /usr/local by itself, but musl does, and Debian's ld.so.conf.d.
    let is_musl = elf.interpreter.as_deref().is_some_and(|loader| loader.contains("/ld-musl-"));
    directories.retain(|directory| is_musl || !directory.starts_with("usr/local"));
    directories.iter().filter_map(|directory| TreePath::parse(directory).ok()).collect()
}

/// Returns the directories of `/etc/ld.so.conf` and what it includes, and whether all of that was read.
fn configured_directories(view: &View<'_>) -> (Vec<TreePath>, bool) {
    let mut directories = Vec::new();
    let mut is_whole = true;
    let mut queue = VecDeque::from([TreePath::literal("/etc/ld.so.conf")]);
    let mut seen = BTreeSet::new();
    while let Some(path) = queue.pop_front() {
        if !seen.insert(path.clone()) {
            continue;
        }
        if seen.len() > CONFIGURATION_FILES_MAX {
            return (directories, false);
        }
        let text = view.text(&path).known();
        is_whole &= text.is_ok();
        for line in text.unwrap_or_default().lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if let Some(pattern) = line.strip_prefix("include") {
                if queue.len() <= CONFIGURATION_FILES_MAX {
                    queue.extend(included(view.tree, pattern.trim()));
                }
            } else if line.starts_with('/') {
                directories.extend(TreePath::parse(line).ok());
            }
        }
    }
    (directories, is_whole)
}

/// Returns the files that an `include` pattern names: one path, or `directory/*suffix`.
fn included(tree: &Tree, pattern: &str) -> Vec<TreePath> {
    let absolute =
        if pattern.starts_with('/') { pattern.to_owned() } else { format!("/etc/{pattern}") };
    let Some((before, suffix)) = absolute.split_once('*') else {
        return TreePath::parse(&absolute).into_iter().collect();
    };
    let (directory, prefix) = before.rsplit_once('/').unwrap_or(("", before));
    let Ok(directory) = TreePath::parse(directory) else { return Vec::new() };
    let Ok(directory) = tree.resolve(&directory) else { return Vec::new() };
    tree.children(&directory)
        .map(|(path, _)| path)
        .filter(|path| {
            path.name().starts_with(prefix.as_bytes()) && path.name().ends_with(suffix.as_bytes())
        })
        .cloned()
        .collect()
}

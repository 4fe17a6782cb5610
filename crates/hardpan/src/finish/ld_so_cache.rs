// SPDX-License-Identifier: Apache-2.0
//! The dynamic linker's cache and the links by which it finds libraries, as glibc's `ldconfig` makes them.
//!
//! Written for the machine of the tree, on any machine, and byte for byte what the `ldconfig` of
//! the tree's own glibc (2.36 to 2.41, and any that changes nothing) would write.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_tree::{Contents, Elf, Facts, File, Kind, Tree, TreePath};

use super::ld_so_conf::{self, Directory};
use super::ld_so_format::{self, Entry, compare_names};
use super::{Editor, FinishError, Report, Warning, edit};

/// The name of this finisher.
pub const FINISHER: &str = "ld.so.cache";

/// Where the dynamic linker looks.
const CACHE: &str = "/etc/ld.so.cache";
/// The most libraries in the cache: offsets into it have 32 bits.
const LIBRARIES_MAX: usize = 100_000;
/// What stands before vendor and version in `libc.so.6`.
const BANNER: &[u8] = b"GNU C Library ";
/// The longest banner that is believed, in bytes.
const BANNER_BYTES_MAX: usize = 200;
/// `ET_DYN`.
const SHARED_OBJECT: u16 = 3;
/// A library for glibc 2, in flags.
const FLAG_LIBC6: u32 = 0x3;

/// A family of machines that one `ldconfig` writes caches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    X86,
    Arm,
    RiscV,
    PowerPc,
    S390,
    LoongArch,
}

/// Makes `/etc/ld.so.cache` and the missing links of libraries, if `libc.so.6` is in the tree.
///
/// `glibc_version` is the version of the package that brings it; it counts only where `libc.so.6`
/// does not say itself which it is.
///
/// # Errors
/// If a file of the tree can't be read, or limits are exceeded.
pub fn apply(
    tree: &mut Tree,
    contents: &dyn Contents,
    epoch: i64,
    glibc_version: Option<&str>,
    report: &mut Report,
) -> Result<(), FinishError> {
    let Some((path, elf)) = find_libc(tree) else { return Ok(()) };
    let Some((family, triplet)) = family_and_triplet(&elf) else {
        let message = format!("no cache is known for machine {}", elf.machine);
        report.warnings.push(warning(&path, message));
        return Ok(());
    };
    let libc = edit::read(tree, &path, contents, FINISHER)?;
    let Some(generator) = libc.and_then(|bytes| banner(&bytes)).or_else(|| {
        glibc_version.map(|version| format!("(Debian GLIBC {version}) {}", release(version)))
    }) else {
        report.warnings.push(warning(&path, "does not say which glibc it is".to_owned()));
        return Ok(());
    };
    let defaults = [
        format!("/lib/{triplet}"),
        format!("/usr/lib/{triplet}"),
        "/lib".into(),
        "/usr/lib".into(),
    ];
    let (directories, mut warnings) = ld_so_conf::directories(tree, contents, &defaults)?;
    report.warnings.append(&mut warnings);

    let mut editor = Editor::new(tree, FINISHER, epoch);
    let mut entries = Vec::new();
    for directory in &directories {
        for (soname, library) in search(&mut editor, directory, family, report)? {
            let is_ordinary = directory.subdirectory.is_none();
            if is_ordinary && !library.is_link {
                link(&mut editor, directory, &library.name, &soname, report)?;
            }
            let name = if is_ordinary { &soname } else { &library.name };
            entries.push(Entry {
                path: [&directory.text, &b"/"[..], name].concat(),
                flags: library.flags,
                subdirectory: directory.subdirectory.clone(),
                isa_level: library.isa_level,
                soname,
            });
        }
        if entries.len() > LIBRARIES_MAX {
            return Err(FinishError::Limit {
                finisher: FINISHER,
                what: "libraries",
                max: LIBRARIES_MAX,
            });
        }
    }
    let subdirectories: BTreeSet<Vec<u8>> =
        directories.into_iter().filter_map(|directory| directory.subdirectory).collect();
    let generator = format!("ldconfig {generator}");
    let bytes = ld_so_format::write(entries, &subdirectories, &generator, family == Family::S390);
    let metadata = editor.metadata(0o644);
    editor.file(&TreePath::literal(CACHE), bytes, metadata)?;
    report.actions.extend(editor.finish(None));
    Ok(())
}

/// Finds `libc.so.6`. With several, it is the one for 64 bits: that one's `ldconfig` is installed.
fn find_libc(tree: &Tree) -> Option<(TreePath, Elf)> {
    let found = tree.walk().filter(|(path, _)| path.name() == b"libc.so.6");
    let libraries = found.filter_map(|(path, _)| {
        let place = tree.resolve(path).ok()?;
        let (_, file) = tree.file(&place)?;
        Some((path.clone(), shared_object(file)?.clone()))
    });
    libraries.min_by_key(|(path, elf)| (!elf.is_64_bit, path.clone()))
}

/// Returns which `ldconfig` a machine has, and the name of its directory of libraries.
fn family_and_triplet(elf: &Elf) -> Option<(Family, &'static str)> {
    Some(match (elf.machine, elf.is_64_bit) {
        (3, false) => (Family::X86, "i386-linux-gnu"),
        (62, true) => (Family::X86, "x86_64-linux-gnu"),
        (62, false) => (Family::X86, "x86_64-linux-gnux32"),
        (40, false) if elf.flags & ARM_HARD_FLOAT != 0 => (Family::Arm, "arm-linux-gnueabihf"),
        (40, false) => (Family::Arm, "arm-linux-gnueabi"),
        (183, true) => (Family::Arm, "aarch64-linux-gnu"),
        (243, true) => (Family::RiscV, "riscv64-linux-gnu"),
        (21, true) => (Family::PowerPc, "powerpc64le-linux-gnu"),
        (22, true) => (Family::S390, "s390x-linux-gnu"),
        (258, true) => (Family::LoongArch, "loongarch64-linux-gnu"),
        _ => return None,
    })
}

/// `EF_ARM_ABI_FLOAT_HARD`.
const ARM_HARD_FLOAT: u32 = 0x400;
/// `EF_ARM_ABI_FLOAT_SOFT`.
const ARM_SOFT_FLOAT: u32 = 0x200;

/// Returns the flags of a library (glibc's `ldconfig.h`); nothing if the machine is a foreign one.
fn library_flags(family: Family, elf: &Elf) -> Option<u32> {
    // Only version 5 of ARM's EABI says which floating point ABI it is.
    let is_arm = |float: u32| elf.flags >> 24 == 5 && elf.flags & float != 0;
    let abi = match (family, elf.machine, elf.is_64_bit) {
        (Family::X86, 62, true) => 0x0300,
        (Family::X86, 62, false) => 0x0800,
        (Family::Arm, 40, false) if is_arm(ARM_HARD_FLOAT) => 0x0900,
        (Family::Arm, 40, false) if is_arm(ARM_SOFT_FLOAT) => 0x0b00,
        (Family::X86, 3, false)
        | (Family::Arm, 40, false)
        | (Family::PowerPc, 20, false)
        | (Family::S390, 22, false) => 0,
        (Family::Arm, 183, true) => 0x0a00,
        (Family::S390, 22, true) => 0x0400,
        (Family::PowerPc, 21, true) => 0x0500,
        // The floating point ABI: none or double.
        (Family::RiscV, 243, true) if elf.flags & 0x6 == 0 => 0x0f00,
        (Family::RiscV, 243, true) if elf.flags & 0x6 == 4 => 0x1000,
        (Family::LoongArch, 258, true) if elf.flags & 0x7 == 1 => 0x1100,
        (Family::LoongArch, 258, true) if elf.flags & 0x7 == 3 => 0x1200,
        _ => return None,
    };
    Some(abi | FLAG_LIBC6)
}

/// Returns what `libc.so.6` says of itself: `(Debian GLIBC 2.41-12) stable release version 2.41`.
fn banner(libc: &[u8]) -> Option<String> {
    let start = libc.windows(BANNER.len()).position(|window| window == BANNER)? + BANNER.len();
    let text = &libc[start..libc.len().min(start + BANNER_BYTES_MAX)];
    let end = text.windows(2).position(|window| window == b".\n")?;
    let text = std::str::from_utf8(&text[..end]).ok()?;
    let is_sound = text.starts_with('(') && text.contains(" release version ");
    (is_sound && !text.contains(char::is_control)).then(|| text.to_owned())
}

/// Returns the rest of the banner for a package version: the upstream version's first two numbers.
fn release(version: &str) -> String {
    let upstream = version.split_once(':').map_or(version, |(_, rest)| rest);
    let numbers: Vec<&str> = upstream.split(|c: char| !c.is_ascii_digit()).take(2).collect();
    format!("stable release version {}", numbers.join("."))
}

/// The library that a directory has for a soname.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Library {
    name: Vec<u8>,
    flags: u32,
    is_link: bool,
    isa_level: u32,
}

/// Finds the libraries in a directory by their sonames, and removes links that lead nowhere.
fn search(
    editor: &mut Editor<'_>,
    directory: &Directory,
    family: Family,
    report: &mut Report,
) -> Result<BTreeMap<Vec<u8>, Library>, FinishError> {
    let mut libraries: BTreeMap<Vec<u8>, Library> = BTreeMap::new();
    let mut stale = Vec::new();
    let tree = editor.tree();
    for (path, node) in tree.children(&directory.place) {
        let name = path.name();
        let is_link = matches!(node.kind, Kind::Symlink(_));
        if !is_library_name(name) {
            continue;
        }
        let Ok(place) = tree.resolve(path) else {
            if is_link && name.windows(4).any(|part| part == b".so.") {
                stale.push(path.clone());
            }
            continue;
        };
        let Some(elf) = tree.file(&place).and_then(|(_, file)| shared_object(file)) else {
            continue;
        };
        let Some(flags) = library_flags(family, elf) else { continue };
        let soname = elf.soname.as_deref().map_or(name, str::as_bytes);
        if matches!(soname, b"" | b"." | b"..") || soname.contains(&b'/') {
            let message = "has a soname that can't be a file's name".to_owned();
            report.warnings.push(warning(path, message));
            continue;
        }
        // A link counts as one if it is the soname's, or the one for linking programs
        // (libx.so to libx.so.1); any other is as good as a file.
        let is_for_linking = name.ends_with(b".so") && soname.starts_with(name);
        let is_link = is_link && (name == soname || is_for_linking);
        let key = if is_link { name } else { soname };
        let isa_level = 31_u32.saturating_sub(elf.isa_needed.leading_zeros());
        let library = Library { name: name.to_vec(), flags, is_link, isa_level };
        match libraries.get_mut(key) {
            None => {
                libraries.insert(key.to_vec(), library);
            }
            Some(known) => {
                // A file is better than a link, and the higher name better than the lower.
                let is_better = (known.is_link && !is_link)
                    || (known.is_link == is_link && compare_names(&known.name, name).is_lt());
                if is_better {
                    // The flags stay those of the first.
                    *known = Library { flags: known.flags, ..library };
                }
            }
        }
    }
    for path in stale {
        editor.remove(&path)?;
    }
    Ok(libraries)
}

/// Makes the link from a soname to its library, unless it leads there already.
fn link(
    editor: &mut Editor<'_>,
    directory: &Directory,
    name: &[u8],
    soname: &[u8],
    report: &mut Report,
) -> Result<(), FinishError> {
    // The dynamic linker's own names belong to its package.
    let is_dynamic_linker =
        name.starts_with(b"ld-") || name.starts_with(b"ld.") || name.starts_with(b"ld64.");
    if name == soname || is_dynamic_linker {
        return Ok(());
    }
    let (Ok(library), Ok(link)) = (directory.place.join(name), directory.place.join(soname)) else {
        return Ok(());
    };
    let tree = editor.tree();
    if identity(tree, &link).is_some_and(|place| Some(place) == identity(tree, &library)) {
        return Ok(());
    }
    if tree.get(&link).is_some_and(|node| !matches!(node.kind, Kind::Symlink(_))) {
        report.warnings.push(warning(&link, "is not a link, though it should be".to_owned()));
        return Ok(());
    }
    editor.symlink(&link, name).map(|_| ())
}

/// Returns where the file stands that a path leads to, through hard links too.
fn identity(tree: &Tree, path: &TreePath) -> Option<TreePath> {
    let place = tree.resolve(path).ok()?;
    match &tree.get(&place)?.kind {
        Kind::HardLink(target) => Some(target.clone()),
        _ => Some(place),
    }
}

/// Returns what is known of a file, if it is a shared object.
fn shared_object(file: &File) -> Option<&Elf> {
    match file.facts.as_deref() {
        Some(Facts::Elf(elf)) if elf.file_type == SHARED_OBJECT && elf.is_dynamic => Some(elf),
        _ => None,
    }
}

/// Returns whether a file of this name may be a library, and no package manager's temporary file.
fn is_library_name(name: &[u8]) -> bool {
    let has = |part: &[u8]| name.windows(part.len()).any(|window| window == part);
    let is_library = ((name.starts_with(b"lib") || name.starts_with(b"ld-")) && has(b".so"))
        || name.starts_with(b"ld.so.")
        || name.starts_with(b"ld64.so.");
    let is_prelink = name.ends_with(b".#prelink#")
        || name.len().checked_sub(17).is_some_and(|at| name[at..].starts_with(b".#prelink#."));
    let is_temporary =
        is_prelink || has(b";") || name.ends_with(b".dpkg-new") || name.ends_with(b".dpkg-tmp");
    is_library && !is_temporary
}

fn warning(path: &TreePath, message: String) -> Warning {
    Warning {
        finisher: FINISHER,
        package: None,
        file: Some(path.to_string()),
        lines: None,
        message,
    }
}

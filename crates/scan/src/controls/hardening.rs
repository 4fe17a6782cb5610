// SPDX-License-Identifier: Apache-2.0
//! How programs and libraries were built: what their headers ask the kernel and the loader to do.

use hardpan_tree::{Elf, ElfLanguage, Kind, TreePath};

use super::identity::Account;
use super::libraries::elf_of;
use super::places;
use super::report::Report;
use super::view::View;
use super::{ControlId, Severity};

/// Programs at an address of their own (`ET_EXEC`), and everything else that is loaded (`ET_DYN`).
const LOADED: [u16; 2] = [2, 3];
const MACHINE_X86: u16 = 3;
const MACHINE_X86_64: u16 = 62;
/// `PF_X`.
const EXECUTE: u32 = 1;

/// What depends on the headers of ELF files, here and where programs are started.
const OF_HEADERS: [ControlId; 10] = [
    ControlId::ExecutableStack,
    ControlId::WritableCode,
    ControlId::UnsafeRunpath,
    ControlId::PartialRelro,
    ControlId::NoStackProtector,
    ControlId::NoFortify,
    ControlId::LibraryMissing,
    ControlId::InterpreterMissing,
    ControlId::EntrypointInterpreter,
    ControlId::EntrypointLibrary,
];

/// Checks every ELF file that is loaded into memory.
pub(super) fn check(view: &View<'_>, account: &Account, report: &mut Report<'_>) {
    for (path, node) in view.tree.walk() {
        let Kind::File(file) = &node.kind else { continue };
        let Some(elf) = elf_of(file).filter(|elf| LOADED.contains(&elf.file_type)) else {
            continue;
        };
        if elf.is_partial {
            let why = format!("{path} has more headers, entries or names than are read");
            report.all_unmeasured(&OF_HEADERS, &why);
        }
        let mut found = Vec::new();
        check_memory(elf, &mut found);
        // Who may write the file itself needs no library to have it run something else.
        if places::writer(account, &node.metadata).is_none() {
            check_run_path(view, account, path, elf, &mut found);
        }
        // A build is not stopped by how others compiled what it takes.
        let most = if view.input.image.is_some() { Severity::Fail } else { Severity::Warn };
        for (control, text) in found {
            report.path_at_most(control, path, text, most);
        }
        // They are told of a finished image: a build has nothing to decide by them.
        if view.input.image.is_some() {
            check_compilation(report, path, elf);
        }
    }
    if let Err(why) = view.facts() {
        let controls = [
            ControlId::FixedAddress,
            ControlId::PartialRelro,
            ControlId::NoStackProtector,
            ControlId::NoFortify,
        ];
        report.all_unmeasured(&controls, why);
    }
}

fn check_memory(elf: &Elf, found: &mut Vec<(ControlId, String)>) {
    let protection = &elf.protection;
    match protection.stack_flags {
        Some(flags) if flags & EXECUTE != 0 => {
            let text = "asks for a stack that can be executed".to_owned();
            found.push((ControlId::ExecutableStack, text));
        }
        None if is_executable_by_default(elf) => {
            let text = "does not say that its stack need not be executed".to_owned();
            found.push((ControlId::ExecutableStack, text));
        }
        _ => {}
    }
    if protection.has_writable_code {
        let text = "has memory that is both writable and executable".to_owned();
        found.push((ControlId::WritableCode, text));
    }
    if protection.has_text_relocations {
        let text = "has code that is written to when it is loaded".to_owned();
        found.push((ControlId::WritableCode, text));
    }
}

/// glibc on x86 gives threads of a program that says nothing of its stack an executable one, and makes it so for a
/// library.
fn is_executable_by_default(elf: &Elf) -> bool {
    let is_glibc = elf.interpreter.as_deref().is_some_and(|loader| loader.contains("ld-linux"))
        || elf.needed.iter().any(|library| library == "libc.so.6");
    is_glibc && matches!(elf.machine, MACHINE_X86 | MACHINE_X86_64)
}

/// Checks where libraries are looked for before the system's own directories.
fn check_run_path(
    view: &View<'_>,
    account: &Account,
    path: &TreePath,
    elf: &Elf,
    found: &mut Vec<(ControlId, String)>,
) {
    // The loader takes one that is empty as a whole for none.
    let Some(set) = elf.runpath.as_deref().filter(|set| !set.is_empty()) else { return };
    let origin = path.parent().unwrap_or_default().to_string();
    for entry in set.split(':') {
        let full = entry.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin);
        let text = if entry.is_empty() {
            "looks for libraries in the directory that it is started in: its path has an empty part"
                .to_owned()
        } else if !full.starts_with('/') {
            format!("looks for libraries in {entry:?}, below the directory that it is started in")
        } else if let Some(who) = places::directory_writer(view.tree, account, &full) {
            format!("looks for libraries in {entry:?}, which can be written by {who}")
        } else {
            continue;
        };
        found.push((ControlId::UnsafeRunpath, text));
    }
}

/// Says what a compiler or linker could have done besides. All of it only informs: programs in Go and Rust, and static
/// ones, are as they are by nature.
fn check_compilation(report: &mut Report<'_>, path: &TreePath, elf: &Elf) {
    let protection = &elf.protection;
    let is_program = elf.interpreter.is_some() || elf.soname.is_none() && !elf.is_dynamic;
    let nature = match protection.language {
        Some(ElfLanguage::Go) => ", as programs in Go are",
        Some(ElfLanguage::Rust) => ", as programs in Rust may be",
        None if !elf.is_dynamic => ", as static programs often are",
        None => "",
    };
    if elf.file_type == LOADED[0] {
        report.path(ControlId::FixedAddress, path, format!("is at a fixed address{nature}"));
    }
    if !elf.is_dynamic {
        // Nothing is bound late, and no names of functions are left to look at.
        return;
    }
    if !protection.has_relro {
        let text = "leaves the tables of its functions writable";
        report.path(ControlId::PartialRelro, path, text);
    } else if !protection.binds_now {
        let text = "leaves the table of functions that are bound late writable";
        report.path(ControlId::PartialRelro, path, text);
    }
    if !is_program {
        return;
    }
    match protection.language {
        None if !protection.has_stack_protector => {
            let text = "has no function that checks its stack";
            report.path(ControlId::NoStackProtector, path, text);
        }
        _ => {}
    }
    if protection.language.is_none() && protection.fortified == 0 && protection.fortifiable > 0 {
        let text = "calls no checked function of the C library";
        report.path(ControlId::NoFortify, path, text);
    }
}

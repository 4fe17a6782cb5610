// SPDX-License-Identifier: Apache-2.0
//! Whether the entrypoint and the other programs can start: interpreters, loaders, libraries.

use std::collections::BTreeSet;

use hardpan_tree::{Kind, Node, Tree, TreePath};

use super::ControlId;
use super::identity::Account;
use super::libraries::{Libraries, elf_of};
use super::report::Report;
use super::view::{self, PATH_DEFAULT, Program, View};

/// How many interpreters Linux follows from script to script (`BINPRM_MAX_RECURSION`).
const INTERPRETERS_MAX: usize = 5;

/// Checks the entrypoint strictly and everything else for what is missing altogether.
pub(super) fn check(view: &View<'_>, account: &Account, report: &mut Report<'_>) {
    let libraries = Libraries::new(view);
    let mut checked = BTreeSet::new();
    let words = view.input.entrypoint.first().or(view.input.command.first());
    let words = words.filter(|_| !view.is_without_configuration());
    if let Some(word) = words {
        check_entrypoint(view, account, &libraries, report, word, &mut checked);
    }
    for (path, node) in view.tree.walk() {
        if !checked.contains(path) {
            check_other(view, &libraries, report, path, node);
        }
    }
}

fn check_entrypoint(
    view: &View<'_>,
    account: &Account,
    libraries: &Libraries<'_>,
    report: &mut Report<'_>,
    word: &str,
    checked: &mut BTreeSet<TreePath>,
) {
    let Some(mut path) = look_up(view, word) else {
        let text = format!("the entrypoint {word} is not in the image");
        report.image(ControlId::EntrypointMissing, text);
        return;
    };
    for _ in 0..INTERPRETERS_MAX {
        let Some(node) = view.tree.get(&path) else { return };
        if let Some(text) = why_not_executable(view.tree, account, &path, node) {
            report.path(ControlId::EntrypointNotExecutable, &path, text);
            return;
        }
        checked.insert(path.clone());
        let Some((_, file)) = view.tree.file(&path) else { return };
        // A library may be an entrypoint too: the loader itself is one.
        if let Some(elf) = elf_of(file) {
            if let Some(loader) = elf.interpreter.as_deref().filter(|path| !exists(view, path)) {
                let text = format!("needs the loader {loader}, which is not in the image");
                report.path(ControlId::EntrypointInterpreter, &path, text);
            }
            let search = libraries.missing_of(&path, elf);
            if search.is_cut {
                let why = format!("{path} has its libraries searched for in too many places");
                report.unmeasured(ControlId::EntrypointLibrary, why);
            }
            for missing in search.missing {
                let text = format!("needs {}, which is not found", missing.library);
                checked.insert(missing.needed_by.clone());
                report.path(ControlId::EntrypointLibrary, &missing.needed_by, text);
            }
            return;
        }
        let Some(Program::Script(line)) = view::program(file) else { return };
        match interpreter(view, &line) {
            Ok(next) => path = next,
            Err(name) => {
                let text = format!("is a script for {name}, which is not in the image");
                report.path(ControlId::EntrypointInterpreter, &path, text);
                return;
            }
        }
    }
    report.path(ControlId::EntrypointInterpreter, &path, "is one script too many for the kernel");
}

/// Finds a program by its path or, without a slash, by its name in `PATH`; links are followed.
pub(super) fn look_up(view: &View<'_>, word: &str) -> Option<TreePath> {
    if word.contains('/') {
        let path = if word.starts_with('/') {
            TreePath::parse(word).ok()?
        } else {
            TreePath::parse(view.input.work_directory).ok()?.join(word).ok()?
        };
        return view.tree.resolve(&path).ok();
    }
    let set = view.input.environment.get("PATH").map_or(PATH_DEFAULT, String::as_str);
    let found: Vec<TreePath> = set
        .split(':')
        .filter(|directory| directory.starts_with('/'))
        .filter_map(|directory| TreePath::parse(directory).ok()?.join(word).ok())
        .filter_map(|path| view.tree.resolve(&path).ok())
        .filter(|path| view.tree.file(path).is_some())
        .collect();
    // As execvp does: the first that is executable, else the first at all, to say why not.
    let executable = found
        .iter()
        .find(|path| view.tree.file(path).is_some_and(|(node, _)| view::is_executable(node)));
    executable.or(found.first()).cloned()
}

fn exists(view: &View<'_>, path: &str) -> bool {
    TreePath::parse(path).is_ok_and(|path| {
        view.tree.resolve(&path).is_ok_and(|path| view.tree.file(&path).is_some())
    })
}

/// Returns the interpreter of a `#!` line, or the name of the one that is missing.
fn interpreter(view: &View<'_>, line: &str) -> Result<TreePath, String> {
    let Some((interpreter, looked_up)) = view::interpreter_of(line) else {
        return Err("no interpreter".to_owned());
    };
    let missing = || interpreter.to_owned();
    let path = look_up(view, interpreter).filter(|_| interpreter.contains('/'));
    let path = path.ok_or_else(missing)?;
    match looked_up {
        None => Ok(path),
        Some(name) => look_up(view, name).ok_or_else(|| name.to_owned()),
    }
}

pub(super) fn why_not_executable(
    tree: &Tree,
    account: &Account,
    path: &TreePath,
    node: &Node,
) -> Option<String> {
    let Some((node, _)) = tree.file(path) else {
        return Some(match node.kind {
            Kind::Directory => "is a directory and no program".to_owned(),
            _ => "is no program".to_owned(),
        });
    };
    let mode = node.metadata.mode;
    if !account.may(&node.metadata, 1) {
        return Some(format!("can't be executed by the image's user ({mode:04o})"));
    }
    let closed = path.ancestors().find(|directory| {
        tree.get(directory).is_some_and(|node| !account.may(&node.metadata, 1))
    })?;
    Some(format!("is below {closed}, which the image's user can't enter"))
}

/// Checks a file that is not the entrypoint.
fn check_other(
    view: &View<'_>,
    libraries: &Libraries<'_>,
    report: &mut Report<'_>,
    path: &TreePath,
    node: &Node,
) {
    let Kind::File(file) = &node.kind else { return };
    if let Some(elf) = elf_of(file) {
        if let Some(loader) = elf.interpreter.as_deref().filter(|path| !exists(view, path)) {
            let text = format!("needs the loader {loader}, which is not in the image");
            report.path(ControlId::InterpreterMissing, path, text);
        }
        for library in &elf.needed {
            if !libraries.is_anywhere(library, elf) {
                let text = format!("needs {library}, which is not in the image");
                report.path(ControlId::LibraryMissing, path, text);
            }
        }
    } else if view::is_executable(node)
        && is_meant_to_be_started(view, path)
        && let Some(Program::Script(line)) = view::program(file)
        && let Err(name) = interpreter(view, &line)
    {
        let text = format!("is a script for {name}, which is not in the image");
        report.path(ControlId::InterpreterMissing, path, text);
    }
}

/// Modules of a language often have a `#!` line and execute permission that nobody uses, and so have
/// the programs of Ruby's gems, which stubs load; scripts in documentation have a finding of their own.
///
/// Scripts below `/usr/share` are examples and tools for packagers, those below `/etc` are for logins
/// and service managers: an image without their interpreter does not run them.
fn is_meant_to_be_started(view: &View<'_>, path: &TreePath) -> bool {
    const MODULES: [&[u8]; 7] = [b".py", b".pl", b".pm", b".rb", b".js", b".mjs", b".R"];
    const NOT_RUN: [&str; 2] = ["/etc", "/usr/share"];
    if path.parent().is_some_and(|parent| !view.program_directories.contains(&parent))
        && NOT_RUN.iter().any(|directory| path.starts_with(&TreePath::literal(directory)))
    {
        return false;
    }
    if path.as_bytes().split(|&byte| byte == b'/').any(|name| name == b"gems") {
        return false;
    }
    let is_module = MODULES.iter().any(|extension| path.name().ends_with(extension));
    !is_module || path.parent().is_some_and(|parent| view.is_program_directory(&parent))
}

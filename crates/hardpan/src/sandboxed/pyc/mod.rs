// SPDX-License-Identifier: Apache-2.0
//! Compiled Python modules, so that programs start fast where nothing can be written.
//!
//! What Debian's packages compile when they are installed is compiled here: modules of the standard
//! library, of packages, and of the definition below the directories that python imports from. The files
//! are never compared with their source when they are loaded (PEP 552, "unchecked hash"), so no time
//! of a file matters, and they are the same on every machine, for every architecture and in every order of
//! work: see [`marshal`].

mod cache;
mod compile;
mod marshal;
mod select;

use std::collections::BTreeMap;

use hardpan_package::scripts::Treatment;
use hardpan_tree::{File, Kind, Metadata, Origin, TreePath};

use self::cache::Module;
use self::select::{Interpreter, Source, compiled_path};
use super::error::{SandboxedError, Work};
use super::workshop::Workshop;
use crate::assemble::Assembly;
use crate::error::Error;
use crate::finish::{Editor, FinishError, Warning};

/// The finisher's name, also in what scripts are reported as.
pub(crate) const NAME: &str = "pyc";

/// Why nothing is compiled, for the report on scripts.
const OFF: &str = "compiling Python modules is switched off";

/// Compiles the Python modules of a tree.
pub(super) fn apply(workshop: Workshop<'_>, assembly: &mut Assembly) -> Result<(), Error> {
    if !workshop.settings.pyc {
        for action in &mut assembly.scripts {
            if matches!(&action.treatment, Treatment::Handled { finisher } if finisher == NAME) {
                action.treatment = Treatment::Ignored { reason: OFF.to_owned() };
            }
        }
        return Ok(());
    }
    let members: Vec<_> = assembly.members.iter().map(|member| member.unpacked.clone()).collect();
    let members = || members.iter().map(|package| &**package);
    let interpreters = select::interpreters(&assembly.tree, members());
    for interpreter in &interpreters {
        let sources = select::sources(&assembly.tree, interpreter.minor, members());
        if sources.is_empty() {
            continue;
        }
        if sources.len() > select::SOURCES_MAX {
            let (what, max) = ("Python modules", select::SOURCES_MAX);
            return Err(FinishError::Limit { finisher: NAME, what, max }.into());
        }
        let modules = cache::compiled(workshop, interpreter, &sources, &assembly.tree)?;
        put(assembly, interpreter, &sources, &modules)?;
    }
    Ok(())
}

/// Puts compiled modules beside their sources.
fn put(
    assembly: &mut Assembly,
    interpreter: &Interpreter,
    sources: &[Source],
    modules: &[Module],
) -> Result<(), Error> {
    let mut by_package: BTreeMap<Option<u32>, Vec<(&Source, &Module)>> = BTreeMap::new();
    for (source, module) in sources.iter().zip(modules) {
        let package = match assembly.tree.get(&source.path).map(|node| node.origin) {
            Some(Origin::Package(number)) => Some(number),
            _ => None,
        };
        by_package.entry(package).or_default().push((source, module));
    }
    for (package, modules) in by_package {
        let package = package.and_then(|number| assembly.members.get(number as usize));
        let package = package.map(|member| member.unpacked.name.clone());
        let mut editor = Editor::new(&mut assembly.tree, NAME, assembly.epoch);
        for (source, module) in modules {
            let file = match module {
                Module::Compiled(kept) => kept.file(),
                Module::Refused { reason } => {
                    assembly.warnings.push(refused(&source.path, package.as_deref(), reason));
                    continue;
                }
            };
            one(&mut editor, &source.path, file, interpreter.minor)?;
        }
        assembly.actions.extend(editor.finish(package.as_deref()));
    }
    Ok(())
}

/// Puts one compiled module beside its source. It belongs to whom the source belongs to, may be read by
/// whom the source may be read by, and has its time: so the same packages give the same layer.
fn one(
    editor: &mut Editor<'_>,
    source: &TreePath,
    file: File,
    minor: u32,
) -> Result<(), FinishError> {
    let Some(path) = compiled_path(source, minor) else { return Ok(()) };
    let Some((node, _)) = editor.tree().file(source) else { return Ok(()) };
    let metadata = Metadata { mode: node.metadata.mode & 0o666 | 0o200, ..plain(&node.metadata) };
    if let (Some(directory), Some(above)) = (path.parent(), source.parent())
        && !editor.tree().contains(&directory)
    {
        let owner = editor.tree().get(&above).map(|node| plain(&node.metadata));
        let owner = owner.unwrap_or_else(|| editor.metadata(0o755));
        editor.missing_directory(&directory, Metadata { mode: 0o755, ..owner })?;
    }
    editor.node(&path, Kind::File(file), metadata).map(|_| ())
}

/// Returns owner and time without extended attributes.
fn plain(metadata: &Metadata) -> Metadata {
    Metadata { xattrs: BTreeMap::new(), ..metadata.clone() }
}

fn refused(path: &TreePath, package: Option<&str>, reason: &str) -> Warning {
    Warning {
        finisher: NAME,
        package: package.map(str::to_owned),
        file: Some(path.to_string()),
        lines: None,
        message: format!("is not compiled: {reason}"),
    }
}

/// Says that there is no interpreter that can run here.
fn no_runner(workshop: Workshop<'_>, interpreter: &Interpreter) -> Error {
    SandboxedError::NoRunner {
        work: Work::Pyc,
        platform: workshop.platform,
        program: format!("{} (of {})", interpreter.package, interpreter.source),
    }
    .into()
}

// SPDX-License-Identifier: Apache-2.0
//! Indexes that packages' triggers make of files of other packages: MIME types, schemas, loaders.
//!
//! Each is made by the package's own program, where program and files are in the image. Which platform's
//! program that is does not show: see [`Kind`].

mod run;
mod table;

use std::collections::BTreeMap;

use hardpan_definition::Scripts;
use hardpan_package::scripts::Treatment;
use hardpan_tree::{Digest, Hasher, Kind as NodeKind, Node, Origin, Tree, TreePath};
use serde::{Deserialize, Serialize};

use self::table::{INDEXES, Index, Kind, expand};
use super::keep::{self, KIND, Kept};
use super::workshop::{Workshop, source_identity};
use crate::assemble::Assembly;
use crate::error::Error;
use crate::fetch::Prepared;
use crate::finish::{Editor, Warning};
use crate::observer::Event;

/// The finisher's name, also in what scripts are reported as.
const NAME: &str = "caches";
/// Why no index is made, for the report on scripts.
const OFF: &str = "making indexes of packages is switched off";
/// Changes with every change of what the same inputs give.
const FORMAT_VERSION: u32 = 1;

/// An index to make for an image.
struct Wish {
    index: &'static Index,
    /// The package with the program.
    tool: String,
    /// The packages that have to be there to make it, with their source package and its version.
    packages: BTreeMap<String, String>,
    /// What it is made of.
    inputs: Vec<(TreePath, Digest)>,
}

/// One path that a program made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Made {
    /// Where.
    path: String,
    /// The file; `None` for a directory.
    file: Option<Kept>,
}

/// Makes the indexes of a tree.
pub(super) fn apply(
    workshop: Workshop<'_>,
    assembly: &mut Assembly,
    scripts: Scripts,
) -> Result<(), Error> {
    if scripts == Scripts::None {
        return Ok(());
    }
    if !workshop.settings.caches {
        for action in &mut assembly.scripts {
            if matches!(&action.treatment, Treatment::Handled { finisher } if finisher == NAME) {
                action.treatment = Treatment::Ignored { reason: OFF.to_owned() };
            }
        }
        return Ok(());
    }
    for index in INDEXES {
        let wish = match wish(index, workshop, &assembly.tree, &assembly.members) {
            Ok(Some(wish)) => wish,
            Ok(None) => continue,
            Err(warning) => {
                assembly.warnings.push(*warning);
                continue;
            }
        };
        if let Some(made) = made(workshop, &wish, &assembly.tree)? {
            put(assembly, &wish, &made)?;
        } else {
            let reason = "this machine's packages of the lock have not the same modules";
            assembly.warnings.push(not_made(&wish.tool, index, reason));
        }
    }
    Ok(())
}

/// Returns what is to be made of the files in a tree, if anything is.
fn wish(
    index: &'static Index,
    workshop: Workshop<'_>,
    tree: &Tree,
    members: &[Prepared],
) -> Result<Option<Wish>, Box<Warning>> {
    let path = |text: &str| TreePath::parse(expand(text, workshop.platform));
    let (Ok(program), Ok(directory), Ok(output)) =
        (path(index.program), path(index.inputs), path(index.output.path()))
    else {
        return Ok(None);
    };
    let package_of = |node: &Node| match node.origin {
        Origin::Package(number) => members.get(number as usize).map(|member| &member.unpacked),
        _ => None,
    };
    let program = tree.get(&program).filter(|node| matches!(node.kind, NodeKind::File(_)));
    let Some(tool) = program.and_then(package_of) else { return Ok(None) };
    let is_decided = tree.get(&output).is_some_and(|node| {
        node.kind != NodeKind::Directory
            && matches!(node.origin, Origin::Definition | Origin::Stage(_))
    });
    if is_decided {
        return Ok(None);
    }
    let mut wish = Wish {
        index,
        tool: tool.name.clone(),
        packages: BTreeMap::from([(tool.name.clone(), source_identity(tool))]),
        inputs: Vec::new(),
    };
    for (path, node) in tree.children(&directory) {
        let is_input = index.suffixes.iter().any(|suffix| path.name().ends_with(suffix.as_bytes()));
        let Some((_, file)) = tree.file(path).filter(|_| is_input) else { continue };
        wish.inputs.push((path.clone(), file.digest));
        if index.kind == Kind::Modules {
            let Some(owner) = package_of(node) else {
                let reason = format!("{path} is of no package");
                return Err(Box::new(not_made(&wish.tool, index, &reason)));
            };
            wish.packages.insert(owner.name.clone(), source_identity(owner));
        }
    }
    Ok((!wish.inputs.is_empty()).then_some(wish))
}

fn not_made(package: &str, index: &Index, reason: &str) -> Warning {
    Warning {
        finisher: NAME,
        package: Some(package.to_owned()),
        file: None,
        lines: None,
        message: format!("the index of {} is not made: {reason}", index.name),
    }
}

/// Returns what a program makes, out of the store or by running it; `None` if no package that runs here
/// has the same modules.
fn made(workshop: Workshop<'_>, wish: &Wish, tree: &Tree) -> Result<Option<Vec<Made>>, Error> {
    let store = workshop.session.store;
    let key = key(wish, workshop.platform.name());
    let known = || -> Option<Vec<Made>> {
        let known = store.read_record::<Vec<Made>>(KIND, &key).ok()??;
        let segments = known.iter().filter_map(|made| Some(made.file.as_ref()?.segment));
        keep::gone(store, segments).is_empty().then_some(known)
    };
    if let Some(known) = known() {
        return Ok(Some(known));
    }
    let lock = store.lock_name(&key)?;
    if let Some(known) = known() {
        return Ok(Some(known));
    }
    workshop.session.observer.event(Event::Run { what: "making indexes of packages" });
    let Some(results) = run::run(workshop, wish, tree)? else { return Ok(None) };
    let files: Vec<Vec<u8>> = results.iter().filter_map(|result| result.bytes.clone()).collect();
    let mut kept = keep::keep(store, &files)?.into_iter();
    let made: Vec<Made> = results
        .into_iter()
        .map(|result| {
            let file = result.bytes.and_then(|_| kept.next());
            Made { path: result.path, file }
        })
        .collect();
    store.write_record(KIND, &key, &made)?;
    drop(lock);
    Ok(Some(made))
}

/// Puts what was made into a tree.
fn put(assembly: &mut Assembly, wish: &Wish, made: &[Made]) -> Result<(), Error> {
    let mut editor = Editor::new(&mut assembly.tree, NAME, assembly.epoch);
    for Made { path, file } in made {
        // They were paths when they were written.
        let Ok(path) = TreePath::parse(path) else { continue };
        if let Some(kept) = file {
            let metadata = editor.metadata(0o644);
            editor.node(&path, NodeKind::File(kept.file()), metadata)?;
        } else {
            let metadata = editor.metadata(0o755);
            editor.missing_directory(&path, metadata)?;
        }
    }
    assembly.actions.extend(editor.finish(Some(&wish.tool)));
    Ok(())
}

/// Returns the key of what is made: all that decides it, and not whose machine makes it.
fn key(wish: &Wish, platform: &str) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(b"hardpan index of packages\n");
    hasher.update(&FORMAT_VERSION.to_be_bytes());
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    field(wish.index.name.as_bytes());
    field(wish.index.program.as_bytes());
    // Data gives the same on every platform.
    field(if wish.index.kind == Kind::Modules { platform.as_bytes() } else { b"" });
    for (name, source) in &wish.packages {
        field(name.as_bytes());
        field(source.as_bytes());
    }
    field(b"");
    for (path, digest) in &wish.inputs {
        field(path.as_bytes());
        field(digest.as_bytes());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests;

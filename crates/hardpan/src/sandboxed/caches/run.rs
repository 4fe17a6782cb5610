// SPDX-License-Identifier: Apache-2.0
//! Running a program that makes an index.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use hardpan_definition::Platform;
use hardpan_tree::{Kind as NodeKind, Metadata, Node, Origin, Tree, TreePath};

use super::table::{Arguments, Kind, Output, expand, triplet};
use super::{NAME, Wish};
use crate::contents::StoreContents;
use crate::error::Error;
use crate::materialize::materialize;
use crate::sandbox::{ChangeKind, LayeredRoot, Root, host_owner};
use crate::sandboxed::error::{SandboxedError, Work};
use crate::sandboxed::program::{self, Job};
use crate::sandboxed::workshop::{Tools, Workshop};
use crate::store::StoreError;

/// The largest index, in bytes; those of a whole desktop have a few hundred kilobytes.
const INDEX_BYTES_MAX: u64 = 64 << 20;

/// A path that a program made, and its bytes if it is a file.
pub(super) struct Item {
    pub(super) path: String,
    pub(super) bytes: Option<Vec<u8>>,
}

/// Runs the program of an index; `None` if no packages that run here have the same modules.
pub(super) fn run(
    workshop: Workshop<'_>,
    wish: &Wish,
    image: &Tree,
) -> Result<Option<Vec<Item>>, Error> {
    let tools = workshop.tools(&wish.packages)?.ok_or_else(|| SandboxedError::NoRunner {
        work: Work::Caches,
        platform: workshop.platform,
        program: wish
            .packages
            .iter()
            .map(|(name, source)| format!("{name} (of {source})"))
            .collect::<Vec<_>>()
            .join(" or no "),
    })?;
    let Some(tree) = root_tree(&tools, wish, image)? else { return Ok(None) };
    let session = workshop.session;
    let scratch = session.store.scratch_directory()?;
    let lower = scratch.path().join("lower");
    let changes = scratch.path().join("changes");
    for path in [&lower, &changes] {
        fs::create_dir(path).map_err(|error| StoreError::io("create", path, error))?;
    }
    let contents = StoreContents { store: session.store };
    materialize(&tree, contents, &lower, host_owner(), session.threads)?;
    let root = LayeredRoot::new(&lower, &changes);
    let printed = program::run(
        session,
        Job {
            work: Work::Caches,
            title: wish.index.program.rsplit('/').next().unwrap_or_default().to_owned(),
            root: Root::Layered(&root),
            mounts: Vec::new(),
            arguments: arguments(wish, tools.platform),
            environment: program::environment(0),
            output_bytes_max: INDEX_BYTES_MAX,
        },
    )?;
    let mut results = match wish.index.output {
        Output::Printed(path) => {
            vec![Item { path: expand(path, tools.platform), bytes: Some(printed.output) }]
        }
        output => changed(&root, wish, output, tools.platform)?,
    };
    for result in &mut results {
        finish(result, wish, tools.platform, workshop.platform);
    }
    Ok(Some(results))
}

/// Returns the root that the program runs in: its packages, and the image's files that the index is made of.
fn root_tree(tools: &Tools, wish: &Wish, image: &Tree) -> Result<Option<Tree>, Error> {
    let mut tree = tools.tree()?;
    let Ok(directory) = TreePath::parse(expand(wish.index.inputs, tools.platform)) else {
        return Ok(None);
    };
    match wish.index.kind {
        Kind::Data => {
            tree.remove(&directory);
            let origin = Origin::Finisher(NAME);
            let made = tree.make_directories(&directory, &Metadata::root(0o755, 0), origin);
            for (path, _) in made.is_ok().then_some(&wish.inputs).into_iter().flatten() {
                let Some((_, file)) = image.file(path) else { continue };
                let metadata = Metadata::root(0o644, 0);
                let node = Node { metadata, kind: NodeKind::File(file.clone()), origin };
                // The directory was made; the paths are directly in it.
                let _ = tree.insert(path.clone(), node);
            }
        }
        Kind::Modules => {
            let wanted: BTreeSet<&[u8]> = wish.inputs.iter().map(|(path, _)| path.name()).collect();
            let found: Vec<TreePath> =
                tree.children(&directory).map(|(path, _)| path.clone()).collect();
            let names: BTreeSet<&[u8]> = found.iter().map(TreePath::name).collect();
            if !wanted.is_subset(&names) {
                return Ok(None);
            }
            for path in found.iter().filter(|path| !wanted.contains(path.name())) {
                tree.remove(path);
            }
        }
    }
    Ok(Some(tree))
}

fn arguments(wish: &Wish, platform: Platform) -> Vec<std::ffi::OsString> {
    let mut arguments = vec![format!("/{}", expand(wish.index.program, platform))];
    match wish.index.arguments {
        Arguments::Fixed(fixed) => {
            arguments.extend(fixed.iter().map(|argument| expand(argument, platform)));
        }
        Arguments::Inputs => {
            let directory = expand(wish.index.inputs, platform);
            arguments.extend(
                wish.inputs.iter().map(|(path, _)| {
                    format!("/{directory}/{}", String::from_utf8_lossy(path.name()))
                }),
            );
        }
    }
    arguments.into_iter().map(Into::into).collect()
}

/// Returns what a program changed where it should.
fn changed(
    root: &LayeredRoot,
    wish: &Wish,
    output: Output,
    platform: Platform,
) -> Result<Vec<Item>, Error> {
    let Ok(place) = TreePath::parse(expand(output.path(), platform)) else { return Ok(Vec::new()) };
    let mut results = Vec::new();
    let changes =
        root.changes().map_err(|source| SandboxedError::Sandbox { work: Work::Caches, source })?;
    for change in changes {
        let is_wanted = match output {
            Output::Below(_) => change.path.starts_with(&place) && change.path != place,
            _ => change.path == place,
        };
        let is_input = wish.inputs.iter().any(|(path, _)| *path == change.path);
        if !is_wanted || is_input {
            continue;
        }
        let path = String::from_utf8_lossy(change.path.as_bytes()).into_owned();
        match change.kind {
            ChangeKind::Directory { .. } => results.push(Item { path, bytes: None }),
            ChangeKind::File { content, .. } => {
                results.push(Item { path, bytes: Some(read(&content)?) });
            }
            _ => {}
        }
    }
    results.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(results)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let read = File::open(path)
        .and_then(|file| file.take(INDEX_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| StoreError::io("read", path, error))?;
    if read as u64 > INDEX_BYTES_MAX {
        return Err(SandboxedError::Output {
            work: Work::Caches,
            program: path.display().to_string(),
            reason: format!("more than {INDEX_BYTES_MAX} bytes"),
        }
        .into());
    }
    Ok(bytes)
}

/// Takes out of a result what shows on which platform the program ran.
fn finish(result: &mut Item, wish: &Wish, ran_on: Platform, image: Platform) {
    if wish.index.kind == Kind::Data {
        return;
    }
    result.path = result.path.replace(triplet(ran_on), triplet(image));
    let Some(bytes) = &mut result.bytes else { return };
    if ran_on != image
        && let Ok(text) = std::str::from_utf8(bytes)
    {
        *bytes = text.replace(triplet(ran_on), triplet(image)).into_bytes();
    }
    if matches!(wish.index.output, Output::Lines(_)) {
        *bytes = sorted_lines(bytes);
    }
}

/// Sorts lines, those that are comments first and as they came.
fn sorted_lines(bytes: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    let (comments, mut others): (Vec<&[u8]>, Vec<&[u8]>) =
        lines.into_iter().partition(|line| line.starts_with(b"#"));
    others.sort_unstable();
    comments.into_iter().chain(others).collect::<Vec<_>>().concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sorted_below_their_comments() {
        for (input, expected) in
            [("", ""), ("b\na\n", "a\nb\n"), ("#1\nb: x\n#0\na: y\n", "#1\n#0\na: y\nb: x\n")]
        {
            assert_eq!(sorted_lines(input.as_bytes()), expected.as_bytes(), "{input:?}");
        }
    }
}

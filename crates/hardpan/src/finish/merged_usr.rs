// SPDX-License-Identifier: Apache-2.0
//! The links of the merged `/usr`: `/bin`, `/sbin`, `/lib` and their like.
//!
//! In trixie base-files brings them, but an image need not have base-files, and the loader's path
//! (`/lib64/ld-linux-x86-64.so.2`) is compiled into every program. A link is made if what it leads
//! to exists, so the architecture decides by what its libc brings. A real directory in the place
//! of a link is moved into `/usr` first.

use hardpan_tree::{Kind, Node, Tree, TreePath};

use super::{Action, Editor, FinishError, Inputs};

/// The finisher's name.
pub const NAME: &str = "merged-usr";

/// The directories that may be links into `/usr`.
const DIRECTORIES: [&str; 7] = ["bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin"];

/// Makes the links that are missing.
///
/// # Errors
/// If a path is both in a directory and in its counterpart in `/usr`, and they differ.
pub fn apply(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<Option<Action>, FinishError> {
    let mut editor = Editor::new(tree, NAME, inputs.epoch);
    for name in DIRECTORIES {
        let link = TreePath::literal(name);
        let target = TreePath::parse(format!("usr/{name}")).expect("a literal path is valid");
        match editor.tree().get(&link).map(|node| node.kind.clone()) {
            Some(Kind::Directory) => move_directory(&mut editor, &link, &target)?,
            Some(_) => continue,
            None if !editor.is_directory(&target) => continue,
            None => {}
        }
        editor.symlink(&link, format!("usr/{name}"))?;
    }
    Ok(editor.finish(None))
}

/// Makes the links that are missing, if the packages of the release are merged: musl's loader, whose path
/// (`/lib/ld-musl-x86_64.so.1`) is compiled into every program, is in `/usr/lib` and not in `/lib`. The links come with
/// alpine-baselayout, but an image need not have it. Where it has it, what a package puts into `/lib` comes into `/usr/lib`,
/// so a real `/lib` is moved there. `/bin` and `/sbin` stay if they are real: nothing else is looked for there by a path
/// that is compiled in.
///
/// # Errors
/// If a path is both in `/lib` and in `/usr/lib`, and they differ.
pub fn apply_as_packages(
    tree: &mut Tree,
    inputs: &Inputs<'_>,
) -> Result<Option<Action>, FinishError> {
    let (merged, library) = (TreePath::literal("usr/lib"), TreePath::literal("lib"));
    let has_loader = |folder: &TreePath| {
        tree.children(folder).any(|(path, _)| path.name().starts_with(b"ld-musl-"))
    };
    let is_real = match tree.get(&library).map(|node| &node.kind) {
        None => false,
        Some(Kind::Directory) => true,
        Some(_) => return Ok(None),
    };
    if !has_loader(&merged) || has_loader(&library) {
        return Ok(None);
    }
    let mut editor = Editor::new(tree, NAME, inputs.epoch);
    if is_real {
        move_directory(&mut editor, &library, &merged)?;
    }
    for name in ["bin", "lib", "sbin"] {
        let link = TreePath::literal(name);
        let target = format!("usr/{name}");
        let leads = TreePath::parse(&target).is_ok_and(|target| editor.is_directory(&target));
        if leads && !editor.exists(&link) {
            editor.symlink(&link, target)?;
        }
    }
    Ok(editor.finish(None))
}

/// Moves all that is in a directory to another one and removes the first.
pub(super) fn move_directory(
    editor: &mut Editor<'_>,
    from: &TreePath,
    to: &TreePath,
) -> Result<(), FinishError> {
    let moved = |path: &TreePath| {
        let rest = path.strip_prefix(from)?;
        to.join(rest).ok()
    };
    let nodes: Vec<(TreePath, Node)> =
        editor.tree().walk_below(from).map(|(path, node)| (path.clone(), node.clone())).collect();
    let outer_links: Vec<(TreePath, Node)> = editor
        .tree()
        .walk()
        .filter(|(path, node)| {
            !path.starts_with(from)
                && matches!(&node.kind, Kind::HardLink(target) if target.starts_with(from))
        })
        .map(|(path, node)| (path.clone(), node.clone()))
        .collect();
    // Files before the links to them.
    let (links, others): (Vec<_>, Vec<_>) =
        nodes.into_iter().partition(|(_, node)| matches!(node.kind, Kind::HardLink(_)));
    for (path, mut node) in others.into_iter().chain(links).chain(outer_links) {
        let place = moved(&path).unwrap_or_else(|| path.clone());
        if let Kind::HardLink(target) = &node.kind {
            node.kind = Kind::HardLink(moved(target).unwrap_or_else(|| target.clone()));
        }
        match editor.tree().get(&place) {
            Some(old) if place != path => {
                let is_same = match (&old.kind, &node.kind) {
                    (Kind::File(old), Kind::File(new)) => old.digest == new.digest,
                    (old, new) => old == new,
                };
                if !is_same {
                    return Err(FinishError::UsrConflict { path, place });
                }
            }
            _ => editor.put(place, node)?,
        }
    }
    editor.remove(from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::{Fixture, tree};

    #[test]
    fn links_are_made_where_there_is_something_to_link_to() {
        let mut root = tree(&["usr/bin/x", "usr/sbin/", "usr/lib/ld.so", "usr/lib64/ld.so"]);
        let action = apply(&mut root, &Fixture::default().inputs()).unwrap().unwrap();
        assert_eq!(action.paths.len(), 4);
        for (link, target) in
            [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")]
        {
            let node = root.get(&TreePath::literal(link)).unwrap();
            assert_eq!(node.kind, Kind::Symlink(target.into()), "{link}");
        }
        assert!(!root.contains(&TreePath::literal("lib32")));
        assert_eq!(apply(&mut root, &Fixture::default().inputs()).unwrap(), None);
    }

    #[test]
    fn real_directories_move() {
        let mut root = tree(&["bin/a", "bin/d/b", "usr/bin/c", "usr/bin/d/e", "usr/bin/z->bin/a"]);
        let link = Node {
            kind: Kind::HardLink(TreePath::literal("bin/a")),
            ..root.get(&TreePath::literal("bin/a")).unwrap().clone()
        };
        root.insert(TreePath::literal("bin/a2"), link.clone()).unwrap();
        root.insert(TreePath::literal("usr/bin/a3"), link).unwrap();
        apply(&mut root, &Fixture::default().inputs()).unwrap();
        let kind = |path| &root.get(&TreePath::parse(path).unwrap()).unwrap().kind;
        assert_eq!(*kind("bin"), Kind::Symlink(b"usr/bin".to_vec()));
        for path in ["usr/bin/a2", "usr/bin/a3"] {
            assert_eq!(*kind(path), Kind::HardLink(TreePath::literal("usr/bin/a")), "{path}");
        }
        for path in ["usr/bin/a", "usr/bin/c", "usr/bin/d/b", "usr/bin/d/e"] {
            assert!(matches!(kind(path), Kind::File(_)), "{path}");
        }
    }

    #[test]
    fn conflicts_are_errors_and_other_links_stay() {
        let mut root = tree(&["bin/a", "usr/bin/a"]);
        let error = apply(&mut root, &Fixture::default().inputs()).unwrap_err();
        assert!(matches!(error, FinishError::UsrConflict { .. }), "{error}");
        let mut root = tree(&["bin->elsewhere", "usr/bin/a", "lib"]);
        assert_eq!(apply(&mut root, &Fixture::default().inputs()).unwrap(), None);
    }
    #[test]
    fn the_loader_of_musl_is_found() {
        const LINK: &str = "usr/lib/ld-musl-x86_64.so.1";
        for (summary, nodes, links, moved) in [
            ("nothing in its way", &[LINK, "usr/bin/x"][..], &["bin", "lib"][..], &[][..]),
            (
                "another package has files in /lib",
                &[LINK, "lib/firmware/a", "lib/b", "usr/lib/firmware/c", "bin/own", "usr/bin/x"],
                &["lib"],
                &["usr/lib/firmware/a", "usr/lib/b", "usr/lib/firmware/c", LINK, "bin/own"],
            ),
            ("/lib is empty", &[LINK, "lib/"], &["lib"], &[LINK]),
            (
                "a release that is not merged",
                &["lib/ld-musl-x86_64.so.1", "usr/lib/a"],
                &[],
                &["lib/ld-musl-x86_64.so.1"],
            ),
            (
                "a link to the real one",
                &["lib/ld-musl-x86_64.so.1", LINK],
                &[],
                &["lib/ld-musl-x86_64.so.1", LINK],
            ),
            ("baselayout's link", &[LINK, "lib->usr/lib", "usr/bin/x"], &[], &[LINK]),
            ("another link", &[LINK, "lib->elsewhere"], &[], &[LINK]),
            ("no musl", &["usr/lib/a", "usr/bin/x"], &[], &["usr/lib/a"]),
        ] {
            let mut root = tree(nodes);
            let before: Vec<TreePath> = root.walk().map(|(path, _)| path.clone()).collect();
            let action = apply_as_packages(&mut root, &Fixture::default().inputs()).unwrap();
            for link in links {
                let node = root.get(&TreePath::literal(link)).unwrap();
                let expected = Kind::Symlink(format!("usr/{link}").into_bytes());
                assert_eq!(node.kind, expected, "{summary}: {link}");
            }
            for path in moved {
                let path = TreePath::parse(path).unwrap();
                assert!(
                    matches!(root.get(&path).unwrap().kind, Kind::File(_)),
                    "{summary}: {path}"
                );
            }
            assert_eq!(action.is_none(), links.is_empty(), "{summary}");
            if links.is_empty() {
                let after: Vec<TreePath> = root.walk().map(|(path, _)| path.clone()).collect();
                assert_eq!(before, after, "{summary}");
            }
            assert_eq!(apply_as_packages(&mut root, &Fixture::default().inputs()).unwrap(), None);
        }
        // Two files that differ, and neither may go.
        let mut root = tree(&["usr/lib/ld-musl-x86_64.so.1", "usr/lib/a", "lib/a"]);
        let error = apply_as_packages(&mut root, &Fixture::default().inputs()).unwrap_err();
        assert!(matches!(error, FinishError::UsrConflict { .. }), "{error}");
    }
}

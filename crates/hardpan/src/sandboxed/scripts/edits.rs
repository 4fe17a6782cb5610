// SPDX-License-Identifier: Apache-2.0
//! What scripts changed, as data that can be kept, and done to a tree.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_tree::{Kind, Metadata, Node, Origin, Tree, TreePath};
use serde::{Deserialize, Serialize};

use super::shims::{DIRECTORY, LOG};
use crate::finish::{Editor, FinishError};
use crate::sandboxed::keep::Kept;

/// One path that scripts changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Edit {
    /// Where.
    #[serde(with = "hardpan_tree::bytes_text")]
    pub(super) path: Vec<u8>,
    /// The package whose script was the last to change it.
    pub(super) package: String,
    /// What is there now.
    pub(super) kind: EditKind,
}

/// What a change left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum EditKind {
    /// Nothing.
    Removed,
    /// A directory.
    Directory {
        /// Its mode.
        mode: u32,
        /// User and group, where a script gave it away.
        owner: Option<(u32, u32)>,
        /// Whether what was in it is gone.
        is_opaque: bool,
    },
    /// A file.
    File {
        /// Its mode.
        mode: u32,
        /// User and group, where a script gave it away.
        owner: Option<(u32, u32)>,
        /// Its bytes.
        kept: Kept,
    },
    /// A second name of a file that scripts changed, at this path.
    Link(#[serde(with = "hardpan_tree::bytes_text")] Vec<u8>),
    /// A symbolic link.
    Symlink {
        /// Its target.
        #[serde(with = "hardpan_tree::bytes_text")]
        target: Vec<u8>,
        /// User and group, where a script gave it away.
        owner: Option<(u32, u32)>,
    },
}

/// Places whose changes are not part of an image: they are empty when a container starts, belong to the
/// sandbox, or are made by finishers from what they know.
const IGNORED: [&str; 14] = [
    DIRECTORY,
    LOG,
    "dev",
    "etc/.pwd.lock",
    "etc/ld.so.cache",
    "etc/mtab",
    "proc",
    "run",
    "sys",
    "tmp",
    "var/cache/debconf",
    "var/lib/dpkg",
    "var/log",
    "var/tmp",
];

/// Returns whether what scripts do at a path is no part of the image.
pub(super) fn is_ignored(path: &TreePath) -> bool {
    path.is_root()
        || IGNORED.iter().any(|ignored| path.starts_with(&TreePath::literal(ignored)))
        || path.components().any(|name| name == b"__pycache__")
}

/// Does edits, which are sorted by path, to a tree; returns the changed paths by package.
pub(super) fn apply<'e>(
    tree: &mut Tree,
    finisher: &'static str,
    epoch: i64,
    edits: &'e [Edit],
) -> Result<BTreeMap<&'e str, BTreeSet<TreePath>>, FinishError> {
    let mut changed: BTreeMap<&str, BTreeSet<TreePath>> = BTreeMap::new();
    // Second names come after what they lead to.
    let (links, others): (Vec<&Edit>, Vec<&Edit>) =
        edits.iter().partition(|edit| matches!(edit.kind, EditKind::Link(_)));
    for edit in others.into_iter().chain(links) {
        // They were paths when they were written.
        let Ok(path) = TreePath::parse(&edit.path) else { continue };
        let old = tree.get(&path).cloned();
        // What the definition asks for stays.
        if old.as_ref().is_some_and(is_decided) {
            continue;
        }
        let mut editor = Editor::new(tree, finisher, epoch);
        one(&mut editor, &path, old.as_ref(), &edit.kind)?;
        let action = editor.finish(None);
        let paths = action.map(|action| action.paths).unwrap_or_default();
        if !paths.is_empty() {
            changed.entry(&edit.package).or_default().extend(paths);
        }
    }
    Ok(changed)
}

fn is_decided(node: &Node) -> bool {
    matches!(node.origin, Origin::Definition | Origin::Stage(_))
}

fn one(
    editor: &mut Editor<'_>,
    path: &TreePath,
    old: Option<&Node>,
    kind: &EditKind,
) -> Result<(), FinishError> {
    let metadata = |editor: &Editor<'_>, mode, owner: Option<(u32, u32)>| {
        let old = old.map(|node| (node.metadata.uid, node.metadata.gid));
        let (uid, gid) = owner.or(old).unwrap_or((0, 0));
        Metadata { uid, gid, ..editor.metadata(mode) }
    };
    match kind {
        EditKind::Removed => drop(editor.remove(path)?),
        EditKind::Directory { mode, owner, is_opaque } => {
            let is_directory = old.is_some_and(|node| node.kind == Kind::Directory);
            if *is_opaque || (old.is_some() && !is_directory) {
                editor.remove(path)?;
            }
            let metadata = metadata(editor, *mode, *owner);
            if editor.tree().contains(path) {
                editor.set_metadata(path, metadata);
            } else {
                editor.node(path, Kind::Directory, metadata)?;
            }
        }
        EditKind::File { mode, owner, kept } => {
            let metadata = metadata(editor, *mode, *owner);
            let is_same =
                editor.tree().file(path).is_some_and(|(_, file)| file.digest == kept.digest);
            if is_same {
                editor.set_metadata(path, metadata);
            } else {
                clear_directory(editor, path, old)?;
                editor.node(path, Kind::File(kept.file()), metadata)?;
            }
        }
        EditKind::Link(target) => {
            let Ok(target) = TreePath::parse(target) else { return Ok(()) };
            clear_directory(editor, path, old)?;
            let metadata = metadata(editor, 0o644, None);
            editor.node(path, Kind::HardLink(target), metadata)?;
        }
        EditKind::Symlink { target, owner } => {
            clear_directory(editor, path, old)?;
            let metadata = metadata(editor, 0o777, *owner);
            editor.node(path, Kind::Symlink(target.clone()), metadata)?;
        }
    }
    Ok(())
}

/// A file or link may take the place of a directory: scripts removed that before.
fn clear_directory(
    editor: &mut Editor<'_>,
    path: &TreePath,
    old: Option<&Node>,
) -> Result<(), FinishError> {
    if old.is_some_and(|node| node.kind == Kind::Directory) {
        editor.remove(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::{dump, tree};
    use hardpan_tree::Digest;

    fn edit(path: &str, kind: EditKind) -> Edit {
        Edit { path: path.as_bytes().to_vec(), package: "p".to_owned(), kind }
    }

    fn file(text: &str, mode: u32, owner: Option<(u32, u32)>) -> EditKind {
        let segment = Digest::of(b"segment");
        let (size_bytes, digest) = (text.len() as u64, Digest::of(text.as_bytes()));
        EditKind::File { mode, owner, kept: Kept { segment, offset_bytes: 0, size_bytes, digest } }
    }

    #[track_caller]
    fn applied(tree: &mut Tree, edits: &[Edit]) -> Vec<String> {
        let changed = apply(tree, "test", 7, edits).unwrap();
        changed.values().flatten().map(ToString::to_string).collect()
    }

    #[test]
    fn changes_are_done_with_the_ownership_that_was_asked_for() {
        let mut root = tree(&["etc/a", "etc/b", "etc/gone", "srv/old/x", "usr/bin/tool"]);
        let edits = [
            edit("etc/a", file("etc/a", 0o600, Some((5, 6)))),
            edit("etc/b", file("new", 0o644, None)),
            edit("etc/c", EditKind::Link(b"etc/b".to_vec())),
            edit("etc/gone", EditKind::Removed),
            edit(
                "srv/old",
                EditKind::Directory { mode: 0o750, owner: Some((7, 7)), is_opaque: true },
            ),
            edit("usr/bin/other", EditKind::Symlink { target: b"tool".to_vec(), owner: None }),
            edit("var/lib/x", EditKind::Directory { mode: 0o755, owner: None, is_opaque: false }),
        ];
        let paths = applied(&mut root, &edits);
        let text = dump(&root);
        for line in [
            "/etc/a file 0600 5:6 ",
            "/etc/b file 0644 0:0 ",
            "/srv/old directory 0750 7:7\n",
            "/usr/bin/other symlink 0777 0:0 -> tool\n",
            "/var/lib/x directory 0755 0:0\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("/etc/gone") && !text.contains("/srv/old/x"), "{text}");
        let link = root.get(&TreePath::literal("etc/c")).unwrap();
        assert_eq!(link.kind, Kind::HardLink(TreePath::literal("etc/b")));
        assert_eq!(paths.len(), 9, "with /var and /var/lib: {paths:?}");
    }

    #[test]
    fn what_did_not_change_is_not_touched() {
        let mut root = tree(&["etc/a", "etc/d/"]);
        let before = root.clone();
        let edits = [
            edit("etc/a", file("etc/a", 0o644, None)),
            edit("etc/d", EditKind::Directory { mode: 0o755, owner: None, is_opaque: false }),
        ];
        assert_eq!(applied(&mut root, &edits), Vec::<String>::new());
        assert_eq!(root, before);
    }

    #[test]
    fn what_the_definition_decides_stays() {
        let mut root = tree(&["etc/a"]);
        let path = TreePath::literal("etc/a");
        let node = Node { origin: Origin::Definition, ..root.get(&path).unwrap().clone() };
        root.insert(path.clone(), node).unwrap();
        let before = root.clone();
        for kind in [file("x", 0o644, None), EditKind::Removed] {
            assert_eq!(applied(&mut root, &[edit("etc/a", kind)]), Vec::<String>::new());
            assert_eq!(root, before);
        }
    }

    #[test]
    fn a_file_may_take_the_place_of_a_directory_and_back() {
        let mut root = tree(&["srv/a/x", "srv/b"]);
        let directory = EditKind::Directory { mode: 0o755, owner: None, is_opaque: false };
        let edits = [edit("srv/a", file("new", 0o644, None)), edit("srv/b", directory)];
        applied(&mut root, &edits);
        let text = dump(&root);
        assert!(text.contains("/srv/a file") && text.contains("/srv/b directory"), "{text}");
    }

    #[test]
    fn some_places_are_no_part_of_an_image() {
        for (path, expected) in [
            ("tmp/x", true),
            ("hardpan/shims/ucf", true),
            (".hardpan-log", true),
            ("var/lib/dpkg/alternatives/x", true),
            ("usr/lib/python3/dist-packages/__pycache__/x.pyc", true),
            ("var/lib/dpkg-extra", false),
            ("etc/x", false),
            ("tmpx", false),
        ] {
            assert_eq!(is_ignored(&TreePath::parse(path).unwrap()), expected, "{path}");
        }
        assert!(is_ignored(&TreePath::root()));
    }
}

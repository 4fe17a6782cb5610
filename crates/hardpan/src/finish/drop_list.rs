// SPDX-License-Identifier: Apache-2.0
//! Left-overs that packages or finishers may bring and no image needs: backups, caches, logs.

use hardpan_tree::{Kind, Node, Origin, Tree, TreePath};

use super::{Action, Editor, FinishError, Inputs};

/// The finisher's name.
pub const NAME: &str = "drop-list";

/// Paths that go; a `*` stands for any part of the last name.
const PATTERNS: [&str; 20] = [
    "etc/group-",
    "etc/gshadow-",
    "etc/passwd-",
    "etc/shadow-",
    "etc/subgid-",
    "etc/subuid-",
    "etc/.pwd.lock",
    "var/cache/debconf/*-old",
    "var/cache/ldconfig/aux-cache",
    "var/lib/dpkg/*-old",
    "var/lib/dpkg/lock",
    "var/lib/dpkg/lock-frontend",
    "var/lib/dpkg/triggers/Lock",
    "var/lib/python/*_installed",
    "var/lib/systemd/deb-systemd-helper-enabled",
    "var/log/alternatives.log",
    "var/log/apt/*.log",
    "var/log/bootstrap.log",
    "var/log/dpkg.log",
    "var/log/fontconfig.log",
];

/// Removes what is on the list, unless the definition made it.
pub fn apply(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<Option<Action>, FinishError> {
    let mut editor = Editor::new(tree, NAME, inputs.epoch);
    for pattern in PATTERNS {
        let pattern = TreePath::literal(pattern);
        let Some(directory) = pattern.parent() else { continue };
        let doomed: Vec<TreePath> = editor
            .tree()
            .children(&directory)
            .filter(|(path, node)| matches(pattern.name(), path.name()) && may_go(node))
            .map(|(path, _)| path.clone())
            .collect();
        for path in doomed {
            editor.remove(&path)?;
        }
    }
    remove_if_empty(&mut editor, &TreePath::literal("var/lib/python"))?;
    Ok(editor.finish(None))
}

fn may_go(node: &Node) -> bool {
    !matches!(node.origin, Origin::Definition | Origin::Stage(_))
}

fn matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.iter().position(|&byte| byte == b'*') {
        None => pattern == name,
        Some(star) => {
            let (before, after) = (&pattern[..star], &pattern[star + 1..]);
            name.len() >= before.len() + after.len()
                && name.starts_with(before)
                && name.ends_with(after)
        }
    }
}

fn remove_if_empty(editor: &mut Editor<'_>, path: &TreePath) -> Result<(), FinishError> {
    let is_empty = editor.tree().get(path).is_some_and(|node| node.kind == Kind::Directory)
        && editor.tree().children(path).next().is_none();
    if is_empty {
        editor.remove(path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::{Fixture, dump, tree};

    #[test]
    fn left_overs_go_and_the_rest_stays() {
        let mut root = tree(&[
            "etc/passwd",
            "etc/passwd-",
            "etc/x-",
            "var/cache/debconf/config.dat",
            "var/cache/debconf/config.dat-old",
            "var/cache/ldconfig/aux-cache",
            "var/lib/python/python3.13_installed",
            "var/log/apt/term.log",
            "var/log/nginx/access.log",
        ]);
        let action = apply(&mut root, &Fixture::default().inputs()).unwrap().unwrap();
        assert_eq!(action.paths.len(), 6);
        let text = dump(&root);
        for path in ["/etc/passwd ", "/etc/x- ", "/config.dat ", "/nginx/access.log "] {
            assert!(text.contains(path), "{path}\n{text}");
        }
        for path in ["/etc/passwd- ", "-old", "aux-cache", "/var/lib/python", "term.log"] {
            assert!(!text.contains(path), "{path}\n{text}");
        }
    }

    #[test]
    fn what_the_definition_made_stays() {
        let mut root = tree(&["var/log/dpkg.log"]);
        let path = TreePath::literal("var/log/dpkg.log");
        let node = Node { origin: Origin::Definition, ..root.get(&path).unwrap().clone() };
        root.insert(path.clone(), node).unwrap();
        assert_eq!(apply(&mut root, &Fixture::default().inputs()).unwrap(), None);
        assert!(root.contains(&path));
    }

    #[test]
    fn a_star_stands_for_any_part_of_a_name() {
        for (pattern, name, expected) in [
            ("a*b", "ab", true),
            ("a*b", "axb", true),
            ("*-old", "-old", true),
            ("a*a", "a", false),
            ("*_installed", "installed", false),
            ("a", "ab", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
    }
}

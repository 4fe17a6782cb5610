// SPDX-License-Identifier: Apache-2.0
//! The directories that every root file system has, and what an image must not have.
//!
//! Runtimes mount `/proc`, `/sys` and `/dev`, so those are empty directories; device nodes are
//! theirs. `/etc/machine-id` is the identity of one machine, so an image has none.

use hardpan_tree::{Tree, TreePath};

use super::{Action, Editor, FinishError, Inputs};

/// The finisher's name.
pub const NAME: &str = "directories";

const DIRECTORIES: [(&str, u32); 19] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("home", 0o755),
    ("opt", 0o755),
    ("proc", 0o755),
    ("root", 0o700),
    ("run", 0o755),
    ("srv", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("usr/lib", 0o755),
    ("usr/share", 0o755),
    ("var", 0o755),
    ("var/cache", 0o755),
    ("var/lib", 0o755),
    ("var/log", 0o755),
    ("var/spool", 0o755),
    ("var/tmp", 0o1777),
];

/// Directories whose mode is this whatever a package says: a program without rights relies on it.
const STICKY: [&str; 2] = ["tmp", "var/tmp"];

/// Makes the directories that are missing and removes the machine's identity.
pub fn apply(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<Option<Action>, FinishError> {
    let mut editor = Editor::new(tree, NAME, inputs.epoch);
    for (path, mode) in DIRECTORIES {
        let path = TreePath::literal(path);
        let metadata = editor.metadata(mode);
        editor.missing_directory(&path, metadata)?;
    }
    for path in STICKY {
        let path = TreePath::literal(path);
        let metadata = editor.metadata(0o1777);
        editor.directory(&path, metadata)?;
    }
    for path in ["etc/machine-id", "var/lib/dbus/machine-id"] {
        editor.remove(&TreePath::literal(path))?;
    }
    Ok(editor.finish(None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::{Fixture, dump, tree};

    #[test]
    fn missing_directories_are_made_and_others_kept() {
        let mut root = tree(&["etc/machine-id", "var/lib/x", "tmp/"]);
        root.metadata_mut(&TreePath::literal("var/lib")).unwrap().mode = 0o711;
        apply(&mut root, &Fixture::default().inputs()).unwrap();
        let text = dump(&root);
        for line in [
            "/tmp directory 1777 0:0",
            "/var/tmp directory 1777 0:0",
            "/root directory 0700 0:0",
            "/var/lib directory 0711 0:0",
            "/proc directory 0755 0:0",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(!text.contains("machine-id"));
        assert_eq!(apply(&mut root, &Fixture::default().inputs()).unwrap(), None);
    }

    #[test]
    fn links_to_directories_do_and_files_do_not() {
        let mut root = tree(&["srv->var/srv", "var/srv/"]);
        apply(&mut root, &Fixture::default().inputs()).unwrap();
        assert!(dump(&root).contains("/srv symlink"));
        let mut root = tree(&["tmp"]);
        let error = apply(&mut root, &Fixture::default().inputs()).unwrap_err();
        assert!(matches!(error, FinishError::Insert { .. }), "{error}");
        let mut root = tree(&["run->nowhere"]);
        assert!(apply(&mut root, &Fixture::default().inputs()).is_err());
    }
}

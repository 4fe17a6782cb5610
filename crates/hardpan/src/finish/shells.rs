// SPDX-License-Identifier: Apache-2.0
//! `/etc/shells`: what debianutils' `update-shells` makes of `/usr/share/debianutils/shells.d`, and what `add-shell` in
//! scripts of Alpine's packages adds.

use std::collections::BTreeSet;

use hardpan_tree::{Tree, TreePath};

use super::edit::read;
use super::{Editor, FinishError, Inputs, Report};

/// The finisher's name.
pub const NAME: &str = "shells";

/// Makes the file, if debianutils is there.
pub fn apply(tree: &mut Tree, inputs: &Inputs<'_>, report: &mut Report) -> Result<(), FinishError> {
    let template = TreePath::literal("usr/share/debianutils/shells");
    if !inputs.has("debianutils") || !tree.contains(&template) {
        return Ok(());
    }
    let mut sources = vec![template.clone()];
    let directory = TreePath::literal("usr/share/debianutils/shells.d");
    sources.extend(tree.children(&directory).map(|(path, _)| path.clone()));
    let mut shells: Vec<String> = Vec::new();
    for source in sources {
        let Some(bytes) = read(tree, &source, inputs.contents, NAME)? else { continue };
        for line in String::from_utf8_lossy(&bytes).lines() {
            let shell = line.split('#').next().unwrap_or_default();
            for shell in [Some(shell.to_owned()), real(tree, shell)].into_iter().flatten() {
                if shell.starts_with('/') && !shells.contains(&shell) {
                    shells.push(shell);
                }
            }
        }
    }
    let mut editor = Editor::new(tree, NAME, inputs.epoch);
    let target = TreePath::literal("etc/shells");
    let start = if editor.is_file(&target) { &target } else { &template };
    let start = editor.read(start, inputs.contents)?.unwrap_or_default();
    let mut text = String::new();
    let mut listed = BTreeSet::new();
    for line in String::from_utf8_lossy(&start).lines() {
        let shell = line.split('#').next().unwrap_or_default();
        if shell.is_empty() || listed.insert(shell.to_owned()) {
            text.push_str(line);
            text.push('\n');
        }
    }
    for shell in shells.iter().filter(|shell| !listed.contains(*shell)) {
        text.push_str(shell);
        text.push('\n');
    }
    let metadata = editor.metadata(0o644);
    editor.file(&target, text.into_bytes(), metadata.clone())?;
    if inputs.is_complete() {
        let state = shells.join("\n") + "\n";
        editor.file(&TreePath::literal("var/lib/shells.state"), state.into_bytes(), metadata)?;
    }
    report.actions.extend(editor.finish(Some("debianutils")));
    Ok(())
}

/// Adds shells at the end of the file, each that is not there yet, as busybox's `add-shell`. `shells` says which package
/// adds which.
pub fn add(
    tree: &mut Tree,
    shells: &[(String, String)],
    inputs: &Inputs<'_>,
    report: &mut Report,
) -> Result<(), FinishError> {
    let target = TreePath::literal("etc/shells");
    for (package, shell) in shells {
        let mut editor = Editor::new(tree, NAME, inputs.epoch);
        let old = editor.read(&target, inputs.contents)?.unwrap_or_default();
        let mut text = String::from_utf8_lossy(&old).into_owned();
        if text.lines().any(|line| line == shell) || shell.contains(char::is_control) {
            continue;
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(shell);
        text.push('\n');
        let metadata = editor.metadata(0o644);
        editor.file(&target, text.into_bytes(), metadata)?;
        report.actions.extend(editor.finish(Some(package)));
    }
    Ok(())
}

/// Returns a shell's path with the links in its directory followed.
fn real(tree: &Tree, shell: &str) -> Option<String> {
    let path = TreePath::parse(shell).ok().filter(|_| shell.starts_with('/'))?;
    Some(tree.resolve_parent(&path).ok()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::Fixture;
    use hardpan_testkit::deb::deb;

    #[test]
    fn shells_of_packages_are_added_with_their_real_paths() {
        let mut fixture = Fixture::default().dev();
        let mut tree = fixture.install(&[
            deb("debianutils", "5")
                .file("/usr/share/debianutils/shells", "# valid login shells\n/bin/sh\n")
                .file("/usr/share/debianutils/shells.d/bash", "/bin/bash\n/usr/bin/bash\n")
                .file("/usr/share/debianutils/shells.d/dash", "# x\nrelative\n/usr/bin/dash # y\n"),
            deb("bash", "5").file("/usr/bin/bash", "x"),
            deb("base-files", "13").symlink("/bin", "usr/bin"),
        ]);
        apply(&mut tree, &fixture.inputs(), &mut Report::default()).unwrap();
        assert_eq!(
            fixture.text(&tree, "etc/shells"),
            "# valid login shells\n/bin/sh\n/usr/bin/sh\n/bin/bash\n/usr/bin/bash\n/usr/bin/dash \n"
        );
        assert!(fixture.text(&tree, "var/lib/shells.state").starts_with("/bin/sh\n/usr/bin/sh\n"));
    }

    #[test]
    fn nothing_without_debianutils() {
        let mut fixture = Fixture::default();
        let mut tree = fixture.install(&[deb("x", "1").file("/usr/share/debianutils/shells", "")]);
        apply(&mut tree, &fixture.inputs(), &mut Report::default()).unwrap();
        assert!(!tree.contains(&TreePath::literal("etc/shells")));
    }
}

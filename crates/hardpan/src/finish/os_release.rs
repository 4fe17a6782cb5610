// SPDX-License-Identifier: Apache-2.0
//! `/usr/lib/os-release` and the link `/etc/os-release`, from the definition's `os-release`; Alpine's `/etc/alpine-release`.

use std::fmt::Write as _;

use hardpan_definition::{Distribution, OsRelease};
use hardpan_tree::{Tree, TreePath};

use super::{Action, Editor, FinishError, Inputs};

/// The finisher's name.
pub const NAME: &str = "os-release";

/// Writes the file if the definition has fields for it; else what base-files brings stays.
///
/// # Errors
/// If a value has a control character.
pub fn apply(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<Option<Action>, FinishError> {
    let Some(fields) = &inputs.definition.os_release else { return Ok(None) };
    let text = render(fields)?;
    if text.is_empty() {
        return Ok(None);
    }
    let mut editor = Editor::new(tree, NAME, inputs.epoch).for_definition();
    let metadata = editor.metadata(0o644);
    editor.file(&TreePath::literal("usr/lib/os-release"), text.into_bytes(), metadata)?;
    editor.symlink(&TreePath::literal("etc/os-release"), "../usr/lib/os-release")?;
    Ok(editor.finish(None))
}

/// Writes `/etc/alpine-release`, by which scanners know an Alpine, if no package brings it: the release that the
/// definition's `os-release` says, or else the one whose packages are used.
pub fn apply_alpine(tree: &mut Tree, inputs: &Inputs<'_>) -> Result<Option<Action>, FinishError> {
    let path = TreePath::literal("etc/alpine-release");
    let Distribution::Alpine { major, minor } = inputs.definition.syntax.distribution else {
        return Ok(None);
    };
    let mut editor = Editor::new(tree, NAME, inputs.epoch);
    if editor.exists(&path) {
        return Ok(None);
    }
    let fields = inputs.definition.os_release.as_ref();
    let version = fields.and_then(|fields| fields.version_id.clone());
    let is_release = |text: &String| {
        text.starts_with(|first: char| first.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let version = version.filter(is_release).unwrap_or_else(|| format!("{major}.{minor}"));
    let metadata = editor.metadata(0o644);
    editor.file(&path, format!("{version}\n").into_bytes(), metadata)?;
    Ok(editor.finish(None))
}

/// Returns the file's text, in the order that Debian writes it in.
///
/// # Errors
/// If a value has a control character.
pub fn render(fields: &OsRelease) -> Result<String, FinishError> {
    let mut text = String::new();
    for (name, value) in [
        ("PRETTY_NAME", &fields.pretty_name),
        ("NAME", &fields.name),
        ("VERSION_ID", &fields.version_id),
        ("VERSION_CODENAME", &fields.version_codename),
        ("ID", &fields.id),
        ("ID_LIKE", &fields.id_like),
        ("HOME_URL", &fields.home_url),
        ("BUG_REPORT_URL", &fields.bug_report_url),
    ] {
        let Some(value) = value else { continue };
        if value.chars().any(char::is_control) {
            return Err(FinishError::OsRelease { field: name });
        }
        let _ = writeln!(text, "{name}={}", quote(value));
    }
    Ok(text)
}

/// Quotes a value as os-release(5) asks: the file has to be readable by a shell.
fn quote(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !value.is_empty() && value.bytes().all(is_plain) {
        return value.to_owned();
    }
    let mut quoted = String::from('"');
    for character in value.chars() {
        if matches!(character, '"' | '$' | '`' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::{Fixture, dump, tree};

    #[test]
    fn values_are_quoted_as_a_shell_reads_them() {
        for (value, expected) in [
            ("debian", "debian"),
            ("13", "13"),
            ("12.1", "12.1"),
            ("", "\"\""),
            ("Docker Hardened Images (Debian)", "\"Docker Hardened Images (Debian)\""),
            ("https://x.example/", "\"https://x.example/\""),
            ("a\"b$c`d\\e", "\"a\\\"b\\$c\\`d\\\\e\""),
            ("Grün", "\"Grün\""),
        ] {
            assert_eq!(quote(value), expected);
        }
    }

    #[test]
    fn control_characters_are_refused() {
        for value in ["a\nb", "a\0", "\u{85}", "a\tb"] {
            let fields = OsRelease { name: Some(value.into()), ..OsRelease::default() };
            assert!(
                matches!(render(&fields), Err(FinishError::OsRelease { field: "NAME" })),
                "{value:?}"
            );
        }
    }

    #[test]
    fn the_definition_wins_over_base_files() {
        let mut root = tree(&["usr/lib/os-release", "etc/os-release->../usr/lib/os-release"]);
        let mut fixture = Fixture::default();
        assert_eq!(apply(&mut root, &fixture.inputs()).unwrap(), None);
        fixture.yaml("os-release:\n  name: X\n  id: x\n  version-id: \"1.0\"\n");
        apply(&mut root, &fixture.inputs()).unwrap();
        assert_eq!(fixture.text(&root, "etc/os-release"), "NAME=X\nVERSION_ID=1.0\nID=x\n");
        assert!(dump(&root).contains("/etc/os-release symlink 0777 0:0 -> ../usr/lib/os-release"));
    }
}

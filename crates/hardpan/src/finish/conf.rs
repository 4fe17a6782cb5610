// SPDX-License-Identifier: Apache-2.0
//! What sysusers.d(5) and tmpfiles.d(5) have in common: where files are, and how lines are quoted.

use std::collections::BTreeMap;

use hardpan_tree::{Origin, Tree, TreePath};

use super::edit::read;
use super::{FinishError, Inputs, Warning};

/// The longest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// One file of a `.d` directory.
pub(super) struct ConfFile {
    /// Where it is.
    pub(super) path: TreePath,
    /// The package that it came with, if it did.
    pub(super) package: Option<String>,
    text: String,
}

impl ConfFile {
    /// Returns the whole text; bytes outside UTF-8 are replaced.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the lines that say something, with their numbers from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (u32, &str)> {
        (1..)
            .zip(self.text.lines())
            .map(|(number, line)| (number, line.trim()))
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
    }

    /// Returns whether the file is about systemd itself or what its services do at boot.
    pub(super) fn belongs_to_systemd(&self) -> bool {
        self.package.as_deref().is_some_and(|name| {
            name == "systemd" || name.starts_with("systemd-") || name.starts_with("libsystemd")
        })
    }

    /// Returns a warning about one line.
    pub(super) fn warning(&self, finisher: &'static str, line: u32, message: String) -> Warning {
        Warning {
            finisher,
            package: self.package.clone(),
            file: Some(self.path.to_string()),
            lines: Some((line, line)),
            message,
        }
    }
}

/// Reads the `*.conf` files of directories, sorted by name; of two files with one name only the
/// one in the earlier directory counts.
pub(super) fn files(
    tree: &Tree,
    directories: &[TreePath],
    inputs: &Inputs<'_>,
    finisher: &'static str,
) -> Result<Vec<ConfFile>, FinishError> {
    files_with_suffix(tree, directories, b".conf", inputs, finisher)
}

/// Like [`files`], with another suffix.
pub(super) fn files_with_suffix(
    tree: &Tree,
    directories: &[TreePath],
    suffix: &[u8],
    inputs: &Inputs<'_>,
    finisher: &'static str,
) -> Result<Vec<ConfFile>, FinishError> {
    let mut found: BTreeMap<Vec<u8>, TreePath> = BTreeMap::new();
    for directory in directories {
        for (path, _) in tree.children(directory) {
            if path.name().ends_with(suffix) {
                found.entry(path.name().to_vec()).or_insert_with(|| path.clone());
            }
        }
    }
    let mut files = Vec::new();
    for path in found.into_values() {
        let Some(place) = tree.resolve(&path).ok() else { continue };
        let Some((node, file)) = tree.file(&place) else { continue };
        if file.size_bytes > FILE_BYTES_MAX {
            continue;
        }
        let package = match node.origin {
            Origin::Package(number) => inputs.packages.get(number as usize),
            _ => None,
        };
        let package = package.map(|package| package.name.clone());
        if let Some(bytes) = read(tree, &path, inputs.contents, finisher)? {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            files.push(ConfFile { path, package, text });
        }
    }
    Ok(files)
}

/// Splits a line at white space; `"…"` and `'…'` hold together, `\` takes the next character's
/// special meaning. `None` if a quote or escape does not end.
pub(super) fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut characters = line.chars().peekable();
    loop {
        while characters.next_if(|character| character.is_whitespace()).is_some() {}
        if characters.peek().is_none() {
            return Some(fields);
        }
        let mut field = String::new();
        let mut quote = None;
        loop {
            match (characters.next(), quote) {
                (None, None) => break,
                (None, Some(_)) => return None,
                (Some('\\'), _) => field.push(unescape(&mut characters)?),
                (Some(character), Some(open)) if character == open => quote = None,
                (Some(character @ ('"' | '\'')), None) => quote = Some(character),
                (Some(character), None) if character.is_whitespace() => break,
                (Some(character), _) => field.push(character),
            }
        }
        fields.push(field);
    }
}

fn unescape(characters: &mut impl Iterator<Item = char>) -> Option<char> {
    Some(match characters.next()? {
        'n' => '\n',
        't' => '\t',
        's' => ' ',
        'x' => {
            let digits = [characters.next()?, characters.next()?].map(|digit| digit.to_digit(16));
            char::from_u32(digits[0]? * 16 + digits[1]?).filter(char::is_ascii)?
        }
        character => character,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_systemd_splits_them() {
        for (line, expected) in [
            ("u x 1", Some(vec!["u", "x", "1"])),
            ("u\tx   \"a b\" 'c d'", Some(vec!["u", "x", "a b", "c d"])),
            ("a\\x20b \\s", Some(vec!["a b", " "])),
            ("\"a'b\"", Some(vec!["a'b"])),
            ("\"\" x", Some(vec!["", "x"])),
            ("", Some(vec![])),
            ("\"open", None),
            ("a\\", None),
            ("a\\x2", None),
            ("a\\xff", None),
        ] {
            let expected =
                expected.map(|fields| fields.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(fields(line), expected, "{line:?}");
        }
    }
}

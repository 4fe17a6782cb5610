// SPDX-License-Identifier: Apache-2.0
//! `/etc/ld.so.conf`: the directories that `ldconfig` searches, in its order.

use std::collections::BTreeSet;

use hardpan_tree::{Contents, Kind, Tree, TreePath};

use super::ld_so_cache::FINISHER;
use super::{FinishError, Warning, edit};

const CONFIGURATION: &str = "/etc/ld.so.conf";
/// The most files that are read, each as often as it is included.
const FILES_MAX: usize = 1024;
/// How deep files may include each other.
const DEPTH_MAX: usize = 16;
/// The largest file, in bytes.
const FILE_BYTES_MAX: usize = 1 << 20;
/// The most directories.
const DIRECTORIES_MAX: usize = 4096;
/// The most paths that the start of a pattern may match: links can multiply them.
const MATCHES_MAX: usize = 20_000;
/// The longest pattern of an `include`, in bytes.
const PATTERN_BYTES_MAX: usize = 4096;

/// A directory to search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Directory {
    /// Its path as it was written; the cache has it so.
    pub(super) text: Vec<u8>,
    /// Where that leads.
    pub(super) place: TreePath,
    /// Its name, if it is a subdirectory of `glibc-hwcaps`.
    pub(super) subdirectory: Option<Vec<u8>>,
}

/// Returns the directories of `/etc/ld.so.conf` and then `defaults`: those that exist, each place once.
pub(super) fn directories(
    tree: &Tree,
    contents: &dyn Contents,
    defaults: &[String],
) -> Result<(Vec<Directory>, Vec<Warning>), FinishError> {
    let mut reader = Reader {
        tree,
        contents,
        directories: Vec::new(),
        places: BTreeSet::new(),
        open: Vec::new(),
        files: 0,
        warnings: Vec::new(),
    };
    reader.file(&TreePath::literal(CONFIGURATION))?;
    for directory in defaults {
        reader.directory(directory.as_bytes(), &TreePath::literal(CONFIGURATION), 0)?;
    }
    Ok((reader.directories, reader.warnings))
}

struct Reader<'a> {
    tree: &'a Tree,
    contents: &'a dyn Contents,
    directories: Vec<Directory>,
    places: BTreeSet<TreePath>,
    /// The files that are being read, the outermost first.
    open: Vec<TreePath>,
    files: usize,
    warnings: Vec<Warning>,
}

impl Reader<'_> {
    /// Reads a file, if it is there.
    fn file(&mut self, path: &TreePath) -> Result<(), FinishError> {
        let Some(bytes) = edit::read(self.tree, path, self.contents, FINISHER)? else {
            return Ok(());
        };
        self.files += 1;
        if self.files > FILES_MAX {
            return Err(limit("files of ld.so.conf", FILES_MAX));
        }
        if bytes.len() > FILE_BYTES_MAX {
            return Err(limit("bytes of ld.so.conf", FILE_BYTES_MAX));
        }
        self.open.push(self.tree.resolve(path).unwrap_or_else(|_| path.clone()));
        for (number, line) in bytes.split(|&byte| byte == b'\n').enumerate() {
            let number = u32::try_from(number).map_or(u32::MAX, |number| number.saturating_add(1));
            let line = line.split(|&byte| byte == b'#' || byte == 0).next().unwrap_or_default();
            let start = line.iter().position(|&byte| !is_space(byte)).unwrap_or(line.len());
            self.line(&line[start..], path, number)?;
        }
        self.open.pop();
        Ok(())
    }

    fn line(&mut self, line: &[u8], file: &TreePath, number: u32) -> Result<(), FinishError> {
        match line {
            [] => Ok(()),
            [b'i', b'n', b'c', b'l', b'u', b'd', b'e', b' ' | b'\t', patterns @ ..] => patterns
                .split(|&byte| byte == b' ' || byte == b'\t')
                .filter(|pattern| !pattern.is_empty())
                .try_for_each(|pattern| self.include(pattern, file, number)),
            // Such lines once gave names to capabilities.
            _ if line.len() > 5
                && line[..5].eq_ignore_ascii_case(b"hwcap")
                && matches!(line[5], b' ' | b'\t') =>
            {
                Ok(())
            }
            _ => {
                let end = line.iter().rposition(|&byte| !is_space(byte)).map_or(0, |end| end + 1);
                let line = &line[..end];
                let end = line.iter().rposition(|&byte| byte != b'/').map_or(0, |end| end + 1);
                if end == 0 { Ok(()) } else { self.directory(&line[..end], file, number) }
            }
        }
    }

    /// Reads all files that a pattern matches; one without a leading slash is relative to the file.
    fn include(&mut self, pattern: &[u8], file: &TreePath, number: u32) -> Result<(), FinishError> {
        let mut absolute = Vec::new();
        if !pattern.starts_with(b"/") {
            absolute.extend_from_slice(file.parent().unwrap_or_default().as_bytes());
            absolute.push(b'/');
        }
        absolute.extend_from_slice(pattern);
        let is_up = absolute.split(|&byte| byte == b'/').any(|name| name == b"..");
        if is_up || absolute.len() > PATTERN_BYTES_MAX {
            self.warn(file, number, "an include that is not followed");
            return Ok(());
        }
        let paths = glob(self.tree, &absolute)
            .ok_or_else(|| limit("paths that match an include", MATCHES_MAX))?;
        for path in paths {
            let place = self.tree.resolve(&path).unwrap_or_else(|_| path.clone());
            if self.open.contains(&place) {
                self.warn(file, number, "a file that includes itself");
            } else if self.open.len() >= DEPTH_MAX {
                return Err(limit("files of ld.so.conf inside each other", DEPTH_MAX));
            } else {
                self.file(&path)?;
            }
        }
        Ok(())
    }

    /// Adds a directory and the `glibc-hwcaps` subdirectories in it.
    fn directory(&mut self, text: &[u8], file: &TreePath, number: u32) -> Result<(), FinishError> {
        let path = TreePath::parse(text).ok().filter(|_| text.starts_with(b"/"));
        let Some(path) = path else {
            self.warn(file, number, "a directory that is not an absolute path");
            return Ok(());
        };
        let Some(place) = self.add(text.to_vec(), &path, None)? else { return Ok(()) };
        let subdirectories =
            place.join("glibc-hwcaps").ok().and_then(|path| self.tree.resolve(&path).ok());
        let Some(subdirectories) = subdirectories else { return Ok(()) };
        for (path, _) in self.tree.children(&subdirectories) {
            let name = path.name();
            if !name.starts_with(b".") && !name.contains(&b':') {
                let text = [text, b"/glibc-hwcaps/", name].concat();
                self.add(text, path, Some(name.to_vec()))?;
            }
        }
        Ok(())
    }

    /// Adds a directory unless it is none or already there; returns where it is if it is new.
    fn add(
        &mut self,
        text: Vec<u8>,
        path: &TreePath,
        subdirectory: Option<Vec<u8>>,
    ) -> Result<Option<TreePath>, FinishError> {
        let Ok(place) = self.tree.resolve(path) else { return Ok(None) };
        let is_directory = self.tree.get(&place).is_some_and(|node| node.kind == Kind::Directory);
        if !is_directory || !self.places.insert(place.clone()) {
            return Ok(None);
        }
        if self.directories.len() == DIRECTORIES_MAX {
            return Err(limit("directories of libraries", DIRECTORIES_MAX));
        }
        self.directories.push(Directory { text, place: place.clone(), subdirectory });
        Ok(Some(place))
    }

    fn warn(&mut self, file: &TreePath, number: u32, message: &str) {
        self.warnings.push(Warning {
            finisher: FINISHER,
            package: None,
            file: Some(file.to_string()),
            lines: Some((number, number)),
            message: message.to_owned(),
        });
    }
}

fn limit(what: &'static str, max: usize) -> FinishError {
    FinishError::Limit { finisher: FINISHER, what, max }
}

/// C's `isspace`.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Returns the paths that exist and match a pattern, sorted; nothing if there are too many.
fn glob(tree: &Tree, pattern: &[u8]) -> Option<Vec<TreePath>> {
    let mut paths = vec![TreePath::root()];
    for name in pattern.split(|&byte| byte == b'/') {
        if name.is_empty() || name == b"." {
            continue;
        }
        let is_pattern = name.iter().any(|byte| matches!(byte, b'*' | b'?' | b'[' | b'\\'));
        paths = if is_pattern {
            paths
                .iter()
                .filter_map(|path| Some((path, tree.resolve(path).ok()?)))
                .flat_map(|(path, place)| {
                    tree.children(&place)
                        .filter(|(child, _)| matches(name, child.name()))
                        .filter_map(|(child, _)| path.join(child.name()).ok())
                        .collect::<Vec<_>>()
                })
                .collect()
        } else {
            paths.iter().filter_map(|path| path.join(name).ok()).collect()
        };
        if paths.len() > MATCHES_MAX {
            return None;
        }
    }
    paths.retain(|path| tree.resolve(path).is_ok());
    paths.sort();
    Some(paths)
}

/// Returns whether a name matches a pattern of `glob(7)`.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.starts_with(b".") && !pattern.starts_with(b".") {
        return false;
    }
    let (mut pattern, mut name) = (pattern, name);
    // Where to go on if what follows the last star does not match.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        let matched = match (pattern, name) {
            ([], []) => return true,
            ([b'*', rest @ ..], _) => {
                retry = Some((rest, name));
                pattern = rest;
                continue;
            }
            ([b'?', rest @ ..], [_, tail @ ..]) => Some((rest, tail)),
            ([b'[', set @ ..], [byte, tail @ ..]) => match in_set(set, *byte) {
                Some((true, rest)) => Some((rest, tail)),
                Some((false, _)) => None,
                // Without its end it is an ordinary character.
                None => (*byte == b'[').then_some((set, tail)),
            },
            ([b'\\', literal, rest @ ..] | [literal, rest @ ..], [byte, tail @ ..]) => {
                (literal == byte).then_some((rest, tail))
            }
            _ => None,
        };
        match (matched, retry) {
            (Some((rest, tail)), _) => (pattern, name) = (rest, tail),
            (None, Some((after_star, [_, tail @ ..]))) => {
                retry = Some((after_star, tail));
                (pattern, name) = (after_star, tail);
            }
            (None, _) => return false,
        }
    }
}

/// Returns whether a byte is in the set that `set` begins with (after its `[`), and what follows
/// the set; nothing if it has no end.
fn in_set(set: &[u8], byte: u8) -> Option<(bool, &[u8])> {
    let (is_negated, mut rest) = match set {
        [b'!' | b'^', rest @ ..] => (true, rest),
        _ => (false, set),
    };
    let mut is_in = false;
    let mut is_first = true;
    loop {
        match rest {
            [] => return None,
            [b']', tail @ ..] if !is_first => return Some((is_in != is_negated, tail)),
            [from, b'-', to, tail @ ..] if *to != b']' => {
                is_in |= (*from..=*to).contains(&byte);
                rest = tail;
            }
            [one, tail @ ..] => {
                is_in |= *one == byte;
                rest = tail;
            }
        }
        is_first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_glob_does() {
        for (pattern, name, expected) in [
            ("*.conf", "a.conf", true),
            ("*.conf", ".conf", false),
            (".*", ".conf", true),
            ("*", "", true),
            ("a*b*c", "abxbyc", true),
            ("a*b*c", "abxbycd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[^a]x", "bx", true),
            ("[]a]", "]", true),
            ("[a-]", "-", true),
            ("[a", "[a", true),
            ("[a", "a", false),
            ("[", "[", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("\\", "\\", true),
            ("x", "", false),
        ] {
            let found = matches(pattern.as_bytes(), name.as_bytes());
            assert_eq!(found, expected, "{pattern} {name}");
        }
        let stars = "*a".repeat(100);
        assert!(!matches(stars.as_bytes(), "a".repeat(99).as_bytes()));
    }
}

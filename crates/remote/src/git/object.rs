// SPDX-License-Identifier: Apache-2.0
//! Commits, trees and what kinds of objects there are.

use super::{ObjectId, PackError};

/// Kinds of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ObjectKind {
    /// A commit.
    Commit,
    /// A directory.
    Tree,
    /// The content of a file or link.
    Blob,
    /// An annotated tag.
    Tag,
}

impl ObjectKind {
    /// The name that is part of what is hashed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Tree => "tree",
            Self::Blob => "blob",
            Self::Tag => "tag",
        }
    }

    /// The number in packs.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Commit => 1,
            Self::Tree => 2,
            Self::Blob => 3,
            Self::Tag => 4,
        }
    }
}

/// What a checkout needs of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// Its root directory.
    pub tree: ObjectId,
    /// When it was committed, in seconds since the epoch.
    pub time: i64,
}

impl Commit {
    /// Reads a commit.
    pub fn parse(bytes: &[u8]) -> Result<Self, PackError> {
        let bad = PackError::Malformed;
        let tree = bytes
            .strip_prefix(b"tree ")
            .and_then(|rest| std::str::from_utf8(rest.get(..40)?).ok()?.parse().ok())
            .ok_or(bad("a commit without a tree"))?;
        let committer = bytes
            .split(|&byte| byte == b'\n')
            .take_while(|line| !line.is_empty())
            .find_map(|line| line.strip_prefix(b"committer "))
            .ok_or(bad("a commit without a committer"))?;
        // The name is whatever its owner wrote; the time follows the last `>`.
        let after = committer.iter().rposition(|&byte| byte == b'>').map_or(0, |at| at + 1);
        let time = std::str::from_utf8(&committer[after..])
            .ok()
            .and_then(|text| text.split_ascii_whitespace().next()?.parse().ok())
            .ok_or(bad("a commit without a time"))?;
        Ok(Self { tree, time })
    }
}

/// What an entry of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A file.
    File,
    /// A file that can be executed.
    Executable,
    /// A symbolic link; its target is the object's content.
    Symlink,
    /// A directory.
    Directory,
    /// A commit of another repository.
    Submodule,
}

/// An entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its name.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Its object.
    pub id: ObjectId,
}

/// Reads the entries of a tree.
pub(super) fn parse_tree(id: ObjectId, bytes: &[u8]) -> Result<Vec<TreeEntry>, PackError> {
    const SHORT: PackError = PackError::Malformed("a tree ends in the middle");
    let mut entries: Vec<TreeEntry> = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let space = rest.iter().position(|&byte| byte == b' ').ok_or(SHORT)?;
        let mode = &rest[..space];
        let end =
            rest.iter().position(|&byte| byte == 0).filter(|&end| end > space).ok_or(SHORT)?;
        let name = rest[space + 1..end].to_vec();
        let object = ObjectId::from_slice(&rest[end + 1..]).ok_or(SHORT)?;
        rest = &rest[end + 21..];
        let kind = match mode {
            b"100644" | b"100664" | b"100600" => EntryKind::File,
            b"100755" | b"100775" | b"100700" => EntryKind::Executable,
            b"120000" => EntryKind::Symlink,
            b"40000" | b"040000" => EntryKind::Directory,
            b"160000" => EntryKind::Submodule,
            _ => return Err(PackError::Malformed("a tree has an entry of an unknown kind")),
        };
        if is_bad_name(&name) {
            let name = String::from_utf8_lossy(&name).into_owned();
            return Err(PackError::Name { tree: id, name });
        }
        entries.push(TreeEntry { name, kind, id: object });
    }
    let mut names: Vec<&[u8]> = entries.iter().map(|entry| entry.name.as_slice()).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(PackError::Malformed("a tree has a name twice"));
    }
    Ok(entries)
}

/// Whether a name would lead out of its directory, or into the repository's own.
fn is_bad_name(name: &[u8]) -> bool {
    name.is_empty()
        || name == b"."
        || name == b".."
        || name.contains(&b'/')
        || name.eq_ignore_ascii_case(b".git")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TREE: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";

    #[test]
    fn commits() {
        let text = format!(
            "{TREE}author A <a@e> 5 +0000\ncommitter B > <b@e> 1700000000 +0100\n\ncommitter C <> 1 +0000\n"
        );
        assert_eq!(Commit::parse(text.as_bytes()).unwrap().time, 1_700_000_000);
        for bad in ["", "tree x\n", TREE, &format!("{TREE}committer A <a@e>\n\n")] {
            assert!(Commit::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    fn entry(mode: &str, name: &str) -> Vec<u8> {
        let mut bytes = format!("{mode} {name}\0").into_bytes();
        bytes.extend([7; 20]);
        bytes
    }

    #[test]
    fn trees() {
        let id = ObjectId::from_bytes([1; 20]);
        let bytes = [entry("100755", "a"), entry("160000", "b"), entry("40000", "c d")].concat();
        let entries = parse_tree(id, &bytes).unwrap();
        let kinds: Vec<EntryKind> = entries.iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds, [EntryKind::Executable, EntryKind::Submodule, EntryKind::Directory]);
        assert_eq!(entries[2].name, b"c d");
        for bad in [
            entry("100644", ".."),
            entry("100644", "."),
            entry("40000", ".git"),
            entry("40000", ".GIT"),
            entry("100644", "a/b"),
            entry("100644", ""),
            entry("777", "a"),
            entry("100644", "a")[..10].to_vec(),
            [entry("100644", "a"), entry("40000", "a")].concat(),
            b"100644".to_vec(),
        ] {
            assert!(parse_tree(id, &bad).is_err(), "{:?}", String::from_utf8_lossy(&bad));
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! A package after unpacking: a **segment** (a piece of a tar archive) and what is known of it.
//!
//! The segment is the raw, uncompressed tar records of everything in the package but its directories,
//! in the package's own order, hard links after their targets, without end-of-archive blocks. So
//! segments can be put one after another, and parts of a segment can be cut out at record borders.
//! [`Unpacked`] is stored beside it.

use std::collections::BTreeMap;
use std::sync::Arc;

use hardpan_tree::{Digest, Facts, Hasher, Metadata, TreePath};
use serde::{Deserialize, Serialize};

use crate::deb::control;
pub use crate::owners::OwnerNames;
use crate::strip::{StripPolicy, StripRule};

/// The version of what unpacking writes. It changes with every change to
/// the bytes of segments, to [`Unpacked`] and the facts in it, or to the meaning of a strip rule.
pub const SEGMENT_FORMAT_VERSION: u32 = 4;

/// Returns the key under which a package's segment is stored.
pub fn segment_key(package: &Digest, policy: &StripPolicy, format_version: u32) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(b"hardpan deb segment\n");
    hasher.update(&format_version.to_be_bytes());
    hasher.update(package.as_bytes());
    hasher.update(policy.digest().as_bytes());
    hasher.finish()
}

/// What is known of an unpacked package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpacked {
    /// What kind of package it is.
    #[serde(default, skip_serializing_if = "Format::is_deb")]
    pub format: Format,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture, by the name that the distribution has for it.
    pub architecture: String,
    /// What the package says of itself: the whole control stanza of a `.deb` as it is in the package, or
    /// the lines of an `.apk`'s `.PKGINFO` without comments.
    pub control: String,
    /// When the package was made, in seconds since the epoch: the time of the first member of a `.deb`,
    /// `builddate` of an `.apk`. No entry is younger.
    pub timestamp: i64,
    /// Everything in the package that was not stripped, in the package's order. Directories are
    /// here though not in the segment.
    pub entries: Vec<Entry>,
    /// The paths in `conffiles`, as they are in the tree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conffiles: Vec<TreePath>,
    /// The text of `md5sums`; empty if there is none. It names stripped files too.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub md5sums: String,
    /// The SHA-1 sums of the files and the targets of the links that were not stripped, as `sha1sum` writes them
    /// (hexadecimal, two spaces, path from the root), in the package's order. Only an `.apk` has them: its package database does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha1sums: String,
    /// What identifies an `.apk`: `Q1` and the SHA-1 of its control part in base64, as its package database has it; empty
    /// if there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub identity: String,
    /// Who the numbers in [`Self::entries`] stand for, by the package's own words. Only an `.apk` has them: apk gives files to
    /// whoever has the name.
    #[serde(default, skip_serializing_if = "OwnerNames::is_empty")]
    pub owner_names: OwnerNames,
    /// Length of an `.apk`'s file in bytes: its package database has it. 0 if that is not known.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub file_size_bytes: u64,
    /// The maintainer scripts by name: `preinst`, `postinst`, `prerm`, `postrm` and `config` of a `.deb`;
    /// `pre-install`, `post-install`, `pre-upgrade`, `post-upgrade`, `pre-deinstall`, `post-deinstall` and `trigger` of an
    /// `.apk`. Bytes outside UTF-8 are replaced; [`Self::script_digests`] has the digests of what is in the package.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scripts: BTreeMap<String, String>,
    /// The digests of the maintainer scripts by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub script_digests: BTreeMap<String, Digest>,
    /// The text of a `.deb`'s `triggers`, or the paths that an `.apk`'s trigger is for, with spaces between them; empty if
    /// there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub triggers: String,
    /// Other control members by name (`templates`, `shlibs`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub control_members: BTreeMap<String, String>,
    /// What was left out, rule by rule, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stripped: Vec<Stripped>,
    /// What was kept but changed, in the package's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<Changed>,
    /// Digest of the segment.
    pub segment_digest: Digest,
    /// Length of the segment.
    pub segment_size_bytes: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The formats of packages.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Debian's.
    #[default]
    Deb,
    /// Alpine's.
    Apk,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 2] = [Self::Deb, Self::Apk];

    /// Returns what the names of such files end with, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Apk => "apk",
        }
    }

    /// Returns the format of a package by its file's name.
    pub fn of_path(path: &str) -> Option<Self> {
        let (_, extension) = path.rsplit_once('.')?;
        Self::ALL.into_iter().find(|format| format.extension() == extension)
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    fn is_deb(&self) -> bool {
        *self == Self::Deb
    }
}

/// One thing in a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where it belongs, with `/bin`, `/lib` and so on already taken to `/usr`.
    pub path: TreePath,
    /// Ownership, mode, time. A hard link has its target's.
    pub metadata: Metadata,
    /// What it is.
    pub kind: EntryKind,
    /// Its record in the segment: headers, data and padding. Empty for directories.
    #[serde(default, skip_serializing_if = "ByteRange::is_empty")]
    pub record: ByteRange,
}

/// The kinds of entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A regular file.
    File(FileEntry),
    /// A symbolic link and its target, as written.
    Symlink(#[serde(with = "hardpan_tree::bytes_text")] Vec<u8>),
    /// A second name of a file of the same package that comes before it.
    HardLink(TreePath),
}

/// A regular file of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Length in bytes.
    pub size_bytes: u64,
    /// Digest of the content.
    pub digest: Digest,
    /// Where the content begins in the segment.
    pub offset_bytes: u64,
    /// What the first bytes say about the file, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Arc<Facts>>,
}

/// Bytes of a segment.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct ByteRange {
    /// The first byte.
    pub offset_bytes: u64,
    /// How many.
    pub size_bytes: u64,
}

impl ByteRange {
    /// Returns the offset after the last byte.
    pub fn end_bytes(&self) -> u64 {
        self.offset_bytes + self.size_bytes
    }

    /// Returns whether there are no bytes.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
    pub fn is_empty(&self) -> bool {
        self.size_bytes == 0
    }
}

/// How much a rule left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stripped {
    /// The rule.
    pub rule: StripRule,
    /// How many entries, directories not counted.
    pub entries: u64,
    /// The sum of the sizes of the files among them.
    pub size_bytes: u64,
}

/// An entry that a rule changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// The rule.
    pub rule: StripRule,
    /// The entry.
    pub path: TreePath,
    /// The mode that the package gives it.
    pub mode_before: u32,
}

impl Unpacked {
    /// Returns a field of what the package says of itself. Of a control stanza: by its name in any case; lines that
    /// continue it are joined by a line break, without the white space that begins them. Of a `.PKGINFO`: the
    /// values of all lines of that name, joined by line breaks.
    pub fn field(&self, name: &str) -> Option<String> {
        match self.format {
            Format::Deb => {
                let limits = control::Limits::default();
                let stanza = control::parse_one(self.control.as_bytes(), limits).ok()?;
                let lines = stanza.field(name)?.lines().collect::<Vec<_>>();
                Some(lines.join("\n"))
            }
            Format::Apk => {
                let pairs = self.control.lines().filter_map(|line| line.split_once('='));
                let values: Vec<&str> = pairs
                    .filter(|(key, _)| key.trim() == name)
                    .map(|(_, value)| value.trim())
                    .collect();
                (!values.is_empty()).then(|| values.join("\n"))
            }
        }
    }

    /// Returns the name of the source package: `Source` without its version, or `origin`, or else the package's name.
    pub fn source(&self) -> String {
        let source = match self.format {
            Format::Deb => self.field("Source"),
            Format::Apk => self.field("origin"),
        };
        let name = source.as_deref().and_then(|source| source.split_whitespace().next());
        name.unwrap_or(&self.name).to_owned()
    }

    /// Returns the version of the source package: the one in `Source`, or else the package's.
    pub fn source_version(&self) -> String {
        let source = match self.format {
            Format::Deb => self.field("Source"),
            Format::Apk => None,
        };
        let version = source
            .as_deref()
            .and_then(|source| source.split_once('('))
            .and_then(|(_, rest)| rest.split_once(')'))
            .map(|(version, _)| version.trim());
        version.unwrap_or(&self.version).to_owned()
    }

    /// Returns `Multi-Arch`.
    pub fn multi_arch(&self) -> Option<String> {
        self.field("Multi-Arch")
    }

    /// Returns whether `Essential` is `yes`.
    pub fn is_essential(&self) -> bool {
        self.field("Essential").is_some_and(|text| text.trim() == "yes")
    }

    /// Returns the entry at a path, by a search from the start.
    pub fn entry(&self, path: &TreePath) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.path == *path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(control: &str) -> Unpacked {
        Unpacked {
            format: Format::Deb,
            name: "libx".into(),
            version: "3".into(),
            architecture: "amd64".into(),
            control: control.into(),
            timestamp: 0,
            entries: Vec::new(),
            conffiles: Vec::new(),
            md5sums: String::new(),
            sha1sums: String::new(),
            identity: String::new(),
            owner_names: OwnerNames::default(),
            file_size_bytes: 0,
            scripts: BTreeMap::new(),
            script_digests: BTreeMap::new(),
            triggers: String::new(),
            control_members: BTreeMap::new(),
            stripped: Vec::new(),
            changed: Vec::new(),
            segment_digest: Digest::of(b""),
            segment_size_bytes: 0,
        }
    }

    #[test]
    fn fields_are_found() {
        let package =
            unpacked("Package: libx\nDescription: short\n long: text\n .\n more\nSize: 7\n");
        for (name, expected) in [
            ("Package", Some("libx")),
            ("PACKAGE", Some("libx")),
            ("Description", Some("short\nlong: text\n.\nmore")),
            ("Size", Some("7")),
            ("long", None),
            ("Pack", None),
            ("", None),
        ] {
            assert_eq!(package.field(name).as_deref(), expected, "{name}");
        }
    }

    #[test]
    fn sources_are_found() {
        for (control, source, version) in [
            ("Package: libx\n", "libx", "3"),
            ("Source: x\n", "x", "3"),
            ("Source: x (1:2.0-1)\n", "x", "1:2.0-1"),
        ] {
            let package = unpacked(control);
            assert_eq!(
                (package.source().as_str(), package.source_version().as_str()),
                (source, version)
            );
        }
    }

    #[test]
    fn info_is_read() {
        let info = "pkgname = x\norigin = y\ndepend = so:a\ndepend = b>=1\nempty =\n";
        let package = Unpacked { format: Format::Apk, ..unpacked(info) };
        for (name, expected) in [
            ("pkgname", Some("x")),
            ("depend", Some("so:a\nb>=1")),
            ("empty", Some("")),
            ("Depend", None),
            ("so:a", None),
        ] {
            assert_eq!(package.field(name).as_deref(), expected, "{name}");
        }
        assert_eq!((package.source().as_str(), package.source_version().as_str()), ("y", "3"));
    }

    #[test]
    fn formats_are_told_by_names() {
        for (path, expected) in [
            ("pool/a_1_all.deb", Some(Format::Deb)),
            ("x86_64/a-1-r0.apk", Some(Format::Apk)),
            ("a.DEB", None),
            ("deb", None),
            ("a.apk.gz", None),
            ("", None),
        ] {
            assert_eq!(Format::of_path(path), expected, "{path}");
        }
    }

    #[test]
    fn keys_depend_on_all_of_their_parts() {
        let (package, other) = (Digest::of(b"a"), Digest::of(b"b"));
        let all = StripPolicy::default();
        let key = segment_key(&package, &all, 1);
        assert_eq!(key, segment_key(&package, &all, 1));
        assert_ne!(key, segment_key(&other, &all, 1));
        assert_ne!(key, segment_key(&package, &StripPolicy::none(), 1));
        assert_ne!(key, segment_key(&package, &all, 2));
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What stands at a path: kinds, metadata, content.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Digest, TreePath};

/// The permission bits that a mode may have: read, write, execute, setuid, setgid and sticky.
pub const MODE_MASK: u32 = 0o7777;

/// Ownership, mode, time and extended attributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// Permission bits, at most [`MODE_MASK`]; never the file type.
    pub mode: u32,
    /// Owner, as a number.
    pub uid: u32,
    /// Group, as a number.
    pub gid: u32,
    /// Seconds since the epoch.
    pub mtime: i64,
    /// Extended attributes by full name (`security.capability`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<String, Vec<u8>>,
}

impl Metadata {
    /// Returns root's metadata without extended attributes.
    pub fn root(mode: u32, mtime: i64) -> Self {
        Self { mode: mode & MODE_MASK, uid: 0, gid: 0, mtime, xattrs: BTreeMap::new() }
    }
}

/// Where a node came from; findings and errors name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The package with this number in the list that the tree was merged from.
    Package(u32),
    /// The finisher of this name.
    Finisher(&'static str),
    /// The definition's own `paths`, `accounts` and so on.
    Definition,
    /// The build stage with this number.
    Stage(u32),
    /// The layer with this number, counted from the lowest: of an image that is only looked at, where no package says that
    /// it brought it.
    Layer(u32),
}

/// One thing in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Ownership, mode, time.
    pub metadata: Metadata,
    /// What it is.
    pub kind: Kind,
    /// Who brought it.
    pub origin: Origin,
}

/// The kinds of nodes. Hard links are nodes of their own that name the node with the content;
/// that node is always a file and never a hard link itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File(File),
    /// A symbolic link and its target, as written.
    Symlink(Vec<u8>),
    /// A second name of the file at this path. Its metadata is the file's.
    HardLink(TreePath),
}

/// A regular file's content and what was learned of it while it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Length in bytes.
    pub size_bytes: u64,
    /// Digest of the content.
    pub digest: Digest,
    /// Where the bytes are.
    pub content: Content,
    /// What the first bytes say about the file, if anything.
    pub facts: Option<Arc<Facts>>,
}

impl File {
    /// Makes a file from bytes that are at hand.
    pub fn inline(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self {
            size_bytes: bytes.len() as u64,
            digest: Digest::of(&bytes),
            content: Content::Inline(bytes),
            facts: None,
        }
    }
}

/// Where a file's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Here.
    Inline(Arc<[u8]>),
    /// In the uncompressed tar segment with this key, from this offset on.
    Segment {
        /// The segment's key in the store.
        segment: Digest,
        /// Offset of the first byte of the file's data.
        offset_bytes: u64,
    },
    /// A blob of its own in the store, under the file's digest.
    Blob,
}

/// What was learned about a file's bytes as they streamed by, so that nothing has to read them again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Facts {
    /// An ELF file.
    Elf(Elf),
    /// A script: the text after `#!` on its first line, trimmed.
    Script(String),
}

/// What an ELF file's headers and dynamic section say.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Elf {
    /// Whether it is a 64-bit file.
    pub is_64_bit: bool,
    /// `e_machine`: 62 is x86-64, 183 is AArch64.
    pub machine: u16,
    /// `e_flags`.
    pub flags: u32,
    /// `e_type`: 2 is an executable, 3 a shared object or a position-independent executable.
    pub file_type: u16,
    /// `PT_INTERP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interpreter: Option<String>,
    /// `DT_SONAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soname: Option<String>,
    /// `DT_NEEDED`, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needed: Vec<String>,
    /// `DT_RUNPATH`, or else `DT_RPATH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runpath: Option<String>,
    /// Whether it has a dynamic section.
    pub is_dynamic: bool,
    /// `NT_GNU_PROPERTY_TYPE_0`'s needed x86 ISA level bits (`GNU_PROPERTY_X86_ISA_1_NEEDED`), 0 where there is none.
    #[serde(default)]
    pub isa_needed: u32,
    /// How its memory is protected.
    #[serde(default)]
    pub protection: ElfProtection,
    /// Whether it may say more: it has more program headers, entries or names than are read, or has them where they are not
    /// found. What depends on one of these is not known then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_partial: bool,
}

/// What an ELF file says of how its memory is to be protected, and how it was compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ElfProtection {
    /// The flags of `PT_GNU_STACK`; bit 0 asks for a stack that can be executed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_flags: Option<u32>,
    /// Whether a segment is both writable and executable.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_writable_code: bool,
    /// Whether its code is changed when it is loaded (`DT_TEXTREL`, `DF_TEXTREL`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_text_relocations: bool,
    /// Whether there is `PT_GNU_RELRO`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_relro: bool,
    /// Whether all its functions are bound before it runs (`DF_BIND_NOW`, `DF_1_NOW`, `DT_BIND_NOW`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub binds_now: bool,
    /// Whether it says that it is a position-independent executable (`DF_1_PIE`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_pie: bool,
    /// Whether it names `__stack_chk_fail` or `__stack_chk_guard`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_stack_protector: bool,
    /// How many checked functions of the C library it names (`__memcpy_chk`).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fortified: u16,
    /// How many functions it names of which the C library has a checked one, too.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub fortifiable: u16,
    /// The compiler, where its programs are protected by other means than C's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<ElfLanguage>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &u16) -> bool {
    *number == 0
}

/// Languages whose compilers leave traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ElfLanguage {
    /// Go, by its build id.
    Go,
    /// Rust, by the paths of its library.
    Rust,
}

/// Reads the content of files.
pub trait Contents: Sync {
    /// Returns a file's bytes, checked against its digest.
    fn read(&self, file: &File) -> std::io::Result<Arc<[u8]>>;
}

/// Contents of trees whose files are all [`Content::Inline`].
#[derive(Debug, Clone, Copy, Default)]
pub struct InlineContents;

impl Contents for InlineContents {
    fn read(&self, file: &File) -> std::io::Result<Arc<[u8]>> {
        match &file.content {
            Content::Inline(bytes) => Ok(bytes.clone()),
            _ => Err(std::io::Error::new(
                std::io::ErrorKind::NotFound,
                format!("the content {} is not inline", file.digest),
            )),
        }
    }
}

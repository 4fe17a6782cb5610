// SPDX-License-Identifier: Apache-2.0
//! An in-memory root file system.
//!
//! A [`Tree`] maps [`TreePath`]s to [`Node`]s. Files do not hold their bytes but say where those are
//! ([`Content`]), so a tree of any size costs only its metadata. Nothing here touches the disk, so
//! nothing needs root, and a path or link in a package can't lead out of the tree.

pub mod bytes_text;
mod difference;
mod digest;
mod dump;
pub mod glob;
pub mod layers;
mod node;
mod path;
mod tar_header;
mod tar_read;
mod tar_tree;
mod tar_write;
mod tree;
mod zip;

pub use difference::Difference;
pub use digest::{Digest, DigestError, Hasher, HashingWriter};
pub use node::{
    Content, Contents, Elf, ElfLanguage, ElfProtection, Facts, File, InlineContents, Kind,
    MODE_MASK, Metadata, Node, Origin,
};
pub use path::{NAME_BYTES_MAX, PATH_BYTES_MAX, PathError, TreePath};
pub use tar_read::{Special, TarEntry, TarEntryKind, TarLimits, TarReadError, TarReader};
pub use tar_tree::TarTreeError;
pub use tar_write::{BLOCK_BYTES, END_MARKER, TarKind, TarWriter, Written};
pub use tree::{InsertError, LINKS_MAX, ResolveError, Tree};
pub use zip::{ReadAt, ZipError, ZipLimits, ZipMember, zip_members};

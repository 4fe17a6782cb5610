// SPDX-License-Identifier: Apache-2.0
//! What is in an archive, checked: no member leads out, or through what is no directory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use hardpan_tree::{Digest, Facts, TreePath};
use serde::{Deserialize, Serialize};

use super::error::ArchiveError;

/// The most members of an archive.
pub(super) const MEMBERS_MAX: u64 = 1_000_000;
/// The bits of a mode that members keep. What runs as another user than its caller is named by the
/// definition, not by an archive.
const MODE_MASK: u32 = 0o1777;

/// One thing in an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Member {
    /// Where it goes, relative to where the archive does. The root is that place itself.
    pub path: TreePath,
    pub mode: u32,
    pub mtime: i64,
    pub kind: MemberKind,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum MemberKind {
    Directory,
    Symlink(#[serde(with = "hardpan_tree::bytes_text")] Vec<u8>),
    File(MemberFile),
}

/// A file in the segment that an archive became.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct MemberFile {
    pub size_bytes: u64,
    pub digest: Digest,
    pub offset_bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<Arc<Facts>>,
    /// The member that this is a hard link to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_to: Option<TreePath>,
}

/// The members of an archive. Of several at one path the last one counts, as for tar.
#[derive(Debug, Default)]
pub(super) struct Members(BTreeMap<TreePath, Member>);

impl Members {
    /// Adds a member.
    pub(super) fn add(
        &mut self,
        path: TreePath,
        mode: u32,
        mtime: i64,
        kind: MemberKind,
    ) -> Result<(), ArchiveError> {
        let is_directory = kind == MemberKind::Directory;
        let blocks = |parent: &TreePath| {
            self.0.get(parent).is_some_and(|member| member.kind != MemberKind::Directory)
        };
        if let Some(parent) = path.ancestors().find(blocks) {
            return Err(ArchiveError::Through { path, parent });
        }
        let before = self.0.get(&path);
        let was_directory =
            before.map_or_else(|| self.has_below(&path), |old| old.kind == MemberKind::Directory);
        if (before.is_some() || was_directory) && was_directory != is_directory {
            return Err(ArchiveError::Twice { path });
        }
        let mode = mode & MODE_MASK;
        self.0.insert(path.clone(), Member { path, mode, mtime, kind });
        if self.0.len() as u64 > MEMBERS_MAX {
            return Err(ArchiveError::Limit { what: "members", maximum: MEMBERS_MAX });
        }
        Ok(())
    }

    /// Adds a second name of a member that came before.
    pub(super) fn add_link(
        &mut self,
        path: TreePath,
        target: TreePath,
    ) -> Result<(), ArchiveError> {
        let Some(member) = self.0.get(&target).cloned().filter(|_| path != target) else {
            return Err(ArchiveError::HardLink { path, target });
        };
        let kind = match member.kind {
            MemberKind::Directory => return Err(ArchiveError::HardLink { path, target }),
            MemberKind::Symlink(to) => MemberKind::Symlink(to),
            MemberKind::File(file) => {
                let link_to = Some(file.link_to.clone().unwrap_or(target));
                MemberKind::File(MemberFile { link_to, ..file })
            }
        };
        self.add(path, member.mode, member.mtime, kind)
    }

    fn has_below(&self, path: &TreePath) -> bool {
        let mut start = path.as_bytes().to_vec();
        if !path.is_root() {
            start.push(b'/');
        }
        let mut below = self.0.range::<[u8], _>((Bound::Included(&start[..]), Bound::Unbounded));
        below.next().is_some_and(|(other, _)| other != path && other.starts_with(path))
    }

    /// Returns the members, sorted. A link whose file was replaced later is a file of its own.
    pub(super) fn finish(mut self) -> Vec<Member> {
        let offsets: BTreeMap<TreePath, u64> = self
            .0
            .values()
            .filter_map(|member| match &member.kind {
                MemberKind::File(file) => Some((member.path.clone(), file.offset_bytes)),
                _ => None,
            })
            .collect();
        for member in self.0.values_mut() {
            if let MemberKind::File(file) = &mut member.kind {
                let holds = |to: &TreePath| offsets.get(to) == Some(&file.offset_bytes);
                file.link_to = file.link_to.take().filter(holds);
            }
        }
        self.0.into_values().collect()
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What the steps of a stage changed, as data: it is kept in the store, and put on top of the stage's
//! fresh root to see how the stage ended.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_tree::{
    Content, Digest, Facts, File, InsertError, Kind, Metadata, Node, Origin, Tree, TreePath,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What the steps of a stage changed and asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct StageChanges {
    /// The changes, sorted by path, a directory before what is in it.
    pub changes: Vec<RecordedChange>,
    /// What can't be in an image, and was left out: a line each.
    pub left_out: Vec<String>,
}

/// One changed path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct RecordedChange {
    /// Where.
    pub path: TreePath,
    /// What is there now.
    #[serde(flatten)]
    pub kind: RecordedKind,
}

/// What a change left at its path. `owner` is what a step asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub(crate) enum RecordedKind {
    /// Nothing.
    Removed,
    /// A directory; `is_opaque`: nothing of what was in it before is left.
    Directory { mode: u32, owner: Option<(u32, u32)>, is_opaque: bool },
    /// A file, its bytes a blob of the store.
    File {
        mode: u32,
        owner: Option<(u32, u32)>,
        mtime: i64,
        size_bytes: u64,
        digest: Digest,
        facts: Option<Arc<Facts>>,
    },
    /// A second name of a file that stands earlier in the list.
    HardLink { file: TreePath },
    /// A symbolic link; its target is bytes, since that is what they are.
    Symlink { target: Vec<u8>, owner: Option<(u32, u32)>, mtime: i64 },
}

impl StageChanges {
    /// Returns the digests and lengths of the files among the changes.
    pub(crate) fn blobs(&self) -> impl Iterator<Item = (&Digest, u64)> {
        self.changes.iter().filter_map(|change| match &change.kind {
            RecordedKind::File { digest, size_bytes, .. } => Some((digest, *size_bytes)),
            _ => None,
        })
    }

    /// Puts the changes on top of the stage's fresh root. `number` is the stage's.
    pub(crate) fn apply(
        &self,
        before: &Tree,
        number: u32,
        epoch: i64,
    ) -> Result<Tree, InsertError> {
        let mut tree = before.clone();
        let linked = linked_paths(before);
        // `tree` changes under way; what a file had is asked of `before`.
        for change in &self.changes {
            if linked.contains(&change.path) {
                // The other names of a file keep what they had.
                tree.remove(&change.path);
            }
            apply_change(&mut tree, before, change, number, epoch)?;
        }
        Ok(tree)
    }

    /// Says, a line each, at which paths another run of the same stage gave something else.
    pub(crate) fn differences(&self, other: &Self) -> Vec<(TreePath, String)> {
        let own: BTreeMap<_, _> = self.changes.iter().map(|c| (&c.path, &c.kind)).collect();
        let theirs: BTreeMap<_, _> = other.changes.iter().map(|c| (&c.path, &c.kind)).collect();
        let mut found = Vec::new();
        for (path, kind) in &own {
            match theirs.get(path) {
                None => found.push(((*path).clone(), "only one run made it".to_owned())),
                Some(theirs) if theirs == kind => {}
                Some(theirs) => found.push(((*path).clone(), how_kinds_differ(kind, theirs))),
            }
        }
        let extra = theirs.keys().filter(|path| !own.contains_key(*path));
        found.extend(extra.map(|path| ((*path).clone(), "only one run made it".to_owned())));
        found.sort();
        found
    }
}

/// Returns the paths that are one name of several of a file.
pub(super) fn linked_paths(tree: &Tree) -> BTreeSet<TreePath> {
    let links = tree.walk().filter_map(|(path, node)| match &node.kind {
        Kind::HardLink(file) => Some([path, file]),
        _ => None,
    });
    links.flatten().cloned().collect()
}

fn how_kinds_differ(one: &RecordedKind, other: &RecordedKind) -> String {
    use RecordedKind::{Directory, File, Symlink};
    match (one, other) {
        (
            File { digest, size_bytes, .. },
            File { digest: other_digest, size_bytes: other_size, .. },
        ) if digest != other_digest => {
            format!("{size_bytes} bytes {digest}, and {other_size} bytes {other_digest}")
        }
        (File { mode, .. }, File { mode: other, .. })
        | (Directory { mode, .. }, Directory { mode: other, .. })
            if mode != other =>
        {
            format!("mode {mode:04o}, and {other:04o}")
        }
        (File { mtime, .. }, File { mtime: other, .. })
        | (Symlink { mtime, .. }, Symlink { mtime: other, .. })
            if mtime != other =>
        {
            format!("time {mtime}, and {other}")
        }
        (Symlink { target, .. }, Symlink { target: other, .. }) if target != other => format!(
            "a link to {}, and to {}",
            String::from_utf8_lossy(target),
            String::from_utf8_lossy(other)
        ),
        _ => "another kind or owner".to_owned(),
    }
}

fn apply_change(
    tree: &mut Tree,
    before: &Tree,
    change: &RecordedChange,
    number: u32,
    epoch: i64,
) -> Result<(), InsertError> {
    let path = &change.path;
    let old = before.get(path);
    let metadata = |mode: u32, owner: Option<(u32, u32)>, mtime: i64, is_same_kind: bool| {
        let kept = old.filter(|_| is_same_kind).map(|node| &node.metadata);
        let (uid, gid) = owner.or(kept.map(|kept| (kept.uid, kept.gid))).unwrap_or((0, 0));
        // Capabilities and other attributes go when a file is written, as in the kernel.
        Metadata { uid, gid, ..Metadata::root(mode, mtime.min(epoch)) }
    };
    let origin = Origin::Stage(number);
    match &change.kind {
        RecordedKind::Removed => {
            tree.remove(path);
        }
        RecordedKind::Directory { mode, owner, is_opaque } => {
            let was_directory = tree.get(path).is_some_and(|node| node.kind == Kind::Directory);
            if *is_opaque || !was_directory {
                tree.remove(path);
            }
            let metadata = metadata(*mode, *owner, epoch, was_directory);
            // A directory that only got other files is still who made it's.
            let same = |node: &&Node| {
                (node.metadata.mode, node.metadata.uid, node.metadata.gid)
                    == (metadata.mode, metadata.uid, metadata.gid)
            };
            let kept = tree.get(path).filter(same).map(|node| (node.origin, node.metadata.mtime));
            let (origin, mtime) = kept.unwrap_or((origin, epoch));
            let metadata = Metadata { mtime, ..metadata };
            tree.insert(path.clone(), Node { metadata, kind: Kind::Directory, origin })?;
        }
        RecordedKind::File { mode, owner, mtime, size_bytes, digest, facts } => {
            let old_file = before.file(path).map(|(_, file)| file);
            let metadata = metadata(*mode, *owner, *mtime, old_file.is_some());
            // Bytes that a package brought stay where they are.
            let same = old_file.filter(|file| file.digest == *digest).cloned();
            let file = same.unwrap_or_else(|| File {
                size_bytes: *size_bytes,
                digest: *digest,
                content: Content::Blob,
                facts: facts.clone(),
            });
            clear(tree, path);
            tree.insert(path.clone(), Node { metadata, kind: Kind::File(file), origin })?;
        }
        RecordedKind::HardLink { file } => {
            clear(tree, path);
            let metadata = Metadata::root(0o644, epoch);
            let kind = Kind::HardLink(file.clone());
            tree.insert(path.clone(), Node { metadata, kind, origin })?;
        }
        RecordedKind::Symlink { target, owner, mtime } => {
            let was_link = old.is_some_and(|node| matches!(node.kind, Kind::Symlink(_)));
            let metadata = metadata(0o777, *owner, *mtime, was_link);
            clear(tree, path);
            let kind = Kind::Symlink(target.clone());
            tree.insert(path.clone(), Node { metadata, kind, origin })?;
        }
    }
    Ok(())
}

/// Makes room for something that is no directory.
fn clear(tree: &mut Tree, path: &TreePath) {
    if tree.get(path).is_some_and(|node| node.kind == Kind::Directory) {
        tree.remove(path);
    }
}

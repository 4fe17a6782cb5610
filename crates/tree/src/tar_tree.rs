// SPDX-License-Identifier: Apache-2.0
//! Whole trees to and from tar archives.

use std::io::{self, Read, Write};

use crate::{
    Contents, File, InsertError, Kind, Metadata, Node, Origin, TarEntryKind, TarLimits,
    TarReadError, TarReader, TarWriter, Tree, TreePath,
};

/// Why an archive does not make a tree.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TarTreeError {
    /// The archive is refused.
    #[error(transparent)]
    Tar(#[from] TarReadError),
    /// An entry can't be put into the tree.
    #[error(transparent)]
    Insert(#[from] InsertError),
    /// A device node or FIFO, if the limits let it through.
    #[error("{0} is a special file")]
    Special(TreePath),
}

impl Tree {
    /// Reads a tree from an archive, to the reader's end; all content is held in memory. Directories
    /// that are not in the archive are root's. A later entry takes the place of an earlier one; none
    /// may go through a symbolic link.
    pub fn from_tar<R: Read>(
        reader: R,
        limits: TarLimits,
        origin: Origin,
    ) -> Result<Self, TarTreeError> {
        let mut tree = Self::new();
        let mut tar = TarReader::new(reader, limits);
        while let Some(entry) = tar.next_entry()? {
            let kind = match entry.kind {
                TarEntryKind::Directory => Kind::Directory,
                TarEntryKind::Symlink(target) => Kind::Symlink(target),
                TarEntryKind::HardLink(target) => match tree.get(&target).map(|node| &node.kind) {
                    // A link to a link is a link to the same file.
                    Some(Kind::HardLink(file)) => Kind::HardLink(file.clone()),
                    _ => Kind::HardLink(target),
                },
                TarEntryKind::File(_) => {
                    let mut bytes = Vec::new();
                    tar.read_to_end(&mut bytes).map_err(TarReadError::from)?;
                    Kind::File(File::inline(bytes))
                }
                TarEntryKind::Special(_) => return Err(TarTreeError::Special(entry.path)),
            };
            let parent = entry.path.parent().unwrap_or_default();
            tree.make_directories(&parent, &Metadata::root(0o755, entry.metadata.mtime), origin)
                .map_err(|error| match error {
                    InsertError::NotADirectory { parent, .. } => {
                        InsertError::NotADirectory { path: entry.path.clone(), parent }
                    }
                    error => error,
                })?;
            tree.insert(entry.path, Node { metadata: entry.metadata, kind, origin })?;
        }
        tar.finish()?;
        Ok(tree)
    }
}

impl<W: Write> TarWriter<W> {
    /// Writes all nodes of a tree but its root, sorted, and then the hard links. The end marker is
    /// not written.
    pub fn write_tree(&mut self, tree: &Tree, contents: &dyn Contents) -> io::Result<()> {
        let is_link = |node: &Node| matches!(node.kind, Kind::HardLink(_));
        for links in [false, true] {
            for (path, node) in tree.walk() {
                if !path.is_root() && is_link(node) == links {
                    self.write_node(path, node, contents)?;
                }
            }
        }
        Ok(())
    }
}

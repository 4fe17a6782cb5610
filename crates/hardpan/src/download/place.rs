// SPDX-License-Identifier: Apache-2.0
//! Downloads into a tree.

use std::io::Read;
use std::sync::Arc;

use hardpan_definition::{FileSource, Spanned, Spdx};
use hardpan_package::elf::Probe;
use hardpan_tree::{
    Content, Digest, Facts, File, InsertError, Kind, Metadata, Node, Origin, PathError, Tree,
    TreePath,
};

use super::LockedFile;
use super::error::{DownloadProblem, Stop};
use super::fetch::{archive_of, locked_of};
use super::members::{Member, MemberKind};
use super::source::file_name;
use super::spdx;
use super::unpack::Unpacked;
use crate::error::Error;
use crate::session::Session;
use crate::store::StoreError;
use hardpan_tree::glob::Filter;

/// The mode of a file whose definition names none.
const FILE_MODE: u32 = 0o644;
/// The mode of directories that no archive names.
const DIRECTORY_MODE: u32 = 0o755;

/// Turns a definition's path, which may begin with `${source.dir}` or `${target.dir}`, into one of the
/// tree.
pub(crate) type Directories<'d> = dyn Fn(&str) -> Result<TreePath, PathError> + 'd;

/// A download that is in a tree.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct PlacedFile {
    /// Its URL, as the definition has it.
    pub url: String,
    /// Where it is: the file, or the directory that it was unpacked in.
    pub path: TreePath,
    /// The digest in the lock.
    pub sha256: Digest,
    /// The commit of a git repository.
    pub commit: Option<String>,
    /// Whether the workspace file says that it is another one than the definition's.
    pub is_substitute: bool,
    /// What the definition says of it for the SBOM.
    pub spdx: Option<Spdx>,
    /// Directories that stayed empty, because they are other repositories.
    pub submodules: Vec<String>,
}

/// Who and when.
#[derive(Clone, Copy)]
struct Marks {
    uid: u32,
    gid: u32,
    epoch: i64,
    origin: Origin,
}

impl Session<'_> {
    /// Puts downloads into a tree, in their order, and what the definition says of them for the SBOM. All of them are in the store
    /// ([`Session::fetch_files`]).
    ///
    /// `epoch` is the latest time that anything gets. The repository's own `.git` is left out of
    /// images: only a stage's origin keeps it.
    pub(crate) fn place_files(
        &self,
        tree: &mut Tree,
        files: &[Spanned<FileSource>],
        locked: &[LockedFile],
        directories: &Directories<'_>,
        epoch: i64,
        origin: Origin,
    ) -> Result<Vec<PlacedFile>, Error> {
        let place = |file: &Spanned<FileSource>| {
            let marks = Marks { uid: file.uid, gid: file.gid, epoch, origin };
            let placed = self.place_one(tree, file, locked, directories, marks);
            placed.map_err(|stop| stop.of(&file.url, file.span))
        };
        let placed: Vec<PlacedFile> = files.iter().map(place).collect::<Result<_, Error>>()?;
        let marks = Marks { uid: 0, gid: 0, epoch, origin };
        for document in spdx::documents(files, &placed, epoch) {
            let (url, span) = (&document.about.url, document.about.span);
            let file = File::inline(document.bytes);
            place_file(tree, &document.path, file, FILE_MODE, marks)
                .map_err(|stop| stop.of(url, span))?;
        }
        Ok(placed)
    }

    fn place_one(
        &self,
        tree: &mut Tree,
        file: &FileSource,
        locked: &[LockedFile],
        directories: &Directories<'_>,
        marks: Marks,
    ) -> Result<PlacedFile, Stop> {
        let locked = locked_of(file, locked)?;
        if let Some(name) = file.spdx.as_ref().and_then(|spdx| spdx.name.as_deref()) {
            spdx::document_path(name)?;
        }
        let wrong = |source| DownloadProblem::Path { path: file.path.value.clone(), source };
        let mut path = directories(&file.path).map_err(wrong)?;
        if let Some(archive) = archive_of(file) {
            let unpacked = self.unpacked(&locked.sha256, archive)?;
            path = place_archive(tree, file, &unpacked, path, marks)?;
        } else {
            if file.path.ends_with('/') {
                path = path.join(file_name(&file.url)).map_err(wrong)?;
            }
            let content = File {
                size_bytes: locked.size_bytes,
                digest: locked.sha256,
                content: Content::Blob,
                facts: self.facts(locked)?,
            };
            let mode = file.mode.unwrap_or(FILE_MODE);
            path = place_file(tree, &path, content, mode, marks)?;
        }
        Ok(PlacedFile {
            url: locked.url.clone(),
            path,
            sha256: locked.sha256,
            commit: locked.commit.clone(),
            is_substitute: (self.workspace.download_override(&file.url))
                .is_some_and(|(_, rule)| rule.checksum.is_some()),
            spdx: file.spdx.clone(),
            submodules: locked.submodules.clone(),
        })
    }

    /// Reads a blob for what its bytes say; its digest is checked on the way.
    fn facts(&self, locked: &LockedFile) -> Result<Option<Arc<Facts>>, Stop> {
        let path = self.store.blob_path(&locked.sha256);
        let mut reader = self.store.open_blob(&locked.sha256)?.ok_or(Stop::Offline)?;
        let mut probe = Probe::new(locked.size_bytes);
        let mut buffer = vec![0; 1 << 17];
        loop {
            let count = reader.read(&mut buffer);
            match count.map_err(|error| StoreError::of("read", &path, error))? {
                0 => return Ok(probe.finish().map(Arc::new)),
                count => probe.feed(&buffer[..count]),
            }
        }
    }
}

/// Puts a file somewhere and returns where that is, links followed.
fn place_file(
    tree: &mut Tree,
    path: &TreePath,
    content: File,
    mode: u32,
    marks: Marks,
) -> Result<TreePath, Stop> {
    let path = tree.resolve_parent(path)?;
    let parent = path.parent().ok_or(InsertError::Root)?;
    tree.make_directories(&parent, &Metadata::root(DIRECTORY_MODE, marks.epoch), marks.origin)?;
    let node = Node {
        metadata: marks.metadata(mode, marks.epoch),
        kind: Kind::File(content),
        origin: marks.origin,
    };
    if tree.get(&path).is_some_and(|old| old.kind == Kind::Directory) {
        return Err(InsertError::DirectoryNotEmpty { path }.into());
    }
    give_way(tree, &path);
    tree.insert(path.clone(), node)?;
    Ok(path)
}

/// Unpacks an archive, or the one file of what is only compressed.
fn place_archive(
    tree: &mut Tree,
    file: &FileSource,
    unpacked: &Unpacked,
    path: TreePath,
    marks: Marks,
) -> Result<TreePath, Stop> {
    if let [Member { path: own, kind: MemberKind::File(content), .. }] = &unpacked.members[..]
        && own.is_root()
    {
        let content = File {
            size_bytes: content.size_bytes,
            digest: content.digest,
            content: segment(unpacked, content.offset_bytes),
            facts: content.facts.clone(),
        };
        let mode = file.mode.unwrap_or(FILE_MODE);
        return place_file(tree, &path, content, mode, marks);
    }
    let wanted = wanted(file, &unpacked.members, marks.origin)?;
    let base = existing_directory(tree, &path)?;
    let above = base.parent().unwrap_or_default();
    tree.make_directories(&above, &Metadata::root(DIRECTORY_MODE, marks.epoch), marks.origin)?;
    tree.make_directories(&base, &marks.metadata(DIRECTORY_MODE, marks.epoch), marks.origin)?;
    // Second names last, whatever their order: they need the first.
    let is_link =
        |member: &&Member| matches!(&member.kind, MemberKind::File(file) if file.link_to.is_some());
    let (links, others): (Vec<&Member>, Vec<&Member>) = wanted.into_iter().partition(is_link);
    for member in others.into_iter().chain(links) {
        let Ok(place) = base.join(member.path.as_bytes()) else {
            let source = PathError::TooLong { length_bytes: member.path.as_bytes().len() };
            return Err(DownloadProblem::Path { path: file.path.value.clone(), source }.into());
        };
        place_member(tree, &base, place, member, unpacked, marks)?;
    }
    Ok(base)
}

/// Chooses members by the definition's patterns.
fn wanted<'m>(
    file: &FileSource,
    members: &'m [Member],
    origin: Origin,
) -> Result<Vec<&'m Member>, DownloadProblem> {
    let filter = Filter::parse(
        file.includes.iter().map(|glob| glob.value.as_str()),
        file.excludes.iter().map(|glob| glob.value.as_str()),
    )
    .map_err(|error| DownloadProblem::Pattern(error.to_string()))?;
    let unused = filter.unused_includes(members.iter().map(|member| &member.path));
    if let Some(pattern) = unused.first().and_then(|number| file.includes.get(*number)) {
        return Err(DownloadProblem::NoMember { pattern: pattern.value.clone() });
    }
    let is_git = file.url.starts_with("git+") && !matches!(origin, Origin::Stage(_));
    let repository = TreePath::literal(".git");
    Ok(members
        .iter()
        .filter(|member| !member.path.is_root() && filter.wants(&member.path))
        .filter(|member| !(is_git && member.path.starts_with(&repository)))
        .collect())
}

fn place_member(
    tree: &mut Tree,
    base: &TreePath,
    place: TreePath,
    member: &Member,
    unpacked: &Unpacked,
    marks: Marks,
) -> Result<(), Stop> {
    // The tree's own links are followed (`/lib` may lead to `/usr/lib`). The archive's can't be on the
    // way: no member is below one that is no directory.
    let place = tree.resolve_parent(&place)?;
    let parent = place.parent().unwrap_or_default();
    let directory = marks.metadata(DIRECTORY_MODE, marks.epoch);
    tree.make_directories(&parent, &directory, marks.origin)?;
    let kind = match &member.kind {
        MemberKind::Directory => {
            // What is there stays as it is, a link to a directory included.
            let is_there = tree
                .resolve(&place)
                .is_ok_and(|real| tree.get(&real).is_some_and(|node| node.kind == Kind::Directory));
            if is_there {
                return Ok(());
            }
            Kind::Directory
        }
        MemberKind::Symlink(target) => Kind::Symlink(target.clone()),
        MemberKind::File(file) => {
            let linked = file.link_to.as_ref().and_then(|to| base.join(to.as_bytes()).ok());
            let linked = linked.and_then(|to| tree.resolve_parent(&to).ok());
            let content = segment(unpacked, file.offset_bytes);
            let is_same = |to: &TreePath| {
                tree.get(to).is_some_and(
                    |node| matches!(&node.kind, Kind::File(other) if other.content == content),
                )
            };
            match linked.filter(|to| *to != place && is_same(to)) {
                Some(to) => Kind::HardLink(to),
                None => Kind::File(File {
                    size_bytes: file.size_bytes,
                    digest: file.digest,
                    content,
                    facts: file.facts.clone(),
                }),
            }
        }
    };
    let mode = if matches!(kind, Kind::Symlink(_)) { 0o777 } else { member.mode };
    let metadata = marks.metadata(mode, member.mtime);
    give_way(tree, &place);
    tree.insert(place, Node { metadata, kind, origin: marks.origin })?;
    Ok(())
}

/// Makes room for a file: other names of what was there keep that.
fn give_way(tree: &mut Tree, place: &TreePath) {
    if tree.get(place).is_some_and(|old| matches!(old.kind, Kind::File(_))) {
        tree.remove(place);
    }
}

fn segment(unpacked: &Unpacked, offset_bytes: u64) -> Content {
    Content::Segment { segment: unpacked.segment, offset_bytes }
}

/// Follows the links of a path to a directory that may not be there yet.
fn existing_directory(tree: &Tree, path: &TreePath) -> Result<TreePath, DownloadProblem> {
    match tree.resolve(path) {
        Ok(path) => Ok(path),
        Err(_) => Ok(tree.resolve_parent(path)?),
    }
}

impl Marks {
    /// Times are those of the archive, but none from after the epoch.
    fn metadata(self, mode: u32, mtime: i64) -> Metadata {
        let mtime = mtime.clamp(0, self.epoch.max(0));
        Metadata { uid: self.uid, gid: self.gid, ..Metadata::root(mode, mtime) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finish::testing::{EPOCH, tree};

    #[test]
    fn other_names_of_a_replaced_file_keep_it() {
        let mut tree = tree(&["bin/one"]);
        let one = TreePath::literal("bin/one");
        let two = TreePath::literal("bin/two");
        let node = Node { kind: Kind::HardLink(one.clone()), ..tree.get(&one).unwrap().clone() };
        tree.insert(two.clone(), node).unwrap();
        let marks = Marks { uid: 0, gid: 0, epoch: EPOCH, origin: Origin::Definition };
        place_file(&mut tree, &one, File::inline(&b"new"[..]), 0o755, marks).unwrap();
        let digest = |path| tree.file(path).map(|(_, file)| file.digest);
        assert_eq!(digest(&one), Some(Digest::of(b"new")));
        assert_eq!(digest(&two), Some(Digest::of(b"bin/one")));
    }
}

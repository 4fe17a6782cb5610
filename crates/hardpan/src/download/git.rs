// SPDX-License-Identifier: Apache-2.0
//! A commit of a git repository as a tar archive of our own: always the same bytes for one commit.

use std::fs::File;
use std::io::{self, BufWriter, Write};

use hardpan_remote::git::{
    Checkout, EntryKind, GitError, IndexEntry, ObjectId, ObjectKind, Pack, PackError, PackLimits,
    repository_files,
};
use hardpan_remote::{Cancel, FileSink, Request};
use hardpan_tree::{
    Digest, END_MARKER, HashingWriter, Metadata, PATH_BYTES_MAX, TarKind, TarWriter, TreePath,
};
use serde::{Deserialize, Serialize};

use super::error::{ArchiveError, DownloadProblem, Stop};
use super::members::MEMBERS_MAX;
use super::source::Plan;
use super::{DOWNLOAD_BYTES_MAX, LockedFile, SUBMODULES_MAX};
use crate::session::Session;
use crate::store::StoreError;

/// Part of the key of what was made: another number makes everything anew.
const FORMAT_VERSION: u32 = 1;
/// The largest pack of one commit, in bytes. The largest public repositories have about 2 GB.
const PACK_BYTES_MAX: u64 = 4 << 30;
/// Where a note is kept of what a commit became.
const RECORDS: &str = "downloads";

/// What a commit became.
#[derive(Debug, Serialize, Deserialize)]
struct Made {
    sha256: Digest,
    size_bytes: u64,
    submodules: Vec<String>,
}

impl Session<'_> {
    /// Brings a commit into the store, unless it is there, and returns what the lock says of it.
    pub(super) fn git_archive(
        &self,
        plan: &Plan<'_>,
        repository: &str,
        commit: ObjectId,
        cancel: &Cancel,
    ) -> Result<LockedFile, Stop> {
        let url = &plan.file.url.value;
        let key = Digest::of(format!("hardpan git {FORMAT_VERSION} {commit} {url}").as_bytes());
        let made = match self.store.read_record::<Made>(RECORDS, &key) {
            Ok(Some(made)) if self.store.has_blob(&made.sha256, made.size_bytes) => made,
            Ok(_) | Err(StoreError::Unreadable { .. }) => {
                let made = self.make_archive(plan, repository, commit, cancel)?;
                self.store.write_record(RECORDS, &key, &made)?;
                made
            }
            Err(error) => return Err(error.into()),
        };
        Ok(LockedFile {
            url: url.clone(),
            sha256: made.sha256,
            size_bytes: made.size_bytes,
            commit: Some(commit.to_string()),
            submodules: made.submodules,
        })
    }

    fn make_archive(
        &self,
        plan: &Plan<'_>,
        repository: &str,
        commit: ObjectId,
        cancel: &Cancel,
    ) -> Result<Made, Stop> {
        let remote = self.remote.ok_or(Stop::Offline)?;
        let request = Request { limit_bytes: PACK_BYTES_MAX, ..plan.request(self, repository)? };
        let bad = |source: PackError| {
            DownloadProblem::Git(GitError::Pack { url: request.url.clone(), source })
        };
        let file = self.store.temporary()?;
        let mut sink = FileSink::new(file.path());
        remote.git_fetch(&request, commit, &mut sink, &self.progress(), cancel)?;
        let local = |error| StoreError::io("read", file.path(), error);
        let pack = File::open(file.path()).map_err(local)?;
        let pack = Pack::open(pack, PackLimits::default()).map_err(bad)?;
        let most = usize::try_from(MEMBERS_MAX).unwrap_or(usize::MAX);
        let checkout = Checkout::read(&pack, commit, most).map_err(bad)?;
        let submodules = submodules(&checkout)?;

        let output = self.store.temporary()?;
        let writer = HashingWriter::new(BufWriter::with_capacity(1 << 17, output));
        let written = write_archive(writer, &pack, &checkout, &plan.file.url.value, &bad)?;
        let (writer, sha256, size_bytes) = written;
        let file = writer
            .into_inner()
            .map_err(|error| StoreError::io("write", self.store.root(), error.into_error()))?;
        self.store.publish_blob(file, &sha256)?;
        Ok(Made { sha256, size_bytes, submodules })
    }
}

/// Lists the paths of other repositories.
fn submodules(checkout: &Checkout) -> Result<Vec<String>, ArchiveError> {
    let is_submodule = |entry: &&IndexEntry| entry.kind == EntryKind::Submodule;
    let paths = checkout.entries.iter().filter(is_submodule);
    let paths: Vec<String> =
        paths.map(|entry| String::from_utf8_lossy(&entry.path).into_owned()).collect();
    if paths.len() > SUBMODULES_MAX {
        let maximum = SUBMODULES_MAX as u64;
        return Err(ArchiveError::Limit { what: "submodules", maximum });
    }
    Ok(paths)
}

/// Writes the repository's own files first, then what is at the commit.
fn write_archive<W: Write>(
    writer: HashingWriter<W>,
    pack: &Pack,
    checkout: &Checkout,
    url: &str,
    bad: &dyn Fn(PackError) -> DownloadProblem,
) -> Result<(W, Digest, u64), Stop> {
    let total_bytes: u64 = checkout.entries.iter().map(|entry| entry.size_bytes).sum();
    if total_bytes > DOWNLOAD_BYTES_MAX {
        let maximum = DOWNLOAD_BYTES_MAX;
        return Err(ArchiveError::Limit { what: "bytes of files", maximum }.into());
    }
    let failed = |error| StoreError::io("write", std::path::Path::new("an archive"), error);
    let metadata = |mode| Metadata::root(mode, checkout.time);
    let mut tar = TarWriter::new(writer);
    let repository = url.strip_prefix("git+").unwrap_or(url);
    let repository = repository.split('#').next().unwrap_or(repository);
    for file in repository_files(pack, checkout, repository).map_err(bad)? {
        let path = TreePath::parse(&file.path).map_err(ArchiveError::Path)?;
        let Some(bytes) = file.bytes else {
            tar.write_header(&path, &metadata(0o755), TarKind::Directory).map_err(failed)?;
            continue;
        };
        let kind = TarKind::File(bytes.len() as u64);
        tar.write_header(&path, &metadata(0o644), kind).map_err(failed)?;
        tar.write_data(&bytes).map_err(failed)?;
    }
    for entry in &checkout.entries {
        let path = TreePath::parse(&entry.path).map_err(ArchiveError::Path)?;
        match entry.kind {
            EntryKind::Directory | EntryKind::Submodule => {
                tar.write_header(&path, &metadata(0o755), TarKind::Directory).map_err(failed)?;
            }
            EntryKind::Symlink => {
                let target = link_target(pack, entry, &path, bad)?;
                let kind = TarKind::Symlink(&target);
                tar.write_header(&path, &metadata(0o777), kind).map_err(failed)?;
            }
            EntryKind::File | EntryKind::Executable => {
                let mode = if entry.kind == EntryKind::Executable { 0o755 } else { 0o644 };
                let kind = TarKind::File(entry.size_bytes);
                tar.write_header(&path, &metadata(mode), kind).map_err(failed)?;
                pack.copy_blob(entry.id, &mut Data(&mut tar)).map_err(bad)?;
            }
        }
    }
    tar.write_raw(&END_MARKER).map_err(failed)?;
    Ok(tar.into_inner().finish())
}

fn link_target(
    pack: &Pack,
    entry: &IndexEntry,
    path: &TreePath,
    bad: &dyn Fn(PackError) -> DownloadProblem,
) -> Result<Vec<u8>, Stop> {
    let wrong = || ArchiveError::Member { path: path.clone(), problem: "a bad link target" };
    if entry.size_bytes == 0 || entry.size_bytes > PATH_BYTES_MAX as u64 {
        return Err(wrong().into());
    }
    let target = pack.read(entry.id, ObjectKind::Blob).map_err(bad)?;
    if target.contains(&0) { Err(wrong().into()) } else { Ok(target) }
}

/// The data of the entry that was begun last.
struct Data<'t, W: Write>(&'t mut TarWriter<W>);

impl<W: Write> Write for Data<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write_data(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

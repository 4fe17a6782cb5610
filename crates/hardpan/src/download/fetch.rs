// SPDX-License-Identifier: Apache-2.0
//! At build time: exactly what the lock says, in the store, and archives unpacked.

use std::collections::BTreeMap;

use hardpan_definition::{FileSource, Spanned};
use hardpan_remote::{Cancel, FileSink, Request};
use hardpan_tree::Digest;

use super::LockedFile;
use super::archive;
use super::error::{DownloadProblem, Stop};
use super::source::{Plan, Source, file_name};
use crate::error::Error;
use crate::observer::Event;
use crate::project::CatalogRoot;
use crate::session::Session;

/// Finds what the lock says of a file.
pub(super) fn locked_of<'l>(
    file: &FileSource,
    locked: &'l [LockedFile],
) -> Result<&'l LockedFile, DownloadProblem> {
    let own = locked.iter().find(|locked| locked.url == file.url.value);
    own.ok_or(DownloadProblem::NotLocked)
}

impl Session<'_> {
    /// Makes sure that every download is in the store, fetching what is missing, and that archives
    /// which are to be unpacked are.
    pub(crate) fn fetch_files(
        &self,
        catalog: &CatalogRoot,
        files: &[Spanned<FileSource>],
        locked: &[LockedFile],
    ) -> Result<(), Error> {
        let files: Vec<&Spanned<FileSource>> = files.iter().collect();
        self.announce(&files, locked);
        self.for_each_download(&files, |file, cancel| {
            let locked = locked_of(file, locked)?;
            let plan = Plan::new(file, self.workspace);
            self.ensure(catalog, &plan, locked, cancel)?;
            let Some(archive) = archive_of(file) else { return Ok(()) };
            match self.unpacked(&locked.sha256, archive) {
                Err(stop) if stop.is_damage() && self.remote.is_some() => {
                    self.store.remove_blob(&locked.sha256)?;
                    self.ensure(catalog, &plan, locked, cancel)?;
                    self.unpacked(&locked.sha256, archive).map(|_| ())
                }
                result => result.map(|_| ()),
            }
        })?;
        Ok(())
    }

    /// Says how much is going to be downloaded.
    fn announce(&self, files: &[&Spanned<FileSource>], locked: &[LockedFile]) {
        let missing: BTreeMap<Digest, u64> = files
            .iter()
            .filter_map(|file| locked_of(file, locked).ok())
            .filter(|locked| !self.store.has_blob(&locked.sha256, locked.size_bytes))
            .map(|locked| (locked.sha256, locked.size_bytes))
            .collect();
        if !missing.is_empty() {
            let size_bytes = missing.values().fold(0, |sum: u64, size| sum.saturating_add(*size));
            self.observer.event(Event::Downloads { files: missing.len(), size_bytes });
        }
    }

    fn ensure(
        &self,
        catalog: &CatalogRoot,
        plan: &Plan<'_>,
        locked: &LockedFile,
        cancel: &Cancel,
    ) -> Result<(), Stop> {
        let is_there = || self.store.has_blob(&locked.sha256, locked.size_bytes);
        // A file of the catalog may have changed since, so it is looked at every time.
        if !matches!(plan.source, Source::Local(_)) && is_there() {
            self.store.touch_blob(&locked.sha256, self.now);
            return Ok(());
        }
        // Of two threads or processes that want the same, the second finds it done.
        let lock = self.store.lock_name(&locked.sha256)?;
        let actual = match &plan.source {
            Source::Local(path) => self.take_local(catalog, path)?.0,
            _ if is_there() => locked.sha256,
            Source::Web(url) => {
                self.fetch_exactly(plan, url, locked, cancel)?;
                locked.sha256
            }
            Source::Git { repository, .. } => {
                let commit = locked.commit.as_ref().and_then(|commit| commit.parse().ok());
                let commit = commit.ok_or(DownloadProblem::NotLocked)?;
                self.git_archive(plan, repository, commit, cancel)?.sha256
            }
        };
        self.store.unlock_name(&locked.sha256, lock);
        if actual == locked.sha256 {
            return Ok(());
        }
        let (expected, actual) = (locked.sha256.to_string(), actual.to_string());
        Err(DownloadProblem::Checksum { expected, actual }.into())
    }

    fn fetch_exactly(
        &self,
        plan: &Plan<'_>,
        url: &str,
        locked: &LockedFile,
        cancel: &Cancel,
    ) -> Result<(), Stop> {
        let remote = self.remote.ok_or(Stop::Offline)?;
        let request = Request {
            expected: Some((locked.sha256, locked.size_bytes)),
            ..plan.request(self, url)?
        };
        let mut sink = FileSink::new(self.store.partial_path(&locked.sha256));
        remote.download(&request, &mut sink, &self.progress(), cancel)?;
        Ok(self.store.adopt_partial(&locked.sha256)?)
    }
}

/// Returns how a download is unpacked, if it is.
pub(super) fn archive_of(file: &FileSource) -> Option<archive::Archive> {
    if file.url.starts_with("git+") {
        return Some(archive::Archive::Tar(super::decompress::Method::None));
    }
    archive::to_unpack(file_name(&file.url), &file.path)
}

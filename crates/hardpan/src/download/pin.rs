// SPDX-License-Identifier: Apache-2.0
//! At resolve time: what every download is today.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::path::Path;

use hardpan_definition::{FileSource, Spanned};
use hardpan_remote::git::ObjectId;
use hardpan_remote::{Cancel, Client, Request, Silent};
use hardpan_tree::Digest;

use super::checksum_file::{self, CHECKSUM_FILE_BYTES_MAX, Expected};
use super::error::{DownloadProblem, Stop};
use super::source::{Plan, Source, Wanted};
use super::{DOWNLOAD_BYTES_MAX, LockedFile, demand_line};
use crate::error::Error;
use crate::parallel;
use crate::project::CatalogRoot;
use crate::session::Session;
use crate::store::StoreError;

/// How many more threads than processors download: most of them wait for the network.
const WAITING_THREADS: usize = 3;
/// The most downloads at a time: servers see one client, and each archive that is unpacked has its
/// decompressor's dictionary in memory.
const THREADS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

impl Session<'_> {
    /// Looks at every download as it is today, brings it into the store, and returns what the lock
    /// says of each, in the order of the files. What is wanted twice is fetched once.
    pub(crate) fn pin_files(
        &self,
        catalog: &CatalogRoot,
        files: &[Spanned<FileSource>],
    ) -> Result<Vec<LockedFile>, Error> {
        let mut numbers = BTreeMap::new();
        let mut unique: Vec<&Spanned<FileSource>> = Vec::new();
        for file in files {
            numbers.entry(demand_line(file, self.workspace)).or_insert_with(|| {
                unique.push(file);
                unique.len() - 1
            });
        }
        let pinned = self.for_each_download(&unique, |file, cancel| {
            self.pin(catalog, &Plan::new(file, self.workspace), cancel)
        })?;
        let mut by_url: BTreeMap<&str, &LockedFile> = BTreeMap::new();
        for (file, locked) in unique.iter().zip(&pinned) {
            let known = *by_url.entry(&locked.url).or_insert(locked);
            // The lock has one line for a URL.
            if known.sha256 != locked.sha256 {
                let (expected, actual) = (known.sha256.to_string(), locked.sha256.to_string());
                let problem = DownloadProblem::Checksum { expected, actual };
                return Err(Stop::from(problem).of(&locked.url, file.span));
            }
        }
        let number = |file| numbers.get(&demand_line(file, self.workspace)).copied();
        Ok(files.iter().filter_map(|file| pinned.get(number(file)?).cloned()).collect())
    }

    /// Does something for several downloads at a time. The first failure calls the others off.
    pub(super) fn for_each_download<R: Send>(
        &self,
        files: &[&Spanned<FileSource>],
        work: impl Fn(&FileSource, &Cancel) -> Result<R, Stop> + Sync,
    ) -> Result<Vec<R>, Error> {
        let cancel = Cancel::new();
        let threads = if self.remote.is_some() {
            self.threads.saturating_add(WAITING_THREADS)
        } else {
            self.threads
        };
        let run = |file: &&Spanned<FileSource>| {
            let done = work(file, &cancel).inspect_err(|_| cancel.cancel());
            done.map_err(|stop| stop.of(&file.url, file.url.span))
        };
        let was_cancelled = |error: &Error| match error {
            Error::Download(error) => match &error.problem {
                DownloadProblem::Remote(error) => error.is_cancelled(),
                DownloadProblem::Git(error) => error.is_cancelled(),
                _ => false,
            },
            _ => false,
        };
        parallel::map_ranked(threads.min(THREADS_MAX), files, run, was_cancelled)
    }

    fn pin(
        &self,
        catalog: &CatalogRoot,
        plan: &Plan<'_>,
        cancel: &Cancel,
    ) -> Result<LockedFile, Stop> {
        if let Source::Git { repository, reference } = &plan.source {
            let commit = self.resolve_commit(plan, repository, reference, cancel)?;
            return self.git_archive(plan, repository, commit, cancel);
        }
        let expected = self.expected(plan, cancel)?;
        let (sha256, size_bytes) = match (&plan.source, &expected) {
            (Source::Local(path), _) => {
                let found = self.take_local(catalog, path)?;
                check(expected.as_ref(), &found.0, &self.store.blob_path(&found.0))?;
                found
            }
            (Source::Web(_) | Source::Git { .. }, Some(Expected::Sha256(digest)))
                if self.store.blob_size_bytes(digest).is_some() =>
            {
                (*digest, self.store.blob_size_bytes(digest).unwrap_or_default())
            }
            (Source::Web(url), _) => self.take_web(plan, url, expected.as_ref(), cancel)?,
            (Source::Git { .. }, _) => return Err(Stop::Offline),
        };
        let url = plan.file.url.value.clone();
        Ok(LockedFile { url, sha256, size_bytes, commit: None, submodules: Vec::new() })
    }

    fn resolve_commit(
        &self,
        plan: &Plan<'_>,
        repository: &str,
        reference: &str,
        cancel: &Cancel,
    ) -> Result<ObjectId, Stop> {
        let commit = if let Ok(commit) = reference.parse() {
            commit
        } else {
            let remote = self.remote.ok_or(Stop::Offline)?;
            let request = plan.request(self, repository)?;
            remote.git_resolve(&request, reference, &self.progress(), cancel)?
        };
        match &plan.wanted {
            Wanted::Commit(wanted) if *wanted != commit => Err(DownloadProblem::Commit {
                reference: reference.to_owned(),
                expected: wanted.to_string(),
                actual: commit.to_string(),
            }
            .into()),
            _ => Ok(commit),
        }
    }

    /// Returns what the bytes must be, asking the checksum file if there is one.
    fn expected(&self, plan: &Plan<'_>, cancel: &Cancel) -> Result<Option<Expected>, Stop> {
        let url = match &plan.wanted {
            Wanted::Sha256(digest) => return Ok(Some(Expected::Sha256(*digest))),
            Wanted::Listed(url) => url,
            // The definition's grammar keeps commits for repositories.
            Wanted::Anything | Wanted::Commit(_) => return Ok(None),
        };
        let remote = self.remote.ok_or(Stop::Offline)?;
        let overridden = self.workspace.download_override(url);
        let place = overridden.map_or_else(|| url.clone(), |(to, _)| to);
        let mut request = Request::new(&place.replace(' ', "%20"), CHECKSUM_FILE_BYTES_MAX)?;
        if let Source::Web(own) = &plan.source
            && own.parse::<hardpan_remote::Url>().is_ok_and(|own| own.is_same_server(&request.url))
        {
            request.authorization = plan.authorization(self, own)?;
        }
        let text = get_text(remote, &request, cancel)?;
        let found = checksum_file::find(&text, plan.file_name());
        let found =
            found.map_err(|source| DownloadProblem::ChecksumFile { url: url.clone(), source })?;
        Ok(Some(found))
    }

    /// Downloads a file whose digest may not be known.
    fn take_web(
        &self,
        plan: &Plan<'_>,
        url: &str,
        expected: Option<&Expected>,
        cancel: &Cancel,
    ) -> Result<(Digest, u64), Stop> {
        let remote = self.remote.ok_or(Stop::Offline)?;
        let request = plan.request(self, url)?;
        // By the URL, since nothing else is known.
        let name = Digest::of(format!("hardpan download {url}").as_bytes());
        let done = self.fetch_unknown(remote, &name, &request, cancel, |path, done| {
            check(expected, &done.digest, path)
        })?;
        Ok((done.digest, done.size_bytes))
    }

    /// Copies a file of the catalog into the store.
    pub(super) fn take_local(
        &self,
        catalog: &CatalogRoot,
        path: &str,
    ) -> Result<(Digest, u64), Stop> {
        let fail = |source| DownloadProblem::Local { path: path.to_owned(), source };
        if path.starts_with('/') {
            let problem = "it is not relative to the catalog's folder";
            return Err(fail(io::Error::new(io::ErrorKind::InvalidInput, problem)).into());
        }
        let place = catalog.locate(path).map_err(fail)?;
        let metadata = std::fs::metadata(&place).map_err(fail)?;
        if !metadata.is_file() {
            let problem = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
            return Err(fail(problem).into());
        }
        if metadata.len() > DOWNLOAD_BYTES_MAX {
            return Err(fail(io::ErrorKind::FileTooLarge.into()).into());
        }
        let file = File::open(&place).map_err(fail)?;
        Ok(self.store.put_blob_from(&mut file.take(DOWNLOAD_BYTES_MAX))?)
    }
}

fn get_text(remote: &Client, request: &Request, cancel: &Cancel) -> Result<String, Stop> {
    match remote.get(request, &Silent, cancel)? {
        // Bytes that are no text are no part of a checksum.
        hardpan_remote::Fetched::Fresh { bytes, .. } => {
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => Ok(String::new()),
    }
}

/// Compares a file with what it must be.
fn check(expected: Option<&Expected>, actual: &Digest, path: &Path) -> Result<(), Stop> {
    let actual = match expected {
        None => return Ok(()),
        Some(Expected::Sha256(_)) => Expected::Sha256(*actual),
        Some(Expected::Sha512(_)) => {
            Expected::Sha512(sha512(path).map_err(|error| StoreError::io("read", path, error))?)
        }
    };
    match expected {
        Some(expected) if *expected != actual => Err(DownloadProblem::Checksum {
            expected: expected.to_string(),
            actual: actual.to_string(),
        }
        .into()),
        _ => Ok(()),
    }
}

fn sha512(path: &Path) -> io::Result<String> {
    let mut context = ring::digest::Context::new(&ring::digest::SHA512);
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 17];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => context.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let mut digits = String::with_capacity(128);
    for byte in context.finish().as_ref() {
        let _ = write!(digits, "{byte:02x}");
    }
    Ok(digits)
}

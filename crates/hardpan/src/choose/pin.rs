// SPDX-License-Identifier: Apache-2.0
//! What an index of Alpine does not say of a package: the digest of its file.
//!
//! An index has the hash of a package's control part, which has the hash of its files. So a package is
//! fetched before it is locked, and held against that; from then on the lock's SHA-256 counts.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use hardpan_package::apk::index::Checksum;
use hardpan_package::apk::package::check as hold_against;
use hardpan_package::unpack::{Limits, UnpackError};
use hardpan_remote::{Cancel, Request};
use hardpan_tree::{Digest, Hasher};

use super::alpine::Chosen;
use crate::demand::ArchiveDemand;
use crate::error::Error;
use crate::fetch::UNPACKING_THREADS_MAX;
use crate::lock::LockedPackage;
use crate::observer::Event;
use crate::parallel;
use crate::session::Session;
use crate::store::StoreError;

/// Changes with what is checked before a package's digest is remembered.
const VERSION: u32 = 1;
/// How many more threads than processors fetch packages.
const WAITING_THREADS: usize = 2;

impl Session<'_> {
    /// Returns the lock's entries of packages. Those that were never seen are fetched.
    pub(super) fn pin_alpine(&self, chosen: &[Chosen<'_>]) -> Result<Vec<LockedPackage>, Error> {
        let keys: Vec<Digest> = chosen.iter().map(key).collect();
        let mut known: Vec<Option<Digest>> = Vec::new();
        for key in &keys {
            // A record that can't be read is as good as none.
            known.push(self.store.read_record::<Digest>("apk-files", key).ok().flatten());
        }
        let missing: Vec<usize> = (0..chosen.len()).filter(|&n| known[n].is_none()).collect();
        if !missing.is_empty() {
            let size_bytes = missing.iter().map(|&n| chosen[n].package.size_bytes).sum();
            self.observer.event(Event::Downloads { files: missing.len(), size_bytes });
        }
        let cancel = Cancel::new();
        let pin = |&number: &usize| {
            self.pin_one(&chosen[number], &keys[number], &cancel).inspect_err(|_| cancel.cancel())
        };
        let was_cancelled =
            |error: &Error| matches!(error, Error::Remote(remote) if remote.is_cancelled());
        let threads = self.threads.saturating_add(WAITING_THREADS).min(UNPACKING_THREADS_MAX);
        let pinned = parallel::map_ranked(threads, &missing, pin, was_cancelled)?;
        for (number, digest) in missing.into_iter().zip(pinned) {
            known[number] = Some(digest);
        }
        let mut locked: Vec<LockedPackage> = chosen
            .iter()
            .zip(known)
            .filter_map(|(chosen, digest)| Some(locked(chosen, digest?)))
            .collect();
        locked.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(locked)
    }

    /// Fetches a package, holds it against its index, and remembers its digest.
    fn pin_one(&self, chosen: &Chosen<'_>, key: &Digest, cancel: &Cancel) -> Result<Digest, Error> {
        let Chosen { archive, package } = chosen;
        let Some(remote) = self.remote else {
            let what = format!("package {} {}", package.name, package.version);
            return Err(Error::Offline { what });
        };
        let path = path_in(archive, &package.path);
        let url = format!("{}/{path}", self.mirrors.uri(&archive.name)?);
        let request = Request::new(&url, package.size_bytes)?;
        let done = self.fetch_unknown(remote, key, &request, cancel, |path, done| {
            check(chosen, path, done.size_bytes)
        })?;
        self.store.write_record("apk-files", key, &done.digest)?;
        Ok(done.digest)
    }
}

/// Holds a package's file against its index.
fn check(chosen: &Chosen<'_>, path: &Path, size_bytes: u64) -> Result<(), Error> {
    let package = &chosen.package;
    if size_bytes != package.size_bytes {
        return Err(Error::PackageSize {
            package: package.name.clone(),
            version: package.version.clone(),
            expected: package.size_bytes,
            actual: size_bytes,
        });
    }
    let file = File::open(path).map_err(|source| StoreError::io("open", path, source))?;
    let wrap = |source: UnpackError| Error::Package {
        package: package.name.clone(),
        version: package.version.clone(),
        source: Box::new(source),
    };
    let mut reader = BufReader::with_capacity(1 << 16, file);
    // Nobody's signature counts but that of the index.
    hold_against(&mut reader, &Limits::default(), &package.checksum).map_err(wrap)
}

/// Returns under what a package's digest is remembered: all that its index and place say of it.
fn key(chosen: &Chosen<'_>) -> Digest {
    let Chosen { archive, package } = chosen;
    let (kind, checksum): (&[u8], &[u8]) = match &package.checksum {
        Checksum::Sha1(bytes) => (b"sha1", bytes),
        Checksum::Sha256(bytes) => (b"sha256", bytes),
    };
    let mut hasher = Hasher::new();
    hasher.update(&VERSION.to_be_bytes());
    for text in [archive.name.as_bytes(), path_in(archive, &package.path).as_bytes(), kind] {
        hasher.update(text);
        hasher.update(b"\n");
    }
    hasher.update(checksum);
    hasher.update(&package.size_bytes.to_be_bytes());
    hasher.finish()
}

/// Returns the path of a package below its archive.
fn path_in(archive: &ArchiveDemand, path: &str) -> String {
    if archive.suite.is_empty() { path.to_owned() } else { format!("{}/{path}", archive.suite) }
}

fn locked(chosen: &Chosen<'_>, sha256: Digest) -> LockedPackage {
    let Chosen { archive, package } = chosen;
    LockedPackage {
        name: package.name.clone(),
        version: package.version.clone(),
        architecture: package.architecture.clone(),
        archive: archive.name.clone(),
        path: path_in(archive, &package.path),
        sha256,
        size_bytes: package.size_bytes,
        source: package.origin.clone().filter(|origin| *origin != package.name),
        source_version: None,
        scripts: None,
    }
}

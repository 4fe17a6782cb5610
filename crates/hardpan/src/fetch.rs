// SPDX-License-Identifier: Apache-2.0
//! Packages into the store: downloaded, checked, and turned into segments once.

use std::collections::BTreeMap;
use std::io::{self, BufReader};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use hardpan_image::Compression;
use hardpan_package::segment::{SEGMENT_FORMAT_VERSION, Unpacked, segment_key};
use hardpan_package::strip::StripPolicy;
use hardpan_package::unpack::{Expected, UnpackError, UnpackOptions, unpack};
use hardpan_remote::{Cancel, Client, Downloaded, FileSink, RemoteError, Request};
use hardpan_tree::Digest;

use crate::error::Error;
use crate::lock::LockedPackage;
use crate::observer::Event;
use crate::parallel;
use crate::session::Session;
use crate::store::{Store, StoreError, StoredSegment};

/// How many more threads than processors fetch packages: while one waits for the network, another unpacks.
const WAITING_THREADS: usize = 2;
/// The most threads that unpack at a time: each takes about 10 MiB, most of it the decompressor's
/// dictionary, and memory should not grow with the machine.
pub(crate) const UNPACKING_THREADS_MAX: NonZeroUsize = NonZeroUsize::MIN.saturating_add(11);

/// A package as a segment in the store.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) unpacked: Arc<Unpacked>,
    pub(crate) segment: StoredSegment,
}

impl Session<'_> {
    /// Makes sure that every package is in the store as a segment in this compression.
    pub(crate) fn prepare(
        &self,
        packages: &BTreeMap<Digest, &LockedPackage>,
        strip: &StripPolicy,
        compression: Compression,
    ) -> Result<BTreeMap<Digest, Prepared>, Error> {
        // Largest first, so that no thread is left with a long job at the end.
        let mut order: Vec<&LockedPackage> = packages.values().copied().collect();
        order.sort_by_key(|package| (std::cmp::Reverse(package.size_bytes), package.sha256));
        let missing: Vec<&LockedPackage> = order
            .iter()
            .copied()
            .filter(|package| {
                let key = segment_key(&package.sha256, strip, SEGMENT_FORMAT_VERSION);
                self.store.segment(&key).is_none()
                    && !self.store.has_blob(&package.sha256, package.size_bytes)
            })
            .collect();
        if !missing.is_empty() {
            let size_bytes = missing.iter().map(|package| package.size_bytes).sum();
            self.observer.event(Event::Downloads { files: missing.len(), size_bytes });
        }
        self.observer.event(Event::Unpacks { packages: order.len() });
        let threads = self.threads.saturating_add(WAITING_THREADS);
        let threads = if missing.is_empty() { self.threads } else { threads };
        let threads = threads.min(UNPACKING_THREADS_MAX);
        let cancel = Cancel::new();
        let prepare = |package: &&LockedPackage| {
            let prepared = self
                .prepare_one(package, strip, compression, &cancel)
                .inspect_err(|_| cancel.cancel())?;
            self.observer.event(Event::Unpacked { package: &package.name });
            Ok::<_, Error>((package.sha256, prepared))
        };
        let was_cancelled =
            |error: &Error| matches!(error, Error::Remote(remote) if remote.is_cancelled());
        let prepared = parallel::map_ranked(threads, &order, prepare, was_cancelled)?;
        Ok(prepared.into_iter().collect())
    }

    fn prepare_one(
        &self,
        package: &LockedPackage,
        strip: &StripPolicy,
        compression: Compression,
        cancel: &Cancel,
    ) -> Result<Prepared, Error> {
        let key = segment_key(&package.sha256, strip, SEGMENT_FORMAT_VERSION);
        if let Some((mut segment, unpacked)) = self.store.segment_with_record(&key)? {
            match self.store.compress_segment(&mut segment, compression) {
                Ok(()) => return Ok(Prepared { unpacked: Arc::new(unpacked), segment }),
                // Derived data: making it again is better than asking anybody to.
                Err(StoreError::DamagedSegment { .. }) => self.store.remove_segment(&key)?,
                Err(error) => return Err(error.into()),
            }
        }
        self.fetch(package, cancel)?;
        match self.unpack(package, &key, strip, compression) {
            Err(Error::Store(StoreError::Damaged { .. })) if self.remote.is_some() => {
                self.store.remove_blob(&package.sha256)?;
                self.fetch(package, cancel)?;
                self.unpack(package, &key, strip, compression)
            }
            result => result,
        }
    }

    /// Downloads a package unless the store has it.
    fn fetch(&self, package: &LockedPackage, cancel: &Cancel) -> Result<(), Error> {
        if self.store.has_blob(&package.sha256, package.size_bytes) {
            return Ok(());
        }
        let Some(remote) = self.remote else {
            return Err(Error::Offline {
                what: format!("package {} {}", package.name, package.version),
            });
        };
        // Of two processes that want the same file, the second finds it done.
        let lock = self.store.lock_name(&package.sha256)?;
        if self.store.has_blob(&package.sha256, package.size_bytes) {
            return Ok(());
        }
        let url = format!("{}/{}", self.mirrors.uri(&package.archive)?, package.path);
        let request = Request::exactly(&url, package.sha256, package.size_bytes)?;
        let mut sink = FileSink::new(self.store.partial_path(&package.sha256));
        remote.download(&request, &mut sink, &self.progress(), cancel)?;
        self.store.adopt_partial(&package.sha256)?;
        // Whoever waits for it, or makes a new one, looks for the blob first.
        self.store.unlock_name(&package.sha256, lock);
        Ok(())
    }

    /// Downloads a file whose digest may not be known, under a name that stands for it. `check` sees the
    /// file before the store has it.
    pub(crate) fn fetch_unknown<E: From<RemoteError> + From<StoreError>>(
        &self,
        remote: &Client,
        name: &Digest,
        request: &Request,
        cancel: &Cancel,
        check: impl FnOnce(&Path, &Downloaded) -> Result<(), E>,
    ) -> Result<Downloaded, E> {
        // Of two processes that want the same, the second waits.
        let lock = self.store.lock_name(name)?;
        let partial = self.store.partial_path(name);
        let mut sink = FileSink::new(&partial);
        let fetched = remote.download(request, &mut sink, &self.progress(), cancel);
        let taken = fetched.map_err(E::from).and_then(|done| {
            check(&partial, &done)?;
            self.store.adopt_file(&partial, &done.digest)?;
            Ok(done)
        });
        if taken.is_err() {
            // Nothing could be continued with it.
            let _ = std::fs::remove_file(&partial);
        }
        // Whoever waits for it downloads as well, so its file stays.
        drop(lock);
        taken
    }

    fn unpack(
        &self,
        package: &LockedPackage,
        key: &Digest,
        strip: &StripPolicy,
        compression: Compression,
    ) -> Result<Prepared, Error> {
        let blob = self.store.open_blob(&package.sha256)?.ok_or_else(|| Error::Offline {
            what: format!("package {} {}", package.name, package.version),
        })?;
        let options = UnpackOptions {
            strip: strip.clone(),
            expected: Some(Expected {
                name: package.name.clone(),
                version: package.version.clone(),
                architecture: package.architecture.clone(),
            }),
            ..UnpackOptions::default()
        };
        let mut writer = self.store.segment_writer(compression)?;
        let mut reader = BufReader::with_capacity(1 << 16, blob);
        let unpacked = unpack(package.format(), &mut reader, &options, &mut writer);
        // To the end, so that every byte counts for the digest: a damaged file is the store's fault,
        // whatever the unpacker thought of it.
        if let Err(error) = io::copy(&mut reader, &mut io::sink()) {
            return Err(damage(error, self.store));
        }
        let unpacked = unpacked.map_err(|source| unpack_error(package, source))?;
        let segment = self.store.finish_segment(key, writer, unpacked.segment_digest, &unpacked)?;
        Ok(Prepared { unpacked: Arc::new(unpacked), segment })
    }
}

/// Takes the store's own error out of the I/O error that carried it.
fn damage(error: io::Error, store: &Store) -> Error {
    StoreError::of("read", store.root(), error).into()
}

/// Sets a full disk apart from a bad package: it comes through as an I/O error of the writer.
fn unpack_error(package: &LockedPackage, error: UnpackError) -> Error {
    if let UnpackError::Write(source) = error {
        return StoreError::io("write", Path::new("a segment"), source).into();
    }
    Error::Package {
        package: package.name.clone(),
        version: package.version.clone(),
        source: Box::new(error),
    }
}

/// Returns the number of threads to use on a machine with this many processors.
pub fn default_threads(processors: NonZeroUsize) -> NonZeroUsize {
    processors.min(NonZeroUsize::MIN.saturating_add(15))
}

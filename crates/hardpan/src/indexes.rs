// SPDX-License-Identifier: Apache-2.0
//! Package indexes: fetched when they changed, verified, parsed once.

use std::collections::BTreeMap;
use std::path::Path;

use hardpan_image::rfc3339;
use hardpan_package::deb::archive::{
    ArchiveError as IndexError, Fetch, FetchError, FetchRequest, PackagesFile, SignedRelease,
    load_packages, load_release,
};
use hardpan_package::deb::index::{Origin, PackageIndex, ReadAt};
use hardpan_package::deb::sources::{self, Source};
use hardpan_package::openpgp::Keyring;
use hardpan_remote::{Cancel, Client, Fetched, Request, Validators};
use hardpan_tree::{Digest, Hasher};
use serde::{Deserialize, Serialize};

use crate::demand::{ArchiveDemand, KeyringDemand};
use crate::error::Error;
use crate::lock::LockedArchive;
use crate::observer::Event;
use crate::project::{self, CatalogRoot};
use crate::session::Session;
use crate::store::StoreError;

/// The largest keyring, in bytes.
const KEYRING_BYTES_MAX: u64 = 4 << 20;
/// Changes with what is stored under an index's key.
const INDEX_VERSION: u32 = 1;

/// The keys that sign Debian's archives, by release.
const DEBIAN_KEYS: [(u8, &[u8]); 2] =
    [(12, include_bytes!("../keys/debian-12.asc")), (13, include_bytes!("../keys/debian-13.asc"))];

/// The indexes of one suite for some architectures.
#[derive(Debug)]
pub(crate) struct Suite {
    /// What the lock says of it.
    pub(crate) locked: LockedArchive,
    /// Under what the parsed indexes are in the store.
    pub(crate) keys: Vec<Digest>,
    /// By architecture.
    pub(crate) indexes: BTreeMap<&'static str, Vec<PackageIndex>>,
}

impl Session<'_> {
    /// Loads the suites that archives are asked for, in their order.
    pub(crate) fn load_suites(
        &self,
        archives: &[ArchiveDemand],
        architectures: &[&'static str],
        catalog: &CatalogRoot,
    ) -> Result<Vec<Suite>, Error> {
        self.observer.event(Event::Indexes { suites: archives.len() });
        crate::parallel::map(self.threads.saturating_add(archives.len()), archives, |archive| {
            self.load_suite(archive, architectures, catalog)
        })
    }

    fn load_suite(
        &self,
        archive: &ArchiveDemand,
        architectures: &[&'static str],
        catalog: &CatalogRoot,
    ) -> Result<Suite, Error> {
        let keyring = self.keyring(&archive.keyring, catalog)?;
        let source = self.source(archive)?;
        let fetch = StoreFetch { session: self };
        let wrap = |source| index_error(archive, source);
        let signed = load_release(&fetch, &source, &keyring, self.now_seconds()).map_err(wrap)?;
        let mut indexes = BTreeMap::new();
        let mut keys = Vec::new();
        for &architecture in architectures {
            let key = index_key(archive, &signed, architecture);
            let parsed = if let Some(parsed) = self.cached_indexes(&key)? {
                parsed
            } else {
                let files = load_packages(&fetch, &source, &signed, architecture).map_err(wrap)?;
                let parsed = parse_indexes(archive, architecture, files)?;
                self.cache_indexes(&key, &parsed)?;
                // From the store only what is looked at takes memory.
                self.cached_indexes(&key)?.unwrap_or(parsed)
            };
            indexes.insert(architecture, parsed);
            keys.push(key);
        }
        let name = format!("{} {}", archive.name, archive.suite);
        self.observer.event(Event::Index { name: &name, fetched: self.remote.is_some() });
        let evidence = &signed.evidence;
        let mut signed_by: Vec<String> =
            evidence.signatures.iter().map(|good| good.key.as_str().to_owned()).collect();
        signed_by.sort();
        signed_by.dedup();
        Ok(Suite {
            locked: LockedArchive {
                archive: archive.name.clone(),
                suite: archive.suite.clone(),
                date: rfc3339(evidence.date_seconds),
                release: evidence.text_digest,
                signed_by,
            },
            keys,
            indexes,
        })
    }

    /// Returns the archive as it can be reached from here.
    fn source(&self, archive: &ArchiveDemand) -> Result<Source, Error> {
        let uri = self.mirrors.uri(&archive.name);
        let line = format!("deb {uri} {} {}", archive.suite, archive.components.join(" "));
        let parsed = sources::parse_lines(&line);
        parsed.sources.into_iter().next().ok_or_else(|| Error::IndexText {
            archive: archive.name.clone(),
            suite: archive.suite.clone(),
            reason: parsed.errors.first().map_or_else(String::new, |error| error_chain(error)),
        })
    }

    fn keyring(&self, demand: &KeyringDemand, catalog: &CatalogRoot) -> Result<Keyring, Error> {
        let parse = |name: &str, bytes: &[u8]| {
            Keyring::parse(bytes).map_err(|source| Error::Keyring { name: name.to_owned(), source })
        };
        match demand {
            KeyringDemand::Debian(release) => {
                if let Some(path) = &self.workspace.keyrings.debian {
                    let path = catalog.path().join(path);
                    let bytes = read_keyring(&path)?;
                    return parse(&path.to_string_lossy(), &bytes);
                }
                let keys = DEBIAN_KEYS.iter().find(|(known, _)| known == release);
                parse(&format!("of Debian {release}"), keys.map_or(&[], |(_, keys)| keys))
            }
            KeyringDemand::Urls(urls) => {
                let mut keyring: Option<Keyring> = None;
                for url in urls {
                    let bytes =
                        self.get_current(url, KEYRING_BYTES_MAX)?.ok_or_else(|| Error::Io {
                            action: "fetch the keyring",
                            path: url.into(),
                            source: std::io::ErrorKind::NotFound.into(),
                        })?;
                    let keys = parse(url, &bytes)?;
                    match &mut keyring {
                        Some(keyring) => keyring.extend(keys),
                        None => keyring = Some(keys),
                    }
                }
                // A demand has at least one URL.
                keyring.map_or_else(|| parse("of the definition", &[]), Ok)
            }
        }
    }

    /// Returns the current content of a URL: asked for conditionally, or, offline, as it was last.
    /// `None` where there is none.
    fn get_current(&self, url: &str, limit_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
        let key = Digest::of(url.as_bytes());
        // A record that can't be read is as good as none.
        let known: Option<Known> = match self.store.read_record("releases", &key) {
            Err(StoreError::Unreadable { .. }) => None,
            result => result?,
        };
        let Some(remote) = self.remote else {
            let bytes = match known {
                Some(known) => self.store.read_blob(&known.blob)?,
                None => None,
            };
            return bytes.map(Some).ok_or_else(|| Error::Offline { what: url.to_owned() });
        };
        // Without the bytes there is nothing that "not modified" could mean.
        let known = known.filter(|known| self.store.has_blob(&known.blob, known.size_bytes));
        let old = match self.get(remote, url, limit_bytes, known.as_ref())? {
            Answer::NotFound => return Ok(None),
            Answer::Fresh(bytes) => return Ok(Some(bytes)),
            Answer::NotModified => known.map(|known| known.blob),
        };
        let Some(blob) = old else { return Ok(None) };
        match self.store.read_blob(&blob) {
            Ok(Some(bytes)) => return Ok(Some(bytes)),
            Ok(None) => {}
            Err(StoreError::Damaged { .. }) => self.store.remove_blob(&blob)?,
            Err(error) => return Err(error.into()),
        }
        match self.get(remote, url, limit_bytes, None)? {
            Answer::Fresh(bytes) => Ok(Some(bytes)),
            Answer::NotFound | Answer::NotModified => Ok(None),
        }
    }

    fn get(
        &self,
        remote: &Client,
        url: &str,
        limit_bytes: u64,
        known: Option<&Known>,
    ) -> Result<Answer, Error> {
        let mut request = Request::new(url, limit_bytes)?;
        request.conditional = known.map(|known| Validators {
            etag: known.etag.clone(),
            last_modified: known.last_modified.clone(),
        });
        match remote.get(&request, &self.progress(), &Cancel::new()) {
            Ok(Fetched::Fresh { bytes, digest, validators, .. }) => {
                self.store.put_blob(&bytes)?;
                let known = Known {
                    blob: digest,
                    size_bytes: bytes.len() as u64,
                    etag: validators.etag,
                    last_modified: validators.last_modified,
                };
                self.store.write_record("releases", &Digest::of(url.as_bytes()), &known)?;
                Ok(Answer::Fresh(bytes))
            }
            Ok(_) => Ok(Answer::NotModified),
            Err(error) if error.is_not_found() => Ok(Answer::NotFound),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads parsed indexes; one that can't be read counts as not there.
    fn cached_indexes(&self, key: &Digest) -> Result<Option<Vec<PackageIndex>>, Error> {
        let Ok(Some(keys)) = self.store.read_record::<Vec<Digest>>("indexes", key) else {
            return Ok(None);
        };
        let mut indexes = Vec::new();
        for key in keys {
            let Some((file, size_bytes)) = self.store.open_index(&key)? else { return Ok(None) };
            let Ok(index) = PackageIndex::open(Box::new(IndexFile(file)), size_bytes) else {
                return Ok(None);
            };
            indexes.push(index);
        }
        Ok(Some(indexes))
    }

    fn cache_indexes(&self, key: &Digest, indexes: &[PackageIndex]) -> Result<(), Error> {
        let mut keys = Vec::new();
        for (number, index) in indexes.iter().enumerate() {
            let mut hasher = Hasher::new();
            hasher.update(key.as_bytes());
            hasher.update(&(number as u64).to_be_bytes());
            let key = hasher.finish();
            // An index that was parsed just now is in memory whole.
            let bytes = index.to_bytes().map_err(|error| Error::IndexText {
                archive: index.origin().archive.clone(),
                suite: index.origin().suite.clone(),
                reason: error_chain(&error),
            })?;
            self.store.write_index(&key, &bytes)?;
            keys.push(key);
        }
        Ok(self.store.write_record("indexes", key, &keys)?)
    }
}

/// Says which archive an error is about; what is the store's or the user's matter is passed on as it is.
fn index_error(archive: &ArchiveDemand, source: IndexError) -> Error {
    let source = match source {
        IndexError::Fetch { archive: displayed, name, source: FetchError::Failed(inner) } => {
            let source = match inner.downcast::<Error>() {
                Ok(own) if matches!(*own, Error::Store(_) | Error::Offline { .. }) => return *own,
                Ok(own) => FetchError::Failed(own),
                Err(other) => FetchError::Failed(other),
            };
            IndexError::Fetch { archive: displayed, name, source }
        }
        other => other,
    };
    Error::Index {
        archive: archive.name.clone(),
        suite: archive.suite.clone(),
        source: Box::new(source),
    }
}

/// A file of the store that an index is read from in blocks.
struct IndexFile(std::fs::File);

impl ReadAt for IndexFile {
    fn read_at(&self, offset_bytes: u64, buffer: &mut [u8]) -> std::io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.0, buffer, offset_bytes)
    }
}

/// What is remembered of a URL whose content changes.
#[derive(Debug, Serialize, Deserialize)]
struct Known {
    blob: Digest,
    size_bytes: u64,
    etag: Option<String>,
    last_modified: Option<String>,
}

enum Answer {
    NotFound,
    NotModified,
    Fresh(Vec<u8>),
}

/// Parses the verified indexes of a suite.
fn parse_indexes(
    archive: &ArchiveDemand,
    architecture: &str,
    files: Vec<PackagesFile>,
) -> Result<Vec<PackageIndex>, Error> {
    let parse = |file: PackagesFile| {
        let origin = Origin {
            archive: archive.name.clone(),
            suite: archive.suite.clone(),
            component: file.component,
            architecture: architecture.to_owned(),
        };
        PackageIndex::parse(file.text, origin).map_err(|error| Error::IndexText {
            archive: archive.name.clone(),
            suite: archive.suite.clone(),
            reason: error_chain(&error),
        })
    };
    files.into_iter().map(parse).collect()
}

/// What a parsed index is a function of.
fn index_key(archive: &ArchiveDemand, signed: &SignedRelease, architecture: &str) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(&INDEX_VERSION.to_be_bytes());
    hasher.update(signed.evidence.text_digest.as_bytes());
    for text in [archive.name.as_str(), &archive.suite, &archive.components.join(" "), architecture]
    {
        hasher.update(text.as_bytes());
        hasher.update(b"\n");
    }
    hasher.finish()
}

/// Gets an archive's files by way of the store.
struct StoreFetch<'f, 's> {
    session: &'f Session<'s>,
}

impl Fetch for StoreFetch<'_, '_> {
    fn get(&self, request: &FetchRequest<'_>) -> Result<Vec<u8>, FetchError> {
        let failed = |error: Error| FetchError::Failed(Box::new(error));
        let session = self.session;
        let Some(entry) = request.expected else {
            let bytes = session.get_current(request.url, request.limit_bytes).map_err(failed)?;
            return bytes.ok_or(FetchError::NotFound);
        };
        if session.store.has_blob(&entry.digest, entry.size_bytes) {
            match session.store.read_blob(&entry.digest) {
                Ok(Some(bytes)) => return Ok(bytes),
                Ok(None) => {}
                Err(StoreError::Damaged { .. }) if session.remote.is_some() => {
                    session.store.remove_blob(&entry.digest).map_err(|e| failed(e.into()))?;
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
        let Some(remote) = session.remote else {
            let what = format!("package index {}", request.url);
            return Err(failed(Error::Offline { what }));
        };
        let request = Request::exactly(request.url, entry.digest, entry.size_bytes)
            .map_err(|error| failed(error.into()))?;
        match remote.get(&request, &session.progress(), &Cancel::new()) {
            Ok(Fetched::Fresh { bytes, .. }) => {
                session.store.put_blob(&bytes).map_err(|error| failed(error.into()))?;
                Ok(bytes)
            }
            // Nothing conditional was asked.
            Ok(_) => Err(FetchError::NotFound),
            Err(error) if error.is_not_found() => Err(FetchError::NotFound),
            Err(error) => Err(failed(error.into())),
        }
    }
}

fn read_keyring(path: &Path) -> Result<Vec<u8>, Error> {
    let read = |source| project::ProjectError::Read { path: path.to_path_buf(), source };
    let metadata = std::fs::metadata(path).map_err(read)?;
    if metadata.len() > KEYRING_BYTES_MAX {
        return Err(project::ProjectError::TooLarge {
            path: path.to_path_buf(),
            limit_bytes: KEYRING_BYTES_MAX,
        }
        .into());
    }
    Ok(std::fs::read(path).map_err(read)?)
}

/// Joins an error and its causes with colons.
pub(crate) fn error_chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

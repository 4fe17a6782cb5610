// SPDX-License-Identifier: Apache-2.0
//! Debian's package indexes: verified, and parsed once.

use std::collections::BTreeMap;

use hardpan_image::rfc3339;
use hardpan_package::deb::archive::{
    ArchiveError, Fetch, FetchError, FetchRequest, PackagesFile, SignedRelease, load_packages,
    load_release,
};
use hardpan_package::deb::index::{Origin, PackageIndex, ReadAt};
use hardpan_package::deb::sources::{self, Source};
use hardpan_package::openpgp::Keyring;
use hardpan_remote::{Cancel, Fetched, Request};
use hardpan_tree::{Digest, Hasher};

use super::{Indexes, KEYRING_BYTES_MAX, Suite, error_chain, read_key_file};
use crate::demand::{ArchiveDemand, KeyringDemand};
use crate::distribution::debian;
use crate::error::Error;
use crate::lock::LockedArchive;
use crate::project::CatalogRoot;
use crate::session::Session;
use crate::store::StoreError;

/// Changes with what is stored under an index's key.
const INDEX_VERSION: u32 = 1;

impl Session<'_> {
    pub(super) fn load_debian_suite(
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
                keys: BTreeMap::new(),
                signed_by,
            },
            keys,
            indexes: Indexes::Deb(indexes),
        })
    }

    /// Returns the archive as it can be reached from here.
    fn source(&self, archive: &ArchiveDemand) -> Result<Source, Error> {
        let uri = self.mirrors.uri(&archive.name)?;
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
                    let bytes = read_key_file(&path)?;
                    return parse(&path.to_string_lossy(), &bytes);
                }
                parse(&format!("of Debian {release}"), debian::keys(*release))
            }
            KeyringDemand::Urls(urls) | KeyringDemand::Alpine(urls) => {
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
fn index_error(archive: &ArchiveDemand, source: ArchiveError) -> Error {
    let source = match source {
        ArchiveError::Fetch { archive: displayed, name, source: FetchError::Failed(inner) } => {
            let source = match inner.downcast::<Error>() {
                Ok(own) if matches!(*own, Error::Store(_) | Error::Offline { .. }) => return *own,
                Ok(own) => FetchError::Failed(own),
                Err(other) => FetchError::Failed(other),
            };
            ArchiveError::Fetch { archive: displayed, name, source }
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

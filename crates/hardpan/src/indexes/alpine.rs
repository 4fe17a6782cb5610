// SPDX-License-Identifier: Apache-2.0
//! Alpine's package indexes.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_image::rfc3339;
use hardpan_package::apk::adb::{self, AdbError};
use hardpan_package::apk::index::{Index, IndexError};
use hardpan_package::apk::key::{KeyError, Keys};
use hardpan_package::apk::signature::{GoodSignature, SignatureError};
use hardpan_package::apk::signed::{SignedIndexError, verify_index};
use hardpan_tree::{Digest, Hasher};

use super::{Indexes, KEYRING_BYTES_MAX, Suite, read_key_file};
use crate::demand::{ArchiveDemand, KeyringDemand};
use crate::distribution::alpine;
use crate::error::Error;
use crate::lock::LockedArchive;
use crate::project::CatalogRoot;
use crate::session::Session;
use crate::store::StoreError;

/// The name of an index.
const INDEX: &str = "APKINDEX.tar.gz";
/// The largest index as it is fetched, in bytes; the largest of Alpine's has about 3 MiB.
const INDEX_BYTES_MAX: u64 = 64 << 20;
/// How the names of key files end.
const KEY_ENDING: &str = ".rsa.pub";
/// The most key files of a folder.
const KEY_FILES_MAX: usize = 256;

/// Keys, and those of them that the program does not have built in.
#[derive(Default)]
struct Keyring {
    keys: Keys,
    /// The texts of keys that definitions name, as far as they were needed.
    fetched: BTreeMap<String, String>,
}

impl Session<'_> {
    pub(super) fn load_alpine_suite(
        &self,
        archive: &ArchiveDemand,
        architectures: &[&'static str],
        catalog: &CatalogRoot,
    ) -> Result<Suite, Error> {
        let mut keyring = Keyring { keys: self.alpine_keys(catalog)?, ..Keyring::default() };
        let mut indexes = BTreeMap::new();
        let mut hasher = Hasher::new();
        let mut signed_by = BTreeSet::new();
        let mut newest = 0;
        for &architecture in architectures {
            let read = self.read_index(archive, architecture, &mut keyring)?;
            let built = read.index.packages.iter().filter_map(|package| package.build_time);
            newest = built.fold(newest, i64::max);
            hasher.update(read.signed_digest.as_bytes());
            signed_by.extend(read.signatures.into_iter().map(|good| good.key));
            indexes.insert(architecture, read.index);
        }
        Ok(Suite {
            locked: LockedArchive {
                archive: archive.name.clone(),
                suite: archive.suite.clone(),
                // An index has no date of its own.
                date: rfc3339(newest),
                release: hasher.finish(),
                keys: keyring.fetched,
                signed_by: signed_by.into_iter().collect(),
            },
            keys: Vec::new(),
            indexes: Indexes::Apk(indexes),
        })
    }

    /// Fetches an index and verifies it. Keys that the definition names are fetched if the index may be signed by them.
    fn read_index(
        &self,
        archive: &ArchiveDemand,
        architecture: &str,
        keyring: &mut Keyring,
    ) -> Result<ReadIndex, Error> {
        let url = self.index_url(archive, architecture)?;
        let bytes = self.get_current(&url, INDEX_BYTES_MAX)?;
        let bytes = bytes.ok_or_else(|| Error::NoIndex { url: url.clone() })?;
        let read = |keys: &Keys| read(&bytes, architecture, keys);
        let result = match read(&keyring.keys) {
            Err(ApkIndexError::Unknown(signatures)) => {
                if self.fetch_keys(archive, &signatures, keyring)? {
                    read(&keyring.keys)
                } else {
                    Err(ApkIndexError::Unknown(signatures))
                }
            }
            result => result,
        };
        result.map_err(|source| Error::ApkIndex {
            archive: archive.name.clone(),
            suite: archive.suite.clone(),
            architecture: architecture.to_owned(),
            source: Box::new(source),
        })
    }

    fn index_url(&self, archive: &ArchiveDemand, architecture: &str) -> Result<String, Error> {
        let base = self.mirrors.uri(&archive.name)?;
        Ok(match archive.components.first() {
            Some(file) => format!("{base}/{file}"),
            None if archive.suite.is_empty() => format!("{base}/{architecture}/{INDEX}"),
            None => format!("{base}/{}/{architecture}/{INDEX}", archive.suite),
        })
    }

    /// Fetches the keys that signatures may be by, of those that the definition names; returns whether there are any.
    /// Signatures of format 2 name their keys, those of format 3 have their digests.
    fn fetch_keys(
        &self,
        archive: &ArchiveDemand,
        signatures: &[String],
        keyring: &mut Keyring,
    ) -> Result<bool, Error> {
        let KeyringDemand::Alpine(urls) = &archive.keyring else { return Ok(false) };
        let mut is_any = false;
        for url in urls {
            let name = url.rsplit('/').next().unwrap_or(url);
            let is_by_it = |text: &String| text.ends_with(&format!(" by {name}"));
            if !archive.components.is_empty() || signatures.iter().any(is_by_it) {
                let pem = self.get_current(url, KEYRING_BYTES_MAX)?;
                let pem = pem.ok_or_else(|| Error::NoIndex { url: url.clone() })?;
                keyring.keys.add(name, &pem).map_err(|source| key_error(url, source))?;
                let text = String::from_utf8_lossy(&pem).into_owned();
                keyring.fetched.insert(name.to_owned(), text);
                is_any = true;
            }
        }
        Ok(is_any)
    }

    /// Returns the distribution's own keys: those built in, or those of the workspace's folder.
    fn alpine_keys(&self, catalog: &CatalogRoot) -> Result<Keys, Error> {
        let mut keys = Keys::new();
        let Some(folder) = &self.workspace.keyrings.alpine else {
            for (name, pem) in alpine::KEYS {
                keys.add(name, pem).map_err(|source| key_error(name, source))?;
            }
            return Ok(keys);
        };
        let folder = catalog.path().join(folder);
        let io = |source| StoreError::io("read", &folder, source);
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(io)? {
            let path = entry.map_err(io)?.path();
            if path.to_string_lossy().ends_with(KEY_ENDING) && paths.len() < KEY_FILES_MAX {
                paths.push(path);
            }
        }
        paths.sort();
        for path in paths {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let pem = read_key_file(&path)?;
            keys.add(&name, &pem).map_err(|source| key_error(&name, source))?;
        }
        Ok(keys)
    }
}

fn key_error(name: &str, source: KeyError) -> Error {
    Error::ApkKey { name: name.to_owned(), source }
}

/// An index that was verified.
struct ReadIndex {
    index: Index,
    signed_digest: Digest,
    signatures: Vec<GoodSignature>,
}

/// Why an index of Alpine is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApkIndexError {
    /// Nobody who is trusted signed it.
    #[error("not signed by a trusted key, but as {}", .0.join(", "))]
    Unknown(Vec<String>),
    /// It can't be trusted, or not be read.
    #[error(transparent)]
    Signed(SignedIndexError),
    /// The same for one of format 3.
    #[error(transparent)]
    Adb(AdbError),
    /// Its text is wrong.
    #[error(transparent)]
    Text(#[from] IndexError),
}

impl ApkIndexError {
    /// Whether this is a matter of trust rather than of a damaged archive.
    pub(crate) fn is_trust(&self) -> bool {
        match self {
            Self::Unknown(_) | Self::Text(_) => true,
            Self::Signed(error) => error.is_trust(),
            Self::Adb(error) => error.is_trust(),
        }
    }
}

impl From<SignedIndexError> for ApkIndexError {
    fn from(error: SignedIndexError) -> Self {
        match error {
            SignedIndexError::Signature(SignatureError::Unknown { signatures }) => {
                Self::Unknown(signatures)
            }
            error => Self::Signed(error),
        }
    }
}

impl From<AdbError> for ApkIndexError {
    fn from(error: AdbError) -> Self {
        match error {
            AdbError::Signature(SignatureError::Unknown { signatures }) => {
                Self::Unknown(signatures)
            }
            error => Self::Adb(error),
        }
    }
}

/// Verifies and reads an index of either format. One of format 3 may have packages of several architectures.
fn read(bytes: &[u8], architecture: &str, keys: &Keys) -> Result<ReadIndex, ApkIndexError> {
    if bytes.starts_with(adb::MAGIC) {
        let read = adb::index::read(bytes, keys)?;
        let mut index = read.index;
        index.packages.retain(|package| [architecture, "noarch"].contains(&&*package.architecture));
        let (signed_digest, signatures) = (read.signed_digest, read.signatures);
        return Ok(ReadIndex { index, signed_digest, signatures });
    }
    let signed = verify_index(bytes, keys)?;
    let index = Index::parse(&signed.description, signed.text.as_bytes(), architecture)?;
    let (signed_digest, signatures) = (signed.signed_digest, signed.signatures);
    Ok(ReadIndex { index, signed_digest, signatures })
}

// SPDX-License-Identifier: Apache-2.0
//! Alpine's package indexes.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_image::rfc3339;
use hardpan_package::apk::index::Index;
use hardpan_package::apk::key::{KeyError, Keys};
use hardpan_package::apk::signature::SignatureError;
use hardpan_package::apk::signed::{SignedIndex, SignedIndexError, verify_index};
use hardpan_tree::Hasher;

use super::{Indexes, KEYRING_BYTES_MAX, Suite, error_chain, read_key_file};
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
            let signed = self.signed_index(archive, architecture, &mut keyring)?;
            let index = Index::parse(&signed.description, signed.text.as_bytes(), architecture);
            let index = index.map_err(|error| text_error(archive, error_chain(&error)))?;
            let built = index.packages.iter().filter_map(|package| package.build_time);
            newest = built.fold(newest, i64::max);
            hasher.update(signed.signed_digest.as_bytes());
            signed_by.extend(signed.signatures.into_iter().map(|good| good.key));
            indexes.insert(architecture, index);
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

    /// Fetches an index and verifies it. Keys that the definition names are fetched if the index is signed by them.
    fn signed_index(
        &self,
        archive: &ArchiveDemand,
        architecture: &str,
        keyring: &mut Keyring,
    ) -> Result<SignedIndex, Error> {
        let base = self.mirrors.uri(&archive.name)?;
        let suite = if archive.suite.is_empty() { "" } else { &format!("/{}", archive.suite) };
        let url = format!("{base}{suite}/{architecture}/{INDEX}");
        let bytes = self.get_current(&url, INDEX_BYTES_MAX)?;
        let bytes = bytes.ok_or_else(|| Error::NoIndex { url: url.clone() })?;
        let wrap = |source| Error::ApkIndex {
            archive: archive.name.clone(),
            suite: archive.suite.clone(),
            architecture: architecture.to_owned(),
            source: Box::new(source),
        };
        match verify_index(&bytes, &keyring.keys) {
            Err(SignedIndexError::Signature(SignatureError::Unknown { signatures })) => {
                if !self.fetch_keys(archive, &signatures, keyring)? {
                    return Err(wrap(SignatureError::Unknown { signatures }.into()));
                }
                verify_index(&bytes, &keyring.keys).map_err(wrap)
            }
            result => result.map_err(wrap),
        }
    }

    /// Fetches the keys that signatures name, of those that the definition names; returns whether there are any.
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
            let is_named = signatures.iter().any(|text| text.ends_with(&format!(" by {name}")));
            if !is_named {
                continue;
            }
            let pem = self.get_current(url, KEYRING_BYTES_MAX)?;
            let pem = pem.ok_or_else(|| Error::NoIndex { url: url.clone() })?;
            keyring.keys.add(name, &pem).map_err(|source| key_error(url, source))?;
            let text = String::from_utf8_lossy(&pem).into_owned();
            keyring.fetched.insert(name.to_owned(), text);
            is_any = true;
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

fn text_error(archive: &ArchiveDemand, reason: String) -> Error {
    let (archive, suite) = (archive.name.clone(), archive.suite.clone());
    Error::IndexText { archive, suite, reason }
}

// SPDX-License-Identifier: Apache-2.0
//! Package indexes: fetched when they changed, and verified.

mod alpine;
mod debian;

use std::collections::BTreeMap;
use std::path::Path;

use hardpan_package::apk;
use hardpan_package::deb::index::PackageIndex;
use hardpan_package::segment::Format;
use hardpan_remote::{Cancel, Client, Fetched, Request, Validators};
use hardpan_tree::Digest;
use serde::{Deserialize, Serialize};

pub use alpine::ApkIndexError;

use crate::demand::ArchiveDemand;
use crate::error::Error;
use crate::lock::LockedArchive;
use crate::observer::Event;
use crate::project::{self, CatalogRoot};
use crate::session::Session;
use crate::store::StoreError;

/// The largest keyring, in bytes.
const KEYRING_BYTES_MAX: u64 = 4 << 20;

/// The indexes of one suite for some architectures.
#[derive(Debug)]
pub(crate) struct Suite {
    /// What the lock says of it.
    pub(crate) locked: LockedArchive,
    /// Under what the parsed indexes are in the store, if they are kept.
    pub(crate) keys: Vec<Digest>,
    /// By architecture.
    pub(crate) indexes: Indexes,
}

/// Parsed indexes by architecture.
#[derive(Debug)]
pub(crate) enum Indexes {
    /// One for each component.
    Deb(BTreeMap<&'static str, Vec<PackageIndex>>),
    /// An archive of Alpine has one for each architecture.
    Apk(BTreeMap<&'static str, apk::index::Index>),
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
            let suite = match archive.format {
                Format::Deb => self.load_debian_suite(archive, architectures, catalog)?,
                Format::Apk => self.load_alpine_suite(archive, architectures, catalog)?,
            };
            let name = format!("{} {}", archive.name, archive.suite);
            let name = name.trim_end();
            self.observer.event(Event::Index { name, fetched: self.remote.is_some() });
            Ok(suite)
        })
    }

    /// Returns the current content of a URL: asked for conditionally, or, offline, as it was last.
    /// `None` where there is none.
    pub(super) fn get_current(
        &self,
        url: &str,
        limit_bytes: u64,
    ) -> Result<Option<Vec<u8>>, Error> {
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

/// Reads a file with keys of the workspace.
fn read_key_file(path: &Path) -> Result<Vec<u8>, Error> {
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

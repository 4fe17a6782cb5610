// SPDX-License-Identifier: Apache-2.0
//! The database that is on this machine, in the store.
//!
//! ```text
//! advisories/current.json             which one counts, and where it came from
//! advisories/newest.json              how new each source ever was, also those that the database has not
//! advisories/<sha256>.hpdb            the database
//! advisories/<sha256>.sigstore.json   who answers for it
//! ```
//! The record is written last, so that whoever reads sees the old one or the new one, whole. Whoever writes holds a lock, from
//! the look at what is there on: of two at the same time, one would undo what the other remembers, and remove its database.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hardpan_attest::signature::BUNDLE_BYTES_MAX;
use hardpan_scan::advisory::database::Database;
use hardpan_tree::Digest;
use serde::{Deserialize, Serialize};

use super::file::{Held, hold, read_file};
use super::times::NewestTimes;
use super::{AdvisoriesError, DATABASE_BYTES_MAX};
use crate::error::Error;
use crate::session::Session;

/// The folder in the store.
const FOLDER: &str = "advisories";
const RECORD: &str = "current.json";
const TIMES: &str = "newest.json";
/// The longest list of times, in bytes: that of a database with the most sources has some three million.
const TIMES_BYTES_MAX: u64 = 16 << 20;
/// The longest record, in bytes.
const RECORD_BYTES_MAX: u64 = 64 << 10;

/// A database, in memory or where it lies in the page cache.
#[derive(Debug, Clone)]
pub struct AdvisoryData {
    bytes: Arc<Held>,
    digest: Digest,
    /// Where it came from.
    pub origin: AdvisoryOrigin,
}

/// Where a database came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AdvisoryOrigin {
    /// A file, a URL, or a name in a registry.
    pub from: String,
    /// The trusted key that signed it; nothing if it was taken without a signature.
    pub signed_by: Option<String>,
}

/// Which database counts.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Record {
    digest: Digest,
    size_bytes: u64,
    origin: AdvisoryOrigin,
}

impl AdvisoryData {
    /// Takes the bytes of a database.
    ///
    /// # Errors
    /// If they are none.
    pub(super) fn new(bytes: Vec<u8>, origin: AdvisoryOrigin) -> Result<Self, AdvisoriesError> {
        let digest = Digest::of(&bytes);
        Self::held(Held::Read(bytes), digest, origin)
    }

    /// Takes the bytes of a database that have that digest.
    fn held(bytes: Held, digest: Digest, origin: AdvisoryOrigin) -> Result<Self, AdvisoriesError> {
        Database::open(&*bytes).map_err(AdvisoriesError::Database)?;
        Ok(Self { bytes: Arc::new(bytes), digest, origin })
    }

    /// Reads a database from a file that the user names. Its signature is not looked at: whoever names a file answers for
    /// it.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let origin = AdvisoryOrigin { from: path.display().to_string(), signed_by: None };
        let data = Self::new(read_file(path, DATABASE_BYTES_MAX)?, origin)?;
        data.database().verify_all().map_err(AdvisoriesError::Database)?;
        Ok(data)
    }

    /// Returns the database.
    ///
    /// # Panics
    /// Never: the bytes were opened when they were taken.
    pub fn database(&self) -> Database<&[u8]> {
        Database::open(&**self.bytes).expect("the bytes were opened before")
    }

    /// Returns its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the digest of its bytes.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl Session<'_> {
    /// Returns the database of this machine.
    ///
    /// # Errors
    /// If there is none, or it is not what was put there.
    pub fn advisories(&self) -> Result<AdvisoryData, Error> {
        self.installed_advisories()?.ok_or_else(|| AdvisoriesError::None.into())
    }

    /// Returns the database of this machine, if it has one.
    ///
    /// # Errors
    /// If it is not what was put there.
    pub fn installed_advisories(&self) -> Result<Option<AdvisoryData>, Error> {
        let folder = self.store.root().join(FOLDER);
        let path = folder.join(RECORD);
        if !path.exists() {
            return Ok(None);
        }
        let record = read_file(&path, RECORD_BYTES_MAX)?;
        let unreadable = |source: serde_json::Error| AdvisoriesError::Read {
            path: path.clone(),
            source: std::io::Error::other(source),
        };
        let record: Record = serde_json::from_slice(&record).map_err(unreadable)?;
        let path = file(&folder, &record.digest, "hpdb");
        let bytes = match hold(&path, DATABASE_BYTES_MAX) {
            Err(AdvisoriesError::Read { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                return Err(AdvisoriesError::Gone { path }.into());
            }
            other => other?,
        };
        let (expected, actual) = (record.digest, Digest::of(&bytes));
        if expected != actual {
            return Err(AdvisoriesError::Changed { path, expected, actual }.into());
        }
        Ok(Some(AdvisoryData::held(bytes, actual, record.origin)?))
    }

    /// Returns the bundle of the database of this machine, if it was signed.
    pub fn advisories_bundle(&self, data: &AdvisoryData) -> Result<Option<Vec<u8>>, Error> {
        let path = file(&self.store.root().join(FOLDER), &data.digest, "sigstore.json");
        if data.origin.signed_by.is_none() || !path.exists() {
            return Ok(None);
        }
        Ok(Some(read_file(&path, BUNDLE_BYTES_MAX as u64)?))
    }

    /// Returns how new each source ever was here.
    pub(super) fn newest_times(&self) -> Result<NewestTimes, AdvisoriesError> {
        let path = self.store.root().join(FOLDER).join(TIMES);
        let bytes = match read_file(&path, TIMES_BYTES_MAX) {
            Err(AdvisoriesError::Read { source, .. })
                if source.kind() == std::io::ErrorKind::NotFound =>
            {
                return Ok(NewestTimes::default());
            }
            Err(error) => {
                return Err(AdvisoriesError::Times { path, source: std::io::Error::other(error) });
            }
            Ok(bytes) => bytes,
        };
        serde_json::from_slice(&bytes)
            .map_err(|error| AdvisoriesError::Times { path, source: std::io::Error::other(error) })
    }

    /// Waits until no other process changes the database of this machine; the next one may when the file is dropped.
    pub(super) fn lock_advisories(&self) -> Result<File, Error> {
        Ok(self.store.lock_name(&Digest::of(FOLDER.as_bytes()))?)
    }

    /// Puts a database in the place of the one that is there, which stays for those who read it now. The caller holds the
    /// lock.
    pub(super) fn install_advisories(
        &self,
        data: &AdvisoryData,
        bundle: Option<&[u8]>,
        replaced: &Digest,
        times: &NewestTimes,
    ) -> Result<(), Error> {
        let folder = self.store.root().join(FOLDER);
        let make = |source| Error::Io { action: "create", path: folder.clone(), source };
        fs::create_dir_all(&folder).map_err(make)?;
        if let Some(bundle) = bundle {
            crate::replace_file(&file(&folder, &data.digest, "sigstore.json"), bundle)?;
        }
        crate::replace_file(&file(&folder, &data.digest, "hpdb"), &data.bytes)?;
        // Before the record: times of a database that then does not come refuse none that is newer.
        crate::replace_file(&folder.join(TIMES), &hardpan_image::canonical_json(times))?;
        let record = Record {
            digest: data.digest,
            size_bytes: data.bytes.len() as u64,
            origin: data.origin.clone(),
        };
        crate::replace_file(&folder.join(RECORD), &hardpan_image::canonical_json(&record))?;
        remove_others(&folder, [&data.digest, replaced]);
        Ok(())
    }

    /// Removes the database of this machine, and what is remembered of its sources. Returns whether there was one.
    pub fn remove_advisories(&self) -> Result<bool, Error> {
        let folder = self.store.root().join(FOLDER);
        if !folder.exists() {
            return Ok(false);
        }
        let _lock = self.lock_advisories()?;
        match fs::remove_dir_all(&folder) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(Error::Io { action: "remove", path: folder, source }),
        }
    }
}

fn file(folder: &Path, digest: &Digest, end: &str) -> PathBuf {
    folder.join(format!("{}.{end}", digest.to_hex()))
}

/// Removes databases that nobody reads any more, and what was left half-written: whoever holds the lock is the only one who
/// writes. What can't be removed now goes the next time.
fn remove_others(folder: &Path, kept: [&Digest; 2]) {
    let kept = kept.map(Digest::to_hex);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let is_kept = name.to_str().is_none_or(|name| {
            name == RECORD
                || name == TIMES
                || kept.iter().any(|digest| name.starts_with(digest.as_str()))
        });
        if !is_kept {
            let _ = fs::remove_file(entry.path());
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Where a database comes from: a file, a URL, a registry.

use std::path::{Path, PathBuf};

use hardpan_attest::signature::BUNDLE_BYTES_MAX;
use hardpan_image::ImageName;
use hardpan_remote::{Cancel, Fetched, RemoteError, Request};

use super::file::read_file;
use super::receive::Offered;
use super::{AdvisoriesError, AdvisoryData, DATABASE_BYTES_MAX, ReceiveOptions, Received};
use crate::error::Error;
use crate::session::Session;

/// What the name of a bundle adds to that of its file.
const BUNDLE_END: &str = ".sigstore.json";

/// Where a database comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdvisorySource {
    /// A file, with its bundle beside it.
    File(PathBuf),
    /// A URL, with its bundle at the same and `.sigstore.json`.
    Url(String),
    /// An artifact in a registry.
    Registry(ImageName),
}

impl std::fmt::Display for AdvisorySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Url(url) => f.write_str(url),
            Self::Registry(name) => name.fmt(f),
        }
    }
}

/// What was at a URL.
pub(super) struct Gotten {
    pub(super) bytes: Vec<u8>,
    /// The URL as it may be shown.
    pub(super) url: String,
    /// When it was changed, in the server's words.
    pub(super) last_modified: Option<String>,
}

/// Returns where the bundle of a file belongs.
pub fn bundle_path(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(BUNDLE_END);
    PathBuf::from(name)
}

/// Writes the bundle of a file beside it. Without one, that of what was there before goes: it says nothing of what is
/// there now.
///
/// # Errors
/// If it can't be written or removed.
pub fn write_bundle(file: &Path, bundle: Option<&[u8]>) -> Result<(), Error> {
    let path = bundle_path(file);
    if let Some(bundle) = bundle {
        return crate::write_file(&path, bundle);
    }
    match std::fs::remove_file(&path) {
        Err(source) if path.exists() => Err(Error::Io { action: "remove", path, source }),
        _ => Ok(()),
    }
}

impl Session<'_> {
    /// Brings a database to this machine, if it is to be believed.
    ///
    /// # Errors
    /// If it can't be had, is not signed by a trusted key, or has data that is older than what ever was there, or of the
    /// future. What is there stays.
    pub fn update_advisories(
        &self,
        source: &AdvisorySource,
        options: ReceiveOptions<'_>,
    ) -> Result<Received, Error> {
        let offered = match source {
            AdvisorySource::File(path) => offered_file(path)?,
            AdvisorySource::Url(url) => self.offered_url(url)?,
            AdvisorySource::Registry(name) => self.offered_artifact(name)?,
        };
        self.receive(offered, options)
    }

    fn offered_url(&self, url: &str) -> Result<Offered, Error> {
        let Gotten { bytes, url: from, .. } = self.get_whole(url, DATABASE_BYTES_MAX)?;
        let bundle_url = format!("{url}{BUNDLE_END}");
        let bundle = match self.get_whole(&bundle_url, BUNDLE_BYTES_MAX as u64) {
            Ok(gotten) => Some(gotten.bytes),
            Err(Error::Remote(error)) if is_not_found(&error) => None,
            Err(error) => return Err(error),
        };
        let transferred_bytes = bytes.len() as u64 + bundle.as_ref().map_or(0, Vec::len) as u64;
        Ok(Offered { bytes, bundle, from, transferred_bytes })
    }

    /// Gets all that is at a URL, into memory.
    pub(super) fn get_whole(&self, url: &str, limit_bytes: u64) -> Result<Gotten, Error> {
        let request = Request::new(url, limit_bytes)?;
        let offline = || AdvisoriesError::Offline { url: request.url.to_string() };
        let remote = self.remote.ok_or_else(offline)?;
        match remote.get(&request, &self.progress(), &Cancel::new())? {
            Fetched::Fresh { bytes, validators, .. } => Ok(Gotten {
                bytes,
                url: request.url.to_string(),
                last_modified: validators.last_modified,
            }),
            // Nothing was said of what is there.
            _ => Err(offline().into()),
        }
    }

    /// Writes the database of this machine into a file, and its bundle beside it.
    pub fn export_advisories(&self, path: &Path) -> Result<AdvisoryData, Error> {
        let data = self.advisories()?;
        write_bundle(path, self.advisories_bundle(&data)?.as_deref())?;
        crate::write_file(path, data.bytes())?;
        Ok(data)
    }
}

fn offered_file(path: &Path) -> Result<Offered, Error> {
    let bytes = read_file(path, DATABASE_BYTES_MAX)?;
    let beside = bundle_path(path);
    let bundle =
        if beside.exists() { Some(read_file(&beside, BUNDLE_BYTES_MAX as u64)?) } else { None };
    Ok(Offered { bytes, bundle, from: path.display().to_string(), transferred_bytes: 0 })
}

/// Returns whether a server says that there is no such thing.
fn is_not_found(error: &RemoteError) -> bool {
    matches!(error, RemoteError::NotFound { .. })
}

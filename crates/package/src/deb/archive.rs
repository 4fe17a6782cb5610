// SPDX-License-Identifier: Apache-2.0
//! From an archive's signature to its package index.
//!
//! `InRelease` (or `Release` and `Release.gpg`) is verified with the keyring; the verified text
//! says by digest and size what each index must be; the index says the same of each package. No
//! link of this chain can be left out: an archive without a signature is refused, always.
//!
//! How bytes come here is the matter of a [`Fetch`].

mod decompress;

use std::error::Error;

use hardpan_tree::Digest;
use serde::{Deserialize, Serialize};

use crate::deb::release::{
    CheckOptions, Entry, RELEASE_BYTES_MAX, Release, ReleaseCheckError, ReleaseError,
};
use crate::deb::sources::Source;
use crate::openpgp::{self, GoodSignature, Keyring, SIGNATURE_BYTES_MAX, Verified, VerifyError};

pub use decompress::{Compression, DecompressError};

/// Longest index, decompressed, in bytes. Debian's largest has about 60 MB.
pub const INDEX_BYTES_MAX: u64 = 512 << 20;
/// Longest `InRelease` file, in bytes.
pub const INRELEASE_BYTES_MAX: u64 = (RELEASE_BYTES_MAX + SIGNATURE_BYTES_MAX) as u64;

/// Gets files of archives.
pub trait Fetch {
    /// Gets a file. An answer that is longer than the limit, or not what is expected, is an error;
    /// both are checked again by the caller.
    fn get(&self, request: &FetchRequest<'_>) -> Result<Vec<u8>, FetchError>;
}

/// What a [`Fetch`] shall get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchRequest<'r> {
    /// From where.
    pub url: &'r str,
    /// Most bytes.
    pub limit_bytes: u64,
    /// What it must be, if that is known.
    pub expected: Option<Entry>,
}

/// Why a [`Fetch`] did not get a file.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There is no such file.
    #[error("not found")]
    NotFound,
    /// Something else, with its own explanation.
    #[error(transparent)]
    Failed(#[from] Box<dyn Error + Send + Sync>),
}

/// Why an archive can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// A file could not be fetched.
    #[error("{archive}: can't fetch {name}")]
    Fetch {
        /// The source, as displayed.
        archive: String,
        /// The file, relative to the suite.
        name: String,
        /// Why.
        #[source]
        source: FetchError,
    },
    /// There is neither `InRelease` nor `Release`.
    #[error("{archive}: no such suite: there is neither InRelease nor Release")]
    NoRelease {
        /// The source, as displayed.
        archive: String,
    },
    /// There is a `Release` without signature.
    #[error("{archive}: the archive is not signed (no InRelease and no Release.gpg)")]
    Unsigned {
        /// The source, as displayed.
        archive: String,
    },
    /// The signature does not count.
    #[error("{archive}: {name} is not trusted")]
    Signature {
        /// The source, as displayed.
        archive: String,
        /// The file, relative to the suite.
        name: &'static str,
        /// Why.
        #[source]
        source: VerifyError,
    },
    /// The `Release` file can't be read.
    #[error("{archive}: bad Release file")]
    Release {
        /// The source, as displayed.
        archive: String,
        /// Why.
        #[source]
        source: ReleaseError,
    },
    /// The `Release` file must not be used now.
    #[error("{archive}: refused")]
    Check {
        /// The source, as displayed.
        archive: String,
        /// Why.
        #[source]
        source: ReleaseCheckError,
    },
    /// The suite has no such component.
    #[error("{archive}: no component {component:?}; the suite has: {}", available.join(", "))]
    NoComponent {
        /// The source, as displayed.
        archive: String,
        /// The component.
        component: String,
        /// Those that it has.
        available: Vec<String>,
    },
    /// The suite is not made for the architecture.
    #[error("{archive}: no architecture {architecture:?}; the suite has: {}", available.join(", "))]
    NoArchitecture {
        /// The source, as displayed.
        archive: String,
        /// The architecture.
        architecture: String,
        /// Those that it has.
        available: Vec<String>,
    },
    /// The `Release` file lists no such index, or the archive does not have it.
    #[error("{archive}: there is no index {name}")]
    NoIndex {
        /// The source, as displayed.
        archive: String,
        /// The index, relative to the suite.
        name: String,
    },
    /// An index is not what the `Release` file says.
    #[error(
        "{archive}: {name} is not what the Release file says ({what}); the mirror may be in the \
         middle of an update, or somebody changed the file"
    )]
    Mismatch {
        /// The source, as displayed.
        archive: String,
        /// The file, relative to the suite.
        name: String,
        /// Which property.
        what: &'static str,
    },
    /// An index can't be decompressed.
    #[error("{archive}: can't decompress {name}")]
    Decompress {
        /// The source, as displayed.
        archive: String,
        /// The file, relative to the suite.
        name: String,
        /// Why.
        #[source]
        source: DecompressError,
    },
}

impl ArchiveError {
    /// Whether this is a matter of trust (exit code 4) rather than of the network or the archive
    /// (exit code 3).
    pub fn is_trust(&self) -> bool {
        matches!(
            self,
            Self::Unsigned { .. }
                | Self::Signature { .. }
                | Self::Check { .. }
                | Self::Mismatch { .. }
                | Self::Decompress { .. }
        )
    }
}

/// A `Release` file whose signature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedRelease {
    /// What it says.
    pub release: Release,
    /// What proves it.
    pub evidence: ReleaseEvidence,
}

/// What a lock says about a verified `Release` file. It does not say from which host it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReleaseEvidence {
    /// The suite that was asked for.
    pub suite: String,
    /// Its `Codename`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codename: Option<String>,
    /// Its `Version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its `Date`, in seconds since 1970.
    pub date_seconds: i64,
    /// The digest of the `InRelease` file, or of the `Release` file if there was no such.
    pub digest: Digest,
    /// The digest of the text that was signed; the same for `InRelease` and `Release`.
    pub text_digest: Digest,
    /// The good signatures.
    pub signatures: Vec<GoodSignature>,
}

/// A package index whose digest was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PackagesFile {
    /// The component; empty for a flat archive.
    pub component: String,
    /// The file, relative to the suite, as the `Release` file lists it.
    pub name: String,
    /// What the `Release` file says about that file.
    pub entry: Entry,
    /// The text, decompressed.
    pub text: String,
    /// The digest of the text.
    pub text_digest: Digest,
}

/// Fetches and verifies the `Release` file of a source: `InRelease`, or, if there is none,
/// `Release` and `Release.gpg`.
///
/// `at_seconds` is the check time, in seconds since 1970. `Valid-Until`, `Date` and the suite's name
/// are checked as the source's options say.
pub fn load_release(
    fetch: &dyn Fetch,
    source: &Source,
    keyring: &Keyring,
    at_seconds: i64,
) -> Result<SignedRelease, ArchiveError> {
    let archive = || source.to_string();
    if let Some(bytes) = get_optional(fetch, source, "InRelease", INRELEASE_BYTES_MAX)? {
        return verify_inrelease(&bytes, source, keyring, at_seconds);
    }
    let text = get_optional(fetch, source, "Release", RELEASE_BYTES_MAX as u64)?
        .ok_or_else(|| ArchiveError::NoRelease { archive: archive() })?;
    let signature = get_optional(fetch, source, "Release.gpg", SIGNATURE_BYTES_MAX as u64)?
        .ok_or_else(|| ArchiveError::Unsigned { archive: archive() })?;
    let verified =
        openpgp::verify_detached(&text, &signature, keyring, at_seconds).map_err(|source| {
            ArchiveError::Signature { archive: archive(), name: "Release", source }
        })?;
    check_release(&verified, Digest::of(&text), source, at_seconds)
}

/// Verifies an `InRelease` file that is already there, as [`load_release`] does.
pub fn verify_inrelease(
    bytes: &[u8],
    source: &Source,
    keyring: &Keyring,
    at_seconds: i64,
) -> Result<SignedRelease, ArchiveError> {
    let verified = openpgp::verify_cleartext(bytes, keyring, at_seconds).map_err(|error| {
        let (archive, name) = (source.to_string(), "InRelease");
        ArchiveError::Signature { archive, name, source: error }
    })?;
    check_release(&verified, Digest::of(bytes), source, at_seconds)
}

/// Parses a verified text and checks that it is the right one, at the right time.
fn check_release(
    verified: &Verified,
    digest: Digest,
    source: &Source,
    at_seconds: i64,
) -> Result<SignedRelease, ArchiveError> {
    let archive = || source.to_string();
    let release = Release::parse(&verified.text)
        .map_err(|source| ArchiveError::Release { archive: archive(), source })?;
    let options = CheckOptions {
        valid_until: source.options.check_valid_until.unwrap_or(true),
        date: source.options.check_date.unwrap_or(true),
        age_max_seconds: source.options.valid_until_max_seconds,
    };
    release
        .check_suite(&source.suite)
        .and_then(|()| release.check_time(&source.suite, at_seconds, &options))
        .map_err(|source| ArchiveError::Check { archive: archive(), source })?;
    let evidence = ReleaseEvidence {
        suite: source.suite.clone(),
        codename: release.codename.clone(),
        version: release.version.clone(),
        date_seconds: release.date_seconds,
        digest,
        text_digest: Digest::of(verified.text.as_bytes()),
        signatures: verified.signatures.clone(),
    };
    Ok(SignedRelease { release, evidence })
}

/// Fetches the package indexes of all the source's components for an architecture, in the order of
/// the components.
///
/// If the suite keeps packages for every architecture (`all`) in indexes of their own, these follow.
pub fn load_packages(
    fetch: &dyn Fetch,
    source: &Source,
    signed: &SignedRelease,
    architecture: &str,
) -> Result<Vec<PackagesFile>, ArchiveError> {
    let mut files = Vec::new();
    for (component, name) in index_names(source, &signed.release, architecture)? {
        files.push(load_index(fetch, source, signed, component, &name)?);
    }
    Ok(files)
}

/// Returns the indexes to fetch for an architecture: component, and name without compression.
fn index_names<'s>(
    source: &'s Source,
    release: &Release,
    architecture: &str,
) -> Result<Vec<(&'s str, String)>, ArchiveError> {
    let archive = || source.to_string();
    if source.is_flat() {
        return Ok(vec![("", "Packages".to_owned())]);
    }
    let name =
        |component: &str, architecture: &str| format!("{component}/binary-{architecture}/Packages");
    let has = |name: &str| Compression::ALL.iter().any(|c| release.entry(&c.name(name)).is_some());
    let has_own_all = !release.no_index_for_all && release.architectures.iter().any(|a| a == "all");
    let mut names = Vec::new();
    for component in &source.components {
        if !release.components.is_empty() && !has_component(release, component) {
            return Err(ArchiveError::NoComponent {
                archive: archive(),
                component: component.clone(),
                available: release.components.clone(),
            });
        }
        if !release.architectures.is_empty()
            && !release.architectures.iter().any(|a| a == architecture)
        {
            return Err(ArchiveError::NoArchitecture {
                archive: archive(),
                architecture: architecture.to_owned(),
                available: release.architectures.clone(),
            });
        }
        names.push((component.as_str(), name(component, architecture)));
        let all = name(component, "all");
        if has_own_all && has(&all) {
            names.push((component.as_str(), all));
        }
    }
    Ok(names)
}

/// Whether a suite has a component. Debian's security archive puts `updates/` before the names of
/// its components in the `Release` file, but not before those of its folders; apt, too, looks at
/// what follows the last slash.
fn has_component(release: &Release, wanted: &str) -> bool {
    release
        .components
        .iter()
        .any(|component| component == wanted || component.rsplit('/').next() == Some(wanted))
}

/// Fetches an index in the best compression that the archive has.
fn load_index(
    fetch: &dyn Fetch,
    source: &Source,
    signed: &SignedRelease,
    component: &str,
    plain_name: &str,
) -> Result<PackagesFile, ArchiveError> {
    let release = &signed.release;
    for compression in Compression::ALL {
        let name = compression.name(plain_name);
        // A Release file may list files that the archive does not have: the next one will do.
        let Some(entry) = release.entry(&name) else { continue };
        let Some(bytes) = get_listed(fetch, source, release, &name, entry)? else { continue };
        let plain = release.entry(plain_name);
        let text = decompress::decompress(*compression, &bytes, plain.map(|e| e.size_bytes))
            .map_err(|source_error| ArchiveError::Decompress {
                archive: source.to_string(),
                name: name.clone(),
                source: source_error,
            })?;
        let text_digest = Digest::of(text.as_bytes());
        if plain.is_some_and(|plain| plain.digest != text_digest) {
            return Err(ArchiveError::Mismatch {
                archive: source.to_string(),
                name,
                what: "digest when decompressed",
            });
        }
        let component = component.to_owned();
        return Ok(PackagesFile { component, name, entry, text, text_digest });
    }
    Err(ArchiveError::NoIndex { archive: source.to_string(), name: plain_name.to_owned() })
}

/// Fetches a listed file: by its digest if the archive supports that, else by its name. By digest
/// it can't change between the fetch of `Release` and this one.
fn get_listed(
    fetch: &dyn Fetch,
    source: &Source,
    release: &Release,
    name: &str,
    entry: Entry,
) -> Result<Option<Vec<u8>>, ArchiveError> {
    let by_hash = source.options.by_hash.unwrap_or(release.by_hash);
    let by_hash_path = by_hash.then(|| Release::by_hash_path(name, &entry.digest));
    for path in by_hash_path.iter().map(String::as_str).chain([name]) {
        let request = FetchRequest {
            url: &source.suite_url(path),
            limit_bytes: entry.size_bytes.min(INDEX_BYTES_MAX),
            expected: Some(entry),
        };
        let bytes = match fetch.get(&request) {
            Ok(bytes) => bytes,
            Err(FetchError::NotFound) => continue,
            Err(error) => {
                return Err(ArchiveError::Fetch {
                    archive: source.to_string(),
                    name: path.to_owned(),
                    source: error,
                });
            }
        };
        let what = if bytes.len() as u64 != entry.size_bytes {
            "size"
        } else if Digest::of(&bytes) != entry.digest {
            "digest"
        } else {
            return Ok(Some(bytes));
        };
        return Err(ArchiveError::Mismatch {
            archive: source.to_string(),
            name: path.to_owned(),
            what,
        });
    }
    Ok(None)
}

/// Fetches a file of unknown content that need not exist.
fn get_optional(
    fetch: &dyn Fetch,
    source: &Source,
    name: &str,
    limit_bytes: u64,
) -> Result<Option<Vec<u8>>, ArchiveError> {
    let request = FetchRequest { url: &source.suite_url(name), limit_bytes, expected: None };
    match fetch.get(&request) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(FetchError::NotFound) => Ok(None),
        Err(error) => Err(ArchiveError::Fetch {
            archive: source.to_string(),
            name: name.to_owned(),
            source: error,
        }),
    }
}

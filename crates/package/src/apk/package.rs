// SPDX-License-Identifier: Apache-2.0
//! A package of format 2: members with signatures, with control files and with data, one after another.
//!
//! The index and the signatures name the control member's bytes, `datahash` in it those of the data member.

use std::io::{self, Read};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hardpan_tree::{Digest, Hasher, TreePath};
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

use super::adb;
use super::index::Checksum;
use super::info::{CONTROL, Control};
use super::key::Keys;
use super::members::{Member, Members};
use super::signature::{GoodSignature, SignatureError, Signatures};
use crate::unpack::{Limits, UnpackError, too_much};

/// What the data member is called in errors.
pub(super) const DATA: &str = "the data member";
/// The most members with signatures. Alpine's and Wolfi's tools make one.
const SIGNATURE_MEMBERS_MAX: usize = 16;

/// Why a file is not a sound `.apk`, or not the one that is meant.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApkError {
    /// The signatures can't be read, or the package is not trusted.
    #[error("bad signatures")]
    Signature(#[from] SignatureError),
    /// The file ends before its control member.
    #[error("the file ends before its control files")]
    NoControl,
    /// There are too many members with signatures.
    #[error("more than {SIGNATURE_MEMBERS_MAX} members with signatures")]
    Members,
    /// The control files name data that is not there.
    #[error("the file ends before its data")]
    NoData,
    /// Nothing says what the data has to be.
    #[error(".PKGINFO has no datahash, so nothing proves the data")]
    NoDataHash,
    /// The data is not what the control files say.
    #[error("the data has the digest {actual}, and datahash is {expected}: the file was changed")]
    DataHash {
        /// What `.PKGINFO` says.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// The control member is not the one in the index.
    #[error("the control files have the checksum {actual}, and the index has {expected}")]
    Checksum {
        /// What the index says.
        expected: String,
        /// What it is.
        actual: String,
    },
    /// Something follows the data.
    #[error("something follows the data")]
    Trailing,
    /// An entry that would be taken for a control file by whoever reads the file as one archive, or whose
    /// name a package database can't hold.
    #[error("the data has an entry {path:?}, which is refused: {problem}")]
    Entry {
        /// The entry.
        path: TreePath,
        /// What is wrong.
        problem: &'static str,
    },
}

/// What a package is, after all of it was read and `datahash` was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `pkgname`
    pub name: String,
    /// `pkgver`
    pub version: String,
    /// `arch`
    pub architecture: String,
    /// SHA-1 of the control member: `Q1` in an index.
    pub control_sha1: [u8; 20],
    /// SHA-256 of the control member: `Q2` in an index.
    pub control_digest: Digest,
    /// SHA-256 of the data member; none if there is no data.
    pub data_digest: Option<Digest>,
    /// SHA-256 of the file.
    pub digest: Digest,
    /// Length of the file.
    pub size_bytes: u64,
    /// The good signatures by trusted keys; none if no keys were given.
    pub signatures: Vec<GoodSignature>,
}

impl Identity {
    /// Checks that this is the package that an index means.
    pub fn check(&self, expected: &Checksum) -> Result<(), ApkError> {
        let actual = match expected {
            Checksum::Sha1(_) => Checksum::Sha1(self.control_sha1),
            Checksum::Sha256(_) => Checksum::Sha256(*self.control_digest.as_bytes()),
        };
        if actual == *expected {
            return Ok(());
        }
        Err(ApkError::Checksum {
            expected: checksum_text(expected),
            actual: checksum_text(&actual),
        })
    }
}

/// Returns a checksum as indexes have it, `Q1…`.
pub(super) fn checksum_text(checksum: &Checksum) -> String {
    match checksum {
        Checksum::Sha1(bytes) => format!("Q1{}", STANDARD.encode(bytes)),
        Checksum::Sha256(bytes) => format!("Q2{}", STANDARD.encode(bytes)),
    }
}

/// Reads a package of either format to its end, and checks that it is sound and the one that an index means.
///
/// # Errors
/// If it is another package, not sound, or more than the limits allow.
pub fn check(apk: &mut dyn Read, limits: &Limits, expected: &Checksum) -> Result<(), UnpackError> {
    let mut first = Vec::new();
    let read = apk.take(adb::MAGIC.len() as u64).read_to_end(&mut first);
    read.map_err(|source| decompress(CONTROL, source))?;
    let is_adb = first == adb::MAGIC;
    let mut apk = first.as_slice().chain(apk);
    if is_adb {
        adb::identify(&mut apk, limits, None)?.check(expected)?;
    } else {
        identify(&mut apk, limits, None)?.check(expected)?;
    }
    Ok(())
}

/// Reads a package of format 2 to its end and returns what it is. If keys are given, one has to have signed it.
///
/// # Errors
/// If it is not a sound package, is not trusted, or is more than the limits allow.
pub fn identify(
    apk: &mut dyn Read,
    limits: &Limits,
    keys: Option<&Keys>,
) -> Result<Identity, UnpackError> {
    let mut apk = Hashing::new(apk);
    let mut package = Package::open(&mut apk, limits)?;
    let signatures = match keys {
        Some(keys) => {
            let signatures = package.signatures.verify(&package.control_raw, keys);
            signatures.map_err(ApkError::from)?
        }
        None => Vec::new(),
    };
    if package.has_data {
        let mut stream = package.members.stream(limits);
        let copied = io::copy(&mut stream, &mut io::sink());
        copied.map_err(|source| too_much(decompress(DATA, source), limits))?;
    }
    let data_digest = package.check_end()?;
    let control_sha1 = package.control_sha1();
    let Package { control, control_raw, .. } = package;
    Ok(Identity {
        name: control.name,
        version: control.version,
        architecture: control.architecture,
        control_sha1,
        control_digest: Digest::of(&control_raw),
        data_digest,
        // All of it was read: nothing follows the last member.
        digest: apk.hasher.finish(),
        size_bytes: apk.size_bytes,
        signatures,
    })
}

/// A reader that hashes and counts what is read.
pub(super) struct Hashing<'r> {
    inner: &'r mut dyn Read,
    pub(super) hasher: Hasher,
    pub(super) size_bytes: u64,
}

impl<'r> Hashing<'r> {
    pub(super) fn new(inner: &'r mut dyn Read) -> Self {
        Self { inner, hasher: Hasher::new(), size_bytes: 0 }
    }
}

impl Read for Hashing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        self.size_bytes += count as u64;
        Ok(count)
    }
}

/// A package of which all but the data was read.
pub(super) struct Package<'r> {
    pub(super) members: Members<'r>,
    pub(super) control: Control,
    pub(super) has_data: bool,
    signatures: Signatures,
    control_raw: Vec<u8>,
}

impl<'r> Package<'r> {
    /// Reads signatures and control files.
    pub(super) fn open(apk: &'r mut dyn Read, limits: &Limits) -> Result<Self, UnpackError> {
        let mut members = Members::new(apk);
        let mut signatures = Signatures::default();
        let mut count = 0;
        let member = loop {
            let Member { raw, content } = next_member(&mut members, limits)?;
            if !signatures.take(&content).map_err(ApkError::from)? {
                break Member { raw, content };
            }
            count += 1;
            if count > SIGNATURE_MEMBERS_MAX {
                return Err(ApkError::Members.into());
            }
        };
        let control = Control::read(&member.content, limits.control_size_bytes_max)?;
        let has_data = !members.is_at_end().map_err(|source| decompress(DATA, source))?;
        match (has_data, control.data_hash) {
            (true, None) => Err(ApkError::NoDataHash.into()),
            (false, Some(_)) => Err(ApkError::NoData.into()),
            _ => Ok(Self { members, control, has_data, signatures, control_raw: member.raw }),
        }
    }

    /// Returns the SHA-1 of the control member.
    pub(super) fn control_sha1(&self) -> [u8; 20] {
        let mut sha1 = [0; 20];
        sha1.copy_from_slice(digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.control_raw).as_ref());
        sha1
    }

    /// Checks `datahash` after the data was read, and that nothing follows.
    pub(super) fn check_end(&mut self) -> Result<Option<Digest>, UnpackError> {
        let Some(expected) = self.control.data_hash else { return Ok(None) };
        let actual = self.members.part_digest();
        if actual != expected {
            return Err(ApkError::DataHash { expected, actual }.into());
        }
        if !self.members.is_at_end().map_err(|source| decompress(DATA, source))? {
            return Err(ApkError::Trailing.into());
        }
        Ok(Some(actual))
    }
}

fn next_member(members: &mut Members<'_>, limits: &Limits) -> Result<Member, UnpackError> {
    let result = match members.is_at_end() {
        Ok(true) => Ok(None),
        Ok(false) => members.read_whole(limits.control_size_bytes_max).map(Some),
        Err(error) => Err(error),
    };
    match result {
        Ok(Some(member)) => Ok(member),
        Ok(None) => Err(ApkError::NoControl.into()),
        Err(source) => Err(decompress(CONTROL, source)),
    }
}

pub(super) fn decompress(member: &str, source: io::Error) -> UnpackError {
    UnpackError::Decompress { member: member.to_owned(), source }
}

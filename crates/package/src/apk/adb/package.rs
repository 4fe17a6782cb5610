// SPDX-License-Identifier: Apache-2.0
//! What a package is, without unpacking it.

use std::fmt::Write as _;
use std::io::Read;

use hardpan_tree::Digest;

use super::AdbError;
use super::container::{Container, Growth, Schema};
use super::schema::PackageRoot;
use super::signature;
use super::value::Adb;
use crate::apk::index::Checksum;
use crate::apk::key::Keys;
use crate::apk::package::Hashing;
use crate::apk::signature::GoodSignature;
use crate::unpack::Limits;

/// What a package file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its architecture.
    pub architecture: String,
    /// The SHA-256 of its values, which an index has of it. Through the hashes in there it stands for all files, too.
    pub values_digest: Digest,
    /// The digest of the file.
    pub digest: Digest,
    /// The length of the file.
    pub size_bytes: u64,
    /// The good signatures by trusted keys; none if no keys were given.
    pub signatures: Vec<GoodSignature>,
}

impl Identity {
    /// Checks that this is the package that an index means.
    pub fn check(&self, expected: &Checksum) -> Result<(), AdbError> {
        let expected = match expected {
            // In an index of format 3, 20 bytes are the beginning of a SHA-256 for a package of format 3.
            Checksum::Sha1(hash) => &hash[..],
            Checksum::Sha256(hash) => &hash[..],
        };
        let actual = self.values_digest.as_bytes();
        if actual.starts_with(expected) {
            return Ok(());
        }
        Err(AdbError::Checksum { expected: hexadecimal(expected), actual: hexadecimal(actual) })
    }
}

/// Reads a package to its end and returns what it is. If keys are given, one has to have signed it; a package that a
/// signed index means needs no signature of its own. The contents of files are not compared with their hashes;
/// unpacking does that.
///
/// # Errors
/// If it is damaged, is not trusted, or is more than the limits allow.
pub fn identify(
    apk: &mut dyn Read,
    limits: &Limits,
    keys: Option<&Keys>,
) -> Result<Identity, AdbError> {
    let mut apk = Hashing::new(apk);
    let mut container = Container::open(&mut apk, Schema::PACKAGE, growth(limits))?;
    let values = container.values(limits.control_size_bytes_max)?;
    // Before anything in them is looked at.
    let signatures = match keys {
        Some(keys) => signature::verify(Schema::PACKAGE, &values, keys)?,
        None => Vec::new(),
    };
    while container.next_data()?.is_some() {}
    drop(container);
    let adb = Adb::new(&values.bytes)?;
    let info = PackageRoot(adb.root()?).info()?;
    Ok(Identity {
        name: info.name()?.to_owned(),
        version: info.version()?.to_owned(),
        architecture: info.architecture()?.to_owned(),
        values_digest: Digest::of(&values.bytes),
        // All of it was read: nothing follows the last block.
        digest: apk.hasher.finish(),
        size_bytes: apk.size_bytes,
        signatures,
    })
}

/// Returns bytes as hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

pub(super) fn growth(limits: &Limits) -> Growth {
    Growth { ratio_max: limits.ratio_max, floor_bytes: limits.ratio_floor_bytes }
}

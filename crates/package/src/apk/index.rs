// SPDX-License-Identifier: Apache-2.0
//! Package indexes.

/// What an archive offers for one architecture.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Index {
    /// What the archive says of the index, `v3.23.0-12-g…`; empty if nothing.
    pub description: String,
    /// The packages, sorted by name, of each name in the index's own order.
    pub packages: Vec<Package>,
}

/// One package of an index. Relations are kept as they are written, with one space between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version, which is valid.
    pub version: String,
    /// Its architecture, `x86_64` or `noarch`.
    pub architecture: String,
    /// What its control part has to hash to.
    pub checksum: Checksum,
    /// Length of its file.
    pub size_bytes: u64,
    /// Length of its files, unpacked.
    pub installed_size_bytes: u64,
    /// The source package, where the index names one.
    pub origin: Option<String>,
    /// Its licence, as it says.
    pub license: String,
    /// When it was made, in seconds since the epoch, where the index says so.
    pub build_time: Option<i64>,
    /// What it depends on and what it conflicts with (`!name`).
    pub depends: String,
    /// What it provides besides its name.
    pub provides: String,
    /// Names that bring it along once all of them are there; empty for most.
    pub install_if: String,
    /// Its rank among the providers of a name; 0 for most.
    pub provider_priority: u64,
    /// Path of its file below the archive, `x86_64/musl-1.2.5-r10.apk`.
    pub path: String,
}

/// What identifies a package: the hash of its control part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Checksum {
    /// `Q1…`
    Sha1([u8; 20]),
    /// `Q2…`, or that of a package of format 3.
    Sha256([u8; 32]),
}

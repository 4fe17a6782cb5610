// SPDX-License-Identifier: Apache-2.0
//! Readers of what sources publish, each a function from bytes into [`Collected`](super::Collected).
//!
//! A file that is not what it should be is an error and adds nothing. A record in it that makes no sense is left out,
//! counted and shown as an example, so that one odd line never costs a whole source.

mod cve5;
mod debian_lists;
mod debian_tracker;
mod distro_info;
mod epss;
mod kev;
mod nvd;
mod osv;
mod part;
mod parts;
mod secdb;
mod security_support;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use hardpan_tree::{Digest, ZipError};

pub use cve5::import as cve5;
pub use debian_lists::{ListedRelease, Lists, import as debian_lists};
pub use debian_tracker::import as debian_tracker;
pub use distro_info::import as distro_info;
pub use epss::import as epss;
pub use kev::import as kev;
pub use nvd::import as nvd;
pub use osv::import as osv;
pub use parts::Parts;
pub use secdb::{import as alpine_secdb, import_wolfi as wolfi};
pub use security_support::import as security_support;

/// A file of a source: the bytes, packed with gzip or xz or not, and when the data was made if the server said so.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The file.
    pub bytes: &'a [u8],
    /// Seconds since 1970. A time that stands in the file counts more.
    pub time: Option<i64>,
}

impl<'a> Input<'a> {
    /// Says when the data was made.
    pub fn at(bytes: &'a [u8], time: i64) -> Self {
        Self { bytes, time: Some(time) }
    }

    fn digest(&self) -> Digest {
        Digest::of(self.bytes)
    }
}

impl<'a> From<&'a [u8]> for Input<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self { bytes, time: None }
    }
}

impl<'a> From<&'a Vec<u8>> for Input<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self { bytes, time: None }
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Input<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self { bytes, time: None }
    }
}

/// What came of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// The name of the source.
    pub source: String,
    /// How many records it gave.
    pub records: u32,
    /// What was left out, or is not as it stands there, by reason.
    pub skipped: BTreeMap<&'static str, Skipped>,
    /// Whether the very same file was imported before: it adds nothing.
    pub was_here: bool,
}

impl Imported {
    pub(crate) fn new(source: &str) -> Self {
        Self { source: source.to_owned(), ..Self::default() }
    }

    /// Returns how much was left out for a reason.
    pub fn skipped(&self, reason: &str) -> u32 {
        self.skipped.get(reason).map_or(0, |skipped| skipped.count)
    }
}

/// What was left out for one reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skipped {
    /// How often.
    pub count: u32,
    /// The first few.
    pub examples: Vec<String>,
}

/// The reason of records that are taken without the time at which they were changed: see [`Parts::up_to`].
pub const FUTURE: &str = "changed in the future";

/// How many examples are kept of what is left out: enough to look for one.
const EXAMPLES_MAX: usize = 5;

impl Skipped {
    pub(crate) fn add(&mut self, what: impl FnOnce() -> String) {
        self.count = self.count.saturating_add(1);
        if self.examples.len() < EXAMPLES_MAX {
            let shown = what().chars().take(120).collect();
            self.examples.push(shown);
        }
    }
}

/// Refuses the name of a release that is not among those that are known.
fn check_release(name: &str, known: BTreeSet<String>) -> Result<(), ImportError> {
    if known.contains(name) {
        return Ok(());
    }
    let release = name.chars().take(40).collect();
    Err(ImportError::UnknownRelease { release, known })
}

/// Why a file can't be imported. It added nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It is too large, or unpacks to too much.
    #[error("it has more than {maximum} bytes when unpacked")]
    TooLarge {
        /// The limit.
        maximum: u64,
    },
    /// It has too much of something.
    #[error("more than {maximum} {what}")]
    TooMany {
        /// What.
        what: &'static str,
        /// The limit.
        maximum: u64,
    },
    /// It can't be unpacked.
    #[error("can't be unpacked")]
    Unpack(#[source] io::Error),
    /// The archive can't be read.
    #[error("can't be read as a zip archive")]
    Zip(#[source] ZipError),
    /// It is not JSON, or of another shape.
    #[error("it is not {expected}")]
    Json {
        /// What was expected.
        expected: &'static str,
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// It is JSON of another kind.
    #[error("it is not {expected}: {reason}")]
    NotThat {
        /// What was expected.
        expected: &'static str,
        /// What is missing.
        reason: String,
    },
    /// It is of a release that nobody knows.
    #[error("{release:?} is no release of Debian that is known")]
    UnknownRelease {
        /// What was named.
        release: String,
        /// Those that are known.
        known: BTreeSet<String>,
    },
    /// A line can't be read.
    #[error("line {line}: {reason}: {text:?}")]
    Line {
        /// Which, from 1 on.
        line: usize,
        /// Why.
        reason: &'static str,
        /// Its beginning.
        text: String,
    },
    /// It is not UTF-8.
    #[error("it is not UTF-8 from byte {0} on")]
    Encoding(usize),
}

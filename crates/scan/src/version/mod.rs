// SPDX-License-Identifier: Apache-2.0
//! Versions and their orders, one for each [`Order`].
//!
//! A version that is compared with many is parsed once ([`Version::parse`]); [`compare`] is for two.

mod maven;
mod number;
mod pep440;
mod semantic;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use hardpan_package::{apk, deb};

use crate::advisory::Order;

/// The longest version that is read, in bytes; the longest that are published have about 100.
pub const VERSION_BYTES_MAX: usize = 512;

/// A version in some order, borrowing its text.
#[derive(Debug, Clone)]
pub struct Version<'t>(Kind<'t>);

#[derive(Debug, Clone)]
enum Kind<'t> {
    Deb(deb::version::VersionRef<'t>),
    Apk(apk::version::VersionRef<'t>),
    Semantic(semantic::Semantic<'t>),
    Pep440(pep440::Pep440),
    Maven(maven::Maven),
}

/// Why a text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// No version of a Debian package.
    #[error("not a version of a Debian package")]
    Deb(#[from] deb::version::VersionError),
    /// No version of an Alpine package.
    #[error("not a version of an Alpine package")]
    Apk(#[from] apk::version::VersionError),
    /// No version of a language's package.
    #[error("not a version of {of}: {text:?} {problem}")]
    Malformed {
        /// Of what it should be one.
        of: &'static str,
        /// The text, shortened.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Longer than [`VERSION_BYTES_MAX`].
    #[error("a version has {0} bytes, more than {VERSION_BYTES_MAX}")]
    TooLong(usize),
}

impl VersionError {
    fn malformed(of: &'static str, text: &str, problem: &'static str) -> Self {
        Self::Malformed { of, text: text.chars().take(80).collect(), problem }
    }
}

impl<'t> Version<'t> {
    /// Parses a version as those who use the order do.
    ///
    /// apk does not check the versions of packages, and old releases have some that its rules forbid, as `6.8.0p2-r4`. They
    /// are taken and compared as apk does; what does not even begin with a digit is an error.
    pub fn parse(order: Order, text: &'t str) -> Result<Self, VersionError> {
        if text.len() > VERSION_BYTES_MAX {
            return Err(VersionError::TooLong(text.len()));
        }
        Ok(Self(match order {
            Order::Deb => Kind::Deb(deb::version::VersionRef::parse(text)?),
            Order::Apk if text.starts_with(|c: char| c.is_ascii_digit()) => {
                Kind::Apk(apk::version::VersionRef::of_package(text)?)
            }
            Order::Apk => Kind::Apk(apk::version::VersionRef::parse(text)?),
            Order::Golang => Kind::Semantic(semantic::golang(text)?),
            Order::Npm => Kind::Semantic(semantic::npm(text)?),
            Order::Cargo => Kind::Semantic(semantic::cargo(text)?),
            Order::Pep440 => Kind::Pep440(pep440::parse(text)?),
            Order::Maven => Kind::Maven(maven::parse(text)?),
        }))
    }

    /// Compares two versions of one order. Maven's is no total order, so nothing may be sorted by this. Those of different orders have none, and come in the order of their kinds.
    pub fn compare(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Kind::Deb(left), Kind::Deb(right)) => left.cmp(right),
            (Kind::Apk(left), Kind::Apk(right)) => left.cmp(right),
            (Kind::Semantic(left), Kind::Semantic(right)) => left.cmp(right),
            (Kind::Pep440(left), Kind::Pep440(right)) => left.cmp(right),
            (Kind::Maven(left), Kind::Maven(right)) => left.compare(right),
            (left, right) => left.rank().cmp(&right.rank()),
        }
    }
}

impl Kind<'_> {
    fn rank(&self) -> u8 {
        match self {
            Self::Deb(_) => 0,
            Self::Apk(_) => 1,
            Self::Semantic(_) => 2,
            Self::Pep440(_) => 3,
            Self::Maven(_) => 4,
        }
    }
}

/// Compares two versions.
///
/// # Errors
/// If one of the texts is no version in that order.
pub fn compare(order: Order, left: &str, right: &str) -> Result<Ordering, VersionError> {
    Ok(Version::parse(order, left)?.compare(&Version::parse(order, right)?))
}

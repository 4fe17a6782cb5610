// SPDX-License-Identifier: Apache-2.0
//! Where names of packages live, and how versions are ordered there.

use std::fmt;
use std::str::FromStr;

/// A release of a distribution, or an ecosystem: within one a package has one name and one order of versions.
/// Written as `debian:13`, `debian:sid`, `alpine:3.22`, `alpine:edge`, `wolfi`, `pypi`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Source packages of a release of Debian: its number, or `sid`.
    Debian(String),
    /// Origins of a release of Alpine: `3.22` or `edge`.
    Alpine(String),
    /// Origins of Wolfi, which has no releases.
    Wolfi,
    /// Go modules, and `stdlib` and `toolchain`.
    Golang,
    /// Python distributions, by their normalized names.
    Pypi,
    /// Packages of Node.
    Npm,
    /// Crates.
    Cargo,
    /// `group:artifact`.
    Maven,
}

/// Why a text is no [`Space`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no distribution's release and no ecosystem that is known here: {0:?}")]
pub struct SpaceError(pub String);

/// How versions are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Order {
    /// As dpkg does.
    Deb,
    /// As apk does.
    Apk,
    /// Semantic versions as Go writes them, with or without `v`.
    Golang,
    /// PEP 440.
    Pep440,
    /// Semantic versions as npm reads them.
    Npm,
    /// Semantic versions.
    Cargo,
    /// As Maven does.
    Maven,
}

/// The longest name of a release, in bytes.
const RELEASE_BYTES_MAX: usize = 32;

impl Space {
    /// Returns how versions are ordered there.
    pub fn order(&self) -> Order {
        match self {
            Self::Debian(_) => Order::Deb,
            Self::Alpine(_) | Self::Wolfi => Order::Apk,
            Self::Golang => Order::Golang,
            Self::Pypi => Order::Pep440,
            Self::Npm => Order::Npm,
            Self::Cargo => Order::Cargo,
            Self::Maven => Order::Maven,
        }
    }

    /// Returns whether it is a distribution's.
    pub fn is_distribution(&self) -> bool {
        matches!(self, Self::Debian(_) | Self::Alpine(_) | Self::Wolfi)
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Debian(release) => write!(f, "debian:{release}"),
            Self::Alpine(release) => write!(f, "alpine:{release}"),
            Self::Wolfi => f.write_str("wolfi"),
            Self::Golang => f.write_str("golang"),
            Self::Pypi => f.write_str("pypi"),
            Self::Npm => f.write_str("npm"),
            Self::Cargo => f.write_str("cargo"),
            Self::Maven => f.write_str("maven"),
        }
    }
}

impl FromStr for Space {
    type Err = SpaceError;

    fn from_str(text: &str) -> Result<Self, SpaceError> {
        let is_release = |release: &str| {
            let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '.';
            !release.is_empty()
                && release.len() <= RELEASE_BYTES_MAX
                && release.chars().all(is_letter)
        };
        Ok(match text.split_once(':') {
            Some(("debian", release)) if is_release(release) => Self::Debian(release.to_owned()),
            Some(("alpine", release)) if is_release(release) => Self::Alpine(release.to_owned()),
            None if text == "wolfi" => Self::Wolfi,
            None if text == "golang" => Self::Golang,
            None if text == "pypi" => Self::Pypi,
            None if text == "npm" => Self::Npm,
            None if text == "cargo" => Self::Cargo,
            None if text == "maven" => Self::Maven,
            _ => return Err(SpaceError(text.chars().take(80).collect())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_are_read_as_they_are_written() {
        for text in [
            "debian:13",
            "debian:sid",
            "alpine:3.22",
            "alpine:edge",
            "wolfi",
            "golang",
            "pypi",
            "npm",
            "cargo",
            "maven",
        ] {
            assert_eq!(text.parse::<Space>().map(|space| space.to_string()), Ok(text.to_owned()));
        }
        for text in [
            "",
            "debian",
            "debian:",
            "debian:Trixie",
            "ubuntu:24.04",
            "wolfi:1",
            "PyPI",
            "alpine:3/22",
        ] {
            assert!(text.parse::<Space>().is_err(), "{text}");
        }
    }
}

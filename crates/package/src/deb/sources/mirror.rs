// SPDX-License-Identifier: Apache-2.0
//! Finding a mirror in the apt sources of a machine.

use super::{Source, SourceType, parse};

/// Which of Debian's archives holds a suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArchiveKind {
    /// The main archive: `trixie`, `trixie-updates`, `trixie-backports`.
    Main,
    /// The security archive: `trixie-security`.
    Security,
}

impl ArchiveKind {
    /// Returns the archive that holds a suite, by the suite's name.
    pub fn of_suite(suite: &str) -> Self {
        // Until Debian 10 its suites were "buster/updates".
        if suite.ends_with("-security") || suite.ends_with("/updates") {
            Self::Security
        } else {
            Self::Main
        }
    }
}

/// Components that only Debian's archives have in this combination.
const DEBIAN_COMPONENTS: &[&str] = &["main", "contrib", "non-free", "non-free-firmware"];

/// Names of Debian's suites, without the endings that [`base`] takes off.
const DEBIAN_SUITES: &[&str] = &[
    "buster",
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
    "experimental",
    "rc-buggy",
];

/// Returns the URI of the archive that holds a suite, as named by apt sources (of this machine,
/// in either form, for any release of Debian).
///
/// A mirror of an archive holds all its suites, so a machine that runs Debian 12 also knows where
/// Debian 13 is. The very suite comes first, then another one of the same archive, in the order of
/// the texts. Sources of other archives, such as a vendor's, and lines with mistakes are passed
/// over. URIs with a user name or password are as good as others; the caller keeps them to itself.
pub fn mirror_of(suite: &str, texts: &[&str]) -> Option<String> {
    let kind = ArchiveKind::of_suite(suite);
    let candidates: Vec<Source> = texts
        .iter()
        .flat_map(|text| parse(text).sources)
        .filter(|source| {
            source.types.contains(&SourceType::Binary)
                && is_debian(source)
                && ArchiveKind::of_suite(&source.suite) == kind
        })
        .collect();
    candidates
        .iter()
        .find(|source| source.suite == suite)
        .or_else(|| candidates.first())
        .map(|source| source.uri.clone())
}

/// Whether a source looks like one of Debian's archives: its suite is one of Debian's, and so are
/// its components.
fn is_debian(source: &Source) -> bool {
    !source.is_flat()
        && DEBIAN_SUITES.contains(&base(&source.suite))
        && source.components.iter().all(|c| DEBIAN_COMPONENTS.contains(&c.as_str()))
        && source.components.iter().any(|component| component == "main")
        && !is_vendor(&source.uri)
}

/// Whether a URI says that it is something else: vendors too name suites after Debian's. Debian's
/// archives end in something like `/debian` or `/debian-security`, or stand at the root of a host
/// that is named so.
fn is_vendor(uri: &str) -> bool {
    let rest = uri.split_once(':').map_or(uri, |(_, rest)| rest).trim_start_matches('/');
    let Some((_, path)) = rest.split_once('/') else { return !rest.contains("debian") };
    let last = path.rsplit('/').next().unwrap_or_default();
    !(last.contains("debian") || last == "security" || is_snapshot(path))
}

/// Whether a path is of a snapshot archive: `archive/debian/20250520T000000Z`.
fn is_snapshot(path: &str) -> bool {
    path.split('/').any(|segment| segment.contains("debian"))
        && path.rsplit('/').next().is_some_and(|last| {
            last.len() == 16 && last.ends_with('Z') && last.as_bytes()[8] == b'T'
        })
}

/// Takes the ending off a suite's name.
fn base(suite: &str) -> &str {
    let endings = [
        "-security",
        "/updates",
        "-updates",
        "-proposed-updates",
        "-backports-sloppy",
        "-backports",
    ];
    endings.iter().find_map(|ending| suite.strip_suffix(ending)).unwrap_or(suite)
}

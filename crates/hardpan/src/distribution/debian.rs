// SPDX-License-Identifier: Apache-2.0
//! Debian: its archives and the keys that sign them.

use hardpan_definition::{Definition, Spanned};
use hardpan_package::deb::sources;
use hardpan_package::segment::Format;

use crate::demand::{ArchiveDemand, DemandError, KeyringDemand};

/// The name of the distribution's own archives in workspaces, and of the main one in locks.
pub(crate) const NAME: &str = "debian";
/// The name of the security archive in locks.
pub(crate) const SECURITY: &str = "debian-security";

/// The keys that sign the archives, by release.
const KEYS: [(u8, &[u8]); 2] = [
    (12, include_bytes!("../../keys/debian-12.asc")),
    (13, include_bytes!("../../keys/debian-13.asc")),
];

/// A release of Debian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Release {
    pub(crate) number: u8,
    pub(crate) codename: &'static str,
}

/// Returns the keys of a release; nothing for one that is not known.
pub(crate) fn keys(release: u8) -> &'static [u8] {
    KEYS.iter().find(|(known, _)| *known == release).map_or(&[], |(_, keys)| keys)
}

/// Returns the distribution's own archives: the suite, its updates and its security fixes.
pub(super) fn own_archives(release: Release) -> Vec<ArchiveDemand> {
    let codename = release.codename;
    [
        (NAME, codename.to_owned()),
        (NAME, format!("{codename}-updates")),
        (SECURITY, format!("{codename}-security")),
    ]
    .into_iter()
    .map(|(name, suite)| ArchiveDemand {
        format: Format::Deb,
        name: name.to_owned(),
        suite,
        components: vec!["main".to_owned()],
        tag: None,
        keyring: KeyringDemand::Debian(release.number),
    })
    .collect()
}

/// Reads a repository of a definition: one line, which means one source.
pub(super) fn archive(
    definition: &Definition,
    repository: &Spanned<String>,
) -> Result<ArchiveDemand, DemandError> {
    let span = repository.span;
    let parsed = sources::parse_lines(&repository.value);
    let source = match (parsed.errors.into_iter().next(), parsed.sources.into_iter().next()) {
        (Some(source), _) => return Err(DemandError::Repository { span, source }),
        (None, Some(source)) => source,
        (None, None) => return Err(DemandError::NoSource { span }),
    };
    let urls = definition.contents.keyring.iter().map(|url| url.value.clone()).collect();
    Ok(ArchiveDemand {
        format: Format::Deb,
        name: source.uri.trim_end_matches('/').to_owned(),
        suite: source.suite,
        components: source.components,
        tag: None,
        keyring: KeyringDemand::Urls(urls),
    })
}

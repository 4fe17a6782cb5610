// SPDX-License-Identifier: Apache-2.0
//! Alpine: its archives and the keys that sign them.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use hardpan_definition::{Definition, Platform, Spanned};
use hardpan_package::segment::Format;

use crate::demand::{ArchiveDemand, KeyringDemand};
use crate::finish::ArchiveSettings;
use crate::lock::LockedArchive;

/// The name of the distribution's own archives in workspaces and locks.
pub(crate) const NAME: &str = "alpine";

/// The parts of the distribution that are used where a definition names no archive.
const REPOSITORIES: [&str; 2] = ["main", "community"];

/// The keys that sign the archives, by the names that signatures have for them. The first signs what is for
/// x86_64, the second what is for aarch64.
pub(crate) const KEYS: [(&str, &[u8]); 2] = [
    (
        "alpine-devel@lists.alpinelinux.org-6165ee59.rsa.pub",
        include_bytes!("../../keys/alpine/alpine-devel@lists.alpinelinux.org-6165ee59.rsa.pub"),
    ),
    (
        "alpine-devel@lists.alpinelinux.org-616ae350.rsa.pub",
        include_bytes!("../../keys/alpine/alpine-devel@lists.alpinelinux.org-616ae350.rsa.pub"),
    ),
];

/// Returns what an apk in an image needs to know: the archives that its definition names, and the keys that they are
/// signed with. The distribution's own archives have no name that apk could use: it is a mirror's.
pub(crate) fn settings(definition: &Definition, archives: &[LockedArchive]) -> ArchiveSettings {
    let own = KEYS.map(|(name, pem)| (name.to_owned(), Arc::from(pem)));
    let mut settings = ArchiveSettings::of(definition);
    if definition.syntax.distribution.is_alpine() {
        settings.keys.extend(own);
        let named = archives.iter().flat_map(|archive| &archive.keys);
        settings.keys.extend(named.map(|(name, pem)| (name.clone(), Arc::from(pem.as_bytes()))));
    }
    settings
}

/// A branch of Alpine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Branch {
    /// A release.
    Stable { major: u8, minor: u8 },
    /// The next release, as it is today.
    Edge,
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stable { major, minor } => write!(f, "v{major}.{minor}"),
            Self::Edge => f.write_str("edge"),
        }
    }
}

/// Returns Alpine's name for a platform's architecture.
pub(super) fn architecture(platform: Platform) -> &'static str {
    match platform.architecture() {
        "arm64" => "aarch64",
        _ => "x86_64",
    }
}

/// Returns the distribution's own archives.
pub(super) fn own_archives(branch: Branch) -> Vec<ArchiveDemand> {
    REPOSITORIES
        .into_iter()
        .map(|repository| ArchiveDemand {
            format: Format::Apk,
            name: NAME.to_owned(),
            suite: format!("{branch}/{repository}"),
            components: Vec::new(),
            tag: None,
            keyring: KeyringDemand::Alpine(Vec::new()),
        })
        .collect()
}

/// Reads a repository of a definition: a URL, before which may stand `@` and a tag.
pub(super) fn archive(definition: &Definition, repository: &Spanned<String>) -> ArchiveDemand {
    let text = repository.value.trim();
    // The definition's grammar knows no other form.
    let (tag, url) = match text.strip_prefix('@').and_then(|rest| rest.split_once(' ')) {
        Some((tag, url)) => (Some(tag.to_owned()), url.trim()),
        None => (None, text),
    };
    let urls = definition.contents.keyring.iter().map(|url| url.value.clone()).collect();
    // apk takes the URL of an index of format 3, too, beside which its packages are.
    let url = url.trim_end_matches('/');
    let (name, components) = match url.rsplit_once('/') {
        Some((above, file)) if Path::new(file).extension().is_some_and(|end| end == "adb") => {
            (above, vec![file.to_owned()])
        }
        _ => (url, Vec::new()),
    };
    ArchiveDemand {
        format: Format::Apk,
        name: name.to_owned(),
        suite: String::new(),
        components,
        tag,
        keyring: KeyringDemand::Alpine(urls),
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What a definition asks of the archives, after the workspace's substitutions.

use std::collections::BTreeSet;

use hardpan_definition::{Definition, Distribution, Span};
use hardpan_package::deb::sources::{self, Source, SourcesError};

use crate::config::{Pins, Workspace};
use crate::{artifact, download};

/// The name of the distribution's own archives in workspaces, and of the main one in locks.
pub(crate) const DEBIAN: &str = "debian";
/// The name of Debian's security archive in locks.
pub(crate) const DEBIAN_SECURITY: &str = "debian-security";

/// What one platform of a definition asks of the archives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Demand {
    /// `amd64` or `arm64`.
    pub architecture: &'static str,
    /// Where packages may come from, in the definition's order.
    pub archives: Vec<ArchiveDemand>,
    /// The packages asked for, in the definition's order.
    pub packages: Vec<PackageDemand>,
    /// The packages that must not come in, as `!name`.
    pub exclusions: BTreeSet<String>,
    /// Downloads and images, a canonical line each.
    pub others: Vec<String>,
}

/// One suite of one archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ArchiveDemand {
    /// `debian`, `debian-security`, or the URI that the definition wrote.
    pub name: String,
    /// The suite, or the path with a trailing slash of a flat archive.
    pub suite: String,
    /// The components; empty for a flat archive.
    pub components: Vec<String>,
    /// The keys that count.
    pub keyring: KeyringDemand,
}

/// The keys that count for an archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KeyringDemand {
    /// Debian's own of this release.
    Debian(u8),
    /// The ones at these URLs.
    Urls(Vec<String>),
}

/// A package asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackageDemand {
    /// Its name.
    pub name: String,
    /// The exact version, where the definition names one.
    pub version: Option<String>,
    /// Whether another version will do where the archive does not have that one.
    pub is_relaxed: bool,
    /// Where the definition asks for it.
    pub span: Span,
}

/// Why a definition asks for something that can't be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemandError {
    /// Not a distribution that can be built.
    #[error("definitions for {distribution} can't be built yet; Debian 12 and 13 can")]
    Distribution {
        /// The distribution.
        distribution: Distribution,
    },
    /// A repository line that is not one.
    #[error("not a Debian source line")]
    Repository {
        /// Where it stands.
        span: Span,
        /// What is wrong with it.
        #[source]
        source: SourcesError,
    },
    /// A repository line that names no source of packages.
    #[error("the repository is empty or switched off")]
    NoSource {
        /// Where it stands.
        span: Span,
    },
    /// An archive without keys.
    #[error("the archive {uri} has no keyring")]
    NoKeyring {
        /// The archive.
        uri: String,
        /// Where it stands.
        span: Span,
    },
}

impl DemandError {
    /// Returns where in the definition the reason is.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::Distribution { .. } => None,
            Self::Repository { span, .. }
            | Self::NoSource { span }
            | Self::NoKeyring { span, .. } => Some(*span),
        }
    }
}

impl Demand {
    /// Reads a definition's demand, applying the workspace's substitutions.
    pub(crate) fn of(definition: &Definition, workspace: &Workspace) -> Result<Self, DemandError> {
        let Distribution::Debian { release } = definition.syntax.distribution else {
            let distribution = definition.syntax.distribution;
            return Err(DemandError::Distribution { distribution });
        };
        let (archives, pins) = archives(definition, release, workspace)?;
        let mut packages: Vec<PackageDemand> = Vec::new();
        let mut exclusions = BTreeSet::new();
        for request in &definition.contents.packages {
            let substituted = workspace.substitute_package(&request.name);
            let Some(name) = substituted.name else { continue };
            if request.excluded {
                exclusions.insert(name);
                continue;
            }
            exclusions.extend(substituted.exclude.iter().cloned());
            let demand = PackageDemand {
                name,
                version: request.version.clone(),
                is_relaxed: substituted.by_rule || pins == Pins::Relax,
                span: request.span,
            };
            // A definition may name a package twice, with and without its version.
            match packages.iter_mut().find(|known| known.name == demand.name) {
                Some(known) if known.version.is_none() => *known = demand,
                Some(known) if demand.version.is_none() || known.version == demand.version => {}
                _ => packages.push(demand),
            }
        }
        // "!x" beside "x" is how definitions say "x and nothing else like it".
        exclusions.retain(|name| !packages.iter().any(|package| package.name == *name));
        let architecture = definition.platform.architecture();
        let files = &definition.contents.files;
        let artifacts = &definition.contents.artifacts;
        let others = files
            .iter()
            .map(|file| download::demand_line(file, workspace))
            .chain(artifacts.iter().map(|item| artifact::demand_line(&item.name, workspace)))
            .collect();
        Ok(Self { architecture, archives, packages, exclusions, others })
    }

    /// Returns the demand as canonical lines for the lock.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for archive in &self.archives {
            let components = archive.components.join(" ");
            let line = format!("archive {} {} {components}", archive.name, archive.suite);
            lines.push(line.trim_end().to_owned());
            if let KeyringDemand::Urls(urls) = &archive.keyring {
                lines.extend(urls.iter().map(|url| format!("keyring {url}")));
            }
        }
        lines.extend(self.exclusions.iter().map(|name| format!("exclude {name}")));
        for package in &self.packages {
            let version = match &package.version {
                Some(version) if package.is_relaxed => format!(" ~{version}"),
                Some(version) => format!(" ={version}"),
                None => String::new(),
            };
            lines.push(format!("package {}{version}", package.name));
        }
        lines.extend(self.others.iter().cloned());
        lines.sort();
        lines.dedup();
        lines
    }
}

/// Returns the distribution's own archives: the suite, its updates and its security fixes.
fn default_archives(release: u8, codename: &str) -> Vec<ArchiveDemand> {
    [
        (DEBIAN, codename.to_owned()),
        (DEBIAN, format!("{codename}-updates")),
        (DEBIAN_SECURITY, format!("{codename}-security")),
    ]
    .into_iter()
    .map(|(name, suite)| ArchiveDemand {
        name: name.to_owned(),
        suite,
        components: vec!["main".to_owned()],
        keyring: KeyringDemand::Debian(release),
    })
    .collect()
}

fn archives(
    definition: &Definition,
    release: u8,
    workspace: &Workspace,
) -> Result<(Vec<ArchiveDemand>, Pins), DemandError> {
    let codename = definition.syntax.distribution.codename().unwrap_or_default();
    if definition.contents.repositories.is_empty() {
        return Ok((default_archives(release, codename), Pins::Keep));
    }
    let mut archives: Vec<ArchiveDemand> = Vec::new();
    let mut pins = Pins::Keep;
    for repository in &definition.contents.repositories {
        let source = source_line(&repository.value, repository.span)?;
        let rule = workspace.archive_substitution(&source.uri);
        if let Some(rule) = rule
            && rule.pins == Pins::Relax
        {
            pins = Pins::Relax;
        }
        let demands = match rule.map(|rule| rule.to.as_str()) {
            Some(DEBIAN) => default_archives(release, codename),
            other => {
                let uri = other.unwrap_or(&source.uri).trim_end_matches('/').to_owned();
                vec![explicit_archive(definition, uri, &source, repository.span)?]
            }
        };
        for demand in demands {
            if !archives.contains(&demand) {
                archives.push(demand);
            }
        }
    }
    Ok((archives, pins))
}

/// Parses a repository of a definition: one line, which means one source.
fn source_line(text: &str, span: Span) -> Result<Source, DemandError> {
    let parsed = sources::parse_lines(text);
    match (parsed.errors.into_iter().next(), parsed.sources.into_iter().next()) {
        (Some(source), _) => Err(DemandError::Repository { span, source }),
        (None, Some(source)) => Ok(source),
        (None, None) => Err(DemandError::NoSource { span }),
    }
}

fn explicit_archive(
    definition: &Definition,
    uri: String,
    source: &Source,
    span: Span,
) -> Result<ArchiveDemand, DemandError> {
    let urls: Vec<String> =
        definition.contents.keyring.iter().map(|url| url.value.clone()).collect();
    if urls.is_empty() {
        return Err(DemandError::NoKeyring { uri, span });
    }
    Ok(ArchiveDemand {
        name: uri,
        suite: source.suite.clone(),
        components: source.components.clone(),
        keyring: KeyringDemand::Urls(urls),
    })
}

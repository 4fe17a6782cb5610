// SPDX-License-Identifier: Apache-2.0
//! What a definition asks of the archives, after the workspace's substitutions.

use std::collections::BTreeSet;

use hardpan_definition::{Definition, Distribution, Span};
use hardpan_package::apk::dependency::DependencyError;
use hardpan_package::deb::sources::SourcesError;
use hardpan_package::segment::Format;

use crate::config::{Pins, Workspace};
use crate::distribution::Family;
use crate::{artifact, download};

/// What one platform of a definition asks of the archives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Demand {
    /// The format of the packages.
    pub format: Format,
    /// The architecture, by the name that the distribution has for it: `amd64`, `x86_64`.
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
    /// The format of its packages.
    pub format: Format,
    /// `debian`, `debian-security`, `alpine`, or the URI that the definition wrote.
    pub name: String,
    /// The suite, or the path with a trailing slash of a flat archive. Of Alpine's own archives `v3.24/main`; empty
    /// for the rest of its kind.
    pub suite: String,
    /// The components; empty for a flat archive. For Alpine the name of the index, where it is not the usual one.
    pub components: Vec<String>,
    /// The tag by which packages are asked for from here alone (`name@tag`); only Alpine has them.
    pub tag: Option<String>,
    /// The keys that count.
    pub keyring: KeyringDemand,
}

impl ArchiveDemand {
    /// Checks that there are keys.
    pub(crate) fn check(&self, span: Span) -> Result<(), DemandError> {
        match &self.keyring {
            KeyringDemand::Urls(urls) if urls.is_empty() => {
                Err(DemandError::NoKeyring { uri: self.name.clone(), span })
            }
            _ => Ok(()),
        }
    }
}

/// The keys that count for an archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KeyringDemand {
    /// Debian's own of this release.
    Debian(u8),
    /// The ones at these URLs.
    Urls(Vec<String>),
    /// Alpine's own, and the ones at these URLs. As for apk itself each counts for every archive.
    Alpine(Vec<String>),
}

/// A package asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PackageDemand {
    /// Its name.
    pub name: String,
    /// The version, where the definition names one.
    pub version: Option<String>,
    /// How versions are compared with that one, where it is not by `=`; only Alpine has that.
    pub operator: Option<String>,
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
    #[error("definitions for {distribution} can't be built; those for Debian and Alpine can")]
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
    /// The workspace lets another distribution's archives stand in.
    #[error("{to}'s archives stand in for {uri}, which has packages of another distribution")]
    OtherDistribution {
        /// The archive.
        uri: String,
        /// What stands in.
        to: String,
        /// Where the archive is named.
        span: Span,
    },
    /// A package line that apk would not take.
    #[error("{text:?} asks for no package of Alpine")]
    Package {
        /// The line.
        text: String,
        /// Where it stands.
        span: Span,
        /// What is wrong with it.
        #[source]
        source: DependencyError,
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
            | Self::OtherDistribution { span, .. }
            | Self::Package { span, .. }
            | Self::NoKeyring { span, .. } => Some(*span),
        }
    }
}

impl Demand {
    /// Reads a definition's demand, applying the workspace's substitutions.
    pub(crate) fn of(definition: &Definition, workspace: &Workspace) -> Result<Self, DemandError> {
        let family = Family::of(definition.syntax.distribution)?;
        let (archives, pins) = family.archives(definition, workspace)?;
        let mut packages: Vec<PackageDemand> = Vec::new();
        let mut exclusions = BTreeSet::new();
        for request in &definition.contents.packages {
            let substituted = workspace.substitute_package(&request.name, family.name());
            let Some(name) = substituted.name else { continue };
            if request.excluded {
                exclusions.insert(name);
                continue;
            }
            exclusions.extend(substituted.exclude.iter().cloned());
            let demand = PackageDemand {
                name,
                version: request.version.clone(),
                operator: request.operator.clone(),
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
        let format = family.format();
        let architecture = family.architecture(definition.platform);
        let files = &definition.contents.files;
        let artifacts = &definition.contents.artifacts;
        let others = files
            .iter()
            .map(|file| download::demand_line(file, workspace))
            .chain(artifacts.iter().map(|item| artifact::demand_line(&item.name, workspace)))
            .collect();
        Ok(Self { format, architecture, archives, packages, exclusions, others })
    }

    /// Returns the demand as canonical lines for the lock.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for archive in &self.archives {
            let tag = archive.tag.as_ref().map_or_else(String::new, |tag| format!("@{tag} "));
            let parts = [&archive.name, &archive.suite].into_iter().chain(&archive.components);
            let parts: Vec<&str> =
                parts.map(String::as_str).filter(|part| !part.is_empty()).collect();
            lines.push(format!("archive {tag}{}", parts.join(" ")));
            if let KeyringDemand::Urls(urls) | KeyringDemand::Alpine(urls) = &archive.keyring {
                lines.extend(urls.iter().map(|url| format!("keyring {url}")));
            }
        }
        lines.extend(self.exclusions.iter().map(|name| format!("exclude {name}")));
        for package in &self.packages {
            let operator = package.operator.as_deref().unwrap_or("=");
            let version = match &package.version {
                Some(version) if package.is_relaxed && operator == "=" => format!(" ~{version}"),
                Some(version) if package.is_relaxed => format!(" ~({operator}{version})"),
                Some(version) if operator == "~" => format!(" =~{version}"),
                Some(version) => format!(" {operator}{version}"),
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

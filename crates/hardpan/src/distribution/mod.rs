// SPDX-License-Identifier: Apache-2.0
//! What differs between distributions: the one place that tells Debian from Alpine outside of finishers.

pub(crate) mod alpine;
pub(crate) mod debian;
#[cfg(test)]
mod tests;

use hardpan_definition::{Definition, Distribution, Platform};
use hardpan_package::segment::Format;

use crate::config::{Pins, Workspace};
use crate::demand::{ArchiveDemand, DemandError};

/// The names of distributions in workspaces.
pub(crate) const NAMES: [&str; 2] = [debian::NAME, alpine::NAME];

/// A distribution that images are built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// Debian, by its release.
    Debian(debian::Release),
    /// Alpine, by its branch.
    Alpine(alpine::Branch),
}

impl Family {
    /// Returns the distribution of a definition, if images can be built from it.
    pub(crate) fn of(distribution: Distribution) -> Result<Self, DemandError> {
        match distribution {
            Distribution::Debian { release } => {
                let codename = distribution.codename().unwrap_or_default();
                Ok(Self::Debian(debian::Release { number: release, codename }))
            }
            Distribution::Alpine { major, minor } => {
                Ok(Self::Alpine(alpine::Branch::Stable { major, minor }))
            }
            Distribution::AlpineEdge => Ok(Self::Alpine(alpine::Branch::Edge)),
            _ => Err(DemandError::Distribution { distribution }),
        }
    }

    /// Returns the format of its packages.
    pub(crate) fn format(self) -> Format {
        match self {
            Self::Debian(_) => Format::Deb,
            Self::Alpine(_) => Format::Apk,
        }
    }

    /// Returns its name for a platform's architecture.
    pub(crate) fn architecture(self, platform: Platform) -> &'static str {
        match self {
            Self::Debian(_) => platform.architecture(),
            Self::Alpine(_) => alpine::architecture(platform),
        }
    }

    /// Returns the archives that a definition names, after substitution, or the distribution's own, and what becomes
    /// of exact versions.
    pub(crate) fn archives(
        self,
        definition: &Definition,
        workspace: &Workspace,
    ) -> Result<(Vec<ArchiveDemand>, Pins), DemandError> {
        if definition.contents.repositories.is_empty() {
            return Ok((self.own_archives(), Pins::Keep));
        }
        let mut archives: Vec<ArchiveDemand> = Vec::new();
        let mut pins = Pins::Keep;
        for repository in &definition.contents.repositories {
            let named = match self {
                Self::Debian(_) => debian::archive(definition, repository)?,
                Self::Alpine(_) => alpine::archive(definition, repository),
            };
            let rule = workspace.archive_substitution(&named.name);
            if rule.as_ref().is_some_and(|(rule, _)| rule.pins == Pins::Relax) {
                pins = Pins::Relax;
            }
            let demands = match rule {
                Some((_, to)) if to == self.name() => {
                    let tagged = |own| ArchiveDemand { tag: named.tag.clone(), ..own };
                    self.own_archives().into_iter().map(tagged).collect()
                }
                Some((_, to)) if NAMES.contains(&&*to) => {
                    let (span, uri) = (repository.span, named.name);
                    return Err(DemandError::OtherDistribution { uri, to, span });
                }
                Some((_, to)) => vec![ArchiveDemand { name: to, ..named }],
                None => vec![named],
            };
            for demand in demands {
                demand.check(repository.span)?;
                if !archives.contains(&demand) {
                    archives.push(demand);
                }
            }
        }
        Ok((archives, pins))
    }

    /// Returns the archives that a definition names, as it writes them.
    pub(crate) fn named_archives(
        self,
        definition: &Definition,
    ) -> Result<Vec<String>, DemandError> {
        let name = |repository| match self {
            Self::Debian(_) => Ok(debian::archive(definition, repository)?.name),
            Self::Alpine(_) => Ok(alpine::archive(definition, repository).name),
        };
        definition.contents.repositories.iter().map(name).collect()
    }

    /// Returns the distribution's name in workspaces and locks.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Debian(_) => debian::NAME,
            Self::Alpine(_) => alpine::NAME,
        }
    }

    fn own_archives(self) -> Vec<ArchiveDemand> {
        match self {
            Self::Debian(release) => debian::own_archives(release),
            Self::Alpine(branch) => alpine::own_archives(branch),
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Solving with Alpine's packages.

use hardpan_definition::Platform;
use hardpan_package::apk::dependency::{Dependency, parse_request};
use hardpan_package::apk::index::{Index, Package};
use hardpan_package::apk::solve::{IndexRef, SolveTask, solve};
use hardpan_package::apk::version::VersionRef;

use super::solve_error;
use crate::demand::{ArchiveDemand, Demand, DemandError, PackageDemand};
use crate::error::Error;

/// An archive with its index for the architecture that is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'s> {
    pub(super) archive: &'s ArchiveDemand,
    pub(super) index: &'s Index,
}

/// A package that was chosen, and where it is.
#[derive(Debug, Clone)]
pub(super) struct Chosen<'s> {
    pub(super) archive: &'s ArchiveDemand,
    pub(super) package: Package,
}

/// Chooses packages, sorted by name.
pub(super) fn choose<'s>(
    platform: Platform,
    demand: &Demand,
    sources: &[Source<'s>],
) -> Result<Vec<Chosen<'s>>, Error> {
    let indexes: Vec<IndexRef<'s>> = sources
        .iter()
        .map(|source| IndexRef { index: source.index, tag: source.archive.tag.as_deref() })
        .collect();
    let mut task = SolveTask { exclusions: demand.exclusions.clone(), ..SolveTask::default() };
    for (number, package) in demand.packages.iter().enumerate() {
        let text = request(package, sources)?;
        task.add(&text, number).map_err(|source| DemandError::Package {
            text,
            span: package.span,
            source,
        })?;
    }
    let solution =
        solve(&indexes, &task).map_err(|source| solve_error(platform, demand, source))?;
    let chosen = solution.packages.into_iter();
    // An index's number is that of its source.
    Ok(chosen
        .map(|chosen| Chosen { archive: sources[chosen.index].archive, package: chosen.package })
        .collect())
}

/// Returns what is asked for, as apk writes it. A version without its end (`=1.2` where the archive has `1.2-r3`) is
/// any that begins so, and one that no archive has is left out where another will do.
fn request(package: &PackageDemand, sources: &[Source<'_>]) -> Result<String, DemandError> {
    let Some(version) = &package.version else { return Ok(package.name.clone()) };
    let operator = package.operator.as_deref().unwrap_or("=");
    let text = format!("{}{operator}{version}", package.name);
    let open = format!("{}~{version}", package.name);
    let is_open = operator == "=" && !version.contains("-r");
    for text in [Some(&text), is_open.then_some(&open)].into_iter().flatten() {
        let wanted = parse_request(text).map_err(|source| DemandError::Package {
            text: text.clone(),
            span: package.span,
            source,
        })?;
        if sources.iter().any(|source| has(source.index, &wanted)) {
            return Ok(text.clone());
        }
    }
    Ok(if package.is_relaxed { package.name.clone() } else { text })
}

fn has(index: &Index, wanted: &Dependency<'_>) -> bool {
    index.versions_of(wanted.name).iter().any(|package| {
        VersionRef::of_package(&package.version).is_ok_and(|version| wanted.admits(Some(&version)))
    })
}

#[cfg(test)]
mod tests;

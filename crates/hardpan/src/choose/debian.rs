// SPDX-License-Identifier: Apache-2.0
//! Solving with Debian's packages.

use hardpan_definition::Platform;
use hardpan_package::deb::index::PackageIndex;
use hardpan_package::solve::{IndexRef, Request, Solution, SolveTask, solve};

use super::solve_error;
use crate::demand::Demand;
use crate::error::Error;
use crate::lock::LockedPackage;

/// Chooses packages, which the indexes say everything of.
pub(super) fn choose(
    platform: Platform,
    demand: &Demand,
    indexes: &[&PackageIndex],
) -> Result<Vec<LockedPackage>, Error> {
    let indexes: Vec<IndexRef<'_>> = indexes.iter().copied().map(IndexRef::new).collect();
    let mut task = SolveTask::new(demand.architecture);
    task.exclusions.clone_from(&demand.exclusions);
    for (number, package) in demand.packages.iter().enumerate() {
        let version = package
            .version
            .clone()
            .filter(|version| !package.is_relaxed || has_version(&indexes, &package.name, version));
        task.requests.push(Request { name: package.name.clone(), version, source: number });
    }
    let solution =
        solve(&indexes, &task).map_err(|source| solve_error(platform, demand, source))?;
    Ok(locked_packages(&solution, &indexes))
}

fn has_version(indexes: &[IndexRef<'_>], name: &str, version: &str) -> bool {
    indexes.iter().any(|reference| {
        let numbers = reference.index.versions_of(name).unwrap_or(0..0);
        numbers
            .filter_map(|number| reference.index.package(number).ok())
            .any(|package| package.version == version)
    })
}

fn locked_packages(solution: &Solution, indexes: &[IndexRef<'_>]) -> Vec<LockedPackage> {
    solution
        .packages
        .iter()
        .map(|chosen| {
            let record = &chosen.package;
            LockedPackage {
                name: record.name.clone(),
                version: record.version.clone(),
                architecture: record.architecture.clone(),
                archive: indexes[chosen.index].index.origin().archive.clone(),
                path: record.filename.clone(),
                sha256: record.sha256,
                size_bytes: record.size_bytes,
                source: (record.source_name != record.name).then(|| record.source_name.clone()),
                source_version: (record.source_version != record.version)
                    .then(|| record.source_version.clone()),
                scripts: None,
            }
        })
        .collect()
}

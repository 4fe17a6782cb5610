// SPDX-License-Identifier: Apache-2.0
//! Why a package is in an image, and what it costs.

use std::collections::BTreeSet;

use hardpan_definition::{Definition, Platform};
use hardpan_package::scripts::ScriptAction;
use hardpan_package::segment::{EntryKind, Unpacked};
use serde::Serialize;

use crate::build::{BuildSettings, wanted_packages};
use crate::demand::Demand;
use crate::error::Error;
use crate::fetch::Prepared;
use crate::graph::Graph;
use crate::lock::Lock;
use crate::project::Project;
use crate::session::Session;

/// How many near names are offered for one that is not there.
const NEAR_MAX: usize = 5;

/// Why a package is in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Explanation {
    /// The platform that this is about.
    pub platform: String,
    /// The package.
    pub package: String,
    /// Its version.
    pub version: String,
    /// Whether the definition names it.
    pub is_requested: bool,
    /// The shortest way from a package that the definition names, both ends included.
    pub path: Vec<PathStep>,
    /// Every package that depends on it, with the dependency.
    pub dependents: Vec<PathStep>,
    /// What its files have in the image, in bytes.
    pub size_bytes: u64,
    /// The packages that would not be needed without it, itself included.
    pub only_through: Vec<String>,
    /// What the files of all those have, in bytes.
    pub only_through_size_bytes: u64,
}

/// A package and the dependency that leads on from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PathStep {
    /// The package.
    pub package: String,
    /// The dependency as written; `None` at the end of a path.
    pub clause: Option<String>,
}

impl Session<'_> {
    /// Explains a package of a locked definition on one platform.
    pub fn explain(
        &self,
        project: &Project,
        lock: &Lock,
        settings: &BuildSettings,
        platform: Platform,
        package: &str,
    ) -> Result<Explanation, Error> {
        let (definition, members) = self.members(project, lock, settings, platform)?;
        let demand = Demand::of(definition, self.workspace)?;
        let requested: BTreeSet<String> =
            demand.packages.iter().map(|package| package.name.clone()).collect();
        let packages: Vec<&Unpacked> = members.iter().map(|member| &*member.unpacked).collect();
        let graph = Graph::of(demand.architecture, &packages, &requested)?;
        let Some(number) = graph.find(package) else {
            let names = members.iter().map(|member| member.unpacked.name.as_str());
            return Err(Error::NotInImage {
                package: package.to_owned(),
                near: near_names(package, names),
            });
        };
        let step = |index: usize, clause: Option<&str>| PathStep {
            package: graph.name(index).to_owned(),
            clause: clause.map(str::to_owned),
        };
        let mut path: Vec<PathStep> = graph
            .path_to(number)
            .unwrap_or_default()
            .iter()
            .map(|edge| step(edge.from, Some(&edge.clause)))
            .collect();
        path.push(step(number, None));
        let mut dependents: Vec<PathStep> =
            graph.dependents(number).map(|edge| step(edge.from, Some(&edge.clause))).collect();
        dependents.sort();
        dependents.dedup();
        let only_through = graph.only_through(number);
        let size = |index: usize| installed_size_bytes(&members[index].unpacked);
        Ok(Explanation {
            platform: platform.name().to_owned(),
            package: package.to_owned(),
            version: members[number].unpacked.version.clone(),
            is_requested: graph.is_requested(number),
            path,
            dependents,
            size_bytes: size(number),
            only_through_size_bytes: only_through.iter().map(|&index| size(index)).sum(),
            only_through: only_through.iter().map(|&index| graph.name(index).to_owned()).collect(),
        })
    }

    /// Says what becomes of each command in a package's maintainer scripts.
    pub fn explain_scripts(
        &self,
        project: &Project,
        lock: &Lock,
        settings: &BuildSettings,
        platform: Platform,
        package: &str,
    ) -> Result<Vec<ScriptAction>, Error> {
        let (definition, members) = self.members(project, lock, settings, platform)?;
        if !members.iter().any(|member| member.unpacked.name == package) {
            let names = members.iter().map(|member| member.unpacked.name.as_str());
            return Err(Error::NotInImage {
                package: package.to_owned(),
                near: near_names(package, names),
            });
        }
        let locked = crate::build::locked_packages(lock, definition);
        let prepared = members.iter().filter_map(|member| {
            let digest = locked.iter().find(|locked| locked.name == member.unpacked.name)?.sha256;
            Some((digest, member.clone()))
        });
        let assembly = self.assemble(
            definition,
            &project.root,
            locked,
            &prepared.collect(),
            &settings.strip,
            lock.epoch,
            &lock.archives,
            |_| Ok(()),
        )?;
        Ok(assembly.scripts.into_iter().filter(|action| action.package == package).collect())
    }

    /// Returns one platform's definition and its packages out of the store, sorted by name.
    pub(crate) fn members<'p>(
        &self,
        project: &'p Project,
        lock: &Lock,
        settings: &BuildSettings,
        platform: Platform,
    ) -> Result<(&'p Definition, Vec<Prepared>), Error> {
        let Some(definition) = project.definitions.get(&platform) else {
            return Err(Error::NoPlatform { platform });
        };
        let definitions = [definition.as_ref()];
        let packages = wanted_packages(lock, &definitions);
        let prepared = self.prepare(&packages, &settings.strip, settings.compression)?;
        let mut members: Vec<Prepared> = prepared.into_values().collect();
        members.sort_by(|one, other| one.unpacked.name.cmp(&other.unpacked.name));
        Ok((definition, members))
    }
}

/// Returns what a package's files have after stripping, in bytes.
fn installed_size_bytes(unpacked: &Unpacked) -> u64 {
    unpacked
        .entries
        .iter()
        .map(|entry| match &entry.kind {
            EntryKind::File(file) => file.size_bytes,
            _ => 0,
        })
        .sum()
}

/// Returns names that may have been meant: those that contain the word or are contained in it, then
/// those with the longest common beginning.
fn near_names<'n>(word: &str, names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let common =
        |name: &str| name.bytes().zip(word.bytes()).take_while(|(one, other)| one == other).count();
    let mut ranked: Vec<(bool, usize, &str)> = names
        .map(|name| (name.contains(word) || word.contains(name), common(name), name))
        .filter(|(contains, common, _)| *contains || *common >= 3)
        .collect();
    ranked.sort_by(|one, other| {
        (other.0, other.1).cmp(&(one.0, one.1)).then_with(|| one.2.cmp(other.2))
    });
    ranked.into_iter().take(NEAR_MAX).map(|(_, _, name)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::near_names;

    #[test]
    fn near_names_are_ranked() {
        let names = ["libssl3t64", "libc6", "openssl-provider-legacy", "zlib1g"];
        let near = |word| near_names(word, names.into_iter());
        assert_eq!(near("libssl3"), ["libssl3t64", "libc6"]);
        assert_eq!(near("openssl"), ["openssl-provider-legacy"]);
        assert_eq!(near("perl"), Vec::<String>::new());
    }
}

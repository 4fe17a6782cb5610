// SPDX-License-Identifier: Apache-2.0
//! The result of solving, and why each package is in it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::deb::index::PackageRecord;

/// The most paths that [`Solution::paths_to`] returns.
const PATHS_MAX: usize = 16;

/// The field of a package that holds a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RelationField {
    /// `Pre-Depends`
    #[serde(rename = "Pre-Depends")]
    PreDepends,
    /// `Depends`
    Depends,
    /// `install_if`: Alpine's package brings itself along, because of this one and others.
    #[serde(rename = "install_if")]
    InstallIf,
}

impl fmt::Display for RelationField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PreDepends => "Pre-Depends",
            Self::Depends => "Depends",
            Self::InstallIf => "install_if",
        })
    }
}

/// What has the name of a package.
pub trait Named {
    /// Returns the name.
    fn name(&self) -> &str;
}

impl Named for PackageRecord {
    fn name(&self) -> &str {
        &self.name
    }
}

/// A package of the solution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen<P = PackageRecord> {
    /// The position of its index in the list that was solved with.
    pub index: usize,
    /// The package.
    pub package: P,
    /// The [`super::Request::source`] of the requests for it; empty if it is a dependency.
    pub sources: Vec<usize>,
}

impl<P> Chosen<P> {
    /// Returns whether the package was asked for.
    pub fn requested(&self) -> bool {
        !self.sources.is_empty()
    }
}

/// One reason why a package is in the solution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// The package that needs it.
    pub dependent: String,
    /// The field that says so.
    pub field: RelationField,
    /// The clause of the field, `default-mta | mail-transport-agent`.
    pub relation: String,
}

/// One step of a dependency path: `dependent` needs `package`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// Why, and by whom. None at the beginning of the path: the package was asked for.
    pub reason: Option<Reason>,
    /// The package.
    pub package: String,
}

/// A dependency that holds only because a package was excluded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dropped {
    /// The package whose dependency it is.
    pub package: String,
    /// The field.
    pub field: RelationField,
    /// The clause of the field.
    pub relation: String,
    /// The excluded name that satisfies it.
    pub excluded: String,
}

/// Packages that satisfy a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Solution<P = PackageRecord> {
    /// The packages, sorted by name; no name twice.
    pub packages: Vec<Chosen<P>>,
    /// Who needs each package, for all packages.
    pub why: BTreeMap<String, Vec<Reason>>,
    /// Dependencies that nothing in the solution satisfies, because of exclusions.
    pub dropped: Vec<Dropped>,
}

impl<P: Named> Solution<P> {
    /// Returns the package of that name.
    pub fn get(&self, name: &str) -> Option<&Chosen<P>> {
        let position =
            self.packages.binary_search_by(|chosen| chosen.package.name().cmp(name)).ok()?;
        self.packages.get(position)
    }

    /// Returns the shortest dependency paths from requested packages to a package, at most 16,
    /// sorted; none if the package is not in the solution.
    pub fn paths_to(&self, name: &str) -> Vec<Vec<Step>> {
        if self.get(name).is_none() {
            return Vec::new();
        }
        let distances = self.distances(name);
        let requested = |chosen: &&Chosen<P>| chosen.requested();
        let starts: Vec<&str> =
            self.packages.iter().filter(requested).map(|c| c.package.name()).collect();
        let Some(shortest) = starts.iter().filter_map(|start| distances.get(start)).min() else {
            return Vec::new();
        };
        let mut paths = Vec::new();
        for start in &starts {
            if distances.get(start) == Some(shortest) {
                let step = Step { reason: None, package: (*start).to_owned() };
                self.extend(vec![step], &distances, &mut paths);
            }
        }
        paths.sort();
        paths
    }

    /// The number of steps from each package to `name`.
    fn distances(&self, name: &str) -> BTreeMap<&str, usize> {
        let mut distances = BTreeMap::new();
        let mut queue = VecDeque::new();
        if let Some((name, _)) = self.why.get_key_value(name) {
            distances.insert(name.as_str(), 0);
            queue.push_back((name.as_str(), 0));
        }
        while let Some((package, distance)) = queue.pop_front() {
            for reason in self.why.get(package).into_iter().flatten() {
                let dependent = reason.dependent.as_str();
                if !distances.contains_key(dependent) {
                    distances.insert(dependent, distance + 1);
                    queue.push_back((dependent, distance + 1));
                }
            }
        }
        distances
    }

    /// Goes on from the end of a path along falling distances.
    fn extend(
        &self,
        path: Vec<Step>,
        distances: &BTreeMap<&str, usize>,
        paths: &mut Vec<Vec<Step>>,
    ) {
        // One path per end is enough to stop at the limit: every start leads to the goal.
        let mut open = vec![path];
        while let Some(path) = open.pop() {
            if paths.len() == PATHS_MAX {
                return;
            }
            let Some(last) = path.last() else { continue };
            let Some(&distance) = distances.get(last.package.as_str()) else { continue };
            if distance == 0 {
                paths.push(path);
                continue;
            }
            let mut seen = BTreeSet::new();
            for (package, reason) in self.needs(&last.package) {
                if distances.get(package) == Some(&(distance - 1)) && seen.insert(package) {
                    let step = Step { reason: Some(reason.clone()), package: package.to_owned() };
                    open.push(path.iter().cloned().chain([step]).collect());
                }
            }
        }
    }

    /// Returns what a package needs, with the reason, sorted by name.
    pub fn needs(&self, dependent: &str) -> impl Iterator<Item = (&str, &Reason)> {
        self.why.iter().flat_map(move |(package, reasons)| {
            reasons
                .iter()
                .filter(move |reason| reason.dependent == dependent)
                .map(move |reason| (package.as_str(), reason))
        })
    }
}

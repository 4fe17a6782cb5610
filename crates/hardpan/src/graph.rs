// SPDX-License-Identifier: Apache-2.0
//! Why a package is in an image: the dependencies among the packages that were chosen.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hardpan_package::deb::relation::{self, Clause, Provide, RelationError};
use hardpan_package::deb::version::{VersionError, VersionRef};

/// What of a package the graph is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GraphPackage<'t> {
    /// Its name.
    pub name: &'t str,
    /// Its version.
    pub version: &'t str,
    /// `Pre-Depends` and `Depends`; empty where there is none.
    pub depends: [&'t str; 2],
    /// `Provides`; empty where there is none.
    pub provides: &'t str,
}

/// A dependency that one of the packages has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The package that depends, as a number.
    pub from: usize,
    /// The package that answers.
    pub to: usize,
    /// The dependency as written.
    pub clause: String,
}

/// Why the dependencies of a package can't be read.
#[derive(Debug, thiserror::Error)]
#[error("dependencies of package {package} can't be read")]
pub struct GraphError {
    /// The package.
    pub package: String,
    /// What is wrong with them.
    #[source]
    pub source: RelationError,
}

/// The dependencies among packages.
#[derive(Debug, Clone)]
pub(crate) struct Graph {
    names: Vec<String>,
    requested: Vec<bool>,
    edges: Vec<Vec<Edge>>,
}

impl Graph {
    /// Finds which package answers which dependency. `requested` are the names that the definition asks for.
    pub(crate) fn new(
        architecture: &str,
        packages: &[GraphPackage<'_>],
        requested: &BTreeSet<String>,
    ) -> Result<Self, GraphError> {
        let wrap = |package: &GraphPackage<'_>, source| GraphError {
            package: package.name.to_owned(),
            source,
        };
        let mut providers: BTreeMap<&str, Vec<(usize, Provide<'_>)>> = BTreeMap::new();
        for (index, package) in packages.iter().enumerate() {
            let provides =
                relation::parse_provides(package.provides).map_err(|error| wrap(package, error))?;
            for provide in provides {
                providers.entry(provide.name).or_default().push((index, provide));
            }
        }
        let mut graph = Self {
            names: packages.iter().map(|package| package.name.to_owned()).collect(),
            requested: packages.iter().map(|package| requested.contains(package.name)).collect(),
            edges: vec![Vec::new(); packages.len()],
        };
        let by_name: BTreeMap<&str, usize> =
            packages.iter().enumerate().map(|(index, package)| (package.name, index)).collect();
        for (from, package) in packages.iter().enumerate() {
            for text in package.depends {
                let clauses =
                    relation::parse_clauses(text).map_err(|error| wrap(package, error))?;
                for clause in &clauses {
                    let answers = answers(architecture, clause, packages, &by_name, &providers);
                    for to in answers.into_iter().filter(|to| *to != from) {
                        let clause = clause.text.to_owned();
                        graph.edges[from].push(Edge { from, to, clause });
                    }
                }
            }
        }
        Ok(graph)
    }

    /// Returns the number of a package.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|candidate| candidate == name)
    }

    /// Returns a package's name.
    pub(crate) fn name(&self, index: usize) -> &str {
        &self.names[index]
    }

    /// Returns whether the definition asks for a package by name.
    pub(crate) fn is_requested(&self, index: usize) -> bool {
        self.requested[index]
    }

    /// Returns the packages that depend on one, each with the dependency.
    pub(crate) fn dependents(&self, index: usize) -> impl Iterator<Item = &Edge> {
        self.edges.iter().flatten().filter(move |edge| edge.to == index)
    }

    /// Returns the shortest way from a request to each package, as edges; an empty one for requests.
    /// `None` where no dependency leads there (the package is kept by the lock alone).
    pub(crate) fn path_to(&self, target: usize) -> Option<Vec<&Edge>> {
        let mut came_by: Vec<Option<&Edge>> = vec![None; self.names.len()];
        let mut seen = self.requested.clone();
        let mut queue: VecDeque<usize> =
            (0..self.names.len()).filter(|&index| self.requested[index]).collect();
        while let Some(index) = queue.pop_front() {
            if index == target {
                let mut path = Vec::new();
                let mut at = target;
                while let Some(edge) = came_by[at] {
                    path.push(edge);
                    at = edge.from;
                }
                path.reverse();
                return Some(path);
            }
            for edge in &self.edges[index] {
                if !seen[edge.to] {
                    seen[edge.to] = true;
                    came_by[edge.to] = Some(edge);
                    queue.push_back(edge.to);
                }
            }
        }
        None
    }

    /// Returns the way to a package as one line: `curl → libcurl4t64 → libssl3t64`.
    pub(crate) fn path_text(&self, target: usize) -> Option<String> {
        let path = self.path_to(target)?;
        let first = path.first().map_or(target, |edge| edge.from);
        let mut text = self.names[first].clone();
        for edge in path {
            text.push_str(" → ");
            text.push_str(&self.names[edge.to]);
        }
        Some(text)
    }

    /// Returns the packages that would not be needed without this one, itself included.
    pub(crate) fn only_through(&self, removed: usize) -> Vec<usize> {
        let mut seen = vec![false; self.names.len()];
        let mut stack: Vec<usize> = (0..self.names.len())
            .filter(|&index| self.requested[index] && index != removed)
            .collect();
        while let Some(index) = stack.pop() {
            if !std::mem::replace(&mut seen[index], true) {
                stack.extend(
                    self.edges[index].iter().map(|edge| edge.to).filter(|to| *to != removed),
                );
            }
        }
        (0..self.names.len()).filter(|&index| !seen[index]).collect()
    }
}

/// Returns the packages that answer a dependency: those of its first alternative that any answers.
fn answers(
    architecture: &str,
    clause: &Clause<'_>,
    packages: &[GraphPackage<'_>],
    by_name: &BTreeMap<&str, usize>,
    providers: &BTreeMap<&str, Vec<(usize, Provide<'_>)>>,
) -> Vec<usize> {
    for relation in clause.alternatives.iter().filter(|relation| relation.applies(architecture)) {
        let admits = |version: &str| -> Result<bool, VersionError> {
            Ok(relation.admits(&VersionRef::parse(version)?))
        };
        if let Some(&index) = by_name.get(relation.name)
            && admits(packages[index].version).unwrap_or(false)
        {
            return vec![index];
        }
        let provided: Vec<usize> = providers
            .get(relation.name)
            .into_iter()
            .flatten()
            .filter(|(_, provide)| relation.admits_provided(provide.version.as_ref()))
            .map(|(index, _)| *index)
            .collect();
        if !provided.is_empty() {
            return provided;
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package<'t>(name: &'t str, depends: &'t str, provides: &'t str) -> GraphPackage<'t> {
        GraphPackage { name, version: "1.0", depends: ["", depends], provides }
    }

    fn graph(packages: &[GraphPackage<'_>], requested: &[&str]) -> Graph {
        let requested = requested.iter().map(|&name| name.to_owned()).collect();
        Graph::new("amd64", packages, &requested).unwrap()
    }

    #[test]
    fn paths_are_shortest_and_through_providers() {
        let graph = graph(
            &[
                package("app", "lib (>= 1), awk", ""),
                package("lib", "libc6", ""),
                package("libc6", "", ""),
                package("mawk", "libc6 | nothing", "awk"),
            ],
            &["app"],
        );
        let text = |name| graph.path_text(graph.find(name).unwrap());
        assert_eq!(text("app").as_deref(), Some("app"));
        assert_eq!(text("libc6").as_deref(), Some("app → lib → libc6"));
        assert_eq!(text("mawk").as_deref(), Some("app → mawk"));
        let only: Vec<&str> =
            graph.only_through(1).iter().map(|&index| graph.name(index)).collect();
        assert_eq!(only, ["lib"]);
        assert_eq!(graph.dependents(2).count(), 2);
    }

    #[test]
    fn cut_dependencies_and_strays_are_reported() {
        let graph = graph(
            &[
                package("app", "perl, lib (>= 2)", ""),
                package("lib", "", ""),
                package("stray", "", ""),
            ],
            &["app"],
        );
        assert_eq!(graph.dependents(1).count(), 0, "version 1.0 is not enough");
        assert_eq!(graph.path_to(2), None);
        assert_eq!(graph.only_through(0), [0, 1, 2]);
    }

    #[test]
    fn a_broken_dependency_names_its_package() {
        let packages = [package("app", "lib (>=", "")];
        let error = Graph::new("amd64", &packages, &BTreeSet::new()).unwrap_err();
        assert_eq!(error.to_string(), "dependencies of package app can't be read");
    }
}

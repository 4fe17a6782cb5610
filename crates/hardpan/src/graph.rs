// SPDX-License-Identifier: Apache-2.0
//! Why a package is in an image: the dependencies among the packages that were chosen.

mod apk;
mod deb;

use std::collections::{BTreeSet, VecDeque};

use hardpan_package::segment::{Format, Unpacked};

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
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// The dependencies among packages.
#[derive(Debug, Clone)]
pub(crate) struct Graph {
    names: Vec<String>,
    requested: Vec<bool>,
    edges: Vec<Vec<Edge>>,
}

impl Graph {
    /// Finds which of some packages answers which dependency. `requested` are the names that the definition asks for.
    pub(crate) fn of(
        architecture: &str,
        packages: &[&Unpacked],
        requested: &BTreeSet<String>,
    ) -> Result<Self, GraphError> {
        let names: Vec<&str> = packages.iter().map(|package| package.name.as_str()).collect();
        let edges = match packages.first().map(|package| package.format) {
            None => Vec::new(),
            Some(Format::Deb) => deb::edges_of(architecture, packages)?,
            Some(Format::Apk) => apk::edges_of(packages)?,
        };
        Ok(Self::new(&names, requested, edges))
    }

    fn new(names: &[&str], requested: &BTreeSet<String>, edges: Vec<Edge>) -> Self {
        let mut graph = Self {
            names: names.iter().map(|&name| name.to_owned()).collect(),
            requested: names.iter().map(|&name| requested.contains(name)).collect(),
            edges: vec![Vec::new(); names.len()],
        };
        for edge in edges {
            graph.edges[edge.from].push(edge);
        }
        graph
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::deb::{Relations, edges};

    fn package<'t>(name: &'t str, depends: &'t str, provides: &'t str) -> Relations<'t> {
        Relations { name, version: "1.0", depends: ["", depends], provides }
    }

    fn graph(packages: &[Relations<'_>], requested: &[&str]) -> Graph {
        let requested = requested.iter().map(|&name| name.to_owned()).collect();
        let names: Vec<&str> = packages.iter().map(|package| package.name).collect();
        Graph::new(&names, &requested, edges("amd64", packages).unwrap())
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
        let error = edges("amd64", &packages).unwrap_err();
        assert_eq!(error.to_string(), "dependencies of package app can't be read");
    }
}

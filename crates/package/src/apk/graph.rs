// SPDX-License-Identifier: Apache-2.0
//! Which packages of a set satisfy each other's dependencies.

use std::collections::BTreeMap;

use super::dependency::{Dependency, DependencyError, Provide, parse_dependencies, parse_provides};
use super::version::VersionRef;

/// What of a package the graph is made from.
#[derive(Debug, Clone, Copy)]
pub struct GraphPackage<'t> {
    /// Its name.
    pub name: &'t str,
    /// Its version.
    pub version: &'t str,
    /// What it depends on; empty if nothing.
    pub depends: &'t str,
    /// What it provides; empty if nothing.
    pub provides: &'t str,
    /// What brings it along; empty if nothing, or if it does not matter.
    pub install_if: &'t str,
}

/// A dependency that one of the packages has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The package that depends, or that brings the other along, as a number.
    pub from: usize,
    /// The package that satisfies it, or that is brought along.
    pub to: usize,
    /// The dependency as written; with `install_if: ` in front the condition of the other.
    pub clause: String,
}

/// Why the dependencies of a package can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("dependencies of package {package} can't be read")]
pub struct GraphError {
    /// The package.
    pub package: String,
    /// What is wrong with them.
    #[source]
    pub source: DependencyError,
}

/// Finds which package satisfies which dependency: that of the name if it has the right version,
/// or else all that provide it. Conflicts and what nothing satisfies have no edge.
pub fn edges(packages: &[GraphPackage<'_>]) -> Result<Vec<Edge>, GraphError> {
    let wrap = |package: &GraphPackage<'_>, source| GraphError {
        package: package.name.to_owned(),
        source,
    };
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    let mut provided: BTreeMap<&str, Vec<(usize, Provide<'_>)>> = BTreeMap::new();
    for (number, package) in packages.iter().enumerate() {
        named.insert(package.name, number);
        for provide in parse_provides(package.provides).map_err(|error| wrap(package, error))? {
            provided.entry(provide.name).or_default().push((number, provide));
        }
    }
    let satisfying = |dependency: &Dependency<'_>| -> Vec<usize> {
        if let Some(&number) = named.get(dependency.name)
            && VersionRef::of_package(packages[number].version)
                .is_ok_and(|version| dependency.admits(Some(&version)))
        {
            return vec![number];
        }
        let provided = provided.get(dependency.name).into_iter().flatten();
        let mut numbers: Vec<usize> = provided
            .filter(|(_, provide)| dependency.admits(provide.version.as_ref()))
            .map(|(number, _)| *number)
            .collect();
        numbers.dedup();
        numbers
    };
    let mut edges = Vec::new();
    for (number, package) in packages.iter().enumerate() {
        for (brought, text) in [(false, package.depends), (true, package.install_if)] {
            let all = parse_dependencies(text).map_err(|error| wrap(package, error))?;
            let found: Vec<(Dependency<'_>, Vec<usize>)> = all
                .into_iter()
                .filter(|dependency| !dependency.conflict)
                .map(|dependency| (dependency, satisfying(&dependency)))
                .collect();
            if brought && found.iter().any(|(_, others)| others.is_empty()) {
                continue; // it is there for another reason
            }
            for (dependency, others) in found {
                for other in others.into_iter().filter(|other| *other != number) {
                    edges.push(if brought {
                        let clause = format!("install_if: {dependency}");
                        Edge { from: other, to: number, clause }
                    } else {
                        Edge { from: number, to: other, clause: dependency.text.to_owned() }
                    });
                }
            }
        }
    }
    Ok(edges)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line is `name version; depends; provides; install_if`.
    fn found(lines: &str) -> Result<Vec<String>, GraphError> {
        let packages: Vec<GraphPackage<'_>> = lines
            .lines()
            .map(|line| {
                let mut parts = line.split(';').map(str::trim);
                let (name, version) = parts.next().unwrap().trim().split_once(' ').unwrap();
                let mut part = || parts.next().unwrap_or_default();
                let (depends, provides, install_if) = (part(), part(), part());
                GraphPackage { name, version, depends, provides, install_if }
            })
            .collect();
        let say = |edge: Edge| {
            let (from, to) = (packages[edge.from].name, packages[edge.to].name);
            format!("{from} → {to} ({})", edge.clause)
        };
        Ok(edges(&packages)?.into_iter().map(say).collect())
    }

    #[test]
    fn dependencies_are_edges() {
        for (lines, wanted) in [
            ("a 1; b\nb 1", "a → b (b)"),
            ("a 1; b>1\nb 1", ""),
            ("a 1; b>1\nb 2", "a → b (b>1)"),
            ("a 1; !b\nb 1", ""),
            ("a 1; so:b=1\nb 1;; so:b=1", "a → b (so:b=1)"),
            ("a 1; so:b=1\nb 1;; so:b", ""),
            ("a 1; v\nb 1;; v\nc 1;; v", "a → b (v), a → c (v)"),
            ("a 1; v>1\nv 1\nc 1;; v=2", "a → c (v>1)"),
            ("a 1; a v; v", ""),
            ("a 1; gone", ""),
            (
                "a-doc 1;;; docs a=1\na 1\ndocs 1",
                "docs → a-doc (install_if: docs), a → a-doc (install_if: a=1)",
            ),
            ("a-doc 1;;; docs a=1\na 2\ndocs 1", ""),
        ] {
            assert_eq!(found(lines).unwrap().join(", "), wanted, "{lines}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (lines, wanted) in [
            ("a 1; b><x", "dependencies of package a can't be read"),
            ("a 1\nb 1;; x>1", "dependencies of package b can't be read"),
            ("a 1;;; =1", "dependencies of package a can't be read"),
        ] {
            assert_eq!(found(lines).unwrap_err().to_string(), wanted, "{lines}");
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The dependencies among Debian's packages.

use std::collections::BTreeMap;

use hardpan_package::deb::relation::{self, Clause, Provide, RelationError};
use hardpan_package::deb::version::{VersionError, VersionRef};
use hardpan_package::segment::Unpacked;

use super::{Edge, GraphError};

/// What of a package its edges are made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Relations<'t> {
    /// Its name.
    pub(super) name: &'t str,
    /// Its version.
    pub(super) version: &'t str,
    /// `Pre-Depends` and `Depends`; empty where there is none.
    pub(super) depends: [&'t str; 2],
    /// `Provides`; empty where there is none.
    pub(super) provides: &'t str,
}

/// Finds which package answers which dependency.
pub(super) fn edges_of(
    architecture: &str,
    packages: &[&Unpacked],
) -> Result<Vec<Edge>, GraphError> {
    let fields: Vec<[String; 3]> = packages
        .iter()
        .map(|package| {
            ["Pre-Depends", "Depends", "Provides"].map(|name| {
                package.field(name).map_or_else(String::new, |text| text.replace('\n', " "))
            })
        })
        .collect();
    let packages: Vec<Relations<'_>> = packages
        .iter()
        .zip(&fields)
        .map(|(package, [pre_depends, depends, provides])| Relations {
            name: &package.name,
            version: &package.version,
            depends: [pre_depends, depends],
            provides,
        })
        .collect();
    edges(architecture, &packages)
}

/// Finds which package answers which dependency.
pub(super) fn edges(
    architecture: &str,
    packages: &[Relations<'_>],
) -> Result<Vec<Edge>, GraphError> {
    let wrap = |package: &Relations<'_>, source: RelationError| GraphError {
        package: package.name.to_owned(),
        source: Box::new(source),
    };
    let mut providers: BTreeMap<&str, Vec<(usize, Provide<'_>)>> = BTreeMap::new();
    for (index, package) in packages.iter().enumerate() {
        let provides =
            relation::parse_provides(package.provides).map_err(|error| wrap(package, error))?;
        for provide in provides {
            providers.entry(provide.name).or_default().push((index, provide));
        }
    }
    let by_name: BTreeMap<&str, usize> =
        packages.iter().enumerate().map(|(index, package)| (package.name, index)).collect();
    let mut edges = Vec::new();
    for (from, package) in packages.iter().enumerate() {
        for text in package.depends {
            let clauses = relation::parse_clauses(text).map_err(|error| wrap(package, error))?;
            for clause in &clauses {
                let answers = answers(architecture, clause, packages, &by_name, &providers);
                for to in answers.into_iter().filter(|to| *to != from) {
                    edges.push(Edge { from, to, clause: clause.text.to_owned() });
                }
            }
        }
    }
    Ok(edges)
}

/// Returns the packages that answer a dependency: those of its first alternative that any answers.
fn answers(
    architecture: &str,
    clause: &Clause<'_>,
    packages: &[Relations<'_>],
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

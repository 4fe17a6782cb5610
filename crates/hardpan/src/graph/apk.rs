// SPDX-License-Identifier: Apache-2.0
//! The dependencies among Alpine's packages.

use hardpan_package::apk::graph::{GraphPackage, edges};
use hardpan_package::segment::Unpacked;

use super::{Edge, GraphError};

/// Finds which package answers which dependency, and which brings which along.
pub(super) fn edges_of(packages: &[&Unpacked]) -> Result<Vec<Edge>, GraphError> {
    let fields: Vec<[String; 3]> = packages
        .iter()
        .map(|package| {
            ["depend", "provides", "install_if"].map(|name| {
                package.field(name).map_or_else(String::new, |text| text.replace('\n', " "))
            })
        })
        .collect();
    let packages: Vec<GraphPackage<'_>> = packages
        .iter()
        .zip(&fields)
        .map(|(package, [depends, provides, install_if])| GraphPackage {
            name: &package.name,
            version: &package.version,
            depends,
            provides,
            install_if,
        })
        .collect();
    let found = edges(&packages).map_err(|error| GraphError {
        package: error.package.clone(),
        source: Box::new(error.source),
    })?;
    Ok(found
        .into_iter()
        .map(|edge| Edge { from: edge.from, to: edge.to, clause: edge.clause })
        .collect())
}

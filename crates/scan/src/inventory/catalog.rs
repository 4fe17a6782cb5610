// SPDX-License-Identifier: Apache-2.0
//! Inventories of catalogs.

use std::sync::Arc;

use crate::catalog::{Catalog, Package as Found, is_package_database};

use super::{Distribution, Inventory, Package, advisory_name};

impl From<&Catalog> for Inventory {
    fn from(catalog: &Catalog) -> Self {
        let distribution = catalog.os.as_ref().map(Distribution::from);
        let (id, version) = match &catalog.os {
            Some(os) => (os.id.as_str(), os.version_id.as_deref().unwrap_or_default()),
            None => ("", ""),
        };
        let packages = catalog.packages.iter().map(|found| package(found, id, version));
        let database = catalog.problems.iter().find(|it| is_package_database(&it.path));
        Self {
            distribution,
            packages: packages.collect(),
            unread: catalog.problems.len(),
            unread_database: database.map(|it| format!("{}: {}", it.path, it.error)),
            ..Self::default()
        }
    }
}

fn package(found: &Found, distribution: &str, version: &str) -> Package {
    let places = found.evidence.iter().map(ToString::to_string);
    Package {
        id: found.id.to_string(),
        kind: found.kind,
        name: advisory_name(found.kind, &found.name),
        version: found.version.clone(),
        source: found.source.clone(),
        purl: found.purl(distribution, version).map(Arc::new),
        maintainer: found.maintainer.clone(),
        evidence: places.map(|place| place.trim_start_matches('/').to_owned()).collect(),
        inside: found.inside.clone(),
        files: found.files.len(),
        layer: Some(found.layer),
        owned_by: found.owned_by.as_ref().map(ToString::to_string),
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Whose files are whose, as far as they are as their packages brought them.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_attest::sbom::read::read;
use hardpan_tree::TreePath;

use crate::catalog::{Catalog, PackageId};
use crate::controls::PackageInfo;
use crate::secrets::owned::{Claims, Databases, Ownership, Sums};

/// The packages of the distribution and their files.
pub(super) struct Owners<'c> {
    pub(super) packages: Vec<PackageInfo>,
    numbers: BTreeMap<&'c PackageId, u32>,
    catalog: &'c Catalog,
    claims: Claims,
}

impl<'c> Owners<'c> {
    pub(super) fn new(catalog: &'c Catalog, databases: &Databases) -> Self {
        let of_distribution = catalog.packages.iter().filter(|one| one.kind.is_distribution());
        let mut packages = Vec::new();
        let mut numbers = BTreeMap::new();
        for (number, package) in (0..).zip(of_distribution) {
            packages.push(PackageInfo { name: package.name.clone() });
            numbers.insert(&package.id, number);
        }
        let owned = catalog.files.iter().filter(|(_, file)| file.owner.is_some());
        let claims = databases.claims(&owned.map(|(path, _)| path.clone()).collect());
        Self { packages, numbers, catalog, claims }
    }

    /// Returns the package that a file is of. One with other bytes than its package says is not; where nothing says which
    /// bytes they are, the list of names counts.
    pub(super) fn of(&self, path: &TreePath, sums: Option<&Sums>) -> Option<u32> {
        let owner = self.catalog.files.get(path)?.owner.as_ref()?;
        let number = *self.numbers.get(owner)?;
        let is_modified =
            sums.is_some_and(|sums| matches!(self.claims.of(path, sums), Ownership::Modified(_)));
        (!is_modified).then_some(number)
    }
}

/// Returns the files that no package, language package or SBOM of the image speaks for.
pub(super) fn unlisted(catalog: &Catalog) -> BTreeSet<TreePath> {
    let mut listed: BTreeSet<TreePath> = catalog.documents.keys().cloned().collect();
    for package in &catalog.packages {
        listed.extend(package.evidence.iter().cloned());
    }
    for bytes in catalog.documents.values() {
        // What can't be read speaks for nothing.
        let files = read(bytes).map(|listing| listing.files).unwrap_or_default();
        listed.extend(files.keys().filter_map(|path| TreePath::parse(path.as_bytes()).ok()));
    }
    let unowned = catalog.files.iter().filter(|(_, file)| file.owner.is_none());
    unowned.map(|(path, _)| path).filter(|path| !listed.contains(*path)).cloned().collect()
}

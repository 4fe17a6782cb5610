// SPDX-License-Identifier: Apache-2.0
//! Which packages share a layer.
//!
//! Images share a layer if it holds the same packages in both. One layer for each package would share
//! most, but costs a request, a mount and a place among the 127 that Docker can stack. So:
//!
//! 1. **base**: packages that nearly every image has, in one layer, at the bottom;
//! 2. **source**: the packages of one source package (which change together), where they are large;
//! 3. **rest**: all others, at the top, below the layer of what was generated for this image.
//!
//! The plan is stable: a package more or less changes its own group and, at most, moves one other
//! group into or out of the rest. Layers are ordered so that those shared most are lowest, because
//! Docker's older storage shares a layer only where all below it are shared too.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// What the plan has to know of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageSize {
    /// Its name.
    pub name: String,
    /// Its source package's name.
    pub source: String,
    /// How much it adds to a layer, in bytes.
    pub size_bytes: u64,
}

/// How packages are grouped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PlanOptions {
    /// The most groups; 1 puts all packages into one layer (`output: squashed`).
    pub groups_max: usize,
    /// Source packages that go into the base group.
    pub base_sources: BTreeSet<String>,
    /// From which size on a source package has a group of its own, in bytes.
    pub own_size_bytes_min: u64,
}

impl PlanOptions {
    /// Returns the options for one layer of all packages.
    pub fn squashed() -> Self {
        Self { groups_max: 1, base_sources: BTreeSet::new(), own_size_bytes_min: u64::MAX }
    }
}

impl Default for PlanOptions {
    /// Returns the options for `output: layered`.
    ///
    /// Measured over 52 images of two catalogs (`xtask layers`): with these 53 % of all layer bytes
    /// have to be stored, at 10 layers an image. With 8 groups it is 65 %, with 32 it is 46 % but at
    /// 14 layers; a base layer of what nearly all images have costs 4 % more, because images
    /// differ in just those packages.
    fn default() -> Self {
        Self { groups_max: 16, base_sources: BTreeSet::new(), own_size_bytes_min: 1 << 20 }
    }
}

/// What holds a group together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupKind {
    /// Packages of [`PlanOptions::base_sources`].
    Base,
    /// Packages of this source package.
    Source(String),
    /// All others.
    Rest,
}

/// The packages of one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What holds it together.
    pub kind: GroupKind,
    /// Indexes into the packages that the plan was made of, in the order of names.
    pub packages: Vec<usize>,
    /// The sum of their sizes.
    pub size_bytes: u64,
}

/// Groups packages into layers, the lowest first. No packages give no groups; a group is never
/// empty, and each package is in exactly one.
pub fn plan(packages: &[PackageSize], options: &PlanOptions) -> Vec<Group> {
    let mut order: Vec<usize> = (0..packages.len()).collect();
    order.sort_by_key(|&index| (&packages[index].name, index));
    let mut sizes: BTreeMap<&str, u64> = BTreeMap::new();
    for package in packages {
        let size = sizes.entry(&package.source).or_default();
        *size = size.saturating_add(package.size_bytes);
    }
    let is_base = |source: &str| options.base_sources.contains(source);

    // The base and the rest have a place each, and the largest sources those that are left.
    let mut large: Vec<(u64, &str)> = (sizes.into_iter())
        .filter(|&(source, size)| size >= options.own_size_bytes_min && !is_base(source))
        .map(|(source, size)| (size, source))
        .collect();
    large.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    large.truncate(options.groups_max.saturating_sub(2));
    let own: BTreeSet<&str> = large.into_iter().map(|(_, source)| source).collect();

    let mut groups: BTreeMap<GroupKind, Group> = BTreeMap::new();
    for index in order {
        let package = &packages[index];
        let kind = if options.groups_max <= 1 {
            GroupKind::Rest
        } else if is_base(&package.source) {
            GroupKind::Base
        } else if own.contains(package.source.as_str()) {
            GroupKind::Source(package.source.clone())
        } else {
            GroupKind::Rest
        };
        let group = groups.entry(kind.clone()).or_insert_with(|| Group {
            kind,
            packages: Vec::new(),
            size_bytes: 0,
        });
        group.packages.push(index);
        group.size_bytes = group.size_bytes.saturating_add(package.size_bytes);
    }
    groups.into_values().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn package(name: &str, source: &str, size_bytes: u64) -> PackageSize {
        PackageSize { name: name.to_owned(), source: source.to_owned(), size_bytes }
    }

    fn options(groups_max: usize) -> PlanOptions {
        let base_sources = BTreeSet::from(["glibc".to_owned()]);
        PlanOptions { groups_max, base_sources, own_size_bytes_min: 100 }
    }

    /// Groups as sets of names, so that plans of different lists compare.
    fn names(packages: &[PackageSize], options: &PlanOptions) -> BTreeMap<GroupKind, Vec<String>> {
        let name = |index: &usize| packages[*index].name.clone();
        (plan(packages, options).into_iter())
            .map(|group| (group.kind, group.packages.iter().map(name).collect()))
            .collect()
    }

    #[test]
    fn groups_by_base_and_large_source() {
        let packages = [
            package("python3", "python", 90),
            package("zlib1g", "zlib", 5),
            package("libpython3", "python", 20),
            package("libc6", "glibc", 10),
            package("libssl3", "openssl", 100),
            package("libc-bin", "glibc", 10),
            package("small", "small", 99),
        ];
        let kinds = |groups_max| -> Vec<(GroupKind, u64)> {
            let groups = plan(&packages, &options(groups_max));
            groups.into_iter().map(|group| (group.kind, group.size_bytes)).collect()
        };
        let source = |name: &str| GroupKind::Source(name.to_owned());
        assert_eq!(
            kinds(8),
            [
                (GroupKind::Base, 20),
                (source("openssl"), 100),
                (source("python"), 110),
                (GroupKind::Rest, 104),
            ]
        );
        assert_eq!(
            kinds(3),
            [(GroupKind::Base, 20), (source("python"), 110), (GroupKind::Rest, 204)]
        );
        assert_eq!(kinds(2), [(GroupKind::Base, 20), (GroupKind::Rest, 314)]);
        assert_eq!(kinds(1), [(GroupKind::Rest, 334)]);
        assert_eq!(kinds(0), [(GroupKind::Rest, 334)]);
        assert_eq!(plan(&[], &options(8)), []);
        assert_eq!(names(&packages, &options(8))[&GroupKind::Base], ["libc-bin", "libc6"]);
    }

    fn packages() -> impl Strategy<Value = Vec<PackageSize>> {
        let one = ("[a-z]{1,3}", "[a-f]|glibc", 0_u64..300);
        proptest::collection::btree_map(one.0, (one.1, one.2), 0..30).prop_map(|packages| {
            (packages.into_iter())
                .map(|(name, (source, size))| package(&name, &source, size))
                .collect()
        })
    }

    proptest! {
        #[test]
        fn every_package_is_in_one_group(packages in packages(), groups_max in 0_usize..9) {
            let groups = plan(&packages, &options(groups_max));
            prop_assert!(groups.len() <= groups_max.max(1));
            prop_assert!(groups.iter().all(|group| !group.packages.is_empty()));
            let mut all: Vec<usize> =
                groups.iter().flat_map(|group| group.packages.clone()).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..packages.len()).collect::<Vec<_>>());
        }

        #[test]
        fn order_of_the_input_means_nothing(packages in packages(), groups_max in 0_usize..9) {
            let mut reversed = packages.clone();
            reversed.reverse();
            let options = options(groups_max);
            prop_assert_eq!(names(&packages, &options), names(&reversed, &options));
        }

        #[test]
        fn one_package_more_changes_few_groups(
            packages in packages(),
            groups_max in 0_usize..9,
            size_bytes in 0_u64..300,
            source in "[a-g]|glibc",
        ) {
            let before = names(&packages, &options(groups_max));
            let mut more = packages.clone();
            more.push(package("zzzz", &source, size_bytes));
            let after = names(&more, &options(groups_max));
            let kept = before.iter().filter(|&(kind, group)| after.get(kind) == Some(group));
            // Its own group, one that it may push out, and the rest that takes that one in.
            prop_assert!(before.len() - kept.count() <= 3);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Releases and packages for which nobody may be making fixes any more.

use std::collections::{BTreeMap, BTreeSet};

use regex::RegexBuilder;

use crate::advisory::{Advisories, Space, Support, SupportLimit};
use crate::inventory::{Inventory, Package};

use super::finding::Warning;
use super::{Lookup, MatchOptions};

/// How much a compiled pattern may take, in bytes: those of Debian have 20 characters.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Says what has no support, or less: packages in the release that they are looked up in, which for those of an SBOM need
/// not be the image's.
pub(super) fn warnings(
    inventory: &Inventory,
    advisories: &impl Advisories,
    release: Option<&Space>,
    lookups: &BTreeMap<Lookup, Vec<usize>>,
    options: &MatchOptions,
) -> Vec<Warning> {
    let mut releases: BTreeMap<&Space, Vec<&Package>> = BTreeMap::new();
    // The image's counts even if none of its packages is known.
    releases.extend(release.map(|release| (release, Vec::new())));
    for (what, packages) in lookups.iter().filter(|(what, _)| what.space.is_distribution()) {
        let packages = packages.iter().map(|&at| &inventory.packages[at]);
        releases.entry(&what.space).or_default().extend(packages);
    }
    let of = |(space, packages): (&Space, Vec<&Package>)| {
        of_release(space, &packages, advisories, options)
    };
    releases.into_iter().flat_map(of).collect()
}

fn of_release(
    space: &Space,
    packages: &[&Package],
    advisories: &impl Advisories,
    options: &MatchOptions,
) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if let (Some(release), Some(today)) = (advisories.release(space), options.today)
        && let Some(since) = release.end_of_life.filter(|last| today > *last)
    {
        let lts_until = release.end_of_lts.filter(|last| today <= *last);
        warnings.push(Warning::EndOfLife { space: space.clone(), since, lts_until });
    }
    let mut installed: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        installed.entry(package.source_or_own().0).or_default().push(&package.name);
    }
    let mut limits = Vec::new();
    for limit in advisories.limits(space) {
        if let Some(sources) = covered(&limit, installed.keys().copied()) {
            limits.push((limit, sources));
        } else {
            warnings.push(Warning::Pattern(limit.package.to_string()));
        }
    }
    let supported: BTreeSet<&str> = (limits.iter())
        .filter(|(limit, _)| limit.support == Support::Full)
        .flat_map(|(_, sources)| sources.iter().copied())
        .collect();
    for (limit, sources) in limits.iter().filter(|(limit, _)| limit.support != Support::Full) {
        for &source in sources {
            // What is said of a name counts more than what is said of many.
            if limit.is_pattern && supported.contains(source) {
                continue;
            }
            let mut packages: Vec<String> =
                installed[source].iter().map(|name| (*name).to_owned()).collect();
            packages.sort();
            packages.dedup();
            warnings.push(Warning::LimitedSupport {
                source: source.to_owned(),
                packages,
                is_unsupported: limit.support == Support::Ended,
                since: limit.since,
                reason: limit.reason.to_string(),
            });
        }
    }
    warnings
}

/// Returns the sources that a limit is about; `None` if its pattern is none.
fn covered<'i>(
    limit: &SupportLimit<'_>,
    sources: impl Iterator<Item = &'i str>,
) -> Option<Vec<&'i str>> {
    if !limit.is_pattern {
        return Some(sources.filter(|name| *name == limit.package).collect());
    }
    let pattern = RegexBuilder::new(&format!("^(?:{})$", limit.package))
        .size_limit(PATTERN_BYTES_MAX)
        .build()
        .ok()?;
    Some(sources.filter(|name| pattern.is_match(name)).collect())
}

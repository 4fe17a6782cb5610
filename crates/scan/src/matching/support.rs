// SPDX-License-Identifier: Apache-2.0
//! Releases and packages for which nobody may be making fixes any more.

use std::collections::BTreeMap;

use regex::RegexBuilder;

use crate::advisory::{Advisories, Space};
use crate::inventory::Inventory;

use super::MatchOptions;
use super::finding::Warning;

/// How much a compiled pattern may take, in bytes: those of Debian have 20 characters.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Says what has no support, or less.
pub(super) fn warnings(
    inventory: &Inventory,
    advisories: &impl Advisories,
    release: Option<&Space>,
    options: &MatchOptions,
) -> Vec<Warning> {
    let Some(space) = release else { return Vec::new() };
    let mut warnings = Vec::new();
    if let (Some(release), Some(today)) = (advisories.release(space), options.today)
        && let Some(since) = release.end_of_life.filter(|last| today > *last)
    {
        let lts_until = release.end_of_lts.filter(|last| today <= *last);
        warnings.push(Warning::EndOfLife { space: space.clone(), since, lts_until });
    }
    let mut installed: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in inventory.packages.iter().filter(|package| package.kind.is_distribution()) {
        installed.entry(package.source_or_own().0).or_default().push(&package.name);
    }
    for limit in advisories.limits(space) {
        let matches: Vec<&str> = if limit.is_pattern {
            let pattern = RegexBuilder::new(&format!("^(?:{})$", limit.package))
                .size_limit(PATTERN_BYTES_MAX)
                .build();
            let Ok(pattern) = pattern else {
                warnings.push(Warning::Pattern(limit.package.to_string()));
                continue;
            };
            installed.keys().copied().filter(|name| pattern.is_match(name)).collect()
        } else {
            installed.keys().copied().filter(|name| *name == limit.package).collect()
        };
        for source in matches {
            let mut packages: Vec<String> =
                installed[source].iter().map(|name| (*name).to_owned()).collect();
            packages.sort();
            packages.dedup();
            warnings.push(Warning::LimitedSupport {
                source: source.to_owned(),
                packages,
                is_unsupported: limit.is_unsupported,
                since: limit.since,
                reason: limit.reason.to_string(),
            });
        }
    }
    warnings
}

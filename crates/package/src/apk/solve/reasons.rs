// SPDX-License-Identifier: Apache-2.0
//! Works out why each chosen package is there and what exclusions left unsatisfied.

use std::collections::{BTreeMap, BTreeSet};

use super::Solution;
use super::picture::{Edges, Members};
use super::requests::Wanted;
use super::universe::Universe;
use crate::solve::{Chosen, Dropped, Reason, RelationField};

/// Makes the solution of what was chosen.
pub(super) fn solution<'i>(
    universe: &Universe<'i>,
    wanted: &[Wanted<'i>],
    chosen: &Members<'i>,
    edges: &Edges<'_, 'i>,
) -> Solution {
    let mut why: BTreeMap<&str, BTreeSet<Reason>> =
        chosen.keys().map(|name| (*name, BTreeSet::new())).collect();
    let mut dropped = BTreeSet::new();
    for (package, dependency, found) in &edges.depends {
        let reason = Reason {
            dependent: (*package).to_owned(),
            field: RelationField::Depends,
            relation: dependency.text.to_owned(),
        };
        if found.is_empty() {
            if let Some(excluded) = universe.excluded_for(dependency) {
                let Reason { dependent: package, field, relation } = reason;
                let excluded = excluded.to_owned();
                dropped.insert(Dropped { package, field, relation, excluded });
            }
        } else if !found.contains(package) {
            for other in found {
                why.entry(other).or_default().insert(reason.clone());
            }
        }
    }
    for (package, condition, found) in &edges.install_if {
        for by in found.iter().filter(|by| *by != package) {
            why.entry(package).or_default().insert(Reason {
                dependent: (*by).to_owned(),
                field: RelationField::InstallIf,
                relation: condition.text.to_owned(),
            });
        }
    }
    let mut sources: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for wanted in wanted {
        if let Some(candidate) = wanted.met_by(chosen) {
            sources.entry(&candidate.package.name).or_default().extend(&wanted.sources);
        }
    }
    let packages = chosen
        .iter()
        .map(|(name, candidate)| Chosen {
            index: candidate.index,
            package: candidate.package.clone(),
            sources: sources.get(name).into_iter().flatten().copied().collect(),
        })
        .collect();
    Solution {
        packages,
        why: why
            .into_iter()
            .map(|(name, reasons)| (name.to_owned(), reasons.into_iter().collect()))
            .collect(),
        dropped: dropped.into_iter().collect(),
    }
}

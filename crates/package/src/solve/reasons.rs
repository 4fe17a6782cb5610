// SPDX-License-Identifier: Apache-2.0
//! Works out why each chosen package is there and what exclusions left unsatisfied.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::error::SolveError;
use super::solution::{Chosen, Dropped, Reason, RelationField, Solution};
use super::universe::{Candidate, Universe, parse_field};
use crate::deb::relation::{Clause, Relation};

/// Makes the solution from the chosen candidates, which are sorted by name, and the numbers of the
/// requests by the name of the package they ask for.
pub(super) fn solution<'i>(
    universe: &Universe<'i>,
    chosen: &[Rc<Candidate<'i>>],
    sources: &BTreeMap<&str, BTreeSet<usize>>,
) -> Result<Solution, SolveError> {
    let mut names: BTreeMap<&str, Vec<&Candidate<'i>>> = BTreeMap::new();
    let mut why = BTreeMap::new();
    for candidate in chosen {
        names.entry(candidate.package.name).or_default().push(candidate);
        for provide in &candidate.provides {
            names.entry(provide.name).or_default().push(candidate);
        }
        why.insert(candidate.package.name.to_owned(), BTreeSet::new());
    }
    let mut dropped = BTreeSet::new();
    for candidate in chosen {
        let package = &candidate.package;
        for (field, name, value) in [
            (RelationField::PreDepends, "Pre-Depends", package.pre_depends),
            (RelationField::Depends, "Depends", package.depends),
        ] {
            for clause in parse_field(package, name, value)? {
                let reason = Reason {
                    dependent: package.name.to_owned(),
                    field,
                    relation: clause.text.to_owned(),
                };
                let satisfying = satisfying(universe, &names, &clause);
                if satisfying.is_empty() {
                    if let Some(excluded) = excluded(universe, &clause) {
                        let Reason { dependent: package, field, relation } = reason;
                        let excluded = excluded.to_owned();
                        dropped.insert(Dropped { package, field, relation, excluded });
                    }
                } else if !satisfying.contains(package.name) {
                    for other in satisfying {
                        if let Some(reasons) = why.get_mut(other) {
                            reasons.insert(reason.clone());
                        }
                    }
                }
            }
        }
    }
    let packages = chosen
        .iter()
        .map(|candidate| Chosen {
            index: candidate.index,
            package: candidate.package.to_record(),
            sources: sources.get(candidate.package.name).into_iter().flatten().copied().collect(),
        })
        .collect();
    Ok(Solution {
        packages,
        why: why.into_iter().map(|(name, reasons)| (name, reasons.into_iter().collect())).collect(),
        dropped: dropped.into_iter().collect(),
    })
}

fn in_force<'c, 'i>(
    universe: &'c Universe<'i>,
    clause: &'c Clause<'i>,
) -> impl Iterator<Item = &'c Relation<'i>> {
    clause.alternatives.iter().filter(|relation| relation.applies(universe.architecture()))
}

/// Returns the names of the chosen packages that satisfy a clause.
fn satisfying<'i>(
    universe: &Universe<'i>,
    names: &BTreeMap<&str, Vec<&Candidate<'i>>>,
    clause: &Clause<'i>,
) -> BTreeSet<&'i str> {
    let architecture = universe.architecture();
    in_force(universe, clause)
        .filter(|relation| relation.meets_architecture(architecture))
        .flat_map(|relation| {
            let found = names.get(relation.name).into_iter().flatten();
            found.filter(|candidate| candidate.satisfies(relation)).map(|c| c.package.name)
        })
        .collect()
}

fn excluded<'i>(universe: &Universe<'i>, clause: &Clause<'i>) -> Option<&'i str> {
    in_force(universe, clause).find_map(|relation| universe.excluded_for(relation))
}

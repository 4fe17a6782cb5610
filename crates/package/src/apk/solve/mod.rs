// SPDX-License-Identifier: Apache-2.0
//! Dependency solving with apk's semantics (apk-package(5), apk-world(5)).
//!
//! Of those that are there under a name the requested ones are preferred, then those of archives
//! without a tag, then the highest version of the name, then the highest `provider_priority`, then
//! the package that has the name itself, then the first index. A name without a version is virtual:
//! many may provide it, and one is chosen only if it has a priority, if no other package provides
//! the name, or if it is there anyway. A name with a version belongs to one package alone.
//!
//! Unlike apk the search is complete: if there is a solution, it is found. It depends on the indexes
//! and the task only, not on the order of the requests, and holds nothing that is not needed.

mod picture;
mod reasons;
mod requests;
mod rules;
mod task;
mod universe;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use resolvo::{ConditionalRequirement, Problem, Solver, UnsolvableOrCancelled};

use super::index::Package;
use crate::solve::provider::{Provider, candidate_id};
use crate::solve::{Named, explain};

pub use crate::solve::{Dropped, Limits, Reason, RelationField, RequestProblem, SolveError, Step};
pub use task::{IndexRef, Request, SolveTask};

use picture::{Members, Picture};
use requests::Wanted;
use universe::{Candidate, Universe};

/// Packages that satisfy a task.
pub type Solution = crate::solve::Solution<Package>;
/// A package of the solution.
pub type Chosen = crate::solve::Chosen<Package>;

/// The most times that the search starts again because a choice turned out to be none, or because
/// packages come along. Alpine needs three.
const ROUNDS_MAX: usize = 10_000;

impl Named for Package {
    fn name(&self) -> &str {
        &self.name
    }
}

/// Chooses packages that satisfy a task.
pub fn solve(indexes: &[IndexRef<'_>], task: &SolveTask) -> Result<Solution, SolveError> {
    let universe = Universe::new(indexes, task)?;
    let wanted = requests::wanted(&universe)?;
    let mut search = Search {
        universe: &universe,
        wanted: &wanted,
        steps_left: task.limits.steps_max,
        rounds_left: ROUNDS_MAX,
    };
    let mut chosen = search.choose(&Members::new(), &Brought::new())?;
    let mut hopeless = BTreeSet::new();
    loop {
        let brought = Picture::new(&universe, &wanted, &chosen)?.brought_along(&hopeless)?;
        if brought.is_empty() {
            break;
        }
        // As apk, what was chosen stays. What cannot be added to it, because something conflicts
        // or is missing, does not come along.
        if let Some(more) = search.add(&chosen, &brought)? {
            chosen = more;
            continue;
        }
        for (name, candidates) in brought {
            let ids: Vec<_> = candidates.iter().map(|candidate| candidate.id).collect();
            match search.add(&chosen, &Brought::from([(name, candidates)]))? {
                Some(more) => {
                    chosen = more;
                    break;
                }
                None => {
                    hopeless.extend(ids);
                }
            }
        }
    }
    let picture = Picture::new(&universe, &wanted, &chosen)?;
    Ok(reasons::solution(&universe, &wanted, &chosen, &picture.edges()))
}

/// Packages that come along, by name, with what they can be.
type Brought<'i> = BTreeMap<&'i str, Vec<Rc<Candidate<'i>>>>;

struct Search<'u, 'i> {
    universe: &'u Universe<'i>,
    wanted: &'u [Wanted<'i>],
    steps_left: u64,
    rounds_left: usize,
}

impl<'i> Search<'_, 'i> {
    /// Adds packages to those that were chosen; None if that is not possible.
    fn add(
        &mut self,
        chosen: &Members<'i>,
        brought: &Brought<'i>,
    ) -> Result<Option<Members<'i>>, SolveError> {
        let bars = self.universe.bars.borrow().clone();
        match self.choose(chosen, brought) {
            Ok(more) => Ok(Some(more)),
            Err(SolveError::Unsolvable { .. } | SolveError::Requests(_)) => {
                *self.universe.bars.borrow_mut() = bars;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Chooses packages that keep what was chosen before, until each is there for a reason.
    fn choose(
        &mut self,
        kept: &Members<'i>,
        brought: &Brought<'i>,
    ) -> Result<Members<'i>, SolveError> {
        loop {
            let mut chosen = self.choose_once(kept, brought)?;
            let picture = Picture::new(self.universe, self.wanted, &chosen)?;
            match picture.reasoned() {
                Ok(mut needed) => {
                    // What comes along later makes nothing superfluous.
                    if kept.is_empty() {
                        needed = picture.needed(needed);
                    }
                    chosen.retain(|name, _| needed.contains(name) || kept.contains_key(name));
                    return Ok(chosen);
                }
                Err(more) => {
                    let mut bars = self.universe.bars.borrow_mut();
                    bars.virtuals.extend(more.virtuals);
                    bars.tagged.extend(more.tagged);
                }
            }
        }
    }

    fn choose_once(
        &mut self,
        kept: &Members<'i>,
        brought: &Brought<'i>,
    ) -> Result<Members<'i>, SolveError> {
        let limit = SolveError::Limit(self.universe.task.limits.steps_max);
        self.rounds_left = self.rounds_left.checked_sub(1).ok_or_else(|| limit.clone())?;
        let provider = Provider::new(self.universe, self.steps_left);
        let mut requirements: Vec<ConditionalRequirement> = Vec::new();
        let groups = |candidates: &[Rc<Candidate<'i>>]| {
            candidates.iter().map(|candidate| (candidate.name, vec![candidate.id])).collect()
        };
        for wanted in self.wanted {
            let sources = wanted.sources.clone();
            let text = wanted.dependency.text;
            let offers = self.universe.unbarred(wanted.dependency.name, &wanted.offers);
            if offers.is_empty() {
                return Err(SolveError::Requests(wanted.is_virtual()));
            }
            let candidates: Vec<_> = offers.into_iter().map(|offer| offer.candidate).collect();
            requirements.push(provider.request(text, sources, groups(&candidates)).into());
        }
        for (name, candidate) in kept {
            let only = groups(std::slice::from_ref(candidate));
            requirements.push(provider.request(name, Vec::new(), only).into());
        }
        for (name, candidates) in brought {
            requirements.push(provider.request(name, Vec::new(), groups(candidates)).into());
        }
        let mut solver = Solver::new(provider);
        let result = solver.solve(Problem::new().requirements(requirements));
        self.steps_left = self.steps_left.saturating_sub(solver.provider().steps());
        match result {
            Ok(chosen) => Ok(chosen
                .into_iter()
                .map(|solvable| self.universe.candidate(candidate_id(solvable)))
                .map(|candidate| (candidate.package.name.as_str(), candidate))
                .collect()),
            Err(UnsolvableOrCancelled::Cancelled(_)) => match solver.provider().take_failure() {
                SolveError::Limit(_) => Err(limit),
                failure => Err(failure),
            },
            Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
                Err(explain::explain(&conflict.graph(&solver), solver.provider()))
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Dependency solving with apt's semantics, without `Recommends` and without an implied set of
//! essential packages.
//!
//! Alternatives are tried in order, of each package the newest version first, of the providers of
//! a virtual package the one of the highest `Priority`. Unlike apt the search is complete: if there
//! is a solution, it is found. It depends on the indexes and the task only, not on the order of the
//! requests.

mod debian;
mod error;
pub(crate) mod explain;
pub(crate) mod near;
pub(crate) mod provider;
mod reasons;
mod solution;
mod task;
mod universe;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use resolvo::{ConditionalRequirement, Problem, Solver, UnsolvableOrCancelled};

pub use error::{RequestProblem, SolveError};
pub use solution::{Chosen, Dropped, Named, Reason, RelationField, Solution, Step};
pub use task::{IndexRef, Limits, PRIORITY_DEFAULT, Request, SolveTask};

use provider::{Provider, candidate_id};
use universe::{Candidate, Universe, equal};

/// Chooses packages that satisfy a task.
pub fn solve(indexes: &[IndexRef<'_>], task: &SolveTask) -> Result<Solution, SolveError> {
    let universe = Universe::new(indexes, task)?;
    let wanted = wanted(&universe, task)?;

    let mut sources: BTreeMap<&str, BTreeSet<usize>> = BTreeMap::new();
    for wanted in &wanted {
        if let Some(candidate) = wanted.candidates.first() {
            sources.entry(candidate.package.name).or_default().extend(&wanted.sources);
        }
    }
    let provider = Provider::new(&universe, task.limits.steps_max);
    let requirements = wanted
        .iter()
        .map(|wanted| {
            let members = wanted.candidates.iter().map(|candidate| candidate.id).collect();
            let groups = wanted.candidates.first().map(|first| (first.name, members));
            let groups = groups.into_iter().collect();
            provider.request(&wanted.request.name, wanted.sources.clone(), groups).into()
        })
        .collect::<Vec<ConditionalRequirement>>();
    let mut solver = Solver::new(provider);
    let chosen = match solver.solve(Problem::new().requirements(requirements)) {
        Ok(chosen) => chosen,
        Err(UnsolvableOrCancelled::Cancelled(_)) => return Err(solver.provider().take_failure()),
        Err(UnsolvableOrCancelled::Unsolvable(conflict)) => {
            return Err(explain::explain(&conflict.graph(&solver), solver.provider()));
        }
    };

    let mut chosen: Vec<Rc<Candidate<'_>>> =
        chosen.into_iter().map(|solvable| universe.candidate(candidate_id(solvable))).collect();
    chosen.sort_by_key(|candidate| candidate.package.name);
    reasons::solution(&universe, &chosen, &sources)
}

/// Requests of one name and version, with what satisfies them.
struct Wanted<'i> {
    request: &'i Request,
    sources: Vec<usize>,
    candidates: Vec<Rc<Candidate<'i>>>,
}

/// Finds the candidates of all requests, sorted by name, or says what is wrong with each.
fn wanted<'i>(universe: &Universe<'i>, task: &'i SolveTask) -> Result<Vec<Wanted<'i>>, SolveError> {
    let mut sorted: BTreeMap<(&str, Option<&str>), Vec<&Request>> = BTreeMap::new();
    for request in &task.requests {
        sorted.entry((&request.name, request.version.as_deref())).or_default().push(request);
    }
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    for requests in sorted.into_values() {
        let Some(&request) = requests.first() else { continue };
        let mut sources: Vec<usize> = requests.iter().map(|request| request.source).collect();
        sources.sort_unstable();
        sources.dedup();
        let mut found = universe.candidates(universe.number(&request.name))?;
        if found.is_empty() {
            // As apt does, take the package that alone provides a virtual name.
            if let [only] = *universe.providers(&request.name)? {
                let provides = |candidate: &&Rc<Candidate<'i>>| candidate.provides(&request.name);
                found = universe.candidates(only)?.iter().filter(provides).cloned().collect();
            }
        }
        let admitted = |candidate: &&Rc<Candidate<'i>>| {
            request.version.as_deref().is_none_or(|text| equal(text, &candidate.version))
        };
        let candidates: Vec<_> = found.iter().filter(admitted).cloned().collect();
        if candidates.is_empty() {
            for source in sources {
                problems.push(problem(universe, request, source, &found)?);
            }
        } else {
            all.push(Wanted { request, sources, candidates });
        }
    }
    if problems.is_empty() {
        return Ok(all);
    }
    problems.sort_by_key(RequestProblem::source_number);
    Err(SolveError::Requests(problems))
}

/// Says why a request has no candidates.
fn problem<'i>(
    universe: &Universe<'i>,
    request: &'i Request,
    source_number: usize,
    found: &[Rc<Candidate<'i>>],
) -> Result<RequestProblem, SolveError> {
    let name = request.name.clone();
    if let (Some(version), false) = (&request.version, found.is_empty()) {
        let available =
            found.iter().map(|candidate| candidate.package.version.to_owned()).collect();
        return Ok(RequestProblem::Version {
            name,
            version: version.clone(),
            source_number,
            available,
        });
    }
    let providers = universe.providers(&request.name)?;
    if !providers.is_empty() {
        let providers =
            providers.iter().map(|provider| universe.name(*provider).to_owned()).collect();
        return Ok(RequestProblem::Virtual { name, source_number, providers });
    }
    let near = near::near_names(universe.all_names()?.into_iter(), &name);
    Ok(RequestProblem::Unknown { name, source_number, near })
}

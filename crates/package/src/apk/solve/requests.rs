// SPDX-License-Identifier: Apache-2.0
//! What satisfies each request, or what is wrong with it.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::picture::Members;
use super::universe::{Candidate, Offer, Universe};
use crate::apk::dependency::Dependency;
use crate::solve::near::near_names;
use crate::solve::{RequestProblem, SolveError};

/// Requests of one text, with what satisfies them.
pub(super) struct Wanted<'i> {
    pub(super) dependency: Dependency<'i>,
    pub(super) sources: Vec<usize>,
    /// Those that may be chosen for the request, and then those that only may be there anyway;
    /// most preferred first, never empty.
    pub(super) offers: Vec<Offer<'i>>,
}

impl<'i> Wanted<'i> {
    /// Returns which of some packages satisfies the request.
    pub(super) fn met_by(&self, members: &Members<'i>) -> Option<&Rc<Candidate<'i>>> {
        let candidates = self.offers.iter().map(|offer| &offer.candidate);
        candidates.into_iter().find(|candidate| {
            let member = members.get(candidate.package.name.as_str());
            member.is_some_and(|member| member.id == candidate.id)
        })
    }

    /// Returns the problem that nothing but the request leads to any of those that satisfy it.
    pub(super) fn is_virtual(&self) -> Vec<RequestProblem> {
        let problem = |source| virtual_problem(&self.dependency, source, &self.offers);
        self.sources.iter().map(|source| problem(*source)).collect()
    }
}

/// Finds the candidates of all requests, sorted by their text, or says what is wrong with each.
pub(super) fn wanted<'i>(universe: &Universe<'i>) -> Result<Vec<Wanted<'i>>, SolveError> {
    let mut sorted: BTreeMap<&str, (Dependency<'i>, Vec<usize>)> = BTreeMap::new();
    for (dependency, request) in universe.requests.iter().zip(&universe.task.requests) {
        if !dependency.conflict {
            let entry = sorted.entry(dependency.text);
            entry.or_insert_with(|| (*dependency, Vec::new())).1.push(request.source());
        }
    }
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    for (dependency, mut sources) in sorted.into_values() {
        sources.sort_unstable();
        sources.dedup();
        let offers = in_archives(universe, &dependency, &universe.offers(dependency.name)?);
        let (mut admitted, others): (Vec<Offer<'i>>, Vec<Offer<'i>>) = offers
            .iter()
            .filter(|offer| dependency.admits(offer.version.as_ref()))
            .cloned()
            .partition(|offer| offer.selectable);
        admitted.extend(others);
        if admitted.is_empty() {
            for source in sources {
                problems.push(problem(universe, &dependency, source, &offers));
            }
        } else {
            all.push(Wanted { dependency, sources, offers: admitted });
        }
    }
    if problems.is_empty() {
        return Ok(all);
    }
    problems.sort_by_key(RequestProblem::source_number);
    Err(SolveError::Requests(problems))
}

/// Keeps offers of the archives that a request means: those of its tag, or if it has none those
/// without and those from which the same name is requested.
fn in_archives<'i>(
    universe: &Universe<'i>,
    dependency: &Dependency<'i>,
    offers: &[Offer<'i>],
) -> Vec<Offer<'i>> {
    let meant = |offer: &&Offer<'i>| match (dependency.tag, offer.candidate.tag) {
        (Some(wanted), tag) => tag == Some(wanted),
        (None, None) => true,
        (None, tag) => universe
            .requests
            .iter()
            .any(|request| request.name == dependency.name && request.tag == tag),
    };
    offers.iter().filter(meant).cloned().collect()
}

fn virtual_problem(
    dependency: &Dependency<'_>,
    source_number: usize,
    offers: &[Offer<'_>],
) -> RequestProblem {
    let mut providers: Vec<String> = Vec::new();
    for offer in offers.iter().filter(|offer| offer.version.is_none()) {
        if !providers.contains(&offer.candidate.package.name) {
            providers.push(offer.candidate.package.name.clone());
        }
    }
    RequestProblem::Virtual { name: dependency.name.to_owned(), source_number, providers }
}

/// Says why a request has no candidates.
fn problem<'i>(
    universe: &Universe<'i>,
    dependency: &Dependency<'i>,
    source_number: usize,
    offers: &[Offer<'i>],
) -> RequestProblem {
    let name = dependency.name.to_owned();
    if let (Some((operator, version)), false) = (&dependency.version, offers.is_empty()) {
        let version = match operator {
            crate::apk::dependency::Operator::Equal => version.to_string(),
            other => format!("{other}{version}"),
        };
        let mut available: Vec<String> = Vec::new();
        for offered in offers.iter().filter_map(|offer| offer.version) {
            if !available.iter().any(|known| known == offered.as_str()) {
                available.push(offered.to_string());
            }
        }
        return RequestProblem::Version { name, version, source_number, available };
    }
    if let Some(reason) = universe.unusable(dependency.name) {
        return RequestProblem::Unusable { name, source_number, reason };
    }
    let tags = universe.tags_of(dependency.name);
    if tags.iter().any(|tag| !tag.is_empty()) || (dependency.tag.is_some() && !tags.is_empty()) {
        return RequestProblem::Tag {
            name,
            tag: dependency.tag.map(str::to_owned),
            source_number,
            tags: tags.into_iter().map(str::to_owned).collect(),
        };
    }
    let near = near_names(universe.all_names(), &name);
    RequestProblem::Unknown { name, source_number, near }
}

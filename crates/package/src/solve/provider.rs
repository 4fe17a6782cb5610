// SPDX-License-Identifier: Apache-2.0
//! Tells resolvo about packages.
//!
//! Encoding (`dependencies.md` 1.4): one resolvo name per real package name. A clause becomes a
//! union of version sets, each a set of candidates of one name: for each alternative first the
//! package of that name, then its providers. Conflicts and Breaks constrain the names they hit.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::rc::Rc;

use resolvo::{
    Condition, ConditionId, ConditionalRequirement, DenseIndex, Dependencies, DependencyProvider,
    Interner, KnownDependencies, NameId, Requirement, SolvableId, SolverCache, StringId,
    VersionSetId, VersionSetUnionId,
};

use super::error::SolveError;
use super::universe::{Candidate, Id, Name, Universe, parse_field};
use crate::deb::relation::{Clause, Relation};

/// A set of candidates of one name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct VersionSet {
    name: Name,
    /// Ascending, which is also the order of preference.
    members: Vec<Id>,
}

/// What a clause became.
#[derive(Debug, Clone, Copy)]
enum Encoded {
    /// An excluded package satisfies it.
    Excluded,
    /// One of these must be chosen.
    Union(VersionSetUnionId),
}

/// A clause or a request that resolvo knows as a union.
#[derive(Debug, Clone)]
pub(super) struct Union<'i> {
    sets: Rc<[VersionSetId]>,
    /// The clause as its package has it; for a request the name with the version.
    pub(super) text: &'i str,
    /// The numbers of the requests; empty for the clause of a package.
    pub(super) sources: Vec<usize>,
}

pub(super) struct Provider<'i> {
    pub(super) universe: Universe<'i>,
    version_sets: RefCell<Vec<Rc<VersionSet>>>,
    version_set_ids: RefCell<HashMap<Rc<VersionSet>, VersionSetId>>,
    unions: RefCell<Vec<Union<'i>>>,
    /// Clauses by their text, which means the same in every package.
    clauses: RefCell<HashMap<&'i str, Encoded>>,
    /// The error that made resolvo stop.
    failure: RefCell<Option<SolveError>>,
    steps: Cell<u64>,
    steps_max: u64,
}

impl<'i> Provider<'i> {
    pub(super) fn new(universe: Universe<'i>, steps_max: u64) -> Self {
        Self {
            universe,
            version_sets: RefCell::default(),
            version_set_ids: RefCell::default(),
            unions: RefCell::default(),
            clauses: RefCell::default(),
            failure: RefCell::default(),
            steps: Cell::new(0),
            steps_max,
        }
    }

    /// Returns the error that made resolvo stop.
    pub(super) fn take_failure(&self) -> SolveError {
        self.failure.take().unwrap_or(SolveError::Limit(self.steps_max))
    }

    pub(super) fn union(&self, requirement: Requirement) -> Option<Union<'i>> {
        match requirement {
            Requirement::Single(_) => None,
            Requirement::Union(id) => self.unions.borrow().get(id.to_index()).cloned(),
        }
    }

    /// Makes the requirement of a request.
    pub(super) fn request(
        &self,
        text: &'i str,
        sources: Vec<usize>,
        candidates: &[Rc<Candidate<'i>>],
    ) -> Requirement {
        let sets = candidates
            .first()
            .map(|first| self.version_set(first.name, candidates.iter().map(|c| c.id).collect()));
        self.add_union(text, sources, sets.into_iter().collect())
    }

    fn add_union(
        &self,
        text: &'i str,
        sources: Vec<usize>,
        sets: Vec<VersionSetId>,
    ) -> Requirement {
        let mut unions = self.unions.borrow_mut();
        unions.push(Union { sets: sets.into(), text, sources });
        Requirement::Union(VersionSetUnionId::from_index(unions.len() - 1))
    }

    fn version_set(&self, name: Name, members: Vec<Id>) -> VersionSetId {
        let set = Rc::new(VersionSet { name, members });
        *self.version_set_ids.borrow_mut().entry(Rc::clone(&set)).or_insert_with(|| {
            let mut sets = self.version_sets.borrow_mut();
            sets.push(set);
            VersionSetId::from_index(sets.len() - 1)
        })
    }

    fn set(&self, id: VersionSetId) -> Rc<VersionSet> {
        Rc::clone(&self.version_sets.borrow()[id.to_index()])
    }

    /// Makes the requirement of a clause; None if an exclusion satisfies it.
    fn encode(&self, clause: &Clause<'i>) -> Result<Encoded, SolveError> {
        if let Some(encoded) = self.clauses.borrow().get(clause.text) {
            return Ok(*encoded);
        }
        let architecture = self.universe.architecture();
        let in_force: Vec<&Relation<'i>> =
            clause.alternatives.iter().filter(|relation| relation.applies(architecture)).collect();
        let excluded =
            in_force.iter().any(|relation| self.universe.excluded_for(relation).is_some());
        // A clause of which nothing is meant for this architecture asks for nothing.
        let encoded = if excluded || in_force.is_empty() {
            Encoded::Excluded
        } else {
            // As apt, consider the most preferred version of each package first, so that no
            // alternative drags in an outdated version while another needs none.
            let (mut preferred, mut outdated) = (Vec::new(), Vec::new());
            for relation in in_force {
                for (name, candidates) in self.universe.satisfying(relation)? {
                    let (best, rest): (Vec<_>, Vec<_>) =
                        candidates.iter().map(|c| (c.rank, c.id)).partition(|(rank, _)| *rank == 0);
                    for (members, sets) in [(best, &mut preferred), (rest, &mut outdated)] {
                        if !members.is_empty() {
                            let members = members.into_iter().map(|(_, id)| id).collect();
                            sets.push(self.version_set(name, members));
                        }
                    }
                }
            }
            preferred.append(&mut outdated);
            // A package that satisfies several alternatives counts with the first.
            let mut seen = BTreeSet::new();
            preferred.retain(|set| seen.insert(*set));
            match self.add_union(clause.text, Vec::new(), preferred) {
                Requirement::Union(id) => Encoded::Union(id),
                Requirement::Single(_) => Encoded::Excluded,
            }
        };
        self.clauses.borrow_mut().insert(clause.text, encoded);
        Ok(encoded)
    }

    fn dependencies(&self, candidate: &Candidate<'i>) -> Result<KnownDependencies, SolveError> {
        let package = &candidate.package;
        let mut requirements = Vec::new();
        let mut seen = BTreeSet::new();
        for (field, value) in [("Pre-Depends", package.pre_depends), ("Depends", package.depends)] {
            for clause in parse_field(package, field, value)? {
                let itself = |relation: &Relation<'_>| candidate.satisfies(relation);
                if clause.alternatives.iter().any(itself) {
                    continue;
                }
                if let Encoded::Union(union) = self.encode(&clause)? {
                    let requirement = ConditionalRequirement::from(union);
                    if seen.insert(requirement) {
                        requirements.push(requirement);
                    }
                }
            }
        }
        let mut constrains = BTreeSet::new();
        for (field, value) in [("Conflicts", package.conflicts), ("Breaks", package.breaks)] {
            for clause in parse_field(package, field, value)? {
                for relation in &clause.alternatives {
                    self.constrain(candidate, relation, &mut constrains)?;
                }
            }
        }
        Ok(KnownDependencies { requirements, constrains: constrains.into_iter().collect() })
    }

    /// Forbids what a relation of Conflicts or Breaks names.
    fn constrain(
        &self,
        candidate: &Candidate<'i>,
        relation: &Relation<'i>,
        constrains: &mut BTreeSet<VersionSetId>,
    ) -> Result<(), SolveError> {
        for (name, forbidden) in self.universe.satisfying(relation)? {
            // A package does not conflict with itself (policy 7.4).
            if name == candidate.name {
                continue;
            }
            let allowed = self
                .universe
                .candidates(name)?
                .iter()
                .map(|other| other.id)
                .filter(|id| forbidden.binary_search_by_key(id, |other| other.id).is_err())
                .collect();
            constrains.insert(self.version_set(name, allowed));
        }
        Ok(())
    }

    /// Keeps the first error; resolvo stops soon after.
    fn fail<T: Default>(&self, result: Result<T, SolveError>) -> T {
        result.unwrap_or_else(|error| {
            self.failure.borrow_mut().get_or_insert(error);
            T::default()
        })
    }
}

/// What resolvo calls a solvable is our candidate of the same number.
pub(super) fn candidate_id(solvable: SolvableId) -> Id {
    solvable.to_index()
}

impl Interner for Provider<'_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        let candidate = self.universe.candidate(solvable.to_index());
        format!("{} {}", candidate.package.name, candidate.package.version)
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        self.universe.name(name.to_index())
    }

    fn display_version_set(&self, version_set: VersionSetId) -> impl Display + '_ {
        format!("{:?}", self.set(version_set).members)
    }

    fn display_string(&self, _: StringId) -> impl Display + '_ {
        "" // no strings are interned
    }

    fn version_set_name(&self, version_set: VersionSetId) -> NameId {
        NameId::from_index(self.set(version_set).name)
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        NameId::from_index(self.universe.candidate(solvable.to_index()).name)
    }

    fn version_sets_in_union(&self, id: VersionSetUnionId) -> impl Iterator<Item = VersionSetId> {
        let sets = Rc::clone(&self.unions.borrow()[id.to_index()].sets);
        (0..sets.len()).map(move |position| sets[position])
    }

    fn resolve_condition(&self, _: ConditionId) -> Condition {
        unreachable!("no requirement has a condition")
    }
}

impl DependencyProvider for Provider<'_> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        version_set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let set = self.set(version_set);
        let wanted = |id: &SolvableId| set.members.binary_search(&id.to_index()).is_ok() != inverse;
        candidates.iter().copied().filter(wanted).collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<resolvo::Candidates> {
        let candidates = self.fail(self.universe.candidates(name.to_index()).map(|found| {
            found.iter().map(|candidate| SolvableId::from_index(candidate.id)).collect::<Vec<_>>()
        }));
        Some(resolvo::Candidates { candidates, ..Default::default() })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        solvables.sort_by_key(|solvable| self.universe.candidate(solvable.to_index()).rank);
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        let candidate = self.universe.candidate(solvable.to_index());
        Dependencies::Known(self.fail(self.dependencies(&candidate)))
    }

    fn should_cancel_with_value(&self) -> Option<Box<dyn Any>> {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > self.steps_max || self.failure.borrow().is_some() {
            return Some(Box::new(()));
        }
        None
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Tells resolvo about packages, whatever distribution they are of.
//!
//! Encoding (`dependencies.md` 1.4): one resolvo name per real package name. A clause becomes a
//! union of version sets, each a set of candidates of one name, in the order of preference.
//! Conflicts constrain the names they hit.

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

/// The number of a package name.
pub(crate) type Name = usize;
/// The number of a candidate: one version of a package that can be chosen.
pub(crate) type Id = usize;
/// Candidates of one name, ascending, which is also the order of preference.
pub(crate) type Group = (Name, Vec<Id>);

/// What a candidate is, for all that does not depend on the distribution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member<'i> {
    pub(crate) name: Name,
    /// Smaller is more preferred among the candidates of the name.
    pub(crate) rank: usize,
    pub(crate) version: &'i str,
}

/// A dependency of a package, of which one alternative must hold.
#[derive(Debug, Clone)]
pub(crate) struct Need<'i, C> {
    /// As its package has it. It means the same in every package.
    pub(crate) text: &'i str,
    pub(crate) clause: C,
}

/// The packages of a distribution and what their relations mean.
pub(crate) trait Packages<'i> {
    /// A dependency, parsed.
    type Clause;

    /// Returns the text of a name.
    fn name(&self, name: Name) -> &'i str;
    /// Returns what a candidate is.
    fn member(&self, id: Id) -> Member<'i>;
    /// Returns all candidates of a name, ascending.
    fn candidates_of(&self, name: Name) -> Result<Vec<Id>, SolveError>;
    /// Returns what a candidate depends on and does not provide itself.
    fn needs(&self, id: Id) -> Result<Vec<Need<'i, Self::Clause>>, SolveError>;
    /// Returns what can satisfy a dependency, most preferred first. None if nothing has to.
    fn alternatives(&self, clause: &Self::Clause) -> Result<Option<Vec<Group>>, SolveError>;
    /// Returns what may not be chosen together with a candidate.
    fn refused(&self, id: Id) -> Result<Vec<Group>, SolveError>;
    /// Says what was requested, of which these candidates take part in a conflict.
    fn say_request(&self, text: &'i str, found: &[Id]) -> String;
    /// Says by what a candidate refuses another.
    fn say_refusal(&self, id: Id, other: Id) -> String;
    /// Says why nothing satisfies a dependency.
    fn say_missing(&self, text: &'i str) -> String;
}

/// A set of candidates of one name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct VersionSet {
    name: Name,
    /// Ascending, which is also the order of preference.
    members: Vec<Id>,
}

/// A clause or a request that resolvo knows as a union.
#[derive(Debug, Clone)]
pub(crate) struct Union<'i> {
    sets: Rc<[VersionSetId]>,
    /// The clause as its package has it; for a request the name with the version.
    pub(crate) text: &'i str,
    /// The numbers of the requests; empty for the clause of a package.
    pub(crate) sources: Vec<usize>,
}

pub(crate) struct Provider<'p, 'i, P> {
    pub(crate) packages: &'p P,
    version_sets: RefCell<Vec<Rc<VersionSet>>>,
    version_set_ids: RefCell<HashMap<Rc<VersionSet>, VersionSetId>>,
    unions: RefCell<Vec<Union<'i>>>,
    /// Clauses by their text; None for those that need nothing.
    clauses: RefCell<HashMap<&'i str, Option<VersionSetUnionId>>>,
    /// The error that made resolvo stop.
    failure: RefCell<Option<SolveError>>,
    steps: Cell<u64>,
    steps_max: u64,
}

impl<'p, 'i, P: Packages<'i>> Provider<'p, 'i, P> {
    pub(crate) fn new(packages: &'p P, steps_max: u64) -> Self {
        Self {
            packages,
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
    pub(crate) fn take_failure(&self) -> SolveError {
        self.failure.take().unwrap_or(SolveError::Limit(self.steps_max))
    }

    /// Returns how many steps were taken.
    pub(crate) fn steps(&self) -> u64 {
        self.steps.get()
    }

    pub(crate) fn union(&self, requirement: Requirement) -> Option<Union<'i>> {
        match requirement {
            Requirement::Single(_) => None,
            Requirement::Union(id) => self.unions.borrow().get(id.to_index()).cloned(),
        }
    }

    /// Makes the requirement of a request.
    pub(crate) fn request(
        &self,
        text: &'i str,
        sources: Vec<usize>,
        groups: Vec<Group>,
    ) -> Requirement {
        Requirement::Union(self.add_union(text, sources, groups))
    }

    fn add_union(
        &self,
        text: &'i str,
        sources: Vec<usize>,
        groups: Vec<Group>,
    ) -> VersionSetUnionId {
        let mut sets: Vec<VersionSetId> =
            groups.into_iter().map(|(name, members)| self.version_set(name, members)).collect();
        // What satisfies several alternatives counts with the first.
        let mut seen = BTreeSet::new();
        sets.retain(|set| seen.insert(*set));
        let mut unions = self.unions.borrow_mut();
        unions.push(Union { sets: sets.into(), text, sources });
        VersionSetUnionId::from_index(unions.len() - 1)
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

    /// Makes the requirement of a clause; None if nothing has to satisfy it.
    fn encode(&self, need: &Need<'i, P::Clause>) -> Result<Option<VersionSetUnionId>, SolveError> {
        if let Some(encoded) = self.clauses.borrow().get(need.text) {
            return Ok(*encoded);
        }
        let groups = self.packages.alternatives(&need.clause)?;
        let encoded = groups.map(|groups| self.add_union(need.text, Vec::new(), groups));
        self.clauses.borrow_mut().insert(need.text, encoded);
        Ok(encoded)
    }

    fn dependencies(&self, id: Id) -> Result<KnownDependencies, SolveError> {
        let mut requirements = Vec::new();
        let mut seen = BTreeSet::new();
        for need in self.packages.needs(id)? {
            if let Some(union) = self.encode(&need)? {
                let requirement = ConditionalRequirement::from(union);
                if seen.insert(requirement) {
                    requirements.push(requirement);
                }
            }
        }
        let mut constrains = BTreeSet::new();
        for (name, forbidden) in self.packages.refused(id)? {
            let mut allowed = self.packages.candidates_of(name)?;
            allowed.retain(|id| forbidden.binary_search(id).is_err());
            constrains.insert(self.version_set(name, allowed));
        }
        Ok(KnownDependencies { requirements, constrains: constrains.into_iter().collect() })
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
pub(crate) fn candidate_id(solvable: SolvableId) -> Id {
    solvable.to_index()
}

impl<'i, P: Packages<'i>> Interner for Provider<'_, 'i, P> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        let member = self.packages.member(solvable.to_index());
        format!("{} {}", self.packages.name(member.name), member.version)
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        self.packages.name(name.to_index())
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
        NameId::from_index(self.packages.member(solvable.to_index()).name)
    }

    fn version_sets_in_union(&self, id: VersionSetUnionId) -> impl Iterator<Item = VersionSetId> {
        let sets = Rc::clone(&self.unions.borrow()[id.to_index()].sets);
        (0..sets.len()).map(move |position| sets[position])
    }

    fn resolve_condition(&self, _: ConditionId) -> Condition {
        unreachable!("no requirement has a condition")
    }
}

impl<'i, P: Packages<'i>> DependencyProvider for Provider<'_, 'i, P> {
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
        let found = self.fail(self.packages.candidates_of(name.to_index()));
        let candidates = found.into_iter().map(SolvableId::from_index).collect();
        Some(resolvo::Candidates { candidates, ..Default::default() })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, solvables: &mut [SolvableId]) {
        solvables.sort_by_key(|solvable| self.packages.member(solvable.to_index()).rank);
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        Dependencies::Known(self.fail(self.dependencies(candidate_id(solvable))))
    }

    fn should_cancel_with_value(&self) -> Option<Box<dyn Any>> {
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > self.steps_max || self.failure.borrow().is_some() {
            return Some(Box::new(()));
        }
        None
    }
}

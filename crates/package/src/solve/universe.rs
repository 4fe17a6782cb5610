// SPDX-License-Identifier: Apache-2.0
//! What can be chosen: the versions of each package over all indexes, in order of preference, and
//! what satisfies a relation. Everything is looked up when it is first asked for.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::error::SolveError;
use super::provider::{Id, Name};
use super::task::{IndexRef, SolveTask};
use crate::deb::index::{CacheError, Package};
use crate::deb::relation::{self, Clause, Provide, Relation};
use crate::deb::version::VersionRef;

/// One version of a package that can be chosen.
#[derive(Debug)]
pub(super) struct Candidate<'i> {
    pub(super) id: Id,
    pub(super) name: Name,
    /// 0 for the most preferred version of the name.
    pub(super) rank: usize,
    /// The position of its index in the task's list.
    pub(super) index: usize,
    pub(super) package: Package<'i>,
    pub(super) version: VersionRef<'i>,
    pub(super) provides: Vec<Provide<'i>>,
}

impl Candidate<'_> {
    /// Returns whether a name is among its `Provides`, in whatever version.
    pub(super) fn provides(&self, name: &str) -> bool {
        self.provides.iter().any(|provide| provide.name == name)
    }

    /// Returns whether it satisfies a relation by its name or by what it provides.
    pub(super) fn satisfies(&self, relation: &Relation<'_>) -> bool {
        if self.package.name == relation.name && relation.admits(&self.version) {
            return true;
        }
        self.provides.iter().any(|provide| {
            provide.name == relation.name && relation.admits_provided(provide.version.as_ref())
        })
    }
}

/// Candidates of one name, most preferred first; their numbers ascend.
pub(super) type Candidates<'i> = Rc<[Rc<Candidate<'i>>]>;

/// What satisfies a relation: candidates by name.
pub(super) type Groups<'i> = Vec<(Name, Vec<Rc<Candidate<'i>>>)>;

/// What the indexes and the task offer.
pub(super) struct Universe<'i> {
    indexes: &'i [IndexRef<'i>],
    task: &'i SolveTask,
    requested: BTreeSet<&'i str>,
    /// What excluded packages provide: name → version, excluded name.
    excluded_provides: BTreeMap<&'i str, Vec<(Option<VersionRef<'i>>, &'i str)>>,
    numbers: RefCell<HashMap<&'i str, Name>>,
    names: RefCell<Vec<NameEntry<'i>>>,
    candidates: RefCell<Vec<Rc<Candidate<'i>>>>,
    providers: RefCell<HashMap<&'i str, Rc<[Name]>>>,
    looked_at: Cell<usize>,
}

struct NameEntry<'i> {
    text: &'i str,
    candidates: Option<Candidates<'i>>,
}

impl<'i> Universe<'i> {
    pub(super) fn new(
        indexes: &'i [IndexRef<'i>],
        task: &'i SolveTask,
    ) -> Result<Self, SolveError> {
        let mut universe = Self {
            indexes,
            task,
            requested: task.requests.iter().map(|request| request.name.as_str()).collect(),
            excluded_provides: BTreeMap::new(),
            numbers: RefCell::default(),
            names: RefCell::default(),
            candidates: RefCell::default(),
            providers: RefCell::default(),
            looked_at: Cell::new(0),
        };
        let mut provides: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for excluded in &task.exclusions {
            if !universe.is_excluded(excluded) {
                continue;
            }
            let versions = universe.versions(excluded)?;
            // As for everything else only the version counts that would be installed.
            if let Some((_, package, _)) = versions.first() {
                for provide in parse_provides(package)? {
                    provides
                        .entry(provide.name)
                        .or_default()
                        .push((provide.version, excluded.as_str()));
                }
            }
        }
        universe.excluded_provides = provides;
        Ok(universe)
    }

    /// Returns the names of all packages, some of them twice.
    pub(super) fn all_names(&self) -> Result<Vec<&'i str>, SolveError> {
        let mut names = Vec::new();
        for (position, entry) in self.indexes.iter().enumerate() {
            for number in 0..entry.index.len() {
                let name = entry.index.name(number);
                names.push(name.map_err(|source| self.index_error(position, source))?);
            }
        }
        Ok(names)
    }

    pub(super) fn architecture(&self) -> &'i str {
        &self.task.architecture
    }

    fn is_excluded(&self, name: &str) -> bool {
        self.task.exclusions.contains(name) && !self.requested.contains(name)
    }

    /// Returns the excluded name because of which a relation counts as satisfied.
    pub(super) fn excluded_for(&self, relation: &Relation<'_>) -> Option<&'i str> {
        if self.is_excluded(relation.name) {
            return self.task.exclusions.get(relation.name).map(String::as_str);
        }
        let provides = self.excluded_provides.get(relation.name)?;
        provides
            .iter()
            .find(|(version, _)| relation.admits_provided(version.as_ref()))
            .map(|(_, excluded)| *excluded)
    }

    /// Returns the number of a name.
    pub(super) fn number(&self, name: &'i str) -> Name {
        *self.numbers.borrow_mut().entry(name).or_insert_with(|| {
            let mut names = self.names.borrow_mut();
            names.push(NameEntry { text: name, candidates: None });
            names.len() - 1
        })
    }

    pub(super) fn name(&self, number: Name) -> &'i str {
        self.names.borrow()[number].text
    }

    pub(super) fn candidate(&self, id: Id) -> Rc<Candidate<'i>> {
        Rc::clone(&self.candidates.borrow()[id])
    }

    /// Returns all versions of a package that may be installed, most preferred first.
    pub(super) fn candidates(&self, number: Name) -> Result<Candidates<'i>, SolveError> {
        let name = {
            let entry = &self.names.borrow()[number];
            if let Some(candidates) = &entry.candidates {
                return Ok(Rc::clone(candidates));
            }
            entry.text
        };
        let mut candidates = Vec::new();
        if !self.is_excluded(name) {
            for (rank, (index, package, version)) in self.versions(name)?.into_iter().enumerate() {
                let provides = parse_provides(&package)?;
                let id = self.candidates.borrow().len();
                let candidate = Rc::new(Candidate {
                    id,
                    name: number,
                    rank,
                    index,
                    package,
                    version,
                    provides,
                });
                self.candidates.borrow_mut().push(Rc::clone(&candidate));
                candidates.push(candidate);
            }
        }
        let candidates: Candidates<'i> = candidates.into();
        self.names.borrow_mut()[number].candidates = Some(Rc::clone(&candidates));
        Ok(candidates)
    }

    /// Reads all versions of a package from the indexes, most preferred first, each once.
    fn versions(
        &self,
        name: &str,
    ) -> Result<Vec<(usize, Package<'i>, VersionRef<'i>)>, SolveError> {
        let mut versions = Vec::new();
        for (position, entry) in self.indexes.iter().enumerate() {
            let failed = |source| self.index_error(position, source);
            for number in entry.index.versions_of(name).map_err(failed)? {
                let looked_at = self.looked_at.get() + 1;
                self.looked_at.set(looked_at);
                if looked_at > self.task.limits.candidates_max {
                    return Err(SolveError::TooManyCandidates(self.task.limits.candidates_max));
                }
                let package = entry.index.package(number).map_err(failed)?;
                if package.architecture != "all" && package.architecture != self.architecture() {
                    continue;
                }
                // Versions are checked when an index is made.
                let version = VersionRef::parse(package.version)
                    .map_err(|_| failed(CacheError::Damaged("version")))?;
                versions.push((position, package, version));
            }
        }
        let wanted = |version: &VersionRef<'_>| {
            self.task.requests.iter().any(|request| {
                request.name == name
                    && request.version.as_deref().is_some_and(|text| equal(text, version))
            })
        };
        let preferred = |version: &VersionRef<'_>| {
            self.task.preferred.iter().any(|(other, text)| other == name && equal(text, version))
        };
        versions.sort_by_cached_key(|(position, _, version)| {
            let priority = self.indexes[*position].priority;
            (!wanted(version), !preferred(version), Reverse(priority), Reverse(*version), *position)
        });
        let mut seen = BTreeSet::new();
        versions.retain(|(_, package, _)| seen.insert(package.version));
        Ok(versions)
    }

    fn index_error(&self, position: usize, source: CacheError) -> SolveError {
        SolveError::Index { origin: self.indexes[position].index.origin().clone(), source }
    }

    /// Returns the names of the packages that provide a name in any version, in apt's order of
    /// preference (`CompareProviders`): essential, important, then `Priority`. Those that do so
    /// only in a version that is not their most preferred one come last.
    pub(super) fn providers(&self, name: &'i str) -> Result<Rc<[Name]>, SolveError> {
        if let Some(providers) = self.providers.borrow().get(name) {
            return Ok(Rc::clone(providers));
        }
        let mut found = BTreeSet::new();
        for (position, entry) in self.indexes.iter().enumerate() {
            let failed = |source| self.index_error(position, source);
            for number in entry.index.providers_of(name).map_err(failed)? {
                found.insert(entry.index.name(number).map_err(failed)?);
            }
        }
        let mut sorted = Vec::new();
        for provider in found {
            let number = self.number(provider);
            let candidates = self.candidates(number)?;
            if let Some(first) = candidates.iter().position(|candidate| candidate.provides(name)) {
                let package = &candidates[first].package;
                sorted.push((
                    (
                        first != 0,
                        !package.essential,
                        !package.important,
                        package.priority,
                        provider,
                    ),
                    number,
                ));
            }
        }
        sorted.sort_unstable();
        let providers: Rc<[Name]> = sorted.into_iter().map(|(_, number)| number).collect();
        self.providers.borrow_mut().insert(name, Rc::clone(&providers));
        Ok(providers)
    }

    /// Returns what satisfies a relation: for the package of that name and then for each provider
    /// the candidates that do, most preferred first. Without names that have none.
    pub(super) fn satisfying(&self, relation: &Relation<'i>) -> Result<Groups<'i>, SolveError> {
        let mut groups = Vec::new();
        if !relation.applies(self.architecture())
            || !relation.meets_architecture(self.architecture())
        {
            return Ok(groups);
        }
        let own = self.number(relation.name);
        let providers = self.providers(relation.name)?;
        let others = providers.iter().copied().filter(|provider| *provider != own);
        for name in std::iter::once(own).chain(others) {
            let candidates = self.candidates(name)?;
            let satisfying: Vec<_> = candidates
                .iter()
                .filter(|candidate| candidate.satisfies(relation))
                .cloned()
                .collect();
            if !satisfying.is_empty() {
                groups.push((name, satisfying));
            }
        }
        Ok(groups)
    }
}

/// Returns whether a text is that version; equality is dpkg's.
pub(super) fn equal(text: &str, version: &VersionRef<'_>) -> bool {
    VersionRef::parse(text).is_ok_and(|other| other == *version)
}

fn parse_provides<'i>(package: &Package<'i>) -> Result<Vec<Provide<'i>>, SolveError> {
    relation::parse_provides(package.provides)
        .map_err(|source| relation_error(package, "Provides", source))
}

/// Parses a field of relations other than `Provides`.
pub(super) fn parse_field<'i>(
    package: &Package<'i>,
    field: &'static str,
    value: &'i str,
) -> Result<Vec<Clause<'i>>, SolveError> {
    relation::parse_clauses(value).map_err(|source| relation_error(package, field, source))
}

fn relation_error(
    package: &Package<'_>,
    field: &'static str,
    source: relation::RelationError,
) -> SolveError {
    SolveError::Relation { package: package.name.to_owned(), field, source }
}

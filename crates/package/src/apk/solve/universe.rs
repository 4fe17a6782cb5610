// SPDX-License-Identifier: Apache-2.0
//! What can be chosen: the versions of each package over all indexes, and who offers a name, in
//! order of preference. Candidates are made when they are first asked for.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::task::{IndexRef, SolveTask};
use crate::apk::dependency::{
    Dependency, DependencyError, Provide, parse_dependencies, parse_provides,
};
use crate::apk::index::Package;
use crate::apk::version::VersionRef;
use crate::solve::SolveError;
use crate::solve::provider::{Id, Name};

/// One version of a package that can be chosen.
#[derive(Debug)]
pub(super) struct Candidate<'i> {
    pub(super) id: Id,
    pub(super) name: Name,
    /// 0 for the most preferred version of the name.
    pub(super) rank: usize,
    /// The position of its index in the task's list.
    pub(super) index: usize,
    pub(super) tag: Option<&'i str>,
    pub(super) package: &'i Package,
    pub(super) version: VersionRef<'i>,
    pub(super) depends: Vec<Dependency<'i>>,
    pub(super) provides: Vec<Provide<'i>>,
}

impl<'i> Candidate<'i> {
    /// Returns the names it is there under, its own first.
    pub(super) fn offers(&self) -> impl Iterator<Item = Provide<'i>> {
        let own = Provide { name: &self.package.name, version: Some(self.version) };
        std::iter::once(own).chain(self.provides.iter().copied())
    }

    /// Returns whether it is or provides what a dependency names.
    pub(super) fn meets(&self, dependency: &Dependency<'_>) -> bool {
        self.offers()
            .any(|offer| offer.name == dependency.name && dependency.admits(offer.version.as_ref()))
    }
}

/// A name that a candidate is there under.
#[derive(Debug, Clone)]
pub(super) struct Offer<'i> {
    pub(super) candidate: Rc<Candidate<'i>>,
    /// Without one the name is virtual.
    pub(super) version: Option<VersionRef<'i>>,
    /// Whether it may be chosen because something depends on the name: apk does not choose among
    /// those that provide a virtual name, unless one has a priority or is asked for by its own name.
    pub(super) selectable: bool,
}

/// Names that bring a package along once all of them are there.
#[derive(Debug)]
pub(super) struct Rule<'i> {
    pub(super) package: &'i Package,
    pub(super) conditions: Vec<Dependency<'i>>,
}

/// What turned out to be no choice.
#[derive(Debug, Clone, Default)]
pub(super) struct Bars<'i> {
    /// A virtual name, and the package that is not there for another reason than to provide it.
    pub(super) virtuals: BTreeSet<(&'i str, Name)>,
    /// Packages of tagged archives that nothing with that tag depends on.
    pub(super) tagged: BTreeSet<Id>,
}

/// Where a package stands: the number of its index and its place there.
type Place = (usize, usize);

/// What the indexes and the task offer.
pub(super) struct Universe<'i> {
    pub(super) indexes: &'i [IndexRef<'i>],
    pub(super) task: &'i SolveTask,
    /// The requests, parsed, in the order of the task.
    pub(super) requests: Vec<Dependency<'i>>,
    pub(super) rules: Vec<Rule<'i>>,
    pub(super) bars: RefCell<Bars<'i>>,
    places: HashMap<&'i str, Vec<Place>>,
    provided: HashMap<&'i str, Vec<Place>>,
    /// What excluded packages provide: name → version, excluded name.
    excluded_provides: BTreeMap<&'i str, Vec<(Option<VersionRef<'i>>, &'i str)>>,
    numbers: RefCell<HashMap<&'i str, Name>>,
    names: RefCell<Vec<NameEntry<'i>>>,
    candidates: RefCell<Vec<Rc<Candidate<'i>>>>,
    offers: RefCell<HashMap<&'i str, Rc<[Offer<'i>]>>>,
    /// Packages of which something cannot be read, and what. As for apk they are not there.
    unusable: RefCell<BTreeMap<&'i str, String>>,
    looked_at: Cell<usize>,
}

struct NameEntry<'i> {
    text: &'i str,
    candidates: Option<Rc<[Rc<Candidate<'i>>]>>,
}

impl<'i> Universe<'i> {
    pub(super) fn new(
        indexes: &'i [IndexRef<'i>],
        task: &'i SolveTask,
    ) -> Result<Self, SolveError> {
        let mut universe = Self {
            indexes,
            task,
            requests: task.requests.iter().map(super::Request::dependency).collect(),
            rules: Vec::new(),
            bars: RefCell::default(),
            places: HashMap::new(),
            provided: HashMap::new(),
            excluded_provides: BTreeMap::new(),
            numbers: RefCell::default(),
            names: RefCell::default(),
            candidates: RefCell::default(),
            offers: RefCell::default(),
            unusable: RefCell::default(),
            looked_at: Cell::new(0),
        };
        for (index, entry) in indexes.iter().enumerate() {
            if entry.tag.is_some_and(|tag| !universe.is_requested_tag(tag)) {
                continue;
            }
            for (position, package) in entry.index.packages.iter().enumerate() {
                universe.enter((index, position), package);
            }
        }
        let mut provides: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for excluded in task.exclusions.iter().filter(|name| universe.is_excluded(name)) {
            // As for everything else only the version counts that would be installed.
            if let Some((_, package, _)) = universe.versions(excluded)?.first() {
                for provide in parse_provides(&package.provides).unwrap_or_default() {
                    let entry = (provide.version, excluded.as_str());
                    provides.entry(provide.name).or_default().push(entry);
                }
            }
        }
        universe.excluded_provides = provides;
        Ok(universe)
    }

    fn enter(&mut self, place: Place, package: &'i Package) {
        self.places.entry(&package.name).or_default().push(place);
        for word in package.provides.split_ascii_whitespace() {
            let end = word.find(['<', '=', '>', '~']).unwrap_or(word.len());
            let places = self.provided.entry(&word[..end]).or_default();
            if places.last() != Some(&place) {
                places.push(place);
            }
        }
        // As in apk a rule that cannot be read never comes into force.
        match parse_dependencies(&package.install_if) {
            Ok(conditions) if !conditions.is_empty() => {
                self.rules.push(Rule { package, conditions });
            }
            _ => {}
        }
    }

    fn is_requested_tag(&self, tag: &str) -> bool {
        self.requests.iter().any(|request| request.tag == Some(tag))
    }

    /// Returns whether a request asks for this name.
    pub(super) fn is_requested(&self, name: &str) -> bool {
        self.requests.iter().any(|request| !request.conflict && request.name == name)
    }

    pub(super) fn is_excluded(&self, name: &str) -> bool {
        self.task.exclusions.contains(name) && !self.is_requested(name)
    }

    /// Returns the excluded name because of which a dependency counts as satisfied.
    pub(super) fn excluded_for(&self, dependency: &Dependency<'_>) -> Option<&'i str> {
        if self.is_excluded(dependency.name) {
            return self.task.exclusions.get(dependency.name).map(String::as_str);
        }
        let provides = self.excluded_provides.get(dependency.name)?;
        provides
            .iter()
            .find(|(version, _)| dependency.admits(version.as_ref()))
            .map(|(_, excluded)| *excluded)
    }

    /// Returns the names of all packages.
    pub(super) fn all_names(&self) -> impl Iterator<Item = &'i str> {
        let indexes = self.indexes;
        indexes.iter().flat_map(|entry| entry.index.packages.iter().map(|p| p.name.as_str()))
    }

    /// Returns the number of a name.
    pub(super) fn number(&self, name: &'i str) -> Name {
        *self.numbers.borrow_mut().entry(name).or_insert_with(|| {
            let mut names = self.names.borrow_mut();
            names.push(NameEntry { text: name, candidates: None });
            names.len() - 1
        })
    }

    pub(super) fn text(&self, number: Name) -> &'i str {
        self.names.borrow()[number].text
    }

    pub(super) fn candidate(&self, id: Id) -> Rc<Candidate<'i>> {
        Rc::clone(&self.candidates.borrow()[id])
    }

    /// Returns all versions of a package that may be chosen, most preferred first; their numbers
    /// ascend.
    pub(super) fn candidates(&self, number: Name) -> Result<Rc<[Rc<Candidate<'i>>]>, SolveError> {
        let name = {
            let entry = &self.names.borrow()[number];
            if let Some(candidates) = &entry.candidates {
                return Ok(Rc::clone(candidates));
            }
            entry.text
        };
        let mut candidates = Vec::new();
        if !self.is_excluded(name) {
            for (index, package, version) in self.versions(name)? {
                let (depends, provides) = match relations_of(package) {
                    Ok(relations) => relations,
                    Err(error) => {
                        self.unusable.borrow_mut().entry(name).or_insert(describe(&error));
                        continue;
                    }
                };
                let candidate = Rc::new(Candidate {
                    id: self.candidates.borrow().len(),
                    name: number,
                    rank: candidates.len(),
                    index,
                    tag: self.indexes[index].tag,
                    package,
                    version,
                    depends,
                    provides,
                });
                let kept_out =
                    |request: &Dependency<'_>| request.conflict && candidate.meets(request);
                if !self.requests.iter().any(kept_out) {
                    self.candidates.borrow_mut().push(Rc::clone(&candidate));
                    candidates.push(candidate);
                }
            }
        }
        let candidates: Rc<[_]> = candidates.into();
        self.names.borrow_mut()[number].candidates = Some(Rc::clone(&candidates));
        Ok(candidates)
    }

    /// Returns all versions of a package, most preferred first, each once for every tag: those
    /// that are requested, of archives without a tag, of the highest version, of the first index.
    fn versions(
        &self,
        name: &'i str,
    ) -> Result<Vec<(usize, &'i Package, VersionRef<'i>)>, SolveError> {
        let mut versions = Vec::new();
        for &(index, position) in self.places.get(name).into_iter().flatten() {
            let looked_at = self.looked_at.get() + 1;
            self.looked_at.set(looked_at);
            if looked_at > self.task.limits.candidates_max {
                return Err(SolveError::TooManyCandidates(self.task.limits.candidates_max));
            }
            let package = &self.indexes[index].index.packages[position];
            match VersionRef::of_package(&package.version) {
                Ok(version) => versions.push((index, package, version)),
                Err(error) => {
                    self.unusable.borrow_mut().entry(name).or_insert(describe(&error));
                }
            }
        }
        let requests = || self.requests.iter().filter(|r| !r.conflict && r.name == name);
        versions.sort_by_cached_key(|(index, _, version)| {
            let tag = self.indexes[*index].tag;
            let wanted = requests().all(|request| {
                request.admits(Some(version)) && (request.tag.is_none() || request.tag == tag)
            });
            (!wanted, tag.is_some(), Reverse(*version), *index)
        });
        let mut seen = BTreeSet::new();
        versions.retain(|(index, package, _)| {
            seen.insert((package.version.as_str(), self.indexes[*index].tag))
        });
        Ok(versions)
    }

    /// Returns what is wrong with a package of which something cannot be read.
    pub(super) fn unusable(&self, name: &str) -> Option<String> {
        self.unusable.borrow().get(name).cloned()
    }

    /// Returns who is there under a name, most preferred first.
    pub(super) fn offers(&self, name: &'i str) -> Result<Rc<[Offer<'i>]>, SolveError> {
        if let Some(offers) = self.offers.borrow().get(name) {
            return Ok(Rc::clone(offers));
        }
        let mut packages: BTreeSet<&'i str> = BTreeSet::from([name]);
        for &(index, position) in self.provided.get(name).into_iter().flatten() {
            packages.insert(&self.indexes[index].index.packages[position].name);
        }
        let mut offers = Vec::new();
        for package in packages {
            for candidate in self.candidates(self.number(package))?.iter() {
                for offer in candidate.offers().filter(|offer| offer.name == name) {
                    let candidate = Rc::clone(candidate);
                    offers.push(Offer { candidate, version: offer.version, selectable: true });
                }
            }
        }
        // apk 2 takes the package that alone provides a virtual name, and Alpine 3.16 counts on it.
        let alone = offers.iter().all(|offer| offer.candidate.name == offers[0].candidate.name);
        for offer in &mut offers {
            let package = offer.candidate.package;
            offer.selectable = offer.version.is_some()
                || alone
                || package.provider_priority > 0
                || self.is_requested(&package.name);
        }
        let offers: Rc<[Offer<'i>]> = self.by_preference(name, offers).into();
        self.offers.borrow_mut().insert(name, Rc::clone(&offers));
        Ok(offers)
    }

    /// Sorts offers of a name as apk does. Between two versions of the name the higher one wins;
    /// where one of the two has none the provider's priority decides, which is no order by itself,
    /// so the two kinds are sorted for themselves and then merged. What is requested comes first,
    /// for it will be there, and what is from a tagged archive last.
    fn by_preference(&self, name: &str, offers: Vec<Offer<'i>>) -> Vec<Offer<'i>> {
        let priority = |offer: &Offer<'i>| Reverse(offer.candidate.package.provider_priority);
        let mut groups: BTreeMap<(bool, bool), [Vec<Offer<'i>>; 2]> = BTreeMap::new();
        for offer in offers {
            let requested = self.is_requested(&offer.candidate.package.name);
            let group = groups.entry((offer.candidate.tag.is_some(), !requested)).or_default();
            group[usize::from(offer.version.is_none())].push(offer);
        }
        let mut sorted = Vec::new();
        for [mut versioned, mut virtuals] in groups.into_values() {
            let mut first_index: BTreeMap<&'i str, usize> = BTreeMap::new();
            for Offer { candidate, .. } in versioned.iter().chain(&virtuals) {
                let index = first_index.entry(&candidate.package.name).or_insert(candidate.index);
                *index = candidate.index.min(*index);
            }
            let place = |offer: &Offer<'i>| {
                let package = offer.candidate.package.name.as_str();
                (package != name, first_index.get(package), package, offer.candidate.rank)
            };
            versioned.sort_by(|left, right| {
                let key = |offer| (priority(offer), place(offer));
                right.version.cmp(&left.version).then_with(|| key(left).cmp(&key(right)))
            });
            virtuals.sort_by(|left, right| {
                let key = |offer| (priority(offer), place(offer));
                key(left).cmp(&key(right))
            });
            let mut virtuals = virtuals.into_iter().peekable();
            for offer in versioned {
                while let Some(other) = virtuals.next_if(|other| priority(other) < priority(&offer))
                {
                    sorted.push(other);
                }
                sorted.push(offer);
            }
            sorted.extend(virtuals);
        }
        sorted
    }

    /// Returns the offers that a dependency can be satisfied with.
    pub(super) fn satisfying(
        &self,
        dependency: &Dependency<'i>,
    ) -> Result<Vec<Offer<'i>>, SolveError> {
        let mut offers = self.unbarred(dependency.name, &self.offers(dependency.name)?);
        offers.retain(|offer| dependency.admits(offer.version.as_ref()));
        Ok(offers)
    }

    /// Returns the offers of a name without those that turned out to be no choice.
    pub(super) fn unbarred(&self, name: &'i str, offers: &[Offer<'i>]) -> Vec<Offer<'i>> {
        let bars = self.bars.borrow();
        let free = |offer: &&Offer<'i>| {
            let candidate = &offer.candidate;
            !bars.tagged.contains(&candidate.id)
                && (offer.selectable || !bars.virtuals.contains(&(name, candidate.name)))
        };
        offers.iter().filter(free).cloned().collect()
    }

    /// Returns the tags of the archives that have a package of that name, or that provides it; an
    /// empty one for an archive without.
    pub(super) fn tags_of(&self, name: &str) -> BTreeSet<&'i str> {
        let indexes = self.indexes;
        let has = |entry: &&IndexRef<'i>| {
            !entry.index.versions_of(name).is_empty()
                || entry.index.packages.iter().any(|package| {
                    let provides = parse_provides(&package.provides).unwrap_or_default();
                    provides.iter().any(|provide| provide.name == name)
                })
        };
        indexes.iter().filter(has).map(|entry| entry.tag.unwrap_or_default()).collect()
    }
}

/// What a package depends on and what it provides.
type Relations<'i> = (Vec<Dependency<'i>>, Vec<Provide<'i>>);

fn relations_of(package: &Package) -> Result<Relations<'_>, DependencyError> {
    Ok((parse_dependencies(&package.depends)?, parse_provides(&package.provides)?))
}

/// Says what an error says, with its causes.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += ": ";
        text += &error.to_string();
        cause = error.source();
    }
    text
}

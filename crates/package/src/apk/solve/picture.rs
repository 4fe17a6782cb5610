// SPDX-License-Identifier: Apache-2.0
//! A set of packages that was found, looked at as a whole: why each of them is there, which of
//! them nothing needs, and which others come along with them.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::requests::Wanted;
use super::universe::{Bars, Candidate, Universe};
use crate::apk::dependency::{Dependency, parse_dependencies};
use crate::apk::version::VersionRef;
use crate::solve::SolveError;
use crate::solve::provider::Id;

/// Packages by their name.
pub(super) type Members<'i> = BTreeMap<&'i str, Rc<Candidate<'i>>>;

/// One package of the set.
struct Member<'i> {
    candidate: Rc<Candidate<'i>>,
    depends: Vec<Dependency<'i>>,
    install_if: Vec<Dependency<'i>>,
}

/// A name as a member offers it.
struct Offered<'i> {
    package: &'i str,
    version: Option<VersionRef<'i>>,
    selectable: bool,
}

/// The set and what is in it by name.
pub(super) struct Picture<'u, 'i> {
    universe: &'u Universe<'i>,
    wanted: &'u [Wanted<'i>],
    members: BTreeMap<&'i str, Member<'i>>,
    offers: BTreeMap<&'i str, Vec<Offered<'i>>>,
}

/// What is there for a reason.
#[derive(Default)]
struct Reach<'i> {
    packages: BTreeSet<&'i str>,
    /// Requests, and dependencies of these packages, that only others satisfy.
    missing: Vec<Dependency<'i>>,
}

impl<'u, 'i> Picture<'u, 'i> {
    pub(super) fn new(
        universe: &'u Universe<'i>,
        wanted: &'u [Wanted<'i>],
        chosen: &Members<'i>,
    ) -> Result<Self, SolveError> {
        let mut picture =
            Self { universe, wanted, members: BTreeMap::new(), offers: BTreeMap::new() };
        for (name, candidate) in chosen {
            let depends = candidate.depends.iter().filter(|d| !d.conflict).copied();
            let member = Member {
                candidate: Rc::clone(candidate),
                depends: depends.collect(),
                install_if: parse_dependencies(&candidate.package.install_if).unwrap_or_default(),
            };
            picture.members.insert(name, member);
            for offer in candidate.offers() {
                let all = universe.offers(offer.name)?;
                let selectable = all.iter().any(|other| {
                    other.candidate.id == candidate.id
                        && other.version == offer.version
                        && other.selectable
                });
                picture.offers.entry(offer.name).or_default().push(Offered {
                    package: name,
                    version: offer.version,
                    selectable,
                });
            }
        }
        Ok(picture)
    }

    /// Returns those of some packages that satisfy a dependency, and whether each may be chosen
    /// for that alone.
    fn satisfying<'s>(
        &'s self,
        dependency: &'s Dependency<'i>,
        among: &'s BTreeSet<&'i str>,
    ) -> impl Iterator<Item = (&'i str, bool)> + 's {
        let offers = self.offers.get(dependency.name).into_iter().flatten();
        offers
            .filter(|offer| dependency.admits(offer.version.as_ref()))
            .filter(|offer| among.contains(offer.package))
            .map(|offer| (offer.package, offer.selectable))
    }

    /// Returns those of some packages that satisfy a request, and whether each may be chosen for
    /// that alone.
    fn asked_for<'s>(
        &'s self,
        wanted: &'s Wanted<'i>,
        among: &'s BTreeSet<&'i str>,
    ) -> impl Iterator<Item = (&'i str, bool)> + 's {
        wanted.offers.iter().filter_map(|offer| {
            let name = offer.candidate.package.name.as_str();
            let there =
                among.contains(name) && self.members[name].candidate.id == offer.candidate.id;
            there.then_some((name, offer.selectable))
        })
    }

    fn is_met(&self, condition: &Dependency<'i>, by: &BTreeSet<&'i str>, besides: &str) -> bool {
        let found = self.satisfying(condition, by).any(|(package, _)| package != besides);
        found != condition.conflict
    }

    /// Follows what is requested, depended on and brought along, among some of the packages.
    fn reach(&self, among: &BTreeSet<&'i str>) -> Reach<'i> {
        let mut reach = Reach::default();
        let mut open: Vec<&'i str> = Vec::new();
        for wanted in self.wanted {
            let found = self.asked_for(wanted, among);
            open.extend(found.filter(|(_, selectable)| *selectable).map(|(package, _)| package));
        }
        loop {
            while let Some(package) = open.pop() {
                if reach.packages.insert(package) {
                    for dependency in &self.members[package].depends {
                        let found = self.satisfying(dependency, among);
                        open.extend(found.filter(|(_, selectable)| *selectable).map(|(p, _)| p));
                    }
                }
            }
            let brought = among.iter().filter(|package| {
                !reach.packages.contains(*package) && self.is_brought(package, &reach.packages)
            });
            open.extend(brought);
            if open.is_empty() {
                break;
            }
        }
        for wanted in self.wanted {
            if self.asked_for(wanted, &reach.packages).next().is_none() {
                reach.missing.push(wanted.dependency);
            }
        }
        for package in &reach.packages {
            for dependency in &self.members[package].depends {
                let excluded = self.universe.excluded_for(dependency).is_some();
                if !excluded && self.satisfying(dependency, &reach.packages).next().is_none() {
                    reach.missing.push(*dependency);
                }
            }
        }
        reach
    }

    /// Returns whether a member's `install_if` is met by packages.
    fn is_brought(&self, package: &str, by: &BTreeSet<&'i str>) -> bool {
        let conditions = &self.members[package].install_if;
        !conditions.is_empty() && conditions.iter().all(|c| self.is_met(c, by, package))
    }

    /// Returns the names of the members that are there for a reason, or what must not be chosen
    /// again: packages that are there only to provide a virtual name, and packages of tagged
    /// archives to which no request with that tag leads.
    pub(super) fn reasoned(&self) -> Result<BTreeSet<&'i str>, Bars<'i>> {
        let mut bars = Bars::default();
        let all: BTreeSet<&'i str> = self.members.keys().copied().collect();
        let reach = self.reach(&all);
        for dependency in &reach.missing {
            let offers = self.universe.offers(dependency.name);
            for offer in offers.iter().flat_map(|offers| offers.iter()) {
                let package = offer.candidate.package;
                let name = package.name.as_str();
                // The others may turn out to be brought along, once they are tried.
                let tried = package.install_if.is_empty() || self.members.contains_key(name);
                if !offer.selectable && tried && !reach.packages.contains(name) {
                    bars.virtuals.insert((dependency.name, offer.candidate.name));
                }
            }
        }
        bars.tagged = self.wrongly_tagged(&reach.packages);
        if !bars.virtuals.is_empty() || !bars.tagged.is_empty() {
            return Err(bars);
        }
        Ok(reach.packages)
    }

    /// Leaves out what nothing needs of packages that are there for a reason.
    pub(super) fn needed(&self, mut packages: BTreeSet<&'i str>) -> BTreeSet<&'i str> {
        while let Some(fewer) = self.without_one(&packages) {
            packages = fewer.packages;
        }
        packages
    }

    /// Leaves out one package, and all that only it needs, if something else provides what it is
    /// there for.
    fn without_one(&self, packages: &BTreeSet<&'i str>) -> Option<Reach<'i>> {
        let mut spare: BTreeSet<&'i str> = BTreeSet::new();
        let mut compare = |found: BTreeSet<&'i str>| {
            if found.len() > 1 {
                spare.extend(found);
            }
        };
        for wanted in self.wanted {
            compare(self.asked_for(wanted, packages).map(|(package, _)| package).collect());
        }
        for dependency in packages.iter().flat_map(|package| &self.members[package].depends) {
            compare(self.satisfying(dependency, packages).map(|(package, _)| package).collect());
        }
        let mut spare: Vec<&'i str> = spare.into_iter().collect();
        spare.sort_by_key(|package| self.members[package].candidate.package.provider_priority);
        spare.into_iter().find_map(|package| {
            let mut fewer = packages.clone();
            fewer.remove(package);
            let reach = self.reach(&fewer);
            (reach.missing.is_empty() && !self.is_brought(package, &reach.packages))
                .then_some(reach)
        })
    }

    /// Returns the packages of tagged archives to which no request with that tag leads.
    fn wrongly_tagged(&self, packages: &BTreeSet<&'i str>) -> BTreeSet<Id> {
        let tagged = |package: &&&'i str| self.members[**package].candidate.tag.is_some();
        if packages.iter().find(tagged).is_none() {
            return BTreeSet::new();
        }
        let tags = self.tags(packages);
        let mut wrong = BTreeSet::new();
        for package in packages {
            let candidate = &self.members[package].candidate;
            let granted = tags.get(package);
            if candidate.tag.is_some_and(|tag| granted.is_none_or(|tags| !tags.contains(tag))) {
                wrong.insert(candidate.id);
            }
        }
        wrong
    }

    /// Returns the tags of the requests that lead to each package.
    fn tags(&self, packages: &BTreeSet<&'i str>) -> BTreeMap<&'i str, BTreeSet<&'i str>> {
        let mut tags: BTreeMap<&'i str, BTreeSet<&'i str>> = BTreeMap::new();
        let mut open: Vec<(&'i str, &'i str)> = Vec::new();
        for wanted in self.wanted {
            let Some(tag) = wanted.dependency.tag else { continue };
            let requested = self.asked_for(wanted, packages);
            open.extend(requested.map(|(package, _)| (package, tag)));
        }
        while let Some((package, tag)) = open.pop() {
            if tags.entry(package).or_default().insert(tag) {
                for dependency in &self.members[package].depends {
                    let found = self.satisfying(dependency, packages);
                    open.extend(found.map(|(package, _)| (package, tag)));
                }
                let brought = packages.iter().filter(|other| {
                    let conditions = &self.members[**other].install_if;
                    conditions.iter().any(|condition| {
                        self.satisfying(condition, packages).any(|(by, _)| by == package)
                    })
                });
                open.extend(brought.map(|other| (*other, tag)));
            }
        }
        tags
    }

    /// Returns candidates of packages that come along with the members and are not there yet, by
    /// name, most preferred first. `hopeless` are those that were tried in vain.
    pub(super) fn brought_along(
        &self,
        hopeless: &BTreeSet<Id>,
    ) -> Result<BTreeMap<&'i str, Vec<Rc<Candidate<'i>>>>, SolveError> {
        let all: BTreeSet<&'i str> = self.members.keys().copied().collect();
        let mut tags = None;
        let mut brought: BTreeMap<&'i str, Vec<Rc<Candidate<'i>>>> = BTreeMap::new();
        for rule in &self.universe.rules {
            let name = rule.package.name.as_str();
            if all.contains(name)
                || !rule.conditions.iter().all(|condition| self.is_met(condition, &all, name))
            {
                continue;
            }
            let candidates = self.universe.candidates(self.universe.number(name))?;
            let candidate = candidates.iter().find(|c| std::ptr::eq(c.package, rule.package));
            let candidate = candidate.filter(|candidate| !hopeless.contains(&candidate.id));
            let Some(candidate) = candidate else { continue };
            if let Some(tag) = candidate.tag {
                let tags = tags.get_or_insert_with(|| self.tags(&all));
                let has_tag = |(by, _): (&'i str, bool)| {
                    tags.get(by).is_some_and(|tags: &BTreeSet<&str>| tags.contains(tag))
                };
                if !rule.conditions.iter().any(|c| self.satisfying(c, &all).any(has_tag)) {
                    continue;
                }
            }
            brought.entry(name).or_default().push(Rc::clone(candidate));
        }
        for candidates in brought.values_mut() {
            candidates.sort_by_key(|candidate| candidate.rank);
        }
        Ok(brought)
    }

    /// Returns, for the solution, each dependency of a member with the members that satisfy it,
    /// and each condition of a member that was brought along, with its name in front.
    pub(super) fn edges(&self) -> Edges<'_, 'i> {
        let all: BTreeSet<&'i str> = self.members.keys().copied().collect();
        let mut edges = Edges::default();
        for (package, member) in &self.members {
            for dependency in &member.depends {
                let found = self.satisfying(dependency, &all).map(|(package, _)| package).collect();
                edges.depends.push((package, dependency, found));
            }
            if self.is_brought(package, &all) {
                for condition in member.install_if.iter().filter(|c| !c.conflict) {
                    let found = self.satisfying(condition, &all).map(|(by, _)| by).collect();
                    edges.install_if.push((package, condition, found));
                }
            }
        }
        edges
    }
}

/// A package, a dependency or condition of it, and the packages that satisfy that.
type Edge<'p, 'i> = (&'i str, &'p Dependency<'i>, BTreeSet<&'i str>);

/// How the packages of a set hang together.
#[derive(Default)]
pub(super) struct Edges<'p, 'i> {
    pub(super) depends: Vec<Edge<'p, 'i>>,
    pub(super) install_if: Vec<Edge<'p, 'i>>,
}

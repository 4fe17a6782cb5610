// SPDX-License-Identifier: Apache-2.0
//! What apk's relations mean, for resolvo.

use std::collections::{BTreeMap, BTreeSet};

use super::universe::{Candidate, Universe};
use crate::apk::dependency::{Dependency, parse_request};
use crate::solve::SolveError;
use crate::solve::provider::{Group, Id, Member, Name, Need, Packages};

impl<'i> Packages<'i> for Universe<'i> {
    type Clause = Dependency<'i>;

    fn name(&self, name: Name) -> &'i str {
        self.text(name)
    }

    fn member(&self, id: Id) -> Member<'i> {
        let candidate = self.candidate(id);
        Member { name: candidate.name, rank: candidate.rank, version: &candidate.package.version }
    }

    fn candidates_of(&self, name: Name) -> Result<Vec<Id>, SolveError> {
        Ok(self.candidates(name)?.iter().map(|candidate| candidate.id).collect())
    }

    fn needs(&self, id: Id) -> Result<Vec<Need<'i, Dependency<'i>>>, SolveError> {
        let candidate = self.candidate(id);
        let others = candidate.depends.iter().filter(|d| !d.conflict && !candidate.meets(d));
        Ok(others.map(|d| Need { text: d.text, clause: *d }).collect())
    }

    fn alternatives(&self, dependency: &Dependency<'i>) -> Result<Option<Vec<Group>>, SolveError> {
        if self.excluded_for(dependency).is_some() {
            return Ok(None);
        }
        // Those that may not be chosen for this come last: they may be there for another reason,
        // and if they are not, they are barred.
        let (chosen, others): (Vec<_>, Vec<_>) =
            self.satisfying(dependency)?.into_iter().partition(|offer| offer.selectable);
        let groups = chosen.into_iter().chain(others);
        Ok(Some(groups.map(|offer| (offer.candidate.name, vec![offer.candidate.id])).collect()))
    }

    fn refused(&self, id: Id) -> Result<Vec<Group>, SolveError> {
        let candidate = self.candidate(id);
        let mut refused: BTreeMap<Name, BTreeSet<Id>> = BTreeMap::new();
        let mut refuse = |other: &Candidate<'i>| {
            // A package does not conflict with itself.
            if other.name != candidate.name {
                refused.entry(other.name).or_default().insert(other.id);
            }
        };
        for dependency in candidate.depends.iter().filter(|d| d.conflict) {
            let offers = self.offers(dependency.name)?;
            let hit = offers.iter().filter(|o| dependency.admits(o.version.as_ref()));
            hit.for_each(|offer| refuse(&offer.candidate));
        }
        // A name that is there in a version belongs to one package alone.
        for own in candidate.offers().filter(|own| own.version.is_some()) {
            self.offers(own.name)?.iter().for_each(|offer| refuse(&offer.candidate));
        }
        Ok(refused.into_iter().map(|(name, ids)| (name, ids.into_iter().collect())).collect())
    }

    fn say_request(&self, text: &'i str, _: &[Id]) -> String {
        text.to_owned()
    }

    fn say_refusal(&self, id: Id, other: Id) -> String {
        let (candidate, other) = (self.candidate(id), self.candidate(other));
        let refusal = candidate.depends.iter().find(|d| d.conflict && other.meets(d));
        if let Some(refusal) = refusal {
            return format!("depends: {refusal}");
        }
        let shared = candidate.offers().find(|own| {
            let same = |offer: &crate::apk::dependency::Provide<'_>| {
                offer.name == own.name && (own.version.is_some() || offer.version.is_some())
            };
            other.offers().any(|offer| same(&offer))
        });
        shared.map_or_else(String::new, |own| format!("both are {}", own.name))
    }

    fn say_missing(&self, text: &'i str) -> String {
        let Ok(dependency) = parse_request(text) else { return String::new() };
        let name = dependency.name;
        let offers = self.offers(name).unwrap_or_else(|_| [].into());
        let packages = |virtuals: bool| {
            let mut names: Vec<&str> = offers
                .iter()
                .filter(|offer| !virtuals || offer.version.is_none())
                .map(|offer| offer.candidate.package.name.as_str())
                .collect();
            let mut seen = BTreeSet::new();
            names.retain(|name| seen.insert(*name));
            names.join(", ")
        };
        let mut admitted =
            offers.iter().filter(|o| dependency.admits(o.version.as_ref())).peekable();
        if admitted.peek().is_some() {
            return if admitted.all(|offer| offer.candidate.tag.is_some()) {
                format!("only archives with a tag have {name}")
            } else {
                let packages = packages(true);
                format!("{name} is virtual; request one that provides it: {packages}")
            };
        }
        let versions: Vec<&str> = offers
            .iter()
            .filter(|offer| offer.candidate.package.name == name)
            .map(|offer| offer.candidate.package.version.as_str())
            .collect();
        if !versions.is_empty() {
            return format!("{name} is available as {} only", versions.join(", "));
        }
        if let Some(reason) = self.unusable(name) {
            return format!("{name} cannot be used: {reason}");
        }
        if offers.is_empty() {
            return format!("no package is named {name} or provides it");
        }
        format!("{} provide {name} in other versions only", packages(false))
    }
}

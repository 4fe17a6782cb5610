// SPDX-License-Identifier: Apache-2.0
//! What Debian's relations mean. For each alternative of a clause first the package of that name
//! can satisfy it, then its providers; Conflicts and Breaks hit all of them.

use std::rc::Rc;

use super::error::SolveError;
use super::provider::{Group, Id, Member, Name, Need, Packages};
use super::universe::{Candidate, Universe, parse_field};
use crate::deb::relation::{self, Clause, Relation};

impl<'i> Packages<'i> for Universe<'i> {
    type Clause = Clause<'i>;

    fn name(&self, name: Name) -> &'i str {
        Self::name(self, name)
    }

    fn member(&self, id: Id) -> Member<'i> {
        let candidate = self.candidate(id);
        Member { name: candidate.name, rank: candidate.rank, version: candidate.package.version }
    }

    fn candidates_of(&self, name: Name) -> Result<Vec<Id>, SolveError> {
        Ok(self.candidates(name)?.iter().map(|candidate| candidate.id).collect())
    }

    fn needs(&self, id: Id) -> Result<Vec<Need<'i, Clause<'i>>>, SolveError> {
        let candidate = self.candidate(id);
        let package = &candidate.package;
        let mut needs = Vec::new();
        for (field, value) in [("Pre-Depends", package.pre_depends), ("Depends", package.depends)] {
            for clause in parse_field(package, field, value)? {
                let itself = |relation: &Relation<'_>| candidate.satisfies(relation);
                if !clause.alternatives.iter().any(itself) {
                    needs.push(Need { text: clause.text, clause });
                }
            }
        }
        Ok(needs)
    }

    fn alternatives(&self, clause: &Clause<'i>) -> Result<Option<Vec<Group>>, SolveError> {
        let in_force: Vec<&Relation<'i>> = clause
            .alternatives
            .iter()
            .filter(|relation| relation.applies(self.architecture()))
            .collect();
        let excluded = in_force.iter().any(|relation| self.excluded_for(relation).is_some());
        // A clause of which nothing is meant for this architecture asks for nothing.
        if excluded || in_force.is_empty() {
            return Ok(None);
        }
        // As apt, consider the most preferred version of each package first, so that no
        // alternative drags in an outdated version while another needs none.
        let (mut preferred, mut outdated) = (Vec::new(), Vec::new());
        for relation in in_force {
            for (name, candidates) in self.satisfying(relation)? {
                let (best, rest): (Vec<_>, Vec<_>) =
                    candidates.iter().map(|c| (c.rank, c.id)).partition(|(rank, _)| *rank == 0);
                for (members, groups) in [(best, &mut preferred), (rest, &mut outdated)] {
                    if !members.is_empty() {
                        groups.push((name, members.into_iter().map(|(_, id)| id).collect()));
                    }
                }
            }
        }
        preferred.append(&mut outdated);
        Ok(Some(preferred))
    }

    fn refused(&self, id: Id) -> Result<Vec<Group>, SolveError> {
        let candidate = self.candidate(id);
        let package = &candidate.package;
        let mut refused = Vec::new();
        for (field, value) in [("Conflicts", package.conflicts), ("Breaks", package.breaks)] {
            for clause in parse_field(package, field, value)? {
                for relation in &clause.alternatives {
                    for (name, forbidden) in self.satisfying(relation)? {
                        // A package does not conflict with itself (policy 7.4).
                        if name != candidate.name {
                            refused.push((name, forbidden.iter().map(|other| other.id).collect()));
                        }
                    }
                }
            }
        }
        Ok(refused)
    }

    /// `curl`, or `curl (= 1.2)` if only one of several versions is asked for.
    fn say_request(&self, text: &'i str, found: &[Id]) -> String {
        let [only] = found else { return text.to_owned() };
        let candidate = self.candidate(*only);
        match self.candidates(candidate.name) {
            Ok(all) if all.len() > 1 => format!("{text} (= {})", candidate.package.version),
            _ => text.to_owned(),
        }
    }

    fn say_refusal(&self, id: Id, other: Id) -> String {
        let (field, text) = conflict_between(&self.candidate(id), &self.candidate(other));
        format!("{field}: {text}")
    }

    fn say_missing(&self, text: &'i str) -> String {
        let relations = relation::parse_clause(text).map(|c| c.alternatives).unwrap_or_default();
        let reasons: Vec<String> =
            relations.iter().map(|relation| what_there_is(self, relation)).collect();
        reasons.join(" and ")
    }
}

fn what_there_is<'i>(universe: &Universe<'i>, relation: &Relation<'i>) -> String {
    let name = relation.name;
    let versions = universe.candidates(universe.number(name));
    let versions: Vec<&str> =
        versions.iter().flat_map(|all| all.iter()).map(|c| c.package.version).collect();
    if !versions.is_empty() {
        return format!("{name} is available as {} only", versions.join(", "));
    }
    match universe.providers(name) {
        Ok(providers) if !providers.is_empty() => {
            let names: Vec<&str> =
                providers.iter().map(|provider| universe.name(*provider)).collect();
            format!("{} provide {name} in other versions only", names.join(", "))
        }
        _ => format!("no package is named {name} or provides it"),
    }
}

/// The field and relation by which one package refuses another.
fn conflict_between<'i>(
    candidate: &Rc<Candidate<'i>>,
    other: &Rc<Candidate<'i>>,
) -> (&'static str, &'i str) {
    let package = &candidate.package;
    for (field, value) in [("Conflicts", package.conflicts), ("Breaks", package.breaks)] {
        for clause in parse_field(package, field, value).unwrap_or_default() {
            if clause.alternatives.iter().any(|relation| other.satisfies(relation)) {
                return (field, clause.text);
            }
        }
    }
    ("Conflicts", package.conflicts)
}

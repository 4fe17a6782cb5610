// SPDX-License-Identifier: Apache-2.0
//! Says in words why there is no solution.

use std::collections::BTreeSet;
use std::rc::Rc;

use resolvo::Requirement;
use resolvo::conflict::{ConflictCause, ConflictEdge, ConflictGraph, ConflictNode};

use super::error::SolveError;
use super::provider::{Provider, candidate_id};
use super::universe::{Candidate, Id, parse_field};
use crate::deb::relation::{self, Relation};

/// The most lines of an explanation.
const LINES_MAX: usize = 60;
/// The most candidates that are followed for one dependency.
const CANDIDATES_MAX: usize = 6;
/// The longest chain of dependencies that is followed.
const DEPTH_MAX: usize = 16;

/// Turns resolvo's conflict into an error.
pub(super) fn explain(graph: &ConflictGraph, provider: &Provider<'_>) -> SolveError {
    let nodes: Vec<&ConflictNode> =
        graph.graph.raw_nodes().iter().map(|node| &node.weight).collect();
    let mut edges = vec![Vec::new(); nodes.len()];
    for edge in graph.graph.raw_edges() {
        edges[edge.source().index()].push((edge.target().index(), edge.weight));
    }
    let mut explanation =
        Explanation { provider, nodes, edges, seen: BTreeSet::new(), lines: Vec::new() };

    let mut sources = BTreeSet::new();
    let root = graph.root_node.index();
    for (requirement, targets) in explanation.requirements_of(root) {
        let Some(union) = provider.union(requirement) else { continue };
        sources.extend(union.sources);
        let version = explanation.requested_version(&targets);
        explanation.line(0, format!("{}{version} is requested", union.text));
        explanation.candidates(1, &targets);
    }
    explanation.only_one_version();
    SolveError::Unsolvable {
        explanation: explanation.lines.join("\n"),
        sources: sources.into_iter().collect(),
    }
}

struct Explanation<'p, 'i> {
    provider: &'p Provider<'i>,
    nodes: Vec<&'p ConflictNode>,
    /// By source: target and what the edge means.
    edges: Vec<Vec<(usize, ConflictEdge)>>,
    /// Candidates that have been explained.
    seen: BTreeSet<Id>,
    lines: Vec<String>,
}

impl<'i> Explanation<'_, 'i> {
    fn line(&mut self, depth: usize, text: String) {
        if self.lines.len() < LINES_MAX {
            self.lines.push(format!("{:indent$}- {text}", "", indent = 2 * depth));
        } else if self.lines.len() == LINES_MAX {
            self.lines.push("- and more".to_owned());
        }
    }

    fn candidate(&self, node: usize) -> Option<Rc<Candidate<'i>>> {
        match self.nodes[node] {
            ConflictNode::Solvable(solvable) => {
                Some(self.provider.universe.candidate(candidate_id(*solvable)))
            }
            _ => None,
        }
    }

    /// The requirements of a node, each with the nodes that could satisfy it.
    fn requirements_of(&self, node: usize) -> Vec<(Requirement, Vec<usize>)> {
        let mut requirements: Vec<(Requirement, Vec<usize>)> = Vec::new();
        for (target, edge) in &self.edges[node] {
            let ConflictEdge::Requires(requirement) = edge else { continue };
            match requirements.iter_mut().find(|(other, _)| other == requirement) {
                Some((_, targets)) if targets.contains(target) => {}
                Some((_, targets)) => targets.push(*target),
                None => requirements.push((*requirement, vec![*target])),
            }
        }
        requirements.sort_by_key(|(requirement, _)| *requirement);
        requirements
    }

    /// ` (= 1.2)` if only one of several versions is asked for.
    fn requested_version(&self, targets: &[usize]) -> String {
        let [target] = targets else { return String::new() };
        let Some(candidate) = self.candidate(*target) else { return String::new() };
        match self.provider.universe.candidates(candidate.name) {
            Ok(all) if all.len() > 1 => format!(" (= {})", candidate.package.version),
            _ => String::new(),
        }
    }

    fn candidates(&mut self, depth: usize, targets: &[usize]) {
        for target in targets.iter().take(CANDIDATES_MAX) {
            self.explain(depth, *target);
        }
        if let Some(more) = targets.len().checked_sub(CANDIDATES_MAX).filter(|more| *more > 0) {
            self.line(depth, format!("the same for {more} other candidates"));
        }
    }

    /// Says what a candidate needs and conflicts with, as far as it takes part in the conflict.
    fn explain(&mut self, depth: usize, node: usize) {
        let Some(candidate) = self.candidate(node) else { return };
        if depth > DEPTH_MAX || !self.seen.insert(candidate.id) {
            return;
        }
        let this = format!("{} {}", candidate.package.name, candidate.package.version);
        let edges = self.edges[node].clone();
        for (target, edge) in edges {
            if let ConflictEdge::Conflict(ConflictCause::Constrains(_)) = edge
                && let Some(other) = self.candidate(target)
            {
                let (field, text) = conflict_between(&candidate, &other);
                let other = format!("{} {}", other.package.name, other.package.version);
                self.line(
                    depth,
                    format!("{this} cannot be installed with {other} ({field}: {text})"),
                );
            }
        }
        for (requirement, targets) in self.requirements_of(node) {
            let Some(union) = self.provider.union(requirement) else { continue };
            let missing = targets.iter().all(|target| self.candidate(*target).is_none());
            if missing {
                let why = self.why_missing(union.text);
                self.line(depth, format!("{this} needs {}, but {why}", union.text));
            } else {
                self.line(depth, format!("{this} needs {}", union.text));
                self.candidates(depth + 1, &targets);
            }
        }
    }

    fn why_missing(&self, text: &'i str) -> String {
        let mut reasons = Vec::new();
        for relation in relation::parse_clause(text).map(|c| c.alternatives).unwrap_or_default() {
            reasons.push(self.what_there_is(&relation));
        }
        reasons.join(" and ")
    }

    fn what_there_is(&self, relation: &Relation<'i>) -> String {
        let universe = &self.provider.universe;
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

    /// Names the packages that would be needed in two versions.
    fn only_one_version(&mut self) {
        let mut pairs = BTreeSet::new();
        for node in 0..self.nodes.len() {
            for (target, edge) in &self.edges[node] {
                if let ConflictEdge::Conflict(ConflictCause::ForbidMultipleInstances) = edge
                    && let (Some(left), Some(right)) =
                        (self.candidate(node), self.candidate(*target))
                {
                    let mut versions = [left.package.version, right.package.version];
                    versions.sort_unstable();
                    pairs.insert((left.package.name, versions));
                }
            }
        }
        for (name, [left, right]) in pairs {
            self.line(0, format!("{name} cannot be installed as {left} and {right} at once"));
        }
    }
}

/// The field and relation by which one package refuses another.
fn conflict_between<'i>(
    candidate: &Candidate<'i>,
    other: &Candidate<'i>,
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

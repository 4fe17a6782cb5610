// SPDX-License-Identifier: Apache-2.0
//! Says in words why there is no solution.

use std::collections::BTreeSet;

use resolvo::Requirement;
use resolvo::conflict::{ConflictCause, ConflictEdge, ConflictGraph, ConflictNode};

use super::error::SolveError;
use super::provider::{Id, Packages, Provider, candidate_id};

/// The most lines of an explanation.
const LINES_MAX: usize = 60;
/// The most candidates that are followed for one dependency.
const CANDIDATES_MAX: usize = 6;
/// The longest chain of dependencies that is followed.
const DEPTH_MAX: usize = 16;

/// Turns resolvo's conflict into an error.
pub(crate) fn explain<'i, P: Packages<'i>>(
    graph: &ConflictGraph,
    provider: &Provider<'_, 'i, P>,
) -> SolveError {
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
        let found: Vec<Id> =
            targets.iter().filter_map(|target| explanation.candidate(*target)).collect();
        let request = provider.packages.say_request(union.text, &found);
        explanation.line(0, format!("{request} is requested"));
        explanation.candidates(1, &targets);
    }
    explanation.only_one_version();
    SolveError::Unsolvable {
        explanation: explanation.lines.join("\n"),
        sources: sources.into_iter().collect(),
    }
}

struct Explanation<'e, 'p, 'i, P> {
    provider: &'e Provider<'p, 'i, P>,
    nodes: Vec<&'e ConflictNode>,
    /// By source: target and what the edge means.
    edges: Vec<Vec<(usize, ConflictEdge)>>,
    /// Candidates that have been explained.
    seen: BTreeSet<Id>,
    lines: Vec<String>,
}

impl<'i, P: Packages<'i>> Explanation<'_, '_, 'i, P> {
    fn line(&mut self, depth: usize, text: String) {
        if self.lines.len() < LINES_MAX {
            self.lines.push(format!("{:indent$}- {text}", "", indent = 2 * depth));
        } else if self.lines.len() == LINES_MAX {
            self.lines.push("- and more".to_owned());
        }
    }

    fn candidate(&self, node: usize) -> Option<Id> {
        match self.nodes[node] {
            ConflictNode::Solvable(solvable) => Some(candidate_id(*solvable)),
            _ => None,
        }
    }

    /// Name and version.
    fn label(&self, id: Id) -> String {
        let member = self.provider.packages.member(id);
        format!("{} {}", self.provider.packages.name(member.name), member.version)
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
        if depth > DEPTH_MAX || !self.seen.insert(candidate) {
            return;
        }
        let this = self.label(candidate);
        let edges = self.edges[node].clone();
        for (target, edge) in edges {
            if let ConflictEdge::Conflict(ConflictCause::Constrains(_)) = edge
                && let Some(other) = self.candidate(target)
            {
                let why = self.provider.packages.say_refusal(candidate, other);
                let other = self.label(other);
                self.line(depth, format!("{this} cannot be installed with {other} ({why})"));
            }
        }
        for (requirement, targets) in self.requirements_of(node) {
            let Some(union) = self.provider.union(requirement) else { continue };
            let missing = targets.iter().all(|target| self.candidate(*target).is_none());
            if missing {
                let why = self.provider.packages.say_missing(union.text);
                self.line(depth, format!("{this} needs {}, but {why}", union.text));
            } else {
                self.line(depth, format!("{this} needs {}", union.text));
                self.candidates(depth + 1, &targets);
            }
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
                    let packages = self.provider.packages;
                    let (left, right) = (packages.member(left), packages.member(right));
                    let mut versions = [left.version, right.version];
                    versions.sort_unstable();
                    pairs.insert((packages.name(left.name), versions));
                }
            }
        }
        for (name, [left, right]) in pairs {
            self.line(0, format!("{name} cannot be installed as {left} and {right} at once"));
        }
    }
}

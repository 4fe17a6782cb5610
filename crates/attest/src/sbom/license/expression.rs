// SPDX-License-Identifier: Apache-2.0
//! Licence expressions as trees.

use std::fmt;

/// A licence expression.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// One licence, with its exception if it has one.
    Term(String),
    /// Any one of these.
    Any(Vec<Node>),
    /// All of these.
    All(Vec<Node>),
}

impl Node {
    /// All of these at once; `None` of nothing.
    pub(super) fn all(mut nodes: Vec<Self>) -> Option<Self> {
        if nodes.len() > 1 { Some(Self::All(nodes)) } else { nodes.pop() }
    }

    /// Any one of these; `None` of nothing.
    pub(super) fn any(mut nodes: Vec<Self>) -> Option<Self> {
        if nodes.len() > 1 { Some(Self::Any(nodes)) } else { nodes.pop() }
    }

    /// Returns it sorted, without what stands there twice and without brackets that mean nothing.
    pub(super) fn normal(self) -> Self {
        let (nodes, is_all) = match self {
            Self::Term(_) => return self,
            Self::All(nodes) => (nodes, true),
            Self::Any(nodes) => (nodes, false),
        };
        let mut flat = Vec::new();
        for node in nodes {
            match (node.normal(), is_all) {
                (Self::All(inner), true) | (Self::Any(inner), false) => flat.extend(inner),
                (other, _) => flat.push(other),
            }
        }
        flat.sort();
        flat.dedup();
        let node = if is_all { Self::all(flat) } else { Self::any(flat) };
        node.expect("a list is made of at least two nodes, and the same ones leave one")
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (nodes, operator, is_all) = match self {
            Self::Term(term) => return f.write_str(term),
            Self::All(nodes) => (nodes, " AND ", true),
            Self::Any(nodes) => (nodes, " OR ", false),
        };
        for (number, node) in nodes.iter().enumerate() {
            if number > 0 {
                f.write_str(operator)?;
            }
            match node {
                Self::Any(_) if is_all => write!(f, "({node})")?,
                _ => write!(f, "{node}")?,
            }
        }
        Ok(())
    }
}

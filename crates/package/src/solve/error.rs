// SPDX-License-Identifier: Apache-2.0
//! Why there is no solution.

use std::fmt;

use crate::deb::index::{CacheError, Origin};

/// Why a task has no solution.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SolveError {
    /// Requests that cannot be met whatever the others are. Never empty.
    #[error("{}", Lines(.0))]
    Requests(Vec<RequestProblem>),
    /// The requests are possible one by one, but their dependencies are not.
    #[error("no set of packages satisfies the requests:\n{explanation}")]
    Unsolvable {
        /// A tree of what was tried, one statement per line.
        explanation: String,
        /// The [`super::Request::source`] of the requests that take part, ascending.
        sources: Vec<usize>,
    },
    /// The search took more than [`super::Limits`] allow.
    #[error("no solution was found within {0} steps")]
    Limit(u64),
    /// More packages were looked at than [`super::Limits`] allow.
    #[error("more than {0} package versions would have to be looked at")]
    TooManyCandidates(usize),
    /// A cached index is damaged.
    #[error("package index {origin} cannot be used")]
    Index {
        /// Which one.
        origin: Origin,
        /// Why.
        #[source]
        source: CacheError,
    },
    /// A relation in a package's fields cannot be read.
    #[error("{field} of {package} cannot be read")]
    Relation {
        /// The package.
        package: String,
        /// The field.
        field: &'static str,
        /// Why.
        #[source]
        source: crate::deb::relation::RelationError,
    },
}

/// A request that cannot be met by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestProblem {
    /// No package has that name.
    #[error("no package is named {name:?}{}", Near(.near))]
    Unknown {
        /// The name.
        name: String,
        /// The request's number.
        source_number: usize,
        /// Names that may have been meant, best first.
        near: Vec<String>,
    },
    /// Several packages provide that name and none has it. Which one to take is for the
    /// definition's author to decide.
    #[error("{name:?} is a virtual package; request one that provides it: {}", providers.join(", "))]
    Virtual {
        /// The name.
        name: String,
        /// The request's number.
        source_number: usize,
        /// The packages that provide it, most preferred first.
        providers: Vec<String>,
    },
    /// The package exists, but not in that version.
    #[error("{name} has no version {version:?}; available: {}", available.join(", "))]
    Version {
        /// The name.
        name: String,
        /// The version.
        version: String,
        /// The request's number.
        source_number: usize,
        /// The versions there are, most preferred first.
        available: Vec<String>,
    },
    /// The archives that are meant do not have the package, but others do.
    #[error("{} {name:?}{}", Tagged(.tag.as_deref()), Tags(.tags))]
    Tag {
        /// The name.
        name: String,
        /// The tag that was asked for; without one archives without a tag are meant.
        tag: Option<String>,
        /// The request's number.
        source_number: usize,
        /// The tags of archives that have the package; empty for an archive without a tag.
        tags: Vec<String>,
    },
    /// The package is there, but what its index says of it cannot be read.
    #[error("{name} cannot be used: {reason}")]
    Unusable {
        /// The name.
        name: String,
        /// The request's number.
        source_number: usize,
        /// What is wrong with it.
        reason: String,
    },
}

impl RequestProblem {
    /// Returns the [`super::Request::source`] of the request.
    pub fn source_number(&self) -> usize {
        match self {
            Self::Unknown { source_number, .. }
            | Self::Virtual { source_number, .. }
            | Self::Version { source_number, .. }
            | Self::Tag { source_number, .. }
            | Self::Unusable { source_number, .. } => *source_number,
        }
    }
}

struct Lines<'a>(&'a [RequestProblem]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

struct Near<'a>(&'a [String]);

impl fmt::Display for Near<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, "; near names: {}", self.0.join(", ")) }
    }
}

struct Tagged<'a>(Option<&'a str>);

impl fmt::Display for Tagged<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(tag) => write!(f, "no archive tagged @{tag} has"),
            None => f.write_str("only archives with a tag have"),
        }
    }
}

struct Tags<'a>(&'a [String]);

impl fmt::Display for Tags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tags: Vec<String> = self
            .0
            .iter()
            .map(|tag| if tag.is_empty() { "one without a tag".into() } else { format!("@{tag}") })
            .collect();
        if tags.is_empty() { Ok(()) } else { write!(f, "; it is in: {}", tags.join(", ")) }
    }
}

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
}

impl RequestProblem {
    /// Returns the [`super::Request::source`] of the request.
    pub fn source_number(&self) -> usize {
        match self {
            Self::Unknown { source_number, .. }
            | Self::Virtual { source_number, .. }
            | Self::Version { source_number, .. } => *source_number,
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

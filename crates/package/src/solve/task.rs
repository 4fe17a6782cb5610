// SPDX-License-Identifier: Apache-2.0
//! What is to be solved.

use std::collections::BTreeSet;

use crate::deb::index::PackageIndex;

/// The priority of an index that has no other: apt's for a suite (apt_preferences(5)).
pub const PRIORITY_DEFAULT: i32 = 500;

/// An index and its rank among the others of a task.
#[derive(Debug, Clone, Copy)]
pub struct IndexRef<'i> {
    /// The index.
    pub index: &'i PackageIndex,
    /// Of the versions of a package those in the index of the highest priority are preferred, then
    /// the newest, then those in the index that stands first in the list.
    pub priority: i32,
}

impl<'i> IndexRef<'i> {
    /// Returns a reference with the usual priority.
    pub fn new(index: &'i PackageIndex) -> Self {
        Self { index, priority: PRIORITY_DEFAULT }
    }
}

/// A package that must be in the solution.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// The name of a real package, or a virtual one that a single package provides.
    pub name: String,
    /// The only version that will do; equality is dpkg's.
    pub version: Option<String>,
    /// A number by which the caller finds the place of the request again.
    pub source: usize,
}

/// What is to be solved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SolveTask {
    /// The architecture that is installed for, `amd64`; packages of `all` come along.
    pub architecture: String,
    /// The packages that must be there.
    pub requests: Vec<Request>,
    /// Packages that are never installed. Their names and what they provide count as satisfied
    /// (`definition-format.md` 4.4), a dependency with alternatives as soon as one of them does. A request for the same name wins. Names that no package has
    /// change nothing, except that a virtual package of that name counts as satisfied.
    pub exclusions: BTreeSet<String>,
    /// Names and versions to keep if that is still possible, from an older solution.
    pub preferred: Vec<(String, String)>,
    /// The limits of the search.
    pub limits: Limits,
}

impl SolveTask {
    /// Returns a task without requests.
    pub fn new(architecture: impl Into<String>) -> Self {
        Self {
            architecture: architecture.into(),
            requests: Vec::new(),
            exclusions: BTreeSet::new(),
            preferred: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// Limits of the search. There is no clock in here, so they count steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most rounds of propagation; texlive-full takes about two thousand.
    pub steps_max: u64,
    /// The most package versions that are looked at.
    pub candidates_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps_max: 2_000_000, candidates_max: 500_000 }
    }
}

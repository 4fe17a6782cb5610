// SPDX-License-Identifier: Apache-2.0
//! What is to be solved.

use std::collections::BTreeSet;

use crate::apk::dependency::{Dependency, DependencyError, parse_request};
use crate::apk::index::Index;
use crate::solve::Limits;

/// An index and the tag of its archive.
#[derive(Debug, Clone, Copy)]
pub struct IndexRef<'i> {
    /// The index.
    pub index: &'i Index,
    /// The archive's tag, `edge`, without `@`. Packages of a tagged archive are chosen for requests
    /// with that tag only, and for what those depend on if no archive without a tag has it.
    pub tag: Option<&'i str>,
}

impl<'i> IndexRef<'i> {
    /// Returns a reference to the index of an archive without a tag.
    pub fn new(index: &'i Index) -> Self {
        Self { index, tag: None }
    }
}

/// What must be in the solution, or with `!` must not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    text: String,
    source: usize,
}

impl Request {
    /// Reads a request: `name`, `name=1.2-r0`, `name~1.2`, `name@tag`, `!name<2`. `source` is a
    /// number by which the caller finds the place of the request again.
    pub fn parse(text: impl Into<String>, source: usize) -> Result<Self, DependencyError> {
        let text = text.into();
        parse_request(&text)?;
        Ok(Self { text, source })
    }

    /// Returns the request as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the caller's number.
    pub fn source(&self) -> usize {
        self.source
    }

    /// Returns what is asked for.
    pub fn dependency(&self) -> Dependency<'_> {
        parse_request(&self.text).expect("a Request holds text that was parsed")
    }
}

/// What is to be solved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SolveTask {
    /// What must be there. One with `!` keeps packages out that it names or that provide what it
    /// names, and what depends on them stays unsatisfied.
    pub requests: Vec<Request>,
    /// Packages that are never installed. Their names and what they provide count as satisfied
    /// (`definition-format.md` 4.4). A request for the same name wins. Names that no package has
    /// change nothing, except that what is provided under that name counts as satisfied.
    pub exclusions: BTreeSet<String>,
    /// The limits of the search.
    pub limits: Limits,
}

impl SolveTask {
    /// Adds a line of a definition: a request, or with `!name` an exclusion.
    pub fn add(&mut self, text: &str, source: usize) -> Result<(), DependencyError> {
        let request = Request::parse(text, source)?;
        let dependency = request.dependency();
        match (dependency.conflict, dependency.version, dependency.tag) {
            (true, None, None) => {
                self.exclusions.insert(dependency.name.to_owned());
            }
            _ => self.requests.push(request),
        }
        Ok(())
    }
}

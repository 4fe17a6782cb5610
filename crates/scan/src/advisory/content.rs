// SPDX-License-Identifier: Apache-2.0
//! All that a database holds, as values: what the writer is given, and what deltas compare.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{Advisory, Release, Source, SupportLimit, Vulnerability};

/// Everything, sorted. [`Advisory::source`] is an index into `sources`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Content<'a> {
    /// By name, of one name the newest first, then by digest.
    pub(crate) sources: Vec<Source<'a>>,
    /// By the text of the space.
    pub(crate) spaces: BTreeMap<String, SpaceContent<'a>>,
    /// By name.
    pub(crate) vulnerabilities: BTreeMap<Cow<'a, str>, Vulnerability<'a>>,
}

/// What is known of one space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SpaceContent<'a> {
    /// The release.
    pub(crate) release: Release<'a>,
    /// Packages with limited support, by name.
    pub(crate) limits: Vec<SupportLimit<'a>>,
    /// Records by package and by their ids.
    pub(crate) packages: BTreeMap<Cow<'a, str>, BTreeMap<Cow<'a, str>, Advisory<'a>>>,
}

// SPDX-License-Identifier: Apache-2.0
//! Statements, as types that can't contradict the format.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::super::resource::{PredicateError, shortened};
use super::super::time::Time;
use super::iri::{Iri, IriError};
use super::{STATEMENTS_MAX, TEXT_BYTES_MAX, VEX_BYTES_MAX};
use crate::sbom::purl::PackageUrl;

/// What is wrong with a VEX document.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VexError {
    /// More than [`VEX_BYTES_MAX`].
    #[error("the VEX document has {0} bytes, more than {VEX_BYTES_MAX}")]
    TooLarge(usize),
    /// Not JSON.
    #[error("the VEX document is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// Another format.
    #[error("not an OpenVEX document: {0}")]
    NotOpenVex(String),
    /// More of something than is read.
    #[error("too much to read")]
    TooMany(#[source] PredicateError),
    /// A text that is empty or too long.
    #[error("a text has {0} bytes, and has to have 1 to {TEXT_BYTES_MAX}")]
    Text(usize),
    /// An id that is none.
    #[error("an id is wrong")]
    Iri(#[from] IriError),
    /// A package that statements can't name.
    #[error("{purl:?} can't be in a statement: {reason}")]
    Package {
        /// The package URL.
        purl: String,
        /// Why it can't.
        reason: &'static str,
    },
    /// An accepted risk, stated as "not affected".
    #[error("{0}: what is accepted is not unaffected: state it as affected, with what was decided")]
    AcceptedRisk(String),
    /// A statement about nothing.
    #[error("the statement about {0} has no product")]
    NoProduct(String),
    /// No statement; the format wants one at least.
    #[error("the document has no statement, and must have between 1 and {STATEMENTS_MAX}")]
    NoStatement,
    /// More than [`STATEMENTS_MAX`].
    #[error("the document has {0} statements, and must have between 1 and {STATEMENTS_MAX}")]
    TooManyStatements(usize),
    /// Two statements with one id.
    #[error("two statements have the id {0}")]
    DuplicateStatement(String),
    /// A vulnerability without a name.
    #[error("a vulnerability has no name")]
    NoName,
}

/// A text that says something: not empty, and not endless.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Text(String);

impl Text {
    /// Takes a text; white space around it is dropped.
    pub fn new(text: &str) -> Result<Self, VexError> {
        let text = text.trim();
        if text.is_empty() || text.len() > TEXT_BYTES_MAX {
            return Err(VexError::Text(text.len()));
        }
        Ok(Self(text.to_owned()))
    }

    /// Stands where somebody says nothing and something is needed.
    pub(super) fn none_stated() -> Self {
        Self("none stated".to_owned())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A vulnerability.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vulnerability {
    /// Its name: `CVE-2026-1234`.
    pub name: String,
    /// Its other names.
    pub aliases: BTreeSet<String>,
    /// A line about it.
    pub description: Option<Text>,
}

impl Vulnerability {
    /// Names a vulnerability.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), aliases: BTreeSet::new(), description: None }
    }

    /// Returns all names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name.as_str()).chain(self.aliases.iter().map(String::as_str))
    }

    /// Returns the same under its CVE id, if it has exactly one; otherwise as it is.
    ///
    /// With two of them it is a statement about several, and each must be found under its own name: whoever lists
    /// aliases must not be able to join what is not the same.
    #[must_use]
    pub fn canonical(&self) -> Self {
        let mut ids = self.names().filter(|name| name.starts_with("CVE-"));
        let (Some(first), second) = (ids.next(), ids.next()) else { return self.clone() };
        if second.is_some_and(|second| second != first) || first == self.name {
            return self.clone();
        }
        let others = self.names().filter(|name| *name != first).map(str::to_owned);
        Self {
            name: first.to_owned(),
            aliases: others.collect(),
            description: self.description.clone(),
        }
    }
}

/// Why something is not affected, in the words of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Justification {
    /// The component is not there.
    ComponentNotPresent,
    /// The component is there, the vulnerable code is not.
    VulnerableCodeNotPresent,
    /// The code never runs.
    VulnerableCodeNotInExecutePath,
    /// It runs, but nobody hostile can reach it.
    VulnerableCodeCannotBeControlledByAdversary,
    /// Something built in prevents it.
    InlineMitigationsAlreadyExist,
}

impl Justification {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::ComponentNotPresent,
        Self::VulnerableCodeNotPresent,
        Self::VulnerableCodeNotInExecutePath,
        Self::VulnerableCodeCannotBeControlledByAdversary,
        Self::InlineMitigationsAlreadyExist,
    ];

    /// Returns the word of the format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ComponentNotPresent => "component_not_present",
            Self::VulnerableCodeNotPresent => "vulnerable_code_not_present",
            Self::VulnerableCodeNotInExecutePath => "vulnerable_code_not_in_execute_path",
            Self::VulnerableCodeCannotBeControlledByAdversary => {
                "vulnerable_code_cannot_be_controlled_by_adversary"
            }
            Self::InlineMitigationsAlreadyExist => "inline_mitigations_already_exist",
        }
    }

    /// Returns the one of a word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|justification| justification.as_str() == word)
    }
}

/// Why something is not affected: a justification, an explanation, or both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reason {
    justification: Option<Justification>,
    impact: Option<Text>,
}

impl Reason {
    /// States a justification, with an explanation if there is one.
    ///
    /// # Errors
    /// If the explanation says that a risk was accepted.
    pub fn justified(justification: Justification, impact: Option<Text>) -> Result<Self, VexError> {
        refuse_accepted(impact.as_ref())?;
        Ok(Self { justification: Some(justification), impact })
    }

    /// States an explanation alone.
    ///
    /// # Errors
    /// If it says that a risk was accepted.
    pub fn explained(impact: Text) -> Result<Self, VexError> {
        refuse_accepted(Some(&impact))?;
        Ok(Self { justification: None, impact: Some(impact) })
    }

    /// Returns the justification.
    pub fn justification(&self) -> Option<Justification> {
        self.justification
    }

    /// Returns the explanation.
    pub fn impact(&self) -> Option<&Text> {
        self.impact.as_ref()
    }
}

/// Returns whether a text says that a distribution leaves a vulnerability for later: a risk that was accepted, which
/// says nothing about whether the code is affected.
pub(super) fn says_accepted(text: &str) -> bool {
    let text = text.to_ascii_lowercase().replace(['-', '_'], " ");
    ["no dsa", "nodsa", "wont fix", "won't fix", "will not fix", "risk accepted", "accepted risk"]
        .iter()
        .any(|words| text.contains(words))
}

fn refuse_accepted(text: Option<&Text>) -> Result<(), VexError> {
    match text.filter(|text| says_accepted(text.as_str())) {
        Some(text) => Err(VexError::AcceptedRisk(shortened(text.as_str()))),
        None => Ok(()),
    }
}

/// What a vulnerability means for a product.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Nothing.
    NotAffected(Reason),
    /// This version has the fix.
    Fixed,
    /// Not known yet.
    UnderInvestigation,
    /// It is affected.
    Affected {
        /// What to do about it, or what was decided.
        action: Text,
        /// When that was said.
        action_time: Option<Time>,
    },
}

impl Status {
    /// States that a distribution leaves a vulnerability for later ("no-dsa", "postponed", "ignored"): it is affected,
    /// and somebody accepted that. `decision` says who and why: `Debian: no-dsa (minor issue)`.
    pub fn accepted(decision: &str, until: Option<Time>) -> Result<Self, VexError> {
        let action = match until {
            Some(time) => format!("{}; tracked, accepted until {time}", decision.trim()),
            None => format!("{}; tracked, accepted until there is a fix", decision.trim()),
        };
        if decision.trim().is_empty() {
            return Err(VexError::Text(0));
        }
        Ok(Self::Affected { action: Text::new(&action)?, action_time: None })
    }

    /// Returns the word of the format.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NotAffected(_) => "not_affected",
            Self::Fixed => "fixed",
            Self::UnderInvestigation => "under_investigation",
            Self::Affected { .. } => "affected",
        }
    }

    /// Returns how much there is to fear, for two statements of one time: the worse one counts.
    pub fn exploitability(&self) -> u8 {
        match self {
            Self::NotAffected(_) => 0,
            Self::Fixed => 1,
            Self::UnderInvestigation => 2,
            Self::Affected { .. } => 3,
        }
    }
}

/// A product, or a part of one.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Component {
    /// Its id, mostly a package URL.
    pub id: Option<Iri>,
    /// Other identifiers: `purl`, `cpe22`, `cpe23`.
    pub identifiers: BTreeMap<String, String>,
    /// Its hashes, by the names of the format.
    pub hashes: BTreeMap<String, String>,
}

impl Component {
    /// Names a package.
    ///
    /// # Errors
    /// If the package URL is longer than ids may be.
    pub fn of(purl: &PackageUrl) -> Result<Self, VexError> {
        Ok(Self { id: Some(purl.to_string().parse()?), ..Self::default() })
    }

    /// Returns the package that it is, if it is one.
    pub fn purl(&self) -> Option<PackageUrl> {
        let own = self.id.as_ref().and_then(|id| id.as_str().parse().ok());
        own.or_else(|| self.identifiers.get("purl").and_then(|purl| purl.parse().ok()))
    }

    /// Returns whether it is a package in whatever version.
    fn is_any_version(&self) -> bool {
        self.hashes.is_empty() && self.purl().is_some_and(|purl| purl.version().is_none())
    }

    /// Returns a text that is equal where components are the same.
    pub fn key(&self) -> String {
        if let Some(purl) = self.purl() {
            return purl.to_string();
        }
        let id = self.id.as_ref().map(|id| id.as_str().to_owned());
        id.or_else(|| self.identifiers.values().next().cloned()).unwrap_or_default()
    }
}

/// A product and the parts of it that a statement is about; none for all of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Product {
    /// The product.
    pub component: Component,
    /// The parts.
    pub subcomponents: BTreeSet<Component>,
}

impl Product {
    /// Returns the same without what it names in no version; `None` if that is all of it. What is part of an image that is named
    /// by its digest needs no version.
    pub fn versioned(&self) -> Option<Self> {
        if self.subcomponents.is_empty() {
            return (!self.component.is_any_version()).then(|| self.clone());
        }
        let is_image = self.component.purl().is_some_and(|purl| purl.kind() == "oci");
        let is_pinned = !self.component.hashes.is_empty();
        if is_pinned || is_image && !self.component.is_any_version() {
            return Some(self.clone());
        }
        let parts = self.subcomponents.iter().filter(|part| !part.is_any_version());
        let subcomponents: BTreeSet<Component> = parts.cloned().collect();
        let component = self.component.clone();
        (!subcomponents.is_empty()).then_some(Self { component, subcomponents })
    }
}

/// What somebody states about a vulnerability.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VexStatement {
    /// The vulnerability.
    pub vulnerability: Vulnerability,
    /// When it was known to be so.
    pub time: Time,
    /// What it means.
    pub status: Status,
    /// What it is about.
    pub products: BTreeSet<Product>,
    /// How the status was found out.
    pub notes: Option<Text>,
    /// Who supplies the product.
    pub supplier: Option<Text>,
    /// Its id; written documents give one to every statement.
    pub id: Option<Iri>,
}

impl VexStatement {
    /// Checks what the types do not say.
    pub(super) fn check(&self) -> Result<(), VexError> {
        if self.vulnerability.names().any(str::is_empty) {
            return Err(VexError::NoName);
        }
        let name = || shortened(&self.vulnerability.name);
        if self.products.is_empty() {
            return Err(VexError::NoProduct(name()));
        }
        let says_so = self.notes.as_ref().is_some_and(|notes| says_accepted(notes.as_str()));
        if says_so && matches!(self.status, Status::NotAffected(_)) {
            return Err(VexError::AcceptedRisk(name()));
        }
        Ok(())
    }
}

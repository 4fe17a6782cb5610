// SPDX-License-Identifier: Apache-2.0
//! What is wrong with documents of others.

use std::fmt;

/// Something that is wrong with a document, and what was made of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum VexWarning {
    /// An id is not an IRI. It is not used.
    NotAnIri(String),
    /// Two statements have one id.
    DuplicateId(String),
    /// The document has no version that is a number.
    NoVersion,
    /// A statement has no time, and neither has the document. It counts as older than all others.
    NoTime(String),
    /// Products without a version: the statement holds for every version there will ever be.
    NoProductVersion {
        /// The vulnerability.
        vulnerability: String,
        /// How many.
        count: usize,
    },
    /// Package URLs with qualifiers that keep scanners from finding the package.
    TooNarrow {
        /// The vulnerability.
        vulnerability: String,
        /// How many.
        count: usize,
    },
    /// An image's name has a slash, which its package URL can't have.
    ImageName(String),
    /// A risk that was accepted is called "not affected". It counts as affected.
    AcceptedRisk(String),
    /// "Not affected" without a reason, or an unknown status. The statement is left out.
    LeftOut {
        /// The vulnerability.
        vulnerability: String,
        /// Why.
        reason: String,
    },
    /// "Affected" without an action.
    NoAction(String),
    /// A product that can't be identified. It is left out.
    NoProductId(String),
    /// A field of another status. It is ignored.
    WrongField {
        /// The vulnerability.
        vulnerability: String,
        /// The field.
        field: &'static str,
    },
    /// There are more warnings than are listed.
    More,
}

impl fmt::Display for VexWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnIri(id) => write!(f, "the id {id:?} is not an IRI"),
            Self::DuplicateId(id) => write!(f, "two statements have the id {id:?}"),
            Self::NoVersion => write!(f, "the document has no version"),
            Self::NoTime(name) => {
                write!(f, "{name}: no time, so it counts as older than all others")
            }
            Self::NoProductVersion { vulnerability, count } => {
                write!(f, "{vulnerability}: {count} products without a version: it holds for ever")
            }
            Self::TooNarrow { vulnerability, count } => write!(
                f,
                "{vulnerability}: {count} package URLs with more than `arch`: scanners may not find them"
            ),
            Self::ImageName(name) => {
                write!(f, "{name:?} has a slash in an image's name: scanners do not find it")
            }
            Self::AcceptedRisk(name) => {
                write!(f, "{name}: an accepted risk is called not_affected; it counts as affected")
            }
            Self::LeftOut { vulnerability, reason } => {
                write!(f, "{vulnerability}: left out: {reason}")
            }
            Self::NoAction(name) => write!(f, "{name}: affected, and not what to do"),
            Self::NoProductId(name) => write!(f, "{name}: a product has no id, and is left out"),
            Self::WrongField { vulnerability, field } => {
                write!(f, "{vulnerability}: {field} does not go with its status, and is ignored")
            }
            Self::More => write!(f, "and more like this"),
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What is wrong with documents of others.

use std::fmt;

use super::URI;

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
    /// The document does not say who states it.
    NoAuthor,
    /// The document states nothing.
    NoStatement,
    /// The document is a draft.
    Draft,
    /// The document is of a version of OpenVEX that is not known. It is read as one of those that are.
    UnknownContext(String),
    /// A time that can't be read. It is not used.
    BadTime {
        /// What it is the time of: a vulnerability, or the document.
        place: String,
        /// The text.
        text: String,
    },
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
    /// A reference to a product that the document does not have. It is left out.
    UndefinedProduct {
        /// The vulnerability.
        vulnerability: String,
        /// The reference.
        product: String,
    },
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
                write!(f, "{name}: no time that can be used: it counts as older than all others")
            }
            Self::NoAuthor => write!(f, "the document has no author"),
            Self::NoStatement => write!(f, "the document states nothing"),
            Self::Draft => write!(f, "the document is a draft"),
            Self::UnknownContext(context) => {
                write!(f, "the @context {context:?} is of no known version, and is read as {URI}")
            }
            Self::BadTime { place, text } => {
                write!(f, "{place}: the time {text:?} can't be read, and is not used")
            }
            Self::NoProductVersion { vulnerability, count } => {
                let products = counted(*count, "product");
                write!(f, "{vulnerability}: {products} without a version: it holds for ever")
            }
            Self::TooNarrow { vulnerability, count } => {
                let (purls, what) =
                    (counted(*count, "package URL"), if *count == 1 { "it" } else { "them" });
                write!(
                    f,
                    "{vulnerability}: {purls} with more than `arch`: scanners may not find {what}"
                )
            }
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
            Self::UndefinedProduct { vulnerability, product } => write!(
                f,
                "{vulnerability}: the product {product:?} is not defined in the document, and is left out"
            ),
            Self::WrongField { vulnerability, field } => {
                write!(f, "{vulnerability}: {field} does not go with its status, and is ignored")
            }
            Self::More => write!(f, "and more like this"),
        }
    }
}

fn counted(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

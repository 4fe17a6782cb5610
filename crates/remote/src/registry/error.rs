// SPDX-License-Identifier: Apache-2.0
//! What can go wrong with a registry.

use std::{fmt, io};

use hardpan_image::{ImageNameError, KindError};
use hardpan_tree::Digest;

use crate::error::{Failure, RemoteError};
use crate::url::Url;

/// Why a registry did not give what was asked for. Names and passwords are in none of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The transfer failed.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The registry does not let the caller in.
    #[error(transparent)]
    Denied(Box<Denial>),
    /// The place where tokens come from can't be used.
    #[error("{registry} sends to {realm:?} for a token: {problem}")]
    Realm {
        /// The registry.
        registry: String,
        /// What it sends to.
        realm: String,
        /// What is wrong with that.
        problem: &'static str,
    },
    /// The place where tokens come from did not give one.
    #[error("no token for {registry}")]
    Token {
        /// The registry.
        registry: String,
        /// Why.
        source: Box<RemoteError>,
    },
    /// What came in place of a token can't be used.
    #[error("what {url} sent is not a token")]
    BadToken {
        /// Where it came from.
        url: Url,
    },
    /// Not a manifest or index.
    #[error("{url}: not a manifest or index")]
    Document {
        /// What was asked for.
        url: Url,
        /// What is wrong with it.
        source: KindError,
    },
    /// The registry does not want what was pushed, or not what was asked.
    #[error("{url}: refused with status {status}{}", Words(reason))]
    Refused {
        /// What was asked for.
        url: Url,
        /// The HTTP status code.
        status: u16,
        /// What the registry says about it; may be empty.
        reason: String,
    },
    /// The registry does not take a document since something that it names is not there, or not any more.
    #[error(
        "{url}: refused with status {status}, since what it names is not there{}",
        Words(reason)
    )]
    Incomplete {
        /// What was pushed.
        url: Url,
        /// The HTTP status code.
        status: u16,
        /// What the registry says about it.
        reason: String,
    },
    /// What is to be pushed can't be read.
    #[error("can't read the blob {digest} that is to be pushed")]
    Source {
        /// What was to be read.
        digest: Digest,
        /// Why.
        source: io::Error,
    },
    /// What is to be pushed is not what it should be.
    #[error("the blob {digest} that is to be pushed is another one: {problem}")]
    Changed {
        /// What it should be.
        digest: Digest,
        /// What is different.
        problem: String,
    },
    /// A reference that names nothing.
    #[error("not something to push to")]
    Reference(#[source] ImageNameError),
    /// The bytes are another document than the one that is to be pushed.
    #[error("the document {actual} can't be pushed as {expected}")]
    OtherDocument {
        /// As what it is to be pushed.
        expected: Digest,
        /// What it is.
        actual: Digest,
    },
    /// What is to be attached can't be.
    #[error("not a manifest that can be attached: {problem}")]
    NotReferrer {
        /// What is wrong with it.
        problem: String,
    },
    /// The tag for what is attached has something else. It is left alone.
    #[error(
        "{url}: this tag is for the list of what is attached, and has something else: {problem}"
    )]
    FallbackTag {
        /// The tag's URL.
        url: Url,
        /// What is wrong with what it has.
        problem: String,
    },
    /// Others changed the list of what is attached again and again.
    #[error("{url}: others change this tag all the time; given up after {races} lost races")]
    Contended {
        /// The tag's URL.
        url: Url,
        /// How often somebody else was earlier.
        races: u32,
    },
    /// A mirror's name together with the repository's is no name.
    #[error("the mirror {name:?} is not a repository")]
    Mirror {
        /// The name.
        name: String,
        /// Why.
        source: ImageNameError,
    },
}

/// Who was not let in where.
#[derive(Debug, thiserror::Error)]
#[error("{registry} gives no access to {repository}")]
pub struct Denial {
    /// The registry, as login files name it.
    pub registry: String,
    /// The repository.
    pub repository: String,
    /// Where the login that was used came from; `None` if there was none.
    pub login: Option<String>,
    /// Where a login was looked for.
    pub looked: Vec<String>,
    /// What went wrong with logins.
    pub problems: Vec<String>,
    /// The registry's answer.
    pub source: RemoteError,
}

/// Words behind a colon, if there are any.
struct Words<'w>(&'w str);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0) }
    }
}

/// Why one request failed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It may be tried again, if the failure says so.
    Failure(Failure),
    /// It may not.
    Final(RegistryError),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<RegistryError> for Trouble {
    fn from(error: RegistryError) -> Self {
        Self::Final(error)
    }
}

impl From<RemoteError> for Trouble {
    fn from(error: RemoteError) -> Self {
        Self::Final(error.into())
    }
}

impl From<Trouble> for RegistryError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Failure(failure) => Self::Remote(*failure.error),
            Trouble::Final(error) => error,
        }
    }
}

impl RegistryError {
    /// Whether what came is not what was announced: a matter of trust rather than of the network.
    pub fn is_trust(&self) -> bool {
        match self {
            Self::Remote(error) => error.is_mismatch(),
            Self::Document { source, .. } => *source != KindError::SchemaOne,
            _ => false,
        }
    }

    /// Whether there is no such thing at the registry.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Remote(error) if error.is_not_found())
    }

    /// Whether the transfer was cancelled rather than failed.
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Remote(error) => error.is_cancelled(),
            Self::Token { source, .. } => source.is_cancelled(),
            _ => false,
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What can go wrong with a registry.

use hardpan_image::{ImageNameError, KindError};

use crate::error::RemoteError;
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

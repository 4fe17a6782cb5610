// SPDX-License-Identifier: Apache-2.0
//! What can go wrong.

use std::io;
use std::time::Duration;

use hardpan_tree::Digest;

use crate::url::{Url, UrlError};

/// Why a transfer failed. Every variant names the URL, without user name and password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The text is not a URL that can be fetched.
    #[error("{url}: not a usable URL: {problem}")]
    BadUrl {
        /// The text, without what may be a password.
        url: String,
        /// What is wrong with it.
        problem: UrlError,
    },
    /// The proxy or the root certificates of the options can't be used.
    #[error("unusable option {option}: {problem}")]
    BadOption {
        /// Which option.
        option: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The server says that there is no such thing (status 404 or 410), or the file does not exist.
    #[error("{url}: not found")]
    NotFound {
        /// What was asked for.
        url: Url,
    },
    /// The server wants to know who asks (status 401).
    #[error("{url}: the server answered with status 401")]
    Unauthorized {
        /// What was asked for.
        url: Url,
        /// How it wants to be told: the `WWW-Authenticate` headers.
        challenges: Vec<String>,
    },
    /// The server answered with another status that is no success.
    #[error("{url}: the server answered with status {status}")]
    Status {
        /// What was asked for.
        url: Url,
        /// The HTTP status code.
        status: u16,
    },
    /// Nothing came for too long, or the whole took too long.
    #[error("{url}: timeout: {phase}")]
    Timeout {
        /// What was asked for.
        url: Url,
        /// What took too long.
        phase: &'static str,
    },
    /// No connection to the server.
    #[error("{url}: no connection")]
    Connect {
        /// What was asked for.
        url: Url,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The server's certificate or the TLS handshake is bad.
    #[error("{url}: no secure connection: {problem}")]
    Tls {
        /// What was asked for.
        url: Url,
        /// What is wrong.
        problem: String,
    },
    /// The connection broke, or the server closed it early.
    #[error("{url}: the transfer broke off after {received_bytes} bytes")]
    Interrupted {
        /// What was asked for.
        url: Url,
        /// How many bytes of the body are there.
        received_bytes: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The answer is not proper HTTP.
    #[error("{url}: the server's answer is malformed: {problem}")]
    Protocol {
        /// What was asked for.
        url: Url,
        /// What is wrong with it.
        problem: String,
    },
    /// A redirect that is not followed.
    #[error("{url}: {problem}")]
    Redirect {
        /// The URL that redirects.
        url: Url,
        /// Why it is not followed.
        problem: String,
    },
    /// The body is larger than allowed.
    #[error("{url}: larger than {limit_bytes} bytes")]
    TooLarge {
        /// What was asked for.
        url: Url,
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// The body has another size than expected.
    #[error("{url}: has {actual_bytes} bytes instead of {expected_bytes}")]
    SizeMismatch {
        /// What was asked for.
        url: Url,
        /// The expected size, in bytes.
        expected_bytes: u64,
        /// The size that the server sent or announced, in bytes.
        actual_bytes: u64,
    },
    /// The body has another digest than expected.
    #[error("{url}: has digest {actual} instead of {expected}")]
    DigestMismatch {
        /// What was asked for.
        url: Url,
        /// The expected digest.
        expected: Digest,
        /// The digest of what came.
        actual: Digest,
    },
    /// The bytes could not be stored (disk full, for instance), or a local file not be read.
    #[error("{url}: can't {action}")]
    Local {
        /// What was asked for.
        url: Url,
        /// What failed.
        action: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The transfer was cancelled: by the caller, or because another one failed.
    #[error("{url}: cancelled")]
    Cancelled {
        /// What was asked for.
        url: Url,
    },
}

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Give up: the answer will not change.
    None,
    /// Try again, after the server's own wish if it named one.
    Retry(Option<Duration>),
}

/// A failed attempt: the error and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Box<RemoteError>,
    pub(crate) remedy: Remedy,
}

impl Failure {
    /// Whether another attempt may change it.
    pub(crate) fn is_passing(&self) -> bool {
        self.remedy != Remedy::None
    }
}

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        let retry = match &error {
            RemoteError::Timeout { .. }
            | RemoteError::Connect { .. }
            | RemoteError::Interrupted { .. } => true,
            // 501 and 505 say that the server will never be able to.
            RemoteError::Status { status, .. } => {
                matches!(status, 408 | 429) || (*status >= 500 && !matches!(status, 501 | 505))
            }
            _ => false,
        };
        let remedy = if retry { Remedy::Retry(None) } else { Remedy::None };
        Self { error: Box::new(error), remedy }
    }
}

impl RemoteError {
    /// Whether the bytes are not the expected ones: a matter of trust (exit code 4) rather than of
    /// the network (exit code 3).
    pub fn is_mismatch(&self) -> bool {
        matches!(self, Self::DigestMismatch { .. } | Self::SizeMismatch { .. })
    }

    /// Whether there is no such thing on the server.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether the server refuses to let the caller in (status 401 or 403).
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Unauthorized { .. } | Self::Status { status: 401 | 403, .. })
    }

    /// Whether the transfer was cancelled rather than failed.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled { .. })
    }

    /// Returns the URL, without user name and password.
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::BadUrl { url, .. } => Some(url),
            Self::BadOption { .. } => None,
            Self::NotFound { url }
            | Self::Unauthorized { url, .. }
            | Self::Status { url, .. }
            | Self::Timeout { url, .. }
            | Self::Connect { url, .. }
            | Self::Tls { url, .. }
            | Self::Interrupted { url, .. }
            | Self::Protocol { url, .. }
            | Self::Redirect { url, .. }
            | Self::TooLarge { url, .. }
            | Self::SizeMismatch { url, .. }
            | Self::DigestMismatch { url, .. }
            | Self::Local { url, .. }
            | Self::Cancelled { url } => Some(url.as_str()),
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Who asks a server, and for what.

use std::fmt;

use crate::url::base64;

/// Most `WWW-Authenticate` headers that are looked at.
pub(crate) const CHALLENGES_MAX: usize = 8;
/// The longest one, in bytes.
pub(crate) const CHALLENGE_BYTES_MAX: usize = 4096;

/// What goes with a request beside its URL.
#[derive(Debug, Clone, Default)]
pub(crate) struct Access {
    /// The `Accept` header.
    pub(crate) accept: Option<&'static str>,
    /// The `Authorization` header. It is sent to the URL's own scheme, host and port only, never on
    /// to where that redirects.
    pub(crate) authorization: Option<Authorization>,
}

/// The value of an `Authorization` header. It is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Authorization(String);

impl Authorization {
    /// By name and password (RFC 7617).
    pub(crate) fn basic(username: &str, password: &str) -> Self {
        Self(format!("Basic {}", base64(format!("{username}:{password}").as_bytes())))
    }

    /// By token (RFC 6750); nothing if it has characters that a header can't hold.
    pub(crate) fn bearer(token: &str) -> Option<Self> {
        let is_visible = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        is_visible.then(|| Self(format!("Bearer {token}")))
    }

    pub(crate) fn value(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let access =
            Access { accept: None, authorization: Some(Authorization::basic("u", "secret")) };
        assert_eq!(access.authorization.as_ref().unwrap().value(), "Basic dTpzZWNyZXQ=");
        let shown = format!("{access:?}");
        assert!(!shown.contains("dTpz") && !shown.contains("secret"), "{shown}");
        assert!(!format!("{:?}", Authorization::bearer("abc")).contains("abc"));
    }

    #[test]
    fn tokens_that_would_break_a_header_are_refused() {
        for token in ["", "a b", "a\r\nHost: b", "ä", "a\0"] {
            assert_eq!(Authorization::bearer(token), None, "{token:?}");
        }
    }
}

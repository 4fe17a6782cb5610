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

/// The value of an `Authorization` header. It is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization(String);

impl Authorization {
    /// Makes one out of a token (RFC 6750). A token that no header can hold gives nothing; white
    /// space around it, such as the last line's end of a file, does not count.
    pub fn bearer(token: &[u8]) -> Option<Self> {
        Some(Self(format!("Bearer {}", Self::text(token)?)))
    }

    /// Makes one out of a user name and a password (RFC 7617), as [`Authorization::bearer`] does.
    pub fn basic(user: &str, password: &[u8]) -> Option<Self> {
        Some(Self::login(user, Self::text(password)?))
    }

    /// Makes one out of a name and a password as a registry's login has them.
    pub(crate) fn login(username: &str, password: &str) -> Self {
        Self(format!("Basic {}", base64(format!("{username}:{password}").as_bytes())))
    }

    fn text(secret: &[u8]) -> Option<&str> {
        let text = std::str::from_utf8(secret).ok()?.trim();
        let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        (is_visible && !text.is_empty()).then_some(text)
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
            Access { accept: None, authorization: Some(Authorization::login("u", "secret")) };
        assert_eq!(access.authorization.as_ref().unwrap().value(), "Basic dTpzZWNyZXQ=");
        let shown = format!("{access:?}");
        assert!(!shown.contains("dTpz") && !shown.contains("secret"), "{shown}");
        assert!(!format!("{:?}", Authorization::bearer(b"abc")).contains("abc"));
    }

    #[test]
    fn tokens_that_would_break_a_header_are_refused() {
        for token in ["", "a b", "a\r\nHost: b", "ä", "a\0"] {
            assert_eq!(Authorization::bearer(token.as_bytes()), None, "{token:?}");
        }
    }
}

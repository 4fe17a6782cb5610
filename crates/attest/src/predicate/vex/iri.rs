// SPDX-License-Identifier: Apache-2.0
//! Identifiers of documents, statements and components.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The longest IRI that is read, in bytes.
const IRI_BYTES_MAX: usize = 4_096;

/// An absolute IRI (RFC 3987).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Iri(String);

/// Why a text is not an [`Iri`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an IRI: {0:?}")]
pub struct IriError(pub String);

impl Iri {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the part before the fragment.
    pub fn without_fragment(&self) -> &str {
        self.0.split_once('#').map_or(self.0.as_str(), |(before, _)| before)
    }
}

impl fmt::Display for Iri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Iri {
    type Err = IriError;

    fn from_str(text: &str) -> Result<Self, IriError> {
        if is_iri(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(IriError(text.chars().take(200).collect()))
        }
    }
}

fn is_iri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    // Brackets are allowed around an address alone, which nothing here has.
    let is_forbidden = |c: char| c.is_control() || c.is_whitespace() || "<>\"{}|\\^`[]".contains(c);
    let is_private =
        |c: char| matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}' | '\u{f0000}'..);
    let escapes = rest.split('%').skip(1);
    let are_escapes = |part: &str| {
        let digits = part.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    // After an authority comes a slash, a question mark, a number sign, or nothing.
    let authority = rest.strip_prefix("//").map(|rest| rest.split(['/', '?', '#']).next());
    let is_authority = |authority: &str| {
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let port = host.split_once(':').map_or("", |(_, port)| port);
        port.bytes().all(|byte| byte.is_ascii_digit())
    };
    text.len() <= IRI_BYTES_MAX
        && is_scheme
        && !rest.is_empty()
        && rest.matches('#').count() <= 1
        && !rest.chars().any(|c| is_forbidden(c) || is_private(c))
        && escapes.into_iter().all(are_escapes)
        && authority.flatten().is_none_or(is_authority)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iris() {
        for text in [
            "https://a.example/vex/b@sha256:00#v1",
            "https://a.example:8080/ü?q=1#f",
            "pkg:deb/debian/libc6@2.41-12%2Bdeb13u4?arch=amd64",
            "urn:uuid:392eeac8-8ee8-4dd8-a417-b2e6ae081bcb",
            "cpe:2.3:a:b:c:*",
        ] {
            assert_eq!(text.parse::<Iri>().unwrap().as_str(), text);
        }
        assert_eq!("https://a/b#c".parse::<Iri>().unwrap().without_fragment(), "https://a/b");
        assert_eq!("https://a/b".parse::<Iri>().unwrap().without_fragment(), "https://a/b");
    }

    #[test]
    fn what_is_no_iri_is_refused() {
        let long = format!("a:{}", "a".repeat(IRI_BYTES_MAX));
        for text in [
            "",
            ":",
            "a:",
            "392eeac8-8ee8-4dd8-a417-b2e6ae081bcb",
            "my-vexdoc2",
            "1a:b",
            "a b:c",
            "https://a b",
            "https://a/\n",
            "https://a/%2",
            "https://a/%zz",
            "https://a/<b>",
            "https://a/b#c#d",
            "https://a:port/b",
            "https://a/\u{e000}",
            long.as_str(),
        ] {
            assert!(text.parse::<Iri>().is_err(), "{text:?}");
        }
    }
}

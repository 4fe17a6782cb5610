// SPDX-License-Identifier: Apache-2.0
//! Patterns of images' names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest pattern, in bytes: names of images have at most 255, tags 128, digests 71.
const PATTERN_BYTES_MAX: usize = 512;
/// Where images without a registry in their name are.
const DEFAULT_REGISTRY: &str = "docker.io";
/// The folder of those without one.
const DEFAULT_FOLDER: &str = "library";

/// A pattern for names of images: `*` stands for any characters but slashes, `**` for any. One without tag and digest is
/// for all of a repository.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImagePattern(String);

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no pattern for names of images, such as registry.example/team/**")]
pub struct PatternError(pub String);

impl FromStr for ImagePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let is_known = |c: char| c.is_ascii_alphanumeric() || "*./:@_-".contains(c);
        let is_wrong = text.is_empty()
            || text.len() > PATTERN_BYTES_MAX
            || !text.chars().all(is_known)
            || text.contains("***")
            || text.contains("//")
            || text.starts_with('/');
        if is_wrong {
            return Err(PatternError(text.chars().take(100).collect()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for ImagePattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        text.parse()
    }
}

impl From<ImagePattern> for String {
    fn from(pattern: ImagePattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for ImagePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ImagePattern {
    /// Returns it as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns it with the registry that is meant where none is named.
    pub fn whole(&self) -> String {
        // What begins with a star may stand for a registry.
        if self.0.starts_with('*') { self.0.clone() } else { whole(&self.0) }
    }

    /// Returns whether a name is one of those.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.whole(), whole(name));
        let without_digest = name.split_once('@').map_or(name.as_str(), |(name, _)| name);
        let mut names = vec![name.as_str(), without_digest];
        if repository(&pattern) == pattern {
            names.push(repository(&name));
        }
        names.into_iter().any(|name| matches(pattern.as_bytes(), name.as_bytes()))
    }
}

/// Returns a name's repository, without tag and digest.
fn repository(name: &str) -> &str {
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    match name.rsplit_once(':') {
        // A colon before a slash is in front of a port.
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

/// Returns a name with its registry, as everybody understands it who leaves it out.
fn whole(name: &str) -> String {
    match name.split_once('/') {
        Some((first, _)) if first.contains(['.', ':', '*']) || first == "localhost" => {
            name.to_owned()
        }
        Some(_) => format!("{DEFAULT_REGISTRY}/{name}"),
        None => format!("{DEFAULT_REGISTRY}/{DEFAULT_FOLDER}/{name}"),
    }
}

/// Returns whether bytes are what a pattern stands for. Takes at most the product of both lengths.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    // `reached[i]`: the pattern up to where it was read stands for the first `i` bytes.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    let mut rest = pattern;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let is_star = byte == b'*';
        let is_double = is_star && rest.first() == Some(&b'*');
        if is_double {
            rest = &rest[1..];
        }
        let mut next = vec![false; text.len() + 1];
        for end in 0..=text.len() {
            next[end] = if is_star {
                reached[end] || (end > 0 && next[end - 1] && (is_double || text[end - 1] != b'/'))
            } else {
                end > 0 && reached[end - 1] && text[end - 1] == byte
            };
        }
        reached = next;
    }
    reached[text.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match() {
        const DIGEST: &str =
            "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for (pattern, name, expected) in [
            ("registry.example/team/*", "registry.example/team/app:1", true),
            ("registry.example/team/*", "registry.example/team/app/web:1", false),
            ("registry.example/team/**", "registry.example/team/app/web:1", true),
            ("registry.example/team/app", "registry.example/team/app:1", true),
            ("registry.example/team/app:1", "registry.example/team/app:2", false),
            ("registry.example/team/app:1*", "registry.example/team/app:12", true),
            ("registry.example/team/app", "registry.example/team/application", false),
            ("registry.example:5000/a", "registry.example:5000/a", true),
            ("registry.example:5000/a", "registry.example/a", false),
            ("debian", "docker.io/library/debian:13", true),
            ("docker.io/library/*", "debian:13", true),
            ("team/app", "docker.io/team/app", true),
            ("**", "anything/at/all", true),
            ("*/app", "registry.example/app", true),
            ("*", "registry.example/app", false),
            ("localhost/a", "localhost/a", true),
            ("localhost/a", "docker.io/localhost/a", false),
            ("registry.example/*", "registry.example.evil/x", false),
        ] {
            let pattern: ImagePattern = pattern.parse().unwrap();
            assert_eq!(pattern.matches(name), expected, "{pattern} {name}");
            assert_eq!(pattern.matches(&format!("{name}{DIGEST}")), expected, "{pattern} {name}@");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let long = "a".repeat(PATTERN_BYTES_MAX + 1);
        for text in ["", "a b", "***", "a//b", "/a", "a\n", "ä", "{a,b}", "a?", &long] {
            assert!(text.parse::<ImagePattern>().is_err(), "{text:?}");
        }
        // Stars take no more time than others.
        let stars: ImagePattern = "*a".repeat(250).parse().unwrap();
        assert!(!stars.matches(&"b".repeat(5_000)));
    }
}

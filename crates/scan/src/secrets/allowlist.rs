// SPDX-License-Identifier: Apache-2.0
//! What looks like a secret and is none.

use std::borrow::Cow;

use crate::re2::Pattern;

/// What the expressions of an allowlist are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Target {
    /// The secret itself.
    #[default]
    Secret,
    /// All that the rule's expression matched.
    Match,
    /// The line or lines that it is on.
    Line,
}

/// A list of exceptions.
#[derive(Debug, Clone, Default)]
pub(super) struct Allowlist {
    /// Whether all kinds of conditions that it has must hold; else one is enough.
    pub(super) needs_all: bool,
    pub(super) paths: Vec<Pattern>,
    pub(super) regexes: Vec<Pattern>,
    pub(super) target: Target,
    /// In small letters.
    pub(super) stopwords: Vec<String>,
}

/// Something that a rule found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suspect<'t> {
    pub(super) path: &'t [u8],
    pub(super) secret: &'t [u8],
    pub(super) whole: &'t [u8],
    pub(super) line: &'t [u8],
}

impl Allowlist {
    pub(super) fn allows(&self, suspect: &Suspect<'_>) -> bool {
        let target = match self.target {
            Target::Secret => suspect.secret,
            Target::Match => suspect.whole,
            Target::Line => suspect.line,
        };
        let any = |patterns: &[Pattern], text| patterns.iter().any(|pattern| pattern.is_in(text));
        // Nothing is no condition.
        let mut conditions = Vec::with_capacity(3);
        if !self.paths.is_empty() {
            conditions.push(any(&self.paths, suspect.path));
        }
        if !self.regexes.is_empty() {
            conditions.push(any(&self.regexes, target));
        }
        if !self.stopwords.is_empty() {
            let secret = lowercase(suspect.secret);
            let is_in = |word: &String| memchr::memmem::find(&secret, word.as_bytes()).is_some();
            conditions.push(self.stopwords.iter().any(is_in));
        }
        if self.needs_all {
            !conditions.is_empty() && conditions.iter().all(|&holds| holds)
        } else {
            conditions.contains(&true)
        }
    }
}

fn lowercase(text: &[u8]) -> Cow<'_, [u8]> {
    if text.iter().any(u8::is_ascii_uppercase) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        let pattern = |text| Pattern::parse(text).unwrap();
        let list = |needs_all| Allowlist {
            needs_all,
            paths: vec![pattern("^tests/")],
            regexes: vec![pattern("^x+$")],
            target: Target::Secret,
            stopwords: vec!["dummy".to_owned()],
        };
        for (path, secret, any, all) in [
            ("tests/a", "abc", true, false),
            ("a", "xxx", true, false),
            ("a", "aDUMMYb", true, false),
            ("a", "abc", false, false),
            ("tests/a", "xxx", true, false),
        ] {
            let suspect = Suspect {
                path: path.as_bytes(),
                secret: secret.as_bytes(),
                whole: b"key = x",
                line: b"",
            };
            assert_eq!(list(false).allows(&suspect), any, "{path} {secret}");
            assert_eq!(list(true).allows(&suspect), all, "{path} {secret}");
            let two = Allowlist { stopwords: Vec::new(), ..list(true) };
            assert_eq!(two.allows(&suspect), path == "tests/a" && secret == "xxx");
            for needs_all in [true, false] {
                assert!(!Allowlist { needs_all, ..Allowlist::default() }.allows(&suspect));
            }
            let other = Allowlist {
                regexes: vec![pattern("^key =")],
                target: Target::Match,
                ..Allowlist::default()
            };
            assert!(other.allows(&suspect));
            let line = Allowlist { target: Target::Line, ..other };
            assert!(!line.allows(&suspect));
        }
    }
}

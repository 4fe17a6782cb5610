// SPDX-License-Identifier: Apache-2.0
//! Semantic versions (semver.org, 2.0.0), as Cargo, npm and Go read them.

use std::cmp::Ordering;

use super::VersionError;
use super::number::Number;

/// A version without its build metadata, which has no order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Semantic<'t> {
    numbers: [Number<'t>; 3],
    before: Before<'t>,
}

/// What makes it a pre-release.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Before<'t> {
    /// Identifiers with dots between them.
    Text(&'t str),
    /// A word and a number without a dot between them, as Go's releases have: `rc2`.
    Joined(&'t str, Number<'t>),
    /// Nothing: it is a release.
    None,
}

/// Reads a version of a crate: exactly three numbers.
pub(super) fn cargo(text: &str) -> Result<Semantic<'_>, VersionError> {
    let bad = |problem| VersionError::malformed("a crate", text, problem);
    let (core, before) = split(text).map_err(bad)?;
    let mut parts = core.split('.');
    let mut number = || {
        let digits = parts.next().ok_or(bad("has not three numbers"))?;
        if digits.len() > 1 && digits.starts_with('0') {
            return Err(bad("has a number with a zero in front"));
        }
        Number::new(digits).ok_or(bad("has not three numbers"))
    };
    let numbers = [number()?, number()?, number()?];
    if parts.next().is_some() {
        return Err(bad("has more than three numbers"));
    }
    Ok(Semantic { numbers, before: before.map_or(Before::None, Before::Text) })
}

/// Reads a version of a package of npm, as its loose rules do: a `v` or `=` in front, a pre-release without a hyphen.
pub(super) fn npm(text: &str) -> Result<Semantic<'_>, VersionError> {
    let bad = |problem| VersionError::malformed("a package of npm", text, problem);
    let plain = text.trim().trim_start_matches(['v', '=', ' ']);
    let end = plain.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(plain.len());
    let hyphen = plain.find(['-', '+']).unwrap_or(plain.len());
    if end < hyphen {
        // `1.2.3beta.1`: the pre-release begins with its letter.
        let (core, before) = plain.split_at(end);
        let (before, build) = before.split_once('+').map_or((before, None), |(b, a)| (b, Some(a)));
        identifiers(before).map_err(bad)?;
        build.map_or(Ok(()), identifiers).map_err(bad)?;
        return Ok(Semantic { numbers: numbers(core).map_err(bad)?, before: Before::Text(before) });
    }
    let (core, before) = split(plain).map_err(bad)?;
    let numbers = numbers(core).map_err(bad)?;
    Ok(Semantic { numbers, before: before.map_or(Before::None, Before::Text) })
}

/// Reads a version of a Go module (`v1.2.3-0.20210101000000-abcdef`, `v2.0.0+incompatible`), with or without `v`, or of Go itself
/// (`go1.22rc1`, `1.21.0-0`).
pub(super) fn golang(text: &str) -> Result<Semantic<'_>, VersionError> {
    let bad = |problem| VersionError::malformed("a Go module", text, problem);
    let plain = text.strip_prefix('v').or_else(|| text.strip_prefix("go")).unwrap_or(text);
    // Go's own pre-releases: a word and a number directly after the numbers.
    for word in ["rc", "beta"] {
        if let Some((core, number)) = plain.split_once(word)
            && let Some(number) = Number::new(number)
            && core.ends_with(|c: char| c.is_ascii_digit())
            && !core.contains(['-', '+'])
        {
            let numbers = numbers(core).map_err(bad)?;
            return Ok(Semantic { numbers, before: Before::Joined(word, number) });
        }
    }
    let (core, before) = split(plain).map_err(bad)?;
    let numbers = numbers(core).map_err(bad)?;
    Ok(Semantic { numbers, before: before.map_or(Before::None, Before::Text) })
}

/// Splits off the pre-release and drops build metadata.
fn split(text: &str) -> Result<(&str, Option<&str>), &'static str> {
    let (rest, build) = text.split_once('+').map_or((text, None), |(rest, b)| (rest, Some(b)));
    let (core, before) = rest.split_once('-').map_or((rest, None), |(core, b)| (core, Some(b)));
    build.map_or(Ok(()), identifiers)?;
    before.map_or(Ok(()), identifiers)?;
    Ok((core, before))
}

fn identifiers(text: &str) -> Result<(), &'static str> {
    let is_identifier = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if text.split('.').all(is_identifier) { Ok(()) } else { Err("has an empty or odd identifier") }
}

/// Reads one to three numbers; those that are missing are 0.
fn numbers(core: &str) -> Result<[Number<'_>; 3], &'static str> {
    let mut numbers = [Number::ZERO; 3];
    for (at, digits) in core.split('.').enumerate() {
        let place = numbers.get_mut(at).ok_or("has more than three numbers")?;
        *place = Number::new(digits).ok_or("does not begin with numbers")?;
    }
    Ok(numbers)
}

impl Ord for Semantic<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| self.before.cmp(&other.before))
    }
}

impl PartialOrd for Semantic<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<'t> Before<'t> {
    /// Returns its identifiers. A joined one is a word and a number, as if a dot were between them.
    fn identifiers(&self) -> Box<dyn Iterator<Item = Identifier<'t>> + 't> {
        match *self {
            Self::Text(text) => Box::new(text.split('.').map(Identifier::of)),
            Self::Joined(word, number) => {
                Box::new([Identifier::Word(word), Identifier::Number(number)].into_iter())
            }
            Self::None => Box::new(std::iter::empty()),
        }
    }
}

impl Ord for Before<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::None, Self::None) => Ordering::Equal,
            (Self::None, _) => Ordering::Greater,
            (_, Self::None) => Ordering::Less,
            _ => self.identifiers().cmp(other.identifiers()),
        }
    }
}

impl PartialOrd for Before<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Of a pre-release: numbers come before words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier<'t> {
    Number(Number<'t>),
    Word(&'t str),
}

impl<'t> Identifier<'t> {
    fn of(text: &'t str) -> Self {
        Number::new(text).map_or(Self::Word(text), Self::Number)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Versions of Python distributions (PEP 440), with all spellings that it tells to normalize.

use std::cmp::Ordering;

use super::VersionError;
use super::number::Number;

/// A version. The fields stand in the order in which they count, and each says by its own order what comes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pep440 {
    epoch: Digits,
    /// Without zeros at the end.
    release: Vec<Digits>,
    before: Before,
    post: Option<Digits>,
    dev: Dev,
    local: Vec<Local>,
}

/// A number, owned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Digits(String);

impl Ord for Digits {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for Digits {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What comes before the release: a development version of it before all others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Before {
    OnlyDev,
    Alpha(Digits),
    Beta(Digits),
    Candidate(Digits),
    None,
}

/// A development version comes before what it is one of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Dev {
    Number(Digits),
    None,
}

/// A part of a local version: numbers come after words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Local {
    Word(String),
    Number(Digits),
}

/// Reads a version.
pub(super) fn parse(text: &str) -> Result<Pep440, VersionError> {
    let bad = |problem| VersionError::malformed("a Python distribution", text, problem);
    let lower = text.trim().to_ascii_lowercase();
    let plain = lower.strip_prefix('v').unwrap_or(&lower);
    let (public, local) = plain.split_once('+').map_or((plain, None), |(p, l)| (p, Some(l)));
    let local = local.map_or(Ok(Vec::new()), locals).map_err(bad)?;
    let (epoch, rest) = match public.split_once('!') {
        Some((epoch, rest)) => (digits(epoch).ok_or(bad("has an odd epoch"))?, rest),
        None => (Digits::default(), public),
    };
    let (release, rest) = release(rest).ok_or(bad("does not begin with a number"))?;
    let mut reader = Reader { rest };
    let before = [
        ("alpha", Before::Alpha as fn(Digits) -> Before),
        ("a", Before::Alpha),
        ("beta", Before::Beta),
        ("b", Before::Beta),
        ("preview", Before::Candidate),
        ("pre", Before::Candidate),
        ("rc", Before::Candidate),
        ("c", Before::Candidate),
    ]
    .into_iter()
    .find_map(|(word, kind)| Some(kind(reader.worded(word)?)));
    let post = reader
        .after_hyphen()
        .or_else(|| ["post", "rev", "r"].into_iter().find_map(|word| reader.worded(word)));
    let dev = reader.worded("dev").map_or(Dev::None, Dev::Number);
    if !reader.rest.is_empty() {
        return Err(bad("has a part that PEP 440 does not know"));
    }
    let is_only_dev = post.is_none() && matches!(dev, Dev::Number(_));
    let before = before.unwrap_or(if is_only_dev { Before::OnlyDev } else { Before::None });
    Ok(Pep440 { epoch, release, before, post, dev, local })
}

fn digits(text: &str) -> Option<Digits> {
    Number::new(text).map(|number| Digits(number.digits().to_owned()))
}

/// Splits the digits at the beginning from the rest.
fn split_digits(text: &str) -> (&str, &str) {
    text.split_at(text.bytes().take_while(u8::is_ascii_digit).count())
}

fn release(text: &str) -> Option<(Vec<Digits>, &str)> {
    let (first, mut rest) = split_digits(text);
    let mut release = vec![digits(first)?];
    while let Some(after) = rest.strip_prefix('.') {
        let (number, after) = split_digits(after);
        let Some(number) = digits(number) else { break };
        release.push(number);
        rest = after;
    }
    while release.last().is_some_and(|number| number.0.is_empty()) {
        release.pop();
    }
    Some((release, rest))
}

fn locals(text: &str) -> Result<Vec<Local>, &'static str> {
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
    text.split(['.', '-', '_'])
        .map(|part| match digits(part) {
            Some(number) => Ok(Local::Number(number)),
            None if is_part(part) => Ok(Local::Word(part.to_owned())),
            None => Err("has an odd local part"),
        })
        .collect()
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    /// Takes `.post2`, `-post.2`, `post-`: a word with separators around it, and a number, which is 0 if it is missing.
    fn worded(&mut self, word: &str) -> Option<Digits> {
        let rest = self.rest.strip_prefix(['.', '-', '_']).unwrap_or(self.rest);
        let rest = rest.strip_prefix(word)?;
        let numbered = rest.strip_prefix(['.', '-', '_']).unwrap_or(rest);
        let (number, after) = split_digits(numbered);
        self.rest = after;
        Some(digits(number).unwrap_or_default())
    }

    /// Takes `-2`, which is `.post2`.
    fn after_hyphen(&mut self) -> Option<Digits> {
        let (number, after) = split_digits(self.rest.strip_prefix('-')?);
        let number = digits(number)?;
        self.rest = after;
        Some(number)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The keys of one mapping: which were asked for, which are missing, which are unknown.

use super::Decoder;
use crate::diagnostic::{Code, Diagnostic, nearest};
use crate::source::Span;
use crate::template::shorten;
use crate::yaml::{Entry, Kind, Node};

/// Keys that people look for in the wrong place: key, where it belongs.
const ELSEWHERE: [(&str, &str); 21] = [
    ("packages", "contents"),
    ("repositories", "contents"),
    ("keyring", "contents"),
    ("files", "contents"),
    ("builds", "contents"),
    ("artifacts", "contents"),
    ("mappings", "contents"),
    ("users", "accounts"),
    ("groups", "accounts"),
    ("run-as", "accounts"),
    ("pipeline", "contents.builds[]"),
    ("outputs", "contents.builds[]"),
    ("release", "dates"),
    ("end-of-life", "dates"),
    ("scripts", "x-hardpan"),
    ("pyc", "x-hardpan"),
    ("caches", "x-hardpan"),
    ("vex", "x-hardpan"),
    ("structure-tests", "x-hardpan"),
    ("audit", "x-hardpan"),
    ("pretty-name", "os-release"),
];

/// A mapping that is being decoded. Call [`Fields::finish`] at the end.
#[derive(Debug)]
pub(crate) struct Fields<'n> {
    what: &'static str,
    entries: &'n [Entry],
    span: Span,
    known: Vec<&'static str>,
    elsewhere: &'static [(&'static str, &'static str)],
}

impl<'n> Fields<'n> {
    /// The fields of a node that must be a mapping. `span` is where missing keys are reported.
    pub(crate) fn new(
        decoder: &mut Decoder<'n>,
        node: &'n Node,
        what: &'static str,
        span: Span,
    ) -> Option<Self> {
        if let Kind::Map(entries) = &node.kind {
            Some(Self { what, entries, span, known: Vec::new(), elsewhere: &ELSEWHERE })
        } else {
            decoder.wrong_type(node, what, "a mapping");
            None
        }
    }

    /// Says that the mapping is none of a definition: a definition's keys belong nowhere in its file.
    pub(crate) fn of_another_format(self) -> Self {
        Self { elsewhere: &[], ..self }
    }

    /// Where the mapping begins: the place for remarks on the whole.
    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// The entry with this key.
    pub(crate) fn take(&mut self, key: &'static str) -> Option<&'n Entry> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The entry with this key, which must be there and not empty.
    pub(crate) fn require(
        &mut self,
        decoder: &mut Decoder<'n>,
        key: &'static str,
    ) -> Option<&'n Entry> {
        match self.take(key) {
            Some(entry) if !entry.value.is_null() => Some(entry),
            Some(entry) => {
                decoder.error(
                    Code::MissingKey,
                    entry.key_span,
                    format!("`{key}` of {} is empty", self.what),
                );
                None
            }
            None => {
                decoder.error(Code::MissingKey, self.span, format!("{} has no `{key}`", self.what));
                None
            }
        }
    }

    /// Reports every key that nobody asked for.
    pub(crate) fn finish(self, decoder: &mut Decoder<'n>) {
        for entry in self.entries {
            if self.known.contains(&entry.key.as_str()) {
                continue;
            }
            let mut diagnostic = Diagnostic::error(
                Code::UnknownKey,
                entry.key_span,
                format!("unknown key `{}` in {}", shorten(&entry.key), self.what),
            );
            let elsewhere = self.elsewhere.iter().find(|(key, _)| *key == entry.key);
            diagnostic.help = Some(match elsewhere {
                Some((key, place)) if nearest(&entry.key, self.known.iter().copied()).is_none() => {
                    format!("`{key}` belongs under `{place}`")
                }
                _ => known_keys(&entry.key, &self.known),
            });
            decoder.push(diagnostic);
        }
    }
}

/// What to say of a key that is not known.
pub(crate) fn known_keys(key: &str, known: &[&str]) -> String {
    if let Some(near) = nearest(key, known.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    let mut known = known.to_vec();
    known.sort_unstable();
    format!("known keys are {}", known.join(", "))
}

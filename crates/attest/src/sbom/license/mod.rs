// SPDX-License-Identifier: Apache-2.0
//! What packages say of their licences, as SPDX licence expressions.
//!
//! What is written is always a valid expression: what has no SPDX id gets a `LicenseRef-` of its own, whose name
//! comes from what was stated and from the text's digest, so that it is the same in every build.

mod aliases;
mod copyright;
mod expression;
mod machine;
mod names;
mod recognize;
mod statement;

use std::collections::{BTreeMap, BTreeSet};

use hardpan_tree::Digest;

pub use copyright::{COPYRIGHT_BYTES_MAX, Copyright, CopyrightTooLarge, read_copyright};
use expression::Node;

/// The longest statement of a licence that is read as an expression, in bytes; longer ones are texts.
const STATEMENT_BYTES_MAX: usize = 4 << 10;
/// The longest text of a licence that is kept, in bytes. The GPL has 35 KB.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// The longest name in a `LicenseRef-`, in characters.
const REFERENCE_CHARS_MAX: usize = 64;
/// How much of a text's digest stands in a `LicenseRef-`, in characters.
const REFERENCE_DIGEST_CHARS: usize = 8;

/// Licences as an SPDX expression.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Licensing {
    /// The expression, valid by SPDX 2.3, annex D.
    pub expression: String,
    /// What each `LicenseRef-` of the expression stands for.
    pub references: BTreeMap<String, Reference>,
}

/// A licence that has no SPDX id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// What the package calls it.
    pub name: String,
    /// Its text, if the package has it.
    pub text: Option<String>,
}

/// Returns the licences of a component as one expression, or `None` if it states nothing.
///
/// `texts` are by what `licenses` calls them, or by their `LicenseRef-`.
pub fn conclude(
    licenses: &BTreeSet<String>,
    texts: &BTreeMap<String, String>,
) -> Option<Licensing> {
    let mut collector = Collector { texts, references: BTreeMap::new() };
    let nodes: Vec<Node> =
        licenses.iter().filter_map(|license| statement::read(license, &mut collector)).collect();
    collector.finish(Node::all(nodes))
}

/// Returns one statement as an expression: a licence field of an Alpine, Python, npm, Cargo or Maven package.
pub fn stated(license: &str) -> Option<Licensing> {
    conclude(&BTreeSet::from([license.to_owned()]), &BTreeMap::new())
}

/// Returns whether a text is an SPDX expression as the specification has it.
pub fn is_expression(text: &str) -> bool {
    spdx::Expression::parse(text).is_ok_and(|expression| {
        // The list of the crate has this as a licence.
        expression.requirements().all(|part| part.req.license.to_string() != "NOASSERTION")
    })
}

/// What an expression refers to, as far as it was read.
struct Collector<'t> {
    texts: &'t BTreeMap<String, String>,
    references: BTreeMap<String, Reference>,
}

impl Collector<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str).filter(|text| !text.trim().is_empty())
    }

    /// Makes a reference to a licence without an id.
    fn refer(&mut self, name: &str, text: Option<&str>) -> Node {
        let text = text.map(|text| shorten(text.trim(), TEXT_BYTES_MAX));
        let id = reference_id(name, text.as_deref());
        let reference = Reference { name: shorten(name, STATEMENT_BYTES_MAX), text };
        self.references.entry(id.clone()).or_insert(reference);
        Node::Term(id)
    }

    /// Makes the expression, and proves that it is one.
    fn finish(mut self, node: Option<Node>) -> Option<Licensing> {
        let expression = node?.normal().to_string();
        // What was read in vain, before something turned out to be no expression, is not referred to.
        let words: BTreeSet<&str> = expression.split([' ', '(', ')']).collect();
        self.references.retain(|id, _| words.contains(id.as_str()));
        // Those that tables here have, as `LicenseRef-public-domain`: the name says what there is to say.
        for id in words.into_iter().filter(|word| word.starts_with("LicenseRef-")) {
            let name = id.trim_start_matches("LicenseRef-").to_owned();
            self.references.entry(id.to_owned()).or_insert(Reference { name, text: None });
        }
        if is_expression(&expression) {
            let references = self.references;
            return Some(Licensing { expression, references });
        }
        // Nobody knows such a case. If there is one, it is still no reason to write something invalid.
        self.references.clear();
        let Node::Term(expression) = self.refer(&expression, None) else { return None };
        Some(Licensing { expression, references: self.references })
    }
}

/// `LicenseRef-public-domain`, with the digest's beginning if the text is known: texts differ, names don't.
fn reference_id(name: &str, text: Option<&str>) -> String {
    const PREFIX: &str = "LicenseRef-";
    let mut plain = String::new();
    for c in name.trim().chars() {
        let is_plain = c.is_ascii_alphanumeric() || c == '.';
        if is_plain {
            plain.push(c);
        } else if !plain.ends_with('-') {
            plain.push('-');
        }
    }
    let mut name = plain.trim_start_matches('-');
    let mut is_reference = false;
    while let Some(rest) = name.strip_prefix(PREFIX) {
        (name, is_reference) = (rest, true);
    }
    let digest = text.map(|text| {
        let words: Vec<&str> = text.split_whitespace().collect();
        Digest::of(words.join(" ").as_bytes()).to_hex()[..REFERENCE_DIGEST_CHARS].to_owned()
    });
    let short = || {
        // All that is left has one byte for each character.
        let name = name[..name.len().min(REFERENCE_CHARS_MAX)].trim_end_matches('-');
        if name.is_empty() { "unnamed" } else { name }
    };
    // One that was made here before stays as it is, with the digest beyond that length.
    let made = name.rsplit_once('-').filter(|(own, end)| {
        is_reference
            && own.len() <= REFERENCE_CHARS_MAX
            && end.len() == REFERENCE_DIGEST_CHARS
            && end.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    });
    match (digest, made) {
        (None, Some(_)) => format!("{PREFIX}{name}"),
        (Some(digest), Some((_, end))) if end == digest => format!("{PREFIX}{name}"),
        (Some(digest), _) => format!("{PREFIX}{}-{digest}", short()),
        (None, None) => format!("{PREFIX}{}", short()),
    }
}

/// Cuts a text at a number of bytes, between characters.
fn shorten(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let end = (0..=bytes_max).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
    format!("{} […]", &text[..end])
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: Apache-2.0
//! Which licences dependencies may have (SPDX specification, annex "License expressions").

use cargo_metadata::Metadata;

use super::Violation;

/// Licences that ask for no more than a notice, and MPL-2.0, whose copyleft ends at its own files.
const ALLOWED: [&str; 18] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "bzip2-1.0.6",
    "CC0-1.0",
    // Data only: the root certificates of webpki-roots.
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "MPL-2.0",
    "NCSA",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "Zlib",
];

/// How deep parentheses may nest.
const DEPTH_MAX: usize = 32;

/// Checks the licence of every package that the workspace is built with.
pub(super) fn check(metadata: &Metadata) -> Vec<Violation> {
    metadata
        .packages
        .iter()
        .filter_map(|package| {
            let problem = match package.license.as_deref() {
                None => "has no SPDX licence expression".to_owned(),
                Some(expression) => match is_allowed(expression) {
                    Some(true) => return None,
                    Some(false) => format!("has the licence {expression}, which is not allowed"),
                    None => format!("has a licence that can't be read: {expression:?}"),
                },
            };
            let text = format!("{} {} {problem}", package.name, package.version);
            Some(Violation::new("Cargo.lock", 0, text))
        })
        .collect()
}

/// Returns whether an expression can be met with allowed licences only; `None` if it is none.
fn is_allowed(expression: &str) -> Option<bool> {
    // Old manifests write "/" for OR.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_ascii_whitespace().collect();
    let mut rest = words.as_slice();
    let answer = alternatives(&mut rest, 0)?;
    rest.is_empty().then_some(answer)
}

/// `a OR b`: one allowed side is enough. OR binds weaker than AND.
fn alternatives(words: &mut &[&str], depth: usize) -> Option<bool> {
    let mut answer = conjunction(words, depth)?;
    while let ["OR", rest @ ..] = words {
        *words = rest;
        answer |= conjunction(words, depth)?;
    }
    Some(answer)
}

/// `a AND b`: both sides have to be allowed.
fn conjunction(words: &mut &[&str], depth: usize) -> Option<bool> {
    let mut answer = licence(words, depth)?;
    while let ["AND", rest @ ..] = words {
        *words = rest;
        answer &= licence(words, depth)?;
    }
    Some(answer)
}

fn licence(words: &mut &[&str], depth: usize) -> Option<bool> {
    let [word, rest @ ..] = *words else { return None };
    *words = rest;
    match *word {
        "(" if depth < DEPTH_MAX => {
            let answer = alternatives(words, depth + 1)?;
            let [")", rest @ ..] = *words else { return None };
            *words = rest;
            Some(answer)
        }
        "(" | ")" | "OR" | "AND" | "WITH" => None,
        name => match *words {
            ["WITH", exception, rest @ ..] => {
                *words = rest;
                Some(ALLOWED.contains(&format!("{name} WITH {exception}").as_str()))
            }
            _ => Some(ALLOWED.contains(&name)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        for (expression, expected) in [
            ("MIT", Some(true)),
            ("MIT OR Apache-2.0", Some(true)),
            ("MIT/Apache-2.0", Some(true)),
            ("Apache-2.0 / MIT", Some(true)),
            ("Apache-2.0 WITH LLVM-exception OR MIT", Some(true)),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", Some(true)),
            ("GPL-3.0-only", Some(false)),
            ("GPL-3.0-only OR MIT", Some(true)),
            ("GPL-3.0-only AND MIT", Some(false)),
            ("MIT AND GPL-3.0-only OR ISC", Some(true)),
            ("MIT AND (GPL-3.0-only OR LGPL-3.0-only)", Some(false)),
            ("LGPL-2.0-or-later", Some(false)),
            ("GPL-2.0-only WITH Classpath-exception-2.0", Some(false)),
            ("", None),
            ("MIT OR", None),
            ("OR MIT", None),
            ("(MIT", None),
            ("MIT)", None),
            ("MIT Apache-2.0", None),
            ("MIT WITH", None),
        ] {
            assert_eq!(is_allowed(expression), expected, "{expression}");
        }
        assert_eq!(is_allowed(&"(".repeat(10_000)), None);
    }
}

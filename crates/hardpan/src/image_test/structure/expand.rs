// SPDX-License-Identifier: Apache-2.0
//! `$NAME` and `${NAME}` in a text, as Go's `os.Expand` has them, which container-structure-test uses. What is not set is
//! empty, and there is no way to write a dollar in front of a name.

use std::collections::BTreeMap;

/// Puts in the values of variables.
pub(super) fn expand(text: &str, environment: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        match name(after) {
            Name::Is(name, length) => {
                out.push_str(environment.get(name).map_or("", String::as_str));
                rest = &after[length..];
            }
            Name::Broken(length) => rest = &after[length..],
            Name::None => {
                out.push('$');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// What stands behind a dollar.
enum Name<'t> {
    /// A name, and how many bytes it takes up, braces included.
    Is(&'t str, usize),
    /// Braces with nothing in them, or open ones: they are left out.
    Broken(usize),
    /// No name: the dollar is a dollar.
    None,
}

fn name(text: &str) -> Name<'_> {
    if let Some(inside) = text.strip_prefix('{') {
        return match inside.find('}') {
            None => Name::Broken(1),
            Some(0) => Name::Broken(2),
            Some(end) => Name::Is(&inside[..end], end + 2),
        };
    }
    if text.starts_with(|first: char| "*#$@!?-0123456789".contains(first)) {
        return Name::Is(&text[..1], 1);
    }
    let is_other = |character: char| !(character == '_' || character.is_ascii_alphanumeric());
    match text.find(is_other).unwrap_or(text.len()) {
        0 => Name::None,
        end => Name::Is(&text[..end], end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_expanded_as_go_does() {
        let environment: BTreeMap<String, String> =
            [("A", "b"), ("A_1", "c"), ("x y", "d"), ("1", "one"), ("$", "pid"), ("E", "")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("$A", "b"),
            ("${A}", "b"),
            ("$A_1-$A.", "c-b."),
            ("${x y}", "d"),
            ("$E|$NOPE|${NOPE}", "||"),
            ("$1x $11", "onex one1"),
            ("$$ $$A", "pid pidA"),
            ("$", "$"),
            ("a$", "a$"),
            ("$ x", "$ x"),
            ("$.", "$."),
            ("${}x", "x"),
            ("${A", "A"),
            ("^a$|b", "^a$|b"),
            ("\u{e4}$A\u{e4}", "\u{e4}b\u{e4}"),
            ("$\u{e4}", "$\u{e4}"),
        ] {
            assert_eq!(expand(text, &environment), expected, "{text}");
        }
    }
}

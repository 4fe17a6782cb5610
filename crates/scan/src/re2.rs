// SPDX-License-Identifier: Apache-2.0
//! Regular expressions as files of Go programs have them: RE2, which differs from ours in a few places.
//!
//! Where Go takes a character as it is and we would not, it is escaped, so that an expression means the same. What
//! can't be translated is refused with a word about why. Both take time that is linear in what they search.

use std::fmt;
use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};

/// How large a compiled expression may be, in bytes. Expressions with a repetition of a thousand come to a tenth.
const COMPILED_BYTES_MAX: usize = 8 << 20;
/// How much memory the search with one expression may take, in bytes, before it gets slower instead.
const CACHE_BYTES_MAX: usize = 1 << 20;
/// The longest expression, in bytes. The longest ones that are published list a thousand words in 10 kB.
const PATTERN_BYTES_MAX: usize = 64 << 10;

/// Why an expression can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PatternError {
    /// Why.
    pub reason: String,
}

/// An expression.
#[derive(Clone)]
pub struct Pattern {
    /// As it is compiled.
    translated: String,
    compiled: OnceLock<Regex>,
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.translated)
    }
}

impl Pattern {
    /// Takes an expression after trying it.
    pub fn parse(source: &str) -> Result<Self, PatternError> {
        Self::of(source, Classes::AsTheyAre, compile)
    }

    /// Takes an expression for texts in which any character may be: `.` is one of them, not one byte.
    pub fn for_text(source: &str) -> Result<Self, PatternError> {
        Self::of(source, Classes::OfAscii, |translated| build(translated, true))
    }

    fn of(
        source: &str,
        classes: Classes,
        compile: fn(&str) -> Result<Regex, regex::Error>,
    ) -> Result<Self, PatternError> {
        let fail = |reason: String| PatternError { reason };
        if source.len() > PATTERN_BYTES_MAX {
            return Err(fail(format!("it is longer than {PATTERN_BYTES_MAX} bytes")));
        }
        let pattern = Self { translated: translate(source, classes), compiled: OnceLock::new() };
        let compiled = compile(&pattern.translated).map_err(|error| {
            let reason = match &error {
                regex::Error::CompiledTooBig(_) => {
                    format!("it needs more than {COMPILED_BYTES_MAX} bytes; make its repetitions shorter")
                }
                error => last_line(&error.to_string()).to_owned(),
            };
            fail(match difference(source) {
                Some(difference) => format!("{reason}; {difference}"),
                None => reason,
            })
        })?;
        let _ = pattern.compiled.set(compiled);
        Ok(pattern)
    }

    /// Takes one of our own expressions, which a test compiles, and compiles it when it is needed: of a hundred,
    /// most images need ten.
    pub(crate) fn trusted(source: &str) -> Self {
        Self { translated: translate(source, Classes::AsTheyAre), compiled: OnceLock::new() }
    }

    /// Returns the compiled expression.
    pub(crate) fn regex(&self) -> &Regex {
        self.compiled.get_or_init(|| {
            compile(&self.translated)
                .expect("it was compiled in `parse`, or in a test of our own rules")
        })
    }

    /// Returns whether it is somewhere in a text.
    pub fn is_in(&self, text: &[u8]) -> bool {
        self.regex().is_match(text)
    }
}

fn compile(translated: &str) -> Result<Regex, regex::Error> {
    // In Go, \w, \d, \s and \b are about ASCII alone, and so it is faster. Characters beyond need the other way.
    build(translated, false).or_else(|_| build(translated, true))
}

fn build(translated: &str, is_unicode: bool) -> Result<Regex, regex::Error> {
    RegexBuilder::new(translated)
        .unicode(is_unicode)
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(CACHE_BYTES_MAX)
        .build()
}

/// What becomes of `\w` and the like, which are about ASCII in Go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Classes {
    /// Nothing: what they mean is up to how the expression is compiled.
    AsTheyAre,
    /// They are written out.
    OfAscii,
}

impl Classes {
    /// Returns what an escape is replaced by.
    fn replacement(self, letter: char, in_class: bool) -> Option<&'static str> {
        if self == Self::AsTheyAre {
            return None;
        }
        Some(match (letter, in_class) {
            ('d', false) => "[0-9]",
            ('d', true) => "0-9",
            ('D', _) => "[^0-9]",
            ('s', false) => "[\\t\\n\\f\\r ]",
            ('s', true) => "\\t\\n\\f\\r ",
            ('S', _) => "[^\\t\\n\\f\\r ]",
            ('w', false) => "[0-9A-Za-z_]",
            ('w', true) => "0-9A-Za-z_",
            ('W', _) => "[^0-9A-Za-z_]",
            ('b', false) => "(?-u:\\b)",
            ('B', false) => "(?-u:\\B)",
            _ => return None,
        })
    }
}

/// Returns the line of a message that says what is wrong, without the drawing above it.
fn last_line(message: &str) -> &str {
    let line = message.lines().rfind(|line| !line.trim().is_empty()).unwrap_or(message);
    line.trim().trim_start_matches("error: ")
}

/// Says which known difference is the likely reason that an expression can't be compiled.
fn difference(source: &str) -> Option<&'static str> {
    let has = |texts: &[&str]| texts.iter().any(|text| source.contains(text));
    if has(&["(?=", "(?!", "(?<=", "(?<!"]) {
        return Some("looking ahead and behind is neither in RE2 nor here");
    }
    if has(&["(?>", "*+", "++", "?+"]) {
        return Some("possessive and atomic groups are neither in RE2 nor here");
    }
    let escaped = |wanted: fn(u8) -> bool| {
        let bytes = source.as_bytes();
        let mut at = 0;
        while at + 1 < bytes.len() {
            if bytes[at] == b'\\' {
                if wanted(bytes[at + 1]) {
                    return true;
                }
                at += 1;
            }
            at += 1;
        }
        false
    };
    if escaped(|byte| matches!(byte, b'1'..=b'9')) {
        return Some(
            "references to groups are neither in RE2 nor here; write octal numbers as \\x{..}",
        );
    }
    if escaped(|byte| byte == b'0') {
        return Some("RE2 takes octal numbers (\\012), here they are \\x0a");
    }
    if escaped(|byte| byte == b'C') {
        return Some("RE2's \\C, any byte, is (?s-u:.) here");
    }
    if escaped(|byte| byte == b'Z') {
        return Some("the end is \\z, in RE2 too");
    }
    None
}

/// Escapes what Go takes as it is: braces that are no repetition, and brackets, `&&`, `--` and `~~` in classes. Replaces
/// `\Q…\E`, which is not known here, and `\<`, which is something else.
fn translate(source: &str, classes: Classes) -> String {
    let mut out = String::with_capacity(source.len() + 8);
    let mut rest = source;
    let mut in_class = false;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        if let Some(quoted) = rest.strip_prefix("\\Q") {
            let (text, end) = quoted.split_once("\\E").unwrap_or((quoted, ""));
            out.push_str(&regex::escape(text));
            rest = end;
        } else if c == '\\'
            && let Some(letter) = after.chars().next()
            && let Some(class) = classes.replacement(letter, in_class)
        {
            out.push_str(class);
            rest = &after[letter.len_utf8()..];
            if in_class {
                rest = dash_after_class(rest, &mut out);
            }
        } else if c == '\\' && after.starts_with(['<', '>']) {
            // Here these are the bounds of words.
            out.push_str(&after[..1]);
            rest = &after[1..];
        } else if c == '\\' {
            let length = escape_length(after);
            out.push_str(&rest[..=length]);
            rest = &after[length..];
            if in_class && after.starts_with(['d', 'D', 's', 'S', 'w', 'W', 'p', 'P']) {
                rest = dash_after_class(rest, &mut out);
            }
        } else if in_class {
            rest = translate_in_class(rest, &mut out, &mut in_class);
        } else if c == '[' {
            in_class = true;
            // A bracket right at the start of a class is a character of it.
            let start = ["[^]", "[]", "[^", "["].iter().find(|start| rest.starts_with(**start));
            let start = start.copied().unwrap_or("[");
            out.push_str(&start.replace(']', "\\]"));
            rest = &rest[start.len()..];
        } else if c == '{' && repetition(rest).is_none() {
            out.push_str("\\{");
            rest = after;
        } else if let Some(length) = repetition(rest) {
            out.push_str(&rest[..length]);
            rest = &rest[length..];
        } else {
            out.push(c);
            rest = after;
        }
    }
    out
}

/// Returns how long an escape is behind its backslash.
fn escape_length(after: &str) -> usize {
    let mut chars = after.chars();
    let length = chars.next().map_or(0, char::len_utf8);
    match after.as_bytes() {
        // \p{..} and \x{..} keep their braces, \pN its letter.
        [b'p' | b'P' | b'x', b'{', ..] => after.find('}').map_or(length, |end| end + 1),
        [b'p' | b'P', ..] => length + chars.next().map_or(0, char::len_utf8),
        _ => length,
    }
}

fn translate_in_class<'s>(rest: &'s str, out: &mut String, in_class: &mut bool) -> &'s str {
    if rest.starts_with("[:")
        && let Some(end) = rest.find(":]")
    {
        out.push_str(&rest[..end + 2]);
        return dash_after_class(&rest[end + 2..], out);
    }
    for (pair, escaped) in [("&&", "\\&\\&"), ("~~", "\\~\\~"), ("--", "\\-\\-")] {
        if let Some(after) = rest.strip_prefix(pair) {
            out.push_str(escaped);
            return after;
        }
    }
    let c = rest.chars().next().unwrap_or(']');
    match c {
        '[' => out.push_str("\\["),
        ']' => {
            *in_class = false;
            out.push(']');
        }
        c => out.push(c),
    }
    &rest[c.len_utf8()..]
}

/// A dash behind `\w` and the like is a character: a class begins no range.
fn dash_after_class<'s>(rest: &'s str, out: &mut String) -> &'s str {
    let Some(after) = rest.strip_prefix('-') else { return rest };
    out.push_str("\\-");
    after
}

/// Returns the length of a repetition in braces, `{2}`, `{2,}`, `{2,4}`, if there is one.
fn repetition(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('{')?;
    let end = inside.find('}')?;
    let (low, high) = inside[..end].split_once(',').unwrap_or((&inside[..end], ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (!low.is_empty() && digits(low) && digits(high)).then_some(end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gos_expressions_mean_the_same() {
        for (source, yes, no) in [
            ("a{2}b{1,}c{1,2}", "aabcc", "abc"),
            ("x{,3}", "x{,3}", "xxx"),
            ("\\$\\{[A-Z]+}", "${A}", "$A"),
            ("{{ *secret", "{{ secret", "{ secret"),
            ("a{b}", "a{b}", "ab"),
            ("^[[a]$", "[", "b"),
            ("^[a&&b]+$", "a&b", "c"),
            ("^[+--~~]{3}$", "+-~", "&&&"),
            ("^[]a]+$", "a]", "b"),
            ("^[^]a]$", "b", "]"),
            ("^[[:alpha:]]+$", "abc", "[:"),
            ("\\Qa.b*\\E+", "a.b**", "axb"),
            ("\\Qa.b", "a.b", "axb"),
            ("^\\w+$", "abc", "\u{e4}"),
            ("\\x{41}\\x42", "AB", "ab"),
            ("^(?i:ab)[\\]}]$", "AB}", "AB{"),
            ("^\\pL$", "\u{e4}", "1"),
            ("^[\u{e4}\u{f6}]$", "\u{f6}", "o"),
            ("^\\{{2}$", "{{", "{"),
            ("\\<a\\>", "<a>", "a"),
            ("[\\<x]y", "<y", "ay"),
            ("^[\\w-.]+$", "a-.b", "a/b"),
            ("^[\\w-z]$", "-", "`"),
            ("^[\\d-]+$", "1-2", "1/2"),
            ("^[[:digit:]-z]+$", "1-z", "1y"),
            ("^[\\pL-9]+$", "a-9", "a8"),
            ("^[a-c-e]+$", "a-e", "d"),
        ] {
            let pattern = Pattern::parse(source).unwrap();
            assert!(pattern.is_in(yes.as_bytes()), "{source} in {yes}: {pattern:?}");
            assert!(!pattern.is_in(no.as_bytes()), "{source} not in {no}: {pattern:?}");
        }
    }

    #[test]
    fn characters_of_texts_are_whole_and_classes_are_of_ascii() {
        for (source, yes, no) in [
            ("^.$", "\u{e4}", "\u{e4}\u{e4}"),
            ("^\\w+$", "abc_1", "\u{e4}"),
            ("^\\W$", "\u{e4}", "a"),
            ("^[\\w.]+$", "a.b", "\u{e4}"),
            ("^[^\\w]$", "\u{e4}", "a"),
            ("^[\\D]$", "a", "1"),
            ("^\\d$", "1", "\u{663}"),
            ("^[\\s]\\s\\S$", " \ta", " \u{a0}a"),
            ("a\\b", "a\u{e4}", "ab"),
            ("a\\B", "ab", "a\u{e4}"),
            ("\\\\w", "\\w", "a"),
            ("^second$", "second", "first\nsecond"),
            ("(?m)^second$", "first\nsecond\n", "a second"),
            ("first.second", "first second", "first\nsecond"),
            ("(?s)first.second", "first\nsecond", "firstsecond"),
            ("^\u{fffd}x$", "\u{fffd}x", "x"),
            ("^[\\w-z]$", "-", "`"),
            ("^[^\\W-]$", "a", "-"),
            ("\\<a\\>", "<a>", "a"),
        ] {
            let pattern = Pattern::for_text(source).unwrap();
            assert!(pattern.is_in(yes.as_bytes()), "{source} in {yes}: {pattern:?}");
            assert!(!pattern.is_in(no.as_bytes()), "{source} not in {no}: {pattern:?}");
        }
        for source in ["(", "(?=a)", "\\Z", "[b-a]", "a\\1"] {
            assert!(Pattern::for_text(source).is_err(), "{source}");
        }
    }

    #[test]
    fn what_can_not_be_compiled_says_why() {
        for (source, expected) in [
            ("(", "unclosed group"),
            ("[a", "unclosed character class"),
            ("a**", ""),
            ("*a", "repetition operator missing expression"),
            ("(?=a)", "looking ahead"),
            ("(?<!a)b", "looking ahead"),
            ("(a)\\1", "references to groups"),
            ("\\012", "octal"),
            ("a\\Z", "\\z"),
            ("\\C", "any byte"),
            ("(?:a{1000}){1000}", "repetitions"),
            ("\\", "incomplete escape"),
            ("[z-a]", "invalid character class range"),
        ] {
            match Pattern::parse(source) {
                Ok(_) => assert_eq!(expected, "", "{source}"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains(expected), "{source}: {text}");
                }
            }
        }
        let long = "a".repeat(PATTERN_BYTES_MAX + 1);
        assert!(Pattern::parse(&long).unwrap_err().to_string().contains("longer than"));
    }
}

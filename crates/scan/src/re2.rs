// SPDX-License-Identifier: Apache-2.0
//! Regular expressions as files of Go programs have them: RE2, which differs from ours in a few places.
//!
//! Expressions are read as Go reads them, and written for our library, so that they mean the same. What Go refuses because
//! it does not know it, and what can't be translated, is refused with a word about why. Both take time that is linear in
//! what they search.

mod translate;

use std::fmt;
use std::sync::OnceLock;

use regex::bytes::{Regex, RegexBuilder};

use translate::translate;

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
        Self::of(source, compile)
    }

    /// Takes an expression for texts in which any character may be: `.` is one of them, not one byte.
    pub fn for_text(source: &str) -> Result<Self, PatternError> {
        Self::of(source, |translated| build(translated, true))
    }

    fn of(
        source: &str,
        compile: fn(&str) -> Result<Regex, regex::Error>,
    ) -> Result<Self, PatternError> {
        if source.len() > PATTERN_BYTES_MAX {
            let reason = format!("it is longer than {PATTERN_BYTES_MAX} bytes");
            return Err(PatternError { reason });
        }
        let fail = |reason: String| {
            let reason = match difference(source) {
                Some(difference) => format!("{reason}; {difference}"),
                None => reason,
            };
            PatternError { reason }
        };
        let translated = translate(source).map_err(fail)?;
        let compiled = compile(&translated).map_err(|error| {
            fail(match &error {
                regex::Error::CompiledTooBig(_) => {
                    format!("it needs more than {COMPILED_BYTES_MAX} bytes; make its repetitions shorter")
                }
                error => last_line(&error.to_string()).to_owned(),
            })
        })?;
        Ok(Self { translated, compiled: OnceLock::from(compiled) })
    }

    /// Takes one of our own expressions, which a test compiles, and compiles it when it is needed: of a hundred,
    /// most images need ten.
    pub(crate) fn trusted(source: &str) -> Self {
        let translated = translate(source).expect("a test compiles all of our own rules");
        Self { translated, compiled: OnceLock::new() }
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
    // By bytes it is faster. Characters beyond ASCII in classes need the other way.
    build(translated, false).or_else(|_| build(translated, true))
}

fn build(translated: &str, is_unicode: bool) -> Result<Regex, regex::Error> {
    RegexBuilder::new(translated)
        .unicode(is_unicode)
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(CACHE_BYTES_MAX)
        .build()
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
    if escaped(|byte| byte == b'C') {
        return Some("RE2's \\C, any byte, is (?s-u:.) here");
    }
    if escaped(|byte| byte == b'Z') {
        return Some("the end is \\z, in RE2 too");
    }
    None
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
            ("^[+--]$", ",", "."),
            ("^[!--]+$", "#-", "."),
            ("^[--/]$", ".", ","),
            ("^[A-[]$", "Z", "]"),
            ("^[&-&&]$", "&", "-"),
            ("^[~~-~]$", "~", "-"),
            ("^[[:foo]$", ":", "b"),
            ("^[[.a.]]$", ".]", "."),
            ("^[a-]]$", "-]", "b]"),
            ("^[]-a]$", "^", "-"),
            ("^[^-a]$", "b", "-"),
            ("^[a\\-z]$", "-", "b"),
            ("^[[:^alpha:]]$", "1", "a"),
            ("^\\xe4[\\xe4]$", "\u{e4}\u{e4}", "a"),
            ("^\\s$", " ", "\u{b}"),
            ("^[\\s]$", " ", "\u{b}"),
            ("^[[:space:]]$", "\u{b}", "a"),
            ("^\\p{^L}$", "1", "a"),
            ("^\\P{^L}$", "a", "1"),
            ("^[\\p{^L}]$", "1", "a"),
            ("\\b{start}", "a{start}", "{start}"),
            ("^\\_\\#\\&\\~\\/\\-\\ $", "_#&~/- ", "_"),
            ("^\\07\\0\\141[\\141]\\1411$", "\u{7}\0aaa1", "a"),
            ("^(?P<a>x)(?<b>y)(?i-s:z)(?U)w+$", "xyZw", "xy"),
            ("^\\a\\f\\t\\n\\r\\v$", "\u{7}\u{c}\t\n\r\u{b}", "x"),
            ("^]}$", "]}", "]"),
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
            ("[a-\\d]", "no escape in RE2"),
            ("[a-[]", "invalid character class range"),
            ("^[a--]$", "invalid character class range"),
            ("[[:foo:]]", "no class [:foo:]"),
            ("[\\Qa\\E]", "no escape in RE2"),
            ("[\\b]", "no escape in RE2"),
            ("[]", "unclosed character class"),
            ("[^]", "unclosed character class"),
            ("[a-", "unclosed character class"),
            ("[a\\", "incomplete escape"),
            ("(?x)a b", "the flag x"),
            ("(?i-u:a)", "the flag u"),
            ("(?R)a", "the flag R"),
            ("(?#c)a", "unrecognized flag"),
            ("\\u0041", "\\u is no escape"),
            ("\\E", "\\E is no escape"),
            ("\\h", "\\h is no escape"),
            ("\\\u{e4}", "no escape"),
            ("\\8", "no escape"),
            ("\\x4", "\\x is no escape"),
            ("\\x{110000}", "no escape"),
            ("\\x{", "no escape"),
            ("\\x+1", "no escape"),
            ("\\p", "names no class"),
            ("\\p{Greek", "names no class"),
            ("\\p{sc=Greek}", "names no class"),
            ("\\p{Nobody}", "Unicode property"),
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

// SPDX-License-Identifier: Apache-2.0
//! Alpine's package versions and the order that apk 3 has over them (apk-package(5)).
//!
//! A version is `number{.number}…{letter}{_suffix{number}}…{~hash}{-r#}`.

use std::cmp::Ordering;
use std::fmt;

/// The longest version text that is accepted, in bytes; the longest in Alpine has about 40.
pub const VERSION_BYTES_MAX: usize = 512;

/// A version, borrowing its text.
///
/// Comparing is apk's order: `01.2` and `1.2` are equal although their texts differ.
#[derive(Debug, Clone, Copy)]
pub struct VersionRef<'t> {
    text: &'t str,
}

/// Why a text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// There is no text.
    #[error("version is empty")]
    Empty,
    /// The text is longer than [`VERSION_BYTES_MAX`].
    #[error("version has {0} bytes, more than {VERSION_BYTES_MAX}")]
    TooLong(usize),
    /// It does not begin with a digit.
    #[error("version {0:?} does not begin with a digit")]
    Start(String),
    /// A part is incomplete, unknown, or may not stand where it does.
    #[error("version {text:?} can't be read from {rest:?} on")]
    Part {
        /// The whole text.
        text: String,
        /// What could not be read.
        rest: String,
    },
}

impl<'t> VersionRef<'t> {
    /// Parses a version with apk's rules.
    pub fn parse(text: &'t str) -> Result<Self, VersionError> {
        if text.is_empty() {
            return Err(VersionError::Empty);
        }
        if text.len() > VERSION_BYTES_MAX {
            return Err(VersionError::TooLong(text.len()));
        }
        if !text.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(VersionError::Start(text.to_owned()));
        }
        let mut parts = Parts::new(text);
        loop {
            match parts.next_part() {
                Some(Part::End) => return Ok(Self { text }),
                Some(_) => {}
                None => {
                    let rest = parts.rest.to_owned();
                    return Err(VersionError::Part { text: text.to_owned(), rest });
                }
            }
        }
    }

    /// Takes the version of a package, or one that a package provides, from an index. apk does not
    /// check those, and old releases have some that are not valid, as `6.8.0p2-r4`. Such a version
    /// counts up to its first part that can't be read, and what follows is older than nothing.
    pub fn of_package(text: &'t str) -> Result<Self, VersionError> {
        match text.len() {
            0 => Err(VersionError::Empty),
            1..=VERSION_BYTES_MAX => Ok(Self { text }),
            length => Err(VersionError::TooLong(length)),
        }
    }

    /// Returns the text it was parsed from.
    pub fn as_str(&self) -> &'t str {
        self.text
    }

    /// Compares as `~` does: a version that goes on where `wanted` ends is equal to it. So `3.6.9`
    /// and `3.6_pre1` are `~3.6`, and `3.16` is not.
    pub fn compare_fuzzy(&self, wanted: &VersionRef<'_>) -> Ordering {
        self.compare(wanted, true)
    }

    fn compare(&self, other: &VersionRef<'_>, fuzzy: bool) -> Ordering {
        let (mut left, mut right) = (Parts::new(self.text), Parts::new(other.text));
        loop {
            let left = left.next_part().unwrap_or(Part::Unreadable);
            let right = right.next_part().unwrap_or(Part::Unreadable);
            match left.cmp(&right) {
                _ if fuzzy && right == Part::End => return Ordering::Equal,
                Ordering::Equal if matches!(right, Part::End | Part::Unreadable) => {
                    return Ordering::Equal;
                }
                Ordering::Equal => {}
                unequal => return unequal,
            }
        }
    }
}

impl Ord for VersionRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.compare(other, false)
    }
}

impl PartialOrd for VersionRef<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for VersionRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for VersionRef<'_> {}

impl fmt::Display for VersionRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)
    }
}

/// One part of a version. The order of the variants is the order of versions that are equal up to
/// this part: one that goes on is newer, unless it goes on as a pre-release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'t> {
    /// `_alpha`
    Before(Before),
    /// Not a part, or in the wrong place; only versions that were not checked have it.
    Unreadable,
    /// Nothing more.
    End,
    /// `-r1`
    Revision(Number<'t>),
    /// `~0a1b`, compared as text.
    Hash(&'t str),
    /// The number of a suffix, the `1` of `_rc1`.
    SuffixNumber(Number<'t>),
    /// `_p`
    After(After),
    /// The letter after the numbers.
    Letter(u8),
    /// A number after a dot.
    Digits(Digits<'t>),
    /// The number at the beginning.
    First(Number<'t>),
}

/// Suffixes of what comes before the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Before {
    Alpha,
    Beta,
    Pre,
    Rc,
}

/// Suffixes of what comes after the version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum After {
    Cvs,
    Svn,
    Git,
    Hg,
    P,
}

/// Digits that are compared as a number of any length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Number<'t>(&'t str);

impl<'t> Number<'t> {
    fn new(digits: &'t str) -> Self {
        Self(digits.trim_start_matches('0'))
    }
}

impl Ord for Number<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(other.0))
    }
}

impl PartialOrd for Number<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Digits after a dot: compared as a number, but as text if one of the two begins with a zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Digits<'t>(&'t str);

impl Ord for Digits<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.0.starts_with('0') || other.0.starts_with('0') {
            self.0.cmp(other.0)
        } else {
            Number(self.0).cmp(&Number(other.0))
        }
    }
}

impl PartialOrd for Digits<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Where in a version the reader is; says what may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Start,
    Number,
    Letter,
    Suffix,
    SuffixNumber,
    Hash,
    Revision,
}

/// Reads a version part by part.
struct Parts<'t> {
    place: Place,
    rest: &'t str,
}

impl<'t> Parts<'t> {
    fn new(text: &'t str) -> Self {
        Self { place: Place::Start, rest: text }
    }

    /// The next part; [`Part::End`] at the end again and again. None if it is not a part or stands
    /// in the wrong place; `rest` then begins with it.
    fn next_part(&mut self) -> Option<Part<'t>> {
        let (place, part, rest) = self.read()?;
        (self.place, self.rest) = (place, rest);
        Some(part)
    }

    fn read(&self) -> Option<(Place, Part<'t>, &'t str)> {
        let (place, text) = (self.place, self.rest);
        let Some(first) = text.bytes().next() else { return Some((place, Part::End, text)) };
        match first {
            b'0'..=b'9' if place == Place::Start => {
                let (digits, rest) = take(text, u8::is_ascii_digit)?;
                Some((Place::Number, Part::First(Number::new(digits)), rest))
            }
            b'0'..=b'9' if place == Place::Suffix => {
                let (digits, rest) = take(text, u8::is_ascii_digit)?;
                Some((Place::SuffixNumber, Part::SuffixNumber(Number::new(digits)), rest))
            }
            b'.' if place == Place::Number => {
                let (digits, rest) = take(&text[1..], u8::is_ascii_digit)?;
                Some((Place::Number, Part::Digits(Digits(digits)), rest))
            }
            b'a'..=b'z' if place == Place::Number => {
                Some((Place::Letter, Part::Letter(first), &text[1..]))
            }
            b'_' if (Place::Number..=Place::SuffixNumber).contains(&place) => {
                let (word, rest) = take(&text[1..], u8::is_ascii_lowercase)?;
                Some((Place::Suffix, suffix(word)?, rest))
            }
            b'~' if (Place::Number..=Place::SuffixNumber).contains(&place) => {
                let hexadecimal = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                let (hash, rest) = take(&text[1..], hexadecimal)?;
                Some((Place::Hash, Part::Hash(hash), rest))
            }
            b'-' if (Place::Number..=Place::Hash).contains(&place) => {
                let (digits, rest) = take(text.strip_prefix("-r")?, u8::is_ascii_digit)?;
                Some((Place::Revision, Part::Revision(Number::new(digits)), rest))
            }
            _ => None,
        }
    }
}

/// Splits the leading bytes that are wanted from the rest; None if there are none.
fn take(text: &str, wanted: impl Fn(&u8) -> bool) -> Option<(&str, &str)> {
    let end = text.bytes().take_while(wanted).count();
    (end > 0).then(|| text.split_at(end))
}

fn suffix(word: &str) -> Option<Part<'static>> {
    Some(match word {
        "alpha" => Part::Before(Before::Alpha),
        "beta" => Part::Before(Before::Beta),
        "pre" => Part::Before(Before::Pre),
        "rc" => Part::Before(Before::Rc),
        "cvs" => Part::After(After::Cvs),
        "svn" => Part::After(After::Svn),
        "git" => Part::After(After::Git),
        "hg" => Part::After(After::Hg),
        "p" => Part::After(After::P),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;

    fn compare(left: &str, right: &str) -> Ordering {
        VersionRef::parse(left).unwrap().cmp(&VersionRef::parse(right).unwrap())
    }

    #[test]
    fn order_is_apks() {
        // Each line is in strictly ascending order.
        for line in [
            "0 0.1 0.9 0.10 1_alpha 1_alpha1 1_beta 1_pre2 1_rc 1_rc1 1 1-r0 1-r1 1-r10 1~0a 1_cvs",
            "1 1_cvs 1_svn 1_git 1_hg 1_p 1_p1 1_p10 1a 1b 1.0 1.00 1.01 1.1 1.2 1.10",
            "1.2_p1_pre2 1.2_p1 1.2_p1-r3 1.2_p1_git20240101",
            "1.2~0 1.2~00 1.2~0a 1.2~a 1.2~a-r0",
            "8.2.0015 8.2.002 8.2.1 8.2.2 8.2.10",
            "9999999999999999999998 9999999999999999999999 10000000000000000000000",
        ] {
            let versions: Vec<&str> = line.split(' ').collect();
            for (position, left) in versions.iter().enumerate() {
                for (other, right) in versions.iter().enumerate() {
                    assert_eq!(compare(left, right), position.cmp(&other), "{left} {right}");
                }
            }
        }
    }

    #[test]
    fn different_texts_can_be_equal() {
        for (left, right) in [("01.2", "1.2"), ("1-r1", "1-r01"), ("1_p0", "1_p00")] {
            assert_eq!(compare(left, right), Ordering::Equal, "{left} {right}");
        }
    }

    #[test]
    fn invalid_versions_of_packages_have_a_place() {
        let package = |text| VersionRef::of_package(text).unwrap();
        for line in
            ["6.8.0_rc1 6.8.0p2-r4 6.8.0p 6.8.0p-r1 6.8.1", "v2.4 1 2", "5.3.0_ 5.3.0 5.3.0_p"]
        {
            let versions: Vec<&str> = line.split(' ').collect();
            for (position, left) in versions.iter().enumerate() {
                for (other, right) in versions.iter().enumerate() {
                    let order = package(left).cmp(&package(right));
                    assert_eq!(order, position.cmp(&other), "{left} {right}");
                }
            }
        }
        assert_eq!(package("6.8.0p2-r4"), package("6.8.0p3-r1"));
        assert_eq!(package("v2.4").compare_fuzzy(&package("2")), Ordering::Less);
        assert_eq!(VersionRef::of_package(""), Err(VersionError::Empty));
        assert!(VersionRef::of_package(&"1".repeat(VERSION_BYTES_MAX + 1)).is_err());
    }

    #[test]
    fn fuzzy_is_a_prefix_of_parts() {
        for (version, wanted, order) in [
            ("3.6.9-r1", "3.6", Ordering::Equal),
            ("3.6_pre1", "3.6", Ordering::Equal),
            ("3.6", "3.6", Ordering::Equal),
            ("3.6", "3.6.0", Ordering::Less),
            ("3.16", "3.1", Ordering::Greater),
            ("3.5", "3.6", Ordering::Less),
            ("3.7", "3.6", Ordering::Greater),
            ("1.2~abc", "1.2~ab", Ordering::Greater),
        ] {
            let wanted_version = VersionRef::parse(wanted).unwrap();
            let got = VersionRef::parse(version).unwrap().compare_fuzzy(&wanted_version);
            assert_eq!(got, order, "{version} ~ {wanted}");
        }
    }

    #[test]
    fn bad_versions_are_refused() {
        let long = "1".repeat(VERSION_BYTES_MAX + 1);
        for (text, wanted) in [
            ("", "version is empty"),
            ("a", "version \"a\" does not begin with a digit"),
            (".1", "version \".1\" does not begin with a digit"),
            ("٣", "version \"٣\" does not begin with a digit"),
            ("1..2", "version \"1..2\" can't be read from \"..2\" on"),
            ("1.", "version \"1.\" can't be read from \".\" on"),
            ("1.2bc", "version \"1.2bc\" can't be read from \"c\" on"),
            ("1A", "version \"1A\" can't be read from \"A\" on"),
            ("1.٣", "version \"1.٣\" can't be read from \".٣\" on"),
            ("1_", "version \"1_\" can't be read from \"_\" on"),
            ("1_foo", "version \"1_foo\" can't be read from \"_foo\" on"),
            ("1_p1.2", "version \"1_p1.2\" can't be read from \".2\" on"),
            ("1~", "version \"1~\" can't be read from \"~\" on"),
            ("1~ABC", "version \"1~ABC\" can't be read from \"~ABC\" on"),
            ("1~a_p", "version \"1~a_p\" can't be read from \"_p\" on"),
            ("1-r", "version \"1-r\" can't be read from \"-r\" on"),
            ("1-1", "version \"1-1\" can't be read from \"-1\" on"),
            ("1-r1-r2", "version \"1-r1-r2\" can't be read from \"-r2\" on"),
            ("1/2", "version \"1/2\" can't be read from \"/2\" on"),
            ("1 ", "version \"1 \" can't be read from \" \" on"),
            (&long, "version has 513 bytes, more than 512"),
        ] {
            assert_eq!(VersionRef::parse(text).unwrap_err().to_string(), wanted, "{text}");
        }
    }

    fn shared(path: &str) -> Option<PathBuf> {
        let root = std::env::var_os("HARDPAN_SHARED").map_or_else(
            || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared"),
            PathBuf::from,
        );
        let path = root.join(path);
        path.is_file().then_some(path)
    }

    /// Returns whether a line of apk's own vectors holds, and whether it says something of order.
    fn check_vector(line: &str) -> Option<bool> {
        match *line.split_whitespace().collect::<Vec<_>>() {
            [] => None,
            [text] => {
                let (valid, text) = text.strip_prefix('!').map_or((true, text), |t| (false, t));
                assert_eq!(VersionRef::parse(text).is_ok(), valid, "{line}");
                Some(false)
            }
            [left, operator, right] => {
                let (negated, operator) =
                    operator.strip_prefix('!').map_or((false, operator), |rest| (true, rest));
                let (left, right) =
                    (VersionRef::of_package(left).unwrap(), VersionRef::of_package(right).unwrap());
                let fuzzy = operator.contains('~');
                let order = if fuzzy { left.compare_fuzzy(&right) } else { left.cmp(&right) };
                let holds = match order {
                    Ordering::Less => operator.contains('<'),
                    Ordering::Equal => operator.contains(['=', '~']),
                    Ordering::Greater => operator.contains('>'),
                };
                assert_eq!(holds, !negated, "{line}");
                Some(true)
            }
            _ => panic!("not a vector: {line}"),
        }
    }

    #[test]
    fn vectors_of_apk_hold() {
        let Some(path) = shared("alpine/version.data") else {
            println!("skipped: apk's vectors because alpine/version.data is not there");
            return;
        };
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or(""));
        let kinds: Vec<bool> = lines.filter_map(check_vector).collect();
        let compared = kinds.iter().filter(|compared| **compared).count();
        assert!(compared >= 738, "{compared} of {} vectors compare", kinds.len());
    }

    /// Valid versions with all kinds of parts, from few values so that equal parts are common.
    fn version() -> impl Strategy<Value = String> {
        "(0|00|1|01|9|10)(\\.(0|00|01|1|2|10)){0,3}[ab]?(_(alpha|rc|git|p)(0|1|10)?){0,2}(~[0a]{1,2})?(-r(0|1|10))?"
    }

    fn version_or_not() -> impl Strategy<Value = String> {
        prop_oneof![3 => version().boxed(), 1 => "[0-2a_.~r-]{1,6}".boxed()]
    }

    proptest! {
        #[test]
        fn order_laws(
            a in version_or_not(), b in version_or_not(), c in version_or_not()
        ) {
            let compare = |left: &str, right: &str| {
                let left = VersionRef::of_package(left).unwrap();
                left.cmp(&VersionRef::of_package(right).unwrap())
            };
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
            let mut sorted = [&a, &b, &c];
            sorted.sort_by(|x, y| compare(x, y));
            prop_assert_ne!(compare(sorted[0], sorted[1]), Ordering::Greater);
            prop_assert_ne!(compare(sorted[1], sorted[2]), Ordering::Greater);
            prop_assert_ne!(compare(sorted[0], sorted[2]), Ordering::Greater);
        }

        #[test]
        fn equal_is_fuzzily_equal(a in version(), b in version()) {
            let (left, right) = (VersionRef::parse(&a).unwrap(), VersionRef::parse(&b).unwrap());
            let fuzzy = left.compare_fuzzy(&right);
            prop_assert!(fuzzy == Ordering::Equal || fuzzy == left.cmp(&right));
            prop_assert!(left != right || fuzzy == Ordering::Equal);
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC{0,12}|[0-9a-z._~r-]{0,12}") {
            if let Ok(version) = VersionRef::parse(&text) {
                prop_assert_eq!(version.as_str(), text.as_str());
                prop_assert_eq!(version.cmp(&version), Ordering::Equal);
            }
        }
    }
}

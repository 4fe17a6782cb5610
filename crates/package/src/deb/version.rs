// SPDX-License-Identifier: Apache-2.0
//! Debian package versions and dpkg's order over them (deb-version(7)).

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest version text that is accepted, in bytes; the longest in Debian has about 60.
pub const VERSION_BYTES_MAX: usize = 512;

/// A version, split into epoch, upstream version and revision, borrowing its text.
///
/// Comparing is dpkg's order: `1.0` and `1.00` are equal although their texts differ.
#[derive(Debug, Clone, Copy)]
pub struct VersionRef<'t> {
    text: &'t str,
    epoch: u32,
    upstream: &'t str,
    revision: &'t str,
}

/// An owned [`VersionRef`].
#[derive(Clone)]
pub struct Version {
    text: String,
    epoch: u32,
    upstream_start: usize,
    upstream_end: usize,
}

/// Why a text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VersionError {
    /// There is no text, or none after the epoch or before the revision.
    #[error("version {0:?} is empty or has an empty part")]
    Empty(String),
    /// The text is longer than [`VERSION_BYTES_MAX`].
    #[error("version has {0} bytes, more than {VERSION_BYTES_MAX}")]
    TooLong(usize),
    /// What stands before the first colon is not a number from 0 to 2147483647.
    #[error("epoch of version {0:?} is not a number")]
    Epoch(String),
    /// The upstream version does not start with a digit.
    #[error("version {0:?} does not start with a digit")]
    Start(String),
    /// A character that may not stand in a version.
    #[error("version {text:?} has the character {character:?}, which is not allowed there")]
    Character {
        /// The whole text.
        text: String,
        /// The first character that is not allowed.
        character: char,
    },
}

impl<'t> VersionRef<'t> {
    /// Parses a version with dpkg's rules.
    pub fn parse(text: &'t str) -> Result<Self, VersionError> {
        if text.len() > VERSION_BYTES_MAX {
            return Err(VersionError::TooLong(text.len()));
        }
        let (epoch, rest) = match text.split_once(':') {
            None => (0, text),
            Some((digits, rest)) => {
                let epoch = parse_epoch(digits).ok_or_else(|| VersionError::Epoch(text.into()))?;
                (epoch, rest)
            }
        };
        let (upstream, revision) = match rest.rsplit_once('-') {
            None => (rest, ""),
            // dpkg refuses `1.0-`: a hyphen promises a revision.
            Some((_, "")) => return Err(VersionError::Empty(text.into())),
            Some(parts) => parts,
        };
        if upstream.is_empty() {
            return Err(VersionError::Empty(text.into()));
        }
        check_characters(text, upstream, b".+-~:")?;
        check_characters(text, revision, b".+~")?;
        if !upstream.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(VersionError::Start(text.into()));
        }
        Ok(Self { text, epoch, upstream, revision })
    }

    /// Returns the text it was parsed from.
    pub fn as_str(&self) -> &'t str {
        self.text
    }

    /// Returns the epoch; 0 if none is written.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Returns the upstream version.
    pub fn upstream(&self) -> &'t str {
        self.upstream
    }

    /// Returns the Debian revision; empty if none is written.
    pub fn revision(&self) -> &'t str {
        self.revision
    }

    /// Returns an owned copy.
    pub fn to_owned(&self) -> Version {
        let upstream_start = match self.text.split_once(':') {
            Some((digits, _)) => digits.len() + 1,
            None => 0,
        };
        Version {
            text: self.text.to_owned(),
            epoch: self.epoch,
            upstream_start,
            upstream_end: upstream_start + self.upstream.len(),
        }
    }
}

fn parse_epoch(digits: &str) -> Option<u32> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // dpkg keeps epochs in a C int.
    digits.parse().ok().filter(|&epoch: &u32| i32::try_from(epoch).is_ok())
}

fn check_characters(text: &str, part: &str, others: &[u8]) -> Result<(), VersionError> {
    let allowed = |c: &char| {
        c.is_ascii_alphanumeric() || u8::try_from(*c).is_ok_and(|byte| others.contains(&byte))
    };
    match part.chars().find(|c| !allowed(c)) {
        None => Ok(()),
        Some(character) => Err(VersionError::Character { text: text.into(), character }),
    }
}

impl Ord for VersionRef<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare_parts(self.upstream.as_bytes(), other.upstream.as_bytes()))
            .then_with(|| compare_parts(self.revision.as_bytes(), other.revision.as_bytes()))
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

impl Version {
    /// Returns the borrowed form, in which all the rest is done.
    pub fn as_ref(&self) -> VersionRef<'_> {
        VersionRef {
            text: &self.text,
            epoch: self.epoch,
            upstream: &self.text[self.upstream_start..self.upstream_end],
            revision: self.text.get(self.upstream_end + 1..).unwrap_or(""),
        }
    }

    /// Returns the text it was parsed from.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        VersionRef::parse(text).map(|version| version.to_owned())
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_ref().cmp(&other.as_ref())
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Version({})", self.text)
    }
}

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Compares two upstream versions or two revisions: dpkg's `verrevcmp`
/// (Debian policy 5.6.12, "the sorting algorithm").
fn compare_parts(left: &[u8], right: &[u8]) -> Ordering {
    let (mut left, mut right) = (left, right);
    while !left.is_empty() || !right.is_empty() {
        // A run of non-digits, compared by weight; its end weighs 0 like a digit.
        while starts_other(left) || starts_other(right) {
            let order = weight(left).cmp(&weight(right));
            if order != Ordering::Equal {
                return order;
            }
            // Equal weights other than 0 mean that both have a character here.
            (left, right) = (&left[1..], &right[1..]);
        }
        // A run of digits, compared as a number of any length.
        let (left_number, left_rest) = split_number(left);
        let (right_number, right_rest) = split_number(right);
        let order =
            left_number.len().cmp(&right_number.len()).then_with(|| left_number.cmp(right_number));
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    Ordering::Equal
}

fn starts_other(text: &[u8]) -> bool {
    text.first().is_some_and(|byte| !byte.is_ascii_digit())
}

/// The weight of the first character: `~` before the end, the end before letters, letters before
/// all others.
fn weight(text: &[u8]) -> i32 {
    match text.first() {
        None | Some(b'0'..=b'9') => 0,
        Some(b'~') => -1,
        Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
        Some(byte) => i32::from(*byte) + 256,
    }
}

/// Splits the leading digits, without leading zeros, from the rest.
fn split_number(text: &[u8]) -> (&[u8], &[u8]) {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    let zeros = number.iter().take_while(|byte| **byte == b'0').count();
    (&number[zeros..], rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compare(left: &str, right: &str) -> Ordering {
        VersionRef::parse(left).unwrap().cmp(&VersionRef::parse(right).unwrap())
    }

    #[test]
    fn order_is_dpkgs() {
        // Each line is in strictly ascending order.
        for line in [
            "0~~ 0~ 0 0.0.9 0.1 0.9 0.10 1.0~rc1 1.0 1.0-1 1.0-1+b1 1.0-2 1.0+git 1:0.1 2:0",
            "1.0~beta1~svc1245-1 1.0~beta1-1 1.0-1",
            "1.2.3-1~deb13u1 1.2.3-1 1.2.3-1+deb13u1 1.2.3-1.1",
            "1 1a 1aa 1b 1z 1+ 1.",
            "2.41-12 2.41-12+deb13u1 2.41-12+deb13u4 2.41-13",
            "9999999999999999999998 9999999999999999999999 10000000000000000000000",
            "1.4-2-3 1.4-10-1 1.4.5",
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
        for (left, right) in [
            ("1.0", "1.00"),
            ("0:1.0", "1.0"),
            ("1.0", "1.0-0"),
            ("1.0-1", "1.0-01"),
            ("1a", "1a0"),
        ] {
            assert_eq!(compare(left, right), Ordering::Equal, "{left} {right}");
        }
    }

    #[test]
    fn parts_are_split_as_dpkg_does() {
        for (text, epoch, upstream, revision) in [
            ("1", 0, "1", ""),
            ("1:2-3", 1, "2", "3"),
            ("2147483647:1.0-2-3", 2_147_483_647, "1.0-2", "3"),
            ("1:2:3-4", 1, "2:3", "4"),
            ("007:1", 7, "1", ""),
        ] {
            let version = VersionRef::parse(text).unwrap();
            assert_eq!(
                (version.epoch(), version.upstream(), version.revision()),
                (epoch, upstream, revision)
            );
            let owned: Version = text.parse().unwrap();
            let again = owned.as_ref();
            assert_eq!((again.upstream(), again.revision()), (upstream, revision));
            assert_eq!(owned.to_string(), text);
        }
    }

    #[test]
    fn bad_versions_are_refused() {
        for text in [
            "",
            ":",
            "1:",
            ":1",
            "a:1",
            "-1:1",
            "+1:1",
            "2147483648:1",
            "99999999999:1",
            "1-",
            "-1",
            "1:-1",
            "a",
            "~1",
            "1 0",
            "1_0",
            "1.0-1_2",
            "1.0\n",
            "1é",
            "1/2",
            " 1",
            "1 ",
            "1\0",
        ] {
            assert!(VersionRef::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(
            VersionRef::parse(&"1".repeat(VERSION_BYTES_MAX + 1)),
            Err(VersionError::TooLong(VERSION_BYTES_MAX + 1))
        );
    }

    fn version() -> impl Strategy<Value = String> {
        "([0-9]{1,2}:)?[0-9][0-9a-cA.+~]{0,6}(-[0-9a-c.+~]{1,3})?"
    }

    proptest! {
        #[test]
        fn order_laws(a in version(), b in version(), c in version()) {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
            let mut sorted = [&a, &b, &c];
            sorted.sort_by(|x, y| compare(x, y));
            prop_assert_ne!(compare(sorted[0], sorted[2]), Ordering::Greater);
        }

        #[test]
        fn agrees_with_another_implementation(a in version(), b in version()) {
            let left: debversion::Version = a.parse().unwrap();
            let right: debversion::Version = b.parse().unwrap();
            prop_assert_eq!(compare(&a, &b), left.cmp(&right), "{} {}", a, b);
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC{0,12}") {
            if let Ok(version) = VersionRef::parse(&text) {
                let owned = version.to_owned();
                prop_assert_eq!(owned.as_ref(), version);
            }
        }
    }
}

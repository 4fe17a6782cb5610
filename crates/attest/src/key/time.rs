// SPDX-License-Identifier: Apache-2.0
//! Points in time, as keyrings have them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A second in UTC, written `2027-01-31T00:00:00Z` and in no other way, so that texts sort like times.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UtcTime(String);

/// A text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a time (expected one like 2027-01-31T00:00:00Z, in UTC): {0:?}")]
pub struct UtcTimeError(pub String);

impl UtcTime {
    /// Takes seconds since 1970.
    pub fn of_seconds(seconds: i64) -> Self {
        Self(hardpan_image::rfc3339(seconds))
    }
}

impl FromStr for UtcTime {
    type Err = UtcTimeError;

    fn from_str(text: &str) -> Result<Self, UtcTimeError> {
        const FORM: &[u8; 20] = b"0000-00-00T00:00:00Z";
        let number =
            |from: usize| text.get(from..from + 2).and_then(|text| text.parse::<u8>().ok());
        let is_form = text.len() == FORM.len()
            && text.bytes().zip(FORM).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                _ => byte == *form,
            });
        // A day too many, such as 31 April, still sorts where it should.
        let is_time = is_form
            && number(5).is_some_and(|month| (1..=12).contains(&month))
            && number(8).is_some_and(|day| (1..=31).contains(&day))
            && number(11).is_some_and(|hour| hour < 24)
            && number(14).is_some_and(|minute| minute < 60)
            && number(17).is_some_and(|second| second < 60);
        if is_time {
            Ok(Self(text.to_owned()))
        } else {
            Err(UtcTimeError(text.chars().take(100).collect()))
        }
    }
}

impl TryFrom<String> for UtcTime {
    type Error = UtcTimeError;

    fn try_from(text: String) -> Result<Self, UtcTimeError> {
        text.parse()
    }
}

impl From<UtcTime> for String {
    fn from(time: UtcTime) -> Self {
        time.0
    }
}

impl fmt::Display for UtcTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_sort_like_times() {
        let time: UtcTime = "2027-01-31T00:00:00Z".parse().unwrap();
        assert_eq!(UtcTime::of_seconds(1_801_353_600), time);
        assert!(UtcTime::of_seconds(1_801_353_599) < time);
        assert!(UtcTime::of_seconds(253_402_300_799) > time);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "2027-01-31",
            "2027-01-31T00:00:00",
            "2027-01-31T00:00:00+01:00",
            "2027-01-31 00:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-00-01T00:00:00Z",
            "2027-01-32T00:00:00Z",
            "2027-01-01T24:00:00Z",
            "2027-01-01T00:60:00Z",
            "2027-01-01T00:00:60Z",
            "+027-01-01T00:00:00Z",
            "2027-01-01T00:00:00Zz",
            "2027-01-01T00:00:00\u{e9}",
        ] {
            assert!(text.parse::<UtcTime>().is_err(), "{text:?}");
        }
    }
}

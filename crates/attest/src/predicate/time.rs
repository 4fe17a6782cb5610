// SPDX-License-Identifier: Apache-2.0
//! Times in predicates.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The last second that the type below can hold, in whatever time zone: 9999-12-30T22:00:00Z.
const SECONDS_MAX: i64 = 253_402_207_200;
/// The longest text that is read as a time, in bytes: with nanoseconds and an offset it has 35.
const TEXT_BYTES_MAX: usize = 64;

/// A moment, written as RFC 3339 in UTC. Never before 1970 and never after 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(jiff::Timestamp);

/// Why a text is not a [`Time`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a time of RFC 3339 between 1970 and 9999: {0:?}")]
pub struct TimeError(pub String);

impl Time {
    /// The beginning of 1970, which stands for "not known, and older than everything".
    pub const EPOCH: Self = Self(jiff::Timestamp::UNIX_EPOCH);

    /// Takes seconds since the epoch. What can't be written becomes the nearest time that can.
    pub fn from_seconds(seconds: i64) -> Self {
        let seconds = seconds.clamp(0, SECONDS_MAX);
        // The bounds are inside of what a timestamp can hold.
        Self(jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
    }

    /// Returns the day, in UTC.
    pub fn day(self) -> jiff::civil::Date {
        jiff::tz::Offset::UTC.to_datetime(self.0).date()
    }

    /// Returns whole seconds since the epoch.
    pub fn as_seconds(self) -> i64 {
        self.0.as_second()
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Time {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let error = || TimeError(text.chars().take(TEXT_BYTES_MAX).collect());
        if text.len() > TEXT_BYTES_MAX {
            return Err(error());
        }
        let time: jiff::Timestamp = text.parse().map_err(|_| error())?;
        if !(0..=SECONDS_MAX).contains(&time.as_second()) || time < jiff::Timestamp::UNIX_EPOCH {
            return Err(error());
        }
        Ok(Self(time))
    }
}

impl Serialize for Time {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        for (text, expected) in [
            ("2026-11-26T17:00:00Z", "2026-11-26T17:00:00Z"),
            ("2022-12-22T16:36:43-05:00", "2022-12-22T21:36:43Z"),
            ("2023-07-17T18:28:47.696004345-06:00", "2023-07-18T00:28:47.696004345Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
            ("9999-12-30T22:00:00Z", "9999-12-30T22:00:00Z"),
        ] {
            assert_eq!(text.parse::<Time>().unwrap().to_string(), expected);
        }
        assert_eq!(Time::from_seconds(i64::MAX).to_string(), "9999-12-30T22:00:00Z");
        assert_eq!(Time::from_seconds(-5), Time::EPOCH);
        assert_eq!(Time::from_seconds(1_700_000_000).as_seconds(), 1_700_000_000);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let long = format!("2026-01-01T00:00:00.{}Z", "0".repeat(100));
        for text in [
            "",
            "yesterday",
            "2026-11-26",
            "2026-11-26T17:00:00",
            "2026-13-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
            "1969-12-31T23:59:59.5Z",
            "-009999-01-02T01:59:59Z",
            "0000-01-01T00:00:00Z",
            "9999-12-30T22:00:01Z",
            long.as_str(),
        ] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }
}

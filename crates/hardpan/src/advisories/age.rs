// SPDX-License-Identifier: Apache-2.0
//! How old data is.

use hardpan_attest::predicate::Time;
use hardpan_scan::advisory::{Advisories, Source};
use serde::Serialize;

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;
/// How long after now data may be of: clocks differ, and a date without a time is a day somewhere.
const AHEAD_SECONDS_MAX: i64 = SECONDS_PER_DAY;

/// A source, and how old its data is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SourceAge {
    /// Its name: `debian-tracker`.
    pub name: String,
    /// How many records it gave.
    pub records: u32,
    /// When the data was made, RFC 3339, if anybody said so.
    pub time: Option<String>,
    /// How many whole days ago that was; nothing where that is in the future, too.
    pub age_days: Option<u64>,
    /// Whether the data is of the future, so that nobody knows how old it is.
    pub is_future: bool,
}

/// Returns the sources in the order of their names, with their ages at a time in seconds since 1970.
pub fn source_ages(advisories: &impl Advisories, now_seconds: i64) -> Vec<SourceAge> {
    let mut sources = advisories.sources();
    sources.sort_by(|one, other| one.name.cmp(&other.name));
    sources.into_iter().map(|source| age(source, now_seconds)).collect()
}

fn age(source: Source<'_>, now_seconds: i64) -> SourceAge {
    let is_future = source.time.is_some_and(|time| is_future(time, now_seconds));
    let age_days = source.time.filter(|_| !is_future).map(|time| {
        let days = now_seconds.saturating_sub(time).max(0) / SECONDS_PER_DAY;
        days.unsigned_abs()
    });
    SourceAge {
        name: source.name.into_owned(),
        records: source.records,
        time: source.time.map(|seconds| Time::from_seconds(seconds).to_string()),
        age_days,
        is_future,
    }
}

/// Returns a source whose data is of the future, with its time.
pub(super) fn first_future(
    advisories: &impl Advisories,
    now_seconds: i64,
) -> Option<(String, Time)> {
    advisories.sources().into_iter().find_map(|source| {
        let time = source.time.filter(|time| is_future(*time, now_seconds))?;
        Some((source.name.into_owned(), Time::from_seconds(time)))
    })
}

fn is_future(time: i64, now_seconds: i64) -> bool {
    time > time_max(now_seconds)
}

/// Returns the last time that is not of the future.
pub(super) fn time_max(now_seconds: i64) -> i64 {
    now_seconds.saturating_add(AHEAD_SECONDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        const NOW: i64 = 20_000 * SECONDS_PER_DAY;
        for (time, days, is_future) in [
            (None, None, false),
            (Some(NOW), Some(0), false),
            (Some(NOW - SECONDS_PER_DAY + 1), Some(0), false),
            (Some(NOW - 7 * SECONDS_PER_DAY), Some(7), false),
            (Some(NOW + SECONDS_PER_DAY), Some(0), false),
            (Some(NOW + SECONDS_PER_DAY + 1), None, true),
        ] {
            let source = Source { name: "kev".into(), sha256: [0; 32], time, records: 1 };
            let age = age(source, NOW);
            assert_eq!((age.age_days, age.is_future), (days, is_future), "{time:?}");
        }
        // The clock of the last day of all has nothing after it.
        assert!(!is_future(i64::MAX, i64::MAX));
    }
}

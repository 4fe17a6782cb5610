// SPDX-License-Identifier: Apache-2.0
//! How old data is.

use hardpan_attest::predicate::Time;
use hardpan_scan::advisory::Advisories;
use serde::Serialize;

const SECONDS_PER_DAY: i64 = 24 * 60 * 60;

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
    /// How many whole days ago that was.
    pub age_days: Option<u64>,
}

/// Returns the sources in the order of their names, with their ages at a time in seconds since 1970.
pub fn source_ages(advisories: &impl Advisories, now_seconds: i64) -> Vec<SourceAge> {
    let all = advisories.sources().into_iter();
    let mut ages: Vec<SourceAge> = all
        .map(|source| SourceAge {
            name: source.name.into_owned(),
            records: source.records,
            time: source.time.map(|seconds| Time::from_seconds(seconds).to_string()),
            age_days: source.time.map(|seconds| {
                let days = now_seconds.saturating_sub(seconds).max(0) / SECONDS_PER_DAY;
                days.unsigned_abs()
            }),
        })
        .collect();
    ages.sort_by(|one, other| one.name.cmp(&other.name));
    ages
}

// SPDX-License-Identifier: Apache-2.0
//! The newest time of each source that was ever let in. A database can leave a source out, so the one that is here does not
//! say how new the source was before.

use std::collections::BTreeMap;

use hardpan_scan::advisory::Advisories;
use serde::{Deserialize, Serialize};

/// By name of the source, in seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct NewestTimes(BTreeMap<String, i64>);

/// A source that is older than it was.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OlderSource<'t> {
    pub(super) name: &'t str,
    pub(super) offered: i64,
    pub(super) newest: i64,
}

impl NewestTimes {
    /// Returns the times of a database. A source in several files, as NVD's years are, is as new as the newest of them.
    pub(super) fn of(advisories: &impl Advisories) -> Self {
        let mut times = Self::default();
        for source in advisories.sources() {
            if let Some(time) = source.time {
                times.keep(source.name.into_owned(), time);
            }
        }
        times
    }

    fn keep(&mut self, name: String, time: i64) {
        let newest = self.0.entry(name).or_insert(time);
        *newest = time.max(*newest);
    }

    /// Adds times; of two the newer one stays.
    pub(super) fn join(mut self, others: Self) -> Self {
        for (name, time) in others.0 {
            self.keep(name, time);
        }
        self
    }

    /// Adds times, which count also where they are older.
    pub(super) fn replace(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Returns the first source that is older than here.
    pub(super) fn first_older<'t>(&self, offered: &'t Self) -> Option<OlderSource<'t>> {
        offered.0.iter().find_map(|(name, offered)| {
            let newest = *self.0.get(name).filter(|newest| *newest > offered)?;
            Some(OlderSource { name, offered: *offered, newest })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(all: &[(&str, i64)]) -> NewestTimes {
        let mut times = NewestTimes::default();
        for (name, time) in all {
            times.keep((*name).to_owned(), *time);
        }
        times
    }

    #[test]
    fn the_newest_of_several_files_counts() {
        assert_eq!(times(&[("nvd", 2), ("nvd", 3), ("nvd", 1)]), times(&[("nvd", 3)]));
    }

    #[test]
    fn what_is_left_out_is_remembered() {
        let before = times(&[("kev", 5), ("tracker", 9)]);
        let joined = before.clone().join(times(&[("kev", 6)]));
        assert_eq!(joined, times(&[("kev", 6), ("tracker", 9)]));
        assert_eq!(before.clone().join(times(&[("kev", 4)])), before);
        // What was let in although it is older counts from then on, and nothing else is forgotten.
        let replaced = before.replace(times(&[("kev", 4)]));
        assert_eq!(replaced, times(&[("kev", 4), ("tracker", 9)]));
    }

    #[test]
    fn sources_that_are_older() {
        let before = times(&[("kev", 5), ("tracker", 9)]);
        for (offered, expected) in [
            (vec![("kev", 5), ("tracker", 9)], None),
            (vec![("kev", 6)], None),
            (vec![("epss", 1)], None),
            (vec![], None),
            (vec![("kev", 6), ("tracker", 8)], Some(("tracker", 8, 9))),
            (vec![("kev", 4), ("tracker", 10)], Some(("kev", 4, 5))),
        ] {
            let offered = times(&offered);
            let older = before.first_older(&offered);
            let older = older.map(|older| (older.name, older.offered, older.newest));
            assert_eq!(older, expected);
        }
    }
}

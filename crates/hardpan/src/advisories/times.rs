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

/// How new each source of one database is; nothing where nobody said so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SourceTimes(BTreeMap<String, Option<i64>>);

/// A source that is older than it was, or may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OlderSource<'t> {
    pub(super) name: &'t str,
    pub(super) offered: Option<i64>,
    pub(super) newest: i64,
}

impl SourceTimes {
    /// Returns the times of a database. A source in several files, as NVD's years are, is as new as the newest of them.
    pub(super) fn of(advisories: &impl Advisories) -> Self {
        let mut times = Self::default();
        for source in advisories.sources() {
            times.keep(source.name.into_owned(), source.time);
        }
        times
    }

    fn keep(&mut self, name: String, time: Option<i64>) {
        let newest = self.0.entry(name).or_insert(time);
        *newest = time.max(*newest);
    }
}

impl NewestTimes {
    /// Adds times; of two the newer one stays.
    pub(super) fn join(mut self, others: SourceTimes) -> Self {
        for (name, time) in others.0 {
            let Some(time) = time else { continue };
            let newest = self.0.entry(name).or_insert(time);
            *newest = time.max(*newest);
        }
        self
    }

    /// Adds times, which count also where they are older. A source without one is forgotten, or else none without a time
    /// would be let in after it.
    pub(super) fn replace(mut self, others: SourceTimes) -> Self {
        for (name, time) in others.0 {
            match time {
                Some(time) => self.0.insert(name, time),
                None => self.0.remove(&name),
            };
        }
        self
    }

    /// Returns the first source that is older than here, or has no time and had one here: whoever replays an old database
    /// may have one without.
    pub(super) fn first_older<'t>(&self, offered: &'t SourceTimes) -> Option<OlderSource<'t>> {
        offered.0.iter().find_map(|(name, offered)| {
            let newest = *self.0.get(name).filter(|newest| Some(**newest) > *offered)?;
            Some(OlderSource { name, offered: *offered, newest })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(all: &[(&str, Option<i64>)]) -> SourceTimes {
        let mut times = SourceTimes::default();
        for (name, time) in all {
            times.keep((*name).to_owned(), *time);
        }
        times
    }

    fn newest(all: &[(&str, i64)]) -> NewestTimes {
        NewestTimes(all.iter().map(|(name, time)| ((*name).to_owned(), *time)).collect())
    }

    #[test]
    fn the_newest_of_several_files_counts() {
        let files = [("nvd", Some(2)), ("nvd", Some(3)), ("nvd", None), ("nvd", Some(1))];
        assert_eq!(times(&files), times(&[("nvd", Some(3))]));
    }

    #[test]
    fn what_is_left_out_is_remembered() {
        let before = newest(&[("kev", 5), ("tracker", 9)]);
        let joined = before.clone().join(times(&[("kev", Some(6)), ("tracker", None)]));
        assert_eq!(joined, newest(&[("kev", 6), ("tracker", 9)]));
        assert_eq!(before.clone().join(times(&[("kev", Some(4))])), before);
        // What was let in although it is older counts from then on, and nothing else is forgotten.
        let replaced = before.clone().replace(times(&[("kev", Some(4))]));
        assert_eq!(replaced, newest(&[("kev", 4), ("tracker", 9)]));
        assert_eq!(before.replace(times(&[("kev", None)])), newest(&[("tracker", 9)]));
    }

    #[test]
    fn sources_that_are_older() {
        let before = newest(&[("kev", 5), ("tracker", 9)]);
        for (offered, expected) in [
            (vec![("kev", Some(5)), ("tracker", Some(9))], None),
            (vec![("kev", Some(6))], None),
            (vec![("epss", Some(1))], None),
            (vec![("epss", None)], None),
            (vec![], None),
            (vec![("kev", Some(6)), ("tracker", Some(8))], Some(("tracker", Some(8), 9))),
            (vec![("kev", Some(4)), ("tracker", Some(10))], Some(("kev", Some(4), 5))),
            (vec![("kev", Some(6)), ("tracker", None)], Some(("tracker", None, 9))),
        ] {
            let offered = times(&offered);
            let older = before.first_older(&offered);
            let older = older.map(|older| (older.name, older.offered, older.newest));
            assert_eq!(older, expected);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! Which names are of one vulnerability, and which of them it is called by.

use std::collections::{BTreeMap, BTreeSet};

/// Names in classes.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    /// Of each name the class, by the name it is called by.
    of: BTreeMap<&'a str, &'a str>,
    members: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

/// The most names of one vulnerability. Those with many have ten; and joining classes takes as long as they are large.
const NAMES_MAX: usize = 256;

/// Returns how much a name is preferred: the least is what a vulnerability is called by.
fn preference(name: &str) -> (usize, &str) {
    const PREFIXES: [&str; 5] = ["CVE-", "GHSA-", "GO-", "RUSTSEC-", "PYSEC-"];
    let known = PREFIXES.iter().position(|prefix| name.starts_with(prefix));
    (known.unwrap_or(PREFIXES.len()), name)
}

impl<'a> Names<'a> {
    /// Joins pairs, in their order. Two CVEs are never one vulnerability: a pair that would make them one is left out.
    pub(super) fn new(links: &'a BTreeSet<(String, String)>) -> Self {
        let mut names = Self::default();
        for (one, other) in links {
            let (one, other) = (names.called(one), names.called(other));
            if one == other || (one.starts_with("CVE-") && other.starts_with("CVE-")) {
                continue;
            }
            let count = |name: &str| names.members.get(name).map_or(1, BTreeSet::len);
            if count(one) + count(other) > NAMES_MAX {
                continue;
            }
            let is_first = preference(one) < preference(other);
            let (kept, gone) = if is_first { (one, other) } else { (other, one) };
            let moved = names.members.remove(gone).unwrap_or_else(|| BTreeSet::from([gone]));
            for name in &moved {
                names.of.insert(name, kept);
            }
            names.of.insert(kept, kept);
            names.members.entry(kept).or_insert_with(|| BTreeSet::from([kept])).extend(moved);
        }
        names
    }

    /// Returns the name that a vulnerability is called by.
    pub(super) fn called<'n>(&self, name: &'n str) -> &'n str
    where
        'a: 'n,
    {
        self.of.get(name).copied().unwrap_or(name)
    }

    /// Returns the other names of a vulnerability that is called so.
    pub(super) fn others(&self, called: &str) -> impl Iterator<Item = &'a str> {
        let members = self.members.get(called).into_iter().flatten().copied();
        let called = called.to_owned();
        members.filter(move |name| *name != called)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(pairs: &[(&str, &str)]) -> BTreeSet<(String, String)> {
        pairs.iter().map(|(one, other)| ((*one).to_owned(), (*other).to_owned())).collect()
    }

    #[test]
    fn a_vulnerability_is_called_by_its_cve() {
        let links =
            links(&[("GHSA-1", "GO-1"), ("CVE-2026-0001", "GO-1"), ("RUSTSEC-1", "PYSEC-1")]);
        let names = Names::new(&links);
        for (name, called) in [
            ("GHSA-1", "CVE-2026-0001"),
            ("GO-1", "CVE-2026-0001"),
            ("CVE-2026-0001", "CVE-2026-0001"),
            ("PYSEC-1", "RUSTSEC-1"),
            ("GHSA-2", "GHSA-2"),
        ] {
            assert_eq!(names.called(name), called);
        }
        assert_eq!(names.others("CVE-2026-0001").collect::<Vec<_>>(), ["GHSA-1", "GO-1"]);
        assert_eq!(names.others("GHSA-2").count(), 0);
    }

    #[test]
    fn two_cves_are_never_one() {
        let links = links(&[("CVE-2026-0001", "GHSA-1"), ("CVE-2026-0002", "GHSA-1")]);
        let names = Names::new(&links);
        assert_eq!(names.called("GHSA-1"), "CVE-2026-0001");
        assert_eq!(names.called("CVE-2026-0002"), "CVE-2026-0002");
    }

    #[test]
    fn chains_of_names_have_an_end() {
        // Each is preferred to all before, so each would move all before.
        let name = |number: usize| format!("X-{:06}", 100_000 - number);
        let links = (0..20_000).map(|number| (name(number + 1), name(number))).collect();
        let names = Names::new(&links);
        assert!(names.members.values().all(|members| members.len() <= NAMES_MAX));
    }
}

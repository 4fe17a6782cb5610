// SPDX-License-Identifier: Apache-2.0
//! Which files are as their packages brought them.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_tree::{Digest, Hasher, TreePath};
use md5::Md5;
use sha1::{Digest as _, Sha1};

use crate::catalog::sums::{Sum, SumList};

/// How many bytes of databases are kept, of all layers together. Those of 2,000 packages have 30 MB; without the rest a
/// few files more are looked at.
const DATABASE_BYTES_MAX: u64 = 256 << 20;

/// The databases of packages that were in layers.
#[derive(Debug, Default)]
pub(crate) struct Databases {
    lists: Vec<(SumList, Vec<u8>)>,
    bytes: u64,
}

impl Databases {
    /// Returns whether there is room for another one.
    pub(crate) fn has_room(&self, size_bytes: u64) -> bool {
        self.bytes.saturating_add(size_bytes) <= DATABASE_BYTES_MAX
    }

    pub(crate) fn add(&mut self, list: SumList, bytes: Vec<u8>) {
        self.bytes += bytes.len() as u64;
        self.lists.push((list, bytes));
    }

    /// Says of files whose they are, and which digests they should have.
    pub(crate) fn claims(&self, paths: &BTreeSet<TreePath>) -> Claims {
        let mut wanted: BTreeMap<TreePath, &TreePath> = BTreeMap::new();
        for path in paths {
            // Packages still write `/lib`, which leads to `/usr/lib`.
            let other = match path.strip_prefix(&TreePath::literal("usr")) {
                Some(rest) => TreePath::parse(rest).ok(),
                None => TreePath::literal("usr").join(path.as_bytes()).ok(),
            };
            if let Some(other) = other {
                wanted.entry(other).or_insert(path);
            }
        }
        for path in paths {
            wanted.insert(path.clone(), path);
        }
        let mut claims = Claims::default();
        if paths.is_empty() {
            return claims;
        }
        for (list, bytes) in &self.lists {
            list.read(bytes, &mut |package, path, sum| {
                if let Some(path) = wanted.get(&path) {
                    let claimed = claims.0.entry((*path).clone()).or_default();
                    claimed.push((package.to_owned(), sum));
                }
            });
        }
        claims
    }
}

/// What packages say of files.
#[derive(Debug, Default)]
pub(crate) struct Claims(BTreeMap<TreePath, Vec<(String, Sum)>>);

/// Whose a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ownership {
    /// Nobody's.
    None,
    /// A package's, and as that brought it.
    Unmodified,
    /// A package's, and not as that brought it.
    Modified(String),
}

impl Claims {
    pub(crate) fn of(&self, path: &TreePath, sums: &Sums) -> Ownership {
        let Some(claims) = self.0.get(path) else { return Ownership::None };
        if claims.iter().any(|(_, sum)| sums.are(sum)) {
            return Ownership::Unmodified;
        }
        match claims.last() {
            Some((package, _)) => Ownership::Modified(package.clone()),
            None => Ownership::None,
        }
    }
}

/// Package managers of which something was seen. Each knows one sum of its files, and making both takes time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PackageManagers {
    dpkg: bool,
    apk: bool,
}

impl PackageManagers {
    /// Looks whether a path is of one of them: of its settings or database, or a file that names its distribution.
    pub(crate) fn see(&mut self, path: &TreePath) {
        const DPKG: [&str; 3] = ["etc/debian_version", "etc/dpkg", "var/lib/dpkg"];
        const APK: [&str; 4] = ["etc/alpine-release", "etc/apk", "lib/apk", "usr/lib/apk"];
        let is_of = |names: &[&str]| {
            let mut rests =
                names.iter().filter_map(|name| path.as_bytes().strip_prefix(name.as_bytes()));
            rests.any(|rest| matches!(rest.first(), None | Some(b'/')))
        };
        self.dpkg = self.dpkg || is_of(&DPKG);
        self.apk = self.apk || is_of(&APK);
    }

    /// Starts the sums that packages may claim: all of them as long as it is not known whose they are. A claim about one that
    /// was not made, because its manager is seen only later than another, counts as one that is not true.
    pub(crate) fn summing(self) -> Summing {
        // apk has SHA-256, too.
        Summing { sha256: self.is_apk().then(Hasher::new), ..self.summing_beside() }
    }

    /// The same for who makes the SHA-256 anyway.
    pub(crate) fn summing_beside(self) -> Summing {
        let is_dpkg = self.dpkg || !self.apk;
        Summing { md5: is_dpkg.then(Md5::new), sha1: self.is_apk().then(Sha1::new), sha256: None }
    }

    fn is_apk(self) -> bool {
        self.apk || !self.dpkg
    }
}

/// The digests of a file, as far as they were made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sums {
    md5: Option<[u8; 16]>,
    sha1: Option<[u8; 20]>,
    sha256: Option<Digest>,
}

impl Sums {
    fn are(&self, sum: &Sum) -> bool {
        match sum {
            Sum::Md5(sum) => self.md5.as_ref() == Some(sum),
            Sum::Sha1(sum) => self.sha1.as_ref() == Some(sum),
            Sum::Sha256(sum) => self.sha256.as_ref().is_some_and(|made| made.as_bytes() == sum),
        }
    }
}

/// Makes them while bytes go by.
pub(crate) struct Summing {
    md5: Option<Md5>,
    sha1: Option<Sha1>,
    sha256: Option<Hasher>,
}

impl Summing {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    pub(crate) fn finish(self) -> Sums {
        Sums {
            md5: self.md5.map(|md5| md5.finalize().into()),
            sha1: self.sha1.map(|sha1| sha1.finalize().into()),
            sha256: self.sha256.map(Hasher::finish),
        }
    }

    /// Adds the SHA-256, which the caller has.
    pub(crate) fn finish_with(self, sha256: Digest) -> Sums {
        Sums { sha256: Some(sha256), ..self.finish() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums(mut summing: Summing) -> Sums {
        summing.update(b"x");
        summing.finish()
    }

    #[test]
    fn sums_are_those_of_the_managers_that_were_seen() {
        let (all, of_dpkg, of_apk) = ([true; 3], [true, false, false], [false, true, true]);
        for (paths, made) in [
            (&[][..], all),
            (&["etc/passwd", "usr/bin/dpkg", "lib/apkovl", "etc/debian_version.old"], all),
            (&["etc/debian_version"], of_dpkg),
            (&["etc/dpkg/dpkg.cfg"], of_dpkg),
            (&["var/lib/dpkg/status.d/base"], of_dpkg),
            (&["etc/apk/world"], of_apk),
            (&["lib/apk/db/installed"], of_apk),
            (&["usr/lib/apk/db"], of_apk),
            (&["etc/alpine-release"], of_apk),
            (&["etc/apk", "var/lib/dpkg"], all),
        ] {
            let mut managers = PackageManagers::default();
            for path in paths {
                managers.see(&TreePath::literal(path));
            }
            let found = sums(managers.summing());
            let found_kinds = [found.md5.is_some(), found.sha1.is_some(), found.sha256.is_some()];
            assert_eq!(found_kinds, made, "{paths:?}");
            let mut beside = managers.summing_beside();
            beside.update(b"x");
            let sha256 = Digest::of(b"x");
            assert_eq!(beside.finish_with(sha256), Sums { sha256: Some(sha256), ..found });
        }
    }

    #[test]
    fn a_claim_about_a_sum_that_was_not_made_is_not_true() {
        let path = TreePath::literal("bin/a");
        let all = sums(PackageManagers::default().summing());
        let (md5, sha1, sha256) = (all.md5.unwrap(), all.sha1.unwrap(), all.sha256.unwrap());
        for (sum, without) in [
            (Sum::Md5(md5), Sums { md5: None, ..all.clone() }),
            (Sum::Sha1(sha1), Sums { sha1: None, ..all.clone() }),
            (Sum::Sha256(*sha256.as_bytes()), Sums { sha256: None, ..all.clone() }),
        ] {
            let claims = Claims(BTreeMap::from([(path.clone(), vec![("a".to_owned(), sum)])]));
            assert_eq!(claims.of(&path, &all), Ownership::Unmodified);
            assert_eq!(claims.of(&path, &without), Ownership::Modified("a".to_owned()));
        }
    }
}

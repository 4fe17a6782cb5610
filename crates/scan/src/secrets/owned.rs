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

/// The digests of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sums {
    md5: [u8; 16],
    sha1: [u8; 20],
    sha256: Digest,
}

impl Sums {
    /// Returns the SHA-256.
    pub(crate) fn sha256(&self) -> Digest {
        self.sha256
    }

    fn are(&self, sum: &Sum) -> bool {
        match sum {
            Sum::Md5(sum) => self.md5 == *sum,
            Sum::Sha1(sum) => self.sha1 == *sum,
            Sum::Sha256(sum) => self.sha256.as_bytes() == sum,
        }
    }
}

/// Makes them while bytes go by.
pub(crate) struct Summing {
    md5: Md5,
    sha1: Sha1,
    sha256: Hasher,
}

impl Summing {
    pub(crate) fn new() -> Self {
        Self { md5: Md5::new(), sha1: Sha1::new(), sha256: Hasher::new() }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.sha1.update(bytes);
        self.sha256.update(bytes);
    }

    pub(crate) fn finish(self) -> Sums {
        Sums {
            md5: self.md5.finalize().into(),
            sha1: self.sha1.finalize().into(),
            sha256: self.sha256.finish(),
        }
    }
}

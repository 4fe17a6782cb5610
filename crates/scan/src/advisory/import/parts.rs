// SPDX-License-Identifier: Apache-2.0
//! Sources that come in many files: a folder of records, of which only one is in memory at a time.

use std::collections::BTreeSet;

use hardpan_tree::Digest;

use super::{FUTURE, ImportError, Imported, Input, cve5, osv, part, text};
use crate::advisory::collected::{Batch, Collected};

/// The files of one source, one after another.
#[derive(Debug)]
pub struct Parts {
    kind: Kind,
    pub(super) batch: Batch,
    digests: Vec<Digest>,
    /// What the server says, and what the records say: the latest.
    time: Option<i64>,
    newest: Option<i64>,
    /// The last time of a record that may be right.
    time_max: Option<i64>,
    /// What OSV's records are about: `debian`, `golang`.
    pub(super) ecosystems: BTreeSet<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Osv,
    Cve5,
}

impl Parts {
    /// Takes records in the OSV format: single ones, and archives of them.
    pub fn osv() -> Self {
        Self::new(Kind::Osv, "osv")
    }

    /// Takes records of the CVE program: single ones, and archives of them.
    pub fn cve5() -> Self {
        Self::new(Kind::Cve5, "cve")
    }

    fn new(kind: Kind, name: &str) -> Self {
        Self {
            kind,
            batch: Batch::new(name, Digest::of(b""), None),
            digests: Vec::new(),
            time: None,
            newest: None,
            time_max: None,
            ecosystems: BTreeSet::new(),
        }
    }

    /// Says which time of a record is the last that may be right. One of a hundred thousand records with a wrong date would
    /// make all of the source of the future; later times are counted and say nothing.
    #[must_use]
    pub fn up_to(self, time: i64) -> Self {
        Self { time_max: Some(time), ..self }
    }

    /// Takes the time at which a record was changed.
    pub(super) fn changed(&mut self, id: &str, stated: Option<&str>) {
        let Some(time) = stated.and_then(text::time) else { return };
        if self.time_max.is_some_and(|max| time > max) {
            self.batch.skip(FUTURE, || format!("{id} {}", stated.unwrap_or_default()));
            return;
        }
        self.newest = self.newest.max(Some(time));
    }

    /// Reads a file. After an error nothing of the source should be used: drop it.
    ///
    /// In an archive what is no record is left out and counted: some have lists of changes beside the records. One without
    /// any record is an error.
    pub fn add<'a>(&mut self, input: impl Into<Input<'a>>) -> Result<(), ImportError> {
        let input = input.into();
        self.digests.push(input.digest());
        self.time = self.time.max(input.time);
        let is_archive = input.bytes.starts_with(b"PK");
        let (mut has_records, mut failure) = (false, None);
        part::each_json(&input, &mut |name, bytes| {
            let read = match self.kind {
                Kind::Osv => osv::read(bytes, self),
                Kind::Cve5 => cve5::read(bytes, self),
            };
            match read {
                Err(error @ ImportError::Json { .. }) if is_archive => {
                    self.batch.skip("not a record", || format!("{name}: {error}"));
                    failure.get_or_insert(error);
                }
                other => {
                    other?;
                    has_records = true;
                }
            }
            Ok(())
        })?;
        failure.filter(|_| !has_records).map_or(Ok(()), Err)
    }

    /// Adds what was read.
    pub fn finish(mut self, collected: &mut Collected) -> Imported {
        let digest = match self.digests.as_slice() {
            [one] => *one,
            _ => part::digest_of_all(self.digests),
        };
        if let (Kind::Osv, Some(one), 1) =
            (self.kind, self.ecosystems.first(), self.ecosystems.len())
        {
            self.batch.rename(format!("osv:{one}"));
        }
        self.batch.identify(digest, self.newest.or(self.time));
        collected.take(self.batch)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What one import gives: added to the rest when all of it was read, so that a bad file leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_tree::Digest;

use super::{DebianRelease, Facts, Packages, Place, SourceKey, Statement};
use crate::advisory::import::{ImportError, Imported};
use crate::advisory::{Space, SupportLimit};

/// The most records of one source: all of Debian's releases have about half a million.
const RECORDS_MAX: u32 = 16_000_000;
/// The most vulnerabilities of one source: there are about 350,000 CVEs.
const VULNERABILITIES_MAX: usize = 4_000_000;

/// The most statements of one source about one vulnerability in one package: a record has one for each of its ranges, and
/// joining them takes the square of the time.
const STATEMENTS_MAX: usize = 1024;

/// One import.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(super) key: SourceKey,
    pub(super) imported: Imported,
    pub(super) statements: BTreeMap<Place, Packages>,
    pub(super) facts: BTreeMap<String, Facts>,
    pub(super) links: BTreeSet<(String, String)>,
    pub(super) releases: BTreeMap<String, DebianRelease>,
    pub(super) limits: BTreeMap<Space, BTreeMap<String, SupportLimit<'static>>>,
}

impl Batch {
    /// Starts with nothing.
    pub(crate) fn new(name: impl Into<String>, sha256: Digest, time: Option<i64>) -> Self {
        let key = SourceKey { name: name.into(), sha256: *sha256.as_bytes(), time };
        Self {
            imported: Imported::new(&key.name),
            key,
            statements: BTreeMap::new(),
            facts: BTreeMap::new(),
            links: BTreeSet::new(),
            releases: BTreeMap::new(),
            limits: BTreeMap::new(),
        }
    }

    /// Names the source when only its contents say what it is.
    pub(crate) fn rename(&mut self, name: String) {
        self.imported.source.clone_from(&name);
        self.key.name = name;
    }

    /// Sets the digest and the time, when they are known only at the end.
    pub(crate) fn identify(&mut self, sha256: Digest, time: Option<i64>) {
        self.key.sha256 = *sha256.as_bytes();
        self.key.time = time;
    }

    /// Sets the time that the file itself says.
    pub(crate) fn set_time(&mut self, time: Option<i64>) {
        self.key.time = time.or(self.key.time);
    }

    /// Returns the time that is known so far.
    pub(crate) fn time(&self) -> Option<i64> {
        self.key.time
    }

    /// Counts something that is left out, or taken otherwise than it stands there.
    pub(crate) fn skip(&mut self, reason: &'static str, what: impl FnOnce() -> String) {
        self.imported.skipped.entry(reason).or_default().add(what);
    }

    /// Counts a record that is not about a package.
    pub(crate) fn count(&mut self) -> Result<(), ImportError> {
        if self.imported.records >= RECORDS_MAX {
            return Err(ImportError::TooMany { what: "records", maximum: RECORDS_MAX.into() });
        }
        self.imported.records += 1;
        Ok(())
    }

    /// Adds a record.
    pub(crate) fn say(
        &mut self,
        place: &Place,
        package: &str,
        id: &str,
        statement: Statement,
    ) -> Result<(), ImportError> {
        self.count()?;
        // Looks first: keys are owned, and most places and packages come again and again.
        if !self.statements.contains_key(place) {
            self.statements.insert(place.clone(), Packages::new());
        }
        let packages = self.statements.entry(place.clone()).or_default();
        let ids = packages.entry(package.to_owned()).or_default();
        let statements = ids.entry(id.to_owned()).or_default();
        if statements.len() >= STATEMENTS_MAX {
            self.skip("too many records of one vulnerability in one package", || {
                format!("{package} {id}")
            });
            return Ok(());
        }
        statements.push(statement);
        Ok(())
    }

    /// Adds to what is known of a vulnerability.
    pub(crate) fn know(&mut self, id: &str, facts: Facts) -> Result<(), ImportError> {
        if facts == Facts::default() {
            return Ok(());
        }
        if let Some(known) = self.facts.get_mut(id) {
            known.merge(facts);
            return Ok(());
        }
        if self.facts.len() >= VULNERABILITIES_MAX {
            let maximum = VULNERABILITIES_MAX as u64;
            return Err(ImportError::TooMany { what: "vulnerabilities", maximum });
        }
        self.facts.insert(id.to_owned(), facts);
        Ok(())
    }

    /// Says that two names are of one vulnerability.
    pub(crate) fn link(&mut self, one: &str, other: &str) {
        if one != other {
            let (low, high) = (one.min(other), one.max(other));
            self.links.insert((low.to_owned(), high.to_owned()));
        }
    }

    /// Adds a release of Debian.
    pub(crate) fn release(&mut self, codename: &str, release: DebianRelease) {
        self.releases.insert(codename.to_owned(), release);
    }

    /// Adds a package with limited support.
    pub(crate) fn limit(&mut self, space: &Space, limit: SupportLimit<'static>) {
        let limits = self.limits.entry(space.clone()).or_default();
        limits.insert(limit.package.clone().into_owned(), limit);
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What comes from elsewhere: whether it is believed, and put in the place of what is there.

use std::collections::BTreeSet;

use hardpan_attest::key::UtcTime;
use hardpan_attest::predicate::Time;
use hardpan_attest::verify::{Claim, Rules, verify_file};
use hardpan_scan::advisory::Advisories as _;
use hardpan_tree::Digest;
use serde::Serialize;

use super::age::first_future;
use super::sign::PREDICATE_TYPE;
use super::times::{NewestTimes, SourceTimes};
use super::{AdvisoriesError, AdvisoryData, AdvisoryOrigin};
use crate::error::Error;
use crate::session::Session;

/// What is believed.
#[derive(Debug, Clone, Copy)]
pub struct ReceiveOptions<'k> {
    /// Who is trusted.
    pub rules: Rules<'k>,
    /// Whether a database is taken that nobody signed.
    pub allow_unsigned: bool,
    /// Whether a database is taken that has older data than ever was there.
    pub allow_older: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Received {
    /// Its digest.
    pub digest: Digest,
    /// How many bytes it has.
    pub size_bytes: u64,
    /// How many bytes came over the network.
    pub transferred_bytes: u64,
    /// Whether it was there already.
    pub is_unchanged: bool,
    /// Where it came from.
    pub origin: AdvisoryOrigin,
    /// Sources that the one before had, and this one has not.
    pub lost_sources: Vec<String>,
}

/// A database as it came, not believed yet.
pub(super) struct Offered {
    pub(super) bytes: Vec<u8>,
    pub(super) bundle: Option<Vec<u8>>,
    pub(super) from: String,
    pub(super) transferred_bytes: u64,
}

impl Session<'_> {
    /// Believes a database or not, and puts it in the place of the one that is there.
    pub(super) fn receive(
        &self,
        offered: Offered,
        options: ReceiveOptions<'_>,
    ) -> Result<Received, Error> {
        let Offered { bytes, bundle, from, transferred_bytes } = offered;
        let digest = Digest::of(&bytes);
        let signed_by = match &bundle {
            Some(bundle) => Some(self.signer_of(bundle, &digest, &from, options.rules)?),
            None if options.allow_unsigned => None,
            None => return Err(AdvisoriesError::Unsigned { origin: from }.into()),
        };
        let data = AdvisoryData::new(bytes, AdvisoryOrigin { from, signed_by })?;
        data.database().verify_all().map_err(AdvisoriesError::Database)?;
        if let Some((name, time)) = first_future(&data.database(), self.now_seconds()) {
            let now = Time::from_seconds(self.now_seconds());
            let (time, now) = (time.to_string(), now.to_string());
            let origin = data.origin.from;
            return Err(AdvisoriesError::Future { origin, name, time, now }.into());
        }
        // Of two that come at the same time, the second is held against what the first leaves.
        let lock = self.lock_advisories()?;
        let present = match self.installed_advisories() {
            // One that was damaged is replaced. How new its sources were is remembered beside it.
            Err(Error::Advisories(_)) => None,
            other => other?,
        };
        let times = self.times_after(&data, present.as_ref(), options.allow_older)?;
        let lost_sources =
            present.as_ref().map_or_else(Vec::new, |present| lost_sources(present, &data));
        let was_there = present.is_some();
        let replaced = present.map_or(digest, |present| present.digest());
        let is_unchanged = was_there && replaced == digest;
        self.install_advisories(&data, bundle.as_deref(), &replaced, &times)?;
        drop(lock);
        Ok(Received {
            digest,
            size_bytes: data.bytes().len() as u64,
            transferred_bytes,
            is_unchanged,
            origin: data.origin,
            lost_sources,
        })
    }

    /// Returns how new each source is when a database was let in. Refuses data that is older than what ever was here.
    fn times_after(
        &self,
        offered: &AdvisoryData,
        present: Option<&AdvisoryData>,
        allow_older: bool,
    ) -> Result<NewestTimes, Error> {
        let before = match self.newest_times() {
            // Whoever allows older data has no use for what can't be read.
            Err(_) if allow_older => NewestTimes::default(),
            other => other?,
        };
        let before = match present {
            Some(present) => before.join(SourceTimes::of(&present.database())),
            None => before,
        };
        let times = SourceTimes::of(&offered.database());
        if allow_older {
            return Ok(before.replace(times));
        }
        if let Some(older) = before.first_older(&times) {
            let (origin, name) = (offered.origin.from.clone(), older.name.to_owned());
            let newest = Time::from_seconds(older.newest).to_string();
            let error = match older.offered {
                Some(time) => {
                    let offered = Time::from_seconds(time).to_string();
                    AdvisoriesError::Older { origin, name, offered, newest }
                }
                None => AdvisoriesError::Untimed { origin, name, newest },
            };
            return Err(error.into());
        }
        Ok(before.join(times))
    }

    /// Returns the name of the trusted key that signed a database.
    fn signer_of(
        &self,
        bundle: &[u8],
        digest: &Digest,
        from: &str,
        rules: Rules<'_>,
    ) -> Result<String, AdvisoriesError> {
        let now = UtcTime::of_seconds(self.now_seconds());
        let accepted = verify_file(bundle, digest, rules, &now).map_err(|source| {
            AdvisoriesError::Untrusted { origin: from.to_owned(), source: Box::new(source) }
        })?;
        let found = match accepted.claim {
            Claim::Attestation(statement) if statement.predicate_type == PREDICATE_TYPE => {
                return Ok(accepted.key_name);
            }
            Claim::Attestation(statement) => statement.predicate_type,
            Claim::Signature { .. } => "a signature of an image".to_owned(),
        };
        Err(AdvisoriesError::OtherStatement { origin: from.to_owned(), found })
    }
}

/// Returns the sources that a database has not, and the one before had.
fn lost_sources(present: &AdvisoryData, offered: &AdvisoryData) -> Vec<String> {
    let names = |data: &AdvisoryData| -> BTreeSet<String> {
        data.database().sources().into_iter().map(|source| source.name.into_owned()).collect()
    };
    names(present).difference(&names(offered)).cloned().collect()
}

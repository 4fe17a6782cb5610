// SPDX-License-Identifier: Apache-2.0
//! Tags whose content several writers add to: the index that stands in for a list of what is attached, and cosign's
//! lists of signatures and attestations.
//!
//! Registries can't be told to change a tag only if nobody else did: where there is an `ETag`, most of them ignore
//! `If-Match`. So a writer reads, adds, writes, and then looks for some time whether what it wrote stays; if it is
//! gone, it begins anew. What can undo it is a change of somebody else who had read the tag before. That comes within
//! the time of two requests, for no write is ever repeated without reading anew, and the looks together take longer
//! than that, also at a registry that is slow.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hardpan_image::{ImageName, document_kind};
use hardpan_tree::Digest;
use ureq::http::Method;

use super::super::document::{ACCEPT, RemoteDocument};
use super::super::error::{RegistryError, Trouble};
use super::super::{DOCUMENT_BYTES_MAX, Registries, Watch};
use super::document::{Reference, content_digest, version};
use super::doubt::{self, Doubt};
use super::{Call, Door, refused};
use crate::download::Patience;
use crate::error::RemoteError;
use crate::exchange::Reply;
use crate::url::Url;

/// How many races are lost before others are said to change a tag all the time.
const RACES_MAX: u32 = 30;
/// How often a tag is read anew since it took time to make what it shall name: that is needed once for every change of
/// somebody else's.
const REPEATS_MAX: u32 = 300;
/// How often what was written is looked for before it counts as there for good.
const LOOKS: u32 = 4;
/// The wait between two looks.
const PAUSE: Duration = Duration::from_millis(80);
/// The longest wait between two looks.
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// The longest wait after a lost race, at first.
const SPREAD: Duration = Duration::from_millis(40);
/// How often that doubles.
const SPREAD_DOUBLINGS: u32 = 3;

/// The tags that this process is changing, by URL: its own threads need not race.
#[derive(Debug, Default)]
pub(in super::super) struct Locks(Mutex<BTreeMap<String, Arc<Mutex<()>>>>);

impl Locks {
    fn of(&self, url: &Url) -> Arc<Mutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(url.as_str().to_owned()).or_default())
    }
}

/// What is to be done with a tag, by what it names now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagChange {
    /// It has all that it shall have.
    Nothing,
    /// It is to be read anew: something took time, and who writes has to have read just before.
    ReadAgain,
    /// It shall name this. All that this names must be there.
    Write {
        /// What it is: a manifest or an index.
        media_type: String,
        /// Its bytes.
        bytes: Vec<u8>,
    },
}

/// What is under a tag.
pub(super) struct Tagged {
    pub(super) reply: Reply,
    /// The version, if the registry says so in a form that a condition may have.
    pub(super) etag: Option<String>,
}

/// What is to be done with a tag.
pub(super) enum Step {
    /// All is there.
    Nothing,
    /// It is read again.
    ReadAgain,
    /// It gets this.
    Write {
        media_type: String,
        bytes: Vec<u8>,
        /// The version that it was made of.
        etag: Option<String>,
    },
}

impl Registries {
    /// Changes what a tag names, where others may do so at the same time, and stays until the change is there for
    /// good. `make` gets what the tag names now. It is asked several times. `seed` tells writers in different processes apart.
    pub fn change_tag<E: From<RegistryError>>(
        &self,
        name: &ImageName,
        tag: &str,
        seed: u64,
        watch: Watch<'_>,
        make: &mut dyn FnMut(Option<&RemoteDocument>) -> Result<TagChange, E>,
    ) -> Result<(), E> {
        let door = Door::to_write(self, name)?;
        let url = door.url("manifests", &version(name, Reference::Tag(tag))?)?;
        self.change(&door, &url, seed, watch, &mut || {
            let (document, etag) = match self.tagged(&door, &url, watch)? {
                Some(Tagged { reply, etag }) => (Some(document(&url, reply)?), etag),
                None => (None, None),
            };
            let (media_type, bytes) = match make(document.as_ref())? {
                TagChange::Nothing => return Ok(Step::Nothing),
                TagChange::ReadAgain => return Ok(Step::ReadAgain),
                TagChange::Write { media_type, bytes } => (media_type, bytes),
            };
            if bytes.len() as u64 > DOCUMENT_BYTES_MAX {
                let (url, limit_bytes) = (url.clone(), DOCUMENT_BYTES_MAX);
                let error = RemoteError::TooLarge { url, limit_bytes };
                return Err(RegistryError::from(error).into());
            }
            Ok(Step::Write { media_type, bytes, etag })
        })
    }

    /// Reads what is under a tag; nothing if there is no such tag.
    pub(super) fn tagged(
        &self,
        door: &Door,
        url: &Url,
        watch: Watch<'_>,
    ) -> Result<Option<Tagged>, RegistryError> {
        let headers = [("accept", ACCEPT)];
        let mut doubt = Doubt::of_reading();
        let reply = loop {
            let reply = match self.ask(door, &Call::read(url, &headers), &[], watch) {
                Err(error) if error.is_not_found() => return Ok(None),
                reply => reply?,
            };
            if reply.status != 200 {
                return Err(refused(url, &reply));
            }
            let actual = Digest::of(&reply.body);
            match content_digest(url, &reply)? {
                Some(expected) if expected != actual => {
                    if !doubt.again(&self.client, watch.cancel) {
                        let url = url.clone();
                        return Err(RemoteError::DigestMismatch { url, expected, actual }.into());
                    }
                }
                _ => break reply,
            }
        };
        let etag = reply.header("etag").filter(|etag| etag.starts_with('"'));
        let etag = etag.map(ToOwned::to_owned);
        Ok(Some(Tagged { reply, etag }))
    }

    /// Does steps until a tag has all that it should have, for good.
    pub(super) fn change<E: From<RegistryError>>(
        &self,
        door: &Door,
        url: &Url,
        seed: u64,
        watch: Watch<'_>,
        step: &mut dyn FnMut() -> Result<Step, E>,
    ) -> Result<(), E> {
        let lock = self.locks.of(url);
        let _only_here = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let mut random = Random(seed);
        let mut patience = Patience::new(&self.client, url, watch.observer, watch.cancel);
        let (mut is_written, mut looks, mut races, mut repeats) = (false, 0, 0, 0);
        let mut pause = PAUSE;
        let mut doubt = Doubt::new(seed);
        while races < RACES_MAX {
            patience.check().map_err(RegistryError::from)?;
            let (media_type, bytes, etag) = match step()? {
                Step::Write { media_type, bytes, etag } => (media_type, bytes, etag),
                Step::ReadAgain if repeats < REPEATS_MAX => {
                    repeats += 1;
                    continue;
                }
                Step::ReadAgain => break,
                Step::Nothing => {
                    // What was there before nobody is about to undo.
                    looks += 1;
                    if looks == LOOKS || !is_written {
                        return Ok(());
                    }
                    watch.cancel.wait(pause + random.up_to(SPREAD));
                    continue;
                }
            };
            looks = 0;
            if std::mem::take(&mut is_written) {
                // Somebody else wrote at the same time. The next time, one of the two is earlier.
                watch.cancel.wait(random.after(races));
                races += 1;
                continue;
            }
            match self.write_tag(door, url, &media_type, &bytes, etag.as_deref(), watch) {
                Err(Trouble::Final(error @ RegistryError::Incomplete { .. })) => {
                    // Who writes has to have read just before.
                    if !doubt.again(&self.client, watch.cancel) {
                        return Err(error.into());
                    }
                }
                Ok(true) => {
                    is_written = true;
                    // Who lost races has others beside it: they may take longer than one alone.
                    pause = (PAUSE * (races + 1)).min(PAUSE_MAX);
                }
                Ok(false) => {
                    watch.cancel.wait(random.after(races));
                    races += 1;
                }
                Err(Trouble::Failure(failure)) => {
                    patience.failed(failure).map_err(RegistryError::from)?;
                    // Perhaps it was written, and only the answer is lost.
                    is_written = true;
                }
                Err(Trouble::Final(error)) => return Err(error.into()),
            }
        }
        Err(RegistryError::Contended { url: url.clone(), races }.into())
    }

    /// Writes a document once. Returns whether the registry took it; if not, somebody else was earlier.
    fn write_tag(
        &self,
        door: &Door,
        url: &Url,
        media_type: &str,
        bytes: &[u8],
        etag: Option<&str>,
        watch: Watch<'_>,
    ) -> Result<bool, Trouble> {
        let condition = etag.map(|etag| ("if-match", etag));
        let content_type = ("content-type", media_type);
        let headers: Vec<_> = std::iter::once(content_type).chain(condition).collect();
        let call = Call { headers: &headers, ..Call::new(Method::PUT, url) };
        let reply = self.ask_once(door, &call, bytes, watch)?;
        match reply.status {
            200..=204 => Ok(true),
            409 | 412 => Ok(false),
            _ => Err(doubt::of_parts(url, &reply).unwrap_or_else(|| refused(url, &reply)).into()),
        }
    }
}

fn document(url: &Url, reply: Reply) -> Result<RemoteDocument, RegistryError> {
    let media_type = document_kind(&reply.body, reply.header("content-type"))
        .map_err(|source| RegistryError::Document { url: url.clone(), source })?;
    let digest = Digest::of(&reply.body);
    Ok(RemoteDocument { media_type, bytes: reply.body, digest })
}

/// Numbers that spread writers, from a seed (SplitMix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    /// Returns the wait after a lost race.
    fn after(&mut self, races: u32) -> Duration {
        self.up_to(SPREAD * (1 << races.min(SPREAD_DOUBLINGS)))
    }

    pub(super) fn up_to(&mut self, most: Duration) -> Duration {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let part = u32::try_from((mixed ^ (mixed >> 31)) >> 48).unwrap_or(0);
        most * part / (1 << 16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_are_spread() {
        let mut waits: Vec<Duration> = (0..8).map(|seed| Random(seed).up_to(SPREAD)).collect();
        waits.sort_unstable();
        waits.dedup();
        assert_eq!(waits.len(), 8);
        assert!(waits.iter().all(|wait| *wait < SPREAD));
    }
}

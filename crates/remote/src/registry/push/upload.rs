// SPDX-License-Identifier: Apache-2.0
//! Uploads of blobs (OCI distribution specification, "Pushing Blobs").
//!
//! After a failure the registry is asked how much of a blob it has, and the upload goes on there. A registry that
//! does not know the upload any more has finished it, or the upload begins again: distribution, up to version 2.8,
//! gives up an upload of which it has more than it had said.

use hardpan_image::{Descriptor, ImageName};
use hardpan_tree::Digest;
use ureq::http::Method;

use super::super::error::{RegistryError, Trouble};
use super::super::place::{PULL, Place};
use super::super::{Registries, Watch};
use super::body::{Body, Sending, Source};
use super::document::content_digest;
use super::doubt::{self, Doubt};
use super::{Call, Door, protocol, refused};
use crate::attempt::redirect_to;
use crate::download::Patience;
use crate::error::{Failure, Remedy, RemoteError};
use crate::event::Event;
use crate::exchange::{Payload, Reply, exchange};
use crate::url::Url;

/// In which pieces blobs are uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadOptions {
    /// Blobs of up to so many bytes go in one piece.
    pub whole_bytes_max: u64,
    /// The size of the pieces of larger ones, at least 1. A registry may want larger ones.
    pub piece_bytes: u64,
}

impl Default for UploadOptions {
    fn default() -> Self {
        Self { whole_bytes_max: 32 << 20, piece_bytes: 32 << 20 }
    }
}

/// How a blob got to a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// The repository had it.
    AlreadyThere,
    /// The registry took it from another repository.
    Mounted,
    /// It was sent.
    Uploaded,
}

/// An upload at a registry.
struct Session {
    /// Where it goes on.
    location: Url,
    /// How much of the blob the registry has.
    at_bytes: u64,
    /// The smallest piece that the registry takes, but for the last one.
    piece_bytes_min: u64,
    /// Whether something failed after which nobody knows how much the registry has.
    is_unsure: bool,
}

/// What is to be uploaded where.
struct Upload<'u, 's> {
    registries: &'u Registries,
    door: Door,
    blob: &'u Descriptor,
    /// The blob's URL, for errors and events: that of an upload may be a secret.
    shown: Url,
    body: Body<'u, 's>,
    watch: Watch<'u>,
    /// How much of the blob a registry has had at most.
    best_bytes: u64,
    /// Whether pieces of several attempts were put together.
    is_pieced: bool,
}

/// One step of an upload.
enum Step {
    /// More is to be done.
    On,
    /// The registry has the blob.
    Done,
    /// The upload can't go on: its beginning is lost or wrong.
    Again(RegistryError),
    /// The registry has other bytes than were sent. These were hashed here, so it is mistaken, or something between.
    Other(RegistryError),
}

impl Registries {
    /// Brings a blob to a repository, if it is not there: from another repository of the same registry
    /// (`mount_from`) if that has it, or else from `source`.
    ///
    /// The bytes are checked while they are sent, and a blob that is not what `blob` says is never completed.
    pub fn push_blob(
        &self,
        name: &ImageName,
        blob: &Descriptor,
        source: &Source<'_>,
        mount_from: Option<&ImageName>,
        watch: Watch<'_>,
    ) -> Result<Pushed, RegistryError> {
        let door = Door::to_write(self, name)?;
        let shown = door.url("blobs", &blob.digest.to_string())?;
        let body = Body::new(blob, source);
        let mut upload = Upload {
            registries: self,
            door,
            blob,
            shown,
            body,
            watch,
            best_bytes: 0,
            is_pieced: false,
        };
        if upload.is_there()? {
            return Ok(Pushed::AlreadyThere);
        }
        let mut session = None;
        if let Some(from) = mount_from {
            match upload.mount(from)? {
                Mount::Done => return Ok(Pushed::Mounted),
                Mount::Upload(begun) => session = Some(begun),
                Mount::Impossible => {}
            }
        }
        upload.run(session)?;
        Ok(Pushed::Uploaded)
    }
}

/// What came of the wish for another repository's blob.
enum Mount {
    Done,
    /// The registry began an upload instead.
    Upload(Session),
    Impossible,
}

impl Upload<'_, '_> {
    /// Asks whether the repository has the blob. What only a storage elsewhere knows counts as not there.
    fn is_there(&self) -> Result<bool, RegistryError> {
        let registries = self.registries;
        let mut url = self.shown.clone();
        for _ in 0..=registries.client.options.redirects_max {
            let call = Call { shown: &self.shown, ..Call::new(Method::HEAD, &url) };
            let reply = match registries.ask(&self.door, &call, &[], self.watch) {
                Err(error) if error.is_not_found() => return Ok(false),
                // Who may write need not be one who may read.
                Err(RegistryError::Denied(_)) => return Ok(false),
                Err(RegistryError::Remote(error)) if error.is_denied() => return Ok(false),
                reply => reply?,
            };
            match reply.status {
                200 => {
                    let length = reply.header("content-length").and_then(|text| text.parse().ok());
                    return Ok(length.is_none_or(|length: u64| length == self.blob.size_bytes));
                }
                301 | 302 | 303 | 307 | 308 => {
                    url = redirect_to(&url, &self.shown, reply.header("location"))?;
                }
                _ => return Ok(false),
            }
        }
        Ok(false)
    }

    /// Wishes for the blob of another repository.
    fn mount(&self, from: &ImageName) -> Result<Mount, RegistryError> {
        let other = Place::itself(from, &self.registries.options);
        let place = &self.door.place;
        if other.host != place.host || other.repository == place.repository {
            return Ok(Mount::Impossible);
        }
        let door = Door {
            place: place.clone(),
            root: self.door.root.clone(),
            scope: format!("{} {}", self.door.scope, other.scope(PULL)),
        };
        let query = format!("?mount={}&from={}", self.blob.digest, other.repository);
        let url = self.door.url("blobs", &format!("uploads/{query}"))?;
        let call = Call { shown: &self.shown, ..Call::new(Method::POST, &url) };
        match self.registries.ask(&door, &call, &[], self.watch) {
            Ok(reply) if reply.status == 201 => {
                self.check_taken(&reply)?;
                Ok(Mount::Done)
            }
            Ok(reply) if reply.status == 202 => Ok(Mount::Upload(self.session(&url, &reply)?)),
            // A mount saves time, nothing else: without it the blob is sent.
            Ok(_)
            | Err(
                RegistryError::Denied(_)
                | RegistryError::Token { .. }
                | RegistryError::BadToken { .. },
            ) => Ok(Mount::Impossible),
            Err(error) if error.is_not_found() => Ok(Mount::Impossible),
            Err(error) => Err(error),
        }
    }

    /// Uploads until the registry has all. The number of attempts is bounded by the number of pieces.
    fn run(&mut self, mut session: Option<Session>) -> Result<(), RegistryError> {
        let registries = self.registries;
        let shown = self.shown.clone();
        let mut patience =
            Patience::new(&registries.client, &shown, self.watch.observer, self.watch.cancel);
        let pieces = self.blob.size_bytes / registries.uploads.piece_bytes.max(1);
        let attempts = u64::from(registries.client.options.attempts_max).max(1);
        let mut failures_left = pieces.saturating_add(2).saturating_mul(attempts);
        self.watch.observer.event(&Event::Started {
            url: &shown,
            total_bytes: Some(self.blob.size_bytes),
            present_bytes: 0,
        });
        let mut doubt = None;
        loop {
            patience.check()?;
            let is_known_failure = session.as_ref().is_some_and(|session| session.is_unsure);
            let (failure, is_lost) = match self.step(&mut session) {
                Ok(Step::Done) => break,
                Ok(Step::On) => {
                    let at_bytes = session.as_ref().map_or(0, |session| session.at_bytes);
                    if at_bytes > self.best_bytes {
                        self.best_bytes = at_bytes;
                        patience.renew();
                    }
                    continue;
                }
                Ok(Step::Again(RegistryError::Remote(error))) => {
                    (Failure { error: Box::new(error), remedy: Remedy::Retry(None) }, true)
                }
                Ok(Step::Again(error)) => {
                    // What a registry refuses in so many words, it refuses again if nothing was different.
                    if !std::mem::take(&mut self.is_pieced) {
                        return Err(error);
                    }
                    session = None;
                    continue;
                }
                Ok(Step::Other(error)) => {
                    if self.is_there()? {
                        break;
                    }
                    // No two uploads have the same location, whoever makes them.
                    let seed = session.as_ref().map_or(0, |session| seed(&session.location));
                    self.restart(session.take());
                    let doubt = doubt.get_or_insert_with(|| Doubt::new(seed));
                    if !doubt.again(&registries.client, self.watch.cancel) {
                        return Err(error);
                    }
                    self.is_pieced = false;
                    continue;
                }
                Err(Trouble::Failure(failure)) => (failure, false),
                Err(Trouble::Final(error)) => return Err(error),
            };
            if failures_left == 0 {
                return Err(RegistryError::Remote(*failure.error));
            }
            failures_left -= 1;
            if is_lost {
                self.restart(session.take());
                // The failure before it has been counted.
                if is_known_failure {
                    continue;
                }
            } else if let Some(session) = &mut session {
                session.is_unsure = true;
                self.is_pieced = true;
            }
            patience.failed(failure)?;
        }
        self.watch.observer.event(&Event::Finished { url: &shown });
        Ok(())
    }

    /// Says that what a registry had is lost.
    fn restart(&self, session: Option<Session>) {
        let dropped_bytes = session.map_or(0, |session| session.at_bytes);
        if dropped_bytes > 0 {
            self.watch.observer.event(&Event::Restarted { url: &self.shown, dropped_bytes });
        }
    }

    /// Makes one request that brings an upload on.
    fn step(&mut self, session: &mut Option<Session>) -> Result<Step, Trouble> {
        let Some(session) = session else {
            *session = Some(self.begin()?);
            return Ok(Step::On);
        };
        if session.is_unsure {
            return self.look(session);
        }
        let (size_bytes, options) = (self.blob.size_bytes, self.registries.uploads);
        if session.at_bytes == 0 && size_bytes <= options.whole_bytes_max {
            return self.complete(session, size_bytes);
        }
        if session.at_bytes == size_bytes {
            return self.complete(session, 0);
        }
        self.send_piece(session)
    }

    /// Begins an upload.
    fn begin(&self) -> Result<Session, Trouble> {
        let url = self.door.url("blobs", "uploads/")?;
        let call = Call { shown: &self.shown, ..Call::new(Method::POST, &url) };
        let reply = self.registries.ask_once(&self.door, &call, &[], self.watch)?;
        match reply.status {
            202 => Ok(self.session(&url, &reply)?),
            _ => Err(refused(&self.shown, &reply).into()),
        }
    }

    fn session(&self, url: &Url, reply: &Reply) -> Result<Session, RegistryError> {
        let location = redirect_to(url, &self.shown, reply.header("location"))?;
        let smallest = reply.header("oci-chunk-min-length").and_then(|text| text.parse().ok());
        let piece_bytes_min = smallest.unwrap_or(1);
        Ok(Session { location, at_bytes: 0, piece_bytes_min, is_unsure: false })
    }

    /// Asks how much the registry has.
    fn look(&mut self, session: &mut Session) -> Result<Step, Trouble> {
        let location = session.location.clone();
        let call = Call { shown: &self.shown, ..Call::new(Method::GET, &location) };
        let reply = match self.registries.ask_once(&self.door, &call, &[], self.watch) {
            Ok(reply) if matches!(reply.status, 200..=204) => reply,
            Ok(reply) => return self.lost(refused(&self.shown, &reply)),
            Err(Trouble::Final(error)) if error.is_not_found() => return self.lost(error),
            Err(trouble) => return Err(trouble),
        };
        let Some(at_bytes) = reply.header("range").map_or(Some(0), parse_range) else {
            return self.lost(protocol(&self.shown, "the range of the upload is none"));
        };
        if at_bytes > self.blob.size_bytes {
            return self.lost(protocol(&self.shown, "the registry has more than was sent"));
        }
        if let Some(location) = reply.header("location") {
            session.location = redirect_to(&session.location, &self.shown, Some(location))?;
        }
        session.at_bytes = at_bytes;
        session.is_unsure = false;
        Ok(Step::On)
    }

    /// Finds out whether an upload that the registry does not know any more was completed.
    fn lost(&self, error: RegistryError) -> Result<Step, Trouble> {
        if self.is_there()? {
            return Ok(Step::Done);
        }
        let error = match error {
            RegistryError::Remote(error) => error,
            other => {
                let problem = format!("the upload is lost: {other}");
                RemoteError::Protocol { url: self.shown.clone(), problem }
            }
        };
        Ok(Step::Again(error.into()))
    }

    /// Sends a piece that is not all that is left to say.
    fn send_piece(&mut self, session: &mut Session) -> Result<Step, Trouble> {
        let piece_bytes = self.registries.uploads.piece_bytes.max(session.piece_bytes_min).max(1);
        let left_bytes = self.blob.size_bytes - session.at_bytes;
        let length_bytes = piece_bytes.min(left_bytes);
        let end_bytes = session.at_bytes + length_bytes;
        let range = format!("{}-{}", session.at_bytes, end_bytes - 1);
        let headers = [("content-type", "application/octet-stream"), ("content-range", &range)];
        let location = session.location.clone();
        let reply =
            self.send(Method::PATCH, &location, &headers, session.at_bytes, length_bytes)?;
        match reply.status {
            200..=204 => {}
            // The registry is somewhere else than it said.
            416 => return self.lost(refused(&self.shown, &reply)),
            _ => return Ok(Step::Again(refused(&self.shown, &reply))),
        }
        session.location = redirect_to(&location, &self.shown, reply.header("location"))?;
        let taken = reply.header("range").map(parse_range);
        match taken {
            // A registry may have kept less than it got.
            Some(Some(at_bytes)) if at_bytes <= end_bytes && at_bytes > session.at_bytes => {
                self.is_pieced |= at_bytes != end_bytes;
                session.at_bytes = at_bytes;
            }
            None => session.at_bytes = end_bytes,
            Some(_) => {
                let problem = "the range of the upload is not what was sent";
                return Ok(Step::Again(protocol(&self.shown, problem)));
            }
        }
        Ok(Step::On)
    }

    /// Ends an upload, with so many bytes that are still to be sent.
    fn complete(&mut self, session: &mut Session, length_bytes: u64) -> Result<Step, Trouble> {
        let text = session.location.as_str();
        let separator = if text.contains('?') { '&' } else { '?' };
        let url = super::parse(&format!("{text}{separator}digest={}", self.blob.digest))?;
        let headers = [("content-type", "application/octet-stream")];
        let reply = self.send(Method::PUT, &url, &headers, session.at_bytes, length_bytes)?;
        match reply.status {
            200..=204 => {
                self.check_taken(&reply)?;
                Ok(Step::Done)
            }
            _ if doubt::is_of_bytes(&reply) => Ok(Step::Other(refused(&self.shown, &reply))),
            416 => self.lost(refused(&self.shown, &reply)),
            _ => Ok(Step::Again(refused(&self.shown, &reply))),
        }
    }

    /// Sends a piece of the blob.
    fn send(
        &mut self,
        method: Method,
        url: &Url,
        headers: &[(&'static str, &str)],
        from_bytes: u64,
        length_bytes: u64,
    ) -> Result<Reply, Trouble> {
        let Self { registries, door, shown, body, watch, .. } = self;
        let call = Call { shown, headers, ..Call::new(method, url) };
        let mut problem = None;
        let result = registries.at_door(door, &call, *watch, &mut |authorization, message| {
            let seek = body.seek(from_bytes);
            if let Err(error) = seek {
                problem = Some(error);
                return Err(RemoteError::Cancelled { url: message.shown.clone() }.into());
            }
            let mut sending = Sending {
                body: &mut *body,
                left_bytes: length_bytes,
                url: message.shown,
                watch: *watch,
            };
            let payload = match length_bytes {
                0 => Payload::None,
                _ => Payload::Reader(&mut sending, length_bytes),
            };
            exchange(&registries.client, message, payload, authorization)
        });
        if let Some(error) = problem.or_else(|| body.take_problem()) {
            return Err(Trouble::Final(error));
        }
        if watch.cancel.is_cancelled() && result.is_err() {
            return Err(RegistryError::from(RemoteError::Cancelled { url: shown.clone() }).into());
        }
        match result {
            // The upload itself is gone, not something that it is about.
            Err(Trouble::Final(error)) if error.is_not_found() => {
                let source =
                    std::io::Error::other("the registry does not know the upload any more");
                let url = shown.clone();
                let error = RemoteError::Interrupted { url, received_bytes: 0, source };
                Err(Failure::from(error).into())
            }
            result => result,
        }
    }

    /// Checks that the registry has understood what it got.
    fn check_taken(&self, reply: &Reply) -> Result<(), RegistryError> {
        let (url, expected) = (self.shown.clone(), self.blob.digest);
        match content_digest(&url, reply)? {
            Some(actual) if actual != expected => {
                Err(RemoteError::DigestMismatch { url, expected, actual }.into())
            }
            _ => Ok(()),
        }
    }
}

fn seed(location: &Url) -> u64 {
    let digest = Digest::of(location.as_str().as_bytes());
    digest.as_bytes().iter().fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
}

/// Returns how much a registry has: the number after the last place of `0-99`, with or without a unit. Some say
/// `0-0` of nothing, so that is what it means here; a registry that has one byte refuses the next piece.
fn parse_range(text: &str) -> Option<u64> {
    let text = text.strip_prefix("bytes").map_or(text, |rest| rest.trim_start_matches(['=', ' ']));
    let (first, last) = text.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    match (first, last) {
        (0, 0) => Some(0),
        (0, last) => last.checked_add(1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_uploads() {
        for (text, expected) in [
            ("0-99", Some(100)),
            ("bytes=0-99", Some(100)),
            ("bytes 0-99", Some(100)),
            ("0-0", Some(0)),
            ("0-1", Some(2)),
            ("1-99", None),
            ("0", None),
            ("0-", None),
            ("-1", None),
            ("0-18446744073709551615", None),
            ("0-18446744073709551616", None),
            ("x-y", None),
            ("", None),
        ] {
            assert_eq!(parse_range(text), expected, "{text}");
        }
    }
}

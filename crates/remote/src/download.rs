// SPDX-License-Identifier: Apache-2.0
//! Transfers: attempts, continuation and checks.

use std::io::{self, Read};
use std::time::Duration;

use hardpan_tree::{Digest, Hasher};

use crate::access::Access;
use crate::attempt::{self, Answer, Headers, map_error};
use crate::cancel::Cancel;
use crate::client::{Client, Request, Validators};
use crate::error::{Failure, Remedy, RemoteError};
use crate::event::{Event, Observer};
use crate::local;
use crate::sink::Sink;
use crate::url::Url;

const BUFFER_BYTES: usize = 64 * 1024;

/// A complete, checked download.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Downloaded {
    /// The digest of the bytes.
    pub digest: Digest,
    /// Their number.
    pub size_bytes: u64,
    /// By what to ask for it again.
    pub validators: Validators,
    /// The `Content-Type` header of the answer.
    pub content_type: Option<String>,
    /// The `Docker-Content-Digest` header of the answer.
    pub(crate) content_digest: Option<String>,
}

/// How a transfer ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Done(Downloaded),
    NotModified,
}

/// One transfer, over all its attempts.
pub(crate) struct Transfer<'t> {
    client: &'t Client,
    request: &'t Request,
    observer: &'t dyn Observer,
    cancel: &'t Cancel,
    access: Option<&'t Access>,
    content_type: Option<String>,
    content_digest: Option<String>,
    /// Of the bytes in the sink.
    hasher: Hasher,
    present_bytes: u64,
    /// Of the version that the bytes in the sink are from, if the server said so.
    validators: Validators,
    /// Whether the sink holds bytes from more than one attempt. If these turn out wrong, the
    /// pieces may be of two versions, and all is fetched once more.
    pieced: bool,
}

impl<'t> Transfer<'t> {
    pub(crate) fn new(
        client: &'t Client,
        request: &'t Request,
        observer: &'t dyn Observer,
        cancel: &'t Cancel,
    ) -> Self {
        Self {
            client,
            request,
            observer,
            cancel,
            access: None,
            content_type: None,
            content_digest: None,
            hasher: Hasher::new(),
            present_bytes: 0,
            validators: Validators::default(),
            pieced: false,
        }
    }

    /// Says who asks, and for which kinds of documents.
    pub(crate) fn with_access(mut self, access: &'t Access) -> Self {
        self.access = Some(access);
        self
    }

    /// Runs attempts until one succeeds, none can, or there were enough.
    pub(crate) fn run(
        mut self,
        sink: &mut dyn Sink,
        conditional: bool,
    ) -> Result<Outcome, RemoteError> {
        if self.take_up(sink)? {
            return self.finish(sink).map(Outcome::Done);
        }
        let (client, url) = (self.client, &self.request.url);
        retry(client, url, self.observer, self.cancel, || self.attempt(sink, conditional))
    }

    /// Looks at what the sink holds from before. Returns whether that is already all.
    fn take_up(&mut self, sink: &mut dyn Sink) -> Result<bool, RemoteError> {
        // Without a digest nobody could tell whether old and new bytes belong together.
        let Some((digest, size_bytes)) = self.request.expected else {
            self.discard(sink)?;
            return Ok(false);
        };
        if size_bytes > self.request.limit_bytes {
            let limit_bytes = self.request.limit_bytes;
            return Err(RemoteError::TooLarge { url: self.url(), limit_bytes });
        }
        let mut hasher = Hasher::new();
        let present_bytes = sink
            .present()
            .and_then(|reader| hash(reader, size_bytes + 1, &mut hasher))
            .map_err(|source| self.local("read what is there", source))?;
        if present_bytes > size_bytes
            || (present_bytes == size_bytes && hasher.clone().finish() != digest)
        {
            self.discard(sink)?;
            return Ok(false);
        }
        self.pieced = present_bytes > 0;
        self.present_bytes = present_bytes;
        self.hasher = hasher;
        // An empty body needs an answer all the same: the server may not have it.
        Ok(present_bytes == size_bytes && size_bytes > 0)
    }

    /// Makes one attempt.
    fn attempt(&mut self, sink: &mut dyn Sink, conditional: bool) -> Result<Outcome, Failure> {
        let url = &self.request.url;
        let mut answer = if url.scheme() == "file" {
            local::open(url)?
        } else {
            attempt::open(self.client, url, &self.headers(conditional))?
        };
        match answer.status {
            304 if conditional && self.request.conditional.is_some() => {
                return Ok(Outcome::NotModified);
            }
            206 if self.continues(&answer) => {}
            200 => self.restart(sink)?,
            // The bytes that are there are not a beginning of what the server has.
            206 | 416 if self.present_bytes > 0 => {
                self.restart(sink)?;
                let problem = "the range that was asked for is not available".to_owned();
                let error = RemoteError::Protocol { url: self.url(), problem };
                return Err(Failure { error: Box::new(error), remedy: Remedy::Retry(None) });
            }
            status => return Err(RemoteError::Status { url: self.url(), status }.into()),
        }
        self.check_announced(&answer, sink)?;
        self.validators = std::mem::take(&mut answer.validators);
        self.content_type = answer.content_type.take();
        self.content_digest = answer.content_digest.take();
        self.observer.event(&Event::Started {
            url: &self.request.url,
            total_bytes: answer.length_bytes.map(|length| length + self.present_bytes),
            present_bytes: self.present_bytes,
        });
        self.receive(&mut answer, sink)?;
        self.check(sink)?;
        Ok(Outcome::Done(self.complete(sink)?))
    }

    /// What to send in the next attempt.
    fn headers(&self, conditional: bool) -> Headers<'t> {
        let authorization = self.request.authorization.as_ref();
        if self.present_bytes > 0 {
            let from = Some((self.present_bytes, self.validators.clone()));
            Headers { access: self.access, authorization, from, unless: None }
        } else {
            let unless = self.request.conditional.clone().filter(|_| conditional);
            Headers { access: self.access, authorization, from: None, unless }
        }
    }

    /// Whether a partial answer goes on where the sink ends, in the same version.
    fn continues(&self, answer: &Answer) -> bool {
        let same = |before: &Option<String>, now: &Option<String>| {
            before.is_none() || now.is_none() || before == now
        };
        self.present_bytes > 0
            && answer.range.is_some_and(|(start_bytes, _)| start_bytes == self.present_bytes)
            && same(&self.validators.etag, &answer.validators.etag)
            && same(&self.validators.last_modified, &answer.validators.last_modified)
    }

    /// Checks the announced size before anything is read.
    fn check_announced(&self, answer: &Answer, sink: &mut dyn Sink) -> Result<(), RemoteError> {
        let Some(length_bytes) = answer.length_bytes else { return Ok(()) };
        let total_bytes = length_bytes.saturating_add(self.present_bytes);
        let error = match self.request.expected {
            Some((_, expected_bytes)) if total_bytes != expected_bytes => {
                RemoteError::SizeMismatch {
                    url: self.url(),
                    expected_bytes,
                    actual_bytes: total_bytes,
                }
            }
            _ if total_bytes > self.request.limit_bytes => {
                RemoteError::TooLarge { url: self.url(), limit_bytes: self.request.limit_bytes }
            }
            _ => return Ok(()),
        };
        sink.discard().map_err(|source| self.local("remove what is there", source))?;
        Err(error)
    }

    /// Reads the body into the sink.
    fn receive(&mut self, answer: &mut Answer, sink: &mut dyn Sink) -> Result<(), RemoteError> {
        self.pieced |= self.present_bytes > 0;
        let expected_bytes = self.request.expected.map_or(u64::MAX, |(_, size_bytes)| size_bytes);
        let most_bytes = self.request.limit_bytes.min(expected_bytes);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            if self.cancel.is_cancelled() {
                return Err(RemoteError::Cancelled { url: self.url() });
            }
            let count = match answer.body.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) if self.request.url.scheme() == "file" => {
                    return Err(self.local("read the file", source));
                }
                Err(error) => {
                    let error = ureq::Error::from(error);
                    return Err(map_error(&self.request.url, error, self.present_bytes));
                }
            };
            let total_bytes = self.present_bytes + count as u64;
            if total_bytes > most_bytes {
                return self.too_large(sink);
            }
            let piece = &buffer[..count];
            sink.append(piece).map_err(|source| self.local("store what came", source))?;
            self.hasher.update(piece);
            self.present_bytes = total_bytes;
            let event = Event::Received { url: &self.request.url, bytes: count as u64 };
            self.observer.event(&event);
        }
        Ok(())
    }

    fn too_large(&mut self, sink: &mut dyn Sink) -> Result<(), RemoteError> {
        self.discard(sink)?;
        Err(match self.request.expected {
            Some((_, expected_bytes)) => RemoteError::SizeMismatch {
                url: self.url(),
                expected_bytes,
                actual_bytes: expected_bytes + 1,
            },
            None => {
                RemoteError::TooLarge { url: self.url(), limit_bytes: self.request.limit_bytes }
            }
        })
    }

    /// Checks size and digest of the whole.
    fn check(&mut self, sink: &mut dyn Sink) -> Result<(), Failure> {
        let Some((expected, expected_bytes)) = self.request.expected else { return Ok(()) };
        if self.present_bytes < expected_bytes {
            // The server announced no size, so a connection that broke looks like the end.
            let source = io::Error::from(io::ErrorKind::UnexpectedEof);
            let received_bytes = self.present_bytes;
            return Err(RemoteError::Interrupted { url: self.url(), received_bytes, source }.into());
        }
        let actual = self.hasher.clone().finish();
        if actual == expected {
            return Ok(());
        }
        let pieced = self.pieced;
        self.restart(sink)?;
        let error = RemoteError::DigestMismatch { url: self.url(), expected, actual };
        let remedy = if pieced { Remedy::Retry(None) } else { Remedy::None };
        Err(Failure { error: Box::new(error), remedy })
    }

    fn complete(&mut self, sink: &mut dyn Sink) -> Result<Downloaded, RemoteError> {
        sink.finish().map_err(|source| self.local("store what came", source))?;
        self.observer.event(&Event::Finished { url: &self.request.url });
        Ok(Downloaded {
            digest: self.hasher.clone().finish(),
            size_bytes: self.present_bytes,
            validators: std::mem::take(&mut self.validators),
            content_type: self.content_type.take(),
            content_digest: self.content_digest.take(),
        })
    }

    fn finish(mut self, sink: &mut dyn Sink) -> Result<Downloaded, RemoteError> {
        self.complete(sink)
    }

    /// Throws away what the sink holds, and says so.
    fn restart(&mut self, sink: &mut dyn Sink) -> Result<(), RemoteError> {
        if self.present_bytes > 0 {
            let event =
                Event::Restarted { url: &self.request.url, dropped_bytes: self.present_bytes };
            self.observer.event(&event);
        }
        self.discard(sink)
    }

    fn discard(&mut self, sink: &mut dyn Sink) -> Result<(), RemoteError> {
        self.hasher = Hasher::new();
        self.present_bytes = 0;
        self.validators = Validators::default();
        self.pieced = false;
        sink.discard().map_err(|source| self.local("remove what is there", source))
    }

    fn local(&self, action: &'static str, source: io::Error) -> RemoteError {
        RemoteError::Local { url: self.url(), action, source }
    }

    fn url(&self) -> Url {
        self.request.url.clone()
    }
}

/// Makes attempts until one succeeds, none can, or there were enough.
pub(crate) fn retry<T>(
    client: &Client,
    url: &Url,
    observer: &dyn Observer,
    cancel: &Cancel,
    mut make: impl FnMut() -> Result<T, Failure>,
) -> Result<T, RemoteError> {
    let mut patience = Patience::new(client, url, observer, cancel);
    loop {
        patience.check()?;
        match make() {
            Ok(outcome) => return Ok(outcome),
            Err(failure) => patience.failed(failure)?,
        }
    }
}

/// How often something may still fail.
pub(crate) struct Patience<'p> {
    client: &'p Client,
    url: &'p Url,
    observer: &'p dyn Observer,
    cancel: &'p Cancel,
    attempt: u32,
}

impl<'p> Patience<'p> {
    pub(crate) fn new(
        client: &'p Client,
        url: &'p Url,
        observer: &'p dyn Observer,
        cancel: &'p Cancel,
    ) -> Self {
        Self { client, url, observer, cancel, attempt: 1 }
    }

    /// Fails if the transfer was cancelled.
    pub(crate) fn check(&self) -> Result<(), RemoteError> {
        if self.cancel.is_cancelled() {
            return Err(RemoteError::Cancelled { url: self.url.clone() });
        }
        Ok(())
    }

    /// Waits before the next attempt; fails if there shall be none.
    pub(crate) fn failed(&mut self, failure: Failure) -> Result<(), RemoteError> {
        let options = &self.client.options;
        let Remedy::Retry(wish) = failure.remedy else { return Err(*failure.error) };
        if self.attempt >= options.attempts_max {
            return Err(*failure.error);
        }
        let backoff = options.retry_delay.saturating_mul(1 << (self.attempt - 1).min(16));
        let delay = wish.unwrap_or(Duration::ZERO).max(backoff).min(options.retry_delay_max);
        self.attempt += 1;
        let (url, attempt) = (self.url, self.attempt);
        self.observer.event(&Event::Retrying { url, attempt, delay, error: &failure.error });
        self.cancel.wait(delay);
        Ok(())
    }

    /// Begins to count again: something was reached that no failure takes back.
    pub(crate) fn renew(&mut self) {
        self.attempt = 1;
    }
}

/// Hashes up to a number of bytes, and returns how many there were.
fn hash(mut reader: Box<dyn Read + '_>, most_bytes: u64, hasher: &mut Hasher) -> io::Result<u64> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut total_bytes = 0;
    while total_bytes < most_bytes {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&buffer[..count]);
                total_bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total_bytes)
}

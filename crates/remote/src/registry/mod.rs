// SPDX-License-Identifier: Apache-2.0
//! Pulling from OCI registries and pushing to them (OCI distribution specification, version 1.1).
//!
//! A [`Registries`] fetches documents ([`Registries::document`]) and blobs ([`Registries::blob`]) by the
//! names of images, and pushes both ([`Registries::push_document`], [`Registries::push_blob`]). It logs in
//! as docker and podman do ([`Logins`]), with tokens where a registry wants them, and asks again when a
//! token has run out, also in the middle of an upload. All else is as for every transfer of this crate:
//! attempts, limits, digests, continuation. What lets the caller in at a registry is never sent on to
//! another host: neither to the storage that a registry redirects to, nor to where it wants an upload.
//!
//! What is attached to an image is pushed by [`Registries::push_referrers`] and found by
//! [`Registries::referrers`], with the registry's own list or, where there is none, the specification's
//! index under a tag. Who can't tell what is there fails: an answer that is not understood is never taken
//! for an empty list, which the next writer would make true.

pub mod answer;
mod challenge;
mod document;
mod error;
mod login;
mod place;
mod push;
mod token;

use std::sync::{Mutex, PoisonError};

use hardpan_image::ImageName;
use hardpan_tree::Digest;

pub use document::RemoteDocument;
pub use error::{Denial, RegistryError};
pub use login::{Credential, HelperReply, LoginFileError, Logins};
pub use place::{Mirror, RegistryOptions, is_loopback};
pub use push::{
    DocumentPushed, Indexed, Pushed, Reference, Referrer, Referrers, Source, TagChange,
    UploadOptions,
};

use crate::access::{Access, Authorization};
use crate::cancel::Cancel;
use crate::client::{Client, Request};
use crate::download::{Downloaded, Outcome, Transfer};
use crate::error::{Failure, RemoteError};
use crate::event::Observer;
use crate::sink::{MemorySink, Sink};
use crate::url::Url;
use error::Trouble;
use place::{PULL, Place};
use push::{Doubt, Locks};
use token::Tokens;

/// The largest manifest or index, in bytes: what registries must accept.
pub const DOCUMENT_BYTES_MAX: u64 = hardpan_image::DOCUMENT_SIZE_BYTES_MAX as u64;

/// The largest answer to a ping, in bytes.
const PING_BYTES_MAX: u64 = 1 << 20;

/// How often one request may be refused for want of a login. The first refusal is how a registry asks for
/// one, the second may be a token that ran out between; what is refused then stays refused.
const REFUSALS_MAX: usize = 3;

/// Fetches from registries and pushes to them. All methods may be called from several threads.
#[derive(Debug)]
pub struct Registries {
    client: Client,
    options: RegistryOptions,
    logins: Logins,
    tokens: Mutex<Tokens>,
    uploads: UploadOptions,
    /// Of the tags that this process is changing.
    locks: Locks,
}

/// Who is told of a transfer, and who can stop it.
#[derive(Clone, Copy)]
pub struct Watch<'w> {
    /// Who is told.
    pub observer: &'w dyn Observer,
    /// Who can stop it.
    pub cancel: &'w Cancel,
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("cancel", &self.cancel).finish_non_exhaustive()
    }
}

impl Registries {
    /// Uses a client's connections.
    pub fn new(client: Client, options: RegistryOptions, logins: Logins) -> Self {
        let (tokens, uploads, locks) =
            (Mutex::default(), UploadOptions::default(), Locks::default());
        Self { client, options, logins, tokens, uploads, locks }
    }

    /// Uploads in other pieces than [`UploadOptions::default`] has.
    #[must_use]
    pub fn with_uploads(self, uploads: UploadOptions) -> Self {
        Self { uploads, ..self }
    }

    /// Fetches the manifest or index that a name means: by its digest if it has one, or else by its tag,
    /// or else by the tag `latest`.
    pub fn document(
        &self,
        name: &ImageName,
        watch: Watch<'_>,
    ) -> Result<RemoteDocument, RegistryError> {
        let mut doubt = Doubt::of_reading();
        loop {
            match self.document_once(name, watch) {
                Err(RegistryError::Remote(error))
                    if error.is_mismatch() && doubt.again(&self.client, watch.cancel) => {}
                result => return result,
            }
        }
    }

    fn document_once(
        &self,
        name: &ImageName,
        watch: Watch<'_>,
    ) -> Result<RemoteDocument, RegistryError> {
        let place = Place::of(name, &self.options)?;
        let version = match (name.digest(), name.tag()) {
            (Some(digest), _) => digest.to_string(),
            (None, tag) => tag.unwrap_or("latest").to_owned(),
        };
        let request = Request::new(&place.url("manifests", &version), DOCUMENT_BYTES_MAX)?;
        let mut sink = MemorySink::default();
        let done = self.transfer(&place, &request, Some(document::ACCEPT), &mut sink, watch)?;
        let expected = name.digest();
        document::read(&request.url, done, sink.into_bytes(), expected)
    }

    /// Fetches a blob of a repository into a sink; what the sink holds already is not fetched again.
    pub fn blob(
        &self,
        name: &ImageName,
        digest: Digest,
        size_bytes: u64,
        sink: &mut dyn Sink,
        watch: Watch<'_>,
    ) -> Result<Downloaded, RegistryError> {
        let place = Place::of(name, &self.options)?;
        let url = place.url("blobs", &digest.to_string());
        let request = Request::exactly(&url, digest, size_bytes)?;
        self.transfer(&place, &request, None, sink, watch)
    }

    /// Makes a transfer, and logs in where the registry wants that.
    fn transfer(
        &self,
        place: &Place,
        request: &Request,
        accept: Option<&'static str>,
        sink: &mut dyn Sink,
        watch: Watch<'_>,
    ) -> Result<Downloaded, RegistryError> {
        let (scope, url) = (place.scope(PULL), &request.url);
        let outcome = self.logged_in(place, &scope, url, watch, &mut |authorization| {
            let access = Access { accept, authorization: authorization.cloned() };
            let transfer = Transfer::new(&self.client, request, watch.observer, watch.cancel);
            Ok(transfer.with_access(&access).run(sink, false)?)
        })?;
        match outcome {
            Outcome::Done(done) => Ok(done),
            Outcome::NotModified => {
                let problem = "status 304 to an unconditional request".to_owned();
                Err(RemoteError::Protocol { url: request.url.clone(), problem }.into())
            }
        }
    }

    /// Does something, and logs in where the registry wants that. What failed and may be tried again is
    /// [`Trouble::Failure`].
    fn logged_in<T>(
        &self,
        place: &Place,
        scope: &str,
        url: &Url,
        watch: Watch<'_>,
        make: &mut dyn FnMut(Option<&Authorization>) -> Result<T, Failure>,
    ) -> Result<T, Trouble> {
        let (mut refusals, mut is_pinged) = (0, false);
        loop {
            let authorization = self.lock_tokens().get(place, scope);
            let failure = match make(authorization.as_ref()) {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            let Failure { error, remedy } = failure;
            let challenges = match *error {
                RemoteError::Unauthorized { challenges, .. } => challenges,
                error if error.is_denied() || error.is_not_found() => {
                    // Some registries hide what is private from who has not logged in, without a word.
                    let may_be_hidden = authorization.is_none() && !is_pinged;
                    is_pinged = true;
                    let challenges = if may_be_hidden { self.ping(place, watch)? } else { None };
                    match challenges {
                        Some(challenges) => challenges,
                        None if error.is_denied() => return Err(self.denied(place, error).into()),
                        None => return Err(RegistryError::from(error).into()),
                    }
                }
                error => return Err(Failure { error: Box::new(error), remedy }.into()),
            };
            refusals += 1;
            let is_given_up = refusals >= REFUSALS_MAX;
            if is_given_up
                || !self.log_in(place, scope, &challenges, authorization.as_ref(), watch)?
            {
                let url = url.clone();
                let error = RemoteError::Unauthorized { url, challenges };
                return Err(self.denied(place, error).into());
            }
        }
    }

    /// Asks a registry that the caller has a login for how it wants to be told.
    fn ping(&self, place: &Place, watch: Watch<'_>) -> Result<Option<Vec<String>>, RegistryError> {
        if self.logins.find(&place.login, &place.repository).credential.is_none()
            || self.lock_tokens().is_open(place)
        {
            return Ok(None);
        }
        let request = Request::new(&place.root(), PING_BYTES_MAX)?;
        let mut sink = MemorySink::default();
        let transfer = Transfer::new(&self.client, &request, watch.observer, watch.cancel);
        match transfer.run(&mut sink, false) {
            Err(RemoteError::Unauthorized { challenges, .. }) => Ok(Some(challenges)),
            // Whatever else it says, it does not want to be told.
            other => {
                if other.is_ok() {
                    self.lock_tokens().set_open(place);
                }
                Ok(None)
            }
        }
    }

    fn lock_tokens(&self) -> std::sync::MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says who was not let in, and where a login was looked for.
    fn denied(&self, place: &Place, source: RemoteError) -> RegistryError {
        let lookup = self.logins.find(&place.login, &place.repository);
        RegistryError::Denied(Box::new(Denial {
            registry: place.login.clone(),
            repository: place.repository.clone(),
            login: lookup.source,
            looked: lookup.looked,
            problems: lookup.problems,
            source,
        }))
    }
}

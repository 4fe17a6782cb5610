// SPDX-License-Identifier: Apache-2.0
//! Pulling from OCI registries (OCI distribution specification, "Pull").
//!
//! A [`Registries`] fetches documents ([`Registries::document`]) and blobs ([`Registries::blob`]) by the
//! names of images. It logs in as docker and podman do ([`Logins`]), with tokens where a registry wants
//! them, and asks again when a token has run out. All else is as for every transfer of this crate:
//! attempts, limits, digests, continuation. What lets the caller in at a registry is never sent on to
//! the storage that the registry redirects to.
//!
//! Pushing will be a second `impl Registries` beside this one: places, logins and tokens are the same, only
//! the scope of a token is wider.

mod challenge;
mod document;
mod error;
mod login;
mod place;
mod token;

use std::sync::{Mutex, PoisonError};

use hardpan_image::ImageName;
use hardpan_tree::Digest;

pub use document::RemoteDocument;
pub use error::{Denial, RegistryError};
pub use login::{Credential, HelperReply, LoginFileError, Logins};
pub use place::{Mirror, RegistryOptions, is_loopback};

use crate::access::Access;
use crate::cancel::Cancel;
use crate::client::{Client, Request};
use crate::download::{Downloaded, Outcome, Transfer};
use crate::error::RemoteError;
use crate::event::Observer;
use crate::sink::{MemorySink, Sink};
use place::Place;
use token::Tokens;

/// The largest manifest or index, in bytes: what registries must accept.
pub const DOCUMENT_BYTES_MAX: u64 = hardpan_image::DOCUMENT_SIZE_BYTES_MAX as u64;

/// The largest answer to a ping, in bytes.
const PING_BYTES_MAX: u64 = 1 << 20;

/// How often one request may be refused for want of a login. The first refusal is how a registry asks for
/// one, the second may be a token that ran out between; what is refused then stays refused.
const REFUSALS_MAX: usize = 3;

/// Fetches from registries. All methods may be called from several threads.
#[derive(Debug)]
pub struct Registries {
    client: Client,
    options: RegistryOptions,
    logins: Logins,
    tokens: Mutex<Tokens>,
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
        Self { client, options, logins, tokens: Mutex::default() }
    }

    /// Fetches the manifest or index that a name means: by its digest if it has one, or else by its tag,
    /// or else by the tag `latest`.
    pub fn document(
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
        let scope = place.scope("pull");
        let (mut refusals, mut is_pinged) = (0, false);
        loop {
            let authorization = self.lock_tokens().get(place, &scope);
            let access = Access { accept, authorization: authorization.clone() };
            let transfer = Transfer::new(&self.client, request, watch.observer, watch.cancel);
            let challenges = match transfer.with_access(&access).run(sink, false) {
                Ok(Outcome::Done(done)) => return Ok(done),
                Ok(Outcome::NotModified) => {
                    let problem = "status 304 to an unconditional request".to_owned();
                    return Err(RemoteError::Protocol { url: request.url.clone(), problem }.into());
                }
                Err(RemoteError::Unauthorized { challenges, .. }) => challenges,
                Err(error) if error.is_denied() || error.is_not_found() => {
                    // Some registries hide what is private from who has not logged in, without a word.
                    let may_be_hidden = authorization.is_none() && !is_pinged;
                    is_pinged = true;
                    let challenges = if may_be_hidden { self.ping(place, watch)? } else { None };
                    match challenges {
                        Some(challenges) => challenges,
                        None if error.is_denied() => return Err(self.denied(place, error)),
                        None => return Err(error.into()),
                    }
                }
                Err(error) => return Err(error.into()),
            };
            refusals += 1;
            let is_given_up = refusals >= REFUSALS_MAX;
            if is_given_up
                || !self.log_in(place, &scope, &challenges, authorization.as_ref(), watch)?
            {
                let url = request.url.clone();
                return Err(self.denied(place, RemoteError::Unauthorized { url, challenges }));
            }
        }
    }

    /// Asks a registry that the caller has a login for how it wants to be told.
    fn ping(&self, place: &Place, watch: Watch<'_>) -> Result<Option<Vec<String>>, RegistryError> {
        if self.logins.find(&place.login, &place.repository).credential.is_none() {
            return Ok(None);
        }
        let request = Request::new(&place.root(), PING_BYTES_MAX)?;
        let mut sink = MemorySink::default();
        let transfer = Transfer::new(&self.client, &request, watch.observer, watch.cancel);
        match transfer.run(&mut sink, false) {
            Err(RemoteError::Unauthorized { challenges, .. }) => Ok(Some(challenges)),
            // Whatever else it says, it does not want to be told.
            _ => Ok(None),
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

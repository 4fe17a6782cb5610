// SPDX-License-Identifier: Apache-2.0
//! Pushing (OCI distribution specification, "Push" and "Content Discovery").

mod body;
mod change;
mod document;
mod doubt;
mod fallback;
mod list;
mod referrers;
mod upload;

use hardpan_image::ImageName;
use serde::Deserialize;
use ureq::http::Method;

pub use body::Source;
pub(super) use change::Locks;
pub use change::TagChange;
pub use document::{DocumentPushed, Reference};
pub(super) use doubt::Doubt;
pub use list::next_link;
pub(super) use referrers::descriptors;
pub use referrers::{Indexed, Referrer, Referrers};
pub use upload::{Pushed, UploadOptions};

use super::error::{RegistryError, Trouble};
use super::place::{PULL, PUSH, Place};
use super::{DOCUMENT_BYTES_MAX, Registries, Watch};
use crate::access::Authorization;
use crate::download::Patience;
use crate::error::{Failure, RemoteError};
use crate::exchange::{Message, Payload, Reply, exchange};
use crate::url::{Url, redact};

/// The largest answer to what has none to speak of, in bytes: errors are JSON.
const ANSWER_BYTES_MAX: u64 = 1 << 20;
/// How much of a registry's reason is shown, in letters.
const REASON_LETTERS_MAX: usize = 300;

/// A repository and what is allowed there.
struct Door {
    place: Place,
    /// Where the registry is. Nobody else hears who asks.
    root: Url,
    /// What a token is to allow.
    scope: String,
}

/// Sends a message, with what lets the caller in where that is known.
type Send<'s> = dyn FnMut(Option<&Authorization>, &Message<'_>) -> Result<Reply, Failure> + 's;

/// A request without its payload.
struct Call<'c> {
    method: Method,
    url: &'c Url,
    /// What errors and events call it.
    shown: &'c Url,
    headers: &'c [(&'static str, &'c str)],
    limit_bytes: u64,
}

impl<'c> Call<'c> {
    fn new(method: Method, url: &'c Url) -> Self {
        Self { method, url, shown: url, headers: &[], limit_bytes: ANSWER_BYTES_MAX }
    }

    /// Reads a document or a list.
    fn read(url: &'c Url, headers: &'c [(&'static str, &'c str)]) -> Self {
        Self { headers, limit_bytes: DOCUMENT_BYTES_MAX, ..Self::new(Method::GET, url) }
    }
}

impl Door {
    /// Of who only reads.
    fn to_read(registries: &Registries, name: &ImageName) -> Result<Self, RegistryError> {
        Self::of(Place::of(name, &registries.options)?, PULL)
    }

    /// Of who writes.
    fn to_write(registries: &Registries, name: &ImageName) -> Result<Self, RegistryError> {
        Self::of(Place::itself(name, &registries.options), PUSH)
    }

    fn of(place: Place, actions: &str) -> Result<Self, RegistryError> {
        let (root, scope) = (parse(&place.root())?, place.scope(actions));
        Ok(Self { place, root, scope })
    }

    fn url(&self, kind: &str, what: &str) -> Result<Url, RegistryError> {
        parse(&self.place.url(kind, what))
    }
}

impl Registries {
    /// Sends a request until there is an answer, and logs in where the registry wants that.
    fn ask(
        &self,
        door: &Door,
        call: &Call<'_>,
        payload: &[u8],
        watch: Watch<'_>,
    ) -> Result<Reply, RegistryError> {
        let mut patience = Patience::new(&self.client, call.shown, watch.observer, watch.cancel);
        loop {
            patience.check()?;
            match self.ask_once(door, call, payload, watch) {
                Ok(reply) => return Ok(reply),
                Err(Trouble::Failure(failure)) => patience.failed(failure)?,
                Err(Trouble::Final(error)) => return Err(error),
            }
        }
    }

    /// Sends a request once, or again after a login.
    fn ask_once(
        &self,
        door: &Door,
        call: &Call<'_>,
        payload: &[u8],
        watch: Watch<'_>,
    ) -> Result<Reply, Trouble> {
        self.at_door(door, call, watch, &mut |authorization, message| {
            let payload = if payload.is_empty() { Payload::None } else { Payload::Bytes(payload) };
            exchange(&self.client, message, payload, authorization)
        })
    }

    /// Does what leads to a request, with what lets the caller in if the request goes to the registry.
    fn at_door(
        &self,
        door: &Door,
        call: &Call<'_>,
        watch: Watch<'_>,
        send: &mut Send<'_>,
    ) -> Result<Reply, Trouble> {
        let Call { method, url, shown, headers, limit_bytes } = call;
        let (headers, limit_bytes) = (*headers, *limit_bytes);
        let message = Message { method, url, shown, headers, limit_bytes };
        if !url.is_same_server(&door.root) {
            // What another server thinks of strangers says nothing about this registry's logins.
            return Ok(send(None, &message)?);
        }
        self.logged_in(&door.place, &door.scope, shown, watch, &mut |authorization| {
            send(authorization, &message)
        })
    }
}

/// What a registry says about an error (OCI distribution specification, "Error Codes").
#[derive(Deserialize)]
struct Reasons {
    errors: Vec<Reason>,
}

#[derive(Deserialize)]
struct Reason {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// What an answer means that nobody expected.
fn refused(shown: &Url, reply: &Reply) -> RegistryError {
    let (url, status) = (shown.clone(), reply.status);
    match status {
        300..400 => {
            let problem = format!("redirect with status {status} refused");
            RemoteError::Redirect { url, problem }.into()
        }
        400.. => RegistryError::Refused { url, status, reason: reason(&reply.body) },
        _ => protocol(shown, &format!("status {status} was not expected")),
    }
}

/// Returns what a registry says about an error, fit to be shown.
fn reason(body: &[u8]) -> String {
    let reasons: Vec<Reason> =
        serde_json::from_slice(body).map_or_else(|_| Vec::new(), |read: Reasons| read.errors);
    let words: Vec<String> =
        reasons.iter().take(3).map(|r| format!("{} {}", r.code, r.message)).collect();
    let words = words.join(", ");
    let shown = words.trim().chars().filter(|letter| !letter.is_control());
    shown.take(REASON_LETTERS_MAX).collect()
}

fn protocol(shown: &Url, problem: &str) -> RegistryError {
    RemoteError::Protocol { url: shown.clone(), problem: problem.to_owned() }.into()
}

fn parse(url: &str) -> Result<Url, RegistryError> {
    url.parse().map_err(|problem| RemoteError::BadUrl { url: redact(url), problem }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_shown_without_harm() {
        let long = format!(r#"{{"errors":[{{"code":"A","message":"{}"}}]}}"#, "x".repeat(5000));
        for (body, expected) in [
            (r#"{"errors":[{"code":"DENIED","message":"no"}]}"#, "DENIED no".to_owned()),
            (r#"{"errors":[{"code":"A"},{"message":"b"}]}"#, "A ,  b".to_owned()),
            (
                "{\"errors\":[{\"code\":\"A\",\"message\":\"x\\u001b[31my\"}]}",
                "A x[31my".to_owned(),
            ),
            (&long, format!("A {}", "x".repeat(REASON_LETTERS_MAX - 2))),
            ("<html>", String::new()),
            ("{}", String::new()),
            (r#"{"errors":"no"}"#, String::new()),
            ("", String::new()),
        ] {
            assert_eq!(reason(body.as_bytes()), expected, "{body:.80}");
        }
    }
}

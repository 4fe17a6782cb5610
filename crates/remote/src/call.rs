// SPDX-License-Identifier: Apache-2.0
//! Questions to a service's interface: one request, one small answer.

use ureq::http::Method;

use crate::access::Authorization;
use crate::cancel::Cancel;
use crate::client::Client;
use crate::download::retry;
use crate::error::RemoteError;
use crate::event::Observer;
use crate::exchange::{Message, Payload, exchange};
use crate::url::{Url, redact};

const JSON: &str = "application/json";

/// A question to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// To where.
    pub url: Url,
    /// What is posted; without it the question is a GET.
    pub body: Option<Vec<u8>>,
    /// The media types of what is posted and of the answer: JSON, unless said otherwise.
    pub media_types: [&'static str; 2],
    /// Who asks. It goes to the URL's own server and no other: redirects are not followed.
    pub authorization: Option<Authorization>,
    /// Most bytes that are accepted as an answer.
    pub limit_bytes: u64,
}

impl Call {
    /// Asks a URL, which has to be `http:` or `https:`, something.
    pub fn new(url: &str, body: Option<Vec<u8>>, limit_bytes: u64) -> Result<Self, RemoteError> {
        let url =
            url.parse().map_err(|problem| RemoteError::BadUrl { url: redact(url), problem })?;
        Ok(Self { url, body, media_types: [JSON; 2], authorization: None, limit_bytes })
    }
}

impl Client {
    /// Asks a service, and again where that may help, and returns the body of the answer. Also answers whose status says
    /// that the question was wrong are answers; 401, 403, 404 and redirects are errors.
    pub fn call(
        &self,
        call: &Call,
        observer: &dyn Observer,
        cancel: &Cancel,
    ) -> Result<Vec<u8>, RemoteError> {
        let Call { url, body, media_types: [sent, answered], authorization, limit_bytes } = call;
        if url.scheme() == "file" {
            let problem = "files answer no questions".to_owned();
            return Err(RemoteError::Protocol { url: url.clone(), problem });
        }
        if authorization.is_some() && !url.keeps_secrets() {
            return Err(RemoteError::BadOption {
                option: "url",
                problem: format!(
                    "{url} is without TLS: whoever is on the way would read the token"
                ),
            });
        }
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let headers = [("accept", *answered), ("content-type", *sent)];
        let message = Message {
            method: &method,
            url,
            shown: url,
            headers: if body.is_some() { &headers } else { &headers[..1] },
            limit_bytes: *limit_bytes,
        };
        let reply = retry(self, url, observer, cancel, || {
            let payload = body.as_deref().map_or(Payload::None, Payload::Bytes);
            exchange(self, &message, payload, authorization.as_ref())
        })?;
        if (300..400).contains(&reply.status) {
            let problem = "redirects to another server, which is not told who asks".to_owned();
            return Err(RemoteError::Redirect { url: url.clone(), problem });
        }
        Ok(reply.body)
    }
}

// SPDX-License-Identifier: Apache-2.0
//! One request of any method and its whole answer, without redirects.

use std::io::Read;

use ureq::http::{self, HeaderMap, Method};
use ureq::{Error, SendBody};

use crate::access::Authorization;
use crate::attempt::{challenges, header, map_error, refusal};
use crate::client::Client;
use crate::error::{Failure, RemoteError};
use crate::url::Url;

/// What a request carries.
pub(crate) enum Payload<'p> {
    None,
    Bytes(&'p [u8]),
    /// Exactly so many bytes; a reader that ends earlier must fail, not end.
    Reader(&'p mut dyn Read, u64),
}

/// A request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'m> {
    pub(crate) method: &'m Method,
    pub(crate) url: &'m Url,
    /// What errors and events call it: where a storage is may be a secret.
    pub(crate) shown: &'m Url,
    pub(crate) headers: &'m [(&'static str, &'m str)],
    /// Most bytes that an answer may have.
    pub(crate) limit_bytes: u64,
}

/// An answer, with all of its body.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    /// Returns all headers of a name.
    pub(crate) fn headers<'r>(&'r self, name: &'r str) -> impl Iterator<Item = &'r str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
    }
}

/// Sends a request and reads the answer. What another attempt may change is an error, and so are the statuses
/// 401, 403, 404 and 410; every other status is the caller's matter.
///
/// The body is always read to its end: a connection can't be used again before.
pub(crate) fn exchange(
    client: &Client,
    message: &Message<'_>,
    payload: Payload<'_>,
    authorization: Option<&Authorization>,
) -> Result<Reply, Failure> {
    let Message { method, url, shown, headers, limit_bytes } = *message;
    let failed = |error| Failure::from(map_error(shown, error, 0));
    let mut request = http::Request::builder().method(method.clone()).uri(url.as_str());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization.value());
    }
    let has_length = [Method::POST, Method::PUT, Method::PATCH].contains(method);
    let length_bytes = match &payload {
        Payload::None => 0,
        Payload::Bytes(bytes) => bytes.len() as u64,
        Payload::Reader(_, length_bytes) => *length_bytes,
    };
    if has_length {
        request = request.header("content-length", length_bytes);
    }
    let mut bytes: &[u8] = &[];
    let reader: Option<&mut dyn Read> = match payload {
        Payload::None if has_length => Some(&mut bytes),
        Payload::None => None,
        Payload::Bytes(content) => {
            bytes = content;
            Some(&mut bytes)
        }
        Payload::Reader(reader, _) => Some(reader),
    };
    let agent = client.agent(url);
    let response = match reader {
        Some(reader) => request.body(SendBody::from_reader(reader)).map(|it| agent.run(it)),
        None => request.body(()).map(|it| agent.run(it)),
    };
    let response = response.map_err(Error::Http).and_then(|result| result).map_err(failed)?;
    let status = response.status().as_u16();
    let (parts, body) = response.into_parts();
    let mut bytes = Vec::new();
    body.into_reader()
        .take(limit_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::from(map_error(shown, error.into(), bytes.len() as u64)))?;
    let url = shown.clone();
    match status {
        401 => {
            let challenges = challenges(&parts.headers);
            return Err(RemoteError::Unauthorized { url, challenges }.into());
        }
        403 => return Err(RemoteError::Status { url, status }.into()),
        // What is missing is not at this URL: the payload names it.
        404 if *method == Method::PUT && holds(&bytes, b"MANIFEST_BLOB_UNKNOWN") => {}
        404 | 410 => return Err(RemoteError::NotFound { url }.into()),
        _ => {}
    }
    let failure = refusal(shown, status, &parts.headers);
    if failure.is_passing() {
        return Err(failure);
    }
    if bytes.len() as u64 > limit_bytes {
        return Err(RemoteError::TooLarge { url, limit_bytes }.into());
    }
    Ok(Reply { status, headers: parts.headers, body: bytes })
}

fn holds(body: &[u8], word: &[u8]) -> bool {
    body.windows(word.len()).any(|part| part == word)
}

// SPDX-License-Identifier: Apache-2.0
//! One exchange with a server, redirects included.

use std::io::{self, Read};
use std::time::Duration;

use ureq::http::{HeaderMap, Response};
use ureq::{Body, Timeout};

use crate::access::{Access, Authorization, CHALLENGE_BYTES_MAX, CHALLENGES_MAX};
use crate::client::{Client, Validators};
use crate::error::{Failure, Remedy, RemoteError};
use crate::url::Url;

/// Longest header that is kept, in bytes.
const HEADER_BYTES_MAX: usize = 512;

/// What to send.
#[derive(Debug, Default)]
pub(crate) struct Headers<'h> {
    /// Who asks, and for which kinds of documents.
    pub(crate) access: Option<&'h Access>,
    /// Who asks, where nothing else is to be said.
    pub(crate) authorization: Option<&'h Authorization>,
    /// Only the bytes from here on; with the validators of those that are there.
    pub(crate) from: Option<(u64, Validators)>,
    /// Only if it is not this version.
    pub(crate) unless: Option<Validators>,
}

/// A server's answer. Its status is 200, 206, 304 or 416.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The size of the body, if announced, in bytes.
    pub(crate) length_bytes: Option<u64>,
    /// Where the body begins in the whole, and the size of the whole, both in bytes (status 206).
    pub(crate) range: Option<(u64, Option<u64>)>,
    pub(crate) validators: Validators,
    /// The `Content-Type` header.
    pub(crate) content_type: Option<String>,
    /// The `Docker-Content-Digest` header.
    pub(crate) content_digest: Option<String>,
    pub(crate) body: Box<dyn Read + Send>,
}

/// Sends a request and follows redirects. Statuses that are no success are errors.
pub(crate) fn open(client: &Client, url: &Url, headers: &Headers<'_>) -> Result<Answer, Failure> {
    let mut current = url.clone();
    for _ in 0..=client.options.redirects_max {
        // What lets the caller in at one host is none of another's business.
        let is_at_home = current.is_same_server(url);
        // Where a storage is may be a secret too: the query of such URLs lets in whoever has it.
        let shown = if is_at_home { current.clone() } else { url.clone() };
        let response = send(client, &current, headers, is_at_home)
            .map_err(|error| map_error(&shown, error, 0))?;
        let status = response.status().as_u16();
        match status {
            200 | 206 | 304 | 416 => return Ok(answer(status, response)),
            301 | 302 | 303 | 307 | 308 => {
                current = redirect(&current, &shown, response.headers())?;
            }
            401 if is_at_home => {
                let challenges = challenges(response.headers());
                return Err(RemoteError::Unauthorized { url: url.clone(), challenges }.into());
            }
            404 | 410 => return Err(RemoteError::NotFound { url: url.clone() }.into()),
            _ => return Err(refusal(url, status, response.headers())),
        }
    }
    let problem = format!("more than {} redirects", client.options.redirects_max);
    Err(RemoteError::Redirect { url: url.clone(), problem }.into())
}

/// Sends a form and returns the answer, which must be a success. Redirects are not followed: a form
/// may hold a secret.
pub(crate) fn post_form(client: &Client, url: &Url, form: &str) -> Result<Answer, Failure> {
    let request = client
        .agent(url)
        .post(url.as_str())
        .header("content-type", "application/x-www-form-urlencoded");
    let response = request.send(form).map_err(|error| map_error(url, error, 0))?;
    match response.status().as_u16() {
        200 => Ok(answer(200, response)),
        404 | 410 => Err(RemoteError::NotFound { url: url.clone() }.into()),
        status => Err(refusal(url, status, response.headers())),
    }
}

/// What a status that is no success means, with the time that the server wants to be left alone.
pub(crate) fn refusal(url: &Url, status: u16, headers: &HeaderMap) -> Failure {
    let mut failure = Failure::from(RemoteError::Status { url: url.clone(), status });
    if let Remedy::Retry(wish) = &mut failure.remedy {
        *wish = header(headers, "retry-after")
            .and_then(|text| text.parse().ok())
            .map(Duration::from_secs);
    }
    failure
}

/// How the server wants to be convinced.
pub(crate) fn challenges(headers: &HeaderMap) -> Vec<String> {
    headers
        .get_all("www-authenticate")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .filter(|text| text.len() <= CHALLENGE_BYTES_MAX)
        .take(CHALLENGES_MAX)
        .map(ToOwned::to_owned)
        .collect()
}

fn send(
    client: &Client,
    url: &Url,
    headers: &Headers<'_>,
    is_at_home: bool,
) -> Result<Response<Body>, ureq::Error> {
    let mut request = client.agent(url).get(url.as_str());
    let access = headers.access;
    let granted = access.and_then(|access| access.authorization.as_ref());
    let granted = granted.or(headers.authorization).filter(|_| is_at_home);
    let value = granted.map(|granted| granted.value().to_owned()).or_else(|| url.authorization());
    if let Some(authorization) = value {
        request = request.header("authorization", authorization);
    }
    if let Some(accept) = access.and_then(|access| access.accept) {
        request = request.header("accept", accept);
    }
    if let Some((from_bytes, validators)) = &headers.from {
        request = request.header("range", format!("bytes={from_bytes}-"));
        // A weak ETag must not be used here (RFC 9110, section 13.1.5).
        let strong = validators.etag.as_ref().filter(|etag| !etag.starts_with("W/"));
        if let Some(validator) = strong.or(validators.last_modified.as_ref()) {
            request = request.header("if-range", validator);
        }
    }
    if let Some(validators) = &headers.unless {
        if let Some(etag) = &validators.etag {
            request = request.header("if-none-match", etag);
        }
        if let Some(last_modified) = &validators.last_modified {
            request = request.header("if-modified-since", last_modified);
        }
    }
    request.call()
}

/// Where a redirect leads; errors have the URL `shown`.
pub(crate) fn redirect(from: &Url, shown: &Url, headers: &HeaderMap) -> Result<Url, RemoteError> {
    redirect_to(from, shown, header(headers, "location"))
}

/// Where a `Location` header leads.
pub(crate) fn redirect_to(
    from: &Url,
    shown: &Url,
    location: Option<&str>,
) -> Result<Url, RemoteError> {
    let refuse =
        |problem: &str| RemoteError::Redirect { url: shown.clone(), problem: problem.to_owned() };
    let location = location.ok_or_else(|| refuse("redirect without a target"))?;
    let to = from.join(location).map_err(|_| refuse("redirect to something that is no URL"))?;
    match (from.scheme(), to.scheme()) {
        ("https", "http") => Err(refuse("redirect from https: to http: refused")),
        (_, "file") => Err(refuse("redirect to a local file refused")),
        _ => Ok(to),
    }
}

fn answer(status: u16, response: Response<Body>) -> Answer {
    let headers = response.headers();
    let kept = |name: &str| {
        header(headers, name).filter(|text| text.len() <= HEADER_BYTES_MAX).map(ToOwned::to_owned)
    };
    let validators = Validators { etag: kept("etag"), last_modified: kept("last-modified") };
    let (content_type, content_digest) = (kept("content-type"), kept("docker-content-digest"));
    let range = header(headers, "content-range").and_then(parse_content_range);
    let length_bytes = response.body().content_length();
    let body = Box::new(response.into_body().into_reader());
    Answer { status, length_bytes, range, validators, content_type, content_digest, body }
}

pub(crate) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// Parses `bytes 5-9/10` or `bytes 5-9/*` into the start and the whole size.
fn parse_content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    let total = if total == "*" { None } else { Some(total.parse().ok()?) };
    (first <= last && total.is_none_or(|total: u64| last < total)).then_some((first, total))
}

/// Turns the HTTP library's error into ours.
pub(crate) fn map_error(url: &Url, error: ureq::Error, received_bytes: u64) -> RemoteError {
    let url = url.clone();
    match error {
        ureq::Error::Timeout(timeout) => {
            let phase = match timeout {
                Timeout::Resolve => "looking up the host name",
                Timeout::Connect => "connecting",
                Timeout::Global | Timeout::PerCall => "the whole transfer",
                Timeout::RecvResponse => "waiting for an answer",
                _ => "no data",
            };
            RemoteError::Timeout { url, phase }
        }
        ureq::Error::HostNotFound => {
            RemoteError::Connect { url, source: io::Error::other("host not found") }
        }
        ureq::Error::ConnectionFailed => {
            RemoteError::Connect { url, source: io::Error::other("connection failed") }
        }
        ureq::Error::ConnectProxyFailed(reason) => RemoteError::Connect {
            url,
            source: io::Error::other(format!("the proxy refused: {reason}")),
        },
        ureq::Error::Io(source) => match source.kind() {
            io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
                RemoteError::Timeout { url, phase: "no data" }
            }
            io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable => RemoteError::Connect { url, source },
            io::ErrorKind::InvalidData => RemoteError::Tls { url, problem: source.to_string() },
            _ => RemoteError::Interrupted { url, received_bytes, source },
        },
        ureq::Error::Rustls(error) => RemoteError::Tls { url, problem: error.to_string() },
        ureq::Error::Tls(problem) => RemoteError::Tls { url, problem: problem.to_owned() },
        other => RemoteError::Protocol { url, problem: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        for (text, range) in [
            ("bytes 5-9/10", Some((5, Some(10)))),
            ("bytes 5-9/*", Some((5, None))),
            ("bytes 9-5/10", None),
            ("bytes 5-10/10", None),
            ("bytes */10", None),
            ("items 5-9/10", None),
            ("bytes -5-9/10", None),
            ("", None),
        ] {
            assert_eq!(parse_content_range(text), range, "{text}");
        }
    }
}

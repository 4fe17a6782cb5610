// SPDX-License-Identifier: Apache-2.0
//! Git's messages over HTTP (gitprotocol-http, "Smart Clients").

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::time::Duration;

use ureq::http::Response;
use ureq::{Body, RequestBuilder};

use super::GitError;
use super::packet::{PacketReader, push_line};
use super::protocol::{capabilities, shown};
use crate::attempt::{map_error, redirect};
use crate::cancel::Cancel;
use crate::client::{Client, Request};
use crate::error::{Failure, Remedy, RemoteError};
use crate::event::{Event, Observer};
use crate::url::Url;

const ADVERTISEMENT: &str = "/info/refs?service=git-upload-pack";
const ADVERTISEMENT_TYPE: &str = "application/x-git-upload-pack-advertisement";

/// A repository whose server speaks version 2.
pub(super) struct Service<'c> {
    client: &'c Client,
    /// Where it is, after redirects.
    base: Url,
    /// The `Authorization` header, for `base`.
    authorization: Option<String>,
    request: &'c Request,
}

impl<'c> Service<'c> {
    /// Asks a server what it can do.
    pub(super) fn open(client: &'c Client, request: &'c Request) -> Result<Self, GitError> {
        let mut current = below(&request.url, ADVERTISEMENT)?;
        for _ in 0..=client.options.redirects_max {
            let authorization = request.authorization_for(&current);
            let get = client.agent(&current).get(current.as_str());
            let response = with_headers(get, authorization.as_deref())
                .call()
                .map_err(|error| map_error(&request.url, error, 0))?;
            match response.status().as_u16() {
                200 => return Self::understand(client, request, &current, authorization, response),
                301 | 302 | 303 | 307 | 308 => {
                    current = redirect(&current, &request.url, response.headers())?;
                }
                status => return Err(status_error(&request.url, status).into()),
            }
        }
        let problem = format!("more than {} redirects", client.options.redirects_max);
        Err(RemoteError::Redirect { url: request.url.clone(), problem }.into())
    }

    fn understand(
        client: &'c Client,
        request: &'c Request,
        current: &Url,
        authorization: Option<String>,
        response: Response<Body>,
    ) -> Result<Self, GitError> {
        let url = || request.url.clone();
        let content_type = response.headers().get("content-type");
        if content_type.and_then(|value| value.to_str().ok()) != Some(ADVERTISEMENT_TYPE) {
            return Err(GitError::Dumb { url: url() });
        }
        let base = current.as_str().strip_suffix(ADVERTISEMENT).ok_or_else(|| {
            let problem = "redirect to something that is no git repository".to_owned();
            RemoteError::Redirect { url: url(), problem }
        })?;
        let base = base
            .parse()
            .map_err(|problem| RemoteError::BadUrl { url: base.to_owned(), problem })?;
        let service = Self { client, base, authorization, request };
        let mut packets = PacketReader::new(response.into_body().into_reader());
        let found: BTreeMap<String, String> = capabilities(&mut packets)
            .map_err(|error| service.broken(error))?
            .ok_or_else(|| GitError::Version { url: url() })?;
        if let Some(format) = found.get("object-format").filter(|format| *format != "sha1") {
            return Err(GitError::Format { url: url(), format: shown(format) });
        }
        if !["ls-refs", "fetch"].iter().all(|name| found.contains_key(*name)) {
            return Err(service.bad("the server can neither list nor fetch"));
        }
        Ok(service)
    }

    /// Starts a request.
    pub(super) fn command(&self, name: &str) -> Vec<u8> {
        let mut request = Vec::new();
        push_line(&mut request, &format!("command={name}"));
        let agent = self.client.options.user_agent.replace(char::is_whitespace, "-");
        push_line(&mut request, &format!("agent={agent}"));
        push_line(&mut request, "object-format=sha1");
        request
    }

    /// Sends a request and returns the answer's body.
    pub(super) fn post(&self, body: &[u8]) -> Result<Box<dyn Read + Send>, GitError> {
        let url = below(&self.base, "/git-upload-pack")?;
        let post = self.client.agent(&url).post(url.as_str());
        let response = with_headers(post, self.authorization.as_deref())
            .header("content-type", "application/x-git-upload-pack-request")
            .header("accept", "application/x-git-upload-pack-result")
            .send(body)
            .map_err(|error| map_error(self.url(), error, 0))?;
        match response.status().as_u16() {
            200 => Ok(Box::new(response.into_body().into_reader())),
            status => Err(status_error(self.url(), status).into()),
        }
    }

    /// Returns the repository's URL as the request has it.
    pub(super) fn url(&self) -> &Url {
        &self.request.url
    }

    pub(super) fn bad(&self, problem: &str) -> GitError {
        GitError::Protocol { url: self.url().clone(), problem: problem.to_owned() }
    }

    pub(super) fn refused(&self, message: &str) -> GitError {
        GitError::Refused { url: self.url().clone(), message: shown(message) }
    }

    /// What a failed read of a message means.
    pub(super) fn broken(&self, error: io::Error) -> GitError {
        self.interrupted(error, 0)
    }

    /// What a failed read means after so many bytes of a pack.
    pub(super) fn interrupted(&self, error: io::Error, received_bytes: u64) -> GitError {
        if error.kind() == io::ErrorKind::InvalidData && error.get_ref().is_some() {
            return self.bad(&error.to_string());
        }
        map_error(self.url(), ureq::Error::from(error), received_bytes).into()
    }
}

fn with_headers<B>(request: RequestBuilder<B>, authorization: Option<&str>) -> RequestBuilder<B> {
    let request = request.header("git-protocol", "version=2");
    match authorization {
        Some(value) => request.header("authorization", value),
        None => request,
    }
}

fn below(base: &Url, suffix: &str) -> Result<Url, RemoteError> {
    let text = format!("{}{suffix}", base.as_str().trim_end_matches('/'));
    text.parse().map_err(|problem| RemoteError::BadUrl { url: text, problem })
}

fn status_error(url: &Url, status: u16) -> RemoteError {
    match status {
        404 | 410 => RemoteError::NotFound { url: url.clone() },
        _ => RemoteError::Status { url: url.clone(), status },
    }
}

impl Client {
    /// Repeats an exchange that failed for a reason that may go away.
    pub(super) fn git_retrying<T>(
        &self,
        request: &Request,
        observer: &dyn Observer,
        cancel: &Cancel,
        mut exchange: impl FnMut() -> Result<T, GitError>,
    ) -> Result<T, GitError> {
        let mut attempt = 1;
        loop {
            let url = &request.url;
            if cancel.is_cancelled() {
                return Err(RemoteError::Cancelled { url: url.clone() }.into());
            }
            let error = match exchange() {
                Err(GitError::Remote(error)) => error,
                result => return result,
            };
            let failure = Failure::from(error);
            if failure.remedy == Remedy::None || attempt >= self.options.attempts_max {
                return Err(GitError::Remote(*failure.error));
            }
            let backoff = self.options.retry_delay.saturating_mul(1 << (attempt - 1).min(16));
            let delay: Duration = backoff.min(self.options.retry_delay_max);
            attempt += 1;
            observer.event(&Event::Retrying { url, attempt, delay, error: &failure.error });
            cancel.wait(delay);
        }
    }
}

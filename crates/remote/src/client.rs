// SPDX-License-Identifier: Apache-2.0
//! The client, its options and requests.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hardpan_tree::Digest;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy};

use crate::access::Authorization;
use crate::cancel::Cancel;
use crate::download::{Downloaded, Outcome, Transfer};
use crate::error::RemoteError;
use crate::event::Observer;
use crate::proxy::{ProxyOptions, Way};
use crate::sink::{MemorySink, Sink};
use crate::url::{Url, redact};

/// Which certificate authorities vouch for `https:` servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RootCertificates {
    /// Mozilla's, as compiled in.
    #[default]
    Mozilla,
    /// These, in PEM form; for instance the host's bundle, read by the caller.
    Pem(Vec<u8>),
}

/// How a [`Client`] works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The `User-Agent` header.
    pub user_agent: String,
    /// Longest time for a connection to be made, name look-up and TLS included.
    pub connect_timeout: Duration,
    /// Longest time without any progress.
    pub read_timeout: Duration,
    /// Longest time for one attempt as a whole: a server that sends a byte now and then must not
    /// hold up a build for ever.
    pub attempt_timeout: Duration,
    /// Most attempts for one transfer, at least 1.
    pub attempts_max: u32,
    /// The wait before the second attempt. It doubles for each further one.
    pub retry_delay: Duration,
    /// The longest wait between two attempts, also if the server asks for more (`Retry-After`).
    pub retry_delay_max: Duration,
    /// Most redirects that are followed for one attempt.
    pub redirects_max: u32,
    /// Most transfers at once in [`Client::download_all`], at least 1.
    pub parallel: usize,
    /// The proxies.
    pub proxies: ProxyOptions,
    /// The certificate authorities.
    pub roots: RootCertificates,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            user_agent: concat!("hardpan/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(15),
            read_timeout: Duration::from_secs(30),
            attempt_timeout: Duration::from_mins(30),
            attempts_max: 4,
            retry_delay: Duration::from_millis(500),
            retry_delay_max: Duration::from_secs(10),
            redirects_max: 5,
            parallel: 6,
            proxies: ProxyOptions::default(),
            roots: RootCertificates::default(),
        }
    }
}

/// What to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// From where.
    pub url: Url,
    /// Most bytes that are accepted.
    pub limit_bytes: u64,
    /// What the bytes must be, if that is known: their digest, and their number.
    pub expected: Option<(Digest, u64)>,
    /// What the caller already has: if it is still current, it is not sent again.
    pub conditional: Option<Validators>,
    /// What proves to the server who asks. It is for the URL's own server: after a redirect to
    /// another host, port or scheme it is not sent.
    pub authorization: Option<Authorization>,
}

impl Request {
    /// Asks for a URL whose content is not known beforehand.
    ///
    /// `url` is parsed; a text that is no URL is [`RemoteError::BadUrl`].
    pub fn new(url: &str, limit_bytes: u64) -> Result<Self, RemoteError> {
        let url =
            url.parse().map_err(|problem| RemoteError::BadUrl { url: redact(url), problem })?;
        Ok(Self { url, limit_bytes, expected: None, conditional: None, authorization: None })
    }

    /// Asks for a URL whose content is known by its digest and size in bytes.
    pub fn exactly(url: &str, digest: Digest, size_bytes: u64) -> Result<Self, RemoteError> {
        Ok(Self { expected: Some((digest, size_bytes)), ..Self::new(url, size_bytes)? })
    }

    /// Returns the `Authorization` header for a URL that this request has led to.
    pub(crate) fn authorization_for(&self, url: &Url) -> Option<String> {
        let own = self.authorization.as_ref().filter(|_| self.url.is_same_server(url));
        own.map(|own| own.value().to_owned()).or_else(|| url.authorization())
    }
}

/// By what a server recognises the version of a document (RFC 9110, section 8.8).
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Validators {
    /// The `ETag` header.
    pub etag: Option<String>,
    /// The `Last-Modified` header.
    pub last_modified: Option<String>,
}

impl Validators {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none()
    }
}

/// An answer to [`Client::get`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fetched {
    /// The content.
    Fresh {
        /// The bytes.
        bytes: Vec<u8>,
        /// Their digest.
        digest: Digest,
        /// By what to ask for it again.
        validators: Validators,
    },
    /// What the caller has is still current.
    NotModified,
}

/// Fetches URLs. Clones share their connections; all methods may be called from several threads.
#[derive(Clone)]
pub struct Client {
    pub(crate) options: Arc<Options>,
    direct: Agent,
    http_proxy: Option<Agent>,
    https_proxy: Option<Agent>,
}

impl Client {
    /// Makes a client. Fails if a proxy or the root certificates can't be used.
    pub fn new(options: Options) -> Result<Self, RemoteError> {
        let roots = match &options.roots {
            RootCertificates::Mozilla => RootCerts::WebPki,
            RootCertificates::Pem(pem) => read_roots(pem)?,
        };
        let agent = |proxy: Option<Proxy>| {
            let tls = TlsConfig::builder().root_certs(roots.clone()).build();
            Agent::new_with_config(
                Agent::config_builder()
                    .http_status_as_error(false)
                    // Redirects are followed one by one, to look at each.
                    .max_redirects(0)
                    .max_redirects_will_error(false)
                    .user_agent(options.user_agent.as_str())
                    .accept_encoding("identity")
                    .proxy(proxy)
                    .tls_config(tls)
                    .timeout_resolve(Some(options.connect_timeout))
                    .timeout_connect(Some(options.connect_timeout))
                    .timeout_recv_response(Some(options.read_timeout))
                    .timeout_per_read(Some(options.read_timeout))
                    .timeout_per_write(Some(options.read_timeout))
                    .timeout_global(Some(options.attempt_timeout))
                    .max_idle_connections_per_host(options.parallel.clamp(1, 32))
                    .build(),
            )
        };
        let proxied = |option: &'static str, proxy: &Option<String>| match proxy.as_deref() {
            Some(text) if !text.trim().is_empty() => {
                let proxy = Proxy::new(text.trim()).map_err(|_| RemoteError::BadOption {
                    option,
                    problem: format!("not a usable URL: {}", redact(text)),
                })?;
                Ok(Some(agent(Some(proxy))))
            }
            _ => Ok(None),
        };
        Ok(Self {
            direct: agent(None),
            http_proxy: proxied("http proxy", &options.proxies.http)?,
            https_proxy: proxied("https proxy", &options.proxies.https)?,
            options: Arc::new(options),
        })
    }

    /// Fetches something small into memory.
    pub fn get(
        &self,
        request: &Request,
        observer: &dyn Observer,
        cancel: &Cancel,
    ) -> Result<Fetched, RemoteError> {
        let mut sink = MemorySink::default();
        let outcome = Transfer::new(self, request, observer, cancel).run(&mut sink, true)?;
        Ok(match outcome {
            Outcome::Done(done) => Fetched::Fresh {
                bytes: sink.into_bytes(),
                digest: done.digest,
                validators: done.validators,
            },
            Outcome::NotModified => Fetched::NotModified,
        })
    }

    /// Fetches something into a sink. What the sink already holds is not fetched again if the
    /// server can continue and the request says what to expect.
    ///
    /// On success the sink is finished and holds exactly the checked bytes. When the bytes are
    /// wrong the sink is empty; after any other error it keeps what can be continued later.
    /// [`Request::conditional`] is ignored here.
    pub fn download(
        &self,
        request: &Request,
        sink: &mut dyn Sink,
        observer: &dyn Observer,
        cancel: &Cancel,
    ) -> Result<Downloaded, RemoteError> {
        match Transfer::new(self, request, observer, cancel).run(sink, false)? {
            Outcome::Done(done) => Ok(done),
            Outcome::NotModified => Err(RemoteError::Protocol {
                url: request.url.clone(),
                problem: "status 304 to an unconditional request".to_owned(),
            }),
        }
    }

    /// Returns the agent for a URL.
    pub(crate) fn agent(&self, url: &Url) -> &Agent {
        let proxied = match self.options.proxies.way(url) {
            Way::Direct => &None,
            Way::HttpProxy => &self.http_proxy,
            Way::HttpsProxy => &self.https_proxy,
        };
        proxied.as_ref().unwrap_or(&self.direct)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("options", &self.options).finish_non_exhaustive()
    }
}

fn read_roots(pem: &[u8]) -> Result<RootCerts, RemoteError> {
    let bad = |problem: &str| RemoteError::BadOption {
        option: "root certificates",
        problem: problem.to_owned(),
    };
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| bad("not PEM"))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(bad("no certificate found"));
    }
    Ok(RootCerts::from(certificates))
}

// SPDX-License-Identifier: Apache-2.0
//! An OCI registry in memory, with logins, tokens, redirects and faults.
//!
//! It pulls only: `GET /v2/NAME/manifests/REFERENCE`, `GET /v2/NAME/blobs/DIGEST`, and `/token`. Blobs may be
//! redirected to a storage at another port, which refuses requests with an `Authorization` header, as
//! real ones do.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hardpan_tree::Digest;

use crate::http::{HttpServer, Reply, Request};
use crate::oci::OciImage;

/// Who is let in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Auth {
    /// Everybody.
    #[default]
    Open,
    /// Who sends this header.
    Basic(&'static str),
    /// Who has a token.
    Token {
        /// Who gets one: everybody, or who sends this header.
        basic: Option<&'static str>,
        /// A token for which another one is had.
        identity: Option<&'static str>,
        /// For how many requests a token is good.
        uses: usize,
    },
    /// Who sends this header. For others, there are no repositories.
    Hidden(&'static str),
    /// Nobody, whatever is sent.
    Nobody,
}

/// What goes wrong with requests for a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Another status, with a `Retry-After` header if given.
    Status(u16, Option<&'static str>),
    /// The connection breaks after so many bytes.
    Break(usize),
    /// Other bytes.
    Bytes(Vec<u8>),
    /// Another header: its name and value.
    Header(&'static str, String),
}

#[derive(Debug, Default)]
struct State {
    auth: Auth,
    redirects: bool,
    manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    blobs: BTreeMap<String, Vec<u8>>,
    /// Tokens and for how many requests each is still good.
    tokens: BTreeMap<String, usize>,
    /// A piece of the path, what goes wrong, and how often.
    faults: Vec<(String, Fault, usize)>,
    log: Vec<Logged>,
}

/// A request that the registry or its storage got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The request.
    pub request: Request,
    /// The status of the answer.
    pub status: u16,
    /// Whether it went to the storage.
    pub is_storage: bool,
}

/// A registry. It stops when it is dropped.
#[derive(Debug)]
pub struct Registry {
    server: HttpServer,
    _storage: HttpServer,
    state: Arc<Mutex<State>>,
}

impl Registry {
    /// Starts an empty registry.
    pub fn start(auth: Auth) -> Self {
        let state = Arc::new(Mutex::new(State { auth, ..State::default() }));
        let shared = Arc::clone(&state);
        let storage = HttpServer::start(move |request| {
            let mut state = lock(&shared);
            let reply = state.storage(&request);
            state.finish(request, reply, true)
        });
        let (shared, address) = (Arc::clone(&state), storage.address());
        let server = HttpServer::start(move |request| {
            let mut state = lock(&shared);
            let reply = state.answer(&request, &address);
            state.finish(request, reply, false)
        });
        Self { server, _storage: storage, state }
    }

    /// Returns the registry's name, `127.0.0.1:port`.
    pub fn name(&self) -> String {
        self.server.address()
    }

    /// Has an image, and returns its full name with its digest.
    pub fn add(&self, repository: &str, tag: &str, image: &OciImage) -> String {
        let mut state = lock(&self.state);
        for (digest, blob) in &image.blobs {
            state.blobs.insert(digest.to_string(), blob.clone());
        }
        let mut add = |reference: String, media_type: &str, bytes: &[u8]| {
            let key = (repository.to_owned(), reference);
            state.manifests.insert(key, (media_type.to_owned(), bytes.to_vec()));
        };
        for (media_type, bytes) in &image.manifests {
            add(Digest::of(bytes).to_string(), media_type, bytes);
        }
        add(image.digest().to_string(), &image.media_type, &image.root);
        add(tag.to_owned(), &image.media_type, &image.root);
        format!("{}/{repository}:{tag}@{}", self.server.address(), image.digest())
    }

    /// Sends those who ask for blobs to the storage.
    pub fn redirect_blobs(&self) {
        lock(&self.state).redirects = true;
    }

    /// Lets something go wrong, so often, with requests whose path has this in it.
    pub fn fault(&self, path: &str, fault: Fault, times: usize) {
        lock(&self.state).faults.push((path.to_owned(), fault, times));
    }

    /// Takes all faults away.
    pub fn heal(&self) {
        lock(&self.state).faults.clear();
    }

    /// Returns the requests until now, and forgets them.
    pub fn take_log(&self) -> Vec<Logged> {
        std::mem::take(&mut lock(&self.state).log)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Applies faults, and writes the request down.
    fn finish(&mut self, request: Request, mut reply: Reply, is_storage: bool) -> Reply {
        for (path, fault, times) in &mut self.faults {
            if *times == 0 || !request.path.contains(path.as_str()) {
                continue;
            }
            *times -= 1;
            match fault {
                Fault::Status(status, retry_after) => {
                    reply = Reply::status(*status);
                    if let Some(value) = retry_after {
                        reply = reply.with("Retry-After", value);
                    }
                }
                Fault::Break(bytes) => reply.breaks_after = Some(*bytes),
                Fault::Bytes(bytes) => reply.body.clone_from(bytes),
                Fault::Header(name, value) => {
                    reply.headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
                    reply = reply.with(name, value);
                }
            }
            break;
        }
        self.log.push(Logged { request, status: reply.status, is_storage });
        reply
    }

    fn answer(&mut self, request: &Request, storage: &str) -> Reply {
        if request.path == "/token" {
            return self.token(request);
        }
        if !self.lets_in(request) {
            if matches!(self.auth, Auth::Hidden(_)) && request.path != "/v2/" {
                return Reply::status(404);
            }
            let challenge = if let Auth::Basic(_) | Auth::Hidden(_) = self.auth {
                "Basic realm=\"test\"".to_owned()
            } else {
                let host = request.header("host");
                format!("Bearer realm=\"http://{host}/token\",service=\"test registry\"")
            };
            return Reply::status(401).with("WWW-Authenticate", &challenge);
        }
        let Some(path) = request.path.strip_prefix("/v2/") else { return Reply::status(404) };
        if let Some((repository, reference)) = path.split_once("/manifests/") {
            let key = (repository.to_owned(), reference.to_owned());
            return match self.manifests.get(&key) {
                Some((media_type, bytes)) => Reply::body(media_type, bytes.clone())
                    .with("Docker-Content-Digest", &Digest::of(bytes).to_string()),
                None => Reply::status(404),
            };
        }
        match path.split_once("/blobs/") {
            Some((_, digest)) if self.redirects => {
                Reply::status(307).with("Location", &format!("http://{storage}/{digest}"))
            }
            Some((_, digest)) => self.blob(digest, request),
            None => Reply::status(404),
        }
    }

    fn storage(&self, request: &Request) -> Reply {
        if !request.header("authorization").is_empty() {
            return Reply::status(400);
        }
        self.blob(request.path.trim_start_matches('/'), request)
    }

    fn blob(&self, digest: &str, request: &Request) -> Reply {
        let Some(bytes) = self.blobs.get(digest) else { return Reply::status(404) };
        let mut reply = Reply::body("application/octet-stream", bytes.clone());
        let range = request.header("range").strip_prefix("bytes=");
        let start = range.and_then(|range| range.strip_suffix('-')?.parse::<usize>().ok());
        if let Some(start) = start.filter(|start| *start < bytes.len()) {
            let range = format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len());
            reply = reply.with("Content-Range", &range);
            reply.status = 206;
            reply.body.drain(..start);
        }
        reply
    }

    fn lets_in(&mut self, request: &Request) -> bool {
        let sent = request.header("authorization");
        match &self.auth {
            Auth::Open => true,
            Auth::Nobody => false,
            Auth::Basic(header) | Auth::Hidden(header) => sent == *header,
            Auth::Token { .. } => {
                let token = sent.strip_prefix("Bearer ").unwrap_or_default();
                match self.tokens.get_mut(token) {
                    Some(uses) if *uses > 0 => {
                        *uses -= 1;
                        true
                    }
                    _ => false,
                }
            }
        }
    }

    fn token(&mut self, request: &Request) -> Reply {
        let uses = match &self.auth {
            Auth::Token { basic, identity, uses } => {
                let body = String::from_utf8_lossy(&request.body).into_owned();
                let is_known = match (request.method.as_str(), basic, identity) {
                    ("POST", _, Some(identity)) => {
                        body.split('&').any(|field| field == format!("refresh_token={identity}"))
                    }
                    ("GET", Some(basic), _) => request.header("authorization") == *basic,
                    ("GET", None, None) => true,
                    _ => false,
                };
                if !is_known {
                    return Reply::status(401);
                }
                *uses
            }
            // For nobody, tokens are worth nothing.
            _ => 0,
        };
        let token = format!("token-{}", self.tokens.len());
        self.tokens.insert(token.clone(), uses);
        let name = if request.method == "POST" { "access_token" } else { "token" };
        let body = serde_json::json!({name: token, "expires_in": 300});
        Reply::body("application/json", body.to_string().into_bytes())
    }
}

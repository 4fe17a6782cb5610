// SPDX-License-Identifier: Apache-2.0
//! An OCI registry in memory, with logins, tokens, redirects and faults.
//!
//! It has pulls, pushes, tags and lists of what is attached, and refuses what names something that is not there,
//! as real ones do ([`Settings`] says how much of this it has). Blobs may be redirected to a storage at another
//! port, which refuses requests with an `Authorization` header. Things go wrong on request ([`Registry::fault`])
//! or by chance ([`Registry::misbehave`]).

mod auth;
mod fault;
mod manifests;
mod uploads;
mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hardpan_tree::Digest;
use serde_json::json;

pub use auth::Auth;
pub use fault::Fault;
pub use whole::Attached;

use crate::http::{HttpServer, Reply, Request};
use crate::oci::OciImage;
use auth::Tokens;
use fault::{Chance, Course};
use uploads::Upload;
use whole::Rule;

/// Whether a registry lists what is attached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReferrersApi {
    /// It does, and says so.
    #[default]
    On,
    /// It does not.
    Off,
    /// It does, but neither says so when something is pushed nor knows much of what it lists.
    Quiet,
}

/// What a registry makes of versions of tags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Etags {
    /// It has none.
    #[default]
    None,
    /// It says which there is, and ignores conditions.
    Ignored,
    /// It says which there is, and obeys `If-Match`.
    Obeyed,
}

/// What a registry can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Whether it lists what is attached.
    pub referrers: ReferrersApi,
    /// Whether that list may be filtered.
    pub filters: bool,
    /// How many entries a page of any list has at most.
    pub page: Option<usize>,
    /// What it makes of versions.
    pub etags: Etags,
    /// Whether it refuses documents that name what is not there.
    pub checks: bool,
    /// Whether blobs may be mounted.
    pub mounts: bool,
    /// The smallest piece of an upload but the last, if it says so.
    pub piece_bytes_min: Option<u64>,
    /// Whether it says where uploads go on with its own name or without.
    pub absolute_locations: bool,
    /// How long it takes for each request.
    pub latency: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            referrers: ReferrersApi::default(),
            filters: true,
            page: None,
            etags: Etags::default(),
            checks: true,
            mounts: true,
            piece_bytes_min: None,
            absolute_locations: false,
            latency: Duration::ZERO,
        }
    }
}

#[derive(Debug, Default)]
struct State {
    settings: Settings,
    tokens: Tokens,
    redirects: bool,
    /// By repository and reference, which is a tag or a digest: the media type and the bytes.
    manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    blobs: BTreeMap<String, Vec<u8>>,
    /// Which repository has which blob.
    owned: BTreeSet<(String, String)>,
    uploads: BTreeMap<usize, Upload>,
    uploads_begun: usize,
    violations: Vec<String>,
    rules: Vec<Rule>,
    /// A piece of the request, what goes wrong, and how often.
    faults: Vec<(String, Fault, usize)>,
    chance: Option<Chance>,
    log: Vec<Logged>,
}

/// A request that the registry or its storage got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// The request. Of a large body the log keeps nothing.
    pub request: Request,
    /// The status of the answer; 0 if there was none.
    pub status: u16,
    /// Whether it went to the storage.
    pub is_storage: bool,
}

/// Most bytes of a request's body that are kept in the log.
const LOGGED_BYTES_MAX: usize = 64 << 10;

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
        Self::with(auth, Settings::default())
    }

    /// Starts an empty registry that can do something else.
    pub fn with(auth: Auth, settings: Settings) -> Self {
        let latency = settings.latency;
        let tokens = Tokens::new(auth);
        let state = Arc::new(Mutex::new(State { settings, tokens, ..State::default() }));
        let shared = Arc::clone(&state);
        let storage = HttpServer::start(move |request| lock(&shared).serve(request, None));
        let (shared, address) = (Arc::clone(&state), storage.address());
        let server = HttpServer::start(move |request| {
            std::thread::sleep(latency);
            lock(&shared).serve(request, Some(&address))
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
            state.store(repository, digest.to_string(), blob.clone());
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

    /// Has a document under a reference, whatever it is.
    pub fn put(&self, repository: &str, reference: &str, media_type: &str, bytes: &[u8]) {
        let key = (repository.to_owned(), reference.to_owned());
        lock(&self.state).manifests.insert(key, (media_type.to_owned(), bytes.to_vec()));
    }

    /// Returns the tags of a repository, sorted.
    pub fn tags(&self, repository: &str) -> Vec<String> {
        lock(&self.state).tags(repository)
    }

    /// Returns a document and its media type, by tag or digest.
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<(String, Vec<u8>)> {
        let key = (repository.to_owned(), reference.to_owned());
        lock(&self.state).manifests.get(&key).cloned()
    }

    /// Returns a blob of a repository.
    pub fn blob(&self, repository: &str, digest: &Digest) -> Option<Vec<u8>> {
        lock(&self.state).owned_blob(repository, &digest.to_string()).cloned()
    }

    /// Returns whenever a tag pointed at something incomplete, looked at after each document that was pushed.
    pub fn violations(&self) -> Vec<String> {
        lock(&self.state).violations.clone()
    }

    /// Fails the test if a tag ever pointed at something incomplete.
    ///
    /// # Panics
    /// If one did.
    pub fn assert_tags_complete(&self) {
        let violations = self.violations();
        assert!(violations.is_empty(), "{violations:#?}");
    }

    /// Sends those who ask for blobs to the storage.
    pub fn redirect_blobs(&self) {
        lock(&self.state).redirects = true;
    }

    /// Forgets all uploads that are not complete.
    pub fn forget_uploads(&self) {
        lock(&self.state).uploads.clear();
    }

    /// Lets something go wrong, so often, with requests that have this in `METHOD /path?query`.
    pub fn fault(&self, request: &str, fault: Fault, times: usize) {
        lock(&self.state).faults.push((request.to_owned(), fault, times));
    }

    /// Lets something go wrong by chance, with so many of a hundred requests: too many requests, errors, and
    /// connections that break before or after a request is done, or amid an upload.
    pub fn misbehave(&self, percent: u64, seed: u64) {
        lock(&self.state).chance = Some(Chance::new(percent, seed));
    }

    /// Takes all faults away.
    pub fn heal(&self) {
        let mut state = lock(&self.state);
        state.faults.clear();
        state.chance = None;
    }

    /// Returns the requests until now, and forgets them.
    pub fn take_log(&self) -> Vec<Logged> {
        std::mem::take(&mut lock(&self.state).log)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An error as registries word them.
fn refuse(status: u16, code: &str, message: &str) -> Reply {
    let body = json!({"errors": [{"code": code, "message": message}]});
    let body = Reply::body("application/json", body.to_string().into_bytes());
    Reply { status, ..body }
}

impl State {
    /// Answers a request, with faults, and writes it down. The storage has no storage of its own.
    fn serve(&mut self, mut request: Request, storage: Option<&str>) -> Reply {
        let reply = match self.course(&request) {
            Course::Instead(reply) => reply,
            Course::Usual => self.answer(&request, storage),
            Course::Half => {
                request.body.truncate(request.body.len() / 2);
                request.is_whole = false;
                self.answer(&request, storage)
            }
            Course::Then(fault) => fault.spoil(self.answer(&request, storage)),
        };
        let status = if reply.is_lost { 0 } else { reply.status };
        if request.body.len() > LOGGED_BYTES_MAX {
            request.body = Vec::new();
        }
        self.log.push(Logged { request, status, is_storage: storage.is_none() });
        reply
    }

    fn answer(&mut self, request: &Request, storage: Option<&str>) -> Reply {
        let Some(storage) = storage else { return self.storage(request) };
        if request.path == "/token" {
            return self.tokens.give(request);
        }
        if let Some(refusal) = self.tokens.refuse(request) {
            return refusal;
        }
        if request.path == "/v2/" {
            return Reply::body("application/json", b"{}".to_vec());
        }
        let Some(path) = request.path.strip_prefix("/v2/") else { return Reply::status(404) };
        let parts = |between: &str| {
            let parts = path.split_once(between);
            parts.map(|(repository, rest)| (repository.to_owned(), rest.to_owned()))
        };
        if let Some((repository, reference)) = parts("/manifests/") {
            return match request.method.as_str() {
                "GET" | "HEAD" => self.get_manifest(repository, reference),
                "PUT" => self.put_manifest(&repository, &reference, request),
                _ => refuse(405, "UNSUPPORTED", "not here"),
            };
        }
        if let Some((repository, subject)) = parts("/referrers/") {
            return self.get_referrers(&repository, &subject, request);
        }
        if let Some(repository) = path.strip_suffix("/tags/list") {
            return self.get_tags(repository, request);
        }
        if let Some((repository, upload)) = parts("/blobs/uploads/") {
            return self.upload(&repository, &upload, request);
        }
        match parts("/blobs/") {
            Some((_, digest)) if self.redirects => {
                Reply::status(307).with("Location", &format!("http://{storage}/{digest}"))
            }
            Some((repository, digest)) => match self.owned_blob(&repository, &digest) {
                Some(bytes) => blob(bytes, request).with("Docker-Content-Digest", &digest),
                None => refuse(404, "BLOB_UNKNOWN", "no such blob"),
            },
            None => Reply::status(404),
        }
    }

    fn storage(&self, request: &Request) -> Reply {
        if !request.header("authorization").is_empty() {
            return Reply::status(400);
        }
        match self.blobs.get(request.path.trim_start_matches('/')) {
            Some(bytes) => blob(bytes, request),
            None => Reply::status(404),
        }
    }

    fn store(&mut self, repository: &str, digest: String, bytes: Vec<u8>) {
        self.owned.insert((repository.to_owned(), digest.clone()));
        self.blobs.insert(digest, bytes);
    }

    fn owned_blob(&self, repository: &str, digest: &str) -> Option<&Vec<u8>> {
        let is_owned = self.owned.contains(&(repository.to_owned(), digest.to_owned()));
        self.blobs.get(digest).filter(|_| is_owned)
    }
}

/// Sends a blob, or what comes after a place in it.
fn blob(bytes: &[u8], request: &Request) -> Reply {
    let mut reply = Reply::body("application/octet-stream", bytes.to_vec());
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

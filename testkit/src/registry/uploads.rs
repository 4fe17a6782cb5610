// SPDX-License-Identifier: Apache-2.0
//! Uploads of blobs.

use hardpan_tree::Digest;

use super::{State, refuse};
use crate::http::{Reply, Request};
use crate::server::percent_decode;

/// An upload that is not complete.
#[derive(Debug, Default)]
pub(super) struct Upload {
    repository: String,
    bytes: Vec<u8>,
    /// How often it has changed: its URL says so, and an old one is not taken.
    version: usize,
    /// Whether a piece came that only the last one may be.
    is_ended: bool,
}

/// Returns a field of a query.
pub(super) fn field(query: &str, name: &str) -> Option<String> {
    let fields = query.split('&').filter_map(|field| field.split_once('='));
    fields.filter(|(key, _)| *key == name).map(|(_, value)| percent_decode(value)).next()
}

impl State {
    pub(super) fn upload(&mut self, repository: &str, upload: &str, request: &Request) -> Reply {
        let number: Option<usize> = upload.parse().ok();
        let mine = |it: &&mut Upload| it.repository == repository;
        let known = number.and_then(|number| self.uploads.get_mut(&number).filter(mine));
        match (request.method.as_str(), number, known) {
            ("POST", None, _) if upload.is_empty() => self.begin(repository, request),
            (_, Some(number), Some(_)) => self.go_on(repository, number, request),
            ("POST", ..) => Reply::status(405),
            _ => refuse(404, "BLOB_UPLOAD_UNKNOWN", "no such upload"),
        }
    }

    fn begin(&mut self, repository: &str, request: &Request) -> Reply {
        let query = &request.query;
        if let (Some(digest), Some(from)) = (field(query, "mount"), field(query, "from")) {
            let is_there = self.owned_blob(&from, &digest).is_some();
            if self.settings.mounts && is_there && self.tokens.may_pull(request, &from) {
                self.owned.insert((repository.to_owned(), digest.clone()));
                return created(&format!("/v2/{repository}/blobs/{digest}"), &digest);
            }
        }
        self.uploads_begun += 1;
        let number = self.uploads_begun;
        let upload = Upload { repository: repository.to_owned(), ..Upload::default() };
        self.uploads.insert(number, upload);
        self.progress(202, number, request)
    }

    /// Says how much of an upload there is, and where it goes on.
    fn progress(&self, status: u16, number: usize, request: &Request) -> Reply {
        let Some(upload) = self.uploads.get(&number) else { return Reply::status(404) };
        let host = if self.settings.absolute_locations {
            format!("http://{}", request.header("host"))
        } else {
            String::new()
        };
        let repository = &upload.repository;
        let location =
            format!("{host}/v2/{repository}/blobs/uploads/{number}?v={}", upload.version);
        let last = upload.bytes.len().saturating_sub(1);
        let mut reply =
            Reply::status(status).with("Location", &location).with("Range", &format!("0-{last}"));
        if let Some(bytes) = self.settings.piece_bytes_min {
            reply = reply.with("OCI-Chunk-Min-Length", &bytes.to_string());
        }
        reply
    }

    fn go_on(&mut self, repository: &str, number: usize, request: &Request) -> Reply {
        if request.method == "GET" {
            return self.progress(204, number, request);
        }
        if !matches!(request.method.as_str(), "PATCH" | "PUT") {
            return Reply::status(405);
        }
        let smallest = self.settings.piece_bytes_min.unwrap_or(0);
        let Some(upload) = self.uploads.get_mut(&number) else { return Reply::status(404) };
        let version = field(&request.query, "v").and_then(|text| text.parse().ok());
        let range = request.header("content-range");
        let start = range.split_once('-').and_then(|(first, _)| first.parse().ok());
        if version != Some(upload.version)
            || (!range.is_empty() && start != Some(upload.bytes.len()))
        {
            return self.progress(416, number, request);
        }
        if upload.is_ended && !request.body.is_empty() {
            return refuse(400, "SIZE_INVALID", "only the last piece may be so small");
        }
        let is_small = (request.body.len() as u64) < smallest;
        upload.is_ended = request.method == "PATCH" && request.is_whole && is_small;
        upload.bytes.extend_from_slice(&request.body);
        upload.version += 1;
        if !request.is_whole {
            return Reply { is_lost: true, ..Reply::default() };
        }
        if request.method == "PATCH" {
            return self.progress(202, number, request);
        }
        let digest = field(&request.query, "digest").unwrap_or_default();
        let Some(upload) = self.uploads.remove(&number) else { return Reply::status(404) };
        if Digest::of(&upload.bytes).to_string() != digest {
            return refuse(400, "DIGEST_INVALID", "these are other bytes");
        }
        self.store(repository, digest.clone(), upload.bytes);
        created(&format!("/v2/{repository}/blobs/{digest}"), &digest)
    }
}

pub(super) fn created(location: &str, digest: &str) -> Reply {
    Reply::status(201).with("Location", location).with("Docker-Content-Digest", digest)
}

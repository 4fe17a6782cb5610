// SPDX-License-Identifier: Apache-2.0
//! Documents, tags, and what is attached.

use hardpan_tree::Digest;
use serde_json::{Value, json};

use super::uploads::{created, field};
use super::{Etags, ReferrersApi, State, refuse};
use crate::http::{Reply, Request};
use crate::oci::INDEX;

impl State {
    pub(super) fn get_manifest(&self, repository: String, reference: String) -> Reply {
        let Some((media_type, bytes)) = self.manifests.get(&(repository, reference)) else {
            return refuse(404, "MANIFEST_UNKNOWN", "no such manifest");
        };
        let digest = Digest::of(bytes).to_string();
        let reply = Reply::body(media_type, bytes.clone()).with("Docker-Content-Digest", &digest);
        match self.settings.etags {
            Etags::None => reply,
            Etags::Ignored | Etags::Obeyed => reply.with("ETag", &format!("\"{digest}\"")),
        }
    }

    pub(super) fn put_manifest(
        &mut self,
        repository: &str,
        reference: &str,
        request: &Request,
    ) -> Reply {
        if !request.is_whole {
            return Reply { is_lost: true, ..Reply::default() };
        }
        let digest = Digest::of(&request.body).to_string();
        if reference.contains(':') && reference != digest {
            return refuse(400, "DIGEST_INVALID", "this is another document");
        }
        let Ok(document) = serde_json::from_slice::<Value>(&request.body) else {
            return refuse(400, "MANIFEST_INVALID", "not JSON");
        };
        let media_type = request.header("content-type");
        if document["mediaType"].as_str().is_some_and(|own| own != media_type) {
            return refuse(400, "MANIFEST_INVALID", "it says that it is something else");
        }
        if self.settings.checks
            && let Some(missing) = self.missing(repository, &document)
        {
            return refuse(404, "MANIFEST_BLOB_UNKNOWN", &missing);
        }
        let key = |reference: &str| (repository.to_owned(), reference.to_owned());
        let wanted = request.header("if-match");
        if self.settings.etags == Etags::Obeyed && !wanted.is_empty() {
            let current = self.manifests.get(&key(reference));
            let current = current.map(|(_, bytes)| format!("\"{}\"", Digest::of(bytes)));
            if current.as_deref() != Some(wanted) {
                return refuse(412, "DENIED", "it is not that version any more");
            }
        }
        let stored = (media_type.to_owned(), request.body.clone());
        self.manifests.insert(key(&digest), stored.clone());
        self.manifests.insert(key(reference), stored);
        self.look_at_tags(repository);
        self.look_at_rules(repository);
        let reply = created(&format!("/v2/{repository}/manifests/{digest}"), &digest);
        match document["subject"]["digest"].as_str() {
            Some(subject) if self.settings.referrers == ReferrersApi::On => {
                reply.with("OCI-Subject", subject)
            }
            _ => reply,
        }
    }

    /// Returns something that a document names and the repository does not have.
    pub(super) fn missing(&self, repository: &str, document: &Value) -> Option<String> {
        let list = |name: &str| document[name].as_array().cloned().unwrap_or_default();
        for manifest in list("manifests") {
            let digest = manifest["digest"].as_str().unwrap_or_default().to_owned();
            if !self.manifests.contains_key(&(repository.to_owned(), digest.clone())) {
                return Some(format!("manifest {digest}"));
            }
        }
        let config = document.get("config").cloned();
        for blob in config.into_iter().chain(list("layers")) {
            let digest = blob["digest"].as_str().unwrap_or_default();
            let size = self.owned_blob(repository, digest).map(Vec::len);
            if size.is_none_or(|size| blob["size"] != json!(size)) {
                return Some(format!("blob {digest}"));
            }
        }
        None
    }

    /// Writes down which tags point at something that is not all there.
    fn look_at_tags(&mut self, repository: &str) {
        for tag in self.tags(repository) {
            let mut waiting = vec![tag.clone()];
            while let Some(reference) = waiting.pop() {
                let key = (repository.to_owned(), reference.clone());
                let Some((_, bytes)) = self.manifests.get(&key) else { continue };
                let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
                if let Some(missing) = self.missing(repository, &document) {
                    let last = self.log.len();
                    let text =
                        format!("{repository}:{tag}: {reference} lacks {missing} (request {last})");
                    self.violations.push(text);
                }
                let manifests = document["manifests"].as_array().cloned().unwrap_or_default();
                waiting.extend(
                    manifests.iter().filter_map(|it| it["digest"].as_str().map(ToOwned::to_owned)),
                );
            }
        }
    }

    pub(super) fn tags(&self, repository: &str) -> Vec<String> {
        let mine = self.manifests.keys().filter(|(name, _)| name == repository);
        mine.map(|(_, reference)| reference).filter(|it| !it.contains(':')).cloned().collect()
    }

    pub(super) fn get_tags(&self, repository: &str, request: &Request) -> Reply {
        if !self.manifests.keys().any(|(name, _)| name == repository) {
            return refuse(404, "NAME_UNKNOWN", "no such repository");
        }
        let tags = self.tags(repository);
        let tags: Vec<Value> = tags.into_iter().map(Value::from).collect();
        let path = format!("/v2/{repository}/tags/list");
        self.page(&path, "", tags, request, &|tags| json!({"name": repository, "tags": tags}))
            .with("Content-Type", "application/json")
    }

    pub(super) fn get_referrers(
        &self,
        repository: &str,
        subject: &str,
        request: &Request,
    ) -> Reply {
        let api = self.settings.referrers;
        if api == ReferrersApi::Off {
            return refuse(404, "UNSUPPORTED", "no such list");
        }
        let wanted = field(&request.query, "artifactType");
        let wanted = wanted.filter(|_| self.settings.filters && api == ReferrersApi::On);
        let mut found = Vec::new();
        for ((name, reference), (media_type, bytes)) in &self.manifests {
            if name != repository || !reference.contains(':') {
                continue;
            }
            let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
            if document["subject"]["digest"].as_str() != Some(subject) {
                continue;
            }
            let config = &document["config"]["mediaType"];
            let own = document.get("artifactType").filter(|_| api == ReferrersApi::On);
            let artifact_type = own.unwrap_or(config).clone();
            if wanted.as_ref().is_some_and(|wanted| artifact_type != json!(wanted)) {
                continue;
            }
            let mut entry = json!({
                "mediaType": media_type,
                "digest": reference,
                "size": bytes.len(),
                "artifactType": artifact_type,
            });
            if api == ReferrersApi::On && document.get("annotations").is_some() {
                entry["annotations"] = document["annotations"].clone();
            }
            found.push(entry);
        }
        let path = format!("/v2/{repository}/referrers/{subject}");
        let kept = field(&request.query, "artifactType");
        let kept = kept.map(|it| format!("&artifactType={it}")).unwrap_or_default();
        let reply = self.page(
            &path,
            &kept,
            found,
            request,
            &|manifests| json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}),
        );
        let reply = reply.with("Content-Type", INDEX);
        match wanted {
            Some(_) => reply.with("OCI-Filters-Applied", "artifactType"),
            None => reply,
        }
    }

    /// Answers with a part of a list. `kept` are further fields for the next page.
    fn page(
        &self,
        path: &str,
        kept: &str,
        list: Vec<Value>,
        request: &Request,
        whole: &dyn Fn(&[Value]) -> Value,
    ) -> Reply {
        let start = field(&request.query, "from").and_then(|text| text.parse().ok()).unwrap_or(0);
        let length = self.settings.page.unwrap_or(usize::MAX).max(1);
        let rest = list.get(start..).unwrap_or_default();
        let part = &rest[..length.min(rest.len())];
        let body = whole(part).to_string().into_bytes();
        let reply = Reply { status: 200, body, ..Reply::default() };
        if part.len() == rest.len() {
            return reply;
        }
        let next = start + part.len();
        reply.with("Link", &format!("<{path}?from={next}{kept}>; rel=\"next\""))
    }
}

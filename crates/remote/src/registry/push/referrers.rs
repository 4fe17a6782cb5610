// SPDX-License-Identifier: Apache-2.0
//! What is attached to an image: manifests that have it as their `subject`
//! (OCI distribution specification, "Listing Referrers" and "Pushing Manifests with Subject").

use std::collections::{BTreeMap, BTreeSet};

use hardpan_image::{Descriptor, ImageName, media_type};
use hardpan_tree::Digest;
use serde::Deserialize;
use serde_json::Value;

use super::super::error::RegistryError;
use super::super::token::encode;
use super::super::{Registries, Watch};
use super::document::Reference;
use super::{Door, protocol};
use crate::parallel;
use crate::url::Url;

/// Most manifests that may be attached to one image.
const REFERRERS_MAX: usize = 10_000;

/// What is attached to an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Referrers {
    /// The manifests, in the registry's order, each once.
    pub manifests: Vec<Descriptor>,
    /// Whether the registry has a list of its own. What others wrote under the tag is in [`Self::manifests`] all
    /// the same.
    pub api: bool,
}

/// A manifest that is to be attached to its subject.
#[derive(Debug, Clone, Copy)]
pub struct Referrer<'r> {
    /// What it is: a manifest or an index.
    pub media_type: &'r str,
    /// Its bytes, which name the subject.
    pub bytes: &'r [u8],
}

/// Where what is attached can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indexed {
    /// In the registry's list.
    ByRegistry,
    /// In the index under the tag, since the registry has no list.
    UnderTag,
}

/// What is read of a manifest that is to be attached.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attached {
    artifact_type: Option<String>,
    config: Option<Config>,
    subject: Option<Descriptor>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    media_type: String,
}

/// An entry of a list: the subject, and what is said of what is attached.
struct Entry {
    subject: Digest,
    descriptor: Descriptor,
}

impl Referrer<'_> {
    /// Returns what a list has to say of it: the type and all annotations must be there, for readers choose by them.
    fn entry(&self) -> Result<Entry, RegistryError> {
        let refuse = |problem: String| RegistryError::NotReferrer { problem };
        let read: Attached =
            serde_json::from_slice(self.bytes).map_err(|error| refuse(error.to_string()))?;
        let subject = read.subject.ok_or_else(|| refuse("it has no subject".to_owned()))?;
        let mut descriptor =
            Descriptor::new(self.media_type, Digest::of(self.bytes), self.bytes.len() as u64);
        descriptor.artifact_type = match self.media_type {
            media_type::MANIFEST => {
                let config = read.config.map(|config| config.media_type);
                let own = read.artifact_type.filter(|text| !text.is_empty());
                Some(own.or(config).ok_or_else(|| refuse("it has no configuration".to_owned()))?)
            }
            media_type::INDEX => read.artifact_type,
            other => return Err(refuse(format!("its type is {other:?}"))),
        };
        descriptor.annotations = read.annotations;
        Ok(Entry { subject: subject.digest, descriptor })
    }
}

impl Registries {
    /// Returns what is attached to an image, of one type or of all.
    ///
    /// The registry's own list and the index under the tag are merged: clients that did not know the list wrote
    /// there. An answer that is neither a list nor "there is none" (404) is an error, never an empty list.
    pub fn referrers(
        &self,
        name: &ImageName,
        subject: Digest,
        artifact_type: Option<&str>,
        watch: Watch<'_>,
    ) -> Result<Referrers, RegistryError> {
        let door = Door::to_read(self, name)?;
        let is_wanted = |descriptor: &Descriptor| {
            artifact_type.is_none() || descriptor.artifact_type.as_deref() == artifact_type
        };
        let listed = self.listed(&door, subject, artifact_type, watch)?;
        let api = listed.is_some();
        let mut manifests = listed.unwrap_or_default();
        let tagged = self.fallback(&door, &fallback_url(&door, subject)?, watch)?;
        let tagged = tagged.map_or_else(Vec::new, |fallback| fallback.descriptors);
        manifests.extend(tagged.into_iter().filter(is_wanted));
        Ok(Referrers { manifests: merge(manifests), api })
    }

    /// Pushes manifests and attaches them to their subjects, all in the same repository. `seed` tells writers in
    /// different processes apart: it spreads their attempts where a registry has no list of its own.
    ///
    /// What is attached to one subject should come in one call: where the list is an index under a tag, that is
    /// one change, and each takes some time to make sure that nobody else's change undid it.
    pub fn push_referrers(
        &self,
        name: &ImageName,
        referrers: &[Referrer<'_>],
        seed: u64,
        watch: Watch<'_>,
    ) -> Result<Vec<Indexed>, RegistryError> {
        let door = Door::to_write(self, name)?;
        let entries: Vec<Entry> =
            referrers.iter().map(Referrer::entry).collect::<Result<_, _>>()?;
        let all: Vec<_> = referrers.iter().zip(&entries).collect();
        let pushed = parallel::map(self.client.options.parallel, &all, |(referrer, entry)| {
            let reference = Reference::Digest(entry.descriptor.digest);
            let Referrer { media_type, bytes } = referrer;
            self.push_document(name, reference, media_type, bytes, watch)
        })?;
        let mut not_listed: BTreeMap<Digest, Vec<Descriptor>> = BTreeMap::new();
        for (pushed, entry) in pushed.iter().zip(&entries) {
            if !pushed.subject_is_indexed {
                let others = not_listed.entry(entry.subject).or_default();
                others.push(entry.descriptor.clone());
            }
        }
        let mut indexed = vec![Indexed::ByRegistry; entries.len()];
        let mut under_tag = BTreeSet::new();
        for (subject, descriptors) in &not_listed {
            // Some registries have a list and don't say so.
            if self.listed(&door, *subject, None, watch)?.is_none() {
                let url = fallback_url(&door, *subject)?;
                self.change_fallback(&door, &url, descriptors, seed, watch)?;
                under_tag.extend(descriptors.iter().map(|descriptor| descriptor.digest));
            }
        }
        for (indexed, entry) in indexed.iter_mut().zip(&entries) {
            if under_tag.contains(&entry.descriptor.digest) {
                *indexed = Indexed::UnderTag;
            }
        }
        Ok(indexed)
    }

    /// As [`Registries::push_referrers`], for one.
    pub fn push_referrer(
        &self,
        name: &ImageName,
        referrer: Referrer<'_>,
        seed: u64,
        watch: Watch<'_>,
    ) -> Result<Indexed, RegistryError> {
        let indexed = self.push_referrers(name, &[referrer], seed, watch)?;
        Ok(indexed.first().copied().unwrap_or(Indexed::ByRegistry))
    }

    /// Returns the registry's own list, or nothing if it has none.
    fn listed(
        &self,
        door: &Door,
        subject: Digest,
        artifact_type: Option<&str>,
        watch: Watch<'_>,
    ) -> Result<Option<Vec<Descriptor>>, RegistryError> {
        let filter = artifact_type.map(|text| format!("?artifactType={}", encode(text)));
        let what = format!("{subject}{}", filter.unwrap_or_default());
        let url = door.url("referrers", &what)?;
        let mut found = Vec::new();
        let done = self.pages(door, &url, &[("accept", media_type::INDEX)], watch, &mut |reply| {
            let filters = reply.header("oci-filters-applied").unwrap_or_default();
            let is_filtered = filters.split(',').any(|name| name.trim() == "artifactType");
            let page: Value = serde_json::from_slice(&reply.body)
                .map_err(|_| protocol(&url, "not a list of what is attached"))?;
            let page = descriptors(&page).map_err(|problem| protocol(&url, &problem))?;
            found.extend(page.into_iter().filter(|descriptor| {
                is_filtered
                    || artifact_type.is_none()
                    || descriptor.artifact_type.as_deref() == artifact_type
            }));
            if found.len() > REFERRERS_MAX {
                return Err(protocol(&url, "more is attached than can be"));
            }
            Ok(())
        });
        match done {
            Ok(()) => Ok(Some(found)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Returns the URL of the tag whose index stands in for a list.
fn fallback_url(door: &Door, subject: Digest) -> Result<Url, RegistryError> {
    door.url("manifests", &format!("sha256-{}", subject.to_hex()))
}

/// Reads the entries of an index. Those with digests that can't be checked here are left out.
pub(in crate::registry) fn descriptors(index: &Value) -> Result<Vec<Descriptor>, String> {
    let media_type = index.get("mediaType").and_then(Value::as_str);
    if media_type.is_some_and(|text| text != media_type::INDEX) {
        return Err("it is no index".to_owned());
    }
    let entries = index.get("manifests").and_then(Value::as_array);
    let entries = entries.ok_or("it is no index")?;
    let is_known = |entry: &&Value| {
        let digest = entry.get("digest").and_then(Value::as_str);
        !digest.is_some_and(|text| text.starts_with("sha512:"))
    };
    let read = |entry: &Value| Descriptor::deserialize(entry).map_err(|error| error.to_string());
    entries.iter().filter(is_known).map(read).collect()
}

/// Keeps each manifest once, with what any list says of it: some leave out annotations.
fn merge(found: Vec<Descriptor>) -> Vec<Descriptor> {
    let mut places: BTreeMap<Digest, usize> = BTreeMap::new();
    let mut merged: Vec<Descriptor> = Vec::with_capacity(found.len());
    for descriptor in found {
        let Some(&place) = places.get(&descriptor.digest) else {
            places.insert(descriptor.digest, merged.len());
            merged.push(descriptor);
            continue;
        };
        let known = &mut merged[place];
        if known.annotations.is_empty() {
            known.annotations = descriptor.annotations;
        }
        if known.artifact_type.is_none() {
            known.artifact_type = descriptor.artifact_type;
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn subject() -> Value {
        json!({"mediaType": media_type::MANIFEST, "digest": Digest::of(b"s"), "size": 1})
    }

    #[test]
    fn entries_say_what_manifests_say() {
        let config =
            json!({"mediaType": "application/x.config", "digest": Digest::of(b"{}"), "size": 2});
        let notes = json!({"a": "b"});
        for (media_type, document, artifact_type) in [
            (
                media_type::MANIFEST,
                json!({"artifactType": "x/y", "config": config, "subject": subject(), "annotations": notes}),
                Some("x/y"),
            ),
            (
                media_type::MANIFEST,
                json!({"config": config, "subject": subject(), "annotations": notes}),
                Some("application/x.config"),
            ),
            (
                media_type::MANIFEST,
                json!({"artifactType": "", "config": config, "subject": subject(), "annotations": notes}),
                Some("application/x.config"),
            ),
            (
                media_type::INDEX,
                json!({"artifactType": "x/y", "manifests": [], "subject": subject(), "annotations": notes}),
                Some("x/y"),
            ),
            (
                media_type::INDEX,
                json!({"manifests": [], "subject": subject(), "annotations": notes}),
                None,
            ),
        ] {
            let bytes = document.to_string().into_bytes();
            let entry = Referrer { media_type, bytes: &bytes }.entry().unwrap();
            assert_eq!(entry.subject, Digest::of(b"s"));
            let descriptor = entry.descriptor;
            assert_eq!(descriptor.artifact_type.as_deref(), artifact_type, "{document}");
            assert_eq!(descriptor.annotations, BTreeMap::from([("a".into(), "b".into())]));
            assert_eq!(
                (descriptor.digest, &*descriptor.media_type),
                (Digest::of(&bytes), media_type)
            );
        }
    }

    #[test]
    fn what_has_no_subject_is_not_attached() {
        let config = json!({"mediaType": "x", "digest": Digest::of(b"{}"), "size": 2});
        for (media_type, text) in [
            (media_type::MANIFEST, String::new()),
            (media_type::MANIFEST, "<html>".to_owned()),
            (media_type::MANIFEST, json!({"config": config}).to_string()),
            (media_type::MANIFEST, json!({"subject": subject()}).to_string()),
            (
                media_type::MANIFEST,
                json!({"config": config, "subject": {"digest": "sha256:0"}}).to_string(),
            ),
            (
                media_type::MANIFEST,
                json!({"config": config, "subject": subject(), "annotations": {"a": 1}})
                    .to_string(),
            ),
            ("text/html", json!({"config": config, "subject": subject()}).to_string()),
        ] {
            let result = Referrer { media_type, bytes: text.as_bytes() }.entry();
            assert!(matches!(result, Err(RegistryError::NotReferrer { .. })), "{text}");
        }
    }

    #[test]
    fn lists_are_indexes() {
        let entry = |digest: &str| json!({"mediaType": "m", "digest": digest, "size": 1});
        let known = Digest::of(b"x").to_string();
        let other = format!("sha512:{}", "0".repeat(128));
        for (index, count) in [
            (json!({"manifests": []}), Some(0)),
            (json!({"manifests": [entry(&known), entry(&other)]}), Some(1)),
            (json!({"mediaType": media_type::INDEX, "manifests": [entry(&known)]}), Some(1)),
            (json!({"mediaType": media_type::MANIFEST, "manifests": [entry(&known)]}), None),
            (json!({"manifests": [entry("sha256:0")]}), None),
            (json!({"manifests": [{}]}), None),
            (json!({"manifests": {}}), None),
            (json!({"manifests": null}), None),
            (json!({"errors": []}), None),
            (json!([]), None),
        ] {
            assert_eq!(descriptors(&index).ok().map(|found| found.len()), count, "{index}");
        }
    }

    #[test]
    fn what_is_in_two_lists_is_there_once() {
        let plain = |text: &str| Descriptor::new("m", Digest::of(text.as_bytes()), 1);
        let mut full = plain("a");
        full.artifact_type = Some("t".to_owned());
        full.annotations.insert("k".to_owned(), "v".to_owned());
        let merged = merge(vec![plain("a"), plain("b"), full.clone(), plain("b"), plain("c")]);
        assert_eq!(merged, [full, plain("b"), plain("c")]);
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What must be attached to an image as soon as one of its tags is there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Registry, State, lock};

/// What is attached to the images of a repository: by the tag that holds it, or by the digest of what has a subject,
/// the digests of all that it names.
pub type Attached = BTreeMap<String, BTreeSet<String>>;

/// How tags begin that belong to an image, and are no name of one.
const OF_IMAGE: &str = "sha256-";

/// A rule that is looked at after each document that is pushed.
#[derive(Debug)]
pub(super) struct Rule {
    repository: String,
    attached: Attached,
}

impl Registry {
    /// Returns what is attached to the images of a repository.
    pub fn attached(&self, repository: &str) -> Attached {
        lock(&self.state).attached(repository)
    }

    /// Returns all documents of a repository, by tag and by digest.
    pub fn documents(&self, repository: &str) -> BTreeMap<String, Vec<u8>> {
        let state = lock(&self.state);
        let mine = state.manifests.iter().filter(|((name, _), _)| name == repository);
        mine.map(|((_, reference), (_, bytes))| (reference.clone(), bytes.clone())).collect()
    }

    /// From now on it is a violation if an image has a tag and not all of this is attached, with all its blobs.
    pub fn tags_only_with(&self, repository: &str, attached: &Attached) {
        let rule = Rule { repository: repository.to_owned(), attached: attached.clone() };
        lock(&self.state).rules.push(rule);
    }
}

impl State {
    fn attached(&self, repository: &str) -> Attached {
        let mine = self.manifests.iter().filter(|((name, _), _)| name == repository);
        let mut attached = Attached::new();
        for ((_, reference), (_, bytes)) in mine {
            let document: Value = serde_json::from_slice(bytes).unwrap_or_default();
            let has_subject = reference.contains(':') && document.get("subject").is_some();
            if (has_subject || reference.starts_with(OF_IMAGE))
                && self.missing(repository, &document).is_none()
            {
                let lists = ["manifests", "layers"].map(|list| document[list].as_array().cloned());
                let named = lists.into_iter().flatten().flatten();
                let digests = named.filter_map(|one| one["digest"].as_str().map(str::to_owned));
                attached.insert(reference.clone(), digests.collect());
            }
        }
        attached
    }

    /// Writes down which rules do not hold.
    pub(super) fn look_at_rules(&mut self, repository: &str) {
        let names = self.tags(repository).into_iter().filter(|tag| !tag.starts_with(OF_IMAGE));
        let names: Vec<String> = names.collect();
        if names.is_empty() {
            return;
        }
        let found = self.attached(repository);
        let has = |reference: &String, digests: &BTreeSet<String>| {
            found.get(reference).is_some_and(|found| digests.is_subset(found))
        };
        let mut violations = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.repository == repository) {
            let missing =
                rule.attached.iter().filter(|(reference, digests)| !has(reference, digests));
            violations.extend(missing.map(|(reference, _)| {
                format!("{repository}: {names:?} can be pulled before {reference} is all there")
            }));
        }
        self.violations.append(&mut violations);
    }
}

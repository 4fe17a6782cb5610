// SPDX-License-Identifier: Apache-2.0
//! `track`.

use std::collections::BTreeMap;

use super::{Decoder, Fields};
use crate::check::{self, Refusal};
use crate::diagnostic::{Code, Diagnostic};
use crate::model::{Track, TrackKind, TrackSet, TrackValue};
use crate::source::Spanned;
use crate::template::RAW;
use crate::yaml::{Entry, Kind, Node};

/// The values of `type`.
pub(crate) const TRACK_KINDS: [(&str, TrackKind); 9] = [
    ("github_release", TrackKind::GithubRelease),
    ("github_tag", TrackKind::GithubTag),
    ("github_repository", TrackKind::GithubRepository),
    ("alpine_package", TrackKind::AlpinePackage),
    ("debian_package", TrackKind::DebianPackage),
    ("var_increment", TrackKind::VarIncrement),
    ("oci_artifact", TrackKind::OciArtifact),
    ("file", TrackKind::File),
    ("json_file", TrackKind::JsonFile),
];

/// Required and optional keys of a kind, besides `type`.
pub(crate) fn track_keys(kind: TrackKind) -> (&'static [&'static str], &'static [&'static str]) {
    match kind {
        TrackKind::GithubRelease => (&["owner", "repo", "set"], &["use", "match"]),
        TrackKind::GithubTag => (&["owner", "repo", "match", "set"], &[]),
        TrackKind::GithubRepository => (&["owner", "repo", "set"], &["branch"]),
        TrackKind::AlpinePackage => (&["package", "set"], &[]),
        TrackKind::DebianPackage => (&["package", "set"], &["match"]),
        TrackKind::VarIncrement => (&[], &["set", "increment", "reset"]),
        TrackKind::OciArtifact => (&["name", "set", "match"], &[]),
        TrackKind::File | TrackKind::JsonFile => (&["url", "set"], &["name"]),
    }
}

const VALUES: [(&str, &str); 5] = [
    ("commit", "commit"),
    ("tag", "tag"),
    ("name", "name"),
    ("digest", "digest"),
    ("reference", "reference"),
];
const SELECTIONS: [(&str, &str); 3] =
    [("longest", "longest"), ("exact", "exact"), ("default", "default")];
const PREFERENCES: [(&str, &str); 2] = [("release", "release"), ("tag", "tag")];

impl<'n> Decoder<'n> {
    pub(crate) fn track(&mut self, node: &'n Node) -> Option<Spanned<Track>> {
        let mut fields = Fields::new(self, node, "a track entry", node.span)?;
        let kind = fields
            .require(self, "type")
            .and_then(|entry| self.choice(&entry.value, "track type", &TRACK_KINDS))?;
        let (required, optional) = track_keys(kind);
        let mut entries: BTreeMap<&str, &'n Entry> = BTreeMap::new();
        for key in required {
            entries.extend(fields.require(self, key).map(|entry| (*key, entry)));
        }
        for key in optional {
            entries.extend(fields.take(key).map(|entry| (*key, entry)));
        }
        let get = |key: &str| entries.get(key).copied();
        if kind == TrackKind::VarIncrement && get("increment").or(get("reset")).is_none() {
            let message = "a var_increment needs `increment` or `reset`";
            self.error(Code::MissingKey, fields.span(), message);
        }
        fields.finish(self);
        let prefer = get("use")
            .and_then(|entry| self.choice(&entry.value, "`use`", &PREFERENCES))
            .map(str::to_owned);
        let package = get("package").and_then(|entry| self.track_package(entry, kind));
        let url = get("url").and_then(|entry| {
            self.valid(&entry.value, "`url`", RAW, Code::BadUrl, check::http_url)
        });
        let track = Track {
            kind,
            set: get("set").and_then(|entry| self.track_set(entry, kind)),
            owner: self.plain(get("owner")),
            repo: self.plain(get("repo")),
            branch: self.plain(get("branch")),
            prefer,
            pattern: self.pattern(get("match")),
            package,
            name: self.plain(get("name")),
            url,
            increment: self.texts(get("increment"), "a variable", RAW),
            reset: self.texts(get("reset"), "a variable", RAW),
        };
        Some(Spanned::new(track, node.span))
    }

    fn plain(&mut self, entry: Option<&'n Entry>) -> Option<String> {
        let entry = entry?;
        self.text(&entry.value, &format!("`{}`", entry.key), RAW).map(|text| text.value)
    }

    fn pattern(&mut self, entry: Option<&'n Entry>) -> Option<String> {
        let entry = entry?;
        let pattern = self.valid(&entry.value, "`match`", RAW, Code::BadRegex, |text| {
            let compiled = regex::RegexBuilder::new(text).size_limit(1 << 20).build();
            compiled.map(drop).map_err(|error| {
                let reason = error.to_string();
                let reason = reason.lines().last().unwrap_or_default();
                let reason = reason.strip_prefix("error: ").unwrap_or(reason);
                Refusal::new(format!("the regular expression does not compile: {reason}"))
            })
        });
        pattern.map(|pattern| pattern.value)
    }

    fn track_package(&mut self, entry: &'n Entry, kind: TrackKind) -> Option<Spanned<String>> {
        let prefix = if kind == TrackKind::AlpinePackage { "pkg:apk/" } else { "pkg:deb/" };
        self.valid(&entry.value, "`package`", RAW, Code::BadPurl, |text| {
            if !text.starts_with(prefix) {
                let message = format!("{} does not begin with `{prefix}`", check::quote(text));
                return Err(Refusal::new(message));
            }
            check::purl(text)
        })
    }

    fn track_set(&mut self, entry: &'n Entry, kind: TrackKind) -> Option<TrackSet> {
        let node = &entry.value;
        let (text, list, mapping) = match kind {
            TrackKind::GithubRelease | TrackKind::GithubTag => (true, true, false),
            TrackKind::OciArtifact => (false, true, false),
            TrackKind::GithubRepository | TrackKind::File | TrackKind::JsonFile => {
                (false, false, true)
            }
            _ => (true, false, false),
        };
        match &node.kind {
            Kind::Scalar(_) if text => {
                self.text(node, "`set`", RAW).map(|text| TrackSet::Variable(text.value))
            }
            Kind::List(_) if list => {
                Some(TrackSet::Values(self.list(Some(entry), Self::track_value)))
            }
            Kind::Map(entries) if mapping => Some(TrackSet::Mapping(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), self.value(&entry.value, RAW)))
                    .collect(),
            )),
            _ => {
                let expected = match (text, list) {
                    (true, true) => "the name of a variable or a list",
                    (true, false) => "the name of a variable",
                    (false, true) => "a list",
                    (false, false) => "a mapping",
                };
                let message = format!("`set` must be {expected}, found {}", node.describe());
                self.push(Diagnostic::error(Code::WrongType, node.span, message));
                None
            }
        }
    }

    fn track_value(&mut self, node: &'n Node) -> Option<TrackValue> {
        let mut fields = Fields::new(self, node, "an entry of `set`", node.span)?;
        let var = fields
            .require(self, "var")
            .and_then(|entry| self.text(&entry.value, "`var`", RAW))
            .map(|text| text.value);
        let value = fields
            .require(self, "value")
            .and_then(|entry| self.choice(&entry.value, "`value`", &VALUES));
        let pattern = self.pattern(fields.take("match"));
        let selection = fields
            .take("selection")
            .and_then(|entry| self.choice(&entry.value, "`selection`", &SELECTIONS));
        fields.finish(self);
        Some(TrackValue {
            var: var?,
            value: value?.to_owned(),
            pattern,
            selection: selection.map(str::to_owned),
        })
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What policies in Rego see of an image: `input.image`, as buildx has it, and more.
//!
//! Names are buildx's, and what is empty is left out, as there: a policy of one works in the other. What buildx does not
//! have (`sbom`, `packages`, `vulnerabilities`, `audit`, `attestations`, and some fields of signatures and provenance) is only
//! there as far as somebody signed it who is trusted.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

/// The whole input.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Input {
    /// The image.
    pub image: Image,
}

/// An image for one platform.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// Its name with tag or digest.
    #[serde(rename = "ref", skip_serializing_if = "String::is_empty")]
    pub reference: String,
    /// The registry.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// The repository as people write it: `alpine`, `registry.example/app`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub repo: String,
    /// Registry and repository.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub full_repo: String,
    /// The tag, if the name has one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tag: String,
    /// `linux/amd64`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub platform: String,
    /// The operating system.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub os: String,
    /// The processor.
    #[serde(rename = "arch", skip_serializing_if = "String::is_empty")]
    pub architecture: String,
    /// The processor's variant.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub variant: String,
    /// Whether the name has a digest.
    #[serde(skip_serializing_if = "is_false")]
    pub is_canonical: bool,
    /// The digest of what the name means: of the index, where there is one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub checksum: String,
    /// When it was made, RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub created_time: String,
    /// `NAME=value`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<String>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The user.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// Volumes.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub volumes: BTreeSet<String>,
    /// Where it starts.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub working_dir: String,
    /// Whether provenance was found.
    #[serde(skip_serializing_if = "is_false")]
    pub has_provenance: bool,
    /// How it was built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
    /// Good signatures.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<Signature>,
    /// Good signatures of the index that names it. Not of buildx.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub index_signatures: Vec<Signature>,
    /// The digest of this platform's manifest. Not of buildx.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    /// Every signed statement about it. Not of buildx.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attestations: Vec<Attestation>,
    /// The SBOM. Not of buildx.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sbom: Option<Attestation>,
    /// What the SBOM lists; absent without one. Not of buildx.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packages: Option<Vec<Package>>,
    /// What the scan of the newest data found; absent if nobody looked. Not of buildx.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vulnerabilities: Option<Vec<Vulnerability>>,
    /// The newest audit, as it is. Not of buildx.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<Value>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// How an image was built.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// The type of the predicate.
    pub predicate_type: String,
    /// The type of the build.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub build_type: String,
    /// Who built.
    #[serde(rename = "builderID", skip_serializing_if = "String::is_empty")]
    pub builder_id: String,
    /// The run.
    #[serde(rename = "invocationID", skip_serializing_if = "String::is_empty")]
    pub invocation_id: String,
    /// When it began, RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub started_on: String,
    /// When it ended, RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub finished_on: String,
    /// Where what to build came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_source: Option<Value>,
    /// BuildKit's frontend.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub frontend: String,
    /// Arguments of the build.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub build_args: BTreeMap<String, String>,
    /// All arguments, as the frontend was given them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub raw_args: BTreeMap<String, String>,
    /// Whether the builder calls it reproducible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reproducible: Option<bool>,
    /// Whether the builder calls it hermetic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hermetic: Option<bool>,
    /// What the builder calls complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completeness: Option<Value>,
    /// Which key signed it. Not of buildx.
    pub signed_by: String,
    /// The whole predicate. Not of buildx.
    pub predicate: Value,
}

impl Provenance {
    /// Takes what buildx takes out of a predicate.
    pub fn of(predicate_type: &str, predicate: &Value, signed_by: &str) -> Self {
        let is_old = predicate_type.ends_with("/v0.2");
        let at = |new: &str, old: &str| predicate.pointer(if is_old { old } else { new });
        let text = |new: &str, old: &str| {
            at(new, old).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let boolean = |new: &str, old: &str| at(new, old).and_then(Value::as_bool);
        let request = "/buildDefinition/externalParameters/request";
        let raw_args: BTreeMap<String, String> =
            at(&format!("{request}/args"), "/invocation/parameters/args")
                .and_then(Value::as_object)
                .into_iter()
                .flatten()
                .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect();
        let own = |(key, value): (&String, &String)| {
            Some((key.strip_prefix("build-arg:")?.to_owned(), value.clone()))
        };
        let source =
            at("/buildDefinition/externalParameters/configSource", "/invocation/configSource");
        Self {
            predicate_type: predicate_type.to_owned(),
            build_type: text("/buildDefinition/buildType", "/buildType"),
            builder_id: text("/runDetails/builder/id", "/builder/id"),
            invocation_id: text("/runDetails/metadata/invocationId", "/metadata/buildInvocationId"),
            started_on: text("/runDetails/metadata/startedOn", "/metadata/buildStartedOn"),
            finished_on: text("/runDetails/metadata/finishedOn", "/metadata/buildFinishedOn"),
            config_source: source.filter(|source| source.is_object()).map(|source| {
                let path = source.get("path").or_else(|| source.get("entryPoint"));
                let mut of = serde_json::Map::new();
                for (key, value) in
                    [("uri", source.get("uri")), ("digest", source.get("digest")), ("path", path)]
                {
                    of.extend(value.map(|value| (key.to_owned(), value.clone())));
                }
                Value::Object(of)
            }),
            frontend: text(&format!("{request}/frontend"), "/invocation/parameters/frontend"),
            build_args: raw_args.iter().filter_map(own).collect(),
            raw_args,
            reproducible: boolean("/runDetails/metadata/reproducible", "/metadata/reproducible"),
            hermetic: boolean(
                "/runDetails/metadata/buildkit_hermetic",
                "/metadata/https:~1~1mobyproject.org~1buildkit@v1#hermetic",
            ),
            completeness: at(
                "/runDetails/metadata/buildkit_completeness",
                "/metadata/completeness",
            )
            .cloned(),
            signed_by: signed_by.to_owned(),
            predicate: predicate.clone(),
        }
    }
}

/// A good signature.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Signature {
    /// buildx's word for who signs: `self-signed` for all that hardpan verifies.
    pub kind: String,
    /// `bundle-v0.3` or `simplesigning-v1`.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub form: String,
    /// When others saw it, as far as that is proven.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub timestamps: Vec<Timestamp>,
    /// What the signature says the image is called.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub docker_reference: String,
    /// Which key it is of. Not of buildx.
    pub key: String,
    /// The key's id. Not of buildx.
    pub key_id: String,
}

/// A time at which a signature was there.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Timestamp {
    /// `rekor` or `tsa`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who says so.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uri: String,
    /// When, RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub timestamp: String,
}

/// A signed statement.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attestation {
    /// What kind of thing it says.
    pub predicate_type: String,
    /// Which key signed it.
    pub signed_by: String,
    /// What it says.
    pub predicate: Value,
}

/// A package of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Its package URL.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub purl: String,
    /// What kind of thing it is: `deb`, `golang`, …
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Its licences as an SPDX expression.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub license: String,
}

/// A vulnerability of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Vulnerability {
    /// Its id.
    pub id: String,
    /// The package.
    pub package: String,
    /// `low` to `critical`, or `unknown`.
    pub severity: String,
    /// Whether there is a version without it.
    pub fixable: bool,
    /// Whether it is known to be exploited.
    pub exploited: bool,
    /// When it was published, RFC 3339.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub published: String,
}

/// The parts of an image's name, as buildx has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Name {
    /// The registry.
    pub host: String,
    /// Registry and repository.
    pub full_repo: String,
    /// The tag.
    pub tag: Option<String>,
    /// The digest.
    pub digest: Option<String>,
}

impl Image {
    /// Sets all that a name in a registry says.
    pub fn set_name(&mut self, name: &Name) {
        self.host.clone_from(&name.host);
        self.full_repo.clone_from(&name.full_repo);
        // As people write names of Docker's registry.
        let short = name.full_repo.strip_prefix("docker.io/").unwrap_or(&name.full_repo);
        let is_official = short.len() < name.full_repo.len();
        let familiar = short.strip_prefix("library/").filter(|_| is_official).unwrap_or(short);
        familiar.clone_into(&mut self.repo);
        self.tag = name.tag.clone().unwrap_or_default();
        let tag = name.tag.iter().map(|tag| format!(":{tag}"));
        let digest = name.digest.iter().map(|digest| format!("@{digest}"));
        self.reference = std::iter::once(name.full_repo.clone()).chain(tag).chain(digest).collect();
        self.is_canonical = name.digest.is_some();
    }
}

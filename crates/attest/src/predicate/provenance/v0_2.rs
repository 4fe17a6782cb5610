// SPDX-License-Identifier: Apache-2.0
//! Provenance in the older form, v0.2, for tools that know no other. It holds no texts, so nothing is rebuilt from it.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::resource::{DigestSet, PredicateError, limited, null_is_default, read};
use super::super::time::Time;
use super::dependencies::{dependencies, with_plain_paths};
use super::record::BuildRecord;
use super::v1::parameters;
use super::{BUILD_TYPE, DEPENDENCIES_MAX};

const KIND: &str = "provenance v0.2";

/// Provenance, whoever built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// Who built.
    pub builder: Builder,
    /// Says what the parameters mean.
    pub build_type: String,
    /// What began it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation: Option<Invocation>,
    /// What was run.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub build_config: Value,
    /// What only this run has, and what is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// Everything that was needed.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub materials: Vec<Material>,
}

/// Who built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Builder {
    /// A URI.
    pub id: String,
}

/// What began a build.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invocation {
    /// The definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_source: Option<ConfigSource>,
    /// What came from outside of the builder.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub parameters: Value,
    /// What the builder decided.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub environment: Value,
}

/// The definition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigSource {
    /// Where it is from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its digests.
    #[serde(
        default,
        skip_serializing_if = "DigestSet::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub digest: DigestSet,
    /// Its path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry_point: Option<String>,
}

/// What only this run has, and what is complete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The run's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_invocation_id: Option<String>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_started_on: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_finished_on: Option<Time>,
    /// What is complete.
    #[serde(default, deserialize_with = "null_is_default")]
    pub completeness: Completeness,
    /// Whether it gives the same bytes each time.
    #[serde(default, deserialize_with = "null_is_default")]
    pub reproducible: bool,
}

/// What is complete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Completeness {
    /// `invocation.parameters`.
    pub parameters: bool,
    /// `invocation.environment`.
    pub environment: bool,
    /// `materials`.
    pub materials: bool,
}

/// An input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Material {
    /// A URI, or what it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// Its digests.
    #[serde(
        default,
        skip_serializing_if = "DigestSet::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub digest: DigestSet,
}

impl Provenance {
    /// Writes what a build knows of itself.
    ///
    /// # Errors
    /// As of [`super::Provenance::of`].
    pub fn of(record: &BuildRecord) -> Result<Self, PredicateError> {
        let record = &*with_plain_paths(record)?;
        let (external, internal) = parameters(record)?;
        let malformed = |source| PredicateError::Malformed { kind: KIND, source };
        let mut materials: Vec<Material> = (dependencies(record)?.into_iter())
            .map(|resource| Material {
                uri: resource.uri.or(resource.name),
                digest: with_sha1(&resource.digest),
            })
            .collect();
        materials.sort();
        materials.dedup();
        let run = record.run.clone().unwrap_or_default();
        let is_hermetic = record.is_hermetic();
        // The source if it is known, and the file in it; else the file alone.
        let (uri, digest) = match &record.source {
            Some(source) => (Some(source.uri.clone()), with_sha1(&source.digest)),
            None => (None, external.definition.digest.clone()),
        };
        let entry_point = Some(external.definition.path.clone());
        let config_source = ConfigSource { uri, digest, entry_point };
        Ok(Self {
            builder: Builder { id: record.builder.id.clone() },
            build_type: BUILD_TYPE.to_owned(),
            build_config: json!({ "stages": internal.stages }),
            invocation: Some(Invocation {
                config_source: Some(config_source),
                parameters: serde_json::to_value(&external).map_err(malformed)?,
                environment: json!({
                    "hardpan": internal.hardpan,
                    "compressor": internal.compressor,
                    "strip": internal.strip,
                    "epoch": internal.epoch,
                }),
            }),
            metadata: Some(Metadata {
                build_invocation_id: run.invocation_id,
                build_started_on: run.started,
                build_finished_on: run.finished,
                completeness: Completeness {
                    parameters: true,
                    environment: true,
                    materials: is_hermetic,
                },
                // What a step had from the network may be another thing tomorrow.
                reproducible: is_hermetic,
            }),
            materials,
        })
    }

    /// Reads provenance of any builder.
    pub fn from_value(value: &Value) -> Result<Self, PredicateError> {
        let provenance: Self = read(KIND, value)?;
        for (place, uri) in
            [("builder.id", &provenance.builder.id), ("buildType", &provenance.build_type)]
        {
            if !uri.contains(':') {
                return Err(PredicateError::invalid(KIND, place, "it is not a URI"));
            }
        }
        limited(KIND, "materials", provenance.materials.len(), DEPENDENCIES_MAX)?;
        Ok(provenance)
    }
}

/// Adds a commit's id under the name that it had in those days.
fn with_sha1(digest: &DigestSet) -> DigestSet {
    let mut digest = digest.clone();
    // Ids of repositories with SHA-256 are longer.
    if let Some(commit) = digest.get("gitCommit").filter(|commit| commit.len() == 40).cloned() {
        digest.insert("sha1".to_owned(), commit);
    }
    digest
}

// SPDX-License-Identifier: Apache-2.0
//! Provenance in the form of SLSA v1.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_image::canonical_json;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::resource::{
    DigestSet, PredicateError, ResourceDescriptor, limited, null_is_default, read, sha256,
};
use super::super::time::Time;
use super::dependencies::{ROLE, dependencies, role_name, with_plain_paths};
use super::record::{
    BuildOptions, BuildRecord, FileRole, Source, SourceFile, StageRecord, Substitution,
    WorkspaceRule,
};
use super::{BUILD_TYPE, BYPRODUCTS_MAX, DEPENDENCIES_MAX, KIND, TEXT_BYTES_MAX};

/// Provenance, whoever built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// What was built, from what.
    pub build_definition: BuildDefinition,
    /// By whom, and what else came of it.
    pub run_details: RunDetails,
}

/// What was built, from what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    /// Says what the parameters mean.
    pub build_type: String,
    /// What came from outside of the builder.
    pub external_parameters: Value,
    /// What the builder decided.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub internal_parameters: Value,
    /// Everything that was needed.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub resolved_dependencies: Vec<ResourceDescriptor>,
}

/// By whom, and what else came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunDetails {
    /// Who built.
    pub builder: BuilderDetails,
    /// What only this run has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Metadata>,
    /// What came of it besides.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub byproducts: Vec<ResourceDescriptor>,
}

/// Who built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuilderDetails {
    /// A URI.
    pub id: String,
    /// Versions, by the names of programs.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub version: BTreeMap<String, String>,
    /// What the builder itself needed.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub builder_dependencies: Vec<ResourceDescriptor>,
}

/// What only this run has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<String>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_on: Option<Time>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_on: Option<Time>,
}

/// `externalParameters` of [`BUILD_TYPE`]. SLSA has readers refuse unknown ones, as each may change what is built.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ExternalParameters {
    pub(super) definition: FileReference,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<Source>,
    pub(super) platforms: BTreeSet<String>,
    pub(super) options: BuildOptions,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) workspace: Option<WorkspaceParameters>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) secrets: BTreeSet<String>,
}

/// A file by path and digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileReference {
    pub(super) path: String,
    pub(super) digest: DigestSet,
}

/// What of the workspace file came into it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkspaceParameters {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) file: Option<FileReference>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) rules: Vec<WorkspaceRule>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) substitutions: Vec<Substitution>,
}

/// `internalParameters` of [`BUILD_TYPE`]. Unknown ones are ignored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InternalParameters {
    pub(super) hardpan: String,
    pub(super) compressor: String,
    pub(super) strip: BTreeSet<String>,
    pub(super) epoch: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) stages: Vec<StageRecord>,
}

impl Provenance {
    /// Writes what a build knows of itself.
    ///
    /// # Errors
    /// If the record has no definition or several, a file whose text has another digest or whose path leads out of the
    /// source, or something that is no package URL where one should be.
    pub fn of(record: &BuildRecord) -> Result<Self, PredicateError> {
        let record = &*with_plain_paths(record)?;
        let (external, internal) = parameters(record)?;
        let as_value = |value: Result<Value, serde_json::Error>| {
            value.map_err(|source| PredicateError::Malformed { kind: KIND, source })
        };
        let metadata = record.run.as_ref().map(|run| Metadata {
            invocation_id: run.invocation_id.clone(),
            started_on: run.started,
            finished_on: run.finished,
        });
        Ok(Self {
            build_definition: BuildDefinition {
                build_type: BUILD_TYPE.to_owned(),
                external_parameters: as_value(serde_json::to_value(external))?,
                internal_parameters: as_value(serde_json::to_value(internal))?,
                resolved_dependencies: dependencies(record)?,
            },
            run_details: RunDetails {
                builder: BuilderDetails {
                    id: record.builder.id.clone(),
                    version: record.builder.version.clone(),
                    builder_dependencies: Vec::new(),
                },
                metadata,
                byproducts: byproducts(record),
            },
        })
    }

    /// Reads provenance of any builder.
    pub fn from_value(value: &Value) -> Result<Self, PredicateError> {
        let provenance: Self = read(KIND, value)?;
        let definition = &provenance.build_definition;
        let is_uri = |text: &str| text.contains(':');
        if !is_uri(&definition.build_type) {
            return Err(PredicateError::invalid(KIND, "buildType", "it is not a URI"));
        }
        if !definition.external_parameters.is_object() {
            return Err(PredicateError::invalid(KIND, "externalParameters", "not an object"));
        }
        if !matches!(definition.internal_parameters, Value::Object(_) | Value::Null) {
            return Err(PredicateError::invalid(KIND, "internalParameters", "not an object"));
        }
        if !is_uri(&provenance.run_details.builder.id) {
            return Err(PredicateError::invalid(KIND, "builder.id", "it is not a URI"));
        }
        let count = definition.resolved_dependencies.len();
        limited(KIND, "dependencies", count, DEPENDENCIES_MAX)?;
        let count = provenance.run_details.byproducts.len();
        limited(KIND, "byproducts", count, BYPRODUCTS_MAX)?;
        Ok(provenance)
    }
}

/// Returns the parameters of a build: from outside, and the builder's own.
pub(super) fn parameters(
    record: &BuildRecord,
) -> Result<(ExternalParameters, InternalParameters), PredicateError> {
    let one = |role: FileRole| -> Result<Option<FileReference>, PredicateError> {
        let mut files = record.files.iter().filter(|file| file.role == role);
        let file = files.next().map(reference);
        match files.next() {
            Some(_) => Err(PredicateError::invalid(KIND, role_name(role), "there are several")),
            None => Ok(file),
        }
    };
    let definition = one(FileRole::Definition)?
        .ok_or_else(|| PredicateError::invalid(KIND, "definition", "the record has none"))?;
    let workspace = WorkspaceParameters {
        file: one(FileRole::Workspace)?,
        rules: sorted(&record.rules),
        substitutions: sorted(&record.substitutions),
    };
    one(FileRole::Lock)?;
    let steps = record.stages.iter().flat_map(|stage| &stage.steps);
    let external = ExternalParameters {
        definition,
        source: record.source.clone(),
        platforms: record.platforms.clone(),
        options: record.options.clone(),
        workspace: Some(workspace).filter(|workspace| *workspace != WorkspaceParameters::default()),
        secrets: steps.flat_map(|step| step.secrets.iter().cloned()).collect(),
    };
    let internal = InternalParameters {
        hardpan: record.program_version.clone(),
        compressor: record.compressor.clone(),
        strip: record.strip.clone(),
        epoch: record.epoch,
        stages: record.stages.clone(),
    };
    Ok((external, internal))
}

fn reference(file: &SourceFile) -> FileReference {
    FileReference { path: file.path.clone(), digest: sha256(&file.digest) }
}

fn sorted<T: Clone + Ord>(items: &[T]) -> Vec<T> {
    let mut items = items.to_vec();
    items.sort();
    items.dedup();
    items
}

/// Returns what came of a build besides the image, and the texts that a rebuild needs.
fn byproducts(record: &BuildRecord) -> Vec<ResourceDescriptor> {
    let mut others: Vec<ResourceDescriptor> = record
        .byproducts
        .iter()
        .map(|byproduct| {
            let bytes = canonical_json(&byproduct.value);
            let resource = ResourceDescriptor {
                name: Some(byproduct.name.clone()),
                ..ResourceDescriptor::default()
            };
            let resource = resource.with_content(&bytes, "application/json");
            match &byproduct.platform {
                Some(platform) => resource.with("platform", platform.as_str()),
                None => resource,
            }
        })
        .collect();
    others.sort_by_cached_key(|resource| {
        let platform = resource.annotation("platform").map(str::to_owned);
        (resource.name.clone(), platform, resource.content.clone())
    });
    let mut all = texts(record);
    all.append(&mut others);
    all
}

/// Returns the texts, the most needed first, as many as fit.
fn texts(record: &BuildRecord) -> Vec<ResourceDescriptor> {
    let mut files: Vec<(&SourceFile, &Vec<u8>)> =
        record.files.iter().filter_map(|file| Some((file, file.text.as_ref()?))).collect();
    files.sort_by_key(|(file, _)| (file.role, &file.path));
    files.dedup_by_key(|(file, _)| (file.role, &file.path));
    let mut left = TEXT_BYTES_MAX;
    let mut texts = Vec::new();
    for (file, text) in files {
        // A later one may still fit.
        let Some(rest) = left.checked_sub(text.len()) else { continue };
        left = rest;
        let media_type = match file.role {
            FileRole::Definition | FileRole::Include => "application/yaml",
            FileRole::Lock => "application/json",
            FileRole::Workspace => "application/toml",
            FileRole::Local => "application/octet-stream",
        };
        let named =
            ResourceDescriptor { name: Some(file.path.clone()), ..ResourceDescriptor::default() };
        texts.push(named.with_content(text, media_type).with(ROLE, role_name(file.role)));
    }
    texts
}

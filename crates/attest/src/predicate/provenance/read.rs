// SPDX-License-Identifier: Apache-2.0
//! What building an image again needs, out of its provenance.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_tree::Digest;
use serde::Deserialize as _;
use serde::de::value::StrDeserializer;

use super::super::resource::{PredicateError, ResourceDescriptor, read};
use super::dependencies::{EXECUTABLE, ROLE, check_path};
use super::record::{BuildOptions, FileRole, Source, StageRecord, Substitution, WorkspaceRule};
use super::v1::{ExternalParameters, FileReference, InternalParameters, Provenance};
use super::{BUILD_TYPE, KIND, TEXT_BYTES_MAX};

/// What building an image again needs.
#[derive(Debug, Clone, PartialEq)]
pub struct RebuildInputs {
    /// Path of the definition in its source.
    pub definition: String,
    /// Where the files are from.
    pub source: Option<Source>,
    /// The files by path. The definition is among them.
    pub files: BTreeMap<String, RebuildFile>,
    /// What was built.
    pub platforms: BTreeSet<String>,
    /// Options that change the result.
    pub options: BuildOptions,
    /// Rules of the workspace file that came into it.
    pub rules: Vec<WorkspaceRule>,
    /// What stood in for something that the definition names.
    pub substitutions: Vec<Substitution>,
    /// Names of the secrets that steps need.
    pub secrets: BTreeSet<String>,
    /// Version of hardpan. Another one may give other bytes.
    pub program_version: String,
    /// What wrote the layers.
    pub compressor: String,
    /// The strip rules that were on.
    pub strip: BTreeSet<String>,
    /// The time of all that hardpan itself made, in seconds.
    pub epoch: i64,
    /// The stages that ran.
    pub stages: Vec<StageRecord>,
}

/// A file that building an image again needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RebuildFile {
    /// What it is for.
    pub role: FileRole,
    /// Its digest.
    pub digest: Digest,
    /// Whether it is a program.
    pub is_executable: bool,
    /// Its bytes, which have this digest; `None` where provenance only names it.
    pub text: Option<Vec<u8>>,
}

impl RebuildInputs {
    /// Returns the file of a role that there is only one of.
    pub fn file(&self, role: FileRole) -> Option<(&str, &RebuildFile)> {
        let mut files = self.files.iter().filter(|(_, file)| file.role == role);
        files.next().map(|(path, file)| (path.as_str(), file))
    }

    /// Returns the paths of files that have to be had from the source.
    pub fn missing(&self) -> Vec<&str> {
        let without_text = self.files.iter().filter(|(_, file)| file.text.is_none());
        without_text.map(|(path, _)| path.as_str()).collect()
    }
}

impl Provenance {
    /// Returns what building the image again needs.
    ///
    /// # Errors
    /// If somebody else's builder wrote this, or if it contradicts itself.
    pub fn rebuild_inputs(&self) -> Result<RebuildInputs, PredicateError> {
        let definition = &self.build_definition;
        if definition.build_type != BUILD_TYPE {
            let reason =
                format!("it is {:?}, and hardpan builds {BUILD_TYPE:?}", definition.build_type);
            return Err(PredicateError::invalid(KIND, "buildType", reason));
        }
        let external: ExternalParameters = read(KIND, &definition.external_parameters)?;
        let internal: InternalParameters = read(KIND, &definition.internal_parameters)?;
        let mut files = files(&definition.resolved_dependencies)?;
        put_texts(&self.run_details.byproducts, &mut files)?;
        same_file(&files, &external.definition, FileRole::Definition)?;
        let workspace = external.workspace.unwrap_or_default();
        if let Some(file) = &workspace.file {
            same_file(&files, file, FileRole::Workspace)?;
        }
        let used: BTreeSet<_> = internal
            .stages
            .iter()
            .flat_map(|stage| &stage.steps)
            .flat_map(|step| &step.secrets)
            .collect();
        if used != external.secrets.iter().collect() {
            let reason = "steps were given others than the parameters have";
            return Err(PredicateError::invalid(KIND, "secrets", reason));
        }
        if external.platforms.is_empty() {
            return Err(PredicateError::invalid(KIND, "platforms", "there are none"));
        }
        Ok(RebuildInputs {
            definition: external.definition.path,
            source: external.source,
            files,
            platforms: external.platforms,
            options: external.options,
            rules: workspace.rules,
            substitutions: workspace.substitutions,
            secrets: external.secrets,
            program_version: internal.hardpan,
            compressor: internal.compressor,
            strip: internal.strip,
            epoch: internal.epoch,
            stages: internal.stages,
        })
    }
}

/// Returns the role of a descriptor, if it is of a file of the source.
fn role(resource: &ResourceDescriptor) -> Option<FileRole> {
    let name = resource.annotation(ROLE)?;
    FileRole::deserialize(StrDeserializer::<serde::de::value::Error>::new(name)).ok()
}

fn files(
    dependencies: &[ResourceDescriptor],
) -> Result<BTreeMap<String, RebuildFile>, PredicateError> {
    let mut files = BTreeMap::new();
    let mut only = BTreeSet::new();
    for resource in dependencies {
        let Some(role) = role(resource) else { continue };
        let path = resource.name.clone().unwrap_or_default();
        check_path(&path)?;
        let digest = (resource.sha256())
            .ok_or_else(|| PredicateError::invalid(KIND, &path, "it has no SHA-256"))?;
        let has_one = !matches!(role, FileRole::Include | FileRole::Local);
        if has_one && !only.insert(role) {
            return Err(PredicateError::invalid(KIND, path, "there are several of its role"));
        }
        let is_executable = resource.annotation(EXECUTABLE) == Some("yes");
        let file = RebuildFile { role, digest, is_executable, text: None };
        match files.insert(path.clone(), file) {
            // A file may be included and copied as well.
            Some(other) if other.digest != digest => {
                return Err(PredicateError::invalid(
                    KIND,
                    path,
                    "it stands twice with two digests",
                ));
            }
            Some(other) if other.role < role => {
                files.insert(path, other);
            }
            _ => {}
        }
    }
    Ok(files)
}

/// Gives files their texts.
fn put_texts(
    byproducts: &[ResourceDescriptor],
    files: &mut BTreeMap<String, RebuildFile>,
) -> Result<(), PredicateError> {
    let mut left = TEXT_BYTES_MAX;
    for resource in byproducts.iter().filter(|resource| role(resource).is_some()) {
        let path = resource.name.as_deref().unwrap_or_default();
        let Some(file) = files.get_mut(path) else {
            return Err(PredicateError::invalid(KIND, path, "it is a text of no dependency"));
        };
        let Some(text) = resource.checked_content(KIND)? else { continue };
        left = left.checked_sub(text.len()).ok_or(PredicateError::TooMany {
            kind: KIND,
            what: "bytes of text",
            count: TEXT_BYTES_MAX - left + text.len(),
            max: TEXT_BYTES_MAX,
        })?;
        if Digest::of(&text) != file.digest {
            let reason = "its text is not the one that the dependencies name";
            return Err(PredicateError::invalid(KIND, path, reason));
        }
        file.text = Some(text);
    }
    Ok(())
}

/// Checks that parameters and dependencies name the same file.
fn same_file(
    files: &BTreeMap<String, RebuildFile>,
    wanted: &FileReference,
    role: FileRole,
) -> Result<(), PredicateError> {
    let file = files.get(&wanted.path).filter(|file| file.role == role);
    let file = file.ok_or_else(|| {
        PredicateError::invalid(KIND, &wanted.path, "it is a parameter, and no dependency")
    })?;
    if wanted.digest.get("sha256") != Some(&file.digest.to_hex()) {
        let reason = "parameters and dependencies give it two digests";
        return Err(PredicateError::invalid(KIND, &wanted.path, reason));
    }
    Ok(())
}

// SPDX-License-Identifier: Apache-2.0
//! What a build knows of itself, as plain data.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_tree::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::resource::DigestSet;
use super::super::time::Time;

/// A build. All lists are written sorted, whatever order they have here, but for stages and their steps.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildRecord {
    /// Who built.
    pub builder: Builder,
    /// Version of hardpan.
    pub program_version: String,
    /// Where the files are from; `None` where nobody said so.
    pub source: Option<Source>,
    /// The definition, its includes, its lock and local files, and the workspace file if rules of it were used.
    /// Exactly one has the role [`FileRole::Definition`].
    pub files: Vec<SourceFile>,
    /// What was built: `linux/amd64`.
    pub platforms: BTreeSet<String>,
    /// Options that change the result.
    pub options: BuildOptions,
    /// Rules of the workspace file that came into it.
    pub rules: Vec<WorkspaceRule>,
    /// What stands in for something that the definition names.
    pub substitutions: Vec<Substitution>,
    /// What writes the layers, as the lock has it.
    pub compressor: String,
    /// The strip rules that were on.
    pub strip: BTreeSet<String>,
    /// The time of all that hardpan itself makes, in seconds.
    pub epoch: i64,
    /// Package indexes.
    pub indexes: Vec<IndexInput>,
    /// Packages.
    pub packages: Vec<PackageInput>,
    /// Downloads.
    pub downloads: Vec<DownloadInput>,
    /// Images of others.
    pub images: Vec<ImageInput>,
    /// Build stages, in the order in which they ran.
    pub stages: Vec<StageRecord>,
    /// What else came of it.
    pub byproducts: Vec<Byproduct>,
    /// What this run had of its own; `None` for a provenance that is the same each time.
    pub run: Option<Run>,
}

/// Who built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Builder {
    /// A URI that stands for everything that has to be trusted: the machine, its operator, the way to it.
    pub id: String,
    /// Versions of the programs, by name.
    pub version: BTreeMap<String, String>,
}

/// Where the files of a definition are from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// `git+https://forge.example/images@refs/heads/main`.
    pub uri: String,
    /// `gitCommit` of it.
    pub digest: DigestSet,
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FileRole {
    /// The definition.
    Definition,
    /// Its lock.
    Lock,
    /// A file that it includes.
    Include,
    /// The workspace file.
    Workspace,
    /// A file that goes into the image or into a stage.
    Local,
}

/// A file of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// What it is for.
    pub role: FileRole,
    /// Its path in the source.
    pub path: String,
    /// Digest of its bytes.
    pub digest: Digest,
    /// Whether it is a program: an image that it goes into shows that.
    pub is_executable: bool,
    /// Its bytes, if they are to be held.
    pub text: Option<Vec<u8>>,
}

impl SourceFile {
    /// Takes a file whose bytes are to be held.
    pub fn held(role: FileRole, path: &str, bytes: &[u8]) -> Self {
        let text = Some(bytes.to_vec());
        let (path, digest) = (path.to_owned(), Digest::of(bytes));
        Self { role, path, digest, is_executable: false, text }
    }
}

/// Options that change the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BuildOptions {
    /// `gzip` or `zstd`.
    pub compression: String,
    /// Strip rules that were switched off.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keep: BTreeSet<String>,
    /// Work that was switched off: `caches`, `pyc`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub without: BTreeSet<String>,
    /// Any others, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other: BTreeMap<String, String>,
}

/// A rule of the workspace file that came into the build.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceRule {
    /// Its table: `packages.substitute`.
    pub table: String,
    /// Its keys and values.
    pub values: BTreeMap<String, String>,
}

/// Something else than what the definition names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Substitution {
    /// The stage; `None` for the image itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// What the definition names.
    pub wanted: String,
    /// What was used.
    pub used: String,
}

/// A suite of an archive as it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexInput {
    /// The archive's name, or a URI that the definition wrote. Never a mirror.
    pub archive: String,
    /// The suite.
    pub suite: String,
    /// Digest of the signed text.
    pub release: Digest,
    /// Its date.
    pub date: String,
    /// Fingerprints or names of the keys whose signatures on it were good.
    pub signed_by: BTreeSet<String>,
}

/// What a package is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PackageUse {
    /// It is in the image.
    Image,
    /// Maintainer scripts ran with it; nothing of it is in the image.
    ScriptTool,
    /// It is in a build stage.
    Stage(String),
}

/// A package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageInput {
    /// Its package URL, as the SBOM has it.
    pub purl: String,
    /// Its name.
    pub name: String,
    /// Digest of the file.
    pub sha256: Digest,
    /// Name of its archive.
    pub archive: String,
    /// Its path in the archive.
    pub path: String,
    /// For which platform and for what. The same file often is for several.
    pub uses: BTreeSet<(String, PackageUse)>,
}

/// A download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadInput {
    /// Its URL as the definition has it.
    pub url: String,
    /// Digest of the bytes; for a git repository of hardpan's archive of the commit.
    pub sha256: Digest,
    /// The commit of a git repository.
    pub commit: Option<String>,
    /// For which platform, and in which stage if not in the image.
    pub uses: BTreeSet<(String, Option<String>)>,
}

/// An image of somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageInput {
    /// Its name as the definition has it.
    pub name: String,
    /// The name of the image that stands in for it.
    pub substitute: Option<String>,
    /// Digest of the manifest.
    pub manifest: Digest,
    /// Digest of the index that names it.
    pub index: Option<Digest>,
    /// For which platform, and in which stage if not in the image.
    pub uses: BTreeSet<(String, Option<String>)>,
}

/// A build stage that ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StageRecord {
    /// The platform.
    pub platform: String,
    /// Its name.
    pub stage: String,
    /// Its steps, in order.
    pub steps: Vec<StepRecord>,
}

/// A step that ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepRecord {
    /// Its name.
    pub name: String,
    /// The action that it uses: `go/build@v1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Digest of the script that ran, written as `sha256:…`.
    pub script: Digest,
    /// Whether it had the network. What it fetched is then in no list.
    pub network: bool,
    /// Names of the secrets that it was given. Never their values.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub secrets: BTreeSet<String>,
}

/// Something that came of a build besides the image: warnings, what finishers did in place of scripts.
#[derive(Debug, Clone, PartialEq)]
pub struct Byproduct {
    /// What it is: `warnings`, `finishers`.
    pub name: String,
    /// The platform, if it is of one.
    pub platform: Option<String>,
    /// The thing itself.
    pub value: Value,
}

/// What a run had of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Run {
    /// Its id: of the job, or random.
    pub invocation_id: Option<String>,
    /// When it began.
    pub started: Option<Time>,
    /// When it ended.
    pub finished: Option<Time>,
}

impl BuildRecord {
    /// Returns the definition.
    pub fn definition(&self) -> Option<&SourceFile> {
        self.files.iter().find(|file| file.role == FileRole::Definition)
    }

    /// Returns whether every step's inputs are listed: no step had the network.
    pub fn is_hermetic(&self) -> bool {
        self.stages.iter().flat_map(|stage| &stage.steps).all(|step| !step.network)
    }
}

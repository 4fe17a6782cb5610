// SPDX-License-Identifier: Apache-2.0
//! What came of a build, as data.

use std::collections::BTreeMap;

use hardpan_scan::controls::Finding;
use hardpan_tree::Digest;
use serde::{Deserialize, Serialize};

use crate::download::PlacedFile;
use crate::finish::{Action, Warning};

/// What came of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Built {
    /// Digest of the image index.
    pub digest: Digest,
    /// The names that it got.
    pub names: Vec<String>,
    /// Platform by platform.
    pub platforms: Vec<BuiltPlatform>,
    /// Whether everything was there already.
    #[serde(default)]
    pub was_unchanged: bool,
}

/// One platform of a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BuiltPlatform {
    /// Its name.
    pub platform: String,
    /// Digest of its manifest.
    pub manifest: Digest,
    /// Digest of its configuration, which is the image id of docker and podman.
    pub image_id: Digest,
    /// Sum of its compressed layers, in bytes.
    pub compressed_size_bytes: u64,
    /// Sum of its layers, in bytes.
    pub size_bytes: u64,
    /// How many layers it has.
    pub layers: usize,
    /// How many packages it has.
    pub packages: usize,
    /// How many files it has, hard links not counted.
    pub files: usize,
    /// What of packages' maintainer scripts nothing covers.
    pub warnings: Vec<String>,
    /// What finishers did, by finisher: how many paths each made, changed or removed.
    pub actions: BTreeMap<String, usize>,
    /// What of build stages was left out, and what of their packages nothing covers.
    #[serde(default)]
    pub stage_warnings: Vec<String>,
    /// Links that the workspace file's `paths.alias` made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Steps of build stages that had the network, as `stage/step`.
    #[serde(default)]
    pub network_steps: Vec<String>,
    /// What the workspace file put in the place of images and downloads of the definition.
    #[serde(default)]
    pub substitutes: Vec<Substitute>,
    /// Downloads of the image and its stages, for the SBOM.
    #[serde(default)]
    pub downloads: Vec<BuiltDownload>,
    /// Who brought which file, for the SBOM: a blob of the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_origins: Option<Digest>,
    /// What build stages state about the image, to be attested.
    #[serde(default)]
    pub statements: Vec<StageStatement>,
    /// What the hardening controls have to say beside.
    pub remarks: Vec<Remark>,
}

/// Something that a build stage states about the image: a predicate, as a blob of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StageStatement {
    /// The stage.
    pub stage: String,
    /// Type of the predicate, a URI.
    pub predicate_type: String,
    /// Digest of the predicate.
    pub digest: Digest,
    /// Its length.
    pub size_bytes: u64,
}

/// Something else than what the definition names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Substitute {
    /// The stage; `None` for the image itself.
    pub stage: Option<String>,
    /// The image, or the URL of the download, as the definition has it.
    pub wanted: String,
    /// The image that was used; of a download its digest or commit.
    pub used: String,
}

/// A download that went into an image, or into a stage of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BuiltDownload {
    /// The stage; `None` for the image itself.
    pub stage: Option<String>,
    /// Its URL, as the definition has it.
    pub url: String,
    /// Where it is: the file, or the directory that it was unpacked in.
    pub path: String,
    /// The digest in the lock.
    pub sha256: Digest,
    /// The commit of a git repository.
    pub commit: Option<String>,
    /// What the definition says of it.
    pub spdx: Option<DownloadSpdx>,
}

/// `spdx` of a download.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DownloadSpdx {
    /// Name of the document.
    pub name: Option<String>,
    /// Version of what was downloaded.
    pub version: Option<String>,
    /// Packages in it: name, package URL, license, path.
    pub packages: Vec<[Option<String>; 4]>,
}

impl From<PlacedFile> for BuiltDownload {
    fn from(placed: PlacedFile) -> Self {
        let spdx = placed.spdx.map(|spdx| DownloadSpdx {
            name: spdx.name,
            version: spdx.version,
            packages: spdx
                .packages
                .into_iter()
                .map(|p| [p.name, p.purl.map(|purl| purl.value), p.license, p.path])
                .collect(),
        });
        Self {
            stage: None,
            url: placed.url,
            path: placed.path.to_string(),
            sha256: placed.sha256,
            commit: placed.commit,
            spdx,
        }
    }
}

/// A finding that does not stop a build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Remark {
    /// The control.
    pub control: String,
    /// How bad it is: `warn` or `info`.
    pub severity: String,
    /// What was found.
    pub message: String,
    /// Where it comes from and what to do.
    pub help: String,
}

impl From<&Finding> for Remark {
    fn from(finding: &Finding) -> Self {
        Self {
            control: finding.control.to_string(),
            severity: finding.severity.to_string(),
            message: finding.message.clone(),
            help: finding.help.clone(),
        }
    }
}

/// Counts what each finisher did.
pub(crate) fn count_actions(actions: &[Action]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for action in actions {
        *counts.entry(action.finisher.to_owned()).or_default() += action.paths.len();
    }
    counts
}

/// Returns a warning as one line: `php8.4-cli: postinst, lines 7-9: …`.
pub(crate) fn warning_text(warning: &Warning) -> String {
    let mut text = String::new();
    for part in [&warning.package, &warning.file].into_iter().flatten() {
        text.push_str(part);
        text.push_str(": ");
    }
    if let Some((first, last)) = warning.lines {
        let lines = if first == last {
            format!("line {first}: ")
        } else {
            format!("lines {first}-{last}: ")
        };
        text.push_str(&lines);
    }
    text.push_str(&warning.message);
    text
}

// SPDX-License-Identifier: Apache-2.0
//! What is known of an image beyond the tree that a container sees.
//!
//! The builder's gate sees a tree before there are layers, so all of this may be missing; then the controls that
//! need it are not measured, and say so.

use std::collections::{BTreeMap, BTreeSet};

use hardpan_image::ImageConfig;
use hardpan_tree::{Digest, TreePath};

use super::Severity;
use super::traits::ContentTraits;

/// What layers, configuration and those who state something about it tell of an image.
#[derive(Debug, Clone, Default)]
pub struct ImageFacts {
    /// Its configuration; a root file system has none.
    pub config: Option<ImageConfig>,
    /// The tag by which it was asked for.
    pub tag: Option<String>,
    /// Annotations of its manifest and index.
    pub annotations: BTreeMap<String, String>,
    /// Its layers, the lowest first.
    pub layers: Vec<LayerFacts>,
    /// The layer that brought what a container sees at a path, counted from the lowest.
    pub introduced: BTreeMap<TreePath, u32>,
    /// What no [`hardpan_tree::Tree`] can hold, and is visible.
    pub special: Vec<Special>,
    /// Visible files with a whiteout's name that are none.
    pub whiteouts: Vec<TreePath>,
    /// Setuid and setgid files that upper layers hide or change.
    pub hidden_setuid: Vec<Hidden>,
    /// What programs are by their bytes, by their digests; those of which nothing is to be said are not there.
    pub content_traits: BTreeMap<Digest, ContentTraits>,
    /// Bytes of files that upper layers hide.
    pub hidden_bytes: u64,
    /// The largest hidden files, the largest first.
    pub hidden_files: Vec<Hidden>,
    /// What looks like a secret, by its content; `Err` says why nobody looked.
    pub secrets: Option<Vec<SecretFact>>,
    /// Why not all of it was searched for secrets, if so.
    pub unsearched: Option<String>,
    /// What is stated about it, and by whom; `None` where nobody's key is trusted here.
    pub statements: Option<StatementFacts>,
    /// What is known of its vulnerabilities; `None` without an advisory database.
    pub vulnerabilities: Option<VulnerabilityFacts>,
    /// When the distribution's support ends, in days since 1970, and its name.
    pub distribution_end: Option<(String, u32)>,
    /// The files that no package, language package or SBOM of the image speaks for.
    pub unlisted: Option<BTreeSet<TreePath>>,
    /// Today, in days since 1970; `None` leaves out everything about age.
    pub today: Option<u32>,
}

/// A layer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LayerFacts {
    /// The digest of its uncompressed bytes.
    pub diff_id: Option<Digest>,
    /// The sum of its files' sizes.
    pub files_bytes: u64,
    /// What its entry of the history says, without secrets.
    pub created_by: Option<String>,
}

/// What is neither file, directory nor link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Special {
    /// Where.
    pub path: TreePath,
    /// `character device 1:3`, `socket`.
    pub what: String,
    /// Whether it opens hardware or memory, and does not only connect processes.
    pub is_device: bool,
}

/// What a layer has and a container does not see.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hidden {
    /// Where it was.
    pub path: TreePath,
    /// The layer that has it.
    pub layer: u32,
    /// The layer that hides it.
    pub hidden_in: u32,
    /// Its size.
    pub size_bytes: u64,
}

/// What looks like a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFact {
    /// The file; without one it is in the configuration.
    pub path: Option<TreePath>,
    /// The place as text: `/app/.env:3`, `environment variable TOKEN`.
    pub place: String,
    /// What it is, with the few characters that may be shown.
    pub what: String,
    /// Whether the rule that found it looks for private keys.
    pub is_private_key: bool,
    /// The layer that has it.
    pub layer: Option<u32>,
    /// The layer that deletes it.
    pub deleted_in: Option<u32>,
}

/// What is stated about an image by those who are trusted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StatementFacts {
    /// Who signed the image.
    pub signers: BTreeSet<String>,
    /// The builders that signed provenance names.
    pub builders: BTreeSet<String>,
    /// Whether there is a signed SBOM.
    pub has_sbom: bool,
    /// Whether there are signed VEX statements.
    pub has_vex: bool,
    /// The day of the newest signed scan, in days since 1970.
    pub scanned: Option<u32>,
    /// Who says that another build gave the same bytes.
    pub reproduced_by: BTreeSet<String>,
}

/// What is known of an image's vulnerabilities, after VEX.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VulnerabilityFacts {
    /// Those that count, sorted.
    pub rows: Vec<VulnerabilityFact>,
    /// What was not looked up, in words.
    pub gaps: Vec<String>,
}

/// A vulnerability of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VulnerabilityFact {
    /// `CVE-2026-1234`.
    pub id: String,
    /// The package and its version.
    pub package: String,
    /// `critical`, `high`, ….
    pub severity: String,
    /// How much the control makes of it.
    pub weight: Severity,
    /// The version that has the fix.
    pub fixed: Option<String>,
    /// Whether it is known to be exploited.
    pub is_exploited: bool,
}

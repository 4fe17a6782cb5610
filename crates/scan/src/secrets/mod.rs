// SPDX-License-Identifier: Apache-2.0
//! Secrets in an image: in files of every layer, also in those that a layer above deletes, in the environment, in
//! labels and annotations, in the history, and in what a container or a build on the image runs.
//!
//! [`Rules`] are our own or those of a file in gitleaks' format. [`SecretScanner`] takes layers as streams, the lowest
//! first, looks at each file once, and says what it found in a [`SecretReport`]. A finding says where a secret is and
//! what kind it is of, and never what it is.
//!
//! What a package brought is trusted as long as it is as the package brought it: packages are full of keys for tests and
//! words like `password`, and everybody has them. What says so are the databases of dpkg and apk in the image itself, so
//! whoever makes an image can hide a secret from this. It is there to find mistakes, not to convict liars.

mod allowlist;
mod configuration;
mod detect;
mod finding;
mod format;
mod names;
pub(crate) mod owned;
pub(crate) mod private_key;
mod rules;
mod scan;
mod text;

#[cfg(test)]
mod tests;

use hardpan_tree::TreePath;
use serde::Serialize;

pub use finding::{Excerpt, Finding, Fingerprint, FingerprintError, Place};
pub use rules::{RuleInfo, Rules, RulesError};
pub use scan::{SecretScanError, SecretScanner};

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretOptions {
    /// The largest file that is looked at, in bytes. Larger ones are in [`SecretReport::skipped`].
    pub file_bytes_max: u64,
    /// The most findings of one file.
    pub file_findings_max: usize,
    /// The most findings of all.
    pub findings_max: usize,
    /// Number of entries of all layers together.
    pub entries_max: u64,
    /// Sum of the sizes of all files of one layer, in bytes.
    pub layer_bytes_max: u64,
    /// Number of layers.
    pub layers_max: usize,
}

impl SecretOptions {
    /// What is used where nothing else is said.
    pub const DEFAULT: Self = Self {
        // Programs of 300 MB exist, and the settings of a build may be in them.
        file_bytes_max: 512 << 20,
        // A file with more is a list of them.
        file_findings_max: 100,
        // Nobody reads more.
        findings_max: 10_000,
        // As for a catalog.
        entries_max: 1_000_000,
        layer_bytes_max: 32 << 30,
        layers_max: 1024,
    };
}

impl Default for SecretOptions {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What was found, and how much was looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretReport {
    /// What was found, in the order of places.
    pub findings: Vec<Finding>,
    /// How many files were looked at, those of lower layers included.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many files have something that a rule finds, and are as their packages brought them.
    pub trusted_files: u64,
    /// Files that were not looked at, or not to their end. While there are some, nobody can say that the image has no secrets.
    pub skipped: Vec<Skipped>,
    /// Whether there are more findings or skipped files than the limits let be told.
    pub is_cut: bool,
}

impl SecretReport {
    /// Returns whether all was looked at.
    pub fn is_complete(&self) -> bool {
        self.skipped.is_empty() && !self.is_cut
    }

    /// Removes findings that a list of known ones has; returns how many these are.
    pub fn remove_known(&mut self, known: &std::collections::BTreeSet<Fingerprint>) -> usize {
        let before = self.findings.len();
        self.findings.retain(|finding| !known.contains(&finding.fingerprint));
        before - self.findings.len()
    }
}

/// A file that was not looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Skipped {
    /// The layer, counted from the lowest, which is 0.
    pub layer: usize,
    /// The file.
    pub path: TreePath,
    /// Why.
    pub reason: String,
}

// SPDX-License-Identifier: Apache-2.0
//! Secrets in images and root file systems: `hardpan_scan::secrets` on everything that an SBOM can be made of.

use std::collections::BTreeMap;
use std::io::Read;

use hardpan_attest::predicate::secrets::{FoundSecret, SecretScan};
use hardpan_image::ImageConfig;
use hardpan_scan::secrets::SecretScanner;
use hardpan_tree::TarEntry;
use serde::Serialize;

pub use hardpan_scan::secrets::{
    Excerpt, Finding, Fingerprint, FingerprintError, Place, RuleInfo, Rules, RulesError,
    SecretOptions, SecretReport, SecretScanError, Skipped,
};

use crate::error::Error;
use crate::sbom::{LayerVisitor, SbomChoice, SbomSource, ScannedImage};
use crate::session::Session;

/// What was found in which image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageSecrets {
    /// The image.
    pub image: ScannedImage,
    /// What was found.
    #[serde(flatten)]
    pub report: SecretReport,
}

impl Session<'_> {
    /// Looks for secrets in all layers of an image, those that upper layers delete included, in its environment, labels,
    /// annotations, history and commands; or in a root file system. Of several images and platforms, `choice` says which.
    ///
    /// ```no_run
    /// use hardpan::secrets::{Rules, SecretOptions};
    /// use hardpan::{SbomChoice, SbomSource, Session};
    /// # fn example(session: &Session<'_>, source: &SbomSource) -> Result<(), hardpan::Error> {
    /// let secrets =
    ///     session.secrets(source, SbomChoice::default(), &Rules::builtin(), SecretOptions::default())?;
    /// for finding in &secrets.report.findings {
    ///     let _line = finding.to_string(); // `/app/.env:3 (layer 2): a token of GitHub: ghp_… (40 bytes) …`
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn secrets(
        &self,
        source: &SbomSource,
        choice: SbomChoice<'_>,
        rules: &Rules,
        options: SecretOptions,
    ) -> Result<ImageSecrets, Error> {
        let mut visitor = Visitor(SecretScanner::new(rules, options));
        let image = self.visit_layers(source, choice, &mut visitor)?;
        Ok(ImageSecrets { image, report: visitor.0.finish() })
    }
}

impl ImageSecrets {
    /// Returns the predicate to attest.
    ///
    /// # Errors
    /// If not all was looked at: then nobody can say that there are no secrets.
    pub fn predicate(&self) -> Result<SecretScan, Error> {
        let report = &self.report;
        if !report.is_complete() {
            let skipped = report.skipped.len();
            return Err(SecretsError::Incomplete { skipped }.into());
        }
        let findings = report.findings.iter().map(|finding| FoundSecret {
            rule: finding.rule.clone(),
            description: finding.description.clone(),
            place: finding.place.to_string(),
            fingerprint: finding.fingerprint.to_string(),
            layer: match finding.place {
                Place::File { layer, .. } => Some(layer),
                _ => None,
            },
            deleted_in_layer: finding.deleted_in_layer,
        });
        Ok(SecretScan { findings: findings.collect() })
    }
}

struct Visitor<'r>(SecretScanner<'r>);

impl LayerVisitor for Visitor<'_> {
    fn config(&mut self, config: &ImageConfig) {
        self.0.config(config);
    }

    fn annotations(&mut self, annotations: &BTreeMap<String, String>) {
        self.0.annotations(annotations);
    }

    fn layer(&mut self, reader: &mut dyn Read) -> Result<(), Error> {
        Ok(self.0.layer(reader).map_err(SecretsError::Scan)?)
    }

    fn entry(&mut self, entry: TarEntry, data: &mut dyn Read) -> Result<(), Error> {
        Ok(self.0.entry(entry, data).map_err(SecretsError::Scan)?)
    }
}

/// Why it can't be said which secrets are in an image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretsError {
    /// The layers can't be looked through.
    #[error("the image can't be looked through")]
    Scan(#[source] SecretScanError),
    /// Not everything was looked at.
    #[error(
        "that an image has no secrets can't be attested: {skipped} files were not looked at, or there is more than is told"
    )]
    Incomplete {
        /// How many files.
        skipped: usize,
    },
}

impl SecretsError {
    /// Returns what kind of trouble this is.
    pub fn trouble(&self) -> crate::error::Trouble {
        use crate::error::Trouble;
        match self {
            Self::Scan(SecretScanError::Read { .. }) => Trouble::Network,
            Self::Scan(_) => Trouble::Trust,
            Self::Incomplete { .. } => Trouble::No,
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! `[scan]`: what is known of vulnerabilities, and what is excused.

use hardpan_scan::advisory::Severity;
use serde::{Deserialize, Serialize};

/// `[scan]`
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ScanSection {
    /// Where `hardpan db update` gets the advisory database: an image name, a URL or a file.
    pub advisories: Option<String>,
    /// VEX documents that every scan applies, files relative to the workspace file.
    pub vex: Vec<String>,
    /// After how many days the data of a source is called old in reports; 7 where this is not said.
    pub max_age_days: Option<u32>,
    /// The least severity at which `hardpan scan` exits with 1, where no `--fail-on` is named.
    pub fail_on: Option<String>,
}

impl ScanSection {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn check(&self) -> Result<(), (String, String)> {
        let wrong = |message: String, text: &str| Err((message, text.to_owned()));
        if self.advisories.as_ref().is_some_and(String::is_empty) {
            return wrong("scan.advisories: it names nothing".to_owned(), "advisories");
        }
        if let Some(path) = self.vex.iter().find(|path| path.is_empty() || path.contains("://")) {
            return wrong(format!("scan.vex: {path:?} is not a path"), path);
        }
        match &self.fail_on {
            Some(word) if Severity::of(word).is_none() => {
                let words = Severity::ALL.map(Severity::as_str).join(", ");
                wrong(format!("scan.fail-on: {word:?} is none of {words}"), word)
            }
            _ => Ok(()),
        }
    }
}

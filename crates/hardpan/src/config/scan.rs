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
    /// The socket of a `clamd` that `hardpan malware` asks in the place of `clamscan`, an absolute path.
    pub clamd: Option<String>,
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
        if let Some(path) = self.clamd.as_ref().filter(|path| !path.starts_with('/')) {
            return wrong(format!("scan.clamd: {path:?} is not an absolute path"), path);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named() {
        let section = |text: &str| toml::from_str::<ScanSection>(text).unwrap();
        for good in [
            "",
            "clamd = \"/run/clamav/clamd.ctl\"",
            "fail-on = \"high\"\nvex = [\"vex.json\"]\nadvisories = \"a.hpdb\"",
        ] {
            assert_eq!(section(good).check(), Ok(()), "{good}");
        }
        for (bad, expected) in [
            ("clamd = \"clamd.ctl\"", "scan.clamd: \"clamd.ctl\" is not an absolute path"),
            ("clamd = \"\"", "scan.clamd"),
            ("clamd = \"tcp://localhost:3310\"", "scan.clamd"),
            ("fail-on = \"worst\"", "scan.fail-on"),
            ("vex = [\"https://a.example/v\"]", "scan.vex"),
            ("advisories = \"\"", "scan.advisories"),
        ] {
            let (message, _) = section(bad).check().unwrap_err();
            assert!(message.contains(expected), "{bad}: {message}");
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What a scan for secrets found, as DHI attests it: nothing at all if there are none. Policies count what is in the
//! predicate, and anything is a violation.
//!
//! What one says that found something is not published; here each finding says where it is and what it is, and never what
//! the secret is.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::resource::{PredicateError, limited, read};

/// Its type.
pub const URI: &str = "https://scout.docker.com/secrets/v0.1";
const KIND: &str = "secrets";
/// The most findings that are read.
const FINDINGS_MAX: usize = 100_000;

/// The predicate. Without findings it is an empty object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretScan {
    /// What was found, in the order of places.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<FoundSecret>,
}

/// A secret in an image, without itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundSecret {
    /// The id of the rule that found it.
    pub rule: String,
    /// What it is.
    pub description: String,
    /// Where it is, as a text.
    pub place: String,
    /// The same in each build, so that a known one can be recognised.
    pub fingerprint: String,
    /// The layer that its file is in, counted from the lowest, which is 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<usize>,
    /// The layer that hides the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_in_layer: Option<usize>,
}

impl SecretScan {
    /// Reads the predicate. An empty list is as good as an empty object.
    pub fn from_value(value: &Value) -> Result<Self, PredicateError> {
        if value.as_array().is_some_and(Vec::is_empty) {
            return Ok(Self::default());
        }
        let scan: Self = read(KIND, value)?;
        // What others found and say in another way may not look like nothing.
        if scan.findings.is_empty() && value.as_object().is_some_and(|object| !object.is_empty()) {
            return Err(PredicateError::invalid(
                KIND,
                "predicate",
                "it says something that is not understood",
            ));
        }
        limited(KIND, "findings", scan.findings.len(), FINDINGS_MAX)?;
        let is_empty = |found: &&FoundSecret| found.rule.is_empty() || found.place.is_empty();
        if scan.findings.iter().any(|found| is_empty(&found)) {
            return Err(PredicateError::invalid(KIND, "findings", "one has no rule or no place"));
        }
        Ok(scan)
    }

    /// Refuses one that found something.
    pub fn check_passed(&self) -> Result<(), PredicateError> {
        match self.findings.first() {
            None => Ok(()),
            Some(first) => {
                let reason =
                    format!("it has {}, the first in {}", self.findings.len(), first.place);
                Err(PredicateError::invalid(KIND, "findings", reason))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_found_is_nothing_said() {
        let clean = SecretScan::default();
        assert_eq!(serde_json::to_value(&clean).unwrap(), json!({}));
        clean.check_passed().unwrap();
        for value in [json!({}), json!([])] {
            assert_eq!(SecretScan::from_value(&value).unwrap(), clean);
        }
        let found = SecretScan {
            findings: vec![FoundSecret {
                rule: "github-token".to_owned(),
                description: "a token of GitHub".to_owned(),
                place: "/a:2 (layer 0)".to_owned(),
                fingerprint: "0".repeat(16),
                layer: Some(0),
                deleted_in_layer: None,
            }],
        };
        let value = serde_json::to_value(&found).unwrap();
        assert_eq!(SecretScan::from_value(&value).unwrap(), found);
        assert_eq!(value["findings"][0].get("deletedInLayer"), None);
        assert!(found.check_passed().unwrap_err().to_string().contains("/a:2 (layer 0)"));
    }

    #[test]
    fn what_is_not_understood_is_not_nothing() {
        let found =
            |rule: &str| json!({"rule": rule, "description": "", "place": "/a", "fingerprint": ""});
        for value in [
            json!(null),
            json!([{}]),
            json!("none"),
            json!({"findings": []}),
            json!({"secrets": [{"match": "x"}]}),
            json!({"findings": {}}),
            json!({"findings": [{}]}),
            json!({"findings": [found("")]}),
            json!({"findings": vec![found("a"); FINDINGS_MAX + 1]}),
        ] {
            assert!(
                SecretScan::from_value(&value).is_err(),
                "{}",
                value.to_string().chars().take(100).collect::<String>()
            );
        }
        assert!(SecretScan::from_value(&json!({"findings": [found("a")]})).is_ok());
    }
}

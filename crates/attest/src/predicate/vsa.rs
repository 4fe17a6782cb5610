// SPDX-License-Identifier: Apache-2.0
//! Verification summaries: that somebody verified an artifact, against which policy, with what result
//! (SLSA 1.2, "Verification Summary Attestation").

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::resource::{PredicateError, ResourceDescriptor, limited, null_is_default, read};
use super::time::Time;

/// Its type.
pub const URI: &str = "https://slsa.dev/verification_summary/v1";
/// The version of SLSA that summaries are written after.
pub const SLSA_VERSION: &str = "1.2";
const KIND: &str = "verification summary";
/// The most attestations that a summary names: more than an image has in any registry that was seen.
const INPUTS_MAX: usize = 1_000;
/// The most levels: one for each track, and properties of one's own.
const LEVELS_MAX: usize = 100;

/// A verification summary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationSummary {
    /// Who verified.
    pub verifier: Verifier,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_verified: Option<Time>,
    /// The artifact, as it is asked for.
    pub resource_uri: String,
    /// What it was held against. Has a `uri`, and should have a digest.
    pub policy: ResourceDescriptor,
    /// All attestations that were looked at, each with a digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_default")]
    pub input_attestations: Vec<ResourceDescriptor>,
    /// What came of it.
    pub verification_result: VerificationResult,
    /// The highest level of each track: `SLSA_BUILD_LEVEL_2`, and properties of one's own.
    pub verified_levels: Vec<String>,
    /// How many dependencies have which level; `None` says nothing about them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dependency_levels: Option<BTreeMap<String, u64>>,
    /// The version of SLSA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slsa_version: Option<String>,
}

/// Who verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier {
    /// A URI.
    pub id: String,
    /// Versions of the programs, by their names.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_default"
    )]
    pub version: BTreeMap<String, String>,
}

/// What came of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VerificationResult {
    /// All rules hold.
    Passed,
    /// One does not.
    Failed,
}

/// The word that stands in the levels of what failed.
const FAILED: &str = "FAILED";

impl VerificationSummary {
    /// States that all rules hold. `level` is of the build track, which ends with 3; `None` claims none.
    pub fn passed(
        verifier: Verifier,
        resource: &str,
        policy: ResourceDescriptor,
        level: Option<u8>,
    ) -> Self {
        let level = level.map_or("UNEVALUATED".to_owned(), |level| level.min(3).to_string());
        let levels = vec![format!("SLSA_BUILD_LEVEL_{level}")];
        Self::new(verifier, resource, policy, VerificationResult::Passed, levels)
    }

    /// States that a rule does not hold.
    pub fn failed(verifier: Verifier, resource: &str, policy: ResourceDescriptor) -> Self {
        let levels = vec![FAILED.to_owned()];
        Self::new(verifier, resource, policy, VerificationResult::Failed, levels)
    }

    fn new(
        verifier: Verifier,
        resource: &str,
        policy: ResourceDescriptor,
        result: VerificationResult,
        levels: Vec<String>,
    ) -> Self {
        Self {
            verifier,
            time_verified: None,
            resource_uri: resource.to_owned(),
            policy,
            input_attestations: Vec::new(),
            verification_result: result,
            verified_levels: levels,
            dependency_levels: None,
            slsa_version: Some(SLSA_VERSION.to_owned()),
        }
    }

    /// Reads the predicate.
    pub fn from_value(value: &Value) -> Result<Self, PredicateError> {
        let summary: Self = read(KIND, value)?;
        summary.check()?;
        Ok(summary)
    }

    /// Checks what the types do not say.
    pub fn check(&self) -> Result<(), PredicateError> {
        let invalid = |place: &str, reason: &str| Err(PredicateError::invalid(KIND, place, reason));
        if !self.verifier.id.contains(':') {
            return invalid("verifier.id", "it is not a URI");
        }
        if self.resource_uri.is_empty() {
            return invalid("resourceUri", "it is empty");
        }
        if self.policy.uri.as_deref().is_none_or(str::is_empty) {
            return invalid("policy", "it has no uri");
        }
        limited(KIND, "input attestations", self.input_attestations.len(), INPUTS_MAX)?;
        limited(KIND, "levels", self.verified_levels.len(), LEVELS_MAX)?;
        if self.input_attestations.iter().any(|input| input.digest.is_empty()) {
            return invalid("inputAttestations", "one has no digest");
        }
        let says_failed = self.verified_levels.iter().any(|level| level == FAILED);
        if self.verification_result == VerificationResult::Passed && says_failed {
            return invalid("verifiedLevels", "it says FAILED, and the result PASSED");
        }
        let mut tracks = Vec::new();
        for level in self.verified_levels.iter().filter(|level| level.starts_with("SLSA_")) {
            let Some((track, _)) = split_level(level) else {
                return invalid("verifiedLevels", &format!("{level:?} is not a level"));
            };
            if tracks.contains(&track) {
                return invalid("verifiedLevels", "a track has two levels");
            }
            tracks.push(track);
        }
        Ok(())
    }

    /// Refuses one that says that a rule does not hold.
    pub fn check_passed(&self) -> Result<(), PredicateError> {
        match self.verification_result {
            VerificationResult::Passed => Ok(()),
            VerificationResult::Failed => {
                Err(PredicateError::invalid(KIND, "verificationResult", "it says FAILED"))
            }
        }
    }

    /// Returns the level of the build track, if the artifact passed and one is stated.
    pub fn build_level(&self) -> Option<u8> {
        if self.verification_result != VerificationResult::Passed {
            return None;
        }
        let mut levels = self.verified_levels.iter().filter_map(|level| split_level(level));
        levels.find_map(|(track, level)| level.filter(|_| track == "BUILD"))
    }
}

/// Splits `SLSA_BUILD_LEVEL_3` into `BUILD` and 3; `UNEVALUATED` is `None`.
fn split_level(text: &str) -> Option<(&str, Option<u8>)> {
    let (track, level) = text.strip_prefix("SLSA_")?.rsplit_once("_LEVEL_")?;
    let is_track = !track.is_empty() && track.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    match level.as_bytes() {
        _ if !is_track => None,
        [digit @ b'0'..=b'9'] => Some((track, Some(digit - b'0'))),
        b"UNEVALUATED" => Some((track, None)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn example() -> Value {
        json!({
            "verifier": {"id": "https://a.example/verifier", "version": {"hardpan": "0.1.0"}},
            "timeVerified": "2026-11-26T17:00:00Z",
            "resourceUri": "pkg:oci/a@sha256:00",
            "policy": {"uri": "https://a.example/policy", "digest": {"sha256": "00"}},
            "inputAttestations": [{"uri": "u", "digest": {"sha256": "00"}}],
            "verificationResult": "PASSED",
            "verifiedLevels": ["SLSA_BUILD_LEVEL_2", "SLSA_SOURCE_LEVEL_UNEVALUATED", "OURS"],
            "dependencyLevels": {"SLSA_BUILD_LEVEL_1": 3},
            "slsaVersion": "1.2",
        })
    }

    #[test]
    fn summaries_survive_the_way_through_values() {
        let summary = VerificationSummary::from_value(&example()).unwrap();
        assert_eq!(serde_json::to_value(&summary).unwrap(), example());
        assert_eq!(summary.build_level(), Some(2));

        let verifier = Verifier { id: "https://a.example".into(), version: BTreeMap::new() };
        let policy =
            ResourceDescriptor { uri: Some("https://a.example/p".into()), ..Default::default() };
        for (summary, levels, level) in [
            (
                VerificationSummary::passed(verifier.clone(), "r", policy.clone(), Some(3)),
                "SLSA_BUILD_LEVEL_3",
                Some(3),
            ),
            (
                VerificationSummary::passed(verifier.clone(), "r", policy.clone(), None),
                "SLSA_BUILD_LEVEL_UNEVALUATED",
                None,
            ),
            (VerificationSummary::failed(verifier, "r", policy), "FAILED", None),
        ] {
            assert_eq!(summary.verified_levels, [levels]);
            assert_eq!(summary.build_level(), level);
            let value = serde_json::to_value(&summary).unwrap();
            assert_eq!(VerificationSummary::from_value(&value).unwrap(), summary);
        }
    }

    #[test]
    fn what_can_t_be_is_refused() {
        for (pointer, value, expected) in [
            ("/verifier", json!({}), "malformed"),
            ("/verifier/id", json!("me"), "not a URI"),
            ("/resourceUri", json!(""), "resourceUri"),
            ("/resourceUri", json!(null), "malformed"),
            ("/policy", json!({"digest": {"sha256": "00"}}), "no uri"),
            ("/inputAttestations", json!([{"uri": "u"}]), "no digest"),
            ("/inputAttestations", json!(vec![json!({}); INPUTS_MAX + 1]), "more than"),
            ("/verificationResult", json!("passed"), "malformed"),
            ("/verificationResult", json!("MAYBE"), "malformed"),
            ("/verifiedLevels", json!(["FAILED"]), "FAILED"),
            ("/verifiedLevels", json!(["SLSA_BUILD_LEVEL_9x"]), "not a level"),
            ("/verifiedLevels", json!(["SLSA_BUILD_LEVEL_1", "SLSA_BUILD_LEVEL_2"]), "two levels"),
            ("/verifiedLevels", json!(["SLSA__LEVEL_1", "SLSA_LEVEL_2"]), "not a level"),
            ("/dependencyLevels", json!({"SLSA_BUILD_LEVEL_1": -1}), "malformed"),
            ("/timeVerified", json!("today"), "malformed"),
        ] {
            let mut document = example();
            *document.pointer_mut(pointer).unwrap() = value;
            let error = VerificationSummary::from_value(&document).unwrap_err().to_string();
            assert!(error.contains(expected), "{pointer}: {error}");
        }
    }

    #[test]
    fn a_failed_summary_has_no_level() {
        let mut document = example();
        document["verificationResult"] = json!("FAILED");
        assert_eq!(VerificationSummary::from_value(&document).unwrap().build_level(), None);
    }
}

// SPDX-License-Identifier: Apache-2.0
//! The rules about what an image is, and the exceptions from them.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::predicate::audit::{Grade, is_id};

use super::{AGE_PROBLEM, ImagePattern, Policy, PolicyError, check_level};

/// The most exceptions: more than that is no policy any more.
const EXCEPTIONS_MAX: usize = 10_000;
/// The longest pattern for licences, in bytes.
const LICENSE_BYTES_MAX: usize = 128;

/// Something that has to be so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Required {
    /// It has to.
    Required,
}

/// Something that must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Denied {
    /// It must not.
    Deny,
}

/// How well the build has to be proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ProvenanceRule {
    /// The least level of SLSA's build track, 1 to 3.
    pub min_level: u8,
}

/// Images that it may be made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct BaseRule {
    /// Patterns of their names. One that is made of no image holds.
    pub allow: BTreeSet<ImagePattern>,
}

/// Licences that nothing in an image may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LicenseRule {
    /// SPDX ids; `*` stands for any characters.
    pub deny: BTreeSet<String>,
    /// What of components whose licence nobody states.
    #[serde(default)]
    pub unknown: UnknownLicenses,
}

/// What of components whose licence nobody states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownLicenses {
    /// They may be there.
    Allow,
    /// The rule does not hold: their licence may be one of those.
    #[default]
    Deny,
}

/// Vulnerabilities that there must be none of: from a severity on, of some severities, or known to be exploited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct VulnerabilityRule {
    /// From this severity on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// Of these severities.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub deny: BTreeSet<Severity>,
    /// Only those that have a fix.
    #[serde(default, alias = "fixable-only")]
    pub fixable: bool,
    /// Only those that have been known for so many days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_age_days: Option<u32>,
    /// All that are known to be exploited, whatever else is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kev: Option<Denied>,
}

/// How bad a vulnerability is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Hardly a problem.
    Negligible,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// Nobody said. It may be the worst, so it is above medium.
    Unknown,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl Severity {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Negligible, Self::Low, Self::Medium, Self::Unknown, Self::High, Self::Critical];

    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Negligible => "negligible",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::Unknown => "unknown",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl VulnerabilityRule {
    /// Returns whether the rule is about vulnerabilities of a severity.
    pub fn covers(&self, severity: Severity) -> bool {
        self.severity.is_some_and(|least| severity >= least) || self.deny.contains(&severity)
    }
}

/// What an audit must have found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct AuditRule {
    /// The worst grade.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_grade: Option<Grade>,
    /// Traits that it must not have, and controls that must hold.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub forbid: BTreeSet<String>,
    /// What it must have been held against.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

/// Something that is allowed nevertheless.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Exception {
    /// What: a vulnerability, a trait or control of audits, a licence, an image, or `nonroot`.
    pub id: String,
    /// The last day on which it counts, in UTC.
    #[serde(deserialize_with = "day")]
    pub until: Date,
    /// Why.
    pub reason: String,
}

impl Policy {
    /// Checks the rules about what an image is.
    pub(super) fn check_rules(&self) -> Result<(), PolicyError> {
        if let Some(rule) = self.provenance {
            check_level("/provenance/min-level".to_owned(), rule.min_level)?;
        }
        if self.provenance.is_some() && self.builders.is_empty() {
            self.check_own("/provenance", "the provenance")?;
        }
        if let Some(rule) = &self.base {
            if rule.allow.is_empty() {
                let problem = "no base is allowed, so that none could be: name images";
                return Err(PolicyError::wrong("/base/allow", problem));
            }
            self.check_own("/base", "the base")?;
        }
        if let Some(rule) = &self.licenses {
            let is_wrong = |id: &String| id.is_empty() || id.len() > LICENSE_BYTES_MAX;
            if rule.deny.is_empty() || rule.deny.iter().any(is_wrong) {
                let problem = format!(
                    "licences are denied by their SPDX ids, which have 1 to {LICENSE_BYTES_MAX} bytes"
                );
                return Err(PolicyError::wrong("/licenses/deny", problem));
            }
            self.check_own("/licenses", "the SBOM")?;
        }
        if let Some(rule) = &self.vulnerabilities {
            check_vulnerabilities(rule)?;
        }
        if let Some(rule) = &self.audit {
            self.check_audit(rule)?;
        }
        self.check_exceptions()
    }

    fn check_audit(&self, rule: &AuditRule) -> Result<(), PolicyError> {
        if *rule == AuditRule::default() {
            let problem = "of the audit nothing is asked: say `min-grade`, `forbid` or `profile`";
            return Err(PolicyError::wrong("/audit", problem));
        }
        let forbidden = rule.forbid.iter().map(|id| (id, "/audit/forbid", "trait or control"));
        let profile = rule.profile.iter().map(|id| (id, "/audit/profile", "profile"));
        for (id, place, what) in forbidden.chain(profile) {
            if !is_id(id) {
                return Err(PolicyError::wrong(place, format!("no {what} is called {id:?}")));
            }
        }
        self.check_own("/audit", "the audit")
    }

    fn check_own(&self, place: &str, what: &str) -> Result<(), PolicyError> {
        self.check_keys(place, &BTreeSet::new(), what)
    }

    fn check_exceptions(&self) -> Result<(), PolicyError> {
        if self.exceptions.len() > EXCEPTIONS_MAX {
            let problem = format!("there are more than {EXCEPTIONS_MAX} exceptions");
            return Err(PolicyError::wrong("/exceptions", problem));
        }
        let mut seen = BTreeSet::new();
        for (number, exception) in self.exceptions.iter().enumerate() {
            let id = &exception.id;
            let (key, problem) = if id.trim().is_empty() || id.chars().any(char::is_control) {
                ("id", "an exception has no id, or one with control characters".to_owned())
            } else if exception.reason.trim().is_empty() {
                ("reason", format!("the exception for {id} has no reason"))
            } else if !seen.insert(id) {
                ("id", format!("there are two exceptions for {id}"))
            } else {
                continue;
            };
            return Err(PolicyError::wrong(format!("/exceptions/{number}/{key}"), problem));
        }
        Ok(())
    }
}

fn check_vulnerabilities(rule: &VulnerabilityRule) -> Result<(), PolicyError> {
    let wrong = |place: &str, problem: &str| Err(PolicyError::wrong(place, problem));
    if rule.severity.is_some() && !rule.deny.is_empty() {
        let problem = "both `severity` and `deny` say which severities are denied: take one away";
        return wrong("/vulnerabilities/severity", problem);
    }
    let has_severity = rule.severity.is_some() || !rule.deny.is_empty();
    if !has_severity && rule.kev.is_none() {
        let problem = "the rule denies nothing: say `severity`, `deny` or `kev`";
        return wrong("/vulnerabilities", problem);
    }
    if !has_severity && (rule.fixable || rule.min_age_days.is_some()) {
        let problem = "`fixable` and `min-age-days` are about severities that are denied, and none is: say `severity` or `deny`";
        return wrong("/vulnerabilities", problem);
    }
    if rule.min_age_days == Some(0) {
        return wrong("/vulnerabilities/min-age-days", AGE_PROBLEM);
    }
    Ok(())
}

/// Reads a day.
fn day<'de, D: Deserializer<'de>>(from: D) -> Result<Date, D::Error> {
    let text = String::deserialize(from)?;
    // Of times jiff would take the day.
    let day = (text.len() == "2027-01-31".len()).then(|| text.parse().ok()).flatten();
    day.ok_or_else(|| {
        let text: String = text.chars().take(40).collect();
        D::Error::custom(format!("{text:?} is no day, which is written like 2027-01-31"))
    })
}

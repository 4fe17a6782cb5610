// SPDX-License-Identifier: Apache-2.0
//! The rules about what an image is, and the exceptions from them.

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::predicate::audit::{Grade, is_id};

use super::{ImagePattern, Policy, PolicyError};

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
    pub until: Date,
    /// Why.
    pub reason: String,
}

impl Policy {
    /// Checks the rules about what an image is.
    pub(super) fn check_rules(&self) -> Result<(), PolicyError> {
        let wrong = |what: &str| Err(PolicyError::Wrong(what.to_owned()));
        if let Some(rule) = self.provenance
            && !(1..=3).contains(&rule.min_level)
        {
            return Err(PolicyError::Wrong(format!("the level {}", rule.min_level)));
        }
        if self.provenance.is_some() && self.builders.is_empty() {
            self.check_own("the provenance")?;
        }
        if let Some(rule) = &self.base {
            if rule.allow.is_empty() {
                return wrong("a base without an image that is allowed");
            }
            self.check_own("the base")?;
        }
        if let Some(rule) = &self.licenses {
            let is_wrong = |id: &String| id.is_empty() || id.len() > LICENSE_BYTES_MAX;
            if rule.deny.is_empty() || rule.deny.iter().any(is_wrong) {
                return wrong("licences without an id that is denied");
            }
            self.check_own("the SBOM")?;
        }
        if let Some(rule) = &self.vulnerabilities {
            check_vulnerabilities(rule)?;
        }
        if let Some(rule) = &self.audit {
            if *rule == AuditRule::default() {
                return wrong("an audit of which nothing is asked");
            }
            let names = rule.forbid.iter().chain(&rule.profile);
            if let Some(name) = names.into_iter().find(|name| !is_id(name)) {
                return Err(PolicyError::Wrong(format!("the control or profile {name:?}")));
            }
            self.check_own("the audit")?;
        }
        self.check_exceptions()
    }

    fn check_own(&self, what: &str) -> Result<(), PolicyError> {
        self.check_keys(&BTreeSet::new(), what)
    }

    fn check_exceptions(&self) -> Result<(), PolicyError> {
        if self.exceptions.len() > EXCEPTIONS_MAX {
            let problem = format!("more than {EXCEPTIONS_MAX} exceptions");
            return Err(PolicyError::Wrong(problem));
        }
        let mut seen = BTreeSet::new();
        for exception in &self.exceptions {
            let id = &exception.id;
            let problem = if id.trim().is_empty() || id.chars().any(char::is_control) {
                "an exception without an id".to_owned()
            } else if exception.reason.trim().is_empty() {
                format!("the exception {id} without a reason")
            } else if !seen.insert(id) {
                format!("two exceptions for {id}")
            } else {
                continue;
            };
            return Err(PolicyError::Wrong(problem));
        }
        Ok(())
    }
}

fn check_vulnerabilities(rule: &VulnerabilityRule) -> Result<(), PolicyError> {
    let wrong = |what: &str| Err(PolicyError::Wrong(what.to_owned()));
    if rule.severity.is_some() && !rule.deny.is_empty() {
        return wrong("a rule for vulnerabilities with both severity and deny");
    }
    let has_severity = rule.severity.is_some() || !rule.deny.is_empty();
    if !has_severity && rule.kev.is_none() {
        return wrong("a rule for vulnerabilities with none of severity, deny and kev");
    }
    if !has_severity && (rule.fixable || rule.min_age_days.is_some()) {
        return wrong("a rule for vulnerabilities with a fix or an age, and no severity");
    }
    if rule.min_age_days == Some(0) {
        return wrong("an age of 0 days");
    }
    Ok(())
}

// SPDX-License-Identifier: Apache-2.0
//! What has to be said about an image, and by whom, before it is used.
//!
//! A [`Policy`] is rules, [`Evidence`] what was found and verified. [`evaluate`] holds one against the other: a
//! pure function, with the present as an argument. Every rule has a result, also those that hold, so that
//! whoever reads it sees what was looked at.
//!
//! **Invariant**: what is missing never passes. No signature, no statement, no scan, no time: each is a rule that
//! does not hold. A policy without rules is refused, and so is one with a rule that this version does not know.

mod base;
mod contents;
mod coverage;
mod evaluate;
mod exceptions;
mod facts;
mod level;
mod pattern;
mod rules;
mod scans;
mod unneeded;
mod vulnerabilities;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_contents;

use std::collections::{BTreeMap, BTreeSet};

use hardpan_tree::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Statement;
use crate::predicate::{self, Time};

pub use evaluate::{evaluate, evaluate_index, is_satisfied};
pub use exceptions::UsedException;
pub use facts::StatedFacts;
pub use level::{BuildLevel, build_level};
pub use pattern::{ImagePattern, PatternError};
pub use rules::{
    AuditRule, BaseRule, Denied, Exception, LicenseRule, ProvenanceRule, Required, Severity,
    UnknownLicenses, VulnerabilityRule,
};
pub use unneeded::UnneededException;

/// The largest policy that is read, in bytes: people write them.
pub const POLICY_BYTES_MAX: usize = 1 << 20;

/// Rules. Those that are absent are not asked for; those that are there must all hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Policy {
    /// Which images the policy is for, by their names in registries; none for all.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub images: BTreeSet<ImagePattern>,
    /// Names of keys. One of them must have signed the image, and statements count only if one of them signed
    /// those, where no rule names others.
    pub keys: BTreeSet<String>,
    /// Statements that there must be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub require: Vec<Requirement>,
    /// Who may have built the image. Provenance must name one of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub builders: Vec<AllowedBuilder>,
    /// How well the build has to be proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provenance: Option<ProvenanceRule>,
    /// How old the image may be, in days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age_days: Option<u32>,
    /// Whether the SBOM must name what every file belongs to.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub complete_sbom: bool,
    /// Whether it has to run as somebody else than root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nonroot: Option<Required>,
    /// Images that it may be made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<BaseRule>,
    /// Licences that nothing in it may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licenses: Option<LicenseRule>,
    /// Vulnerabilities that there must be none of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vulnerabilities: Option<VulnerabilityRule>,
    /// What an audit must have found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audit: Option<AuditRule>,
    /// What is allowed nevertheless, until a day.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception>,
}

/// A statement that there must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Requirement {
    /// Its type: a short name, or a URI.
    pub predicate: String,
    /// Who must have signed it; none for the policy's keys.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keys: BTreeSet<String>,
}

/// A builder that is believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AllowedBuilder {
    /// Its `builder.id`, exactly.
    pub id: String,
    /// Who signs for it; none for the policy's keys.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keys: BTreeSet<String>,
    /// Up to which level of SLSA's build track it is believed, 1 to 3. No rule depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<u8>,
}

/// Why something is no policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// More than [`POLICY_BYTES_MAX`].
    #[error("the policy has {0} bytes, more than {POLICY_BYTES_MAX}")]
    TooLarge(usize),
    /// Not JSON of the right shape.
    #[error("not a policy")]
    Malformed(#[source] serde_json::Error),
    /// It asks for nothing.
    #[error("the policy has no rule: everything would pass")]
    Empty,
    /// A name that stands for no predicate.
    #[error("{name:?} is neither a short name of a predicate nor a URI")]
    UnknownPredicate {
        /// Where it stands, as a JSON pointer.
        place: String,
        /// The name.
        name: String,
    },
    /// A rule about who signed, and nobody who could have.
    #[error("{what} must be signed, and neither the rule nor the policy names a key")]
    NoKeys {
        /// Where the rule stands, as a JSON pointer.
        place: String,
        /// What has to be signed.
        what: String,
    },
    /// A rule that means nothing.
    #[error("{problem}")]
    Wrong {
        /// Where it stands, as a JSON pointer.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
}

impl PolicyError {
    /// Returns where the mistake is, as a JSON pointer (RFC 6901).
    pub fn place(&self) -> &str {
        match self {
            Self::UnknownPredicate { place, .. }
            | Self::NoKeys { place, .. }
            | Self::Wrong { place, .. } => place,
            Self::TooLarge(_) | Self::Malformed(_) | Self::Empty => "",
        }
    }

    fn wrong(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Wrong { place: place.into(), problem: problem.into() }
    }
}

impl Policy {
    /// Reads a policy.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        if bytes.len() > POLICY_BYTES_MAX {
            return Err(PolicyError::TooLarge(bytes.len()));
        }
        let value: Value = serde_json::from_slice(bytes).map_err(PolicyError::Malformed)?;
        // A list would do, with rules by their places.
        if !value.is_object() {
            return Err(PolicyError::wrong("", "the policy is no object"));
        }
        let policy = Self::deserialize(value).map_err(PolicyError::Malformed)?;
        policy.check()?;
        Ok(policy)
    }

    /// Checks what the types do not say.
    pub fn check(&self) -> Result<(), PolicyError> {
        // Neither what it is for nor what it allows is a rule.
        let images = self.images.clone();
        let exceptions = self.exceptions.clone();
        if *self == (Self { images, exceptions, ..Self::default() }) {
            return Err(PolicyError::Empty);
        }
        for (number, requirement) in self.require.iter().enumerate() {
            let name = &requirement.predicate;
            let place = format!("/require/{number}");
            if predicate::find_all(name).is_empty() && !name.contains("://") {
                let place = format!("{place}/predicate");
                return Err(PolicyError::UnknownPredicate { place, name: name.clone() });
            }
            self.check_keys(&place, &requirement.keys, name)?;
        }
        for (number, builder) in self.builders.iter().enumerate() {
            let place = format!("/builders/{number}");
            let id = &builder.id;
            if !id.contains(':') {
                let problem = format!("the builder {id:?} is no URI");
                return Err(PolicyError::wrong(format!("{place}/id"), problem));
            }
            self.check_keys(&place, &builder.keys, id)?;
            if let Some(level) = builder.level {
                check_level(format!("{place}/level"), level)?;
            }
        }
        if self.complete_sbom {
            self.check_keys("/complete-sbom", &BTreeSet::new(), "the SBOM")?;
        }
        if self.max_age_days == Some(0) {
            return Err(PolicyError::wrong("/max-age-days", AGE_PROBLEM));
        }
        if self.keys.contains("") {
            return Err(PolicyError::wrong("/keys", KEY_PROBLEM));
        }
        self.check_rules()
    }

    fn check_keys(
        &self,
        place: &str,
        own: &BTreeSet<String>,
        what: &str,
    ) -> Result<(), PolicyError> {
        match self.keys_for(own) {
            keys if keys.is_empty() => {
                Err(PolicyError::NoKeys { place: place.to_owned(), what: what.to_owned() })
            }
            keys if keys.contains("") => {
                let place = if own.is_empty() { "/keys".into() } else { format!("{place}/keys") };
                Err(PolicyError::wrong(place, KEY_PROBLEM))
            }
            _ => Ok(()),
        }
    }

    /// Returns all keys that are named, with where that is, as JSON pointers.
    pub fn named_keys(&self) -> BTreeMap<&str, String> {
        let of_rules = self
            .require
            .iter()
            .enumerate()
            .map(|(number, rule)| (format!("/require/{number}/keys"), &rule.keys));
        let of_builders = self
            .builders
            .iter()
            .enumerate()
            .map(|(number, builder)| (format!("/builders/{number}/keys"), &builder.keys));
        let all = std::iter::once(("/keys".to_owned(), &self.keys));
        let mut named = BTreeMap::new();
        for (place, keys) in all.chain(of_rules).chain(of_builders) {
            for key in keys {
                named.entry(key.as_str()).or_insert_with(|| place.clone());
            }
        }
        named
    }

    /// Returns the keys of a rule, or the policy's where it names none.
    fn keys_for<'p>(&'p self, own: &'p BTreeSet<String>) -> &'p BTreeSet<String> {
        if own.is_empty() { &self.keys } else { own }
    }
}

/// What is said of a key's name that is empty.
const KEY_PROBLEM: &str = "a key without a name is nobody's";
/// What is said of an age that nothing has.
const AGE_PROBLEM: &str = "nothing is younger than 0 days: say 1 at least";

fn check_level(place: String, level: u8) -> Result<(), PolicyError> {
    if (1..=3).contains(&level) {
        return Ok(());
    }
    let problem = format!("there is no level {level} of SLSA's build track: it has 1 to 3");
    Err(PolicyError::wrong(place, problem))
}

/// What was found about an image, after signatures were verified.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// Digests that it has: of its manifest, and of the index that names it.
    pub digests: BTreeSet<Digest>,
    /// Its name in a registry; `None` where it is in none.
    pub name: Option<String>,
    /// When the image says that it was made. Of a reproducible image the time of its newest package.
    pub created: Option<Time>,
    /// The user of its configuration; `None` if it has none, as what is no image.
    pub user: Option<String>,
    /// The images that it says it was made of, in its label and its annotation.
    pub bases: BTreeSet<String>,
    /// Good signatures of the image.
    pub signatures: Vec<SignatureEvidence>,
    /// Statements whose signature is good.
    pub statements: Vec<StatementEvidence>,
    /// What a scan that the caller made itself found, after VEX; `None` if it did not look: then a statement about it counts.
    pub vulnerabilities: Option<FoundVulnerabilities>,
}

/// A good signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureEvidence {
    /// Name of the key.
    pub key: String,
    /// What was signed.
    pub digest: Digest,
}

/// A statement with a good signature.
#[derive(Debug, Clone, PartialEq)]
pub struct StatementEvidence {
    /// Name of the key.
    pub key: String,
    /// What was signed.
    pub statement: Statement,
}

/// What a scan found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundVulnerabilities {
    /// The vulnerabilities that count.
    pub all: Vec<FoundVulnerability>,
    /// Whether the scan knew which are exploited.
    pub knows_exploited: bool,
}

/// A vulnerability of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundVulnerability {
    /// Its id.
    pub id: String,
    /// The package.
    pub package: String,
    /// How bad it is.
    pub severity: Severity,
    /// Whether there is a version without it.
    pub has_fix: bool,
    /// When it was published, if anybody says so.
    pub published: Option<Time>,
    /// Whether it is known to be exploited.
    pub is_exploited: bool,
}

/// What came of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RuleResult {
    /// The rule: `signature`, `require provenance`, …
    pub rule: String,
    /// Whether it holds.
    pub ok: bool,
    /// Why, or why not.
    pub reason: String,
    /// Exceptions that it holds by, and those that ended and would have helped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<UsedException>,
}

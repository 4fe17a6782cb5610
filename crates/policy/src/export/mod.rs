// SPDX-License-Identifier: Apache-2.0
//! The policy in YAML, as others enforce it.
//!
//! What a target can't express is dropped only if the caller asks for a part, and is then a comment in what is written and a
//! [`Remark`]. What it expresses otherwise is a remark, too.

mod buildx;
mod expiry;
mod gatekeeper;
mod kyverno;
mod names;
mod policy_controller;
mod rego;
mod yaml;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_of_gaps;
#[cfg(test)]
mod validated;

use std::collections::{BTreeMap, BTreeSet};

use hardpan_attest::policy::Policy;
use hardpan_attest::predicate::{self, uri};
use jiff::civil::Date;
use serde::Serialize;

/// The longest name of an object, in bytes: a label of DNS.
const NAME_BYTES_MAX: usize = 50;

/// Who enforces it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Kyverno: a `ClusterPolicy` with `verifyImages`.
    Kyverno,
    /// Sigstore's policy-controller: several `ClusterImagePolicy` objects.
    PolicyController,
    /// Gatekeeper: a `ConstraintTemplate`, its constraint, and a provider of external data.
    Gatekeeper,
    /// buildx: a policy in Rego for builds.
    Buildx,
}

impl Target {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kyverno => "Kyverno",
            Self::PolicyController => "policy-controller",
            Self::Gatekeeper => "Gatekeeper",
            Self::Buildx => "buildx",
        }
    }
}

/// What is exported.
#[derive(Debug, Clone, Copy)]
pub struct ExportRequest<'p> {
    /// The policy.
    pub policy: &'p Policy,
    /// What objects are called: small letters, digits and dashes.
    pub name: &'p str,
    /// Public keys as PEM, by the names that the policy calls them.
    pub keys: &'p BTreeMap<String, String>,
    /// Today, in UTC: exceptions that have ended are not written.
    pub today: Date,
    /// Whether what the target can't express may be left out.
    pub partial: bool,
}

/// Something about a rule that is not as in the policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Remark {
    /// The rule, as the policy calls it.
    pub rule: String,
    /// What became of it.
    pub kind: RemarkKind,
    /// Why.
    pub reason: String,
}

/// What became of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RemarkKind {
    /// It is not there.
    Dropped,
    /// It is there, and denies more.
    Stricter,
    /// It is there, and something is to know or to do.
    Note,
}

impl RemarkKind {
    /// Returns the word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Stricter => "stricter",
            Self::Note => "note",
        }
    }
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// The file.
    pub text: String,
    /// What is not as in the policy.
    pub remarks: Vec<Remark>,
}

/// Why nothing is exported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A name that objects can't have.
    #[error(
        "{0:?} can't be the name of an object: small letters, digits and dashes, at most {NAME_BYTES_MAX}"
    )]
    Name(String),
    /// A key of which only the name is known.
    #[error("the policy names the key {0}, which is not there")]
    Key(String),
    /// Rules that the target can't express.
    #[error("{target} can't express: {}", rules(remarks))]
    NotExpressible {
        /// The target.
        target: &'static str,
        /// The rules.
        remarks: Vec<Remark>,
    },
    /// Nothing is left.
    #[error("{0} can't express any rule of the policy")]
    Nothing(&'static str),
    /// The policy can't be.
    #[error("the policy can't be exported")]
    Policy(#[source] hardpan_attest::policy::PolicyError),
}

fn rules(remarks: &[Remark]) -> String {
    let all: Vec<String> =
        remarks.iter().map(|remark| format!("{} ({})", remark.rule, remark.reason)).collect();
    all.join("; ")
}

/// What is said while objects are made.
#[derive(Debug, Default)]
struct Remarks(Vec<Remark>);

impl Remarks {
    fn add(&mut self, rule: &str, kind: RemarkKind, reason: &str) {
        let remark = Remark { rule: rule.to_owned(), kind, reason: reason.to_owned() };
        if !self.0.contains(&remark) {
            self.0.push(remark);
        }
    }

    fn dropped(&mut self, rule: &str, reason: &str) {
        self.add(rule, RemarkKind::Dropped, reason);
    }

    fn stricter(&mut self, rule: &str, reason: &str) {
        self.add(rule, RemarkKind::Stricter, reason);
    }

    fn note(&mut self, rule: &str, reason: &str) {
        self.add(rule, RemarkKind::Note, reason);
    }
}

/// Writes a policy for a target.
pub fn export(request: &ExportRequest<'_>, target: Target) -> Result<Exported, ExportError> {
    request.policy.check().map_err(ExportError::Policy)?;
    check_name(request.name)?;
    let mut remarks = Remarks::default();
    let (body, count) = match target {
        Target::Kyverno => kyverno::write(request, &mut remarks)?,
        Target::PolicyController => policy_controller::write(request, &mut remarks)?,
        Target::Gatekeeper => gatekeeper::write(request, &mut remarks)?,
        Target::Buildx => buildx::write(request, &mut remarks),
    };
    let Remarks(mut remarks) = remarks;
    remarks.sort_by_key(|remark| remark.kind);
    let dropped = remarks.iter().filter(|remark| remark.kind == RemarkKind::Dropped);
    let dropped: Vec<Remark> = dropped.cloned().collect();
    if count == 0 {
        return Err(ExportError::Nothing(target.name()));
    }
    if !dropped.is_empty() && !request.partial {
        return Err(ExportError::NotExpressible { target: target.name(), remarks: dropped });
    }
    let mut text = format!("# Written by hardpan from the policy {}; edit that.\n", request.name);
    for remark in &remarks {
        // Names in a policy may be anything; a comment is one line.
        let line = format!("# {}: {}: {}", remark.kind.as_str(), remark.rule, remark.reason);
        text.push_str(&line.replace(char::is_control, " "));
        text.push('\n');
    }
    text.push_str(&body);
    Ok(Exported { text, remarks })
}

fn check_name(name: &str) -> Result<(), ExportError> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_good = !name.is_empty()
        && name.len() <= NAME_BYTES_MAX
        && name.bytes().all(|byte| is_plain(byte) || byte == b'-')
        && name.bytes().next().is_some_and(is_plain)
        && name.bytes().last().is_some_and(is_plain);
    if is_good { Ok(()) } else { Err(ExportError::Name(name.to_owned())) }
}

impl<'p> ExportRequest<'p> {
    /// Returns the PEM of a rule's keys, or of the policy's where it has none of its own.
    fn pem(&self, own: &'p BTreeSet<String>) -> Result<Vec<&'p str>, ExportError> {
        let names = if own.is_empty() { &self.policy.keys } else { own };
        let pem = |name: &String| {
            let pem = self.keys.get(name).ok_or_else(|| ExportError::Key(name.clone()))?;
            Ok(pem.as_str())
        };
        names.iter().map(pem).collect()
    }

    fn own_pem(&self) -> Result<Vec<&'p str>, ExportError> {
        let keys = self.policy.keys.iter().map(|name| {
            let pem = self.keys.get(name).ok_or_else(|| ExportError::Key(name.clone()))?;
            Ok(pem.as_str())
        });
        keys.collect()
    }
}

/// Returns the types that a rule `require` means: those that hardpan reads and writes first.
fn types(name: &str) -> Vec<&str> {
    let known = predicate::find_all(name);
    if known.is_empty() { vec![name] } else { known.iter().map(|kind| kind.uri).collect() }
}

/// Says what is never there: rules that look into things that admission controllers don't.
fn drop_unknown_to_all(policy: &Policy, remarks: &mut Remarks) {
    if policy.provenance.is_some() {
        remarks
            .dropped("provenance", "which level a builder is believed up to is hardpan's to know");
    }
    if policy.complete_sbom {
        remarks.dropped("complete-sbom", "it does not compare files with components");
    }
    if policy.licenses.is_some() {
        remarks.dropped("licenses", "it does not read expressions of licences");
    }
}

/// Says what is never as in the policy where any attestation will do.
fn note_any_attestation(policy: &Policy, remarks: &mut Remarks) {
    let reason = "one attestation of its type that is good will do, also if a newer one is not";
    if policy.vulnerabilities.is_some() {
        remarks.note("vulnerabilities", reason);
        remarks.stricter(
            "vulnerabilities",
            "only scans in the form that hardpan writes are understood",
        );
    }
    if policy.audit.is_some() {
        remarks.note("audit", reason);
    }
}

/// Says that an admission controller looks at those images alone.
fn note_other_images(policy: &Policy, remarks: &mut Remarks) {
    if !policy.images.is_empty() {
        remarks.note(
            "images",
            "an image that is none of those is not looked at and runs, where hardpan denies it: let something else deny those",
        );
    }
}

/// Says that names with tags are for more than they say.
fn note_tags(policy: &Policy, remarks: &mut Remarks) {
    if names::has_tags(policy) {
        remarks.stricter(
            "images",
            "of a name with a digest the tag is not seen: with any digest all of the repository is meant",
        );
    }
}

/// Predicates whose statement may say that something failed, with where it says so and what is good.
const VERDICTS: [(&str, &[&str], &[&str]); 2] = [
    (uri::TEST_RESULT, &["result"], &["PASSED", "WARNED"]),
    (uri::VSA, &["verificationResult"], &["PASSED"]),
];

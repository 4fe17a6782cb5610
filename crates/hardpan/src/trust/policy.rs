// SPDX-License-Identifier: Apache-2.0
//! What verification found, held against a policy.

use std::collections::BTreeSet;
use std::path::Path;

pub use hardpan_attest::policy::{BuildLevel, POLICY_BYTES_MAX, Policy, PolicyError, RuleResult};
use hardpan_attest::policy::{
    Evidence, SbomCoverage, SignatureEvidence, StatementEvidence, evaluate,
};
use hardpan_attest::predicate::{Time, uri};
use hardpan_attest::verify::Claim;
use hardpan_definition::{Source, parse_data};
use hardpan_tree::Digest;
use serde_json::Value;

use super::TrustError;
use super::verify::{SubjectReport, VerifyReport};

/// A policy of a file, with what names it.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    /// Its rules.
    pub policy: Policy,
    /// The file's name, without folders.
    pub name: String,
    /// Digest of the file.
    pub digest: Digest,
}

/// Reads a policy, a YAML file.
pub fn read(path: &Path) -> Result<PolicyFile, TrustError> {
    let wrap = |source| TrustError::Policy { path: path.to_owned(), source };
    let text = crate::project::read_text(path, POLICY_BYTES_MAX as u64);
    let text = text.map_err(|error| wrap(PolicyError::Wrong(error.to_string())))?;
    let digest = Digest::of(text.as_bytes());
    let source = Source::new(path.to_string_lossy(), text);
    let value = parse_data(&source).map_err(|diagnostics| {
        let first = diagnostics.first().map(|diagnostic| diagnostic.message.clone());
        wrap(PolicyError::Wrong(first.unwrap_or_else(|| "this YAML".to_owned())))
    })?;
    let policy = Policy::parse(value.to_string().as_bytes()).map_err(wrap)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(PolicyFile { policy, name: name.unwrap_or_else(|| "policy".to_owned()), digest })
}

impl VerifyReport {
    /// Holds every platform against a policy: what holds for one need not for another. Returns the results by
    /// platform.
    pub fn evaluate(&self, policy: &Policy, now_seconds: i64) -> Vec<(String, Vec<RuleResult>)> {
        let (index, all) = self.judged();
        let now = Time::from_seconds(now_seconds);
        all.into_iter()
            .map(|subject| {
                let evidence = self.policy_evidence(subject, index);
                (subject.label(), evaluate(policy, &evidence, now))
            })
            .collect()
    }

    /// Returns what policies are held against.
    pub(super) fn policy_evidence(
        &self,
        subject: &SubjectReport,
        index: Option<&SubjectReport>,
    ) -> Evidence {
        // Who looks at a layout or an archive gave no name.
        let name = self.repository.as_ref().map(|_| self.name.clone());
        policy_evidence(name, subject, index)
    }

    /// Returns the index, if there is one, and what policies are about: the platforms.
    pub(super) fn judged(&self) -> (Option<&SubjectReport>, Vec<&SubjectReport>) {
        let index = self.subjects.iter().find(|subject| subject.platform.is_none());
        let platforms = self.subjects.iter().filter(|subject| subject.platform.is_some());
        let mut all: Vec<&SubjectReport> = platforms.collect();
        // A single manifest without a platform is what there is.
        if all.is_empty() {
            all.extend(index);
        }
        (index, all)
    }
}

fn policy_evidence(
    name: Option<String>,
    subject: &SubjectReport,
    index: Option<&SubjectReport>,
) -> Evidence {
    let mut evidence = Evidence {
        digests: BTreeSet::from([subject.descriptor.digest]),
        name,
        created: subject.created.map(Time::from_seconds),
        user: subject.config.as_ref().map(|config| config.user.clone()),
        base: subject.base.clone(),
        signatures: Vec::new(),
        statements: Vec::new(),
        sbom: None,
        vulnerabilities: None,
    };
    let of_index = index.filter(|index| index.descriptor.digest != subject.descriptor.digest);
    evidence.digests.extend(of_index.map(|index| index.descriptor.digest));
    // A signature of the index is one of all that it names, but podman asks for one of the platform itself: so do we.
    for one in &subject.evidence {
        let Ok(accepted) = &one.outcome else { continue };
        let key = accepted.key_name.clone();
        match &accepted.claim {
            Claim::Signature { .. } => {
                let digest = subject.descriptor.digest;
                evidence.signatures.push(SignatureEvidence { key, digest });
            }
            Claim::Attestation(statement) => {
                if statement.predicate_type == uri::SPDX && evidence.sbom.is_none() {
                    evidence.sbom = coverage(&statement.predicate);
                }
                let statement = statement.clone();
                evidence.statements.push(StatementEvidence { key, statement });
            }
        }
    }
    evidence
}

/// Counts in an SPDX document which files belong to a package of their own.
fn coverage(document: &Value) -> Option<SbomCoverage> {
    let list = |name: &str| document.get(name).and_then(Value::as_array);
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let packages = list("packages")?;
    let relationships = list("relationships")?;
    let described: BTreeSet<String> = (relationships.iter())
        .filter(|one| text(one, "relationshipType").as_deref() == Some("DESCRIBES"))
        .filter_map(|one| text(one, "relatedSpdxElement"))
        .collect();
    let mut files: BTreeSet<String> =
        list("files").into_iter().flatten().filter_map(|file| text(file, "SPDXID")).collect();
    for one in relationships {
        let is_own = text(one, "spdxElementId").is_some_and(|id| !described.contains(&id));
        if is_own
            && text(one, "relationshipType").as_deref() == Some("CONTAINS")
            && let Some(file) = text(one, "relatedSpdxElement")
        {
            files.remove(&file);
        }
    }
    let components = packages.len().saturating_sub(described.len()) as u64;
    Some(SbomCoverage { components, unknown_files: files.len() as u64 })
}

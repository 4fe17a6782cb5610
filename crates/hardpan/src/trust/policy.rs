// SPDX-License-Identifier: Apache-2.0
//! What verification found, held against a policy.

use std::collections::BTreeSet;
use std::path::Path;

pub use hardpan_attest::policy::{BuildLevel, POLICY_BYTES_MAX, Policy, PolicyError, RuleResult};
use hardpan_attest::policy::{
    Evidence, SignatureEvidence, StatementEvidence, evaluate, evaluate_index,
};
use hardpan_attest::predicate::Time;
use hardpan_attest::verify::Claim;
use hardpan_definition::{Source, parse_data};
use hardpan_tree::Digest;

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
    /// Holds every manifest against a policy: what holds for one need not for another. The index that names them has to be
    /// signed as they are. Returns the results by what they are about.
    pub fn evaluate(&self, policy: &Policy, now_seconds: i64) -> Vec<(String, Vec<RuleResult>)> {
        let (index, all) = self.judged();
        let now = Time::from_seconds(now_seconds);
        let held = all.into_iter().map(|(label, subject)| {
            let evidence = self.policy_evidence(subject, index);
            (label, evaluate(policy, &evidence, now))
        });
        let mut held: Vec<(String, Vec<RuleResult>)> = held.collect();
        if let Some(index) = index {
            let of_index = evaluate_index(policy, &self.policy_evidence(index, None));
            if !of_index.is_empty() {
                held.push((index.label(), of_index));
            }
        }
        held
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

    /// Returns the index, if the name means one, and what policies are about with what it is called: every manifest, also
    /// one that is no image. Of an index of nothing it is the index, so that something is asked and does not hold.
    pub fn judged(&self) -> (Option<&SubjectReport>, Vec<(String, &SubjectReport)>) {
        let index = self.subjects.first().filter(|root| root.is_index());
        let manifests = self.subjects.iter().skip(usize::from(index.is_some()));
        let mut all: Vec<&SubjectReport> = manifests.collect();
        if all.is_empty() {
            all.extend(index);
        }
        let label = |one: &&SubjectReport| {
            let is_other = |other: &&SubjectReport| {
                other.label() == one.label() && other.descriptor.digest != one.descriptor.digest
            };
            if all.iter().any(is_other) {
                format!("{} {}", one.label(), one.descriptor.digest)
            } else {
                one.label()
            }
        };
        let labels: Vec<String> = all.iter().map(label).collect();
        (index, labels.into_iter().zip(all).collect())
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
        bases: subject.bases.clone(),
        signatures: Vec::new(),
        statements: Vec::new(),
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
                let statement = statement.clone();
                evidence.statements.push(StatementEvidence { key, statement });
            }
        }
    }
    evidence
}

#[cfg(test)]
mod tests {
    use hardpan_attest::Statement;
    use hardpan_attest::key::PublicKey;
    use hardpan_attest::policy::is_satisfied;
    use hardpan_attest::verify::{self, Accepted, Form, Source, Witnessed};
    use hardpan_image::{ContainerConfig, Descriptor, Platform, media_type};

    use super::*;

    const PEM: &[u8] = b"-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEcI7RswSZZxA2lM+D7CmIuEFV3Hs7
EcK1QWTBo1Tu54+/C/Ofz4BgT4hHXH0UlwZhm2lAO+aq/+zxNtfYKz7Ajw==
-----END PUBLIC KEY-----
";

    fn subject(
        kind: &str,
        name: &str,
        platform: Option<&str>,
        signer: Option<&str>,
    ) -> SubjectReport {
        let digest = Digest::of(name.as_bytes());
        let signature = |signer: &str| verify::Evidence {
            source: Source::Layout,
            manifest: digest,
            form: Form::Bundle,
            announced: None,
            outcome: Ok(Accepted {
                key: PublicKey::parse_pem(PEM).unwrap().id(),
                key_name: signer.to_owned(),
                claim: Claim::Signature { identity: None },
                witnessed: Witnessed::default(),
            }),
        };
        let user = ContainerConfig { user: "65532".to_owned(), ..ContainerConfig::default() };
        SubjectReport {
            descriptor: Descriptor::new(kind, digest, 1),
            platform: platform.map(Platform::linux),
            created: None,
            config: platform.map(|_| user),
            bases: BTreeSet::new(),
            evidence: signer.map(signature).into_iter().collect(),
        }
    }

    fn report(subjects: Vec<SubjectReport>) -> VerifyReport {
        VerifyReport { name: "out".to_owned(), repository: None, subjects }
    }

    fn index(signer: Option<&str>) -> SubjectReport {
        subject(media_type::INDEX, "index", None, signer)
    }

    fn image(name: &str, architecture: &str, signer: Option<&str>) -> SubjectReport {
        subject(media_type::MANIFEST, name, Some(architecture), signer)
    }

    fn chart(signer: Option<&str>) -> SubjectReport {
        subject(media_type::MANIFEST, "chart", None, signer)
    }

    fn policy(text: &str) -> Policy {
        Policy::parse(text.as_bytes()).unwrap()
    }

    /// Returns what does not hold, by what it is about.
    fn failing(report: &VerifyReport, policy: &Policy) -> Vec<String> {
        let held = report.evaluate(policy, 1_795_000_000);
        assert!(held.iter().all(|(_, rules)| !rules.is_empty()), "{held:?}");
        let failing = held.into_iter().filter(|(_, rules)| !is_satisfied(rules));
        failing.map(|(label, _)| label).collect()
    }

    #[test]
    fn every_manifest_is_judged_and_the_index_signed() {
        let signed = policy(r#"{"keys": ["k"]}"#);
        let nonroot = policy(r#"{"nonroot": "required"}"#);
        let k = Some("k");
        let (amd, arm) = (|| image("amd64", "amd64", k), || image("arm64", "arm64", k));
        let unsigned = || image("arm64", "arm64", None);
        let none: [&str; 0] = [];
        for (summary, subjects, of_keys, of_users) in [
            ("all", vec![index(k), amd(), arm()], &none[..], &none[..]),
            ("one image", vec![amd()], &none, &none),
            ("one chart", vec![chart(k)], &none, &["manifest"]),
            ("an unsigned index", vec![index(None), amd(), arm()], &["index"], &none),
            ("an index of another", vec![index(Some("other")), amd()], &["index"], &none),
            ("an unsigned platform", vec![index(k), amd(), unsigned()], &["linux/arm64"], &none),
            ("a chart as well", vec![index(k), amd(), chart(None)], &["manifest"], &["manifest"]),
            ("a signed chart", vec![index(k), amd(), chart(k)], &none, &["manifest"]),
            ("charts only", vec![index(k), chart(None)], &["manifest"], &["manifest"]),
            ("nothing in it", vec![index(k)], &none, &["index"]),
            ("nothing in it, unsigned", vec![index(None)], &["index", "index"], &["index"]),
        ] {
            let report = report(subjects);
            assert_eq!(failing(&report, &signed), of_keys, "{summary}");
            assert_eq!(failing(&report, &nonroot), of_users, "{summary}");
        }
    }

    #[test]
    fn what_has_one_name_twice_is_told_apart() {
        let (first, second) = (image("a", "amd64", Some("k")), image("b", "amd64", None));
        let report = report(vec![index(Some("k")), first, second]);
        let failing = failing(&report, &policy(r#"{"keys": ["k"]}"#));
        assert_eq!(failing, [format!("linux/amd64 {}", Digest::of(b"b"))]);
        let inputs = report.policy_inputs();
        assert!(inputs.len() == 2 && inputs[0].0 != inputs[1].0, "{inputs:?}");
        for (_, input) in &inputs {
            assert_eq!(input["image"]["checksum"], Digest::of(b"index").to_string());
            assert_eq!(input["image"]["indexSignatures"][0]["key"], "k");
        }
    }

    #[test]
    fn a_level_is_that_of_every_manifest() {
        let report = report(vec![index(None), image("a", "amd64", None), chart(None)]);
        let labels: Vec<String> =
            report.build_levels(None).into_iter().map(|(label, _)| label).collect();
        assert_eq!(labels, ["linux/amd64", "manifest"]);
    }

    #[test]
    fn statements_keep_their_signers() {
        let mut subject = image("a", "amd64", Some("k"));
        let statement = Statement::new(
            vec![hardpan_attest::Subject::new("a", Digest::of(b"a"))],
            "https://spdx.dev/Document",
            &serde_json::json!({}),
        );
        let mut said = image("a", "amd64", Some("other")).evidence.remove(0);
        said.outcome.as_mut().unwrap().claim = Claim::Attestation(statement.unwrap());
        subject.evidence.push(said);
        let report = report(vec![subject]);
        let require = |key: &str| {
            policy(&format!(r#"{{"keys": ["{key}"], "require": [{{"predicate": "sbom"}}]}}"#))
        };
        // By the one the image, by the other what is said of it: neither is both.
        assert_eq!(failing(&report, &require("k")), ["linux/amd64"]);
        assert_eq!(failing(&report, &require("other")), ["linux/amd64"]);
    }
}

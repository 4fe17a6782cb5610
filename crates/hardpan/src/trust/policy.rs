// SPDX-License-Identifier: Apache-2.0
//! What verification found, held against a policy.

use std::collections::BTreeSet;
use std::path::Path;

pub use hardpan_attest::policy::{BuildLevel, POLICY_BYTES_MAX, Policy, PolicyError, RuleResult};
use hardpan_attest::policy::{
    Evidence, SignatureEvidence, StatementEvidence, UnneededException, evaluate, evaluate_index,
};
use hardpan_attest::predicate::Time;
use hardpan_attest::verify::Claim;
use hardpan_definition::{Code, DataFile, Diagnostic, Source};
use hardpan_tree::Digest;

use super::verify::{SubjectReport, VerifyReport};
use crate::error::Error;
use crate::project::ProjectError;

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

/// A policy as it is written.
#[derive(Debug, Clone)]
pub struct WrittenPolicy {
    /// Its rules, with what names it.
    pub file: PolicyFile,
    /// Its text.
    pub source: Source,
    data: DataFile,
}

/// Reads a policy, a YAML file.
///
/// # Errors
/// If it can't be read, or is no policy: with the place, what is there, and what may be.
pub fn read(path: &Path) -> Result<WrittenPolicy, Error> {
    let text = crate::project::read_text(path, POLICY_BYTES_MAX as u64)?;
    let digest = Digest::of(text.as_bytes());
    let source = Source::new(path.to_string_lossy(), text);
    let refuse = |diagnostics: Vec<Diagnostic>| ProjectError::Diagnostics {
        path: path.to_owned(),
        diagnostics,
        sources: vec![source.clone()],
    };
    let data = DataFile::parse(&source).map_err(refuse)?;
    let policy: Policy = data.decode("the policy").map_err(|problem| refuse(vec![problem]))?;
    policy.check().map_err(|error| {
        let span = data.span_of(error.place());
        refuse(vec![Diagnostic::error(code_of(&error), span, error.to_string())])
    })?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = name.unwrap_or_else(|| "policy".to_owned());
    Ok(WrittenPolicy { file: PolicyFile { policy, name, digest }, source, data })
}

fn code_of(error: &PolicyError) -> Code {
    match error {
        PolicyError::Empty => Code::EmptyValue,
        PolicyError::NoKeys { .. } => Code::MissingKey,
        _ => Code::UnknownValue,
    }
}

impl WrittenPolicy {
    /// Returns what of it decides nothing: exceptions that no rule can need.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        let warning = |unneeded: UnneededException| {
            let span = self.data.span_of(&unneeded.place);
            Diagnostic::warning(Code::Conflict, span, unneeded.to_string())
        };
        self.file.policy.unneeded_exceptions().into_iter().map(warning).collect()
    }

    /// Returns keys that it names and that are none of those that are trusted: whatever they signed does not count.
    pub fn unknown_keys(&self, trusted: &BTreeSet<String>) -> Vec<Diagnostic> {
        let named = self.file.policy.named_keys();
        let unknown = named.into_iter().filter(|(name, _)| !trusted.contains(*name));
        let known = trusted.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let warning = |(name, place): (&str, String)| {
            let message =
                format!("no key that is trusted is called {name:?}: nothing that it signed counts");
            let warning =
                Diagnostic::warning(Code::UnknownValue, self.data.span_of(&place), message);
            warning.help(format!(
                "those that are trusted are called {known}: a file as `--key` names it, one of a folder as it is called there"
            ))
        };
        unknown.map(warning).collect()
    }
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
    use std::fs;

    use hardpan_attest::Statement;
    use hardpan_attest::key::PublicKey;
    use hardpan_attest::policy::is_satisfied;
    use hardpan_attest::verify::{self, Accepted, Form, Witnessed};
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
            source: verify::Source::Layout,
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

    /// Writes a policy and reads it.
    fn written(text: &str) -> Result<WrittenPolicy, Error> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.yaml");
        fs::write(&path, text).unwrap();
        read(&path)
    }

    /// Returns diagnostics in words, without the folder.
    fn said(diagnostics: &[Diagnostic], source: &Source) -> Vec<String> {
        let sources = [Source::new("p.yaml", source.text.clone())];
        diagnostics.iter().map(|one| one.render_plain(&sources)).collect()
    }

    /// What is no policy, and what is said of it. `KNOWN` stands for the help with all keys, `DEEP` for what is too deep.
    const WRONG: &[(&str, &str)] = &[
        ("", "1:1: error[wrong-type]: the policy must be a mapping, found nothing\n  help: KNOWN"),
        (
            "- keys",
            "1:1: error[wrong-type]: the policy must be a mapping, found a list\n  help: KNOWN",
        ),
        ("{}", "1:1: error[empty-value]: the policy has no rule: everything would pass"),
        (
            "nonroot: required\nsigner: k",
            "2:1: error[unknown-key]: the policy has no key `signer`\n  help: KNOWN",
        ),
        ("nonroot: true", "1:10: error[wrong-type]: `nonroot` must be `required`, found a boolean"),
        ("nonroot:", "1:1: error[wrong-type]: `nonroot` must be `required`, found nothing"),
        (
            "nonroot: required\nnonroot: required",
            "2:1: error[duplicate-key]: the key `nonroot` stands here twice",
        ),
        ("keys: k.pub", "1:7: error[wrong-type]: `keys` must be a list, found a string"),
        ("keys: ['']", "1:1: error[unknown-value]: a key without a name is nobody's"),
        (
            "keys: [k]\nrequire: [sbom]",
            "2:11: error[wrong-type]: an entry of `require` must be a mapping, found a string\n  help: known keys are keys, predicate",
        ),
        (
            "keys: [k]\nrequire:\n- predicate: sboom",
            "3:14: error[unknown-value]: \"sboom\" is neither a short name of a predicate nor a URI",
        ),
        (
            "nonroot: required\nrequire:\n- predicate: sbom",
            "3:3: error[missing-key]: sbom must be signed, and neither the rule nor the policy names a key",
        ),
        (
            "keys: [k]\nbuilders: [{id: ci}]",
            "2:17: error[unknown-value]: the builder \"ci\" is no URI",
        ),
        (
            "keys: [k]\nprovenance: {min-level: 4}",
            "2:25: error[unknown-value]: there is no level 4 of SLSA's build track: it has 1 to 3",
        ),
        (
            "keys: [k]\nmax-age-days: -1",
            "2:15: error[wrong-type]: `max-age-days` must be a whole number from 0 to 4294967295, found -1",
        ),
        (
            "keys: [k]\nimages: ['a b']",
            "2:10: error[unknown-value]: an entry of `images` is wrong: \"a b\" is no pattern for names of images, such as registry.example/team/**",
        ),
        (
            "vulnerabilities:\n  severity: severe",
            "2:13: error[unknown-value]: `severity` must be one of `negligible`, `low`, `medium`, `unknown`, `high`, `critical`, found `severe`",
        ),
        (
            "vulnerabilities: {fixable: true}",
            "1:1: error[unknown-value]: the rule denies nothing: say `severity`, `deny` or `kev`",
        ),
        (
            "keys: [k]\naudit: {forbid: [No Shell]}",
            "2:9: error[unknown-value]: no trait or control is called \"No Shell\"",
        ),
        (
            "keys: [k]\nexceptions:\n- id: CVE-2026-1234\n  reason: r\n  until: tomorrow",
            "5:10: error[unknown-value]: `until` is wrong: \"tomorrow\" is no day, which is written like 2027-01-31",
        ),
        (
            "keys: [k]\nexceptions:\n- id: CVE-2026-1234\n  reason: r\n  until: 2027-02-30",
            "5:10: error[unknown-value]: `until` is wrong: \"2027-02-30\" is no day, which is written like 2027-01-31",
        ),
        (
            "keys: [k]\nexceptions: [{id: a, until: 2027-01-31, reason: ''}]",
            "2:49: error[unknown-value]: the exception for a has no reason",
        ),
        ("keys: [k", "1:7: error[bad-yaml]: unclosed bracket '['"),
        ("DEEP", "1:55: error[limit]: more than 48 levels of nesting"),
    ];

    #[test]
    fn what_is_no_policy_is_told_with_its_place() {
        let known = "known keys are audit, base, builders, complete-sbom, exceptions, images, keys, licenses, max-age-days, nonroot, provenance, require, vulnerabilities";
        let deep = format!("keys: {}k.pub{}\n", "[".repeat(5_000), "]".repeat(5_000));
        for (text, expected) in WRONG {
            let expected = format!("p.yaml:{}", expected.replace("KNOWN", known));
            match written(&text.replace("DEEP", &deep)).unwrap_err() {
                Error::Project(ProjectError::Diagnostics { diagnostics, sources, .. }) => {
                    assert_eq!(said(&diagnostics, &sources[0]), [expected], "{text}");
                }
                error => panic!("{text}: {error}"),
            }
        }
    }

    #[test]
    fn files_that_are_no_text_are_told_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.yaml");
        assert!(read(&path).unwrap_err().to_string().starts_with("can't read "));
        fs::write(&path, b"keys: [\xff]").unwrap();
        assert!(read(&path).unwrap_err().to_string().ends_with("is not UTF-8 text"));
        fs::write(&path, vec![b'#'; POLICY_BYTES_MAX + 1]).unwrap();
        assert!(read(&path).unwrap_err().to_string().ends_with("has more than 1048576 bytes"));
    }

    #[test]
    fn what_decides_nothing_is_told_with_its_place() {
        let text = "keys: [k, other]\nrequire:\n- predicate: sbom\n  keys: [third]\nexceptions:\n- {id: CVE-2026-1234, until: 2027-01-31, reason: r}\n- {id: CVE-1, until: 2027-01-31, reason: r}\n";
        let policy = written(text).unwrap();
        assert_eq!(
            said(&policy.warnings(), &policy.source),
            [
                "p.yaml:6:8: warning[conflict]: the exception for CVE-2026-1234 decides nothing: the policy has no rule about vulnerabilities",
                "p.yaml:7:8: warning[conflict]: the exception for CVE-1 decides nothing: no CVE is called so; they are called like CVE-2026-12345",
            ]
        );
        let names = |all: &[&str]| all.iter().map(|&name| name.to_owned()).collect();
        let unknown = policy.unknown_keys(&names(&["k", "mine"]));
        let help = "help: those that are trusted are called k, mine: a file as `--key` names it, one of a folder as it is called there";
        assert_eq!(
            said(&unknown, &policy.source),
            [
                format!(
                    "p.yaml:1:1: warning[unknown-value]: no key that is trusted is called \"other\": nothing that it signed counts\n  {help}"
                ),
                format!(
                    "p.yaml:4:3: warning[unknown-value]: no key that is trusted is called \"third\": nothing that it signed counts\n  {help}"
                ),
            ]
        );
        assert!(policy.unknown_keys(&names(&["k", "other", "third"])).is_empty());
        assert!(written("keys: [k]\n").unwrap().warnings().is_empty());
    }
}

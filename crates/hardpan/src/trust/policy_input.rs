// SPDX-License-Identifier: Apache-2.0
//! What verification found, as policies in Rego see it.

use hardpan_attest::policy::{Evidence, StatementEvidence};
use hardpan_attest::predicate::{Time, uri};
use hardpan_attest::sbom::license;
use hardpan_attest::verify::{Accepted, Claim, Form};
use hardpan_image::ImageName;
use hardpan_policy::input::{
    Attestation, Image, Input, Name, Package, Provenance, Signature, Timestamp, Vulnerability,
};
use serde_json::Value;

use super::verify::{SubjectReport, VerifyReport};

/// Docker's registry, which is meant where none is named.
const DEFAULT_REGISTRY: &str = "docker.io";

impl VerifyReport {
    /// Returns the input of policies in Rego for every manifest.
    pub fn policy_inputs(&self) -> Vec<(String, Value)> {
        let (index, all) = self.judged();
        let root = self.subjects.first().map(|root| root.descriptor.digest.to_string());
        all.into_iter()
            .map(|(label, subject)| {
                let evidence = self.policy_evidence(subject, index);
                let mut image = of_subject(subject, &evidence);
                image.checksum = root.clone().unwrap_or_default();
                image.index_signatures = index.map(signatures).unwrap_or_default();
                if let Some(name) = self.image_name() {
                    image.set_name(&name);
                }
                // It has text keys only, so it is always JSON.
                let input = serde_json::to_value(Input { image }).unwrap_or_default();
                (label, input)
            })
            .collect()
    }

    /// Returns the name in a registry, if it is in one.
    fn image_name(&self) -> Option<Name> {
        self.repository.as_ref()?;
        let name: ImageName = self.name.parse().ok()?;
        let host = name.registry().unwrap_or(DEFAULT_REGISTRY).to_owned();
        let is_official = name.registry().is_none() && !name.repository().contains('/');
        let folder = if is_official { "library/" } else { "" };
        Some(Name {
            full_repo: format!("{host}/{folder}{}", name.repository()),
            host,
            tag: name.tag().map(str::to_owned),
            digest: name.digest().map(|digest| digest.to_string()),
        })
    }
}

fn of_subject(subject: &SubjectReport, evidence: &Evidence) -> Image {
    let mut image = Image {
        manifest: subject.descriptor.digest.to_string(),
        created_time: subject
            .created
            .map(|time| Time::from_seconds(time).to_string())
            .unwrap_or_default(),
        ..Image::default()
    };
    if let Some(platform) = &subject.platform {
        image.platform = platform.to_string();
        image.os.clone_from(&platform.os);
        image.architecture.clone_from(&platform.architecture);
        image.variant = platform.variant.clone().unwrap_or_default();
    }
    if let Some(config) = &subject.config {
        image.env.clone_from(&config.env);
        image.labels.clone_from(&config.labels);
        image.user.clone_from(&config.user);
        image.volumes.clone_from(&config.volumes);
        image.working_dir.clone_from(&config.working_dir);
    }
    image.signatures = signatures(subject);
    let is_provenance = |one: &&StatementEvidence| {
        one.statement.predicate_type.starts_with("https://slsa.dev/provenance/")
    };
    let newest_form = |one: &&StatementEvidence| one.statement.predicate_type == uri::PROVENANCE;
    let all = || evidence.statements.iter().filter(is_provenance);
    let provenance = all().find(newest_form).or_else(|| all().next());
    image.provenance = provenance.map(|one| {
        Provenance::of(&one.statement.predicate_type, &one.statement.predicate, &one.key)
    });
    image.has_provenance = image.provenance.is_some();
    image.attestations = evidence.statements.iter().map(attestation).collect();
    let stated = evidence.stated();
    if let Some((statement, listing)) = &stated.sbom {
        image.sbom = Some(attestation(statement));
        let package = |component: &hardpan_attest::sbom::Component| Package {
            name: component.name.clone(),
            version: component.version.clone().unwrap_or_default(),
            purl: component.purl.as_ref().map(ToString::to_string).unwrap_or_default(),
            kind: component.kind.as_str().to_owned(),
            license: license::conclude(&component.licenses, &component.license_texts)
                .map(|licensing| licensing.expression)
                .unwrap_or_default(),
        };
        image.packages = Some(listing.components.values().map(|one| package(one)).collect());
    }
    image.vulnerabilities = stated.vulnerabilities.map(|found| {
        let of = |one: hardpan_attest::policy::FoundVulnerability| Vulnerability {
            id: one.id,
            package: one.package,
            severity: one.severity.as_str().to_owned(),
            fixable: one.has_fix,
            exploited: one.is_exploited,
            published: one.published.map(|time| time.to_string()).unwrap_or_default(),
        };
        found.all.into_iter().map(of).collect()
    });
    image.audit = stated.audit.and_then(|audit| serde_json::to_value(audit).ok());
    image
}

/// Returns the good signatures of an index or a manifest.
fn signatures(subject: &SubjectReport) -> Vec<Signature> {
    let of = |one: &hardpan_attest::verify::Evidence| {
        let accepted = one.outcome.as_ref().ok()?;
        match &accepted.claim {
            Claim::Signature { identity } => {
                Some(signature(one.form, accepted, identity.as_deref()))
            }
            Claim::Attestation(_) => None,
        }
    };
    subject.evidence.iter().filter_map(of).collect()
}

fn attestation(one: &StatementEvidence) -> Attestation {
    Attestation {
        predicate_type: one.statement.predicate_type.clone(),
        signed_by: one.key.clone(),
        predicate: one.statement.predicate.clone(),
    }
}

fn signature(form: Form, accepted: &Accepted, identity: Option<&str>) -> Signature {
    let witnessed = &accepted.witnessed;
    let mut timestamps = Vec::new();
    // What nobody verified is no proof.
    if witnessed.is_checked {
        timestamps.extend(witnessed.entries.iter().map(|entry| Timestamp {
            kind: "rekor".to_owned(),
            uri: entry.log.clone(),
            timestamp: String::new(),
        }));
        timestamps.extend(witnessed.timestamps.iter().map(|seen| Timestamp {
            kind: "tsa".to_owned(),
            uri: seen.authority.clone().unwrap_or_default(),
            timestamp: seen.time.to_string(),
        }));
    }
    let form = match form {
        Form::Bundle => "bundle-v0.3",
        Form::SignatureTag | Form::SignatureReferrer => "simplesigning-v1",
        _ => "",
    };
    Signature {
        kind: "self-signed".to_owned(),
        form: form.to_owned(),
        timestamps,
        docker_reference: identity.unwrap_or_default().to_owned(),
        key: accepted.key_name.clone(),
        key_id: accepted.key.to_string(),
    }
}

// SPDX-License-Identifier: Apache-2.0
//! What a verification came to, as a statement of its own (SLSA, "Verification Summary Attestation").

use std::collections::{BTreeMap, BTreeSet};

use hardpan_attest::policy::{BuildLevel, Policy, build_level};
use hardpan_attest::predicate::vsa::{VerificationSummary, Verifier};
use hardpan_attest::predicate::{DigestSet, ResourceDescriptor, Time, sha256, uri};
use hardpan_attest::sbom::purl::PackageUrl;
use hardpan_attest::signature::SignedStatement;
use hardpan_attest::{Statement, Subject};
use hardpan_image::{Descriptor, canonical_json};
use hardpan_tree::Digest;

use super::add::About;
use super::policy::PolicyFile;
use super::verify::VerifyReport;
use super::witness::sign_all;
use super::{SignRequest, TrustError};
use crate::error::Error;
use crate::session::Session;
use crate::shelf::{Location, identity};

/// What a verifier is called that nobody gave a name.
const UNNAMED_VERIFIER: &str = "https://hardpan.dev/verifier/unnamed";

/// Who verified, against what.
#[derive(Debug, Clone)]
pub struct SummaryRequest<'p> {
    /// A URI for who verified.
    pub verifier: Option<String>,
    /// The policy.
    pub policy: &'p PolicyFile,
    /// Whether all that was asked for holds.
    pub passed: bool,
    /// The present, in seconds.
    pub now_seconds: i64,
}

impl VerifyReport {
    /// Returns the level of SLSA's build track that is proven for each manifest, with why not a higher one.
    pub fn build_levels(&self, policy: Option<&Policy>) -> Vec<(String, BuildLevel)> {
        let nothing = Policy::default();
        let policy = policy.unwrap_or(&nothing);
        let (index, all) = self.judged();
        let of = |subject| build_level(policy, &self.policy_evidence(subject, index));
        all.into_iter().map(|(label, subject)| (label, of(subject))).collect()
    }

    /// States what the verification came to. The level is that of the platform with the least.
    ///
    /// # Errors
    /// If the image has a name that no package URL can have, or a verifier's is no URI.
    pub fn summary(&self, request: &SummaryRequest<'_>) -> Result<VerificationSummary, TrustError> {
        let id = request.verifier.clone().unwrap_or_else(|| UNNAMED_VERIFIER.to_owned());
        let version = ("hardpan".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        let verifier = Verifier { id, version: BTreeMap::from([version]) };
        let policy_resource = ResourceDescriptor {
            uri: Some(request.policy.name.clone()),
            digest: sha256(&request.policy.digest),
            ..ResourceDescriptor::default()
        };
        let resource = self.resource_uri()?;
        let mut summary = if request.passed {
            let levels = self.build_levels(Some(&request.policy.policy));
            let least = levels.iter().map(|(_, level)| level.level).min();
            VerificationSummary::passed(verifier, &resource, policy_resource, least)
        } else {
            VerificationSummary::failed(verifier, &resource, policy_resource)
        };
        summary.time_verified = Some(Time::from_seconds(request.now_seconds));
        summary.input_attestations = self.inputs();
        summary.check()?;
        Ok(summary)
    }

    /// Returns the digest of what the name means.
    fn root(&self) -> Option<Digest> {
        self.subjects.first().map(|subject| subject.descriptor.digest)
    }

    fn resource_uri(&self) -> Result<String, TrustError> {
        let name = self.repository.clone().unwrap_or_else(|| self.name.clone());
        let root = self.root().unwrap_or_else(|| Digest::of(b""));
        let purl = PackageUrl::oci(&name, &root, "", "").map_err(|_| TrustError::Unnamed)?;
        Ok(purl.to_string())
    }

    /// Returns the manifests that statements by trusted keys were found in, each once.
    fn inputs(&self) -> Vec<ResourceDescriptor> {
        let mut inputs: BTreeMap<Digest, BTreeSet<String>> = BTreeMap::new();
        for one in self.subjects.iter().flat_map(|subject| &subject.evidence) {
            if let Some(statement) = one.statement() {
                inputs.entry(one.manifest).or_default().insert(statement.predicate_type.clone());
            }
        }
        let resource = |(digest, types): (Digest, BTreeSet<String>)| ResourceDescriptor {
            name: Some(types.into_iter().collect::<Vec<_>>().join(", ")),
            digest: DigestSet::from([("sha256".to_owned(), digest.to_hex())]),
            ..ResourceDescriptor::default()
        };
        inputs.into_iter().map(resource).collect()
    }
}

impl Session<'_> {
    /// Writes a summary for a file: as a Sigstore bundle if somebody signs it, and else as the bare statement.
    pub fn write_summary(
        &self,
        location: &Location,
        report: &VerifyReport,
        summary: &VerificationSummary,
        sign: Option<SignRequest<'_>>,
    ) -> Result<Vec<u8>, Error> {
        let subjects: Vec<Descriptor> =
            report.subjects.iter().map(|subject| subject.descriptor.clone()).collect();
        let opened = self.open_shelf(location)?;
        // As where it is attached: both are one statement, of which others are told once.
        let name = opened.image_name();
        let name = name.as_ref().map_or_else(|| location.to_string(), identity);
        let named = subjects.iter().map(|subject| Subject::new(&name, subject.digest)).collect();
        let wrap = |source| TrustError::Json { predicate_type: uri::VSA.to_owned(), source };
        let statement = Statement::new(named, uri::VSA, summary).map_err(wrap)?;
        let Some(sign) = sign else { return Ok(canonical_json(&statement)) };
        let signed = sign_all(self, opened.shelf(), &subjects, vec![statement], sign)?;
        Ok(signed.first().map(SignedStatement::to_bundle).unwrap_or_default())
    }

    /// Signs a summary and attaches it to the image, beside what is attached already.
    pub fn attach_summary(
        &self,
        location: &Location,
        summary: &VerificationSummary,
        sign: SignRequest<'_>,
    ) -> Result<Vec<Digest>, Error> {
        let predicate_type = uri::VSA.to_owned();
        let value = serde_json::to_value(summary).map_err(|source| TrustError::Json {
            predicate_type: predicate_type.clone(),
            source,
        })?;
        self.add_predicates(location, &[(predicate_type, value)], &About::All, sign)
    }
}

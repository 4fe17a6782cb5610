// SPDX-License-Identifier: Apache-2.0
//! Audits as signed statements about every platform of an image.

use std::collections::BTreeMap;

use hardpan_attest::predicate::{PredicateError, uri};
use hardpan_scan::audit::crypto::{self, Certificate};
use hardpan_scan::audit::predicate;
use hardpan_scan::audit::report::{Beside, stig};
use serde::Serialize;
use serde_json::Value;

use super::{AuditError, AuditRequest, Audited};
use crate::error::Error;
use crate::sbom::{SbomChoice, SbomSource};
use crate::session::Session;
use crate::shelf::Location;
use crate::trust::{About, SignRequest, TrustError};

/// What is audited and stated.
#[derive(Debug)]
pub struct AttestAudit<'r> {
    /// How it is audited; the platform is each of the image's in turn.
    pub audit: AuditRequest<'r>,
    /// Whether the results are stated as those of a scan by a security guide, too.
    pub states_stig: bool,
    /// Whether the cryptographic modules are stated.
    pub states_modules: bool,
    /// Certificates of modules that the user answers for.
    pub certificates: &'r [Certificate],
    /// Who signs.
    pub sign: SignRequest<'r>,
}

/// What was stated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AttestedAudits {
    /// How many platforms have a statement of each type.
    pub statements: BTreeMap<String, usize>,
    /// The grade of each platform.
    pub grades: BTreeMap<String, String>,
}

impl Session<'_> {
    /// Audits every platform of an image and attaches what came of it. Nothing is attached if one can't be audited.
    pub fn attest_audit(
        &self,
        location: &Location,
        request: &AttestAudit<'_>,
    ) -> Result<AttestedAudits, Error> {
        let source = SbomSource::Image(location.clone());
        let mut attested = AttestedAudits::default();
        let mut all = Vec::new();
        for (digest, platform) in self.platforms_of(location)? {
            let choice = SbomChoice { manifest: Some(digest), ..request.audit.choice };
            let audited =
                self.audit_whole(&source, &AuditRequest { choice, ..request.audit.clone() })?;
            let mut name = platform.as_deref().unwrap_or("image").to_owned();
            if attested.grades.contains_key(&name) {
                name = format!("{name} {digest}");
            }
            attested.grades.insert(name, audited.report.grade.to_string());
            all.push((digest, statements(audited, request)?));
        }
        for (digest, statements) in all {
            for (predicate_type, _) in &statements {
                *attested.statements.entry(predicate_type.clone()).or_default() += 1;
            }
            self.add_predicates(location, &statements, &About::Manifest(digest), request.sign)?;
        }
        Ok(attested)
    }
}

fn statements(
    mut audited: Audited,
    request: &AttestAudit<'_>,
) -> Result<Vec<(String, Value)>, Error> {
    let refused = |source: PredicateError| AuditError::Statement { source };
    let made = predicate(&audited.report, audited.time).map_err(refused)?;
    let predicate_type = uri::AUDIT.to_owned();
    let value = serde_json::to_value(&made)
        .map_err(|source| TrustError::Json { predicate_type: predicate_type.clone(), source })?;
    let mut statements = vec![(predicate_type, value)];
    let mut modules = std::mem::take(&mut audited.modules);
    crypto::certify(&mut modules, request.certificates)
        .map_err(|source| AuditError::Certificate { source })?;
    if request.states_stig {
        let beside = Beside { standard: None, modules: Some(&modules), time: Some(audited.time) };
        statements.push((uri::STIG.to_owned(), stig(&audited.report, &beside)));
    }
    if request.states_modules || !request.certificates.is_empty() {
        statements.push((uri::FIPS.to_owned(), crypto::predicate(&modules)));
    }
    Ok(statements)
}

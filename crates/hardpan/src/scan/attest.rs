// SPDX-License-Identifier: Apache-2.0
//! Scans as signed statements about every platform of an image: vulnerabilities, secrets, malware.

use std::collections::BTreeMap;

use hardpan_attest::predicate::uri;
use hardpan_scan::report::{ScanReport, VulnsPredicate};
use serde::Serialize;
use serde_json::Value;

use super::{ScanError, ScanRequest, ScanSource, error};
use crate::error::Error;
use crate::malware::{MalwareOptions, MalwareOutcome};
use crate::sbom::{SbomChoice, SbomSource};
use crate::secrets::{Rules, SecretOptions};
use crate::session::Session;
use crate::shelf::Location;
use crate::trust::{About, SignRequest, TrustError};

/// What is scanned and stated.
#[derive(Debug)]
pub struct AttestScans<'r> {
    /// How vulnerabilities are looked for; without it they are not.
    pub vulnerabilities: Option<ScanRequest<'r>>,
    /// The rules for secrets.
    pub rules: &'r Rules,
    /// How malware is looked for.
    pub malware: &'r MalwareOptions,
    /// Who signs.
    pub sign: SignRequest<'r>,
}

/// What was stated.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct AttestedScans {
    /// How many platforms have a statement of each type.
    pub statements: BTreeMap<String, usize>,
    /// What is not stated, and why.
    pub left_out: Vec<String>,
}

impl Session<'_> {
    /// Scans every platform of an image and attaches what was found. What could not be scanned is not stated.
    pub fn attest_scans(
        &self,
        location: &Location,
        request: &AttestScans<'_>,
    ) -> Result<AttestedScans, Error> {
        let mut attested = AttestedScans::default();
        let source = SbomSource::Image(location.clone());
        for (digest, platform) in self.platforms_of(location)? {
            let choice = SbomChoice { manifest: Some(digest), ..SbomChoice::default() };
            let name = platform.as_deref().unwrap_or("image");
            let predicates = self.predicates(&source, choice, name, request, &mut attested)?;
            for (predicate_type, _) in &predicates {
                *attested.statements.entry(predicate_type.clone()).or_default() += 1;
            }
            self.add_predicates(location, &predicates, &About::Manifest(digest), request.sign)?;
        }
        attested.left_out.sort();
        attested.left_out.dedup();
        Ok(attested)
    }

    fn predicates(
        &self,
        source: &SbomSource,
        choice: SbomChoice<'_>,
        name: &str,
        request: &AttestScans<'_>,
        attested: &mut AttestedScans,
    ) -> Result<Vec<(String, Value)>, Error> {
        let json = |kind: &str, value: serde_json::Result<Value>| {
            let predicate_type = kind.to_owned();
            value.map_err(|source| TrustError::Json { predicate_type, source })
        };
        let mut predicates = Vec::new();
        match &request.vulnerabilities {
            Some(scan) => {
                let image = ScanSource::Image(source.clone());
                match self.matched(&image, &ScanRequest { choice, ..scan.clone() })? {
                    Ok(report) => {
                        let value = serde_json::to_value(VulnsPredicate::of(&report));
                        predicates.push((uri::VULNS.to_owned(), json(uri::VULNS, value)?));
                    }
                    Err(why) => {
                        attested.left_out.push(format!("vulnerabilities of {name}: {why}"));
                    }
                }
            }
            None => {
                attested.left_out.push("vulnerabilities: there is no advisory database".to_owned());
            }
        }
        let secrets = self.secrets(source, choice, request.rules, SecretOptions::default())?;
        match secrets.predicate() {
            Ok(predicate) => {
                let value = serde_json::to_value(&predicate);
                predicates.push((uri::SECRETS.to_owned(), json(uri::SECRETS, value)?));
            }
            Err(error) => attested.left_out.push(format!("secrets of {name}: {error}")),
        }
        let malware = self.malware(source, choice, request.malware)?;
        match (&malware.outcome, malware.predicate()) {
            (MalwareOutcome::NotScanned { reason }, _) => {
                attested.left_out.push(format!("malware: {reason}"));
            }
            (_, Ok(predicate)) => {
                let value = serde_json::to_value(&predicate);
                predicates.push((uri::VIRUS.to_owned(), json(uri::VIRUS, value)?));
            }
            (_, Err(error)) => attested.left_out.push(format!("malware of {name}: {error}")),
        }
        Ok(predicates)
    }

    /// Scans, and says why where nothing can be told: the statements about other things and platforms hold nevertheless.
    fn matched(
        &self,
        image: &ScanSource,
        request: &ScanRequest<'_>,
    ) -> Result<Result<ScanReport, String>, Error> {
        match self.scan(image, request) {
            Err(Error::Scan(error)) => match *error {
                ScanError::Match { source } => Ok(Err(error::line(&source))),
                other => Err(other.into()),
            },
            scanned => Ok(Ok(scanned?)),
        }
    }
}

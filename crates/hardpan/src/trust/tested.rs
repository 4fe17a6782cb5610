// SPDX-License-Identifier: Apache-2.0
//! Results of tests, signed beside the image that was tested.

use std::collections::BTreeSet;
use std::path::Path;

use hardpan_attest::STATEMENT_BYTES_MAX;
use hardpan_attest::predicate::test_result::CtrfReport;
use hardpan_attest::predicate::{ResourceDescriptor, uri};
use hardpan_tree::Digest;
use serde_json::Value;

use super::add::About;
use super::{SignRequest, TrustError};
use crate::error::Error;
use crate::session::Session;
use crate::shelf::Location;

/// The largest report that is read, in bytes: with its envelope a statement has to hold it.
const CTRF_BYTES_MAX: usize = STATEMENT_BYTES_MAX / 2;

/// A report of tests, and where it is from.
#[derive(Debug, Clone, PartialEq)]
pub struct TestedFile {
    name: String,
    report: CtrfReport,
}

impl TestedFile {
    /// Reads a CTRF report.
    pub fn read(path: &Path) -> Result<Self, TrustError> {
        let bytes = super::read_file(path, CTRF_BYTES_MAX)?;
        let document: Value = serde_json::from_slice(&bytes)
            .map_err(|source| TrustError::NotJson { path: path.to_owned(), source })?;
        let report = CtrfReport::from_value(&document)
            .map_err(|source| TrustError::Tests { path: path.to_owned(), source })?;
        Ok(Self { name: path.display().to_string(), report })
    }

    /// Returns which of an image's platforms the report is about: those that it names, or all where it names none.
    ///
    /// # Errors
    /// If it is about other images.
    pub(super) fn platforms(&self, platforms: &[Digest]) -> Result<Vec<Digest>, TrustError> {
        let named = self.report.manifests();
        let own: Vec<Digest> = (platforms.iter())
            .filter(|digest| named.is_empty() || named.contains(digest))
            .copied()
            .collect();
        if own.is_empty() {
            let named = named.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
            let named = named.into_iter().collect::<Vec<_>>().join(", ");
            return Err(TrustError::TestedOther { name: self.name.clone(), named });
        }
        Ok(own)
    }

    /// Returns what it states. What the tests were told, nobody knows.
    pub(super) fn predicates(&self) -> Result<Vec<(String, Value)>, TrustError> {
        predicates(&self.report, Vec::new())
    }
}

/// Returns both forms of a report. Where no test ran, there is no result.
fn predicates(
    report: &CtrfReport,
    configuration: Vec<ResourceDescriptor>,
) -> Result<Vec<(String, Value)>, TrustError> {
    let mut predicates = vec![(uri::TESTS.to_owned(), report.document().clone())];
    let summary = report.summary();
    if summary.passed + summary.failed + summary.other > 0 {
        let result = report.to_test_result(configuration)?;
        let predicate_type = uri::TEST_RESULT.to_owned();
        let value = serde_json::to_value(&result).map_err(|source| TrustError::Json {
            predicate_type: predicate_type.clone(),
            source,
        })?;
        predicates.push((predicate_type, value));
    }
    Ok(predicates)
}

impl Session<'_> {
    /// Signs what came of tests and attaches it to the platform that was tested, beside what is attached already.
    /// `files` are the names and texts of where the tests stand.
    pub fn attest_tests(
        &self,
        location: &Location,
        manifest: Digest,
        ctrf: &Value,
        files: &[(&str, &str)],
        sign: SignRequest<'_>,
    ) -> Result<(), Error> {
        let report = CtrfReport::from_value(ctrf).map_err(TrustError::from)?;
        let configuration = files
            .iter()
            .map(|(name, text)| ResourceDescriptor::of(name, &Digest::of(text.as_bytes())));
        let predicates = predicates(&report, configuration.collect())?;
        self.add_predicates(location, &predicates, &About::Manifest(manifest), sign)?;
        Ok(())
    }
}

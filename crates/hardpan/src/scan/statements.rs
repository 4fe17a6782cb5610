// SPDX-License-Identifier: Apache-2.0
//! VEX documents: of the user's files, and those that are attached to the image.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use hardpan_attest::predicate::vex::{Trust, VEX_BYTES_MAX, from_value, read_any};
use hardpan_attest::predicate::{find_all, uri};
use hardpan_attest::verify::{Claim, Evidence};
use hardpan_scan::matching::Findings;
use hardpan_scan::report::Warning;
use hardpan_scan::vex::{Outcome, VexSource};

use super::ScanError;
use crate::error::Error;

/// Reads a VEX document of the user: OpenVEX, CSAF or CycloneDX.
///
/// # Errors
/// If it can't be read or is none of them.
pub fn read_vex_file(path: &Path, trust: Trust) -> Result<VexSource, Error> {
    let bytes = crate::trust::read_file(path, VEX_BYTES_MAX)?;
    let wrap = |source| ScanError::Vex { path: path.to_owned(), source };
    let document = read_any(&bytes).map_err(wrap)?;
    // Whoever names a file answers for it.
    Ok(VexSource { name: path.display().to_string(), trust, is_signed: true, document })
}

/// Returns the VEX documents that trusted keys signed for the image or its index, each once.
pub(super) fn attached<'e>(evidence: impl Iterator<Item = &'e Evidence>) -> Vec<VexSource> {
    let types: BTreeSet<&str> =
        (find_all("vex").into_iter().map(|kind| kind.uri)).chain([uri::VEX]).collect();
    let mut documents: BTreeMap<String, VexSource> = BTreeMap::new();
    for accepted in evidence.filter_map(|one| one.outcome.as_ref().ok()) {
        let Claim::Attestation(statement) = &accepted.claim else { continue };
        if !types.contains(statement.predicate_type.as_str()) {
            continue;
        }
        let Ok(document) = from_value(&statement.predicate) else { continue };
        let source = VexSource {
            name: format!("attached to the image, signed by {}", accepted.key_name),
            trust: Trust::ImageAuthor,
            is_signed: true,
            document,
        };
        documents.entry(statement.predicate.to_string()).or_insert(source);
    }
    documents.into_values().collect()
}

/// Warns of statements that were to excuse something and may not, and of those that hold for ever.
pub(super) fn warnings(findings: &Findings) -> Vec<Warning> {
    let mut texts = BTreeSet::new();
    for finding in &findings.findings {
        for one in &finding.statements {
            match one.outcome {
                Outcome::Refused(why) => {
                    texts.insert(format!(
                        "{}: a statement of {} does not count: {why}",
                        finding.id, one.document
                    ));
                }
                Outcome::Counts if one.is_versionless => {
                    texts.insert(format!(
                        "{}: a statement of {} names no version, so it excuses all that will ever be",
                        finding.id, one.document
                    ));
                }
                _ => {}
            }
        }
    }
    texts.into_iter().map(|text| Warning { kind: "vex", text }).collect()
}

// SPDX-License-Identifier: Apache-2.0
//! VEX documents: of the user's files, and those that are attached to the image.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use hardpan_attest::predicate::vex::{
    Trust, VEX_BYTES_MAX, VexRead, VexWarning, from_value, read_any,
};
use hardpan_attest::predicate::{find_all, uri};
use hardpan_attest::verify::{Claim, Evidence};
use hardpan_scan::matching::Findings;
use hardpan_scan::report::Warning;
use hardpan_scan::vex::{Outcome, VexSource};

use super::ScanError;
use crate::error::Error;

/// How many of the statements that can't be used are told of a document with the reason.
const REASONS_MAX: usize = 3;

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

/// Returns the VEX documents that trusted keys signed for the image or its index, each once, and warnings of those that can't
/// be read.
pub(super) fn attached<'e>(
    evidence: impl Iterator<Item = &'e Evidence>,
) -> (Vec<VexSource>, Vec<Warning>) {
    let mut warnings = BTreeSet::new();
    let types: BTreeSet<&str> =
        (find_all("vex").into_iter().map(|kind| kind.uri)).chain([uri::VEX]).collect();
    let mut documents: BTreeMap<String, VexSource> = BTreeMap::new();
    for accepted in evidence.filter_map(|one| one.outcome.as_ref().ok()) {
        let Claim::Attestation(statement) = &accepted.claim else { continue };
        if !types.contains(statement.predicate_type.as_str()) {
            continue;
        }
        let name = format!("attached to the image, signed by {}", accepted.key_name);
        let document = match from_value(&statement.predicate) {
            Ok(document) => document,
            Err(error) => {
                warnings.insert(format!("a VEX document, {name}, can't be read: {error}"));
                continue;
            }
        };
        let source = VexSource { name, trust: Trust::ImageAuthor, is_signed: true, document };
        documents.entry(statement.predicate.to_string()).or_insert(source);
    }
    (documents.into_values().collect(), warnings.into_iter().map(warning).collect())
}

/// Warns of the statements of a document that can't be used.
pub(super) fn left_out(source: &VexSource) -> Option<Warning> {
    let (name, document) = (&source.name, &source.document);
    let statements = match document.left_out {
        0 => return None,
        1 => "1 statement is".to_owned(),
        several => format!("{several} statements are"),
    };
    Some(warning(format!("{name}: {statements} left out: {}", reasons(document))))
}

/// Says why statements can't be used, of the first.
pub(super) fn reasons(document: &VexRead) -> String {
    let texts = document.reasons().filter_map(|it| match it {
        VexWarning::LeftOut { vulnerability, reason } => Some(format!("{vulnerability}: {reason}")),
        _ => None,
    });
    first_of(texts, document.left_out)
}

/// Returns the first of so many reasons, and how many more there are.
pub(super) fn first_of(texts: impl Iterator<Item = String>, count: usize) -> String {
    let mut texts: Vec<String> = texts.take(REASONS_MAX).collect();
    if let Some(more) = count.checked_sub(REASONS_MAX).filter(|more| *more > 0) {
        texts.push(format!("and {more} more"));
    }
    texts.join("; ")
}

pub(super) fn warning(text: String) -> Warning {
    Warning { kind: "vex", text }
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
            if one.is_in_future && !matches!(one.outcome, Outcome::Refused(_)) {
                texts.insert(format!(
                    "{}: a statement of {} is of {}, which is in the future: it counts as older than all others",
                    finding.id, one.document, one.time
                ));
            }
        }
    }
    texts.into_iter().map(warning).collect()
}

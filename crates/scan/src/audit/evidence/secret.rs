// SPDX-License-Identifier: Apache-2.0
//! What a search for secrets came to, as controls see it.

use crate::controls::image::SecretFact;
use crate::secrets::{Finding, Place, SecretReport};

/// The rule that finds private keys in the forms that servers take.
const PRIVATE_KEY_RULE: &str = "private-key";
/// How many files that were not looked at are named.
const SKIPPED_NAMED_MAX: usize = 10;

pub(super) fn facts(report: &SecretReport) -> Vec<SecretFact> {
    report.findings.iter().map(fact).collect()
}

fn fact(finding: &Finding) -> SecretFact {
    let number = |layer: usize| u32::try_from(layer).unwrap_or(u32::MAX);
    let (path, layer) = match &finding.place {
        Place::File { path, layer, .. } => (Some(path.clone()), Some(number(*layer))),
        _ => (None, None),
    };
    let place = match &finding.place {
        Place::File { path, line: Some(line), .. } => format!("{path}:{line}"),
        Place::File { path, line: None, .. } => path.to_string(),
        Place::Environment { name } => format!("environment variable {name}"),
        Place::Label { name } => format!("label {name}"),
        Place::Annotation { name } => format!("annotation {name}"),
        Place::History { number } => format!("history entry {number}"),
        Place::Command { key } => (*key).to_owned(),
    };
    let mut what = format!("{}: {}", finding.description, finding.excerpt);
    if matches!(finding.place, Place::History { .. }) {
        // Entries move, so that the place does not say which secret it is.
        what = format!("{what}, {}", finding.fingerprint);
    }
    SecretFact {
        path,
        place,
        what,
        is_private_key: finding.rule == PRIVATE_KEY_RULE,
        layer,
        deleted_in: finding.deleted_in_layer.map(number),
    }
}

/// Says why the search does not tell that there are no secrets, if so.
pub(super) fn gap(report: &SecretReport) -> Option<String> {
    let more = if report.is_cut { " and more" } else { "" };
    let gap = || {
        let number = report.skipped.len();
        format!("{number} files{more} were not searched for secrets, or not to their end")
    };
    (!report.is_complete()).then(gap)
}

/// Says which files nobody looked at.
pub(super) fn warnings(report: &SecretReport) -> Vec<String> {
    let skipped = report.skipped.iter().take(SKIPPED_NAMED_MAX);
    let mut warnings: Vec<String> = skipped
        .map(|one| format!("{} was not searched for secrets: {}", one.path, one.reason))
        .collect();
    let more = report.skipped.len().saturating_sub(SKIPPED_NAMED_MAX);
    if more > 0 || report.is_cut {
        warnings.push(format!(
            "{more} more files were not searched for secrets, or have more of them than is told"
        ));
    }
    warnings
}
